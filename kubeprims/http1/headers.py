"""Header fields: the grammar of names and values (RFC 9110, section 5), in both directions.

Names are compared without regard to case, so what was read is kept in lower case. Values are latin-1: every byte that
the grammar allows goes through unchanged, and none that it forbids, whichever way it travels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kubeprims.errors import InvalidArgument
from kubeprims.http1.errors import RemoteProtocolError
from kubeprims.http1.limits import Limits

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DIGITS = re.compile(r"[0-9]{1,18}")


class Headers(tuple[tuple[str, str], ...]):
    """The header fields of a message, in order: ``(name in lower case, value)`` pairs, equal names repeated."""

    __slots__ = ()

    def get(self, name: str) -> str | None:
        """Return the first value of a field; ``name`` in lower case."""
        for key, value in self:
            if key == name:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        """Return the value of every line of a field, in order; ``name`` in lower case."""
        return [value for key, value in self if key == name]

    def tokens(self, name: str) -> list[str]:
        """Return the members of a comma-separated field over all its lines, in lower case, empty ones left out."""
        return comma_tokens(self.get_all(name))


def comma_tokens(values: Iterable[str]) -> list[str]:
    """Split comma-separated values into members in lower case, leaving out empty ones."""
    return [member for value in values for part in value.split(",") if (member := part.strip(" \t").lower())]


def is_token(text: str) -> bool:
    """Tell whether the text is a token: what methods, header names and the like are made of."""
    return _TOKEN.fullmatch(text) is not None


def parse_header_lines(lines: Sequence[str], limits: Limits) -> Headers:
    """Parse header lines that hold no line ends and no control characters but the tab.

    Raises:
        RemoteProtocolError: Too many lines (431), or a line that is not ``name: value`` (400).
    """
    if len(lines) > limits.header_count_max:
        raise RemoteProtocolError(f"more than {limits.header_count_max} header lines", status_code=431)
    fields: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or _TOKEN.fullmatch(name) is None:
            raise _header_line_fault(line)
        fields.append((name.lower(), value.strip(" \t")))
    return Headers(fields)


def _header_line_fault(line: str) -> RemoteProtocolError:
    name, colon, _ = line.partition(":")
    # Each of these is read in more than one way by the servers of this world; that is how requests are smuggled.
    if line[:1] in {" ", "\t"}:
        detail = "a header line begins with white space (folded lines are obsolete: RFC 9112, section 5.2)"
    elif not colon:
        detail = "a header line has no colon"
    elif name.endswith((" ", "\t")):
        detail = "white space between a header name and its colon (RFC 9112, section 5.1)"
    else:
        detail = "a header name is not a token" if name else "a header name is empty"
    return RemoteProtocolError(detail, raw=line.encode("latin-1"))


def parse_content_length(values: Sequence[str]) -> int | None:
    """Return the one declared length, or None if there is no such header.

    Raises:
        RemoteProtocolError: More than one line, even if they agree, or not one to eighteen decimal digits.
    """
    if not values:
        return None
    if len(values) > 1:
        raise RemoteProtocolError("more than one Content-Length")
    if _DIGITS.fullmatch(values[0]) is None:
        raise RemoteProtocolError("Content-Length is not a decimal number", raw=values[0].encode("latin-1"))
    return int(values[0])


def encode_head(first_line: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Write a head: the first line, the fields in their order and spelling, the empty line.

    Raises:
        InvalidArgument: A name is not a token, or a value holds a control character or one beyond latin-1.
    """
    return f"{first_line}\r\n{_encode_fields(fields)}\r\n".encode("latin-1")


def encode_trailers(fields: Iterable[tuple[str, str]]) -> bytes:
    """Write a trailer section with its empty line; raises as :func:`encode_head` does."""
    return f"{_encode_fields(fields)}\r\n".encode("latin-1")


def _encode_fields(fields: Iterable[tuple[str, str]]) -> str:
    lines: list[str] = []
    for name, value in fields:
        if _TOKEN.fullmatch(name) is None:
            raise InvalidArgument(f"not a header name: {name!r}")
        if _VALUE.fullmatch(value) is None:
            # The value itself may be a secret: it is not quoted.
            raise InvalidArgument(f"the value of header {name!r} holds a character that a header cannot carry")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines)
