"""In which order a work queue hands out its keys: as they came, or by priority, with turns for the oldest. Pure."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar, cast

from kubeprims.errors import ConfigError

K = TypeVar("K", bound=Hashable)

OLDEST_EVERY = 4
"""Which turns are those of the key that has waited longest, whatever its priority: every fourth."""

LOW_PRIORITY = -100
"""The priority of what an initial list or a resync brings."""

_STALE_ENTRIES_MIN = 64


class Order(Protocol[K]):
    """The keys that wait, each once."""

    def push(self, key: K, *, priority: int) -> None:
        """Have a key wait; one that waits already keeps the better of its two places."""
        ...

    def pop(self) -> K:
        """Take out the key whose turn it is; there must be one."""
        ...

    def __len__(self) -> int: ...


class ArrivalOrder(Generic[K]):
    """First come, first served; priorities are not looked at.

    Source:
        client-go util/workqueue/queue.go, ``DefaultQueue``.
    """

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        # An OrderedDict pops its oldest key in constant time; a dict walks over the places of those popped before.
        self._keys: OrderedDict[K, None] = OrderedDict()

    def push(self, key: K, *, priority: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Have a key wait behind all others; one that waits keeps its place."""
        self._keys.setdefault(key)

    def pop(self) -> K:
        """Take out the key that has waited longest."""
        return self._keys.popitem(last=False)[0]

    def __len__(self) -> int:
        """Return how many keys wait."""
        return len(self._keys)


class PriorityOrder(Generic[K]):
    """The key of the highest priority first, of equal ones as they came; but now and then whoever waited longest.

    That is ageing by turns, not by the clock: live changes overtake a relist, however long that takes, and neither
    starves the other. Three turns in four are for the highest priority, and a key before which ``n`` others came waits
    for ``4 * (n + 1)`` at most.

    Source:
        controller-runtime pkg/controller/priorityqueue.
        Same: a key that is added again with a higher priority moves up.
        Differs: there, as long as keys of a higher priority come, those of a lower one wait for ever.
    """

    __slots__ = ("_heap", "_oldest_every", "_pushes", "_turn", "_waiting")

    def __init__(self, *, oldest_every: int = OLDEST_EVERY) -> None:
        """Make an empty order.

        Args:
            oldest_every: One turn in so many is that of whoever waited longest; at least 2.

        Raises:
            ConfigError: It is not a whole number of at least 2.
        """
        is_whole = isinstance(cast("object", oldest_every), int)
        if not (is_whole and oldest_every >= 2):  # noqa: PLR2004 - 1 would be the order of arrival
            raise ConfigError(f"must be a whole number of at least 2, not {oldest_every!r}", field="oldest_every")
        self._oldest_every = oldest_every
        self._turn = 0
        self._heap: list[tuple[int, int, K]] = []
        # As they came, with what the entries in the heap begin with.
        self._waiting: OrderedDict[K, tuple[int, int]] = OrderedDict()
        self._pushes = 0  # breaks ties by arrival, and keeps the heap from comparing keys

    def push(self, key: K, *, priority: int) -> None:
        """Have a key wait; one that waits already keeps its age, and the higher of its two priorities."""
        current = self._waiting.get(key)
        if current is not None and -priority >= current[0]:
            return
        self._pushes += 1
        self._waiting[key] = (-priority, self._pushes)
        heapq.heappush(self._heap, (-priority, self._pushes, key))
        self._drop_stale()

    def pop(self) -> K:
        """Take out the key whose turn it is."""
        self._turn = (self._turn + 1) % self._oldest_every
        if self._turn == 0:
            key, _ = self._waiting.popitem(last=False)
            self._drop_stale()
            return key
        while True:
            entry = heapq.heappop(self._heap)
            key = entry[2]
            if self._waiting.get(key) == entry[:2]:
                del self._waiting[key]
                return key

    def __len__(self) -> int:
        """Return how many keys wait."""
        return len(self._waiting)

    def _drop_stale(self) -> None:
        """Let go of the entries of who has gone, or has moved up, before they outnumber the keys; of all at the end."""
        if len(self._heap) > 2 * len(self._waiting) + (_STALE_ENTRIES_MIN if self._waiting else 0):
            self._heap = [entry for entry in self._heap if self._waiting.get(entry[2]) == entry[:2]]
            heapq.heapify(self._heap)
