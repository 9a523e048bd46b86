"""In which order a work queue hands out its keys: as they came, or by priority with ageing. Pure."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from kubeprims.errors import ConfigError

K = TypeVar("K", bound=Hashable)

AGEING_S = 0.1
"""How long a key waits for each level of priority that another one is ahead of it, in seconds."""

LOW_PRIORITY = -100
"""The priority of what an initial list or a resync brings: with the default ageing, ten seconds behind live changes."""

_STALE_ENTRIES_MIN = 64


class Order(Protocol[K]):
    """The keys that wait, each once."""

    def push(self, key: K, *, priority: int, now_s: float) -> None:
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

    def push(self, key: K, *, priority: int, now_s: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Have a key wait behind all others; one that waits keeps its place."""
        self._keys.setdefault(key)

    def pop(self) -> K:
        """Take out the key that has waited longest."""
        return self._keys.popitem(last=False)[0]

    def __len__(self) -> int:
        """Return how many keys wait."""
        return len(self._keys)


class PriorityOrder(Generic[K]):
    """The key of the highest priority first, where waiting raises the priority.

    A key's place is the time at which it came, less ``ageing_s`` for each level of its priority; the earliest place is
    next. So a key of priority 0 that comes now goes before one of priority -100 that came less than 100 times
    ``ageing_s`` ago, and after one that came earlier: live changes overtake a relist, and neither starves the other.

    Source:
        controller-runtime pkg/controller/priorityqueue.
        Same: a key that is added again with a higher priority moves up.
        Differs: there, as long as keys of a higher priority come, those of a lower one wait for ever.
    """

    __slots__ = ("_ageing_s", "_heap", "_place_by_key", "_pushes")

    def __init__(self, *, ageing_s: float = AGEING_S) -> None:
        """Make an empty order.

        Args:
            ageing_s: How many seconds of waiting are worth one level of priority; positive.

        Raises:
            ConfigError: It is not a positive number.
        """
        if not (ageing_s > 0 and math.isfinite(ageing_s)):
            raise ConfigError(f"must be a positive number of seconds, not {ageing_s!r}", field="ageing_s")
        self._ageing_s = ageing_s
        self._heap: list[tuple[float, int, K]] = []
        self._place_by_key: dict[K, float] = {}
        self._pushes = 0  # breaks ties by arrival, and keeps the heap from comparing keys

    def push(self, key: K, *, priority: int, now_s: float) -> None:
        """Have a key wait; one that waits already keeps the better of its two places."""
        place = now_s - priority * self._ageing_s
        current = self._place_by_key.get(key)
        if current is not None and current <= place:
            return
        self._place_by_key[key] = place
        self._pushes += 1
        heapq.heappush(self._heap, (place, self._pushes, key))
        if len(self._heap) > 2 * len(self._place_by_key) + _STALE_ENTRIES_MIN:
            self._drop_stale()

    def pop(self) -> K:
        """Take out the key whose place is the earliest."""
        while True:
            place, _, key = heapq.heappop(self._heap)
            if self._place_by_key.get(key) == place:
                del self._place_by_key[key]
                return key

    def __len__(self) -> int:
        """Return how many keys wait."""
        return len(self._place_by_key)

    def _drop_stale(self) -> None:
        """Let go of the places that were given up for better ones, so that they never outnumber the keys."""
        places = self._place_by_key
        self._heap = [entry for entry in self._heap if places.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)
