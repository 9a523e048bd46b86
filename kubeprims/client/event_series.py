"""Which events are written, which are counted, and which are dropped. Pure.

Who says the same thing of the same object again means one event that goes on: a *series*. Its first event is written at
once; how often it came again is written now and then. An object of which too much is said is not listened to for a
while.
"""

from __future__ import annotations

import datetime
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from kubeprims.meta import ObjectKey

SERIES_REFRESH_S = 60.0
"""How often the count of a series is written, in seconds, while it goes on."""

SERIES_IDLE_S = 360.0
"""A series that has not come again for so long has ended: the next event begins another."""

OBJECT_BURST = 25
"""How many events of one object are written at once."""

OBJECT_REFILL_S = 300.0
"""After how many seconds one more is."""

SERIES_MAX = 4096
"""How many series, and how many objects, are remembered: those that were quiet longest are forgotten."""


class EventReference(NamedTuple):
    """What an event is about: an object, as an event names it."""

    api_version: str
    kind: str
    key: ObjectKey
    uid: str


@dataclass(frozen=True, slots=True)
class EventKey:
    """What makes two events the same.

    Attributes:
        regarding: The object, without its version.
        related: Another object that matters; None if none does.
        type: ``Normal`` or ``Warning``.
        reason: Why, as one word in CamelCase.
        action: What was done, as one word in CamelCase.
        note: The text.
    """

    regarding: EventReference
    related: EventReference | None
    type: str
    reason: str
    action: str
    note: str


@dataclass(slots=True)
class Series:
    """An event that goes on.

    Attributes:
        key: What it says.
        count: How often it came.
        last_time: When it came last.
        name: The name of its object on the server; empty until that was written.
        written_count: Which count was written last, or is being written.
        recorded: Which count the server has; 0 before its first event is written.
    """

    key: EventKey
    last_time: datetime.datetime
    seen_at_s: float
    flushed_at_s: float
    count: int = 1
    name: str = ""
    written_count: int = 0
    recorded: int = 0

    @property
    def unrecorded(self) -> int:
        """How often it came without the server knowing."""
        return self.count - self.recorded

    @property
    def behind(self) -> int:
        """How often it came again since its count was written last; 0 before its first event is written."""
        return self.count - max(1, self.written_count) if self.name else 0


@dataclass(slots=True)
class _Bucket:
    free: float
    read_at_s: float


@dataclass(slots=True)
class EventSeries:
    """The series that there are, and how much is listened to of each object.

    Attributes:
        dropped: How many events were dropped because too much was said of their object, or of too many.

    Concurrency:
        Not safe by itself; its owner holds a lock.

    Source:
        client-go tools/events/event_broadcaster.go (series), tools/record/events_cache.go (burst and refill).
    """

    dropped: int = 0
    _series: OrderedDict[EventKey, Series] = field(default_factory=OrderedDict["EventKey", "Series"])
    _buckets: OrderedDict[EventReference, _Bucket] = field(default_factory=OrderedDict["EventReference", "_Bucket"])

    def add(self, key: EventKey, *, now_s: float, now: datetime.datetime) -> Series | None:
        """Take an event in; return its series, None if it was dropped. A series that counts 1 is to be written now."""
        series = self._series.get(key)
        if series is not None and now_s - series.seen_at_s < SERIES_IDLE_S:
            series.count += 1
            series.last_time = now
            series.seen_at_s = now_s
            self._series.move_to_end(key)
            return series
        if not self._admit(key.regarding, now_s):
            self.dropped += 1
            return None
        series = Series(key, now, now_s, now_s)
        self._series[key] = series
        self._series.move_to_end(key)
        if len(self._series) > SERIES_MAX:
            self._let_go(self._series.popitem(last=False)[1])
        return series

    def _let_go(self, series: Series) -> None:
        """Give up how often a series came again; if its first event still waits, that is written all the same."""
        kept = series.recorded if series.name else 1
        self.dropped += series.count - kept
        series.count = kept

    def forget(self, series: Series) -> None:
        """Let go of a series whose first event could not be written: the next one begins anew."""
        if self._series.get(series.key) is series:
            del self._series[series.key]

    def due(self, *, now_s: float, everything: bool = False) -> list[Series]:
        """Return the series whose count is to be written now, and forget those that have ended.

        Args:
            now_s: The clock.
            everything: Return every series with a count that was not written: nothing comes after.
        """
        found: list[Series] = []
        for key, series in [*self._series.items()]:
            has_ended = now_s - series.seen_at_s >= SERIES_IDLE_S
            if series.behind and (everything or has_ended or now_s - series.flushed_at_s >= SERIES_REFRESH_S):
                series.flushed_at_s = now_s
                series.written_count = series.count
                found.append(series)
            if has_ended:
                del self._series[key]
        return found

    def next_due_s(self) -> float | None:
        """Return when :meth:`due` may have something, by the clock; None if no series waits."""
        behind = (series.flushed_at_s for series in self._series.values() if series.behind)
        return min((flushed_at_s + SERIES_REFRESH_S for flushed_at_s in behind), default=None)

    def _admit(self, regarding: EventReference, now_s: float) -> bool:
        bucket = self._buckets.get(regarding)
        if bucket is None:
            bucket = self._buckets[regarding] = _Bucket(float(OBJECT_BURST), now_s)
            if len(self._buckets) > SERIES_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(regarding)
        bucket.free = min(float(OBJECT_BURST), bucket.free + (now_s - bucket.read_at_s) / OBJECT_REFILL_S)
        bucket.read_at_s = now_s
        if bucket.free < 1.0:
            return False
        bucket.free -= 1.0
        return True
