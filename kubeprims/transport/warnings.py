"""What the server warns of, in ``Warning`` headers, and who gets to hear it."""

from __future__ import annotations

import itertools
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TextIO

from kubeprims.transport.message import Request, Response, RoundTripper

WARNINGS_MAX = 64
"""How many warnings of one answer are looked at."""

TEXT_LENGTH_MAX = 4096
"""How much of a warning's text is kept, in characters."""

_DELIVERED_CODE = 299
_SEEN_MAX = 1000
_YELLOW, _RESET = "\x1b[33;1m", "\x1b[0m"

_SPACE = r"[ \t]*"
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_WARNING = re.compile(rf'{_SPACE}([0-9]{{3}}) ([^ \t",]+) {_QUOTED}(?: "[^"]*")?{_SPACE}(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_logger = logging.getLogger("kubeprims.transport")


class ServerWarning(NamedTuple):
    """One warning.

    Attributes:
        code: 299 for what the API server says to its users.
        agent: Who warns; ``-`` for the server itself.
        text: What it says, without control characters.
    """

    code: int
    agent: str
    text: str


WarningHandler = Callable[[ServerWarning], None]
"""Is told of each warning, on the thread of the request; what it raises reaches the request's caller."""


def parse_warnings(values: Iterable[str]) -> Iterator[ServerWarning]:
    """Yield the warnings in the values of ``Warning`` headers, each of which may hold several.

    From the first fault in a value on, the rest of it is left out.

    Source:
        RFC 7234 section 5.5; apimachinery pkg/util/net/http.go, ``ParseWarningHeaders``.
        Same: control characters are taken out.
        Differs: bounded in number and length.
    """
    return itertools.islice(_warnings(values), WARNINGS_MAX)


def _warnings(values: Iterable[str]) -> Iterator[ServerWarning]:
    for value in values:
        match = _WARNING.match(value)
        while match is not None:
            code, agent, quoted = match.groups()
            text = _CONTROL.sub("", _ESCAPED.sub(r"\1", quoted))
            yield ServerWarning(int(code), agent, text[:TEXT_LENGTH_MAX])
            match = _WARNING.match(value, match.end())


class Warnings:
    """Hands the warnings of an answer to a handler: code 299 with a text, each once.

    It is the outermost, so that an answer that was thrown away for a retry warns nobody.
    """

    __slots__ = ("_handler", "_inner")

    def __init__(self, inner: RoundTripper, handler: WarningHandler) -> None:
        self._inner = inner
        self._handler = handler

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`."""
        response = self._inner.round_trip(request)
        values = response.headers.get_all("warning")
        if values:
            try:
                self._deliver(values)
            except BaseException:
                response.close()
                raise
        return response

    def _deliver(self, values: Iterable[str]) -> None:
        for warning in dict.fromkeys(parse_warnings(values)):
            if warning.code == _DELIVERED_CODE and warning.text:
                self._handler(warning)


class _Seen:
    """Remembers texts, the newest thousand of them.

    Concurrency:
        Any number of threads at once.
    """

    __slots__ = ("_lock", "_texts")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, None] = {}

    def is_new(self, text: str) -> bool:
        with self._lock:
            is_new = text not in self._texts
            self._texts.pop(text, None)
            self._texts[text] = None
            if len(self._texts) > _SEEN_MAX:
                del self._texts[next(iter(self._texts))]
            return is_new


class LogWarnings:
    """The handler unless another is given: logs each text once.

    Concurrency:
        Any number of threads at once.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = _Seen()

    def __call__(self, warning: ServerWarning) -> None:
        """Log a warning that was not logged before."""
        if self._seen.is_new(warning.text):
            _logger.warning("the API server warns: %s", warning.text)


def drop_warnings(_warning: ServerWarning) -> None:
    """Handle a warning by saying nothing."""


class WriteWarnings:
    """Writes each warning on a line of its own, as kubectl does.

    Concurrency:
        Any number of threads at once, as far as the stream allows it.
    """

    __slots__ = ("_color", "_deduplicate", "_out", "_seen")

    def __init__(self, out: TextIO, *, deduplicate: bool = True, color: bool = False) -> None:
        """Write to a stream.

        Args:
            out: The stream.
            deduplicate: Leave out a text that was written before.
            color: Mark the lines with a terminal's colours.
        """
        self._out = out
        self._deduplicate = deduplicate
        self._color = color
        self._seen = _Seen()

    def __call__(self, warning: ServerWarning) -> None:
        """Write a warning."""
        if self._deduplicate and not self._seen.is_new(warning.text):
            return
        label = f"{_YELLOW}Warning:{_RESET}" if self._color else "Warning:"
        self._out.write(f"{label} {warning.text}\n")
