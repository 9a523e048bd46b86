"""A work queue that threads wait on: the driver of ``machine.WorkQueueMachine``.

There is no thread for what is delayed. Of the workers that wait for a key, one, the *timekeeper*, waits no longer than
until the next delayed key is due, the others until they are called. Who leaves with a key calls the next, and that one
keeps the time then. If no worker waits, nobody misses what is due.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import InvalidArgument
from kubeprims.metrics import Metrics
from kubeprims.threads import Deadline
from kubeprims.workqueue.machine import Added, WorkQueueMachine
from kubeprims.workqueue.metrics import QueueMetrics
from kubeprims.workqueue.order import ArrivalOrder, Order
from kubeprims.workqueue.rate_limiters import RateLimiter, default_controller_rate_limiter, is_delay

K = TypeVar("K", bound=Hashable)

_NO_KEY = "None is no key: get() returns it once the queue has ended"


class WorkQueue(Generic[K]):
    """Keys to be worked on, each by one worker at a time, and once however often it was added meanwhile.

    A worker calls :meth:`get`, works, and calls :meth:`done`, come what may. A key that is added while a worker has it
    is handed out again afterwards.

    Attributes:
        name: For logs and metrics; may be empty.

    Concurrency:
        Every method may be called from any thread.

    Source:
        client-go util/workqueue, ``TypedInterface`` and ``TypedDelayingInterface``.
        Same: what is added while it waits or is processed; shutting down, with and without draining.
        Differs: delays need no thread and no heartbeat; a negative delay is an error; a drain also waits for what has
        not been handed out yet, and what nobody has cannot be done.
    """

    def __init__(
        self,
        name: str = "",
        *,
        order: Order[K] | None = None,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            name: For logs and metrics.
            order: Which key is next: the oldest one by default; ``PriorityOrder`` for priorities. It belongs to the
                queue from now on.
            metrics: Where figures go; a queue without a name has none.
            clock: The clock to live by.

        Raises:
            ConfigError: A queue of that name gives figures already.
        """
        self.name = name
        self._clock = clock or SystemClock()
        self._machine = WorkQueueMachine(ArrivalOrder[K]() if order is None else order)
        self._lock = threading.Lock()
        self._wakes = threading.Condition(self._lock)
        self._drains = threading.Condition(self._lock)
        self._has_timekeeper = False
        self._metrics = metrics
        self._figures: QueueMetrics | None = None
        if metrics is not None and name:
            self._figures = QueueMetrics(metrics, name, dirty=self._dirty, processing=lambda: self.processing)

    # -- adding -------------------------------------------------------------------------------------------------------

    def add(self, key: K, *, priority: int = 0) -> None:
        """Have a key worked on; nothing happens if the queue is shut down.

        Args:
            key: What to work on; not None, which is what :meth:`get` returns at the end.
            priority: Higher is sooner, if the queue's order looks at it.

        Raises:
            InvalidArgument: The key is None.
        """
        if key is None:
            raise InvalidArgument(_NO_KEY)
        with self._lock:
            self._note(self._machine.add(key, now_s=self._clock.monotonic(), priority=priority))

    def add_after(self, key: K, delay_s: float, *, priority: int = 0) -> None:
        """Have a key added ``delay_s`` seconds from now; of several times for one key, the earliest counts.

        Args:
            key: What to work on.
            delay_s: How long to wait, in seconds; 0 adds it at once.
            priority: Higher is sooner, if the queue's order looks at it.

        Raises:
            InvalidArgument: The delay is negative, infinite or not a number, or the key is None.
        """
        if key is None:
            raise InvalidArgument(_NO_KEY)
        if not is_delay(delay_s):
            raise InvalidArgument(f"a delay is a number of seconds that is not negative, not {delay_s!r}")
        with self._lock:
            self._add_after(key, delay_s, priority, self._clock.monotonic())

    def _add_after(self, key: K, delay_s: float, priority: int, now_s: float) -> None:
        if self._figures is not None and not self._machine.is_shut_down:
            self._figures.retries += 1
        due_s = self._machine.next_due_s
        added = self._machine.add_at(key, now_s + delay_s, now_s=now_s, priority=priority)
        if added is not None:
            self._note(added)
        elif self._machine.next_due_s != due_s:
            self._wakes.notify_all()  # whoever keeps the time has to look again, and only they know who that is

    def _note(self, added: Added) -> None:
        """Count a key that is new, and call a worker for one that waits."""
        if added is Added.WAITS:
            self._wakes.notify()
        if self._figures is not None and added in {Added.WAITS, Added.AFTER_PROCESSING}:
            self._figures.adds += 1

    def _release_due(self, now_s: float) -> None:
        for added in self._machine.release_due(now_s=now_s):
            self._note(added)

    # -- working ------------------------------------------------------------------------------------------------------

    def get(self) -> K | None:
        """Wait for a key and return it; None once the queue is shut down and nothing waits any more.

        Whoever got a key must call :meth:`done` with it.
        """
        machine = self._machine
        with self._lock:
            while True:
                now_s = self._clock.monotonic()
                self._release_due(now_s)
                got = machine.get(now_s=now_s)
                if got is not None:
                    if self._figures is not None:
                        self._figures.queue_duration.observe(got.waited_s)
                    if not self._has_timekeeper and machine.delayed:
                        self._wakes.notify()
                    return got.key
                if machine.is_shut_down:
                    return None
                self._wait(now_s)

    def _wait(self, now_s: float) -> None:
        """Wait for a call; if nobody else keeps the time, until the next delayed key is due at the latest."""
        due_s = None if self._has_timekeeper else self._machine.next_due_s
        if due_s is None:
            self._clock.wait(self._wakes, None)
            return
        self._has_timekeeper = True
        try:
            self._clock.wait(self._wakes, max(0.0, due_s - now_s))
        finally:
            self._has_timekeeper = False

    def done(self, key: K) -> None:
        """Say that a worker is done with a key that it got; if the key was added meanwhile, it waits now.

        Nothing happens if nobody has the key.
        """
        with self._lock:
            waiting = self._machine.waiting
            worked_s = self._machine.done(key, now_s=self._clock.monotonic())
            if self._figures is not None and worked_s is not None:
                self._figures.work_duration.observe(worked_s)
            if self._machine.waiting > waiting:
                self._wakes.notify()
            if not self._machine.is_busy:
                self._drains.notify_all()

    # -- ending -------------------------------------------------------------------------------------------------------

    def shut_down(self) -> None:
        """Ignore what is added from now on and forget what is delayed; what waits is still handed out.

        A call of :meth:`shut_down_with_drain` that still waits returns.
        """
        with self._lock:
            self._shut_down(drain=False)

    def shut_down_with_drain(self, timeout_s: float | None = None) -> bool:
        """Shut down, and wait until no worker has a key any more and none waits; return whether it came to that.

        Keys that wait are handed out first, so there have to be workers.

        Args:
            timeout_s: How long to wait at most, in seconds; None is for ever.

        Returns:
            False if the time was over, or :meth:`shut_down` was called meanwhile, with keys left.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        machine = self._machine
        with self._lock:
            self._shut_down(drain=True)
            while machine.is_draining and (machine.is_busy or machine.waiting):
                remaining_s = deadline.remaining_s()
                if remaining_s <= 0:
                    break
                self._clock.wait(self._drains, None if math.isinf(remaining_s) else remaining_s)
            return not machine.is_busy and not machine.waiting

    def _shut_down(self, *, drain: bool) -> None:
        self._machine.shut_down(drain=drain)
        self._wakes.notify_all()
        self._drains.notify_all()

    def close(self) -> None:
        """Shut down, and let go of the figures; may be called again."""
        self.shut_down()
        with self._lock:
            figures, self._figures = self._figures, None
        if figures is not None and self._metrics is not None:
            figures.close(self._metrics)

    # -- how it fares -------------------------------------------------------------------------------------------------

    @property
    def is_shut_down(self) -> bool:
        """Whether adds are ignored."""
        return self._machine.is_shut_down

    @property
    def delayed(self) -> int:
        """How many keys are delayed."""
        return self._machine.delayed

    @property
    def processing(self) -> tuple[tuple[K, float], ...]:
        """The keys that workers have, and for how many seconds."""
        with self._lock:
            now_s = self._clock.monotonic()
            return tuple((key, now_s - since_s) for key, since_s in self._machine.processing)

    def _dirty(self) -> int:
        with self._lock:
            self._release_due(self._clock.monotonic())
            return self._machine.dirty

    def __len__(self) -> int:
        """Return how many keys wait, those included whose delay is over."""
        with self._lock:
            self._release_due(self._clock.monotonic())
            return self._machine.waiting

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self._machine.waiting} waiting, {self.delayed} delayed>"


class RateLimitingQueue(WorkQueue[K]):
    """A work queue that says when a key that failed is worked on again.

    A worker that fails calls :meth:`add_rate_limited`, one that succeeds :meth:`forget`; then, either way, ``done``.

    Concurrency:
        Every method may be called from any thread.

    Source:
        client-go util/workqueue/rate_limiting_queue.go, ``TypedRateLimitingInterface``.
    """

    def __init__(
        self,
        name: str = "",
        *,
        rate_limiter: RateLimiter | None = None,
        order: Order[K] | None = None,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make an empty queue.

        Args:
            name: For logs and metrics.
            rate_limiter: Decides about retries; ``default_controller_rate_limiter()`` by default. It belongs to the
                queue from now on.
            order: Which key is next; see :class:`WorkQueue`.
            metrics: Where figures go; see :class:`WorkQueue`.
            clock: The clock to live by.

        Raises:
            ConfigError: A queue of that name gives figures already.
        """
        super().__init__(name, order=order, metrics=metrics, clock=clock)
        self._rate_limiter = default_controller_rate_limiter() if rate_limiter is None else rate_limiter

    def add_rate_limited(self, key: K, *, priority: int = 0) -> None:
        """Count a failure of a key, and add it once the limiter lets it.

        Raises:
            InvalidArgument: The key is None, or what the limiter answers is no delay.
        """
        if key is None:
            raise InvalidArgument(_NO_KEY)
        with self._lock:
            if not self._machine.is_shut_down:
                now_s = self._clock.monotonic()
                delay_s = self._rate_limiter.when(key, now_s=now_s)
                if not 0.0 <= delay_s < math.inf:  # NaN is not, and would hold up every delay behind it
                    raise InvalidArgument(f"{self._rate_limiter!r} answered {delay_s!r}, which is no delay in seconds")
                self._add_after(key, delay_s, priority, now_s)

    def forget(self, key: K) -> None:
        """Forget the failures of a key: it was worked on with success, or is given up."""
        with self._lock:
            self._rate_limiter.forget(key)

    def num_requeues(self, key: K) -> int:
        """Return how many failures of a key are counted."""
        with self._lock:
            return self._rate_limiter.num_requeues(key)
