"""FakeListerWatcher: what a server would do."""

from __future__ import annotations

import pytest

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import Cancelled, ResourceExpired
from kubeprims.objects.event import WatchEvent, WatchEventType
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.threads import Cancel, Deadline, ThreadGroup


def test_objects_without_a_namespace_are_known_by_their_name_alone() -> None:
    source = FakeListerWatcher()
    source.put("node-1", namespace="")
    listed = source.list(ListOptions(), cancel=Cancel())
    assert [record[0] for record in listed] == ["node-1"]
    assert source.delete("node-1", namespace="") == "2"
    assert [*source.list(ListOptions(), cancel=Cancel())] == []


def test_a_watch_brings_what_happened_since_its_version_and_a_deletion_has_a_version_of_its_own() -> None:
    source = FakeListerWatcher()
    source.put("a")
    source.put("b")
    source.delete("a")
    with source.watch(WatchOptions(resource_version="1"), cancel=Cancel()) as watch:
        source.end_watches()
        batches = [*watch.batches()]
    told = [(event.type.value, event.record and event.record[:3:2], event.resource_version) for event in batches[0]]
    assert told == [("ADDED", ("default/b", "2"), "2"), ("DELETED", ("default/a", "3"), "3")]
    assert source.open_watches == 0


def test_a_watch_from_before_the_history_is_expired() -> None:
    source = FakeListerWatcher()
    source.put("a")
    source.compact()
    with pytest.raises(ResourceExpired):
        source.watch(WatchOptions(resource_version="0"), cancel=Cancel())


def test_a_request_that_is_cancelled_before_it_is_made_is_refused_and_one_after_that_ends() -> None:
    source, cancel = FakeListerWatcher(), Cancel()
    with source.watch(WatchOptions(resource_version="0"), cancel=cancel) as watch:
        cancel.set()
        with pytest.raises(Cancelled):
            next(watch.batches())
    with pytest.raises(Cancelled):
        source.list(ListOptions(), cancel=cancel)
    with pytest.raises(Cancelled):
        source.watch(WatchOptions(resource_version="0"), cancel=cancel)


def test_a_change_that_is_kept_silent_is_seen_by_lists_alone() -> None:
    source = FakeListerWatcher()
    with source.watch(WatchOptions(resource_version="0"), cancel=Cancel()) as watch:
        source.put("a", silently=True)
        source.put("b", spec={"nodeName": "n"})
        source.delete("b", silently=True)
        source.end_watches()
        [batch] = [*watch.batches()]
    assert [(event.type.value, event.resource_version) for event in batch] == [("ADDED", "2")]
    assert [record[0] for record in source.list(ListOptions(), cancel=Cancel())] == ["default/a"]


def test_a_test_can_send_bookmarks_and_events_of_its_own_and_end_a_watch_by_an_error() -> None:
    source = FakeListerWatcher()
    source.put("a")
    with source.watch(WatchOptions(resource_version="1"), cancel=Cancel()) as watch:
        source.bookmark()
        source.send(WatchEvent(WatchEventType.BOOKMARK, None, "7", True, None, None))
        source.end_watches(ResourceExpired("too old", code=410, reason="Expired"))
        batches = watch.batches()
        assert [event.resource_version for event in next(batches)] == ["1", "7"]
        with pytest.raises(ResourceExpired, match="too old"):
            next(batches)


def test_lists_and_watches_fail_as_often_as_a_test_wants() -> None:
    source = FakeListerWatcher()
    source.fail_lists(Cancelled("first"), Cancelled("second"))
    source.fail_watches(Cancelled("third"))
    for message in ("first", "second"):
        with pytest.raises(Cancelled, match=message):
            source.list(ListOptions(), cancel=Cancel())
    with pytest.raises(Cancelled, match="third"):
        source.watch(WatchOptions(), cancel=Cancel())
    with source.list(ListOptions(), cancel=Cancel()) as listed:
        assert (listed.resource_version, [*listed]) == ("0", [])
    assert len(source.lists) == 3
    assert len(source.watches) == 1


def test_a_test_can_wait_for_what_a_reflector_does() -> None:
    source = FakeListerWatcher()
    options = WatchOptions(resource_version="0")
    opener = ThreadGroup("opener")

    def open_watch() -> None:
        source.watch(options, cancel=Cancel())

    opener.spawn(open_watch, name="opener")
    assert source.wait_for(lambda it: it.open_watches == 1)
    assert opener.join(Deadline.after(10.0)) == ()
    assert source.watches == [options]
    assert not source.wait_for(lambda it: it.open_watches == 2, timeout_s=0.0)


def test_a_test_can_wait_until_all_that_a_watch_has_brought_is_taken_in() -> None:
    source = FakeListerWatcher()
    taken: list[str] = []
    reader = ThreadGroup("reader")

    def read() -> None:
        with source.watch(WatchOptions(resource_version="0"), cancel=Cancel()) as watch:
            for batch in watch.batches():
                taken.extend(event.resource_version for event in batch)

    source.put("a")
    reader.spawn(read, name="reader")
    assert source.wait_for(lambda it: it.idle_watches == 1)
    assert taken == ["1"]
    source.put("b")
    assert source.wait_for(lambda it: it.idle_watches == 1)
    assert taken == ["1", "2"]
    source.end_watches()
    assert source.idle_watches == 0
    assert reader.join(Deadline.after(10.0)) == ()
