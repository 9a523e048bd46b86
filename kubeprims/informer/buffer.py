"""The notifications that one handler has not had yet: bounded, and pure.

A handler that is slower than its resource must not eat the process, nor hold the informer up, nor miss how things are
in the end. So up to ``limit`` changes are kept one by one; beyond it, all that is pending is merged by key, first old
state to last new state: what a handler that had slept meanwhile would see. What is kept is then bounded by the number
of keys.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kubeprims.informer.handlers import Reason
from kubeprims.objects.record import RESOURCE_VERSION, ObjectRecord

BUFFER_LIMIT = 10_000


class PendingChange(NamedTuple):
    """A change on its way to a handler, as records.

    Attributes:
        key: The object's key.
        old: The record before; None if there was none.
        new: The record now; None if it is gone.
        reason: Why the handler is told.
        is_final_state_known: False for a delete that was not seen: ``old`` may be out of date.
    """

    key: str
    old: ObjectRecord | None
    new: ObjectRecord | None
    reason: Reason
    is_final_state_known: bool = True


class Batch(NamedTuple):
    """Changes that are delivered one after the other.

    Attributes:
        changes: In the order in which they happened.
        ends_initial_list: Once these are delivered, the handler has seen the whole initial list.
    """

    changes: Sequence[PendingChange]
    ends_initial_list: bool = False


class NotificationBuffer:
    """Batches of changes, merged by key once there are too many.

    Attributes:
        depth: How many changes are pending.
        coalesced: How many changes were merged into another one, in all.

    Concurrency:
        Not safe by itself; its owner holds a lock.
    """

    __slots__ = ("_batches", "_limit", "_merge_at", "coalesced", "depth")

    def __init__(self, *, limit: int = BUFFER_LIMIT) -> None:
        self._batches: deque[Batch] = deque()
        self._limit = limit
        self._merge_at = limit
        self.depth = 0
        self.coalesced = 0

    def push(self, batch: Batch) -> None:
        """Add a batch; merge all that is pending if that passes the limit."""
        self._batches.append(batch)
        self.depth += len(batch.changes)
        if self.depth > self._merge_at:
            self._merge()

    def pop(self) -> Batch | None:
        """Return the oldest batch, or None if nothing is pending."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self.depth -= len(batch.changes)
        if not self._batches:
            self._merge_at = self._limit
        return batch

    @property
    def has_pending(self) -> bool:
        """Whether there is a batch to pop; it may be one without changes."""
        return bool(self._batches)

    def clear(self) -> None:
        """Let go of everything."""
        self._batches.clear()
        self.depth = 0

    def _merge(self) -> None:
        merged = coalesce(change for batch in self._batches for change in batch.changes)
        ends_initial_list = any(batch.ends_initial_list for batch in self._batches)
        self.coalesced += self.depth - len(merged)
        self._batches.clear()
        self._batches.append(Batch(merged, ends_initial_list))
        self.depth = len(merged)
        # Each merge costs the number of pending changes: wait until as many again have come.
        self._merge_at = max(self._limit, 2 * self.depth)


def coalesce(changes: Iterable[PendingChange]) -> list[PendingChange]:
    """Merge changes by key, each from its first old state to its last new state, in the order of the first ones.

    What was added and deleted again is left out: the handler never knew of it. What was deleted and then came back is
    another object of the same name, so both are told, the deletion first. Two of a key is the most that is left.
    """
    gone: dict[str, PendingChange] = {}
    since: dict[str, PendingChange | None] = {}
    for change in changes:
        key = change.key
        earlier = since.get(key)
        if change.new is not None:
            since[key] = change if earlier is None else _join(earlier, change)
            continue
        since[key] = None
        if earlier is None or earlier.old is not None:
            gone[key] = change  # on_delete is handed the last known state, whatever the handler was told before
    return [change for key, last in since.items() for change in (gone.get(key), last) if change is not None]


def _join(first: PendingChange, last: PendingChange) -> PendingChange:
    """Return what ``first`` and then ``last`` amount to, both of one object that is still there."""
    # A resync says nothing of the server: what really happened names the reason, and an add stays an initial one.
    reason = first.reason if last.reason is Reason.RESYNC or first.reason is Reason.INITIAL else last.reason
    old, new = first.old, last.new
    if old is not None and new is not None and reason is Reason.RESYNC:
        same = old[RESOURCE_VERSION] == new[RESOURCE_VERSION]
        reason = Reason.RESYNC if same else Reason.LIVE
    return PendingChange(first.key, old, new, reason)
