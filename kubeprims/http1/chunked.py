"""The chunked transfer coding (RFC 9112, section 7.1), read and written.

Theory of operation
===================

On the wire, a body is::

    size [;extensions] CRLF  payload CRLF  size ... CRLF  payload CRLF  0 CRLF  [trailer CRLF ...]  CRLF

The decoder reads it as a repetition of one thing, the *chunk line* ``CRLF size [;extensions] CRLF``, each followed by
``size`` bytes of payload: the line end behind a payload counts to the chunk line that follows it, and the very first
chunk line is given its missing CRLF in advance. One pattern then checks the end of one chunk and the size of the next.
The trailer section gets its CRLF from the last chunk line in the same way, which makes it a block that ends with the
first empty line, like a head.

=========  ===============================================  ===========================
phase      holds                                            leaves it on
=========  ===============================================  ===========================
LINE       a fragment of a chunk line, bounded              a whole chunk line
PAYLOAD    how much payload is owed; no bytes               the last byte of the chunk
TRAILERS   the trailer section so far, bounded              its empty line
FINISHED   the trailers, and the bytes behind the body      nothing
FAILED     nothing of use                                   nothing
=========  ===============================================  ===========================

A fragment that cannot become a chunk line is refused at the byte that shows it, so that what is refused, and why, does
not depend on how the bytes were cut. Extensions are checked for control characters, counted, and dropped.

Stricter than RFC 9112 asks, on purpose: no white space around a size, no size above sixteen digits, and no trailer
field that would frame, route or authenticate a message if somebody merged it into the head.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto

from kubeprims.errors import InvalidArgument
from kubeprims.http1.errors import LocalProtocolError, RemoteProtocolError
from kubeprims.http1.headers import Headers, encode_trailers, parse_header_lines
from kubeprims.http1.heads import BlockReader
from kubeprims.http1.limits import Limits

_LINE_END = b"\r\n"
_EXTENSION = rb";[\t\x20-\x7e\x80-\xff]*"
_CHUNK_LINE = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})(%b)?\r\n" % _EXTENSION)
_CHUNK_LINE_BEGINNING = re.compile(rb"\r?|\r\n(?:[0-9A-Fa-f]{1,16}(?:%b)?\r?)?" % _EXTENSION)

# RFC 9110, section 6.5.1
_NEVER_IN_TRAILERS = frozenset({
    "authorization", "connection", "content-encoding", "content-length", "content-range", "content-type", "cookie",
    "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "set-cookie", "te",
    "trailer", "transfer-encoding", "upgrade", "www-authenticate",
})  # fmt: skip


class _Phase(Enum):
    LINE = auto()
    PAYLOAD = auto()
    TRAILERS = auto()
    FINISHED = auto()
    FAILED = auto()


class ChunkedDecoder:
    """Decodes one chunked body: bytes in, payload out, at once and in pieces of any size.

    Holds at most one chunk line or trailer section, never payload.

    Attributes:
        trailers: The trailer fields, once finished.
        unused: The bytes behind the body, once finished.
    """

    __slots__ = (
        "_extension_bytes",
        "_fragment",
        "_limits",
        "_owed_bytes",
        "_payload_bytes",
        "_phase",
        "_trailer_reader",
        "trailers",
        "unused",
    )

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._phase = _Phase.LINE
        self._fragment = _LINE_END
        self._owed_bytes = 0
        self._payload_bytes = 0
        self._extension_bytes = 0
        self._trailer_reader = BlockReader(self._limits.trailer_bytes_max, name="trailer section", begin=_LINE_END)
        self.trailers = Headers()
        self.unused = b""

    @property
    def finished(self) -> bool:
        """Whether the body is complete, trailers included. The end of the stream before that is a truncated body."""
        return self._phase is _Phase.FINISHED

    def feed(self, data: bytes) -> bytes:
        """Take bytes in and return the payload they hold; it may be empty.

        Raises:
            RemoteProtocolError: Not a chunked body, or a limit is passed. Payload that came in the same piece before
                the fault is lost, and the decoder is of no further use.
            LocalProtocolError: The body had ended, or failed, before.
        """
        match self._phase:
            case _Phase.PAYLOAD:
                return self._read_chunks(data, 0)
            case _Phase.LINE:
                data = self._fragment + data
                return self._read_chunks(data, self._read_line(data, 0))
            case _Phase.TRAILERS:
                self._read_trailers(data)
                return b""
            case _:
                raise LocalProtocolError("bytes fed behind the end of a chunked body")

    def _read_chunks(self, data: bytes, position: int) -> bytes:
        """Read from ``position``, which stands in a payload if any is owed, to the end of ``data``."""
        pieces: list[bytes] = []
        available = len(data)
        while owed := self._owed_bytes:
            end = position + owed
            pieces.append(data[position:end])
            if end > available:
                self._owed_bytes = end - available
                break
            position = self._read_line(data, end)
        if self._phase is _Phase.TRAILERS:
            self._read_trailers(data[position:])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_line(self, data: bytes, position: int) -> int:
        """Read a chunk line, decide the phase, and return where the line ends."""
        limit = position + self._limits.chunk_line_bytes_max
        match = _CHUNK_LINE.match(data, position, limit)
        if match is None:
            return self._keep_fragment(data[position:limit], len(data))
        digits, extension = match.groups()
        if extension is not None:
            self._extension_bytes += len(extension)
            if self._extension_bytes > self._limits.chunk_extension_bytes_max:
                raise self._fault(f"more than {self._limits.chunk_extension_bytes_max} bytes of chunk extensions")
        self._owed_bytes = size = int(digits, 16)
        if not size:
            self._phase = _Phase.TRAILERS
            return match.end()
        self._phase = _Phase.PAYLOAD
        if self._limits.body_bytes_max is not None:
            self._payload_bytes += size
            if self._payload_bytes > self._limits.body_bytes_max:
                raise self._fault(f"the body is longer than {self._limits.body_bytes_max} bytes", status_code=413)
        return match.end()

    def _keep_fragment(self, fragment: bytes, position: int) -> int:
        if _CHUNK_LINE_BEGINNING.fullmatch(fragment) is None:
            if fragment.startswith(_LINE_END):
                raise self._fault("a chunk size is not one to sixteen hexadecimal digits", raw=fragment)
            raise self._fault("a chunk does not end where its size says", raw=fragment)
        if len(fragment) >= self._limits.chunk_line_bytes_max:
            raise self._fault(f"a chunk line is longer than {self._limits.chunk_line_bytes_max} bytes", raw=fragment)
        self._phase = _Phase.LINE
        self._fragment = fragment
        self._owed_bytes = 0
        return position

    def _read_trailers(self, data: bytes) -> None:
        self._phase = _Phase.FAILED
        lines = self._trailer_reader.feed(data)
        if lines is None:
            self._phase = _Phase.TRAILERS
            return
        # The first line is the end of the last chunk line.
        trailers = parse_header_lines(lines[1:], self._limits)
        for name, _ in trailers:
            if name in _NEVER_IN_TRAILERS:
                raise self._fault("a trailer field that may only stand in the head")
        self.trailers = trailers
        self.unused = self._trailer_reader.unused
        self._phase = _Phase.FINISHED

    def _fault(self, detail: str, *, status_code: int = 400, raw: bytes = b"") -> RemoteProtocolError:
        self._phase = _Phase.FAILED
        return RemoteProtocolError(detail, status_code=status_code, raw=raw)


def encode_chunk(data: bytes) -> bytes:
    """Write one chunk; ``data`` must not be empty, for an empty chunk ends the body."""
    assert data, "an empty chunk ends the body"
    return b"%x\r\n%b\r\n" % (len(data), data)


def encode_last_chunk(trailers: Iterable[tuple[str, str]]) -> bytes:
    """Write the end of a chunked body.

    Raises:
        InvalidArgument: A trailer field that may only stand in the head, or one that no header line can carry.
    """
    fields = tuple(trailers)
    for name, _ in fields:
        if name.lower() in _NEVER_IN_TRAILERS:
            raise InvalidArgument(f"{name!r} may not be a trailer field")
    return b"0\r\n" + encode_trailers(fields)
