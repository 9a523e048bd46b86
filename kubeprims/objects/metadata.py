"""The metadata of an object, decoded out of the middle of its text, and where its managedFields stand.

The fast way leans on three facts about well-formed JSON:

- ``,"managedFields":[`` cannot stand inside a string, whose quotes would be escaped.
- If it stands deeper than in the metadata itself, what precedes it, closed with ``}``, does not parse.
- If the number of unescaped quotes before a bracket is even, the bracket is not inside a string; the first closing
  bracket after the mark, with no other opened, closes the array. As all of the object's quotes come in pairs, the
  number before the bracket is even if the one behind it is: whoever checks that need not have them counted here.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects import scan
from kubeprims.objects.header import HEADER_FIELDS, Header, HeaderError, read_header
from kubeprims.objects.strict_json import DECODER, check_surrogates, decode_text

_MARK = ',"managedFields":['
# How far the mark is looked for before the metadata is decoded to see whether it is there at all: in a list, whatever
# follows belongs to other objects.
_NEAR = 16 * 1024
_TAIL = 8 * 1024

Span = tuple[int, int]
"""A part of a text to leave out: from, to."""


class QuickMetadata(NamedTuple):
    """Decoded metadata without managedFields, where it ends in the text, and where managedFields stand (if at all)."""

    values: JSONObject
    end: int
    cut: Span | None


def quick_metadata(text: str, pos: int, *, count_quotes: bool = True) -> QuickMetadata | None:
    """Decode the metadata that begins at ``pos``, an opening brace, unless it is of an unexpected shape.

    Right whenever the text is JSON from ``pos`` on; what is cut is not looked at. Without ``count_quotes``, only if the
    number of unescaped quotes from where the metadata ends to where the object does is even as well.

    Raises:
        ValueError: It is not JSON, or ends too early (a ``JSONDecodeError`` says where).
        RecursionError: It is nested too deeply.
    """
    mark = text.find(_MARK, pos, pos + _NEAR)
    found = _around(text, pos, mark, count_quotes=count_quotes) if mark >= 0 else None
    if found is not None:
        return found
    values, end = _decode_object(text, pos)
    if "managedFields" not in values:
        return QuickMetadata(values, end, None)
    mark = text.find(_MARK, pos, end)
    return _around(text, pos, mark, count_quotes=count_quotes) if mark >= 0 else None


def _around(text: str, pos: int, mark: int, *, count_quotes: bool) -> QuickMetadata | None:
    """Decode the metadata at ``pos`` without what stands at ``mark``, if that is its managedFields."""
    close = _array_end(text, mark + len(_MARK) - 1, count_quotes=count_quotes)
    if close < 0 or text[mark - 1] in " \t\n\r":
        return None
    following = text[close : close + 1]
    if following not in {"}", ","}:
        return None
    tail: JSONObject = {}
    size = 1
    try:
        values = _decode_whole(text[pos:mark] + "}")
        if following == ",":
            tail, size = _decode_object("{" + text[close + 1 : close + 1 + _TAIL], 0)
    except (ValueError, RecursionError):
        return None
    if not values or "managedFields" in values or "managedFields" in tail or bool(tail) != (following == ","):
        return None
    return QuickMetadata(values | tail, close + size, (mark, close))


def _array_end(text: str, pos: int, *, count_quotes: bool) -> int:
    """Return where the array that begins at ``pos`` ends; -1 if that cannot be told without reading it."""
    bracket = text.find("]", pos)
    if bracket < 0 or text.find("[", pos + 1, bracket) >= 0:
        return -1
    if count_quotes:
        inside = text[pos + 1 : bracket]
        escaped = inside.count('\\"')
        if inside.count("\\") != escaped or (inside.count('"') - escaped) % 2:
            return -1
    return bracket + 1


def _decode_whole(text: str) -> JSONObject:
    values, end = _decode_object(text, 0)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return values


def _decode_object(text: str, pos: int) -> tuple[JSONObject, int]:
    value: JSONValue
    value, end = DECODER.raw_decode(text, pos)
    assert isinstance(value, dict), text[pos]  # callers have seen its brace
    check_surrogates(text[pos:end], value)
    return value, end


def careful_metadata(text: str, pos: int) -> tuple[Header, list[Span]]:
    """Read the header out of the metadata at ``pos``, whose brackets match, and find all managedFields in it.

    Nothing but the header's own fields is decoded, so nothing else in the metadata can be wrong here.

    Raises:
        HeaderError: It is not an object, or breaks a rule.
    """
    if text[pos] != "{":
        raise HeaderError("metadata is not an object")
    try:
        found, _ = scan.members(text, pos)
    except DecodeError as error:
        raise HeaderError(error.detail) from None
    fields = {member.key: member for member in found if member.key in HEADER_FIELDS}
    values = {key: _decode_field(text, member) for key, member in fields.items()}
    return read_header(values), _managed_fields(found)


def _decode_field(text: str, member: scan.Member) -> JSONValue:
    try:
        return decode_text(text[member.value : member.end])
    except DecodeError as error:
        raise HeaderError(f"metadata.{member.key} cannot be decoded: {error.detail}") from None


def _managed_fields(found: list[scan.Member]) -> list[Span]:
    """Return what to leave out: each managedFields with the comma before it, or, in the first place, after it."""
    spans: list[Span] = []
    kept_before = False
    for index, member in enumerate(found):
        if member.key != "managedFields":
            kept_before = True
        elif kept_before:
            spans.append((found[index - 1].end, member.end))
        else:
            following = found[index + 1].start if index + 1 < len(found) else member.end
            spans.append((member.start, following))
    return spans
