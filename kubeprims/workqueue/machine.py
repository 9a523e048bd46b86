"""What a work queue knows, and what follows from each call: the pure half.

The way of a key
----------------
A key is *dirty* from when it is added until a worker gets it, and *processing* from then until that worker is done.
It *waits* if it is dirty and not processing. So a key that is added again while it waits is still worked on once, and
one that is added while it is processing waits as soon as its worker is done: no two workers ever have the same key, and
no change goes unseen.

=============================  ==================================================================
add, key is new                dirty, waits
add, key waits                 nothing (it may move up, by its priority)
add, key is processing         dirty; waits once the worker is done
get                            the key whose turn it is: processing, no longer dirty
done, key is dirty             waits
shut down                      adds are ignored; what waits is still handed out; then the end
shut down with drain           the same, and the end is told once no key is processing any more
=============================  ==================================================================

A delayed key is none of these until its time has come; then it is added. The earliest time of a key wins.

Nothing here tells the time: each call is handed ``now_s``.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from enum import Enum, auto
from typing import Generic, NamedTuple, TypeVar

from kubeprims.workqueue.order import Order

K = TypeVar("K", bound=Hashable)

_STALE_ENTRIES_MIN = 64


class Added(Enum):
    """What adding a key has led to."""

    WAITS = auto()
    """It waits now, and a worker can get it."""
    WAITS_ALREADY = auto()
    """It waited before, if only for the worker that has it."""
    AFTER_PROCESSING = auto()
    """It waits once the worker that has it is done."""
    IGNORED = auto()
    """The queue is shut down."""


class Got(NamedTuple, Generic[K]):
    """A key that a worker got.

    Attributes:
        key: The key.
        waited_s: How long ago it was added, in seconds.
    """

    key: K
    waited_s: float


class WorkQueueMachine(Generic[K]):
    """The state of a work queue.

    Concurrency:
        Not safe by itself; its owner holds a lock.

    Source:
        client-go util/workqueue/queue.go and delaying_queue.go.
        Same: everything in the table above.
        Differs: the queue and the delays are one machine, so that nothing is handed from one thread to another.
    """

    __slots__ = (
        "_delay_by_key",
        "_delayed",
        "_delays",
        "_dirty",
        "_dirty_since",
        "_is_draining",
        "_is_shut_down",
        "_order",
        "_processing",
    )

    def __init__(self, order: Order[K]) -> None:
        self._order = order
        self._dirty: dict[K, int] = {}  # with the priority
        self._processing: dict[K, float] = {}  # with the time since when
        self._dirty_since: dict[K, float] = {}
        self._delayed: list[tuple[float, int, K, int]] = []  # a heap; entries that are overtaken stay until their time
        self._delay_by_key: dict[K, tuple[float, int]] = {}
        self._delays = 0
        self._is_shut_down = False
        self._is_draining = False

    # -- what is asked for ------------------------------------------------------------------------------------------

    def add(self, key: K, *, now_s: float, priority: int = 0) -> Added:
        """Have a key worked on."""
        if self._is_shut_down:
            return Added.IGNORED
        known = self._dirty.get(key)
        self._dirty[key] = priority if known is None else max(known, priority)
        if known is None:
            self._dirty_since[key] = now_s
        if key in self._processing:
            return Added.AFTER_PROCESSING if known is None else Added.WAITS_ALREADY
        self._order.push(key, priority=priority)
        return Added.WAITS if known is None else Added.WAITS_ALREADY

    def add_at(self, key: K, at_s: float, *, now_s: float, priority: int = 0) -> Added | None:
        """Have a key added once its time has come; at once if it has. None if that is later.

        A key that is delayed already is added at the earlier of the two times, with the higher of the two priorities.
        """
        if self._is_shut_down:
            return Added.IGNORED
        if at_s <= now_s:
            return self.add(key, now_s=now_s, priority=priority)
        earlier = self._delay_by_key.get(key)
        if earlier is not None:
            priority = max(priority, earlier[1])
            at_s = min(at_s, earlier[0])
            if (at_s, priority) == earlier:
                return None
        self._delay_by_key[key] = (at_s, priority)
        self._delays += 1  # breaks ties by arrival, and keeps the heap from comparing keys
        heapq.heappush(self._delayed, (at_s, self._delays, key, priority))
        if len(self._delayed) > 2 * len(self._delay_by_key) + _STALE_ENTRIES_MIN:
            self._delayed = [entry for entry in self._delayed if self._is_current(entry)]
            heapq.heapify(self._delayed)
        return None

    def release_due(self, *, now_s: float) -> list[Added]:
        """Add the delayed keys whose time has come; return what each has led to."""
        released: list[Added] = []
        while self._delayed and (self._delayed[0][0] <= now_s or not self._is_current(self._delayed[0])):
            entry = heapq.heappop(self._delayed)
            if self._is_current(entry):
                at_s, _, key, priority = entry
                del self._delay_by_key[key]
                # The wait is counted from when it was due, however late somebody looks.
                released.append(self.add(key, now_s=at_s, priority=priority))
        return released

    def get(self, *, now_s: float) -> Got[K] | None:
        """Hand out the key whose turn it is; None if none waits."""
        if not len(self._order):
            return None
        key = self._order.pop()
        del self._dirty[key]
        self._processing[key] = now_s
        return Got(key, now_s - self._dirty_since.pop(key))

    def done(self, key: K, *, now_s: float) -> float | None:
        """Take note that a worker is done with a key.

        Returns:
            How long the worker had it, in seconds; None if nobody had it, and nothing changes.
        """
        since_s = self._processing.pop(key, None)
        if since_s is None:
            return None
        if key in self._dirty:
            self._order.push(key, priority=self._dirty[key])
        return now_s - since_s

    def shut_down(self, *, drain: bool) -> None:
        """Ignore what is added from now on; forget what is delayed.

        Args:
            drain: Whether the end waits for the workers, too; the last call decides.
        """
        self._is_draining = drain
        self._is_shut_down = True
        self._delayed.clear()
        self._delay_by_key.clear()

    # -- what is known ----------------------------------------------------------------------------------------------

    @property
    def is_shut_down(self) -> bool:
        """Whether adds are ignored."""
        return self._is_shut_down

    @property
    def is_draining(self) -> bool:
        """Whether the last shutdown waits for the workers."""
        return self._is_draining

    @property
    def is_busy(self) -> bool:
        """Whether a worker has a key."""
        return bool(self._processing)

    @property
    def waiting(self) -> int:
        """How many keys wait."""
        return len(self._order)

    @property
    def dirty(self) -> int:
        """How many keys are to be worked on: those that wait, and those that will once their workers are done."""
        return len(self._dirty)

    @property
    def delayed(self) -> int:
        """How many keys are delayed."""
        return len(self._delay_by_key)

    @property
    def next_due_s(self) -> float | None:
        """When the next delayed key is due; None if none is. May be early, never late."""
        return self._delayed[0][0] if self._delayed else None

    @property
    def processing(self) -> Iterable[tuple[K, float]]:
        """The keys that workers have, and since when; a snapshot."""
        return tuple(self._processing.items())

    def _is_current(self, entry: tuple[float, int, K, int]) -> bool:
        """Return whether an entry of the heap still is its key's."""
        return self._delay_by_key.get(entry[2]) == (entry[0], entry[3])
