"""Says of a reconcile that it takes too long, and where it is."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from kubeprims.clock import Clock
from kubeprims.errors import ReconcileTimeout
from kubeprims.meta import ObjectKey
from kubeprims.threads import Cancel

STACK_FRAMES_MAX = 30


@dataclass(slots=True)
class _Running:
    key: ObjectKey
    thread_id: int
    due_s: float
    is_reported: bool = False


class Watchdog:
    """Reports reconciles that run for longer than they may, once each; nothing can end them.

    Concurrency:
        :meth:`run` is the body of one thread; :meth:`watch` is for any other.
    """

    def __init__(
        self, name: str, timeout_s: float | None, *, clock: Clock, on_timeout: Callable[[ReconcileTimeout], None]
    ) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._clock = clock
        self._on_timeout = on_timeout
        self._changed = threading.Condition()
        self._running: list[_Running] = []

    @contextmanager
    def watch(self, key: ObjectKey) -> Generator[None]:
        """Keep an eye on what this thread does inside."""
        if self._timeout_s is None:
            yield
            return
        running = _Running(key, threading.get_ident(), self._clock.monotonic() + self._timeout_s)
        with self._changed:
            is_looked_for = any(not other.is_reported for other in self._running)
            self._running.append(running)
            if not is_looked_for:
                self._changed.notify()  # else the next look is early enough
        try:
            yield
        finally:
            with self._changed:
                self._running.remove(running)

    def run(self, stop: Cancel) -> None:
        """Look whenever something may be due, until stopped; returns at once if there is no limit."""
        timeout_s = self._timeout_s
        if timeout_s is None:
            return
        take_back = stop.add_callback(self._wake)
        try:
            while not stop.is_set:
                for late in self._next_late(stop):
                    self._report(late, timeout_s)
        finally:
            take_back()

    @property
    def late(self) -> int:
        """How many reconciles have run for too long, at the moment."""
        with self._changed:
            now_s = self._clock.monotonic()
            return sum(running.due_s <= now_s for running in self._running)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _next_late(self, stop: Cancel) -> list[_Running]:
        """Wait until reconciles are late, and return them; nothing if it was woken for another reason."""
        with self._changed:
            due = [running.due_s for running in self._running if not running.is_reported]
            now_s = self._clock.monotonic()
            if not stop.is_set and not any(due_s <= now_s for due_s in due):
                self._clock.wait(self._changed, min(due) - now_s if due else None)
                now_s = self._clock.monotonic()
            late = [one for one in self._running if one.due_s <= now_s and not one.is_reported]
            for running in late:
                running.is_reported = True
            return late

    def _report(self, late: _Running, timeout_s: float) -> None:
        # There is no other way to see another thread's stack.
        frames = sys._current_frames()  # noqa: SLF001 - see above  # pyright: ignore[reportPrivateUsage]
        with self._changed:
            has_ended = not any(running is late for running in self._running)
        # Once it has ended, its thread may be at anything.
        frame = None if has_ended else frames.get(late.thread_id)
        stack = "".join(traceback.format_stack(frame, STACK_FRAMES_MAX)) if frame is not None else "(it has just ended)"
        self._on_timeout(ReconcileTimeout(self._name, late.key, timeout_s=timeout_s, stack=stack))
