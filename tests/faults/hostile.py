"""A server that answers each connection with whatever bytes a test chose, and a client that must bear it."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Generator
from contextlib import contextmanager

from kubeprims.client.client import Client
from kubeprims.errors import KubeprimsError
from kubeprims.objects.event import WatchEvent
from kubeprims.transport.transport import Transport
from tests.transport.peer import Peer, config, serve

TIMEOUT_S = 10.0
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "default", "resourceVersion": "7"}}
LIST = {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "9"}, "items": [POD, POD]}
STATUS = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "message": 'pods "web-0" not found',
    "reason": "NotFound",
    "details": {"name": "web-0", "kind": "pods"},
    "code": 404,
}
EVENTS = (
    {"type": "ADDED", "object": POD},
    {"type": "MODIFIED", "object": POD},
    {"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "12"}}},
    {"type": "DELETED", "object": POD},
)


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def sized(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """Return an answer with a length."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunked(*chunks: bytes, headers: str = "") -> bytes:
    """Return an answer in chunks."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Transfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def zipped(value: object) -> bytes:
    return gzip.compress(text(value), mtime=0)


WATCH = chunked(*(text(event) + b"\n" for event in EVENTS))


class Hostile:
    """Holds what the next connections are told."""

    def __init__(self) -> None:
        self.answer = b""
        self.stalls = False
        """Whether the connection stays open, silent, after the answer."""

    def __call__(self, peer: Peer) -> None:
        peer.read_request()
        peer.send(self.answer)
        if self.stalls:
            peer.wait_for_end()
        else:
            # The client may still be reading: only our half is closed, as an orderly server does.
            peer.sock.shutdown(socket.SHUT_WR)
            peer.wait_for_end()


@contextmanager
def hostile_server() -> Generator[tuple[Hostile, Client]]:
    """Yield what decides about the answers, and a client that gets them; it sends nothing twice."""
    script = Hostile()
    with (
        serve(script) as server,
        Transport(config(server, retries_max=0)) as transport,
        Client(transport, timeout_s=TIMEOUT_S) as client,
    ):
        yield script, client


def outcome(client: Client, verb: str) -> object:
    """Return what a verb gives, or the one named error; anything else that is raised fails the test."""
    pods = client.resource("v1/pods", "default")
    if verb == "watch":
        return watched(client)
    try:
        return pods.get("web-0").to_dict() if verb == "get" else [pod.to_dict() for pod in pods.list()]
    except KubeprimsError as error:
        return error


def watched(client: Client) -> list[WatchEvent] | KubeprimsError:
    """Return the events of a watch, or the one named error."""
    try:
        with client.resource("v1/pods", "default").watch(resource_version="1", timeout_s=5) as watch:
            return [event for batch in watch.batches() for event in batch]
    except KubeprimsError as error:
        return error
