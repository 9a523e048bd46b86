"""One of the reflectors of a pipeline: what it reads becomes what is stored and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kubeprims.cache.delta_fifo import DeltaQueue
from kubeprims.informer.handlers import Reason
from kubeprims.informer.versions import is_older, newest
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, RESOURCE_VERSION, ObjectRecord, raw_of
from kubeprims.threads import Latch

if TYPE_CHECKING:  # a pipeline makes its sources
    from kubeprims.informer.pipeline import Pipeline

Intake = Callable[[ObjectRecord], ObjectRecord | MalformedObject | None]
"""Makes of a record what is kept: another record; None if it is not ours; a malformed object if that failed."""

DIRTY_KEYS_MAX = 10_000
"""How many objects that could not be understood an informer remembers; the next list counts the others again."""


class Source:
    """What one reflector tells a pipeline: its sink.

    Attributes:
        namespace: Where its objects are; None is everywhere.
        resource_version: The version up to which the cache has its objects; empty before its first list.
        listed: Set once its first list is in the cache, or it takes no more.
        is_closed: Whether it takes no more.
        marks: How often an object came in a version in which it could not be understood.

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
        self.marks = 0
        self._pipeline = pipeline
        self._lock = pipeline.lock
        self._indexer = pipeline.indexer
        self._queue = queue
        self._intake = intake
        self.is_closed = False
        self._dirty: dict[str, str] = {}
        # What a re-fetch has brought is newer than what the watch may still bring of that object: versions by key.
        # It may be newer than a list under way, too. Lists that begin later are asked to be no older: one that is all
        # the same is of a server that was restored.
        self._ahead: dict[str, str] = {}
        self._refetched_since: set[str] = set()
        self._trusts_versions = True

    def take(self, item: ObjectRecord | MalformedObject) -> ObjectRecord | MalformedObject | None:
        """Return what is to be kept of an object that a list brings; None if it is not ours.

        A list is read through this while it streams in: unchanged objects come out with the bytes that are in the
        cache, so that a relist never holds them twice; those that are new to it as they will be kept.
        """
        if isinstance(item, MalformedObject):
            return item
        stored = self._indexer.stored(item) if self._trusts_versions else item
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
            self._ahead = {key: version for key, version in self._ahead.items() if key in self._refetched_since}
            self._keep_ahead_of(resource_version)
            self._dirty.clear()
            # What could not be understood is there all the same: its last good state is better than a false delete.
            kept = set(self._ahead)
            for item in malformed:
                if item.key not in self._ahead:
                    self._mark(item)
                    kept.add(item.key or "")
            if self._ahead:
                records = [record for record in records if record[KEY] not in self._ahead]
            last_good = [record for record in map(self._indexer.record, sorted(kept)) if record is not None]
            self._queue.replace([*records, *last_good], resource_version)
            if not self._trusts_versions:
                self._queue_what_differs(records, resource_version)
            pipeline.drain(self._queue, Reason.RELIST if pipeline.has_synced else Reason.INITIAL)
            self.resource_version = resource_version
        self.listed.set()
        pipeline.has_listed(self)
        pipeline.on_progress()
        if self._dirty:
            self.on_dirty()
        pipeline.wait_for_room(self)

    def list_begins(self, *, trusts_versions: bool = True) -> str:
        """Note that what comes from now on of objects that are asked for again may be newer than the next list.

        Args:
            trusts_versions: Whether to take what the list has in a version that the cache has, too, for unchanged. A
                server that was restored from a backup gives versions anew: the same one may stand for another state.

        Returns:
            The version that the list must be no older than, to have what was asked for again before; empty: any.
        """
        with self._lock:
            self._refetched_since.clear()
            self._trusts_versions = trusts_versions
            return newest(self._ahead.values())

    def _queue_what_differs(self, records: Sequence[ObjectRecord], resource_version: str) -> None:
        """Queue again, as changes, the objects of a list that the cache has in the same version and another form."""
        self._trusts_versions = True
        for record in records:
            known = self._indexer.record(record[KEY])
            same = known is not None and known[RESOURCE_VERSION] == record[RESOURCE_VERSION]
            if known is not None and same and raw_of(known) != raw_of(record):
                self._queue.update(record)
        self._queue.bookmark(resource_version)

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
            self._keep_ahead_of(self.resource_version)
        self._pipeline.on_progress()
        if self._dirty:
            self.on_dirty()
        self._pipeline.wait_for_room(self)

    def dirty(self) -> dict[str, str]:
        """Return the versions, by key, of objects that are there and could not be understood."""
        with self._lock:
            return dict(self._dirty)

    @property
    def dirty_count(self) -> int:
        """How many such objects there are."""
        return len(self._dirty)

    def refetched(self, key: str, record: ObjectRecord | MalformedObject | None, resource_version: str) -> str | None:
        """Take the state of an object that was asked for again because it could not be understood.

        Args:
            key: The object's key.
            record: The object; malformed if it still cannot be understood; None if it is gone.
            resource_version: The version of the answer.
        """
        pipeline, queue = self._pipeline, self._queue
        with self._lock:
            marked = self._dirty.get(key)
            if self.is_closed or marked is None or is_older(resource_version, marked):
                return None  # the watch has brought something newer meanwhile
            record = None if record is None else self.take(record)
            if isinstance(record, MalformedObject):
                self._mark(record)
                return marked if record.key is None else record.resource_version
            del self._dirty[key]
            self._ahead[key] = resource_version
            self._refetched_since.add(key)
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
        return None

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
            self._dirty.clear()
            self._queue.replace((), "")
            pipeline.drain(self._queue, Reason.RELIST)
        self.listed.set()
        pipeline.make_room()

    def _keep_ahead_of(self, reached: str) -> None:
        """Forget of what was asked for again all that is no newer than a version."""
        if self._ahead:
            self._ahead = {key: ahead for key, ahead in self._ahead.items() if is_older(reached, ahead)}
            self._refetched_since &= self._ahead.keys()

    def _mark(self, malformed: MalformedObject) -> None:
        """Remember an object that could not be understood, until it can be."""
        key, version = malformed.key, malformed.resource_version
        if key is None or (key not in self._dirty and self._pipeline.dirty_count >= DIRTY_KEYS_MAX):
            return
        self.marks += self._dirty.get(key) != version
        self._dirty[str(key)] = version

    def _is_plain(self) -> bool:
        """Return whether events with a record can be applied as they are."""
        return self._intake is None and not self._ahead and not self._dirty

    def _admit(self, event: WatchEvent) -> WatchEvent:
        """Return what an event comes down to: itself, one with what is to be kept, or the version alone."""
        record, version = event.record, event.resource_version
        key = record[KEY] if record is not None else event.malformed and event.malformed.key
        ahead = self._ahead.get(key or "", "")
        if ahead and (version == ahead or is_older(version, ahead)):
            return event._replace(type=WatchEventType.BOOKMARK, record=None, malformed=None)
        if record is None:
            return event
        taken = record if self._intake is None else self._intake(record)
        if isinstance(taken, MalformedObject):
            return event._replace(record=None, malformed=taken)
        self._dirty.pop(record[KEY], None)
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
            self._mark(event.malformed)

    def _delete_malformed(self, malformed: MalformedObject) -> None:
        """Delete what is known by the key of an object whose final state could not be understood."""
        if malformed.key is None:
            return
        self._pipeline.drain(self._queue, Reason.LIVE)  # it may have come a moment ago
        self._dirty.pop(malformed.key, None)
        last_known = self._indexer.record(malformed.key)
        if last_known is not None:
            self._queue.delete(last_known)
        self._queue.bookmark(malformed.resource_version)
        self._pipeline.drain(self._queue, Reason.LIVE, is_final_state_known=False)
