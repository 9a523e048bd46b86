"""A gate that lets first lists through a few at a time, so that a program that starts is no storm."""

from __future__ import annotations

import math
import threading
from typing import NamedTuple

from kubeprims.clock import Clock, Rng
from kubeprims.errors import ConfigError
from kubeprims.threads import Cancel, Latch

START_PATIENCE_S = 10.0
"""For how long a first list is waited for by those behind it, in seconds."""


class _Place(NamedTuple):
    settled: Latch
    cancel: Cancel
    until_s: float


class StartGate:
    """Lets at most so many lists through at once; each has its place until it is in, or for a while at most.

    A list that hangs loses its place after ``patience_s``: it goes on, and so does the next.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(
        self, count: int, *, clock: Clock, rng: Rng, jitter_s: float = 0.0, patience_s: float = START_PATIENCE_S
    ) -> None:
        """Make a gate.

        Args:
            count: How many may be under way at once.
            clock: The clock to live by.
            rng: The chance to live by.
            jitter_s: Who has a place waits, before it begins, for a random part of so many seconds.
            patience_s: How long one keeps its place, in seconds.

        Raises:
            ConfigError: The count or the patience is not positive, or the jitter is negative or has no end.
        """
        rules = (
            ("count", count, count >= 1, "must be 1 or more"),
            ("jitter_s", jitter_s, 0 <= jitter_s < math.inf, "must be finite, and not negative"),
            ("patience_s", patience_s, patience_s > 0, "must be positive"),
        )
        for name, value, holds, rule in rules:
            if not holds:
                raise ConfigError(f"{rule}, not {value!r}", field=name)
        self._count = count
        self._clock = clock
        self._rng = rng
        self._jitter_s = jitter_s
        self._patience_s = patience_s
        self._condition = threading.Condition()
        self._places: list[_Place] = []

    def enter(self, settled: Latch, cancel: Cancel) -> None:
        """Wait for a place, and keep it until ``settled`` or ``cancel`` is set; the latter ends the wait as well."""
        settled.add_callback(self._wake)
        cancel.add_callback(self._wake)
        with self._condition:
            while not cancel.is_set and not self._take_place(settled, cancel):
                self._clock.wait(self._condition, min(place.until_s for place in self._places) - self._now_s())
        if self._jitter_s:
            cancel.wait(self._rng.random() * self._jitter_s, clock=self._clock)

    def _take_place(self, settled: Latch, cancel: Cancel) -> bool:
        now_s = self._now_s()
        self._places = [
            place
            for place in self._places
            if not place.settled.is_set and not place.cancel.is_set and now_s < place.until_s
        ]
        if len(self._places) >= self._count:
            return False
        self._places.append(_Place(settled, cancel, now_s + self._patience_s))
        return True

    def _now_s(self) -> float:
        return self._clock.monotonic()

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()
