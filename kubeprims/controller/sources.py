"""What a controller reads and is told by: informers, as far as it needs them, and other sources of keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from kubeprims.cache.indexer import Indexer
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Deliver
from kubeprims.meta import GroupVersionResource
from kubeprims.threads import Cancel


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
    def resource(self) -> GroupVersionResource | None:
        """The resource that it follows; None if it was not told."""
        ...

    def covers(self, namespace: str, labels: Mapping[str, str], uid: str) -> bool:
        """Return whether an object with these is one that the cache must show, sooner or later."""
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
