"""Hands notifications to handlers: each on a thread of its own, none able to disturb another."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from kubeprims.clock import Clock
from kubeprims.informer.buffer import Batch, NotificationBuffer, PendingChange
from kubeprims.informer.handlers import Deliver, Notification
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured
from kubeprims.threads import Deadline, Latch

logger = logging.getLogger(__name__)

_NOBODY = 0
"""The id of no thread: the system gives ids again, so an ended thread's may become another's."""


class HandlerRegistration:
    """One handler of one informer: its thread, its buffer, its state.

    Attributes:
        name: For logs and errors.

    Concurrency:
        Every property may be read from any thread. The handler is called by one thread only, one notification after
        the other, in the order in which they happened; nothing is promised across handlers.
    """

    def __init__(
        self,
        deliver: Deliver,
        *,
        name: str,
        clock: Clock,
        resync_period_s: float,
        replay: Callable[[HandlerRegistration], None],
    ) -> None:
        """Make a registration; its owner runs :meth:`run` on a thread.

        Args:
            deliver: Calls the user's code.
            name: For logs and errors.
            clock: Tells when a resync is due.
            resync_period_s: How often the cache is replayed to this handler, in seconds; 0 is never.
            replay: Pushes the whole cache, as a resync, into this registration.
        """
        self.name = name
        self._deliver = deliver
        self._clock = clock
        self._resync_period_s = resync_period_s
        self._replay = replay
        self._resync_at = Deadline.after(resync_period_s or None, clock=clock)
        self._condition = threading.Condition()
        self._buffer = NotificationBuffer()
        self._closed = False
        self._runner: int | None = None
        self._has_synced = False
        self._synced_or_closed = Latch()
        self._ended = Latch()
        self._errors = 0
        self._last_error: Exception | None = None

    @property
    def has_synced(self) -> bool:
        """Whether the handler has returned, or raised, for every object of the initial list."""
        return self._has_synced

    @property
    def depth(self) -> int:
        """How many notifications are pending."""
        return self._buffer.depth

    @property
    def coalesced(self) -> int:
        """How many notifications were merged into a later one because the handler was too slow."""
        return self._buffer.coalesced

    @property
    def errors(self) -> int:
        """How often the handler raised."""
        return self._errors

    @property
    def last_error(self) -> Exception | None:
        """What the handler raised last."""
        return self._last_error

    @property
    def is_active(self) -> bool:
        """Whether the handler still gets notifications."""
        return not self._closed

    def wait_for_sync(self, timeout_s: float | None = None) -> bool:
        """Wait until :attr:`has_synced`; return whether it is: False as well once the handler is removed."""
        self._synced_or_closed.wait(timeout_s, clock=self._clock)
        return self._has_synced

    def wait_until_ended(self, timeout_s: float | None = None) -> bool:
        """Wait until the handler is removed and its last call has returned; return whether it has.

        Called from inside the handler it would wait for itself, so it returns False at once.
        """
        if self._runner == threading.get_ident():
            return False
        return self._ended.wait(timeout_s, clock=self._clock)

    def push(self, batch: Batch) -> None:
        """Add a batch; never blocks. Called by the informer, under its lock."""
        with self._condition:
            if not self._closed:
                self._buffer.push(batch)
                self._condition.notify()

    def close(self) -> None:
        """Drop what is pending and end the thread once the running call returns; never blocks."""
        with self._condition:
            self._closed = True
            self._buffer.clear()
            self._condition.notify_all()
            never_ran = self._runner is None
        self._synced_or_closed.set()
        if never_ran:
            self._ended.set()

    def run(self) -> None:
        """Deliver until closed: the body of the handler's thread."""
        with self._condition:
            if self._closed:
                return
            self._runner = threading.get_ident()
        self._resync_at = Deadline.after(self._resync_period_s or None, clock=self._clock)
        try:
            while self._wait_for_work():
                self.deliver_next()
        finally:
            self._runner = _NOBODY
            self._ended.set()

    def deliver_next(self) -> bool:
        """Deliver the oldest batch, then ask for a resync if one is due; return whether there was a batch.

        Does not wait: what drives a handler without a thread calls this until it returns False.
        """
        with self._condition:
            batch = self._buffer.pop()
        if batch is not None:
            self._deliver_batch(batch)
        if self._resync_at.has_passed:  # asked after each batch, for a busy handler never idles
            self._resync_at = Deadline.after(self._resync_period_s, clock=self._clock)
            self._replay(self)
        return batch is not None

    def _wait_for_work(self) -> bool:
        """Wait until there is something to deliver or a resync is due; return False once closed."""
        with self._condition:
            while not self._closed and not self._buffer.has_pending:
                remaining_s = self._resync_at.remaining_s()
                if remaining_s <= 0:
                    break
                self._clock.wait(self._condition, None if math.isinf(remaining_s) else remaining_s)
            return not self._closed

    def _deliver_batch(self, batch: Batch) -> None:
        for change in batch.changes:
            if self._closed:
                return
            try:
                self._deliver(_notification(change))
            except Exception as error:  # user code: one bad handler must not stop the informer
                self._errors += 1
                self._last_error = error
                logger.exception("event handler %s failed on %s", self.name, change.key)
        if batch.ends_initial_list:
            self._has_synced = True
            self._synced_or_closed.set()


def _notification(change: PendingChange) -> Notification:
    """Give the handler views of its own."""
    key, old_record, new_record, reason, is_final_state_known = change
    new = None if new_record is None else Unstructured(new_record)
    old: Unstructured | None
    if new is None and not is_final_state_known:
        old = DeletedFinalStateUnknown(ObjectKey(key), old_record)
    else:
        old = None if old_record is None else Unstructured(old_record)
    return Notification(ObjectKey(key), old, new, reason)
