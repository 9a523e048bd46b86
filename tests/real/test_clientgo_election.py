"""Our candidates and client-go's contend for one lock on a real server."""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import pytest

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.errors import NotFound
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.elector import LeaderElector
from tests.leaderelection.electing import Heard, running
from tests.leaderelection.locking import NAME, NAMESPACE, RESOURCES, a_lock
from tests.parity import case
from tests.real.cluster import RealCluster, find_assets
from tests.waiting import eventually

SOURCE = pathlib.Path(__file__).with_name("clientgo-candidate")
LEASES = "leases"
OURS = ElectionConfig(lease_duration_s=3.0, renew_deadline_s=2.0, retry_period_s=0.5)
BUILD_S = 200.0
TIMEOUT_S = 20.0


Build = Callable[[str], pathlib.Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds client-go's candidate from the modules that a file names, once each."""
    folder = tmp_path_factory.mktemp("clientgo")
    return functools.cache(lambda modules: _build(modules, folder / modules))


def _build(modules: str, binary: pathlib.Path) -> pathlib.Path:
    assets = find_assets()
    built_before = None if assets is None else assets / f"clientgo-candidate-{modules.removesuffix('.mod')}"
    if built_before is not None and built_before.is_file():
        return built_before
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go to build client-go's candidate with")
    command = [go, "build", f"-modfile={modules}", "-trimpath", "-buildvcs=false", "-o", str(binary), "."]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    try:
        built = subprocess.run(
            command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("client-go's candidate takes too long to build here; tests/real/build.sh takes its time")
    if built.returncode:
        pytest.skip(f"client-go's candidate cannot be built here: {built.stderr.strip().splitlines()[-1]}")
    return binary


class GoCandidate:
    """A process of client-go's elector, and what it says."""

    def __init__(self, binary: pathlib.Path, kubeconfig: pathlib.Path, log: pathlib.Path, kind: str = LEASES) -> None:
        self._log = log
        self._command = [
            str(binary), "-kubeconfig", str(kubeconfig), "-namespace", NAMESPACE, "-name", NAME, "-identity", log.name,
            "-kind", kind,
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
        for resource in {name for names in RESOURCES.values() for name in names}:
            with contextlib.suppress(NotFound):
                made.resource(resource, NAMESPACE).delete(NAME)


def holder(client: Client, kind: str = LEASES) -> tuple[str, int]:
    """Return who holds the lock, and how often it has changed hands."""
    record = a_lock(kind, client, "nobody").get().record
    assert record is not None
    return record.holder_identity, record.leader_transitions


def our_elector(client: Client, heard: Heard, kind: str = LEASES, *, releases: bool = True) -> LeaderElector:
    return LeaderElector(
        a_lock(kind, client, "ours"), config=OURS, release_on_cancel=releases,
        on_started_leading=heard.started, on_stopped_leading=heard.stopped, on_new_leader=heard.new_leader,
    )  # fmt: skip


@case("LE-A43")
@pytest.mark.parametrize(
    ("modules", "kind"),
    [("go.mod", LEASES), *(("go-0.23.mod", kind) for kind in RESOURCES)],
    ids=lambda value: value,
)
def test_a_lock_that_is_released_goes_from_one_to_the_other_and_back(
    modules: str, kind: str, build: Build, kubeconfig: pathlib.Path, client: Client, tmp_path: pathlib.Path
) -> None:
    """client-go 0.23 is the last one that has all kinds."""
    binary, heard = build(modules), Heard()
    elector = our_elector(client, heard, kind)
    with GoCandidate(binary, kubeconfig, tmp_path / "go-1", kind) as first:
        first.moment_of("started go-1")
        before = holder(client, kind)[1]
        assert holder(client, kind) == ("go-1", before)
        with running(elector):
            heard.wait_for("leader go-1")
            assert not elector.is_leading()
            first.terminate()
            heard.wait_for("started")
            assert holder(client, kind) == ("ours", before + 1)
            with GoCandidate(binary, kubeconfig, tmp_path / "go-2", kind) as second:
                second.moment_of("leader ours")
                elector.stop()
                second.moment_of("started go-2")
                assert holder(client, kind) == ("go-2", before + 2)
                assert "stopped" in heard.log


@case("LE-A43")
def test_an_old_kind_and_leases_without_the_step_between_elect_two_leaders(
    build: Build, kubeconfig: pathlib.Path, client: Client, tmp_path: pathlib.Path
) -> None:
    """The pair that must not be mixed; with the lock of both in between, nobody else leads."""
    heard, careful = Heard(), Heard()
    with GoCandidate(build("go-0.23.mod"), kubeconfig, tmp_path / "go-1", "configmaps") as old:
        old.moment_of("started go-1")
        with running(our_elector(client, careful, "configmapsleases")):
            careful.wait_for("leader go-1")
        assert not careful.terms
        with running(our_elector(client, heard)):
            heard.wait_for("started")
            assert holder(client, "configmaps")[0] == "go-1"
            assert holder(client)[0] == "ours"


def test_a_lease_of_one_who_is_killed_is_waited_out_by_the_other(
    build: Build, kubeconfig: pathlib.Path, client: Client, tmp_path: pathlib.Path
) -> None:
    binary, heard = build("go.mod"), Heard()
    leases = client.resource("coordination.k8s.io/v1/leases", NAMESPACE)
    elector = our_elector(client, heard, releases=False)
    with ExitStack() as stack:
        first = stack.enter_context(GoCandidate(binary, kubeconfig, tmp_path / "go-1"))
        first.moment_of("started go-1")
        stack.enter_context(running(elector))
        heard.wait_for("leader go-1")
        first.kill()
        renewed = leases.get(NAME)["spec"]["renewTime"]
        heard.wait_for("started")
        acquired = leases.get(NAME)["spec"]["acquireTime"]
        assert seconds(acquired) - seconds(renewed) >= OURS.written_duration_s
        second = stack.enter_context(GoCandidate(binary, kubeconfig, tmp_path / "go-2"))
        second.moment_of("leader ours")
        elector.stop()
        heard.wait_for("stopped")
        stopped_s = SystemClock().monotonic()
        assert second.moment_of("started go-2") - stopped_s > 1.0
        assert holder(client)[0] == "go-2"


def seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()
