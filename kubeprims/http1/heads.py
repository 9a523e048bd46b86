"""Heads: bytes up to the first empty line, and what they say.

:class:`BlockReader` collects a head, or a trailer section, and refuses a byte that cannot stand in one as soon as it
arrives, so that a peer which ends lines with a bare LF, or speaks TLS, gets its answer at once rather than a time-out.
:func:`parse_request_head` then works on text that is known to be clean.

Stricter than RFC 9112 asks, on purpose (each of these is read differently by servers in use):

* section 2.2: a bare LF or CR does not end a line, and no empty line may precede a request line;
* section 2.3: only the versions 1.0 and 1.1, no other minor number;
* section 3.2.2: the host of an absolute target and the Host header must agree, rather than the first win;
* section 6.1: no Transfer-Encoding but exactly ``chunked``, and none in HTTP/1.0;
* section 6.3: Content-Length once only, even if the values agree, and never beside Transfer-Encoding.
"""

from __future__ import annotations

import re

from kubeprims.http1.errors import RemoteProtocolError
from kubeprims.http1.events import Request
from kubeprims.http1.headers import Headers, is_token, parse_content_length, parse_header_lines
from kubeprims.http1.limits import Limits
from kubeprims.http1.targets import TargetForm, is_authority, parse_target

_END = b"\r\n\r\n"
_CARRIAGE_RETURN = 0x0D
_STRAY_BYTES = {_CARRIAGE_RETURN: "a bare CR", 0x0A: "a bare LF", 0x00: "a NUL byte"}

# Possessive, so that it neither recurses nor goes back: one pass over the bytes.
_CLEAN_LINES = re.compile(rb"(?:[\t\x20-\x7e\x80-\xff]++|\r\n)*+")
_VERSION = re.compile(r"HTTP/([0-9]\.[0-9])")


class BlockReader:
    """Collects bytes up to and including the first empty line.

    Args:
        limit_bytes: The longest block, empty line included; a longer one is refused with status 431.
        name: What the block is called in errors.
        begin: Bytes that count as already received.

    Attributes:
        unused: The bytes behind the block, once it is complete.
    """

    __slots__ = ("_block", "_checked", "_limit_bytes", "_name", "unused")

    def __init__(self, limit_bytes: int, *, name: str, begin: bytes = b"") -> None:
        self._limit_bytes = limit_bytes
        self._name = name
        self._block = bytearray(begin)
        self._checked = 0
        self.unused = b""

    @property
    def is_empty(self) -> bool:
        """Whether no byte has come yet."""
        return not self._block

    def feed(self, data: bytes) -> list[str] | None:
        """Take bytes in; return the lines of the block once it is complete, without line ends and the empty line.

        Raises:
            RemoteProtocolError: A control character or a stray CR or LF (400), or the block is too long (431).
        """
        block = self._block
        searched = max(0, len(block) - len(_END) + 1)
        block += data
        at = block.find(_END, searched)
        end = len(block) if at < 0 else at + len(_END)
        self._check_bytes(min(end, self._limit_bytes))
        if end > self._limit_bytes:
            raise RemoteProtocolError(f"the {self._name} is longer than {self._limit_bytes} bytes", status_code=431)
        if at < 0:
            return None
        self.unused = bytes(block[end:])
        return block[:at].decode("latin-1").split("\r\n")

    def _check_bytes(self, stop: int) -> None:
        match = _CLEAN_LINES.match(self._block, self._checked, stop)
        assert match is not None, "the pattern matches the empty string"
        at = self._checked = match.end()
        if at == stop or (at == stop - 1 and self._block[at] == _CARRIAGE_RETURN):
            return
        stray = _STRAY_BYTES.get(self._block[at], "a control character")
        raw = bytes(self._block[max(0, at - 64) : at + 64])
        raise RemoteProtocolError(f"{stray} in the {self._name}", raw=raw)


def parse_request_head(lines: list[str], limits: Limits) -> Request:
    """Parse the lines of a request's head.

    Raises:
        RemoteProtocolError: The head breaks the grammar or a limit; the status code says which answer fits.
    """
    method, raw_target, http_version = _parse_request_line(lines[0])
    headers = parse_header_lines(lines[1:], limits)
    target = parse_target(method, raw_target)
    host = _host(headers, http_version)
    # RFC 9112, section 3.2.2 lets the target win; who routes by one and checks by the other is then misled.
    if target.form is TargetForm.ABSOLUTE and host and host.lower() != target.authority.lower():
        raise RemoteProtocolError("the host of the request target is not that of the Host header")
    content_length = _body_length(headers, http_version, limits)
    return Request(
        method=method,
        target=raw_target,
        form=target.form,
        path=target.path,
        query=target.query,
        authority=target.authority or host,
        headers=headers,
        http_version=http_version,
        content_length=content_length,
        expects_continue=_expects_continue(headers, http_version) and content_length != 0,
    )


def _parse_request_line(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    if len(parts) != 3:  # noqa: PLR2004 - method, target, version
        raise RemoteProtocolError("the request line is not: method, target, version", raw=line.encode("latin-1"))
    method, target, protocol = parts
    if not is_token(method):
        raise RemoteProtocolError("the method is not a token", raw=line.encode("latin-1"))
    version = _VERSION.fullmatch(protocol)
    if version is None:
        raise RemoteProtocolError("the request line does not end in an HTTP version", raw=line.encode("latin-1"))
    if version[1] not in {"1.0", "1.1"}:
        raise RemoteProtocolError("neither HTTP/1.1 nor HTTP/1.0", status_code=505)
    return method, target, version[1]


def _host(headers: Headers, http_version: str) -> str:
    # RFC 9112, section 3.2
    hosts = headers.get_all("host")
    if len(hosts) > 1:
        raise RemoteProtocolError("more than one Host header")
    if not hosts:
        if http_version == "1.1":
            raise RemoteProtocolError("no Host header")
        return ""
    if not is_authority(hosts[0]):
        raise RemoteProtocolError("the Host header is not a host", raw=hosts[0].encode("latin-1"))
    return hosts[0]


def _body_length(headers: Headers, http_version: str, limits: Limits) -> int | None:
    """Return the bytes of body to come, or None for a chunked one: RFC 9112, section 6.3, as far as requests go."""
    codings = headers.get_all("transfer-encoding")
    content_length = parse_content_length(headers.get_all("content-length"))
    # Steps 1 and 2 concern responses. Step 3: Transfer-Encoding overrides, but beside a length it is an attack.
    if codings:
        if http_version == "1.0":
            raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0")
        if content_length is not None:
            raise RemoteProtocolError("Transfer-Encoding beside Content-Length")
        # Step 4: a coding that is not understood, so neither is the end of the body.
        if len(codings) > 1 or codings[0].lower() != "chunked":
            raise RemoteProtocolError("Transfer-Encoding is not exactly chunked", status_code=501)
        return None
    # Step 5 is in parse_content_length. Step 6: the length as declared. Step 7: no framing header, so no body.
    if content_length is None:
        return 0
    if limits.body_bytes_max is not None and content_length > limits.body_bytes_max:
        raise RemoteProtocolError(f"the body is longer than {limits.body_bytes_max} bytes", status_code=413)
    return content_length


def _expects_continue(headers: Headers, http_version: str) -> bool:
    # RFC 9110, section 10.1.1: HTTP/1.0 knows no Expect; what cannot be met is answered with 417.
    if http_version == "1.0":
        return False
    expectations = headers.tokens("expect")
    if any(expectation != "100-continue" for expectation in expectations):
        raise RemoteProtocolError("an expectation other than 100-continue", status_code=417)
    return bool(expectations)
