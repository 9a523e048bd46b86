"""From what a reflector reads to what handlers are told: the informer without its threads.

Data flow, on the thread that calls, under one lock::

    records, events -> intake -> DeltaQueue -> batch of Deltas -> Indexer.apply -> changes -> one buffer a handler

Nothing on that path calls user code but intake and index functions, and nothing on it blocks, so what the cache says,
what the queues know and what the handlers were handed always agree: a handler can be added at any moment without a gap
or a repetition.

The objects of one pipeline may come from several reflectors, one a namespace. Each has a :class:`Source`, with a queue
of its own, which infers deletions among the objects of its namespace only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

from kubeprims.cache.delta_fifo import DeltaQueue, DeltaType
from kubeprims.cache.indexer import Indexer
from kubeprims.cache.store import Change
from kubeprims.clock import Clock, SystemClock
from kubeprims.informer.buffer import Batch
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.event_counts import EventCounts
from kubeprims.informer.handlers import Reason
from kubeprims.informer.known import KnownInNamespace
from kubeprims.informer.options import QUEUES, MakeQueue
from kubeprims.informer.source import Intake, Source
from kubeprims.informer.telling import is_alive, worth_telling
from kubeprims.informer.versions import is_older, oldest
from kubeprims.objects.record import KEY


class Pipeline:
    """The cache, the handlers, and the one lock under which one is told to the others.

    Attributes:
        indexer: The cache.
        lock: Held while something is told; whoever must see cache, handlers and their own state agree takes it.
        event_counts: How many events of each type came; None if nobody wants to know. Written under the lock.

    Concurrency:
        Every method may be called from any thread, index functions and handlers included; none but
        :meth:`wait_for_room` waits for anything but the lock.
    """

    def __init__(  # noqa: PLR0913 - one collaborator or setting each, all by keyword but the first
        self,
        indexer: Indexer,
        *,
        make_queue: MakeQueue = QUEUES["in_order"],
        intake: Intake | None = None,
        on_synced: Callable[[], None] = lambda: None,
        on_progress: Callable[[], None] = lambda: None,
        waits_for_room: bool = True,
        clock: Clock | None = None,
        counts_events: bool = False,
    ) -> None:
        """Make a pipeline without sources.

        Args:
            indexer: The cache to fill.
            make_queue: Makes the queue of each source.
            intake: Makes of each record that is new to the cache what is kept; None keeps all as it is.
            on_synced: Called once, outside the lock, when the first list is in the cache.
            on_progress: Called, outside the lock, after everything that moves the version of a source.
            waits_for_room: Whether sources wait for handlers that block. If handlers have no threads of their own,
                nobody would make room meanwhile.
            clock: Waits for room, and tells when changes come, for handlers that lag; None if nobody measures that.
            counts_events: Whether to count events by type.
        """
        self.indexer = indexer
        self.lock = threading.RLock()  # re-entrant, for an index function may add a handler
        self._make_queue = make_queue
        self._intake = intake
        self._on_synced = on_synced
        self.on_progress = on_progress
        self._waits_for_room = waits_for_room
        self._clock = clock
        self.event_counts = EventCounts() if counts_events else None
        self._room = threading.Condition()
        self._registrations: tuple[HandlerRegistration, ...] = ()
        self._sources: tuple[Source, ...] = ()
        self._unsynced: set[Source] = set()
        self._has_synced = False

    @property
    def has_synced(self) -> bool:
        """Whether the first list is in the cache: that of every source which was made before."""
        return self._has_synced

    @property
    def registrations(self) -> tuple[HandlerRegistration, ...]:
        """The handlers."""
        return self._registrations

    @property
    def dirty(self) -> dict[str, str]:
        """The versions, by key, of objects that are there and could not be understood.

        The cache has their last good state, or nothing.
        """
        return {key: version for source in self._sources for key, version in source.dirty().items()}

    @property
    def dirty_count(self) -> int:
        """How many such objects there are."""
        return sum(source.dirty_count for source in self._sources)

    # -- sources --------------------------------------------------------------------------------------------------

    def source(self, namespace: str | None = None) -> Source:
        """Return a new source of objects.

        One that is made before the pipeline has synced belongs to the first list; a later one adds to it.

        Args:
            namespace: Where its objects are; None is everywhere. No two sources may share a namespace.
        """
        with self.lock:
            known = self.indexer if namespace is None else KnownInNamespace(self.indexer, namespace)
            source = Source(self, self._make_queue(known), namespace=namespace, intake=self._intake)
            self._sources = (*self._sources, source)
            if not self._has_synced:
                self._unsynced.add(source)
        return source

    def remove_source(self, source: Source) -> None:
        """Forget the objects of a source; handlers are told of their end. The source takes no more."""
        source.close()
        with self.lock:
            self._sources = tuple(other for other in self._sources if other is not source)
        self.has_listed(source)
        self.on_progress()

    def has_listed(self, source: Source | None = None) -> None:
        """Note that the first list of a source is in the cache; None if there is nothing to wait for at all."""
        with self.lock:
            if source is not None:
                self._unsynced.discard(source)
            if self._has_synced or self._unsynced:
                return
            self._has_synced = True
            self._push(Batch((), Reason.INITIAL, ends_initial_list=True))
        self._on_synced()

    @property
    def resource_version(self) -> str:
        """The version up to which the cache has everything; of several sources, the oldest."""
        return oldest([source.resource_version for source in self._sources])

    def has_reached(self, resource_version: str, namespace: str | None = None) -> bool:
        """Return whether the cache is at least as new as a version: that of a namespace, or of each source.

        Asked while the cache changes, it may tell a moment late, never too early.
        """
        return self._has_synced and all(
            source.resource_version == resource_version or is_older(resource_version, source.resource_version)
            for source in self._sources
            if namespace is None or source.namespace in {None, namespace}
        )

    def follows(self, namespace: str) -> bool:
        """Return whether there is a source of the objects of a namespace."""
        return any(source.namespace in {None, namespace} for source in self._sources)

    def has_listed_in(self, namespace: str) -> bool:
        """Return whether the first list of a namespace is in the cache."""
        return any(
            source.namespace in {None, namespace} and source.resource_version and not source.is_closed
            for source in self._sources
        )

    # -- handlers -------------------------------------------------------------------------------------------------

    def add(self, registration: HandlerRegistration) -> None:
        """Have a handler told of all that is in the cache, as initial, then of every change."""
        with self.lock:
            changes = [Change(DeltaType.ADDED, record[KEY], None, record) for record in self.indexer.records()]
            if changes or self._has_synced:
                registration.push(Batch(changes, Reason.INITIAL, ends_initial_list=self._has_synced))
            self._registrations = (*self._registrations, registration)

    def remove(self, registration: HandlerRegistration) -> None:
        """Tell a handler no more; nothing happens if it is not one of this pipeline's."""
        with self.lock:
            self._registrations = tuple(other for other in self._registrations if other is not registration)
        self.make_room()

    def resync(self, registration: HandlerRegistration) -> None:
        """Replay the cache to one handler, behind what it has not had yet.

        Nothing is replayed before the first list, nor to a handler that has not had the last resync yet.
        """
        with self.lock:
            if self._has_synced and not registration.is_resync_pending:
                records = self.indexer.records()
                changes = [Change(DeltaType.SYNC, record[KEY], record, record) for record in records]
                registration.push(Batch(changes, Reason.RESYNC))

    def drain(self, queue: DeltaQueue, reason: Reason, *, is_final_state_known: bool = True) -> None:
        """Take everything out of a queue, store it, and hand the changes to every handler; called under the lock."""
        changes: list[Change] = []
        while (batch := queue.pop_batch()) is not None:
            changes += worth_telling(self.indexer.apply(batch))
        if not is_final_state_known:
            changes = [change._replace(is_tombstone=change.new is None) for change in changes]
        if reason is not Reason.LIVE:
            changes.sort(key=is_alive)  # a list says nothing of order: what is gone makes room first
        if changes:
            clock = None if reason is Reason.INITIAL else self._clock
            self._push(Batch(changes, reason, arrived_s=None if clock is None else clock.monotonic()))

    @property
    def queue_depth(self) -> int:
        """How many changes are on their way into the cache."""
        return sum(source.depth for source in self._sources)

    # -- handlers that are waited for -----------------------------------------------------------------------------

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """The names of the handlers that have no room, and for which everything waits."""
        return tuple(registration.name for registration in self._registrations if not registration.has_room)

    def wait_for_room(self, source: Source) -> None:
        """Wait until no handler blocks a source, or the source is closed; called outside the lock."""
        if not self._waits_for_room or all(registration.has_room for registration in self._registrations):
            return
        with self._room:
            while self.blocked_by and not source.is_closed:
                (self._clock or SystemClock()).wait(self._room, None)

    @contextmanager
    def unblocked(self) -> Generator[None]:
        """Have the handler from inside of which this is entered, if any, block nothing meanwhile."""
        with ExitStack() as stack:
            for registration in self._registrations:
                stack.enter_context(registration.yielding())
            self.make_room()
            yield

    def make_room(self) -> None:
        """Have whoever waits for room look again."""
        with self._room:
            self._room.notify_all()

    def _push(self, batch: Batch) -> None:
        for registration in self._registrations:
            registration.push(batch)
            if not registration.is_active:  # it was too slow, and asked for that
                self.remove(registration)
