"""Watches: the events of one resource, pulled by one reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from kubeprims.errors import StatusError
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.canonical import canonical
from kubeprims.testing.apiserver.encoding import decode_tail, encode, encode_tail, event_line
from kubeprims.testing.apiserver.history import Event, StoredObject
from kubeprims.testing.apiserver.status import expired, render_status, too_large_version
from kubeprims.testing.apiserver.storage import Storage, Table
from kubeprims.testing.apiserver.views import Predicate, View

_BATCH_EVENTS = 500
_LAST_BOOKMARK_S = 2.0  # before the end of the watch
_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStart:
    """Where a watch starts, and what it shows.

    Attributes:
        namespace: Whose objects; empty for all.
        revision: The version after which events are wanted; 0 for the newest.
        initial_events: The objects come first.
        allow_bookmarks: Bookmarks are wanted.
        timeout_s: After how many seconds the watch ends.
        bookmark_interval_s: How many seconds lie between bookmarks.
        too_large_wait_s: How many seconds are waited for a version from the future, if initial events are wanted.
    """

    namespace: str = ""
    revision: int = 0
    initial_events: bool = False
    allow_bookmarks: bool = False
    timeout_s: float = math.inf
    bookmark_interval_s: float = 60.0
    too_large_wait_s: float = 3.0


class Watch:
    """One watch: a pull object that one thread reads, batch by batch.

    A watch from a version that the history does not reach any more gives one ERROR event and ends; so does one whose
    reader falls so far behind that its next event was dropped. A watch from a version in the future, without initial
    events, says nothing until that version is passed.

    Concurrency:
        One thread calls :meth:`next_batch`. :meth:`close` may be called from any thread.
    """

    def __init__(self, storage: Storage, table: Table, view: View, predicate: Predicate, start: WatchStart) -> None:
        self._storage = storage
        self._table = table
        self._view = view
        self._predicate = predicate
        self._start = start
        self._prefix = f"{start.namespace}/" if start.namespace else ""
        self._after_revision = start.revision
        self._initial: Sequence[StoredObject] = ()
        self._initial_end_due = False
        self._error: StatusError | None = None
        self._ended = False
        now_s = storage.clock.monotonic()
        self._deadline_s = now_s + start.timeout_s
        self._bookmark_s = now_s
        self._schedule_bookmark(now_s)
        self._wait_until_s = now_s + start.too_large_wait_s
        with storage.condition:
            self.position = table.history.end
            self._started = self._try_start()
            table.readers.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch; a reader that waits gets None at once."""
        with self._storage.condition:
            self._ended = True
            self._table.readers.discard(self)
            self._storage.condition.notify_all()

    def finish(self) -> None:
        """End the watch as soon as it has told of all that has happened."""
        with self._storage.condition:
            self._deadline_s = min(self._deadline_s, self._storage.clock.monotonic())
            self._storage.condition.notify_all()

    def next_batch(self, timeout_s: float | None) -> list[bytes] | None:
        """Return the next events, as lines of JSON.

        Args:
            timeout_s: How many seconds to wait for the first one; None waits for as long as the watch lasts.

        Returns:
            Up to 500 lines; none if the time is up; None once the watch has ended.
        """
        clock = self._storage.clock
        until_s = math.inf if timeout_s is None else clock.monotonic() + timeout_s
        while True:
            with self._storage.condition:
                if not self._wait(until_s):
                    return None
                initial, events = self._take()
                rest = self._rest()
            lines = self._added(initial)
            lines.extend(line for event in events if (line := self._line(event)) is not None)
            lines.extend(rest)
            if lines or clock.monotonic() >= until_s:
                return lines

    def _wait(self, until_s: float) -> bool:
        """Wait until there is something to say or the time is up; False once the watch has ended."""
        clock = self._storage.clock
        while not self._ended:
            now_s = clock.monotonic()
            self._started = self._started or self._try_start()
            if self._has_something(now_s):
                return True
            if now_s >= self._deadline_s:
                self.close()
                return False
            if now_s >= until_s:
                return True
            wake_s = min(until_s, self._deadline_s, *self._timers())
            clock.wait(self._storage.condition, None if math.isinf(wake_s) else wake_s - now_s)
        return False

    def _timers(self) -> Sequence[float]:
        if not self._started:
            return (self._wait_until_s,)
        return (self._bookmark_s,) if self._start.allow_bookmarks else (math.inf,)

    def _has_something(self, now_s: float) -> bool:
        if self._error is not None or self._initial or self._initial_end_due:
            return True
        if not self._started:
            return False
        return self.position < self._table.history.end or self._bookmark_is_due(now_s)

    def _try_start(self) -> bool:
        """Find the place in the history; False while the version, needed for a list, lies in the future."""
        start, history, newest = self._start, self._table.history, self._storage.revision
        if start.initial_events:
            if start.revision > newest:
                if self._storage.clock.monotonic() < self._wait_until_s:
                    return False
                self._error = too_large_version(start.revision, newest)
                return True
            self._initial = [
                stored
                for stored in map(self._table.objects.__getitem__, self._table.keys(self._prefix))
                if self._predicate.matches(stored)
            ]
            self._initial_end_due = start.allow_bookmarks
        elif 0 < start.revision < history.watch_floor:
            self._error = expired(f"too old resource version: {start.revision} ({history.watch_floor})")
        elif start.revision > 0:
            self.position = history.position_after(start.revision)
            return True
        self._after_revision = newest
        self.position = history.end
        return True

    def _take(self) -> tuple[Sequence[StoredObject], Sequence[Event]]:
        if self._error is not None:
            return (), ()
        if self._initial:
            taken, self._initial = self._initial[:_BATCH_EVENTS], self._initial[_BATCH_EVENTS:]
            return taken, ()
        if self._initial_end_due or not self._started:
            return (), ()
        history = self._table.history
        if self.position < history.first:
            self._error = expired(f"too old resource version: {self._after_revision} ({history.watch_floor})")
            return (), ()
        events = history.read(self.position, _BATCH_EVENTS)
        self.position += len(events)
        if events:
            self._after_revision = max(self._after_revision, events[-1].revision)
        return (), events

    def _rest(self) -> list[bytes]:
        """Return what is said once the objects are out: the end of the initial events, a bookmark, an error."""
        if self._error is not None:
            self.close()
            return [event_line(b"ERROR", render_status(self._error))]
        if self._initial or not self._started:
            return []
        now_s = self._storage.clock.monotonic()
        if self._initial_end_due:
            self._initial_end_due = False
            return [self._bookmark(self._after_revision, {_INITIAL_EVENTS_END: "true"})]
        if self._bookmark_is_due(now_s) and self.position == self._table.history.end:
            self._schedule_bookmark(now_s)
            if self._storage.revision >= self._start.revision:
                return [self._bookmark(self._storage.revision, {})]
        return []

    def _bookmark_is_due(self, now_s: float) -> bool:
        return self._start.allow_bookmarks and now_s >= self._bookmark_s

    def _schedule_bookmark(self, now_s: float) -> None:
        self._bookmark_s = now_s + self._start.bookmark_interval_s
        last_s = self._deadline_s - _LAST_BOOKMARK_S
        if now_s < last_s < self._bookmark_s:
            self._bookmark_s = last_s

    def _bookmark(self, revision: int, annotations: JSONObject) -> bytes:
        metadata: JSONObject = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        empty = canonical({"metadata": metadata}, self._view.kind)
        return event_line(b"BOOKMARK", self._view.head + encode_tail(empty, self._view.kind))

    def _added(self, initial: Sequence[StoredObject]) -> list[bytes]:
        return [event_line(b"ADDED", self._view.render(stored)) for stored in initial]

    def _line(self, event: Event) -> bytes | None:
        """Return the line for one write, as this watch sees it: its selectors decide what came and what went."""
        current = event.current
        if event.revision <= self._start.revision or not current.key.startswith(self._prefix):
            return None
        before = event.previous is not None and self._predicate.matches(event.previous)
        now = not event.deleted and self._predicate.matches(current)
        if now:
            return event_line(b"MODIFIED" if before else b"ADDED", self._view.render(current))
        if not before:
            return None
        assert event.previous is not None, "only an object that was there can have matched"
        last = current if event.deleted else _at_revision(event.previous, event.revision)
        return event_line(b"DELETED", self._view.render(last))


def _at_revision(stored: StoredObject, revision: int) -> StoredObject:
    """Return a state under the version of a later write: how an object leaves a watch that it matches no more."""
    obj = decode_tail(stored.tail)
    metadata = obj["metadata"]
    assert isinstance(metadata, dict), "every stored object has metadata"
    metadata["resourceVersion"] = str(revision)
    return stored._replace(revision=revision, tail=encode(obj)[1:])
