"""The items of a list, while its bytes come in."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONValue
from kubeprims.objects import scan
from kubeprims.objects.event import RAW_BYTES_MAX, MalformedObject
from kubeprims.objects.reading import NO_TYPE_META, TypeMeta
from kubeprims.objects.record import ObjectRecord
from kubeprims.objects.strict_json import decode_text, encode_object

ITEM_BYTES_MAX = 64 * 1024 * 1024
# Each refill costs one vain try at the item that is still coming in.
_REFILL_CHARS = 128 * 1024

_T = TypeVar("_T")
_KNOWN = frozenset({"kind", "apiVersion", "metadata", "items"})


class ItemReader(Protocol):
    """The part of a codec that reads items."""

    def read_items(
        self, text: str, pos: int, type_meta: TypeMeta, *, final: bool, chars_max: int
    ) -> tuple[list[ObjectRecord | MalformedObject], int]:
        """Read at least one of the items that begin at ``pos``; return them, and where the last of them ends.

        ``final`` says that no more text will come. An item of more than ``chars_max`` characters is a ``DecodeError``.
        """
        ...


class ListStream:
    """An iterator over the items of a list answer, in order: a record each, or what is wrong with the item.

    Items come out while bytes come in; never more than one chunk and two items are held. Items of built-in lists leave
    out their kind and apiVersion; they are put in, from the list's own, so that an object from a list equals the same
    object from a watch.

    The list has come to its end, and the attributes are complete, only once iteration has ended without an error.

    Attributes:
        kind: The list's kind, such as ``PodList``.
        api_version: The list's apiVersion.
        resource_version: The version of the list; empty if it has none.
        continue_token: What to ask the next page with; empty after the last page.
        remaining_item_count: How many items are on the pages that follow, if the server says so.

    Raises:
        DecodeError: While iterating: the bytes are not a list, or a list that breaks off, or holds a larger item than
            ``item_bytes_max``; the list as a whole is not to be trusted. One item that is wrong raises nothing.

    Concurrency:
        Belongs to one thread at a time.
    """

    def __init__(self, chunks: Iterable[bytes], reader: ItemReader, *, item_bytes_max: int = ITEM_BYTES_MAX) -> None:
        self.kind = ""
        self.api_version = ""
        self.resource_version = ""
        self.continue_token = ""
        self.remaining_item_count: int | None = None
        self._chunks = iter(chunks)
        self._reader = reader
        self._item_chars_max = item_bytes_max
        # Bytes that are not UTF-8 become surrogates, which cannot be encoded again: they cost the item they are in.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        self._text = ""
        self._pos = 0
        self._final = False
        self._seen: set[str] = set()
        self._items = self._read_list()

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        return self

    def __next__(self) -> ObjectRecord | MalformedObject:
        return next(self._items)

    def _read_list(self) -> Iterator[ObjectRecord | MalformedObject]:
        if self._peek() != "{":
            raise self._error("not a list: the JSON is not an object")
        more = self._enter("}")
        while more:
            key = self._take(scan.read_key)
            if key in _KNOWN and key in self._seen:
                raise self._error(f"not a list: it has {key} twice")
            self._seen.add(key)
            if key == "items":
                yield from self._read_items()
            else:
                self._read_value(key)
            more = self._delimiter("}")
        if "items" not in self._seen:
            self._refuse_table()
            raise self._error(f"not a list: a {self.kind or 'JSON object'} without items")
        self._read_end()

    def _refuse_table(self) -> None:
        if self.kind == "Table" and self.api_version.startswith("meta.k8s.io/"):
            raise self._error("not a list of objects: the server answered with a Table")

    def _read_items(self) -> Iterator[ObjectRecord | MalformedObject]:
        self._refuse_table()
        if self._peek() != "[":
            if self._take(_read_json) is not None:
                raise self._error("not a list: items is not an array")
            return
        type_meta = self._type_meta()

        def read(text: str, pos: int) -> tuple[list[ObjectRecord | MalformedObject], int]:
            return self._reader.read_items(text, pos, type_meta, final=self._final, chars_max=self._item_chars_max)

        more = self._enter("]")
        while more:
            self._peek()
            yield from self._take(read)
            more = self._delimiter("]")

    def _read_value(self, key: str) -> None:
        self._peek()
        if key not in _KNOWN:
            self._take(_skip_json)
            return
        value = self._take(_read_json)
        match key:
            case "kind":
                self.kind = self._string(key, value)
            case "apiVersion":
                self.api_version = self._string(key, value)
            case _:
                self._read_metadata(value)

    def _read_metadata(self, metadata: JSONValue) -> None:
        if metadata is None:
            return
        if not isinstance(metadata, dict):
            raise self._error("not a list: metadata is not an object")
        self.resource_version = self._string("resourceVersion", metadata.get("resourceVersion"))
        self.continue_token = self._string("continue", metadata.get("continue"))
        count = metadata.get("remainingItemCount")
        if count is not None and (isinstance(count, bool) or not isinstance(count, int)):
            raise self._error("not a list: remainingItemCount is not a whole number")
        self.remaining_item_count = count

    def _type_meta(self) -> TypeMeta:
        kind = self.kind.removesuffix("List")
        if not kind or kind == self.kind or not self.api_version:
            return NO_TYPE_META
        return TypeMeta(_member_text("kind", kind), _member_text("apiVersion", self.api_version))

    def _string(self, field: str, value: JSONValue) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        raise self._error(f"not a list: its {field} is not a string")

    def _enter(self, closer: str) -> bool:
        """Step over an opening bracket; return whether anything stands before the closing one."""
        self._pos += 1
        if self._peek() != closer:
            return True
        self._pos += 1
        return False

    def _delimiter(self, closer: str) -> bool:
        """Step over a comma (True: there is more) or the closing bracket (False)."""
        char = self._peek()
        if char not in {",", closer}:
            raise self._error("not JSON: neither a comma nor the end of the list")
        self._pos += 1
        if char == closer:
            return False
        self._peek()
        return True

    def _peek(self) -> str:
        """Step over white space and return the character after it."""
        self._take(_skip_space)
        return self._text[self._pos]

    def _take(self, read: Callable[[str, int], tuple[_T, int]]) -> _T:
        """Let ``read`` read at the position, with as much text as it needs, and step over what it read."""
        while True:
            try:
                value, end = read(self._text, self._pos)
            except scan.Truncated:
                self._refill()
                continue
            self._pos = end
            return value

    def _refill(self) -> None:
        """Add as much text again as there is, so that no text is tried more often than twice, and not too little."""
        have = len(self._text) - self._pos
        if have > self._item_chars_max:
            raise self._error(f"an item is larger than {self._item_chars_max} bytes")
        if self._final:
            raise self._error("the list breaks off in the middle")
        parts = [self._text[self._pos :]]
        need = have + max(have, _REFILL_CHARS)
        while have < need:
            chunk = next(self._chunks, None)
            self._final = chunk is None
            part = self._decoder.decode(b"" if chunk is None else chunk, self._final)
            parts.append(part)
            have += len(part)
            if self._final:
                break
        self._text = "".join(parts)
        self._pos = 0

    def _read_end(self) -> None:
        """Read what follows the list: white space at most."""
        while True:
            if self._text[self._pos :].strip(" \t\r\n"):
                raise self._error("the body goes on after the list")
            if self._final:
                return
            self._text, self._pos = "", 0
            self._refill()

    def _error(self, detail: str) -> DecodeError:
        raw = self._text[self._pos : self._pos + RAW_BYTES_MAX].encode(errors="surrogateescape")
        return DecodeError(detail, raw=raw)


def _skip_space(text: str, pos: int) -> tuple[None, int]:
    return None, scan.skip_space(text, pos)


def _skip_json(text: str, pos: int) -> tuple[None, int]:
    end = scan.skip_value(text, pos)
    _check_utf8(text[pos:end])
    return None, end


def _read_json(text: str, pos: int) -> tuple[JSONValue, int]:
    end = scan.skip_value(text, pos)
    _check_utf8(text[pos:end])
    return decode_text(text[pos:end]), end


def _check_utf8(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DecodeError("not UTF-8") from None


def _member_text(key: str, value: str) -> str:
    return encode_object({key: value})[1:-1].decode() + ","
