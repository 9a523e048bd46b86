"""ControllerManager: what starts when, what stops when, and what ends all of it."""

from __future__ import annotations

import http.client
import logging
import math
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import prometheus_client
import pytest

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.controller.context import ReconcileContext
from kubeprims.controller.controller import Controller
from kubeprims.controller.gate import LeaderTerm
from kubeprims.controller.lifecycle import Member, before_the_end
from kubeprims.controller.manager import ControllerManager, Group, ManagerOptions
from kubeprims.controller.probes import Probes
from kubeprims.controller.roster import Place
from kubeprims.errors import (
    CacheSyncTimeout,
    ConfigError,
    InvalidArgument,
    LeadershipLost,
    LifecycleError,
    MemberDied,
    StopTimeout,
)
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.meta import ObjectKey
from kubeprims.metrics import PrometheusMetrics
from kubeprims.testing import APIServer, VirtualClock
from kubeprims.testing.apiserver.faults import Match, Stall
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 20.0


class Recorder:
    """Runnables that write down when they start and stop."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def runnable(self, name: str, *, dies: Callable[[], None] | None = None) -> Recorded:
        return Recorded(self, name, dies)


class Recorded:
    def __init__(self, recorder: Recorder, name: str, dies: Callable[[], None] | None) -> None:
        self._log = recorder.log
        self._name = name
        self._dies = dies

    def run(self, stop: Cancel) -> None:
        self._log.append(f"+{self._name}")
        if self._dies is not None:
            self._dies()
            return
        stop.wait()
        self._log.append(f"-{self._name}")


class Gate:
    """An election that a test decides."""

    def __init__(self, log: list[str]) -> None:
        self.asked = threading.Event()
        self.elected = threading.Event()
        self.term = Term(log)

    def wait(self, stop: Cancel) -> Term | None:
        self.asked.set()
        take_back = stop.add_callback(self.elected.set)
        self.elected.wait()
        take_back()
        return None if stop.is_set else self.term


class Term:
    def __init__(self, log: list[str]) -> None:
        self.lost = Cancel()
        self.token = "7"
        self._log = log

    def is_leading(self) -> bool:
        return not self.lost.is_set

    def release(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        self._log.append("released")
        return True


@contextmanager
def running(manager: ControllerManager) -> Iterator[list[BaseException]]:
    """Run a manager on a thread of its own; gives what it raises."""
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


@case("CM-50")
def test_groups_start_in_order_and_stop_in_the_reverse() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    manager = ControllerManager(gate=gate)
    manager.add(recorder.runnable("leader"), name="leader")
    manager.add(recorder.runnable("always"), name="always", group=Group.ALWAYS)
    manager.add(recorder.runnable("server"), name="server", group=Group.SERVERS)
    with running(manager) as raised:
        eventually(lambda: "+always" in recorder.log, TIMEOUT_S, "up to the gate")
        assert recorder.log == ["+server", "+always"]
        assert not manager.is_leading
        gate.elected.set()
        eventually(lambda: "+leader" in recorder.log, TIMEOUT_S, "through the gate")
        assert manager.is_leading
    assert raised == []
    assert recorder.log == ["+server", "+always", "+leader", "-leader", "released", "-always", "-server"]


@case("CM-31")
def test_a_manager_that_was_never_elected_starts_nothing_of_the_leader_while_it_stops() -> None:
    recorder = Recorder()
    manager = ControllerManager(gate=Gate(recorder.log))
    manager.add(recorder.runnable("leader"), name="leader")
    manager.add(recorder.runnable("always"), name="always", group=Group.ALWAYS)
    with running(manager):
        eventually(lambda: "+always" in recorder.log, TIMEOUT_S, "up to the gate")
    assert recorder.log == ["+always", "-always"]


@case(
    "CM-30", otherwise="D3: what the leader ran is waited for, as long as a stop may take; the error is LeadershipLost"
)
def test_lost_leadership_ends_the_manager() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()
    manager = ControllerManager(gate=gate)
    manager.add(recorder.runnable("leader"), name="leader")
    with running(manager) as raised:
        eventually(lambda: "+leader" in recorder.log, TIMEOUT_S, "leading")
        gate.term.lost.set()
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert isinstance(raised[0], LeadershipLost)
    assert "-leader" in recorder.log


def fail() -> None:
    raise ValueError("no more")


@pytest.mark.parametrize(
    ("dies", "text"), [(fail, "worker died: ValueError: no more"), (lambda: None, "worker ended by itself")]
)
def test_a_part_that_ends_takes_the_manager_down(dies: Callable[[], None], text: str) -> None:
    recorder = Recorder()
    manager = ControllerManager()
    manager.add(recorder.runnable("other"), name="other")
    manager.add(recorder.runnable("worker", dies=dies), name="worker", group=Group.ALWAYS)
    with running(manager) as raised:
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert isinstance(raised[0], MemberDied)
    assert str(raised[0]) == text
    assert recorder.log.count("+other") == recorder.log.count("-other"), "never half of it"


@case("CM-28")
def test_what_does_not_end_in_time_is_named_and_the_lock_is_kept() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()
    stubborn, may_end = threading.Event(), threading.Event()

    class Stubborn:
        def run(self, stop: Cancel) -> None:
            stubborn.set()
            may_end.wait(TIMEOUT_S)

    manager = ControllerManager(gate=gate, options=ManagerOptions(shutdown_timeout_s=0.05))
    manager.add(Stubborn(), name="stubborn")
    try:
        with running(manager) as raised:
            assert stubborn.wait(TIMEOUT_S)
            manager.stop()
            eventually(lambda: raised, TIMEOUT_S, "the end")
    finally:
        may_end.set()
    assert isinstance(raised[0], StopTimeout)
    assert "stubborn" in str(raised[0])
    assert "released" not in recorder.log


def test_who_ends_when_told_is_not_named_beside_who_does_not() -> None:
    recorder, begun, may_end = Recorder(), threading.Event(), threading.Event()

    class Stubborn:
        def run(self, stop: Cancel) -> None:
            begun.set()
            may_end.wait(TIMEOUT_S)

    manager = ControllerManager(options=ManagerOptions(shutdown_timeout_s=8.0))
    manager.add(Stubborn(), name="stubborn")
    manager.add(recorder.runnable("all"), name="all", group=Group.ALWAYS)
    manager.add(recorder.runnable("server"), name="server", group=Group.SERVERS)
    try:
        with running(manager) as raised:
            assert begun.wait(TIMEOUT_S)
            manager.stop()
            eventually(lambda: raised, TIMEOUT_S, "the end")
    finally:
        may_end.set()
    assert isinstance(raised[0], StopTimeout)
    assert raised[0].running == ("stubborn",)


@pytest.mark.parametrize(("timeout_s", "steps", "at_s"), [(30.0, 3, 27.0), (2.0, 1, 1.8), (0.0, 3, 0.0)])
def test_something_of_the_time_to_end_is_left_for_what_comes_after(timeout_s: float, steps: int, at_s: float) -> None:
    clock = VirtualClock()
    early = before_the_end(Deadline.after(timeout_s, clock=clock), steps=steps)
    assert early.remaining_s() == pytest.approx(at_s)
    assert before_the_end(Deadline.after(None, clock=clock)).remaining_s() == math.inf


@case("CM-32")
def test_what_is_added_later_starts_at_once_and_nothing_is_taken_on_while_it_stops() -> None:
    recorder = Recorder()
    manager = ControllerManager()
    with running(manager):
        manager.add(recorder.runnable("first"), name="first")
        eventually(lambda: "+first" in recorder.log, TIMEOUT_S, "the first")
        manager.add(recorder.runnable("second"), name="second")
        eventually(lambda: "+second" in recorder.log, TIMEOUT_S, "the second")
    with pytest.raises(LifecycleError, match="it takes on no third any more"):
        manager.add(recorder.runnable("third"), name="third")
    with pytest.raises(LifecycleError, match="a manager runs once"):
        manager.run()


def test_an_event_or_a_cancel_ends_it() -> None:
    for stop in (threading.Event(), Cancel()):
        stop.set()
        ControllerManager().run(stop)


# -- terms, hooks, elections ------------------------------------------------------------------------------------------


@case("CM-53")
def test_what_is_done_between_the_win_and_the_first_start_is_waited_for() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()
    may_end = threading.Event()

    def prepare(term: LeaderTerm) -> None:
        recorder.log.append(f"prepare {term.token}")
        assert may_end.wait(TIMEOUT_S)

    manager = ControllerManager(gate=gate, on_started_leading=prepare)
    manager.add(recorder.runnable("leader"), name="leader")
    with running(manager) as raised:
        eventually(lambda: recorder.log == ["prepare 7"], TIMEOUT_S, "it is prepared")
        assert manager.is_leading
        may_end.set()
        eventually(lambda: "+leader" in recorder.log, TIMEOUT_S, "the work")
    assert raised == []


def test_a_preparation_that_fails_ends_the_manager() -> None:
    recorder = Recorder()
    manager = ControllerManager(on_started_leading=lambda _: fail())
    manager.add(recorder.runnable("leader"), name="leader")
    with running(manager) as raised:
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert str(raised[0]) == "on_started_leading died: ValueError: no more"
    assert recorder.log == []


def test_a_term_that_is_lost_while_it_is_prepared_starts_nothing() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()
    manager = ControllerManager(gate=gate, on_started_leading=lambda term: term.lost.set())
    manager.add(recorder.runnable("leader"), name="leader")
    with running(manager) as raised:
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert isinstance(raised[0], LeadershipLost)
    assert "+leader" not in recorder.log


def test_a_term_that_is_won_while_it_stops_is_released() -> None:
    log: list[str] = []

    class Late(Gate):
        def wait(self, stop: Cancel) -> Term | None:
            self.asked.set()
            stop.wait()
            return self.term  # it came in the same moment

    gate = Late(log)
    manager = ControllerManager(gate=gate)
    manager.add(Recorder().runnable("always"), name="always", group=Group.ALWAYS)
    with running(manager) as raised:
        assert gate.asked.wait(TIMEOUT_S)
    assert raised == []
    assert log == ["released"]


@case("CM-21", "CM-22", "CM-47")
def test_each_election_starts_its_own_and_the_loss_of_one_ends_all() -> None:
    recorder = Recorder()
    first, second = Gate(recorder.log), Gate(recorder.log)
    manager = ControllerManager(gate=first, gates={"shards": second})
    manager.add(recorder.runnable("main"), name="main")
    manager.add_factory("shard", lambda: recorder.runnable("shard"), election="shards")
    with running(manager) as raised:
        second.elected.set()
        eventually(lambda: "+shard" in recorder.log, TIMEOUT_S, "the second election")
        assert "+main" not in recorder.log
        assert not manager.is_leading
        first.elected.set()
        eventually(lambda: "+main" in recorder.log, TIMEOUT_S, "the first election")
        second.term.lost.set()
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert isinstance(raised[0], LeadershipLost)
    assert recorder.log[-1] == "released", "both are"
    with pytest.raises(InvalidArgument, match="the manager has no election none; there are: shards"):
        manager.add_factory("x", lambda: None, election="none")
    with pytest.raises(ConfigError, match="gates: must not be empty"):
        ControllerManager(gates={"": first})


@case("CM-49")
def test_a_lost_term_leads_to_another_if_asked_for_and_the_rest_goes_on() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()
    manager = ControllerManager(gate=gate, options=ManagerOptions(rejoin=True))
    manager.add(recorder.runnable("always"), name="always", group=Group.ALWAYS)
    manager.add_factory("leader", lambda: recorder.runnable("leader"))
    with running(manager) as raised:
        for count in (1, 2, 3):
            eventually(lambda count=count: recorder.log.count("+leader") == count, TIMEOUT_S, "it leads")
            lost, gate.term = gate.term, Term(recorder.log)
            lost.lost.set()
        eventually(lambda: recorder.log.count("+leader") == 4, TIMEOUT_S, "it leads again")
    assert raised == []
    leaders = [entry for entry in recorder.log if "leader" in entry]
    assert leaders == ["+leader", "-leader"] * 4, "never two at once"
    assert recorder.log.count("+always") == 1


@case("CM-29")
def test_what_cannot_be_made_anew_and_what_does_not_end_keep_it_from_rejoining() -> None:
    recorder = Recorder()
    manager = ControllerManager(options=ManagerOptions(rejoin=True))
    manager.add(recorder.runnable("leader"), name="leader")
    with pytest.raises(ConfigError, match=r"rejoin: needs add_factory.*leader starts once"):
        manager.run()
    gate = Gate(recorder.log)
    gate.elected.set()
    may_end = threading.Event()

    class Stubborn:
        def run(self, stop: Cancel) -> None:
            recorder.log.append("+stubborn")
            may_end.wait(TIMEOUT_S)

    manager = ControllerManager(gate=gate, options=ManagerOptions(rejoin=True, shutdown_timeout_s=0.05))
    manager.add_factory("stubborn", Stubborn)
    with running(manager) as raised:
        eventually(lambda: "+stubborn" in recorder.log, TIMEOUT_S, "it works")
        gate.term.lost.set()
        eventually(lambda: raised, TIMEOUT_S, "the end")
        may_end.set()
    assert isinstance(raised[0], StopTimeout)
    assert isinstance(raised[0].__cause__, LeadershipLost), "both are told"


@case("CM-19")
def test_a_factory_may_decline(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    manager = ControllerManager()
    manager.add_factory("cloud", lambda: None)
    manager.add_factory("routes", lambda: recorder.runnable("routes"), is_controller=False)
    with caplog.at_level(logging.INFO), running(manager) as raised:
        eventually(lambda: "+routes" in recorder.log, TIMEOUT_S, "the other one")
    assert raised == []
    assert "cloud is not used here" in caplog.text
    with pytest.raises(InvalidArgument, match="a factory has a name"):
        ControllerManager().add_factory("", lambda: None)


def test_a_controller_that_a_factory_makes_is_under_the_factorys_election(kubeprims_client: Client) -> None:
    recorder = Recorder()
    main, shard = Gate(recorder.log), Gate(recorder.log)
    shard.elected.set()
    tokens: list[str] = []

    def make() -> Controller:
        controller = Controller("web", lambda key, ctx: tokens.append(ctx.token), client=kubeprims_client)
        controller.enqueue("default/any")
        return controller

    manager = ControllerManager(gate=main, gates={"shard": shard})
    manager.add_factory("web", make, election="shard")
    with running(manager) as raised:
        eventually(lambda: tokens, TIMEOUT_S, "the reconcile")
        shard.term.lost.set()
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert tokens == ["7"], "it works in the term of the shard, not for ever"


@pytest.mark.parametrize(("make", "cause"), [(fail, "no more"), (lambda: 7, "a manager runs")])
def test_a_factory_that_fails_ends_the_manager_and_is_named(make: Callable[[], Recorded], cause: str) -> None:
    manager = ControllerManager()
    manager.add_factory("cloud", make)
    with pytest.raises(MemberDied, match=f"cloud died: .*{cause}"):
        manager.run()


@case("CM-45")
def test_what_the_leader_runs_may_warm_up_before_the_election() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()

    class Warm(Recorded):
        def warmup(self, stop: Cancel) -> None:
            recorder.log.append("warm")

    manager = ControllerManager(gate=gate)
    manager.add(recorder.runnable("always"), name="always", group=Group.ALWAYS)
    manager.add(Warm(recorder, "leader", None), name="leader")
    with running(manager):
        eventually(lambda: "+leader" in recorder.log, TIMEOUT_S, "it leads")
    assert [entry for entry in recorder.log if entry in {"warm", "+leader"}] == ["warm", "+leader"]


@case("CM-3")
def test_starts_keep_their_distance_if_asked_for() -> None:
    recorder = Recorder()
    clock = VirtualClock()
    options = ManagerOptions(start_interval_s=10.0, rng=random.Random(1))
    manager = ControllerManager(options=options, clock=clock)
    for name in ("a", "b", "c"):
        manager.add(recorder.runnable(name), name=name)
    with running(manager) as raised:
        for started in (["+a"], ["+a", "+b"], ["+a", "+b", "+c"]):
            eventually(lambda so_far=started: recorder.log == so_far, TIMEOUT_S, "the next one")
            eventually(clock.next_due_s, TIMEOUT_S, "a wait")
            due_s = clock.next_due_s()
            assert due_s is not None
            assert 10.0 <= due_s <= 20.0
            clock.advance(due_s)
        manager.stop()
    assert raised == []
    for wrong, rule in (({"start_interval_s": -1.0}, "start_interval_s"), ({"readiness": "no"}, "readiness")):
        with pytest.raises(ConfigError, match=rule):
            ManagerOptions(**wrong)  # type: ignore[arg-type]


def test_a_term_that_is_lost_while_its_work_is_started_slowly_starts_nothing_more() -> None:
    recorder = Recorder()
    clock = VirtualClock()
    gate = Gate(recorder.log)
    gate.elected.set()
    options = ManagerOptions(rejoin=True, start_interval_s=10.0)
    manager = ControllerManager(gate=gate, options=options, clock=clock)
    for name in ("a", "b"):
        manager.add_factory(name, lambda name=name: recorder.runnable(name))
    with running(manager) as raised:
        eventually(lambda: recorder.log == ["+a"], TIMEOUT_S, "the first")
        assert clock.wait_for_waiters()
        gate.asked.clear()
        gate.elected.clear()
        gate.term.lost.set()
        assert gate.asked.wait(TIMEOUT_S), "it contends again"
        for _ in range(10):
            clock.advance(10.0)
        assert recorder.log == ["+a", "-a"]
        gate.term = Term(recorder.log)
        gate.elected.set()
        eventually(lambda: recorder.log == ["+a", "-a", "+a"], TIMEOUT_S, "the first again")
        assert clock.wait_for_waiters()
        clock.advance(20.0)
        eventually(lambda: recorder.log[-1] == "+b", TIMEOUT_S, "the second")
    assert raised == []
    assert (recorder.log.count("+a"), recorder.log.count("+b")) == (2, 1)


def test_what_is_made_while_the_manager_ends_never_starts() -> None:
    recorder = Recorder()
    is_making, may_make = threading.Event(), threading.Event()

    def make() -> Recorded:
        is_making.set()
        may_make.wait()
        return recorder.runnable("late")

    manager = ControllerManager()
    manager.add(recorder.runnable("first"), name="first")
    group = ThreadGroup("test")
    with running(manager) as raised:
        eventually(lambda: "+first" in recorder.log, TIMEOUT_S, "the first")
        group.spawn(lambda: manager.add_factory("late", make), name="add")
        assert is_making.wait(TIMEOUT_S)
    may_make.set()
    with pytest.raises(LifecycleError, match="it takes on no late any more"):
        group.join(Deadline.after(TIMEOUT_S))
    assert recorder.log == ["+first", "-first"]
    assert raised == []


@case("CM-48")
def test_a_lost_leaders_work_is_told_at_once_whatever_else_does_not_end() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()
    may_end = threading.Event()

    class Stuck:
        def wait(self, stop: Cancel) -> None:
            may_end.wait()

    manager = ControllerManager(gate=gate, gates={"stuck": Stuck()})
    manager.add(recorder.runnable("work"), name="work")
    with running(manager) as raised:
        eventually(lambda: "+work" in recorder.log, TIMEOUT_S, "it works")
        gate.term.lost.set()
        try:
            eventually(lambda: "-work" in recorder.log, TIMEOUT_S, "it is told")
        finally:
            may_end.set()
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert isinstance(raised[0], LeadershipLost)


@case("CM-29")
def test_what_fails_while_it_stops_is_told() -> None:
    class Leaves:
        def run(self, stop: Cancel) -> None:
            stop.wait()
            fail()

    manager = ControllerManager()
    manager.add(Leaves(), name="leaves", group=Group.ALWAYS)
    with running(manager) as raised:
        pass
    assert str(raised[0]) == "leaves died: ValueError: no more"


def test_work_that_says_that_it_has_not_ended_keeps_the_lock() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()

    class GivesUp:
        def run(self, stop: Cancel) -> None:
            recorder.log.append("+work")
            stop.wait()
            raise StopTimeout(["a thread"], timeout_s=1.0)

    manager = ControllerManager(gate=gate)
    manager.add(GivesUp(), name="work")
    with running(manager) as raised:
        eventually(lambda: "+work" in recorder.log, TIMEOUT_S, "it works")
    assert "released" not in recorder.log
    assert "work died: StopTimeout" in str(raised[0])


def test_what_is_told_to_stop_before_it_starts_never_does() -> None:
    ran: list[bool] = []
    member = Member("late", lambda _: ran.append(True), clock=SystemClock())
    member.signal_stop()
    assert member.join(Deadline.after(0.0))
    member.start(lambda _: None)
    assert member.join(Deadline.after(TIMEOUT_S))
    assert ran == []


# -- probes and figures -----------------------------------------------------------------------------------------------


def ask(probes: Probes, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", probes.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@case("CM-6", "CM-10", "CM-35", "CM-45", "CM-51", "CM-52")
def test_probes_say_how_caches_elections_and_controllers_are(
    kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    kubeprims_apiserver.create("v1/configmaps", {"metadata": {"name": "web"}}, namespace="default")
    late = kubeprims_apiserver.faults.add(Stall(), Match(resource="v1/configmaps"), count=None)
    informers = SharedInformerFactory(kubeprims_client)
    informer = informers.informer("v1/configmaps", namespace="default")
    probes = Probes("127.0.0.1", 0)

    class Watched(Gate):
        reason: str | None = None

        def check(self) -> str | None:
            return self.reason

    gate, ready = Watched([]), [False]
    options = ManagerOptions(readiness="leader")  # type: ignore[arg-type]
    manager = ControllerManager(informers=informers, gate=gate, probes=probes, options=options)
    controller = Controller(
        "web", nothing, client=kubeprims_client, readiness=lambda: None if ready[0] else "not yet"
    )  # fmt: skip
    manager.add(controller.watches(informer))
    with running(manager) as raised:
        eventually(lambda: late.hits, TIMEOUT_S, "the list is asked for")
        assert ask(probes, "/healthz?verbose") == (200, "[+]election ok\nhealthz check passed\n")
        assert ask(probes, "/readyz/caches")[0] == 500
        late.release()
        eventually(lambda: ask(probes, "/readyz/caches")[0] == 200, TIMEOUT_S, "the caches are in sync")
        assert ask(probes, "/readyz/leader")[0] == 500
        gate.elected.set()
        eventually(lambda: ask(probes, "/healthz/web")[0] == 200, TIMEOUT_S, "the controller has a check")
        assert ask(probes, "/readyz/leader")[0] == 200
        assert ask(probes, "/readyz?verbose") == (
            500,
            "[+]caches ok\n[+]leader ok\n[-]web failed: reason withheld\nreadyz check failed\n",
        )
        ready[0] = True
        assert ask(probes, "/readyz")[0] == 200
        gate.reason = "the lease was not renewed in time"
        assert ask(probes, "/healthz")[0] == 500
        assert ask(probes, "/healthz/web")[0] == 200
        manager.stop()
        eventually(lambda: probes.health.one("web") is None, TIMEOUT_S, "its check goes with it")
    assert raised == []


def test_a_controller_may_have_a_name_with_a_domain_and_probes(kubeprims_client: Client) -> None:
    probes = Probes("127.0.0.1", 0)
    manager = ControllerManager(probes=probes)
    manager.add(Controller("example.com/web", nothing, client=kubeprims_client))
    with running(manager) as raised:
        eventually(lambda: ask(probes, "/healthz/example.com/web") == (200, "ok"), TIMEOUT_S, "it has a check")
        assert ask(probes, "/healthz?verbose&exclude=example.com/web")[1].startswith("[+]example.com/web excluded: ok")
        assert ask(probes, "/healthz/example.com")[0] == 404
    assert raised == []


@case("CM-16")
def test_a_manager_counts_the_controllers_that_run(kubeprims_client: Client, kubeprims_apiserver: APIServer) -> None:
    registry = prometheus_client.CollectorRegistry()
    metrics = PrometheusMetrics(registry)

    def figure(name: str) -> float | None:
        return registry.get_sample_value("running_managed_controllers", {"name": name, "manager": "test"})

    manager = ControllerManager(metrics=metrics, options=ManagerOptions(name="test"))
    manager.add(Controller("web", nothing, client=kubeprims_client))
    with pytest.raises(ConfigError):
        ControllerManager(metrics=metrics, options=ManagerOptions(name="test"))
    with running(manager):
        eventually(lambda: figure("web") == 1.0, TIMEOUT_S, "it runs")
        assert figure("db") is None
    assert figure("web") is None, "nobody counts any more"
    metrics.close()


# -- controllers and caches -------------------------------------------------------------------------------------------


def nothing(key: ObjectKey, ctx: ReconcileContext) -> None:
    """Reconcile nothing."""


@case("CM-12")
def test_controllers_start_once_the_caches_are_in_sync(
    kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    kubeprims_apiserver.create("v1/configmaps", {"metadata": {"name": "web"}}, namespace="default")
    synced: list[bool] = []
    informers = SharedInformerFactory(kubeprims_client)
    informer = informers.informer("v1/configmaps", namespace="default")
    manager = ControllerManager(informers=informers)
    controller = Controller("web", lambda key, ctx: synced.append(informer.has_synced), client=kubeprims_client)
    manager.add(controller.watches(informer))
    with running(manager) as raised:
        eventually(lambda: synced, TIMEOUT_S, "a reconcile")
    assert all(synced)
    assert raised == []
    assert informer.is_stopped


@case(
    "CM-9", otherwise="DESIGN 4: the caches have to be in sync before the election, which takes a server that answers"
)
def test_caches_that_do_not_sync_end_the_manager_and_say_why(
    kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    informers = SharedInformerFactory(kubeprims_client)
    informers.informer("example.com/v1/widgets")
    manager = ControllerManager(informers=informers, options=ManagerOptions(sync_timeout_s=3.0))
    with pytest.raises(CacheSyncTimeout, match=r"example.com/v1/widgets.*404"):
        manager.run()


def test_a_manager_whose_server_is_down_while_it_starts_can_be_stopped_at_once(
    kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    kubeprims_apiserver.crash()
    informers = SharedInformerFactory(kubeprims_client)
    informer = informers.informer("v1/configmaps", namespace="default")
    manager = ControllerManager(informers=informers)
    manager.add(Controller("web", nothing, client=kubeprims_client).watches(informer))
    with running(manager) as raised:
        eventually(lambda: informer.last_error, TIMEOUT_S, "it tries")
    assert raised == []
    kubeprims_apiserver.restart()


def test_a_cache_whose_handler_does_not_end_is_named(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    kubeprims_apiserver.create("v1/configmaps", {"metadata": {"name": "web"}}, namespace="default")
    begun, may_end = threading.Event(), threading.Event()

    def blocks(_: object) -> None:
        begun.set()
        may_end.wait(TIMEOUT_S)

    informers = SharedInformerFactory(kubeprims_client)
    informer = informers.informer("v1/configmaps", namespace="default")
    informer.add_event_handler(on_add=blocks, name="slow")
    manager = ControllerManager(informers=informers, options=ManagerOptions(shutdown_timeout_s=0.3))
    try:
        with running(manager) as raised:
            assert begun.wait(TIMEOUT_S)
            manager.stop()
            eventually(lambda: raised, TIMEOUT_S, "the end")
    finally:
        may_end.set()
    assert isinstance(raised[0], StopTimeout)
    assert "slow" in str(raised[0])
    informers.stop(TIMEOUT_S)


def test_controllers_are_chosen_by_name(kubeprims_client: Client, kubeprims_apiserver: APIServer) -> None:
    seen: list[str] = []
    manager = ControllerManager(controllers="*,-b", off_by_default=frozenset({"c"}))
    for name in ("a", "b", "c"):
        controller = Controller(name, lambda key, ctx, name=name: seen.append(name), client=kubeprims_client)
        manager.add(controller)
        controller.enqueue("default/any")
    with running(manager):
        eventually(lambda: seen, TIMEOUT_S, "one of them")
    assert seen == ["a"]


def test_unknown_controllers_are_refused_before_anything_starts(kubeprims_client: Client) -> None:
    recorder = Recorder()
    manager = ControllerManager(controllers="*,-nodes")
    manager.add(Controller("node", nothing, client=kubeprims_client))
    manager.add(recorder.runnable("server"), name="server", group=Group.SERVERS)
    with pytest.raises(ConfigError, match="no such controller: nodes; there are: node"):
        manager.run()
    assert recorder.log == []


def test_a_manager_that_is_refused_lets_go_of_its_address_and_its_figures() -> None:
    probes, metrics = Probes("127.0.0.1", 0), PrometheusMetrics()
    with pytest.raises(ConfigError, match="no such controller"):
        ControllerManager(controllers="nodes", probes=probes, metrics=metrics).run()
    again = Probes("127.0.0.1", probes.port)
    with running(ControllerManager(probes=again, metrics=metrics)) as raised:
        pass
    assert raised == []


def test_a_group_that_is_given_counts_for_a_controller_too(kubeprims_client: Client) -> None:
    seen: list[ObjectKey] = []
    controller = Controller("everywhere", lambda key, ctx: seen.append(key), client=kubeprims_client)
    controller.enqueue("default/any")
    manager = ControllerManager(gate=Gate([]))
    manager.add(controller, group=Group.ALWAYS)
    with running(manager):
        eventually(lambda: seen, TIMEOUT_S, "a reconcile without a leader")
    assert seen == ["default/any"]


@case("CM-17")
def test_names_are_unique_and_what_is_run_can_be_run(kubeprims_client: Client) -> None:
    manager = ControllerManager()
    manager.add(Controller("web", nothing, client=kubeprims_client))
    with pytest.raises(InvalidArgument, match="the manager has a web already"):
        manager.add(Controller("web", nothing, client=kubeprims_client))
    with pytest.raises(InvalidArgument, match="a manager runs controllers and what has run"):
        manager.add(7)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="a manager runs controllers and what has run"):
        manager.add(Recorded)  # type: ignore[arg-type]
    for group in ("leader", Place(Group.LEADER)):
        with pytest.raises(InvalidArgument, match=r"a group is one of Group\.SERVERS, Group\.ALWAYS, Group\.LEADER"):
            manager.add(Recorder().runnable("any"), group=group)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument, match="a group is one of"):
            manager.add_factory("made", lambda: None, group=group)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="shutdown_timeout_s: must be a positive number"):
        ManagerOptions(shutdown_timeout_s=0.0)


@case("CM-40")
def test_a_controller_that_dies_takes_the_manager_down(
    kubeprims_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        raise SystemExit(3)

    manager = ControllerManager()
    controller = Controller("web", reconcile, client=kubeprims_client)
    controller.enqueue("default/any")
    manager.add(controller)
    with caplog.at_level(logging.CRITICAL), running(manager) as raised:
        eventually(lambda: raised, TIMEOUT_S, "the end")
    assert str(raised[0]) == "web died: SystemExit: 3"


# -- as a program -----------------------------------------------------------------------------------------------------

PROGRAM = """
import sys, threading
from kubeprims.controller.gate import LeaderTerm
from kubeprims.controller.lifecycle import Member
from kubeprims.controller.manager import ControllerManager
from kubeprims.threads import Cancel

class Work:
    def run(self, stop):
        print("working", flush=True)
        stop.wait()
        print("stopping", flush=True)
        if sys.argv[1] == "slow":
            threading.Event().wait()

manager = ControllerManager()
manager.add(Work(), name="work")
sys.exit(manager.main())
"""


def program(how: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE, text=True)


@case("CM-57")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_drains_and_the_exit_code_is_zero(number: signal.Signals) -> None:
    with program("quick") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.stdout.readline() == "stopping\n"
        assert process.wait(TIMEOUT_S) == os.EX_OK


@case("CM-42", otherwise="QUIRK: the exit code of a second signal is the shell's own for it, 128 and its number")
def test_a_second_signal_ends_at_once() -> None:
    with program("slow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 128 + signal.SIGTERM


@case("CM-57")
def test_signals_are_handled_in_the_main_thread_alone() -> None:
    raised: list[BaseException] = []

    def main() -> None:
        try:
            ControllerManager().main()
        except LifecycleError as error:
            raised.append(error)

    group = ThreadGroup("test")
    group.spawn(main, name="main")
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert "signals come to the main thread alone" in str(raised[0])
