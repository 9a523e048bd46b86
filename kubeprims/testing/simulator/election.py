"""A few candidates, one lock and what goes wrong between them, and what must hold meanwhile and in the end.

The machine of every candidate is the real thing; its driver, the server, the way to it and all clocks are the
simulation's.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Sequence
from typing import Final

from kubeprims.clock import Rng
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.effects import Ended, EndTerm, ExtendTerm, Request, StartTerm
from kubeprims.leaderelection.machine import ElectionMachine
from kubeprims.leaderelection.record import COUNT_MAX, LeaderElectionRecord
from kubeprims.testing.simulator.campaign import Outcome
from kubeprims.testing.simulator.election_candidate import Candidate, Contender, LocalClock
from kubeprims.testing.simulator.election_lock import NOBODY, LockState, ModelLock
from kubeprims.testing.simulator.election_network import ElectionNetwork
from kubeprims.testing.simulator.election_rules import Judge
from kubeprims.testing.simulator.election_schedule import (
    INTERFERENCES,
    LOCK_FAULTS,
    REQUEST_FAULTS,
    Command,
    ElectionAction,
    ElectionFault,
    ElectionFaultKind,
    ElectionSetting,
    ElectionStep,
    Habits,
    Order,
    generate_election,
)
from kubeprims.testing.simulator.world import EVENTS_MAX, START_S, Halt, World

RESTART_S: Final = 1.0
"""How long it takes until a process that has ended is there again."""

RELABEL_S: Final = 0.2
"""How often somebody changes the labels who does."""

STAYS_LEASES: Final = 2
"""How many lease durations a leader has to stay it when nothing goes wrong."""

STRIKES_LEASES: Final = 4
"""How many lease durations after the last step the faults may take that have not struck yet."""

CALM_LEASES_MAX: Final = 20
"""How many of the longest lease durations it may take at most until somebody leads, whatever stands in the way."""

Make = Callable[[str, ElectionConfig, Rng], Contender]


def make_machine(identity: str, config: ElectionConfig, rng: Rng) -> Contender:
    """Return the machine that is simulated unless another one is asked for."""
    return ElectionMachine(identity, config, rng=rng)


class ElectionScenario:
    """Plays the schedules of :mod:`~kubeprims.testing.simulator.election_schedule` against machines.

    A schedule has three to five candidates, at least 20 lease durations and at least three faults. At every moment, no
    two terms are open; tokens increase; nobody releases, or goes on with, what is not his own; nobody gives the lock
    back before his work has ended; nobody asks too often. Once nothing goes wrong any more, somebody leads within the
    time that is promised, and goes on leading.
    """

    name = "election"

    def __init__(
        self,
        *,
        make: Make = make_machine,
        allowed: frozenset[ElectionFaultKind] = frozenset(ElectionFaultKind),
        has_orders: bool = True,
        has_watches: bool = True,
    ) -> None:
        """Choose what to play with.

        Args:
            make: Makes what contends, from its identity, its times and its chance.
            allowed: What may go wrong.
            has_orders: Whether candidates are told to stop or to step down, too, and work ends by itself.
            has_watches: Whether some candidates watch the lock.
        """
        self._make = make
        self._allowed = allowed
        self._has_orders = has_orders
        self._has_watches = has_watches

    def setting(self, seed: int) -> ElectionSetting:
        """Return the world of a seed."""
        setting = ElectionSetting.of(seed)
        return setting if self._has_watches else setting.without_watches()

    def steps(self, seed: int) -> Sequence[ElectionStep]:
        """Return the schedule of a seed."""
        steps = generate_election(seed, self.setting(seed), allowed=self._allowed)
        return steps if self._has_orders else [step for step in steps if isinstance(step.action, ElectionFault)]

    def play(self, seed: int, steps: Sequence[ElectionStep]) -> Outcome:
        """Play a schedule, or a part of it."""
        play = _Play(seed, self.setting(seed), steps, self._make)
        failure = play.run()
        return Outcome(
            failure=failure,
            events=play.world.events,
            changes=play.lock.changes,
            faults=play.network.struck,
        )


class LongElectionScenario(ElectionScenario):
    """Fifty candidates and one hour, with a fault every few seconds (A42)."""

    name = "long-election"

    CANDIDATES: Final = 50
    CONFIG: Final = ElectionConfig(drain_timeout_s=20.0, foreign_duration_max_s=30.0, rejoin=True)
    FAULT_EVERY_S: Final = 8.0

    def __init__(self, *, make: Make = make_machine, lasts_s: float = 3_600.0) -> None:
        """Choose how long it lasts."""
        super().__init__(make=make)
        self._lasts_s = lasts_s

    def setting(self, seed: int) -> ElectionSetting:
        """Return the world of a seed."""
        leases = math.ceil(self._lasts_s / self.CONFIG.lease_duration_s)
        return ElectionSetting.of(seed, candidates=self.CANDIDATES, config=self.CONFIG, leases=leases)

    def steps(self, seed: int) -> Sequence[ElectionStep]:
        """Return the schedule of a seed."""
        faults = int(self._lasts_s / self.FAULT_EVERY_S)
        return generate_election(seed, self.setting(seed), allowed=self._allowed, faults=faults)


class _Play:
    def __init__(self, seed: int, setting: ElectionSetting, steps: Sequence[ElectionStep], make: Make) -> None:
        self._setting = setting
        self._make = make
        self._rng = random.Random(f"play {seed}")  # noqa: S311 - a schedule, not a secret
        self.world = World(events_max=EVENTS_MAX * len(setting.habits))
        self.lock = ModelLock()
        self._judge = Judge(self.world, self.lock)
        self.network = ElectionNetwork(self.world, self.lock, self._judge, setting, self._rng)
        self._seats: list[Candidate] = []
        self._extra: list[Candidate] = []
        self._processes = 0
        self._started_s = START_S
        self._calm_s = math.inf
        self._is_over = False
        for seat in range(len(setting.habits)):
            self._seats.append(self._begin(seat, f"candidate-{seat}", delay_s=self._rng.random()))
        for step in steps:
            self.world.after(step.at_s, functools.partial(self._do, step.action))
        last_s = max([setting.leases * setting.lease_s, *(step.at_s for step in steps)])
        self._given_up_s = START_S + last_s + STRIKES_LEASES * setting.lease_s
        self.world.after(last_s, self._calm_down)

    def run(self) -> str:
        """Play; return which rule was broken, or nothing."""
        try:
            while not self._is_over and not self._judge.wrong:
                self.world.step()
        except Halt as halt:
            return str(halt)
        except AssertionError as error:  # the machine, or what it says is no sequence of effects
            return f"{type(error).__name__}: {error}"
        return "; ".join(self._judge.wrong)

    # -- processes --------------------------------------------------------------------------------------------------

    def _begin(self, seat: int, identity: str, *, delay_s: float, habits: Habits | None = None) -> Candidate:
        """Start a process."""
        habits = habits or self._setting.habits[seat]
        self._processes += 1
        rng = random.Random(self._rng.random())  # noqa: S311 - a schedule, not a secret
        candidate = Candidate(
            self.world,
            self.network,
            self,
            self._make(identity, habits.config, rng),
            number=self._processes,
            seat=seat,
            identity=identity,
            habits=habits,
            clock=LocalClock(self.world, habits.rate),
        )
        self.world.after(delay_s, functools.partial(self._start, candidate))
        return candidate

    def _start(self, candidate: Candidate) -> None:
        self._started_s = self.world.monotonic()
        if candidate.habits.is_watching:
            self.network.watch(candidate)
        candidate.soon(candidate.start)

    def _replace(self, candidate: Candidate, delay_s: float, *, same_identity: bool) -> None:
        """Have another process take the place of one that is no more."""
        if candidate not in self._seats:
            return
        is_unique = candidate.habits.config.identity_is_unique
        identity = f"candidate-{candidate.seat}"
        if not (same_identity or is_unique):
            identity += f"-{self._processes}"
        self._seats[candidate.seat] = self._begin(candidate.seat, identity, delay_s=delay_s)

    def _kill(self, candidate: Candidate, down_s: float, *, same_identity: bool) -> None:
        candidate.kill()
        self._judge.died(candidate)
        self._replace(candidate, down_s, same_identity=same_identity)

    def _whom(self, number: int | None) -> Candidate:
        """Return whom a step means: a candidate, or who leads, or who comes first."""
        if number is None:
            leader = self._judge.leader()
            if leader is not None:
                return leader
        return self._seats[(number or 0) % len(self._seats)]

    # -- what happens -----------------------------------------------------------------------------------------------

    def _do(self, action: ElectionAction) -> None:
        candidate = self._whom(action.candidate)
        if isinstance(action, Command):
            self._order(action.order, candidate)
        elif action.kind in REQUEST_FAULTS:
            self.network.strike(candidate.seat, action)
        elif action.kind in LOCK_FAULTS:
            self._do_to_lock(action)
        else:
            self._do_to_candidate(action, candidate)

    def _order(self, order: Order, candidate: Candidate) -> None:
        match order:
            case Order.STOP:
                candidate.tell_to_stop()
            case Order.STEP_DOWN:
                candidate.tell_to_step_down()
            case Order.WORK_RETURNS:
                candidate.end_work(has_failed=False)
            case Order.WORK_FAILS:
                candidate.end_work(has_failed=True)

    def _do_to_candidate(self, fault: ElectionFault, candidate: Candidate) -> None:
        kind, seat = fault.kind, candidate.seat
        self._note(kind)
        match kind:
            case ElectionFaultKind.CRASH:
                self._kill(candidate, fault.lasts_s, same_identity=fault.amount == 1)
            case ElectionFaultKind.PAUSE:
                candidate.pause()
                self._later(fault, functools.partial(self._resume, candidate))
            case ElectionFaultKind.CUT_OFF | ElectionFaultKind.DEAF:
                self.network.connect(seat, sends=kind is ElectionFaultKind.DEAF, hears=False)
                self._later(fault, functools.partial(self.network.connect, seat, sends=True, hears=True))
            case ElectionFaultKind.WALL_JUMP:
                candidate.clock.wall_off_s += fault.amount or -1
            case ElectionFaultKind.WALL_STOPS:
                candidate.clock.stop_wall()
                self._later(fault, candidate.clock.let_wall_go_on)
            case ElectionFaultKind.WATCH_LAGS:
                self.network.lag(seat, fault.lasts_s)
                self._later(fault, functools.partial(self.network.lag, seat, 0.0))
            case ElectionFaultKind.NAMESAKE:
                self._add_namesake(fault, candidate)
            case _:
                assert kind is ElectionFaultKind.STUCK_WORK, kind
                candidate.drain_s = math.inf if fault.amount else fault.lasts_s

    def _do_to_lock(self, fault: ElectionFault) -> None:
        kind, before = fault.kind, self.lock.state
        self._note(kind)
        match kind:
            case ElectionFaultKind.DOWN:
                self.network.is_down = True
                self._later(fault, self._bring_up)
            case ElectionFaultKind.SLOW_SERVER:
                self.network.latency_s = fault.lasts_s / 4
                self._later(fault, self._speed_up)
            case ElectionFaultKind.RELABELLED:
                self._relabel(self.world.monotonic() + fault.lasts_s)
            case ElectionFaultKind.DELETED:
                self.lock.delete()
            case _:
                self.lock.overwrite(self._foreign(fault))
        if kind in {*INTERFERENCES}:
            self._judge.interfered(before)
            self.network.changed()

    def _foreign(self, fault: ElectionFault) -> LeaderElectionRecord | None:
        """Return what somebody writes who is no candidate."""
        if fault.kind is ElectionFaultKind.SPOILT:
            return None
        holder = "somebody" if fault.kind is ElectionFaultKind.OVERWRITTEN else ""
        now = self.world.wall()
        duration_s = max(-COUNT_MAX, min(COUNT_MAX, fault.amount))
        return LeaderElectionRecord(
            holder_identity=holder, lease_duration_s=duration_s, acquire_time=now, renew_time=now, leader_transitions=7
        )

    def _relabel(self, until_s: float) -> None:
        if self.world.monotonic() < until_s and math.isinf(self._calm_s):
            self.lock.relabel()
            self.network.changed()
            self.world.after(RELABEL_S, functools.partial(self._relabel, until_s))

    def _add_namesake(self, fault: ElectionFault, candidate: Candidate) -> None:
        if candidate.habits.config.identity_is_unique or not candidate.is_alive:
            return
        seat = len(self._setting.habits) + len(self._extra)
        namesake = self._begin(seat, candidate.identity, delay_s=0.0, habits=candidate.habits)
        self._extra.append(namesake)
        self._later(fault, functools.partial(self._kill, namesake, 0.0, same_identity=True))

    def _resume(self, candidate: Candidate) -> None:
        if candidate.is_alive and candidate.is_paused:
            self._judge.resumed(candidate)
            candidate.resume()

    def _bring_up(self) -> None:
        self.network.is_down = False

    def _speed_up(self) -> None:
        self.network.latency_s = self._setting.latency_s

    def _later(self, fault: ElectionFault, action: Callable[[], None]) -> None:
        """Have a fault end; all of them have ended when it gets calm."""
        self.world.after(fault.lasts_s, lambda: action() if math.isinf(self._calm_s) else None)

    def _note(self, kind: ElectionFaultKind) -> None:
        self.network.struck[kind.value] += 1

    # -- how it ends ------------------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        """End the faults."""
        if self.network.pending and self.world.monotonic() < self._given_up_s:
            self.network.strike_anybody()  # a fault that does not strike proves nothing
            self.lock.relabel()  # a leader whose write conflicts reads, even if everybody else only watches
            self.network.changed()
            self.world.after(self._setting.retry_s, self._calm_down)
            return
        for namesake in self._extra:
            self._kill(namesake, 0.0, same_identity=True)
        self.network.heal()
        self._bring_up()
        self._speed_up()
        self._calm_s = self.world.monotonic()
        for candidate in tuple(self._seats):
            self.network.lag(candidate.seat, 0.0)
            self.network.connect(candidate.seat, sends=True, hears=True)
            candidate.clock.let_wall_go_on()
            self._resume(candidate)
        self.world.after(self._led_by_s - self._calm_s, self._look)

    @property
    def _led_by_s(self) -> float:
        """When somebody has to lead."""
        setting = self._setting
        since_s = max(self._calm_s, self.network.lands_until_s, self._started_s, self._judge.unsettled_s)
        state = self.lock.state
        lease_s = setting.foreign_s if state is not None and state.writer == NOBODY else setting.lease_s
        allowance_s = 2.2 * setting.retry_s + 1.0 if setting.is_watched else 4.4 * setting.retry_s
        slowest = min(habits.rate for habits in setting.habits)
        return since_s + (lease_s + allowance_s) / slowest + 8 * setting.latency_s

    def _look(self) -> None:
        """See whether somebody leads."""
        now_s, leader = self.world.monotonic(), self._judge.leader()
        if leader is not None:
            self.world.after(STAYS_LEASES * self._setting.lease_s, functools.partial(self._look_again, leader))
        elif now_s >= self._led_by_s or now_s > self._calm_s + CALM_LEASES_MAX * self._setting.foreign_s:
            self._judge.wrong.append(
                f"nobody leads {now_s - self._calm_s:.3f} s after the last fault: {self.lock.state}"
            )
        else:
            self.world.after(self._led_by_s - now_s, self._look)

    def _look_again(self, leader: Candidate) -> None:
        """See whether the leader has stayed the leader."""
        if self._judge.leader() is not leader:
            self._judge.wrong.append(f"{leader.identity} leads no more, though nothing has gone wrong")
        self._is_over = True

    # -- what candidates do -----------------------------------------------------------------------------------------

    def sends(self, candidate: Candidate, request: Request, number: int) -> None:
        """A request is sent."""
        self._judge.sends(candidate, request, number)

    def told(self, candidate: Candidate, effect: StartTerm | ExtendTerm | EndTerm) -> None:
        """The work is told something."""
        self._judge.told(candidate, effect)

    def drained(self, candidate: Candidate) -> None:
        """The work has ended."""
        self._judge.drained(candidate)

    def read(self, candidate: Candidate, state: LockState | None) -> None:
        """The candidate has been shown the lock."""
        self._judge.read(candidate, state)

    def ended(self, candidate: Candidate, effect: Ended) -> None:
        """The process has ended: another one takes its place, as a Deployment sees to it."""
        self._judge.ended(candidate, effect)
        self._replace(candidate, RESTART_S, same_identity=False)
