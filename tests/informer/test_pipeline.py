"""The pipeline: what it keeps and tells, driven by hand, without a thread."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.cache.delta_fifo import DeltaType
from kubeprims.cache.indexer import Indexer
from kubeprims.cache.store import Change
from kubeprims.informer.buffer import Batch, BufferPolicy
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Notification, Reason, from_event
from kubeprims.informer.options import QUEUES
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.source import Intake, Source
from kubeprims.meta import ObjectKey
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, LABELS, RAW, UID, ObjectRecord
from kubeprims.objects.unstructured import DeletedFinalStateUnknown
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Deadline, ThreadGroup
from tests.parity import case

TIMEOUT_S = 10.0


def record(key: str, version: int, uid: str = "u") -> ObjectRecord:
    return (key, uid, str(version), (), b'{"version":%d}' % version)


def event(kind: WatchEventType, key: str, version: int) -> WatchEvent:
    return WatchEvent(kind, record(key, version), str(version))


def malformed(key: str | None, version: int) -> MalformedObject:
    return MalformedObject("no labels", b"{}", None if key is None else ObjectKey(key), str(version))


ADDED, MODIFIED, DELETED = WatchEventType.ADDED, WatchEventType.MODIFIED, WatchEventType.DELETED


class Rig:
    """A pipeline, and a handler that remembers what it was told."""

    def __init__(self, intake: Intake | None = None, *, queue: str = "in_order") -> None:
        self.synced = 0
        self.pipeline = Pipeline(Indexer(), make_queue=QUEUES[queue], intake=intake, on_synced=self._on_synced)
        self.told: list[str] = []
        self.registration = self.handler(self._remember)

    def _on_synced(self) -> None:
        self.synced += 1

    def _remember(self, notification: Notification) -> None:
        key, old, new, reason = notification
        unknown = " unknown" if isinstance(old, DeletedFinalStateUnknown) else ""
        versions = "->".join("" if obj is None else obj.resource_version for obj in (old, new))
        self.told.append(f"{reason} {key} {versions}{unknown}")

    def handler(self, deliver: Callable[[Notification], None]) -> HandlerRegistration:
        registration = HandlerRegistration(
            from_event(deliver), name="handler", clock=VirtualClock(), resync_period_s=0.0, replay=self.pipeline.resync
        )
        self.pipeline.add(registration)
        return registration

    def news(self) -> list[str]:
        """Deliver all that is pending, and return what was told since the last time."""
        while self.registration.deliver_next():
            pass
        told, self.told[:] = [*self.told], []
        return told

    def cached(self) -> dict[str, str]:
        return {str(obj.key): obj.resource_version for obj in self.pipeline.indexer.list()}


def synced(rig: Rig, *records: ObjectRecord, version: int = 10) -> Source:
    source = rig.pipeline.source()
    source.replace(records, str(version), [])
    rig.news()
    return source


def test_an_error_that_is_kept_does_not_keep_all_that_the_handler_was_told_with_it() -> None:
    class Changes(list[Change]):
        """What weak references can refer to."""

    def fail(notification: Notification) -> None:
        raise RuntimeError(notification.key)

    rig = Rig()
    failing = rig.handler(fail)
    objects = [record("a", 1), record("b", 2)]
    changes = Changes(Change(DeltaType.ADDED, each[KEY], None, each) for each in objects)
    kept = weakref.ref(changes)
    failing.push(Batch(changes, Reason.INITIAL))
    del changes
    while failing.deliver_next():
        pass
    assert (failing.errors, str(failing.last_error)) == (2, "b")
    gc.collect()
    assert kept() is None


# -- several sources ------------------------------------------------------------------------------------------------


def test_a_pipeline_has_synced_when_every_source_that_was_there_has() -> None:
    rig = Rig()
    red, blue = rig.pipeline.source("red"), rig.pipeline.source("blue")
    red.replace([record("red/a", 1)], "5", [])
    assert rig.news() == ["initial red/a ->1"]
    assert (rig.pipeline.has_synced, rig.registration.has_synced, rig.synced) == (False, False, 0)
    blue.replace([record("blue/a", 2)], "6", [])
    assert rig.news() == ["initial blue/a ->2"]
    assert (rig.pipeline.has_synced, rig.registration.has_synced, rig.synced) == (True, True, 1)


def test_a_handler_added_between_two_first_lists_has_synced_with_the_last() -> None:
    rig = Rig()
    red, blue = rig.pipeline.source("red"), rig.pipeline.source("blue")
    red.replace([record("red/a", 1)], "5", [])
    seen: list[str] = []
    late = rig.handler(lambda notification: seen.append(f"{notification.reason} {notification.key}"))
    assert late.deliver_next()
    assert not late.has_synced
    blue.replace([record("blue/a", 2)], "6", [])
    while late.deliver_next():
        pass
    assert seen == ["initial red/a", "initial blue/a"]
    assert late.has_synced


def test_a_list_of_one_namespace_deletes_nothing_of_another() -> None:
    rig = Rig()
    red, blue = rig.pipeline.source("red"), rig.pipeline.source("blue")
    red.replace([record("red/a", 1), record("red/b", 2)], "5", [])
    blue.replace([record("blue/a", 3)], "6", [])
    rig.news()
    red.replace([record("red/b", 2)], "7", [])
    assert rig.news() == ["relist red/a 1-> unknown"]
    assert rig.cached() == {"red/b": "2", "blue/a": "3"}


def test_a_source_that_comes_later_adds_its_objects_and_one_that_goes_takes_them_along() -> None:
    rig = Rig()
    red = rig.pipeline.source("red")
    red.replace([record("red/a", 1)], "5", [])
    rig.news()
    blue = rig.pipeline.source("blue")
    blue.replace([record("blue/a", 2)], "6", [])
    assert rig.news() == ["relist blue/a ->2"]
    rig.pipeline.remove_source(red)
    assert rig.news() == ["relist red/a 1-> unknown"]
    red.replace([record("red/a", 1)], "7", [])
    red.apply([event(ADDED, "red/b", 8)])
    assert rig.cached() == {"blue/a": "2"}
    assert (rig.news(), rig.synced) == ([], 1)


def test_a_pipeline_does_not_wait_for_a_source_that_is_gone_nor_for_none() -> None:
    rig = Rig()
    red, blue = rig.pipeline.source("red"), rig.pipeline.source("blue")
    red.replace([], "5", [])
    rig.pipeline.remove_source(blue)
    assert rig.pipeline.has_synced
    nothing = Rig()
    nothing.pipeline.has_listed()
    nothing.news()
    assert (nothing.pipeline.has_synced, nothing.registration.has_synced) == (True, True)


# -- intake ---------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_made_once_for_each_version_of_an_object() -> None:
    calls: list[str] = []

    def mark(item: ObjectRecord) -> ObjectRecord:
        calls.append(f"{item[0]} {item[2]}")
        return (*item[:LABELS], ("seen", "yes"), b'{"seen":true}')

    rig = Rig(mark)
    source = rig.pipeline.source()
    for version in ("5", "6"):
        taken = [source.take(record("a", 1)), source.take(record("b", 2))]
        source.replace([item for item in taken if item is not None and not isinstance(item, MalformedObject)], version)
    source.apply([event(MODIFIED, "a", 7), event(DELETED, "b", 8)])
    assert calls == ["a 1", "b 2", "a 7", "b 8"]
    kept = rig.pipeline.indexer.get("a")
    assert kept is not None
    assert (kept["seen"], kept.labels) == (True, {"seen": "yes"})


def test_what_is_not_ours_moves_the_version_alone() -> None:
    rig = Rig(lambda item: item if item[UID] == "u" else None)
    source = rig.pipeline.source()
    assert source.take(record("other", 1, "v")) is None
    source.replace([record("mine", 2)], "5")
    source.apply([WatchEvent(ADDED, record("other", 6, "v"), "6")])
    assert rig.cached() == {"mine": "2"}
    assert rig.pipeline.indexer.resource_version == "6"


def test_what_cannot_be_kept_is_marked_and_its_last_good_state_stays() -> None:
    rig = Rig(lambda item: malformed(item[0], int(item[2])) if item[RAW] == b"bad" else item)
    source = synced(rig, record("a", 1))
    source.apply([WatchEvent(MODIFIED, (*record("a", 11)[:RAW], b"bad"), "11")])
    assert (rig.cached(), rig.pipeline.dirty, rig.news()) == ({"a": "1"}, {"a": "11"}, [])


# -- what could not be understood -----------------------------------------------------------------------------------


def in_a_list(source: Source) -> None:
    source.replace([record("b", 2)], "11", [malformed("a", 11), malformed(None, 11)])


def in_a_watch(source: Source) -> None:
    source.apply([WatchEvent(MODIFIED, None, "11", malformed=malformed("a", 11))])


@pytest.mark.parametrize("breaks", [in_a_list, in_a_watch])
@pytest.mark.parametrize(
    ("mends", "left"),
    [
        (lambda source: source.apply([event(MODIFIED, "a", 12)]), {"a": "12", "b": "2"}),
        (lambda source: source.apply([event(DELETED, "a", 12)]), {"b": "2"}),
        (lambda source: source.replace([record("a", 12)], "13", []), {"a": "12"}),
        (lambda source: source.refetched("a", record("a", 12), "13"), {"a": "12", "b": "2"}),
        (lambda source: source.refetched("a", None, "13"), {"b": "2"}),
    ],
)
def test_an_object_is_marked_until_it_can_be_understood(
    breaks: Callable[[Source], None], mends: Callable[[Source], None], left: dict[str, str]
) -> None:
    rig = Rig()
    source = synced(rig, record("a", 1), record("b", 2))
    breaks(source)
    assert (rig.pipeline.dirty, rig.news()) == ({"a": "11"}, [])
    assert rig.cached() == {"a": "1", "b": "2"}
    mends(source)
    assert (rig.pipeline.dirty, rig.cached()) == ({}, left)


def test_what_was_asked_for_again_leaves_the_version_where_the_watch_is() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    in_a_watch(source)
    source.apply([event(ADDED, "c", 12)])
    source.refetched("a", record("a", 15), "20")
    assert rig.news() == ["live c ->12", "relist a 1->15"]
    assert rig.pipeline.indexer.resource_version == "12"


def test_what_the_watch_brings_late_of_an_object_that_was_asked_for_again_is_left_out() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    in_a_watch(source)
    source.refetched("a", record("a", 15), "20")
    rig.news()
    source.apply([event(MODIFIED, "a", 13), event(DELETED, "a", 14), event(ADDED, "a", 15), event(MODIFIED, "b", 16)])
    assert rig.news() == ["live b ->16"]
    source.apply([event(MODIFIED, "a", 21)])
    assert rig.news() == ["live a 15->21"]


@pytest.mark.parametrize(
    ("found", "listed", "malformed_there"),
    [
        (record("a", 15, "another"), [], []),
        (record("a", 15), [record("a", 13)], []),
        (record("a", 15), [], [malformed("a", 13)]),
        (None, [record("a", 13)], []),
    ],
    ids=["it is not there", "it is older", "it cannot be understood", "it is gone"],
)
def test_a_list_that_is_older_than_what_was_asked_for_again_leaves_that_as_it_is(
    found: ObjectRecord | None, listed: list[ObjectRecord], malformed_there: list[MalformedObject]
) -> None:
    """The list was under way when the object was asked for again."""
    rig = Rig()
    source = synced(rig, record("a", 1), record("b", 2))
    in_a_watch(source)
    source.list_begins()
    source.refetched("a", found, "20")
    before = rig.cached()
    rig.news()
    source.replace([*listed, record("b", 2)], "14", malformed_there)
    assert (rig.news(), source.dirty(), rig.cached()) == ([], {}, before)
    assert rig.pipeline.indexer.resource_version == "14"
    source.apply([event(ADDED if found else DELETED, "a", 15), event(MODIFIED, "b", 16)])
    assert rig.news() == ["live b 2->16"]


def a_newer_list(source: Source) -> None:
    source.list_begins()
    refetch(source)
    source.replace([record("b", 2)], "20")


def a_list_that_began_later(source: Source) -> None:
    """It was asked to be no older: the server was restored from a backup."""
    refetch(source)
    assert source.list_begins() == "20"
    source.replace([record("b", 2)], "14")


def refetch(source: Source) -> None:
    source.refetched("a", record("a", 15), "20")


@pytest.mark.parametrize("replaces", [a_newer_list, a_list_that_began_later])
def test_a_list_takes_the_place_of_what_was_asked_for_again_before(replaces: Callable[[Source], None]) -> None:
    rig = Rig()
    source = synced(rig, record("a", 1), record("b", 2))
    in_a_watch(source)
    replaces(source)
    assert rig.cached() == {"b": "2"}
    assert source.list_begins() == "", "the list has it all"
    source.apply([event(ADDED, "a", 15)])
    assert rig.cached() == {"a": "15", "b": "2"}


def test_the_late_end_of_an_object_in_whose_place_another_one_was_found_is_left_out() -> None:
    """The final state of what could not be understood cannot be understood either."""
    rig = Rig()
    source = synced(rig, record("a", 1))
    in_a_watch(source)
    source.refetched("a", record("a", 15, "another"), "15")
    rig.news()
    source.apply([WatchEvent(DELETED, None, "14", malformed=malformed("a", 14)), event(ADDED, "a", 15)])
    assert rig.cached() == {"a": "15"}
    source.apply([WatchEvent(MODIFIED, None, "16", malformed=malformed("a", 16))])
    assert source.dirty() == {"a": "16"}
    assert rig.news() == []


def test_the_end_of_an_object_that_cannot_be_understood_counts_on_a_server_that_was_restored_too() -> None:
    """The last good state is from before that, with a version that the server has yet to come to again."""
    rig = Rig()
    source = synced(rig, record("a", 9))
    source.list_begins(trusts_versions=False)
    source.replace([], "3", [malformed("a", 2)])
    assert rig.cached() == {"a": "9"}
    source.apply([WatchEvent(DELETED, None, "4", malformed=malformed("a", 4))])
    assert (rig.cached(), source.dirty()) == ({}, {})


def test_an_object_that_was_damaged_on_its_way_alone_is_told_of_no_more() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    source.replace([], "12", [malformed("a", 1)])
    source.refetched("a", record("a", 1), "13")
    assert (rig.news(), source.dirty()) == ([], {})


def test_an_event_that_cannot_be_compared_with_what_was_asked_for_again_is_taken() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    in_a_watch(source)
    source.refetched("a", record("a", 15), "20")
    rig.news()
    source.apply([WatchEvent(MODIFIED, ("a", "u", "opaque", (), b"{}"), "opaque")])
    assert rig.news() == ["live a 15->opaque"]


def test_once_the_watch_has_caught_up_events_are_compared_no_more() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    in_a_watch(source)
    source.refetched("a", record("a", 15), "20")
    source.apply([WatchEvent(WatchEventType.BOOKMARK, None, "20")])
    rig.news()
    source.apply([event(MODIFIED, "a", 19)])  # order inside one stream is not judged
    assert rig.news() == ["live a 15->19"]


@pytest.mark.parametrize("answer", [record("a", 10), None, malformed("a", 10)])
def test_an_answer_that_is_older_than_what_the_watch_has_brought_changes_nothing(
    answer: ObjectRecord | MalformedObject | None,
) -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    in_a_watch(source)
    source.refetched("a", answer, "10")
    assert (rig.pipeline.dirty, rig.cached()) == ({"a": "11"}, {"a": "1"})
    source.apply([event(MODIFIED, "a", 12)])
    source.refetched("a", None, "12")
    assert rig.cached() == {"a": "12"}


def test_an_object_that_still_cannot_be_understood_stays_marked_with_its_new_version() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    in_a_watch(source)
    source.refetched("a", malformed("a", 12), "13")
    assert (rig.pipeline.dirty, rig.cached()) == ({"a": "12"}, {"a": "1"})


def test_a_source_forgets_its_marks_and_leaves_those_of_others() -> None:
    rig = Rig()
    sources: Sequence[Source] = [rig.pipeline.source(name) for name in ("red", "blue")]
    for source, name in zip(sources, ("red", "blue"), strict=True):
        source.replace([], "5", [malformed(f"{name}/a", 4)])
    assert rig.pipeline.dirty == {"red/a": "4", "blue/a": "4"}
    sources[0].replace([], "6", [])
    assert rig.pipeline.dirty == {"blue/a": "4"}
    rig.pipeline.remove_source(sources[1])
    assert rig.pipeline.dirty == {}


def test_a_source_has_nobody_look_again_because_of_what_another_cannot_understand() -> None:
    rig = Rig()
    asked: list[str] = []
    red, blue = (rig.pipeline.source(name) for name in ("red", "blue"))
    red.on_dirty, blue.on_dirty = (lambda: asked.append("red")), (lambda: asked.append("blue"))
    red.replace([], "5", [malformed("red/a", 4)])
    blue.replace([], "5", [])
    blue.apply([event(ADDED, "blue/a", 6)])
    assert (asked, red.marks, blue.marks) == (["red"], 1, 0)


# -- what handlers are told, and in which order ---------------------------------------------------------------------


@case("IN-114")
@pytest.mark.parametrize("queue", list(QUEUES))
def test_a_list_that_differs_tells_deletions_first_and_the_rest_in_its_own_order(queue: str) -> None:
    rig = Rig(queue=queue)
    source = synced(rig, record("1", 1), record("2", 2), record("3", 3))
    source.replace([record("2", 5), record("1", 6), record("4", 7)], "8")
    assert rig.news() == ["relist 3 3-> unknown", "relist 2 2->5", "relist 1 1->6", "relist 4 ->7"]


@case("IN-112")
def test_a_first_list_is_one_add_for_each_object_and_is_stored_before_it_is_told() -> None:
    rig = Rig()
    stored: list[object] = []
    rig.handler(lambda notification: stored.append(notification.key in rig.pipeline.indexer))
    rig.pipeline.source().replace([record("pod-1", 1)], "5")
    (late,) = (each for each in rig.pipeline.registrations if each is not rig.registration)
    while late.deliver_next():
        pass
    assert rig.news() == ["initial pod-1 ->1"]
    assert stored == [True]


@case("IN-113")
def test_an_empty_list_deletes_everything_that_was_there() -> None:
    rig = Rig()
    source = synced(rig, record("pod-1", 1), record("pod-3", 3))
    source.replace([], "5")
    assert rig.cached() == {}
    assert sorted(rig.news()) == ["relist pod-1 1-> unknown", "relist pod-3 3-> unknown"]


def test_a_list_that_brings_nothing_new_tells_nothing() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    source.replace([record("a", 1)], "5")
    assert (rig.news(), rig.pipeline.indexer.resource_version) == ([], "5")


@pytest.mark.parametrize("queue", ["in_order", "delta_fifo"])
def test_once_a_server_went_back_the_same_version_may_be_another_state(queue: str) -> None:
    rig = Rig(queue=queue)
    same, other = record("a", 5), record("b", 6)
    source = synced(rig, same, other)
    again = (*other[:RAW], b'{"version":"six, once more"}')
    source.list_begins(trusts_versions=False)
    listed = [source.take(item) for item in (record("a", 5), again)]
    source.replace([item for item in listed if isinstance(item, tuple)], "7", [])
    assert rig.news() == ["relist b 6->6"]
    assert rig.pipeline.indexer.record("b") == again
    assert source.resource_version == rig.pipeline.indexer.resource_version == "7"
    assert source.take(record("b", 6)) is again, "versions are trusted again"


def one_more_modified(source: Source, what: ObjectRecord) -> None:
    source.apply([WatchEvent(MODIFIED, what, what[2])])


def one_more_added(source: Source, what: ObjectRecord) -> None:
    source.apply([WatchEvent(ADDED, what, what[2])])


def one_more_listed(source: Source, what: ObjectRecord) -> None:
    source.replace([what], what[2])


@pytest.mark.parametrize("brings", [one_more_modified, one_more_added, one_more_listed])
def test_another_object_of_the_same_name_is_a_deletion_that_nobody_saw_and_an_add(
    brings: Callable[[Source, ObjectRecord], None],
) -> None:
    rig = Rig()
    source = synced(rig, record("a", 1, uid="first"))
    brings(source, record("a", 12, uid="second"))
    reason = "relist" if brings is one_more_listed else "live"
    assert rig.news() == [f"{reason} a 1-> unknown", f"{reason} a ->12"]
    assert rig.cached() == {"a": "12"}


@pytest.mark.parametrize(("before", "after"), [("", "u"), ("u", ""), ("", "")])
def test_an_object_without_a_uid_is_the_one_of_its_name(before: str, after: str) -> None:
    rig = Rig()
    source = synced(rig, record("a", 1, uid=before))
    one_more_modified(source, record("a", 12, uid=after))
    assert rig.news() == ["live a 1->12"]


def test_a_resync_that_is_still_pending_is_not_pushed_again() -> None:
    rig = Rig()
    synced(rig, record("a", 1))
    for _ in range(3):
        rig.pipeline.resync(rig.registration)
    assert rig.news() == ["resync a 1->1"]
    rig.pipeline.resync(rig.registration)
    assert rig.news() == ["resync a 1->1"]


@case(
    "IN-111",
    otherwise="decision 16 (spec 5): an object that cannot be kept costs itself; no error counts them, each is marked "
    "until it is asked for again",
)
@pytest.mark.parametrize(
    ("names", "bad", "told"),
    [
        (["cm1"], set[str](), ["live cm1 ->11"]),
        (["cm1"], {"cm1"}, []),
        (["cm1", "cm2"], {"cm2"}, ["live cm1 ->11"]),
        (["cm1", "cm2", "cm3"], {"cm2"}, ["live cm1 ->11", "live cm3 ->13"]),
    ],
)
def test_what_cannot_be_kept_of_a_batch_costs_itself_alone(names: list[str], bad: set[str], told: list[str]) -> None:
    rig = Rig(lambda item: malformed(item[0], int(item[2])) if item[0] in bad else item)
    source = synced(rig)
    source.apply([event(ADDED, name, version) for version, name in enumerate(names, start=11)])
    assert rig.news() == told
    assert rig.pipeline.dirty.keys() == bad


# -- when a handler has synced --------------------------------------------------------------------------------------


@case("IN-143")
@pytest.mark.parametrize("has_listed", [False, True])
@pytest.mark.parametrize(("pending", "told"), [(0, 0), (2, 0), (2, 1), (2, 2)])
def test_a_handler_has_synced_once_the_pipeline_has_and_its_last_initial_call_has_returned(
    *, has_listed: bool, pending: int, told: int
) -> None:
    rig = Rig()
    red, blue = rig.pipeline.source("red"), rig.pipeline.source("blue")
    if pending:
        red.replace([record("red/1", 1)], "5")
        blue.apply([event(ADDED, "blue/2", 2)])
    if has_listed:
        red.replace([record("red/1", 1)] if pending else [], "5")
        blue.replace([record("blue/2", 2)] if pending else [], "5")
    for _ in range(told):
        assert rig.registration.deliver_next()
    if told == pending:
        rig.news()
    assert rig.registration.has_synced == (has_listed and told == pending)


@case("IN-145")
def test_who_waits_for_the_sync_of_a_handler_is_told_once_and_after_its_last_initial_call() -> None:
    rig = Rig()
    calls: list[str] = []
    seen: list[int] = []
    registration = rig.handler(lambda notification: calls.append(notification.key))
    waiters = ThreadGroup("waiters")
    for number in range(20):
        waiters.spawn(
            lambda: seen.append(len(calls)) if registration.wait_for_sync(TIMEOUT_S) else None, name=str(number)
        )
    rig.pipeline.source().replace([record(str(number), 1) for number in range(100)], "5")
    while registration.deliver_next():
        pass
    assert waiters.join(Deadline.after(TIMEOUT_S)) == ()
    assert seen == [100] * 20


@case(
    "IN-144",
    otherwise="decision 12 (spec 5): nothing is counted that could become negative; the end of the first list is a "
    "mark in the one queue that a handler has",
)
def test_a_handler_stays_synced_whatever_it_is_told_afterwards() -> None:
    rig = Rig()
    source = synced(rig, record("a", 1))
    assert rig.registration.has_synced
    source.apply([event(DELETED, "a", 11)])
    source.replace([], "12")
    rig.news()
    assert rig.registration.has_synced


# -- handlers that are too slow -------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([ADDED, DELETED, None])), max_size=40),
    st.lists(st.integers(0, 3), max_size=40),
    st.integers(1, 10),
    st.sampled_from(list(QUEUES)),
)
def test_a_coalescing_handler_ends_with_what_the_cache_has(
    steps: list[tuple[str, WatchEventType | None]], deliveries: list[int], limit: int, queue: str
) -> None:
    """Each step is an event, or a list that has lost one object and changed another; handlers lag by chance."""
    rig = Rig(queue=queue)
    mirror: dict[str, str] = {}

    def replay(notification: Notification) -> None:
        key, old, new, _ = notification
        assert (key in mirror) == (old is not None)
        assert old is None or new is None or old.resource_version == mirror[key]
        if new is None:
            del mirror[key]
        else:
            mirror[key] = new.resource_version

    registration = HandlerRegistration(
        from_event(replay),
        name="slow",
        clock=VirtualClock(),
        resync_period_s=0.0,
        replay=rig.pipeline.resync,
        buffer_limit=limit,
    )
    rig.pipeline.add(registration)
    source = synced(rig, record("a", 1, uid="0"))
    uids = itertools.count(1)
    for version, (name, kind) in enumerate(steps, start=11):
        known = rig.pipeline.indexer.record(name)
        uid = known[UID] if known is not None and version % 5 else str(next(uids))
        if kind is None:
            others = [item for item in rig.pipeline.indexer.records() if item[KEY] != name]
            source.replace([*others[1:], record(name, version, uid=uid)], str(version))
        else:
            source.apply([WatchEvent(kind, record(name, version, uid=uid), str(version))])
        if version % 7 == 0:
            rig.pipeline.resync(registration)
        for _ in range(deliveries.pop() if deliveries else 0):
            registration.deliver_next()
    while registration.deliver_next():
        pass
    assert registration.errors == 0, registration.last_error
    assert mirror == rig.cached()


def test_a_pipeline_without_threads_waits_for_nobody() -> None:
    pipeline = Pipeline(Indexer(), waits_for_room=False)
    registration = HandlerRegistration(
        from_event(lambda _: None),
        name="slow",
        clock=VirtualClock(),
        resync_period_s=0.0,
        replay=pipeline.resync,
        policy=BufferPolicy.BLOCK,
        buffer_limit=1,
    )
    pipeline.add(registration)
    source = pipeline.source()
    source.replace([], "5")
    source.apply([event(ADDED, "a", 6), event(ADDED, "b", 7)])
    assert pipeline.blocked_by == ("slow",)
    assert (registration.has_room, registration.depth) == (False, 2)
    while registration.deliver_next():
        pass
    assert (pipeline.blocked_by, registration.has_room) == ((), True)


class WaitedOn(VirtualClock):
    """A clock that tells when somebody begins to wait."""

    def __init__(self) -> None:
        super().__init__()
        self._waits = threading.Semaphore(0)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        self._waits.release()
        return super().wait(condition, timeout_s)

    def until_waited_on(self) -> None:
        assert self._waits.acquire(timeout=TIMEOUT_S)


def blocking(pipeline: Pipeline, *, policy: BufferPolicy = BufferPolicy.BLOCK) -> HandlerRegistration:
    registration = HandlerRegistration(
        from_event(lambda _: None),
        name="slow",
        clock=VirtualClock(),
        resync_period_s=0.0,
        replay=pipeline.resync,
        policy=policy,
        buffer_limit=1,
        on_room=pipeline.make_room,
    )
    pipeline.add(registration)
    return registration


def test_a_source_waits_after_each_batch_until_the_handler_that_blocks_has_room() -> None:
    clock = WaitedOn()
    pipeline = Pipeline(Indexer(), clock=clock)
    registration = blocking(pipeline)
    source = pipeline.source()
    source.replace([], "5")
    applied: list[int] = []
    group = ThreadGroup("reflector")

    def feed() -> None:
        for version in (11, 12, 13):
            source.apply([event(ADDED, str(version), version)])
            applied.append(version)

    group.spawn(feed, name="feed")
    for version in (11, 12, 13):
        clock.until_waited_on()
        assert applied == [*range(11, version)]
        assert len(pipeline.indexer) == len(applied) + 1
        while registration.depth:
            registration.deliver_next()
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert applied == [11, 12, 13]


@pytest.mark.parametrize("ends", ["the source", "the handler", "all"])
def test_a_source_that_waits_for_room_ends_with_its_namespace_and_goes_on_without_the_handler(ends: str) -> None:
    clock = WaitedOn()
    pipeline = Pipeline(Indexer(), clock=clock)
    registration = blocking(pipeline)
    source = pipeline.source("red")
    source.replace([], "5")
    group = ThreadGroup("reflector")
    group.spawn(lambda: source.apply([event(ADDED, "red/a", 11)]), name="feed")
    clock.until_waited_on()
    if ends == "the source":
        pipeline.remove_source(source)
    elif ends == "the handler":
        pipeline.remove(registration)
    else:
        registration.close()
    assert group.join(Deadline.after(TIMEOUT_S)) == ()


def test_a_handler_that_was_too_slow_is_no_longer_one_of_the_pipeline() -> None:
    pipeline = Pipeline(Indexer())
    registration = blocking(pipeline, policy=BufferPolicy.RAISE)
    source = pipeline.source()
    source.replace([], "5")
    source.apply([event(ADDED, "a", 11)])
    assert pipeline.registrations == (registration,)
    source.apply([event(ADDED, "b", 12)])
    assert (pipeline.registrations, registration.is_active) == ((), False)
    assert not registration.deliver_next()
