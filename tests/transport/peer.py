"""A server of raw sockets that says exactly what a test wants said, and a few shorthands."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence

from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.listen import listen
from kubeprims.transport.message import Headers, Request
from kubeprims.transport.tls import TLSOptions

WAIT_S = 10.0
"""No wait in a test is longer, in seconds."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, number: int, stop: Cancel) -> None:
        self.sock = sock
        self.number = number
        self.stop = stop
        self._stream = sock.makefile("rb")

    def read_request(self) -> tuple[str, dict[str, str], bytes]:
        """Return request line, headers by lower-case name, and body; an empty line if the client hung up."""
        line = self._stream.readline().decode("latin-1").strip()
        headers: dict[str, str] = {}
        while field := self._stream.readline().decode("latin-1").strip():
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        return line, headers, self._stream.read(int(headers.get("content-length", "0")))

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def trickle(self, data: bytes) -> None:
        """Send ``data`` again and again, byte by byte, a pause before each, until the other side goes."""
        with contextlib.suppress(OSError):
            while True:
                for position in range(len(data)):
                    if self.stop.wait(0.02):
                        return
                    self.sock.sendall(data[position : position + 1])

    def wait_for_end(self) -> bytes:
        """Return what still comes until the client hangs up."""
        with contextlib.suppress(OSError):
            return self._stream.read()
        return b""

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()
        self.sock.close()


Script = Callable[[Peer], None]


class Server:
    """Accepts connections and runs one script for each: the first for the first, the last for all that follow."""

    def __init__(
        self, scripts: Sequence[Script], *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._scripts = scripts
        self._tls = tls
        self._listener = listen(host, 0)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.stop = Cancel()
        self._lock = threading.Lock()
        self._open: list[Peer] = []
        self._threads = ThreadGroup("peer")
        self._accepting = ThreadGroup("peer")
        self._accepting.spawn(self._accept, name="accept")

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            number = self.connections
            self.connections += 1
            script = self._scripts[min(number, len(self._scripts) - 1)]
            self._threads.spawn(functools.partial(self._run, sock, script, number), name="run")

    def _run(self, sock: socket.socket, script: Script, number: int) -> None:
        sock.settimeout(WAIT_S)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wrapped = self._tls.wrap_socket(sock, server_side=True) if self._tls else sock
        except OSError:
            sock.close()
            return
        peer = Peer(wrapped, number, self.stop)
        with self._lock:
            self._open.append(peer)
        try:
            script(peer)
        except OSError:
            pass  # the client went
        finally:
            peer.close()

    def close(self) -> None:
        self.stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        assert not self._accepting.join(Deadline.after(WAIT_S))
        with self._lock:
            peers = tuple(self._open)
        for peer in peers:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)
        assert not self._threads.join(Deadline.after(WAIT_S))


@contextlib.contextmanager
def serve(*scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Server]:
    server = Server(scripts, tls=tls, host=host)
    try:
        yield server
    finally:
        server.close()


def answer(*answers: bytes) -> Script:
    """Answer the requests of a connection in turn, the last answer again and again; keep what was asked."""

    def script(peer: Peer) -> None:
        count = 0
        while peer.read_request()[0]:
            peer.send(answers[min(count, len(answers) - 1)])
            count += 1

    return script


def say(data: bytes) -> Script:
    """Read one request, say ``data``, hang up."""

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(data)

    return script


def config(
    server: Server, *, scheme: str = "http", tls: TLSOptions | None = None, **options: object
) -> TransportConfig:
    return TransportConfig(server=f"{scheme}://127.0.0.1:{server.port}", tls=tls or TLSOptions(), **options)  # type: ignore[arg-type]


def get(path: str = "/api", *, timeout_s: float | None = WAIT_S, cancel: Cancel | None = None) -> Request:
    return Request("GET", path, deadline=Deadline.after(timeout_s), cancel=cancel)


def post(body: bytes = b"{}", *, timeout_s: float | None = WAIT_S, headers: Headers | None = None) -> Request:
    return Request("POST", "/api", body=body, headers=headers or Headers(), deadline=Deadline.after(timeout_s))


def chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
