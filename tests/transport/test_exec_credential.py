"""Credential plugins: small programs that are really run."""

from __future__ import annotations

import base64
import json
import logging
import os
import pathlib
import pty
import shutil
import ssl
import sys
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.clock import Clock
from kubeprims.errors import Cancelled, ConfigError, ConnectError, CredentialError, DeadlineExceeded
from kubeprims.testing import APIServer, User
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel
from kubeprims.transport.auth import Credentials
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.credential import RENEWAL_INTERVAL_S
from kubeprims.transport.exec_credential import HINTS_PER_HOUR_MAX, ExecAuthenticator, ExecSettings, clean_hint
from kubeprims.transport.exec_output import V1, V1BETA1, ClusterInfo
from kubeprims.transport.exec_policy import ExecPolicy, find_program
from kubeprims.transport.kubeconfig import ExecPlugin
from kubeprims.transport.message import Headers
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport import certificates
from tests.transport.peer import OK, WAIT_S, Peer, answer, get, serve


def plugin(folder: pathlib.Path, code: str, **options: object) -> ExecPlugin:
    """Return a plugin of that code; it counts its runs."""
    script = folder / "plugin.py"
    count = f"open({str(folder / 'runs')!r}, 'a').write('x')"
    script.write_text(f"import json, os, sys, time\n{count}\n{code}\n")
    fields: dict[str, object] = {"api_version": V1, "interactive_mode": "Never"} | options
    return ExecPlugin(command=sys.executable, args=(str(script),), **fields)  # type: ignore[arg-type]


def printing(status: object, version: str = V1) -> str:
    content = {"kind": "ExecCredential", "apiVersion": version, "status": status}
    return f"print({json.dumps(content)!r})"


def printing_content_of(path: pathlib.Path) -> str:
    status = f"{{'token': open({str(path)!r}).read()}}"
    return f"print(json.dumps({{'kind': 'ExecCredential', 'apiVersion': {V1!r}, 'status': {status}}}))"


def runs(folder: pathlib.Path) -> int:
    return len((folder / "runs").read_text())


def transport(port: int, made: ExecPlugin, *, clock: Clock | None = None, **options: object) -> Transport:
    return Transport(
        TransportConfig(
            server=f"https://127.0.0.1:{port}",
            tls=TLSOptions(ca_data=certificates.TRUSTING.ca_data),
            credentials=Credentials(exec_plugin=made),
            **options,  # type: ignore[arg-type]
        ),
        clock=clock,
    )


def config_for(server: APIServer, made: ExecPlugin) -> TransportConfig:
    trusting = TLSOptions(ca_data=server.ca_pem or b"")
    return TransportConfig(server=server.url, tls=trusting, credentials=Credentials(exec_plugin=made))


def road_to(server: APIServer, made: ExecPlugin, *, clock: Clock | None = None) -> Transport:
    return Transport(config_for(server, made), clock=clock)


def authenticator(
    made: ExecPlugin, *, settings: ExecSettings | None = None, clock: Clock | None = None
) -> ExecAuthenticator:
    return ExecAuthenticator(
        made, cluster=ClusterInfo(server="https://a"), clock=clock or VirtualClock(), settings=settings
    )


def together(count: int, ask: Callable[[], int]) -> list[int]:
    with ThreadPoolExecutor(count) as pool:
        return [waiting.result(WAIT_S) for waiting in [pool.submit(ask) for _ in range(count)]]


@case("IM-169")
def test_twenty_threads_share_one_run(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, printing({"token": "abc"}))
    with serve(answer(OK), tls=certificates.server_context()) as server, transport(server.port, made) as road:
        assert together(20, lambda: road.round_trip(get()).status) == [200] * 20
    assert runs(tmp_path) == 1


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("print('garbage')", "not a JSON object"),
        ("", "printed nothing"),
        ("open('/dev/tty')", "exit code 1"),
        ("sys.stdout.write('x' * 2000000)", "printed more than"),
    ],
)
def test_a_plugin_that_gives_nothing_is_one_named_error(tmp_path: pathlib.Path, code: str, what: str) -> None:
    made = plugin(tmp_path, code)
    with transport(1, made) as road, pytest.raises(CredentialError, match=what) as caught:
        road.round_trip(get())
    assert "the credential plugin" in str(caught.value)


def test_a_plugin_that_hangs_is_ended(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, "time.sleep(600)")
    with transport(1, made, exec_timeout_s=0.3) as road, pytest.raises(CredentialError, match="did not end in time"):
        road.round_trip(get())


@case("IM-168")
def test_a_mode_must_be_named_and_always_needs_a_terminal(tmp_path: pathlib.Path) -> None:
    for mode, what in (("", "is missing"), ("Sometimes", "must be one of")):
        with pytest.raises(ConfigError, match=what):
            transport(1, plugin(tmp_path, "", interactive_mode=mode))
    with pathlib.Path(os.devnull).open("rb") as nothing, pytest.raises(ConfigError, match="not a terminal"):
        ExecAuthenticator(
            plugin(tmp_path, "", interactive_mode="Always"),
            cluster=ClusterInfo(server="https://a"),
            clock=VirtualClock(),
            settings=ExecSettings(stdin=nothing.fileno()),
        )


@case("IM-172")
def test_a_policy_decides_which_plugins_run(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, printing({"token": "abc"}))
    for policy in (ExecPolicy.deny_all(), ExecPolicy.allowlist("/bin/sh", "no-such-plugin")):
        with pytest.raises(ConfigError, match="policy"):
            transport(1, made, exec_policy=policy)
    transport(1, made, exec_policy=ExecPolicy.allowlist(sys.executable)).close()
    assert ExecPolicy.allowlist("sh").permits(str(shutil.which("sh")))
    assert not ExecPolicy.allowlist("sh").permits("/elsewhere/sh")


CLIENT_PEM = {
    "clientCertificateData": b"".join(blob.bytes() for blob in certificates.CLIENT.cert_chain_pems).decode(),
    "clientKeyData": certificates.CLIENT.private_key_pem.bytes().decode(),
}


@pytest.mark.parametrize("version", [V1, V1BETA1])
@pytest.mark.parametrize(("with_token", "with_certificate"), [(True, False), (True, True), (False, True)])
@case("IM-167")
def test_token_and_certificate_go_to_the_server(
    tmp_path: pathlib.Path, version: str, *, with_token: bool, with_certificate: bool
) -> None:
    status = ({"token": "abc"} if with_token else {}) | (CLIENT_PEM if with_certificate else {})
    mode = "" if version == V1BETA1 else "IfAvailable"
    made = plugin(tmp_path, printing(status, version), api_version=version, interactive_mode=mode)
    shown: list[bool] = []
    said: list[str | None] = []

    def script(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        shown.append(bool(peer.sock.getpeercert()))
        said.append(peer.read_request()[1].get("authorization"))
        peer.send(OK)

    context = certificates.mutual_context() if with_certificate else certificates.server_context()
    with serve(script, tls=context) as server, transport(server.port, made) as road:
        road.round_trip(get()).drain()
    assert (said, shown) == (["Bearer abc" if with_token else None], [with_certificate])


BAD_CERTIFICATE = printing({**CLIENT_PEM, "clientCertificateData": "-----BEGIN CERTIFICATE-----\nx"})


@pytest.mark.parametrize(
    ("code", "what"),
    [
        pytest.param(BAD_CERTIFICATE, "client certificate that cannot be used", id="bad cert"),
        pytest.param(printing({"clientCertificateData": "x"}), "and not the other", id="cert without key"),
        pytest.param(printing(None), "gave no status", id="no status"),
        pytest.param(printing({}), "neither a token nor", id="no token"),
        pytest.param(printing({"token": "a"}, V1BETA1), "is configured to speak", id="wrong version"),
        pytest.param("sys.exit(1)", "exit code 1", id="exit 1"),
    ],
)
@case("IM-167")
def test_what_is_no_credential_is_refused(tmp_path: pathlib.Path, code: str, what: str) -> None:
    with transport(1, plugin(tmp_path, code)) as road, pytest.raises(CredentialError, match=what):
        road.round_trip(get())


@case("IM-167")
def test_a_plugin_that_is_not_there_is_named_with_its_hint(tmp_path: pathlib.Path) -> None:
    made = ExecPlugin(
        command=str(tmp_path / "no such"), api_version=V1, interactive_mode="Never", install_hint="get\x1b[31m it\x07"
    )
    what = r"no such' is not installed, or cannot be run; get it"
    with transport(1, made) as road, pytest.raises(CredentialError, match=what):
        road.round_trip(get())


def test_an_unknown_version_is_refused_at_once(tmp_path: pathlib.Path) -> None:
    for version, what in (("client.authentication.k8s.io/v1alpha1", "spoken here"), ("", "is missing")):
        with pytest.raises(ConfigError, match=what):
            transport(1, plugin(tmp_path, "", api_version=version))
    for name in ("", "a=b", "a\0"):
        with pytest.raises(ConfigError, match="no environment can hold"):
            transport(1, plugin(tmp_path, "", env=((name, "x"),)))
    with pytest.raises(ConfigError, match=r"no environment can hold: 'KEY'$"):  # who writes this has put a secret there
        transport(1, plugin(tmp_path, "", env=(("KEY=s3cret", ""),)))
    with pytest.raises(ConfigError, match="provideClusterInfo"):
        transport(1, plugin(tmp_path, "", provide_cluster_info=True, cluster_config="\ud800"))


@pytest.mark.parametrize("status", [{"token": "abc"}, CLIENT_PEM], ids=["token", "certificate"])
@case("IM-170")
def test_what_has_always_expired_is_used_on_one_connection(tmp_path: pathlib.Path, status: dict[str, str]) -> None:
    made = plugin(tmp_path, printing({**status, "expirationTimestamp": "2020-01-01T00:00:00Z"}))
    clock = VirtualClock()
    with (
        serve(answer(OK), tls=certificates.server_context()) as server,
        transport(server.port, made, clock=clock) as road,
    ):
        for _ in range(5):
            road.round_trip(get()).drain()
        assert (runs(tmp_path), server.connections) == (1, 1)
        clock.advance(RENEWAL_INTERVAL_S)
        for _ in range(5):
            road.round_trip(get()).drain()
        assert (runs(tmp_path), server.connections) == (2, 1)


def test_it_runs_again_when_the_credential_expires(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, printing({"token": "abc", "expirationTimestamp": "2026-01-01T01:00:00Z"}))
    clock = VirtualClock()
    with (
        APIServer(tls=True, tokens={"abc": User("jane")}) as server,
        road_to(server, made, clock=clock) as road,
    ):
        for elapsed_s, count in ((3599.0, 1), (1.0, 2)):
            assert road.round_trip(get()).status == 200
            clock.advance(elapsed_s)
            assert road.round_trip(get()).status == 200
            assert runs(tmp_path) == count


def test_refused_credentials_are_renewed_once_for_all_who_were_refused(tmp_path: pathlib.Path) -> None:
    token = tmp_path / "token"
    made = plugin(tmp_path, printing_content_of(token))
    with APIServer(tls=True, tokens={"first": User("jane")}) as server, road_to(server, made) as road:
        for generation, name in enumerate(("first", "second", "third"), start=1):
            token.write_text(name)
            server.set_tokens({name: User("jane")})
            assert together(8, lambda: road.round_trip(get()).status) == [200] * 8
            assert runs(tmp_path) == generation


def test_a_refusal_that_nothing_helps_is_the_answer_and_asks_no_more(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, printing({"token": "wrong"}))
    clock = VirtualClock()
    with APIServer(tls=True, tokens={"abc": User("jane")}) as server, road_to(server, made, clock=clock) as road:
        assert [road.round_trip(get()).status for _ in range(5)] == [401] * 5
        assert runs(tmp_path) == 2
        clock.advance(RENEWAL_INTERVAL_S)
        assert road.round_trip(get()).status == 401
        assert runs(tmp_path) == 3


def test_a_request_with_an_authorization_of_its_own_runs_nothing(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, "sys.exit(1)")
    with APIServer(tls=True, tokens={"abc": User("jane")}) as server, road_to(server, made) as road:
        mine = replace(get(), headers=Headers([("Authorization", "Bearer abc")]))
        assert road.round_trip(mine).status == 200
    assert not (tmp_path / "runs").exists()


def test_a_token_or_a_certificate_of_the_configuration_comes_before_a_plugin(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, "sys.exit(1)")
    with APIServer(tls=True, tokens={"abc": User("jane")}) as server:
        settings = config_for(server, made)
        for other in (
            replace(settings, credentials=Credentials(token="abc", exec_plugin=made)),
            replace(settings, tls=certificates.WITH_CERTIFICATE, server="https://127.0.0.1:1"),
        ):
            with Transport(other) as road:
                if other.credentials.token:
                    assert road.round_trip(get()).status == 200
                else:
                    with pytest.raises(ConnectError):
                        road.round_trip(get())
    assert not (tmp_path / "runs").exists()


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: k, user: u}}}}]
clusters:
- name: k
  cluster:
    server: {server}
    certificate-authority-data: {ca}
    tls-server-name: localhost
    extensions:
    - name: client.authentication.k8s.io/exec
      extension: {{audience: [x]}}
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      interactiveMode: Never
      command: ./bin/plugin
      provideClusterInfo: {told}
      env: [{{name: EXTRA, value: more}}]
"""


@pytest.mark.parametrize("told", [True, False])
@case("IM-193")
def test_a_kubeconfig_names_a_program_beside_it_and_says_what_it_is_told(tmp_path: pathlib.Path, told: bool) -> None:  # noqa: FBT001 - a parameter of the cases
    program = tmp_path / "bin" / "plugin"
    program.parent.mkdir()
    seen = tmp_path / "seen"
    keep = f"open({str(seen)!r}, 'w').write(os.environ['KUBERNETES_EXEC_INFO'] + '\\n' + os.environ['EXTRA'])"
    program.write_text(f"#!{sys.executable} -S\nimport os\n{keep}\n{printing({'token': 'abc'})}\n")
    program.chmod(0o700)
    with APIServer(tls=True, tokens={"abc": User("jane")}) as server:
        ca = base64.b64encode(server.ca_pem or b"").decode()
        path = tmp_path / "config"
        path.write_text(KUBECONFIG.format(server=server.url, ca=ca, told=str(told).lower()))
        with Transport(TransportConfig.from_config(path)) as road:
            assert road.round_trip(get()).status == 200
    info, extra = seen.read_text().splitlines()
    expected: dict[str, object] = {"interactive": False}
    if told:
        expected["cluster"] = {
            "server": server.url,
            "tls-server-name": "localhost",
            "certificate-authority-data": ca,
            "config": {"audience": ["x"]},
        }
    assert json.loads(info) == {"kind": "ExecCredential", "apiVersion": V1, "spec": expected}
    assert extra == "more"


def test_a_program_of_a_bare_name_is_looked_for_in_the_path_alone(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here/plugin", "path/plugin", "path/folder/x", "path/dull"):
        program = tmp_path / name
        program.parent.mkdir(exist_ok=True, parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o600 if name.endswith("dull") else 0o700)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}")
    assert find_program("plugin") == str(tmp_path / "path/plugin")
    assert find_program("./plugin") == str(tmp_path / "here/plugin")
    for missing in ("dull", "folder", "none", str(tmp_path / "path/folder"), str(tmp_path / "path/dull")):
        assert find_program(missing) is None
    monkeypatch.setenv("PATH", ".")
    assert find_program("plugin") is None


@pytest.mark.parametrize("commands", [(), ("",), ("./a",), ("a/b",), ("/a/../b",), ("/a//b",)])
def test_an_allowlist_holds_names_and_whole_paths(commands: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="exec_policy"):
        ExecPolicy.allowlist(*commands)


def test_a_program_that_the_policy_no_longer_knows_does_not_run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plugin").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path / "one"))
    policy = ExecPolicy.allowlist(str(tmp_path / "one" / "plugin"))
    made = ExecPlugin(command="plugin", api_version=V1, interactive_mode="Never")
    asked = authenticator(made, settings=ExecSettings(policy=policy))
    monkeypatch.setenv("PATH", str(tmp_path / "two"))
    with pytest.raises(CredentialError, match="may not run: the policy does not allow it"):
        asked.fetch(Cancel())


def test_who_gives_up_leaves_the_run_to_the_others(tmp_path: pathlib.Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    made = plugin(tmp_path, f"open({str(gate)!r}).read()\n{printing({'token': 'abc'})}")
    cancel = Cancel()
    cancel.set()
    with APIServer(tls=True, tokens={"abc": User("jane")}) as server, road_to(server, made) as road:
        with pytest.raises(DeadlineExceeded, match=r"sent: the credential plugin .* takes too long"):
            road.round_trip(get(timeout_s=0.1))
        with pytest.raises(Cancelled):
            road.round_trip(get(cancel=cancel))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(lambda: road.round_trip(get()).status)
            gate.write_text("go")
            assert waiting.result(WAIT_S) == 200
    assert runs(tmp_path) == 1


def test_closing_ends_a_plugin_that_runs(tmp_path: pathlib.Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    made = plugin(tmp_path, f"open({str(gate)!r}, 'w').write('x')\ntime.sleep(600)")
    with ThreadPoolExecutor(1) as pool:
        with transport(1, made) as road:
            waiting = pool.submit(lambda: road.round_trip(get(timeout_s=None)))
            assert gate.read_text() == "x"
        with pytest.raises(Cancelled):
            waiting.result(WAIT_S)


def test_transports_of_one_origin_share_the_credential(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, printing({**CLIENT_PEM, "token": "abc"}))
    with serve(answer(OK), tls=certificates.mutual_context()) as server, transport(server.port, made) as road:
        assert road.round_trip(get()).status == 200
        with road.with_options() as derived:
            assert derived.round_trip(get()).status == 200
    assert runs(tmp_path) == 1


def test_a_hint_holds_nothing_that_a_terminal_acts_on() -> None:
    colours_and_titles = " a\x1b[31;1mred\x1b[0m \x1b]0;title\x07b\x1b]8;;x\x1b\\c\x1b(Bd"
    assert clean_hint(f"{colours_and_titles}\x9b\x00\r\te\nf ") == "ared bcd\te\nf"
    assert clean_hint("\x1b]0;never ends") == ""


@given(st.text(alphabet=st.sampled_from("\x1b[]()0;mB\\\x07\x9b\r\n\tab") | st.characters()))
def test_no_hint_holds_a_control_character(text: str) -> None:
    cleaned = clean_hint(text)
    assert not [letter for letter in cleaned if unicodedata.category(letter) == "Cc" and letter not in "\n\t"]


def test_the_hint_is_given_ten_times_an_hour(tmp_path: pathlib.Path) -> None:
    clock = VirtualClock()
    made = ExecPlugin(command=str(tmp_path / "none"), api_version=V1, interactive_mode="Never", install_hint="get it")
    asked = authenticator(made, clock=clock)

    def hints() -> int:
        found = 0
        for _ in range(HINTS_PER_HOUR_MAX + 3):
            with pytest.raises(CredentialError) as caught:
                asked.fetch(Cancel())
            found += "get it" in str(caught.value)
        return found

    assert hints() == HINTS_PER_HOUR_MAX
    assert hints() == 0
    clock.advance(3600)
    assert hints() == HINTS_PER_HOUR_MAX


def test_it_may_ask_where_there_is_a_terminal(tmp_path: pathlib.Path) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"s3cret\n")
        credential = f"{{'kind': 'ExecCredential', 'apiVersion': {V1!r}, 'status': {{'token': input()}}}}"
        ask = f"print(json.dumps({credential}))"
        made = plugin(tmp_path, ask, interactive_mode="Always")
        assert authenticator(made, settings=ExecSettings(stdin=theirs)).fetch(Cancel()).token == "s3cret"
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    "code",
    [
        printing({"token": "s3cret"}),
        printing({"token": "s3cret s3cret"}),
        printing({**CLIENT_PEM, "clientKeyData": "s3cret"}),
        printing({"token": "t", "expirationTimestamp": "s3cret"}),
        "print('s3cret')",
        "print('s3cret'); sys.exit(1)",
    ],
)
def test_nothing_that_a_plugin_knows_is_shown(
    tmp_path: pathlib.Path, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = plugin(tmp_path, code, env=(("SECRET", "s3cret"),))
    made = replace(made, args=(*made.args, "--password=s3cret"))
    shown: list[object] = []
    with APIServer(tls=True, tokens={"abc": User("jane")}) as server, road_to(server, made) as road:
        shown += [road.config, road.config.credentials, made, ExecSettings(environ={"A": "s3cret"})]
        try:
            road.round_trip(get()).drain()
        except CredentialError as error:
            shown += [error, str(error), error.__cause__, error.__context__]
    shown += [vars(record) for record in caplog.records]
    assert "s3cret" not in repr(shown) + caplog.text
