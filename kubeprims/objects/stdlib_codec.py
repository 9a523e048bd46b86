"""The codec that needs nothing but the standard library."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject
from kubeprims.objects import scan
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.header import HeaderError, read_header
from kubeprims.objects.list_stream import ITEM_BYTES_MAX, ListStream
from kubeprims.objects.metadata import quick_metadata
from kubeprims.objects.reading import (
    OBJECT_START,
    TypeMeta,
    assemble,
    careful_object,
    malformed,
    quick_item,
    quick_object,
    quick_rest,
    similar_items,
)
from kubeprims.objects.record import RESOURCE_VERSION, ObjectRecord
from kubeprims.objects.strict_json import DECODER, decode_object, decode_text, encode_object, utf8

_SPACE = b" \t\r\n"
_EVENT = re.compile(rf'\{{"type":"(?P<type>ADDED|MODIFIED|DELETED)","object":(?P<object>{OBJECT_START})')
_ITEM = re.compile(OBJECT_START)
_TYPES = {event_type.value: event_type for event_type in WatchEventType}
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"
# The longest token that can be cut in two is an escaped pair of surrogates.
_TOKEN_CHARS_MAX = 16


class StdlibCodec:
    """Reads lists and watches with ``json``, decoding of each object no more than its metadata where that is possible.

    Args:
        keep_managed_fields: Leave ``metadata.managedFields`` in the objects. They are a third of a typical object, and
            hardly any controller reads them.

    Concurrency:
        Holds no state: one instance serves any number of threads. Each ``ListStream`` belongs to one.
    """

    def __init__(self, *, keep_managed_fields: bool = False) -> None:
        self._keep = keep_managed_fields

    def split_list(self, chunks: Iterable[bytes], *, item_bytes_max: int = ITEM_BYTES_MAX) -> ListStream:
        """Return the items of a list while its bytes come in; see :class:`ListStream` for what that raises."""
        return ListStream(chunks, self, item_bytes_max=item_bytes_max)

    def split_event(self, line: bytes) -> WatchEvent:
        """Return the event that one line of a watch holds.

        Raises:
            DecodeError: It is not UTF-8, not an event, of an unknown type, or an ERROR without a ``Status``.
        """
        text = utf8(line.strip(_SPACE))
        match = _EVENT.match(text)
        if match is not None and text.endswith("}}"):
            record = quick_rest(text, match, match.start("object"), len(text) - 1, keep_managed_fields=self._keep)
            if record is not None:
                return WatchEvent(_TYPES[match["type"]], record, record[RESOURCE_VERSION])
        return self.careful_event(text)

    def careful_event(self, text: str) -> WatchEvent:
        """Return the event that ``text`` holds, assuming nothing about its shape.

        Raises:
            DecodeError: As for :meth:`split_event`.
        """
        if not text:
            raise DecodeError("an empty line is not an event")
        found, end = scan.members(text, 0)
        if end != len(text):
            raise DecodeError("not an event: the line goes on after the JSON")
        at = {member.key: member for member in found}
        if "type" not in at or "object" not in at:
            raise DecodeError("not an event: no type or no object")
        name = decode_text(text[at["type"].value : at["type"].end])
        event_type = _TYPES.get(name) if isinstance(name, str) else None
        if event_type is None:
            raise DecodeError("not an event: unknown type")
        start, end = at["object"].value, at["object"].end
        match event_type:
            case WatchEventType.ERROR:
                return WatchEvent(event_type, None, "", status=_object(text[start:end]))
            case WatchEventType.BOOKMARK:
                return _bookmark(text[start:end])
            case _:
                item, _ = careful_object(text, start, keep_managed_fields=self._keep)
                if isinstance(item, MalformedObject):
                    return WatchEvent(event_type, None, item.resource_version, malformed=item)
                return WatchEvent(event_type, item, item[RESOURCE_VERSION])

    def to_record(self, raw: bytes) -> ObjectRecord:
        """Return the record of one object's JSON.

        Raises:
            DecodeError: It is not UTF-8, not an object, or its metadata breaks a rule.
        """
        text = utf8(raw.strip(_SPACE))
        record = quick_object(text, 0, len(text), keep_managed_fields=self._keep)
        return self.careful_record(text) if record is None else record

    def careful_record(self, text: str) -> ObjectRecord:
        """Return the record of the object that ``text`` holds, assuming nothing about its shape.

        Raises:
            DecodeError: As for :meth:`to_record`.
        """
        if not text.startswith("{"):
            raise DecodeError("the JSON is not an object")
        item, end = careful_object(text, 0, keep_managed_fields=self._keep)
        if isinstance(item, MalformedObject):
            raise DecodeError(item.detail, raw=item.raw)
        if end != len(text):
            raise DecodeError("the text goes on after the JSON")
        return item

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
        similar = similar_items(text, pos, chars_max, lambda item: self._piece(item, type_meta))
        if similar is None and not final:
            raise scan.Truncated("no second item follows yet")
        if similar is not None and similar[0]:
            return similar
        found: tuple[ObjectRecord | MalformedObject, int] | None = None
        try:
            found = self._quick_item(text, pos, type_meta)
        except json.JSONDecodeError as error:
            if not final and _may_be_cut_off(error, text):
                raise scan.Truncated("the JSON ends in the middle") from None
        except (ValueError, RecursionError, HeaderError):
            pass  # the careful way finds out what is wrong
        item, end = found or careful_object(text, pos, keep_managed_fields=self._keep, type_meta=type_meta)
        if end - pos > chars_max:
            raise DecodeError(f"an item is larger than {chars_max} bytes")
        return [item], end

    def _piece(self, text: str, type_meta: TypeMeta) -> ObjectRecord | None:
        """Read an item that another one follows, decoding its metadata only; None if its shape is unexpected."""
        try:
            return quick_item(text, type_meta, keep_managed_fields=self._keep)
        except UnicodeEncodeError:
            return None

    def _quick_item(self, text: str, pos: int, type_meta: TypeMeta) -> tuple[ObjectRecord, int] | None:
        """Read an item by decoding its members one by one; None if its shape is unexpected."""
        match = _ITEM.match(text, pos)
        metadata = quick_metadata(text, match.end()) if match else None
        if match is None or metadata is None:
            return None
        end = metadata.end
        while text.startswith(',"', end):
            key, after = DECODER.raw_decode(text, end + 1)
            if key in {"metadata", "kind", "apiVersion"} or not text.startswith(":", after):
                return None
            _, end = DECODER.raw_decode(text, after + 1)
        if not text.startswith("}", end):
            return None
        end += 1
        missing = type_meta.missing(has_kind=bool(match["kind"] or match["late"]), has_api_version=bool(match["api"]))
        cuts = () if self._keep or metadata.cut is None else (metadata.cut,)
        header = read_header(metadata.values)
        return (*header, assemble(text, pos, end, missing, cuts).encode()), end


def _may_be_cut_off(error: json.JSONDecodeError, text: str) -> bool:
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - _TOKEN_CHARS_MAX


def _object(text: str) -> JSONObject:
    value = decode_text(text)
    if not isinstance(value, dict):
        raise DecodeError("not an event: the object of an ERROR or a BOOKMARK is not an object")
    return value


def _bookmark(text: str) -> WatchEvent:
    metadata = _object(text).get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(version, str) or not version:
        bad = malformed("a bookmark without metadata.resourceVersion", text)
        return WatchEvent(WatchEventType.BOOKMARK, None, "", malformed=bad)
    annotations = metadata.get("annotations")
    ends = isinstance(annotations, dict) and annotations.get(_INITIAL_EVENTS_END) == "true"
    return WatchEvent(WatchEventType.BOOKMARK, None, version, initial_events_end=ends)
