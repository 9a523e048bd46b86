"""One informer: a reflector, a DeltaFIFO, an indexer and handlers, put together.

Data flow, on the reflector's thread, under one lock (the pipeline)::

    batch of events -> DeltaFIFO -> batch of Deltas -> Indexer.apply -> changes -> one buffer a handler

Nothing on that path calls user code but index functions, and nothing on it blocks, so what the cache says, what the
DeltaFIFO knows and what the handlers were handed always agree: a handler can be added at any moment without a gap or a
repetition. Each handler then empties its buffer on a thread of its own.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from kubeprims.cache.delta_fifo import DeltaFIFO, DeltaType
from kubeprims.cache.indexer import Indexer, IndexFunc
from kubeprims.cache.lister import Lister
from kubeprims.cache.store import Change
from kubeprims.clock import Clock, Rng, SystemClock
from kubeprims.errors import CacheSyncTimeout, InvalidArgument, KubeprimsError, LifecycleError, StopTimeout
from kubeprims.informer.buffer import Batch, PendingChange
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Deliver, Reason, ResourceEventHandler, from_functions, from_handler
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.reflector import ErrorCallback, ListerWatcher, Reflector, ReflectorState, ReflectorStatus
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, ObjectRecord
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel, Deadline, Latch, ThreadGroup

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10.0
_MIN_RESYNC_PERIOD_S = 1.0


class SharedInformer:
    """A local copy of a resource that is kept equal to the server's, and handlers that are told of each change.

    The copy is eventually equal to the server's state, never ahead of it, and each object in it was the server's at
    some moment; there is no snapshot across objects. Each handler is called for every object once with an add, then
    with updates in the order in which they happened, then with a delete; a state that was replaced while the watch
    was broken may be skipped. A handler that raises is logged and counted, and goes on with the next object.

    Attributes:
        name: For logs and errors.
        indexer: The copy. Everything read from it is the reader's own.

    Concurrency:
        Every method may be called from any thread, handlers included.

    Source:
        client-go tools/cache/shared_informer.go, ``SharedIndexInformer``.
        Same: the guarantees above; late handlers are told of what is there, flagged as initial.
        Differs: one thread reads and stores; a handler's buffer is bounded; its sync survives its exceptions.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        lister_watcher: ListerWatcher,
        *,
        name: str,
        indexers: Mapping[str, IndexFunc] | None = None,
        resync_period_s: float = 0.0,
        options: ReflectorOptions | None = None,
        on_error: ErrorCallback | None = None,
        clock: Clock | None = None,
        rng: Rng | None = None,
    ) -> None:
        """Make an informer; :meth:`start` starts it.

        Args:
            lister_watcher: Lists and watches; ``kubeprims.client.ListWatch`` for a real server.
            name: For logs and errors.
            indexers: Index functions by name; more can be added at any time.
            resync_period_s: How often the cache is replayed to handlers that name no period, in seconds; 0 is never.
            options: Page size, watch time-outs, delays.
            on_error: Called on the informer's thread with each failure and the seconds until the next try.
            clock: The clock to live by.
            rng: The chance to live by.

        Raises:
            InvalidArgument: A period is out of range.
        """
        self.name = name
        self.indexer = Indexer(indexers or {})
        self._default_resync_period_s = _checked_period(resync_period_s)
        self._clock = clock or SystemClock()
        self._fifo = DeltaFIFO(self.indexer)
        self._reflector = Reflector(
            lister_watcher,
            _Pipeline(self._take, self._replace, self._apply),
            name=name,
            options=options or ReflectorOptions(),
            clock=self._clock,
            rng=rng or random.Random(),  # noqa: S311 - jitter, not secrets
            on_error=on_error,
        )
        self._threads = ThreadGroup(f"informer {name}", on_error=self._thread_died)
        self._cancel = Cancel()
        self._pipeline = threading.RLock()  # re-entrant, for an index function may add a handler
        self._handlers: tuple[HandlerRegistration, ...] = ()
        self._handlers_made = 0
        self._started = False
        self._has_synced = False
        self._synced_or_stopped = Latch()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads and return at once.

        Raises:
            LifecycleError: It was started or stopped before.
            RuntimeError: The system gives no thread; the informer is then stopped.
        """
        with self._pipeline:
            if self._started or self._cancel.is_set:
                raise LifecycleError(f"informer {self.name} was started or stopped before; it starts once")
            self._started = True
            try:
                for registration in self._handlers:
                    self._threads.spawn(registration.run, name=registration.name)
                self._threads.spawn(lambda: self._reflector.run(self._cancel), name="reflector")
            except BaseException:
                self._signal_stop()
                raise

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End the watch and every thread; the cache stays readable. Later calls do nothing.

        What a handler has not had yet is dropped; the call that it is in is waited for.

        Raises:
            StopTimeout: A handler's call did not return in time; the error names it.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        self._signal_stop()
        running = self._threads.join(deadline)
        if running:
            raise StopTimeout(running, timeout_s=timeout_s)

    def _signal_stop(self) -> None:
        """Tell every thread to end; takes no lock that user code could hold, so that it never blocks."""
        # The order matters: who adds a handler looks at the cancel afterwards, so one of both sees the other.
        self._cancel.set()
        self._synced_or_stopped.set()
        for registration in self._handlers:
            registration.close()

    def run(self, stop: threading.Event | Cancel) -> None:
        """Start, wait until ``stop`` is set, then stop.

        Args:
            stop: Ends the informer. It is set, too, if the informer is stopped otherwise or dies, so that whatever
                else it ends does not go on with a cache that nobody keeps.

        Raises:
            LifecycleError: It was started or stopped before.
            StopTimeout: A handler's call did not return in time.
            BaseException: What one of its threads died of.
        """
        self.start()
        take_back = self._cancel.add_callback(stop.set)
        try:
            stop.wait()
        finally:
            take_back()
            self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- how it fares -------------------------------------------------------------------------------------------

    @property
    def has_synced(self) -> bool:
        """Whether the first list is in the cache. Handlers may not have had all of it: see their registrations."""
        return self._has_synced

    @property
    def is_stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._cancel.is_set

    @property
    def status(self) -> ReflectorStatus:
        """Counters and the last failure, live."""
        return self._reflector.status

    @property
    def state(self) -> ReflectorState:
        """What the informer is doing."""
        return self._reflector.status.state

    @property
    def last_error(self) -> KubeprimsError | None:
        """The last failure; None once all is well again."""
        return self._reflector.status.last_error

    @property
    def last_sync_resource_version(self) -> str:
        """The version of the cache; empty before the first list."""
        return self._reflector.status.resource_version

    def wait_for_sync(self, timeout_s: float | None = None) -> None:
        """Wait until :attr:`has_synced`.

        Raises:
            CacheSyncTimeout: It did not in time; the error has the informer's last failure.
            LifecycleError: The informer was not started, or was stopped meanwhile.
        """
        if not self._started:
            raise LifecycleError(f"informer {self.name} is not started: it would never sync")
        if not self._synced_or_stopped.wait(timeout_s, clock=self._clock):
            raise CacheSyncTimeout([(self.name, str(self.last_error or ""))], timeout_s=timeout_s or 0.0)
        if not self._has_synced:
            last_error = f": {self.last_error}" if self.last_error else ""
            raise LifecycleError(f"informer {self.name} was stopped before it had synced{last_error}")

    # -- reading ------------------------------------------------------------------------------------------------

    def lister(self, namespace: str | None = None) -> Lister:
        """Return a reader of the cache; of one namespace if one is given."""
        return Lister(self.indexer, namespace=namespace)

    # -- handlers -----------------------------------------------------------------------------------------------

    def add_event_handler(  # noqa: PLR0913 - the forms of a handler, all by keyword but the first
        self,
        handler: ResourceEventHandler | None = None,
        *,
        on_add: Callable[[Unstructured], object] | None = None,
        on_update: Callable[[Unstructured, Unstructured], object] | None = None,
        on_delete: Callable[[Unstructured], object] | None = None,
        on_event: Deliver | None = None,
        resync_period_s: float | None = None,
        name: str = "",
    ) -> HandlerRegistration:
        """Have a handler told of every object in the cache, then of every change.

        Give an object with the three methods, or plain functions, or ``on_event``, which gets the
        :class:`Notification` itself.

        Args:
            handler: An object with ``on_add(obj, *, is_in_initial_list)``, ``on_update(old, new)`` and
                ``on_delete(obj)``.
            on_add: Called with an object that is new in the cache.
            on_update: Called with an object before and after a change.
            on_delete: Called with an object that is gone; a ``DeletedFinalStateUnknown`` if its end was not seen.
            on_event: Called with every notification.
            resync_period_s: How often the cache is replayed to this handler, in seconds; None is the informer's
                default, 0 never.
            name: For logs and errors.

        Raises:
            InvalidArgument: None or several of the forms are given, one is not callable, or the period is out of
                range.
            LifecycleError: The informer is stopped.
        """
        deliver = _deliver(handler, (on_add, on_update, on_delete), on_event)
        period_s = self._default_resync_period_s if resync_period_s is None else _checked_period(resync_period_s)
        with self._pipeline:
            self._handlers_made += 1
            registration = HandlerRegistration(
                deliver,
                name=name or f"handler {self._handlers_made} of {self.name}",
                clock=self._clock,
                resync_period_s=period_s,
                replay=self._resync,
            )
            if self._has_synced:
                changes = [
                    PendingChange(record[KEY], None, record, Reason.INITIAL) for record in self.indexer.records()
                ]
                registration.push(Batch(changes, ends_initial_list=True))
            others, self._handlers = self._handlers, (*self._handlers, registration)
            if self._cancel.is_set:
                self._handlers = others
                registration.close()
                raise LifecycleError(f"informer {self.name} has stopped; it takes no handler any more")
            if self._started:
                self._threads.spawn(registration.run, name=registration.name)
        return registration

    def remove_event_handler(self, registration: HandlerRegistration) -> None:
        """Have a handler told no more; what it has not had yet is dropped. Never blocks, and may be repeated.

        A call that is running goes on: ``registration.wait_until_ended()`` waits for it.
        """
        if registration not in self._handlers:
            return
        registration.close()
        with self._pipeline:
            self._handlers = tuple(other for other in self._handlers if other is not registration)

    # -- the pipeline -------------------------------------------------------------------------------------------

    def _take(self, item: ObjectRecord | MalformedObject) -> ObjectRecord | MalformedObject | None:
        return item if isinstance(item, MalformedObject) else self.indexer.stored(item)

    def _replace(
        self, records: Sequence[ObjectRecord], resource_version: str, malformed: Sequence[MalformedObject]
    ) -> None:
        with self._pipeline:
            # What could not be understood is there all the same: its last good state is better than a false delete.
            keys = [item.key for item in malformed if item.key is not None]
            kept = [record for record in map(self.indexer.record, keys) if record is not None]
            self._fifo.replace([*records, *kept], resource_version)
            reason = Reason.RELIST if self._has_synced else Reason.INITIAL
            self._drain(reason, ends_initial_list=not self._has_synced)
            self._has_synced = True
        self._synced_or_stopped.set()

    def _apply(self, events: Sequence[WatchEvent]) -> None:
        fifo = self._fifo
        with self._pipeline:
            for event in events:
                record = event.record
                if record is None:
                    if event.type is WatchEventType.BOOKMARK:
                        fifo.bookmark(event.resource_version)
                    elif event.type is WatchEventType.DELETED and event.malformed is not None:
                        self._delete_malformed(event.malformed)
                elif event.type is WatchEventType.MODIFIED:
                    fifo.update(record)
                elif event.type is WatchEventType.ADDED:
                    fifo.add(record)
                else:
                    fifo.delete(record)
            self._drain(Reason.LIVE)

    def _delete_malformed(self, malformed: MalformedObject) -> None:
        """Delete what is known by the key of an object whose final state could not be understood."""
        self._drain(Reason.LIVE)  # it may have come a moment ago
        last_known = None if malformed.key is None else self.indexer.record(malformed.key)
        if last_known is not None:
            self._fifo.delete(last_known)
            self._fifo.bookmark(malformed.resource_version)
            self._drain(Reason.LIVE, is_final_state_known=False)

    def _drain(self, reason: Reason, *, ends_initial_list: bool = False, is_final_state_known: bool = True) -> None:
        """Take everything out of the DeltaFIFO, store it, and hand the changes to every handler."""
        changes: list[PendingChange] = []
        while (batch := self._fifo.pop_batch()) is not None:
            changes.extend(
                PendingChange(
                    change.key, change.old, change.new, reason, is_final_state_known and not change.is_tombstone
                )
                for change in self.indexer.apply(batch)
                if not _is_unchanged(change)
            )
        if changes or ends_initial_list:
            pending = Batch(changes, ends_initial_list)
            for registration in self._handlers:
                registration.push(pending)

    def _resync(self, registration: HandlerRegistration) -> None:
        """Replay the cache to one handler, behind what it has not had yet."""
        with self._pipeline:
            if not self._has_synced:
                return
            changes = [PendingChange(record[KEY], record, record, Reason.RESYNC) for record in self.indexer.records()]
            registration.push(Batch(changes))

    def _thread_died(self, error: BaseException) -> None:
        """A thread ended by an error, which nobody foresaw: stop, so that nobody trusts a dead cache."""
        logger.critical("informer %s died", self.name, exc_info=error)
        failure = error if isinstance(error, KubeprimsError) else KubeprimsError(f"{type(error).__name__}: {error}")
        self._reflector.status.last_error = failure
        self._signal_stop()


class _Pipeline:
    """The reflector's sink: the doors into an informer."""

    def __init__(
        self,
        take: Callable[[ObjectRecord | MalformedObject], ObjectRecord | MalformedObject | None],
        replace: Callable[[Sequence[ObjectRecord], str, Sequence[MalformedObject]], None],
        apply: Callable[[Sequence[WatchEvent]], None],
    ) -> None:
        self.take = take
        self.replace = replace
        self.apply = apply


def _is_unchanged(change: Change) -> bool:
    """Return whether a list brought an object that the cache has already, in the same version."""
    return change.type is DeltaType.REPLACED and change.old is change.new


def _checked_period(period_s: float) -> float:
    if period_s and period_s < _MIN_RESYNC_PERIOD_S:
        raise InvalidArgument(f"a resync period is 0 (never) or at least {_MIN_RESYNC_PERIOD_S:g} s, not {period_s!r}")
    return period_s


def _deliver(
    handler: ResourceEventHandler | None,
    functions: tuple[
        Callable[[Unstructured], object] | None,
        Callable[[Unstructured, Unstructured], object] | None,
        Callable[[Unstructured], object] | None,
    ],
    on_event: Deliver | None,
) -> Deliver:
    """Return what calls the one form of handler that is given."""
    given = (handler is not None) + any(function is not None for function in functions) + (on_event is not None)
    if given != 1:
        raise InvalidArgument(
            "give a handler object, or on_add, on_update and on_delete, or on_event: one of the three"
        )
    if handler is not None:
        return from_handler(handler)
    if on_event is not None:
        if not callable(on_event):
            raise InvalidArgument(f"on_event must be callable, not {on_event!r}")
        return on_event
    return from_functions(*functions)
