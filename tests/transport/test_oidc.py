"""The auth provider oidc, against a real provider on loopback that speaks TLS."""

from __future__ import annotations

import base64
import json
import logging
import pathlib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote_plus

import pytest

from kubeprims import Client
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import Cancelled, ConfigError, CredentialError, DeadlineExceeded
from kubeprims.testing import APIServer, User
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline
from kubeprims.transport.addresses import AddressPolicy
from kubeprims.transport.auth import Credentials
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.credential import RENEWAL_INTERVAL_S
from kubeprims.transport.dial import Address
from kubeprims.transport.kubeconfig import AuthProvider
from kubeprims.transport.message import Headers, Request
from kubeprims.transport.oidc import ANSWER_BYTES_MAX, OIDC_LEEWAY_S, OIDCProvider
from kubeprims.transport.oidc_settings import read_settings
from kubeprims.transport.origin import Origin
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.transport import certificates
from tests.transport.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    FIRST_REFRESH_TOKEN,
    Form,
    Handler,
    IdentityProvider,
    http,
    identity_provider,
    jwt,
)
from tests.transport.peer import WAIT_S, Peer, get
from tests.transport.proxy_server import proxy_server

NOW_S = 1_767_225_600
"""When a virtual clock begins."""

ORIGIN = Origin("/etc/kubeconfig", 'user "jane"')
AUTHORITY = base64.b64encode(certificates.TRUSTING.ca_data).decode()


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as made:
        made.claims = {"sub": "jane", "exp": NOW_S + 3600}
        yield made


@pytest.fixture
def api() -> Iterator[APIServer]:
    with APIServer(tls=True, tokens={}) as server:
        yield server


def settings(provider: IdentityProvider, **changed: str) -> dict[str, str]:
    values = {
        "idp-issuer-url": provider.issuer,
        "client-id": CLIENT_ID,
        "client-secret": CLIENT_SECRET,
        "refresh-token": FIRST_REFRESH_TOKEN,
        "idp-certificate-authority-data": AUTHORITY,
    }
    return {**values, **{name.replace("_", "-"): value for name, value in changed.items()}}


def transport(api: APIServer, config: dict[str, str], clock: Clock, *, token: str = "") -> Transport:
    return Transport(
        TransportConfig(
            server=api.url,
            tls=TLSOptions(ca_data=api.ca_pem or b""),
            credentials=Credentials(token=token, auth_provider=AuthProvider(name="oidc", config=tuple(config.items()))),
            user_origin=ORIGIN,
        ),
        clock=clock,
    )


def alone(config: dict[str, str], *, timeout_s: float = WAIT_S) -> OIDCProvider:
    """Return what fetches, without an API server."""

    def open_road(server: str, options: TLSOptions) -> Transport:
        return Transport(TransportConfig(server=server, tls=options))

    read = read_settings(AuthProvider(name="oidc", config=tuple(config.items())), ORIGIN)
    return OIDCProvider(read, open_road=open_road, clock=VirtualClock(), timeout_s=timeout_s)


def accept(api: APIServer, *tokens: str) -> None:
    api.set_tokens(dict.fromkeys(tokens, User("jane")))


def handing_out(api: APIServer, provider: IdentityProvider) -> Handler:
    """Hand out a token that the API server takes, and no other from then on."""

    def handler(form: Form, headers: Mapping[str, str]) -> bytes:
        answer = provider.hand_out(form, headers)
        accept(api, provider.handed_out[-1])
        return answer

    return handler


def test_the_id_token_is_used_until_shortly_before_it_expires(api: APIServer, provider: IdentityProvider) -> None:
    clock = VirtualClock()
    first = provider.token({"sub": "jane", "exp": NOW_S + 600})
    accept(api, first)
    provider.on_refresh = handing_out(api, provider)
    with transport(api, settings(provider, id_token=f" {first}\n"), clock) as road:
        for elapsed_s, count in ((600 - OIDC_LEEWAY_S - 1, 0), (1.0, 1), (2999.0, 1), (1.0, 2)):
            assert road.round_trip(get()).status == 200
            clock.advance(elapsed_s)
            assert road.round_trip(get()).status == 200
            assert len(provider.refreshes) == count


def test_an_id_token_that_has_expired_at_the_start_is_never_sent(api: APIServer, provider: IdentityProvider) -> None:
    stale = provider.token({"sub": "jane", "exp": NOW_S + OIDC_LEEWAY_S})
    accept(api, stale)
    provider.on_refresh = handing_out(api, provider)
    with transport(api, settings(provider, id_token=stale), VirtualClock()) as road:
        assert road.round_trip(get()).status == 200
    assert len(api.requests) == 1
    (form, headers) = provider.refreshes[0]
    assert form == {"grant_type": "refresh_token", "refresh_token": FIRST_REFRESH_TOKEN}
    pair = f"{quote_plus(CLIENT_ID)}:{quote_plus(CLIENT_SECRET)}"
    assert headers["authorization"] == f"Basic {base64.b64encode(pair.encode()).decode()}"
    assert headers["content-type"] == "application/x-www-form-urlencoded"


def test_without_an_id_token_one_is_had_first(api: APIServer, provider: IdentityProvider) -> None:
    provider.on_refresh = handing_out(api, provider)
    with transport(api, settings(provider), VirtualClock()) as road:
        assert road.round_trip(get()).status == 200
    assert provider.discoveries == 1


def test_a_new_refresh_token_replaces_the_old_and_that_is_logged_once(
    provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.rotates = True
    made = alone(settings(provider))
    for _ in range(3):
        made.fetch(Cancel())
    assert [form["refresh_token"] for form, _ in provider.refreshes] == [
        FIRST_REFRESH_TOKEN,
        "Refresh-1-s3cret",
        "Refresh-2-s3cret",
    ]
    assert len([record for record in caplog.records if "replaced the refresh token" in record.message]) == 1


def test_a_new_refresh_token_is_kept_although_the_id_token_is_refused(provider: IdentityProvider) -> None:
    provider.rotates = True
    made = alone(settings(provider))
    provider.claims = {"sub": "jane", "exp": NOW_S}
    with pytest.raises(CredentialError, match="expired already; check the clock"):
        made.fetch(Cancel())
    provider.claims = {"sub": "jane", "exp": NOW_S + 1}
    made.fetch(Cancel())
    assert provider.refreshes[1][0]["refresh_token"] == "Refresh-1-s3cret"


def test_a_client_that_is_refused_by_basic_authentication_is_named_in_the_form(provider: IdentityProvider) -> None:
    def wants_a_form(form: Form, headers: Mapping[str, str]) -> bytes:
        if "client_secret" not in form:
            return http(401, {"error": "invalid_client"})
        assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
        assert "authorization" not in headers
        return provider.hand_out(form, headers)

    provider.on_refresh = wants_a_form
    made = alone(settings(provider))
    made.fetch(Cancel())
    made.fetch(Cancel())
    assert len(provider.refreshes) == 3  # what worked is begun with


def test_a_client_without_a_secret_sends_its_id_alone(provider: IdentityProvider) -> None:
    made = alone(settings(provider, client_secret=""))
    made.fetch(Cancel())
    form, headers = provider.refreshes[0]
    assert (form["client_id"], "client_secret" in form, "authorization" in headers) == (CLIENT_ID, False, False)


def test_twenty_threads_share_one_refresh(api: APIServer, provider: IdentityProvider) -> None:
    provider.on_refresh = handing_out(api, provider)
    with transport(api, settings(provider), VirtualClock()) as road, ThreadPoolExecutor(20) as pool:
        statuses = [pool.submit(lambda: road.round_trip(get()).status) for _ in range(20)]
        assert [status.result(WAIT_S) for status in statuses] == [200] * 20
    assert len(provider.refreshes) == 1


def test_a_refused_token_is_refreshed_once_for_all_who_were_refused(api: APIServer, provider: IdentityProvider) -> None:
    provider.on_refresh = handing_out(api, provider)
    first = provider.token({"sub": "jane", "exp": NOW_S + 3600})
    with transport(api, settings(provider, id_token=first), VirtualClock()) as road, ThreadPoolExecutor(8) as pool:
        statuses = [pool.submit(lambda: road.round_trip(get()).status) for _ in range(8)]
        assert [status.result(WAIT_S) for status in statuses] == [200] * 8
    assert len(provider.refreshes) == 1


def test_a_refusal_that_no_refresh_helps_is_the_answer_and_asks_no_more(
    api: APIServer, provider: IdentityProvider
) -> None:
    clock = VirtualClock()
    first = provider.token({"sub": "jane", "exp": NOW_S + 3600})
    with transport(api, settings(provider, id_token=first, refresh_token=""), clock) as road:
        assert [road.round_trip(get()).status for _ in range(3)] == [401] * 3
        clock.advance(RENEWAL_INTERVAL_S)
        assert road.round_trip(get()).status == 401
    assert provider.discoveries == 0


def test_a_request_or_a_user_with_a_token_refreshes_nothing(api: APIServer, provider: IdentityProvider) -> None:
    accept(api, "abc")
    mine = Request("GET", "/api", headers=Headers([("Authorization", "Bearer abc")]))
    with transport(api, settings(provider), VirtualClock()) as road:
        assert road.round_trip(mine).status == 200
    with transport(api, settings(provider), VirtualClock(), token="abc") as road:
        assert road.round_trip(get()).status == 200
    assert provider.discoveries == 0


# What goes wrong at the provider.


def silent(peer: Peer) -> None:
    peer.wait_for_end()


def drip(peer: Peer) -> None:
    peer.trickle(b"HTTP/1.1 200 OK\r\nX: y\r\n")


def redirect(_form: Form, _headers: Mapping[str, str]) -> bytes:
    return http(307, headers="Location: https://127.0.0.1:1/elsewhere\r\n")


def quoting(form: Form, _headers: Mapping[str, str]) -> bytes:
    return http(400, {"error": form["refresh_token"], "error_description": form["refresh_token"]})


def answering(status: int, content: object) -> Handler:
    return lambda _form, _headers: http(status, content)


def sending(data: bytes) -> Callable[[Peer], None]:
    return lambda peer: peer.send(data)


Spoil = Callable[[IdentityProvider], object]


def refreshing(handler: Handler) -> Spoil:
    return lambda provider: setattr(provider, "on_refresh", handler)


def discovering(say: Callable[[Peer], None]) -> Spoil:
    return lambda provider: setattr(provider, "on_discovery", say)


def describing(**members: object) -> Spoil:
    return lambda provider: provider.document.update(members)


def claiming(**claims: object) -> Spoil:
    return lambda provider: setattr(provider, "claims", {"sub": "jane", "exp": NOW_S + 3600, **claims})


OVERSIZED = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (ANSWER_BYTES_MAX + 1)

FAILURES: dict[str, tuple[Spoil, str]] = {
    "invalid grant": (refreshing(answering(400, {"error": "invalid_grant"})), "400, invalid_grant; log in again"),
    "invalid client": (refreshing(answering(401, {"error": "invalid_client"})), "401, invalid_client; check"),
    "a code that quotes": (refreshing(quoting), "refused the refresh with status 400; check"),
    "a refusal in HTML": (refreshing(answering(403, b"<html>")), "refused the refresh with status 403; check"),
    "too many requests": (refreshing(answering(429, {"error": "slow_down"})), "status 429, slow_down; ask those"),
    "an internal error": (refreshing(answering(500, {})), "refused the refresh with status 500; ask those"),
    "a redirect": (refreshing(redirect), "status 307, a redirect, which is not followed"),
    "no JSON": (refreshing(answering(200, b"id_token=abc")), "its answer is not a JSON object"),
    "no ID token": (refreshing(answering(200, {"access_token": "x"})), "openid; log in again"),
    "no JWT": (refreshing(answering(200, {"id_token": "abc"})), "cannot be read: it is not a signed JWT"),
    "an answer without end": (refreshing(lambda _form, _headers: OVERSIZED), "longer than 1048576 bytes"),
    "another issuer": (claiming(iss="https://other"), "one of another issuer"),
    "another audience": (claiming(aud=["other"]), "not for this client"),
    "another subject": (claiming(sub="joe"), "for another subject than the one before; log in again"),
    "an expired token": (claiming(exp=NOW_S), "has expired already"),
    "a discovery without end": (discovering(sending(OVERSIZED)), "longer than 1048576 bytes"),
    "a discovery that redirects": (
        discovering(sending(http(302, headers="Location: https://127.0.0.1:1/\r\n"))),
        "answered with status 302, a redirect, which is not followed",
    ),
    "no discovery": (discovering(sending(http(404))), "discovery document was answered with status 404; check"),
    "a discovery in HTML": (discovering(sending(http(200, b"<html>"))), "discovery document is not a JSON object"),
    "a discovery that hangs up": (discovering(Peer.close), "check idp-issuer-url, idp-certificate-authority"),
    "a discovery that is no HTTP": (discovering(sending(b"SSH-2.0\r\n\r\n")), "check idp-issuer-url"),
    "another issuer's discovery": (describing(issuer="https://other"), "another issuer, 'https://other'; idp-issuer"),
    "a discovery without issuer": (describing(issuer=None), "another issuer, none; idp-issuer-url"),
    "no token endpoint": (describing(token_endpoint=None), "the token_endpoint of its discovery document is not a URL"),
    "an http token endpoint": (describing(token_endpoint="http://127.0.0.1/token"), "must be an https URL"),
}


def everything_logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(repr(record.__dict__) for record in caplog.records)


@pytest.mark.parametrize(("spoil", "what"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_one_error_that_names_user_and_remedy_and_no_secret(
    api: APIServer, provider: IdentityProvider, caplog: pytest.LogCaptureFixture, spoil: Spoil, what: str
) -> None:
    caplog.set_level(logging.DEBUG)
    spoil(provider)
    stale = provider.token({"sub": "jane", "exp": NOW_S})
    with (
        transport(api, settings(provider, id_token=stale), VirtualClock()) as road,
        pytest.raises(CredentialError) as caught,
    ):
        road.round_trip(get())
    text = str(caught.value)
    assert what in text
    assert f'the OpenID Connect provider {provider.issuer} gave no ID token for user "jane": ' in text
    shown = f"{text}{caught.value!r}{everything_logged(caplog)}{road!r}{road.config!r}"
    sent = [headers["authorization"] for _, headers in provider.refreshes if "authorization" in headers]
    for secret in (FIRST_REFRESH_TOKEN, CLIENT_SECRET, quote_plus(CLIENT_SECRET), stale, *sent, *provider.handed_out):
        assert secret not in shown
    assert not api.requests


def test_success_shows_no_secret_either(
    api: APIServer, provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.rotates = True
    provider.on_refresh = handing_out(api, provider)
    with transport(api, settings(provider), VirtualClock()) as road:
        assert road.round_trip(get()).status == 200
    shown = everything_logged(caplog)
    assert "POST" in shown
    for secret in (FIRST_REFRESH_TOKEN, "Refresh-1-s3cret", quote_plus(CLIENT_SECRET), *provider.handed_out):
        assert secret not in shown
    assert provider.refreshes[0][1]["authorization"] not in shown


def test_an_expired_token_without_a_refresh_token_says_to_log_in(api: APIServer, provider: IdentityProvider) -> None:
    stale = provider.token({"sub": "jane", "exp": NOW_S})
    with (
        transport(api, settings(provider, id_token=stale, refresh_token=""), VirtualClock()) as road,
        pytest.raises(CredentialError, match=r'user "jane": the old one .* no refresh-token; log in again'),
    ):
        road.round_trip(get())


def test_a_failed_refresh_is_tried_again_by_the_next_request(api: APIServer, provider: IdentityProvider) -> None:
    good = handing_out(api, provider)
    provider.on_refresh = answering(503, {})
    with transport(api, settings(provider), VirtualClock()) as road:
        with pytest.raises(CredentialError):
            road.round_trip(get())
        provider.on_refresh = good
        assert road.round_trip(get()).status == 200


@pytest.mark.parametrize("say", [silent, drip], ids=["silent", "dripping"])
def test_a_provider_that_says_nothing_ends_within_the_time_limit(
    provider: IdentityProvider, say: Callable[[Peer], None]
) -> None:
    provider.on_discovery = say
    patience = Deadline.after(WAIT_S / 2)
    with pytest.raises(CredentialError, match="gave no ID token"):
        alone(settings(provider), timeout_s=0.3).fetch(Cancel())
    assert not patience.has_passed


def test_a_request_waits_for_a_refresh_until_its_own_deadline(api: APIServer, provider: IdentityProvider) -> None:
    provider.on_discovery = silent
    with transport(api, settings(provider), SystemClock()) as road, pytest.raises(DeadlineExceeded):
        road.round_trip(Request("GET", "/api", deadline=Deadline.after(0.2)))


def test_closing_ends_a_refresh_and_those_who_wait_for_it(api: APIServer, provider: IdentityProvider) -> None:
    road = transport(api, settings(provider), VirtualClock())

    def hang(peer: Peer) -> None:
        road.close()
        peer.wait_for_end()

    provider.on_discovery = hang
    with pytest.raises(Cancelled):
        road.round_trip(get())


@pytest.mark.parametrize("context", [certificates.expired_context, certificates.other_name_context])
def test_a_certificate_that_is_not_right_is_never_accepted(
    api: APIServer, context: Callable[[], ssl.SSLContext]
) -> None:
    with (
        identity_provider(tls=context()) as provider,
        transport(api, settings(provider), VirtualClock()) as road,
        pytest.raises(CredentialError, match="certificate is not trusted"),
    ):
        road.round_trip(get())
    assert provider.discoveries == 0


def test_a_provider_is_verified_although_the_cluster_is_not(api: APIServer, provider: IdentityProvider) -> None:
    config = settings(provider)
    del config["idp-certificate-authority-data"]
    made = Transport(
        TransportConfig(
            server=api.url,
            tls=TLSOptions(insecure=True),
            credentials=Credentials(auth_provider=AuthProvider(name="oidc", config=tuple(config.items()))),
        )
    )
    with made as road, pytest.raises(CredentialError, match="certificate is not trusted"):
        road.round_trip(get())


def test_the_proxy_of_the_environment_leads_to_the_provider(api: APIServer) -> None:
    with (
        identity_provider(host="idp.test", tls=certificates.context_for("idp.test")) as provider,
        proxy_server() as proxy,
    ):
        provider.claims = {"exp": NOW_S + 3600}
        provider.on_refresh = handing_out(api, provider)
        credentials = Credentials(auth_provider=AuthProvider(name="oidc", config=tuple(settings(provider).items())))
        config = TransportConfig(server=api.url, tls=TLSOptions(ca_data=api.ca_pem or b""), credentials=credentials)
        with Transport(config, clock=VirtualClock(), environ={"HTTPS_PROXY": proxy.url}) as road:
            assert road.round_trip(get()).status == 200
    assert proxy.seen == [f"CONNECT {provider.issuer.removeprefix('https://').removesuffix('/realm')}"] * 2


def test_the_address_policy_counts_on_the_way_to_the_provider(api: APIServer, provider: IdentityProvider) -> None:
    named = settings(provider, idp_issuer_url="https://idp.test/realm")
    made = Transport(
        TransportConfig(
            server=api.url,
            tls=TLSOptions(ca_data=api.ca_pem or b""),
            credentials=Credentials(auth_provider=AuthProvider(name="oidc", config=tuple(named.items()))),
            address_policy=AddressPolicy.of(deny=["169.254.0.0/16"]),
        ),
        look_up=lambda _host, port: [Address(socket.AF_INET, ("169.254.169.254", port))],
    )
    with made as road, pytest.raises(CredentialError, match="the address policy does not permit it"):
        road.round_trip(get())


# Settings.


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"idp-issuer-url": ""}, "idp-issuer-url: is missing"),
        ({"idp-issuer-url": "http://127.0.0.1/realm"}, "idp-issuer-url: must be an https URL"),
        ({"idp-issuer-url": "https://"}, "idp-issuer-url: is not a URL with a host"),
        ({"idp-issuer-url": "https://[::1"}, "idp-issuer-url: is not a URL"),
        ({"idp-issuer-url": "https://a:0"}, "idp-issuer-url: is not a URL"),
        ({"idp-issuer-url": "https://a\tb"}, "idp-issuer-url: is not a URL"),
        ({"idp-issuer-url": "https://s3cret@a"}, "idp-issuer-url: must not hold a user name"),
        ({"idp-issuer-url": "https://a#b"}, "idp-issuer-url: must not hold a user name, a password or a fragment"),
        ({"idp-issuer-url": "https://a?b"}, "idp-issuer-url: must not hold a query"),
        ({"client-id": ""}, "client-id: is missing"),
        ({"client-secret": "s3cret\ud800"}, "client-secret: holds half of a surrogate pair"),
        ({"refresh-token": ""}, "refresh-token: is missing, and so is id-token"),
        ({"id-token": "s3cret"}, "id-token: cannot be read: it is not a signed JWT"),
        ({"id-token": jwt({"sub": "s3cret"})}, "id-token: cannot be read: its claim exp is missing"),
        ({"idp-certificate-authority-data": "s3cret*"}, "idp-certificate-authority-data: is not base64"),
        ({"idp-certificate-authority-data": "YWJj"}, "certificate-authority-data: the data holds no PEM certificate"),
        (
            {"idp-certificate-authority-data": "", "idp-certificate-authority": "/nowhere"},
            "certificate-authority: cannot read /nowhere",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_named_when_the_transport_is_made(changed: dict[str, str], what: str) -> None:
    good = {"idp-issuer-url": "https://a", "client-id": "b", "refresh-token": "c"}
    config = TransportConfig(
        server="https://127.0.0.1:1",
        credentials=Credentials(auth_provider=AuthProvider(name="oidc", config=tuple({**good, **changed}.items()))),
        user_origin=ORIGIN,
    )
    with pytest.raises(ConfigError) as caught:
        Transport(config)
    assert f'/etc/kubeconfig: user "jane": auth-provider.config: {what}' in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_settings_have_no_secret_in_their_repr(provider: IdentityProvider) -> None:
    config = settings(provider, id_token=provider.token({"exp": NOW_S}))
    read = read_settings(AuthProvider(name="oidc", config=tuple(config.items())), ORIGIN)
    for name in ("client-secret", "refresh-token", "id-token"):
        assert config[name] not in repr(read)


@pytest.mark.parametrize("name", ["gcp", "azure", "openstack", "", "OIDC"])
def test_any_other_provider_is_refused_by_name_with_the_way_out(name: str) -> None:
    for server in ("https://127.0.0.1:1", "http://127.0.0.1:1"):
        config = TransportConfig(
            server=server, credentials=Credentials(auth_provider=AuthProvider(name=name)), user_origin=ORIGIN
        )
        with pytest.raises(
            ConfigError, match=f"'{name}' is not supported, only 'oidc' is; name a credential plugin under exec"
        ):
            Transport(config)


# From a kubeconfig to the API server.


def test_a_client_of_a_kubeconfig_works_with_a_relative_authority_and_writes_nothing(
    api: APIServer, provider: IdentityProvider, tmp_path: pathlib.Path
) -> None:
    now_s = int(SystemClock().wall().timestamp())
    provider.claims = {"sub": "jane", "exp": now_s + 3600}
    provider.rotates = True
    provider.on_refresh = handing_out(api, provider)
    (tmp_path / "idp.pem").write_bytes(certificates.TRUSTING.ca_data)
    config = settings(provider, id_token=provider.token({"sub": "jane", "exp": now_s - 1}), extra_scopes="groups")
    del config["idp-certificate-authority-data"]
    config["idp-certificate-authority"] = "idp.pem"
    path = api.write_kubeconfig(tmp_path / "kubeconfig")
    content = json.loads(path.read_bytes())
    for user in content["users"]:
        user["user"] = {"auth-provider": {"name": "oidc", "config": config}}
    path.write_text(json.dumps(content))
    before = path.read_bytes()
    with Client.from_config(path) as client:
        pods = client.resource("v1/pods", namespace="default")
        assert not pods.list()
        accept(api)  # the token is revoked before it expires
        assert not pods.list()
    assert [form["refresh_token"] for form, _ in provider.refreshes] == [FIRST_REFRESH_TOKEN, "Refresh-1-s3cret"]
    assert path.read_bytes() == before
