"""Informers by resource, each made once and shared by all who ask for the same."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from kubeprims.cache.indexer import IndexFunc
from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.client.options import ALL_NAMESPACES
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import CacheSyncTimeout, LifecycleError, StopTimeout
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.reflector import ErrorCallback
from kubeprims.informer.shared import STOP_TIMEOUT_S, SharedInformer
from kubeprims.threads import Deadline


class _Identity(NamedTuple):
    """What makes two informers the same."""

    resource: str
    namespace: str | None
    label_selector: str
    field_selector: str


class SharedInformerFactory:
    """Makes informers of one client, starts them together and stops them together.

    Two calls of :meth:`informer` with the same resource, namespace and selectors get the same informer: one watch and
    one cache, however many parts of a program use it.

    Concurrency:
        Every method may be called from any thread.

    Source:
        client-go informers/factory.go, ``SharedInformerFactory``.
        Differs: indexers of a second caller are added, where upstream drops them.
    """

    def __init__(
        self,
        client: Client,
        *,
        options: InformerOptions | None = None,
        on_error: ErrorCallback | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make an empty factory.

        Args:
            client: The API server's client; it is not closed with the factory.
            options: How every informer lists, watches, keeps and tells; None is the defaults.
            on_error: Called, on an informer's thread, with each failure and the seconds until the next try.
            clock: The clock to live by.
        """
        self._client = client
        self._options = options or InformerOptions()
        self._on_error = on_error
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()  # re-entrant, for an index function may ask for another informer
        self._informers: dict[_Identity, SharedInformer] = {}
        self._started: set[_Identity] = set()
        self._stopped = False

    def informer(
        self,
        resource: str,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, IndexFunc] | None = None,
    ) -> SharedInformer:
        """Return the informer of a resource; :meth:`start` starts it.

        Args:
            resource: ``v1/pods``, ``apps/v1/deployments``, or any name that discovery knows.
            namespace: Only this namespace; None is all of them.
            label_selector: Only objects with such labels, such as ``app=web,tier!=cache``.
            field_selector: Only objects with such fields, such as ``spec.nodeName=node-7``.
            indexers: Index functions by name; those that the informer has already are left as they are.

        Raises:
            InvalidArgument: A selector or the namespace is malformed.
            UnknownResource: Discovery knows no such resource.
            TransportError: Discovery was needed, and the server did not answer.
            LifecycleError: The factory is stopped.
        """
        handle = self._client.resource(resource, namespace=ALL_NAMESPACES if namespace is None else namespace)
        identity = _Identity(str(handle.gvr), namespace, label_selector, field_selector)
        with self._lock:
            if self._stopped:
                raise LifecycleError("the factory has stopped; it makes no informer any more")
            informer = self._informers.get(identity)
            if informer is not None:
                known = informer.indexer.index_names
                informer.indexer.add_indexers({k: v for k, v in (indexers or {}).items() if k not in known})
                return informer
            informer = SharedInformer(
                ListWatch(handle, label_selector=label_selector, field_selector=field_selector),
                name=_name(identity),
                indexers=indexers,
                options=self._options,
                on_error=self._on_error,
                clock=self._clock,
            )
            self._informers[identity] = informer
            return informer

    def start(self) -> None:
        """Start every informer that was made since the last call, but those started by hand; return at once.

        Raises:
            LifecycleError: The factory is stopped.
        """
        with self._lock:
            if self._stopped:
                raise LifecycleError("the factory has stopped; it starts no informer any more")
            fresh = [identity for identity in self._informers if identity not in self._started]
            for identity in fresh:
                with suppress(LifecycleError):  # started, or stopped, by hand
                    self._informers[identity].start()
                self._started.add(identity)

    def wait_for_cache_sync(self, timeout_s: float | None = None) -> None:
        """Wait until every started informer has its first list in the cache.

        Raises:
            CacheSyncTimeout: Some do not in time; the error names each, with its last failure.
            LifecycleError: One was stopped meanwhile.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        with self._lock:
            informers = [self._informers[identity] for identity in self._started]
        waiting: list[tuple[str, str]] = []
        for informer in informers:
            try:
                informer.wait_for_sync(None if timeout_s is None else max(0.0, deadline.remaining_s()))
            except CacheSyncTimeout as error:
                waiting.extend(error.waiting)
        if waiting:
            raise CacheSyncTimeout(sorted(waiting), timeout_s=timeout_s or 0.0)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop every informer and wait for their threads; later calls do nothing.

        Raises:
            StopTimeout: A handler's call did not return in time; the error names all such.
            BaseException: What a thread of an informer died of.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        with self._lock:
            self._stopped = True
            informers = tuple(self._informers.values())
        for informer in informers:  # tell all of them first: waiting for one must not keep the others running
            _try_stop(informer, 0.0)
        errors = [_try_stop(informer, max(0.0, deadline.remaining_s())) for informer in informers]
        running = [name for error in errors if isinstance(error, StopTimeout) for name in error.running]
        deaths = [error for error in errors if error is not None and not isinstance(error, StopTimeout)]
        if running:
            raise StopTimeout(running, timeout_s=timeout_s) from next(iter(deaths), None)
        if deaths:
            raise deaths[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _try_stop(informer: SharedInformer, timeout_s: float) -> BaseException | None:
    """Stop an informer; return what that raised."""
    try:
        informer.stop(timeout_s)
    except BaseException as error:  # noqa: BLE001 - raised once every informer is stopped
        return error
    return None


def _name(identity: _Identity) -> str:
    """Return what an informer is called in logs: all that tells it from its neighbours."""
    parts = [identity.resource]
    if identity.namespace is not None:
        parts.append(f"in {identity.namespace}")
    selectors = ",".join(selector for selector in (identity.label_selector, identity.field_selector) if selector)
    if selectors:
        parts.append(f"({selectors})")
    return " ".join(parts)
