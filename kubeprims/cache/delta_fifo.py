"""What happened to each object since somebody last looked: the queue between a watch and a cache.

Changes of one key are kept together, in order, and popped together; keys are popped in the order in which they were
first queued, and a key keeps its place. A list that omits an object which was queued or known becomes a tombstone for
it: a deletion that nobody saw.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Protocol

from kubeprims.objects.record import KEY, RESOURCE_VERSION, ObjectRecord


class DeltaType(StrEnum):
    """What happened to an object."""

    ADDED = "Added"
    """A watch brought an object that is new."""
    UPDATED = "Updated"
    """A watch brought a new state of an object."""
    DELETED = "Deleted"
    """The object is gone: a watch said so, or a list omitted it (a tombstone)."""
    REPLACED = "Replaced"
    """A list brought the object; it may or may not have changed."""
    SYNC = "Sync"
    """Nothing happened: a known object is to be looked at again."""


class Delta(NamedTuple):
    """One change of one object.

    Attributes:
        type: What happened.
        key: The object's key.
        record: The object after the change; for a deletion its final state. In a tombstone the last known state,
            which may be out of date, or None if only the key is known.
        is_tombstone: Whether this is a deletion that was inferred, not seen.
    """

    type: DeltaType
    key: str
    record: ObjectRecord | None
    is_tombstone: bool = False


Deltas = tuple[Delta, ...]
"""What happened to one object, oldest first; never empty."""


class Batch(NamedTuple):
    """What one pop takes out of the queue.

    Attributes:
        deltas: What is to be applied, in order. Empty if there is nothing but a version to tell.
        is_in_initial_list: Whether all of it belongs to the first list. A batch never has both kinds.
        resource_version: The version that the known objects have reached once this batch is applied to them: all
            that was queued up to it is then in them. Empty while that cannot be said of any.
    """

    deltas: tuple[Deltas, ...]
    is_in_initial_list: bool
    resource_version: str


class KnownObjects(Protocol):
    """The objects that a consumer of the queue has: what a deletion can be inferred from."""

    def keys(self) -> Iterable[str]:
        """Return the keys of all objects; later changes do not show in what was returned."""
        ...

    def record(self, key: str) -> ObjectRecord | None:
        """Return the object of a key; None if there is none."""
        ...


class DeltaQueue(Protocol):
    """What a watch pushes changes into and a cache takes them from, however the queue orders and merges them."""

    def add(self, record: ObjectRecord) -> None:
        """Queue an object that is new."""
        ...

    def update(self, record: ObjectRecord) -> None:
        """Queue a new state of an object."""
        ...

    def delete(self, record: ObjectRecord) -> None:
        """Queue the end of an object."""
        ...

    def bookmark(self, resource_version: str) -> None:
        """Note that all changes up to a version were queued."""
        ...

    def replace(self, records: Iterable[ObjectRecord], resource_version: str) -> None:
        """Queue a whole list, and a tombstone for whatever it omits."""
        ...

    def resync(self) -> None:
        """Queue the known objects again."""
        ...

    def pop(self) -> Batch | None:
        """Take out the oldest entry; None if there is nothing."""
        ...

    def pop_batch(self, limit: int | None = None) -> Batch | None:
        """Take out up to ``limit`` entries; None if there is nothing."""
        ...

    @property
    def has_synced(self) -> bool:
        """Whether the first list was taken out."""
        ...

    @property
    def depth(self) -> int:
        """How many deltas are queued."""
        ...

    def __len__(self) -> int: ...


class DeltaFIFO:
    """A queue that keeps the deltas of one key together.

    The only deltas that are merged are two deletions in a row: the one that was seen wins over a tombstone, the older
    over the newer. A deletion of what is neither queued nor known is ignored. A resync leaves out keys that are queued,
    for a known object may be older than what is queued.

    The known objects must reflect every popped batch before :meth:`delete`, :meth:`replace` or :meth:`resync` is called
    again; otherwise a deletion in between is overlooked. One lock around push, pop and apply sees to that.

    Concurrency:
        Not safe by itself; its owner holds a lock.

    Source:
        client-go tools/cache/delta_fifo.go, ``DeltaFIFO`` with ``EmitDeltaTypeReplaced``.
        Same: the order of keys and deltas, what is merged, what is inferred, how the first list is counted.
        Differs: several keys are popped at once; the queue carries the version that its consumer has reached; closing
        and waiting are the driver's; nothing here can fail, for a record's key was checked where it was made.
    """

    __slots__ = (
        "_deltas_by_key",
        "_depth",
        "_initial_count",
        "_is_populated",
        "_is_version_pending",
        "_known",
        "_resource_version",
    )

    def __init__(self, known: KnownObjects | None = None) -> None:
        """Make an empty queue.

        Args:
            known: The objects that the consumer has; None if it keeps none.
        """
        self._known: KnownObjects = _NothingKnown() if known is None else known
        # A dict pops its oldest key in linear time, an OrderedDict in constant time.
        self._deltas_by_key: OrderedDict[str, list[Delta]] = OrderedDict()
        self._depth = 0
        self._is_populated = False
        self._initial_count = 0
        self._resource_version = ""
        self._is_version_pending = False

    def add(self, record: ObjectRecord) -> None:
        """Queue an object that is new."""
        self._is_populated = True
        self._note_version(record[RESOURCE_VERSION])
        self._append(Delta(DeltaType.ADDED, record[KEY], record))

    def update(self, record: ObjectRecord) -> None:
        """Queue a new state of an object."""
        self._is_populated = True
        self._note_version(record[RESOURCE_VERSION])
        self._append(Delta(DeltaType.UPDATED, record[KEY], record))

    def delete(self, record: ObjectRecord) -> None:
        """Queue the end of an object, in its final state; ignored if the object is neither queued nor known."""
        self._is_populated = True
        self._note_version(record[RESOURCE_VERSION])
        key = record[KEY]
        if key in self._deltas_by_key or self._known.record(key) is not None:
            self._append(Delta(DeltaType.DELETED, key, record))

    def bookmark(self, resource_version: str) -> None:
        """Note that all changes up to a version were queued."""
        self._note_version(resource_version)

    def replace(self, records: Iterable[ObjectRecord], resource_version: str) -> None:
        """Queue every object of a list, then a tombstone for each queued or known object that it omits.

        All or nothing: if iterating over ``records`` raises, nothing is queued.

        Args:
            records: The whole list, in the server's order.
            resource_version: The version of the list.
        """
        listed = tuple(records)
        queue = self._deltas_by_key
        missing = dict.fromkeys(queue)
        for record in listed:
            key = record[KEY]
            missing.pop(key, None)
            self._append(Delta(DeltaType.REPLACED, key, record))
        for key in missing:
            self._append(Delta(DeltaType.DELETED, key, queue[key][-1].record, is_tombstone=True))
        known_keys = self._known.keys()
        for key in known_keys:
            if key not in queue:
                self._append(Delta(DeltaType.DELETED, key, self._known.record(key), is_tombstone=True))
        if not self._is_populated:
            self._is_populated = True
            self._initial_count = len(queue)
        self._note_version(resource_version)

    def resync(self) -> None:
        """Queue every known object again, but for those that are queued already."""
        known_keys = self._known.keys()
        for key in known_keys:
            record = None if key in self._deltas_by_key else self._known.record(key)
            if record is not None:
                self._append(Delta(DeltaType.SYNC, key, record))

    def pop(self) -> Batch | None:
        """Take out all deltas of the key that was queued first; None if there is nothing."""
        return self.pop_batch(1)

    def pop_batch(self, limit: int | None = None) -> Batch | None:
        """Take out the deltas of up to ``limit`` keys, in the order in which the keys were queued.

        Args:
            limit: The largest number of keys, at least 1; None takes all. A batch ends where the first list ends.

        Returns:
            The batch. None if nothing is queued and no version is to be told.
        """
        queue = self._deltas_by_key
        is_in_initial_list = not self.has_synced
        count = len(queue) if limit is None else min(limit, len(queue))
        if self._initial_count:
            count = min(count, self._initial_count)
            self._initial_count -= count
        popped = tuple(tuple(queue.popitem(last=False)[1]) for _ in range(count))
        self._depth -= sum(map(len, popped))
        version = ""
        if not queue and self._is_version_pending:
            self._is_version_pending = False
            version = self._resource_version
        return Batch(popped, is_in_initial_list, version) if popped or version else None

    @property
    def has_synced(self) -> bool:
        """Whether all of the first list was popped, or a change came before any list."""
        return self._is_populated and not self._initial_count

    @property
    def depth(self) -> int:
        """How many deltas are queued: what the queue's memory grows with."""
        return self._depth

    def __len__(self) -> int:
        """Return how many keys are queued."""
        return len(self._deltas_by_key)

    def _append(self, delta: Delta) -> None:
        queued = self._deltas_by_key.get(delta.key)
        if queued is None:
            self._deltas_by_key[delta.key] = [delta]
        elif delta.type is DeltaType.DELETED and queued[-1].type is DeltaType.DELETED:
            if queued[-1].is_tombstone:
                queued[-1] = delta
            return
        else:
            queued.append(delta)
        self._depth += 1

    def _note_version(self, resource_version: str) -> None:
        if resource_version:
            self._resource_version = resource_version
            self._is_version_pending = True


class _NothingKnown:
    """The known objects of a consumer that keeps none."""

    def keys(self) -> Iterable[str]:
        return ()

    def record(self, key: str) -> ObjectRecord | None:  # noqa: ARG002 - the protocol's signature
        return None
