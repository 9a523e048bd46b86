"""SharedInformer on a list and watch without a server: every guarantee that needs no wire."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kubeprims.cache.indexer import field_index
from kubeprims.errors import (
    CacheSyncTimeout,
    ConnectError,
    ConnectionLost,
    Forbidden,
    InternalError,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    ResourceExpired,
    StopTimeout,
    TooManyRequests,
    UnknownIndex,
)
from kubeprims.informer.handlers import Notification, Reason
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.shared import SharedInformer
from kubeprims.informer.status import ReflectorState
from kubeprims.meta import ObjectKey
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured
from kubeprims.testing.clock import VirtualClock
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.threads import Latch
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 10.0

LISTING = InformerOptions(reflector=ReflectorOptions(watch_list=False))
"""A list, then a watch: two requests that a test can make fail one by one."""


class Recorder:
    """A handler that remembers what it was told, and can be waited for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._changed = threading.Condition()

    def on_event(self, notification: Notification) -> None:
        old, new = notification.old, notification.new
        text = f"{notification.reason} {notification.key} {_version(old)}->{_version(new)}"
        with self._changed:
            self.seen.append(text)
            self._changed.notify_all()

    def wait(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.seen) >= count, TIMEOUT_S), self.seen
            return list(self.seen)


def _version(obj: Unstructured | None) -> str:
    return "" if obj is None else obj.resource_version


class Rig:
    """An informer on a fake source, with virtual time."""

    def __init__(self, **options: object) -> None:
        self.source = FakeListerWatcher()
        self.clock = VirtualClock()
        self.errors: list[tuple[KubeprimsError, float]] = []
        self.informer = SharedInformer(
            self.source,
            name="v1/pods",
            clock=self.clock,
            rng=Constant(),
            on_error=lambda error, delay_s: self.errors.append((error, delay_s)),
            **{"options": LISTING, **options},  # type: ignore[arg-type]
        )

    def record(self, **options: object) -> Recorder:
        recorder = Recorder()
        self.informer.add_event_handler(on_event=recorder.on_event, **options)  # type: ignore[arg-type]
        return recorder

    def until(self, holds: Callable[[FakeListerWatcher], bool]) -> None:
        assert self.source.wait_for(holds)

    def watching(self, watches: int = 1) -> None:
        """Wait until that many watches were asked for, and the informer has taken in what the last one has brought."""
        self.until(lambda source: len(source.watches) >= watches and source.idle_watches == 1)

    def next_try(self) -> None:
        """Move time to when the waiting reflector tries again."""
        assert self.clock.wait_for_waiters()
        due_s = self.clock.next_due_s()
        assert due_s is not None
        self.clock.advance(due_s)


class Constant:
    def random(self) -> float:
        return 0.0


@contextmanager
def running(**options: object) -> Iterator[Rig]:
    rig = Rig(**options)
    with rig.informer:
        yield rig


def synced(rig: Rig) -> Rig:
    rig.informer.wait_for_sync(TIMEOUT_S)
    rig.watching()
    return rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Yield a rig that is stopped at the end, whatever became of it."""
    made = Rig()
    yield made
    made.informer.stop()


def test_the_list_is_told_as_initial_and_then_what_happens_to_each_object_in_order(rig: Rig) -> None:
    rig.source.put("a")
    recorder = rig.record()
    rig.informer.start()
    synced(rig)
    rig.source.put("b")
    rig.source.put("a", spec={"x": 1})
    rig.source.delete("b")
    seen = recorder.wait(4)
    assert [text for text in seen if "/a " in text] == ["initial default/a ->1", "live default/a 1->3"]
    assert [text for text in seen if "/b " in text] == ["live default/b ->2", "live default/b 4->"]
    assert [obj.key for obj in rig.informer.indexer.list()] == ["default/a"]
    assert rig.informer.last_sync_resource_version == "4"


def test_a_handler_added_late_is_told_of_what_is_there_without_gap_or_repetition(rig: Rig) -> None:
    for number in range(3):
        rig.source.put(f"pod-{number}")
    rig.informer.start()
    synced(rig)
    late = rig.record()
    rig.source.put("pod-3")
    assert sorted(late.wait(4)[:3]) == [f"initial default/pod-{number} ->{number + 1}" for number in range(3)]
    assert late.seen[3] == "live default/pod-3 ->4"


@case("IN-135")
def test_a_handler_added_while_active_is_unsynced_until_its_callbacks_end(rig: Rig) -> None:
    rig.source.put("a")
    rig.informer.start()
    synced(rig)
    release, told = Latch(), Latch()

    def hold(obj: Unstructured) -> None:
        told.set()
        release.wait(TIMEOUT_S)

    registration = rig.informer.add_event_handler(on_add=hold)
    assert told.wait(TIMEOUT_S)
    assert not registration.has_synced
    release.set()
    assert registration.wait_for_sync(TIMEOUT_S)


@case("IN-115")
def test_a_relist_tells_what_changed_meanwhile_and_nothing_of_what_did_not(rig: Rig) -> None:
    for name in ("same", "changed", "gone"):
        rig.source.put(name)
    recorder = rig.record()
    rig.informer.start()
    synced(rig)
    recorder.wait(3)
    rig.source.put("changed", silently=True)
    rig.source.put("new", silently=True)
    rig.source.delete("gone", silently=True)
    rig.source.compact()
    rig.source.end_watches(ResourceExpired("too old", code=410, reason="Expired"))
    rig.next_try()
    assert sorted(recorder.wait(6)[3:]) == [
        "relist default/changed 2->4",
        "relist default/gone 3->",
        "relist default/new ->5",
    ]


def test_a_delete_that_was_not_seen_is_told_with_the_last_known_state(rig: Rig) -> None:
    rig.source.put("gone", spec={"x": 1})
    deleted: list[Unstructured] = []
    told = Latch()
    rig.informer.add_event_handler(on_delete=lambda obj: (deleted.append(obj), told.set()))
    rig.informer.start()
    synced(rig)
    rig.source.delete("gone", silently=True)
    rig.source.end_watches(ResourceExpired("too old", code=410, reason="Expired"))
    rig.next_try()
    assert told.wait(TIMEOUT_S)
    assert isinstance(deleted[0], DeletedFinalStateUnknown)
    assert (deleted[0].key, deleted[0]["spec"]) == ("default/gone", {"x": 1})


def test_a_handler_object_is_told_whether_an_add_is_initial(rig: Rig) -> None:
    seen: list[tuple[str, object]] = []
    done = Latch()

    class Handler:
        def on_add(self, obj: Unstructured, *, is_in_initial_list: bool) -> None:
            seen.append((obj.name, is_in_initial_list))

        def on_update(self, old: Unstructured, new: Unstructured) -> None:
            seen.append((new.name, (old.resource_version, new.resource_version)))

        def on_delete(self, obj: Unstructured) -> None:
            seen.append((obj.name, "deleted"))
            done.set()

    rig.source.put("a")
    rig.informer.add_event_handler(Handler())
    rig.informer.start()
    synced(rig)
    rig.source.put("a")
    rig.source.put("b")
    rig.source.delete("b")
    assert done.wait(TIMEOUT_S)
    assert seen == [("a", True), ("a", ("1", "2")), ("b", False), ("b", "deleted")]


@case("IN-137", otherwise="QUIRK k/k#129024: here the sync of a handler survives its exceptions")
def test_a_handler_that_raises_goes_on_is_counted_and_syncs(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a", "b"):
        rig.source.put(name)

    def fail(obj: Unstructured) -> None:
        raise RuntimeError(obj.name)

    registration = rig.informer.add_event_handler(on_add=fail, name="bad")
    other = rig.record()
    rig.informer.start()
    assert registration.wait_for_sync(TIMEOUT_S)
    assert registration.errors == 2
    assert str(registration.last_error) == "b"
    assert len(other.wait(2)) == 2
    assert "event handler bad failed on default/a" in caplog.text


@case("IN-129", "IN-127", "IN-130")
def test_each_registration_of_one_handler_is_told_and_removed_alone(rig: Rig) -> None:
    recorder = Recorder()
    registrations = [rig.informer.add_event_handler(on_event=recorder.on_event) for _ in range(3)]
    rig.informer.start()
    synced(rig)
    rig.source.put("a")
    recorder.wait(3)
    rig.informer.remove_event_handler(registrations[0])
    rig.informer.remove_event_handler(registrations[0])
    assert registrations[0].wait_until_ended(TIMEOUT_S)
    assert [registration.is_active for registration in registrations] == [False, True, True]
    rig.source.put("b")
    assert len(recorder.wait(5)) == 5
    other = rig.record()
    for registration in registrations:
        rig.informer.remove_event_handler(registration)
        assert registration.wait_until_ended(TIMEOUT_S)
    rig.source.put("c")
    other.wait(3)
    assert len(recorder.seen) == 5


def test_an_informer_and_its_handlers_say_which_they_are(rig: Rig) -> None:
    registration = rig.informer.add_event_handler(on_add=lambda _: None, name="audit")
    assert repr(registration) == "<HandlerRegistration audit>"
    assert repr(rig.informer) == "<SharedInformer v1/pods: new>"


@case("IN-128")
def test_removing_the_handler_of_another_informer_does_nothing(rig: Rig) -> None:
    with running() as other:
        registration = other.informer.add_event_handler(on_event=Recorder().on_event)
        rig.informer.remove_event_handler(registration)
        assert registration.is_active


@case("IN-139", "IN-140")
def test_removing_returns_at_once_and_waiting_for_the_end_waits_for_the_running_call(rig: Rig) -> None:
    entered, release = Latch(), Latch()
    left: list[str] = []

    def hold(obj: Unstructured) -> None:
        entered.set()
        release.wait(TIMEOUT_S)
        left.append(obj.name)

    rig.source.put("a")
    rig.source.put("b")
    registration = rig.informer.add_event_handler(on_add=hold)
    rig.informer.start()
    assert entered.wait(TIMEOUT_S)
    rig.informer.remove_event_handler(registration)
    assert not registration.wait_until_ended(0.0)
    release.set()
    assert registration.wait_until_ended(TIMEOUT_S)
    assert left == ["a"]


@case("IN-133")
def test_after_stop_a_handler_is_refused_and_removing_one_is_no_error(rig: Rig) -> None:
    registration = rig.informer.add_event_handler(on_event=Recorder().on_event)
    rig.informer.start()
    rig.informer.stop()
    with pytest.raises(LifecycleError, match="stopped"):
        rig.informer.add_event_handler(on_event=Recorder().on_event)
    rig.informer.remove_event_handler(registration)


@case("IN-132")
def test_an_informer_starts_once(rig: Rig) -> None:
    assert (rig.informer.state, rig.informer.is_stopped) == (ReflectorState.NEW, False)
    rig.informer.start()
    synced(rig)
    assert (rig.informer.state is ReflectorState.STOPPED, rig.informer.is_stopped) == (False, False)
    with pytest.raises(LifecycleError, match="once"):
        rig.informer.start()
    rig.informer.stop()
    rig.informer.stop()
    assert rig.informer.is_stopped
    assert rig.informer.state is ReflectorState.STOPPED


@case("IN-136")
def test_stopping_an_informer_that_never_started_leaves_nothing(rig: Rig) -> None:
    rig.informer.add_event_handler(on_event=Recorder().on_event)
    rig.informer.stop()
    with pytest.raises(LifecycleError):
        rig.informer.start()


@case("IN-136")
@pytest.mark.parametrize("added_late", [False, True])
def test_stopping_an_informer_ends_the_threads_of_all_its_handlers(rig: Rig, *, added_late: bool) -> None:
    before = set(threading.enumerate())
    if added_late:
        rig.informer.start()
        synced(rig)
    rig.informer.add_event_handler(on_event=Recorder().on_event)
    if not added_late:
        rig.informer.start()
    assert len(set(threading.enumerate()) - before) == 2
    rig.informer.stop()
    assert set(threading.enumerate()) == before


def test_a_handler_that_does_not_return_is_named_by_stop(rig: Rig) -> None:
    entered, release = Latch(), Latch()
    rig.source.put("a")

    def hold(obj: Unstructured) -> None:
        entered.set()
        release.wait(TIMEOUT_S)

    rig.informer.add_event_handler(on_add=hold, name="stuck")
    rig.informer.start()
    assert entered.wait(TIMEOUT_S)
    with pytest.raises(StopTimeout, match="stuck"):
        rig.informer.stop(timeout_s=0.0)
    release.set()


def test_a_handler_may_stop_the_informer(rig: Rig) -> None:
    stopped = Latch()
    rig.source.put("a")
    rig.informer.add_event_handler(on_add=lambda obj: (rig.informer.stop(), stopped.set()))
    rig.informer.start()
    assert stopped.wait(TIMEOUT_S)


def test_run_ends_when_it_is_told_to(rig: Rig) -> None:
    stop = threading.Event()
    rig.source.put("a")
    rig.informer.add_event_handler(on_add=lambda obj: stop.set())
    rig.informer.run(stop)
    assert rig.informer.is_stopped


@case("IN-3")
def test_a_resync_replays_the_cache_to_the_handlers_that_ask_for_it(rig: Rig) -> None:
    rig.source.put("a")
    never = rig.record()
    often = rig.record(resync_period_s=5.0)
    rig.informer.start()
    synced(rig)
    often.wait(1)
    assert rig.clock.wait_for_waiters()
    rig.clock.advance(4.9)
    assert rig.clock.wait_for_waiters()
    assert often.seen == ["initial default/a ->1"]
    rig.clock.advance(0.1)
    assert often.wait(2)[1] == "resync default/a 1->1"
    assert rig.clock.wait_for_waiters()
    rig.clock.advance(5.0)
    assert often.wait(3)[2] == "resync default/a 1->1"
    assert never.wait(1) == ["initial default/a ->1"]
    assert len(rig.source.lists) == 1


@case("IN-21", otherwise="decision 1: a resync is the handler's own; what goes wrong in one is no reason to list")
def test_a_resync_that_fails_is_the_handlers_own_affair(rig: Rig) -> None:
    rig.source.put("a")
    calls = Recorder()

    def fail(notification: Notification) -> None:
        calls.on_event(notification)
        raise RuntimeError("mine")

    rig.informer.add_event_handler(on_event=fail, resync_period_s=5.0)
    rig.informer.start()
    synced(rig)
    for count in (1, 2):
        calls.wait(count)
        assert rig.clock.wait_for_waiters()
        rig.clock.advance(5.0)
    assert calls.wait(3)[1:] == ["resync default/a 1->1"] * 2
    assert (len(rig.source.lists), len(rig.source.watches)) == (1, 1)


def test_a_resync_before_the_first_list_replays_nothing(rig: Rig) -> None:
    rig.source.fail_lists(*[Forbidden("no", code=403)] * 2)
    recorder = rig.record(resync_period_s=1.0)
    rig.informer.start()
    for seconds in (0.8, 0.2, 1.0):  # the second list fails, a resync is due, and another
        assert rig.clock.wait_for_waiters(2)
        rig.clock.advance(seconds)
    assert rig.clock.wait_for_waiters(2)
    assert recorder.seen == []


def test_an_unchanged_resync_is_marked_as_no_change() -> None:
    record = (ObjectKey("a"), "u", "1", (), b"{}")
    same = Notification(ObjectKey("a"), Unstructured(record), Unstructured(record), Reason.RESYNC)
    assert not same.changed
    assert Notification(ObjectKey("a"), None, Unstructured(record), Reason.LIVE).changed
    assert same._replace(reason=Reason.RELIST).changed, "a server that went back may give a version to another state"


@pytest.mark.parametrize(
    "error", [ConnectError("refused"), TooManyRequests("busy", code=429), InternalError("broken", code=500)]
)
def test_a_watch_goes_on_from_its_version_without_a_list(rig: Rig, error: KubeprimsError) -> None:
    rig.source.put("a")
    recorder = rig.record()
    rig.informer.start()
    synced(rig)
    rig.source.fail_watches(error)
    rig.source.put("b")
    recorder.wait(2)
    rig.source.end_watches()
    rig.until(lambda source: len(source.watches) == 2)
    rig.source.put("c")
    rig.next_try()
    assert recorder.wait(3)[2] == "live default/c ->3"
    assert [options.resource_version for options in rig.source.watches] == ["1", "2", "2"]
    assert rig.informer.status.lists == 1
    assert rig.errors == [(error, 0.8)]
    rig.until(lambda source: source.open_watches == 1)


def test_a_429_inside_the_stream_backs_off_and_goes_on(rig: Rig) -> None:
    rig.source.put("a")
    rig.informer.start()
    synced(rig)
    status = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "slow down"}
    rig.source.send(WatchEvent(WatchEventType.ERROR, None, "", False, status, None))
    assert rig.clock.wait_for_waiters()
    assert rig.informer.state is ReflectorState.WAITING
    assert isinstance(rig.informer.last_error, TooManyRequests)
    rig.next_try()
    rig.watching(2)
    assert len(rig.source.lists) == 1


@case("IN-124")
def test_a_list_that_fails_is_visible_tried_again_and_named_by_a_sync_that_times_out(rig: Rig) -> None:
    error = Forbidden("pods is forbidden", code=403, reason="Forbidden")
    rig.source.fail_lists(error, error)
    rig.informer.start()
    assert rig.clock.wait_for_waiters()
    with pytest.raises(CacheSyncTimeout, match="v1/pods: 403 Forbidden: pods is forbidden"):
        rig.informer.wait_for_sync(0.0)
    assert rig.informer.status.next_try_in_s(rig.clock) == pytest.approx(0.8)
    rig.next_try()
    rig.until(lambda source: len(source.lists) == 2)
    rig.next_try()
    rig.informer.wait_for_sync(TIMEOUT_S)
    assert rig.errors == [(error, 0.8), (error, 1.6)]
    assert rig.informer.last_error is None
    assert rig.informer.status.failures == 2


def test_an_outage_is_over_once_a_watch_is_open_again_though_nothing_happens(rig: Rig) -> None:
    rig.source.put("a")
    rig.informer.start()
    synced(rig)
    rig.source.fail_watches(ConnectError("refused"))
    rig.source.end_watches(ConnectionLost("reset"))
    rig.next_try()
    rig.until(lambda source: len(source.watches) == 2)
    eventually(lambda: isinstance(rig.informer.last_error, ConnectError), TIMEOUT_S, "the refusal is seen")
    rig.next_try()
    rig.watching(3)
    assert (rig.informer.status.lists, rig.informer.status.probes) == (1, 1)
    eventually(lambda: rig.informer.last_error is None, TIMEOUT_S, "the failure is over")


def test_waiting_for_sync_ends_when_the_informer_stops(rig: Rig) -> None:
    with pytest.raises(LifecycleError, match="not started"):
        rig.informer.wait_for_sync(0.0)
    rig.source.fail_lists(Forbidden("no", code=403))
    rig.informer.start()
    assert rig.clock.wait_for_waiters()
    rig.informer.stop()
    with pytest.raises(LifecycleError, match="stopped before"):
        rig.informer.wait_for_sync(TIMEOUT_S)


@case("IN-4", "IN-5")
def test_stopping_ends_an_open_watch_at_once_and_asks_for_nothing_more(rig: Rig) -> None:
    rig.informer.start()
    synced(rig)
    rig.informer.stop()
    assert rig.source.open_watches == 0
    assert rig.errors == []
    assert (len(rig.source.lists), len(rig.source.watches)) == (1, 1)


def test_a_bookmark_moves_the_version_and_tells_nobody(rig: Rig) -> None:
    rig.source.put("a")
    recorder = rig.record()
    rig.informer.start()
    synced(rig)
    rig.source.put("b", silently=True)
    rig.source.bookmark()
    rig.source.put("c")
    recorder.wait(2)
    rig.source.end_watches()
    rig.watching(2)
    assert rig.source.watches[1].resource_version == "3"
    assert rig.informer.indexer.resource_version == "3"


def test_a_malformed_object_costs_itself_and_is_reported(rig: Rig) -> None:
    rig.source.put("a")
    recorder = rig.record()
    rig.informer.start()
    synced(rig)
    bad = MalformedObject("labels are no object", b"{}", ObjectKey("default/bad"), "7")
    rig.source.send(WatchEvent(WatchEventType.ADDED, None, "7", False, None, bad))
    rig.source.put("b")
    recorder.wait(2)
    eventually(lambda: rig.errors, TIMEOUT_S, "the error is reported")
    assert rig.informer.status.malformed == 1
    assert "default/bad is skipped: labels are no object" in str(rig.errors[0][0])


def test_an_index_finds_objects_before_and_after_they_change(rig: Rig) -> None:
    rig.informer.indexer.add_indexers({"node": field_index("spec.nodeName")})
    rig.source.put("a", spec={"nodeName": "n1"})
    rig.informer.start()
    synced(rig)
    assert rig.informer.indexer.index_keys("node", "n1") == ["default/a"]
    with pytest.raises(UnknownIndex):
        rig.informer.indexer.by_index("zone", "z")
    assert [obj.key for obj in rig.informer.lister("default").list()] == ["default/a"]


def test_an_error_callback_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    source, clock = FakeListerWatcher(), VirtualClock()
    source.fail_lists(Forbidden("no", code=403))

    def fail(error: KubeprimsError, delay_s: float) -> None:
        raise RuntimeError("mine")

    with SharedInformer(
        source, name="v1/pods", clock=clock, rng=Constant(), options=LISTING, on_error=fail
    ) as informer:
        assert clock.wait_for_waiters()
        clock.advance(0.8)
        informer.wait_for_sync(TIMEOUT_S)
    assert "on_error failed" in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"on_add": print, "on_event": print},
        {"on_add": 7},
        {"on_event": 7},
        {"handler": object()},
        {"on_add": print, "resync_period_s": -1.0},
        {"on_add": print, "resync_period_s": 0.5},
    ],
)
def test_a_handler_in_no_form_or_a_wrong_one_is_refused(rig: Rig, arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        rig.informer.add_event_handler(**arguments)  # type: ignore[arg-type]
    rig.informer.start()


def test_who_hears_that_an_informer_has_synced_finds_its_version_and_no_earlier_failure(rig: Rig) -> None:
    rig.source.put("a")
    rig.source.fail_lists(Forbidden("not yet", code=403))
    found: list[tuple[str, object]] = []
    rig.informer.add_sync_callback(
        lambda: found.append((rig.informer.last_sync_resource_version, rig.informer.last_error))
    )
    rig.informer.start()
    rig.next_try()
    synced(rig)
    assert found == [("1", None)]


@pytest.mark.parametrize("name", ["on_error", "on_handler_error"])
def test_a_callback_that_cannot_be_called_is_refused_where_it_is_given(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} must be callable, not 7"):
        SharedInformer(FakeListerWatcher(), name="v1/pods", **{name: 7})  # type: ignore[arg-type]


def test_a_bug_in_the_informer_ends_it_visibly(rig: Rig) -> None:
    class Broken(FakeListerWatcher):
        def list(self, options: object, *, cancel: object) -> None:  # type: ignore[override]
            raise ZeroDivisionError("bug")

    informer = SharedInformer(Broken(), name="v1/pods", options=LISTING, clock=rig.clock)
    informer.start()
    with pytest.raises(LifecycleError, match="stopped"):
        informer.wait_for_sync(TIMEOUT_S)
    assert "ZeroDivisionError: bug" in str(informer.last_error)
    with pytest.raises(ZeroDivisionError):
        informer.stop()
    rig.informer.start()
