"""A controller: keys come in from informers, and workers reconcile them, one worker a key at a time."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Self

from kubeprims.client.client import Client
from kubeprims.clock import Clock, SystemClock
from kubeprims.controller.context import ReconcileContext
from kubeprims.controller.external import Keys, check_source, keys_of
from kubeprims.controller.gate import AlwaysLeader, LeaderTerm
from kubeprims.controller.health import Check
from kubeprims.controller.lifecycle import before_the_end
from kubeprims.controller.mapping import MapFunction, checked_key, own_key, owner_keys
from kubeprims.controller.metrics import ControllerMetrics, ReconcileCounts
from kubeprims.controller.predicates import Predicate
from kubeprims.controller.result import NextStep, Outcome, Result, outcome_of_error, outcome_of_result
from kubeprims.controller.settling import Settling
from kubeprims.controller.sources import Informer, Watched, wait_for_sync
from kubeprims.controller.watchdog import Watchdog
from kubeprims.errors import (
    CacheSyncTimeout,
    ConfigError,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    MemberDied,
    OwnWriteUnseen,
    StopTimeout,
)
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.meta import GroupVersionKind, ObjectKey
from kubeprims.metrics import Metrics
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.workqueue.order import PriorityOrder
from kubeprims.workqueue.queue import RateLimitingQueue
from kubeprims.workqueue.rate_limiters import RateLimiter

logger = logging.getLogger(__name__)

_NO_FUNCTIONS = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
SYNC_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0

Reconcile = Callable[[ObjectKey, ReconcileContext], Result | None]
"""Brings what there is of a key to what is asked for; called again whenever that may be needed."""


class Controller:
    """Reconciles keys: each when something of it changes, by one worker at a time, again until it succeeds.

    A reconcile gets a key, not a change: it looks at what there is now. Changes that come while it runs lead to one
    more run. One that raises is logged and tried again, later each time. Nothing is reconciled before every cache is in
    sync, nor on a cache that is older than what this controller has written itself.

    Attributes:
        name: For logs, errors and metrics.
        needs_leader: Whether only the leader may run it.
        election: Which election decides who that is.
        health: Says why it is not well; None if it is.
        readiness: Says why it is not ready; None if it is never asked.
        counts: How its reconciles have ended.

    Concurrency:
        Every method may be called from any thread; :meth:`watches` and its like before :meth:`start`.

    Source:
        controller-runtime pkg/internal/controller/controller.go.
        Same: what follows from a result, one worker a key, the order of starting.
        Differs: a reconcile waits for its own writes; conflicts are tried again quietly; a relist never starves.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        name: str,
        reconcile: Reconcile,
        *,
        client: Client,
        workers: int = 1,
        needs_leader: bool = True,
        reconcile_timeout_s: float | None = None,
        health: Check | None = None,
        readiness: Check | None = None,
        election: str = "",
        sync_timeout_s: float = SYNC_TIMEOUT_S,
        rate_limiter: RateLimiter | None = None,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make a controller that is told by nobody yet.

        Args:
            name: For logs, errors and metrics; not empty.
            reconcile: Called with a key and a context; returns a ``Result`` or None. No coroutine.
            client: The server; reconciles get one that remembers what they wrote.
            workers: How many reconciles may run at once.
            needs_leader: Whether only the leader may run it.
            reconcile_timeout_s: After how many seconds a reconcile that still runs is reported, with its stack; None:
                never.
            health: Says why it is not well, for its manager's probes; unless given, that each of its workers is at a
                reconcile that takes too long.
            readiness: Says why it is not ready, for its manager's probes; None: it always is.
            election: Which election of its manager decides who leads it; empty: the manager's first.
            sync_timeout_s: How long the caches may take until they are in sync, in seconds.
            rate_limiter: When a key that failed is tried again; it belongs to this controller.
            metrics: Where figures of the controller and its queue go; None: nowhere.
            clock: The clock to live by.

        Raises:
            ConfigError: The name is empty, ``reconcile`` cannot be called or is a coroutine function, there are no
                workers, a time is not positive, or another controller of that name gives figures.
        """
        _check(name, reconcile, workers, reconcile_timeout_s=reconcile_timeout_s, sync_timeout_s=sync_timeout_s)
        self.name = name
        self.needs_leader = needs_leader
        self.election = election
        self.health: Check = health or self._wedged
        self.readiness = readiness
        self.counts = ReconcileCounts()
        self._reconcile = reconcile
        self._workers = workers
        self._sync_timeout_s = sync_timeout_s
        self._clock = clock or SystemClock()
        self._queue = RateLimitingQueue[ObjectKey](
            name, rate_limiter=rate_limiter, order=PriorityOrder(), metrics=metrics, clock=self._clock
        )
        self._figures: ControllerMetrics | None = None
        if metrics is not None:
            self._figures = ControllerMetrics(
                metrics, name, self.counts, workers=workers, active=lambda: len(self.in_flight)
            )
        self._cut = Cancel()
        self._settling = Settling(name, client, clock=self._clock, cut=self._cut)
        self._watchdog = Watchdog(name, reconcile_timeout_s, clock=self._clock, on_timeout=self._timed_out)
        self._watched: list[Watched] = []
        self._external: list[Keys] = []
        self._registrations: list[tuple[Informer, HandlerRegistration]] = []
        self._lock = threading.Lock()
        self._stop = Cancel()
        self._threads = ThreadGroup(f"controller {name}", on_error=lambda _: self.signal_stop())
        self._term: LeaderTerm | None = None
        self._is_started = False
        self._is_working = False
        self._death: KubeprimsError | None = None

    # -- what it is told by -------------------------------------------------------------------------------------------

    def watches(
        self, informer: Informer, *, map: MapFunction | None = None,  # noqa: A002 - what map() does, for objects
        predicate: Predicate | None = None,
    ) -> Self:  # fmt: skip
        """Have keys reconciled when an object of an informer changes; return this controller.

        Args:
            informer: The informer. Whoever made it starts it.
            map: Which keys a change of an object concerns; unless given, the object's own. Of an update, both states
                are asked.
            predicate: Which changes are worth a reconcile; unless given, all, and what a resync repeats. If it raises,
                that is logged, and the change is worth one.

        Raises:
            InvalidArgument: It is no informer, or ``map`` or ``predicate`` cannot be called.
            LifecycleError: The controller is started.
        """
        if not callable(getattr(informer, "add_event_handler", None)):
            raise InvalidArgument(f"{self.name}: a controller watches informers, not {informer!r}")
        for name, function in (("map", map), ("predicate", predicate)):
            if function is not None and not callable(function):
                raise InvalidArgument(f"{self.name}: {name} must be callable, not {function!r}")
        with self._lock:
            self._check_not_started()
            self._watched.append(Watched(self.name, informer, map or own_key, predicate, add=self._queue.add))
            self._settling.add_informer(informer)
        return self

    def owns(
        self,
        informer: Informer,
        owner: GroupVersionKind,
        *,
        owner_is_namespaced: bool = True,
        predicate: Predicate | None = None,
    ) -> Self:
        """Have an object's owner reconciled when the object changes; return this controller.

        Args:
            informer: The informer of what is owned.
            owner: The kind of the owners: what this controller reconciles.
            owner_is_namespaced: Whether those live in namespaces.
            predicate: Which changes are worth a reconcile.

        Raises:
            InvalidArgument: It is no informer, the owner no ``GroupVersionKind``, or ``predicate`` cannot be called.
            LifecycleError: The controller is started.
        """
        keys = owner_keys(owner, owner_is_namespaced=owner_is_namespaced)
        return self.watches(informer, map=keys, predicate=predicate)

    def source(self, keys: Keys) -> Self:
        """Have keys reconciled that come from elsewhere; return this controller.

        A thread of its own reads them, once the caches are in sync, until there are no more or the controller stops. If
        that fails, or something comes that is no key, the controller ends with it. What was read and not reconciled by
        the end is not put back.

        Args:
            keys: A ``queue.Queue``, or a ``queue.SimpleQueue`` that nobody else reads; or an iterable, or a function
                that returns one when it is called with the ``Cancel`` that is set at the end. An iterable that may wait
                for long either has a ``close()`` that ends it, or looks at the cancel: nothing else can wake it.

        Raises:
            InvalidArgument: It is none of these.
            LifecycleError: The controller is started.
        """
        check_source(keys, of=self.name)
        with self._lock:
            self._check_not_started()
            self._external.append(keys)
        return self

    def enqueue(self, key: str, *, after_s: float = 0.0) -> None:
        """Have a key reconciled.

        Args:
            key: An ``ObjectKey``, or its text.
            after_s: In how many seconds.

        Raises:
            InvalidArgument: It is no key, or the time is negative.
            LifecycleError: The controller is stopped.
        """
        if self._stop.is_set:
            raise LifecycleError(f"controller {self.name} is stopped; it takes no key any more")
        add = self._queue.add if after_s == 0 else partial(self._queue.add_after, delay_s=after_s)
        add(checked_key(key, of=self.name))

    def _check_not_started(self) -> None:
        if self._is_started:
            raise LifecycleError(f"controller {self.name} is started; what it watches is said before")

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, term: LeaderTerm | None = None) -> None:
        """Start to follow the informers and, once they are in sync, to reconcile; return at once.

        Args:
            term: Until when this process may work; None: for as long as it is not stopped.

        Raises:
            LifecycleError: It was started or stopped before.
        """
        with self._lock:
            if self._is_started or self._stop.is_set:
                raise LifecycleError(f"controller {self.name} was started or stopped before; it starts once")
            self._is_started = True
            self._term = term or AlwaysLeader().wait(self._stop)
            if term is not None:
                term.lost.add_callback(self._cut.set)  # another may write by now
            self._threads.spawn(self._begin, name="start")

    def _begin(self) -> None:
        """Follow the informers, wait until all of it is in the queue, then put the workers to work."""
        try:
            self._follow(Deadline.after(self._sync_timeout_s, clock=self._clock))
            for number in range(self._workers):
                self._threads.spawn(self._work, name=f"worker {number + 1}")
            for number, keys in enumerate(self._external):
                name = f"source {len(self._watched) + number + 1}"
                self._threads.spawn(partial(self._read, keys, name), name=name)
            self._is_working = True
        except (LifecycleError, CacheSyncTimeout):
            if not self._stop.is_set:
                raise  # else it was stopped while it started
        self._watchdog.run(self._stop)

    def _read(self, keys: Keys, name: str) -> None:
        try:
            for key in keys_of(keys, self._stop):
                self._queue.add(checked_key(key, of=self.name))
        except Exception as error:  # user code: told to whoever runs the controller
            raise MemberDied(f"controller {self.name}, {name} of keys") from error

    def _follow(self, deadline: Deadline) -> None:
        for number, watched in enumerate(self._watched):
            name = f"controller {self.name}, source {number + 1} ({watched.informer.name})"
            registration = watched.informer.add_event_handler(on_event=watched.tell, name=name)
            with self._lock:
                self._registrations.append((watched.informer, registration))
            if self._stop.is_set:
                watched.informer.remove_event_handler(registration)
        for informer, registration in self._registrations:
            wait_for_sync(informer, deadline, self._stop, timeout_s=self._sync_timeout_s)
            registration.wait_for_sync(max(0.0, deadline.remaining_s()))
            self._check_synced(informer, registration)
            take_back = informer.add_stop_callback(partial(self._cache_stopped, informer))
            self._stop.add_callback(take_back)

    def _cache_stopped(self, informer: Informer) -> None:
        """End, unless that has begun: nobody may go on with a cache that nobody keeps. Never blocks."""
        if not self._stop.is_set:
            why = f": {informer.last_error}" if informer.last_error else ""
            self._death = LifecycleError(f"controller {self.name}: informer {informer.name} has stopped{why}")
            self._stop.set()
            self._queue.shut_down()

    def _check_synced(self, informer: Informer, registration: HandlerRegistration) -> None:
        if not registration.has_synced and not self._stop.is_set:
            late = "its objects were not looked at in time"
            raise CacheSyncTimeout([(informer.name, late)], timeout_s=self._sync_timeout_s)

    def stop(self, timeout_s: float | None = STOP_TIMEOUT_S) -> None:
        """Take in nothing more, wait for the reconciles that run, and end; later calls do nothing.

        What waits in the queue is left: the next start finds it again, as it looks at everything. Just before the time
        is over, the requests of the reconciles that still run are cut off.

        Raises:
            StopTimeout: Reconciles did not return in time; the error names their keys.
            BaseException: What the controller died of.
        """
        deadline = Deadline.after(timeout_s, clock=self._clock)
        self.signal_stop()
        try:
            if self._threads.join(before_the_end(deadline)):
                self.cut()
            running = self._threads.join(deadline)
        except BaseException:  # what it died of: all of its threads have ended
            self._close()
            raise
        if running:
            keys = [f"{self.name}: the reconcile of {key}" for key, _ in self._queue.processing]
            raise StopTimeout(keys or list(running), timeout_s=timeout_s or 0.0)
        self._close()
        if self._death is not None:
            raise self._death

    def _close(self) -> None:
        """Let go of the figures, once nothing runs any more."""
        self._queue.close()
        with self._lock:
            figures, self._figures = self._figures, None
        if figures is not None:
            figures.close()

    def cut(self) -> None:
        """Cut off the requests that reconciles have under way, and refuse further ones; never blocks."""
        self._cut.set()

    def signal_stop(self) -> None:
        """Take in nothing more; never blocks."""
        self._stop.set()
        self._queue.shut_down()
        with self._lock:
            registrations = tuple(self._registrations)
        for informer, registration in registrations:
            informer.remove_event_handler(registration)

    def run(
        self,
        stop: threading.Event | Cancel,
        term: LeaderTerm | None = None,
        *,
        stop_timeout_s: float | None = STOP_TIMEOUT_S,
    ) -> None:
        """Start, wait until ``stop`` is set, then stop.

        Args:
            stop: Ends the controller. It is set, too, if the controller is stopped otherwise or dies.
            term: As for :meth:`start`.
            stop_timeout_s: How long the reconciles that run are waited for at the end, in seconds; None: for ever.

        Raises:
            StopTimeout: Reconciles did not return in time.
            BaseException: What the controller died of.
        """
        self.start(term)
        take_back = self._stop.add_callback(stop.set)
        try:
            stop.wait()
        finally:
            take_back()
            self.stop(stop_timeout_s)

    # -- how it fares -------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> tuple[tuple[ObjectKey, float], ...]:
        """The keys that are being reconciled, and for how many seconds."""
        return self._queue.processing

    @property
    def is_running(self) -> bool:
        """Whether its caches are in sync and its workers take keys."""
        return self._is_working and not self._stop.is_set

    @property
    def depth(self) -> int:
        """How many keys wait."""
        return len(self._queue)

    def _wedged(self) -> str | None:
        late = self._watchdog.late
        return f"all {late} workers are at reconciles that take too long" if late >= self._workers else None

    # -- from keys to reconciles --------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (key := self._queue.get()) is not None:
            try:
                if self._stop.is_set:
                    return
                self._process(key)
            finally:
                self._queue.done(key)

    def _process(self, key: ObjectKey) -> None:
        term = self._term
        assert term is not None
        if not term.is_leading():
            return  # whoever leads now looks at everything anyway
        try:
            self._settling.wait(key, self._stop)
        except OwnWriteUnseen as unseen:
            if not self._stop.is_set:
                self._put_off(key, unseen)
                self._queue.add_rate_limited(key)
            return
        if not self._stop.is_set and term.is_leading():
            self._follow_up(key, self._outcome(key, term))

    def _put_off(self, key: ObjectKey, unseen: OwnWriteUnseen) -> None:
        with self._lock:
            self.counts.unsettled += 1
        logger.warning("%s is put off: %s", key, unseen)

    def _outcome(self, key: ObjectKey, term: LeaderTerm) -> Outcome:
        attempt = self._queue.num_requeues(key)
        adapter = logging.LoggerAdapter(logger, {"controller": self.name, "key": str(key)})
        context = ReconcileContext(
            key=key,
            attempt=attempt,
            client=self._settling.client_for(key),
            token=term.token,
            stop=self._stop,
            logger=adapter,
            informers=self._settling.informers,
            clock=self._clock,
            settle=lambda resource, written: self._settling.wait_for_writes(key, resource, written, self._stop),
            is_leading=term.is_leading,
        )
        began_s = self._clock.monotonic()
        try:
            with self._watchdog.watch(key):
                return outcome_of_result(self._reconcile(key, context))
        except Exception as error:  # user code: one bad key must not stop the others
            is_ending = self._stop.is_set or self._cut.is_set
            outcome = outcome_of_error(error, attempt=attempt, is_ending=is_ending)
            if isinstance(error, OwnWriteUnseen) and not is_ending:  # else it has not been waited for
                self._put_off(key, error)
            if outcome.is_reported:
                logger.exception("%s: the reconcile of %s failed, attempt %d", self.name, key, attempt + 1)
            return outcome
        finally:
            if self._figures is not None:
                self._figures.duration.observe(self._clock.monotonic() - began_s)

    def _follow_up(self, key: ObjectKey, outcome: Outcome) -> None:
        counts = self.counts
        with self._lock:
            counts.by_result[outcome.result] += 1
            counts.errors += outcome.is_reported
            counts.terminal_errors += outcome.is_terminal
        match outcome.next_step:
            case NextStep.RETRY:
                self._queue.add_rate_limited(key)
            case NextStep.LATER:
                self._queue.forget(key)
                self._queue.add_after(key, outcome.after_s)
            case NextStep.FORGET:
                self._queue.forget(key)

    def _timed_out(self, error: KubeprimsError) -> None:
        with self._lock:
            self.counts.timeouts += 1
        logger.error("%s", error)

    def __repr__(self) -> str:
        return f"<Controller {self.name!r}: {self.depth} waiting, {len(self.in_flight)} in flight>"


def _check(name: object, reconcile: object, workers: object, **times_s: object) -> None:
    if not (isinstance(name, str) and name):
        raise ConfigError(f"must not be empty, and a text, not {name!r}", field="name")
    if not callable(reconcile) or any(is_one(reconcile) or is_one(reconcile.__call__) for is_one in _NO_FUNCTIONS):
        rule = f"must be callable, and neither a coroutine nor a generator, not {reconcile!r}"
        raise ConfigError(rule, source=name, field="reconcile")
    if not (isinstance(workers, int) and workers >= 1):
        raise ConfigError(f"must be at least 1, and a whole number, not {workers!r}", source=name, field="workers")
    for field, value in times_s.items():
        if value is not None and not (isinstance(value, (int, float)) and value > 0):
            raise ConfigError(f"must be a positive number of seconds, not {value!r}", source=name, field=field)
