"""The way between candidates and the lock: latency, what is lost, and what arrives when nobody expects it any more."""

from __future__ import annotations

import functools
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from kubeprims.leaderelection.effects import Create, Get, Observation, Request, Update, WriteFailure
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.testing.simulator.election_candidate import Candidate
from kubeprims.testing.simulator.election_lock import LockState, ModelLock
from kubeprims.testing.simulator.election_schedule import ElectionFault, ElectionFaultKind, ElectionSetting
from kubeprims.testing.simulator.world import World

RECONNECT_S: Final = 0.5
"""How long a watch takes to be there again."""

_ANYBODY: Final = -1


class Landing(Protocol):
    """Who is told of the writes that are carried out."""

    def lands(self, candidate: Candidate, number: int, before: LockState | None, after: LockState) -> None:
        """Note that a request of a candidate has made ``after`` of ``before``."""
        ...


@dataclass(slots=True)
class _Line:
    """How a candidate is connected."""

    sends: bool = True
    hears: bool = True
    watch_lag_s: float = 0.0
    shown_until_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request that is under way."""

    candidate: Candidate
    request: Request
    number: int
    base: int
    fault: ElectionFault | None
    give_up_s: float

    @property
    def kind(self) -> ElectionFaultKind | None:
        return None if self.fault is None else self.fault.kind


class ElectionNetwork:
    """Brings requests to the lock and answers back, with faults.

    Attributes:
        struck: Which faults have struck, and how often.
        latency_s: How long anything takes one way, at this moment.
        is_down: Whether the server answers nobody.
        lands_until_s: When the last request arrives that is under way.

    Concurrency:
        One thread.
    """

    def __init__(
        self, world: World, lock: ModelLock, landing: Landing, setting: ElectionSetting, rng: random.Random
    ) -> None:
        self.struck: Counter[str] = Counter()
        self.latency_s = setting.latency_s
        self.is_down = False
        self.lands_until_s = 0.0
        self._world = world
        self._lock = lock
        self._landing = landing
        self._has_seconds = setting.has_seconds
        self._rng = rng
        self._lines: defaultdict[int, _Line] = defaultdict(_Line)
        self._pending: defaultdict[int, list[ElectionFault]] = defaultdict(list)
        self._watching: list[Candidate] = []
        self._observed: tuple[LockState, Observation] | None = None

    # -- what happens to it -----------------------------------------------------------------------------------------

    def strike(self, seat: int, fault: ElectionFault) -> None:
        """Have something go wrong with the next requests from a seat; from any, if only some can suffer it."""
        is_picky = fault.kind in {ElectionFaultKind.CONFLICT, ElectionFaultKind.STALE}
        self._pending[_ANYBODY if is_picky else seat].append(fault)

    def strike_anybody(self) -> None:
        """Have what was to befall one candidate befall any: who watches the lock may have nothing to ask for."""
        waiting = [fault for pending in self._pending.values() for fault in pending]
        self._pending.clear()
        self._pending[_ANYBODY] = waiting

    @property
    def pending(self) -> int:
        """How many faults have not struck yet."""
        return sum(map(len, self._pending.values()))

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self._pending.clear()

    def connect(self, seat: int, *, sends: bool, hears: bool) -> None:
        """Have requests from a seat get through, or not, and answers to it."""
        line = self._lines[seat]
        was_cut, line.sends, line.hears = not (line.sends and line.hears), sends, hears
        if was_cut and sends and hears:
            for candidate in self._watching:
                if candidate.seat == seat:
                    self._world.after(RECONNECT_S, functools.partial(self._show_newest, candidate))

    def lag(self, seat: int, lag_s: float) -> None:
        """Have what a watch shows come late."""
        self._lines[seat].watch_lag_s = lag_s

    def watch(self, candidate: Candidate) -> None:
        """Show the lock to a candidate from now on."""
        self._watching.append(candidate)

    def changed(self) -> None:
        """Show the lock to those who watch it."""
        state = self._lock.state
        self._watching = [candidate for candidate in self._watching if candidate.is_alive]
        for candidate in self._watching:
            line = self._lines[candidate.seat]
            now_s = self._world.monotonic()
            at_s = max(now_s + self.latency_s + line.watch_lag_s, line.shown_until_s)
            line.shown_until_s = at_s
            self._world.after(at_s - now_s, functools.partial(self._show, candidate, state))

    def _show_newest(self, candidate: Candidate) -> None:
        self._show(candidate, self._lock.state)

    def _show(self, candidate: Candidate, state: LockState | None) -> None:
        line = self._lines[candidate.seat]
        if line.sends and line.hears and not self.is_down:
            candidate.see(self._observation(state))

    # -- requests ---------------------------------------------------------------------------------------------------

    def send(self, candidate: Candidate, request: Request, number: int) -> None:
        """Bring a request to the lock."""
        fault = self._take(candidate.seat, request)
        sent = _Sent(candidate, request, number, candidate.base, fault, candidate.clock.world_s(request.give_up_at_s))
        late_s = fault.lasts_s if fault is not None and fault.kind is ElectionFaultKind.LATE else 0.0
        arrives_s = self._world.monotonic() + self._travel_s() + late_s
        self.lands_until_s = max(self.lands_until_s, arrives_s)
        if arrives_s >= sent.give_up_s:
            self._give_up(sent)
        self._at(arrives_s, lambda: self._arrive(sent))

    def _arrive(self, sent: _Sent) -> None:
        is_given_up = self._world.monotonic() >= sent.give_up_s
        if sent.kind is ElectionFaultKind.REQUEST_LOST or not self._lines[sent.candidate.seat].sends:
            answer: Callable[[], None] | None = None
        elif self.is_down:
            answer = functools.partial(sent.candidate.fails, sent.number, WriteFailure.REFUSED)
        else:
            answer = self._carry_out(sent)
        if is_given_up:
            return
        if answer is None or sent.kind is ElectionFaultKind.ANSWER_LOST:
            self._give_up(sent)
        else:
            self._answer(sent, answer)

    def _answer(self, sent: _Sent, answer: Callable[[], None]) -> None:
        """Bring an answer back, if it is in time and gets through."""
        slow_s = sent.fault.lasts_s if sent.fault is not None and sent.kind is ElectionFaultKind.SLOW else 0.0
        arrives_s = self._world.monotonic() + self._travel_s() + slow_s
        if arrives_s >= sent.give_up_s:
            self._give_up(sent)
            return

        def arrive() -> None:
            line = self._lines[sent.candidate.seat]
            if line.hears and line.sends:
                answer()
            else:
                self._give_up(sent)

        self._at(arrives_s, arrive)

    def _give_up(self, sent: _Sent) -> None:
        self._at(sent.give_up_s, functools.partial(sent.candidate.fails, sent.number, WriteFailure.UNKNOWN))

    def _carry_out(self, sent: _Sent) -> Callable[[], None]:
        """Do what is asked for; return what is to happen when the answer is there."""
        if sent.kind in {ElectionFaultKind.REFUSED, ElectionFaultKind.FAILED}:
            failure = WriteFailure.REFUSED if sent.kind is ElectionFaultKind.REFUSED else WriteFailure.UNKNOWN
            return functools.partial(sent.candidate.fails, sent.number, failure)
        if sent.kind is ElectionFaultKind.CONFLICT:
            self._lock.relabel()
            self.changed()
        answer = self._read(sent) if isinstance(sent.request, Get) else self._write(sent, sent.request)
        if sent.kind is ElectionFaultKind.TWICE and not isinstance(sent.request, Get):
            return functools.partial(sent.candidate.fails, sent.number, WriteFailure.CONFLICT)
        if sent.kind is ElectionFaultKind.FAILED_AFTER:
            return functools.partial(sent.candidate.fails, sent.number, WriteFailure.UNKNOWN)
        return answer

    def _read(self, sent: _Sent) -> Callable[[], None]:
        newest = self._lock.state
        state = self._rng.choice(self._lock.history) if sent.kind is ElectionFaultKind.STALE else newest
        observation = self._observation(state)
        return functools.partial(
            sent.candidate.answered, sent.number, state, observation, is_newest=state is newest
        )  # fmt: skip

    def _write(self, sent: _Sent, request: Create | Update) -> Callable[[], None]:
        before, record, writer = self._lock.state, self._kept(request.record), sent.candidate.number
        if isinstance(request, Create):
            state = self._lock.create(record, writer)
        else:
            state = self._lock.update(record, sent.base, writer)
        if state is None:
            return functools.partial(sent.candidate.fails, sent.number, WriteFailure.CONFLICT)
        self._landing.lands(sent.candidate, sent.number, before, state)
        self.changed()
        return functools.partial(sent.candidate.answered, sent.number, state, self._observation(state))

    def _take(self, seat: int, request: Request) -> ElectionFault | None:
        unfit = ElectionFaultKind.CONFLICT if isinstance(request, Get) else ElectionFaultKind.STALE
        for pending in (self._pending[seat], self._pending[_ANYBODY]):
            for index, fault in enumerate(pending):
                if fault.kind is unfit:
                    continue
                if fault.requests > 1:
                    pending[index] = replace(fault, requests=fault.requests - 1)
                else:
                    del pending[index]
                self.struck[fault.kind.value] += 1
                return fault
        return None

    def _travel_s(self) -> float:
        return self.latency_s * (0.5 + self._rng.random())

    def _at(self, world_s: float, action: Callable[[], None]) -> None:
        self._world.after(world_s - self._world.monotonic(), action)

    # -- what the lock says -----------------------------------------------------------------------------------------

    def _kept(self, record: LeaderElectionRecord) -> LeaderElectionRecord:
        """Return a record as the lock keeps it."""
        if not self._has_seconds:
            return record
        acquired, renewed = record.acquire_time, record.renew_time
        return replace(
            record,
            acquire_time=acquired and acquired.replace(microsecond=0),
            renew_time=renewed and renewed.replace(microsecond=0),
        )

    def _observation(self, state: LockState | None) -> Observation | None:
        """Return what a client makes of the lock."""
        if state is None:
            return None
        if self._observed is None or self._observed[0] is not state:
            text = f"garbage {state.version}" if state.record is None else str(state.record)
            self._observed = (state, Observation(state.record, text))
        return self._observed[1]
