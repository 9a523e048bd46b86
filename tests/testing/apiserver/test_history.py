from __future__ import annotations

from kubeprims.testing.apiserver.history import Event, History, StoredObject


def _stored(revision: int, size: int = 10) -> StoredObject:
    return StoredObject("a", revision, "u", b"x" * size, (), ())


def _event(revision: int, size: int = 10) -> Event:
    return Event(revision, _stored(revision - 1, size), _stored(revision), deleted=False)


def _history(**limits: int) -> History:
    history = History(**{"events_max": 100, "bytes_max": 1 << 20, **limits})
    for revision in range(1, 11):
        history.append(_event(revision * 10))
    return history


def test_events_are_found_by_revision_and_read_by_position() -> None:
    history = _history()
    assert (history.first, history.end) == (0, 10)
    assert history.position_after(0) == 0
    assert history.position_after(10) == 1
    assert history.position_after(15) == 1
    assert history.position_after(1000) == 10
    assert [event.revision for event in history.read(2, 3)] == [30, 40, 50]
    assert [event.revision for event in history.newest_first(75)] == [100, 90, 80]
    assert history.list_floor == history.watch_floor == 0


def test_too_many_events_drop_the_oldest_and_raise_the_floors() -> None:
    history = _history(events_max=8)
    assert history.first > 0
    assert history.end == 10
    assert history.end - history.first <= 8
    assert history.list_floor == history.watch_floor == history.first * 10
    assert [event.revision for event in history.read(history.first, 1)] == [history.first * 10 + 10]


def test_too_many_bytes_of_replaced_states_drop_the_oldest_events() -> None:
    history = _history(bytes_max=1000)
    assert history.first == 0
    history.append(_event(110, size=950))
    assert history.first > 0
    assert history.end == 11
    history.append(_event(120, size=2000))
    assert history.first == history.end, "not even one event of that size fits"


def test_creations_hold_no_bytes() -> None:
    history = History(events_max=10, bytes_max=0)
    history.append(Event(1, None, _stored(1, size=1000), deleted=False))
    assert history.first == 0


def test_compaction_raises_the_floors_and_drops_what_nobody_still_reads() -> None:
    history = _history()
    history.compact(50, keep_from=history.end)
    assert (history.first, history.list_floor, history.watch_floor) == (5, 50, 50)
    history.compact(80, keep_from=6)
    assert (history.first, history.list_floor) == (6, 80)
    history.compact(20, keep_from=history.end)
    assert (history.first, history.list_floor) == (6, 80)
    history.compact(100, keep_from=0)
    assert (history.first, history.list_floor) == (6, 100)
    assert history.end == 10
