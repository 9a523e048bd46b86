from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaFIFO, DeltaQueue, DeltaType
from kubeprims.cache.real_fifo import BATCH_LIMIT, RealFIFO
from kubeprims.cache.store import Change, Store
from kubeprims.objects.record import KEY, RESOURCE_VERSION, ObjectRecord
from tests.cache.records import make_record
from tests.cache.test_delta_fifo import Known, described
from tests.parity import case

PLAIN_AND_ATOMIC = pytest.mark.parametrize("is_atomic", [False, True], ids=["plain", "atomic"])
STORED = (make_record("foo", 5), make_record("bar", 6), make_record("baz", 7))


class Consumer:
    """A store that takes what the queue gives it, batch by batch."""

    def __init__(self, *stored: ObjectRecord, is_atomic: bool = False) -> None:
        self.store = Store()
        for record in stored:
            self.store.put(record)
        self.queue = RealFIFO(self.store, is_atomic=is_atomic)
        self.changes: list[Change] = []

    def pop(self, limit: int | None = 1) -> list[str] | None:
        """Pop one batch, apply it, and return its deltas as texts."""
        batch = self.queue.pop_batch(limit)
        if batch is None:
            return None
        self.changes += self.store.apply(batch)
        return texts(batch)

    def pops(self, limit: int | None = 1) -> list[list[str]]:
        """Pop until nothing is left."""
        result = []
        while (popped := self.pop(limit)) is not None:
            result.append(popped)
        assert len(self.queue) == 0
        assert self.queue.depth == 0
        return result


def texts(batch: Batch) -> list[str]:
    assert all(len(deltas) == 1 for deltas in batch.deltas)
    return [f"{delta.key} {described(delta)}" for (delta,) in batch.deltas]


def one_by_one(queue: DeltaQueue) -> list[str]:
    """Pop until nothing is left, as a consumer that keeps no objects."""
    result = []
    while (batch := queue.pop()) is not None:
        result += texts(batch)
    return result


# One delta after the other.


@case("IN-77")
@PLAIN_AND_ATOMIC
def test_all_that_happened_to_a_key_is_popped_one_by_one(*, is_atomic: bool) -> None:
    queue = RealFIFO(is_atomic=is_atomic)
    queue.add(make_record("foo", 10))
    queue.update(make_record("foo", 12))
    queue.delete(make_record("foo", 15))
    assert (len(queue), queue.depth) == (3, 3)
    assert one_by_one(queue) == ["foo Added 10", "foo Updated 12", "foo Deleted 15"]


@case("IN-78")
@PLAIN_AND_ATOMIC
def test_a_consumer_that_keeps_nothing_gets_every_deletion(*, is_atomic: bool) -> None:
    queue = RealFIFO(is_atomic=is_atomic)
    queue.add(make_record("foo", 10))
    queue.update(make_record("bar", 15))
    queue.add(make_record("qux", 17))
    queue.delete(make_record("qux", 18))
    queue.delete(make_record("baz", 20))
    assert one_by_one(queue) == ["foo Added 10", "bar Updated 15", "qux Added 17", "qux Deleted 18", "baz Deleted 20"]


@PLAIN_AND_ATOMIC
def test_a_consumer_that_keeps_objects_never_hears_of_the_end_of_what_it_did_not_have(*, is_atomic: bool) -> None:
    consumer = Consumer(is_atomic=is_atomic)
    consumer.queue.add(make_record("foo", 1))
    consumer.queue.delete(make_record("baz", 20))
    consumer.queue.delete(make_record("foo", 21))
    consumer.queue.delete(make_record("foo", 22))
    assert consumer.pops() == [["foo Added 1"], [], ["foo Deleted 21"], []]
    assert consumer.store.resource_version == "22"


@case("IN-87")
@PLAIN_AND_ATOMIC
def test_the_order_is_that_of_arrival(*, is_atomic: bool) -> None:
    queue = RealFIFO(is_atomic=is_atomic)
    for key, version in (("foo", 10), ("bar", 1), ("foo", 11), ("foo", 13), ("zab", 30)):
        queue.add(make_record(key, version))
    first = queue.pop()
    assert first is not None
    queue.add(make_record("foo", 14))
    assert [*texts(first), *one_by_one(queue)] == [
        "foo Added 10",
        "bar Added 1",
        "foo Added 11",
        "foo Added 13",
        "zab Added 30",
        "foo Added 14",
    ]


# The plain mode: what a list omits is inferred when it is queued.


@case("IN-79")
def test_a_list_comes_after_what_is_queued() -> None:
    consumer = Consumer()
    consumer.queue.add(make_record("foo", 10))
    consumer.queue.replace([make_record("foo", 15)], "15")
    assert consumer.pops() == [["foo Added 10"], ["foo Replaced 15"]]


@case("IN-53")
def test_an_object_deleted_and_then_listed_again_is_not_lost() -> None:
    consumer = Consumer(make_record("foo"))
    consumer.queue.delete(make_record("foo", 1))
    consumer.queue.replace([make_record("foo", 2)], "2")
    assert consumer.pops() == [["foo Deleted 1"], ["foo Replaced 2"]]
    assert consumer.store.record("foo") is not None


@case("IN-80")
@pytest.mark.parametrize(("change", "text"), [("delete", "foo Deleted 10"), ("update", "foo Updated 10")])
def test_a_resync_leaves_out_what_is_queued(change: str, text: str) -> None:
    consumer = Consumer(make_record("foo", 5))
    getattr(consumer.queue, change)(make_record("foo", 10))
    consumer.queue.resync()
    assert consumer.pops() == [[text]]


def test_a_resync_queues_what_is_known() -> None:
    consumer = Consumer(*STORED)
    consumer.queue.resync()
    assert consumer.pops(3) == [["foo Sync 5", "bar Sync 6", "baz Sync 7"]]
    queue = RealFIFO()
    queue.resync()
    assert queue.pop() is None


@case("IN-81")
def test_the_tombstones_of_a_list_come_before_its_objects() -> None:
    consumer = Consumer(*STORED)
    consumer.queue.delete(make_record("baz", 10))
    consumer.queue.replace([make_record("foo", 5)], "0")
    assert consumer.pops() == [["baz Deleted 10"], ["bar tombstone 6"], ["foo Replaced 5"]]


@case("IN-82")
def test_what_is_queued_gets_its_tombstone_before_what_is_stored() -> None:
    consumer = Consumer(*STORED)
    consumer.queue.add(make_record("baz", 10))
    consumer.queue.replace([make_record("foo", 5)], "0")
    assert consumer.pops() == [["baz Added 10"], ["baz tombstone 10"], ["bar tombstone 6"], ["foo Replaced 5"]]


@case("IN-83")
def test_an_object_recreated_before_a_list_omits_it_is_deleted_twice() -> None:
    consumer = Consumer(*STORED)
    consumer.queue.delete(make_record("bar", 6))
    consumer.queue.add(make_record("bar", 100))
    consumer.queue.replace([make_record("foo", 5)], "0")
    assert consumer.pops() == [
        ["bar Deleted 6"],
        ["bar Added 100"],
        ["bar tombstone 100"],
        ["baz tombstone 7"],
        ["foo Replaced 5"],
    ]


@case("IN-84")
def test_a_second_list_deletes_what_the_first_one_brought() -> None:
    consumer = Consumer(*STORED)
    consumer.queue.replace([make_record("bar", 100), make_record("foo", 5)], "0")
    consumer.queue.replace([make_record("foo", 5)], "0")
    assert consumer.pops() == [
        ["baz tombstone 7"],
        ["bar Replaced 100"],
        ["foo Replaced 5"],
        ["bar tombstone 100"],
        ["foo Replaced 5"],
    ]


@case("IN-85")
def test_lists_of_the_same_object_are_deltas_of_their_own_and_end_with_one_tombstone() -> None:
    consumer = Consumer()
    consumer.queue.add(make_record("foo", 10))
    consumer.queue.replace([make_record("foo", 10)], "0")
    consumer.queue.replace([make_record("foo", 10)], "0")
    consumer.queue.replace([], "0")
    consumer.queue.replace([], "0")
    assert consumer.pops() == [["foo Added 10"], ["foo Replaced 10"], ["foo Replaced 10"], ["foo tombstone 10"]]


@case("IN-86")
def test_a_bookmark_is_not_queued_in_the_plain_mode_but_its_version_is_told() -> None:
    consumer = Consumer()
    consumer.queue.bookmark("20")
    assert (len(consumer.queue), consumer.queue.depth) == (0, 0)
    assert consumer.pops() == [[]]
    assert consumer.store.resource_version == "20"
    consumer.queue.add(make_record("a", 21))
    consumer.queue.bookmark("30")
    assert len(consumer.queue) == 1
    assert consumer.pops() == [["a Added 21"]]
    assert consumer.store.resource_version == "30"


@PLAIN_AND_ATOMIC
def test_a_bookmark_without_a_version_is_none(*, is_atomic: bool) -> None:
    consumer = Consumer(is_atomic=is_atomic)
    consumer.queue.bookmark("")
    consumer.queue.add(make_record("a", 1))
    consumer.queue.bookmark("")
    assert consumer.pops() == [["a Added 1"]]
    assert consumer.store.resource_version == "1"
    consumer.queue.bookmark("2")
    consumer.queue.bookmark("")
    assert consumer.pops() == [[]]
    assert consumer.store.resource_version == "2"


@case("IN-88")
def test_an_object_listed_twice_takes_two_pops_to_sync() -> None:
    consumer = Consumer()
    assert not consumer.queue.has_synced
    consumer.queue.replace([make_record("a", 1), make_record("a", 2)], "2")
    assert consumer.pop() == ["a Replaced 1"]
    assert not consumer.queue.has_synced
    assert consumer.pop() == ["a Replaced 2"]
    assert consumer.queue.has_synced


@pytest.mark.parametrize("change", ["add", "update", "delete"])
@PLAIN_AND_ATOMIC
def test_any_change_before_the_first_list_means_synced(change: str, *, is_atomic: bool) -> None:
    queue = RealFIFO(is_atomic=is_atomic)
    assert not queue.has_synced
    getattr(queue, change)(make_record("foo", 10))
    assert queue.has_synced
    queue.replace([make_record("bar", 11)], "11")
    assert queue.has_synced


def test_an_empty_first_list_has_synced_at_once_or_once_it_is_popped() -> None:
    plain, atomic = RealFIFO(), RealFIFO(is_atomic=True)
    plain.replace([], "1")
    atomic.replace([], "1")
    assert plain.has_synced
    assert not atomic.has_synced
    assert atomic.pop() == Batch((), is_in_initial_list=True, resource_version="1")
    assert atomic.has_synced


def test_a_list_in_parts_tells_its_version_with_the_last_one() -> None:
    queue = RealFIFO()
    queue.replace([make_record("a", 3), make_record("b", 5)], "9")
    queue.update(make_record("a", 10))
    versions = []
    while (batch := queue.pop()) is not None:
        versions.append(batch.resource_version)
    assert versions == ["", "9", "10"]


def test_a_version_that_waits_for_something_to_be_queued_is_not_told_late() -> None:
    consumer = Consumer(make_record("a", 1))
    consumer.queue.bookmark("20")
    consumer.queue.resync()
    consumer.queue.replace([], "30")
    assert [consumer.pop(), consumer.store.resource_version] == [["a Sync 1"], "20"]
    assert [consumer.pop(), consumer.store.resource_version] == [["a tombstone 1"], "30"]
    assert consumer.pop() is None


# Batches.


def live(name: str, version: int) -> ObjectRecord:
    return make_record(name, version)


def batches(initial: list[str], updates: list[str], limit: int | None) -> list[str]:
    """Queue a list and updates, and return the batches, as ``initial 1 2`` or ``live 2``."""
    consumer = Consumer()
    consumer.queue.replace([make_record(name, 1) for name in initial], "1")
    for number, name in enumerate(updates, 2):
        consumer.queue.update(make_record(name, number))
    result = []
    while (batch := consumer.queue.pop_batch(limit)) is not None:
        consumer.store.apply(batch)
        kind = "initial" if batch.is_in_initial_list else "live"
        result.append(" ".join([kind, *(deltas[0].key for deltas in batch.deltas)]))
    return result


@pytest.mark.parametrize(
    ("initial", "updates", "limit", "expected"),
    [
        pytest.param("123", "", None, ["initial 1 2 3"], marks=case("IN-89")),
        pytest.param("12", "12", 2, ["initial 1 2", "live 1 2"], marks=case("IN-90")),
        pytest.param("1", "11", None, ["initial 1", "live 1", "live 1"], marks=case("IN-91")),
        pytest.param("12", "23", None, ["initial 1 2", "live 2 3"], marks=case("IN-92")),
        pytest.param("123", "2", None, ["initial 1 2 3", "live 2"], marks=case("IN-93")),
        pytest.param("123", "", 2, ["initial 1 2", "initial 3"], marks=case("IN-94")),
        pytest.param("", "123", 2, ["live 1 2", "live 3"], marks=case("IN-95")),
        pytest.param("123", "4", 2, ["initial 1 2", "initial 3", "live 4"], marks=case("IN-96")),
        ("", "1213", None, ["live 1 2", "live 1 3"]),
    ],
)
def test_a_batch_has_different_keys_and_ends_where_the_first_list_ends(
    initial: str, updates: str, limit: int | None, expected: list[str]
) -> None:
    assert batches(list(initial), list(updates), limit) == expected


def test_a_batch_is_bounded_when_no_limit_is_given() -> None:
    queue = RealFIFO()
    for number in range(BATCH_LIMIT + 1):
        queue.add(make_record(f"a{number}", number))
    first = queue.pop_batch()
    assert first is not None
    assert len(first.deltas) == BATCH_LIMIT
    assert len(queue) == 1


# The atomic mode: what a list omits is inferred when it is popped.


@case("IN-98")
def test_an_empty_list_is_one_entry() -> None:
    queue = RealFIFO(is_atomic=True)
    queue.replace([], "123")
    assert (len(queue), queue.depth) == (1, 1)
    assert queue.pop() == Batch((), is_in_initial_list=True, resource_version="123")
    assert queue.pop() is None


@case("IN-99", "IN-54")
def test_what_only_is_queued_gets_its_tombstone_once_it_was_applied() -> None:
    consumer = Consumer(is_atomic=True)
    consumer.queue.add(make_record("foo", 10))
    consumer.queue.replace([], "11")
    assert len(consumer.queue) == 2
    assert consumer.pops() == [["foo Added 10"], ["foo tombstone 10"]]
    assert consumer.store.resource_version == "11"


@case("IN-100")
def test_lists_keep_their_order_and_each_is_popped_whole() -> None:
    consumer = Consumer(is_atomic=True)
    consumer.queue.add(make_record("foo", 1))
    consumer.queue.replace([make_record("foo", 10), make_record("bar", 9)], "10")
    consumer.queue.replace([make_record("bar", 20)], "20")
    consumer.queue.replace([make_record("bar", 20), make_record("foo", 56)], "56")
    assert (len(consumer.queue), consumer.queue.depth) == (4, 9)
    assert consumer.pops() == [
        ["foo Added 1"],
        ["foo Replaced 10", "bar Replaced 9"],
        ["foo tombstone 10", "bar Replaced 20"],
        ["bar Replaced 20", "foo Replaced 56"],
    ]


@case("IN-101")
def test_a_bookmark_is_an_entry_of_its_own() -> None:
    queue = RealFIFO(is_atomic=True)
    queue.bookmark("123")
    queue.replace([], "1234")
    assert len(queue) == 2
    assert queue.pop_batch() == Batch((), is_in_initial_list=True, resource_version="123")
    assert queue.pop_batch() == Batch((), is_in_initial_list=True, resource_version="1234")


@case("IN-102")
def test_a_list_comes_after_what_is_queued_in_the_atomic_mode_too() -> None:
    consumer = Consumer(is_atomic=True)
    consumer.queue.add(make_record("foo", 10))
    consumer.queue.replace([make_record("foo", 15)], "20")
    assert consumer.pops() == [["foo Added 10"], ["foo Replaced 15"]]
    assert consumer.store.resource_version == "20"


@case("IN-103")
def test_a_deletion_that_a_list_implies_knows_nothing_of_what_is_queued_behind_it() -> None:
    consumer = Consumer(make_record("a", 1), is_atomic=True)
    consumer.queue.replace([], "5")
    consumer.queue.update(make_record("a", 9))
    first, second = consumer.pops()
    assert first == ["a tombstone 1"]
    assert second == ["a Updated 9"]


def test_a_resync_is_one_entry_and_brings_what_is_known_by_then() -> None:
    consumer = Consumer(is_atomic=True)
    consumer.queue.resync()
    assert len(consumer.queue) == 1
    assert consumer.pops() == [[]]
    consumer.queue.add(make_record("foo", 10))
    consumer.queue.resync()
    assert consumer.pops() == [["foo Added 10"], ["foo Sync 10"]]


def test_a_resync_brings_what_was_known_before_the_changes_behind_it() -> None:
    consumer = Consumer(make_record("a", 1), is_atomic=True)
    consumer.queue.resync()
    consumer.queue.update(make_record("a", 2))
    assert consumer.pops() == [["a Sync 1"], ["a Updated 2"]]


@PLAIN_AND_ATOMIC
def test_a_known_object_that_vanished_gets_no_resync_and_leaves_nothing_to_tell(*, is_atomic: bool) -> None:
    known = Known(make_record("foo", 5))
    known.vanished.add("foo")
    queue = RealFIFO(known, is_atomic=is_atomic)
    queue.resync()
    queue.replace([], "8")
    assert one_by_one(queue) == []


def test_an_entry_that_is_not_of_one_object_ends_a_batch() -> None:
    consumer = Consumer(is_atomic=True)
    consumer.queue.add(make_record("a", 1))
    consumer.queue.add(make_record("b", 2))
    consumer.queue.replace([], "3")
    consumer.queue.bookmark("4")
    consumer.queue.add(make_record("c", 5))
    consumer.queue.resync()
    assert consumer.pops(None) == [
        ["a Added 1", "b Added 2"],
        ["a tombstone 1", "b tombstone 2"],
        [],
        ["c Added 5"],
        ["c Sync 5"],
    ]


@PLAIN_AND_ATOMIC
def test_a_bookmark_behind_a_change_is_told_with_it(*, is_atomic: bool) -> None:
    consumer = Consumer(make_record("a", 1), is_atomic=is_atomic)
    consumer.queue.update(make_record("a", 9))
    consumer.queue.bookmark("4")  # of one object, something newer than of all others
    assert consumer.pops() == [["a Updated 9"]]
    assert consumer.store.resource_version == "4"


# As for DeltaFIFO.


@PLAIN_AND_ATOMIC
def test_a_list_that_breaks_off_queues_nothing(*, is_atomic: bool) -> None:
    def broken() -> Iterator[ObjectRecord]:
        yield make_record("foo", 1)
        raise ConnectionError

    consumer = Consumer(make_record("bar", 1), is_atomic=is_atomic)
    with pytest.raises(ConnectionError):
        consumer.queue.replace(broken(), "2")
    assert not consumer.queue.has_synced
    assert consumer.pops() == []


@pytest.mark.parametrize("queue", [DeltaFIFO(), RealFIFO(), RealFIFO(is_atomic=True)], ids=["delta", "plain", "atomic"])
def test_every_queue_has_the_shape_that_a_driver_asks_for(queue: DeltaQueue) -> None:
    record = make_record("a", 1)
    queue.add(record)
    assert queue.pop_batch(10) == Batch(
        ((Delta(DeltaType.ADDED, record[KEY], record),),),
        is_in_initial_list=False,
        resource_version=record[RESOURCE_VERSION],
    )
