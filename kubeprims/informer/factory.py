"""Informers by what they watch, each made once and shared by all who ask for the same."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from kubeprims.cache.indexer import IndexFunc
from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.client.options import ALL_NAMESPACES, NamespaceOption
from kubeprims.clock import Clock, Rng, SystemClock
from kubeprims.errors import InvalidArgument, LifecycleError, StopTimeout
from kubeprims.informer.dispatch import HandlerErrorCallback
from kubeprims.informer.handlers import check_callbacks
from kubeprims.informer.learnt import ResourceMemory
from kubeprims.informer.lease import InformerLease
from kubeprims.informer.namespaces import ByNamespace, NamedNamespaces
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.reflector import ListerWatcher
from kubeprims.informer.scope import Scope
from kubeprims.informer.selected_namespaces import SelectedNamespaces
from kubeprims.informer.shared import STOP_TIMEOUT_S, SharedInformer
from kubeprims.informer.start_gate import StartGate
from kubeprims.informer.status import ErrorCallback
from kubeprims.informer.sync import wait_for_informers
from kubeprims.meta import GroupVersionResource
from kubeprims.selectors import LabelSelector
from kubeprims.sharding import Shard
from kubeprims.threads import Cancel, Deadline

START_CONCURRENCY = 10
"""How many first lists are under way at once, unless told otherwise."""


class _Wanted(NamedTuple):
    """What is to be watched, by which two informers are the same."""

    resource: str
    namespaces: tuple[str, ...] | None = None
    namespace_selector: str = ""
    label_selector: str = ""
    field_selector: str = ""
    shard: Shard | None = None
    metadata_only: bool = False
    is_internal: bool = False

    @property
    def scope(self) -> Scope:
        """What of it the namespaces do not say."""
        return Scope(
            resource=GroupVersionResource.parse(self.resource),
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            shard=self.shard,
            metadata_only=self.metadata_only,
        )

    @property
    def name(self) -> str:
        """What the informer is called in logs: all that tells it from its neighbours."""
        parts = [f"metadata of {self.resource}" if self.metadata_only else self.resource]
        if self.namespaces is not None:
            parts.append(f"in {', '.join(self.namespaces)}")
        if self.namespace_selector:
            parts.append(f"in namespaces with {self.namespace_selector}")
        selectors = ",".join(selector for selector in (self.label_selector, self.field_selector) if selector)
        if selectors:
            parts.append(f"({selectors})")
        if self.shard is not None:
            parts.append(f"[{self.shard}]")
        return " ".join(parts)


@dataclass(slots=True)
class _Entry:
    """An informer, and who needs it."""

    informer: SharedInformer
    options: InformerOptions
    is_pinned: bool = False
    is_started: bool = False
    leases: int = 0

    def start(self) -> None:
        if not self.is_started:
            with suppress(LifecycleError):  # started, or stopped, by hand
                self.informer.start()
            self.is_started = True


class SharedInformerFactory:
    """Makes informers of one client, starts them together and stops them together, or one by one.

    Two calls with the same resource, namespaces, selectors, shard and form get the same informer: one watch and one
    cache, however many parts of a program use it. An informer that has stopped, by hand or because it died, is not
    handed out again: who asks gets a new one.

    :meth:`informer` gives one that runs as long as the factory. :meth:`acquire` gives a lease on one that stops with
    its last lease, for what comes and goes while a program runs, such as custom resources.

    Concurrency:
        Every method may be called from any thread.

    Source:
        client-go informers/factory.go, ``SharedInformerFactory``.
        Differs: indexers of a second caller are added, where upstream drops them; what is watched is part of what makes
        informers the same; single informers can be stopped.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        client: Client,
        *,
        name: str = "",
        options: InformerOptions | None = None,
        on_error: ErrorCallback | None = None,
        on_handler_error: HandlerErrorCallback | None = None,
        start_concurrency: int = START_CONCURRENCY,
        start_jitter_s: float = 0.0,
        clock: Clock | None = None,
        rng: Rng | None = None,
    ) -> None:
        """Make an empty factory.

        Args:
            client: The API server's client; it is not closed with the factory.
            name: What the names of its informers begin with, to tell those of one cluster from another's.
            options: How every informer lists, watches, keeps and tells; None is the defaults.
            on_error: Called, on an informer's thread, with each failure and the seconds until the next try.
            on_handler_error: Called, on a handler's thread, with its registration, the key of the object that it was
                told of, and what it raised.
            start_concurrency: How many first lists may be under way at once. One that fails, or takes longer than 10 s,
                keeps the others waiting no longer.
            start_jitter_s: Each first list waits for a random part of so many seconds before it begins.
            clock: The clock to live by.
            rng: The chance to live by.

        Raises:
            ConfigError: The concurrency is not positive, or the jitter is negative or has no end.
            InvalidArgument: A callback is not callable.
        """
        check_callbacks(on_error=on_error, on_handler_error=on_handler_error)
        self._client = client
        self._name = name
        self._options = options or InformerOptions()
        self._on_error = on_error
        self._on_handler_error = on_handler_error
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not secrets
        self._gate = StartGate(start_concurrency, clock=self._clock, rng=self._rng, jitter_s=start_jitter_s)
        self._lock = threading.RLock()  # re-entrant, for an index function may ask for another informer
        self._entries: dict[_Wanted, _Entry] = {}
        self._memories: dict[str, ResourceMemory] = {}
        self._stopped = False

    def informer(  # noqa: PLR0913 - what to watch, all by keyword
        self,
        resource: str,
        *,
        namespace: str | None = None,
        namespaces: Iterable[str] | None = None,
        namespace_selector: str = "",
        label_selector: str = "",
        field_selector: str = "",
        shard: Shard | None = None,
        metadata_only: bool = False,
        indexers: Mapping[str, IndexFunc] | None = None,
        options: InformerOptions | None = None,
    ) -> SharedInformer:
        """Return the informer of a resource; :meth:`start` starts it, and it runs until the factory is stopped.

        Args:
            resource: ``v1/pods``, ``apps/v1/deployments``, or any name that discovery knows.
            namespace: Only this namespace; None is all of them.
            namespaces: Only these namespaces, as one view; they need not be there yet.
            namespace_selector: Only namespaces with such labels, as one view: one that comes to match brings its
                objects, and one that no longer does takes them away. It takes the right to watch namespaces.
            label_selector: Only objects with such labels, such as ``app=web,tier!=cache``.
            field_selector: Only objects with such fields, such as ``spec.nodeName=node-7``.
            shard: Only this part of the objects.
            metadata_only: Have the server send the objects' metadata and nothing else, as ``PartialObjectMetadata``.
            indexers: Index functions by name; what the informer has already is the same function, or an error.
            options: How this one lists, watches, keeps and tells; None is the factory's way.

        Raises:
            InvalidArgument: A selector or a namespace is malformed, more than one kind of namespaces is given, or the
                informer is there with other options, or has an index of that name with another function.
            UnknownResource: Discovery knows no such resource.
            TransportError: Discovery was needed, and the server did not answer.
            LifecycleError: The factory is stopped.
        """
        wanted = _Wanted(
            resource,
            _named(namespace, namespaces, namespace_selector),
            namespace_selector,
            label_selector,
            field_selector,
            shard,
            metadata_only=metadata_only,
        )
        wanted, options = self._resolved(wanted, options)
        with self._lock:
            entry = self._entry(wanted, options, indexers)
            entry.is_pinned = True
            return entry.informer

    def acquire(  # noqa: PLR0913 - what to watch, all by keyword
        self,
        resource: str,
        *,
        namespace: str | None = None,
        namespaces: Iterable[str] | None = None,
        namespace_selector: str = "",
        label_selector: str = "",
        field_selector: str = "",
        shard: Shard | None = None,
        metadata_only: bool = False,
        indexers: Mapping[str, IndexFunc] | None = None,
        options: InformerOptions | None = None,
    ) -> InformerLease:
        """Return a lease on a running informer; start it if it does not run yet.

        It stops when its last lease is released, unless :meth:`informer` has given it away for good. The arguments, and
        what is raised, are those of :meth:`informer`.
        """
        wanted = _Wanted(
            resource,
            _named(namespace, namespaces, namespace_selector),
            namespace_selector,
            label_selector,
            field_selector,
            shard,
            metadata_only=metadata_only,
        )
        wanted, options = self._resolved(wanted, options)
        with self._lock:
            entry = self._entry(wanted, options, indexers)
            lease = self._lease(wanted, entry)
            try:
                entry.start()
            except BaseException:
                lease.release()
                raise
            return lease

    def _resolved(self, wanted: _Wanted, options: InformerOptions | None) -> tuple[_Wanted, InformerOptions]:
        """Check what is wanted, and return it by the resource's full name, and the options that it is made with."""
        options = options or self._options
        if wanted.shard is not None:
            options = replace(options, shard=wanted.shard)
        handle = self._client.resource(wanted.resource, ALL_NAMESPACES)
        wanted = wanted._replace(resource=str(handle.gvr), shard=options.shard)
        LabelSelector.parse(wanted.namespace_selector)
        for namespace in (*(wanted.namespaces or ()), *(("any",) if wanted.namespace_selector else ())):
            self._client.resource(wanted.resource, namespace)
        self._list_watch(wanted, ALL_NAMESPACES)
        return wanted, options

    def _entry(
        self, wanted: _Wanted, options: InformerOptions, indexers: Mapping[str, IndexFunc] | None = None
    ) -> _Entry:
        """Return the entry of an informer that has not stopped; called under the lock."""
        if self._stopped:
            raise LifecycleError("the factory has stopped; it makes no informer any more")
        entry = self._entries.get(wanted)
        if entry is not None and not entry.informer.is_stopped:
            if entry.options != options:
                raise InvalidArgument(_other_options(wanted, entry.options, options))
            entry.informer.indexer.add_indexers(indexers or {}, may_be_there=True)
            return entry
        informer = SharedInformer(
            self._lister_watcher(wanted),
            name=f"{self._name}: {wanted.name}" if self._name else wanted.name,
            scope=wanted.scope,
            indexers=indexers,
            options=options,
            on_error=self._on_error,
            on_handler_error=self._on_handler_error,
            memory=self._memories.setdefault(wanted.resource, ResourceMemory()),
            gate=self._gate,
            clock=self._clock,
            rng=self._rng,
        )
        entry = self._entries[wanted] = _Entry(informer, options)
        return entry

    def _lister_watcher(self, wanted: _Wanted) -> ListerWatcher | ByNamespace:
        of_namespace = partial(self._list_watch, wanted)
        if wanted.namespace_selector:
            # Metadata alone, and none of what is done to the objects themselves.
            selected = _Wanted(
                "v1/namespaces", label_selector=wanted.namespace_selector, metadata_only=True, is_internal=True
            )
            return ByNamespace(of_namespace, SelectedNamespaces(partial(self._acquire_internal, selected)))
        match wanted.namespaces:
            case None:
                return of_namespace(ALL_NAMESPACES)
            case (namespace,):
                return of_namespace(namespace)
            case namespaces:
                return ByNamespace(of_namespace, NamedNamespaces(namespaces))

    def _acquire_internal(self, wanted: _Wanted) -> InformerLease:
        with self._lock:
            return self._lease(wanted, self._entry(wanted, InformerOptions(reflector=self._options.reflector)))

    def _list_watch(self, wanted: _Wanted, namespace: NamespaceOption) -> ListWatch:
        return ListWatch(
            self._client.resource(wanted.resource, namespace),
            label_selector=wanted.label_selector,
            field_selector=wanted.field_selector,
            shard=wanted.shard,
            metadata_only=wanted.metadata_only,
        )

    def _lease(self, wanted: _Wanted, entry: _Entry) -> InformerLease:
        entry.leases += 1
        return InformerLease(entry.informer, partial(self._give_back, wanted, entry))

    def _give_back(self, wanted: _Wanted, entry: _Entry) -> bool:
        """Take a lease back, and return whether nobody needs the informer any more."""
        with self._lock:
            entry.leases -= 1
            is_needed = entry.is_pinned or entry.leases > 0
            if not is_needed:
                if self._entries.get(wanted) is entry:
                    del self._entries[wanted]
                _try_stop(entry.informer, 0.0)  # before another of its name may be made
            return not is_needed

    def start(self) -> None:
        """Start every informer that was asked for since the last call, but those started by hand; return at once.

        Raises:
            LifecycleError: The factory is stopped.
        """
        with self._lock:
            if self._stopped:
                raise LifecycleError("the factory has stopped; it starts no informer any more")
            for entry in self._pinned():
                entry.start()

    def _pinned(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.is_pinned]

    def wait_for_cache_sync(self, timeout_s: float | None = None, *, cancel: Cancel | None = None) -> None:
        """Wait until every started informer has its first list in the cache.

        That is, of those that :meth:`informer` gave; who has a lease waits for its informer alone.

        Args:
            timeout_s: How long to wait, in seconds; None is for ever.
            cancel: Ends the wait at once when set.

        Raises:
            CacheSyncTimeout: Some do not in time; the error names each, with its last failure.
            Cancelled: The wait was cancelled; names them as well.
            LifecycleError: One was stopped meanwhile, or the factory was before.
        """
        with self._lock:
            if self._stopped:
                raise LifecycleError("the factory has stopped: its caches are kept by nobody any more")
            informers = [entry.informer for entry in self._pinned() if entry.is_started]
        wait_for_informers(informers, clock=self._clock, timeout_s=timeout_s, cancel=cancel)

    @property
    def has_synced(self) -> bool:
        """Whether every started informer that :meth:`informer` gave has its first list, and has not stopped."""
        with self._lock:
            informers = [entry.informer for entry in self._pinned() if entry.is_started]
        return all(informer.has_synced and not informer.is_stopped for informer in informers)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop every informer and wait for their threads; later calls do nothing.

        Raises:
            StopTimeout: A handler's call did not return in time; the error names all such.
            BaseException: What a thread of an informer died of.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        with self._lock:
            self._stopped = True
            informers = tuple(entry.informer for entry in self._entries.values())
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


def _named(namespace: str | None, namespaces: Iterable[str] | None, selector: str) -> tuple[str, ...] | None:
    """Return the namespaces that are named, in order; None if none is."""
    if (namespace is not None) + (namespaces is not None) + bool(selector) > 1:
        raise InvalidArgument("give namespace, namespaces or namespace_selector: one of the three at most")
    if isinstance(namespaces, str):
        raise InvalidArgument(f"namespaces is a list of names, not {namespaces!r}")
    if namespace is not None:
        return (namespace,)
    if namespaces is None:
        return None
    named = tuple(sorted(set(namespaces)))
    NamedNamespaces(named)  # checks them
    return named


def _other_options(wanted: _Wanted, there: InformerOptions, asked: InformerOptions) -> str:
    differing = [field.name for field in fields(there) if getattr(there, field.name) != getattr(asked, field.name)]
    return (
        f"the informer of {wanted.name} is there with other options ({', '.join(differing)}): "
        "ask for it with the same, or make a factory for this one"
    )
