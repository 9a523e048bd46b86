"""FakeListerWatcher: what a server would do."""

from __future__ import annotations

import pytest

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import Cancelled, ResourceExpired
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.threads import Cancel


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
