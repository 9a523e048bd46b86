"""The objects of a watch-list, while it streams in. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import KEY, ObjectRecord

Keep = Callable[[ObjectRecord | MalformedObject], ObjectRecord | MalformedObject | None]
"""Says what is to be kept of an object; None: nothing."""


class InitialEvents:
    """Gathers what a watch-list brings, up to its end marker; nobody else sees it before that.

    Attributes:
        count: How many events came.
        last_s: When the last of them came; None before the first.
        is_complete: Whether the end marker has come.
        resource_version: The version of the end marker; empty before it has come.

    Concurrency:
        One owner.

    Source:
        client-go tools/cache/reflector.go, ``watchList``.
        Differs: what is to be kept of an object is decided once, when it comes in.
    """

    __slots__ = ("_items", "_keep", "count", "is_complete", "last_s", "resource_version")

    def __init__(self, keep: Keep) -> None:
        self.count = 0
        self.last_s: float | None = None
        self.is_complete = False
        self.resource_version = ""
        self._keep = keep
        self._items: dict[str, ObjectRecord | MalformedObject] = {}

    def feed(self, events: Sequence[WatchEvent], *, now_s: float) -> Sequence[WatchEvent] | None:
        """Take in events, none of them an ERROR; return those behind the end marker, None if it is still to come."""
        if events:
            self.last_s = now_s
        for position, event in enumerate(events, start=1):
            self.count += 1
            if event.initial_events_end:
                self.is_complete = True
                self.resource_version = event.resource_version
                return events[position:]
            if event.type is not WatchEventType.BOOKMARK:
                self._feed(event)
        return None

    def _feed(self, event: WatchEvent) -> None:
        found = event.record if event.record is not None else event.malformed
        if found is None:
            return
        kept = None if event.type is WatchEventType.DELETED else self._keep(found)
        key = _key(found)
        if key is None:
            return
        if kept is None:
            self._items.pop(key, None)
        else:
            self._items[key] = kept

    def take_objects(self) -> tuple[list[ObjectRecord], list[MalformedObject]]:
        """Return the objects in their last states, and those that cannot be kept; nothing is held any more."""
        items, self._items = self._items, {}
        malformed = [item for item in items.values() if isinstance(item, MalformedObject)]
        return [item for item in items.values() if not isinstance(item, MalformedObject)], malformed


def _key(item: ObjectRecord | MalformedObject) -> str | None:
    return item.key if isinstance(item, MalformedObject) else item[KEY]
