"""A queue that hands changes on in the order in which they came, whatever their keys.

It is the other queue behind :class:`~kubeprims.cache.delta_fifo.DeltaQueue`. Its two modes differ in when a deletion
that nobody saw is inferred. The plain mode does so when a list is queued, from what is queued and what is known then.
The atomic mode queues the list as one entry, and infers when that entry is popped, from what is known by then, which is
all that was queued before it: a list is then one batch, and takes effect at once.

Informers use the atomic mode unless told otherwise. An informer empties its queue under the same lock under which it
fills it, batch of events by batch, so neither queue ever holds more than one of those, and memory does not decide.
Speed does not either (10,000 objects, microseconds each, storing included): changes of different objects, 50 to 500 at
once, cost 2.5 here and 2.6 with a DeltaFIFO; a relist 2.3 and 2.8; changes of one single object 5.9 and 1.6, for here a
batch has it once, and even that is less than decoding it. What decides is what handlers see: the server's own order
across objects, where a DeltaFIFO pulls what happens to an object to the place of its first change; and it is what
client-go does since 0.36, so that handlers brought from there meet nothing new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaType, KnownObjects
from kubeprims.objects.record import KEY, RESOURCE_VERSION, ObjectRecord

BATCH_LIMIT = 1000
"""How many deltas a batch holds at most, unless a limit is given."""


class _WholeType(Enum):
    """What an entry of the atomic mode is that concerns no single object."""

    REPLACED_ALL = "ReplacedAll"
    SYNC_ALL = "SyncAll"
    BOOKMARK = "Bookmark"


class _Whole(NamedTuple):
    """An entry of the atomic mode that concerns no single object.

    Attributes:
        type: What it is.
        records: The objects of the list that it is.
    """

    type: _WholeType
    records: tuple[ObjectRecord, ...] = ()


class RealFIFO:
    """A queue in strict order of arrival.

    Nothing is merged. A batch never holds a key twice, nor anything beside a list, a resync or a bookmark that is one
    entry. Each batch tells the version that is reached with it; where a list is queued in parts, the last of them does.

    The known objects must reflect every popped batch before the next call of anything but ``add`` and ``update``.

    Concurrency:
        Not safe by itself; its owner holds a lock.

    Source:
        client-go tools/cache/the_real_fifo.go, ``RealFIFO``.
        Same: the order of deltas in both modes, what is inferred, where batches end, how the first list is counted.
        Differs: a deletion of what is not known is dropped as it is popped, where upstream tells handlers of the end
        of what they never saw (without known objects it is handed on, as there); a bookmark behind a change is told
        with it; an entry of the atomic mode is popped as the deltas that it comes to; the first list counts as taken
        once it is popped, not once it is processed; closing and waiting are the driver's; nothing here can fail, for a
        record's key was checked where it was made.
    """

    __slots__ = ("_depth", "_entries", "_initial_count", "_is_atomic", "_is_populated", "_known", "_version")

    def __init__(self, known: KnownObjects | None = None, *, is_atomic: bool = False) -> None:
        """Make an empty queue.

        Args:
            known: The objects that the consumer has; None if it keeps none.
            is_atomic: Queue a list, a resync and a bookmark as one entry each.
        """
        self._known = known
        self._is_atomic = is_atomic
        # Each with the version that is reached with it; empty if it tells none.
        self._entries: deque[tuple[Delta | _Whole, str]] = deque()
        self._depth = 0
        self._is_populated = False
        self._initial_count = 0
        self._version = ""  # reached, with nothing left to pop that could tell it

    def add(self, record: ObjectRecord) -> None:
        """Queue an object that is new."""
        self._is_populated = True
        self._append(Delta(DeltaType.ADDED, record[KEY], record), record[RESOURCE_VERSION])

    def update(self, record: ObjectRecord) -> None:
        """Queue a new state of an object."""
        self._is_populated = True
        self._append(Delta(DeltaType.UPDATED, record[KEY], record), record[RESOURCE_VERSION])

    def delete(self, record: ObjectRecord) -> None:
        """Queue the end of an object, in its final state."""
        self._is_populated = True
        self._append(Delta(DeltaType.DELETED, record[KEY], record), record[RESOURCE_VERSION])

    def bookmark(self, resource_version: str) -> None:
        """Note that all changes up to a version were queued.

        It is told with the change that was queued last. In the atomic mode, where there is none, it is an entry itself.
        """
        is_alone = not self._entries or isinstance(self._entries[-1][0], _Whole)
        if self._is_atomic and is_alone and resource_version:
            self._append(_Whole(_WholeType.BOOKMARK), resource_version)
        else:
            self._tell_last(resource_version)

    def replace(self, records: Iterable[ObjectRecord], resource_version: str) -> None:
        """Queue a whole list; what it omits becomes tombstones, which come before it.

        All or nothing: if iterating over ``records`` raises, nothing is queued.

        Args:
            records: The whole list, in the server's order.
            resource_version: The version of the list.
        """
        listed = tuple(records)
        if self._is_atomic:
            self._append(_Whole(_WholeType.REPLACED_ALL, listed), resource_version)
            self._depth += len(listed)
        else:
            for delta in self._inferred(listed, self._last_deltas()):
                self._append(delta, "")
            self._tell_last(resource_version)
        if not self._is_populated:
            self._is_populated = True
            self._initial_count = len(self._entries)

    def resync(self) -> None:
        """Queue every known object again; in the plain mode but for those that are queued already."""
        if self._is_atomic:
            self._append(_Whole(_WholeType.SYNC_ALL), "")
        else:
            for delta in self._synced(self._last_deltas()):
                self._append(delta, "")

    def pop(self) -> Batch | None:
        """Take out the oldest entry; None if there is nothing."""
        return self.pop_batch(1)

    def pop_batch(self, limit: int | None = None) -> Batch | None:
        """Take out what is oldest, in the order in which it was queued.

        Args:
            limit: The largest number of deltas, at least 1; None is :data:`BATCH_LIMIT`. A batch ends before a key that
                it has already, where the first list ends, and at an entry of the atomic mode, which comes alone, and
                whole whatever the limit.

        Returns:
            The batch. None if nothing is queued and no version is to be told.
        """
        if not self._entries:
            version, self._version = self._version, ""
            return Batch((), not self.has_synced, version) if version else None
        is_in_initial_list = not self.has_synced
        oldest, version = self._entries[0]
        if isinstance(oldest, _Whole):
            self._entries.popleft()
            self._depth -= 1 + len(oldest.records)
            count, deltas = 1, self._expanded(oldest)
        else:
            deltas, version = self._taken(min(limit or BATCH_LIMIT, self._initial_count or len(self._entries)))
            count = len(deltas)
            self._depth -= count
        if self._initial_count:
            self._initial_count -= count
        return Batch(tuple(zip(self._of_known(deltas))), is_in_initial_list, version)

    @property
    def has_synced(self) -> bool:
        """Whether all of the first list was popped, or a change came before any list."""
        return self._is_populated and not self._initial_count

    @property
    def depth(self) -> int:
        """How many deltas are queued, and objects of lists with them: what the queue's memory grows with."""
        return self._depth

    def __len__(self) -> int:
        """Return how many entries are queued."""
        return len(self._entries)

    def _append(self, change: Delta | _Whole, resource_version: str) -> None:
        self._entries.append((change, resource_version))
        self._depth += 1

    def _tell_last(self, resource_version: str) -> None:
        """Have a version told with what is queued last."""
        if not self._entries:
            self._version = resource_version or self._version
        elif resource_version:
            self._entries[-1] = self._entries[-1][0], resource_version

    def _taken(self, limit: int) -> tuple[list[Delta], str]:
        """Take out the oldest deltas with different keys, and return them with the version that they reach."""
        entries = self._entries
        taken: dict[str, Delta] = {}
        version, self._version = self._version, ""
        while len(taken) < limit and entries:
            change, told = entries[0]
            if isinstance(change, _Whole) or change.key in taken:
                break
            entries.popleft()
            taken[change.key] = change
            version = told or version
        return [*taken.values()], version

    def _of_known(self, deltas: list[Delta]) -> list[Delta]:
        """Return the deltas without deletions of what is not known: handlers never heard of it."""
        known = self._known
        if known is None:
            return deltas
        return [delta for delta in deltas if delta.type is not DeltaType.DELETED or known.record(delta.key) is not None]

    def _inferred(self, listed: Iterable[ObjectRecord], queued: Mapping[str, Delta]) -> list[Delta]:
        """Return what a list comes to: tombstones for what it omits, then its objects.

        Args:
            listed: The objects of the list.
            queued: The last delta that is queued, for each key that has one.
        """
        replaced = [Delta(DeltaType.REPLACED, record[KEY], record) for record in listed]
        keys = {delta.key for delta in replaced}
        missing = {
            key: delta.record
            for key, delta in queued.items()
            if key not in keys and delta.type is not DeltaType.DELETED
        }
        if self._known is not None:
            known_keys = self._known.keys()
            unseen = [key for key in known_keys if key not in keys and key not in queued]
            missing.update(zip(unseen, map(self._known.record, unseen), strict=True))
        return [Delta(DeltaType.DELETED, key, record, is_tombstone=True) for key, record in missing.items()] + replaced

    def _synced(self, queued: Mapping[str, Delta]) -> list[Delta]:
        """Return what a resync comes to: every known object, but for those that are queued."""
        if self._known is None:
            return []
        known_keys = self._known.keys()
        records = map(self._known.record, (key for key in known_keys if key not in queued))
        return [Delta(DeltaType.SYNC, record[KEY], record) for record in records if record is not None]

    def _expanded(self, whole: _Whole) -> list[Delta]:
        """Return what an entry of the atomic mode comes to now."""
        if whole.type is _WholeType.REPLACED_ALL:
            return self._inferred(whole.records, {})
        return self._synced({}) if whole.type is _WholeType.SYNC_ALL else []

    def _last_deltas(self) -> dict[str, Delta]:
        """Return the last delta that is queued, for each key that has one; in the plain mode there is nothing else."""
        return {change.key: change for change, _ in self._entries if isinstance(change, Delta)}
