from __future__ import annotations

import datetime

from kubeprims.client.event_series import (
    OBJECT_BURST,
    OBJECT_REFILL_S,
    SERIES_IDLE_S,
    SERIES_MAX,
    SERIES_REFRESH_S,
    EventKey,
    EventReference,
    EventSeries,
    Series,
)
from kubeprims.meta import ObjectKey

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)


def key(note: str = "scaled up", *, name: str = "web") -> EventKey:
    reference = EventReference("v1", "Pod", ObjectKey(f"default/{name}"), f"uid-{name}")
    return EventKey(reference, None, "Normal", "Scaled", "Scale", note)


def written(found: Series | None, name: str = "event-1") -> Series:
    assert found is not None
    found.name = name
    return found


def test_what_is_said_again_is_counted_and_its_count_written_now_and_then() -> None:
    events = EventSeries()
    series = written(events.add(key(), now_s=0.0, now=NOON))
    assert events.next_due_s() is None
    for _ in range(3):
        assert events.add(key(), now_s=10.0, now=NOON) is series
    assert (series.count, events.next_due_s()) == (4, SERIES_REFRESH_S)
    assert events.due(now_s=SERIES_REFRESH_S - 1) == []
    assert events.due(now_s=SERIES_REFRESH_S) == [series]
    assert (series.written_count, series.behind) == (4, 0)
    assert events.due(now_s=2 * SERIES_REFRESH_S) == []
    assert events.add(key("scaled down"), now_s=0.0, now=NOON) is not None, "another text is another event"


def test_a_series_ends_when_it_was_quiet_for_long() -> None:
    events = EventSeries()
    series = written(events.add(key(), now_s=0.0, now=NOON))
    events.add(key(), now_s=1.0, now=NOON)
    assert events.due(now_s=SERIES_IDLE_S + 1.0) == [series], "its last count is written all the same"
    again = events.add(key(), now_s=SERIES_IDLE_S + 2.0, now=NOON)
    assert again is not None
    assert again is not series


def test_at_the_end_every_count_is_written() -> None:
    events = EventSeries()
    series = written(events.add(key(), now_s=0.0, now=NOON))
    events.add(key(), now_s=1.0, now=NOON)
    assert events.due(now_s=2.0) == []
    assert events.due(now_s=2.0, everything=True) == [series]
    assert events.due(now_s=2.0, everything=True) == []


def test_what_was_not_written_begins_anew() -> None:
    events = EventSeries()
    series = events.add(key(), now_s=0.0, now=NOON)
    assert series is not None
    events.add(key(), now_s=0.0, now=NOON)
    assert events.due(now_s=SERIES_REFRESH_S, everything=True) == [], "there is nothing to count in"
    events.forget(series)
    assert events.add(key(), now_s=1.0, now=NOON) is not None


def test_too_much_about_one_object_is_dropped_and_counted() -> None:
    events = EventSeries()
    found = [events.add(key(f"note {number}"), now_s=0.0, now=NOON) for number in range(OBJECT_BURST + 5)]
    assert sum(series is not None for series in found) == OBJECT_BURST
    assert events.dropped == 5
    assert events.add(key("other", name="other"), now_s=0.0, now=NOON) is not None
    assert events.add(key("later"), now_s=OBJECT_REFILL_S, now=NOON) is not None
    assert events.add(key("too soon"), now_s=OBJECT_REFILL_S, now=NOON) is None


def test_what_is_remembered_is_bounded() -> None:
    events = EventSeries()
    for number in range(SERIES_MAX + 100):
        events.add(key(name=f"pod-{number}"), now_s=0.0, now=NOON)
    assert len(events._series) == len(events._buckets) == SERIES_MAX


def test_what_was_not_written_of_a_series_that_is_let_go_is_dropped_and_counted() -> None:
    events = EventSeries()
    series = written(events.add(key(), now_s=0.0, now=NOON))
    series.recorded = 1
    waits = events.add(key("waits to be written"), now_s=0.0, now=NOON)
    assert waits is not None
    for note in ("scaled up", "waits to be written") * 3:
        events.add(key(note), now_s=0.0, now=NOON)
    assert (series.unrecorded, waits.unrecorded) == (3, 4)
    for number in range(SERIES_MAX):
        events.add(key(name=f"pod-{number}"), now_s=0.0, now=NOON)
    assert events.dropped == 6
    assert waits.unrecorded == 1, "the one that is still to be written"
