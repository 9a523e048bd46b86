"""One connection to the server: opened by :func:`dial`, wrapped in TLS, and used for one request after another."""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import re
import socket
import ssl
from typing import NamedTuple, cast

import urllib3.connection

from kubeprims.errors import ConnectionLost, ProtocolError, TLSError, TransportError
from kubeprims.http1.errors import RemoteProtocolError
from kubeprims.transport.dial import DialOptions, Resolver, dial
from kubeprims.transport.message import Headers
from kubeprims.transport.proxies import ProxyRoute, bracketed
from kubeprims.transport.scope import RequestScope
from kubeprims.transport.secure import NestedTLSSocket, Wire, interrupt, secure
from kubeprims.transport.tls import describe_failure

READ_BYTES_MAX = 256 << 10
"""How much one read of a body takes, in bytes."""

HEAD_BYTES_MAX = 64 << 10
"""The longest head of an answer, in bytes."""

_HEADER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r?\n")
_BLANK_LINES = (b"\r\n", b"\n")
_SWITCHING_PROTOCOLS = 101
_OK = 200


class Endpoint(NamedTuple):
    """Where connections of one pool go, and how."""

    host: str
    port: int
    context: ssl.SSLContext | None
    server_name: str
    tls_handshake_timeout_s: float
    dialing: DialOptions

    @property
    def forwarding_proxy(self) -> ProxyRoute | None:
        """The proxy that requests are sent to as they are, there being no tunnel: HTTP in front of HTTP."""
        return self.dialing.proxy if self.dialing.is_forwarded else None


class Head(NamedTuple):
    """The head of an answer."""

    status: int
    reason: str
    headers: Headers
    keeps_alive: bool


class _HeadLines:
    """Stands in for the stream while http.client reads the head, and is stricter than it.

    On its own http.client takes a head that was cut off for a whole one, drops the fields behind a line that is none,
    and bounds lines but not heads.
    """

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._left = HEAD_BYTES_MAX
        self._is_status_line = True

    def readline(self, limit: int = -1, /) -> bytes:
        line = self._stream.readline(min(limit, self._left + 1) if limit >= 0 else self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise RemoteProtocolError(f"the head is longer than {HEAD_BYTES_MAX} bytes")
        if self._is_status_line:
            self._is_status_line = False
            return line
        if not line.endswith(b"\n"):
            message = "the connection ended inside the head"
            raise ConnectionResetError(message)
        if line in _BLANK_LINES:
            self._is_status_line = True  # of the answer behind an informational one
        elif _HEADER_LINE.fullmatch(line) is None:
            raise RemoteProtocolError("a line of the head is not a header field")
        return line

    def close(self) -> None:
        self._stream.close()


class _HeadReader(http.client.HTTPResponse):
    """http.client's reader, held to whole and strict heads, and past informational ones."""

    def begin(self) -> None:
        stream = self.fp
        self.fp = _HeadLines(stream)  # type: ignore[assignment] # http.client only reads lines from it
        try:
            super().begin()
            while self.status < _OK and self.status != _SWITCHING_PROTOCOLS:
                self.headers = None  # type: ignore[assignment] # what tells begin() to read another head
                super().begin()
        finally:
            if not stream.closed:  # http.client closes it, and forgets it, at a status line that is none
                self.fp = stream


class Connection(urllib3.connection.HTTPConnection):
    """A connection whose every wait is bounded by the request that uses it.

    Concurrency:
        One request at a time owns it; another thread may shut it down through the request's scope.
    """

    def __init__(self, endpoint: Endpoint, *, resolver: Resolver, generation_number: int = 0) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self.response_class = _HeadReader
        self._endpoint = endpoint
        self._resolver = resolver
        self._scope: RequestScope | None = None
        self._response: http.client.HTTPResponse | None = None
        self._wire: Wire | None = None
        self.idle_since_s = 0.0
        """When it was given back to the pool."""
        self.cut_at_s = math.inf
        """When it is cut off, whatever it does."""
        self.generation_number = generation_number
        """Which certificates it was made with."""

    def open(self, scope: RequestScope) -> None:
        """Connect, for the request of ``scope``.

        Raises:
            TransportError: What :func:`dial` raises, and :class:`~kubeprims.errors.TLSError`.
        """
        self._scope = scope
        try:
            self.connect()
        except BaseException:
            self.destroy()
            raise

    def _new_conn(self) -> socket.socket:
        """Open the socket; the one thing that urllib3's class asks a subclass for."""
        endpoint, scope = self._endpoint, self._scope
        assert scope is not None
        self._wire = wire = dial(
            endpoint.host, endpoint.port, scope=scope, resolver=self._resolver, options=endpoint.dialing
        )
        if endpoint.context is not None:
            self._wire = secure(
                wire,
                endpoint.context,
                server_name=endpoint.server_name,
                scope=scope,
                limit=scope.limit(endpoint.tls_handshake_timeout_s),
                where=f"{endpoint.host}:{endpoint.port}",
            )
        # A stream inside another is a socket in all that http.client asks of it.
        return cast("socket.socket", self._wire)

    def use(self, scope: RequestScope) -> None:
        """Put an open connection at the service of a request."""
        assert self._wire is not None
        self._scope = scope
        self._wire.deadline = scope.deadline
        scope.interrupt_with(interrupt(self._wire))

    @property
    def is_fit(self) -> bool:
        """Whether an idle connection still stands, and the server has not said anything unasked."""
        wire = self._wire
        if wire is None or (isinstance(wire, ssl.SSLSocket | NestedTLSSocket) and wire.pending()):
            return False
        return self.is_connected

    def exchange_heads(self, method: str, target: str, headers: Headers, body: bytes | None) -> Head:
        """Send a request, and read the head of its answer.

        Raises:
            TransportError: One of Cancelled, DeadlineExceeded, ConnectionLost, ProtocolError, TLSError.
        """
        scope = self._scope
        assert scope is not None
        try:
            self._send_request(method, target, headers, body, scope)
            response = http.client.HTTPConnection.getresponse(self)
        except (OSError, http.client.HTTPException, RemoteProtocolError) as error:
            raise explain(error, scope, "before its answer") from error
        self._response = response
        if response.status == _SWITCHING_PROTOCOLS:
            raise scope.failure(ProtocolError, "the server switched protocols unasked")
        fields = Headers(((name, value.strip()) for name, value in response.headers.items()), checked=True)
        return Head(response.status, response.reason, fields, keeps_alive=not response.will_close)

    def _send_request(
        self, method: str, target: str, headers: Headers, body: bytes | None, scope: RequestScope
    ) -> None:
        proxy = self._endpoint.forwarding_proxy
        if proxy is not None:
            target = f"http://{bracketed(self._endpoint.host)}:{self._endpoint.port}{target}"
        self.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        if proxy is not None and proxy.authorization:
            self.putheader("Proxy-Authorization", proxy.authorization)
        for name, value in headers:
            self.putheader(name, value)
        scope.check()
        scope.sent = True
        # A server that refuses a long body answers and closes before it has read it: its answer is still there.
        with contextlib.suppress(BrokenPipeError):
            self.endheaders(body)

    def read(self) -> bytes:
        """Return what one read of the body gives; nothing at the end.

        Raises:
            OSError: The connection failed, or was closed meanwhile.
        """
        response = self._response
        if response is None:
            message = "the connection is closed"
            raise ConnectionAbortedError(message)
        data = response.fp.read1(READ_BYTES_MAX)
        if not data and self._scope is not None and self._scope.is_aborted:
            # Ours, not the server's: a body that lasts until the end must not look complete.
            message = "the connection was cut off"
            raise ConnectionAbortedError(message)
        return data

    def finish(self) -> None:
        """End the request whose answer was read to its end; the connection can take another."""
        response, self._response = self._response, None
        if response is not None:
            response.close()
        self._scope = None

    def cut(self, reason: str) -> None:
        """End the request that is under way, if any, from another thread: it fails as if the connection had ended."""
        scope = self._scope
        if scope is not None:
            scope.abort(reason, ConnectionLost)

    def destroy(self) -> None:
        """Close, whatever the state. The scope of a request under way must have been aborted, or be our caller's."""
        if self._scope is not None:
            self._scope.let_go()
        response, self._response = self._response, None
        if response is not None:
            response.close()
        self.close()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()


def explain(error: Exception, scope: RequestScope, when: str) -> TransportError:
    """Return the one error for what went wrong on a connection in use."""
    if isinstance(error, TransportError):
        return error
    if isinstance(error, RemoteProtocolError):
        return scope.failure(ProtocolError, f"not HTTP/1.1: {error.detail}")
    if isinstance(error, TimeoutError):
        return scope.timed_out(scope.deadline, ConnectionLost, f"the connection timed out {when}")
    if isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return scope.failure(TLSError, describe_failure(error))
    if isinstance(error, OSError):
        detail = error.strerror or str(error)
        return scope.failure(ConnectionLost, f"the connection ended {when}: {detail[:1].lower()}{detail[1:]}")
    return scope.failure(ProtocolError, f"not HTTP/1.1: {_http_problem(error)}")


def _http_problem(error: Exception) -> str:
    # http.client quotes what it read; none of that belongs into an error text.
    if isinstance(error, http.client.BadStatusLine):
        return "the answer does not begin with a status line"
    if isinstance(error, http.client.UnknownProtocol):
        return "the answer is of another HTTP version"
    return "a line or the number of lines of the head passes the limit"
