"""Elections on a real kube-apiserver: Leases, hand-over, and failover when the leader is killed."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.coordinated import LeaseCandidate
from kubeprims.leaderelection.effects import EndReason
from kubeprims.leaderelection.elector import LeaderElector
from kubeprims.leaderelection.explain import failover_s
from kubeprims.leaderelection.lock import ResourceLock
from kubeprims.leaderelection.resource_lock import RESOURCE_LOCKS, resource_lock
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.leaderelection.electing import Heard, running
from tests.parity import case
from tests.real.cluster import RealCluster
from tests.waiting import eventually

TIMEOUT_S = 60.0
TIMES = {"lease_duration_s": 3.0, "renew_deadline_s": 2.0, "retry_period_s": 0.5}
ROUNDS = 3
BUSY_S = 5.0
"""How much longer it may take on a machine that has other things to do."""

logger = logging.getLogger(__name__)

CANDIDATE = textwrap.dedent(
    """
    import sys
    import kubeprims as kp

    def say(text):
        sys.stdout.write(text + "\\n")  # in one piece: two threads speak
        sys.stdout.flush()

    with kp.Client.from_config(sys.argv[1]) as client:
        lock = kp.LeaseLock(client, namespace="default", name=sys.argv[2])
        def work(term):
            say(f"leads {term.token}")
            term.stopped.wait()
        kp.LeaderElector(
            lock,
            on_started_leading=work,
            on_new_leader=lambda identity: say(f"sees {identity}"),
            lease_duration_s=3,
            renew_deadline_s=2,
            retry_period_s=0.5,
        ).run()
    """
)


@pytest.fixture
def kubeconfig(real_cluster: RealCluster, tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(real_cluster.kubeconfig()), "utf-8")
    return path


@pytest.fixture
def client(kubeconfig: pathlib.Path) -> Iterator[Client]:
    with Client.from_config(kubeconfig) as made:
        yield made


@case("LE-ACQ1", "LE-REL1", "LE-REN1")
@pytest.mark.parametrize("kind", RESOURCE_LOCKS)
def test_a_lock_of_each_kind_is_won_released_and_won_by_another(kind: str, client: Client) -> None:
    locks = [
        resource_lock(kind, client, namespace="default", name=f"turns-{kind}", identity=identity)
        for identity in ("first", "second")
    ]
    tokens = [lead_once(lock) for lock in locks]
    assert tokens == sorted(set(tokens))


def lead_once(lock: ResourceLock) -> int:
    """Win a lock, renew it, give it back, and return the token."""
    clock, heard = SystemClock(), Heard()
    elector = LeaderElector(lock, on_started_leading=heard.started, **TIMES)  # type: ignore[arg-type]
    with running(elector) as [outcome]:
        heard.wait_for("started")
        term = heard.terms[0]
        until_s = clock.monotonic() + term.remaining_s()
        eventually(lambda: clock.monotonic() + term.remaining_s() > until_s + 0.1, TIMEOUT_S, "a renewal")
        elector.stop()
        result = outcome.wait().result
    assert result is not None
    assert (result.reason, result.is_released) == (EndReason.STOPPED, True)
    return int(term.token)


@case("LE-A9")
def test_a_leader_that_is_killed_is_succeeded_in_time(kubeconfig: pathlib.Path) -> None:
    clock = SystemClock()
    took_s: list[float] = []
    leader = start(kubeconfig)
    tokens = [token_of(leader)]
    for _ in range(ROUNDS):
        standby = start(kubeconfig)
        read_until(standby, "sees")
        killed_at_s = clock.monotonic()
        leader.kill()
        tokens.append(token_of(standby))
        took_s.append(clock.monotonic() - killed_at_s)
        leader.communicate(timeout=TIMEOUT_S)
        leader = standby
    leader.kill()
    leader.communicate(timeout=TIMEOUT_S)
    logger.info("failover after kill -9: %s s", ", ".join(f"{seconds:.2f}" for seconds in took_s))
    assert tokens == sorted(set(tokens))
    config = ElectionConfig(**TIMES)
    assert max(took_s) <= failover_s(config, is_watched=True) + BUSY_S, took_s


def start(kubeconfig: pathlib.Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CANDIDATE, str(kubeconfig), "killed"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)


def read_until(candidate: subprocess.Popen[str], word: str) -> str:
    """Return the rest of the next line that begins with a word."""
    assert candidate.stdout is not None
    for line in candidate.stdout:
        if line.startswith(word):
            return line.removeprefix(word)
    raise AssertionError(f"the candidate ended before it said {word}")


def token_of(candidate: subprocess.Popen[str]) -> int:
    return int(read_until(candidate, "leads"))


@case("LE-CO2", "LE-CO6", "LE-CO7", "LE-CO8")
def test_a_server_that_picks_leaders_picks_a_candidate(
    coordinated_cluster: RealCluster, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "coordinated"
    path.write_text(json.dumps(coordinated_cluster.kubeconfig()), "utf-8")
    stop, group = Cancel(), ThreadGroup("candidate")
    with Client.from_config(path) as client:
        candidate = LeaseCandidate(
            client,
            namespace="default",
            name="me",
            lease_name="picked",
            binary_version="1.37.0",
            emulation_version="1.37.0",
        )
        group.spawn(lambda: candidate.run(stop), name="run")
        heard = Heard()
        lock = resource_lock("leases", client, namespace="default", name="picked", identity="me")
        elector = LeaderElector(lock, on_started_leading=heard.started, coordinated=True, **TIMES)  # type: ignore[arg-type]
        with running(elector):
            heard.wait_for("started")
            spec = client.resource("coordination.k8s.io/v1/leases", "default").get("picked").to_dict()["spec"]
            assert isinstance(spec, dict)
            assert (spec["holderIdentity"], spec["strategy"]) == ("me", "OldestEmulationVersion")
        stop.set()
        assert group.join(Deadline.after(TIMEOUT_S)) == ()
