"""Credential plugins: small programs that are really run."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys
import threading

import pytest

from kubeprims.errors import ConfigError, CredentialError
from kubeprims.testing.clock import VirtualClock
from kubeprims.transport.auth import Credentials
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.exec_credential import ExecAuthenticator, ExecSettings
from kubeprims.transport.exec_output import ClusterInfo
from kubeprims.transport.exec_policy import ExecPolicy
from kubeprims.transport.kubeconfig import ExecPlugin
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport import certificates
from tests.transport.peer import OK, answer, get, serve

V1 = "client.authentication.k8s.io/v1"


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


def transport(port: int, made: ExecPlugin, **options: object) -> Transport:
    return Transport(
        TransportConfig(
            server=f"https://127.0.0.1:{port}",
            tls=TLSOptions(ca_data=certificates.TRUSTING.ca_data),
            credentials=Credentials(exec_plugin=made),
            **options,  # type: ignore[arg-type]
        )
    )


@case("IM-169")
def test_twenty_threads_share_one_run(tmp_path: pathlib.Path) -> None:
    made = plugin(tmp_path, printing({"token": "abc"}))
    with serve(answer(OK), tls=certificates.server_context()) as server, transport(server.port, made) as road:
        seen: list[int] = []

        def ask() -> None:
            seen.append(road.round_trip(get()).status)

        threads = [threading.Thread(target=ask) for _ in range(20)]  # noqa: TID251 - twenty callers
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert seen == [200] * 20
    assert (tmp_path / "runs").read_text() == "x"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("print('garbage')", "not a JSON object"),
        ("", "printed nothing"),
        (printing(None), "no status"),
        (printing({}), "neither a token"),
        (printing({"clientCertificateData": "x"}), "not the other"),
        (printing({"clientCertificateData": "x", "clientKeyData": "y"}), "cannot be used"),
        (printing({"token": "a"}, "client.authentication.k8s.io/v1beta1"), "answered in"),
        ("sys.exit(1)", "exit code 1"),
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
