"""From the text of one object to its record: the careful way, which decides, and the quick way, which agrees with it.

The rules, the same for lists and watches and for every codec:

- An object needs readable metadata with a name; what :mod:`kubeprims.objects.header` reads must be right, or the object
  is malformed.
- Its other content is not looked at until somebody reads it: ``DecodeError`` comes then if it is not JSON.
- Of a repeated member the last counts.
- managedFields are cut out of the text unchecked, and the rest of the text is kept as it came.

The quick way gives exactly what the careful way gives for every text that is JSON. It may take text that is not, as
long as quotes and braces match: that is found out when the content is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kubeprims.errors import DecodeError
from kubeprims.meta import ObjectKey
from kubeprims.objects import scan
from kubeprims.objects.event import RAW_BYTES_MAX, MalformedObject
from kubeprims.objects.header import HeaderError
from kubeprims.objects.metadata import Span, careful_metadata, quick_header
from kubeprims.objects.record import KEY, RAW, RESOURCE_VERSION, ObjectRecord

_PLAIN = r'"[^"\\\x00-\x1f]*"'
OBJECT_START = (
    rf'\{{(?P<kind>"kind":{_PLAIN},)?(?P<api>"apiVersion":{_PLAIN},)?(?P<late>"kind":{_PLAIN},)?"metadata":(?=\{{)'
)
"""How objects begin: built-in kinds have their kind first, custom resources their apiVersion."""

_OBJECT = re.compile(OBJECT_START)
_BATCH_MAX = 500
# How far the end of an item is looked for: text may come in one piece, and must not be searched again for each item.
_NEAR = 256 * 1024
_LETTER_ESCAPE = re.compile(rb"\\u00[67]")
# Each level costs a pass over the text, so that great depth would cost its square.
_QUICK_DEPTH = 64
_NOT_BRACES = bytes(byte for byte in range(256) if byte not in b"{}")
_NOT_QUOTES_OR_BRACES = bytes(byte for byte in range(256) if byte not in b'"{}')


class TypeMeta(NamedTuple):
    """What a list says for its items: text to put into those that leave it out, such as ``"kind":"Pod",``."""

    kind: str = ""
    api_version: str = ""

    def missing(self, *, has_kind: bool, has_api_version: bool) -> str:
        """Return the text for an item."""
        return ("" if has_kind else self.kind) + ("" if has_api_version else self.api_version)


NO_TYPE_META = TypeMeta()


def careful_object(
    text: str, start: int, *, keep_managed_fields: bool, type_meta: TypeMeta = NO_TYPE_META
) -> tuple[ObjectRecord | MalformedObject, int]:
    """Read the object that begins at ``start``; return it, or what is wrong with it, and where it ends.

    Raises:
        Truncated: The text ends first.
        DecodeError: No value begins there, or brackets do not match, so that its end cannot be found.
    """
    if text[start] != "{":
        end = scan.skip_value(text, start)
        return malformed("not an object", text[start:end]), end
    try:
        found, end = scan.members(text, start)
    except scan.Truncated:
        raise
    except DecodeError as error:
        end = scan.skip_value(text, start)
        return malformed(error.detail, text[start:end]), end
    at = {member.key: member.value for member in found}
    if "metadata" not in at:
        return malformed("there is no metadata", text[start:end]), end
    try:
        header, cuts = careful_metadata(text, at["metadata"])
    except HeaderError as error:
        return malformed(error.detail, text[start:end], error), end
    missing = type_meta.missing(has_kind="kind" in at, has_api_version="apiVersion" in at)
    kept = assemble(text, start, end, missing, () if keep_managed_fields else cuts)
    try:
        return (*header, kept.encode()), end
    except UnicodeEncodeError:
        told = HeaderError("", key=ObjectKey(header[KEY]), resource_version=header[RESOURCE_VERSION])
        return malformed("not UTF-8", text[start:end], told), end


def assemble(text: str, start: int, end: int, missing: str, cuts: Sequence[Span]) -> str:
    """Return the object between ``start`` and ``end`` with ``missing`` put in and ``cuts`` left out."""
    parts: list[str] = []
    if missing:
        parts += ("{", missing)
        start += 1
    for cut_start, cut_end in cuts:
        parts.append(text[start:cut_start])
        start = cut_end
    parts.append(text[start:end])
    return "".join(parts)


def malformed(detail: str, text: str, known: HeaderError | None = None) -> MalformedObject:
    """Return the report on an object that cannot be kept."""
    # Bytes that were not UTF-8 come in as surrogates, and go out as they were.
    raw = text[:RAW_BYTES_MAX].encode(errors="surrogateescape")[:RAW_BYTES_MAX]
    if known is None:
        return MalformedObject(detail, raw, None, "")
    return MalformedObject(detail, raw, known.key, known.resource_version)


def quick_object(text: str, start: int, end: int, *, keep_managed_fields: bool) -> ObjectRecord | None:
    """Return the record of the object between ``start`` and ``end``; None if the careful way must decide."""
    match = _OBJECT.match(text, start)
    return quick_rest(text, match, start, end, keep_managed_fields=keep_managed_fields) if match else None


def quick_rest(
    text: str, match: re.Match[str], start: int, end: int, *, keep_managed_fields: bool
) -> ObjectRecord | None:
    """Like :func:`quick_object`, after ``match`` up to the metadata."""
    found = _quick(text, match, start, end, keep_managed_fields=keep_managed_fields)
    return None if found is None else found[0]


def quick_item(text: str, type_meta: TypeMeta, *, keep_managed_fields: bool) -> ObjectRecord | None:
    """Return the record of an item of a list, which is all of ``text``; None if the careful way must decide."""
    match = _OBJECT.match(text)
    found = _quick(text, match, 0, len(text), keep_managed_fields=keep_managed_fields) if match else None
    if match is None or found is None:
        return None
    record, metadata_end = found
    has_kind, has_api_version = bool(match["kind"] or match["late"]), bool(match["api"])
    missing = type_meta.missing(has_kind=has_kind, has_api_version=has_api_version)
    if not missing:
        return record
    if _may_have_member('"kind"', text, metadata_end) or _may_have_member('"apiVersion"', text, metadata_end):
        return None
    return (*record[:RAW], b"{" + missing.encode() + record[RAW][1:])


def similar_items(
    text: str,
    pos: int,
    chars_max: int,
    read: Callable[[str], ObjectRecord | None],
    last_end: Callable[[str, int], int] = lambda text, start: -1,  # noqa: ARG005 - the signature
) -> tuple[list[ObjectRecord | MalformedObject], int] | None:
    """Read items that begin alike, up to the first that is unfinished or odd.

    An item ends where the next one begins in the same way. What stands between two such places may be less than an
    item; ``read`` must tell, and does, for it lacks a brace or a quote.

    Args:
        text: The text of the list.
        pos: Where the first item begins.
        chars_max: How long an item may be.
        read: Reads an item; None if it is not one, or an odd one.
        last_end: Returns where the item at a position ends if no other seems to follow; -1 if that cannot be told.

    Returns:
        The items, and where the last one ends; None if it takes more text to see whether there are any.
    """
    match = _OBJECT.match(text, pos)
    if match is None:
        return [], pos
    # Not with the quote and the colon at its end: the search goes by the last character, and those are common.
    separator = "}," + match[0][:-2]
    items: list[ObjectRecord | MalformedObject] = []
    start, end = pos, pos
    while len(items) < _BATCH_MAX:
        end_of_item = text.find(separator, start, start + _NEAR) + 1 or last_end(text, start)
        record = read(text[start:end_of_item]) if start < end_of_item <= start + chars_max else None
        if record is None:
            break
        items.append(record)
        start, end = end_of_item + 1, end_of_item
    if not items and len(text) - pos <= min(_NEAR, chars_max) and text.find(separator, pos) < 0:
        return None
    return items, end


def _quick(
    text: str, match: re.Match[str], start: int, end: int, *, keep_managed_fields: bool
) -> tuple[ObjectRecord, int] | None:
    """Return the record of the object between ``start`` and ``end``, and where its metadata end."""
    try:
        metadata = quick_header(text, match.end())
    except (ValueError, RecursionError, HeaderError):
        return None
    if metadata is None:
        return None
    header, metadata_end, cut = metadata
    if not completes_object(text[metadata_end:end]):
        return None
    if keep_managed_fields or cut is None:
        return (*header, text[start:end].encode()), metadata_end
    cut_start, cut_end = cut
    return (*header, (text[start:cut_start] + text[cut_end:end]).encode()), metadata_end


def _may_have_member(key: str, text: str, pos: int) -> bool:
    """Return whether the object whose text goes on at ``pos`` may have a member; see :func:`completes_object`."""
    first = text.find(key, pos)
    return first >= 0 and text.count(key, first) != text.count("{" + key, first - 1)


def completes_object(tail: str) -> bool:
    """Return whether an object, whose text goes on with ``tail`` after its metadata, ends there and has no second one.

    False as well where that takes more than a few passes over the text to tell: where it is nested too deeply. Only
    braces outside of strings count; without a backslash, strings need not be looked at for that: of quotes and braces
    alone, the quotes stand in pairs if, and only if, no brace is inside a string. When true, unescaped quotes are even
    in number.

    Raises:
        UnicodeEncodeError: The text holds what was not UTF-8.
    """
    text = tail.encode()
    repeated = text.count(b'"metadata')
    if not text.endswith(b"}") or (repeated and repeated != text.count(b'{"metadata')):
        return False  # a key right behind an opening brace belongs to another object
    if b"\\" not in text:
        marks = text.translate(None, _NOT_QUOTES_OR_BRACES)
        if 2 * marks.count(b'""') == marks.count(b'"'):
            return _is_balanced(marks.translate(None, _NOT_BRACES))
    elif b"\\u00" in text and _LETTER_ESCAPE.search(text) is not None:
        return False  # the API server escapes no letters in keys
    pieces = text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    return len(pieces) % 2 == 1 and _is_balanced(b"".join(pieces[::2]).translate(None, _NOT_BRACES))


def _is_balanced(braces: bytes) -> bool:
    """Return whether the last of some braces is the only one without a partner."""
    braces = braces[:-1]
    for _ in range(_QUICK_DEPTH):
        if not braces:
            return True
        braces = braces.replace(b"{}", b"")
    return False
