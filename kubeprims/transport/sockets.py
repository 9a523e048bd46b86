"""Sockets that no peer can hold beyond a point in time.

A time-out of the operating system starts anew with every read, so that a peer that sends a byte now and then holds its
reader for ever. These sockets set the time that is left of an absolute deadline before every system call; no thread
and no timer is needed.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
from collections.abc import Callable

from typing_extensions import Buffer

from kubeprims.clock import SystemClock
from kubeprims.threads import Deadline

NEVER = Deadline(math.inf, SystemClock())

# The system's limit on a time-out is far above this, and nobody notices a wait that is started anew once a day.
_TIMEOUT_S_MAX = 86_400.0

_RECORD_BYTES_MAX = 16 << 10  # RFC 8446, section 5.1


class DeadlineSocket(socket.socket):
    """A TCP socket with a deadline.

    Attributes:
        deadline: When what blocks ends with ``TimeoutError``.

    Concurrency:
        One user at a time; any thread may shut it down meanwhile.
    """

    deadline: Deadline = NEVER

    def connect(self, address: object) -> None:
        """Connect, before the deadline."""
        _arm(self, self.deadline)
        super().connect(address)  # type: ignore[arg-type] # what getaddrinfo gave

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive, before the deadline."""
        _arm(self, self.deadline)
        return super().recv(bufsize, flags)

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer, before the deadline."""
        _arm(self, self.deadline)
        return super().recv_into(buffer, nbytes, flags)

    def send(self, data: Buffer, flags: int = 0, /) -> int:
        """Send a part, before the deadline."""
        _arm(self, self.deadline)
        return super().send(data, flags)

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        """Send all of it, before the deadline: the interpreter bounds the loop as a whole."""
        _arm(self, self.deadline)
        super().sendall(data, flags)


class DeadlineSSLSocket(ssl.SSLSocket):
    """A TLS socket with a deadline; made by an ``ssl.SSLContext`` that has it as ``sslsocket_class``.

    Attributes:
        deadline: When what blocks ends with ``TimeoutError``.

    Concurrency:
        As :class:`DeadlineSocket`.
    """

    deadline: Deadline = NEVER

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the base's signature
        """Shake hands, before the deadline: the interpreter bounds the handshake as a whole."""
        _arm(self, self.deadline)
        super().do_handshake(block)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive, before the deadline."""
        _arm(self, self.deadline)
        return super().recv(buflen, flags)

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive into a buffer, before the deadline: one record, and those behind it that have come in already.

        OpenSSL gives a record of at most 16 KiB at a time, and handing those on one by one costs more than decrypting
        them.
        """
        view = memoryview(buffer).cast("B")
        if nbytes:
            view = view[:nbytes]
        _arm(self, self.deadline)
        size = super().recv_into(view, len(view), flags)
        if not size or len(view) - size < _RECORD_BYTES_MAX:
            return size
        self.settimeout(0.0)
        while len(view) - size >= _RECORD_BYTES_MAX:
            try:
                more = super().recv_into(view[size:], len(view) - size, flags)
            except OSError:  # nothing there yet; or a failure, which the next read meets again
                break
            if not more:
                break
            size += more
        return size

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send a part, before the deadline; ``sendall`` calls this for each."""
        _arm(self, self.deadline)
        return super().send(data, flags)


def _arm(sock: socket.socket, deadline: Deadline) -> None:
    """Let the next system call last until the deadline.

    Raises:
        TimeoutError: It has passed.
    """
    if math.isinf(deadline.at_s):
        if sock.gettimeout() is not None:
            sock.settimeout(None)
        return
    remaining_s = deadline.remaining_s()
    if remaining_s <= 0:
        message = "the deadline has passed"
        raise TimeoutError(message)
    sock.settimeout(min(remaining_s, _TIMEOUT_S_MAX))


def shut(sock: socket.socket) -> Callable[[], None]:
    """Return what ends every call that blocks on the socket, from any thread, until the socket is closed."""

    def shut_down() -> None:
        with contextlib.suppress(OSError):  # not connected, or not any more
            # Not the method: that of a TLS socket drops its TLS state while another thread reads through it.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    return shut_down
