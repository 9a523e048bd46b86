"""How one candidate contends, leads, stops and gives the lock back: the pure half of leader election.

How an election goes
--------------------
The driver tells the machine what happened and when, and gets effects: any number of things to be told to others at
once, then at most one thing to do next, a request, a wait or the end. So a machine can be driven step by step, without
a thread, a socket or a clock. The duties of a driver are these:

1. Call :meth:`ElectionMachine.start` once, and carry out what comes back, in order.
2. Send a request in the background, and report how it ended by its ``give_up_at_s``: at that moment at the latest it
   has failed, whatever becomes of it. Meanwhile the machine asks for nothing else.
3. Report ``on_waited`` when the time of the newest ``Wait`` has come. A later ``Wait`` or request replaces it; no
   answer at all leaves it as it is.
4. Report whatever else happens, at any time: ``on_stop``, ``on_step_down``, ``on_work_returned``, and
   ``on_seen``, if there is a watch.
5. A term lasts until ``leads_until_s`` of the newest ``StartTerm`` or ``ExtendTerm`` by the driver's own clock, and
   not a moment longer, even if the machine could not be told the time. An ``EndTerm`` for an involuntary reason ends
   it at once; for a voluntary one, the work is told to end while the lock is still renewed, and the term is over when
   the work is, or with an involuntary ``EndTerm``, or with ``Ended``.
6. After ``Ended``, drop a request that is still under way.

Safety rests on one inequality. A leader's work is told to end when ``renew_deadline_s`` has passed since it *sent* the
last write that was accepted. Another candidate takes over no sooner than the written duration, which is longer, after
it *saw* the last write, which was not before it was sent. So as long as clocks run equally fast, up to the ratio of
the two, no two terms overlap by more than the work takes to end.

From this follow the rules that differ from upstream (the numbers are those of the conformance cases):

- D1: a term is bounded by when its last write was sent, not by when the answer came, and never by a read; by a write
  that others can see: one that changed nothing, as two in a second do in a ConfigMap, extends nothing.
- D2: a leader that sees another holder, or none, ends its term at once.
- D3: first the work is told to end, then it is waited for, and only then is the lock released.
- D4: the lock is released only if it says, freshly read, what this term has written.
- D5: a term that was interrupted is over: the next one is another, with another token.
- D7: a duration in somebody else's record that is absurd counts as one's own, or as the configured maximum.
- D9: a record in one's own name that one has not written ends the term: identities are not unique.
"""

from __future__ import annotations

from kubeprims.clock import Rng
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.effects import (
    Create,
    Effect,
    Ended,
    EndReason,
    EndTerm,
    ExtendTerm,
    Get,
    Instant,
    Notice,
    Observation,
    Phase,
    Request,
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from kubeprims.leaderelection.observed import ObservedLock
from kubeprims.leaderelection.pace import attempt_again_at_s, look_pause_s, release_again_at_s, retry_delay_s
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.leaderelection.telling import Telling
from kubeprims.leaderelection.written import created, is_same_term, released, renewed, taken


class ElectionMachine:
    """One candidate; see the module on how an election goes.

    Attributes:
        phase: What it is about.
        slow_renewals: How many renewals needed a read before the write.
        reason: Why the last term ended; None if there was none.

    Concurrency:
        Not safe by itself; its driver holds a lock.
    """

    def __init__(self, identity: str, config: ElectionConfig, *, rng: Rng) -> None:
        """Make a candidate that has not begun.

        Args:
            identity: What it writes as the holder; not empty.
            config: The times.
            rng: The chance to live by.
        """
        self.phase = Phase.NEW
        self.slow_renewals = 0
        self.reason: EndReason | None = None
        self._identity = identity
        self._config = config
        self._rng = rng
        self._lock = ObservedLock(identity, config)
        self._request: Request | None = None
        self._sent_at_s = 0.0
        self._written_on: Observation | None = None
        self._next_at_s = 0.0
        self._looks_from_s = 0.0
        self._reads_first = True
        self._is_unsure = False
        self._term: LeaderElectionRecord | None = None
        self._leads_until_s = 0.0
        self._drain_until_s = 0.0
        self._is_work_done = False
        self._is_drained = True
        self._release_until_s = 0.0
        self._has_sent_release = False
        self._has_led = False
        self._is_stopping = False
        self._telling = Telling()

    # -- what is asked ------------------------------------------------------------------------------------------------

    @property
    def leads_until_s(self) -> float:
        """Until when the term lasts; 0 if there is none."""
        leads = self.phase is Phase.LEADING or (self.phase is Phase.DRAINING and self._is_voluntary)
        return self._leads_until_s if leads else 0.0

    @property
    def lock(self) -> ObservedLock:
        """The lock, as it was seen last: to be looked at, not to be changed."""
        return self._lock

    # -- what has happened: calls of others ---------------------------------------------------------------------------

    def start(self, now: Instant) -> tuple[Effect, ...]:
        """Begin to contend."""
        assert self.phase is Phase.NEW, self.phase
        self.phase = Phase.CONTENDING
        self._next_at_s = now.clock_s
        return self._finish(is_released=False, now=now) if self._is_stopping else self._next(now)

    def on_stop(self, now: Instant) -> tuple[Effect, ...]:
        """The elector is to end: the term, if there is one, then everything."""
        if self._is_stopping:
            return ()
        self._is_stopping = True
        if self.phase is Phase.LEADING:
            return self._end_term(EndReason.STOPPED, now)
        if self.phase is not Phase.CONTENDING:
            return ()
        if isinstance(self._request, Create | Update) or self._is_unsure or self._lock.is_my_write:
            return self._begin_release(now)  # a write that may have been carried out, or may still be
        return self._finish(now, is_released=False)

    def on_step_down(self, now: Instant) -> tuple[Effect, ...]:
        """The leader gives up its term; nothing happens if it does not lead."""
        reason = EndReason.DEADLINE if now.clock_s >= self._leads_until_s else EndReason.STEPPED_DOWN
        return self._end_term(reason, now) if self.phase is Phase.LEADING else ()

    def on_work_returned(self, now: Instant, *, has_failed: bool = False) -> tuple[Effect, ...]:
        """The work ended, by itself or because it was told to."""
        self._is_work_done = True
        if self.phase is Phase.LEADING and (has_failed or not self._config.keep_leading):
            return self._end_term(EndReason.WORK_FAILED if has_failed else EndReason.WORK_RETURNED, now)
        return self._after_drain(now, is_drained=True) if self.phase is Phase.DRAINING else ()

    def on_seen(self, observation: Observation | None, now: Instant) -> tuple[Effect, ...]:
        """A watch shows the lock object; None: it is gone.

        A watch may lag. That somebody holds the lock is news, which can only put a take-over off; of anything else
        nothing follows but a read.
        """
        lock = self._lock
        if self.phase not in {Phase.CONTENDING, Phase.LEADING} or not lock.is_news(observation):
            return ()
        is_held = observation is not None and (observation.record is None or bool(observation.record.holder_identity))
        if self.phase is Phase.CONTENDING and observation is not None and is_held:
            lock.see(observation, now.clock_s)
            return self._telling.leader(self._lock) + (self._try_later(now) if self._request is None else ())
        if self.phase is Phase.LEADING and observation is not None and lock.has_written(observation.record):
            return ()  # an earlier renewal, shown late
        self._reads_first = True
        if now.clock_s < self._looks_from_s:
            self._next_at_s = min(self._next_at_s, self._looks_from_s)
        else:
            self._next_at_s = now.clock_s
            self._looks_from_s = now.clock_s + look_pause_s(self._config)
        return self._next(now)

    # -- what has happened: requests and waits ------------------------------------------------------------------------

    def on_waited(self, now: Instant) -> tuple[Effect, ...]:
        """The time that was waited for has come."""
        return self._next(now)

    def on_got(self, observation: Observation, now: Instant) -> tuple[Effect, ...]:
        """The lock object was read."""
        self._request = None
        self._is_unsure = False
        is_news = self._lock.see(observation, now.clock_s)
        told = self._telling.leader(self._lock)
        match self.phase:
            case Phase.CONTENDING:
                return told + self._contend(now, is_news=is_news)
            case Phase.LEADING:
                return told + self._go_on_leading(now)
            case Phase.DRAINING:
                return told + self._renew_while_draining(now)
            case Phase.RELEASING:
                return told + self._release(now)
            case Phase.NEW | Phase.ENDED:
                return ()

    def on_not_found(self, now: Instant) -> tuple[Effect, ...]:
        """There is no lock object."""
        self._request = None
        self._lock.see_nothing()
        told = self._telling.leader(self._lock)
        match self.phase:
            case Phase.CONTENDING if self._config.coordinated:
                return told + self._try_later(now)
            case Phase.CONTENDING:
                record = created(self._identity, self._config.written_duration_s, now.wall)
                return told + self._write(Create(record, self._give_up_at_s(now)), now)
            case Phase.LEADING:
                return told + self._end_term(EndReason.LOCK_GONE, now)
            case Phase.DRAINING:
                return told + self._lose_while_draining(EndReason.LOCK_GONE, now)
            case Phase.RELEASING:
                return told + self._finish(now, is_released=False)
            case Phase.NEW | Phase.ENDED:
                return ()

    def on_get_failed(self, now: Instant) -> tuple[Effect, ...]:
        """The lock object could not be read."""
        self._request = None
        return self._try_later(now)

    def on_written(self, version: str, token: str, now: Instant) -> tuple[Effect, ...]:
        """A write was accepted.

        Args:
            version: The record's version, as :class:`Observation` has it.
            token: The fencing token that it makes: the version of the object, or of a multi-lock's primary.
            now: When the answer came.
        """
        request, self._request = self._request, None
        if self.phase is Phase.ENDED:
            return ()
        assert isinstance(request, Create | Update), request
        # By what was written on: a watch may have shown the write before its answer came.
        has_changed = self._written_on is None or self._written_on.version != version
        self._lock.see(Observation(request.record, version), now.clock_s)
        match self.phase:
            case Phase.CONTENDING:
                # A write that nobody can see opens no term: its token would be that of the write before.
                return self._won(request.record, token, now) if has_changed else self._try_later(now)
            case Phase.LEADING | Phase.DRAINING:
                return self._renewed(request.record, now, has_changed=has_changed)
            case _ if request.record.holder_identity:  # sent before it was released, or before it was stopped
                return self._telling.leader(self._lock) + self._next(now)
            case _:
                return self._finish(now, is_released=True)

    def on_write_failed(self, failure: WriteFailure, now: Instant) -> tuple[Effect, ...]:
        """A write was not accepted, or nobody knows."""
        self._request = None
        if self.phase in {Phase.LEADING, Phase.DRAINING} and not self._reads_first:
            # The renewal was written on what was known; perhaps the object has changed in a harmless way.
            self._reads_first = True
            self.slow_renewals += 1
            self._next_at_s = now.clock_s
            return self._next(now)
        if self.phase is Phase.RELEASING and failure is WriteFailure.CONFLICT:
            self._next_at_s = release_again_at_s(now.clock_s, self._config, self._rng)
            return self._next(now)
        # Not carried out, unless it was refused only when it was sent a second time, or by the second of two objects.
        self._is_unsure = self._is_unsure or failure is not WriteFailure.REFUSED
        return self._try_later(now)

    # -- contending ---------------------------------------------------------------------------------------------------

    def _contend(self, now: Instant, *, is_news: bool) -> tuple[Effect, ...]:
        lock, config = self._lock, self._config
        told: tuple[Effect, ...] = self._telling.once(Notice.UNREADABLE_LOCK) if lock.is_unreadable else ()
        if is_news and lock.is_mine and lock.has_namesake and not config.coordinated:
            told += self._telling.once(Notice.DUPLICATE_IDENTITY)
        if not self._may_take(now):
            return told + self._try_later(now)
        record = taken(lock.record, self._identity, config.written_duration_s, now.wall)
        return told + self._write(Update(record, self._give_up_at_s(now)), now)

    def _may_take(self, now: Instant) -> bool:
        """Return whether the lock, as it was read a moment ago, is there to be had."""
        lock, config = self._lock, self._config
        is_over = now.clock_s >= lock.expires_at_s
        if config.coordinated:  # the server gives it to whom it wants, and for a short time at first
            return lock.is_mine and not is_over and not lock.record.preferred_holder
        resumes = lock.is_mine and config.identity_is_unique and not lock.has_namesake
        return lock.is_free or is_over or lock.is_my_write or resumes

    def _won(self, record: LeaderElectionRecord, token: str, now: Instant) -> tuple[Effect, ...]:
        leads_until_s = self._sent_at_s + self._config.renew_deadline_s
        told = self._telling.leader(self._lock)
        if now.clock_s >= leads_until_s:
            return told + self._telling.once(Notice.SLOW_SERVER) + self._try_later(now)
        self.phase = Phase.LEADING
        self._has_led = True
        self._term = record
        self._leads_until_s = leads_until_s
        self._is_work_done = False
        self._telling.start_over()
        self._reads_first = False
        self._next_at_s = now.clock_s + self._config.retry_period_s
        return (*told, StartTerm(token, leads_until_s), *self._next(now))

    # -- leading ------------------------------------------------------------------------------------------------------

    def _go_on_leading(self, now: Instant) -> tuple[Effect, ...]:
        """Decide on what was read while leading."""
        reason = self._why_not_ours()
        if reason is None:
            return self._renew(now) if now.clock_s < self._leads_until_s else self._next(now)
        return self._end_term(reason, now)

    def _why_not_ours(self) -> EndReason | None:
        """Return why the lock, as it was read, is not held by this term; None if it is."""
        lock, term = self._lock, self._term
        assert term is not None
        if not lock.is_mine:
            return EndReason.OTHER_HOLDER
        if not lock.is_my_write or not is_same_term(term, lock.record):
            return EndReason.OTHER_HOLDER if self._config.coordinated else EndReason.DUPLICATE_IDENTITY
        if self._config.coordinated and lock.record.preferred_holder:
            return EndReason.PREFERRED_HOLDER
        return None

    def _renew(self, now: Instant) -> tuple[Effect, ...]:
        record = renewed(self._lock.record, self._config.written_duration_s, now.wall)
        return self._write(Update(record, self._give_up_at_s(now, self._leads_until_s)), now)

    def _renewed(self, record: LeaderElectionRecord, now: Instant, *, has_changed: bool) -> tuple[Effect, ...]:
        if now.clock_s >= self.leads_until_s:  # the answer came after the end: what was over stays over
            return self._next(now)
        self._term = record
        self._reads_first = False
        self._next_at_s = now.clock_s + self._config.retry_period_s
        if not has_changed:
            return self._next(now)
        self._leads_until_s = self._sent_at_s + self._config.renew_deadline_s
        return (ExtendTerm(self._leads_until_s), *self._next(now))

    # -- ending a term ------------------------------------------------------------------------------------------------

    def _end_term(self, reason: EndReason, now: Instant) -> tuple[Effect, ...]:
        told = self._telling.once(Notice.DUPLICATE_IDENTITY) if reason is EndReason.DUPLICATE_IDENTITY else ()
        self.phase = Phase.DRAINING
        self.reason = reason
        self._drain_until_s = now.clock_s + self._config.drain_timeout_s
        following = self._after_drain(now, is_drained=True) if self._is_work_done else self._next(now)
        return (*told, EndTerm(reason), *following)

    @property
    def _is_voluntary(self) -> bool:
        return self.reason is not None and self.reason.is_voluntary

    def _renew_while_draining(self, now: Instant) -> tuple[Effect, ...]:
        reason = self._why_not_ours()
        if reason is not None:
            return self._lose_while_draining(reason, now)
        return self._renew(now) if now.clock_s < self.leads_until_s else self._next(now)

    def _lose_while_draining(self, reason: EndReason, now: Instant) -> tuple[Effect, ...]:
        """Find that a term whose work is ending voluntarily is over already."""
        if not self._is_voluntary:
            return self._next(now)
        self.reason = reason
        return (EndTerm(reason), *self._next(now))

    def _after_drain(self, now: Instant, *, is_drained: bool) -> tuple[Effect, ...]:
        self._is_drained = is_drained
        told: tuple[Effect, ...] = () if is_drained else self._telling.once(Notice.NOT_DRAINED)
        return told + self._begin_release(now)

    def _begin_release(self, now: Instant) -> tuple[Effect, ...]:
        self.phase = Phase.RELEASING
        self._has_sent_release = False
        self._release_until_s = now.clock_s + self._config.renew_deadline_s
        self._next_at_s = now.clock_s
        if not self._is_releasable and not self._is_rejoining:
            return self._finish(now, is_released=False)  # nothing depends on a request that is still under way
        return self._next(now)

    @property
    def _is_releasable(self) -> bool:
        """Whether it is worth a look whether the lock can be given back."""
        is_lost = self._term is not None and self.reason is not None and self.reason.is_lost
        return self._config.release_on_cancel and self._is_drained and not is_lost

    @property
    def _is_rejoining(self) -> bool:
        """Whether there may be another term: never while the work of the last one still runs."""
        return (
            self._config.rejoin
            and not self._is_stopping
            and self._is_drained
            and self.reason not in {EndReason.WORK_RETURNED, EndReason.WORK_FAILED}
        )

    def _release(self, now: Instant) -> tuple[Effect, ...]:
        """Give the lock back, now that it was read a moment ago, if it says what this term has written."""
        lock, term = self._lock, self._term
        if self._has_sent_release and lock.is_free:
            return self._finish(now, is_released=True)
        is_ours = lock.is_my_write and (term is None or is_same_term(term, lock.record))
        if not self._is_releasable or not is_ours or now.clock_s >= self._release_until_s:
            return self._finish(now, is_released=False)
        self._has_sent_release = True
        return self._write(Update(released(lock.record, now.wall), self._give_up_at_s(now, self._release_until_s)), now)

    def _finish(self, now: Instant, *, is_released: bool) -> tuple[Effect, ...]:
        """End the term for good; contend anew if that is wanted."""
        told = self._telling.leader(self._lock)
        self._term = None
        if not self._is_rejoining:
            self.phase = Phase.ENDED
            self._request = None
            return (*told, Ended(self._has_led, self.reason, self._is_drained, is_released))
        self.phase = Phase.CONTENDING
        self._reads_first = True
        # Who gave up on its own account lets others have a turn.
        turns = 2 if self.reason is EndReason.STEPPED_DOWN else 1
        self._next_at_s = now.clock_s + turns * retry_delay_s(self._config, self._rng)
        return told + self._next(now)

    # -- what is next -------------------------------------------------------------------------------------------------

    def _next(self, now: Instant) -> tuple[Effect, ...]:
        """Return the thing to do next; none while a request is under way."""
        if self.phase is Phase.LEADING and now.clock_s >= self._leads_until_s:
            return self._end_term(EndReason.DEADLINE, now)
        if self.phase is Phase.DRAINING and self._is_voluntary and now.clock_s >= self._leads_until_s:
            return self._lose_while_draining(EndReason.DEADLINE, now)  # others may lead soon, however long the drain
        if self._request is not None:
            return ()
        match self.phase:
            case Phase.CONTENDING:
                return self._get(now) if now.clock_s >= self._next_at_s else (Wait(self._next_at_s),)
            case Phase.LEADING:
                return self._next_renewal(now, self._leads_until_s)
            case Phase.DRAINING:
                return self._next_while_draining(now)
            case Phase.RELEASING:
                return self._next_while_releasing(now)
            case Phase.NEW | Phase.ENDED:
                return ()

    def _next_renewal(self, now: Instant, wait_until_s: float) -> tuple[Effect, ...]:
        if now.clock_s < self._next_at_s:
            return (Wait(min(self._next_at_s, wait_until_s)),)
        if self._reads_first:
            return self._get(now, self._leads_until_s)
        return self._renew(now)

    def _next_while_draining(self, now: Instant) -> tuple[Effect, ...]:
        if now.clock_s >= self._drain_until_s:
            return self._after_drain(now, is_drained=False)
        if now.clock_s >= self.leads_until_s:
            return (Wait(self._drain_until_s),)
        return self._next_renewal(now, min(self._leads_until_s, self._drain_until_s))

    def _next_while_releasing(self, now: Instant) -> tuple[Effect, ...]:
        if now.clock_s >= self._release_until_s or not self._is_releasable:
            return self._finish(now, is_released=False)
        if now.clock_s < self._next_at_s:
            return (Wait(min(self._next_at_s, self._release_until_s)),)
        return self._get(now, self._release_until_s)

    def _try_later(self, now: Instant) -> tuple[Effect, ...]:
        """Have the next attempt one retry period later."""
        if self.phase is not Phase.CONTENDING:
            # A fixed beat, counted from when the attempt began; beats that were missed are one.
            self._next_at_s = max(now.clock_s, self._sent_at_s + self._config.retry_period_s)
            return self._next(now)
        self._next_at_s = attempt_again_at_s(self._lock, now.clock_s, self._config, self._rng)
        return self._next(now)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _get(self, now: Instant, until_s: float | None = None) -> tuple[Effect, ...]:
        return self._send(Get(self._give_up_at_s(now, until_s)), now)

    def _write(self, request: Create | Update, now: Instant) -> tuple[Effect, ...]:
        if request.record.holder_identity:
            self._lock.wrote(request.record)
        return self._send(request, now)

    def _send(self, request: Request, now: Instant) -> tuple[Effect, ...]:
        assert self._request is None, (self._request, request)
        self._request = request
        self._written_on = self._lock.observation
        self._sent_at_s = now.clock_s
        return (request,)

    def _give_up_at_s(self, now: Instant, until_s: float | None = None) -> float:
        timeout_at_s = now.clock_s + self._config.request_timeout_s
        return timeout_at_s if until_s is None else min(timeout_at_s, until_s)
