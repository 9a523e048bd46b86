"""No server outlives a request's deadline, and cancelling ends whatever it waits on, in every phase, at once."""

from __future__ import annotations

import contextlib
import functools
import gzip
import pathlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from kubeprims.errors import Cancelled, DeadlineExceeded, NameResolutionError, TransportError
from kubeprims.testing import VirtualClock
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.dial import Address, system_look_up
from kubeprims.transport.listen import listen
from kubeprims.transport.message import Request
from kubeprims.transport.transport import Transport
from tests.transport.certificates import TRUSTING, server_context
from tests.transport.peer import WAIT_S, Peer, Script, answer, chunked, config, get, post, serve
from tests.transport.proxy_server import proxy_server
from tests.waiting import eventually

DEADLINES_S = (0.2, 2.0, 10.0)
"""One after the other: a machine that does ten other things may not come into the phase within the first."""
SOON_S = 5.0
"""What "at once" must not pass even on a machine that does ten other things, in seconds."""


@dataclass
class Phase:
    """A server that holds a request in one phase, and how the test learns that it does."""

    transport: Transport
    reached: threading.Event
    request: Request = field(default_factory=get)


@contextlib.contextmanager
def held_by(script: Callable[[Peer], None], *, secure: bool, request: Request | None = None) -> Iterator[Phase]:
    reached = threading.Event()

    def run(peer: Peer) -> None:
        if request is None:
            peer.read_request()
        else:
            peer.sock.recv(1)
        reached.set()
        script(peer)

    tls = server_context() if secure else None
    with serve(run, tls=tls) as server:
        settings = config(server, scheme="https" if secure else "http", tls=TRUSTING)
        with Transport(settings) as transport:
            yield Phase(transport, reached, request or get())


def stall(peer: Peer) -> None:
    peer.stop.wait(WAIT_S)


def stall_after(data: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.send(data)
        stall(peer)

    return script


def trickle_after(start: bytes, data: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.send(start)
        peer.trickle(data)

    return script


@contextlib.contextmanager
def looking_up() -> Iterator[Phase]:
    reached, release = threading.Event(), threading.Event()

    def look_up(host: str, port: int) -> list[Address]:
        reached.set()
        release.wait(WAIT_S)
        return []

    with Transport(TransportConfig(server="http://slow.example:1"), look_up=look_up) as transport:
        yield Phase(transport, reached)
        release.set()


def waits_in_connect(port: int) -> bool:
    rows = [line.split() for line in pathlib.Path("/proc/self/net/tcp").read_text().splitlines()]
    return any(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows[1:])


@contextlib.contextmanager
def connecting() -> Iterator[Phase]:
    """A listener whose queue is full: the system drops what comes, as a firewall would."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", 0, backlog=0))
        port = listener.getsockname()[1]
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        eventually(lambda: waits_in_connect(port), WAIT_S, "the queue is full")
        reached = threading.Event()

        def look_up(host: str, port: int) -> object:
            reached.set()
            return system_look_up("127.0.0.1", port)

        settings = TransportConfig(server=f"http://localhost:{port}")
        yield Phase(stack.enter_context(Transport(settings, look_up=look_up)), reached)  # type: ignore[arg-type]


@contextlib.contextmanager
def shaking_hands(after: Callable[[Peer], None]) -> Iterator[Phase]:
    reached = threading.Event()

    def script(peer: Peer) -> None:
        peer.sock.recv(1)
        reached.set()
        after(peer)

    with serve(script) as server, Transport(config(server, scheme="https", tls=TRUSTING)) as transport:
        yield Phase(transport, reached)


HEAD = b"HTTP/1.1 200 OK\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08"

PHASES: dict[str, Callable[[], contextlib.AbstractContextManager[Phase]]] = {
    "look-up": looking_up,
    "connect": connecting,
    "TLS, silent": lambda: shaking_hands(stall),
    "TLS, trickling": lambda: shaking_hands(trickle_after(b"\x16\x03\x03\x40\x00", b"\0")),
    "send": lambda: held_by(stall, secure=False, request=post(bytes(64 << 20))),
    "send, TLS": lambda: held_by(stall, secure=True, request=post(bytes(64 << 20))),
}
for _secure in (False, True):
    _kind = "TLS" if _secure else "plain"
    for _name, _script in {
        "head, silent": stall,
        "head, trickling": trickle_after(HEAD, b"A: b\r\n"),
        "body, silent": stall_after(SIZED + b"x"),
        "body, trickling": trickle_after(SIZED, b"x"),
        "chunks, trickling": trickle_after(CHUNKS, b"1\r\nx\r\n"),
        "half a chunk": stall_after(CHUNKS + b"5\r\nab"),
        "to the end, trickling": trickle_after(b"HTTP/1.0 200 OK\r\n\r\n", b"x"),
        "gzip, silent": stall_after(GZIP),
    }.items():
        PHASES[f"{_name}, {_kind}"] = lambda script=_script, secure=_secure: held_by(script, secure=secure)  # type: ignore[misc]


def carry(phase: Phase, request: Request) -> None:
    with phase.transport.round_trip(request) as response:
        response.read()


@pytest.mark.parametrize("name", PHASES)
def test_no_server_outlives_the_deadline(name: str) -> None:
    for deadline_s in DEADLINES_S:
        with PHASES[name]() as phase:
            limit = Deadline.after(deadline_s + SOON_S)
            with pytest.raises(DeadlineExceeded, match="the deadline has passed") as caught:
                carry(phase, replace(phase.request, deadline=Deadline.after(deadline_s)))
            assert not limit.has_passed
            assert phase.transport._pool.busy_count == phase.transport._pool.idle_count == 0
        if phase.reached.is_set():
            break
    assert phase.reached.is_set()
    assert caught.value.method == phase.request.method
    assert caught.value.url.endswith("/api")
    assert caught.value.request_sent == (name not in {"look-up", "connect", "TLS, silent", "TLS, trickling"})


def test_one_read_that_unpacks_to_very_much_holds_nobody_past_the_deadline() -> None:
    clock = VirtualClock()
    packed = gzip.compress(bytes(8 << 20))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with serve(answer(head + packed)) as server, Transport(config(server)) as transport:
        response = transport.round_trip(replace(get(), deadline=Deadline.after(60.0, clock=clock)))
        parts = response.chunks()
        assert next(parts)
        clock.advance(60.0)
        with pytest.raises(DeadlineExceeded):
            next(parts)
        assert transport._pool.busy_count == transport._pool.idle_count == 0


@pytest.mark.parametrize("by", ["", "http", "https", "socks5"])
def test_the_time_for_a_handshake_is_over_with_the_handshake(by: str) -> None:
    clock = VirtualClock()
    may_end = threading.Event()

    def begin_and_wait(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n")
        may_end.wait(WAIT_S)
        peer.send(b"no")

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(begin_and_wait, tls=server_context()))
        proxy_url = stack.enter_context(proxy_server(by)).url if by else ""
        settings = config(server, scheme="https", tls=TRUSTING, proxy_url=proxy_url)
        transport = stack.enter_context(Transport(settings))
        response = transport.round_trip(replace(get(), deadline=Deadline.after(600.0, clock=clock)))
        clock.advance(10 * settings.tls_handshake_timeout_s)
        may_end.set()
        assert response.read() == b"no"


@pytest.mark.parametrize("how", ["cancel", "close"])
@pytest.mark.parametrize("name", PHASES)
def test_cancelling_and_closing_end_what_it_waits_on_at_once(name: str, how: str) -> None:
    with PHASES[name]() as phase:
        errors: list[TransportError] = []
        cancel = Cancel()

        def run() -> None:
            try:
                carry(phase, replace(phase.request, cancel=cancel, deadline=Deadline.after(None)))
            except TransportError as error:
                errors.append(error)

        threads = ThreadGroup("test")
        threads.spawn(run, name="request")
        assert phase.reached.wait(WAIT_S)
        if name == "connect":
            port = phase.transport._server.endpoint.port
            eventually(lambda: waits_in_connect(port), WAIT_S, "the connection is being opened")
        if how == "cancel":
            cancel.set()
        else:
            phase.transport._in_flight.close()
        assert threads.join(Deadline.after(SOON_S)) == ()
        assert [type(error) for error in errors] == [Cancelled]
        assert errors[0].detail == ("cancelled" if how == "cancel" else "the transport was closed")


@pytest.mark.parametrize("secure", [False, True])
def test_closing_the_response_from_another_thread_ends_a_blocked_read(*, secure: bool) -> None:
    with held_by(stall_after(CHUNKS + b"1\r\nx\r\n"), secure=secure) as phase:
        response = phase.transport.round_trip(replace(phase.request, deadline=Deadline.after(None)))
        parts = response.chunks()
        assert next(parts) == b"x"
        errors: list[TransportError] = []

        def run() -> None:
            try:
                next(parts)
            except TransportError as error:
                errors.append(error)

        threads = ThreadGroup("test")
        threads.spawn(run, name="reader")
        response.close()
        assert threads.join(Deadline.after(SOON_S)) == ()
        assert [type(error) for error in errors] == [Cancelled]
        assert errors[0].detail == "the response was closed"


def test_a_request_that_is_over_before_it_begins_is_not_sent() -> None:
    with serve(stall) as server, Transport(config(server)) as transport:
        cancel = Cancel()
        cancel.set()
        with pytest.raises(Cancelled) as caught:
            transport.round_trip(get(cancel=cancel))
        assert not caught.value.request_sent
        with pytest.raises(DeadlineExceeded):
            transport.round_trip(get(timeout_s=0))
        assert server.connections == 0


def test_a_look_up_that_hangs_has_one_thread_whoever_waits_for_it() -> None:
    release = threading.Event()
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[Address]:
        asked.append(host)
        release.wait(WAIT_S)
        return []

    with Transport(TransportConfig(server="http://slow.example:1"), look_up=look_up) as transport:
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                transport.round_trip(get(timeout_s=0.1))
        eventually(lambda: asked, WAIT_S, "a look-up")
        assert asked == ["slow.example"]
        release.set()


def test_the_dial_time_out_bounds_the_look_up_under_its_own_name() -> None:
    release = threading.Event()

    def look_up(host: str, port: int) -> list[Address]:
        release.wait(WAIT_S)
        return []

    settings = TransportConfig(server="http://slow.example:1", dial_timeout_s=0.05)
    with Transport(settings, look_up=look_up) as transport:
        with pytest.raises(NameResolutionError, match=r"the look-up of slow\.example did not end in time"):
            transport.round_trip(get())
        release.set()


@pytest.mark.parametrize("secure", [False, True])
def test_cancelling_at_any_moment_cuts_no_other_request_and_mixes_no_answers(*, secure: bool) -> None:
    def script(peer: Peer) -> None:
        while line := peer.read_request()[0]:
            peer.send(chunked(line.split()[1].encode()))

    outcomes: list[str] = []
    with serve(script, tls=server_context() if secure else None) as server:
        settings = config(server, scheme="https" if secure else "http", tls=TRUSTING)
        with Transport(settings) as transport:
            victims: queue.SimpleQueue[Cancel | None] = queue.SimpleQueue()

            def ask(worker: int) -> None:
                for number in range(100):
                    cancel = Cancel()
                    is_victim = (worker + number) % 2 == 0
                    if is_victim:
                        victims.put(cancel)
                    path = f"/{worker}/{number}"
                    try:
                        with transport.round_trip(get(path, cancel=cancel)) as response:
                            assert response.read() == path.encode()
                        outcomes.append("answered")
                    except Cancelled:
                        assert is_victim
                        outcomes.append("cancelled")

            def execute() -> None:
                while (victim := victims.get()) is not None:
                    victim.set()

            executioner, workers = ThreadGroup("executioner"), ThreadGroup("workers")
            executioner.spawn(execute, name="cancel")
            for worker in range(6):
                workers.spawn(functools.partial(ask, worker), name=f"worker {worker}")
            assert workers.join(Deadline.after(40)) == ()
            victims.put(None)
            assert executioner.join(Deadline.after(WAIT_S)) == ()
            assert transport._pool.busy_count == 0
    assert len(outcomes) == 600
    assert outcomes.count("answered") >= 300


def test_a_finished_request_leaves_nothing_with_its_cancel() -> None:
    cancel = Cancel()

    def script(peer: Peer) -> None:
        while peer.read_request()[0]:
            peer.send(chunked(b"x"))

    with serve(script) as server, Transport(config(server)) as transport:
        for _ in range(3):
            with transport.round_trip(get(cancel=cancel)) as response:
                assert response.read() == b"x"
        assert not cancel._callbacks
        cancel.set()
        with transport.round_trip(get()) as response:
            assert response.read() == b"x"
        assert server.connections == 1
