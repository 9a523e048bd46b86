"""The codec that lets msgspec find the parts of an object and check its structure.

Whatever msgspec refuses, and whatever has an unexpected shape, is left to :class:`StdlibCodec`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.header import flat_labels
from kubeprims.objects.list_stream import ITEM_BYTES_MAX, ListStream
from kubeprims.objects.msgspec_json import decode_object
from kubeprims.objects.reading import OBJECT_START, TypeMeta, similar_items
from kubeprims.objects.record import RESOURCE_VERSION, ObjectRecord
from kubeprims.objects.scan import Truncated
from kubeprims.objects.stdlib_codec import StdlibCodec
from kubeprims.objects.strict_json import encode_object

_SPACE = b" \t\r\n"
_EVENT = re.compile(rb'\{"type":"(ADDED|MODIFIED|DELETED)","object":(?=\{)')
_TYPES = {event_type.encode(): event_type for event_type in WatchEventType}
_MARK = b',"managedFields":['
_START = re.compile(OBJECT_START.encode())
_AFTER_MANAGED_FIELDS = (b"}", b",")
# The object ends, or another member follows.
_AFTER_METADATA = (b"}", b',"')
# The end of the last item is told from the end of the text, if that is not far away.
_NEAR = 256 * 1024
_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeError)
_ABSENT = msgspec.Raw(b"")


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    labels: dict[str, str] | None = None
    managed_fields: msgspec.Raw = _ABSENT


class _Object(msgspec.Struct, gc=False, rename="camel"):
    metadata: _Metadata
    kind: msgspec.Raw = _ABSENT
    api_version: msgspec.Raw = _ABSENT


class _Tail(msgspec.Struct, gc=False, rename="camel"):
    """What follows the metadata of an object; that should not come again."""

    metadata: msgspec.Raw = _ABSENT
    kind: msgspec.Raw = _ABSENT
    api_version: msgspec.Raw = _ABSENT


_decode_stub = msgspec.json.Decoder(_Object).decode
_decode_metadata = msgspec.json.Decoder(_Metadata).decode
_decode_tail = msgspec.json.Decoder(_Tail).decode
_decode_any = msgspec.json.Decoder(msgspec.Raw).decode


class MsgspecCodec:
    """Reads lists and watches with msgspec, decoding no more of each object than a record needs.

    Gives exactly what :class:`StdlibCodec` gives.

    Args:
        keep_managed_fields: Leave ``metadata.managedFields`` in the objects. They are a third of a typical object, and
            hardly any controller reads them.

    Concurrency:
        Holds no state: one instance serves any number of threads. Each ``ListStream`` belongs to one.
    """

    def __init__(self, *, keep_managed_fields: bool = False) -> None:
        self._keep = keep_managed_fields
        self._stdlib = StdlibCodec(keep_managed_fields=keep_managed_fields)

    def split_list(self, chunks: Iterable[bytes], *, item_bytes_max: int = ITEM_BYTES_MAX) -> ListStream:
        """Return the items of a list while its bytes come in; see :class:`ListStream` for what that raises."""
        return ListStream(chunks, self, item_bytes_max=item_bytes_max)

    def split_event(self, line: bytes) -> WatchEvent:
        """Return the event that one line of a watch holds.

        Raises:
            DecodeError: It is not UTF-8, not an event, of an unknown type, or an ERROR without a ``Status``.
        """
        text = line.strip(_SPACE)
        match = _EVENT.match(text)
        # The object is all between the match and the last brace, or else it does not decode.
        if match is not None and text.endswith(b"}"):
            record = self._record(text[match.end() : -1])
            if record is not None:
                return WatchEvent(_TYPES[match[1]], record, record[RESOURCE_VERSION])
        return self._stdlib.split_event(line)

    def to_record(self, raw: bytes) -> ObjectRecord:
        """Return the record of one object's JSON.

        Raises:
            DecodeError: It is not UTF-8, not an object, or its metadata breaks a rule.
        """
        return self._record(raw.strip(_SPACE)) or self._stdlib.to_record(raw)

    def decode(self, raw: bytes) -> JSONObject:
        """Return the JSON object that ``raw`` holds.

        Raises:
            DecodeError: It is not UTF-8, not JSON, not an object, or nested too deeply for Python.
        """
        return decode_object(raw)

    def encode(self, obj: JSONObject) -> bytes:
        """Return ``obj`` as compact JSON.

        Raises:
            InvalidArgument: It holds what JSON cannot say.
        """
        return encode_object(obj)

    def read_items(
        self, text: str, pos: int, type_meta: TypeMeta, *, final: bool, chars_max: int
    ) -> tuple[list[ObjectRecord | MalformedObject], int]:
        """Read some of the items of a list that begin at ``pos``; see ``ListStream``.

        Raises:
            Truncated: The text ends first.
            DecodeError: The item's end cannot be found.
        """
        found = similar_items(text, pos, chars_max, lambda item: self._piece(item, type_meta), _last_end)
        if found is None and not final:
            raise Truncated("no second item follows yet")
        if found is None or not found[0]:
            return self._stdlib.read_items(text, pos, type_meta, final=final, chars_max=chars_max)
        return found

    def _piece(self, text: str, type_meta: TypeMeta) -> ObjectRecord | None:
        try:
            return self._record(text.encode(), type_meta)
        except UnicodeEncodeError:
            return None

    def _record(self, raw: bytes, type_meta: TypeMeta | None = None) -> ObjectRecord | None:
        """Return the record of an object without white space around it; None if the careful way must decide."""
        try:
            read = _in_parts(raw, self._keep) or _as_a_whole(raw, self._keep)
            if read is None:
                return None
            if not raw.isascii():
                raw.decode()  # msgspec does not look into the strings that it passes over
            found, kept, has_kind, has_api_version = read
            key = str(ObjectKey.make(found.namespace or "", found.name))
        except (*_REFUSED, InvalidArgument):
            return None
        missing = type_meta and type_meta.missing(has_kind=has_kind, has_api_version=has_api_version)
        if missing:
            kept = b"{" + missing.encode() + kept[1:]
        return key, found.uid or "", found.resource_version or "", flat_labels(found.labels), kept


_Read = tuple[_Metadata, bytes, bool, bool]
"""What is read of an object: its metadata, what to keep of it, whether it has a kind, and an apiVersion."""


def _in_parts(raw: bytes, keep: bool) -> _Read | None:  # noqa: FBT001 - called for each object
    """Read an object with managedFields that nothing but scalars follows in its metadata; None if it is not such.

    Built-in kinds have them last; custom resources have their members sorted. It is what it seems to be if, and only
    if, each of its three parts is JSON by itself: the metadata without managedFields, up to the first closing brace
    after them; managedFields; and what follows the metadata, opened with a brace.
    """
    match = _START.match(raw)
    mark = raw.find(_MARK) if match is not None else -1
    if match is None or mark < 0 or raw[mark - 1] in _SPACE:
        return None
    start = mark + len(_MARK) - 1
    close = raw.find(b"]", start) + 1
    end = raw.find(b"}", close) + 1
    following = raw[end : end + 2]
    if raw[close : close + 1] not in _AFTER_MANAGED_FIELDS or following not in _AFTER_METADATA:
        return None
    try:
        metadata = _decode_metadata(raw[match.end() : mark] + raw[close:end])
        _decode_any(raw[start:close])
        tail = _decode_tail(b"{}" if following == b"}" else b"{" + raw[end + 1 :])
    except msgspec.MsgspecError:
        return None
    if metadata.managed_fields is not _ABSENT or tail.metadata is not _ABSENT:
        return None
    has_kind = bool(match["kind"] or match["late"]) or tail.kind is not _ABSENT
    has_api_version = bool(match["api"]) or tail.api_version is not _ABSENT
    return metadata, raw if keep else raw[:mark] + raw[close:], has_kind, has_api_version


def _as_a_whole(raw: bytes, keep: bool) -> _Read | None:  # noqa: FBT001 - called for each object
    """Read any object; None if its managedFields do not stand where they seem to.

    Raises:
        msgspec.MsgspecError: It is not JSON, or its metadata breaks a rule.
    """
    stub = _decode_stub(raw)
    kept = raw if keep else _cut_managed_fields(raw, stub.metadata.managed_fields)
    if kept is None:
        return None
    return stub.metadata, kept, stub.kind is not _ABSENT, stub.api_version is not _ABSENT


def _cut_managed_fields(raw: bytes, managed_fields: msgspec.Raw) -> bytes | None:
    """Return the object without its managedFields; None if they do not stand where they seem to."""
    if managed_fields is _ABSENT:
        return raw
    mark = raw.find(_MARK)
    start = mark + len(_MARK) - 1
    if mark < 0 or raw[mark - 1] in _SPACE or not raw.startswith(bytes(managed_fields), start):
        return None
    cut = raw[:mark] + raw[start + memoryview(managed_fields).nbytes :]
    # Another member of that name, deeper or spelled with escapes, may have been cut: then the right one is still there.
    return cut if _decode_stub(cut).metadata.managed_fields is _ABSENT else None


def _last_end(text: str, start: int) -> int:
    """Return where the item at ``start`` ends if it seems to be the last one, of the list or of what came; else -1."""
    if len(text) - start > _NEAR:
        return -1
    last = text[-8:].rstrip(" \t\r\n")
    end = len(text) - len(text[-8:]) + len(last)
    for closing, size in (("}]}", 2), ("},", 1), ("}", 0)):
        if last.endswith(closing):
            return end - size
    return -1
