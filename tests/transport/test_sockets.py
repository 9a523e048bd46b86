"""Sockets with an absolute deadline."""

from __future__ import annotations

import math
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from kubeprims.threads import Deadline, ThreadGroup
from kubeprims.transport.listen import listen
from kubeprims.transport.sockets import NEVER, DeadlineSocket, DeadlineSSLSocket, shut
from kubeprims.transport.tls import client_context
from tests.transport.certificates import TRUSTING, server_context
from tests.transport.peer import WAIT_S

AnySocket = DeadlineSocket | DeadlineSSLSocket


def connected() -> tuple[DeadlineSocket, socket.socket]:
    with listen("127.0.0.1", 0) as listener:
        sock = DeadlineSocket(socket.AF_INET, socket.SOCK_STREAM)
        sock.connect(listener.getsockname())
        return sock, listener.accept()[0]


@pytest.fixture(name="pair", params=["plain", "TLS"])
def pair_fixture(request: pytest.FixtureRequest) -> Iterator[tuple[AnySocket, socket.socket]]:
    raw, accepted = connected()
    if request.param == "plain":
        with raw, accepted:
            yield raw, accepted
        return
    served: list[socket.socket] = []
    threads = ThreadGroup("test")
    threads.spawn(lambda: served.append(server_context().wrap_socket(accepted, server_side=True)), name="server")
    context = client_context(TRUSTING, sslsocket_class=DeadlineSSLSocket)
    wrapped = context.wrap_socket(raw, server_hostname="localhost")
    assert threads.join(Deadline.after(WAIT_S)) == ()
    assert isinstance(wrapped, DeadlineSSLSocket)
    with wrapped, served[0]:
        yield wrapped, served[0]


def test_every_way_to_receive_ends_at_the_deadline(pair: tuple[AnySocket, socket.socket]) -> None:
    sock, _ = pair
    for receive in (lambda: sock.recv(1), lambda: sock.recv_into(bytearray(1))):
        for remaining_s in (0.01, -1):
            sock.deadline = Deadline.after(remaining_s)
            with pytest.raises(TimeoutError):
                receive()


def test_every_way_to_send_ends_at_the_deadline(pair: tuple[AnySocket, socket.socket]) -> None:
    sock, _ = pair
    sock.deadline = Deadline.after(0.01)
    with pytest.raises(TimeoutError):
        sock.sendall(bytes(64 << 20))
    with pytest.raises(TimeoutError):
        sock.send(b"x")


def test_without_a_deadline_it_blocks_until_there_is_something(pair: tuple[AnySocket, socket.socket]) -> None:
    sock, peer = pair
    sock.deadline = Deadline.after(1e12)  # beyond what the system takes as a time-out
    peer.sendall(b"a")
    assert sock.recv(5) == b"a"
    sock.deadline = NEVER
    peer.sendall(b"bcd")
    buffer = bytearray(5)
    assert sock.recv_into(buffer, 2) == 2
    assert sock.gettimeout() is None
    assert sock.recv_into(buffer) == 1
    assert bytes(buffer[:2]) == b"dc"
    assert sock.send(b"xy") == 2
    assert peer.recv(5) == b"xy"
    peer.close()
    assert sock.recv_into(buffer) == 0


def test_one_tls_read_takes_the_records_that_are_there_up_to_the_end(pair: tuple[AnySocket, socket.socket]) -> None:
    sock, peer = pair
    for _ in range(5):
        peer.sendall(bytes(10_000))
    peer.close()
    sock.deadline = Deadline.after(WAIT_S)
    buffer = bytearray(256 << 10)
    sizes = []
    while size := sock.recv_into(buffer):
        sizes.append(size)
    assert sum(sizes) == 50_000
    assert len(sizes) <= 5
    small = bytearray(100)
    assert sock.recv_into(small) == 0


def test_shutting_wakes_a_blocked_reader_and_may_come_too_late(pair: tuple[AnySocket, socket.socket]) -> None:
    sock, _ = pair
    sock.deadline = NEVER
    got: list[bytes | ssl.SSLError | OSError] = []
    started = threading.Event()

    def read() -> None:
        started.set()
        try:
            got.append(sock.recv(1))
        except OSError as error:
            got.append(error)

    threads = ThreadGroup("test")
    threads.spawn(read, name="reader")
    assert started.wait(WAIT_S)
    shut(sock)()
    assert threads.join(Deadline.after(WAIT_S)) == ()
    assert len(got) == 1
    sock.close()
    shut(sock)()


def test_never_is_infinite() -> None:
    assert math.isinf(NEVER.at_s)
