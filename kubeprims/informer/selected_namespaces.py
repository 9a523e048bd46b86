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

    The informer is asked for when somebody follows, so that who never does holds nothing.

    Threads: one of the informer's, which tells of changes, beside those that the informer has anyway.

    Concurrency:
        One thread, that of whoever follows, calls :meth:`follow` and :meth:`close`.
    """

    def __init__(self, acquire: Callable[[], InformerLease]) -> None:
        """Follow the namespaces of an informer.

        Args:
            acquire: Gives a lease on it, which is released in the end.
        """
        self._acquire = acquire
        self._lease: InformerLease | None = None
        self._registration: HandlerRegistration | None = None
        self._take_back: Callable[[], None] = lambda: None

    @property
    def status(self) -> ReflectorStatus | None:
        """How the informer of the namespaces fares; None before somebody follows."""
        return None if self._lease is None else self._lease.informer.status

    def follow(self, changed: Callable[[], None], /) -> None:
        """Start the informer, unless another does, and have ``changed`` called whenever a namespace comes or goes."""
        with suppress(LifecycleError):  # everything is being stopped, and so will be who follows
            self._lease = self._acquire()
            informer = self._lease.informer
            with suppress(LifecycleError):  # it runs already
                informer.start()
            self._take_back = informer.add_sync_callback(changed)
            self._registration = informer.add_event_handler(on_event=lambda _: changed())

    def names(self) -> Iterable[str] | None:
        """Return the namespaces that there are; None before the first list."""
        informer = None if self._lease is None else self._lease.informer
        return list(informer.indexer.keys()) if informer is not None and informer.has_synced else None

    def close(self) -> None:
        """Let go of the informer."""
        self._take_back()
        if self._lease is not None:
            if self._registration is not None:
                self._lease.informer.remove_event_handler(self._registration)
            self._lease.release()
