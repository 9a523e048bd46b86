"""Our candidates and client-go's contend for one Lease on a real server."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import pytest

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.elector import LeaderElector
from kubeprims.leaderelection.locks import LeaseLock
from tests.leaderelection.electing import Heard, running
from tests.real.cluster import RealCluster
from tests.waiting import eventually

SOURCE = pathlib.Path(__file__).with_name("clientgo-candidate")
NAMESPACE = "default"
NAME = "between-two"
OURS = ElectionConfig(lease_duration_s=3.0, renew_deadline_s=2.0, retry_period_s=0.5)
BUILD_S = 200.0
TIMEOUT_S = 20.0


@pytest.fixture(scope="session")
def candidate_binary(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """client-go's candidate, built from its module."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go to build client-go's candidate with")
    binary = tmp_path_factory.mktemp("clientgo") / "candidate"
    command = [go, "build", "-trimpath", "-buildvcs=false", "-o", str(binary), "."]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    built = subprocess.run(
        command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    if built.returncode:
        pytest.skip(f"client-go's candidate cannot be built here: {built.stderr.strip().splitlines()[-1]}")
    return binary


class GoCandidate:
    """A process of client-go's elector, and what it says."""

    def __init__(self, binary: pathlib.Path, kubeconfig: pathlib.Path, log: pathlib.Path, *, releases: bool) -> None:
        self._log = log
        self._command = [
            str(binary), "-kubeconfig", str(kubeconfig), "-namespace", NAMESPACE, "-name", NAME, "-identity", log.name,
            f"-release={str(releases).lower()}",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.DEVNULL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def moment_of(self, what: str) -> float:
        """Wait until the candidate has said something; return when it did."""
        return eventually(lambda: self._said(what), TIMEOUT_S, f"{what} of {self._log.name}")

    def _said(self, what: str) -> float:
        lines = [line.partition(" ") for line in self._log.read_text().splitlines()]
        return next((float(at) for at, _, said in lines if said == what), 0.0)

    def terminate(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(TIMEOUT_S)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(TIMEOUT_S)


@pytest.fixture
def kubeconfig(real_cluster: RealCluster, tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(real_cluster.kubeconfig()))
    return path


@pytest.fixture
def client(kubeconfig: pathlib.Path) -> Iterator[Client]:
    with Client.from_config(kubeconfig) as made:
        yield made
        made.resource("coordination.k8s.io/v1/leases", NAMESPACE).delete(NAME)


def holder(client: Client) -> tuple[object, object]:
    """Return who holds the lease, and how often it has changed hands."""
    spec = client.resource("coordination.k8s.io/v1/leases", NAMESPACE).get(NAME)["spec"]
    return spec["holderIdentity"], spec["leaseTransitions"]


def our_elector(client: Client, identity: str, heard: Heard, *, releases: bool = True) -> LeaderElector:
    lock = LeaseLock(client, namespace=NAMESPACE, name=NAME, identity=identity)
    return LeaderElector(
        lock, config=OURS, release_on_cancel=releases,
        on_started_leading=heard.started, on_stopped_leading=heard.stopped, on_new_leader=heard.new_leader,
    )  # fmt: skip


def test_a_lease_that_is_released_goes_from_one_to_the_other_and_back(
    candidate_binary: pathlib.Path, kubeconfig: pathlib.Path, client: Client, tmp_path: pathlib.Path
) -> None:
    heard = Heard()
    elector = our_elector(client, "ours", heard)
    with GoCandidate(candidate_binary, kubeconfig, tmp_path / "go-1", releases=True) as first:
        first.moment_of("started go-1")
        assert holder(client) == ("go-1", 0)
        with running(elector):
            heard.wait_for("leader go-1")
            assert not elector.is_leading()
            first.terminate()
            heard.wait_for("started")
            assert holder(client) == ("ours", 1)
            with GoCandidate(candidate_binary, kubeconfig, tmp_path / "go-2", releases=True) as second:
                second.moment_of("leader ours")
                elector.stop()
                second.moment_of("started go-2")
                assert holder(client) == ("go-2", 2)
                assert "stopped" in heard.log


def test_a_lease_of_one_who_is_killed_is_waited_out_by_the_other(
    candidate_binary: pathlib.Path, kubeconfig: pathlib.Path, client: Client, tmp_path: pathlib.Path
) -> None:
    heard = Heard()
    elector = our_elector(client, "ours", heard, releases=False)
    with GoCandidate(candidate_binary, kubeconfig, tmp_path / "go-1", releases=True) as first, running(elector):
        first.moment_of("started go-1")
        heard.wait_for("leader go-1")
        first.kill()
        seen = client.resource("coordination.k8s.io/v1/leases", NAMESPACE).get(NAME)["spec"]["renewTime"]
        heard.wait_for("started")
        taken = client.resource("coordination.k8s.io/v1/leases", NAMESPACE).get(NAME)["spec"]["acquireTime"]
        assert seconds(taken) - seconds(seen) >= OURS.written_duration_s
        with GoCandidate(candidate_binary, kubeconfig, tmp_path / "go-2", releases=True) as second:
            second.moment_of("leader ours")
            elector.stop()
            heard.wait_for("stopped")
            stopped_s = SystemClock().monotonic()
            assert second.moment_of("started go-2") - stopped_s > 1.0
            assert holder(client) == ("go-2", 2)


def seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()
