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
from collections.abc import Callable, Generator, Sequence
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
from kubeprims.informer.telling import is_alive, worth_telling
from kubeprims.meta import compare_resource_versions
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, ObjectRecord
from kubeprims.threads import Latch

DIRTY_KEYS_MAX = 10_000
"""How many objects that could not be understood are remembered; the next list counts the others again."""

Intake = Callable[[ObjectRecord], ObjectRecord | MalformedObject | None]
"""Makes of a record what is kept: another record; None if it is not ours; a malformed object if that failed."""


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
        self._dirty: dict[str, str] = {}
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
        with self.lock:
            return dict(self._dirty)

    @property
    def has_dirty(self) -> bool:
        """Whether there are any such objects."""
        return bool(self._dirty)

    @property
    def dirty_count(self) -> int:
        """How many such objects there are."""
        return len(self._dirty)

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

    def has_reached(self, resource_version: str, namespace: str | None = None) -> bool:
        """Return whether the cache is at least as new as a version: that of a namespace, or of each source.

        Asked while the cache changes, it may tell a moment late, never too early.
        """
        return self._has_synced and all(
            source.resource_version == resource_version or _is_older(resource_version, source.resource_version)
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

    # -- what could not be understood -----------------------------------------------------------------------------

    def mark(self, malformed: MalformedObject) -> None:
        """Remember an object that could not be understood, until it can be; called under the lock."""
        if malformed.key is not None and (len(self._dirty) < DIRTY_KEYS_MAX or malformed.key in self._dirty):
            self._dirty[str(malformed.key)] = malformed.resource_version

    def unmark(self, *keys: str) -> None:
        """Forget that objects could not be understood; called under the lock."""
        for key in keys:
            self._dirty.pop(key, None)

    def _push(self, batch: Batch) -> None:
        for registration in self._registrations:
            registration.push(batch)
            if not registration.is_active:  # it was too slow, and asked for that
                self.remove(registration)


class Source:
    """What one reflector tells a pipeline: its sink.

    Attributes:
        namespace: Where its objects are; None is everywhere.
        resource_version: The version up to which the cache has its objects; empty before its first list.
        listed: Set once its first list is in the cache, or it takes no more.
        is_closed: Whether it takes no more.

    Concurrency:
        Every method may be called from any thread; each takes the pipeline's lock, and those that tell of something
        then wait, outside of it, for handlers that block.
    """

    def __init__(
        self, pipeline: Pipeline, queue: DeltaQueue, *, namespace: str | None = None, intake: Intake | None = None
    ) -> None:
        """Make a source; :meth:`Pipeline.source` does."""
        self.namespace = namespace
        self.resource_version = ""
        self.listed = Latch()
        self.on_dirty: Callable[[], None] = lambda: None
        """Called, outside the lock, after objects came while some could not be understood; it must not block."""
        self._pipeline = pipeline
        self._lock = pipeline.lock
        self._indexer = pipeline.indexer
        self._queue = queue
        self._intake = intake
        self.is_closed = False
        # What a re-fetch has brought is newer than what the watch may still bring of that object: versions by key.
        self._ahead: dict[str, str] = {}

    def take(self, item: ObjectRecord | MalformedObject) -> ObjectRecord | MalformedObject | None:
        """Return what is to be kept of an object that a list brings; None if it is not ours.

        A list is read through this while it streams in: unchanged objects come out with the bytes that are in the
        cache, so that a relist never holds them twice; those that are new to it as they will be kept.
        """
        if isinstance(item, MalformedObject):
            return item
        stored = self._indexer.stored(item)
        if self._intake is None or stored is not item:
            return stored
        return self._intake(item)

    def replace(
        self, records: Sequence[ObjectRecord], resource_version: str, malformed: Sequence[MalformedObject] = ()
    ) -> None:
        """Make the objects of this source this list.

        Args:
            records: The objects, as :meth:`take` gave them.
            resource_version: The version of the list.
            malformed: The objects that are in the list and could not be understood.
        """
        pipeline = self._pipeline
        with self._lock:
            if self.is_closed:
                return
            self._ahead.clear()
            pipeline.unmark(*filter(self._is_mine, pipeline.dirty))
            # What could not be understood is there all the same: its last good state is better than a false delete.
            kept: list[ObjectRecord] = []
            for item in malformed:
                pipeline.mark(item)
                last_good = None if item.key is None else self._indexer.record(item.key)
                if last_good is not None:
                    kept.append(last_good)
            self._queue.replace([*records, *kept], resource_version)
            pipeline.drain(self._queue, Reason.RELIST if pipeline.has_synced else Reason.INITIAL)
            self.resource_version = resource_version
        self.listed.set()
        pipeline.has_listed(self)
        pipeline.on_progress()
        if pipeline.has_dirty:
            self.on_dirty()
        pipeline.wait_for_room(self)

    def apply(self, events: Sequence[WatchEvent]) -> None:
        """Change the objects of this source by these events, bookmarks among them."""
        queue = self._queue
        with self._lock:
            if self.is_closed:
                return
            is_plain = self._is_plain()
            for event in events:
                admitted = event if is_plain else self._admit(event)
                record = admitted.record
                if record is None:
                    self._apply_without_record(admitted)
                    is_plain = self._is_plain()
                elif admitted.type is WatchEventType.MODIFIED:
                    queue.update(record)
                elif admitted.type is WatchEventType.ADDED:
                    queue.add(record)
                else:
                    queue.delete(record)
            self._pipeline.drain(queue, Reason.LIVE)
            newest = (event.resource_version for event in reversed(events) if event.resource_version)
            self.resource_version = next(newest, self.resource_version)
            counts = self._pipeline.event_counts
            if counts is not None:
                counts.note(events)
            if self._ahead:
                reached = self.resource_version
                self._ahead = {key: ahead for key, ahead in self._ahead.items() if _is_older(reached, ahead)}
        self._pipeline.on_progress()
        if self._pipeline.has_dirty:
            self.on_dirty()
        self._pipeline.wait_for_room(self)

    def dirty(self) -> dict[str, str]:
        """Return the versions, by key, of this source's objects that could not be understood."""
        return {key: version for key, version in self._pipeline.dirty.items() if self._is_mine(key)}

    def refetched(self, key: str, record: ObjectRecord | MalformedObject | None, resource_version: str) -> None:
        """Take the state of an object that was asked for again because it could not be understood.

        Args:
            key: The object's key.
            record: The object; malformed if it still cannot be understood; None if it is gone.
            resource_version: The version of the answer.
        """
        pipeline, queue = self._pipeline, self._queue
        with self._lock:
            marked = pipeline.dirty.get(key)
            if self.is_closed or marked is None or _is_older(resource_version, marked):
                return  # the watch has brought something newer meanwhile
            record = None if record is None else self.take(record)
            if isinstance(record, MalformedObject):
                pipeline.mark(record)
                return
            pipeline.unmark(key)
            self._ahead[key] = resource_version
            reached = self._indexer.resource_version
            last_known = self._indexer.record(key)
            if record is None:
                if last_known is not None:
                    queue.delete(last_known)
            elif record is not last_known:  # it may have been damaged on its way alone
                queue.update(record)
            queue.bookmark(reached)  # one object is newer; the others are not
            pipeline.drain(queue, Reason.RELIST, is_final_state_known=record is not None)
        pipeline.wait_for_room(self)

    @property
    def depth(self) -> int:
        """How many changes are on their way into the cache."""
        return self._queue.depth

    def close(self) -> None:
        """Forget all objects, and take no more; :meth:`Pipeline.remove_source` does."""
        pipeline = self._pipeline
        with self._lock:
            self.is_closed = True
            self._ahead.clear()
            pipeline.unmark(*filter(self._is_mine, pipeline.dirty))
            self._queue.replace((), "")
            pipeline.drain(self._queue, Reason.RELIST)
        self.listed.set()
        pipeline.make_room()

    def _is_mine(self, key: str) -> bool:
        return self.namespace is None or key.startswith(f"{self.namespace}/")

    def _is_plain(self) -> bool:
        """Return whether events with a record can be applied as they are."""
        return self._intake is None and not self._ahead and not self._pipeline.has_dirty

    def _admit(self, event: WatchEvent) -> WatchEvent:
        """Return what an event comes down to: itself, one with what is to be kept, or the version alone."""
        record, version = event.record, event.resource_version
        key = record[KEY] if record is not None else event.malformed and event.malformed.key
        ahead = self._ahead.get(key or "", "")
        if ahead and (version == ahead or _is_older(version, ahead)):
            return event._replace(type=WatchEventType.BOOKMARK, record=None, malformed=None)
        if record is None:
            return event
        taken = record if self._intake is None else self._intake(record)
        if isinstance(taken, MalformedObject):
            return event._replace(record=None, malformed=taken)
        self._pipeline.unmark(record[KEY])
        if taken is None:
            return event._replace(type=WatchEventType.BOOKMARK, record=None)
        return event if taken is record else event._replace(record=taken)

    def _apply_without_record(self, event: WatchEvent) -> None:
        if event.type is WatchEventType.BOOKMARK:
            self._queue.bookmark(event.resource_version)
        elif event.malformed is None:
            pass
        elif event.type is WatchEventType.DELETED:
            self._delete_malformed(event.malformed)
        else:
            self._pipeline.mark(event.malformed)

    def _delete_malformed(self, malformed: MalformedObject) -> None:
        """Delete what is known by the key of an object whose final state could not be understood."""
        if malformed.key is None:
            return
        self._pipeline.drain(self._queue, Reason.LIVE)  # it may have come a moment ago
        self._pipeline.unmark(malformed.key)
        last_known = self._indexer.record(malformed.key)
        if last_known is not None:
            self._queue.delete(last_known)
            self._queue.bookmark(malformed.resource_version)
            self._pipeline.drain(self._queue, Reason.LIVE, is_final_state_known=False)


def _is_older(version: str, other: str) -> bool:
    """Return whether a version is known to be older than another."""
    order = compare_resource_versions(version, other)
    return order is not None and order < 0
