from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaFIFO, DeltaQueue, DeltaType
from kubeprims.meta import ObjectKey
from kubeprims.objects.record import KEY, RESOURCE_VERSION, ObjectRecord
from tests.cache.records import make_record
from tests.parity import case


class Known:
    """A consumer's objects, as a dictionary."""

    def __init__(self, *records: ObjectRecord) -> None:
        self.by_key = {record[KEY]: record for record in records}
        self.vanished: set[str] = set()

    def keys(self) -> list[ObjectKey]:
        return list(self.by_key)

    def record(self, key: str) -> ObjectRecord | None:
        return None if key in self.vanished else self.by_key.get(ObjectKey(key))


def described(delta: Delta) -> str:
    """Return a delta in the form ``Added 5``; a tombstone as ``tombstone 5``, or ``tombstone`` without content."""
    word = "tombstone" if delta.is_tombstone else str(delta.type)
    return word if delta.record is None else f"{word} {delta.record[RESOURCE_VERSION]}"


def popped(fifo: DeltaFIFO) -> list[tuple[str, list[str]]]:
    """Pop all, key by key."""
    result = []
    while (batch := fifo.pop()) is not None:
        for deltas in batch.deltas:
            assert {delta.key for delta in deltas} == {deltas[0].key}
            result.append((str(deltas[0].key), [described(delta) for delta in deltas]))
    assert len(fifo) == 0
    assert fifo.depth == 0
    return result


def newest(fifo: DeltaFIFO) -> list[str]:
    return [f"{key} {deltas[-1].rpartition(' ')[2]}" for key, deltas in popped(fifo)]


def versions_told(fifo: DeltaFIFO) -> Iterator[str]:
    while (batch := fifo.pop()) is not None:
        yield batch.resource_version


@case("IN-52")
def test_values_of_two_interleaved_producers_come_out_in_the_order_of_each_key() -> None:
    fifo = DeltaFIFO()
    seen: dict[str, list[int]] = {"a": [], "b": []}
    producers = {"a": iter(range(500)), "b": iter(range(500))}
    for turn in range(1000):
        name = "ab"[(turn * 7 // 3) % 2]
        value = next(producers[name], None)
        if value is None:
            name = "ba"["ab".index(name)]
            value = next(producers[name])
        fifo.update(make_record(name, value))
        if turn % 5 == 0:
            batch = fifo.pop()
            assert batch is not None
            seen[batch.deltas[0][0].key] += [
                int(delta.record[RESOURCE_VERSION]) for delta in batch.deltas[0] if delta.record
            ]
    while (batch := fifo.pop()) is not None:
        seen[batch.deltas[0][0].key] += [
            int(delta.record[RESOURCE_VERSION]) for delta in batch.deltas[0] if delta.record
        ]
    assert seen == {"a": list(range(500)), "b": list(range(500))}


@case("IN-53")
def test_an_object_deleted_and_then_listed_again_is_not_lost() -> None:
    fifo = DeltaFIFO(Known(make_record("foo")))
    fifo.delete(make_record("foo", 1))
    fifo.replace([make_record("foo", 2)], "2")
    assert popped(fifo) == [("foo", ["Deleted 1", "Replaced 2"])]


@case("IN-54")
@pytest.mark.parametrize("times", [1, 2])
def test_an_object_that_is_only_queued_gets_one_tombstone_when_lists_omit_it(times: int) -> None:
    fifo = DeltaFIFO(Known())
    fifo.add(make_record("foo", 10))
    for _ in range(times):
        fifo.replace([], "0")
    assert popped(fifo) == [("foo", ["Added 10", "tombstone 10"])]


@case("IN-55")
def test_an_object_that_one_list_has_and_the_next_has_not_is_replaced_then_deleted() -> None:
    fifo = DeltaFIFO(Known())
    fifo.add(make_record("foo", 10))
    fifo.replace([make_record("foo", 10)], "0")
    fifo.replace([], "0")
    assert popped(fifo) == [("foo", ["Added 10", "Replaced 10", "tombstone 10"])]


@case("IN-56")
def test_a_list_does_not_delete_again_what_was_seen_deleted() -> None:
    fifo = DeltaFIFO(Known())
    fifo.add(make_record("foo", 10))
    fifo.delete(make_record("foo", 10))
    fifo.replace([], "0")
    assert popped(fifo) == [("foo", ["Added 10", "Deleted 10"])]


@case("IN-57")
def test_each_list_is_a_delta_of_its_own() -> None:
    fifo = DeltaFIFO(Known())
    fifo.add(make_record("foo", 10))
    fifo.replace([make_record("foo", 10)], "0")
    fifo.replace([make_record("foo", 10)], "0")
    fifo.replace([], "0")
    assert popped(fifo) == [("foo", ["Added 10", "Replaced 10", "Replaced 10", "tombstone 10"])]


@case("IN-58")
def test_a_tombstone_holds_the_last_queued_state() -> None:
    fifo = DeltaFIFO(Known())
    fifo.add(make_record("foo", 10))
    fifo.delete(make_record("foo", 10))
    fifo.add(make_record("foo", 20))
    fifo.replace([], "0")
    assert popped(fifo) == [("foo", ["Added 10", "Deleted 10", "Added 20", "tombstone 20"])]


@case("IN-59")
def test_all_that_happened_to_a_key_is_popped_at_once() -> None:
    fifo = DeltaFIFO(Known())
    fifo.add(make_record("foo", 10))
    fifo.update(make_record("foo", 12))
    fifo.delete(make_record("foo", 15))
    assert fifo.depth == 3
    assert popped(fifo) == [("foo", ["Added 10", "Updated 12", "Deleted 15"])]


@case("IN-60")
def test_deleting_what_nobody_knows_is_ignored() -> None:
    fifo = DeltaFIFO()
    fifo.add(make_record("foo", 10))
    fifo.update(make_record("bar", 15))
    fifo.add(make_record("qux", 17))
    fifo.delete(make_record("qux", 18))
    fifo.delete(make_record("baz", 20))
    assert newest(fifo) == ["foo 10", "bar 15", "qux 18"]


@case("IN-61")
def test_deleting_what_only_the_consumer_knows_is_queued() -> None:
    fifo = DeltaFIFO(Known(make_record("foo", 5), make_record("bar", 6), make_record("baz", 7)))
    fifo.add(make_record("foo", 10))
    fifo.update(make_record("bar", 15))
    fifo.delete(make_record("baz", 20))
    assert newest(fifo) == ["foo 10", "bar 15", "baz 20"]


@case("IN-62")
def test_a_list_adds_to_what_is_queued() -> None:
    fifo = DeltaFIFO()
    fifo.add(make_record("foo", 10))
    fifo.replace([make_record("foo", 15)], "15")
    assert popped(fifo) == [("foo", ["Added 10", "Replaced 15"])]


@case("IN-63")
def test_a_resync_does_not_bring_a_deleted_object_back() -> None:
    fifo = DeltaFIFO(Known(make_record("foo", 5)))
    fifo.delete(make_record("foo", 10))
    fifo.resync()
    assert popped(fifo) == [("foo", ["Deleted 10"])]


@case("IN-64")
def test_a_resync_queues_each_known_object() -> None:
    fifo = DeltaFIFO(Known(make_record("foo", 5), make_record("bar", 6)))
    fifo.resync()
    assert popped(fifo) == [("foo", ["Sync 5"]), ("bar", ["Sync 6"])]


@case("IN-65")
def test_an_object_that_came_and_went_unseen_shows_both() -> None:
    fifo = DeltaFIFO(Known())
    fifo.add(make_record("foo", 5))
    fifo.delete(make_record("foo", 6))
    assert popped(fifo) == [("foo", ["Added 5", "Deleted 6"])]


KNOWN_THREE = (make_record("foo", 5), make_record("bar", 6), make_record("baz", 7))


@case("IN-66")
def test_a_list_brings_its_objects_first_and_the_tombstones_after_them() -> None:
    fifo = DeltaFIFO(Known(*KNOWN_THREE))
    fifo.delete(make_record("baz", 10))
    fifo.replace([make_record("foo", 5)], "0")
    assert popped(fifo) == [("baz", ["Deleted 10"]), ("foo", ["Replaced 5"]), ("bar", ["tombstone 6"])]


@case("IN-67")
def test_a_queued_object_that_a_list_omits_keeps_its_place() -> None:
    fifo = DeltaFIFO(Known(*KNOWN_THREE))
    fifo.add(make_record("baz", 10))
    fifo.replace([make_record("foo", 5)], "0")
    assert popped(fifo) == [
        ("baz", ["Added 10", "tombstone 10"]),
        ("foo", ["Replaced 5"]),
        ("bar", ["tombstone 6"]),
    ]


@case("IN-68")
def test_an_object_recreated_before_a_list_omits_it_is_deleted_twice() -> None:
    fifo = DeltaFIFO(Known(*KNOWN_THREE))
    fifo.delete(make_record("bar", 6))
    fifo.add(make_record("bar", 100))
    fifo.replace([make_record("foo", 5)], "0")
    assert popped(fifo) == [
        ("bar", ["Deleted 6", "Added 100", "tombstone 100"]),
        ("foo", ["Replaced 5"]),
        ("baz", ["tombstone 7"]),
    ]


@case("IN-69")
def test_a_second_list_deletes_what_the_first_one_brought() -> None:
    fifo = DeltaFIFO(Known(*KNOWN_THREE))
    fifo.replace([make_record("bar", 100), make_record("foo", 5)], "0")
    fifo.replace([make_record("foo", 5)], "0")
    assert popped(fifo) == [
        ("bar", ["Replaced 100", "tombstone 100"]),
        ("foo", ["Replaced 5", "Replaced 5"]),
        ("baz", ["tombstone 7"]),
    ]


@case("IN-70")
def test_tombstones_for_queued_objects_need_no_known_ones() -> None:
    fifo = DeltaFIFO()
    fifo.add(make_record("baz", 10))
    fifo.replace([make_record("foo", 5)], "0")
    assert popped(fifo) == [("baz", ["Added 10", "tombstone 10"]), ("foo", ["Replaced 5"])]


@case("IN-71")
def test_a_resync_leaves_out_what_is_queued() -> None:
    fifo = DeltaFIFO(Known(make_record("foo", 5)))
    fifo.update(make_record("foo", 6))
    fifo.resync()
    assert popped(fifo) == [("foo", ["Updated 6"])]


@case("IN-72")
def test_the_initial_list_counts_the_tombstones_that_it_caused() -> None:
    fifo = DeltaFIFO(Known(*KNOWN_THREE))
    fifo.replace([make_record("foo", 5)], "0")
    for left in (2, 1, 0):
        assert not fifo.has_synced
        batch = fifo.pop()
        assert batch is not None
        assert batch.is_in_initial_list
        assert len(fifo) == left
    assert fifo.has_synced


@case("IN-73")
def test_a_key_keeps_its_place_in_the_queue() -> None:
    fifo = DeltaFIFO()
    fifo.add(make_record("foo", 10))
    fifo.add(make_record("bar", 1))
    fifo.add(make_record("foo", 11))
    fifo.add(make_record("foo", 13))
    fifo.add(make_record("zab", 30))
    first = fifo.pop()
    assert first is not None
    assert described(first.deltas[0][-1]) == "Added 13"
    fifo.add(make_record("foo", 14))
    assert newest(fifo) == ["bar 1", "zab 30", "foo 14"]


@case("IN-74")
def test_every_delta_tells_the_key_of_its_object_a_tombstone_too() -> None:
    fifo = DeltaFIFO(Known(make_record("ns/gone", 1)))
    fifo.add(make_record("ns/there", 2))
    fifo.replace([], "3")
    batch = fifo.pop_batch()
    assert batch is not None
    assert [(delta.key, delta.is_tombstone) for deltas in batch.deltas for delta in deltas] == [
        ("ns/there", False),
        ("ns/there", True),
        ("ns/gone", True),
    ]


@case("IN-75")
def test_a_queue_has_synced_once_its_first_list_is_popped() -> None:
    assert not DeltaFIFO().has_synced

    added = DeltaFIFO()
    added.add(make_record("foo", 10))
    assert added.has_synced

    listed_nothing = DeltaFIFO()
    listed_nothing.replace([], "0")
    assert listed_nothing.has_synced

    listed_two = DeltaFIFO()
    listed_two.replace([make_record("a", 1), make_record("b", 2)], "0")
    assert not listed_two.has_synced
    listed_two.pop()
    assert not listed_two.has_synced
    listed_two.pop()
    assert listed_two.has_synced

    listed_twice = DeltaFIFO()
    listed_twice.replace([make_record("a", 1), make_record("a", 2)], "0")
    listed_twice.pop()
    assert listed_twice.has_synced


@pytest.mark.parametrize("change", ["update", "delete"])
def test_any_change_before_the_first_list_means_synced(change: str) -> None:
    fifo = DeltaFIFO()
    getattr(fifo, change)(make_record("foo", 10))
    assert fifo.has_synced
    fifo.replace([make_record("bar", 11)], "11")
    assert fifo.has_synced


def test_a_batch_ends_where_the_initial_list_ends() -> None:
    fifo = DeltaFIFO()
    fifo.replace([make_record("a", 1), make_record("b", 2)], "2")
    fifo.add(make_record("c", 3))
    fifo.update(make_record("a", 4))
    first, second = fifo.pop_batch(), fifo.pop_batch()
    assert first is not None
    assert [len(deltas) for deltas in first.deltas] == [2, 1]
    assert first.is_in_initial_list
    assert second is not None
    assert [deltas[0].key for deltas in second.deltas] == ["c"]
    assert not second.is_in_initial_list
    assert fifo.pop_batch() is None


def test_a_batch_holds_no_more_keys_than_the_limit() -> None:
    fifo = DeltaFIFO()
    for name in "abcde":
        fifo.add(make_record(name, 1))
    sizes = []
    while (batch := fifo.pop_batch(2)) is not None:
        sizes.append(len(batch.deltas))
    assert sizes == [2, 2, 1]


def test_an_empty_queue_pops_nothing() -> None:
    fifo = DeltaFIFO()
    assert fifo.pop() is None
    assert fifo.pop_batch() is None
    fifo.resync()
    assert fifo.pop() is None


def test_of_two_deletions_in_a_row_the_first_that_was_seen_stays() -> None:
    fifo = DeltaFIFO(Known(make_record("foo", 5)))
    fifo.delete(make_record("foo", 10))
    fifo.delete(make_record("foo", 11))
    assert fifo.depth == 1
    assert popped(fifo) == [("foo", ["Deleted 10"])]


def test_a_deletion_that_was_seen_replaces_a_tombstone() -> None:
    fifo = DeltaFIFO(Known(make_record("foo", 5)))
    fifo.replace([], "8")
    fifo.delete(make_record("foo", 10))
    assert popped(fifo) == [("foo", ["Deleted 10"])]


def test_a_tombstone_of_a_tombstone_is_the_same_tombstone() -> None:
    fifo = DeltaFIFO(Known(make_record("foo", 5)))
    fifo.replace([], "8")
    fifo.replace([], "9")
    assert fifo.depth == 1
    assert popped(fifo) == [("foo", ["tombstone 5"])]


def test_a_known_object_that_vanished_leaves_a_tombstone_without_content_and_no_resync() -> None:
    known = Known(make_record("foo", 5))
    known.vanished.add("foo")
    fifo = DeltaFIFO(known)
    fifo.resync()
    assert fifo.pop() is None
    fifo.replace([], "8")
    assert popped(fifo) == [("foo", ["tombstone"])]


def test_a_list_that_breaks_off_queues_nothing() -> None:
    def broken() -> Iterator[ObjectRecord]:
        yield make_record("foo", 1)
        raise ConnectionError

    fifo = DeltaFIFO(Known(make_record("bar", 1)))
    with pytest.raises(ConnectionError):
        fifo.replace(broken(), "2")
    assert len(fifo) == 0
    assert not fifo.has_synced
    assert fifo.pop() is None


@case("IN-158", "IN-160")
def test_the_batch_that_empties_the_queue_tells_the_version_that_was_reached() -> None:
    fifo = DeltaFIFO()
    fifo.replace([make_record("a", 3), make_record("b", 5)], "9")
    assert list(versions_told(fifo)) == ["", "9"]
    fifo.update(make_record("a", 10))
    fifo.update(make_record("b", 11))
    fifo.update(make_record("a", 12))
    assert list(versions_told(fifo)) == ["", "12"]
    assert fifo.pop() is None


def test_a_bookmark_is_told_once_all_before_it_is_popped() -> None:
    fifo = DeltaFIFO()
    fifo.add(make_record("a", 1))
    fifo.bookmark("20")
    assert list(versions_told(fifo)) == ["20"]
    fifo.bookmark("30")
    assert fifo.pop() == Batch((), is_in_initial_list=False, resource_version="30")
    assert fifo.pop() is None


def test_an_empty_list_and_an_ignored_deletion_still_tell_their_version() -> None:
    fifo = DeltaFIFO()
    fifo.replace([], "7")
    assert list(versions_told(fifo)) == ["7"]
    fifo.delete(make_record("nobody", 8))
    assert list(versions_told(fifo)) == ["8"]


@case("IN-159")
def test_an_object_without_a_version_and_a_resync_tell_none() -> None:
    fifo = DeltaFIFO(Known(make_record("b", 4)))
    fifo.add(make_record("a"))
    fifo.resync()
    assert list(versions_told(fifo)) == ["", ""]


def test_the_queue_has_the_shape_that_a_driver_asks_for() -> None:
    queue: DeltaQueue = DeltaFIFO(Known())
    queue.add(make_record("a", 1))
    assert queue.pop_batch(10) == Batch(
        ((Delta(DeltaType.ADDED, ObjectKey("a"), make_record("a", 1)),),),
        is_in_initial_list=False,
        resource_version="1",
    )
