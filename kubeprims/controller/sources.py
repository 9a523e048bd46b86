"""What a controller reads and is told by: informers, as far as it needs them, and what it makes of their changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kubeprims.cache.indexer import Indexer
from kubeprims.controller.mapping import MapFunction, checked_keys
from kubeprims.controller.predicates import Predicate
from kubeprims.errors import CacheSyncTimeout
from kubeprims.informer.coverage import Coverage
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Deliver, Notification, Reason
from kubeprims.meta import ObjectKey
from kubeprims.threads import Cancel, Deadline, Latch
from kubeprims.workqueue.order import LOW_PRIORITY


class Informer(Protocol):
    """A cache that tells of its changes: ``SharedInformer``."""

    @property
    def name(self) -> str:
        """For logs and errors."""
        ...

    @property
    def indexer(self) -> Indexer:
        """The cache."""
        ...

    @property
    def coverage(self) -> Coverage:
        """What the cache has to show, and how far it has come."""
        ...

    @property
    def last_error(self) -> Exception | None:
        """The last failure; None if all is well."""
        ...

    def add_stop_callback(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called once the informer has stopped, for whatever reason; return what takes that back."""
        ...

    def add_sync_callback(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called once it has synced or stopped; return what takes that back."""
        ...

    def add_event_handler(self, *, on_event: Deliver, name: str) -> HandlerRegistration:
        """Have a handler told of every object, then of every change."""
        ...

    def remove_event_handler(self, registration: HandlerRegistration) -> None:
        """Have a handler told no more."""
        ...

    def wait_for_sync(self, timeout_s: float | None = None) -> None:
        """Wait until the first list is in the cache."""
        ...

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float | None = None, *, cancel: Cancel) -> bool:
        """Wait until a condition on the cache holds; False if it did not in time, or was cancelled."""
        ...


def wait_for_sync(informer: Informer, deadline: Deadline, stop: Cancel, *, timeout_s: float) -> None:
    """Wait until an informer has synced, or ``stop`` is set.

    Args:
        informer: The informer.
        deadline: How long to wait.
        stop: Ends the wait.
        timeout_s: How long it was given in all, in seconds, for the error.

    Raises:
        CacheSyncTimeout: It did not in time.
        LifecycleError: It was not started, or has stopped.
    """
    over = Latch()
    take_back = [informer.add_sync_callback(over.set), stop.add_callback(over.set)]
    try:
        over.wait(max(0.0, deadline.remaining_s()), clock=deadline.clock)
    finally:
        for take in take_back:
            take()
    if stop.is_set:
        return
    try:
        informer.wait_for_sync(0.0)
    except CacheSyncTimeout as late:
        raise CacheSyncTimeout(late.waiting, timeout_s=timeout_s) from None


class AddKey(Protocol):
    """Has a key reconciled."""

    def __call__(self, key: ObjectKey, *, priority: int) -> None:
        """Add it to what waits."""
        ...


class Watched:
    """An informer, and which keys its changes concern."""

    def __init__(
        self, controller: str, informer: Informer, map_: MapFunction, predicate: Predicate | None, *, add: AddKey
    ) -> None:
        self.informer = informer
        self._controller = controller
        self._map = map_
        self._predicate = predicate
        self._add = add

    def tell(self, change: Notification) -> None:
        """Add the keys that a change concerns; what is live goes ahead of what was listed or is repeated."""
        failures: list[Exception] = []
        if not self._is_worth_it(change, failures):
            return
        priority = 0 if change.reason is Reason.LIVE else LOW_PRIORITY
        for obj in (change.old, change.new):
            try:
                keys = () if obj is None else checked_keys(self._map(obj), of=self._controller)
            except Exception as error:  # noqa: BLE001 - user code: the other state has keys of its own
                failures.append(error)
                continue
            for key in keys:
                self._add(key, priority=priority)
        if failures:
            raise failures[0]  # the informer counts and reports it, and not too often

    def _is_worth_it(self, change: Notification, failures: list[Exception]) -> bool:
        if self._predicate is None:
            return True
        try:
            return self._predicate(change)
        except Exception as error:  # noqa: BLE001 - user code: one reconcile too many does no harm, a change lost does
            if not getattr(error, "__notes__", None):  # one and the same may be raised each time
                error.add_note(f"{self._controller}: a predicate failed on {change.key}, which is taken to matter")
            failures.append(error)
            return True
