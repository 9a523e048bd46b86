"""Accepts connections, owns a thread for each, and ends them all."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import threading
from collections.abc import Callable, Generator

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import StopTimeout
from kubeprims.testing.apiserver.wire import Deadlines, Wire, WireClosed
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.listen import listen

_ACCEPT_RETRY_S = 0.1
# How long threads may take to see the reset of their connection before it is shut in the ordinary way: those that are
# blocked in a send see only that.
_RESET_WAIT_S = 0.05
_HUNG_UP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

logger = logging.getLogger(__name__)


class Listener:
    """A listening socket, the thread that accepts, and a thread for each connection.

    Concurrency:
        :meth:`stop` is for the owner, once, from a thread that is none of its own.
    """

    def __init__(
        self,
        host: str,
        port: int,
        serve: Callable[[Wire, Listener], None],
        *,
        tls: Callable[[], ssl.SSLContext] | None,
        clock: Clock,
    ) -> None:
        """Listen, and start to accept.

        Args:
            host: An address of this machine.
            port: 0 lets the system choose one.
            serve: Called for each connection on a thread of its own; may leave by :class:`WireClosed`.
            tls: Gives what TLS needs, anew for each connection; None for plain TCP.
            clock: What time-outs go by.

        Raises:
            ConfigError: The address is not one, or taken.
        """
        self._serve = serve
        self._tls = tls
        self._stopped = Cancel()
        self._lock = threading.Lock()
        self._wires: set[Wire] = set()
        self._hang_ups: dict[int, Wire] = {}
        self._deadlines = Deadlines(clock)
        self._sock = listen(host, port)
        self._sock.setblocking(False)  # a client may be gone between poll and accept
        self.port: int = self._sock.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._sock, select.EPOLLIN)
        name = f"apiserver {host}:{self.port}"
        self._connections = ThreadGroup(name, on_error=_log_error)
        # In a group of their own: they are joined first, and then no connection can be added any more.
        self._services = ThreadGroup(name, on_error=_log_error)
        self._services.spawn(self._accept_all, name="accept")
        self._services.spawn(self._deadlines.run, name="deadlines")

    def _accept_all(self) -> None:
        try:
            while not self._stopped.is_set:
                events = self._epoll.poll()
                # Hang-ups first: a connection accepted in between could bear the descriptor of one that is gone.
                for descriptor, event in events:
                    if event & _HUNG_UP:
                        self._hung_up(descriptor)
                if any(descriptor == self._sock.fileno() for descriptor, _ in events):
                    self._accept()
        finally:
            with self._lock:
                self._epoll.close()
            self._sock.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:
            if not self._stopped.is_set:  # out of descriptors, most likely: others may be closed meanwhile
                logger.exception("cannot accept a connection")
                self._stopped.wait(_ACCEPT_RETRY_S)
            return
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(sock, self._deadlines)
        with self._lock:
            self._wires.add(wire)
        try:
            self._connections.spawn(lambda: self._run(wire), name=f"connection {sock.fileno()}")
        except RuntimeError:  # out of threads
            logger.exception("cannot serve a connection")
            self._forget(wire)

    def _run(self, wire: Wire) -> None:
        try:
            if self._tls is not None:
                wire.start_tls(self._tls())
            self._serve(wire, self)
        except WireClosed:
            pass
        finally:
            self._forget(wire)

    def _forget(self, wire: Wire) -> None:
        with self._lock:
            self._wires.discard(wire)
        wire.close()

    @contextlib.contextmanager
    def cut_on_hang_up(self, wire: Wire) -> Generator[None, None, None]:
        """Cut the connection if the client goes away while nobody reads from it.

        Source:
            Go net/http cancels a request's context when its background read sees the end of the stream.
        """
        descriptor = wire.fileno()
        if descriptor in self._hang_ups:  # already within such a context, of this very thread
            yield
            return
        with self._lock:
            if self._epoll.closed:  # stopped: the connection is being cut anyway
                raise WireClosed
            self._hang_ups[descriptor] = wire
            self._epoll.register(descriptor, _HUNG_UP | select.EPOLLONESHOT)
        try:
            yield
        finally:
            with self._lock:
                del self._hang_ups[descriptor]
                if not self._epoll.closed:
                    self._epoll.unregister(descriptor)

    def _hung_up(self, descriptor: int) -> None:
        with self._lock:
            wire = self._hang_ups.get(descriptor)
        if wire is not None:
            wire.cut()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._wires)

    def stop(self, *, timeout_s: float, reset: bool = False) -> None:
        """Close the listening socket, cut every connection, and join every thread.

        Args:
            timeout_s: For all of it, in seconds of real time.
            reset: End the connections with a reset, as a crash does.

        Raises:
            StopTimeout: A thread did not end in time.
        """
        deadline = Deadline.after(timeout_s, clock=SystemClock())
        self._stopped.set()
        with contextlib.suppress(OSError):  # "not connected", says the system, and wakes the poll all the same
            self._sock.shutdown(socket.SHUT_RDWR)
        self._deadlines.stop()
        running = self._services.join(deadline)
        if reset:
            self._cut_all(reset=True)
            self._connections.join(Deadline.after(min(timeout_s, _RESET_WAIT_S), clock=SystemClock()))
        self._cut_all(again=True)
        running += self._connections.join(deadline)
        if running:
            raise StopTimeout(running, timeout_s=timeout_s)

    def _cut_all(self, *, reset: bool = False, again: bool = False) -> None:
        with self._lock:
            wires = tuple(self._wires)
        for wire in wires:
            wire.cut(reset=reset, again=again)


def _log_error(error: BaseException) -> None:
    logger.error("a thread of the API server died", exc_info=error)
