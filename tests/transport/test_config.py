"""From a kubeconfig or a pod's files to the configuration of a transport."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
import trustme

from kubeprims.errors import ConfigError
from kubeprims.transport.auth import Credentials
from kubeprims.transport.config import TransportConfig, default_user_agent
from kubeprims.transport.identity import Identity
from kubeprims.transport.message import Request
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport.peer import OK, Peer, serve
from tests.transport.test_kubeconfig import minimal, write

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture(name="account")
def account_fixture(tmp_path: Path) -> Path:
    folder = tmp_path / "serviceaccount"
    write(folder / "token", "abc\n")
    write(folder / "ca.crt", trustme.CA().cert_pem.bytes().decode())
    write(folder / "namespace", "web\n")
    return folder


def test_a_kubeconfig_becomes_a_configuration(tmp_path: Path) -> None:
    path = write(
        tmp_path / "config",
        minimal(
            user="{token: abc}",
            cluster="{server: 'https://a:6443/base/', tls-server-name: k8s, disable-compression: true}",
        ),
    )
    config = TransportConfig.from_config(path)
    assert config.server == "https://a:6443/base/"
    assert config.tls.server_name == "k8s"
    assert config.credentials.token == "abc"
    assert config.disable_compression
    assert (config.context, config.namespace) == ("x", "default")
    assert config.user_origin == (path, 'user "u"')
    assert "abc" not in repr(config)


def test_the_context_that_is_asked_for_is_used(tmp_path: Path) -> None:
    more = "contexts: [{name: y, context: {cluster: c, user: u, namespace: web}}, {name: x, context: {cluster: c}}]"
    content = "\n".join(line for line in minimal().splitlines() if not line.startswith("contexts"))
    config = TransportConfig.from_config(write(tmp_path / "config", f"{content}\n{more}"), context="y")
    assert (config.context, config.namespace) == ("y", "web")


@pytest.mark.parametrize(
    ("user", "cluster", "text"),
    [
        ("{}", "{}", 'cluster "c": server: is missing'),
        ("{}", "{server: 'ftp://a'}", "cluster \"c\": server: must be an http or https URL, not 'ftp://a'"),
        ("{}", "{server: 'a:6443'}", "cluster \"c\": server: must be an http or https URL, not 'a:6443'"),
        ("{}", "{server: 'https://a:x'}", 'cluster "c": server: is not a URL: https://a:x'),
        ("{}", "{server: 'https://u:pw@a'}", 'cluster "c": server: must not hold a user name or password'),
        ("{}", "{server: 'https://a?token=pw'}", 'cluster "c": server: must not hold a query or a fragment: https://a?token=<masked>'),
        ("{}", "{server: 'https://a/b c'}", "cluster \"c\": server: holds characters that a URL must encode: 'https://a/b c'"),  # noqa: E501 - one case, one line
        ("{}", "{server: 'https://a', certificate-authority: no.crt}", 'cluster "c": certificate-authority: cannot read '),  # noqa: E501 - one case, one line
        ("{}", "{server: 'https://a', certificate-authority-data: eHg=}", 'cluster "c": certificate-authority-data: the data holds no PEM certificate'),  # noqa: E501 - one case, one line
        ("{client-certificate: a.crt}", "{server: 'https://a'}", 'user "u": client-key: is missing, and client-certificate is of no use without it'),  # noqa: E501 - one case, one line
        ("{client-key-data: cHc=}", "{server: 'https://a'}", 'user "u": client-certificate: is missing, and client-key is of no use without it'),  # noqa: E501 - one case, one line
        ("{client-key: a.key, client-certificate: a.crt}", "{server: 'https://a'}", 'user "u": client-certificate: cannot read '),  # noqa: E501 - one case, one line
        ("{as-groups: [a]}", "{server: 'https://a'}", 'user "u": as-groups: needs `as`: a user to act as'),
        ("{as-uid: a}", "{server: 'https://a'}", 'user "u": as-uid: needs `as`: a user to act as'),
        ("{as-user-extra: {a: [b]}}", "{server: 'https://a'}", 'user "u": as-user-extra: needs `as`: a user to act as'),
        ("{token: 'p w'}", "{server: 'https://a'}", 'user "u": token: holds white space or characters that no header can carry'),  # noqa: E501 - one case, one line
        ("{username: 'a:b', password: pw}", "{server: 'https://a'}", 'user "u": username: holds a colon, which basic authentication cannot carry'),  # noqa: E501 - one case, one line
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_entry_and_field(tmp_path: Path, user: str, cluster: str, text: str) -> None:
    path = write(tmp_path / "config", minimal(user=user, cluster=cluster))
    with pytest.raises(ConfigError) as caught:
        TransportConfig.from_config(path)
    assert str(caught.value).startswith(f"{path}: {text}")
    assert "pw" not in str(caught.value)


@case("IM-198")
@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("{token: pw, username: jane}", 'user "u": token: cannot be set together with username and password'),
        ("{tokenFile: t, password: pw}", 'user "u": token: cannot be set together with username and password'),
        ("{exec: {command: a}, auth-provider: {name: b}}", 'user "u": exec: cannot be set together with auth-provider'),
    ],
)
def test_two_ways_to_authenticate_are_one_too_many(tmp_path: Path, user: str, text: str) -> None:
    path = write(tmp_path / "config", minimal(user=user))
    with pytest.raises(ConfigError) as caught:
        TransportConfig.from_config(path)
    assert str(caught.value) == f"{path}: {text}"


@case("IM-185")
@pytest.mark.parametrize("field", ["certificate-authority: ca.crt", "certificate-authority-data: eHg="])
def test_trusting_anybody_and_an_authority_contradict_each_other(tmp_path: Path, field: str) -> None:
    cluster = f"{{server: 'https://a', insecure-skip-tls-verify: true, {field}}}"
    path = write(tmp_path / "config", minimal(cluster=cluster))
    with pytest.raises(ConfigError) as caught:
        TransportConfig.from_config(path)
    rule = "insecure-skip-tls-verify: cannot be set together with a certificate authority"
    assert str(caught.value) == f'{path}: cluster "c": {rule}'


@pytest.mark.parametrize(
    ("user", "cluster", "place"),
    [
        ("{auth-provider: {name: gcp}}", "{server: 'https://a'}", "user \"u\": auth-provider: 'gcp' is not supported"),
    ],
)
def test_what_a_transport_cannot_do_is_refused_and_not_skipped(
    tmp_path: Path, user: str, cluster: str, place: str
) -> None:
    path = write(tmp_path / "config", minimal(user=user, cluster=cluster))
    with pytest.raises(ConfigError) as caught:
        Transport(TransportConfig.from_config(path))
    assert str(caught.value).startswith(f"{path}: {place}")
    assert "not support" in str(caught.value)
    assert "pw" not in str(caught.value)


def test_whom_to_act_as_is_kept(tmp_path: Path) -> None:
    user = "{as: jane, as-uid: '7', as-groups: [dev], as-user-extra: {a: [b]}}"
    config = TransportConfig.from_config(write(tmp_path / "config", minimal(user=user)))
    assert config.impersonate == Identity(user="jane", uid="7", groups=("dev",), extra=(("a", ("b",)),))


@case("IM-199")
def test_without_a_context_the_pod_is_asked_and_without_a_pod_it_is_an_error(tmp_path: Path, account: Path) -> None:
    home = {"HOME": str(tmp_path)}
    folder = str(account)
    assert TransportConfig.from_config(environ=home | POD, service_account_directory=folder).context == ""
    with pytest.raises(ConfigError, match=r"~/.kube/config: no configuration"):
        TransportConfig.from_config(environ=home)
    with pytest.raises(ConfigError, match="/no: no configuration"):
        TransportConfig.from_config(environ={"KUBECONFIG": "/no"})
    path = write(tmp_path / ".kube" / "config", minimal())
    assert TransportConfig.from_config(environ=home | POD, service_account_directory=folder).context == "x"
    write(Path(path), minimal().replace("current-context: x", ""))
    assert TransportConfig.from_config(environ=home | POD, service_account_directory=folder).context == ""
    with pytest.raises(ConfigError, match="current-context: is not set"):
        TransportConfig.from_config(environ=home)
    with pytest.raises(ConfigError, match="current-context: is not set"):
        TransportConfig.from_config(path, environ=home | POD)
    with pytest.raises(ConfigError, match='context "y"'):
        TransportConfig.from_config(context="y", environ=home | POD)


def test_a_pod_finds_its_server_token_authority_and_namespace(account: Path) -> None:
    config = TransportConfig.in_cluster(environ=POD, service_account_directory=str(account))
    assert config.server == "https://10.0.0.1:443"
    assert config.tls.ca_file == str(account / "ca.crt")
    assert config.credentials.token_file == str(account / "token")
    assert config.namespace == "web"
    Transport(config).close()


@case("IM-188")
def test_an_ipv6_address_in_a_pod_is_put_in_brackets(account: Path) -> None:
    environ = POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}
    config = TransportConfig.in_cluster(environ=environ, service_account_directory=str(account))
    assert config.server == "https://[fd00::1]:443"
    with Transport(config) as transport:
        assert transport.base_url == "https://[fd00::1]:443"


def test_the_namespace_of_a_pod_is_named_by_its_environment_then_its_file_then_default(account: Path) -> None:
    def namespace(environ: dict[str, str]) -> str:
        return TransportConfig.in_cluster(environ=environ, service_account_directory=str(account)).namespace

    assert namespace(POD | {"POD_NAMESPACE": "ops"}) == "ops"
    (account / "namespace").write_text(" \n")
    assert namespace(POD) == "default"
    (account / "namespace").unlink()
    assert namespace(POD) == "default"


@pytest.mark.parametrize("gone", list(POD))
def test_half_an_address_is_not_a_pod(gone: str) -> None:
    with pytest.raises(ConfigError, match="in-cluster: KUBERNETES_SERVICE_HOST"):
        TransportConfig.in_cluster(environ=POD | {gone: ""})


def test_a_pod_needs_its_token_and_can_do_without_its_authority(
    account: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (account / "ca.crt").write_text("")
    with caplog.at_level(logging.WARNING):
        config = TransportConfig.in_cluster(environ=POD, service_account_directory=str(account))
    assert config.tls.ca_file == ""
    assert "authority cannot be loaded" in caplog.text
    assert not config.tls.insecure
    (account / "token").unlink()
    with pytest.raises(ConfigError, match="in-cluster: tokenFile: cannot read"):
        Transport(config)


@case("IM-196")
def test_overriding_with_insecure_clears_the_authority() -> None:
    config = TransportConfig(server="https://a", tls=TLSOptions(ca_data=b"x", ca_file="y", server_name="n"))
    changed = config.override(insecure=True).tls
    assert (changed.insecure, changed.ca_data, changed.ca_file, changed.server_name) == (True, b"", "", "n")
    with pytest.raises(ConfigError, match="insecure"):
        config.override(insecure=True, ca_file="z")


@case("IM-197")
def test_overriding_the_server_clears_the_name_of_the_old_one() -> None:
    config = TransportConfig(server="https://a", tls=TLSOptions(server_name="n", ca_file="y"))
    changed = config.override(server="https://b")
    assert (changed.server, changed.tls.server_name, changed.tls.ca_file) == ("https://b", "", "y")
    assert config.override(namespace="n").tls.server_name == "n"


def test_overriding_the_authority_clears_insecure_and_its_other_form() -> None:
    config = TransportConfig(server="https://a", tls=TLSOptions(insecure=True))
    changed = config.override(ca_file="new").tls
    assert (changed.insecure, changed.ca_data, changed.ca_file) == (False, b"", "new")
    changed = config.override(ca_file="new").override(ca_data=b"data").tls
    assert (changed.ca_data, changed.ca_file) == (b"data", "")
    assert not config.override(insecure=False).tls.insecure


def test_overriding_the_certificate_replaces_both_forms() -> None:
    tls = TLSOptions(certificate_data=b"c", key_data=b"k")
    changed = TransportConfig(server="https://a", tls=tls).override(certificate=("c", "k")).tls
    assert (changed.certificate_data, changed.key_data) == (b"", b"")
    assert (changed.certificate_file, changed.key_file) == ("c", "k")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("dial_timeout_s", 0),
        ("tls_handshake_timeout_s", -1),
        ("keep_alive_s", float("nan")),
        ("idle_timeout_s", 0),
        ("idle_connections_max", -1),
        ("user_agent", "a\r\nb"),
        ("user_agent", "ä"),
    ],
)
def test_an_option_out_of_range_is_named(option: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        TransportConfig(server="https://a", **{option: value})  # type: ignore[arg-type]
    assert caught.value.field == option


def test_secrets_of_a_configuration_have_no_repr() -> None:
    config = TransportConfig(
        server="https://a",
        tls=TLSOptions(certificate_data=b"s3cret", key_data=b"s3cret"),
        credentials=Credentials(username="u", password="s3cret"),
        proxy_url="http://u:s3cret@p",
        impersonate=Identity(user="u", extra=(("token", ("s3cret",)),)),
    )
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        (["/usr/bin/operator.py"], "operator.py"),
        (["/lib/site-packages/my_op/__main__.py"], "my_op"),
        (["-c"], "c"),
        ([""], "python"),
        ([], "python"),
        (["/x/my op (2)"], "my-op-2"),
    ],
)
def test_the_user_agent_names_program_platform_and_us(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], program: str
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    agent = default_user_agent()
    assert agent.startswith(f"{program}/unknown (linux/")
    assert " kubeprims/" in agent


def test_a_certificate_in_bytes_and_a_token_replace_all_that_stood_in_their_place() -> None:
    old = TransportConfig(
        server="https://a",
        tls=TLSOptions(certificate_file="c", key_file="k"),
        credentials=Credentials(username="u", password="p"),
    )
    changed = old.override(certificate=(b"C", b"K"), token="t")
    assert (changed.tls.certificate_data, changed.tls.key_data) == (b"C", b"K")
    assert (changed.tls.certificate_file, changed.tls.key_file) == ("", "")
    assert changed.credentials == Credentials(token="t")
    assert old.override(token="").credentials == Credentials()
    with pytest.raises(ConfigError, match="two file names"):
        old.override(certificate=("c", b"K"))  # type: ignore[arg-type] # what is refused


@case("IM-189")
def test_the_identity_of_a_kubeconfig_goes_with_every_request_of_rest(tmp_path: Path) -> None:
    asked: list[dict[str, str]] = []

    def note(peer: Peer) -> None:
        while (request := peer.read_request())[0]:
            asked.append({name: value for name, value in request[1].items() if name.startswith("impersonate")})
            peer.send(OK)

    user = "{as: jane, as-uid: '7', as-groups: [dev], as-user-extra: {example.org/a: [b]}}"
    with serve(note) as server:
        cluster = f"{{server: 'http://127.0.0.1:{server.port}'}}"
        path = write(tmp_path / "config", minimal(user=user, cluster=cluster))
        with Transport(TransportConfig.from_config(path)) as transport:
            for method in ("GET", "POST", "DELETE"):
                transport.round_trip(Request(method, "/api/v1/pods")).drain()
    who = {"impersonate-user": "jane", "impersonate-uid": "7", "impersonate-group": "dev"}
    assert asked == [{**who, "impersonate-extra-example.org%2fa": "b"}] * 3
