from __future__ import annotations

import gc
import json
from collections.abc import Iterable

import pytest

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaFIFO, DeltaType
from kubeprims.cache.index import IndexFunc
from kubeprims.cache.indexer import Indexer
from kubeprims.cache.lister import Lister
from kubeprims.cache.store import Change, Store
from kubeprims.errors import DecodeError, InvalidArgument, InvalidSelector
from kubeprims.meta import JSONObject, JSONValue, ObjectKey
from kubeprims.objects.record import KEY, RAW, ObjectRecord
from kubeprims.objects.unstructured import Unstructured
from kubeprims.selectors import LabelSelector
from kubeprims.threads import Deadline, Latch, ThreadGroup
from tests.cache.records import make_record
from tests.parity import case


def batch_of(*deltas: Delta, version: str = "") -> Batch:
    """Return a batch of deltas, each by itself."""
    return Batch(tuple((delta,) for delta in deltas), is_in_initial_list=False, resource_version=version)


def delta_of(kind: DeltaType, record: ObjectRecord, *, is_tombstone: bool = False) -> Delta:
    return Delta(kind, record[KEY], record, is_tombstone)


def versions(store: Store) -> dict[str, str]:
    return {obj.key: obj.resource_version for obj in store.list()}


@case("IN-148")
def test_a_store_is_a_dictionary_of_objects_by_key() -> None:
    store = Store()
    assert store.get("default/a") is None
    assert store.record("default/a") is None
    assert store.list() == []
    assert len(store) == 0
    store.put(make_record("default/a", 1))
    store.put(make_record("b", 2))
    store.put(make_record("default/a", 3))
    found = store.get("default/a")
    assert found is not None
    assert (found.name, found.namespace, found.resource_version) == ("a", "default", "3")
    assert store.get(ObjectKey.of(found)) is not None
    assert sorted(store.keys()) == ["b", "default/a"]
    assert all(isinstance(key, ObjectKey) for key in store.keys())  # noqa: SIM118 - a store is not a mapping
    assert "b" in store
    store.delete(ObjectKey("b"))
    store.delete(ObjectKey("b"))
    assert "b" not in store
    assert len(store) == 1
    store.replace([make_record("c", 7), make_record("d", 8)], "9")
    assert versions(store) == {"c": "7", "d": "8"}


@case("IN-158")
def test_the_store_has_the_version_of_what_was_written_last() -> None:
    store = Store()
    seen = [store.resource_version]
    for version in (10, 10, 20):
        store.put(make_record("a", version))
        seen.append(store.resource_version)
    store.delete(ObjectKey("a"), make_record("a", 30))
    assert [*seen, store.resource_version] == ["", "10", "10", "20", "30"]


@case("IN-159")
def test_a_write_without_a_version_leaves_the_stores_as_it_is() -> None:
    store = Store()
    store.put(make_record("a", 10))
    store.put(make_record("b"))
    store.delete(ObjectKey("a"))
    assert store.resource_version == "10"


@case("IN-160")
def test_a_batch_and_a_replacement_set_the_version_even_backwards() -> None:
    store = Store()
    fifo = DeltaFIFO(store)
    for name, version in (("a", 40), ("b", 30), ("c", 50)):
        fifo.add(make_record(name, version))
    batch = fifo.pop_batch()
    assert batch is not None
    store.apply(batch)
    assert store.resource_version == "50"
    store.replace([make_record("a", 40)], "45")
    assert store.resource_version == "45"
    store.bookmark("60")
    assert store.resource_version == "60"


def test_a_replacement_keeps_the_bytes_of_unchanged_objects() -> None:
    store = Store()
    for name in "abc":
        store.put(make_record(name, 1, uid="u"))
    before = {record[KEY]: record for record in store.records()}
    store.replace([make_record("a", 1, uid="u"), make_record("b", 2, uid="u"), make_record("c", 1, uid="other")], "5")
    after = {record[KEY]: record for record in store.records()}
    assert after[ObjectKey("a")][RAW] is before[ObjectKey("a")][RAW]
    assert after[ObjectKey("b")][RAW] != before[ObjectKey("b")][RAW]
    assert after[ObjectKey("c")][1] == "other"


def test_a_stored_record_stands_in_for_an_equal_one_of_a_list() -> None:
    store = Store()
    kept = make_record("a", 1, uid="u")
    store.put(kept)
    same = make_record("a", 1, uid="u")
    assert store.stored(same)[RAW] is kept[RAW]
    for other in (make_record("a", 2, uid="u"), make_record("a", 1, uid="v"), make_record("b", 1, uid="u")):
        assert store.stored(other) is other


def test_objects_without_a_version_are_never_taken_for_unchanged() -> None:
    store = Store()
    store.put(make_record("a"))
    other = make_record("a", spec={"changed": True})
    assert store.stored(other) is other


@pytest.mark.parametrize("text", ["", "a/b/c", "/a", "a/"])
def test_a_text_that_is_no_key_is_refused_where_it_is_looked_up(text: str) -> None:
    store = Store()
    store.put(make_record("a/b", 1))
    with pytest.raises(InvalidArgument, match="a key is"):
        store.get(text)
    assert text not in store


@case("IN-150", otherwise="Decision 3: a key is checked where a record is made, so a store has no key function to fail")
@pytest.mark.parametrize("name", [None, "", "a/b", 7])
def test_what_has_no_key_never_becomes_a_record_and_its_error_shows_the_object(name: JSONValue) -> None:
    obj: JSONObject = {"kind": "Odd", "metadata": {"name": name}}
    with pytest.raises(InvalidArgument, match=r"metadata\.name") as caught:
        Store().put(Unstructured.from_dict(obj).record)
    assert isinstance(caught.value.__cause__, DecodeError)
    assert json.loads(caught.value.__cause__.raw) == obj


@case(
    "IN-151",
    otherwise="Decision 3: keys are checked where records are made, so no delta of a batch fails, and no error counts",
)
def test_each_delta_of_a_batch_tells_what_it_did() -> None:
    """Keys are checked where records are made, so that no delta of a batch can fail by itself."""
    store = Store()
    a1, a2, a3 = (make_record("a", version, uid="u") for version in (1, 2, 3))
    assert store.apply(batch_of(delta_of(DeltaType.ADDED, a1), version="1")) == [
        Change(DeltaType.ADDED, a1[KEY], None, a1)
    ]
    deltas = (
        delta_of(DeltaType.UPDATED, a2),
        delta_of(DeltaType.SYNC, a2),
        delta_of(DeltaType.DELETED, a3),
        delta_of(DeltaType.ADDED, a1),
    )
    assert store.apply(Batch((deltas,), is_in_initial_list=False, resource_version="")) == [
        Change(DeltaType.UPDATED, a1[KEY], a1, a2),
        Change(DeltaType.SYNC, a1[KEY], a2, a2),
        Change(DeltaType.DELETED, a1[KEY], a3, None),
        Change(DeltaType.ADDED, a1[KEY], None, a1),
    ]
    assert versions(store) == {"a": "1"}
    assert store.resource_version == "1"


def test_a_replaced_object_of_the_same_version_is_the_stored_one() -> None:
    store = Store()
    stored = make_record("a", 1, uid="u")
    store.put(stored)
    [change] = store.apply(batch_of(delta_of(DeltaType.REPLACED, make_record("a", 1, uid="u"))))
    assert change.old == stored
    assert change.new is change.old
    [kept] = store.records()
    assert kept[RAW] is stored[RAW]
    newer = make_record("a", 2, uid="u")
    assert store.apply(batch_of(delta_of(DeltaType.REPLACED, newer))) == [
        Change(DeltaType.REPLACED, stored[KEY], stored, newer)
    ]


def test_a_tombstone_hands_over_the_last_state_that_is_known() -> None:
    store = Store()
    stored = make_record("a", 1)
    store.put(stored)
    key = stored[KEY]
    blind = Delta(DeltaType.DELETED, key, None, is_tombstone=True)
    assert store.apply(batch_of(blind)) == [Change(DeltaType.DELETED, key, stored, None, is_tombstone=True)]
    assert store.apply(batch_of(blind)) == [Change(DeltaType.DELETED, key, None, None, is_tombstone=True)]
    holding = delta_of(DeltaType.DELETED, make_record("a", 2), is_tombstone=True)
    assert store.apply(batch_of(holding)) == [Change(DeltaType.DELETED, key, holding.record, None, is_tombstone=True)]
    assert len(store) == 0


def test_a_batch_without_deltas_only_moves_the_version() -> None:
    store = Store()
    assert store.apply(Batch((), is_in_initial_list=False, resource_version="9")) == []
    assert store.resource_version == "9"


def test_objects_are_listed_by_namespace() -> None:
    store = Store()
    for key in ("one/a", "one/b", "two/a", "node"):
        store.put(make_record(key, 1))
    assert sorted(obj.key for obj in store.list("one")) == ["one/a", "one/b"]
    assert [obj.key for obj in store.list("two")] == ["two/a"]
    assert store.list("three") == []
    assert len(store.list()) == len(store.list("")) == 4
    store.delete(ObjectKey("one/a"))
    store.delete(ObjectKey("two/a"))
    assert [record[KEY] for record in store.records("one")] == ["one/b"]
    assert store.records("two") == []


@pytest.fixture(scope="module")
def crowded() -> Store:
    """Return a store of 100,000 objects, each tenth of them labelled ``app=web``, all of unreadable content."""
    store = Store()
    labels = [("app", "web"), *[("app", "db")] * 9]
    store.replace(
        [(f"ns-{number % 7}/pod-{number}", "", "1", labels[number % 10], b"not JSON") for number in range(100_000)], "1"
    )
    return store


@case("IN-161")
@pytest.mark.parametrize(
    ("selector", "count"), [("app=web", 10_000), ("app", 100_000), ("app=none", 0), ("!app", 0), (None, 100_000)]
)
def test_a_selector_hits_exactly_the_objects_with_its_labels(crowded: Store, selector: str | None, count: int) -> None:
    """Nothing is decoded, or it would fail."""
    assert len(crowded.list(label_selector=selector)) == count
    assert len(Lister(crowded).list(selector)) == count
    if selector is not None:
        assert len(crowded.list(label_selector=LabelSelector.parse(selector))) == count
    if not count:
        assert crowded.list(label_selector=selector) == []


def test_a_selector_that_does_not_parse_is_an_error_of_the_call() -> None:
    with pytest.raises(InvalidSelector):
        Store().list(label_selector="app in (")


def test_every_reader_gets_a_view_of_its_own() -> None:
    store = Store()
    store.put(make_record("a", 1, spec={"replicas": 1}))
    first, second = store.get("a"), store.get("a")
    assert first is not None
    assert second is not None
    assert first is not second
    spec = first["spec"]
    assert isinstance(spec, dict)
    spec["replicas"] = 99
    assert second["spec"] == {"replicas": 1}
    [listed] = store.list()
    assert listed["spec"] == {"replicas": 1}


def test_a_write_that_another_one_overtakes_is_decided_again() -> None:
    """An index function runs outside the lock, so that here it is where the other write happens."""
    indexer = Indexer()
    overtaking = [make_record("a", 5), make_record("a", 6)]
    calls: list[str] = []

    def version(obj: Unstructured) -> Iterable[str]:
        calls.append(obj.resource_version)
        if obj.resource_version == "9" and overtaking:
            indexer.put(overtaking.pop(0))
        return [obj.resource_version]

    functions: dict[str, IndexFunc] = {"version": version}
    indexer.add_indexers(functions)
    [change] = indexer.apply(batch_of(delta_of(DeltaType.UPDATED, make_record("a", 9))))
    assert change.old is not None
    assert change.old[2] == "6"
    assert calls == ["9", "5", "9", "6", "9"]
    assert indexer.index_values("version") == ["9"]


def torn_reads(indexer: Indexer) -> list[str]:
    """Return what shows only one of two objects that always change together."""
    torn = []
    if len({obj.resource_version for obj in indexer.list("ns")}) != 1:
        torn.append("list")
    values = indexer.index_values("version")
    if len(values) != 1:
        torn.append("index values")
    torn.extend("by index" for value in values if len(indexer.by_index("version", value)) not in {0, 2})
    return torn


def test_readers_never_see_half_a_batch() -> None:
    indexer = Indexer({"version": lambda obj: [obj.resource_version]})
    stop = Latch()
    torn: list[str] = []

    def apply(version: int) -> None:
        records = (make_record("ns/a", version), make_record("ns/b", version))
        indexer.apply(batch_of(*(delta_of(DeltaType.UPDATED, record) for record in records), version=str(version)))

    def read() -> None:
        while not stop.is_set:
            torn.extend(torn_reads(indexer))

    apply(0)
    readers = ThreadGroup("readers")
    for number in range(2):
        readers.spawn(read, name=f"reader {number}")
    try:
        for version in range(1, 500):
            apply(version)
    finally:
        stop.set()
        assert readers.join(Deadline.after(10)) == ()
    assert torn == []


def test_the_cycle_collector_does_not_track_what_is_stored() -> None:
    indexer = Indexer({"node": lambda obj: [f"node-{obj.name[-1]}"]})
    indexer.replace([make_record(f"ns/pod-{number}", number + 1, labels={"a": "b"}) for number in range(1_000)], "1")
    gc.collect()  # untracks the inner tuples
    gc.collect()  # and what holds them
    assert not gc.is_tracked(indexer._records)
    tracked = [obj for obj in (*indexer._records, *indexer._records.values()) if gc.is_tracked(obj)]
    assert tracked == []
