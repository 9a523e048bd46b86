"""What goes over the road: headers, requests, responses, and whatever carries one to the other.

Nothing here does I/O: a :class:`Response` is handed an iterator for its body and a function that lets go of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import quote, urlencode

from kubeprims.errors import InvalidArgument, LifecycleError, ProtocolError, TransportError
from kubeprims.threads import Cancel, Deadline
from kubeprims.transport.redaction import redact_headers, redact_url

BODY_BYTES_MAX = 256 << 20
"""What :meth:`Response.read` takes unless told otherwise, in bytes."""

DRAIN_BYTES_MAX = 64 << 10
"""Up to how many bytes are read so that a connection can be used again; past that a new one is cheaper."""

_LATIN_1_LAST = "\xff"
_TOKEN_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PATH_CHARACTERS = frozenset(chr(code) for code in range(0x21, 0x7F)) - frozenset("?#")


class Headers:
    """Header fields in their order: names compare without case, and a name may occur more than once.

    Immutable: the ``with_*`` methods return new ones. The repr masks credentials.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = (), *, checked: bool = False) -> None:
        """Keep name and value pairs; ``checked`` ones come from a parser, or from other headers.

        Raises:
            InvalidArgument: A name is not a token, or a value holds a line break, a NUL, or what latin-1 cannot say.
        """
        pairs = tuple(items)
        if not checked:
            for name, value in pairs:
                _check_header(name, value)
        self._items = pairs

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of ``name``, or the default."""
        name = name.lower()
        for key, value in self._items:
            if key.lower() == name:
                return value
        return default

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return every value of ``name``, in order."""
        name = name.lower()
        return tuple(value for key, value in self._items if key.lower() == name)

    def items(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs as they came."""
        return self._items

    def with_added(self, name: str, value: str) -> Headers:
        """Return these and one more."""
        _check_header(name, value)
        return Headers((*self._items, (name, value)), checked=True)

    def with_replaced(self, name: str, value: str) -> Headers:
        """Return these with ``name`` holding ``value`` alone."""
        return self.without(name).with_added(name, value)

    def without(self, *names: str) -> Headers:
        """Return these without the fields of those names."""
        gone = {name.lower() for name in names}
        return Headers((pair for pair in self._items if pair[0].lower() not in gone), checked=True)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._folded() == other._folded()

    def __hash__(self) -> int:
        return hash(self._folded())

    def _folded(self) -> tuple[tuple[str, str], ...]:
        return tuple((name.lower(), value) for name, value in self._items)

    def __repr__(self) -> str:
        return f"Headers({list(redact_headers(self._items))!r})"


def _check_header(name: str, value: str) -> None:
    if not name or not _TOKEN_CHARACTERS.issuperset(name):
        message = f"a header name is one or more token characters, not {name!r}"
        raise InvalidArgument(message)
    if "\r" in value or "\n" in value or "\0" in value:
        message = f"the value of the header {name} holds a line break or a NUL"
        raise InvalidArgument(message)
    if not value.isascii() and max(value) > _LATIN_1_LAST:
        message = f"the value of the header {name} holds characters outside latin-1"
        raise InvalidArgument(message)


NO_HEADERS = Headers()


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the server of a transport.

    Attributes:
        method: The method, in capitals.
        path: The absolute path below the server's URL, percent-encoded where it needs to be; no query.
        query: Name and value pairs, as text: they are encoded here.
        headers: Header fields; those given here win over the transport's own.
        body: The body, or None for no body.
        deadline: The point in time that nothing of this request outlives, its answer's body included. Never unless
            given.
        cancel: Ends the request at once when it is set.
        is_watch: Its answer goes on for as long as the server likes: no rate limit counts it. As any answer that lasts,
            it is cut off some time after another client certificate is shown.
        may_retry: Whether the transport may send it again after a failure, where that is safe. Who has a backoff of
            its own wants to see each failure.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Headers = NO_HEADERS
    body: bytes | None = field(default=None, repr=False)
    deadline: Deadline = field(default_factory=lambda: Deadline.after(None))
    cancel: Cancel | None = None
    is_watch: bool = False
    may_retry: bool = True

    def __post_init__(self) -> None:
        if not self.method or not _TOKEN_CHARACTERS.issuperset(self.method):
            message = f"a method is one or more token characters, not {self.method!r}"
            raise InvalidArgument(message)
        if not self.path.startswith("/") or not _PATH_CHARACTERS.issuperset(self.path):
            message = f'a path starts with "/" and is percent-encoded, without a query: {redact_url(self.path)!r}'
            raise InvalidArgument(message)

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path

    def __repr__(self) -> str:
        size = "" if self.body is None else f", {len(self.body)} bytes"
        return f"<Request {self.method} {redact_url(self.target)}{size}>"


class Response:
    """An answer: its head, and its body while that comes in.

    A context manager: leaving it lets go of the connection, which is used again if the body was read to its end.

    Concurrency:
        One reader. :meth:`close` may be called from any thread, and ends a blocked read with
        :class:`~kubeprims.errors.Cancelled`.
    """

    __slots__ = ("_body", "_close", "_closed", "_lock", "_started", "headers", "method", "reason", "status", "url")

    def __init__(  # noqa: PLR0913 - the facts of one answer, all by keyword
        self,
        status: int,
        *,
        reason: str = "",
        headers: Headers = NO_HEADERS,
        body: Iterable[bytes] = (),
        close: Callable[[], None] | None = None,
        method: str = "",
        url: str = "",
    ) -> None:
        """Make an answer.

        Args:
            status: The status code.
            reason: The text beside it; says nothing reliable.
            headers: The header fields.
            body: Yields the body's parts, none of them empty, and raises a ``TransportError`` if it cannot end well.
            close: Lets go of what the body comes from; called once, from any thread.
            method: The request's method, for error texts.
            url: The request's URL without credentials, for error texts.
        """
        self.status = status
        self.reason = reason
        self.headers = headers
        self.method = method
        self.url = url
        self._body = body
        self._close = close
        self._started = False
        self._closed = False
        self._lock = threading.Lock()

    def chunks(self) -> Iterator[bytes]:
        """Return the body's parts as they come in, decoded from ``chunked`` and ``gzip``; to be called once.

        Each part is what one read of the socket gave, so its end is where the socket ran dry; none is empty. (Of a
        gzipped body, a read that unpacks to very much comes in several parts.)

        Raises:
            LifecycleError: The body was asked for before, or the response is closed.
            TransportError: The body did not come in complete: :class:`~kubeprims.errors.ConnectionLost`,
                :class:`~kubeprims.errors.DeadlineExceeded`, :class:`~kubeprims.errors.Cancelled`,
                :class:`~kubeprims.errors.ProtocolError`.
        """
        if self._closed or self._started:
            message = "the body of a response can be read once, before it is closed"
            raise LifecycleError(message)
        self._started = True
        return iter(self._body)

    def read(self, limit_bytes: int = BODY_BYTES_MAX) -> bytes:
        """Return the whole body.

        Raises:
            LifecycleError: As :meth:`chunks`.
            ProtocolError: It is longer than ``limit_bytes``.
            TransportError: As :meth:`chunks`.
        """
        parts: list[bytes] = []
        size = 0
        for part in self.chunks():
            size += len(part)
            if size > limit_bytes:
                self.close()
                detail = f"the body is longer than {limit_bytes} bytes"
                raise ProtocolError(detail, method=self.method, url=self.url, request_sent=True)
            parts.append(part)
        return b"".join(parts)

    def drain(self, limit_bytes: int = DRAIN_BYTES_MAX) -> None:
        """Read what is left if that is little, so that the connection can be used again, and close."""
        size = 0
        try:
            for part in () if self._closed else iter(self._body):
                size += len(part)
                if size > limit_bytes:
                    break
        except TransportError:
            pass  # the content was not wanted, and a broken connection closes itself
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection; a body that was not read to its end is cut off. May be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._close is not None:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


class RoundTripper(Protocol):
    """Carries a request and brings the answer.

    Concurrency:
        Any number of threads at once.
    """

    def round_trip(self, request: Request) -> Response:
        """Return the answer's head, with its body still to be read.

        Whatever the status: only what is not an answer is an error.

        Raises:
            TransportError: No answer arrived.
            LifecycleError: The transport is closed.
        """
        ...


Middleware = Callable[[RoundTripper], RoundTripper]
"""Wraps what carries requests, to add something to each."""
