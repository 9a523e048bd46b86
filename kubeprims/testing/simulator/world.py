"""Virtual time on one thread: what is to happen, in order, and a clock whose waits make it happen.

The code under test runs as it is, on the thread of the simulation. Wherever it would block, it waits on its clock, and
the world goes on inside that wait: the server changes, packets arrive, handlers run. So there is one order of events,
the same in every run, and a week passes in a moment.
"""

from __future__ import annotations

import datetime
import heapq
import math
import threading
from collections.abc import Callable
from typing import Final

START_S: Final = 1_000.0
EVENTS_MAX: Final = 200_000
"""How much may happen in one world: more than that is something that spins."""

_EPOCH: Final = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


class Halt(BaseException):
    """Ends a simulation from within: not an ``Exception``, so that no code under test takes it for a failure."""


class World:
    """What is to happen, and a :class:`kubeprims.clock.Clock` to wait for it with.

    Attributes:
        events: How much has happened.

    Concurrency:
        One thread. An action must not wait on the world: it runs inside somebody's wait.
    """

    def __init__(self, *, events_max: int = EVENTS_MAX) -> None:
        self._now_s = START_S
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0
        self._events_max = events_max
        self.events = 0

    def monotonic(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now_s

    def wall(self) -> datetime.datetime:
        """Return the virtual calendar time: 1 January 2026 when the world began."""
        return _EPOCH + datetime.timedelta(seconds=self._now_s - START_S)

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        """Have ``action`` happen in ``delay_s`` seconds; what is due at one moment happens in the order of planning."""
        self._planned += 1
        heapq.heappush(self._due, (self._now_s + max(0.0, delay_s), self._planned, action))

    def step(self, until_s: float = math.inf) -> bool:
        """Let the next thing happen if it is due by ``until_s``, or else let that time come; return whether one did.

        Raises:
            Halt: Nothing will ever happen, or too much has.
        """
        if not self._due or self._due[0][0] > until_s:
            if math.isinf(until_s):
                raise Halt("somebody waits for ever, and nothing is to happen any more")
            self._now_s = max(self._now_s, until_s)
            return False
        self.events += 1
        if self.events > self._events_max:
            raise Halt(f"more than {self._events_max} things have happened: something spins")
        self._now_s, _, action = heapq.heappop(self._due)
        action()
        return True

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:  # noqa: ARG002 - the protocol's
        """Let one thing happen, in place of waiting: whoever waits looks again whether it concerned him."""
        return self.step(math.inf if timeout_s is None else self._now_s + timeout_s)
