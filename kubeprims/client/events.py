"""Says what happened to objects, as events that people see in ``kubectl describe``."""

from __future__ import annotations

import datetime
import logging
import math
import re
import threading
from collections import deque
from types import TracebackType
from typing import Self, cast

from kubeprims.client.client import Client
from kubeprims.client.event_series import EventKey, EventReference, EventSeries, Series
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import InvalidArgument, KubeprimsError, LifecycleError, StopTimeout
from kubeprims.meta import JSONObject
from kubeprims.objects.unstructured import Unstructured
from kubeprims.selectors import label_key_problems
from kubeprims.threads import Cancel, Deadline, ThreadGroup

QUEUE_MAX = 1000
"""How many events wait to be written; more are dropped, and counted."""

STOP_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 3.0
"""How long one request may take, in seconds: an event is not worth more, and a stop waits for one."""

_WRITING_SHARE = 0.8
"""For how much of the time of a stop events are still written; the rest is for ending the last request."""

_NOTE_BYTES_MAX = 1024
_WORD_CHARS_MAX = 128
_NAME_CHARS_MAX = 230
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.-]")
"""RBAC's names may hold more than an event's."""

logger = logging.getLogger(__name__)


class EventRecorder:
    """Writes events (``events.k8s.io/v1``), without ever holding up who has something to say.

    :meth:`event` puts an event into a bounded queue; a thread writes it. What is said again is counted in the event
    that is there already. What does not fit into the queue, what is said too often of one object, and what the server
    does not take is dropped, and counted.

    A context manager; or :meth:`run` for a manager.

    Attributes:
        dropped: How many events were dropped.
        written: How many requests were made that the server took.

    Concurrency:
        Every method may be called from any thread.

    Source:
        client-go tools/events, ``EventRecorder``.
        Differs: one thread; a full queue drops and counts.
    """

    def __init__(self, client: Client, controller: str, *, instance: str = "", clock: Clock | None = None) -> None:
        """Make a recorder that writes nothing yet.

        Args:
            client: The server; not closed with the recorder.
            controller: Who reports, such as ``example.com/web-operator``: a qualified name, as of a label.
            instance: Which one of those, such as the pod's name, cut after 128 characters; ``controller`` unless given.
            clock: The clock to live by.

        Raises:
            InvalidArgument: ``controller`` is empty, or no such name.
        """
        if not controller:
            raise InvalidArgument("an event says who reports it: controller must not be empty")
        if problems := label_key_problems(controller):
            rule = f"controller is a name such as example.com/web-operator, not {controller!r}"
            raise InvalidArgument(f"{rule}: {'; '.join(problems)}")
        self._client = client
        self._controller = controller
        self._instance = (instance or controller)[:_WORD_CHARS_MAX]
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._queue: deque[Series] = deque()
        self._series = EventSeries()
        self._overflowed = 0
        self._refused = 0
        self.written = 0
        self._stop = Cancel()
        self._cut = Cancel()
        self._until = math.inf
        self._last_moment = 0
        self._is_started = False
        self._threads = ThreadGroup(f"events of {controller}", on_error=lambda _: self._stop.set())

    @property
    def dropped(self) -> int:
        """How many events were dropped."""
        return self._overflowed + self._refused + self._series.dropped

    def event(
        self,
        regarding: Unstructured,
        *,
        reason: str,
        note: str,
        type: str = "Normal",  # noqa: A002 - the field's own name
        action: str = "",
        related: Unstructured | None = None,
    ) -> None:
        """Say what happened to an object; never blocks.

        Args:
            regarding: The object.
            reason: Why, as one word in CamelCase, such as ``ScaledUp``.
            note: The text, for people; cut after 1,024 bytes of UTF-8, with ``?`` for what that cannot say.
            type: ``Normal`` or ``Warning``.
            action: What was done, as one word in CamelCase; ``reason`` unless given.
            related: Another object that matters.

        Raises:
            InvalidArgument: The type is neither, there is no reason, reason or action is longer than 128 characters, or
                an object is no ``Unstructured``.
        """
        if type not in {"Normal", "Warning"}:
            raise InvalidArgument(f"an event is Normal or Warning, not {type!r}")
        if not reason:
            raise InvalidArgument("an event needs a reason")
        if max(len(reason), len(action)) > _WORD_CHARS_MAX:
            raise InvalidArgument(
                f"reason and action have {_WORD_CHARS_MAX} characters at most: {reason!r}, {action!r}"
            )
        key = EventKey(
            regarding=_reference(regarding),
            related=None if related is None else _reference(related),
            type=type,
            reason=reason,
            action=action or reason,
            note=note.encode(errors="replace")[:_NOTE_BYTES_MAX].decode(errors="ignore"),
        )
        with self._changed:
            if self._stop.is_set:
                self._overflowed += 1
                return
            series = self._series.add(key, now_s=self._clock.monotonic(), now=self._clock.wall())
            if series is None:
                return
            if series.count > 1:
                if series.behind == 1:
                    self._changed.notify()  # whoever writes may wait for nothing at all
                return
            if len(self._queue) >= QUEUE_MAX:
                self._series.forget(series)
                self._overflowed += 1
                return
            self._queue.append(series)
            self._changed.notify()

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start to write; return at once.

        Raises:
            LifecycleError: It was started or stopped before.
        """
        with self._changed:
            if self._is_started or self._stop.is_set:
                raise LifecycleError("the recorder was started or stopped before; it starts once")
            self._is_started = True
        self._threads.spawn(lambda: self._write_all(self._stop), name="write")

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Write what waits, and end; what cannot be written in time is dropped. Later calls do nothing.

        Args:
            timeout_s: How long it may take in all, in seconds. A request that is under way near its end is cut off.

        Raises:
            StopTimeout: The request that was cut off did not end in time.
            BaseException: What the writing thread died of.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        writing = Deadline.after(timeout_s * _WRITING_SHARE, clock=self._clock)
        self._stop.set()
        with self._changed:
            self._until = min(self._until, writing.at_s)
            if not self._is_started:
                self._drop_what_waits()
            self._changed.notify_all()
        if self._threads.join(writing):
            self._cut.set()
            running = self._threads.join(deadline)
            if running:
                raise StopTimeout(running, timeout_s=timeout_s)

    def run(self, stop: threading.Event | Cancel) -> None:
        """Start, wait until ``stop`` is set, then stop.

        Args:
            stop: Ends the recorder. It is set, too, if the recorder is stopped otherwise or dies.

        Raises:
            LifecycleError: It was started or stopped before.
            StopTimeout: The last request did not end in time.
            BaseException: What the writing thread died of.
        """
        self.start()
        take_back = self._stop.add_callback(stop.set)
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

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write_all(self, stop: Cancel) -> None:
        while not self._is_over():
            first, counted = self._next(stop)
            if stop.is_set and first is None and not counted:
                break
            if first is not None:
                self._write(first)
            for series in counted:
                self._write_count(series)
        with self._changed:
            self._drop_what_waits()

    def _is_over(self) -> bool:
        """Return whether nothing is to be written any more, even if something waits."""
        return self._cut.is_set or self._clock.monotonic() >= self._until

    def _drop_what_waits(self) -> None:
        behind = self._series.due(now_s=self._clock.monotonic(), everything=True)
        self._overflowed += sum(series.unrecorded for series in (*self._queue, *behind))
        self._queue.clear()

    def _next(self, stop: Cancel) -> tuple[Series | None, list[Series]]:
        """Wait for something to write; return an event, and the series whose count is due."""
        with self._changed:
            while not self._queue and not stop.is_set:
                due_s = self._series.next_due_s()
                now_s = self._clock.monotonic()
                if due_s is not None and due_s <= now_s:
                    break
                self._clock.wait(self._changed, None if due_s is None else due_s - now_s)
            first = self._queue.popleft() if self._queue else None
            is_last = stop.is_set and not self._queue and first is None
            return first, self._series.due(now_s=self._clock.monotonic(), everything=is_last)

    def _write(self, series: Series) -> None:
        key = series.key
        namespace = key.regarding.key.namespace or "default"
        # As client-go names them: the object, and the moment in nanoseconds, in hexadecimal; no two alike.
        self._last_moment = moment = max(int(series.last_time.timestamp() * 1e6) * 1000, self._last_moment + 1)
        name = _NOT_IN_NAMES.sub("-", key.regarding.key.name.lower())[:_NAME_CHARS_MAX].strip("-.")
        event: JSONObject = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{moment:x}", "namespace": namespace},
            "eventTime": _micro_time(series.last_time),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": key.action,
            "reason": key.reason,
            "note": key.note,
            "type": key.type,
            "regarding": _body(key.regarding),
        }
        if key.related is not None:
            event["related"] = _body(key.related)
        try:
            made = self._client.resource("events.k8s.io/v1/events", namespace).create(
                event, timeout_s=REQUEST_TIMEOUT_S, cancel=self._cut
            )
        except KubeprimsError as error:
            logger.warning("an event of %s is dropped: %s", key.regarding.key, error)
            with self._changed:
                self._refused += series.unrecorded
                self._series.forget(series)
            return
        with self._changed:
            self.written += 1
            series.name = made.name
            series.recorded = 1
            self._changed.notify()

    def _write_count(self, series: Series) -> None:
        if self._is_over():
            with self._changed:
                self._overflowed += series.unrecorded
            return
        namespace = series.key.regarding.key.namespace or "default"
        count = series.written_count
        patch: JSONObject = {"series": {"count": count, "lastObservedTime": _micro_time(series.last_time)}}
        try:
            self._client.resource("events.k8s.io/v1/events", namespace).patch(
                series.name, patch, timeout_s=REQUEST_TIMEOUT_S, cancel=self._cut
            )
        except KubeprimsError as error:
            logger.warning("the count of an event of %s is dropped: %s", series.key.regarding.key, error)
            with self._changed:
                self._refused += series.unrecorded
                self._series.forget(series)  # it may be gone: events live for an hour
            return
        with self._changed:
            self.written += 1
            series.recorded = count


def _reference(obj: Unstructured) -> EventReference:
    if not isinstance(cast("object", obj), Unstructured):
        raise InvalidArgument(
            f"an event is about an Unstructured, as clients and caches give it, not {type(obj).__name__}"
        )
    return EventReference(obj.api_version, obj.kind, obj.key, obj.uid)


def _body(reference: EventReference) -> JSONObject:
    body: JSONObject = {"apiVersion": reference.api_version, "kind": reference.kind, "name": reference.key.name}
    if reference.key.namespace:
        body["namespace"] = reference.key.namespace
    if reference.uid:
        body["uid"] = reference.uid
    return body


def _micro_time(time: datetime.datetime) -> str:
    return f"{time.astimezone(datetime.timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}"
