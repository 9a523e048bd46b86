"""One connection: what it makes of failures, and what it is after it was closed."""

from __future__ import annotations

import http.client
import ssl

import pytest

from kubeprims.clock import SystemClock
from kubeprims.errors import Cancelled, ConnectionLost, DeadlineExceeded, ProtocolError, TLSError, TransportError
from kubeprims.http1.errors import RemoteProtocolError
from kubeprims.threads import Deadline
from kubeprims.transport.connection import Connection, Endpoint, explain
from kubeprims.transport.dial import DialOptions, Resolver
from kubeprims.transport.message import NO_HEADERS
from kubeprims.transport.scope import RequestScope
from tests.transport.peer import OK, WAIT_S, Peer, answer, serve


def scope_of() -> RequestScope:
    return RequestScope(method="GET", url="http://a/", deadline=Deadline.after(WAIT_S), cancel=None)


def connection_to(port: int) -> Connection:
    endpoint = Endpoint("127.0.0.1", port, None, "", 10.0, DialOptions(30.0, 30.0))
    return Connection(endpoint, resolver=Resolver(clock=SystemClock()))


@pytest.mark.parametrize(
    ("error", "expected", "detail"),
    [
        (RemoteProtocolError("odd"), ProtocolError, "not HTTP/1.1: odd"),
        (TimeoutError(), DeadlineExceeded, "the connection timed out then"),
        (ssl.SSLEOFError(8, "EOF occurred"), ConnectionLost, "the connection ended then: eOF occurred"),
        (ConnectionResetError(104, "Connection reset by peer"), ConnectionLost, "the connection ended then: connection reset by peer"),  # noqa: E501 - one case, one line
        (http.client.BadStatusLine("s3cret"), ProtocolError, "not HTTP/1.1: the answer does not begin with a status line"),  # noqa: E501 - one case, one line
        (http.client.UnknownProtocol("s3cret"), ProtocolError, "not HTTP/1.1: the answer is of another HTTP version"),
        (http.client.LineTooLong("s3cret"), ProtocolError, "not HTTP/1.1: a line or the number of lines of the head passes the limit"),  # noqa: E501 - one case, one line
        (Cancelled("x"), Cancelled, "x"),
    ],
)  # fmt: skip
def test_whatever_happens_is_one_error_that_quotes_nothing(
    error: Exception, expected: type[TransportError], detail: str
) -> None:
    made = explain(error, scope_of(), "then")
    assert type(made) is expected
    assert made.detail == detail


def test_an_alert_in_the_middle_is_an_error_of_tls() -> None:
    error = ssl.SSLError(1, "alert")
    error.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    made = explain(error, scope_of(), "then")
    assert type(made) is TLSError
    assert made.detail == "the server refused the TLS connection: tlsv13 alert certificate required"


def test_a_closed_connection_is_not_fit_and_not_readable() -> None:
    with serve(answer(OK)) as server:
        connection = connection_to(server.port)
        assert not connection.is_fit
        connection.open(scope_of())
        connection.finish()
        assert connection.is_fit
        connection.destroy()
        connection.destroy()
        assert not connection.is_fit
        with pytest.raises(ConnectionAbortedError):
            connection.read()


def test_a_request_that_ends_before_it_is_sent_is_not_sent() -> None:
    with serve(Peer.wait_for_end) as server:
        connection = connection_to(server.port)
        scope = scope_of()
        connection.open(scope)
        scope.abort("stopped")
        with pytest.raises(Cancelled) as caught:
            connection.exchange_heads("GET", "/", NO_HEADERS, None)
        assert not caught.value.request_sent
        connection.destroy()
