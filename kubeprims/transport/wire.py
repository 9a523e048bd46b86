"""Carries one request over one connection of the pool: the innermost of the round trippers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from kubeprims.errors import Cancelled, ConnectionLost, InvalidArgument
from kubeprims.http1.errors import RemoteProtocolError
from kubeprims.transport.body import Body, frame
from kubeprims.transport.connection import Connection, Head, explain
from kubeprims.transport.in_flight import InFlight
from kubeprims.transport.message import Headers, Request, Response
from kubeprims.transport.pool import Pool
from kubeprims.transport.redaction import redact_url
from kubeprims.transport.scope import RequestScope

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OUR_HEADERS = ("content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect")
_NO_CONTENT = 204
_NOT_MODIFIED = 304

_logger = logging.getLogger("kubeprims.transport")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Sends requests to one server.

    Attributes:
        base_url: The server's URL, without credentials and without a slash at its end.
        base_path: The path in it.
        host: The ``Host`` header.
        pool: The connections.
        in_flight: The requests under way.
        asks_for_gzip: Whether answers may come gzipped.

    Concurrency:
        Any number of threads at once.
    """

    base_url: str
    base_path: str
    host: str
    pool: Pool
    in_flight: InFlight
    asks_for_gzip: bool

    def round_trip(self, request: Request) -> Response:
        """Send a request, and return its answer once the head is there.

        A connection from the pool may have died without our noticing; a GET that meets such a one is sent once more,
        on a connection of its own.

        Raises:
            InvalidArgument: A header that frames the message, or that is not ours to send.
            LifecycleError: The transport is closed.
            TransportError: No answer arrived.
        """
        url = self.base_url + redact_url(request.target)
        headers, unpack = self._headers(request)
        scope = RequestScope(method=request.method, url=url, deadline=request.deadline, cancel=request.cancel)
        try:
            self.in_flight.enter(scope)
            scope.check()
            connection, head = self._send(request, headers, scope)
        except BaseException:
            scope.release()
            self.in_flight.leave(scope)
            raise
        exchange = _Exchange(connection, scope, self, keeps_alive=head.keeps_alive)
        if not self.in_flight.answered(scope, exchange.close):
            exchange.close()
            raise scope.failure(Cancelled, "the transport was closed")
        return exchange.respond(head, unpack=unpack)

    def _send(self, request: Request, headers: Headers, scope: RequestScope) -> tuple[Connection, Head]:
        connection = self.pool.take()
        if connection is not None:
            connection.use(scope)
            try:
                return connection, self._exchange_heads(connection, request, headers)
            except ConnectionLost:
                if request.method not in _SAFE_METHODS:
                    raise
                _logger.debug("a pooled connection had died; sending again", extra={"url": scope.url})
                scope.sent = False
        connection = self.pool.open(scope)
        return connection, self._exchange_heads(connection, request, headers)

    def _exchange_heads(self, connection: Connection, request: Request, headers: Headers) -> Head:
        try:
            target = self.base_path + request.target
            return connection.exchange_heads(request.method, target, headers, request.body)
        except BaseException:
            self.pool.discard(connection)
            raise

    def _headers(self, request: Request) -> tuple[Headers, bool]:
        """Return the headers to send, and whether an answer that comes gzipped is to be unpacked."""
        given = request.headers
        for name in _OUR_HEADERS:
            if name in given:
                message = f"the header {name} is not for a request to set"
                raise InvalidArgument(message)
        added: list[tuple[str, str]] = []
        if "host" not in given:
            added.append(("Host", self.host))
        # As in Go: who asks for an encoding, or for a range of bytes, gets what the server sends.
        unpack = self.asks_for_gzip and "accept-encoding" not in given and "range" not in given
        if unpack:
            added.append(("Accept-Encoding", "gzip"))
        if request.body is not None or request.method in _METHODS_WITH_BODY:
            added.append(("Content-Length", str(len(request.body or b""))))
        return Headers((*added, *given), checked=True), unpack


class _Exchange:
    """An answer under way: lets go of its connection once, whichever comes first, its end, a failure or a close.

    Concurrency:
        One reader; :meth:`close` from any thread.
    """

    __slots__ = ("_connection", "_done", "_keeps_alive", "_lock", "_scope", "_wire")

    def __init__(self, connection: Connection, scope: RequestScope, wire: Wire, *, keeps_alive: bool) -> None:
        self._connection = connection
        self._scope = scope
        self._wire = wire
        self._keeps_alive = keeps_alive
        self._lock = threading.Lock()
        self._done = False

    def respond(self, head: Head, *, unpack: bool) -> Response:
        """Return the answer that this head begins.

        Raises:
            ProtocolError: The head frames its body in no way that HTTP/1.1 knows.
        """
        scope = self._scope
        has_body = scope.method != "HEAD" and head.status not in {_NO_CONTENT, _NOT_MODIFIED}
        try:
            body = frame(head.headers, read=self._connection.read, has_body=has_body, unpack=unpack)
        except RemoteProtocolError as error:
            self._end(reusable=False)
            raise explain(error, scope, "") from error
        headers = head.headers
        if body.is_gzip:
            headers = headers.without("content-encoding", "content-length")
        parts = self._parts(body)
        if body.is_empty:
            next(parts, None)  # nothing to come: the connection is free at once
        return Response(
            head.status,
            reason=head.reason,
            headers=headers,
            body=parts,
            close=self.close,
            method=scope.method,
            url=scope.url,
        )

    def _parts(self, body: Body) -> Iterator[bytes]:
        try:
            for part in body.parts():
                # Reading asks for the time by itself, but a gzipped read can stand for a thousand parts.
                self._scope.check()
                yield part
        except (OSError, RemoteProtocolError, ValueError) as error:
            failure = explain(error, self._scope, "inside its answer")
            self._end(reusable=False)
            raise failure from error
        self._end(reusable=self._keeps_alive and body.is_reusable)

    def close(self) -> None:
        """Cut off what was not read."""
        if not self._done:
            self._scope.abort("the response was closed")
            self._end(reusable=False)

    def _end(self, *, reusable: bool) -> None:
        with self._lock:
            if self._done:
                return
            self._done = True
        self._scope.release()
        self._wire.in_flight.leave(self._scope)
        if reusable and not self._scope.is_aborted:
            self._connection.finish()
            self._wire.pool.give_back(self._connection)
        else:
            self._wire.pool.discard(self._connection)
