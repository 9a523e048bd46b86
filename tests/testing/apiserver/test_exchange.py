"""Exchanges on real sockets, with an application of the test's own behind them."""

from __future__ import annotations

import contextlib
import http.client
import logging
import threading
from collections.abc import Iterator

import pytest

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import TooManyRequests
from kubeprims.testing.apiserver import faults
from kubeprims.testing.apiserver.access_log import AccessLog
from kubeprims.testing.apiserver.exchange import BODY_BYTES_MAX, Call, Conversation, Reply, Server
from kubeprims.testing.apiserver.faults import FaultPoint, Faults, Match, RequestFacts
from kubeprims.testing.apiserver.listener import Listener
from kubeprims.testing.apiserver.wire import Wire
from kubeprims.testing.clock import VirtualClock
from tests.testing.apiserver.raw import (
    connected,
    get,
    read_chunk,
    read_head,
    read_to_end,
    read_until,
    request,
)
from tests.waiting import eventually


class Events:
    """A watch that gives what the test puts into it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._batches: list[list[bytes]] = []
        self._ended = False
        self.closed = threading.Event()

    def put(self, *events: bytes) -> None:
        with self._condition:
            self._batches.append(list(events))
            self._condition.notify()

    def end(self) -> None:
        with self._condition:
            self._ended = True
            self._condition.notify()

    def next_batch(self, timeout_s: float | None) -> list[bytes] | None:
        with self._condition:
            self._condition.wait_for(lambda: self._batches or self._ended, timeout_s)
            return self._batches.pop(0) if self._batches else None

    def close(self) -> None:
        self.closed.set()
        self.end()


class Application:
    """Answers by path."""

    def __init__(self) -> None:
        self.events = Events()
        self.calls: list[Call] = []

    def facts(self, call: Call) -> RequestFacts:
        verb = "watch" if call.request.path == "/watch" else call.request.method.lower()
        return RequestFacts(verb, "v1/pods", call.request.path, call.user_agent)

    def reply(self, call: Call) -> Reply:
        self.calls.append(call)
        match call.request.path:
            case "/watch":
                return Reply(200, b"", user="jane", watch=self.events)
            case "/pieces":
                return Reply(200, iter([b"one", b"two", b"three"]))
            case "/busy":
                raise TooManyRequests("slow down", code=429, reason="TooManyRequests", retry_after_s=7)
            case "/bug":
                raise ZeroDivisionError
            case "/echo":
                return Reply(200, call.body, "text/plain")
            case _:
                return Reply(200, b"0123456789", "text/plain", user="jane")


class Rig:
    def __init__(self, clock: Clock | None = None) -> None:
        self.application = Application()
        self.faults = Faults()
        self.log = AccessLog()
        server = Server(self.application, self.faults, self.log, clock or SystemClock(), idle_timeout_s=90.0)

        def serve(wire: Wire, listener: Listener) -> None:
            Conversation(wire, listener, server).run()

        self.listener = Listener("127.0.0.1", 0, serve, tls=None, clock=clock or SystemClock())
        self.port = self.listener.port


@contextlib.contextmanager
def running(clock: Clock | None = None) -> Iterator[Rig]:
    rig = Rig(clock)
    try:
        yield rig
    finally:
        rig.listener.stop(timeout_s=5.0)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with running() as rig:
        yield rig


# Plain exchanges.


def test_a_request_is_answered_and_the_connection_serves_the_next_one(rig: Rig) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=10)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("GET", "/ten")
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"0123456789")
            assert response.headers["content-type"] == "text/plain"
            assert response.headers["content-length"] == "10"
            assert response.headers["date"].endswith(" GMT")
        assert rig.listener.connections == 1


def test_the_date_header_is_as_http_wants_it() -> None:
    with running(VirtualClock()) as rig:
        response, _ = request(rig.port, "GET", "/ten")
        assert response.headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT"


def test_pieces_of_a_body_are_chunks(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(get("/pieces"))
        assert b"transfer-encoding: chunked" in read_head(sock)
        assert [read_chunk(sock) for _ in range(4)] == [b"one", b"two", b"three", b""]


def test_a_body_is_read_whole_and_continue_is_granted(rig: Rig) -> None:
    body = b"x" * 200_000
    with connected(rig.port) as sock:
        sock.sendall(get("/echo", f"content-length: {len(body)}", "expect: 100-continue", method="POST"))
        assert read_head(sock).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert read_until(sock, body).startswith(b"HTTP/1.1 200 ")


def test_head_gets_the_head_alone(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(get("/ten", method="HEAD") + get("/ten", "connection: close"))
        both = read_to_end(sock)
    assert both.count(b"content-length: 10") == 2
    assert both.count(b"0123456789") == 1


def test_http_1_0_gets_its_answer_and_the_end_of_the_connection(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(b"GET /pieces HTTP/1.0\r\n\r\n")
        assert read_to_end(sock).endswith(b"\r\n\r\nonetwothree")


def test_a_failure_becomes_a_status_with_retry_after(rig: Rig) -> None:
    response, body = request(rig.port, "GET", "/busy")
    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert b'"reason":"TooManyRequests"' in body


def test_a_bug_in_the_server_is_a_500_and_is_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response, body = request(rig.port, "GET", "/bug")
    assert response.status == 500
    assert b"ZeroDivisionError" in body
    assert "failed inside the server" in caplog.text


def test_what_is_no_request_gets_the_status_of_its_fault_and_a_close(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nbad header\r\n\r\n" + b"x" * 100_000)
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer


def test_a_body_beyond_the_limit_is_refused_with_a_status(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(get("/echo", f"content-length: {BODY_BYTES_MAX + 1}", method="POST"))
        answer = read_to_end(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"limit is 3145728" in answer
    assert not rig.application.calls


def test_the_log_says_who_asked_what_and_how_it_went(rig: Rig) -> None:
    request(rig.port, "GET", "/ten?a=b", headers={"user-agent": "probe"})
    request(rig.port, "GET", "/busy")
    first, second = rig.log
    assert first[:7] == ("GET", "/ten", "a=b", "get", "jane", 200, "probe")
    assert second.status == 429
    assert rig.log[0] is first
    assert len(rig.log) == 2
    assert rig.log.wait_for(lambda logged: logged.status == 429, timeout_s=0) == (second,)
    assert rig.log.wait_for(lambda logged: logged.status == 500, timeout_s=0) == ()
    rig.log.clear()
    assert not list(rig.log)


# Time.


def armed_at_s(rig: Rig) -> list[float]:
    return list(rig.listener._deadlines._at_s.values())


def test_an_idle_connection_is_closed_when_its_time_is_up() -> None:
    clock = VirtualClock()
    with running(clock) as rig, connected(rig.port) as sock:
        sock.sendall(get("/ten"))
        read_until(sock, b"0123456789")
        eventually(lambda: armed_at_s(rig) == [1_090], 10, "waiting for the second request")
        clock.advance(89)
        sock.sendall(get("/ten"))
        read_until(sock, b"0123456789")
        eventually(lambda: armed_at_s(rig) == [1_179], 10, "waiting for the third request")
        clock.advance(90)
        assert read_to_end(sock) == b""


def test_a_request_that_dribbles_is_cut_when_its_time_is_up() -> None:
    clock = VirtualClock()
    with running(clock) as rig, connected(rig.port) as sock:
        for piece in (b"GET", b" / ", b"HTTP/1.1\r\n"):
            eventually(lambda: armed_at_s(rig) == [1_090], 10, "waiting for the rest")
            sock.sendall(piece)
            clock.advance(29)
        clock.advance(3)
        assert read_to_end(sock) == b""


# Watches.


def test_each_event_of_a_watch_is_a_chunk_and_the_head_comes_before_the_first(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        assert b"transfer-encoding: chunked" in read_head(sock)
        rig.application.events.put(b"a\n", b"b\n")
        assert [read_chunk(sock), read_chunk(sock)] == [b"a\n", b"b\n"]
        assert rig.faults.open_watches == 1
        rig.application.events.put()
        rig.application.events.end()
        assert read_chunk(sock) == b""
        sock.sendall(get("/ten"))
        read_until(sock, b"0123456789")
    assert rig.application.events.closed.is_set()
    assert rig.faults.open_watches == 0


def test_a_watch_ends_when_its_client_goes_away(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        read_head(sock)
    assert rig.application.events.closed.wait(10)


def test_stop_ends_watches_and_clients_that_do_not_read_at_once() -> None:
    with contextlib.ExitStack() as stack, running() as rig:
        watching, stuck = (stack.enter_context(connected(rig.port)) for _ in range(2))
        watching.sendall(get("/watch"))
        read_head(watching)
        stuck.sendall(get("/watch"))
        read_head(stuck)
        rig.application.events.put(b"x" * 50_000_000)  # more than all buffers hold
        rig.listener.stop(timeout_s=10.0)
        assert rig.listener.connections == 0


def test_a_crash_resets_every_connection() -> None:
    with contextlib.ExitStack() as stack, running() as rig:
        idle, watching = (stack.enter_context(connected(rig.port)) for _ in range(2))
        idle.sendall(get("/ten"))
        read_until(idle, b"0123456789")
        watching.sendall(get("/watch"))
        read_head(watching)
        rig.listener.stop(timeout_s=10.0, reset=True)
        for sock in (idle, watching):
            with pytest.raises(ConnectionResetError):
                sock.recv(100)


# Faults, each as it is seen on the wire.


@pytest.mark.parametrize("point", [FaultPoint.BEFORE_HANDLING, FaultPoint.BEFORE_HEAD])
def test_a_drop_before_the_head_sends_nothing_but_a_reset(rig: Rig, point: FaultPoint) -> None:
    rig.faults.add(faults.Drop(point=point))
    with connected(rig.port) as sock:
        sock.sendall(get("/ten"))
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
    assert bool(rig.application.calls) == (point is FaultPoint.BEFORE_HEAD)
    assert request(rig.port, "GET", "/ten")[0].status == 200
    assert [logged.status for logged in rig.log] == [200 if rig.application.calls[1:] else 0, 200]


def test_a_drop_in_the_head_or_body_lets_so_many_bytes_through(rig: Rig) -> None:
    rig.faults.add(faults.Truncate(point=FaultPoint.IN_HEAD, after_bytes=12))
    rig.faults.add(faults.Truncate(after_bytes=4))
    rig.faults.add(faults.Truncate(after_bytes=0))
    rig.faults.add(faults.Truncate(after_bytes=7))
    rig.faults.add(faults.Truncate(after_bytes=70))
    answers = []
    for target in ("/ten", "/ten", "/ten", "/pieces", "/ten"):
        with connected(rig.port) as sock:
            sock.sendall(get(target, "connection: close"))
            answers.append(read_to_end(sock))
    assert answers[0] == b"HTTP/1.1 200"
    assert answers[1].endswith(b"\r\n\r\n0123")
    assert answers[2].endswith(b"\r\n\r\n")
    assert answers[3].endswith(b"\r\n\r\n3\r\none\r")
    assert answers[4].endswith(b"0123456789")


def test_a_drop_in_the_body_ends_in_a_reset(rig: Rig) -> None:
    rig.faults.add(faults.Drop(point=FaultPoint.IN_BODY, after_bytes=0))
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        with pytest.raises(ConnectionResetError):
            read_to_end(sock)
    assert rig.application.events.closed.wait(10)


@pytest.mark.parametrize(
    ("point", "after_bytes"),
    [(FaultPoint.BEFORE_HANDLING, 0), (FaultPoint.BEFORE_HEAD, 0), (FaultPoint.IN_HEAD, 5), (FaultPoint.IN_BODY, 3)],
)
def test_a_stall_sends_the_rest_once_it_is_released(rig: Rig, point: FaultPoint, after_bytes: int) -> None:
    fault = rig.faults.add(faults.Stall(point=point, after_bytes=after_bytes))
    with connected(rig.port) as sock:
        sock.sendall(get("/ten"))
        assert fault.wait_for_hits()
        before = {FaultPoint.IN_HEAD: b"HTTP/", FaultPoint.IN_BODY: b"\r\n\r\n012"}.get(point, b"")
        read_until(sock, before) if before else None
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(100)
        sock.settimeout(10)
        fault.release()
        read_until(sock, b"789")


def test_a_stall_ends_with_its_connection(rig: Rig) -> None:
    fault = rig.faults.add(faults.Stall())
    with connected(rig.port) as sock:
        sock.sendall(get("/ten"))
        assert fault.wait_for_hits()
    with connected(rig.port) as sock:
        rig.faults.add(faults.Stall(), Match(path="/other"))
        sock.sendall(get("/other"))
        assert rig.log.wait_for(lambda logged: logged.path == "/ten") != ()
        rig.listener.stop(timeout_s=10.0)


def test_a_delay_goes_by_the_servers_clock() -> None:
    clock = VirtualClock()
    with running(clock) as rig, connected(rig.port) as sock:
        fault = rig.faults.add(faults.Delay(delay_s=30))
        sock.sendall(get("/ten"))
        assert fault.wait_for_hits()

        def carried_out_after_10_s_more() -> bool:
            clock.advance(10)
            return bool(rig.application.calls)

        eventually(carried_out_after_10_s_more, 10, "the end of the delay")
        assert clock.monotonic() >= 1_030
        read_until(sock, b"0123456789")


def test_a_delay_ends_with_its_connection() -> None:
    with running() as rig:
        fault = rig.faults.add(faults.Delay(delay_s=1_000))
        with connected(rig.port) as sock:
            sock.sendall(get("/ten"))
            assert fault.wait_for_hits()
            rig.listener.stop(timeout_s=10.0)
    assert not rig.application.calls


def test_answers_instead_of_the_servers_own(rig: Rig) -> None:
    for answer in (
        faults.expired(),
        faults.too_many_requests(3),
        faults.server_error(503),
        faults.garbage(),
        faults.html(),
        faults.Answer(code=418),
    ):
        rig.faults.add(answer)
    gone, busy, unavailable, garbage, page, teapot = (request(rig.port, "GET", "/ten") for _ in range(6))
    assert gone[0].status == 410
    assert b'"reason":"Expired"' in gone[1]
    assert (busy[0].status, busy[0].headers["retry-after"]) == (429, "3")
    assert (unavailable[0].status, b'"reason":"ServiceUnavailable"' in unavailable[1]) == (503, True)
    assert (garbage[0].status, garbage[0].headers["content-type"]) == (200, "application/json")
    assert page[0].headers["content-type"].startswith("text/html")
    assert (teapot[0].status, b'"reason"' in teapot[1]) == (418, False)
    assert not rig.application.calls


def test_an_error_event_comes_after_so_many_events_and_ends_the_watch(rig: Rig) -> None:
    rig.faults.add(faults.WatchError(after_events=3))
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        read_head(sock)
        rig.application.events.put(b"1\n", b"2\n")
        rig.application.events.put(b"3\n", b"4\n")
        chunks = [read_chunk(sock) for _ in range(5)]
    assert chunks[:3] == [b"1\n", b"2\n", b"3\n"]
    assert b'"type":"ERROR"' in chunks[3]
    assert b'"code":410' in chunks[3]
    assert chunks[4] == b""


def test_a_watch_can_end_without_a_word_or_be_dropped(rig: Rig) -> None:
    rig.faults.add(faults.EndWatch())
    rig.faults.add(faults.DropWatch(after_events=1))
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        read_head(sock)
        assert read_chunk(sock) == b""
    rig.application.events = Events()
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        read_head(sock)
        rig.application.events.put(b"1\n")
        with pytest.raises(ConnectionResetError):
            read_to_end(sock)


def test_a_stalled_watch_goes_on_where_it_stopped(rig: Rig) -> None:
    fault = rig.faults.add(faults.StallWatch(after_events=1))
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        read_head(sock)
        rig.application.events.put(b"1\n", b"2\n")
        assert read_chunk(sock) == b"1\n"
        fault.release()
        assert read_chunk(sock) == b"2\n"


def test_watch_faults_let_other_requests_pass(rig: Rig) -> None:
    fault = rig.faults.add(faults.EndWatch())
    assert request(rig.port, "GET", "/ten")[1] == b"0123456789"
    assert fault.hits == 0


@pytest.mark.parametrize("action", [faults.WatchError(), faults.EndWatch(), faults.DropWatch()])
def test_open_watches_can_be_ended_now(rig: Rig, action: faults.WatchAction) -> None:
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        read_head(sock)
        fault = rig.faults.interrupt_watches(action, Match(resource="pods"))
        assert fault.hits == 1
        if isinstance(action, faults.DropWatch):
            with pytest.raises(ConnectionResetError):
                read_to_end(sock)
        else:
            assert (b"ERROR" in read_chunk(sock)) == isinstance(action, faults.WatchError)


def test_frozen_watches_say_nothing_whenever_they_were_opened_and_miss_nothing(rig: Rig) -> None:
    with connected(rig.port) as early, connected(rig.port) as late:
        early.sendall(get("/watch"))
        read_head(early)
        with rig.faults.freeze_watches(Match(resource="pods")) as frozen:
            late.sendall(get("/watch"))
            read_head(late)
            rig.application.events.put(b"1\n")
            for sock in (early, late):
                sock.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    sock.recv(1)
                sock.settimeout(10)
            assert request(rig.port, "GET", "/ten")[1] == b"0123456789", "everything else goes on"
            frozen.thaw()
            assert read_chunk(early) == b"1\n"
            rig.application.events.end()
            assert [read_chunk(early), read_chunk(late)] == [b"", b""]


def test_open_watches_can_be_stalled_now(rig: Rig) -> None:
    with connected(rig.port) as sock:
        sock.sendall(get("/watch"))
        read_head(sock)
        rig.faults.interrupt_watches(faults.StallWatch())
        rig.application.events.put(b"1\n")
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        rig.faults.clear()
        assert read_chunk(sock) == b"1\n"
