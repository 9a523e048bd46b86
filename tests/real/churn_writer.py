"""A program that changes config maps as fast as a real API server takes it.

    python -m tests.real.churn_writer FOLDER PORT PREFIX OBJECTS ROUNDS

One connection, many requests on their way at once: the server is what limits it, not this program. Each round creates
objects, writes some of them again, and deletes most of them by one request; prints how many changes were made.
"""

from __future__ import annotations

import json
import pathlib
import socket
import ssl
import sys
from collections.abc import Iterable

PATH = "/api/v1/namespaces/default/configmaps"
PIPELINED = 50


class Pipeline:
    """One connection, whose answers are read some requests later."""

    def __init__(self, folder: pathlib.Path, port: int) -> None:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "admin.pem", folder / "admin.key")
        context.set_alpn_protocols(["http/1.1"])
        sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        self._answers = self._sock.makefile("rb", buffering=1 << 18)
        self.changes = 0

    def send(self, requests: Iterable[tuple[str, str, bytes]]) -> None:
        """Send requests, and read an answer for each."""
        batch = list(requests)
        for start in range(0, len(batch), PIPELINED):
            part = batch[start : start + PIPELINED]
            self._sock.sendall(b"".join(_encoded(*request) for request in part))
            for _ in part:
                self._read_answer()

    def _read_answer(self) -> None:
        status = int(self._answers.readline().split()[1])
        length, is_chunked = 0, False
        while (line := self._answers.readline()) != b"\r\n":
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
            is_chunked |= name == b"transfer-encoding"
        body = self._answers.read(length)
        while is_chunked:
            length = int(self._answers.readline(), 16)
            body += self._answers.read(length + 2)
            is_chunked = length > 0
        assert status in {200, 201}, body
        self.changes += 1

    def close(self) -> None:
        self._answers.close()
        self._sock.close()


def _encoded(method: str, path: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _config_map(name: str, step: int, *, of: str = "") -> bytes:
    metadata = {"name": name, "labels": {"goes-with": of}}
    content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"step": str(step)}}
    return json.dumps(content).encode()


def main(folder: str, port: str, prefix: str, objects: str, rounds: str) -> None:
    pipeline = Pipeline(pathlib.Path(folder), int(port))
    kept: list[str] = []
    for number in range(int(rounds)):
        of = f"{prefix}-{number}"
        stay, go = [[f"{of}-{index}" for index in range(*some)] for some in ((10,), (10, int(objects)))]
        pipeline.send(("POST", PATH, _config_map(name, 0)) for name in stay)
        pipeline.send(("POST", PATH, _config_map(name, 0, of=of)) for name in go)
        pipeline.send(("PUT", f"{PATH}/{name}", _config_map(name, number + 1)) for name in (*stay, *kept))
        pipeline.send([("DELETE", f"{PATH}?labelSelector=goes-with%3D{of}", b"")])
        pipeline.changes += len(go) - 1
        kept += stay
    pipeline.close()
    sys.stdout.write(f"{pipeline.changes}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
