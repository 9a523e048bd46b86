"""An election as client-go does it, for the simulation to find fault with.

Each of the points in which kubeprims is stricter is a switch: with all of them repaired the model passes, so that what
is found with one of them as it is upstream is that one.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from enum import StrEnum

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
    Observation,
    Request,
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from kubeprims.leaderelection.record import LeaderElectionRecord


class Defect(StrEnum):
    """Where upstream is not as strict."""

    D1 = "a term is bounded by when the answer came"
    D2 = "whoever sees another holder works on until the deadline"
    D3 = "the lock is released before the work has been told to end"
    D4 = "a release looks at what the lock said long ago"
    D5 = "a lock that has become free is taken again without a word"
    D9 = "a record in one's own name is one's own"


class UpstreamElection:
    """One candidate, in the order of ``LeaderElector.Run``: acquire, renew, perhaps release, end.

    Source:
        client-go tools/leaderelection/leaderelection.go, ``tryAcquireOrRenew``, ``renew`` and ``release``.
    """

    def __init__(self, identity: str, config: ElectionConfig, rng: Rng, defects: frozenset[Defect]) -> None:
        self._identity = identity
        self._config = config
        self._rng = rng
        self._defects = defects
        self._observed = Observation(LeaderElectionRecord(), "")
        self._observed_at_s = 0.0
        self._raw = ""
        self._written: list[tuple[datetime.datetime | None, datetime.datetime | None]] = []
        self._request: Request | None = None
        self._is_fast = False
        self._sent_at_s = 0.0
        self._loop = "acquire"
        self._round_at_s = 0.0
        self._deadline_s = math.inf
        self._next_at_s = 0.0
        self._reason: EndReason | None = None
        self._is_stopping = False
        self._has_led = False
        self._is_drained = True
        self._drain_until_s = 0.0

    # -- what happens -------------------------------------------------------------------------------------------------

    def start(self, now: Instant) -> tuple[Effect, ...]:
        return self._attempt(now)

    def on_stop(self, now: Instant) -> tuple[Effect, ...]:
        self._is_stopping = True
        return self._next(now) if self._request is None and self._loop in {"acquire", "renew"} else ()

    def on_step_down(self, now: Instant) -> tuple[Effect, ...]:
        return ()

    def on_work_returned(self, now: Instant, *, has_failed: bool = False) -> tuple[Effect, ...]:
        self._is_drained = True
        return self._next(now) if self._loop == "drain" else ()

    def on_seen(self, observation: Observation | None, now: Instant) -> tuple[Effect, ...]:
        return ()

    def on_waited(self, now: Instant) -> tuple[Effect, ...]:
        return self._next(now)

    def on_get_failed(self, now: Instant) -> tuple[Effect, ...]:
        self._request = None
        return self._failed(now)

    def on_not_found(self, now: Instant) -> tuple[Effect, ...]:
        self._request = None
        if self._loop == "release":
            return self._released(now)
        if self._loop == "renew" and Defect.D5 not in self._defects:
            return self._lose(EndReason.LOCK_GONE, now)
        return self._send(Create(self._record(LeaderElectionRecord(), now, transitions=0), self._give_up_s(now)), now)

    def on_got(self, observation: Observation, now: Instant) -> tuple[Effect, ...]:
        self._request = None
        if self._loop == "release":
            return self._release(observation, now)
        if observation.version != self._raw:
            self._raw = observation.version
            self._observed, self._observed_at_s = observation, now.clock_s
        record = observation.record or LeaderElectionRecord()
        is_mine = record.holder_identity == self._identity
        is_taken = bool(record.holder_identity) and self._is_valid(now)
        if self._is_repaired(record, is_taken=is_taken):
            if self._loop == "renew":
                return self._lose(EndReason.OTHER_HOLDER, now)
            if is_taken:
                return self._failed(now)
        if is_taken and not is_mine:
            return self._failed(now)
        transitions = record.leader_transitions + (not is_mine)
        return self._send(Update(self._record(record, now, transitions=transitions), self._give_up_s(now)), now)

    def on_written(self, version: str, token: str, now: Instant) -> tuple[Effect, ...]:
        request, self._request = self._request, None
        assert isinstance(request, Create | Update)
        if self._loop == "release":
            return self._released(now)
        is_visible = version != self._observed.version
        self._observed, self._observed_at_s = Observation(request.record, version), now.clock_s
        bound_s = math.inf if Defect.D1 in self._defects else self._sent_at_s + self._config.renew_deadline_s
        if not is_visible or now.clock_s >= bound_s:
            return self._failed(now)
        self._deadline_s = bound_s
        if self._loop == "acquire" and not self._is_stopping:
            self._loop, self._has_led, self._is_drained = "renew", True, False
            self._begin_round(now.clock_s)
            return (StartTerm(token, bound_s), *self._next(now))
        self._begin_round(now.clock_s + self._config.retry_period_s)
        extended = () if self._loop == "acquire" or math.isinf(bound_s) else (ExtendTerm(bound_s),)
        return (*extended, *self._next(now))

    def on_write_failed(self, failure: WriteFailure, now: Instant) -> tuple[Effect, ...]:
        request, self._request = self._request, None
        assert isinstance(request, Create | Update)
        if self._is_fast and self._loop == "renew":
            return self._send(Get(self._give_up_s(now)), now)
        return self._failed(now)

    # -- the loops ----------------------------------------------------------------------------------------------------

    def _begin_round(self, at_s: float) -> None:
        self._round_at_s = self._next_at_s = at_s
        if Defect.D1 in self._defects:
            self._deadline_s = at_s + self._config.renew_deadline_s

    def _attempt(self, now: Instant) -> tuple[Effect, ...]:
        record = self._observed.record or LeaderElectionRecord()
        self._is_fast = record.holder_identity == self._identity and self._is_valid(now)
        if self._is_fast:
            renewal = self._record(record, now, transitions=record.leader_transitions)
            return self._send(Update(renewal, self._give_up_s(now)), now)
        return self._send(Get(self._give_up_s(now)), now)

    def _failed(self, now: Instant) -> tuple[Effect, ...]:
        config = self._config
        if self._loop == "acquire":
            self._next_at_s = now.clock_s + config.retry_period_s * (1.0 + 1.2 * self._rng.random())
        elif self._loop == "renew":
            ticks = math.floor((now.clock_s - self._round_at_s) / config.retry_period_s) + 1
            self._next_at_s = self._round_at_s + max(0, ticks) * config.retry_period_s
        else:
            return self._released(now)
        return self._next(now)

    def _next(self, now: Instant) -> tuple[Effect, ...]:
        if self._loop == "acquire" and self._is_stopping:
            return self._end()
        if self._loop == "renew" and (self._is_stopping or now.clock_s >= self._deadline_s):
            return self._lose(EndReason.STOPPED if self._is_stopping else EndReason.DEADLINE, now)
        if self._loop == "drain":
            if self._is_drained or now.clock_s >= self._drain_until_s:
                return self._after_drain(now)
            if self._reason is not EndReason.STOPPED:
                return (Wait(self._drain_until_s),)
            if now.clock_s < self._deadline_s:
                return (Wait(min(self._deadline_s, self._drain_until_s)),)
            self._reason = EndReason.DEADLINE
            return (EndTerm(self._reason), *self._next(now))
        if now.clock_s < self._next_at_s:
            return (Wait(min(self._next_at_s, self._deadline_s if self._loop == "renew" else math.inf)),)
        return self._attempt(now)

    def _lose(self, reason: EndReason, now: Instant) -> tuple[Effect, ...]:
        self._reason = reason
        if Defect.D3 in self._defects and self._config.release_on_cancel:
            return self._begin_release(now)
        return self._tell(now)

    def _tell(self, now: Instant) -> tuple[Effect, ...]:
        assert self._reason is not None
        self._loop = "drain"
        self._drain_until_s = now.clock_s + self._config.drain_timeout_s
        return (EndTerm(self._reason), *self._next(now))

    def _after_drain(self, now: Instant) -> tuple[Effect, ...]:
        is_released_already = Defect.D3 in self._defects
        if is_released_already or not self._is_drained or not self._config.release_on_cancel:
            return self._end()
        return self._begin_release(now)

    def _begin_release(self, now: Instant) -> tuple[Effect, ...]:
        self._loop = "release"
        return self._send(Get(now.clock_s + self._config.request_timeout_s), now)

    def _release(self, fresh: Observation, now: Instant) -> tuple[Effect, ...]:
        record = fresh.record or LeaderElectionRecord()
        seen = self._observed.record if Defect.D4 in self._defects else record
        is_mine = seen is not None and seen.holder_identity == self._identity
        if not is_mine or not (Defect.D4 in self._defects or self._is_written(record)):
            return self._released(now)
        empty = LeaderElectionRecord(
            lease_duration_s=1, acquire_time=now.wall, renew_time=now.wall, leader_transitions=record.leader_transitions
        )
        return self._send(Update(empty, now.clock_s + self._config.request_timeout_s), now)

    def _released(self, now: Instant) -> tuple[Effect, ...]:
        return self._tell(now) if Defect.D3 in self._defects else self._end()

    def _end(self) -> tuple[Effect, ...]:
        self._loop = "ended"
        return (Ended(self._has_led, self._reason, self._is_drained, False),)

    def _is_repaired(self, record: LeaderElectionRecord, *, is_taken: bool) -> bool:
        """Return whether a read that shows no term of ours is taken for that, and is not where upstream goes wrong."""
        if record.holder_identity == self._identity:
            return Defect.D9 not in self._defects and not self._is_written(record)
        return (Defect.D2 if is_taken else Defect.D5) not in self._defects

    # -- records and requests -----------------------------------------------------------------------------------------

    def _is_valid(self, now: Instant) -> bool:
        duration_s = (self._observed.record or LeaderElectionRecord()).lease_duration_s
        if duration_s <= 0:
            duration_s = self._config.written_duration_s
        return now.clock_s < self._observed_at_s + min(duration_s, self._config.foreign_duration_max_s)

    def _is_written(self, record: LeaderElectionRecord) -> bool:
        return (record.acquire_time, record.renew_time) in self._written

    def _record(self, seen: LeaderElectionRecord, now: Instant, *, transitions: int) -> LeaderElectionRecord:
        is_mine = seen.holder_identity == self._identity
        return LeaderElectionRecord(
            holder_identity=self._identity,
            lease_duration_s=self._config.written_duration_s,
            acquire_time=seen.acquire_time if is_mine else now.wall,
            renew_time=now.wall,
            leader_transitions=transitions,
        )

    def _give_up_s(self, now: Instant) -> float:
        timeout_s = now.clock_s + self._config.request_timeout_s
        return min(timeout_s, self._deadline_s) if self._loop == "renew" else timeout_s

    def _send(self, request: Request, now: Instant) -> tuple[Effect, ...]:
        self._request = request
        self._sent_at_s = now.clock_s
        if not isinstance(request, Get):
            acquired, renewed = request.record.acquire_time, request.record.renew_time
            assert acquired is not None
            assert renewed is not None
            self._written.append((acquired, renewed))
            self._written.append((acquired.replace(microsecond=0), renewed.replace(microsecond=0)))
            del self._written[:-64]
        return (request,)


def with_defects(*defects: Defect) -> Callable[[str, ElectionConfig, Rng], UpstreamElection]:
    """Return what makes such a candidate."""

    def make(identity: str, config: ElectionConfig, rng: Rng) -> UpstreamElection:
        return UpstreamElection(identity, config, rng, frozenset(defects))

    return make
