"""A TCP proxy between a candidate and its server that holds everything back, or cuts it off, when told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Final, Self

from kubeprims.threads import Deadline, ThreadGroup

_CHUNK_BYTES: Final = 65_536
_JOIN_S: Final = 10.0


class FaultyProxy:
    """Forwards connections to a port of this machine; ends with the block.

    What is held back is not lost: it arrives once the proxy is healed, however late that is.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream = ("127.0.0.1", upstream_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = ThreadGroup("faulty proxy")

    def hold(self) -> None:
        """Let nothing through, and say nothing of it."""
        self._flows.clear()

    def cut(self) -> None:
        """Reset all connections, and accept no other one."""
        self._is_cut = True
        with self._lock:
            for each in self._sockets:
                _shut(each)

    def heal(self) -> None:
        self._is_cut = False
        self._flows.set()

    def __enter__(self) -> Self:
        self._threads.spawn(self._accept, name="accept")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flows.set()
        _shut(self._listener)
        self.cut()
        assert self._threads.join(Deadline.after(_JOIN_S)) == ()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            self._threads.spawn(lambda near=near: self._connect(near), name="connection")  # type: ignore[misc]

    def _connect(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self._upstream) as far:
            with self._lock:
                self._sockets |= {near, far}
            back = ThreadGroup("faulty proxy back")
            back.spawn(lambda: self._pump(far, near), name="answers")
            self._pump(near, far)
            back.join(Deadline.after(None))
            with self._lock:
                self._sockets -= {near, far}

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                self._flows.wait()
                sink.sendall(chunk)
        _shut(source)
        _shut(sink)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
