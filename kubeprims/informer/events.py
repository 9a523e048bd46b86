"""The changes of an informer, for a loop instead of a handler."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from kubeprims.cache.store import Change
from kubeprims.client.watch import ObjectEvent
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Reason, Tell, final_state
from kubeprims.objects.event import WatchEventType
from kubeprims.objects.unstructured import Unstructured


class InformerEvents:
    """Every object in the cache, as ADDED, then every change of it, as a watch would bring them.

    It does not end by itself when a watch does: the informer gets over that. A deletion that it did not see comes as
    DELETED, with a ``DeletedFinalStateUnknown``, which may be out of date. Changes that are not iterated over in time
    are merged by key, as those of a slow handler are.

    Iterating may be broken off and begun again: it goes on with the next change. It ends when this is closed, or the
    informer is stopped.

    Attributes:
        registration: The handler that this is to the informer, which runs on the iterating thread.

    Concurrency:
        One thread iterates at a time. :meth:`close` may be called from any, and ends the iteration at once.

    Source:
        client-go tools/watch/informerwatcher.go, ``NewIndexerInformerWatcher``.
    """

    def __init__(
        self, register: Callable[[Tell], HandlerRegistration], remove: Callable[[HandlerRegistration], None]
    ) -> None:
        """Register with an informer; :meth:`SharedInformer.events` does."""
        self._events: deque[ObjectEvent] = deque()
        self._remove = remove
        self.registration = register(self._take)

    def _take(self, change: Change, _: Reason) -> None:
        if change.new is None:
            self._events.append(ObjectEvent(WatchEventType.DELETED, final_state(change)))
        else:
            kind = WatchEventType.ADDED if change.old is None else WatchEventType.MODIFIED
            self._events.append(ObjectEvent(kind, Unstructured(change.new)))

    def __iter__(self) -> Iterator[ObjectEvent]:
        """Yield the changes."""
        registration, events = self.registration, self._events
        while registration.is_active:
            if events:
                yield events.popleft()
            elif registration.wait_for_work():
                registration.deliver_next()

    def close(self) -> None:
        """End the iteration; what was not iterated over is dropped. May be called again."""
        self._remove(self.registration)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<InformerEvents {self.registration.name}>"
