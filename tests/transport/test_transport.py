"""Requests over a transport: what is sent, what comes back, and one named error for whatever goes wrong."""

from __future__ import annotations

import dataclasses
import gzip
import logging
import math
import socket
import ssl
import threading
import warnings
from pathlib import Path

import pytest

from kubeprims.clock import SystemClock
from kubeprims.errors import (
    ConfigError,
    ConnectError,
    ConnectionLost,
    InvalidArgument,
    LifecycleError,
    NameResolutionError,
    ProtocolError,
    TLSError,
    TransportError,
)
from kubeprims.testing.clock import VirtualClock
from kubeprims.transport.auth import Credentials
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.dial import Address, system_look_up
from kubeprims.transport.listen import listen
from kubeprims.transport.message import Headers, Request, RoundTripper
from kubeprims.transport.middleware import UserAgent
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport.certificates import (
    TRUSTING,
    WITH_CERTIFICATE,
    expired_context,
    mutual_context,
    other_name_context,
    server_context,
)
from tests.transport.peer import OK, WAIT_S, Peer, Script, answer, chunked, config, get, post, say, serve


class Asked:
    """Keeps what was asked, and answers."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers) or [OK]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    def __call__(self, peer: Peer) -> None:
        while (request := peer.read_request())[0]:
            self.requests.append(request)
            peer.send(self.answers[min(len(self.requests), len(self.answers)) - 1])


def test_what_is_sent_and_what_comes_back() -> None:
    asked = Asked(b"HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 2\r\n\r\nok")
    with serve(asked) as server, Transport(config(server, user_agent="me/1")) as transport:
        request = Request("POST", "/api/v1/x", (("a", "b c"),), Headers([("Content-Type", "x/y")]), b"body")
        with transport.round_trip(request) as response:
            assert (response.status, response.reason) == (201, "Made")
            assert response.headers.get_all("X-a") == ("1", "2")
            assert response.read() == b"ok"
            assert response.url == f"http://127.0.0.1:{server.port}/api/v1/x?a=b%20c"
    line, headers, body = asked.requests[0]
    assert line == "POST /api/v1/x?a=b%20c HTTP/1.1"
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept-encoding": "gzip",
        "content-length": "4",
        "content-type": "x/y",
        "user-agent": "me/1",
    }
    assert body == b"body"


def test_the_path_of_the_server_goes_before_that_of_the_request() -> None:
    asked = Asked()
    with serve(asked) as server:
        settings = TransportConfig(server=f"http://127.0.0.1:{server.port}/k8s/c-1/")
        with Transport(settings) as transport, transport.round_trip(get("/api/")) as response:
            assert response.url == f"http://127.0.0.1:{server.port}/k8s/c-1/api/"
            assert transport.base_url == f"http://127.0.0.1:{server.port}/k8s/c-1"
            assert repr(transport) == f"<Transport {transport.base_url}>"
    assert asked.requests[0][0] == "GET /k8s/c-1/api/ HTTP/1.1"


def test_a_request_that_changes_something_has_a_length_even_without_a_body() -> None:
    asked = Asked()
    with serve(asked) as server, Transport(config(server)) as transport:
        for method in ("POST", "DELETE", "GET"):
            transport.round_trip(Request(method, "/")).drain()
    assert [headers.get("content-length") for _, headers, _ in asked.requests] == ["0", None, None]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "Upgrade", "Expect"])
def test_a_request_may_not_frame_itself(name: str) -> None:
    with Transport(TransportConfig(server="http://127.0.0.1:1")) as transport, pytest.raises(InvalidArgument):
        transport.round_trip(Request("GET", "/", headers=Headers([(name, "x")])))


def test_headers_of_the_request_win_over_ours() -> None:
    asked = Asked()
    settings = {"credentials": Credentials(token="ours"), "tls": TRUSTING}
    with serve(asked, tls=server_context()) as server:
        mine = Headers(
            [("User-Agent", "mine"), ("Authorization", "Bearer mine"), ("Host", "h"), ("Accept-Encoding", "br")]
        )
        with Transport(config(server, scheme="https", **settings)) as transport:  # type: ignore[arg-type]
            transport.round_trip(Request("GET", "/", headers=mine)).drain()
    assert asked.requests[0][1] == {
        "user-agent": "mine",
        "authorization": "Bearer mine",
        "host": "h",
        "accept-encoding": "br",
    }


@case("IM-187")
def test_gzip_is_asked_for_and_undone_unless_compression_is_off() -> None:
    packed = gzip.compress(b"content")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    asked = Asked(head + packed)
    with serve(asked) as server:
        with Transport(config(server)) as transport, transport.round_trip(get()) as response:
            assert response.read() == b"content"
            assert "content-encoding" not in response.headers
            assert "content-length" not in response.headers
        with Transport(config(server, disable_compression=True)) as transport, transport.round_trip(get()) as response:
            assert response.read() == packed
            assert response.headers.get("content-encoding") == "gzip"
    assert asked.requests[0][1]["accept-encoding"] == "gzip"
    assert "accept-encoding" not in asked.requests[1][1]


def test_events_come_as_the_socket_gives_them() -> None:
    seen_by_client = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            peer.send(b"2\r\n%d\n\r\n" % number)
            assert seen_by_client.acquire(timeout=WAIT_S)
        peer.send(b"0\r\n\r\n")

    with serve(script) as server, Transport(config(server)) as transport, transport.round_trip(get()) as response:
        seen = []
        for part in response.chunks():
            seen.append(part)
            seen_by_client.release()
        assert seen == [b"0\n", b"1\n", b"2\n"]


def test_over_tls_many_small_records_come_in_few_parts() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
        for _ in range(200):
            peer.send(bytes(1000))

    with serve(script, tls=server_context()) as server:
        settings = config(server, scheme="https", tls=TRUSTING)
        with Transport(settings) as transport, transport.round_trip(get()) as response:
            assert sum(map(len, response.chunks())) == 200_000


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_has_no_body_frees_its_connection_at_once(status: bytes) -> None:
    with serve(answer(b"HTTP/1.1 %b\r\nContent-Length: 5\r\n\r\n" % status, OK)) as server:
        with Transport(config(server)) as transport:
            response = transport.round_trip(get())
            assert transport._pool.idle_count == 1
            assert response.read() == b""
            assert transport.round_trip(get()).read() == b"ok"
        assert server.connections == 1


def test_the_answer_to_head_has_no_body() -> None:
    with (
        serve(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as server,
        Transport(config(server)) as transport,
    ):
        assert transport.round_trip(Request("HEAD", "/")).read() == b""


def test_informational_answers_are_passed_over() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with serve(answer(early + OK)) as server, Transport(config(server)) as transport:
        response = transport.round_trip(get())
        assert response.status == 200
        assert "link" not in response.headers
        assert response.read() == b"ok"


@pytest.mark.parametrize("last", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nrest", b"HTTP/1.0 200 OK\r\n\r\nrest"])
def test_a_body_that_lasts_until_the_end_is_read_to_it(last: bytes) -> None:
    with serve(say(last)) as server, Transport(config(server)) as transport:
        assert transport.round_trip(get()).read() == b"rest"
        assert transport._pool.idle_count == transport._pool.busy_count == 0


# Authentication


@case("IM-195")
def test_no_credential_goes_to_an_http_server(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked()
    with serve(asked) as server:
        for credentials in (Credentials(token="s3cret"), Credentials(username="u", password="s3cret")):
            with Transport(config(server, credentials=credentials)) as transport:
                transport.round_trip(get()).drain()
    assert all("authorization" not in headers for _, headers, _ in asked.requests)
    assert [record.getMessage() for record in caplog.records] == ["credentials are not sent to an http server"] * 2


def test_a_token_and_a_password_go_to_an_https_server() -> None:
    asked = Asked()
    with serve(asked, tls=server_context()) as server:
        for credentials in (Credentials(token="abc"), Credentials(username="u", password="p")):
            with Transport(config(server, scheme="https", tls=TRUSTING, credentials=credentials)) as transport:
                transport.round_trip(get()).drain()
    assert [headers["authorization"] for _, headers, _ in asked.requests] == ["Bearer abc", "Basic dTpw"]


REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"


@case("IM-166")
def test_after_a_401_the_token_is_read_again_and_the_request_sent_again_only_if_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    asked = Asked(REFUSED, REFUSED, OK, REFUSED, REFUSED)
    with serve(asked, tls=server_context()) as server:
        credentials = Credentials(token_file=str(path))
        settings = config(server, scheme="https", tls=TRUSTING, credentials=credentials)
        with Transport(settings, clock=VirtualClock()) as transport:
            assert transport.round_trip(post(b"x")).status == 401
            assert len(asked.requests) == 1
            path.write_text("two")
            assert transport.round_trip(post(b"y")).status == 200
            path.write_text("three")
            assert transport.round_trip(get()).status == 401
        assert server.connections == 1 or len(asked.requests) == 5
    tokens = [headers["authorization"].removeprefix("Bearer ") for _, headers, _ in asked.requests]
    assert tokens == ["one", "one", "two", "two", "three"]
    assert [body for _, _, body in asked.requests[:3]] == [b"x", b"y", b"y"]


# TLS


@case("IM-186")
def test_tls_server_name_is_asked_for_and_verified() -> None:
    names: list[str | None] = []
    context = other_name_context()
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with serve(answer(OK), tls=context) as server:
        options = TLSOptions(ca_data=TRUSTING.ca_data, server_name="kubernetes.default.svc")
        with Transport(config(server, scheme="https", tls=options)) as transport:
            assert transport.round_trip(get()).read() == b"ok"
        with Transport(config(server, scheme="https", tls=TRUSTING)) as transport, pytest.raises(TLSError) as caught:
            transport.round_trip(get())
    assert names[0] == "kubernetes.default.svc"
    assert "is not trusted: IP address mismatch, certificate is not valid for '127.0.0.1'" in str(caught.value)


def test_a_client_certificate_is_shown_and_its_lack_is_an_error_of_tls() -> None:
    with serve(answer(OK), tls=mutual_context()) as server:
        with Transport(config(server, scheme="https", tls=WITH_CERTIFICATE)) as transport:
            assert transport.round_trip(get()).read() == b"ok"
        with (
            Transport(config(server, scheme="https", tls=TRUSTING)) as transport,
            pytest.raises(TransportError) as caught,
        ):
            transport.round_trip(get())
    assert isinstance(caught.value, (TLSError, ConnectionLost))


def test_an_expired_and_an_unknown_authority_are_told_apart() -> None:
    with serve(answer(OK), tls=expired_context()) as server:
        settings = config(server, scheme="https", tls=TRUSTING)
        with Transport(settings) as transport, pytest.raises(TLSError, match="certificate has expired") as caught:
            transport.round_trip(get())
        assert not caught.value.request_sent
        assert caught.value.url == f"https://127.0.0.1:{server.port}/api"
    with serve(answer(OK), tls=server_context()) as server:
        settings = config(server, scheme="https")
        with Transport(settings) as transport, pytest.raises(TLSError, match="unable to get local issuer"):
            transport.round_trip(get())
        with Transport(config(server, scheme="https", tls=TLSOptions(insecure=True))) as transport:
            assert transport.round_trip(get()).read() == b"ok"


def test_a_server_of_old_tls_is_refused() -> None:
    context = server_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")
    with serve(answer(OK), tls=context) as server:
        settings = config(server, scheme="https", tls=TRUSTING)
        with Transport(settings) as transport, pytest.raises(TLSError):
            transport.round_trip(get())


def test_https_to_a_server_of_http_says_so() -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serve(script) as server:
        settings = config(server, scheme="https")
        with Transport(settings) as transport, pytest.raises(TLSError, match="does not speak TLS"):
            transport.round_trip(get())


def test_a_server_that_hangs_up_during_the_handshake_is_an_error_of_tls() -> None:
    for end in (Peer.close, Peer.reset):
        with (
            serve(lambda peer, end=end: (peer.sock.recv(1), end(peer))[1]) as server,
            Transport(config(server, scheme="https")) as transport,
            pytest.raises(TLSError, match="during"),
        ):
            transport.round_trip(get())


def test_a_handshake_has_a_time_of_its_own() -> None:
    def script(peer: Peer) -> None:
        peer.stop.wait(WAIT_S)

    with serve(script) as server:
        settings = config(server, scheme="https", tls_handshake_timeout_s=0.05)
        with Transport(settings) as transport, pytest.raises(TLSError, match=r"handshake within 0.05 s"):
            transport.round_trip(get())


# Failures


def test_a_server_that_is_not_there_is_named() -> None:
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
    settings = TransportConfig(server=f"http://127.0.0.1:{port}")
    with Transport(settings) as transport, pytest.raises(ConnectError) as caught:
        transport.round_trip(Request("GET", "/api", (("token", "s3cret"),)))
    url = f"http://127.0.0.1:{port}/api?token=<masked>"
    assert str(caught.value) == f"GET {url}: no connection to 127.0.0.1:{port}: connection refused"
    assert not caught.value.request_sent


@pytest.mark.parametrize("host", ["no.example", "a" * 64 + ".example", "127.0.0.1.", "fe80::1%25nope"])
def test_a_name_without_an_address_is_an_error_of_its_own(host: str) -> None:
    server = f"http://[{host}]" if ":" in host else f"http://{host}"
    with Transport(TransportConfig(server=server)) as transport, pytest.raises((NameResolutionError, ConnectError)):
        transport.round_trip(get())


BROKEN: dict[str, tuple[Script, type[TransportError], str]] = {
    "hangs up": (say(b""), ConnectionLost, "the connection ended before its answer: remote end closed connection"),
    "resets": (lambda peer: (peer.read_request(), peer.reset())[1], ConnectionLost, "connection reset by peer"),
    "inside the head": (say(b"HTTP/1.1 200 OK\r\nContent-Le"), ConnectionLost, "ended inside the head"),
    "inside the end of the head": (say(b"HTTP/1.1 200 OK\r\nA: b\r\n"), ConnectionLost, "ended inside the head"),
    "garbage": (say(b"\0\1\2garbage\r\n\r\n"), ProtocolError, "does not begin with a status line"),
    "other protocol": (say(b"SSH-2.0-OpenSSH\r\n"), ProtocolError, "does not begin with a status line"),
    "HTTP/2": (say(b"HTTP/2 200\r\n\r\n"), ProtocolError, "another HTTP version"),
    "no status": (say(b"HTTP/1.1 abc\r\n\r\n"), ProtocolError, "does not begin with a status line"),
    "no field": (say(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"), ProtocolError, "not a header field"),
    "folded": (say(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), ProtocolError, "not a header field"),
    "bare CR": (say(b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 5\r\n\r\n"), ProtocolError, "not a header field"),
    "long line": (say(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000), ProtocolError, "head is longer than 65536 bytes"),
    "long head": (say(b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"b" * 990 + b"\r\n") * 90), ProtocolError, "head is longer"),
    "many fields": (say(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n"), ProtocolError, "passes the limit"),
    "endless hints": (say(b"HTTP/1.1 100 Continue\r\n\r\n" * 4000), ProtocolError, "head is longer"),
    "two lengths": (say(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n"), ProtocolError, "Content-Length"),
    "switches": (say(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), ProtocolError, "switched protocols unasked"),
    "short body": (say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), ConnectionLost, "ended 3 bytes before the body"),  # noqa: E501 - one case, one line
    "short chunks": (say(chunked(b"abc")[:-5]), ConnectionLost, "ended inside a chunked body"),
    "garbage chunks": (say(chunked(b"abc")[:-5] + b"xyz\r\n"), ProtocolError, "not HTTP/1.1: a chunk size"),
    "garbage gzip": (say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain"), ProtocolError, "is not gzip"),
    "resets inside": (
        lambda peer: (peer.read_request(), peer.send(chunked(b"abc")[:-5]), peer.reset())[2],
        ConnectionLost,
        "inside its answer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_one_error_with_method_and_url(name: str, *, secure: bool) -> None:
    script, error, text = BROKEN[name]
    scheme = "https" if secure else "http"
    with serve(script, tls=server_context() if secure else None) as server:
        settings = config(server, scheme=scheme, tls=TRUSTING)
        with Transport(settings) as transport:
            once = dataclasses.replace(get(), may_retry=False)  # a lost connection is tried again, for seconds
            with pytest.raises(TransportError) as caught, transport.round_trip(once) as response:
                response.read()
            assert transport._pool.busy_count == transport._pool.idle_count == 0
    if not (secure and "resets" in name):  # how a reset shows through TLS is OpenSSL's choice
        assert type(caught.value) is error
        assert text in str(caught.value)
    assert str(caught.value).startswith(f"GET {scheme}://127.0.0.1:{server.port}/api: ")
    assert caught.value.request_sent


def test_the_outcome_of_a_write_whose_answer_was_lost_is_said_to_be_unknown() -> None:
    unknown = pytest.raises(ConnectionLost, match="whether the server carried it out is unknown")
    with serve(say(b"")) as server, Transport(config(server)) as transport, unknown:
        transport.round_trip(post())


def test_an_answer_that_comes_before_the_body_was_read_is_still_an_answer() -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(100)
        peer.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        peer.sock.shutdown(1)
        peer.wait_for_end()

    with serve(script) as server, Transport(config(server)) as transport:
        assert transport.round_trip(post(bytes(8 << 20))).status == 413


# Connections


def test_connections_are_used_again_the_last_one_first() -> None:
    numbers: list[int] = []

    def script(peer: Peer) -> None:
        while peer.read_request()[0]:
            numbers.append(peer.number)
            peer.send(OK)

    with serve(script) as server, Transport(config(server)) as transport:
        three = [transport.round_trip(get()) for _ in range(3)]
        for number in (1, 0, 2):
            three[number].read()
        for _ in range(2):
            transport.round_trip(get()).read()
        transport.close_idle()
        transport.round_trip(get()).read()
    assert numbers == [0, 1, 2, 2, 2, 3]


def test_idle_connections_are_limited_in_number_and_age() -> None:
    clock = VirtualClock()
    with serve(answer(OK)) as server:
        settings = config(server, idle_connections_max=2, idle_timeout_s=90)
        with Transport(settings, clock=clock) as transport:
            for response in [transport.round_trip(get()) for _ in range(4)]:
                response.read()
            assert transport._pool.idle_count == 2
            clock.advance(89)
            transport.round_trip(get()).read()
            assert server.connections == 4
            clock.advance(1)
            transport.round_trip(get()).read()
            assert transport._pool.idle_count == 1
            clock.advance(90)
            transport.round_trip(get()).read()
            assert server.connections == 5
        with Transport(config(server, idle_connections_max=0)) as transport:
            transport.round_trip(get()).read()
            assert transport._pool.idle_count == 0


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_a_connection_that_the_server_gave_up_is_noticed_before_it_is_used(last_words: bytes) -> None:
    answered = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        answered.wait(WAIT_S)
        peer.send(last_words)

    with serve(script, answer(OK)) as server, Transport(config(server)) as transport:
        assert transport.round_trip(get()).read() == b"ok"
        answered.set()
        idle = transport._pool._idle[0]
        assert idle.sock is not None
        idle.sock.settimeout(WAIT_S)
        assert idle.sock.recv(1, socket.MSG_PEEK) == last_words[:1]  # wait for what the server said last
        assert transport.round_trip(post()).read() == b"ok"
        assert server.connections == 2


def die_on_second_request(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK)
    peer.read_request()


def test_a_get_that_meets_a_dead_connection_is_sent_once_more_and_a_post_is_not() -> None:
    with serve(die_on_second_request, answer(OK)) as server, Transport(config(server)) as transport:
        transport.round_trip(get()).read()
        assert transport.round_trip(get()).read() == b"ok"
        assert server.connections == 2
    with serve(die_on_second_request, answer(OK)) as server, Transport(config(server)) as transport:
        transport.round_trip(get()).read()
        with pytest.raises(ConnectionLost) as caught:
            transport.round_trip(post())
        assert caught.value.request_sent
        assert server.connections == 1


def test_a_get_is_sent_no_more_than_twice() -> None:
    with serve(die_on_second_request, say(b"")) as server, Transport(config(server, retries_max=0)) as transport:
        transport.round_trip(get()).read()
        with pytest.raises(ConnectionLost):
            transport.round_trip(get())
        assert server.connections == 2


def test_a_response_that_was_not_read_gives_up_its_connection() -> None:
    with serve(answer(OK)) as server, Transport(config(server)) as transport:
        transport.round_trip(get()).close()
        assert transport._pool.idle_count == transport._pool.busy_count == 0
        transport.round_trip(get()).drain()
        assert transport._pool.idle_count == 1


def test_after_close_there_are_no_requests() -> None:
    with serve(answer(OK)) as server:
        transport = Transport(config(server))
        transport.round_trip(get()).read()
        transport.close()
        transport.close()
        with pytest.raises(LifecycleError, match="closed"):
            transport.round_trip(get())


def test_a_response_read_after_close_leaves_no_connection() -> None:
    with serve(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as server:
        transport = Transport(config(server))
        response = transport.round_trip(get())
        parts = response.chunks()
        transport._pool.close()
        assert list(parts) == [b"ok"]
        assert transport._pool.idle_count == 0
        transport.close()


def test_every_address_of_a_name_is_tried() -> None:
    with serve(answer(OK)) as server, listen("127.0.0.1", 0) as gone:
        port = gone.getsockname()[1]
        gone.close()

        def look_up(host: str, _port: int) -> list[Address]:
            return [*system_look_up("127.0.0.1", port), *system_look_up("127.0.0.1", server.port)]

        with Transport(TransportConfig(server="http://api.example:1"), look_up=look_up) as transport:  # type: ignore[arg-type]
            assert transport.round_trip(get()).read() == b"ok"


def test_ipv6_is_spoken() -> None:
    asked = Asked()
    with serve(asked, host="::1", tls=server_context()) as server:
        settings = TransportConfig(server=f"https://[::1]:{server.port}", tls=TRUSTING)
        with Transport(settings) as transport:
            assert transport.round_trip(get()).read() == b"ok"
    assert asked.requests[0][1]["host"] == f"[::1]:{server.port}"


def test_keep_alive_is_set_on_every_connection() -> None:
    with serve(answer(OK)) as server, Transport(config(server, keep_alive_s=17)) as transport:
        transport.round_trip(get()).read()
        sock = transport._pool._idle[0].sock
        assert sock is not None
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 17
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 17
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


# What wraps requests


@pytest.mark.parametrize("missing", [("TCP_KEEPIDLE",), ("TCP_KEEPIDLE", "TCP_KEEPINTVL")])
def test_keep_alive_is_set_as_far_as_the_system_knows_it(
    missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in missing:
        monkeypatch.delattr(socket, name)
    with serve(answer(OK)) as server, Transport(config(server)) as transport:
        assert transport.round_trip(get()).read() == b"ok"
        sock = transport._pool._idle[0].sock
        assert sock is not None
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_middleware_of_the_configuration_wraps_innermost_the_first_outermost() -> None:
    asked = Asked()

    def adding(agent: str) -> object:
        return lambda inner: UserAgent(inner, agent)

    with serve(asked) as server:

        def wrap(inner: RoundTripper) -> RoundTripper:
            return UserAgent(inner, "innermost")

        with Transport(config(server, user_agent="ours", middleware=(adding("first"), wrap))) as transport:
            transport.round_trip(get()).drain()
    assert asked.requests[0][1]["user-agent"] == "ours"


def test_the_log_tells_each_request_without_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    with serve(answer(OK), tls=server_context()) as server, caplog.at_level(logging.DEBUG, "kubeprims.transport"):
        settings = config(server, scheme="https", tls=TRUSTING, credentials=Credentials(token="s3cret"), retries_max=0)
        with Transport(settings) as transport:
            transport.round_trip(Request("GET", "/api", (("token", "s3cret"),))).drain()
            server.close()
            transport.close_idle()
            with pytest.raises(ConnectError):
                transport.round_trip(get())
    records = [record for record in caplog.records if record.getMessage() == "request"]
    assert [getattr(record, "status", None) for record in records] == [200, None]
    assert "no connection" in records[1].error  # type: ignore[attr-defined]
    assert "s3cret" not in str([vars(record) for record in caplog.records])
    assert "Bearer <masked>" in records[0].headers  # type: ignore[attr-defined]


def test_a_configuration_that_cannot_be_loaded_leaves_nothing_open() -> None:
    with pytest.raises(ConfigError, match="certificate-authority"):
        Transport(TransportConfig(server="https://a", tls=TLSOptions(ca_file="/no")), clock=SystemClock())


@pytest.mark.parametrize("seconds", [math.inf, 1e12])
def test_times_may_be_for_ever(seconds: float) -> None:
    times = {"dial_timeout_s": seconds, "keep_alive_s": seconds, "idle_timeout_s": seconds}
    with serve(Asked()) as server, Transport(config(server, **times)) as transport:
        for _ in range(2):
            assert transport.round_trip(get()).read() == b"ok"
        assert server.connections == 1
