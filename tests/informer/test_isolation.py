"""Handlers that are slow, that raise, or that never return: what becomes of them, and of everybody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from kubeprims.errors import HandlerOverflow, InvalidArgument, LifecycleError, StopTimeout
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Notification
from kubeprims.informer.shared import SharedInformer
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing.clock import VirtualClock
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.threads import Cancel, Deadline, Latch, ThreadGroup
from tests.informer.mirror import Mirror, cached
from tests.informer.test_shared import TIMEOUT_S, Constant, Recorder, Rig, rig, synced
from tests.parity import case
from tests.waiting import eventually

__all__ = ["rig"]


HOLD_S = 50.0
"""How long a handler is held at most, in seconds: longer than all that a test does meanwhile, on any machine."""


class Stuck:
    """A handler whose first call returns when it is let; it remembers all that it was told."""

    def __init__(self) -> None:
        self.entered = Latch()
        self.release = Latch()
        self.mirror = Mirror()
        self.versions: list[str] = []

    def on_event(self, notification: Notification) -> None:
        self.entered.set()
        assert self.release.wait(HOLD_S)
        self.mirror.on_event(notification)
        self.versions.append("" if notification.new is None else notification.new.resource_version)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """Yield a handler that is let go in the end."""
    handler = Stuck()
    yield handler
    handler.release.set()


def started(rig: Rig) -> Rig:
    rig.source.put("a")
    rig.informer.start()
    return synced(rig)


def truth(rig: Rig) -> dict[str, str]:
    return {str(record[0]): record[2] for record in rig.source.list(None, cancel=Cancel())}  # type: ignore[arg-type]


def agree(rig: Rig, *mirrors: Mirror) -> None:
    """Wait until the cache and these handlers have what the source has."""
    expected = truth(rig)
    eventually(lambda: cached(rig.informer) == expected, TIMEOUT_S, "the cache has it all")
    for mirror in mirrors:
        eventually(lambda mirror=mirror: mirror.state() == expected, TIMEOUT_S, "the handler was told of it all")


# -- coalesce -------------------------------------------------------------------------------------------------------


def test_a_handler_that_does_not_return_holds_nobody_up_and_is_told_how_things_are_once_it_does(
    rig: Rig, stuck: Stuck
) -> None:
    other = Mirror()
    registration = rig.informer.add_event_handler(on_event=stuck.on_event, buffer_limit=5)
    rig.informer.add_event_handler(on_event=other.on_event)
    started(rig)
    assert stuck.entered.wait(TIMEOUT_S)
    for number in range(100):
        rig.source.put(f"pod-{number % 4}")
    rig.source.delete("pod-3")
    rig.source.put("pod-3")
    agree(rig, other)
    assert registration.depth <= 20
    stuck.release.set()
    agree(rig, stuck.mirror)
    assert len(stuck.versions) < 100
    assert registration.coalesced > 0


# -- block ----------------------------------------------------------------------------------------------------------


def blocked(rig: Rig, stuck: Stuck) -> HandlerRegistration:
    """Have a handler block the informer, with more to come."""
    registration = rig.informer.add_event_handler(on_event=stuck.on_event, policy="block", buffer_limit=2, name="slow")
    started(rig)
    assert stuck.entered.wait(TIMEOUT_S)
    for number in range(20):
        rig.source.put(f"pod-{number % 4}")
        if number == 10:
            eventually(lambda: rig.informer.blocked_by == ("slow",), TIMEOUT_S, "the informer is blocked")
    return registration


def test_a_handler_that_blocks_is_told_everything_and_the_informer_waits_for_it(rig: Rig, stuck: Stuck) -> None:
    other = Mirror()
    rig.informer.add_event_handler(on_event=other.on_event)
    registration = blocked(rig, stuck)
    assert cached(rig.informer) != truth(rig)
    stuck.release.set()
    agree(rig, other, stuck.mirror)
    assert sorted(map(int, stuck.versions)) == [*range(1, 22)]
    assert (registration.coalesced, rig.informer.blocked_by) == (0, ())


def test_a_handler_that_blocks_goes_on_blocking_no_more_once_it_is_removed(rig: Rig, stuck: Stuck) -> None:
    other = Mirror()
    rig.informer.add_event_handler(on_event=other.on_event)
    registration = blocked(rig, stuck)
    rig.informer.remove_event_handler(registration)
    agree(rig, other)
    stuck.release.set()
    assert registration.wait_until_ended(TIMEOUT_S)


def test_an_informer_that_is_blocked_can_be_stopped(rig: Rig, stuck: Stuck) -> None:
    blocked(rig, stuck)

    def running() -> tuple[str, ...]:
        with pytest.raises(StopTimeout) as raised:
            rig.informer.stop(timeout_s=0.0)
        return raised.value.running

    eventually(lambda: running() == ("informer v1/pods: slow",), TIMEOUT_S, "all others have ended")
    stuck.release.set()


def test_a_handler_that_is_added_while_another_one_blocks_is_told_of_the_cache_at_once(rig: Rig, stuck: Stuck) -> None:
    blocked(rig, stuck)
    late = Mirror()
    registration = rig.informer.add_event_handler(on_event=late.on_event)
    assert registration.wait_for_sync(TIMEOUT_S)
    assert late.state() == cached(rig.informer) != truth(rig)
    stuck.release.set()
    agree(rig, late, stuck.mirror)


def add_another(rig: Rig, registration: HandlerRegistration) -> None:
    late = rig.informer.add_event_handler(on_event=Mirror().on_event)
    assert late.wait_for_sync(TIMEOUT_S)
    rig.informer.remove_event_handler(late)
    assert late.wait_until_ended(TIMEOUT_S)


def add_an_index(rig: Rig, registration: HandlerRegistration) -> None:
    rig.informer.indexer.add_indexers({"name": lambda obj: [obj.name]})
    assert rig.informer.indexer.index_keys("name", "a") == ["default/a"]


def wait_for_the_informer(rig: Rig, registration: HandlerRegistration) -> None:
    rig.informer.wait_for_sync(TIMEOUT_S)


def wait_for_my_end(rig: Rig, registration: HandlerRegistration) -> None:
    assert not registration.wait_until_ended(TIMEOUT_S)


@pytest.mark.parametrize("call", [add_another, add_an_index, wait_for_the_informer, wait_for_my_end])
def test_a_handler_that_blocks_the_informer_may_call_it(
    rig: Rig, call: Callable[[Rig, HandlerRegistration], None]
) -> None:
    mirror, blocks, called = Mirror(), Latch(), Latch()
    made: list[HandlerRegistration] = []

    def meddle(notification: Notification) -> None:
        assert blocks.wait(TIMEOUT_S)
        if not called.is_set:
            call(rig, made[0])
            called.set()
        mirror.on_event(notification)

    made.append(rig.informer.add_event_handler(on_event=meddle, policy="block", buffer_limit=1, name="slow"))
    started(rig)
    for number in range(10):
        rig.source.put(f"pod-{number}")
    eventually(lambda: rig.informer.blocked_by == ("slow",), TIMEOUT_S, "the informer is blocked")
    blocks.set()
    assert called.wait(TIMEOUT_S)
    agree(rig, mirror)
    assert made[0].last_error is None


def test_a_handler_that_blocks_the_informer_may_wait_for_what_it_holds_up(rig: Rig) -> None:
    mirror, blocks, waited = Mirror(), Latch(), Latch()
    versions: list[str] = []

    def wait_for_own_write(notification: Notification) -> None:
        assert blocks.wait(TIMEOUT_S)
        mirror.on_event(notification)
        if not waited.is_set:
            rig.informer.wait_for_resource_version(rig.source.put("mine"), TIMEOUT_S)
            versions.append(cached(rig.informer)["default/mine"])
            waited.set()

    registration = rig.informer.add_event_handler(on_event=wait_for_own_write, policy="block", buffer_limit=1, name="x")
    started(rig)
    for number in range(10):
        rig.source.put(f"pod-{number}")
    eventually(lambda: rig.informer.blocked_by == ("x",), TIMEOUT_S, "the informer is blocked")
    blocks.set()
    assert waited.wait(TIMEOUT_S)
    assert versions == ["12"]
    agree(rig, mirror)
    assert (registration.errors, registration.coalesced) == (0, 0)


@pytest.mark.parametrize("ends", ["remove", "stop"])
def test_a_handler_that_blocks_the_informer_may_remove_itself_or_stop_it(rig: Rig, ends: str) -> None:
    blocks, called = Latch(), Latch()
    made: list[HandlerRegistration] = []

    def leave(notification: Notification) -> None:
        assert blocks.wait(TIMEOUT_S)
        if ends == "remove":
            rig.informer.remove_event_handler(made[0])
        else:
            rig.informer.stop(TIMEOUT_S)
        called.set()

    other = Mirror()
    rig.informer.add_event_handler(on_event=other.on_event)
    made.append(rig.informer.add_event_handler(on_event=leave, policy="block", buffer_limit=1, name="slow"))
    started(rig)
    for number in range(10):
        rig.source.put(f"pod-{number}")
    eventually(lambda: rig.informer.blocked_by == ("slow",), TIMEOUT_S, "the informer is blocked")
    blocks.set()
    assert called.wait(TIMEOUT_S)
    assert made[0].wait_until_ended(TIMEOUT_S)
    if ends == "remove":
        agree(rig, other)


# -- raise ----------------------------------------------------------------------------------------------------------


def test_a_handler_that_is_too_slow_is_removed_if_it_asked_for_that_and_nobody_else_is(stuck: Stuck) -> None:
    reported: list[tuple[HandlerRegistration, ObjectKey | None, Exception]] = []
    source = FakeListerWatcher()
    other = Mirror()
    with SharedInformer(
        source, name="v1/pods", clock=VirtualClock(), on_handler_error=lambda *what: reported.append(what)
    ) as informer:
        registration = informer.add_event_handler(on_event=stuck.on_event, policy="raise", buffer_limit=2, name="slow")
        informer.add_event_handler(on_event=other.on_event)
        source.put("a")
        assert stuck.entered.wait(TIMEOUT_S)
        source.put("pod-0")
        eventually(lambda: registration.depth == 1, TIMEOUT_S, "one change is pending")
        for number in range(1, 10):
            source.put(f"pod-{number}")
        eventually(lambda: not registration.is_active, TIMEOUT_S, "the handler is removed")
        eventually(lambda: len(other.state()) == 11, TIMEOUT_S, "the other one is told of it all")
        error = registration.last_error
        assert isinstance(error, HandlerOverflow)
        assert str(error) == "event handler slow is removed: more than 2 changes were waiting for it"
        assert (registration.depth, registration.errors) == (0, 0)
        stuck.release.set()
        assert registration.wait_until_ended(TIMEOUT_S)
        assert reported == [(registration, None, error)]
        informer.remove_event_handler(registration)
        again = Mirror()
        informer.add_event_handler(on_event=again.on_event, policy="raise", buffer_limit=2)
        eventually(lambda: again.state() == other.state(), TIMEOUT_S, "a new one starts over, whatever its limit")


def test_who_waits_for_the_sync_of_a_handler_that_is_removed_for_being_slow_is_told(rig: Rig, stuck: Stuck) -> None:
    registration = rig.informer.add_event_handler(on_event=stuck.on_event, policy="raise", buffer_limit=1)
    started(rig)
    assert stuck.entered.wait(TIMEOUT_S)
    rig.source.put("a")
    eventually(lambda: registration.depth == 1, TIMEOUT_S, "one change is pending")
    rig.source.put("a")
    assert not registration.wait_for_sync(TIMEOUT_S)


# -- handlers that raise --------------------------------------------------------------------------------------------


def test_an_error_of_a_handler_is_counted_logged_and_reported_with_the_key(caplog: pytest.LogCaptureFixture) -> None:
    reported: list[tuple[str, ObjectKey | None, str]] = []
    source = FakeListerWatcher()
    source.put("a")

    def report(registration: HandlerRegistration, key: ObjectKey | None, error: Exception) -> None:
        reported.append((registration.name, key, str(error)))
        raise RuntimeError("mine")

    def fail(obj: Unstructured) -> None:
        raise RuntimeError(f"cannot take {obj.name}")

    with SharedInformer(source, name="v1/pods", clock=VirtualClock(), on_handler_error=report) as informer:
        registration = informer.add_event_handler(on_add=fail, name="bad")
        assert registration.wait_for_sync(TIMEOUT_S)
    assert reported == [("bad", "default/a", "cannot take a")]
    assert registration.errors == 1
    assert "event handler bad failed on default/a" in caplog.text
    assert "on_handler_error failed" in caplog.text


@case(
    "IN-138", otherwise="decision 12 (spec 5): errors are isolated, so nothing is gained by a pause of 1 s after each"
)
def test_each_error_of_each_handler_is_logged_and_none_of_them_waits(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        rig.source.put(f"pod-{number}")

    def fail(obj: Unstructured) -> None:
        raise RuntimeError(obj.name)

    registrations = [rig.informer.add_event_handler(on_add=fail, name=name) for name in ("one", "two")]
    rig.informer.start()
    for registration in registrations:
        assert registration.wait_for_sync(TIMEOUT_S)
        assert registration.errors == 5
        assert caplog.text.count(f"event handler {registration.name} failed on default/pod-") == 5


def test_a_handler_that_fails_on_everything_is_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    source, clock = FakeListerWatcher(), VirtualClock()
    for number in range(100):
        source.put(f"pod-{number}")
    reported: list[ObjectKey | None] = []

    def fail(notification: Notification) -> None:
        raise RuntimeError(notification.key)

    with SharedInformer(
        source, name="v1/pods", clock=clock, on_handler_error=lambda _, key, error: reported.append(key)
    ) as informer:
        registration = informer.add_event_handler(on_event=fail, name="bad")
        assert registration.wait_for_sync(TIMEOUT_S)
        assert len(caplog.messages) == 10
        clock.advance(1.0)
        source.put("later")
        eventually(lambda: registration.errors == 101, TIMEOUT_S, "every failure is counted")
    assert len(set(reported)) == 101
    assert caplog.messages[10] == "event handler bad failed on default/later (101 failures so far)"


@case(
    "IN-106",
    otherwise="decision 12 (spec 5): no error of a handler stops an informer, unless what reports it does; only what "
    "is no Exception leaves run()",
)
@pytest.mark.parametrize("by", ["report", "exit"])
def test_an_informer_ends_by_an_error_of_a_handler_only_if_somebody_says_so(by: str) -> None:
    source, stop = FakeListerWatcher(), threading.Event()
    source.put("a")

    def fail(obj: Unstructured) -> None:
        if by == "exit":
            raise SystemExit(3)
        raise RuntimeError(obj.name)

    informer = SharedInformer(
        source, name="v1/pods", clock=VirtualClock(), on_handler_error=lambda *_: stop.set() if by == "report" else None
    )
    informer.add_event_handler(on_add=fail)
    if by == "exit":
        with pytest.raises(SystemExit, match="3"):
            informer.run(stop)
    else:
        informer.run(stop)
    assert informer.is_stopped
    assert stop.is_set()


CALLS = 8


@pytest.mark.parametrize("failing_call", range(CALLS))
@pytest.mark.parametrize("policy", ["coalesce", "block", "raise"])
def test_whichever_call_of_a_handler_fails_the_others_and_its_own_next_ones_are_made(
    failing_call: int, policy: str
) -> None:
    """Fail the 1st call, then the 2nd, ... to the last."""
    source, other = FakeListerWatcher(), Recorder()
    calls: list[str] = []
    done = Latch()

    def fail(notification: Notification) -> None:
        calls.append(f"{notification.key}")
        if len(calls) == CALLS:
            done.set()
        if len(calls) == failing_call + 1:
            raise RuntimeError("fault")

    source.put("a")
    source.put("b")
    with SharedInformer(source, name="v1/pods", clock=VirtualClock(), rng=Constant()) as informer:
        informer.add_event_handler(on_event=other.on_event)
        registration = informer.add_event_handler(on_event=fail, policy=policy)
        assert registration.wait_for_sync(TIMEOUT_S)
        for name in ("c", "a", "b"):
            source.put(name)
        for name in ("a", "b", "c"):
            source.delete(name)
        assert done.wait(TIMEOUT_S)
        assert [text.split()[1] for text in other.wait(CALLS)] == calls
        assert registration.errors == 1
        eventually(lambda: cached(informer) == {}, TIMEOUT_S, "the cache is empty")


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"policy": "drop"}, "policy must be one of coalesce, block, raise, not 'drop'"),
        ({"buffer_limit": 0}, "buffer_limit must be 1 or more, not 0"),
        ({"buffer_limit": float("inf")}, "buffer_limit must be 1 or more, not inf"),
        ({"buffer_limit": float("nan")}, "buffer_limit must be 1 or more, not nan"),
        ({"filter": "app=web"}, "filter must be callable"),
        ({"resync_period_s": -1.0}, "a resync period is 0"),
        ({"resync_period_s": float("nan")}, "a resync period is 0"),
        ({"on_delete": 7}, "on_delete must be callable"),
    ],
)
def test_settings_that_a_handler_cannot_have_are_refused_at_the_call(
    rig: Rig, settings: dict[str, object], rule: str
) -> None:
    with pytest.raises(InvalidArgument, match=rule):
        rig.informer.add_event_handler(on_add=print, **settings)  # type: ignore[arg-type]
    started(rig)
    assert rig.informer.blocked_by == ()


def test_a_stopped_informer_takes_no_handler_whatever_its_policy(rig: Rig) -> None:
    started(rig)
    rig.informer.stop()
    for policy in ("coalesce", "block", "raise"):
        with pytest.raises(LifecycleError, match="stopped"):
            rig.informer.add_event_handler(on_add=print, policy=policy)


# -- all at once ----------------------------------------------------------------------------------------------------


def test_good_handlers_are_told_of_everything_among_bad_ones(rig: Rig, stuck: Stuck) -> None:
    good = [Mirror() for _ in range(3)]
    for mirror, policy in zip(good, ("coalesce", "block", "raise"), strict=True):
        rig.informer.add_event_handler(on_event=mirror.on_event, policy=policy)

    def fail(notification: Notification) -> None:
        raise RuntimeError(notification.key)

    raising = rig.informer.add_event_handler(on_event=fail)
    rig.informer.add_event_handler(on_event=stuck.on_event, buffer_limit=1)
    started(rig)
    group = ThreadGroup("writers")

    def write(number: int) -> None:
        for step in range(100):
            rig.source.put(f"pod-{number}-{step % 7}")
        for step in range(3):
            rig.source.delete(f"pod-{number}-{step}")

    for number in range(4):
        group.spawn(lambda number=number: write(number), name=str(number))
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    agree(rig, *good)
    eventually(lambda: raising.errors == 1 + 4 * 103, TIMEOUT_S, "each failure is counted")
    stuck.release.set()
    agree(rig, stuck.mirror)
