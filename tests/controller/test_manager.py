"""ControllerManager: what starts when, what stops when, and what ends all of it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kubeprims.client.client import Client
from kubeprims.controller.context import ReconcileContext
from kubeprims.controller.controller import Controller
from kubeprims.controller.manager import ControllerManager, Group
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
from kubeprims.testing import APIServer
from kubeprims.threads import Cancel, Deadline, ThreadGroup
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
        self.elected = threading.Event()
        self.term = Term(log)

    def wait(self, stop: Cancel) -> Term | None:
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


def test_a_manager_that_was_never_elected_starts_nothing_of_the_leader_while_it_stops() -> None:
    recorder = Recorder()
    manager = ControllerManager(gate=Gate(recorder.log))
    manager.add(recorder.runnable("leader"), name="leader")
    manager.add(recorder.runnable("always"), name="always", group=Group.ALWAYS)
    with running(manager):
        eventually(lambda: "+always" in recorder.log, TIMEOUT_S, "up to the gate")
    assert recorder.log == ["+always", "-always"]


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


def test_what_does_not_end_in_time_is_named_and_the_lock_is_kept() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    gate.elected.set()
    stubborn, may_end = threading.Event(), threading.Event()

    class Stubborn:
        def run(self, stop: Cancel) -> None:
            stubborn.set()
            may_end.wait(TIMEOUT_S)

    manager = ControllerManager(gate=gate, shutdown_timeout_s=0.05)
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


# -- controllers and caches -------------------------------------------------------------------------------------------


def nothing(key: ObjectKey, ctx: ReconcileContext) -> None:
    """Reconcile nothing."""


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


def test_caches_that_do_not_sync_end_the_manager_and_say_why(
    kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    informers = SharedInformerFactory(kubeprims_client)
    informers.informer("example.com/v1/widgets")
    manager = ControllerManager(informers=informers, sync_timeout_s=0.3)
    with pytest.raises(CacheSyncTimeout, match=r"example.com/v1/widgets.*404"):
        manager.run()


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


def test_names_are_unique_and_what_is_run_can_be_run(kubeprims_client: Client) -> None:
    manager = ControllerManager()
    manager.add(Controller("web", nothing, client=kubeprims_client))
    with pytest.raises(InvalidArgument, match="the manager has a web already"):
        manager.add(Controller("web", nothing, client=kubeprims_client))
    with pytest.raises(InvalidArgument, match="a manager runs controllers and what has run"):
        manager.add(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="shutdown_timeout_s: must be a positive number"):
        ControllerManager(shutdown_timeout_s=0.0)


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_drains_and_the_exit_code_is_zero(number: signal.Signals) -> None:
    with program("quick") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.stdout.readline() == "stopping\n"
        assert process.wait(TIMEOUT_S) == os.EX_OK


def test_a_second_signal_ends_at_once() -> None:
    with program("slow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 128 + signal.SIGTERM


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
