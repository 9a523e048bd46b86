"""Controllers on the embedded API server: what is asked for and what there is, brought together."""

from __future__ import annotations

import datetime
import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType

import pytest

from kubeprims.client.client import Client
from kubeprims.controller.changes import set_controller_reference
from kubeprims.controller.context import Operation, ReconcileContext
from kubeprims.controller.controller import Controller
from kubeprims.controller.gate import AlwaysLeader
from kubeprims.controller.result import QUIET_CONFLICTS, Result
from kubeprims.controller.watchdog import Watchdog
from kubeprims.errors import (
    AlreadyExists,
    CacheSyncTimeout,
    Cancelled,
    ConfigError,
    Conflict,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    StopTimeout,
    TerminalError,
)
from kubeprims.meta import GroupVersionKind, JSONObject, ObjectKey
from kubeprims.testing import VirtualClock
from kubeprims.testing.apiserver.faults import Match, Stall
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.controller.world import TIMEOUT_S, World, config_map
from tests.parity import case
from tests.waiting import eventually

CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")


def test_every_object_is_reconciled_at_the_start_and_again_when_it_changes(world: World) -> None:
    for name in ("a", "b"):
        world.server.create("v1/configmaps", config_map(name), namespace="default")
    seen: Counter[str] = Counter()
    controller = world.controller(lambda key, ctx: seen.update([key]))
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with world.running(controller):
        eventually(lambda: seen["default/a"] and seen["default/b"], TIMEOUT_S, "both were reconciled")
        before = seen["default/a"]
        world.server.patch("v1/configmaps", "a", {"data": {"color": "red"}}, namespace="default")
        eventually(lambda: seen["default/a"] > before, TIMEOUT_S, "it was reconciled again")
        world.server.delete("v1/configmaps", "b", namespace="default")
        eventually(lambda: seen["default/b"] == 2, TIMEOUT_S, "its end was reconciled")
    assert controller.counts.by_result["success"] == sum(seen.values())


def test_what_it_owns_is_kept_whatever_others_do(world: World) -> None:
    """A Secret for each ConfigMap, made again when it is deleted and mended when it is changed."""

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        owner = ctx.get("v1/configmaps")
        if owner is None:
            return

        def change(secret: JSONObject) -> None:
            secret["stringData"] = {"copied": "yes"}
            secret.setdefault("data", {})
            secret["type"] = "Opaque"

        there = ctx.get("v1/secrets")
        if there is None or there.get("data") != {"copied": "eWVz"}:
            body: JSONObject = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": key.name, "namespace": "default"},
            }
            set_controller_reference(body, owner)
            ctx.create_or_patch(body, change)

    controller = world.controller(reconcile, workers=2)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    controller.owns(world.informers.informer("v1/secrets", namespace="default"), CONFIG_MAP)
    world.server.create("v1/configmaps", config_map("web"), namespace="default")

    def data() -> object:
        found = world.server.list("v1/secrets", namespace="default")
        return found[0].get("data") if found else None

    with world.running(controller):
        eventually(lambda: data() == {"copied": "eWVz"}, TIMEOUT_S, "the secret was made")
        world.server.patch("v1/secrets", "web", {"data": {"copied": "bm8="}}, namespace="default")
        eventually(lambda: data() == {"copied": "eWVz"}, TIMEOUT_S, "the secret was mended")
        world.server.delete("v1/secrets", "web", namespace="default")
        eventually(lambda: data() == {"copied": "eWVz"}, TIMEOUT_S, "the secret was made again")
    assert controller.counts.errors == 0


def test_a_reconcile_never_acts_on_a_cache_that_is_older_than_its_own_write(world: World) -> None:
    """A counter that is raised by one in each of ten reconciles: whoever reads an old cache counts one twice."""
    world.server.create("v1/configmaps", config_map("count", value="0"), namespace="default")
    seen: list[int] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        found = ctx.get("v1/configmaps")
        assert found is not None
        data = found["data"]
        assert isinstance(data, dict)
        value = int(str(data["value"]))
        seen.append(value)
        if value == 10:
            return None
        ctx.client.resource("v1/configmaps", key.namespace).patch(key.name, {"data": {"value": str(value + 1)}})
        return Result(requeue_after_s=0.0)

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with world.running(controller):
        eventually(lambda: 10 in seen, TIMEOUT_S, "ten steps")
    assert [value for value in range(11) if value not in seen] == []
    assert Counter(value for value in seen if value < 10).most_common(1)[0][1] == 1, seen


def test_a_get_in_the_same_reconcile_shows_what_was_written(world: World) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    shown: list[object] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        maps = ctx.client.resource("v1/configmaps", key.namespace)
        if key.name == "web" and not shown:
            maps.patch("web", {"data": {"color": "red"}})
            found = ctx.get("v1/configmaps")
            shown.append(found and found.get("data"))
            maps.create(config_map("made"))
            shown.append(ctx.get("v1/configmaps", "default/made") is not None)
            maps.delete("made")
            shown.append(ctx.get("v1/configmaps", "default/made"))

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with world.running(controller):
        eventually(lambda: len(shown) == 3, TIMEOUT_S, "three looks")
    assert shown == [{"color": "red"}, True, None]


def test_what_no_informer_covers_is_read_from_the_server(world: World) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    found: list[object] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        found.append(ctx.get("v1/namespaces", "default"))
        found.append(ctx.get("v1/secrets", "default/none"))

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with world.running(controller):
        eventually(lambda: len(found) >= 2, TIMEOUT_S, "two looks")
    assert found[0] is not None
    assert found[1] is None


@case("CM-40")
def test_a_failure_is_logged_once_with_key_and_attempt_and_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    attempts: list[int] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt < 2:
            raise ValueError("not yet")

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with caplog.at_level(logging.ERROR), world.running(controller):
        eventually(lambda: controller.counts.by_result["success"] == 1, TIMEOUT_S, "the third attempt")
    assert attempts == [0, 1, 2]
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"test: the reconcile of default/web failed, attempt {number}" for number in (1, 2)]
    assert controller.counts.errors == 2


def test_conflicts_are_tried_again_quietly(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        if ctx.attempt == 0:
            raise Conflict("modified", code=409)

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with caplog.at_level(logging.WARNING), world.running(controller):
        eventually(lambda: controller.counts.by_result["success"] == 1, TIMEOUT_S, "the second attempt")
    assert caplog.records == []
    assert (controller.counts.errors, controller.counts.by_result["requeue"]) == (0, 1)


@case("CM-39")
def test_a_terminal_error_waits_for_the_next_change(world: World) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    attempts: list[int] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        attempts.append(ctx.attempt)
        raise TerminalError("no such size")

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with world.running(controller):
        eventually(lambda: controller.counts.terminal_errors == 1, TIMEOUT_S, "the first attempt")
        world.server.patch("v1/configmaps", "web", {"data": {"size": "2"}}, namespace="default")
        eventually(lambda: controller.counts.terminal_errors == 2, TIMEOUT_S, "another after the change")
    assert attempts == [0, 0]


def test_something_else_than_a_result_is_a_failure(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    controller = world.controller(lambda key, ctx: True)  # type: ignore[arg-type, return-value]
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with caplog.at_level(logging.ERROR), world.running(controller):
        eventually(lambda: controller.counts.errors, TIMEOUT_S, "a failure")
    assert "a reconcile returns a Result or None, not bool" in caplog.text


@case("CM-37")
def test_no_key_is_with_two_workers(world: World) -> None:
    for number in range(5):
        world.server.create("v1/configmaps", config_map(f"web-{number}"), namespace="default")
    lock = threading.Lock()
    active: Counter[str] = Counter()
    done: Counter[str] = Counter()
    clashes: list[str] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        with lock:
            active[key] += 1
            if active[key] > 1:
                clashes.append(key)
        with lock:
            active[key] -= 1
            done[key] += 1
        return Result(requeue_after_s=0.0) if done[key] < 50 else None

    controller = world.controller(reconcile, workers=4)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with world.running(controller):
        eventually(lambda: all(done[f"default/web-{number}"] >= 50 for number in range(5)), TIMEOUT_S, "all of it")
    assert clashes == []


@case(
    "CM-41", otherwise="decision 2: nobody can end a thread but itself, so it is reported, with its stack, and counted"
)
def test_a_reconcile_that_takes_too_long_is_reported_with_its_stack(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    begun, may_end = threading.Event(), threading.Event()

    def a_telling_name() -> None:
        begun.set()
        assert may_end.wait(TIMEOUT_S)

    clock = VirtualClock()
    controller = Controller(
        "test", lambda key, ctx: a_telling_name(), client=world.client, reconcile_timeout_s=30.0, clock=clock
    )
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with caplog.at_level(logging.ERROR), world.running(controller):
        assert begun.wait(TIMEOUT_S)
        assert [key for key, _ in controller.in_flight] == ["default/web"]
        eventually(lambda: clock.next_due_s() == 30.0, TIMEOUT_S, "the watchdog waits")
        clock.advance(30.0)
        eventually(lambda: controller.counts.timeouts == 1, TIMEOUT_S, "the report")
        may_end.set()
        eventually(lambda: controller.counts.by_result["success"] == 1, TIMEOUT_S, "the end")
    assert "test: the reconcile of default/web has not ended within 30 s" in caplog.text
    assert "a_telling_name" in caplog.text


def test_a_reconcile_that_ends_as_it_is_reported_is_not_blamed_for_what_comes_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_end, has_ended, may_go = threading.Event(), threading.Event(), threading.Event()
    reports: list[KubeprimsError] = []
    clock = VirtualClock()
    watchdog = Watchdog("test", 30.0, clock=clock, on_timeout=reports.append)

    def something_else() -> None:
        has_ended.set()
        may_go.wait()

    def work() -> None:
        with watchdog.watch(ObjectKey("default/web")):
            may_end.wait()
        something_else()

    def frames_once_it_has_ended() -> dict[int, FrameType]:
        may_end.set()
        assert has_ended.wait(TIMEOUT_S)
        return frames()

    frames = sys._current_frames
    monkeypatch.setattr(sys, "_current_frames", frames_once_it_has_ended)
    stop, group = Cancel(), ThreadGroup("test")
    group.spawn(work, name="work")
    group.spawn(lambda: watchdog.run(stop), name="watchdog")
    eventually(lambda: clock.next_due_s() == 30.0, TIMEOUT_S, "the watchdog waits")
    clock.advance(30.0)
    eventually(lambda: reports, TIMEOUT_S, "the report")
    stop.set()
    may_go.set()
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert "it has just ended" in str(reports[0])
    assert "something_else" not in str(reports[0])


@case("CM-52")
def test_each_reconcile_that_takes_too_long_is_reported_and_all_of_them_are_no_good_sign(world: World) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        begun.release()
        assert may_end.wait(TIMEOUT_S)

    clock = VirtualClock()
    controller = Controller("test", reconcile, client=world.client, workers=2, reconcile_timeout_s=30.0, clock=clock)
    with world.running(controller):
        controller.enqueue("default/a")
        assert begun.acquire(timeout=TIMEOUT_S)
        eventually(lambda: clock.next_due_s() == 30.0, TIMEOUT_S, "the watchdog waits")
        clock.advance(30.0)
        eventually(lambda: controller.counts.timeouts == 1, TIMEOUT_S, "the first report")
        assert controller.health() is None, "one worker is left"
        controller.enqueue("default/b")
        assert begun.acquire(timeout=TIMEOUT_S)
        eventually(lambda: clock.next_due_s() == 30.0, TIMEOUT_S, "the watchdog waits for the second")
        clock.advance(30.0)
        eventually(lambda: controller.counts.timeouts == 2, TIMEOUT_S, "the second report")
        assert controller.health() == "all 2 workers are at reconciles that take too long"
        may_end.set()
        eventually(lambda: controller.health() is None, TIMEOUT_S, "they have ended")


def test_reconciles_live_by_the_clock_that_they_are_given(world: World) -> None:
    """A day passes in no time: first by a time that was asked for, then by delays that grow with each failure."""
    clock = VirtualClock()
    times: list[float] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> Result | None:
        times.append(clock.monotonic())
        if len(times) == 1:
            return Result(requeue_after_s=86_400.0)
        if len(times) < 5:
            raise ValueError("not yet")
        return None

    controller = Controller("test", reconcile, client=world.client, clock=clock)
    with world.running(controller):
        controller.enqueue("default/any")
        eventually(lambda: clock.next_due_s() == 86_400.0, TIMEOUT_S, "it waits for a day")
        clock.advance(86_399.0)
        assert len(times) == 1
        clock.advance(1.0)
        for delay_s in (0.005, 0.010, 0.020):
            eventually(lambda due=delay_s: clock.next_due_s() == pytest.approx(due), TIMEOUT_S, "after a failure")
            clock.advance(delay_s)
        eventually(lambda: controller.counts.by_result["success"] == 1, TIMEOUT_S, "it succeeds")
    assert times == pytest.approx([1_000.0, 87_400.0, 87_400.005, 87_400.015, 87_400.035])


@pytest.mark.parametrize("error", [AlreadyExists("taken", code=409), Conflict("modified", code=409)])
def test_a_conflict_that_does_not_pass_is_told_of(
    world: World, error: Conflict, caplog: pytest.LogCaptureFixture
) -> None:
    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        if ctx.attempt <= QUIET_CONFLICTS:
            raise error

    controller = world.controller(reconcile)
    with caplog.at_level(logging.ERROR), world.running(controller):
        controller.enqueue("default/any")
        eventually(lambda: controller.counts.by_result["success"], TIMEOUT_S, "it is over")
    assert controller.counts.errors == 1
    assert "the reconcile of default/any failed" in caplog.text


def test_stopping_waits_for_what_runs_and_names_what_does_not_end(world: World) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    begun, may_end = threading.Event(), threading.Event()

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        begun.set()
        assert may_end.wait(TIMEOUT_S)

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    world.informers.start()
    controller.start()
    assert begun.wait(TIMEOUT_S)
    with pytest.raises(StopTimeout, match="test: the reconcile of default/web"):
        controller.stop(0.01)
    may_end.set()
    controller.stop(TIMEOUT_S)
    controller.stop(TIMEOUT_S)
    with pytest.raises(LifecycleError, match="it starts once"):
        controller.start()


def endless(ctx: ReconcileContext, begun: threading.Event) -> None:
    """Make a request that goes on until it is cut off: a watch."""
    with ctx.client.resource("v1/configmaps", "default").watch() as watch:
        begun.set()
        for _ in watch:
            pass


def test_what_a_reconcile_asks_for_is_cut_off_before_it_is_said_not_to_end(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    begun = threading.Event()
    controller = world.controller(lambda key, ctx: endless(ctx, begun))
    controller.enqueue("default/web")
    with world.running(controller):
        assert begun.wait(TIMEOUT_S)
        with suppress(StopTimeout):  # a machine that does something else may take that long
            controller.stop(0.1)
        eventually(lambda: not controller.in_flight, TIMEOUT_S, "the end")
    assert (controller.counts.errors, caplog.text) == (0, ""), "to be cut off is no failure"


def test_who_leads_no_more_writes_no_more(world: World) -> None:
    begun, refused = threading.Event(), threading.Event()

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        try:
            endless(ctx, begun)
        except Cancelled:
            with pytest.raises(Cancelled):
                ctx.client.resource("v1/configmaps", "default").create(config_map("late"))
            refused.set()
            raise

    controller = world.controller(reconcile)
    controller.enqueue("default/web")
    term = AlwaysLeader().wait(Cancel())
    assert term is not None
    controller.start(term)
    assert begun.wait(TIMEOUT_S)
    term.lost.set()
    assert refused.wait(TIMEOUT_S)
    controller.stop(TIMEOUT_S)
    assert controller.counts.errors == 0


def test_a_cache_that_does_not_sync_ends_the_controller_and_is_named(world: World) -> None:
    stop = Cancel()
    controller = Controller("test", lambda key, ctx: None, client=world.client, sync_timeout_s=0.05)
    synced = world.informers.informer("v1/configmaps", namespace="default")
    controller.watches(synced).watches(world.informers.informer("v1/secrets", namespace="default"))
    synced.start()
    synced.wait_for_sync(TIMEOUT_S)
    with pytest.raises((LifecycleError, CacheSyncTimeout), match="v1/secrets"):
        controller.run(stop)
    assert stop.is_set


def test_a_cache_that_does_not_sync_in_time_is_named_with_the_time_that_it_had(world: World) -> None:
    stalled = world.server.faults.add(Stall(), Match(resource="v1/configmaps"), count=None)
    controller = Controller("test", lambda key, ctx: None, client=world.client, sync_timeout_s=0.05)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    world.informers.start()
    with pytest.raises(CacheSyncTimeout, match=r"not synced after 0.05 s: v1/configmaps in default") as info:
        controller.run(Cancel())
    assert info.value.timeout_s == 0.05
    stalled.release()


def test_keys_come_from_elsewhere_too(world: World) -> None:
    seen: list[str] = []
    controller = world.controller(lambda key, ctx: seen.append(key))
    with world.running(controller):
        controller.enqueue("default/by-hand")
        eventually(lambda: seen == ["default/by-hand"], TIMEOUT_S, "the key")
        for wrong in (7, None, ("default", "web"), "a/b/c", ""):
            with pytest.raises(InvalidArgument):
                controller.enqueue(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument, match="test: a key is an ObjectKey"):
            controller.enqueue(7)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument, match="a delay is a number of seconds that is not negative"):
            controller.enqueue("default/web", after_s=-1.0)
    with pytest.raises(LifecycleError, match="controller test is stopped; it takes no key any more"):
        controller.enqueue("default/late")


async def reconciles_later(key: ObjectKey, ctx: ReconcileContext) -> None:
    """Do what no thread waits for."""


class ReconcilesLater:
    async def __call__(self, key: ObjectKey, ctx: ReconcileContext) -> None:
        """Do the same."""


def reconciles_in_part(key: ObjectKey, ctx: ReconcileContext) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"name": ""}, "name: must not be empty"),
        ({"reconcile": 7}, "reconcile: must be callable"),
        ({"name": 7}, "name: must not be empty"),
        ({"reconcile": reconciles_later}, "reconcile: must be callable, and neither a coroutine nor a generator"),
        ({"reconcile": ReconcilesLater()}, "reconcile: must be callable, and neither a coroutine nor a generator"),
        ({"reconcile": reconciles_in_part}, "reconcile: must be callable, and neither a coroutine nor a generator"),
        ({"workers": 0}, "workers: must be at least 1"),
        ({"workers": 1.5}, "workers: must be at least 1"),
        ({"workers": "4"}, "workers: must be at least 1"),
        ({"reconcile_timeout_s": "5"}, "reconcile_timeout_s: must be a positive number"),
        ({"reconcile_timeout_s": 0.0}, "reconcile_timeout_s: must be a positive number"),
        ({"sync_timeout_s": -1.0}, "sync_timeout_s: must be a positive number"),
    ],
)
def test_a_controller_that_cannot_be_is_refused(
    kubeprims_client: Client, arguments: dict[str, object], rule: str
) -> None:
    given: dict[str, object] = {"name": "test", "reconcile": lambda key, ctx: None, "client": kubeprims_client}
    with pytest.raises(ConfigError, match=rule):
        Controller(**{**given, **arguments})  # type: ignore[arg-type]


def test_what_discovery_tells_one_reconcile_is_known_to_the_next(world: World) -> None:
    body: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": "default"}}
    controller = world.controller(lambda key, ctx: ctx.client.resource_of(body).apply(body) and None)
    with world.running(controller):
        for count in (1, 2):
            controller.enqueue("default/any")
            eventually(lambda count=count: controller.counts.by_result["success"] == count, TIMEOUT_S, "a reconcile")
    assert [request.path for request in world.server.requests].count("/apis") == 1


def test_what_it_watches_is_said_before_it_starts(world: World) -> None:
    informer = world.informers.informer("v1/configmaps", namespace="default")
    controller = world.controller(lambda key, ctx: None)
    with pytest.raises(InvalidArgument, match="test: map must be callable"):
        controller.watches(informer, map=7)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="test: a controller watches informers, not 'v1/configmaps'"):
        controller.watches("v1/configmaps")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="an owner is a GroupVersionKind, not 'ConfigMap'"):
        controller.owns(informer, "ConfigMap")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="a delay is a number of seconds"):
        controller.enqueue("default/web", after_s=datetime.timedelta(seconds=5))  # type: ignore[arg-type]
    with world.running(controller), pytest.raises(LifecycleError, match="what it watches is said before"):
        controller.watches(informer)


def test_operations_are_told(world: World) -> None:
    told: list[Operation] = []
    body: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": "default"}}

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        def write(value: str) -> Operation:
            return ctx.create_or_patch(body, lambda obj: obj.update(data={"n": value}))[1]

        told.extend(map(write, ("1", "1", "2")))

    controller = world.controller(reconcile)
    with world.running(controller):
        controller.enqueue("default/any")
        eventually(lambda: len(told) == 3, TIMEOUT_S, "three operations")
    assert told == [Operation.CREATED, Operation.UNCHANGED, Operation.PATCHED]
    assert world.server.get("v1/configmaps", "made", namespace="default")["data"] == {"n": "2"}


def test_a_finalizer_is_added_and_removed(world: World) -> None:
    world.server.create("v1/configmaps", config_map("web"), namespace="default")
    cleaned: list[str] = []

    def reconcile(key: ObjectKey, ctx: ReconcileContext) -> None:
        found = ctx.get("v1/configmaps")
        if found is None:
            return
        if found.deletion_timestamp:
            cleaned.append(key)
            ctx.remove_finalizer(found, "example.com/clean")
        else:
            ctx.add_finalizer(found, "example.com/clean")

    def finalizers() -> object:
        metadata = world.server.get("v1/configmaps", "web", namespace="default")["metadata"]
        assert isinstance(metadata, dict)
        return metadata.get("finalizers")

    controller = world.controller(reconcile)
    controller.watches(world.informers.informer("v1/configmaps", namespace="default"))
    with world.running(controller):
        eventually(lambda: finalizers() == ["example.com/clean"], TIMEOUT_S, "the finalizer")
        world.server.delete("v1/configmaps", "web", namespace="default")
        eventually(lambda: not world.server.list("v1/configmaps", namespace="default"), TIMEOUT_S, "the end")
    assert cleaned == ["default/web"]
