"""Hands notifications to handlers: each on a thread of its own, none able to disturb another."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from kubeprims.clock import Clock
from kubeprims.errors import HandlerOverflow
from kubeprims.informer.buffer import BUFFER_LIMIT, Batch, BufferPolicy, NotificationBuffer
from kubeprims.informer.handlers import Tell
from kubeprims.meta import ObjectKey
from kubeprims.threads import Deadline, Latch

logger = logging.getLogger(__name__)

HandlerErrorCallback = Callable[["HandlerRegistration", ObjectKey | None, Exception], object]
"""Called, on the handler's thread, with what it raised and the key of the object that it was told of.

Without a key, and with a ``HandlerOverflow``, once it is removed for being too slow.
"""

_LOGGED_AT_ONCE = 10
_LOG_PERIOD_S = 1.0
"""A handler that fails on every event would spend more on tracebacks than the informer on everything else: its first
failures are logged as they come, then one a second."""

_NOBODY = 0
"""The id of no thread: the system gives ids again, so an ended thread's may become another's."""


class HandlerRegistration:
    """One handler of one informer: its thread, its buffer, its state.

    Attributes:
        name: For logs and errors.
        policy: What happens when the handler is too slow.
        buffer_limit: How many changes may be pending before that does.
        resync_period_s: How often the cache is replayed to it, in seconds; 0 is never.
        has_thread: Whether its informer runs it on a thread; if not, somebody else delivers.
        events: How many changes it was told of that came from the server while it was there.
        total_lag_s: How long these had waited for it, in seconds, in all.

    Concurrency:
        Every property may be read from any thread. The handler is called by one thread only, one notification after
        the other, in the order in which they happened; nothing is promised across handlers.
    """

    def __init__(  # noqa: PLR0913 - one collaborator or setting each, all by keyword but the first
        self,
        tell: Tell,
        *,
        name: str,
        clock: Clock,
        resync_period_s: float,
        replay: Callable[[HandlerRegistration], None],
        policy: BufferPolicy = BufferPolicy.COALESCE,
        buffer_limit: int = BUFFER_LIMIT,
        has_thread: bool = True,
        on_room: Callable[[], None] | None = None,
        on_error: HandlerErrorCallback | None = None,
    ) -> None:
        """Make a registration; its owner runs :meth:`run` on a thread.

        Args:
            tell: Calls the user's code.
            name: For logs and errors.
            clock: Tells when a resync is due.
            resync_period_s: How often the cache is replayed to this handler, in seconds; 0 is never.
            replay: Pushes the whole cache, as a resync, into this registration.
            policy: What happens when the handler is too slow.
            buffer_limit: How many changes may be pending before that does.
            has_thread: Whether it is run on a thread; if not, whoever has it calls :meth:`wait_for_work` and
                :meth:`deliver_next`.
            on_room: Called, under no lock, whenever there may be room again for what blocks.
            on_error: Called with each error of the handler.
        """
        self.name = name
        self.policy = policy
        self.buffer_limit = buffer_limit
        self.resync_period_s = resync_period_s
        self.has_thread = has_thread
        self.events = 0
        self.total_lag_s = 0.0
        self._delivering_since_s: float | None = None
        self._tell = tell
        self._clock = clock
        self._replay = replay
        self._on_room = on_room
        self._on_error = on_error
        self._resync_at = Deadline.after(resync_period_s or None, clock=clock)
        self._condition = threading.Condition()
        self._buffer = NotificationBuffer(limit=buffer_limit, policy=policy)
        self._closed = False
        self._yields = False
        self._runner: int | None = None
        self._has_synced = False
        self._synced_or_closed = Latch()
        self._ended = Latch()
        self._errors = 0
        self._last_error: Exception | None = None
        self._log_again_s = -math.inf
        self._overflow: HandlerOverflow | None = None  # until it is reported

    def __repr__(self) -> str:
        return f"<HandlerRegistration {self.name}>"

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
    def lag_s(self) -> float:
        """How long what has waited longest for the handler has done so, in seconds; 0 if nothing does."""
        with self._condition:
            oldest_s = self._delivering_since_s
            if oldest_s is None:
                oldest_s = self._buffer.oldest_s
        return 0.0 if oldest_s is None else max(0.0, self._clock.monotonic() - oldest_s)

    @property
    def errors(self) -> int:
        """How often the handler raised."""
        return self._errors

    @property
    def last_error(self) -> Exception | None:
        """What the handler raised last, or the ``HandlerOverflow`` that ended it."""
        return self._last_error

    @property
    def is_active(self) -> bool:
        """Whether the handler still gets notifications."""
        return not self._closed

    @property
    def has_room(self) -> bool:
        """Whether the informer may go on; False only of a handler that blocks it."""
        return self._closed or self._yields or self._buffer.has_room

    @contextmanager
    def yielding(self) -> Generator[None]:
        """Block nothing meanwhile, if entered from inside the handler: it waits for what it would hold up."""
        if self._runner != threading.get_ident():
            yield
            return
        self._yields = True
        try:
            yield
        finally:
            self._yields = False

    @property
    def is_resync_pending(self) -> bool:
        """Whether the handler has a resync still before it."""
        with self._condition:
            return self._buffer.has_resync

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
        """Add a batch, or end the registration if it is too slow and asked for that; never blocks.

        Called by the informer, under its lock.
        """
        with self._condition:
            if self._closed:
                return
            if self._buffer.push(batch):
                self._condition.notify()
                return
            self._overflow = HandlerOverflow(self.name, limit=self.buffer_limit)
            self._last_error = self._overflow
        self.close()

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
        if self._on_room is not None:
            self._on_room()

    def run(self) -> None:
        """Deliver until closed: the body of the handler's thread."""
        with self._condition:
            is_over = self._closed
            if not is_over:
                self._runner = threading.get_ident()
        if is_over:
            self._report_overflow()
            return
        self._resync_at = Deadline.after(self.resync_period_s or None, clock=self._clock)
        try:
            while self.wait_for_work():
                self.deliver_next()
            self._report_overflow()
        finally:
            self._runner = _NOBODY
            self._ended.set()

    def deliver_next(self) -> bool:
        """Deliver the oldest batch, then ask for a resync if one is due; return whether there was a batch.

        Does not wait: what drives a handler without a thread calls this until it returns False.
        """
        with self._condition:
            had_room = self._buffer.has_room
            batch = self._buffer.pop()
            self._delivering_since_s = None if batch is None else batch.arrived_s
            makes_room = self._buffer.has_room and not had_room
        if makes_room and self._on_room is not None:
            self._on_room()
        if batch is not None:
            begun_s = self._clock.monotonic()
            self._deliver_batch(batch)
            self._count(batch, begun_s)
        was_batch = batch is not None
        del batch  # as in _deliver_batch
        if self._resync_at.has_passed:  # asked after each batch, for a busy handler never idles
            self._resync_at = Deadline.after(self.resync_period_s, clock=self._clock)
            self._replay(self)
        self._report_overflow()
        return was_batch

    def wait_for_work(self) -> bool:
        """Wait until there is something to deliver or a resync is due; return False once closed."""
        with self._condition:
            while not self._closed and not self._buffer.has_pending:
                remaining_s = self._resync_at.remaining_s()
                if remaining_s <= 0:
                    break
                self._clock.wait(self._condition, None if math.isinf(remaining_s) else remaining_s)
            return not self._closed

    def _deliver_batch(self, batch: Batch) -> None:
        tell, reason = self._tell, batch.reason
        try:
            for change in batch.changes:
                if self._closed:
                    return
                try:
                    tell(change, reason)
                except Exception as error:  # noqa: BLE001 - user code: one bad handler must not stop the informer
                    self._failed(change.key, error)
            if batch.ends_initial_list:
                self._has_synced = True
                self._synced_or_closed.set()
        finally:
            # Every error leads to this frame, by its traceback, and last_error is kept: without this, so would be all
            # that came with it, perhaps every object there was.
            del batch

    def _failed(self, key: str, error: Exception) -> None:
        self._errors += 1
        self._last_error = error
        now_s = self._clock.monotonic()
        if self._errors <= _LOGGED_AT_ONCE or now_s >= self._log_again_s:
            self._log_again_s = now_s + _LOG_PERIOD_S
            logger.error(
                "event handler %s failed on %s (%d failures so far)", self.name, key, self._errors, exc_info=error
            )
        self._report(ObjectKey(key), error)

    def _count(self, batch: Batch, begun_s: float) -> None:
        """Count the changes of a batch, and how long they waited: on average until the middle of its delivery."""
        self._delivering_since_s = None
        if batch.arrived_s is not None:
            self.events += len(batch.changes)
            self.total_lag_s += len(batch.changes) * ((begun_s + self._clock.monotonic()) / 2 - batch.arrived_s)

    def _report_overflow(self) -> None:
        overflow, self._overflow = self._overflow, None
        if overflow is not None:
            logger.error("%s", overflow)
            self._report(None, overflow)

    def _report(self, key: ObjectKey | None, error: Exception) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(self, key, error)
        except Exception:  # user code: reporting an error must not add one
            logger.exception("%s: on_handler_error failed", self.name)
