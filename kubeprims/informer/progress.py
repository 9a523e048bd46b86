"""Waiting for something to become true, where it is seldom waited for and often made so."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from kubeprims.clock import Clock
from kubeprims.threads import Deadline


class Progress:
    """Wakes those who wait for a condition; costs next to nothing while nobody does.

    Concurrency:
        Every method may be called from any thread. A condition is asked on the waiting thread, and must not block.
    """

    __slots__ = ("_clock", "_condition", "_waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._waiting = 0

    def note(self) -> None:
        """Have those who wait look again; call it after whatever may have made a condition true."""
        # Who waits counts itself before it looks, under the lock that is taken here: one of both sees the other.
        if self._waiting:
            with self._condition:
                self._condition.notify_all()

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Wait until a condition holds (True) or ``timeout_s`` seconds have passed (False)."""
        deadline = Deadline.after(timeout_s, clock=self._clock)
        with self._condition:
            self._waiting += 1
            try:
                while not is_so():
                    remaining_s = deadline.remaining_s()
                    if remaining_s <= 0:
                        return False
                    self._clock.wait(self._condition, None if math.isinf(remaining_s) else remaining_s)
                return True
            finally:
                self._waiting -= 1
