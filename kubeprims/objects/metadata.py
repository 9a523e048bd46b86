"""The metadata of an object, read out of the middle of its text, and where its managedFields stand.

Metadata as the API server writes that of built-in kinds, with its members in the order of Go's struct, are matched by
one pattern and not decoded; others, custom resources' among them, are decoded without their managedFields.

Both lean on three facts about well-formed JSON:

- ``,"managedFields":[`` cannot stand inside a string, whose quotes would be escaped.
- If it stands deeper than in the metadata itself, what precedes it, closed with ``}``, does not parse.
- If the number of unescaped quotes before a bracket is even, the bracket is not inside a string; the first closing
  bracket after the mark, with no other opened, closes the array. As all of the object's quotes come in pairs, the
  number before the bracket is even if the one behind it is: whoever checks that need not have them counted here.
"""

from __future__ import annotations

import functools
import json
import re
from typing import NamedTuple, cast

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects import scan
from kubeprims.objects.header import HEADER_FIELDS, Header, HeaderError, flat_labels, read_header
from kubeprims.objects.strict_json import DECODER, check_surrogates, decode_text

_MARK = ',"managedFields":['
# What repeats is possessive, so that matching takes no longer than the text is long, whatever it holds. A class of one
# character is matched several times faster than one of several, which is why _STRING first looks for its end like this.
_EXACT = r'[^"\\\x00-\x1f]*+'
_PLAIN = r'"[^"]*+(?<!\\)"'
_STRING = r'"(?:[^"]*+(?<!\\)"|[^"\\]*+(?:\\.[^"\\]*+)*+")'
_STRINGS = rf"\{{(?:{_STRING}:{_STRING}(?:,{_STRING}:{_STRING})*+)?+\}}"
_OWNER = (
    rf'\{{"apiVersion":{_PLAIN},"kind":{_PLAIN},"name":{_PLAIN},"uid":{_PLAIN}'
    r'(?:,"controller":(?:true|false))?+(?:,"blockOwnerDeletion":(?:true|false))?+\}'
)
_USUAL = re.compile(
    r'\{"name":"([^"\\/\x00-\x1f]++)"'
    rf'(?:,"generateName":{_PLAIN})?+'
    r'(?:,"namespace":"([^"\\/\x00-\x1f]*+)")?+'
    rf'(?:,"uid":"({_EXACT})")?+'
    rf'(?:,"resourceVersion":"({_EXACT})")?+'
    r'(?:,"generation":\d++)?+'
    rf'(?:,"creationTimestamp":{_PLAIN})?+'
    rf'(?:,"deletionTimestamp":{_PLAIN})?+'
    r'(?:,"deletionGracePeriodSeconds":\d++)?+'
    rf'(?:,"labels":({_STRINGS}))?+'
    rf'(?:,"annotations":{_STRINGS})?+'
    rf'(?:,"ownerReferences":\[{_OWNER}(?:,{_OWNER})*+\])?+'
    rf'(?:,"finalizers":\[{_PLAIN}(?:,{_PLAIN})*+\])?+'
    r'(?:\}|,"managedFields":(\[))'
)

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


def quick_header(text: str, pos: int) -> tuple[Header, int, Span | None] | None:
    """Return the header in the metadata that begins at ``pos``, where that ends, and where any managedFields stand.

    None if it is of an unexpected shape. Right whenever the text is JSON from ``pos`` on, and the number of unescaped
    quotes from where the metadata ends to where the object does is even.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
        HeaderError: It breaks a rule.
    """
    usual = _USUAL.match(text, pos)
    if usual is not None:
        name, namespace, uid, resource_version, labels, managed_fields = usual.groups()
        end, cut = usual.end(), None
        if managed_fields is not None:
            close = _array_end(text, end - 1, count_quotes=False)
            if text[close : close + 1] == "}":  # else it is not there, or not the last member
                end, cut = close + 1, (usual.start(6) - len(_MARK) + 1, close)
        if cut is not None or managed_fields is None:
            key = f"{namespace}/{name}" if namespace else name
            read = _read_shared_labels if labels and len(labels) <= _SHARED_LABELS_CHARS_MAX else _read_labels
            return (key, uid or "", resource_version or "", read(labels) if labels else ()), end, cut
    metadata = quick_metadata(text, pos, count_quotes=False)
    return None if metadata is None else (read_header(metadata.values), metadata.end, metadata.cut)


def _read_labels(text: str) -> tuple[str, ...]:
    """Return the labels of an object as a record keeps them.

    Raises:
        ValueError: The text is not JSON.
    """
    return flat_labels(cast("dict[str, str]", _decode_whole(text)))  # the pattern lets nothing but strings through


# Objects share their labels, and so do their versions.
_read_shared_labels = functools.lru_cache(maxsize=4096)(_read_labels)
# Together with the bound on their number, of characters: a few megabytes, whatever a server sends.
_SHARED_LABELS_CHARS_MAX = 1024


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
