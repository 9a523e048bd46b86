"""Decodes the body of an answer, whatever its framing, from a function that reads. No I/O of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from kubeprims.http1.chunked import ChunkedDecoder
from kubeprims.http1.errors import RemoteProtocolError
from kubeprims.transport.message import Headers

PIECE_BYTES_MAX = 1 << 20
"""What a gzipped body unpacks to at a time, in bytes: a read of 256 KiB can stand for 256 MiB."""

EMPTY_MEMBERS_MAX = 100
"""How many gzip members that hold nothing may follow each other: each costs a copy of all that has been read."""

_GZIP = zlib.MAX_WBITS | 16

Read = Callable[[], bytes]
"""Returns what one read gave; nothing at the end of the stream."""


class Truncated(ConnectionError):
    """The stream ended before the body did."""


class Body:
    """One body, and whether its connection can carry another answer behind it.

    Attributes:
        is_gzip: Whether it is unpacked on the way.
        is_empty: Whether it is known to hold nothing.
        is_reusable: Whether the body is complete, the end was framed, and nothing stood behind it.
    """

    __slots__ = ("_length", "_read", "is_empty", "is_gzip", "is_reusable")

    def __init__(self, read: Read, *, length: int | None, chunked: bool, gzip: bool) -> None:
        """Take a framing.

        Args:
            read: Reads the stream.
            length: How many bytes there are; None if that is not known.
            chunked: Whether it comes in chunks, which say where it ends.
            gzip: Whether it is gzipped.
        """
        self._read = read
        self._length = -1 if chunked else length
        self.is_gzip = gzip
        self.is_empty = self._length == 0
        self.is_reusable = False

    def parts(self) -> Iterator[bytes]:
        """Return what each read gives, decoded; no part is empty.

        Raises:
            Truncated: The stream ended too soon.
            RemoteProtocolError: The framing is broken, or the content is not what it says.
            OSError: What ``read`` raised.
        """
        if self._length is None:
            raw = self._until_end()
        elif self._length < 0:
            raw = self._chunked()
        else:
            raw = self._sized(self._length)
        return gunzip(raw) if self.is_gzip else raw

    def _chunked(self) -> Iterator[bytes]:
        decoder = ChunkedDecoder()
        while not decoder.finished:
            data = self._read()
            if not data:
                message = "the connection ended inside a chunked body"
                raise Truncated(message)
            if payload := decoder.feed(data):
                yield payload
        self.is_reusable = not decoder.unused

    def _sized(self, length: int) -> Iterator[bytes]:
        left = length
        while left > 0:
            data = self._read()
            if not data:
                message = f"the connection ended {left} bytes before the body did"
                raise Truncated(message)
            left -= len(data)
            yield data if left >= 0 else data[:left]
        self.is_reusable = left == 0

    def _until_end(self) -> Iterator[bytes]:
        while data := self._read():
            yield data


def gunzip(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip members, :data:`PIECE_BYTES_MAX` at a time.

    Raises:
        Truncated: The last member is not complete.
        RemoteProtocolError: It is not gzip, or hardly anything but members that hold nothing.
    """
    empty_members = 0
    unpacker = zlib.decompressobj(_GZIP)
    has_begun = False
    for part in parts:
        has_begun = True
        data = part
        is_dry = False
        while not is_dry:
            if unpacker.eof:  # another member follows
                unpacker = zlib.decompressobj(_GZIP)
            try:
                piece = unpacker.decompress(data, PIECE_BYTES_MAX)
            except zlib.error:
                raise RemoteProtocolError("the body is not gzip, as its head says") from None
            empty_members = 0 if piece else empty_members + unpacker.eof
            if empty_members > EMPTY_MEMBERS_MAX:
                raise RemoteProtocolError(f"more than {EMPTY_MEMBERS_MAX} gzip members in a row that hold nothing")
            if piece:
                yield piece
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            # A full piece may have left output inside although all input is taken.
            is_dry = not data and (unpacker.eof or len(piece) < PIECE_BYTES_MAX)
    if has_begun and not unpacker.eof:
        message = "the connection ended inside a gzipped body"
        raise Truncated(message)


def frame(headers: Headers, *, read: Read, has_body: bool, unpack: bool) -> Body:
    """Return the body that a head announces.

    Args:
        headers: The head's fields.
        read: Reads what follows it.
        has_body: False for the answer to HEAD, 204 and 304, which have none whatever the fields say.
        unpack: Whether gzip was asked for here, and is to be undone here.

    Raises:
        RemoteProtocolError: The fields contradict each other, or name a coding that was not asked for.

    Source:
        RFC 9112, section 6.3.
    """
    if not has_body:
        return Body(read, length=0, chunked=False, gzip=False)
    coding = ", ".join(headers.get_all("transfer-encoding")).strip().lower()
    lengths = {item.strip() for value in headers.get_all("content-length") for item in value.split(",")}
    if coding not in {"", "chunked"}:
        raise RemoteProtocolError("a transfer coding other than chunked")
    if coding and lengths:
        raise RemoteProtocolError("Content-Length and Transfer-Encoding together")
    if len(lengths) > 1 or not all(item.isascii() and item.isdigit() for item in lengths):
        raise RemoteProtocolError("a Content-Length that is not one number")
    encoding = ", ".join(headers.get_all("content-encoding")).strip().lower()
    is_packed = unpack and encoding in {"gzip", "x-gzip"}
    if unpack and encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise RemoteProtocolError("a content coding that was not asked for")
    text = next(iter(lengths), "").lstrip("0") or ("0" if lengths else "")
    if len(text) > 18:  # noqa: PLR2004 - no number of bytes is longer
        raise RemoteProtocolError("a Content-Length that is not one number")
    return Body(read, length=int(text) if text else None, chunked=bool(coding), gzip=is_packed)
