"""What the kubernetes package was configured with, taken over: in whichever of its releases is installed."""

from __future__ import annotations

import base64
import pathlib

import kubernetes
import pytest
from kubernetes.client import ApiClient, Configuration

from kubeprims.client.client import Client
from kubeprims.errors import ConfigError
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.auth import User
from kubeprims.transport.auth import authorization
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.from_kubernetes import DefaultHeaders
from kubeprims.transport.message import Headers, Request, Response, RoundTripper
from kubeprims.transport.transport import Transport

pytestmark = pytest.mark.subset

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


# Release 36 looks the prefix up by the new name of the scheme alone.
SCHEMES = ("authorization", "BearerToken")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def configuration(**values: object) -> Configuration:
    made = Configuration()
    made.host = "https://10.0.0.1:6443"
    for name, value in values.items():
        setattr(made, name, value)
    return made


def api_client(headers: dict[str, object] | None = None, **values: object) -> ApiClient:
    client = ApiClient(configuration(**values))
    for name, value in (headers or {}).items():
        client.set_default_header(name, value)
    return client


def header_of(config: TransportConfig) -> str | None:
    source = authorization(config.credentials, clock=Transport(config)._server.clock)
    return None if source is None else source.value()


def test_the_plain_settings_are_taken_over(tmp_path: pathlib.Path) -> None:
    config = TransportConfig.from_kubernetes(
        configuration(ssl_ca_cert="/ca.pem", cert_file="/c.pem", key_file="/k.pem", tls_server_name="kube", retries=3)
    )
    assert config.server == "https://10.0.0.1:6443"
    assert (config.tls.ca_file, config.tls.certificate_file, config.tls.key_file) == ("/ca.pem", "/c.pem", "/k.pem")
    assert config.tls.server_name == "kube"
    assert not config.tls.insecure
    assert config.retries_max == 3
    assert config.idle_connections_max == configuration().connection_pool_maxsize
    assert config.proxy_url == ""
    assert config.impersonate is None
    assert (config.namespace, config.context) == ("default", "")


def test_a_file_with_certificate_and_key_and_a_server_that_is_not_verified_are_what_they_are_there() -> None:
    config = TransportConfig.from_kubernetes(
        configuration(verify_ssl=False, ssl_ca_cert="/ca.pem", cert_file="/both.pem", retries=False)
    )
    assert config.tls.insecure
    assert config.tls.ca_file == ""
    assert config.tls.key_file == "/both.pem"
    assert config.retries_max == 0


def test_authorities_given_as_data_are_taken_as_pem() -> None:
    pem = "-----BEGIN CERTIFICATE-----\n"
    assert TransportConfig.from_kubernetes(configuration(ca_cert_data=pem)).tls.ca_data == pem.encode()
    assert TransportConfig.from_kubernetes(configuration(ca_cert_data=pem, verify_ssl=False)).tls.ca_data == b""


def test_the_default_configuration_is_the_one_that_the_loaders_set(tmp_path: pathlib.Path) -> None:
    with APIServer() as server:
        kubernetes.config.load_kube_config(str(server.write_kubeconfig(tmp_path / "config")))
        try:
            with Client.from_kubernetes() as client:
                assert client.resource("v1/namespaces").get("default").name == "default"
        finally:
            Configuration.set_default(None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"api_key": {"authorization": "Bearer abc"}}, "Bearer abc"),
        ({"api_key": {"authorization": "abc"}, "api_key_prefix": dict.fromkeys(SCHEMES, "Bearer")}, "Bearer abc"),
        ({"username": "jane", "password": "s3"}, "Basic " + base64.b64encode(b"jane:s3").decode()),
        ({}, None),
    ],
)
def test_whatever_says_who_we_are_is_what_the_package_would_send(
    values: dict[str, object], expected: str | None
) -> None:
    assert header_of(TransportConfig.from_kubernetes(configuration(**values))) == expected


def test_a_header_of_the_client_may_say_who_we_are() -> None:
    config = TransportConfig.from_kubernetes(api_client({"Authorization": "Bearer own"}))
    assert header_of(config) == "Bearer own"
    assert "own" not in repr(config)


def test_the_refresh_hook_is_called_for_each_request_and_once_more_after_a_401(tmp_path: pathlib.Path) -> None:
    calls: list[str] = []
    fresh = ["one", "two"]

    def refresh(settings: Configuration) -> None:
        calls.append(fresh[0])
        settings.api_key["authorization"] = f"Bearer {fresh[0]}"

    with APIServer(tls=True, tokens={"two": User("jane", ("system:masters",))}) as server:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(server.ca_pem)
        stock = configuration(host=server.url, ssl_ca_cert=str(ca), api_key={"authorization": "Bearer zero"})
        stock.refresh_api_key_hook = refresh
        with Client.from_kubernetes(ApiClient(stock)) as client:
            namespaces = client.resource("v1/namespaces")
            fresh.pop(0)
            assert namespaces.get("default").name == "default"
            assert calls == ["two"]
            namespaces.get("default")
            assert calls == ["two", "two"]


def test_a_token_that_the_hook_renews_after_a_refusal_is_sent_at_once() -> None:
    tokens = iter(["old", "new", "new", "new"])

    def refresh(settings: Configuration) -> None:
        settings.api_key["authorization"] = next(tokens)

    stock = configuration(api_key={"authorization": "x"})
    stock.refresh_api_key_hook = refresh
    source = TransportConfig.from_kubernetes(stock).credentials.source
    assert source is not None
    assert source.value() == "old"
    assert source.renewed("old") == "new"
    assert source.renewed("new") is None
    assert repr(source) == "StockAuthorization()"


def test_a_hook_that_fails_and_a_key_that_goes_away_send_nothing() -> None:
    def fail(settings: Configuration) -> None:
        raise ValueError("secret")

    stock = configuration(api_key={"authorization": "x"})
    source = TransportConfig.from_kubernetes(stock).credentials.source
    assert source is not None
    stock.refresh_api_key_hook = fail
    with pytest.raises(ConfigError, match="refresh_api_key_hook: failed: ValueError") as caught:
        source.value()
    assert "secret" not in str(caught.value)
    stock.refresh_api_key_hook = None
    stock.api_key.clear()
    with pytest.raises(ConfigError, match="holds no key any more"):
        source.value()


class Recorder:
    def __init__(self) -> None:
        self.requests: list[Request] = []

    def round_trip(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200)


def sent(config: TransportConfig, **headers: str) -> Headers:
    recorder = Recorder()
    chain: RoundTripper = recorder
    for wrap in config.middleware:
        chain = wrap(chain)
    chain.round_trip(Request("GET", "/", headers=Headers(headers.items())))
    return recorder.requests[0].headers


def test_default_headers_are_sent_unless_a_request_has_its_own() -> None:
    config = TransportConfig.from_kubernetes(api_client({"X-Team": "blue", "User-Agent": "me/1"}))
    assert config.user_agent == "me/1"
    assert sent(config).items() == (("x-team", "blue"),)
    assert sent(config, **{"X-Team": "red"}).items() == (("X-Team", "red"),)
    assert "blue" not in repr(config.middleware)
    assert DefaultHeaders.__slots__ == ("_headers", "_inner")


def test_the_user_agent_of_the_package_is_kept_unless_only_a_configuration_is_given() -> None:
    assert TransportConfig.from_kubernetes(api_client()).user_agent == ApiClient().user_agent
    assert TransportConfig.from_kubernetes(configuration()).user_agent == ""


def test_headers_of_impersonation_become_the_identity() -> None:
    config = TransportConfig.from_kubernetes(
        api_client(
            {
                "Impersonate-User": "jane",
                "Impersonate-Uid": "7",
                "Impersonate-Group": "dev",
                "Impersonate-Extra-example.com%2Fscope": "view",
            }
        )
    )
    assert config.impersonate is not None
    assert (config.impersonate.user, config.impersonate.uid) == ("jane", "7")
    assert config.impersonate.groups == ("dev",)
    assert config.impersonate.extra == (("example.com/scope", ("view",)),)
    assert config.middleware == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"proxy": "http://proxy:3128", "no_proxy": "10.0.0.1"}, ""),
        ({"proxy": "http://proxy:3128", "no_proxy": "10.0.0.0/8"}, ""),
        (
            {"proxy": "http://proxy:3128", "proxy_headers": {"proxy-authorization": "Basic amFuZTpzM0A="}},
            "http://jane:s3%40@proxy:3128",
        ),
    ],
)
def test_the_proxy_is_the_one_that_the_package_would_use(values: dict[str, object], expected: str) -> None:
    config = TransportConfig.from_kubernetes(configuration(**values))
    assert config.proxy_url == expected
    assert not expected or "proxy:3128" not in repr(config)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"assert_hostname": False}, "assert_hostname: is not supported: the server's name is always checked"),
        ({"assert_hostname": "kube"}, "assert_hostname"),
        ({"proxy_ssl_context": object()}, "proxy_ssl_context"),
        ({"socket_options": [(1, 2, 3)]}, "socket_options"),
        ({"client_go_retry_backoff": object()}, "client_go_retry_backoff"),
        ({"access_token": "t0ken"}, "access_token: is not supported: the kubernetes package sends it nowhere"),
        ({"retries": object()}, "retries: must be a number"),
        ({"retries": True}, "retries: must be a number"),
        ({"retries": -1}, "retries: must be a number that is not negative"),
        ({"connection_pool_maxsize": "many"}, "connection_pool_maxsize"),
        ({"api_key": {"cookieAuth": "c"}}, "api_key: has 'cookieAuth'"),
        ({"api_key": {"authorization": "t"}, "username": "jane"}, "api_key: cannot be set together"),
        ({"ssl_ca_cert": 7}, "ssl_ca_cert: must be a string, not int"),
        ({"ca_cert_data": b"\x30\x82"}, "ca_cert_data: must be PEM"),
        ({"ca_cert_data": "-----BEGIN", "ssl_ca_cert": "/ca"}, "ca_cert_data: cannot be set together"),
        ({"host": "ftp://x"}, "server: must be an http or https URL"),
        ({"key_file": "/k.pem"}, "client-certificate: is missing"),
        ({"proxy": "http://p:1", "proxy_headers": {"x-team": "blue"}}, "proxy_headers: may hold"),
        ({"proxy": "http://p:1", "proxy_headers": {"proxy-authorization": "Bearer x"}}, "proxy_headers: may hold"),
        ({"proxy": "http://p:1", "proxy_headers": {"proxy-authorization": "Basic /w=="}}, "proxy_headers: holds no"),
        ({"proxy": "http://p:1", "proxy_headers": {"proxy-authorization": "Basic a"}}, "proxy_headers: holds no"),
        (
            {"proxy": "http://u:p@p:1", "proxy_headers": {"proxy-authorization": "Basic YTpi"}},
            "proxy's URL has some already",
        ),
    ],
)
def test_what_cannot_be_honoured_is_named_and_never_passed_over(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TransportConfig.from_kubernetes(configuration(**values))
    assert said in str(caught.value)
    assert str(caught.value).startswith("the kubernetes package: ")
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Cookie": "a=b"}, "has Cookie, which is not a client's to set"),
        ({"Host": "other"}, "has Host"),
        ({"X-Remote-User": "root"}, "has X-Remote-User"),
        ({"X-Team": 7}, "must be strings"),
        ({"x-team": "a", "X-Team": "b"}, "twice"),
        ({"Impersonate-Group": "dev"}, "no Impersonate-User"),
        ({"Impersonate-User": "jane", "Impersonate-Other": "x"}, "has impersonate-other"),
        ({"Impersonate-User": "jane", "Impersonate-Extra-": "x"}, "has impersonate-extra-"),
    ],
)
def test_headers_that_are_not_a_clients_are_refused(headers: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TransportConfig.from_kubernetes(api_client(headers))


def test_an_authorization_beside_a_key_and_a_cookie_are_refused() -> None:
    with pytest.raises(ConfigError, match="api_key: cannot be set together"):
        TransportConfig.from_kubernetes(api_client({"Authorization": "Bearer a"}, api_key={"authorization": "b"}))
    client = api_client()
    client.cookie = "a=b"
    with pytest.raises(ConfigError, match="cookie: is not supported"):
        TransportConfig.from_kubernetes(client)


@pytest.mark.parametrize("source", [7, object(), "https://10.0.0.1"])
def test_anything_else_is_refused(source: object) -> None:
    with pytest.raises(ConfigError, match=f"{type(source).__name__} is neither"):
        TransportConfig.from_kubernetes(source)
