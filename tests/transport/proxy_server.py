"""Proxies of the kinds that there are, on loopback: HTTP and HTTPS with CONNECT and forwarding, and SOCKS5."""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from urllib.parse import urlsplit

from kubeprims.threads import Deadline, ThreadGroup
from kubeprims.transport.listen import listen
from tests.transport import certificates
from tests.transport.peer import WAIT_S


class ProxyServer:
    """A proxy that lets through whoever asks; it can be stopped, and started again on the same port.

    Attributes:
        seen: What it was asked for: ``CONNECT host:port``, ``GET http://...`` or ``SOCKS host:port``.
        authorizations: The ``Proxy-Authorization`` values, or names and passwords, that came along.
        refuse_with: An HTTP status, or a SOCKS reply, to answer with instead.
    """

    def __init__(self, kind: str = "http", *, password: tuple[str, str] | None = None) -> None:
        self.kind = kind
        self.seen: list[str] = []
        self.authorizations: list[str] = []
        self.refuse_with = 0
        self._password = password
        self._port = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.start()

    @property
    def url(self) -> str:
        return f"{self.kind}://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._listener = listen("127.0.0.1", self._port)
        self._port = self._listener.getsockname()[1]
        self._threads = ThreadGroup("proxy")
        self._accepting = ThreadGroup("proxy")
        self._accepting.spawn(functools.partial(self._accept, self._listener), name="accept")

    def stop(self) -> None:
        """Cut every connection, and take no new one."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        assert not self._accepting.join(Deadline.after(WAIT_S))
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        assert not self._threads.join(Deadline.after(WAIT_S))

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(sock)
            self._threads.spawn(functools.partial(self._serve, sock), name="serve")

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(WAIT_S)
            if self.kind == "https":
                sock = certificates.server_context().wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.add(sock)
            (self._serve_socks if self.kind == "socks5" else self._serve_http)(sock)
        except (OSError, ValueError, IndexError):
            pass  # the client went
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _serve_http(self, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = sock.recv(65536)
            if not part:
                return
            head += part
        line, _, fields = head.partition(b"\r\n")
        method, target, _ = line.decode().split(" ")
        self.seen.append(f"{method} {target}")
        for field in fields.split(b"\r\n"):
            if field.lower().startswith(b"proxy-authorization:"):
                self.authorizations.append(field.partition(b":")[2].strip().decode())
        if self.refuse_with:
            sock.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.refuse_with)
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            self._relay(sock, host.strip("[]"), int(port), lambda _: sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n"))
            return
        parts = urlsplit(target)
        path = target.partition(parts.netloc)[2]
        straight = b"%b %b HTTP/1.1\r\n%b" % (method.encode(), path.encode(), fields)
        assert parts.hostname is not None
        self._relay(sock, parts.hostname, parts.port or 80, lambda server: server.sendall(straight))

    def _serve_socks(self, sock: socket.socket) -> None:
        _, count = _exactly(sock, 2)
        methods = _exactly(sock, count)
        wanted = 2 if self._password else 0
        if wanted not in methods:
            sock.sendall(b"\5\xff")
            return
        sock.sendall(bytes((5, wanted)))
        if self._password is not None:
            _, size = _exactly(sock, 2)
            name = _exactly(sock, size).decode()
            (size,) = _exactly(sock, 1)
            secret = _exactly(sock, size).decode()
            self.authorizations.append(f"{name}:{secret}")
            is_right = (name, secret) == self._password
            sock.sendall(b"\1\0" if is_right else b"\1\1")
            if not is_right:
                return
        _, _, _, kind = _exactly(sock, 4)
        if kind == 3:
            (size,) = _exactly(sock, 1)
            host = _exactly(sock, size).decode()
        else:
            host = socket.inet_ntop(
                socket.AF_INET if kind == 1 else socket.AF_INET6, _exactly(sock, 4 if kind == 1 else 16)
            )
        port = int.from_bytes(_exactly(sock, 2), "big")
        self.seen.append(f"SOCKS {host}:{port}")
        if self.refuse_with:
            sock.sendall(bytes((5, self.refuse_with, 0, 1, 0, 0, 0, 0, 0, 0)))
            return
        self._relay(sock, host, port, lambda _: sock.sendall(b"\5\0\0\3\4name\0\0"))

    def _relay(self, sock: socket.socket, host: str, port: int, begin: Callable[[socket.socket], None]) -> None:
        # Names of tests lead here: what matters is that the proxy, and not the client, looks them up.
        server = socket.create_connection(("127.0.0.1" if host.endswith(".test") else host, port), timeout=WAIT_S)
        with self._lock:
            self._open.add(server)
        try:
            begin(server)
            if isinstance(sock, ssl.SSLSocket):
                _copy_both(sock, server)
                return
            back = ThreadGroup("proxy relay")
            back.spawn(functools.partial(_copy, server, sock), name="back")
            _copy(sock, server)
            back.join(Deadline.after(WAIT_S))
        finally:
            with self._lock:
                self._open.discard(server)
            server.close()


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data


def _copy_both(secure: ssl.SSLSocket, plain: socket.socket) -> None:
    """As :func:`_copy`, both ways on one thread: a TLS socket is not for two."""
    with contextlib.suppress(OSError):
        while True:
            ready = [secure] if secure.pending() else select.select([secure, plain], [], [], WAIT_S)[0]
            for source in ready:
                data = source.recv(65536)
                if not data:
                    return
                (plain if source is secure else secure).sendall(data)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for sock in (source, target):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxy_server(kind: str = "http", *, password: tuple[str, str] | None = None) -> Generator[ProxyServer]:
    server = ProxyServer(kind, password=password)
    try:
        yield server
    finally:
        server.stop()
