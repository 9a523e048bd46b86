"""What an informer has seen, summed up for a person: filled by its handler, read by the screen."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass

from kubeprims.clock import Clock
from kubeprims.informer.handlers import Notification, Reason
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.unstructured import Unstructured

RATE_WINDOW_S = 5.0
LAST_EVENTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the list of events."""

    at_s: float
    type: str
    key: ObjectKey
    phase: str
    number: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the screen shows.

    Attributes:
        objects: How many objects there are.
        counts: How many of each namespace and phase.
        events: The last events, oldest first.
        events_total: How many live events there were in all.
        events_per_s: Their rate over the last seconds.
    """

    objects: int
    counts: dict[tuple[str, str], int]
    events: tuple[Event, ...]
    events_total: int
    events_per_s: float


class Activity:
    """Counts objects by namespace and phase, and keeps the last events.

    Concurrency:
        :meth:`on_event` is called by the informer's handler thread, :meth:`snapshot` by the screen's.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._where: dict[ObjectKey, tuple[str, str]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._events: deque[Event] = deque(maxlen=LAST_EVENTS_MAX)
        self._per_second: deque[tuple[int, int]] = deque()
        self._total = 0

    def on_event(self, notification: Notification) -> None:
        """Take in one notification."""
        obj = notification.new
        where = None if obj is None else (obj.namespace, phase_of(obj))
        with self._lock:
            before = self._where.pop(notification.key, None)
            if before is not None:
                self._counts[before] -= 1
            if where is not None:
                self._where[notification.key] = where
                self._counts[where] += 1
            if notification.reason in {Reason.LIVE, Reason.RELIST}:
                self._note(notification, (where or before or ("", ""))[1])

    def _note(self, notification: Notification, phase: str) -> None:
        now_s = self._clock.monotonic()
        self._total += 1
        type_ = "DELETED" if notification.new is None else "ADDED" if notification.old is None else "MODIFIED"
        self._events.append(Event(now_s, type_, notification.key, phase, self._total))
        second = int(now_s)
        if self._per_second and self._per_second[-1][0] == second:
            self._per_second[-1] = (second, self._per_second[-1][1] + 1)
        else:
            self._per_second.append((second, 1))
            while self._per_second[0][0] < second - RATE_WINDOW_S:
                self._per_second.popleft()

    def snapshot(self) -> Snapshot:
        """Return how things are now."""
        now_s = self._clock.monotonic()
        with self._lock:
            recent = sum(count for second, count in self._per_second if second >= now_s - RATE_WINDOW_S)
            return Snapshot(
                objects=len(self._where),
                counts={where: count for where, count in self._counts.items() if count},
                events=tuple(self._events),
                events_total=self._total,
                events_per_s=recent / RATE_WINDOW_S,
            )


def phase_of(obj: Unstructured) -> str:
    """Return one word on how an object is: its phase, or its Ready or Available condition, or a dash."""
    if obj.deletion_timestamp is not None:
        return "Terminating"
    status = obj.get("status")
    if not isinstance(status, dict):
        return "-"
    phase = status.get("phase")
    if isinstance(phase, str):
        return phase
    conditions = status.get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        if isinstance(condition, dict) and condition.get("type") in {"Ready", "Available"}:
            return _condition_word(condition)
    return "-"


def _condition_word(condition: JSONObject) -> str:
    return str(condition["type"]) if condition.get("status") == "True" else f"Not{condition['type']}"
