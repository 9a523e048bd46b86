"""The notifications that one handler has not had yet: bounded, and pure.

A handler that is slower than its resource must not eat the process. What happens once ``limit`` changes are pending is
its :class:`BufferPolicy`. The first list and resyncs do not count towards the limit: they are bounded by the number of
objects, and no handler can be blamed for their coming at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, cast

from kubeprims.cache.store import Change
from kubeprims.errors import InvalidArgument
from kubeprims.informer.handlers import Reason
from kubeprims.objects.record import RAW, RESOURCE_VERSION

BUFFER_LIMIT = 10_000


class BufferPolicy(StrEnum):
    """What becomes of a handler that is slower than its resource, once its buffer is full."""

    COALESCE = "coalesce"
    """All that is pending is merged by key, from the first old state to the last new one: what a handler that had slept
    meanwhile would see. What is pending is then bounded by the number of objects."""
    BLOCK = "block"
    """The informer waits for the handler: nothing is merged, and nothing read. Its other handlers wait, too."""
    RAISE = "raise"
    """The handler is removed, with a ``HandlerOverflow``."""


def checked_policy(policy: BufferPolicy | str) -> BufferPolicy:
    """Return a policy.

    Raises:
        InvalidArgument: There is none of that name.
    """
    try:
        return BufferPolicy(policy)
    except ValueError:
        raise InvalidArgument(f"policy must be one of {', '.join(BufferPolicy)}, not {policy!r}") from None


def checked_limit(limit: int) -> int:
    """Return a limit.

    Raises:
        InvalidArgument: It leaves no room at all, or is no whole number: infinity is no bound, and NaN none either.
    """
    if not isinstance(cast("object", limit), int) or limit < 1:
        raise InvalidArgument(f"buffer_limit must be 1 or more, not {limit!r}")
    return limit


class Batch(NamedTuple):
    """Changes that are delivered one after the other.

    Attributes:
        changes: In the order in which they happened.
        reason: Why the handler is told.
        ends_initial_list: Once these are delivered, the handler has seen the whole initial list.
        arrived_s: The clock when the first of them came from the server; None if nobody measures that, or they are
            what was there.
    """

    changes: Sequence[Change]
    reason: Reason
    ends_initial_list: bool = False
    arrived_s: float | None = None


class NotificationBuffer:
    """Batches of changes, and what is done once there are too many.

    Attributes:
        depth: How many changes are pending.
        coalesced: How many changes were merged into another one, in all.

    Concurrency:
        Not safe by itself; its owner holds a lock.
    """

    __slots__ = ("_batches", "_counted", "_limit", "_merge_at", "_policy", "coalesced", "depth")

    def __init__(self, *, limit: int = BUFFER_LIMIT, policy: BufferPolicy = BufferPolicy.COALESCE) -> None:
        self._batches: deque[Batch] = deque()
        self._limit = limit
        self._policy = policy
        self._merge_at = limit
        self._counted = 0
        self.depth = 0
        self.coalesced = 0

    def push(self, batch: Batch) -> bool:
        """Add a batch; return False, and add nothing, if the policy is to raise and there is no room.

        A buffer in which nothing counts takes a batch of any size.
        """
        counted = _counted(batch)
        if self._policy is BufferPolicy.RAISE and self._counted and self._counted + counted > self._limit:
            return False
        self._batches.append(batch)
        self._counted += counted
        self.depth += len(batch.changes)
        if self._counted > self._merge_at and self._policy is BufferPolicy.COALESCE:
            self._merge()
        return True

    def pop(self) -> Batch | None:
        """Return the oldest batch, or None if nothing is pending."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self._counted -= _counted(batch)
        self.depth -= len(batch.changes)
        if not self._batches:
            self._merge_at = self._limit
        return batch

    @property
    def has_pending(self) -> bool:
        """Whether there is a batch to pop; it may be one without changes."""
        return bool(self._batches)

    @property
    def has_room(self) -> bool:
        """Whether the next batch may come; always, unless the policy is to block."""
        return self._counted < self._limit or self._policy is not BufferPolicy.BLOCK

    @property
    def has_resync(self) -> bool:
        """Whether a resync is pending."""
        return any(batch.reason is Reason.RESYNC for batch in self._batches)

    @property
    def oldest_s(self) -> float | None:
        """The clock when what has waited longest came; None if that is not known of anything."""
        return next((batch.arrived_s for batch in self._batches if batch.arrived_s is not None), None)

    def clear(self) -> None:
        """Let go of everything."""
        self._batches.clear()
        self._counted = 0
        self.depth = 0

    def _merge(self) -> None:
        merged = coalesce(self._batches)
        before, oldest_s = self.depth, self.oldest_s
        self.clear()
        for batch in merged:
            self._batches.append(batch._replace(arrived_s=oldest_s) if _counted(batch) else batch)
            self._counted += _counted(batch)
            self.depth += len(batch.changes)
        self.coalesced += before - self.depth
        # Each merge costs the number of pending changes: wait until as many again have come.
        self._merge_at = max(self._limit, 2 * self._counted)


_Told = tuple[Change, Reason]


def coalesce(batches: Iterable[Batch]) -> list[Batch]:
    """Merge changes by key, each from its first old state to its last new state, in the order of the first ones.

    What was added and deleted again is left out: the handler never knew of it. So is what is as it was before: a server
    may go back to a backup. What was deleted and then came back is another object of the same name, so both are told,
    the deletion first. Two of a key is the most that is left.
    """
    gone: dict[str, _Told] = {}
    since: dict[str, _Told | None] = {}
    ends_initial_list = False
    for changes, reason, ends_here, _ in batches:
        ends_initial_list |= ends_here
        for change in changes:
            key = change.key
            earlier = since.get(key)
            if change.new is not None:
                since[key] = (change, reason) if earlier is None else _join(*earlier, change, reason)
                continue
            since[key] = None
            if earlier is None or earlier[0].old is not None:
                gone[key] = (change, reason)  # on_delete is handed the last known state, whatever was told before
    told = [item for key, last in since.items() for item in (gone.get(key), last) if item is not None]
    merged = [Batch([change for change, _ in run], reason) for reason, run in groupby(told, itemgetter(1))]
    if ends_initial_list:
        last_batch = merged.pop() if merged else Batch((), Reason.INITIAL)
        merged.append(last_batch._replace(ends_initial_list=True))
    return merged


def _join(first: Change, first_reason: Reason, last: Change, last_reason: Reason) -> _Told | None:
    """Return what ``first`` and then ``last`` amount to, both of one object that is still there; None if to nothing."""
    # A resync says nothing of the server: what really happened names the reason, and an add stays an initial one.
    reason = first_reason if last_reason is Reason.RESYNC or first_reason is Reason.INITIAL else last_reason
    old, new = first.old, last.new
    if old is not None and new is not None:
        # A server that went back may have given the version to another state.
        same = old[RESOURCE_VERSION] == new[RESOURCE_VERSION] != "" and old[RAW] == new[RAW]
        if same and reason is not Reason.RESYNC:
            return None
        if not same and reason is Reason.RESYNC:
            reason = Reason.LIVE
    return Change(last.type, first.key, old, new), reason


def _counted(batch: Batch) -> int:
    """Return how much of the limit a batch takes up."""
    return 0 if batch.reason is Reason.INITIAL or batch.reason is Reason.RESYNC else len(batch.changes)
