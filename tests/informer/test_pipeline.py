"""The pipeline: what it keeps and tells, driven by hand, without a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from kubeprims.cache.indexer import Indexer
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Notification
from kubeprims.informer.pipeline import Intake, Pipeline, Source
from kubeprims.meta import ObjectKey
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import LABELS, RAW, UID, ObjectRecord
from kubeprims.objects.unstructured import DeletedFinalStateUnknown
from kubeprims.testing.clock import VirtualClock


def record(key: str, version: int, uid: str = "u") -> ObjectRecord:
    return (key, uid, str(version), (), b'{"version":%d}' % version)


def event(kind: WatchEventType, key: str, version: int) -> WatchEvent:
    return WatchEvent(kind, record(key, version), str(version))


def malformed(key: str | None, version: int) -> MalformedObject:
    return MalformedObject("no labels", b"{}", None if key is None else ObjectKey(key), str(version))


ADDED, MODIFIED, DELETED = WatchEventType.ADDED, WatchEventType.MODIFIED, WatchEventType.DELETED


class Rig:
    """A pipeline, and a handler that remembers what it was told."""

    def __init__(self, intake: Intake | None = None) -> None:
        self.synced = 0
        self.pipeline = Pipeline(Indexer(), intake=intake, on_synced=self._on_synced)
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
            deliver, name="handler", clock=VirtualClock(), resync_period_s=0.0, replay=self.pipeline.resync
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
