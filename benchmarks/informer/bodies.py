"""What the server sends, rendered before anybody asks: lists, events and bookmarks, as JSON or as protobuf.

The files hold the benchmark's pods and, behind them, the objects that are no pods of the list: see :data:`EXTRAS`.
"""

from __future__ import annotations

import json
import pathlib
import struct
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from typing import Protocol

from benchmarks.codecs.pods import JSON, compact, pods

LIST_VERSION = 200_000_000
"""The version of the list; events come after it, and all are nine digits, so that one can be written over another."""

BURST_PODS = 1_000
EXTRAS = 3
END_NAME = "zz-end-of-burst"

_PLACEHOLDER = "987654321"
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}
_JSON_KIND = b'{"kind":"Pod","apiVersion":"v1",'
_MAGIC = b"k8s\0"


def write_pods(path: pathlib.Path, count: int) -> None:
    """Write each pod of the list, then the extras, a line each."""
    with path.open("wb") as file:
        for pod in pods(count):
            file.write(compact(pod) + b"\n")
        for extra in _extras():
            file.write(compact(extra) + b"\n")


def _extras() -> Iterator[JSON]:
    """Yield the end of the initial events, a bookmark, and the object whose addition ends a burst."""
    kind: JSON = {"kind": "Pod", "apiVersion": "v1"}
    # A server writes a bookmark as an empty object of the kind.
    rest: JSON = {"spec": {"containers": None}, "status": {}}
    end: JSON = {"resourceVersion": str(LIST_VERSION), "creationTimestamp": None, "annotations": _INITIAL_EVENTS_END}
    yield {**kind, "metadata": end, **rest}
    yield {**kind, "metadata": {"resourceVersion": _PLACEHOLDER, "creationTimestamp": None}, **rest}
    last = next(pods(1, seed=2))
    metadata = last["metadata"]
    assert isinstance(metadata, dict)
    # Nine digits that the server replaces, so that each burst ends with an object that is new.
    yield {**last, "metadata": {**metadata, "name": f"{END_NAME}-{_PLACEHOLDER}", "resourceVersion": _PLACEHOLDER}}


class Encoding(Protocol):
    """How objects are put into lists and events."""

    content_type: str
    watch_content_type: str

    def page(self, facts: JSON, items: list[bytes]) -> tuple[bytes, bytes]:
        """Return what comes before and after the items of a page."""
        ...

    def item(self, pod: bytes, *, is_first: bool) -> bytes:
        """Return a pod as an item of a list."""
        ...

    def event(self, event_type: str, pod: bytes) -> bytes:
        """Return an event."""
        ...


class JSONEncoding:
    content_type = "application/json"
    watch_content_type = "application/json"

    @staticmethod
    def load(path: pathlib.Path) -> list[bytes]:
        return path.read_bytes().splitlines()

    def page(self, facts: JSON, items: list[bytes]) -> tuple[bytes, bytes]:
        del items
        return b'{"kind":"PodList","apiVersion":"v1","metadata":%b,"items":[' % compact(facts), b"]}\n"

    def item(self, pod: bytes, *, is_first: bool) -> bytes:
        # Built-in lists leave kind and apiVersion out of their items.
        return (b"" if is_first else b",") + b"{" + pod.removeprefix(_JSON_KIND)

    def event(self, event_type: str, pod: bytes) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (event_type.encode(), pod)


class ProtobufEncoding:
    """Kubernetes' envelope: a magic number, then ``runtime.Unknown``, which holds kind, version and the message."""

    content_type = "application/vnd.kubernetes.protobuf"
    watch_content_type = "application/vnd.kubernetes.protobuf;stream=watch"

    @staticmethod
    def load(path: pathlib.Path) -> list[bytes]:
        data, found, at = path.read_bytes(), [], 0
        while at < len(data):
            (length,) = struct.unpack_from(">I", data, at)
            found.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        return found

    def page(self, facts: JSON, items: list[bytes]) -> tuple[bytes, bytes]:
        metadata = _field(2, str(facts["resourceVersion"]).encode())
        if token := facts.get("continue"):
            metadata += _field(3, str(token).encode())
        if isinstance(left := facts.get("remainingItemCount"), int):
            metadata += b"\x20" + _varint(left)
        before = _field(1, metadata)
        size = len(before) + sum(len(self.item(pod, is_first=False)) for pod in items)
        return _MAGIC + _type_meta(b"PodList") + b"\x12" + _varint(size) + before, _field(3, b"") + _field(4, b"")

    def item(self, pod: bytes, *, is_first: bool) -> bytes:
        del is_first
        return _field(2, pod)

    def event(self, event_type: str, pod: bytes) -> bytes:
        unknown = _MAGIC + _type_meta(b"Pod") + _field(2, pod) + _field(3, b"") + _field(4, b"")
        event = _field(1, event_type.encode()) + _field(2, _field(1, unknown))
        return struct.pack(">I", len(event)) + event


def _type_meta(kind: bytes) -> bytes:
    return _field(1, _field(1, b"v1") + _field(2, kind))


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >> 7:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Patched:
    """Frames in which versions are written over: as many different events as are wanted, from a few of them.

    Each belongs to one connection.
    """

    def __init__(self, frames: list[bytes], placeholders: list[bytes]) -> None:
        self.count = len(frames)
        starts = list(accumulate(map(len, frames), initial=0))
        self._data = bytearray(b"".join(frames))
        self._places = [
            [start + at for at in _places(frame, placeholder)]
            for start, frame, placeholder in zip(starts, frames, placeholders, strict=False)
        ]
        self._ends = starts[1:]

    def frames(self, count: int, first_version: int) -> memoryview:
        """Return the first ``count`` frames, with versions that begin at ``first_version``."""
        data = self._data
        for version, places in enumerate(self._places[:count], first_version):
            digits = b"%d" % version
            for place in places:
                data[place : place + 9] = digits
        return memoryview(data)[: self._ends[count - 1]]


def _places(frame: bytes, placeholder: bytes) -> list[int]:
    found, at = [], frame.find(placeholder)
    while at >= 0:
        found.append(at)
        at = frame.find(placeholder, at + 1)
    assert found, placeholder
    return found


class Bodies:
    """Everything that can be asked for, in one encoding. What is not asked for is not rendered."""

    def __init__(self, encoding: Encoding, objects: list[bytes], versions: list[bytes]) -> None:
        self.encoding = encoding
        self.pods = objects[:-EXTRAS]
        self._versions = versions
        self._initial_end, self._bookmark, self._end = objects[-EXTRAS:]

    @cached_property
    def _items(self) -> tuple[bytes, list[int]]:
        chunks = [chunk(self.encoding.item(pod, is_first=False)) for pod in self.pods]
        return b"".join(chunks), list(accumulate(map(len, chunks), initial=0))

    def page(self, start: int, end: int) -> Iterator[bytes | memoryview]:
        """Yield the chunked body of the page of the pods from ``start`` to ``end``."""
        facts: JSON = {"resourceVersion": str(LIST_VERSION)}
        if end < len(self.pods):
            facts |= {"continue": str(end), "remainingItemCount": len(self.pods) - end}
        items = self.pods[start:end]
        before, after = self.encoding.page(facts, items)
        blob, places = self._items
        yield chunk(before + b"".join(self.encoding.item(pod, is_first=True) for pod in items[:1]))
        yield memoryview(blob)[places[min(start + 1, end)] : places[end]]
        yield chunk(after) + b"0\r\n\r\n"

    @cached_property
    def initial_events(self) -> bytes:
        """The chunks of a watch-list up to its mark."""
        events = [chunk(self.encoding.event("ADDED", pod)) for pod in self.pods]
        return b"".join(events) + chunk(self.encoding.event("BOOKMARK", self._initial_end))

    def burst(self) -> Patched:
        """Return changes of the first pods."""
        changed = self.pods[:BURST_PODS]
        frames = [chunk(self.encoding.event("MODIFIED", pod)) for pod in changed]
        return Patched(frames, self._versions)

    def burst_end(self) -> Patched:
        """Return the object whose addition ends a burst."""
        return Patched([chunk(self.encoding.event("ADDED", self._end))], [_PLACEHOLDER.encode()])

    def bookmark(self) -> Patched:
        """Return a bookmark."""
        return Patched([chunk(self.encoding.event("BOOKMARK", self._bookmark))], [_PLACEHOLDER.encode()])


def load(pods_file: pathlib.Path, protobuf_file: pathlib.Path | None) -> dict[str, Bodies]:
    """Return what can be served, by the encoding's name."""
    lines = JSONEncoding.load(pods_file)
    versions = [json.loads(line)["metadata"]["resourceVersion"].encode() for line in lines[:BURST_PODS][:-EXTRAS]]
    bodies = {"json": Bodies(JSONEncoding(), lines, versions)}
    if protobuf_file is not None:
        bodies["protobuf"] = Bodies(ProtobufEncoding(), ProtobufEncoding.load(protobuf_file), versions)
    return bodies
