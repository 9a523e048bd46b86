"""The namespaces that a label selector selects, as an informer of namespaces knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from kubeprims.errors import LifecycleError
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.lease import InformerLease
from kubeprims.informer.status import ReflectorStatus


class SelectedNamespaces:
    """Follows an informer of namespaces: a ``Namespaces``.

    Threads: one of the informer's, which tells of changes, beside those that the informer has anyway.

    Concurrency:
        One thread, that of whoever follows, calls :meth:`follow` and :meth:`close`.
    """

    def __init__(self, lease: InformerLease) -> None:
        """Follow the namespaces of an informer; the lease is released in the end."""
        self._lease = lease
        self._informer = lease.informer
        self._registration: HandlerRegistration | None = None
        self._take_back: Callable[[], None] = lambda: None

    @property
    def status(self) -> ReflectorStatus | None:
        """How the informer of the namespaces fares."""
        return self._informer.status

    def follow(self, changed: Callable[[], None], /) -> None:
        """Start the informer, unless another does, and have ``changed`` called whenever a namespace comes or goes."""
        with suppress(LifecycleError):  # it runs already
            self._informer.start()
        with suppress(LifecycleError):  # everything is being stopped, and so will be who follows
            self._registration = self._informer.add_event_handler(on_event=lambda _: changed())
        self._take_back = self._informer.add_sync_callback(changed)

    def names(self) -> Iterable[str] | None:
        """Return the namespaces that there are; None before the first list."""
        return list(self._informer.indexer.keys()) if self._informer.has_synced else None

    def close(self) -> None:
        """Let go of the informer."""
        self._take_back()
        if self._registration is not None:
            self._informer.remove_event_handler(self._registration)
        self._lease.release()
