"""One accepted connection: a socket with one owner, which any thread may cut."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading

from kubeprims.clock import Clock
from kubeprims.testing.apiserver.tls import PeerCertificate, read_peer_certificate
from kubeprims.threads import Cancel

_RECEIVE_BYTES = 64 * 1024
_LINGER_BYTES_MAX = 16 * 1024 * 1024
_LINGER_S = 2.0
# A client that takes nothing for so long is gone, or hostile. By the system's time: it is the system that waits, and a
# test that moves its clock does not mean the bytes that are on their way.
_SEND_S = 60.0
_HANDSHAKE_S = 10.0
# struct linger {on, 0 seconds}: close() throws away what is unsent and resets the connection.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class WireClosed(Exception):
    """The connection ended, or was cut: its thread is to close it and end."""


class Wire:
    """An accepted socket, plain or TLS.

    Attributes:
        certificate: What the client has shown in the handshake, if anything.

    Concurrency:
        One thread owns it: receives, sends and closes. Any thread may :meth:`cut` it, which ends a blocked receive or
        send of the owner at once; the descriptor is closed by the owner alone, so it is never one of somebody else.
    """

    def __init__(self, sock: socket.socket, deadlines: Deadlines, *, send_timeout_s: float = _SEND_S) -> None:
        self.cancel = Cancel()
        self.certificate: PeerCertificate | None = None
        sock.settimeout(send_timeout_s)
        self._sock = sock
        self._send_timeout_s = send_timeout_s
        self._deadlines = deadlines
        self._lock = threading.Lock()
        self._is_cut = False
        self._is_closed = False

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return self._sock.fileno()

    def start_tls(self, context: ssl.SSLContext, *, timeout_s: float = _HANDSHAKE_S) -> None:
        """Do the TLS handshake.

        Raises:
            WireClosed: It failed, or took more than ``timeout_s`` seconds.
        """
        with self._lock:
            try:
                self._sock.getpeername()  # raises if the client is gone; wrap_socket would leak the descriptor then
                sock = context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
            except OSError as error:
                raise WireClosed from error
            self._sock = sock
        try:
            sock.settimeout(timeout_s)
            sock.do_handshake()
            sock.settimeout(self._send_timeout_s)
            self.certificate = read_peer_certificate(sock)
        except OSError as error:
            raise WireClosed from error

    def receive(self, *, timeout_s: float) -> bytes:
        """Return what the client sent next; empty at the end of its stream.

        Raises:
            WireClosed: The connection broke, was cut, or nothing came in ``timeout_s`` seconds.
        """
        with self._deadlines.within(timeout_s, self):
            try:
                self._wait_for_data()
                data = b"" if self._is_cut else self._sock.recv(_RECEIVE_BYTES)
            except OSError as error:
                raise WireClosed from error
        if self._is_cut:
            raise WireClosed
        return data

    def _wait_for_data(self) -> None:
        """Wait until there is something to read, or the connection is cut.

        A read of TLS that sees the end of the stream has OpenSSL send an alert: the reset of a crash would not be the
        first thing that the client hears. So the read must not begin before it is known whether there was a cut.
        """
        if not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            poll.poll()

    def send(self, data: bytes) -> None:
        """Send all of ``data``.

        Raises:
            WireClosed: The connection broke, was cut, or the client took nothing for too long.
        """
        if self._is_cut:
            raise WireClosed
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise WireClosed from error

    def cut(self, *, reset: bool = False, again: bool = False) -> None:
        """End the connection from any thread; does not wait.

        Args:
            reset: Have the owner's close send a reset. An owner blocked in a send is not woken by that.
            again: Do it even if it was cut before.
        """
        with self._lock:
            if self._is_closed or (self._is_cut and not again):
                return
            self._is_cut = True
            with contextlib.suppress(OSError):  # broken already
                if reset:
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                # Not SSLSocket.shutdown, which takes the TLS state away under the owner's feet. A reset must not be
                # preceded by a FIN, which SHUT_WR sends.
                socket.socket.shutdown(self._sock, socket.SHUT_RD if reset else socket.SHUT_RDWR)
        self.cancel.set()

    def linger(self) -> None:
        """Say that nothing more comes, and read until the client has seen it.

        A socket that is closed with bytes unread resets the connection, and the client may lose the response that was
        on its way.
        """
        with contextlib.suppress(OSError, WireClosed):
            socket.socket.shutdown(self._sock, socket.SHUT_WR)
            with self._deadlines.within(_LINGER_S, self):
                left = _LINGER_BYTES_MAX
                while left > 0 and (data := socket.socket.recv(self._sock, _RECEIVE_BYTES)):
                    left -= len(data)

    def close(self) -> None:
        """Close the descriptor; for the owner."""
        with self._lock:
            self._is_closed = True
            self._sock.close()
        self.cancel.set()


class Deadlines:
    """Cuts the connections whose time is up.

    A socket's own time-out knows only the system's time; this one goes by the server's clock.

    Concurrency:
        :meth:`within` is for the connections' threads, :meth:`run` for one thread of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._at_s: dict[Wire, float] = {}
        self._wakes_at_s: float | None = None
        self._stopped = False

    def within(self, timeout_s: float, wire: Wire) -> _Within:
        """Return a context that cuts the connection if it is not left in ``timeout_s`` seconds."""
        return _Within(self, timeout_s, wire)

    def arm(self, wire: Wire, timeout_s: float) -> None:
        """Have the connection cut in ``timeout_s`` seconds."""
        at_s = self._clock.monotonic() + timeout_s
        with self._condition:
            self._at_s[wire] = at_s
            if self._wakes_at_s is None or at_s < self._wakes_at_s:
                self._condition.notify()

    def disarm(self, wire: Wire) -> None:
        """Let the connection be."""
        with self._condition:
            self._at_s.pop(wire, None)

    def run(self) -> None:
        """Cut connections until :meth:`stop`."""
        while True:
            with self._condition:
                now_s = self._clock.monotonic()
                due = [wire for wire, at_s in self._at_s.items() if at_s <= now_s]
                for wire in due:
                    del self._at_s[wire]
                if not due:
                    if self._stopped:
                        return
                    self._wait(now_s)
            for wire in due:
                wire.cut()

    def _wait(self, now_s: float) -> None:
        self._wakes_at_s = min(self._at_s.values(), default=None)
        timeout_s = None if self._wakes_at_s is None else self._wakes_at_s - now_s
        self._clock.wait(self._condition, timeout_s)

    def stop(self) -> None:
        """End :meth:`run`."""
        with self._condition:
            self._stopped = True
            self._condition.notify()


class _Within:
    __slots__ = ("_deadlines", "_timeout_s", "_wire")

    def __init__(self, deadlines: Deadlines, timeout_s: float, wire: Wire) -> None:
        self._deadlines = deadlines
        self._timeout_s = timeout_s
        self._wire = wire

    def __enter__(self) -> None:
        self._deadlines.arm(self._wire, self._timeout_s)

    def __exit__(self, *_: object) -> None:
        self._deadlines.disarm(self._wire)
