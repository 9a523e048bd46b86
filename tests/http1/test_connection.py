from __future__ import annotations

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.http1 import (
    CONNECTION_CLOSED,
    NEED_DATA,
    PAUSED,
    Data,
    EndOfMessage,
    Event,
    Headers,
    Limits,
    LocalProtocolError,
    RemoteProtocolError,
    Request,
    ServerConnection,
    Signal,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
END = EndOfMessage(Headers())


def connected(data: bytes = b"", limits: Limits | None = None) -> ServerConnection:
    connection = ServerConnection(limits)
    connection.receive_data(data)
    return connection


def drain(connection: ServerConnection) -> list[Event]:
    """Return what comes after the request's head, up to the first signal."""
    events: list[Event] = []
    while not events or not isinstance(events[-1], Signal):
        event = connection.next_event()
        if not isinstance(event, Request):
            events.append(event)
    return events


def answer(connection: ServerConnection, status: int = 200) -> bytes:
    return connection.start_response(status, [], has_body=False) + connection.end_response()


def test_a_connection_lasts_for_as_many_requests_as_the_client_sends() -> None:
    connection = connected(GET * 3)
    for _ in range(3):
        assert drain(connection) == [END, PAUSED]
        assert answer(connection) == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        assert not connection.must_close
        connection.start_next_cycle()
    assert connection.next_event() is NEED_DATA
    connection.receive_eof()
    assert connection.next_event() is CONNECTION_CLOSED
    assert connection.next_event() is CONNECTION_CLOSED


def test_a_pipelined_request_is_not_looked_at_before_its_turn() -> None:
    connection = connected(GET + b"not HTTP at all\n")
    assert drain(connection) == [END, PAUSED]
    assert connection.next_event() is PAUSED
    answer(connection)
    connection.start_next_cycle()
    with pytest.raises(RemoteProtocolError):
        connection.next_event()


def test_an_error_is_raised_again_and_allows_one_answer_that_closes() -> None:
    connection = connected(b"GET / HTTP/3.0\r\n\r\n")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as caught:
            connection.next_event()
        assert caught.value.status_code == 505
    assert connection.must_close
    assert not connection.response_has_started
    assert answer(connection, 505).endswith(b"connection: close\r\n\r\n")
    assert connection.response_has_started
    with pytest.raises(LocalProtocolError, match="must be closed"):
        connection.start_next_cycle()


def test_a_fault_in_a_body_can_still_be_answered() -> None:
    connection = connected(GET.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"))
    with pytest.raises(RemoteProtocolError):
        drain(connection)
    assert b"connection: close" in answer(connection, 400)


def test_a_client_that_goes_away_inside_a_message_is_an_error() -> None:
    for data in (b"G", PUT + b"ab"):
        connection = connected(data)
        assert drain(connection)[-1] is NEED_DATA
        connection.receive_eof()
        with pytest.raises(RemoteProtocolError, match="went away"):
            connection.next_event()


def test_no_bytes_come_after_the_end_of_the_stream() -> None:
    connection = connected()
    connection.receive_eof()
    with pytest.raises(LocalProtocolError):
        connection.receive_data(b"x")


def test_the_body_comes_as_it_arrives_and_ends_once() -> None:
    connection = connected(PUT + b"a")
    assert drain(connection) == [Data(b"a"), NEED_DATA]
    assert not connection.request_is_complete
    connection.receive_data(b"bcGET")
    assert drain(connection) == [Data(b"bc"), END, PAUSED]
    assert connection.request_is_complete


def test_a_client_waits_for_leave_until_it_is_given_taken_or_denied() -> None:
    expecting = PUT.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    given = connected(expecting)
    assert drain(given) == [NEED_DATA]
    assert given.client_awaits_continue
    assert given.send_informational(103) == b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert given.client_awaits_continue
    assert given.send_informational(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not given.client_awaits_continue

    taken = connected(expecting + b"a")
    assert isinstance(taken.next_event(), Request)
    assert taken.client_awaits_continue
    assert taken.next_event() == Data(b"a")
    assert not taken.client_awaits_continue

    denied = connected(expecting)
    drain(denied)
    assert answer(denied, 403).endswith(b"connection: close\r\n\r\n")
    assert denied.must_close
    assert not denied.client_awaits_continue


def test_interim_responses_stand_between_a_request_and_its_response() -> None:
    connection = connected(GET)
    with pytest.raises(LocalProtocolError):
        connection.send_informational(103)
    drain(connection)
    for status in (99, 101, 200):
        with pytest.raises(InvalidArgument):
            connection.send_informational(status)
    answer(connection)
    with pytest.raises(LocalProtocolError):
        connection.send_informational(103)


def test_http_1_0_has_no_interim_responses_no_chunks_and_no_next_request() -> None:
    connection = connected(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    drain(connection)
    with pytest.raises(LocalProtocolError):
        connection.send_informational(103)
    assert connection.start_response(200, []) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    assert connection.send_data(b"abc") == b"abc"
    assert connection.end_response() == b""
    assert connection.must_close


@pytest.mark.parametrize("field", [("Connection", "close"), ("connection", "x, Close")])
def test_either_side_may_end_the_connection(field: tuple[str, str]) -> None:
    by_us = connected(GET)
    drain(by_us)
    assert by_us.start_response(204, [field]).lower().count(b"close") == 1
    assert by_us.must_close
    by_client = connected(GET.replace(b"\r\n\r\n", f"\r\n{field[0]}: {field[1]}\r\n\r\n".encode()))
    drain(by_client)
    assert by_client.must_close
    assert b"connection: close\r\n" in answer(by_client)


def test_a_body_is_held_to_its_declared_length() -> None:
    connection = connected(GET)
    drain(connection)
    assert connection.start_response(200, [("Content-Length", "3")]).endswith(b"Content-Length: 3\r\n\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send_data(b"abcd")
    assert connection.send_data(b"ab") == b"ab"
    assert connection.send_data(b"") == b""
    with pytest.raises(LocalProtocolError):
        connection.end_response()
    assert connection.send_data(b"c") == b"c"
    assert connection.end_response() == b""
    with pytest.raises(LocalProtocolError):
        connection.send_data(b"d")
    with pytest.raises(LocalProtocolError):
        connection.end_response()


def test_a_body_of_unknown_length_is_chunked() -> None:
    connection = connected(GET)
    drain(connection)
    assert connection.start_response(200, []) == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert connection.send_data(b"abc") == b"3\r\nabc\r\n"
    assert connection.end_response([("X-Sum", "1")]) == b"0\r\nX-Sum: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "status", "length"), [("HEAD", 200, "5"), ("HEAD", 200, None), ("GET", 204, None), ("GET", 304, "5")]
)
def test_some_responses_have_no_body_whatever_their_head_says(method: str, status: int, length: str | None) -> None:
    connection = connected(GET.replace(b"GET", method.encode()))
    drain(connection)
    head = connection.start_response(status, [] if length is None else [("content-length", length)])
    assert b"transfer-encoding" not in head
    assert (b"content-length" in head) is (length is not None)
    with pytest.raises(LocalProtocolError):
        connection.send_data(b"x")
    assert connection.end_response() == b""
    connection.start_next_cycle()


def test_contradictions_are_refused_and_change_nothing() -> None:
    connection = connected(GET)
    drain(connection)
    with pytest.raises(LocalProtocolError, match="Transfer-Encoding"):
        connection.start_response(200, [("Transfer-Encoding", "chunked")])
    with pytest.raises(LocalProtocolError, match="there is no body"):
        connection.start_response(200, [("content-length", "5")], has_body=False)
    with pytest.raises(LocalProtocolError, match="204"):
        connection.start_response(204, [("content-length", "0")])
    for value in ("-1", "five", ""):
        with pytest.raises(InvalidArgument, match="Content-Length"):
            connection.start_response(200, [("content-length", value)])
    with pytest.raises(InvalidArgument, match="more than one"):
        connection.start_response(200, [("content-length", "1"), ("Content-Length", "1")])
    for status in (100, 199, 600):
        with pytest.raises(InvalidArgument, match="final response"):
            connection.start_response(status, [])
    with pytest.raises(InvalidArgument):
        connection.start_response(200, [("connection", "close"), ("x", "a\r\nb: c")])
    assert not connection.must_close
    assert not connection.response_has_started
    assert connection.start_response(200, [("content-length", "0")], has_body=False)
    with pytest.raises(LocalProtocolError, match="started already"):
        connection.start_response(200, [])


def test_an_unknown_status_has_an_empty_reason() -> None:
    connection = connected(GET)
    drain(connection)
    assert answer(connection, 299).startswith(b"HTTP/1.1 299 \r\n")


def test_connect_is_not_granted() -> None:
    connection = connected(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
    drain(connection)
    with pytest.raises(LocalProtocolError, match="CONNECT"):
        connection.start_response(200, [])
    assert answer(connection, 405)


def test_an_answer_before_there_is_a_request_closes_the_connection() -> None:
    connection = connected(b"GET / HT")
    assert connection.next_event() is NEED_DATA
    assert answer(connection, 408).endswith(b"connection: close\r\n\r\n")
    assert connection.must_close


def test_the_next_cycle_needs_both_sides_to_be_done() -> None:
    connection = connected(PUT)
    drain(connection)
    with pytest.raises(LocalProtocolError, match="response is not done"):
        connection.start_next_cycle()
    answer(connection, 403)
    with pytest.raises(LocalProtocolError, match="not been read to its end"):
        connection.start_next_cycle()
    connection.receive_data(b"abc")
    assert drain(connection) == [Data(b"abc"), END, PAUSED]
    connection.start_next_cycle()


UPGRADE = GET.replace(b"\r\n\r\n", b"\r\nConnection: x, Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")


def test_the_bytes_behind_an_upgrade_belong_to_the_next_protocol() -> None:
    connection = connected(UPGRADE + b"\x80\x03\n")
    assert drain(connection) == [END, PAUSED]
    with pytest.raises(LocalProtocolError, match="not given to another protocol"):
        connection.take_trailing_data()
    head = connection.switching_protocols([("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")])
    assert head == b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    connection.receive_data(b"more")
    assert connection.next_event() is PAUSED
    assert connection.take_trailing_data() == b"\x80\x03\nmore"
    assert connection.take_trailing_data() == b""
    assert connection.must_close
    with pytest.raises(LocalProtocolError):
        connection.start_response(200, [])


@pytest.mark.parametrize(
    "request_head",
    [
        GET,
        UPGRADE.replace(b"x, Upgrade", b"upgraded"),
        UPGRADE.replace(b"SPDY/3.1", b""),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_nobody_gets_another_protocol_who_did_not_ask_for_one(request_head: bytes) -> None:
    connection = connected(request_head)
    drain(connection)
    with pytest.raises(LocalProtocolError, match="did not ask"):
        connection.switching_protocols([])


def test_a_switch_stands_in_the_place_of_the_response_to_a_complete_request() -> None:
    connection = connected(UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"))
    with pytest.raises(LocalProtocolError, match="not been read"):
        connection.switching_protocols([])
    drain(connection)
    with pytest.raises(LocalProtocolError, match="not been read"):
        connection.switching_protocols([])
    connection.receive_data(b"a")
    drain(connection)
    with pytest.raises(InvalidArgument):
        connection.switching_protocols([("a b", "c")])
    answer(connection, 403)
    with pytest.raises(LocalProtocolError, match="started already"):
        connection.switching_protocols([])
