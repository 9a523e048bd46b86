"""One informer: a reflector, the pipeline that it feeds, and handlers, each on a thread of its own."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from kubeprims.cache.indexer import Indexer, IndexFunc
from kubeprims.cache.lister import Lister
from kubeprims.clock import Clock, Rng, SystemClock
from kubeprims.errors import (
    CacheSyncTimeout,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    StopTimeout,
    WaitTimeout,
)
from kubeprims.errors.foreign import text_of
from kubeprims.informer.buffer import BUFFER_LIMIT, BufferPolicy
from kubeprims.informer.coverage import Coverage
from kubeprims.informer.dispatch import HandlerErrorCallback, HandlerRegistration
from kubeprims.informer.events import InformerEvents
from kubeprims.informer.feed import Feed, FeedParts, ReflectorFeed
from kubeprims.informer.filtering import Predicate, filtered
from kubeprims.informer.handlers import (
    Deliver,
    OnAdd,
    OnDelete,
    OnUpdate,
    ResourceEventHandler,
    check_callbacks,
    from_any,
)
from kubeprims.informer.learnt import ResourceMemory
from kubeprims.informer.metrics import InformerMetrics
from kubeprims.informer.namespaces import ByNamespace, NamespacesFeed
from kubeprims.informer.options import QUEUES, InformerOptions
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.progress import Progress
from kubeprims.informer.reflector import ListerWatcher
from kubeprims.informer.registry import HandlerRegistry
from kubeprims.informer.scope import Scope
from kubeprims.informer.start_gate import StartGate
from kubeprims.informer.status import ErrorCallback, ReflectorState, ReflectorStatus
from kubeprims.meta import compare_resource_versions
from kubeprims.threads import Cancel, Deadline, Latch, ThreadGroup

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10.0


class SharedInformer:
    """A local copy of a resource that is kept equal to the server's, and handlers that are told of each change.

    The copy is eventually equal to the server's state, never ahead of it, and each object in it was the server's at
    some moment; there is no snapshot across objects. Each handler is called for every object once with an add, then
    with updates in the order in which they happened, then with a delete; a state that was replaced while the watch
    was broken may be skipped. A handler that raises is logged and counted, and goes on with the next object.

    Attributes:
        name: For logs and errors.
        indexer: The copy. Everything read from it is the reader's own.
        coverage: What the copy has to show, and how far it has come.

    Concurrency:
        Every method may be called from any thread, handlers included.

    Source:
        client-go tools/cache/shared_informer.go, ``SharedIndexInformer``.
        Same: the guarantees above; late handlers are told of what is there, flagged as initial.
        Differs: one thread reads and stores; a handler's buffer is bounded; its sync survives its exceptions.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        lister_watcher: ListerWatcher | ByNamespace,
        *,
        name: str,
        scope: Scope | None = None,
        indexers: Mapping[str, IndexFunc] | None = None,
        options: InformerOptions | None = None,
        on_error: ErrorCallback | None = None,
        memory: ResourceMemory | None = None,
        gate: StartGate | None = None,
        on_handler_error: HandlerErrorCallback | None = None,
        clock: Clock | None = None,
        rng: Rng | None = None,
    ) -> None:
        """Make an informer; :meth:`start` starts it.

        Args:
            lister_watcher: Lists and watches; ``kubeprims.client.ListWatch`` for a real server. Or what does so
                namespace by namespace, if the cache is to hold several and not all of them.
            name: For logs and errors.
            scope: What ``lister_watcher`` lists and watches, for those who must know whether the cache has to show an
                object; None leaves that open.
            indexers: Index functions by name; more can be added at any time.
            options: How to list, watch, keep and tell; None is the defaults.
            on_error: Called on the informer's thread with each failure and the seconds until the next try.
            memory: What is known of how the server serves the resource; shared by the informers of one.
            gate: Where the first list waits for its turn; None if it need not.
            on_handler_error: Called, on a handler's thread, with its registration, the key of the object that it was
                told of, and what it raised.
            clock: The clock to live by.
            rng: The chance to live by.

        Raises:
            InvalidArgument: An index function or a callback is not callable.
        """
        check_callbacks(on_error=on_error, on_handler_error=on_handler_error)
        self.name = name
        self.indexer = Indexer(indexers or {})
        self._options = options or InformerOptions()
        self._clock = clock or SystemClock()
        self._synced_or_stopped = Latch()
        self._progress = Progress(self._clock)
        self._pipeline = self._make_pipeline()
        self.coverage = Coverage(scope, self._pipeline)
        self._threads = ThreadGroup(f"informer {name}", on_error=self._thread_died)
        self._cancel = Cancel()
        self._handlers = HandlerRegistry(
            self._pipeline,
            self._threads,
            self._cancel,
            informer=name,
            clock=self._clock,
            resync_period_s=self._options.resync_period_s,
            on_error=on_handler_error,
        )
        parts = FeedParts(
            pipeline=self._pipeline,
            name=name,
            options=self._options.reflector,
            clock=self._clock,
            rng=rng or random.Random(),  # noqa: S311 - jitter, not secrets
            on_error=on_error,
            memory=memory or ResourceMemory(),
            gate=gate,
            spawn=self._spawn,
        )
        self._feed = _make_feed(lister_watcher, parts)
        self._death: KubeprimsError | None = None
        self._started = False

    def _make_pipeline(self) -> Pipeline:
        intake = self._options.make_intake()
        return Pipeline(
            self.indexer,
            make_queue=QUEUES[self._options.queue],
            intake=None if intake.is_passive else intake,
            on_synced=self._synced_or_stopped.set,
            on_progress=self._progress.note,
            clock=self._clock,
            counts_events=self._options.metrics is not None,
        )

    def __repr__(self) -> str:
        return f"<SharedInformer {self.name}: {self.state}>"

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the threads and return at once.

        Raises:
            LifecycleError: It was started or stopped before.
            ConfigError: There are figures of another informer of this name.
            RuntimeError: The system gives no thread; the informer is then stopped.
        """
        with self._pipeline.lock:
            if self._started or self._cancel.is_set:
                raise LifecycleError(f"informer {self.name} was started or stopped before; it starts once")
            if self._options.metrics is not None:
                figures = InformerMetrics(self, self._pipeline)
                self._cancel.add_callback(self._options.metrics.add_source(self.name, figures.collect))
            self._started = True
            try:
                self._handlers.start()
                self._threads.spawn(lambda: self._feed.run(self._cancel), name="reflector")
            except BaseException:
                self._signal_stop()
                raise

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End the watch and every thread; the cache stays readable. Later calls do nothing.

        What a handler has not had yet is dropped; the call that it is in is waited for.

        Raises:
            StopTimeout: A handler's call did not return in time; the error names it.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        self._signal_stop()
        running = self._threads.join(deadline)
        if running:
            raise StopTimeout(running, timeout_s=timeout_s)

    def _signal_stop(self) -> None:
        """Tell every thread to end; takes no lock that user code could hold, so that it never blocks."""
        # The order matters: who adds a handler looks at the cancel afterwards.
        self._cancel.set()
        self._synced_or_stopped.set()
        self._handlers.close()

    def run(self, stop: threading.Event | Cancel) -> None:
        """Start, wait until ``stop`` is set, then stop.

        Args:
            stop: Ends the informer. It is set, too, if the informer is stopped otherwise or dies, so that whatever
                else it ends does not go on with a cache that nobody keeps.

        Raises:
            LifecycleError: It was started or stopped before.
            StopTimeout: A handler's call did not return in time.
            BaseException: What one of its threads died of.
        """
        self.start()
        take_back = self._cancel.add_callback(stop.set)
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

    # -- how it fares -------------------------------------------------------------------------------------------

    @property
    def has_synced(self) -> bool:
        """Whether the first list is in the cache. Handlers may not have had all of it: see their registrations."""
        return self._pipeline.has_synced

    @property
    def is_stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._cancel.is_set

    @property
    def status(self) -> ReflectorStatus:
        """Counters and the last failure: live; of several namespaces, what they come to at the moment."""
        return self._feed.status

    @property
    def state(self) -> ReflectorState:
        """What the informer is doing."""
        return self._feed.status.state

    @property
    def last_error(self) -> KubeprimsError | None:
        """The last failure; None once all is well again."""
        return self._death or self._feed.status.last_error

    @property
    def last_sync_resource_version(self) -> str:
        """The version of the cache; empty before the first list. Of several namespaces, the oldest."""
        return self._pipeline.resource_version

    @property
    def staleness_s(self) -> float:
        """How many seconds ago the server was last heard of; infinite before the first list.

        Whatever happened before that is in the cache. An open watch without events counts too: it goes on growing until
        a bookmark comes, which on a real server is about a minute.
        """
        last_contact_s = self._feed.status.last_contact_s
        if last_contact_s is None or not self.has_synced:
            return math.inf
        return max(0.0, self._clock.monotonic() - last_contact_s)

    def wait_for_sync(self, timeout_s: float | None = None) -> None:
        """Wait until :attr:`has_synced`.

        Raises:
            CacheSyncTimeout: It did not in time; the error has the informer's last failure.
            LifecycleError: The informer was not started, or was stopped meanwhile.
        """
        if not self._started:
            raise LifecycleError(f"informer {self.name} is not started: it would never sync")
        if not self._synced_or_stopped.wait(timeout_s, clock=self._clock):
            raise CacheSyncTimeout([(self.name, str(self.last_error or ""))], timeout_s=timeout_s or 0.0)
        if not self.has_synced:
            last_error = f": {self.last_error}" if self.last_error else ""
            raise LifecycleError(f"informer {self.name} was stopped before it had synced{last_error}")

    def add_sync_callback(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called once the informer has synced or is stopped; return what takes that back.

        It runs on the informer's thread, or at once if that is so already; it must neither block nor raise.
        """
        return self._synced_or_stopped.add_callback(callback)

    def add_stop_callback(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called once the informer is stopped or has died; return what takes that back.

        It runs on the thread that this happens on, or at once if it has; it must neither block nor raise.
        """
        return self._cancel.add_callback(callback)

    def wait_until(
        self, is_so: Callable[[], bool], timeout_s: float | None = None, *, cancel: Cancel | None = None
    ) -> bool:
        """Wait until a condition on the cache holds; it is asked again after each change of the cache.

        Args:
            is_so: The condition; asked on this thread, and must not block.
            timeout_s: How long to wait, in seconds; None is for as long as the informer runs.
            cancel: Ends the wait at once when set.

        Returns:
            Whether it holds: False if it did not in time, the informer has stopped, or the wait was cancelled.

        Concurrency:
            Not for index functions and transforms: the changes come on the thread that they run on.
        """
        ends = [self._cancel] if cancel is None else [self._cancel, cancel]
        take_back = [end.add_callback(self._progress.note) for end in ends]
        try:
            self._progress.wait_until(lambda: is_so() or any(end.is_set for end in ends), timeout_s)
        finally:
            for take in take_back:
                take()
        return is_so()

    def wait_for_resource_version(
        self, resource_version: str, timeout_s: float | None = None, *, namespace: str | None = None
    ) -> None:
        """Wait until the cache is at least as new as a version, such as that of a write of one's own.

        The version may come with an event or a bookmark. So the write of an object that this informer does not cover
        is waited for until the next bookmark, about a minute.

        Args:
            resource_version: The ``metadata.resourceVersion`` that the write was answered with.
            timeout_s: How long to wait, in seconds; None is for as long as the informer runs.
            namespace: Wait for what is in this namespace alone. An informer of several namespaces has a version for
                each, and the quiet ones are behind.

        Raises:
            InvalidArgument: The version is none that can be compared, or the informer is not about the namespace.
            WaitTimeout: It did not come in time; the informer's last failure is the cause.
            LifecycleError: The informer is not started, or was stopped meanwhile.

        Concurrency:
            Not for index functions and transforms: the version comes on the thread that they run on. A handler that
            blocks the informer lets it go on while it waits here, so that more than its limit may come to be pending.
        """
        if compare_resource_versions(resource_version, resource_version) is None:
            raise InvalidArgument(f"{resource_version!r} is no version that can be waited for")
        if not self._started:
            raise LifecycleError(f"informer {self.name} is not started: no version would ever come")
        if namespace is not None and self.has_synced and not self._pipeline.follows(namespace):
            raise InvalidArgument(f"informer {self.name} has nothing of the namespace {namespace!r}")
        with self._pipeline.unblocked():
            if self.wait_until(lambda: self._pipeline.has_reached(resource_version, namespace), timeout_s):
                return
        if self._cancel.is_set:
            raise LifecycleError(f"informer {self.name} was stopped before it had version {resource_version}")
        seen = f"version {self.last_sync_resource_version or '(none)'}"
        raise WaitTimeout(
            f"informer {self.name}",
            condition=f"at version {resource_version}",
            timeout_s=timeout_s or 0.0,
            last=None,
            seen=seen,
        ) from self.last_error

    @property
    def blocked_by(self) -> tuple[str, ...]:
        """The names of the handlers with the policy ``block`` for which the informer waits."""
        return self._pipeline.blocked_by

    # -- reading ------------------------------------------------------------------------------------------------

    def lister(self, namespace: str | None = None) -> Lister:
        """Return a reader of the cache; of one namespace if one is given."""
        return Lister(self.indexer, namespace=namespace)

    # -- handlers -----------------------------------------------------------------------------------------------

    def add_event_handler(  # noqa: PLR0913 - the forms of a handler and its settings, all by keyword but the first
        self,
        handler: ResourceEventHandler | None = None,
        *,
        on_add: OnAdd | None = None,
        on_update: OnUpdate | None = None,
        on_delete: OnDelete | None = None,
        on_event: Deliver | None = None,
        filter: Predicate | None = None,  # noqa: A002 - the field's name
        policy: BufferPolicy | str = BufferPolicy.COALESCE,
        buffer_limit: int = BUFFER_LIMIT,
        resync_period_s: float | None = None,
        name: str = "",
    ) -> HandlerRegistration:
        """Have a handler told of every object in the cache, then of every change.

        Give an object with the three methods, or plain functions, or ``on_event``, which gets the
        :class:`Notification` itself. :func:`typed_handler` makes a handler that gets models such as ``V1Pod``.

        Args:
            handler: An object with ``on_add(obj, *, is_in_initial_list)``, ``on_update(old, new)`` and
                ``on_delete(obj)``.
            on_add: Called with an object that is new in the cache.
            on_update: Called with an object before and after a change.
            on_delete: Called with an object that is gone; a ``DeletedFinalStateUnknown`` if its end was not seen.
            on_event: Called with every notification.
            filter: Says by its truth whether the handler is to know of an object: called with each new state on the
                handler's thread. An object that comes to pass is added, one that no longer does is deleted.
            policy: What happens when the handler is too slow: ``coalesce`` merges what is pending by key, ``block``
                has the informer wait for it, ``raise`` removes it with a ``HandlerOverflow``.
            buffer_limit: How many changes may be pending before that does; the first list and resyncs do not count.
            resync_period_s: How often the cache is replayed to this handler, in seconds; None is the informer's
                default, 0 never.
            name: For logs and errors.

        Raises:
            InvalidArgument: None or several of the forms are given, one is not callable, the policy is unknown, or the
                limit or period is out of range.
            LifecycleError: The informer is stopped.
        """
        tell = from_any(handler, (on_add, on_update, on_delete), on_event)
        if filter is not None:
            tell = filtered(tell, filter)
        return self._handlers.add(
            tell, name=name, resync_period_s=resync_period_s, policy=policy, buffer_limit=buffer_limit
        )

    def events(self, *, name: str = "") -> InformerEvents:
        """Return every object in the cache, then every change, to be iterated over by a loop of one's own.

        Close it, as a context manager or otherwise, when the loop is over.

        Raises:
            LifecycleError: The informer is stopped.
        """
        return InformerEvents(
            lambda tell: self._handlers.add(tell, name=name, resync_period_s=0.0, has_thread=False),
            self._handlers.remove,
        )

    def remove_event_handler(self, registration: HandlerRegistration) -> None:
        """Have a handler told no more; what it has not had yet is dropped. Never blocks, and may be repeated.

        A call that is running goes on: ``registration.wait_until_ended()`` waits for it.
        """
        self._handlers.remove(registration)

    def _spawn(self, target: Callable[[], None], name: str) -> None:
        self._threads.spawn(target, name=name)

    def _thread_died(self, error: BaseException) -> None:
        """A thread ended by an error, which nobody foresaw: stop, so that nobody trusts a dead cache."""
        logger.critical("informer %s died", self.name, exc_info=error)
        failure = error if isinstance(error, KubeprimsError) else KubeprimsError(text_of(error))
        self._death = failure
        self._signal_stop()


def _make_feed(lister_watcher: ListerWatcher | ByNamespace, parts: FeedParts) -> Feed:
    if isinstance(lister_watcher, ByNamespace):
        return NamespacesFeed(lister_watcher, parts)
    return ReflectorFeed(lister_watcher, parts)
