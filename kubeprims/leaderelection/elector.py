"""Contends, leads, and stops, on behalf of whoever has work for a leader: the driver of the election's machine.

One thread, that of :meth:`LeaderElector.run`, owns the machine and never waits for anything but the next report:
requests go out on a second thread, callbacks are called on others. So a hanging server, work that does not end or a
listener that sleeps never keeps a term from ending in time.
"""

from __future__ import annotations

import atexit
import inspect
import logging
import os
import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict, Unpack, assert_never

from kubeprims.clock import Clock, Rng, SystemClock
from kubeprims.errors import (
    ConfigError,
    Conflict,
    KubeprimsError,
    LeaderCallbackError,
    LeadershipLost,
    LifecycleError,
    NotFound,
    StopTimeout,
)
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.effects import (
    Create,
    Effect,
    Ended,
    EndTerm,
    ExtendTerm,
    Get,
    Instant,
    NewLeader,
    Observation,
    Phase,
    Report,
    Request,
    StartTerm,
    Update,
    Wait,
)
from kubeprims.leaderelection.lock import ResourceLock, Written
from kubeprims.leaderelection.locks import LeaseLock
from kubeprims.leaderelection.machine import ElectionMachine
from kubeprims.leaderelection.metrics import ElectionMetrics
from kubeprims.leaderelection.office import Callbacks, Office
from kubeprims.leaderelection.requests import Outcome, Requests, write_failure
from kubeprims.leaderelection.standby import follow_lock
from kubeprims.leaderelection.term import Term
from kubeprims.metrics import Metrics, NullMetrics
from kubeprims.threads import Cancel, Deadline, ThreadGroup, told
from kubeprims.transport.rate_limit import RateLimit

USER_AGENT_SUFFIX = "leader-election"
TOLERANCE_S = 20.0
"""For how long beyond the lease a leader may be without a renewal before it counts as ill."""

_NO_LIMIT = RateLimit(qps=-1.0)
_JOIN_S = 5.0
_SECOND_S = 1.0

logger = logging.getLogger(__name__)

Report_ = Callable[[Instant], tuple[Effect, ...]]


class ElectionSettings(TypedDict, total=False):
    """The settings of :class:`~kubeprims.leaderelection.config.ElectionConfig`, as keywords."""

    lease_duration_s: float
    renew_deadline_s: float
    retry_period_s: float
    release_on_cancel: bool
    drain_timeout_s: float
    foreign_duration_max_s: float
    rejoin: bool
    keep_leading: bool
    identity_is_unique: bool
    coordinated: bool


class LeaderElector:
    """One candidate of an election.

    While it leads, the work runs: ``on_started_leading`` gets a :class:`~kubeprims.leaderelection.term.Term`, which
    says when to end. On the end of a term, whatever its reason, the work is told first, waited for next, and only then
    is the lock given back. This is not fencing; see the term.

    Attributes:
        identity: Who it is.
        last_error: What the last request that failed has met; None if none has.
        stops_at_exit: Whether a program that ends waits for the end of the election, if that runs on a thread that
            nobody waits for: its work, then the release.

    Concurrency:
        :meth:`run` blocks its thread, once. Every other method may be called from any thread, and from callbacks.
        ``on_started_leading`` runs on a thread of its own, the other callbacks on another one.

    Source:
        client-go tools/leaderelection/leaderelection.go.
        Same: the order of requests, the records, the defaults of the core clients.
        Differs: see the module ``machine``; a term bounded by when its last write was sent; the lock is released last.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        lock: ResourceLock,
        *,
        on_started_leading: Callable[[Term], object],
        on_stopped_leading: Callable[[], object] | None = None,
        on_new_leader: Callable[[str], object] | None = None,
        config: ElectionConfig | None = None,
        name: str = "",
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        rng: Rng | None = None,
        **settings: Unpack[ElectionSettings],
    ) -> None:
        """Make a candidate that does not contend yet.

        Args:
            lock: What to contend for. The requests go by way of a client of their own, derived from the lock's.
            on_started_leading: The work: called with each term. When it returns, the term ends, unless
                ``keep_leading``; what it raises ends the election, and :meth:`run` raises it. ``LeadershipLost``, as
                the term raises it, is no failure: it ends the term, and no more.
            on_stopped_leading: Called after each term, once its work has ended or was waited for in vain.
            on_new_leader: Called with the identity of each new leader, this one included; empty: nobody leads.
            config: The times; None: the defaults.
            name: For metrics, health and logs; the lock's namespace and name unless given.
            metrics: Where figures go.
            clock: The clock to live by.
            rng: The chance to live by.
            settings: Single settings, over those of ``config``.

        Raises:
            ConfigError: A callback cannot be called or is a coroutine function, or a setting breaks a rule.
        """
        if not hasattr(lock, "record_event"):
            raise ConfigError(f"must be a lock, such as a LeaseLock, not {lock!r}", field="lock")
        for field, callback in (
            ("on_started_leading", on_started_leading),
            ("on_stopped_leading", on_stopped_leading),
            ("on_new_leader", on_new_leader),
        ):
            is_missing = callback is None and field != "on_started_leading"
            if not (is_missing or callable(callback)) or inspect.iscoroutinefunction(callback):
                raise ConfigError(f"must be callable, and no coroutine, not {callback!r}", field=field)
        self.identity = lock.identity
        self.last_error: KubeprimsError | None = None
        self.stops_at_exit = True
        self.name = name or lock.describe()
        self._lock = lock
        self.config = _checked_config(replace(config or ElectionConfig(), **settings), lock)
        self._clock = clock or SystemClock()
        self._machine = ElectionMachine(self.identity, self.config, rng=rng or random.SystemRandom())
        self._figures = ElectionMetrics(metrics or NullMetrics(), self.name)
        self._office = Office(
            self.name,
            Callbacks(on_started_leading, on_stopped_leading, on_new_leader),
            record_event=self._record_event,
            on_work_ended=lambda error: self._report(lambda now: self._on_work_ended(error, now)),
            figures=self._figures,
            clock=self._clock,
        )
        self._changed = threading.Condition()
        self._inbox: deque[Report_] = deque()
        self._due_s: float | None = None
        self._request: tuple[int, Request, float] | None = None
        self._failing: dict[type[Request], type[KubeprimsError]] = {}
        self._result: Ended | None = None
        self._is_started = False
        self._is_stopping = False
        self._pid = os.getpid()
        self._may_watch = True
        self._watching: Cancel | None = None
        self._threads = ThreadGroup(f"election {self.name}", on_error=self._on_thread_error)
        self._broken: BaseException | None = None

    # -- what is asked ------------------------------------------------------------------------------------------------

    def is_leading(self) -> bool:
        """Return whether this process leads, as the clock says now."""
        return self._office.remaining_s() > 0

    @property
    def term(self) -> Term | None:
        """The term, if there is one."""
        return self._office.term

    @property
    def leader(self) -> str:
        """Who leads, as far as was seen; empty if nobody does."""
        return self._machine.lock.holder

    def check(self, tolerance_s: float = TOLERANCE_S) -> str | None:
        """Return why this process is not well; None if it is.

        It is not if it believes to lead, and has not renewed for the lease's duration and ``tolerance_s`` more: its
        election is stuck. Who does not lead is well.
        """
        machine, lock = self._machine, self._machine.lock
        age_s = self._clock.monotonic() - lock.changed_at_s
        allowed_s = self.config.written_duration_s + tolerance_s
        if self._result is None and machine.phase is Phase.LEADING and lock.is_mine and age_s > allowed_s:
            return f"the election {self.name} has not renewed its lease for {age_s:.0f} s"
        return None

    # -- what is wanted -----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Tell it to end: the work first, then everything. Never blocks, and may be repeated."""
        self._is_stopping = True
        self._report(self._machine.on_stop)

    def step_down(self) -> None:
        """Give up the term: the work ends, and the lock is released. Never blocks; nothing happens to a follower."""
        self._report(self._machine.on_step_down)

    def run(self, stop: threading.Event | Cancel | None = None) -> Ended:
        """Contend for the lock, lead while holding it, and return once that has ended.

        It ends when it is told to; when the work returns (unless ``keep_leading``); or when a term is lost (unless
        ``rejoin``). The result says whether there was a term, and why the last one ended.

        Args:
            stop: Ends it; so does :meth:`stop`. An event is set when this returns; a ``Cancel`` is left alone.

        Raises:
            LifecycleError: It was run before, or another elector runs with this lock.
            LeaderCallbackError: A callback failed; what it raised is the cause.
            StopTimeout: The work has not ended in time; the lock was not released.
        """
        with self._changed:
            if self._is_started or os.getpid() != self._pid:
                raise LifecycleError(f"the elector of {self.name} runs once, in the process that made it")
            self._is_started = True
        with self._lock.claim.held(self._lock.describe()):
            client = self._lock.client.with_options(
                timeout_s=self.config.request_timeout_s,
                user_agent_suffix=USER_AGENT_SUFFIX,
                rate_limit=_NO_LIMIT,
                own_pool=True,
            )
            with client, told(stop, self.stop):
                self._lock = self._lock.with_client(client)
                self._requests = Requests(self._lock, clock=self._clock, on_outcome=self._on_outcome)
                self._contend()
        return self._outcome()

    def _record_event(self, text: str) -> None:
        self._lock.record_event(text)  # of the lock as it is then: run() gives it another client

    def _contend(self) -> None:
        """Drive the machine until it ends."""
        lock = self._machine.lock
        withdraw = self._figures.source(self._office.remaining_s, lambda: lock.record.leader_transitions)
        finished = threading.Event()
        at_exit = self._stop_at_exit(finished)
        self._threads.spawn(self._requests.run, name="requests")
        self._threads.spawn(self._office.make_announcements, name="callbacks")
        try:
            self._carry_out(self._machine.start(self._now()))
            try:
                self._follow_reports()
            except BaseException:
                # Raised by a signal handler of the caller's: what has begun ends in good order, unless that is what is
                # interrupted.
                if self._is_stopping or self._broken is not None:
                    raise
                self.stop()
                self._follow_reports()
                raise
        finally:
            self._office.end()
            self._set_watch(wanted=False)
            self._requests.close()
            self._office.close()
            running = self._threads.join(Deadline.after(_JOIN_S))
            withdraw()
            finished.set()
            atexit.unregister(at_exit)
            if running:
                logger.error("threads of the election %s have not ended: %s", self.name, ", ".join(running))

    def _outcome(self) -> Ended:
        result, failure = self._result, self._office.failure
        assert result is not None
        raised: KubeprimsError | None = None
        if failure is not None:
            raised = LeaderCallbackError(self._lock.describe(), failure[0])
            raised.__cause__ = failure[1]
        if not result.is_drained:
            raise StopTimeout(self._office.unfinished, timeout_s=self.config.drain_timeout_s) from raised
        if raised is not None:
            raise raised
        return result

    def _stop_at_exit(self, finished: threading.Event) -> Callable[[], None]:
        """Have the lock released if the program ends while this runs on a thread that is not waited for."""
        budget_s = self.config.drain_timeout_s + self.config.renew_deadline_s

        def at_exit() -> None:
            if self.stops_at_exit and os.getpid() == self._pid:
                self.stop()
                finished.wait(budget_s)

        atexit.register(at_exit)
        return at_exit

    # -- reports, one after the other

    def _report(self, report: Report_) -> None:
        with self._changed:
            self._inbox.append(report)
            self._changed.notify_all()

    def _on_thread_error(self, error: BaseException) -> None:
        self._broken = error  # our own bug: the election cannot go on
        self._report(lambda _: ())

    def _follow_reports(self) -> None:
        while self._result is None:
            report = self._next_report()
            if self._broken is not None:
                raise self._broken
            self._carry_out(report(self._now()))

    def _next_report(self) -> Report_:
        """Wait until there is something to be told to the machine."""
        with self._changed:
            while not self._inbox:
                due_s = self._due_s if self._request is None else self._request[1].give_up_at_s
                remaining_s = None if due_s is None else due_s - self._clock.monotonic()
                if remaining_s is not None and remaining_s <= 0:
                    return self._on_due
                self._clock.wait(self._changed, remaining_s)
            return self._inbox.popleft()

    def _on_due(self, now: Instant) -> tuple[Effect, ...]:
        if self._request is None:
            return self._machine.on_waited(now)
        number, _, _ = self._request
        self._requests.drop()
        late = StopTimeout((f"request {number}",), timeout_s=self.config.request_timeout_s)
        return self._on_answer(number, late, now)

    def _now(self) -> Instant:
        return Instant(self._clock.monotonic(), self._clock.wall())

    # -- requests -----------------------------------------------------------------------------------------------------

    def _on_outcome(self, number: int, outcome: Outcome) -> None:
        self._report(lambda now: self._on_answer(number, outcome, now))

    def _on_answer(self, number: int, outcome: Outcome, now: Instant) -> tuple[Effect, ...]:
        if self._request is None or self._request[0] != number:
            return ()  # of a request that was given up
        _, request, sent_at_s = self._request
        self._request = None
        machine = self._machine
        is_missing = isinstance(request, Get) and isinstance(outcome, NotFound)
        if is_missing or not isinstance(outcome, KubeprimsError):
            self._failing.pop(type(request), None)
        if isinstance(outcome, Observation):
            return machine.on_got(outcome, now)
        if isinstance(outcome, Written):
            if machine.phase is Phase.LEADING:
                self._figures.renewed(now.clock_s - sent_at_s)
            return machine.on_written(outcome.version, outcome.token, now)
        if is_missing:
            return machine.on_not_found(now)
        self._note_failure(request, outcome)
        if isinstance(request, Get):
            return machine.on_get_failed(now)
        return machine.on_write_failed(write_failure(outcome), now)

    def _note_failure(self, request: Request, error: KubeprimsError) -> None:
        """Say why a request failed: loudly when that begins, for else nobody learns why it never leads."""
        self.last_error = error
        is_known = self._failing.get(type(request)) is type(error)
        self._failing[type(request)] = type(error)
        level = logging.INFO if is_known or isinstance(error, Conflict) else logging.WARNING
        logger.log(level, "a request of the election %s failed: %s", self.name, error)

    def _on_work_ended(self, error: BaseException | None, now: Instant) -> tuple[Effect, ...]:
        if isinstance(error, LeadershipLost):
            # It asked its term, as it should, and heard that it is over, or will be too soon.
            logger.info("the work of the leader of %s has given up: %s", self.name, error)
            self._carry_out(self._machine.on_step_down(now))
            error = None
        if error is not None:
            self._office.note_failure(error)
        return self._machine.on_work_returned(now, has_failed=error is not None)

    # -- effects

    def _carry_out(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Get() | Create() | Update():
                    self._due_s = None
                    self._request = (self._requests.send(effect), effect, self._clock.monotonic())
                case Wait(until_s=until_s):
                    self._due_s = until_s
                case Ended():
                    self._result = effect
                case _:
                    self._tell(effect)
        if self._machine.phase not in {Phase.LEADING, Phase.DRAINING}:
            self._office.end()
        self._figures.slow_renewals(self._machine.slow_renewals)
        if self._machine.phase is not Phase.CONTENDING:
            self._set_watch(wanted=False)
        elif self._request is None:  # the first look was in vain
            self._set_watch(wanted=True)

    def _tell(self, effect: StartTerm | ExtendTerm | EndTerm | NewLeader | Report) -> None:
        match effect:
            case StartTerm(token=token, leads_until_s=until_s):
                self._office.begin(token, until_s)
            case ExtendTerm(leads_until_s=until_s):
                self._office.extend(until_s)
            case EndTerm(reason=reason):
                self._office.tell_to_end(reason)
            case NewLeader(identity=identity):
                self._office.announce_leader(identity)
            case Report(notice=notice):
                self._office.announce(notice)
            case _:
                assert_never(effect)

    # -- a watch

    def _set_watch(self, *, wanted: bool) -> None:
        """Watch the lock while it is waited for, and at no other time."""
        watching = self._watching
        if not wanted and watching is not None:
            watching.set()
            self._watching = None
        if wanted and watching is None and self._may_watch:
            watched = self._lock.watched()
            self._may_watch = watched is not None
            if watched is not None:
                cancel = self._watching = Cancel()
                self._threads.spawn(lambda: self._watch(cancel), name="watch")

    def _watch(self, cancel: Cancel) -> None:
        watched = self._lock.watched()
        assert watched is not None

        def tell(observation: Observation | None) -> None:
            self._report(lambda now: () if cancel.is_set else self._machine.on_seen(observation, now))

        self._may_watch = follow_lock(
            watched,
            tell,
            name=self._lock.describe(),
            retry_s=self.config.retry_period_s,
            cancel=cancel,
            clock=self._clock,
        )

    def __repr__(self) -> str:
        return f"<LeaderElector {self.identity} of {self.name} {self._machine.phase.name.lower()}>"


def _checked_config(config: ElectionConfig, lock: ResourceLock) -> ElectionConfig:
    """Return the settings as this lock needs them.

    Raises:
        ConfigError: The lock holds whole seconds, and the renew deadline leaves no room for that; or it is none that
            the server gives away.
    """
    if config.coordinated and not isinstance(lock, LeaseLock):
        raise ConfigError(f"needs a LeaseLock: the server gives away nothing else, not {lock!r}", field="coordinated")
    if not isinstance(lock, LeaseLock) and config.renew_deadline_s <= config.retry_period_s + _SECOND_S:
        rule = (
            f"must be more than a second above retry_period_s, {config.retry_period_s:g} s, for a lock that is no "
            "Lease: two renewals in one second look the same there"
        )
        raise ConfigError(rule, field="renew_deadline_s")
    return replace(config, identity_is_unique=True) if lock.has_generated_identity else config
