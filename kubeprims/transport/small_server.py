"""A small HTTP server for what programs and people ask of a process: how it is, and what it has counted.

One request a connection, no bodies to read, a few connections at once, each for a few seconds. What needs more is not
for this server.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

from kubeprims.clock import Clock, SystemClock
from kubeprims.http1 import NEED_DATA, Limits, RemoteProtocolError, Request, ServerConnection
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.listen import listen

CONNECTIONS_MAX = 16
"""How many connections are served at once; others are closed."""

EXCHANGE_TIMEOUT_S = 10.0
"""How long one connection may take in all, in seconds."""

_ACCEPT_RETRY_S = 1.0
_RECEIVE_BYTES = 16 * 1024
_HEAD_BYTES_MAX = 16 * 1024

logger = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A request, as far as it matters here.

    Attributes:
        method: The method.
        path: The path, percent-encoded.
        query: What follows the question mark, percent-encoded.
        accept: The Accept header.
    """

    method: str
    path: str
    query: str
    accept: str


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        status: The status.
        body: The body.
        content_type: What the body is.
    """

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class SmallServer:
    """Answers requests until it is told to stop.

    Concurrency:
        :meth:`run` blocks its thread, once. ``answer`` is called from several threads at once.
    """

    def __init__(
        self,
        host: str,
        port: int,
        answer: Callable[[Asked], Answer],
        *,
        name: str,
        clock: Clock | None = None,
    ) -> None:
        """Listen on an address; answer once :meth:`run` runs.

        Args:
            host: An IP address of this machine, or ``localhost``.
            port: The port; 0 lets the system choose one: see :attr:`port`.
            answer: Answers a request; what it raises is answered with status 500 and logged.
            name: For logs and threads.
            clock: The clock to live by.

        Raises:
            ConfigError: The address is not one, not of this machine, or taken.
        """
        self._answer = answer
        self._name = name
        self._clock = clock or SystemClock()
        self._places = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._sock = listen(host, port)
        self.port: int = self._sock.getsockname()[1]

    def run(self, stop: Cancel) -> None:
        """Answer until ``stop`` is set; then end what is under way."""
        connections = ThreadGroup(self._name)
        take_back = stop.add_callback(self._shut)
        try:
            while not stop.is_set:
                self._accept(connections, stop)
        finally:
            take_back()
            self._shut()
            self._sock.close()
            connections.join(Deadline.after(EXCHANGE_TIMEOUT_S, clock=self._clock))

    def _accept(self, connections: ThreadGroup, stop: Cancel) -> None:
        try:
            sock, _ = self._sock.accept()
        except ConnectionError:
            return  # the client is gone already
        except OSError:
            if not stop.is_set:
                logger.exception("%s cannot accept a connection", self._name)
                stop.wait(_ACCEPT_RETRY_S, clock=self._clock)  # out of descriptors, most likely
            return
        self._admit(sock, connections)

    def close(self) -> None:
        """Close the listening socket of a server that never ran; nothing happens if it has."""
        self._sock.close()

    def _shut(self) -> None:
        """Wake whoever waits for the sockets; they are closed by their owners."""
        with self._lock:
            sockets = (self._sock, *self._open)
        for sock in sockets:
            with contextlib.suppress(OSError):  # closed, or never connected
                sock.shutdown(socket.SHUT_RDWR)

    def _admit(self, sock: socket.socket, connections: ThreadGroup) -> None:
        if not self._places.acquire(blocking=False):
            sock.close()
            return
        with self._lock:
            self._open.add(sock)
        try:
            connections.spawn(lambda: self._serve(sock), name=f"connection {sock.fileno()}")
        except RuntimeError:  # out of threads
            logger.exception("%s cannot serve a connection", self._name)
            self._let_go(sock)

    def _let_go(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.discard(sock)
        sock.close()
        self._places.release()

    def _serve(self, sock: socket.socket) -> None:
        deadline = Deadline.after(EXCHANGE_TIMEOUT_S, clock=self._clock)
        http = ServerConnection(Limits(head_bytes_max=_HEAD_BYTES_MAX))
        try:
            with contextlib.suppress(OSError):  # the client went away, or took too long
                self._exchange(sock, http, deadline)
        finally:
            self._let_go(sock)

    def _exchange(self, sock: socket.socket, http: ServerConnection, deadline: Deadline) -> None:
        request: Request | None = None
        try:
            request = _read_request(sock, http, deadline)
            if request is None:
                return
            answer = self._answered(request)
        except RemoteProtocolError as error:
            answer = Answer(error.status_code, f"{error}\n".encode())
        _send(sock, http, answer, deadline, is_head=request is not None and request.method == "HEAD")

    def _answered(self, request: Request) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            return Answer(405, b"only GET and HEAD are answered here\n")
        asked = Asked(request.method, request.path, request.query, request.headers.get("accept") or "")
        try:
            return self._answer(asked)
        except Exception:  # whatever is asked, the next one gets an answer
            logger.exception("%s cannot answer %s", self._name, request.path)
            return Answer(500, b"internal error\n")


def _read_request(sock: socket.socket, http: ServerConnection, deadline: Deadline) -> Request | None:
    """Return the head of the request; None if the client went away without one."""
    while True:
        event = http.next_event()
        if event is NEED_DATA:
            sock.settimeout(_remaining_s(deadline))
            data = sock.recv(_RECEIVE_BYTES)
            if data:
                http.receive_data(data)
            else:
                http.receive_eof()
        elif isinstance(event, Request):
            return event
        else:
            return None


def _send(sock: socket.socket, http: ServerConnection, answer: Answer, deadline: Deadline, *, is_head: bool) -> None:
    headers = [
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ]
    has_body = bool(answer.body) and not is_head
    head = http.start_response(answer.status, headers, has_body=bool(answer.body))
    body = http.send_data(answer.body) if has_body else b""
    sock.settimeout(_remaining_s(deadline))
    sock.sendall(head + body + http.end_response())
    sock.shutdown(socket.SHUT_WR)
    # What the client still sends is read, or its reset would take the answer along.
    while sock.recv(_RECEIVE_BYTES):
        sock.settimeout(_remaining_s(deadline))


def _remaining_s(deadline: Deadline) -> float:
    remaining_s = deadline.remaining_s()
    if remaining_s <= 0:
        raise TimeoutError
    return remaining_s
