"""ElectionGate: managers take turns, one at a time, on one server."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubeprims.client.client import Client
from kubeprims.controller.gate import LeaderGate, LeaderTerm
from kubeprims.controller.manager import ControllerManager, Group, ManagerOptions
from kubeprims.errors import ConfigError, LeaderCallbackError, LeadershipLost
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.gate import ElectionGate
from kubeprims.leaderelection.health import ElectionHealth
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.testing import APIServer, VirtualClock
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.leaderelection.electing import TIMEOUT_S, asked
from tests.leaderelection.locking import LEASES, a_lock, holder, rewrite
from tests.leaderelection.stepping import Constant
from tests.parity import case
from tests.waiting import eventually

WEDGED = """
import sys, threading
import kubeprims as kp

class Wedged:
    def run(self, stop):
        manager.stop()
        threading.Event().wait()

gate = kp.ElectionGate(kp.LeaseLock(kp.Client.from_config(), namespace="default", name="web"))
manager = kp.ControllerManager(gate=gate, options=kp.ManagerOptions(shutdown_timeout_s=0.1))
manager.add(Wedged(), name="wedged")
sys.exit(manager.main())
"""


class Work:
    """What only the leader runs: writes down when, and ends when it is let."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.may_end = threading.Event()
        self.may_end.set()
        self.is_stopping = threading.Event()
        self._log = log

    def run(self, stop: Cancel) -> None:
        self._log.append(f"+{self.name}")
        stop.wait()
        self.is_stopping.set()
        assert self.may_end.wait(TIMEOUT_S)
        self._log.append(f"-{self.name}")


@contextmanager
def running(manager: ControllerManager) -> Iterator[list[BaseException]]:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            manager.run()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            raised.append(error)

    group = ThreadGroup("test")
    group.spawn(run, name="manager")
    try:
        yield raised
    finally:
        manager.stop()
        assert group.join(Deadline.after(TIMEOUT_S)) == ()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def a_gate(client: Client, identity: str, clock: VirtualClock) -> ElectionGate:
    return ElectionGate(a_lock("leases", client, identity), clock=clock, rng=Constant())


def test_it_is_what_a_manager_asks_for(kubeprims_client: Client, clock: VirtualClock) -> None:
    gate: LeaderGate = a_gate(kubeprims_client, "me", clock)
    stop = Cancel()
    term: LeaderTerm | None = gate.wait(stop)
    assert term is not None
    assert term.is_leading()
    assert int(term.token) > 0
    assert term.release(TIMEOUT_S)
    assert not term.is_leading()
    stop.set()
    assert gate.wait(stop) is None


def test_a_manager_that_stops_works_under_the_lock_to_the_end_and_hands_it_over_at_once(
    kubeprims_client: Client, kubeprims_apiserver: APIServer, clock: VirtualClock
) -> None:
    log: list[str] = []
    first, second = Work("first", log), Work("second", log)
    managers = []
    for work in (first, second):
        manager = ControllerManager(gate=a_gate(kubeprims_client, work.name, clock))
        manager.add(work, name=work.name)
        managers.append(manager)
    with running(managers[0]) as raised:
        eventually(lambda: log == ["+first"], TIMEOUT_S)
        assert managers[0].is_leading
        with running(managers[1]):
            eventually(lambda: kubeprims_apiserver.faults.open_watches, TIMEOUT_S, "a standby that watches")
            first.may_end.clear()
            managers[0].stop()
            assert first.is_stopping.wait(TIMEOUT_S)
            renewals = asked(kubeprims_apiserver).count("update")
            clock.advance(2.0)
            eventually(lambda: asked(kubeprims_apiserver).count("update") > renewals, TIMEOUT_S, "a renewal meanwhile")
            assert holder(kubeprims_apiserver, LEASES) == "first"
            assert log == ["+first"]
            first.may_end.set()
            eventually(lambda: log == ["+first", "-first", "+second"], TIMEOUT_S)
            assert managers[1].is_leading
    assert raised == []
    assert log == ["+first", "-first", "+second", "-second"]
    assert holder(kubeprims_apiserver, LEASES) == ""


def test_a_manager_that_loses_the_lock_ends(
    kubeprims_client: Client, kubeprims_apiserver: APIServer, clock: VirtualClock
) -> None:
    log: list[str] = []
    manager = ControllerManager(gate=a_gate(kubeprims_client, "me", clock))
    manager.add(Work("work", log), name="work")
    with running(manager) as raised:
        eventually(lambda: log == ["+work"], TIMEOUT_S)
        rewrite(kubeprims_client, LEASES, LeaderElectionRecord(holder_identity="you", lease_duration_s=15))
        clock.advance(2.0)
        eventually(lambda: raised, TIMEOUT_S)
    assert isinstance(raised[0], LeadershipLost)
    assert log == ["+work", "-work"]
    assert holder(kubeprims_apiserver, LEASES) == "you"


def test_a_manager_that_rejoins_leads_again_with_a_larger_token(
    kubeprims_client: Client, kubeprims_apiserver: APIServer, clock: VirtualClock
) -> None:
    log: list[str] = []
    tokens: list[int] = []
    manager = ControllerManager(
        gate=a_gate(kubeprims_client, "me", clock),
        on_started_leading=lambda term: tokens.append(int(term.token)),
        options=ManagerOptions(rejoin=True),
    )
    manager.add_factory("work", lambda: Work("work", log))
    with running(manager) as raised:
        eventually(lambda: log == ["+work"], TIMEOUT_S)
        kubeprims_apiserver.delete(LEASES, "web", namespace="default")
        clock.advance(2.0)
        eventually(lambda: log == ["+work", "-work", "+work"], TIMEOUT_S)
        assert manager.is_leading
    assert raised == []
    assert tokens == sorted(set(tokens))
    assert holder(kubeprims_apiserver, LEASES) == ""


def test_a_listener_that_fails_does_not_keep_a_manager_from_stopping_everything(
    kubeprims_client: Client, clock: VirtualClock
) -> None:
    def fail(_identity: str) -> None:
        raise RuntimeError("cannot listen")

    log: list[str] = []
    gate = ElectionGate(a_lock("leases", kubeprims_client, "me"), on_new_leader=fail, clock=clock, rng=Constant())
    manager = ControllerManager(gate=gate)
    manager.add(Work("always", log), name="always", group=Group.ALWAYS)
    manager.add(Work("work", log), name="work")
    with running(manager) as raised:
        eventually(lambda: "+work" in log, TIMEOUT_S)
    assert log == ["+always", "+work", "-work", "-always"]
    (error,) = raised
    assert isinstance(error, LeaderCallbackError)
    assert str(error.__cause__) == "cannot listen"


def test_a_manager_may_wait_longer_for_its_work_than_the_election(
    kubeprims_client: Client, kubeprims_apiserver: APIServer, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    gate = ElectionGate(a_lock("leases", kubeprims_client, "me"), drain_timeout_s=1.0, clock=clock, rng=Constant())
    manager = ControllerManager(gate=gate, options=ManagerOptions(rejoin=True))
    work = Work("work", log)
    work.may_end.clear()
    manager.add_factory("work", lambda: work)
    with running(manager) as raised:
        eventually(lambda: log == ["+work"], TIMEOUT_S)
        kubeprims_apiserver.delete(LEASES, "web", namespace="default")
        clock.advance(2.0)
        assert work.is_stopping.wait(TIMEOUT_S)
        clock.advance(1.0)
        eventually(lambda: "takes long to end" in caplog.text, TIMEOUT_S, "the election has waited")
        assert log == ["+work"]
        work.may_end.set()
        eventually(lambda: log == ["+work", "-work", "+work"], TIMEOUT_S)
    assert raised == []
    assert holder(kubeprims_apiserver, LEASES) == ""


def test_a_program_does_not_live_on_for_work_that_its_manager_has_given_up(
    kubeprims_apiserver: APIServer, kubeprims_kubeconfig: pathlib.Path
) -> None:
    assert kubeprims_kubeconfig.exists()
    ended = subprocess.run([sys.executable, "-c", WEDGED], check=False, timeout=TIMEOUT_S)
    assert ended.returncode == 1
    assert holder(kubeprims_apiserver, LEASES) != "", "its work had not ended"


@case("LE-HZ1")
def test_an_election_that_has_not_begun_is_well(kubeprims_client: Client, clock: VirtualClock) -> None:
    assert ElectionHealth().check() is None
    assert a_gate(kubeprims_client, "me", clock).check() is None


def test_settings_that_leave_no_margin_are_refused_when_it_is_made(kubeprims_client: Client) -> None:
    with pytest.raises(ConfigError, match="lease_duration_s"):
        ElectionGate(a_lock("leases", kubeprims_client, "me"), lease_duration_s=5.0)


@pytest.mark.parametrize("setting", ["rejoin", "keep_leading"])
def test_what_the_manager_decides_is_refused(setting: str, kubeprims_client: Client) -> None:
    lock = a_lock("leases", kubeprims_client, "me")
    with pytest.raises(ConfigError, match=f"{setting}: is the manager's to decide"):
        ElectionGate(lock, **{setting: True})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"{setting}: is the manager's to decide"):
        ElectionGate(lock, config=ElectionConfig(**{setting: True}))
    ElectionGate(lock, config=ElectionConfig(rejoin=True, keep_leading=True), rejoin=False, keep_leading=False)
