"""Framing of bodies: a reader and a writer for each way in which HTTP/1.1 marks where a body ends.

All readers have the shape of :class:`BodyReader`, all writers that of :class:`BodyWriter`; the connection picks one
from the head and then only feeds it. The chunked reader is :class:`~kubeprims.http1.chunked.ChunkedDecoder`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from kubeprims.http1.chunked import encode_chunk, encode_last_chunk
from kubeprims.http1.errors import LocalProtocolError
from kubeprims.http1.headers import Headers


class BodyReader(Protocol):
    """Takes bytes in, gives payload out, and knows where the body ends."""

    trailers: Headers
    unused: bytes

    @property
    def finished(self) -> bool:
        """Whether the body is complete; ``trailers`` and ``unused`` (what stands behind it) are then known."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take bytes in and return the payload they hold."""
        ...


class LengthReader:
    """Reads a body of a declared length."""

    __slots__ = ("_owed_bytes", "trailers", "unused")

    def __init__(self, content_length: int) -> None:
        self._owed_bytes = content_length
        self.trailers = Headers()
        self.unused = b""

    @property
    def finished(self) -> bool:
        """Whether the declared length has come."""
        return self._owed_bytes == 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes in and return those that belong to the body."""
        payload = data[: self._owed_bytes]
        self._owed_bytes -= len(payload)
        self.unused = data[len(payload) :]
        return payload


class BodyWriter(Protocol):
    """Turns payload into bytes for the peer and holds the caller to what the head declared."""

    def send(self, data: bytes) -> bytes:
        """Return the bytes for one piece of payload, which is not empty."""
        ...

    def end(self, trailers: Iterable[tuple[str, str]]) -> bytes:
        """Return the bytes that end the body."""
        ...


class LengthWriter:
    """Writes a body of a declared length; a message without a body is one of length 0."""

    __slots__ = ("_owed_bytes",)

    def __init__(self, content_length: int) -> None:
        self._owed_bytes = content_length

    def send(self, data: bytes) -> bytes:
        """Return the payload as it is.

        Raises:
            LocalProtocolError: More than was declared; nothing of this piece may be sent.
        """
        if len(data) > self._owed_bytes:
            raise LocalProtocolError(f"{len(data) - self._owed_bytes} bytes of body more than the head declares")
        self._owed_bytes -= len(data)
        return data

    def end(self, trailers: Iterable[tuple[str, str]]) -> bytes:
        """Return nothing: the length marks the end.

        Raises:
            LocalProtocolError: Less than was declared, or trailers, which need a chunked body.
        """
        if self._owed_bytes:
            raise LocalProtocolError(f"{self._owed_bytes} bytes of body less than the head declares")
        _refuse_trailers(trailers)
        return b""


class ChunkedWriter:
    """Writes a chunked body, one chunk for each piece."""

    __slots__ = ()

    def send(self, data: bytes) -> bytes:
        """Return the piece as a chunk."""
        return encode_chunk(data)

    def end(self, trailers: Iterable[tuple[str, str]]) -> bytes:
        """Return the last chunk with the trailers.

        Raises:
            InvalidArgument: A trailer field that may only stand in the head, or one that no header line can carry.
        """
        return encode_last_chunk(trailers)


class UntilCloseWriter:
    """Writes a body that ends with the connection: all that HTTP/1.0 offers for an unknown length."""

    __slots__ = ()

    def send(self, data: bytes) -> bytes:
        """Return the payload as it is."""
        return data

    def end(self, trailers: Iterable[tuple[str, str]]) -> bytes:
        """Return nothing: the caller closes the connection.

        Raises:
            LocalProtocolError: Trailers, which need a chunked body.
        """
        _refuse_trailers(trailers)
        return b""


def _refuse_trailers(trailers: Iterable[tuple[str, str]]) -> None:
    if tuple(trailers):
        raise LocalProtocolError("only a chunked body can have trailers")
