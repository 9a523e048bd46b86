"""The objects, under one revision counter and one lock, with the history that lists and watches are made from."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from kubeprims.clock import Clock
from kubeprims.testing.apiserver.history import Event, History, StoredObject


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageLimits:
    """How much of the past is kept, for each resource.

    Attributes:
        events_max: The number of events.
        bytes_max: The size of the replaced states that they hold.
    """

    events_max: int = 100_000
    bytes_max: int = 512 << 20


class Reader(Protocol):
    """A watch, as the storage sees it."""

    @property
    def position(self) -> int:
        """The position in the history of the next event that it will read."""
        ...

    def finish(self) -> None:
        """End as soon as all that has happened is read."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Table:
    """The objects of one resource, sorted by key, and their history.

    Concurrency:
        None of its own: hold ``Storage.condition``.
    """

    def __init__(self, history: History) -> None:
        self.objects: dict[str, StoredObject] = {}
        self.history = history
        self.readers: set[Reader] = set()
        self._keys: list[str] = []

    def keys(self, prefix: str = "", start: str = "") -> Sequence[str]:
        """Return the keys that begin with ``prefix`` and are not less than ``start``, sorted."""
        return slice_of_prefix(self._keys, prefix, start)

    def record(self, event: Event) -> None:
        """Take over the state after a write."""
        key = event.current.key
        if event.deleted:
            del self.objects[key]
            del self._keys[bisect_left(self._keys, key)]
        else:
            if event.previous is None:
                insort(self._keys, key)
            self.objects[key] = event.current
        self.history.append(event)

    def record_new(self, created: Sequence[StoredObject]) -> None:
        """Take over many objects that were not there before."""
        for stored in created:
            self.objects[stored.key] = stored
            self.history.append(Event(stored.revision, None, stored, deleted=False))
        self._keys.extend(stored.key for stored in created)
        self._keys.sort()

    def snapshot(self, revision: int) -> Snapshot:
        """Return the table as it was at a revision, which is not below the history's floor for lists."""
        overlay: dict[str, StoredObject | None] = {}
        for event in self.history.newest_first(revision):
            overlay[event.current.key] = event.previous
        return Snapshot(self, overlay)


class Snapshot:
    """A table as it was at one revision; valid while the lock is held."""

    def __init__(self, table: Table, overlay: dict[str, StoredObject | None]) -> None:
        self._table = table
        self._overlay = overlay

    def count(self, prefix: str, start: str) -> int:
        """Return how many objects :meth:`scan` would yield."""
        if not self._overlay:
            return len(self._table.keys(prefix, start))
        return sum(1 for _ in self.scan(prefix, start))

    def scan(self, prefix: str, start: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with ``prefix`` and are not less than ``start``, sorted by key."""
        objects = self._table.objects
        if not self._overlay:
            yield from map(objects.__getitem__, self._table.keys(prefix, start))
            return
        overlay = self._overlay
        gone = sorted(key for key, stored in overlay.items() if stored is not None and key not in objects)
        for key in sorted({*self._table.keys(prefix, start), *slice_of_prefix(gone, prefix, start)}):
            stored = overlay[key] if key in overlay else objects[key]
            if stored is not None:
                yield stored


def slice_of_prefix(keys: Sequence[str], prefix: str, start: str) -> Sequence[str]:
    """Return the part of sorted ``keys`` that begins with ``prefix`` and is not less than ``start``."""
    low = bisect_left(keys, max(prefix, start))
    # The largest code point ends every key that a name can make.
    high = bisect_left(keys, prefix + "\U0010ffff") if prefix else len(keys)
    return keys[low:high]


class Storage:
    """All tables, under one revision counter.

    Concurrency:
        ``condition`` guards everything, and is notified after each write. Its lock may be taken again by the thread
        that holds it, so that a read and the write that follows from it are one step.

    Attributes:
        condition: The lock, and what watches wait on.
        clock: What waiting is measured with.
        revision: The newest revision.
        is_rehearsing: Whether writes are answered and not kept, which the holder of the lock decides.
    """

    def __init__(self, clock: Clock, limits: StorageLimits) -> None:
        self.condition = threading.Condition()
        self.clock = clock
        self.revision = 0
        self.is_rehearsing = False
        self._limits = limits
        self._tables: dict[str, Table] = {}
        self._list_floor = 0
        self._watch_floor = 0

    def table(self, resource: str) -> Table:
        """Return the table of a resource, by the name under which its objects are kept."""
        with self.condition:
            table = self._tables.get(resource)
            if table is None:
                limits = self._limits
                history = History(
                    events_max=limits.events_max,
                    bytes_max=limits.bytes_max,
                    list_floor=self._list_floor,
                    watch_floor=self._watch_floor,
                )
                table = self._tables[resource] = Table(history)
            return table

    def write(self, table: Table, render: Callable[[int], StoredObject], *, deleted: bool = False) -> StoredObject:
        """Carry out one write, and return the state after it.

        Args:
            table: Where.
            render: Makes the state for a given revision.
            deleted: The object goes; ``render`` then gives its last state under the revision of the deletion.
        """
        with self.condition:
            if self.is_rehearsing:
                return _rehearsed(table, render)
            revision = self.revision + 1
            current = render(revision)
            table.record(Event(revision, table.objects.get(current.key), current, deleted))
            self.revision = revision
            self.condition.notify_all()
            return current

    @contextmanager
    def rehearsal(self, *, is_wanted: bool = True) -> Generator[None]:
        """Answer the writes of this thread without keeping any of them, until this is left; others wait meanwhile."""
        if not is_wanted:
            yield
            return
        with self.condition:
            self.is_rehearsing = True
            try:
                yield
            finally:
                self.is_rehearsing = False

    def write_new(self, table: Table, renders: Sequence[Callable[[int], StoredObject]]) -> None:
        """Create many objects in one step; no key among them is in the table, or comes twice."""
        with self.condition:
            created = [render(self.revision + number) for number, render in enumerate(renders, 1)]
            table.record_new(created)
            self.revision += len(created)
            self.condition.notify_all()

    def compact(self, revision: int) -> None:
        """Forget the history up to ``revision``; watches that are open already still get what they have not read."""
        with self.condition:
            revision = min(revision, self.revision)
            self._list_floor = max(self._list_floor, revision)
            self._watch_floor = max(self._watch_floor, revision)
            for table in self._tables.values():
                keep_from = min((reader.position for reader in table.readers), default=table.history.end)
                table.history.compact(revision, keep_from=keep_from)

    def drop_history(self) -> None:
        """Refuse watches from any version but the newest, as an API server does that was started anew."""
        with self.condition:
            self._watch_floor = self.revision
            for table in self._tables.values():
                table.history.watch_floor = self.revision

    def wait_for_revision(self, revision: int, timeout_s: float) -> bool:
        """Wait until there is a revision, and return whether there is; the lock is free meanwhile."""
        with self.condition:
            deadline_s = self.clock.monotonic() + timeout_s
            while self.revision < revision:
                remaining_s = deadline_s - self.clock.monotonic()
                if remaining_s <= 0:
                    return False
                self.clock.wait(self.condition, remaining_s)
            return True

    def close_readers(self) -> None:
        """End every open watch."""
        with self.condition:
            for table in self._tables.values():
                for reader in tuple(table.readers):
                    reader.close()


def _rehearsed(table: Table, render: Callable[[int], StoredObject]) -> StoredObject:
    """Return the state that a write would lead to, under the revision that the object has: none if it is new."""
    state = render(0)
    before = table.objects.get(state.key)
    return state if before is None else render(before.revision)
