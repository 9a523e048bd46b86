"""HTTP as it stands on the wire: the tests' own client, so that nothing of what is tested reads its own words."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator

TIMEOUT_S = 10.0


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as sock:
        yield sock


def get(target: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "host: test", *headers]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_until(sock: socket.socket, marker: bytes) -> bytes:
    data = b""
    while marker not in data:
        piece = sock.recv(65536)
        assert piece, f"the stream ended before {marker!r}: {data!r}"
        data += piece
    return data


def read_to_end(sock: socket.socket) -> bytes:
    """Read until the stream ends in good order; a reset raises ConnectionResetError."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def read_head(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        assert piece, f"the stream ended inside a head: {data!r}"
        data += piece
    return data


def read_chunk(sock: socket.socket) -> bytes:
    """Read one chunk of a chunked body, empty for the last."""
    line = b""
    while not line.endswith(b"\r\n"):
        piece = sock.recv(1)
        assert piece, f"the stream ended inside a chunk line: {line!r}"
        line += piece
    left = int(line, 16) + 2
    data = b""
    while left:
        piece = sock.recv(left)
        assert piece, "the stream ended inside a chunk"
        data += piece
        left -= len(piece)
    return data[:-2]


def request(
    port: int, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send one request over a connection of its own, and return the response and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response, response.read()
