"""What the specification says of controller managers, sentence by sentence, where no other test does."""

from __future__ import annotations

import inspect
import logging
import math
import signal
import subprocess
import sys
import threading
from collections import Counter

import pytest

from kubeprims.client.client import Client
from kubeprims.controller import metrics as controller_metrics
from kubeprims.controller.context import ReconcileContext
from kubeprims.controller.controller import SYNC_TIMEOUT_S, Controller
from kubeprims.controller.gate import AlwaysLeader, LeaderTerm
from kubeprims.controller.manager import ControllerManager, Group, ManagerOptions
from kubeprims.controller.mapping import own_key
from kubeprims.controller.probes import Probes
from kubeprims.controller.result import Result
from kubeprims.controller.sources import Watched
from kubeprims.errors import ConfigError
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.handlers import Notification, Reason
from kubeprims.informer.options import InformerOptions
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing import APIServer
from kubeprims.threads import Cancel
from kubeprims.workqueue import metrics as workqueue_metrics
from kubeprims.workqueue.order import LOW_PRIORITY
from tests.controller.test_manager import Gate, Recorded, Recorder, Term, ask, nothing, running
from tests.controller.world import TIMEOUT_S, World, config_map
from tests.parity import case
from tests.waiting import eventually

MAPS = "v1/configmaps"


@case("CM-1", otherwise="out of scope: a program has flags of its own; without a gate there is no election")
@case("CM-26")
def test_without_an_election_the_leaders_work_starts_directly() -> None:
    recorder = Recorder()
    manager = ControllerManager()
    manager.add(recorder.runnable("work"), name="work")
    with running(manager):
        eventually(lambda: recorder.log == ["+work"], TIMEOUT_S, "it starts")
        assert manager.is_leading


@case("CM-4", "CM-28", otherwise="QUIRK: 0 is no time at all, not for ever, which is math.inf; 30 s unless given")
def test_a_stop_may_take_half_a_minute_or_for_ever_and_never_no_time() -> None:
    assert ManagerOptions().shutdown_timeout_s == 30.0
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="shutdown_timeout_s"):
            ManagerOptions(shutdown_timeout_s=wrong)
    recorder = Recorder()
    manager = ControllerManager(options=ManagerOptions(shutdown_timeout_s=math.inf))
    manager.add(recorder.runnable("work"), name="work")
    with running(manager) as raised:
        eventually(lambda: recorder.log, TIMEOUT_S, "it starts")
    assert raised == []


@case("CM-5", otherwise="QUIRK: resyncs are off unless asked for, and each handler keeps its own time")
def test_nothing_is_resynced_unless_asked_for() -> None:
    assert InformerOptions().resync_period_s == 0.0


@case("CM-7", "CM-51")
def test_a_standby_is_ready_unless_told_otherwise(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    informers = SharedInformerFactory(kubeprims_client)
    informers.informer(MAPS, namespace="default")
    probes = Probes("127.0.0.1", 0)
    with running(ControllerManager(informers=informers, gate=Gate([]), probes=probes)):
        eventually(lambda: ask(probes, "/readyz")[0] == 200, TIMEOUT_S, "it is ready")
        assert ask(probes, "/healthz")[0] == 200
        assert ask(probes, "/metrics")[0] == 501, "there, and nothing to give"


@case("CM-8", otherwise="DESIGN 4: clients and caches are there before the election, so that a standby is warm")
@case("CM-23")
def test_caches_are_in_sync_before_anybody_contends(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    kubeprims_apiserver.create(MAPS, {"metadata": {"name": "web"}}, namespace="default")
    informers = SharedInformerFactory(kubeprims_client)
    informer = informers.informer(MAPS, namespace="default")
    recorder = Recorder()
    seen: list[tuple[bool, list[str]]] = []

    class Asked(Gate):
        def wait(self, stop: Cancel) -> Term | None:
            seen.append((informer.has_synced, [*recorder.log]))
            return super().wait(stop)

    class Warm(Recorded):
        def warmup(self, stop: Cancel) -> None:
            recorder.log.append("warm")

    manager = ControllerManager(informers=informers, gate=Asked([]))
    manager.add(Warm(recorder, "leader", None), name="leader")
    manager.add(recorder.runnable("server"), name="server", group=Group.SERVERS)
    with running(manager):
        eventually(lambda: seen, TIMEOUT_S, "it contends")
    assert seen == [(True, ["+server", "warm"])]


@case("CM-11", otherwise="out of scope: there is no debug handler; in_flight and depth say what a controller is at")
def test_a_controller_says_what_it_is_at(world: World) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        begun.set()
        assert may_end.wait(TIMEOUT_S)

    controller = world.controller(reconcile)
    with world.running(controller):
        controller.enqueue("default/a")
        assert begun.wait(TIMEOUT_S)
        controller.enqueue("default/b")
        assert [key for key, _ in controller.in_flight] == ["default/a"]
        assert controller.depth == 1
        may_end.set()


@case("CM-13")
def test_controllers_run_at_the_same_time(kubeprims_apiserver: APIServer, kubeprims_client: Client) -> None:
    together = threading.Barrier(3, timeout=TIMEOUT_S)

    def meet(key: ObjectKey, ctx: ReconcileContext) -> None:
        together.wait()

    manager = ControllerManager()
    controllers: list[Controller] = []
    for name in ("a", "b", "c"):
        controller = Controller(name, meet, client=kubeprims_client)
        controller.enqueue("default/any")
        manager.add(controller)
        controllers.append(controller)
    with running(manager) as raised:
        eventually(lambda: [one.counts.by_result["success"] for one in controllers] == [1] * 3, TIMEOUT_S, "they meet")
    assert raised == []


@case("CM-14")
def test_what_still_runs_is_logged_after_each_third_of_the_time(caplog: pytest.LogCaptureFixture) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow:
        def run(self, stop: Cancel) -> None:
            begun.set()
            may_end.wait(TIMEOUT_S)

    manager = ControllerManager(options=ManagerOptions(shutdown_timeout_s=0.09))
    manager.add(Slow(), name="slow")
    try:
        with caplog.at_level(logging.WARNING), running(manager) as raised:
            assert begun.wait(TIMEOUT_S)
            manager.stop()
            eventually(lambda: raised, TIMEOUT_S, "the end")
    finally:
        may_end.set()
    assert [record.getMessage() for record in caplog.records].count("still running: slow") == 3


PROGRAM = """
import sys
from kubeprims.controller.manager import ControllerManager
from kubeprims.threads import Cancel

class Term:
    token = "7"
    def __init__(self):
        self.lost = Cancel()
    def is_leading(self):
        return not self.lost.is_set
    def release(self, timeout_s):
        return True

class Gate:
    def wait(self, stop):
        return term

class Work:
    def run(self, stop):
        print("working", manager.is_leading, flush=True)
        sys.stdin.readline()
        term.lost.set()
        stop.wait()
        print("stopping", manager.is_leading, flush=True)

term = Term()
manager = ControllerManager(gate=Gate())
manager.add(Work(), name="work")
sys.exit(manager.main())
"""


@case("CM-15", "CM-48")
def test_a_lost_lease_marks_cancels_drains_and_exits_with_one() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        out, err = process.communicate("\n")  # a busy machine takes long to start it
    assert out == "working True\nstopping False\n"
    assert process.returncode == 1
    assert "the manager has ended: leadership was lost" in err


@case("CM-18", otherwise="out of scope: controllers have one name, and no aliases")
def test_a_controller_has_one_name(kubeprims_client: Client) -> None:
    assert "alias" not in " ".join(inspect.signature(Controller).parameters)


@case("CM-20")
def test_further_elections_wait_for_the_first_one_if_asked_for() -> None:
    recorder = Recorder()
    first, second = Gate(recorder.log), Gate(recorder.log)
    second.elected.set()
    options = ManagerOptions(elections_in_turn=True)
    manager = ControllerManager(gate=first, gates={"migration": second}, options=options)
    manager.add(recorder.runnable("main"), name="main")
    manager.add_factory("moved", lambda: recorder.runnable("moved"), election="migration")
    with running(manager) as raised:
        assert first.asked.wait(TIMEOUT_S)
        assert recorder.log == []
        assert not second.asked.is_set()
        first.elected.set()
        eventually(lambda: recorder.log == ["+main", "+moved"], TIMEOUT_S, "one after the other")
    assert raised == []


@case(
    "CM-24", otherwise="out of scope: there is no server of webhooks; one is a part like any other, among the servers"
)
@case("CM-25")
def test_what_says_nothing_is_for_the_leader_and_a_server_may_say_so() -> None:
    recorder = Recorder()
    gate = Gate(recorder.log)
    manager = ControllerManager(gate=gate)
    manager.add(recorder.runnable("work"), name="work")
    manager.add(recorder.runnable("webhooks"), name="webhooks", group=Group.SERVERS)
    with running(manager):
        assert gate.asked.wait(TIMEOUT_S)
        eventually(lambda: recorder.log == ["+webhooks"], TIMEOUT_S, "the server alone")


@case(
    "CM-27", otherwise="D3: the lock is released as soon as the leader's work has ended, before caches and servers stop"
)
@case("CM-50")
def test_a_reconcile_is_finished_while_the_term_lasts_and_nothing_new_is_begun(
    kubeprims_apiserver: APIServer, kubeprims_client: Client
) -> None:
    log: list[str] = []
    informers = SharedInformerFactory(kubeprims_client)
    informer = informers.informer(MAPS, namespace="default")
    gate = Gate(log)
    gate.elected.set()
    begun, seen = threading.Event(), Counter[str]()

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        seen[key] += 1
        begun.set()
        ctx.stop.wait(TIMEOUT_S)
        log.append(f"done, leading {ctx.is_leading()}, caches {'stopped' if informer.is_stopped else 'there'}")

    class Released(Term):
        def release(self, timeout_s: float) -> bool:
            log.append(f"caches {'stopped' if informer.is_stopped else 'there'}")
            return super().release(timeout_s)

    gate.term = Released(log)
    manager = ControllerManager(informers=informers, gate=gate)
    controller = Controller("web", reconcile, client=kubeprims_client).watches(informer)
    manager.add(controller)
    controller.enqueue("default/a")
    controller.enqueue("default/b")
    with running(manager) as raised:
        assert begun.wait(TIMEOUT_S)
    assert raised == []
    assert log == ["done, leading True, caches there", "caches there", "released"]
    assert sum(seen.values()) == 1
    assert informer.is_stopped


@case("CM-33", otherwise="DESIGN 3: probes and metrics are off until given an address, the same for all of them")
def test_there_are_no_probes_unless_asked_for() -> None:
    assert inspect.signature(ControllerManager).parameters["probes"].default is None


@case("CM-36")
@case("CM-45")
def test_a_controller_has_one_worker_two_minutes_and_needs_the_leader(kubeprims_client: Client) -> None:
    parameters = inspect.signature(Controller).parameters
    assert parameters["workers"].default == 1
    assert SYNC_TIMEOUT_S == parameters["sync_timeout_s"].default == 120.0
    assert Controller("web", nothing, client=kubeprims_client).needs_leader


@case("CM-37")
def test_a_key_that_is_added_while_it_is_reconciled_runs_once_more(world: World) -> None:
    runs: list[str] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        runs.append(key)
        if len(runs) == 1:
            controller.enqueue(key)
            controller.enqueue(key)
            assert controller.depth == 0, "it waits for its worker"

    controller = world.controller(reconcile, workers=2)
    with world.running(controller):
        controller.enqueue("default/a")
        eventually(lambda: controller.counts.by_result["success"] == 2, TIMEOUT_S, "twice")
        controller.enqueue("default/b")
        eventually(lambda: "default/b" in runs, TIMEOUT_S, "what came later")
    assert runs.count("default/a") == 2


@case("CM-44")
@pytest.mark.parametrize(
    ("reason", "priority"),
    [
        (Reason.LIVE, 0),
        (Reason.INITIAL, LOW_PRIORITY),
        (Reason.RELIST, LOW_PRIORITY),
        (Reason.RESYNC, LOW_PRIORITY),
    ],
)
def test_live_changes_go_before_what_is_listed_or_repeated(world: World, reason: Reason, priority: int) -> None:
    assert LOW_PRIORITY == -100
    added: list[tuple[str, int]] = []
    informer = world.informers.informer(MAPS, namespace="default")
    watched = Watched(
        "test", informer, own_key, None, add=lambda key, *, priority: added.append((key, priority))
    )  # fmt: skip
    obj = Unstructured.from_dict(config_map("web"))
    watched.tell(Notification(obj.key, obj, obj, reason))
    assert set(added) == {("default/web", priority)}


@case("CM-54", "CM-55")
def test_a_reconcile_knows_the_term_and_none_begins_without_one(world: World) -> None:
    term = Term([])
    tokens: list[str] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result:
        tokens.append(ctx.token)
        if len(tokens) == 3:
            term.lost.set()
        if len(tokens) % 2:
            return Result(requeue_after_s=0.0)
        raise ValueError("try again")

    controller = world.controller(reconcile)
    world.informers.start()
    controller.start(term)
    controller.enqueue("default/a")
    eventually(term.lost.wait, TIMEOUT_S, "it is lost")
    controller.enqueue("default/b")
    eventually(lambda: controller.depth == 0 and not controller.in_flight, TIMEOUT_S, "nobody waits")
    controller.stop(TIMEOUT_S)
    assert tokens == ["7", "7", "7"]


@case("CM-56", otherwise="decision 2: threads; there is no driver for asyncio")
def test_a_manager_runs_on_threads() -> None:
    assert not inspect.iscoroutinefunction(ControllerManager.run)


@case("CM-57")
def test_signals_are_left_alone_unless_asked_for() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    stop = threading.Event()
    seen: list[object] = []

    class Work:
        def run(self, cancel: Cancel) -> None:
            seen.append((signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)))
            stop.set()
            cancel.wait()

    manager = ControllerManager()
    manager.add(Work(), name="work")
    manager.run(stop)
    assert seen == [before]


@case("CM-59", otherwise="QUIRK: both are computed when they are read, so nothing has to be refreshed")
@case("CM-60", otherwise="QUIRK: client-go's labels and bounds; a controller's queue has its name")
def test_queues_have_client_gos_labels_and_bounds() -> None:
    for family in workqueue_metrics.FAMILIES:
        assert family.labels == ("name",)
    bounds = workqueue_metrics.WORK_DURATION.buckets
    assert bounds == pytest.approx([1e-8 * 10**power for power in range(10)])


@case("CM-62", otherwise="decision 2: nothing panics here: what a reconcile raises is a failure, or ends the manager")
def test_there_are_no_panics_to_count() -> None:
    assert not any("panic" in family.name for family in controller_metrics.FAMILIES)


def test_the_gate_of_who_is_alone_gives_a_term_that_ends_when_it_is_released() -> None:
    stop = Cancel()
    term = AlwaysLeader().wait(stop)
    assert term is not None
    kept: LeaderTerm = term
    assert kept.is_leading()
    assert kept.token == ""
    assert kept.release(1.0)
    assert not kept.is_leading()
    stop.set()
    assert AlwaysLeader().wait(stop) is None
