"""A list and watch without a server: for tests of reflectors and informers that need no wire."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import BadRequest, Cancelled, KubeprimsError, ResourceExpired
from kubeprims.meta import JSONObject
from kubeprims.objects.codec import default_codec
from kubeprims.objects.event import WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, RAW, RESOURCE_VERSION, ObjectRecord
from kubeprims.threads import Cancel

_Events = list[WatchEvent]


class FakeListerWatcher:
    """Objects of one resource, and what happened to them, behind the two methods that a reflector calls.

    Attributes:
        lists: The options of every list, in order.
        watches: The options of every watch, in order; watch-lists are among them.
        serves_watch_lists: Whether watch-lists are served; else they are refused, as servers before 1.32 do.

    Concurrency:
        Every method may be called from any thread.

    Source:
        client-go tools/cache/testing/fake_controller_source.go, ``FakeControllerSource``.
    """

    def __init__(self) -> None:
        self.lists: list[ListOptions] = []
        self.watches: list[WatchOptions] = []
        self.serves_watch_lists = True
        self._changed = threading.Condition()
        self._codec = default_codec()
        self._records: dict[str, ObjectRecord] = {}
        self._history: list[tuple[int, WatchEvent]] = []
        self._version = 0
        self._oldest = 0
        self._open: set[FakeWatch] = set()
        self._list_errors: deque[KubeprimsError] = deque()
        self._watch_errors: deque[KubeprimsError] = deque()

    # -- what a test does -------------------------------------------------------------------------------------------

    def put(self, name: str, *, namespace: str = "default", silently: bool = False, **content: JSONObject) -> str:
        """Add or change an object, and return its version; ``silently`` keeps it from every watch."""
        key = f"{namespace}/{name}" if namespace else name
        with self._changed:
            self._version += 1
            metadata: JSONObject = {"name": name, "uid": f"uid-of-{key}", "resourceVersion": str(self._version)}
            if namespace:
                metadata["namespace"] = namespace
            obj: JSONObject = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, **content}
            record = self._codec.to_record(self._codec.encode(obj))
            kind = WatchEventType.MODIFIED if key in self._records else WatchEventType.ADDED
            self._records[record[KEY]] = record
            self._happened(_event(kind, record, self._version), silently=silently)
            return str(self._version)

    def delete(self, name: str, *, namespace: str = "default", silently: bool = False) -> str:
        """Delete an object, and return the version of that; ``silently`` keeps it from every watch."""
        with self._changed:
            record = self._records.pop(f"{namespace}/{name}" if namespace else name)
            self._version += 1
            final = self._codec.decode(record[RAW])
            metadata = final["metadata"]
            assert isinstance(metadata, dict)
            metadata["resourceVersion"] = str(self._version)  # a server's final state has the version of the deletion
            record = self._codec.to_record(self._codec.encode(final))
            self._happened(_event(WatchEventType.DELETED, record, self._version), silently=silently)
            return str(self._version)

    def bookmark(self) -> None:
        """Tell every open watch the version."""
        with self._changed:
            event = WatchEvent(WatchEventType.BOOKMARK, None, str(self._version), False, None, None)
            self._send(event)

    def send(self, event: WatchEvent) -> None:
        """Send an event of the test's own making to every open watch."""
        with self._changed:
            self._send(event)

    def end_watches(self, error: KubeprimsError | None = None) -> None:
        """End every open watch: as a server does, or by an error."""
        with self._changed:
            for watch in self._open:
                watch.end(error)
            self._changed.notify_all()

    def fail_lists(self, *errors: KubeprimsError) -> None:
        """Have the next lists fail, one error each."""
        with self._changed:
            self._list_errors.extend(errors)

    def fail_watches(self, *errors: KubeprimsError) -> None:
        """Have the next watches fail to open, one error each."""
        with self._changed:
            self._watch_errors.extend(errors)

    def compact(self) -> None:
        """Forget what happened: a watch from an older version is expired."""
        with self._changed:
            self._oldest = self._version
            self._history.clear()

    def wait_for(self, holds: Callable[[FakeListerWatcher], bool], *, timeout_s: float = 10.0) -> bool:
        """Wait, in real time, until a condition on this object holds; return whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self), timeout_s)

    @property
    def open_watches(self) -> int:
        """How many watches are open."""
        return len(self._open)

    @property
    def idle_watches(self) -> int:
        """How many open watches are waited on by who has taken in all that they have brought."""
        return sum(watch.is_idle for watch in self._open)

    # -- what a reflector calls -------------------------------------------------------------------------------------

    def list(self, options: ListOptions, *, cancel: Cancel) -> FakeList:
        """Answer a list: everything in one page."""
        with self._changed:
            self.lists.append(options)
            self._changed.notify_all()
            if cancel.is_set:
                raise Cancelled("cancelled")
            if self._list_errors:
                raise self._list_errors.popleft()
            return FakeList(tuple(self._records.values()), str(self._version))

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> FakeWatch:
        """Answer a watch: what happened since its version, then what happens."""
        with self._changed:
            self.watches.append(options)
            self._changed.notify_all()
            if cancel.is_set:
                raise Cancelled("cancelled")
            if self._watch_errors:
                raise self._watch_errors.popleft()
            missed = self._initial_events() if options.send_initial_events else self._missed(options)
            watch = FakeWatch(self._changed, self._open, cancel, missed)
            self._open.add(watch)
            self._changed.notify_all()
            return watch

    def _initial_events(self) -> _Events:
        if not self.serves_watch_lists:
            raise BadRequest("sendInitialEvents is forbidden", code=400, reason="BadRequest")
        end = WatchEvent(WatchEventType.BOOKMARK, None, str(self._version), initial_events_end=True)
        return [
            *(_event(WatchEventType.ADDED, record, int(record[RESOURCE_VERSION])) for record in self._records.values()),
            end,
        ]

    def _missed(self, options: WatchOptions) -> _Events:
        since = int(options.resource_version or "0")
        if since < self._oldest:
            raise ResourceExpired("too old resource version", code=410, reason="Expired")
        return [event for version, event in self._history if version > since]

    def _happened(self, event: WatchEvent, *, silently: bool) -> None:
        if not silently:
            self._history.append((self._version, event))
            self._send(event)

    def _send(self, event: WatchEvent) -> None:
        for watch in self._open:
            watch.events.append(event)
        self._changed.notify_all()


def _event(kind: WatchEventType, record: ObjectRecord, version: int) -> WatchEvent:
    return WatchEvent(kind, record, str(version), False, None, None)


class FakeList:
    """One page."""

    continue_token = ""

    def __init__(self, records: tuple[ObjectRecord, ...], resource_version: str) -> None:
        self.resource_version = resource_version
        self._records = records

    def __iter__(self) -> Iterator[ObjectRecord]:
        return iter(self._records)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class FakeWatch:
    """An open watch."""

    def __init__(
        self, changed: threading.Condition, open_watches: set[FakeWatch], cancel: Cancel, events: list[WatchEvent]
    ) -> None:
        self.events = events
        self._changed = changed
        self._open = open_watches
        self._cancel = cancel
        self._ended = False
        self._is_waited_on = False
        self._error: KubeprimsError | None = None
        self._detach: Callable[[], None] = cancel.add_callback(self._on_cancel)

    @property
    def is_idle(self) -> bool:
        """Whether its reader waits, and nothing is left to be read."""
        return self._is_waited_on and not self.events and not self._ended

    def end(self, error: KubeprimsError | None) -> None:
        """End it, once its events are read; called with the lock held."""
        self._ended = True
        self._error = error

    def _on_cancel(self) -> None:
        with self._changed:
            self.end(Cancelled("cancelled"))
            self._changed.notify_all()

    def expire_in(self, timeout_s: float, /) -> None:
        """Do nothing: here time is the test's, which ends watches by ``end_watches``."""

    def batches(self) -> Iterator[list[WatchEvent]]:
        """Yield what has come since the last time."""
        while True:
            with self._changed:
                self._is_waited_on = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self.events or self._ended)
                self._is_waited_on = False
                batch, self.events = self.events, []
            if batch:
                yield batch
            elif self._error is not None:
                raise self._error
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._detach()
        with self._changed:
            self._open.discard(self)
            self._changed.notify_all()
