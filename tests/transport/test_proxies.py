"""Proxies: which one, and what is said to it."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import ConfigError, ConnectError, DeadlineExceeded, TLSError
from kubeprims.testing.apiserver.server import APIServer
from kubeprims.transport import tls
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Request
from kubeprims.transport.proxies import (
    ProxyRoute,
    chosen_proxy,
    matches_no_proxy,
    parse_proxy_url,
    proxy_from_environment,
)
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from kubeprims.transport.tunnel import HEAD, Handshake, TunnelRefused, connect, socks5
from tests.parity import case
from tests.transport import certificates
from tests.transport.certificates import mutual_context, server_context
from tests.transport.peer import Peer, answer, config, get, say, serve
from tests.transport.proxy_server import ProxyServer, proxy_server

ROUTE = ProxyRoute(scheme="http", host="p", port=80)
SERVER = "https://api.example.com:6443"


# Which proxy.


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port"),
    [
        ("http://p", "http", "p", 80),
        ("http://p:3128/", "http", "p", 3128),
        ("https://p", "https", "p", 443),
        ("socks5://[::1]:1081", "socks5", "::1", 1081),
        ("socks5h://p", "socks5h", "p", 1080),
    ],
)
def test_a_url_names_a_proxy(url: str, scheme: str, host: str, port: int) -> None:
    assert parse_proxy_url(url) == ProxyRoute(scheme=scheme, host=host, port=port)


def test_name_and_password_are_decoded_and_never_shown() -> None:
    route = parse_proxy_url("http://me:s%40cret@p:1")
    assert base64.b64decode(route.authorization.removeprefix("Basic ")) == b"me:s@cret"
    assert "cret" not in f"{route!r} {route}"
    assert parse_proxy_url("http://p").authorization == ""


@pytest.mark.parametrize(
    "url",
    [
        "p:3128",
        "ftp://p",
        "http://",
        "http://p:x",
        "http://[::1",
        "http://a%0Ab@p",
        f"http://{'n' * 256}@p",
    ],
)
def test_what_is_no_proxy_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigError, match="proxy-url") as caught:
        parse_proxy_url(url)
    assert url not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "p:1"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:1"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, None),
        ({"HTTPS_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://p:1"),
    ],
)
def test_the_environment_names_a_proxy(environ: Mapping[str, str], expected: str | None) -> None:
    route = proxy_from_environment(SERVER, environ)
    assert (None if route is None else str(route)) == expected


def test_an_http_server_has_its_own_variable_which_a_cgi_client_may_have_set() -> None:
    assert str(proxy_from_environment("http://h", {"http_proxy": "p:1"})) == "http://p:1"
    with pytest.raises(ConfigError, match="CGI"):
        proxy_from_environment("http://h", {"HTTP_PROXY": "p:1", "REQUEST_METHOD": "GET"})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback_is_never_asked_for_through_a_proxy(host: str) -> None:
    assert proxy_from_environment(f"https://{host}:6443", {"HTTPS_PROXY": "http://p:1"}) is None


@pytest.mark.parametrize(
    ("entry", "host", "port", "expected"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "api.EXAMPLE.com", 443, True),
        ("example.com", "notexample.com", 443, False),
        (".example.com", "example.com", 443, False),
        (".example.com", "api.example.com", 443, True),
        ("*.example.com", "api.example.com", 443, True),
        ("example.com:6443", "example.com", 6443, True),
        ("example.com:6443", "example.com", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "ten.example.com", 443, False),
        ("fd00::/8", "fd00::1", 443, True),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:80", "10.1.2.3", 443, False),
        ("[fd00::1]:443", "fd00::1", 443, True),
        ("fd00::1", "fd00::1", 443, True),
        (" a , , b ", "b", 443, True),
        ("10.0.0.0/99", "10.0.0.0", 443, False),
        ("", "a", 443, False),
        ("*", "anything", 1, True),
    ],
)
def test_no_proxy_names_servers(entry: str, host: str, port: int, *, expected: bool) -> None:
    assert matches_no_proxy(host, port, entry) is expected


@given(st.text(), st.text(), st.integers(0, 65535))
def test_any_no_proxy_is_read(entry: str, host: str, port: int) -> None:
    assert matches_no_proxy(host, port, entry) in {True, False}


@case("IM-176")
def test_a_function_of_ones_own_decides(server: APIServer) -> None:
    asked: list[str] = []

    def choose(url: str) -> str | None:
        asked.append(url)
        return proxy.url

    with proxy_server() as proxy:
        first, second = (
            Transport(TransportConfig(server=server.url, proxy=choose, proxy_url="http://nobody.invalid"))
            for _ in range(2)
        )
        with first, second:
            for transport in (first, second):
                transport.round_trip(get("/version")).drain()
                assert transport._pool.idle_count == 1
            assert first._pool is not second._pool
        assert len(proxy.seen) == 2
    assert asked == [server.url] * 2
    with pytest.raises(ConfigError, match="must return a URL"):
        chosen_proxy(5)
    assert chosen_proxy(None) is None


# What is said.


def play(steps: Handshake, *answers: bytes) -> list[bytes | int]:
    said: list[bytes | int] = []
    given_answers = list(answers)
    try:
        step = next(steps)
        while True:
            said.append(step)
            step = steps.send(b"" if isinstance(step, bytes) else given_answers.pop(0))
    except StopIteration:
        return said


def test_a_tunnel_is_asked_for_by_connect() -> None:
    said = play(connect(ROUTE, "::1", 6443), b"HTTP/1.1 200 OK\r\nA: b")
    assert said == [b"CONNECT [::1]:6443 HTTP/1.1\r\nHost: [::1]:6443\r\n\r\n", HEAD]


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 407 No", b"HTTP/1.0 403", b"SSH-2.0", b"", b"HTTP/1.1 2x0 OK", b"HTTP/1.1 20"]
)
def test_any_other_answer_is_a_refusal(head: bytes) -> None:
    with pytest.raises(TunnelRefused):
        play(connect(ROUTE, "h", 1), head)


@pytest.mark.parametrize(
    ("host", "destination"),
    [("h.test", b"\3\6h.test"), ("10.0.0.1", b"\1\x0a\0\0\1"), ("::1", b"\4" + b"\0" * 15 + b"\1")],
)
def test_socks_names_the_destination_in_its_own_form(host: str, destination: bytes) -> None:
    said = play(socks5(host, 443, "", ""), b"\5\0", b"\5\0\0\1", b"\0" * 6)
    assert said == [b"\5\1\0", 2, b"\5\1\0" + destination + b"\1\xbb", 4, 6]


def test_socks_asks_with_name_and_password() -> None:
    said = play(socks5("h", 1, "me", "pw"), b"\5\2", b"\1\0", b"\5\0\0\3", b"\4", b"\0" * 6)
    assert said[2] == b"\1\2me\2pw"
    assert said[-2:] == [1, 6]


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([b"\4\0"], "does not speak SOCKS5"),
        ([b"\5\xff"], "asks for a name"),
        ([b"\5\0", b"\5\5\0\1"], "connection refused"),
        ([b"\5\0", b"\5\x63\0\1"], "reply 99"),
        ([b"\5\0", b"\4\0\0\1"], "does not speak SOCKS5"),
        ([b"\5\0", b"\5\0\0\7"], "no known type"),
    ],
)
def test_socks_refusals_are_told(answers: list[bytes], problem: str) -> None:
    with pytest.raises(TunnelRefused, match=problem):
        play(socks5("h", 1, "", ""), *answers)


def test_socks_refusals_of_a_password_are_told() -> None:
    with pytest.raises(TunnelRefused, match="does not take"):
        play(socks5("h", 1, "a", "b"), b"\5\0")
    with pytest.raises(TunnelRefused, match="refuses our name"):
        play(socks5("h", 1, "a", "b"), b"\5\2", b"\1\1")
    with pytest.raises(TunnelRefused, match="too long"):
        play(socks5("h" * 256, 1, "", ""), b"\5\0")


@given(st.sampled_from(["http", "socks", "password"]), st.lists(st.binary(min_size=1, max_size=300), max_size=8))
def test_whatever_a_proxy_says_is_a_tunnel_or_a_refusal(kind: str, answers: list[bytes]) -> None:
    user = "me" if kind == "password" else ""
    steps = connect(ROUTE, "h", 1) if kind == "http" else socks5("h", 1, user, user)
    try:
        step = next(steps)
        while True:
            if isinstance(step, bytes):
                step = steps.send(b"")
            elif answers:
                answer = answers.pop(0)
                step = steps.send(answer if step == HEAD else (answer * step)[:step])
            else:
                return
    except (StopIteration, TunnelRefused):
        pass


# On the wire.


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer() as made:
        yield made


def trusting(server: APIServer) -> TLSOptions:
    assert server.ca_pem is not None
    return TLSOptions(ca_data=server.ca_pem)


def through(proxy: ProxyServer, server: APIServer, *, credentials: str = "", **options: object) -> TransportConfig:
    url = proxy.url.replace("://", f"://{credentials}@") if credentials else proxy.url
    return TransportConfig(server=server.url, proxy_url=url, **options)  # type: ignore[arg-type]


def test_an_http_proxy_gets_requests_to_http_servers_whole(server: APIServer) -> None:
    with proxy_server() as proxy, Transport(through(proxy, server, credentials="me:pw")) as transport:
        for _ in range(2):
            assert transport.round_trip(get("/version")).read().startswith(b"{")
    assert proxy.seen[0] == f"GET {server.url}/version"
    assert proxy.authorizations[0] == "Basic bWU6cHc="


def trusting_both(server: APIServer) -> TLSOptions:
    return TLSOptions(ca_data=(trusting(server).ca_data + certificates.CA.cert_pem.bytes()))


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_tls_goes_through_a_tunnel(kind: str) -> None:
    with APIServer(tls=True) as server, proxy_server(kind) as proxy:
        options = through(proxy, server, tls=trusting_both(server))
        with Transport(options) as transport:
            for _ in range(3):
                assert transport.round_trip(get("/version")).read()
        name = "SOCKS" if kind == "socks5" else "CONNECT"
        assert proxy.seen == [f"{name} 127.0.0.1:{server.port}"]


def test_a_proxy_that_speaks_tls_gets_requests_to_http_servers_too(server: APIServer) -> None:
    tls_options = TLSOptions(ca_data=certificates.CA.cert_pem.bytes())
    with proxy_server("https") as proxy, Transport(through(proxy, server, tls=tls_options)) as transport:
        assert transport.round_trip(get("/version")).read().startswith(b"{")
    assert proxy.seen == [f"GET {server.url}/version"]


def test_large_answers_and_watches_come_through_tls_in_tls() -> None:
    body = b"x" * 3_000_000
    with (
        serve(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + body), tls=server_context()) as server,
        proxy_server("https") as proxy,
    ):
        settings = config(server, scheme="https", tls=certificates.TRUSTING, proxy_url=proxy.url)
        with Transport(settings) as transport:
            for _ in range(2):
                assert transport.round_trip(get()).read() == body
        assert server.connections == 1


def test_a_proxy_is_verified_even_where_the_server_is_not() -> None:
    with APIServer(tls=True) as server, proxy_server("https") as proxy:
        insecure = through(proxy, server, tls=TLSOptions(insecure=True), retries_max=0)
        for settings in (insecure, through(proxy, server, tls=trusting(server), retries_max=0)):
            with (
                Transport(settings) as transport,
                pytest.raises(TLSError, match=r"the proxy https://.* is not trusted"),
            ):
                transport.round_trip(get("/version"))
        assert proxy.seen == []


def test_a_host_that_only_a_proxy_can_find_and_tls_cannot_name_is_one_named_error() -> None:
    with serve(say(b"HTTP/1.1 200 OK\r\n\r\n")) as proxy:
        settings = TransportConfig(server=f"https://{'a' * 64}.test", proxy_url=f"http://127.0.0.1:{proxy.port}")
        with Transport(settings) as transport:
            with pytest.raises(TLSError, match="is not a name that TLS can ask for"):
                transport.round_trip(get())
            assert transport._pool.busy_count == 0


def test_a_proxy_is_never_shown_our_certificate() -> None:
    context = tls.proxy_context(certificates.CA.cert_pem.bytes())
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    with pytest.raises(ConfigError, match="holds no PEM certificate"):
        tls.proxy_context(b"junk")
    with serve(mute, tls=mutual_context()) as proxy:
        settings = config(
            proxy,
            scheme="https",
            tls=certificates.WITH_CERTIFICATE,
            proxy_url=f"https://127.0.0.1:{proxy.port}",
            retries_max=0,
        )
        with Transport(settings) as transport, pytest.raises((TLSError, ConnectError)):
            transport.round_trip(get())


def mute(peer: Peer) -> None:
    pytest.fail("the proxy was shown a certificate")


def test_socks_with_a_password_carries_http_too(server: APIServer) -> None:
    with proxy_server("socks5", password=("me", "pw")) as proxy:
        with Transport(through(proxy, server, credentials="me:pw")) as transport:
            assert transport.round_trip(get("/version")).read()
        assert proxy.authorizations == ["me:pw"]
        with Transport(through(proxy, server, credentials="me:no", retries_max=0)) as transport:
            with pytest.raises(ConnectError, match="refuses our name and password") as caught:
                transport.round_trip(get("/version"))
            assert "me" not in str(caught.value).replace("name", "")
            assert not caught.value.request_sent


def test_names_are_looked_up_by_the_proxy(server: APIServer) -> None:
    with proxy_server("socks5") as proxy:
        config = TransportConfig(server=f"http://api.test:{server.port}", proxy_url=proxy.url)
        with Transport(config) as transport:
            assert transport.round_trip(get("/version")).read()
        assert proxy.seen == [f"SOCKS api.test:{server.port}"]


@pytest.mark.parametrize(
    ("kind", "code", "problem"), [("http", 407, "status 407"), ("socks5", 2, "not allowed by its rules")]
)
def test_a_refusal_is_one_clear_error(kind: str, code: int, problem: str) -> None:
    with APIServer(tls=True) as server, proxy_server(kind) as proxy:
        proxy.refuse_with = code
        options = through(proxy, server, credentials="me:pw", tls=trusting(server), retries_max=0)
        if kind == "socks5":
            options = through(proxy, server, tls=trusting(server), retries_max=0)
        with Transport(options) as transport, pytest.raises(ConnectError, match=problem) as caught:
            transport.round_trip(get("/version"))
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert "pw" not in str(caught.value)


def silent(peer: Peer) -> None:
    peer.wait_for_end()


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_proxy_that_says_nothing_holds_nobody_past_the_deadline(scheme: str) -> None:
    with serve(silent) as proxy:
        config = TransportConfig(server="https://api.test", proxy_url=f"{scheme}://127.0.0.1:{proxy.port}")
        with Transport(config) as transport, pytest.raises(DeadlineExceeded):
            transport.round_trip(get(timeout_s=0.1))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "out of turn"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000, "longer than"),
        (b"HTTP/1.1 200", "ended the connection"),
        (b"", "ended the connection"),
    ],
)
def test_a_proxy_that_misbehaves_is_named(answer: bytes, problem: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)

    with serve(script) as proxy:
        config = TransportConfig(
            server="https://api.test",
            proxy_url=f"http://127.0.0.1:{proxy.port}",
            retries_max=0,
            proxy_from_environment=False,
        )
        with Transport(config) as transport, pytest.raises(ConnectError, match=f"127.0.0.1:{proxy.port}.*{problem}"):
            transport.round_trip(get())


def test_the_environment_counts_unless_it_is_told_not_to() -> None:
    environ = {"HTTP_PROXY": "socks5://nobody.invalid:1"}
    with proxy_server("socks5") as proxy:
        environ = {"HTTP_PROXY": proxy.url}
        config = TransportConfig(server="http://api.test:1", retries_max=0)
        with Transport(config, environ=environ) as transport, pytest.raises(ConnectError):
            transport.round_trip(get())
        assert proxy.seen == ["SOCKS api.test:1"]
    config = TransportConfig(server="http://127.0.0.1:1", proxy_from_environment=False, retries_max=0)
    with (
        Transport(config, environ=environ) as transport,
        pytest.raises(ConnectError, match=r"no connection to 127\.0\.0\.1:1"),
    ):
        transport.round_trip(get())


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_a_proxy_may_restart_between_reads(kind: str) -> None:
    with (
        APIServer(tls=True) as server,
        proxy_server(kind) as proxy,
        Transport(through(proxy, server, tls=trusting_both(server))) as transport,
    ):
        for _ in range(3):
            assert transport.round_trip(Request("GET", "/version")).read()
            proxy.stop()
            proxy.start()
        assert transport.round_trip(get("/version")).read()
