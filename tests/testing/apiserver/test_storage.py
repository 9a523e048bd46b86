from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.storage import Storage, StorageLimits, slice_of_prefix
from tests.testing.apiserver.backends import SteppingClock


def _state(key: str, content: str = "") -> Callable[[int], StoredObject]:
    return lambda revision: StoredObject(key, revision, "u", content.encode(), (), ())


@pytest.fixture
def storage() -> Storage:
    return Storage(SteppingClock(), StorageLimits())


def test_all_tables_share_one_revision_counter(storage: Storage) -> None:
    pods, nodes = storage.table("pods"), storage.table("nodes")
    assert storage.write(pods, _state("a/x")).revision == 1
    assert storage.write(nodes, _state("n")).revision == 2
    assert storage.write(pods, _state("a/x")).revision == 3
    assert storage.revision == 3
    assert storage.table("pods") is pods


def test_keys_are_sorted_and_found_by_prefix(storage: Storage) -> None:
    table = storage.table("pods")
    for key in ("b/y", "a/x", "a-b/x", "b/x"):
        storage.write(table, _state(key))
    storage.write_new(table, [_state("b/a"), _state("a/z")])
    assert table.keys() == ["a-b/x", "a/x", "a/z", "b/a", "b/x", "b/y"]
    assert table.keys("a/") == ["a/x", "a/z"]
    assert table.keys("b/", "b/x") == ["b/x", "b/y"]
    assert table.keys("", "b/x\0") == ["b/y"]
    storage.write(table, _state("b/x"), deleted=True)
    assert table.keys("b/") == ["b/a", "b/y"]
    assert slice_of_prefix(["a/\U0010fffe", "b"], "a/", "") == ["a/\U0010fffe"]


def test_a_snapshot_shows_the_past(storage: Storage) -> None:
    table = storage.table("pods")
    storage.write(table, _state("a/1", "old"))
    storage.write(table, _state("a/2", "gone"))
    storage.write(table, _state("a/1", "new"))
    storage.write(table, _state("a/2"), deleted=True)
    storage.write(table, _state("a/3"))

    def seen(revision: int, start: str = "") -> list[tuple[str, bytes]]:
        snapshot = table.snapshot(revision)
        found = [(stored.key, stored.tail) for stored in snapshot.scan("a/", start)]
        assert snapshot.count("a/", start) == len(found)
        return found

    assert seen(1) == [("a/1", b"old")]
    assert seen(2) == [("a/1", b"old"), ("a/2", b"gone")]
    assert seen(3) == [("a/1", b"new"), ("a/2", b"gone")]
    assert seen(4) == [("a/1", b"new")]
    assert seen(5) == [("a/1", b"new"), ("a/3", b"")]
    assert seen(2, "a/1\0") == [("a/2", b"gone")]


def test_a_table_made_after_a_compaction_has_its_floors(storage: Storage) -> None:
    storage.write(storage.table("pods"), _state("a/x"))
    storage.write(storage.table("pods"), _state("a/y"))
    storage.compact(1)
    storage.drop_history()
    late = storage.table("late")
    assert (late.history.list_floor, late.history.watch_floor) == (1, 2)
    storage.compact(100)
    assert storage.table("later").history.list_floor == 2, "nothing is compacted beyond the newest revision"


def test_waiting_for_a_revision_ends_when_it_is_there_or_the_time_is_up(storage: Storage) -> None:
    assert storage.wait_for_revision(0, 1)
    assert not storage.wait_for_revision(1, 3)
    assert storage.clock.monotonic() == 1003
    storage.write(storage.table("pods"), _state("a/x"))
    assert storage.wait_for_revision(1, 0)
