"""Owned threads, cancelling and deadlines: the three things every blocking driver needs.

Every thread has a name, an owner that joins it, and an error that reaches somebody; every wait is bounded and ends at
once when it is cancelled.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import InvalidArgument, LifecycleError


class Latch:
    """A one-way switch that threads can wait for.

    Concurrency:
        Every method may be called from any thread. Callbacks run once, on the thread that calls :meth:`set`, or at
        once on the registering thread if the switch is set already; they must not block and must not raise.
    """

    __slots__ = ("_callbacks", "_condition", "_is_set")

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._is_set = False
        self._callbacks: dict[object, Callable[[], None]] = {}

    @property
    def is_set(self) -> bool:
        """Whether the switch is set."""
        return self._is_set

    def set(self) -> None:
        """Set the switch, wake every waiter, and run the callbacks; later calls do nothing."""
        with self._condition:
            if self._is_set:
                return
            self._is_set = True
            callbacks = tuple(self._callbacks.values())
            self._callbacks.clear()
            self._condition.notify_all()
        for callback in callbacks:
            callback()

    def add_callback(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called when the switch is set, and return what takes that back."""
        token = object()
        with self._condition:
            if not self._is_set:
                self._callbacks[token] = callback
                return lambda: self._remove(token)
        callback()
        return _nothing

    def _remove(self, token: object) -> None:
        with self._condition:
            self._callbacks.pop(token, None)

    def wait(self, timeout_s: float | None = None, *, clock: Clock | None = None) -> bool:
        """Wait until the switch is set (True) or ``timeout_s`` seconds have passed (False)."""
        clock = clock or SystemClock()
        deadline = Deadline.after(timeout_s, clock=clock)
        with self._condition:
            while not self._is_set:
                remaining_s = deadline.remaining_s()
                if remaining_s <= 0:
                    return False
                clock.wait(self._condition, None if math.isinf(remaining_s) else remaining_s)
            return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'set' if self._is_set else 'not set'}>"


class Cancel(Latch):
    """A latch that ends waits and blocked reads at once.

    A child (``Cancel(parent)``) is set with its parent, never the other way round.
    """

    __slots__ = ("_detach",)

    def __init__(self, parent: Cancel | None = None) -> None:
        super().__init__()
        self._detach: Callable[[], None] = _nothing
        if parent is not None:
            self._detach = parent.add_callback(self.set)

    def close(self) -> None:
        """Let go of the parent, so that a long-lived parent does not collect its finished children."""
        self._detach()
        self._detach = _nothing


def _nothing() -> None:
    """Take back a callback that has run already."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on a clock. ``math.inf`` is never."""

    at_s: float
    clock: Clock

    @classmethod
    def after(cls, timeout_s: float | None, *, clock: Clock | None = None) -> Self:
        """Return the point ``timeout_s`` seconds from now; None is never.

        Raises:
            InvalidArgument: The time is NaN: it would never be over, and say of each look at it that it is not.
        """
        if timeout_s is not None and math.isnan(timeout_s):
            raise InvalidArgument("a time-out is a number of seconds, not nan")
        clock = clock or SystemClock()
        return cls(math.inf if timeout_s is None else clock.monotonic() + timeout_s, clock)

    def remaining_s(self) -> float:
        """Return the seconds left; zero or less once it has passed."""
        return self.at_s - self.clock.monotonic()

    @property
    def has_passed(self) -> bool:
        """Whether the point lies in the past."""
        return self.remaining_s() <= 0


class MovableDeadline(Deadline):
    """A deadline that can be put off, or brought forward, by the one thread that what it bounds runs on."""

    __slots__ = ()

    def move(self, timeout_s: float) -> None:
        """Make it the point ``timeout_s`` seconds from now."""
        # Everything else reads deadlines, and may keep one: this very object has to change.
        object.__setattr__(self, "at_s", self.clock.monotonic() + timeout_s)


class ThreadGroup:
    """Owns threads: starts them by name, joins them all, and re-raises the first error that one died of.

    Concurrency:
        :meth:`spawn` and :meth:`join` may be called from any thread; a thread of the group that joins it waits for the
        others only.
    """

    def __init__(self, name: str, *, on_error: Callable[[BaseException], None] | None = None) -> None:
        """Make an empty group.

        Args:
            name: Prefix of the threads' names.
            on_error: Called, on the dying thread, with what it died of: the place to stop the others.
        """
        self._name = name
        self._on_error = on_error
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()  # noqa: TID251 - the one place that owns threads
        self._errors: list[BaseException] = []
        self._closed = False

    def spawn(self, target: Callable[[], None], *, name: str) -> None:
        """Start a thread that runs ``target``.

        Raises:
            LifecycleError: The group was joined for good.
        """
        thread = threading.Thread(  # noqa: TID251 - the one place that makes threads
            target=self._run, args=(target,), name=f"{self._name}: {name}", daemon=True
        )
        with self._lock:
            if self._closed:
                message = f"{self._name} has stopped; it starts no thread any more"
                raise LifecycleError(message)
            # Under the lock: join() must not meet a thread that is not started yet.
            thread.start()
            self._threads.add(thread)

    def _run(self, target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - kept for join(), which re-raises it to the owner
            with self._lock:
                self._errors.append(error)
            if self._on_error is not None:
                self._on_error(error)
        finally:
            with self._lock:
                if not self._closed:
                    self._threads.discard(threading.current_thread())

    def join(self, deadline: Deadline) -> tuple[str, ...]:
        """Wait for every thread until the deadline, and return the names of those that still run.

        No thread can be started afterwards.

        Raises:
            BaseException: What the first thread died of, once all have ended.
        """
        with self._lock:
            self._closed = True
            threads = tuple(thread for thread in self._threads if thread is not threading.current_thread())
        for thread in threads:
            remaining_s = deadline.remaining_s()
            thread.join(None if math.isinf(remaining_s) else min(max(0.0, remaining_s), threading.TIMEOUT_MAX))
        running = tuple(thread.name for thread in threads if thread.is_alive())
        if not running and self._errors:
            raise self._errors[0]
        return running


@contextmanager
def told(stop: threading.Event | Cancel | None, tell: Callable[[], None]) -> Generator[None]:
    """Have ``tell`` called, on some thread, once ``stop`` is set while inside; an event is set at the end."""
    if stop is None:
        yield
    elif isinstance(stop, Cancel):
        take_back = stop.add_callback(tell)
        try:
            yield
        finally:
            take_back()
    else:
        # An event calls nobody: somebody has to wait for it.
        watcher = ThreadGroup("stop event")

        def watch() -> None:
            stop.wait()
            tell()

        watcher.spawn(watch, name="wait")
        try:
            yield
        finally:
            stop.set()
            watcher.join(Deadline.after(None))
