"""What happened to the objects of one resource: bounded, in order, and forgotten from the old end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class StoredObject(NamedTuple):
    """One state of one object.

    Attributes:
        key: ``namespace/name``, or ``name`` for a cluster-scoped object.
        revision: The write that made this state.
        uid: The object's uid.
        tail: Its JSON text; see ``encoding``.
        labels: Its labels, for selectors.
        fields: The values of the kind's selectable fields, in the kind's order.
    """

    key: str
    revision: int
    uid: str
    tail: bytes
    labels: tuple[tuple[str, str], ...]
    fields: tuple[str, ...]


class Event(NamedTuple):
    """One write.

    Attributes:
        revision: Its revision.
        previous: The state before; None if the object was created.
        current: The state after it. For a deletion, the last state under the revision of the deletion.
        deleted: The object is gone.
    """

    revision: int
    previous: StoredObject | None
    current: StoredObject
    deleted: bool


class History:
    """The events of one resource, found by absolute positions that stay valid while old events are dropped.

    Two floors say what can still be told: lists and watches from versions below them are refused, even where the
    events are still there for the readers that came in time.

    Concurrency:
        None of its own: ``Storage`` holds the lock.

    Attributes:
        first: The position of the oldest event.
        list_floor: The oldest version of which a list can still be made.
        watch_floor: The oldest version from which a watch can still start.
    """

    def __init__(self, *, events_max: int, bytes_max: int, list_floor: int = 0, watch_floor: int = 0) -> None:
        self._events: list[Event] = []
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self.first = 0
        self.list_floor = list_floor
        self.watch_floor = watch_floor

    @property
    def end(self) -> int:
        """The position after the newest event."""
        return self.first + len(self._events)

    def append(self, event: Event) -> None:
        """Add the newest event, and drop the oldest ones if there are too many, or they hold too many bytes."""
        self._events.append(event)
        self._bytes += _held_bytes(event)
        if len(self._events) > self._events_max or self._bytes > self._bytes_max:
            self._shrink()

    def _shrink(self) -> None:
        # An eighth at a time: dropping from the front of a list costs its length.
        events_target = self._events_max - self._events_max // 8
        bytes_target = self._bytes_max - self._bytes_max // 8
        count = 0
        while len(self._events) - count > events_target or self._bytes > bytes_target:
            self._bytes -= _held_bytes(self._events[count])
            count += 1
        self.raise_floors(self._events[count - 1].revision)
        del self._events[:count]
        self.first += count

    def raise_floors(self, revision: int) -> None:
        """Refuse lists and watches from versions before ``revision``."""
        self.list_floor = max(self.list_floor, revision)
        self.watch_floor = max(self.watch_floor, revision)

    def compact(self, revision: int, *, keep_from: int) -> None:
        """Forget what happened up to ``revision``, but keep for its readers what comes from ``keep_from`` on."""
        self.raise_floors(revision)
        count = min(self.position_after(revision), max(keep_from, self.first)) - self.first
        self._bytes -= sum(_held_bytes(event) for event in self._events[:count])
        del self._events[:count]
        self.first += count

    def position_after(self, revision: int) -> int:
        """Return the position of the first event later than ``revision``."""
        return self.first + bisect_right(self._events, revision, key=lambda event: event.revision)

    def read(self, position: int, count_max: int) -> Sequence[Event]:
        """Return up to ``count_max`` events from ``position`` on; the position is not before ``first``."""
        start = position - self.first
        return self._events[start : start + count_max]

    def newest_first(self, revision: int) -> Iterator[Event]:
        """Yield the events later than ``revision``, the newest first."""
        start = self.position_after(revision) - self.first
        return (self._events[index] for index in range(len(self._events) - 1, start - 1, -1))


def _held_bytes(event: Event) -> int:
    """Return the size of what lives only for the history's sake: the state that the write replaced."""
    return len(event.previous.tail) if event.previous is not None else 0
