"""Time and chance as arguments.

No machine can tell the time, and no driver asks the operating system for it: both are handed a :class:`Clock` and an
:class:`Rng`. ``kubeprims.testing.VirtualClock`` is the clock of tests.
"""

from __future__ import annotations

import datetime
import threading
import time
from typing import Protocol


class Rng(Protocol):
    """The part of ``random.Random`` that kubeprims uses."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...


class Clock(Protocol):
    """Reads the time and waits for it."""

    def monotonic(self) -> float:
        """Return seconds from some fixed point; never goes backwards, and counts time spent suspended if it can."""
        ...

    def wall(self) -> datetime.datetime:
        """Return the calendar time, in UTC: for what people and other programs read, never for measuring."""
        ...

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        """Wait on a held condition until it is notified (True) or ``timeout_s`` seconds have passed (False).

        May return early without cause, as ``threading.Condition.wait`` may: call it in a loop.
        """
        ...


class SystemClock:
    """The clock of the operating system. Holds no state, so all instances are alike."""

    # CLOCK_BOOTTIME goes on while the machine is suspended: a lease that ran out meanwhile must be seen as such.
    _CLOCK_ID = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def monotonic(self) -> float:
        """Return seconds since boot, suspended time included where the system can tell."""
        return time.clock_gettime(self._CLOCK_ID)

    def wall(self) -> datetime.datetime:
        """Return the calendar time, in UTC."""
        return datetime.datetime.now(datetime.timezone.utc)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        """Wait on a held condition; see :meth:`Clock.wait`."""
        # Python refuses what the system cannot count; who asks for centuries waits in a loop anyway.
        return condition.wait(None if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX))

    def __repr__(self) -> str:
        return "SystemClock()"
