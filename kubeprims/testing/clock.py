"""A clock that moves only when a test moves it."""

from __future__ import annotations

import datetime
import threading

_EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


class VirtualClock:
    """A :class:`kubeprims.clock.Clock` whose time is moved by :meth:`advance`.

    Concurrency:
        Every method may be called from any thread. A waiter wakes when it is notified or when the time it waits for
        has come.
    """

    def __init__(self, *, start_s: float = 1_000.0) -> None:
        self._now_s = start_s
        self._start_s = start_s
        self._changed = threading.Condition()
        self._waiters: dict[object, tuple[float, threading.Condition]] = {}

    def monotonic(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now_s

    def wall(self) -> datetime.datetime:
        """Return the virtual calendar time: 1 January 2026 when the clock was made."""
        return _EPOCH + datetime.timedelta(seconds=self._now_s - self._start_s)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        """Wait on a held condition until it is notified, or the virtual time has come."""
        if timeout_s is None:
            return condition.wait()
        token = object()
        until_s = self._now_s + timeout_s
        with self._changed:
            if self._now_s >= until_s:
                return False
            self._waiters[token] = (until_s, condition)
            self._changed.notify_all()
        try:
            condition.wait()
        finally:
            with self._changed:
                del self._waiters[token]
                self._changed.notify_all()
        return self._now_s < until_s

    def advance(self, seconds: float) -> None:
        """Move the time forward and wake whoever waited for it.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            message = f"time does not go backwards: {seconds!r}"
            raise ValueError(message)
        with self._changed:
            self._now_s += seconds
            due = [condition for until_s, condition in self._waiters.values() if until_s <= self._now_s]
        for condition in due:
            with condition:
                condition.notify_all()

    def wait_for_waiters(self, count: int = 1, *, timeout_s: float = 10.0) -> bool:
        """Wait, in real time, until at least ``count`` threads wait for this clock; return whether they do."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._waiters) >= count, timeout_s)

    def next_due_s(self) -> float | None:
        """Return in how many seconds the first waiter is due, or None if nobody waits for a time."""
        with self._changed:
            if not self._waiters:
                return None
            return min(until_s for until_s, _ in self._waiters.values()) - self._now_s
