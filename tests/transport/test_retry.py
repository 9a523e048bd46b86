"""When a request is sent again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import Cancelled, ConnectError, ConnectionLost, DeadlineExceeded, ProtocolError, TransportError
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.message import Headers, Request, Response
from kubeprims.transport.pause import Pause
from kubeprims.transport.retry import Retry, RetryMachine, parse_retry_after_s
from tests.parity import case

LONG_S = 30.0
Outcome = Response | TransportError


def refused(seconds: str | None = "1", *, status: int = 429) -> Response:
    headers = Headers(()) if seconds is None else Headers([("Retry-After", seconds)])
    return Response(status, headers=headers, body=[b"{}"])


def lost(method: str = "GET") -> ConnectionLost:
    return ConnectionLost("the server closed the connection", method=method, request_sent=True)


class Server:
    """Plays outcomes in order; the last of them again and again."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[Request] = []
        self.on_request: Callable[[], None] = lambda: None

    def round_trip(self, request: Request) -> Response:
        self.requests.append(request)
        self.on_request()
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, TransportError):
            raise outcome
        return outcome


class Impatient(VirtualClock):
    """A clock on which every wait is over at once; it remembers how long each was."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        assert timeout_s is not None
        self.waits_s.append(timeout_s)
        condition.release()  # the clock wakes who waits, and must not hold anybody's lock
        try:
            self.advance(timeout_s)
        finally:
            condition.acquire()
        return False


def retrying(server: Server, clock: VirtualClock, **options: int) -> Retry:
    return Retry(server, pause=Pause(clock=clock, closing=Cancel()), **options)


@case("IM-177")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_refusal_with_retry_after_is_sent_again_whatever_the_method(method: str) -> None:
    server, clock = Server(refused("1"), refused("2", status=503), Response(201)), Impatient()
    assert retrying(server, clock).round_trip(Request(method, "/", body=b"{}")).status == 201
    assert clock.waits_s == pytest.approx([1.0, 2.0])
    assert [request.body for request in server.requests] == [b"{}"] * 3


@case("IM-177")
def test_after_ten_times_the_refusal_stands() -> None:
    server, clock = Server(refused("1")), Impatient()
    assert retrying(server, clock).round_trip(Request("POST", "/")).status == 429
    assert len(server.requests) == 11


@case("IM-178")
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_without_retry_after_stands(status: int) -> None:
    server = Server(refused(None, status=status))
    assert retrying(server, Impatient()).round_trip(Request("GET", "/")).status == status
    assert len(server.requests) == 1


def test_an_answer_that_is_no_such_failure_stands() -> None:
    server = Server(refused("1", status=404))
    assert retrying(server, Impatient()).round_trip(Request("GET", "/")).status == 404
    assert len(server.requests) == 1


@case("IM-179")
@pytest.mark.parametrize("value", ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "1.5", "", "1e3", "³", "9" * 10, "3600"])
def test_a_retry_after_that_is_a_date_or_no_number_is_none(value: str) -> None:
    server = Server(refused(value))
    assert retrying(server, Impatient()).round_trip(Request("GET", "/")).status == 429
    assert len(server.requests) == 1


@given(st.text())
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    seconds = parse_retry_after_s(value)
    assert seconds is None or 0 <= seconds < 1e9


def test_a_retry_after_of_nothing_is_not_waited_for() -> None:
    server, clock = Server(refused("0"), Response(200)), Impatient()
    assert retrying(server, clock).round_trip(Request("POST", "/")).status == 200
    assert clock.waits_s == []


@case("IM-180")
def test_a_lost_connection_is_tried_again_for_a_read_and_for_nothing_else() -> None:
    server, clock = Server(lost(), lost(), Response(200)), Impatient()
    assert retrying(server, clock).round_trip(Request("GET", "/")).status == 200
    assert clock.waits_s == pytest.approx([0.1, 0.2])
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        server = Server(lost(method))
        with pytest.raises(ConnectionLost, match="whether the server carried it out is unknown"):
            retrying(server, Impatient()).round_trip(Request(method, "/"))
        assert len(server.requests) == 1


def test_the_delays_between_lost_connections_grow_to_a_second() -> None:
    clock = Impatient()
    with pytest.raises(ConnectionLost, match=r"sent again after: the server closed the connection"):
        retrying(Server(lost()), clock).round_trip(Request("GET", "/"))
    assert clock.waits_s == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1, 1, 1])


def test_a_refused_connection_is_tried_again_once_the_server_had_been_reached() -> None:
    refusal = ConnectError("no connection: refused", method="GET")
    server = Server(refusal, Response(200), refusal, Response(200))
    retry = retrying(server, Impatient())
    with pytest.raises(ConnectError):
        retry.round_trip(Request("GET", "/"))
    assert retry.round_trip(Request("GET", "/")).status == 200
    assert retry.round_trip(Request("GET", "/")).status == 200
    assert len(server.requests) == 4


def test_other_errors_stand() -> None:
    server = Server(ProtocolError("not HTTP", method="GET"))
    with pytest.raises(ProtocolError):
        retrying(server, Impatient()).round_trip(Request("GET", "/"))
    assert len(server.requests) == 1


@case(
    "IM-181",
    otherwise="decision 8: the body of a request is bounded bytes, never a stream that can be read only once, so it "
    "can be sent again; a sender that wants to see each failure says may_retry=False, and nothing is sent again",
)
def test_who_wants_to_see_each_failure_does() -> None:
    server = Server(refused("1"))
    assert retrying(server, Impatient()).round_trip(Request("GET", "/", may_retry=False)).status == 429
    assert len(server.requests) == 1


def test_retries_can_be_turned_off() -> None:
    server = Server(refused("1"))
    assert retrying(server, Impatient(), retries_max=0).round_trip(Request("GET", "/")).status == 429
    assert len(server.requests) == 1


@case("IM-182")
def test_cancelling_ends_a_wait_at_once() -> None:
    server, clock, cancel = Server(refused("5")), VirtualClock(), Cancel()
    caught: list[BaseException] = []

    def call() -> None:
        try:
            retrying(server, clock).round_trip(Request("POST", "/", cancel=cancel))
        except Cancelled as error:
            caught.append(error)

    threads = ThreadGroup("test")
    threads.spawn(call, name="call")
    clock.wait_for_waiters(1)
    cancel.set()
    assert threads.join(Deadline.after(LONG_S)) == ()
    assert "cancelled" in str(caught[0])
    assert "sent again after: status 429" in str(caught[0])
    assert len(server.requests) == 1


@case("IM-182")
def test_closing_the_transport_ends_a_wait_at_once() -> None:
    closing = Cancel()
    closing.set()
    retry = Retry(Server(refused("5")), pause=Pause(clock=VirtualClock(), closing=closing))
    with pytest.raises(Cancelled, match="the transport was closed"):
        retry.round_trip(Request("GET", "/"))


def test_nothing_is_waited_for_beyond_the_deadline() -> None:
    clock = Impatient()
    server = Server(refused("5"))
    deadline = Deadline.after(4.0, clock=clock)
    assert retrying(server, clock).round_trip(Request("GET", "/", deadline=deadline)).status == 429
    assert clock.waits_s == []


def test_a_wait_ends_with_the_deadline() -> None:
    clock = Impatient()
    request = Request("GET", "/", deadline=Deadline.after(4.0, clock=clock))
    with pytest.raises(DeadlineExceeded):
        Pause(clock=clock, closing=Cancel()).wait(5.0, request)
    assert clock.waits_s == pytest.approx([4.0])


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.lists(st.sampled_from(["429", "500", "lost", "refused"]), max_size=40),
    st.integers(0, 12),
)
def test_no_request_is_sent_more_often_than_allowed(method: str, failures: list[str], retries_max: int) -> None:
    machine = RetryMachine(method, was_reached=True, retries_max=retries_max)
    decisions = [
        machine.after_answer(int(failure), "1")
        if failure.isdigit()
        else machine.after_error(lost() if failure == "lost" else ConnectError(failure))
        for failure in failures
    ]
    again = [delay_s for delay_s in decisions if delay_s is not None]
    assert len(again) == machine.retries <= retries_max
    if method != "GET":
        pairs = zip(failures, decisions, strict=True)
        assert all(failure.isdigit() for failure, delay_s in pairs if delay_s is not None)
