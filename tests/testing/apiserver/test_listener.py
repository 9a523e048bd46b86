"""Accepting, TLS, and ending: sockets only, no HTTP."""

from __future__ import annotations

import contextlib
import logging
import resource
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import ConfigError, StopTimeout
from kubeprims.testing.apiserver.listener import Listener
from kubeprims.testing.apiserver.tls import Certificates
from kubeprims.testing.apiserver.wire import Deadlines, Wire, WireClosed
from kubeprims.transport.listen import listen
from tests.testing.apiserver.raw import connected, read_to_end
from tests.waiting import eventually


@contextlib.contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with listen("127.0.0.1", 0) as listening_sock:
        theirs = socket.create_connection(listening_sock.getsockname())
        ours, _ = listening_sock.accept()
    with ours, theirs:
        yield ours, theirs


def echo(wire: Wire, listener: Listener) -> None:
    while data := wire.receive(timeout_s=90):
        wire.send(data)


@contextlib.contextmanager
def listening(
    serve: Callable[[Wire, Listener], None] = echo,
    *,
    tls: Callable[[], ssl.SSLContext] | None = None,
    clock: Clock | None = None,
) -> Iterator[Listener]:
    listener = Listener("127.0.0.1", 0, serve, tls=tls, clock=clock or SystemClock())
    try:
        yield listener
    finally:
        listener.stop(timeout_s=5)


def test_a_connection_is_served_until_its_client_ends_it() -> None:
    with listening() as listener, connected(listener.port) as sock:
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"
        assert listener.connections == 1
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b""
        eventually(lambda: listener.connections == 0, 10, "connection forgotten")


def test_a_port_that_is_taken_is_an_error_that_leaves_nothing_behind() -> None:
    with listening() as listener, pytest.raises(ConfigError, match="cannot listen"):
        Listener("127.0.0.1", listener.port, echo, tls=None, clock=SystemClock())


def test_tls_with_a_certificate_that_clients_can_check() -> None:
    tls = Certificates("127.0.0.1")
    context = ssl.create_default_context(cadata=tls.ca_pem.decode())
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listening(tls=tls.context))
        sock = stack.enter_context(connected(listener.port))
        secure = stack.enter_context(context.wrap_socket(sock, server_hostname="127.0.0.1"))
        secure.sendall(b"x" * 100_000)
        left = 100_000
        while left:
            left -= len(secure.recv(left))
        listener.stop(timeout_s=1, reset=True)
        with pytest.raises(ConnectionResetError):  # below TLS, which takes it for an end; and no alert before it
            socket.socket.recv(secure, 1)


def test_what_is_no_tls_handshake_is_cut() -> None:
    tls = Certificates("localhost")
    with listening(tls=tls.context) as listener, connected(listener.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            read_to_end(sock)


def test_a_handshake_has_its_time() -> None:
    with tcp_pair() as (ours, _theirs):
        wire = Wire(ours, Deadlines(SystemClock()))
        with pytest.raises(WireClosed):
            wire.start_tls(Certificates("127.0.0.1").context(), timeout_s=0.2)
        wire.close()


def test_tls_with_a_client_that_is_gone_ends_quietly() -> None:
    with tcp_pair() as (ours, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        wire = Wire(ours, Deadlines(SystemClock()))
        with pytest.raises(WireClosed):
            wire.start_tls(Certificates("127.0.0.1").context())
        wire.close()
        assert wire.fileno() == -1


def test_out_of_descriptors_it_says_so_and_goes_on_when_there_are_some(caplog: pytest.LogCaptureFixture) -> None:
    with listening() as listener, socket.socket() as sock:
        sock.settimeout(10)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with caplog.at_level(logging.ERROR):
            resource.setrlimit(resource.RLIMIT_NOFILE, (sock.fileno() + 1, before[1]))
            try:
                sock.connect(("127.0.0.1", listener.port))
                eventually(lambda: "cannot accept" in caplog.text, 10, "the complaint")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
        sock.sendall(b"hello")
        assert sock.recv(5) == b"hello"


def test_without_trustme_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ConfigError, match=r"kubeprims\[testing\]"):
        Certificates("127.0.0.1")


def test_a_send_that_the_client_does_not_take_has_its_time() -> None:
    with tcp_pair() as (ours, _theirs):
        wire = Wire(ours, Deadlines(SystemClock()), send_timeout_s=0.2)
        with pytest.raises(WireClosed):
            wire.send(b"x" * 50_000_000)
        wire.close()


def test_so_has_one_over_tls() -> None:
    tls = Certificates("127.0.0.1")
    context = ssl.create_default_context(cadata=tls.ca_pem.decode())
    outcome: list[type[BaseException]] = []
    with tcp_pair() as (ours, theirs):
        wire = Wire(ours, Deadlines(SystemClock()), send_timeout_s=0.2)

        def serve() -> None:
            wire.start_tls(tls.context())
            try:
                wire.send(b"x" * 50_000_000)
            except WireClosed:
                outcome.append(WireClosed)

        thread = threading.Thread(target=serve)  # noqa: TID251 - joined below
        thread.start()
        with context.wrap_socket(theirs, server_hostname="127.0.0.1"):
            thread.join(10)
        wire.close()
    assert outcome == [WireClosed]


def test_nothing_is_sent_or_received_after_a_cut() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        wire = Wire(ours, Deadlines(SystemClock()))
        wire.cut()
        wire.cut()
        with pytest.raises(WireClosed):
            wire.send(b"x")
        with pytest.raises(WireClosed):
            wire.receive(timeout_s=1)
        wire.close()
        wire.cut()


def test_a_send_to_a_client_that_is_gone_ends_the_wire() -> None:
    ours, theirs = socket.socketpair()
    wire = Wire(ours, Deadlines(SystemClock()))
    theirs.close()
    with pytest.raises(WireClosed):
        wire.send(b"x")
    wire.close()


def test_a_hang_up_watched_twice_is_watched_once() -> None:
    entered = threading.Event()
    left: list[bool] = []

    def wait(wire: Wire, listener: Listener) -> None:
        with listener.cut_on_hang_up(wire), listener.cut_on_hang_up(wire):
            entered.set()
            left.append(wire.cancel.wait(10))

    with listening(wait) as listener:
        with connected(listener.port):
            assert entered.wait(10)
        eventually(lambda: left == [True], 10, "hang-up seen")


def test_a_stopped_listener_watches_for_no_hang_up() -> None:
    gate = threading.Event()
    outcome: list[type[BaseException]] = []

    def late(wire: Wire, listener: Listener) -> None:
        gate.wait(10)
        try:
            with listener.cut_on_hang_up(wire):
                pass
        except WireClosed:
            outcome.append(WireClosed)

    with listening(late) as listener, connected(listener.port):
        eventually(lambda: listener.connections == 1, 10, "accepted")
        with pytest.raises(StopTimeout, match="connection") as caught:
            listener.stop(timeout_s=0.2)
        assert len(caught.value.running) == 1
        gate.set()
        listener.stop(timeout_s=5)
    assert outcome == [WireClosed]


def test_what_a_connections_thread_died_of_reaches_the_owner() -> None:
    def broken(wire: Wire, listener: Listener) -> None:
        raise ZeroDivisionError

    listener = Listener("127.0.0.1", 0, broken, tls=None, clock=SystemClock())
    with connected(listener.port) as sock:
        assert read_to_end(sock) == b""
    with pytest.raises(ZeroDivisionError):
        listener.stop(timeout_s=5)
