"""The server that every peer is measured against: it sends prepared bytes, from a process of its own.

    python -m benchmarks.informer.server PODS.jsonl [PODS.protobuf]

It prints its port as JSON, then obeys one JSON command a line and answers each with one line:

``{"do": "burst", "events": N}``  every open watch gets N changes, then an object that is added
``{"do": "bookmark"}``            every open watch gets a bookmark
``{"do": "fail", "status": S}``   every connection is cut, and from now on each request is answered with S; 0: no more
``{"do": "counts"}``              what was asked for since the last reset
``{"do": "reset"}``               every connection is cut, the counts start over, and nothing fails

Threads, blocking sockets and ``sendall``; a list is one chunk an item, a watch one chunk an event.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import queue
import socket
import sys
import threading
from collections import Counter
from urllib.parse import parse_qs, urlsplit

from benchmarks.informer.bodies import END_NAME, LIST_VERSION, Bodies, Patched, load

HEAD_BYTES_MAX = 64 << 10
PATH = "/api/v1/pods"

__all__ = ["END_NAME", "PATH"]


class Watches:
    """The open watches, each with a queue of what it is to send."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[int, queue.SimpleQueue[tuple[str, int, int]]] = {}
        self._version = LIST_VERSION

    def add(self, number: int) -> queue.SimpleQueue[tuple[str, int, int]]:
        with self._lock:
            return self._queues.setdefault(number, queue.SimpleQueue())

    def remove(self, number: int) -> None:
        with self._lock:
            self._queues.pop(number, None)

    def end_all(self) -> None:
        with self._lock:
            for waiting in self._queues.values():
                waiting.put(("end", 0, 0))
            self._queues.clear()

    def tell(self, what: str, events: int) -> int:
        """Have every watch send something; return how many there are."""
        with self._lock:
            first, self._version = self._version + 1, self._version + events + 1
            for waiting in self._queues.values():
                waiting.put((what, events, first))
            return len(self._queues)


class Server:
    def __init__(self, bodies: dict[str, Bodies]) -> None:
        self.bodies = bodies
        self.watches = Watches()
        self.counts: Counter[str] = Counter()
        self.failing_with = 0
        self._connections: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]

    def serve(self) -> None:
        for number in range(1 << 62):
            sock, _ = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections[number] = sock
            threading.Thread(target=self._connection, args=(number, sock), daemon=True).start()

    def cut(self) -> None:
        self.watches.end_all()
        with self._lock:
            for sock in self._connections.values():
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _connection(self, number: int, sock: socket.socket) -> None:
        try:
            with sock:
                while (head := _read_head(sock)) is not None:
                    self._answer(number, sock, head)
        except OSError:
            pass  # the peer has gone
        finally:
            self.watches.remove(number)
            with self._lock:
                del self._connections[number]

    def _answer(self, number: int, sock: socket.socket, head: str) -> None:
        target = urlsplit(head.split(" ", 2)[1])
        query = {name: values[-1] for name, values in parse_qs(target.query).items()}
        bodies = self.bodies.get("protobuf" if "vnd.kubernetes.protobuf" in head else "json", self.bodies["json"])
        is_watch = query.get("watch") in {"true", "True", "1"}
        initial = query.get("sendInitialEvents") == "true"
        if target.path != PATH:
            self.count(f"other {target.path}")
            _send_status(sock, 404)
        elif self.failing_with:
            self.count("failed")
            _send_status(sock, self.failing_with)
        elif is_watch:
            self.count("watch_list" if initial else "watch")
            _send_head(sock, bodies.encoding.watch_content_type)
            self._watch(number, sock, bodies, initial=initial)
        else:
            self.count("list")
            start = int(query.get("continue", "0"))
            limit = int(query.get("limit", "0")) or len(bodies.pods)
            end = min(len(bodies.pods), start + limit)
            _send_head(sock, bodies.encoding.content_type)
            for part in bodies.page(start, end):
                sock.sendall(part)

    def _watch(self, number: int, sock: socket.socket, bodies: Bodies, *, initial: bool) -> None:
        waiting = self.watches.add(number)
        if initial:
            sock.sendall(bodies.initial_events)
        burst: Patched | None = None
        while True:
            what, events, version = waiting.get()
            if what == "end":
                raise ConnectionAbortedError
            if what == "bookmark":
                sock.sendall(bodies.bookmark().frames(1, version))
                continue
            burst = burst or bodies.burst()
            for sent in range(0, events, burst.count):
                sock.sendall(burst.frames(min(burst.count, events - sent), version + sent))
            sock.sendall(bodies.burst_end().frames(1, version + events))


def _read_head(sock: socket.socket) -> str | None:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = sock.recv(HEAD_BYTES_MAX)
        data += more
        if not more or len(data) > HEAD_BYTES_MAX:
            return None
    return data.decode("latin-1")


def _send_head(sock: socket.socket, content_type: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    sock.sendall(head.encode())


def _send_status(sock: socket.socket, code: int) -> None:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "as told", "code": code}
    body = json.dumps(status).encode()
    head = f"HTTP/1.1 {code} As Told\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    sock.sendall(head.encode() + body)


def obey(server: Server, command: dict[str, object]) -> dict[str, object]:
    """Do what one line says, and return the answer."""
    match command["do"]:
        case "burst" | "bookmark" as what:
            events = command.get("events", 1)
            assert isinstance(events, int)
            return {"watches": server.watches.tell(what, events)}
        case "fail":
            status = command["status"]
            assert isinstance(status, int)
            server.failing_with = status
            server.cut()
            return {}
        case "counts":
            return dict(server.counts)
        case "reset":
            server.failing_with = 0
            server.cut()
            server.counts.clear()
            return {}
    message = f"no such command: {command}"
    raise ValueError(message)


def main() -> None:
    files = [pathlib.Path(name) for name in sys.argv[1:]]
    server = Server(load(files[0], files[1] if files[1:] else None))
    threading.Thread(target=server.serve, daemon=True).start()
    print(json.dumps({"port": server.port}), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(server, json.loads(line))), flush=True)
    os._exit(0)  # the threads sit in sends that nobody reads


if __name__ == "__main__":
    main()
