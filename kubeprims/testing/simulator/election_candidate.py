"""One process that contends: the real machine, and in place of its driver the events of a simulated world."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Final, Protocol, assert_never

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
    Report,
    Request,
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from kubeprims.testing.simulator.election_lock import LockState
from kubeprims.testing.simulator.election_schedule import Habits
from kubeprims.testing.simulator.world import START_S, World

_LATE_S: Final = 1e-6
"""Nobody wakes before the time that he waits for, whatever the rounding."""


class Contender(Protocol):
    """What is simulated: called, and answering, as :class:`kubeprims.leaderelection.machine.ElectionMachine`."""

    def start(self, now: Instant) -> tuple[Effect, ...]:
        """Begin to contend."""
        ...

    def on_stop(self, now: Instant) -> tuple[Effect, ...]:
        """The process is told to end."""
        ...

    def on_step_down(self, now: Instant) -> tuple[Effect, ...]:
        """The leader is to give up its term."""
        ...

    def on_work_returned(self, now: Instant, *, has_failed: bool = False) -> tuple[Effect, ...]:
        """The work ended."""
        ...

    def on_seen(self, observation: Observation | None, now: Instant) -> tuple[Effect, ...]:
        """A watch shows the lock."""
        ...

    def on_waited(self, now: Instant) -> tuple[Effect, ...]:
        """The time has come."""
        ...

    def on_got(self, observation: Observation, now: Instant) -> tuple[Effect, ...]:
        """The lock was read."""
        ...

    def on_not_found(self, now: Instant) -> tuple[Effect, ...]:
        """There is no lock."""
        ...

    def on_get_failed(self, now: Instant) -> tuple[Effect, ...]:
        """The lock could not be read."""
        ...

    def on_written(self, version: str, token: str, now: Instant) -> tuple[Effect, ...]:
        """A write was accepted."""
        ...

    def on_write_failed(self, failure: WriteFailure, now: Instant) -> tuple[Effect, ...]:
        """A write was not accepted, or nobody knows."""
        ...


class LocalClock:
    """A clock that runs at its own rate, and a calendar that may be wrong.

    Attributes:
        wall_off_s: How wrong the calendar is.
    """

    def __init__(self, world: World, rate: float) -> None:
        self._world = world
        self._rate = rate
        self.wall_off_s = 0
        self._wall_stopped_at: datetime.datetime | None = None

    def now(self) -> Instant:
        """Return this moment."""
        return Instant(
            START_S + (self._world.monotonic() - START_S) * self._rate, self._wall_stopped_at or self._wall()
        )

    def stop_wall(self) -> None:
        """Have the calendar stand still."""
        self._wall_stopped_at = self._wall()

    def let_wall_go_on(self) -> None:
        """Have the calendar go on, from what the time is."""
        self._wall_stopped_at = None

    def world_s(self, clock_s: float) -> float:
        """Return the world's time at which this clock says so."""
        return START_S + (clock_s - START_S) / self._rate

    def _wall(self) -> datetime.datetime:
        wall = self._world.wall()
        return wall + datetime.timedelta(seconds=self.wall_off_s) if self.wall_off_s else wall


class Server(Protocol):
    """Where a candidate sends its requests."""

    def send(self, candidate: Candidate, request: Request, number: int) -> None:
        """Bring a request to the lock, and its answer, if there is one, to :meth:`Candidate.answered`."""
        ...


class Witness(Protocol):
    """Who is told of all that a candidate does."""

    def sends(self, candidate: Candidate, request: Request, number: int) -> None:
        """A request is sent."""
        ...

    def told(self, candidate: Candidate, effect: StartTerm | ExtendTerm | EndTerm) -> None:
        """The work is told something."""
        ...

    def drained(self, candidate: Candidate) -> None:
        """The work has ended."""
        ...

    def read(self, candidate: Candidate, state: LockState | None) -> None:
        """The candidate has been shown the newest state of the lock, and has decided what to do."""
        ...

    def ended(self, candidate: Candidate, effect: Ended) -> None:
        """The election has ended, and with it the process."""
        ...


class Candidate:
    """A process.

    Attributes:
        number: No other process has it.
        seat: Which of the candidates it is, of those that come after each other.
        identity: What it writes as the holder.
        clock: Its clock.
        is_alive: Whether it has not been killed, and has not ended.
        is_paused: Whether it stands still.
        is_catching_up: Whether it has stood still, and only now hears of what happened meanwhile.
        base: The version that its next write builds on.
        drain_s: How long its work takes to end.

    Concurrency:
        One thread.
    """

    def __init__(  # noqa: PLR0913 - what a process is, each told once
        self,
        world: World,
        server: Server,
        witness: Witness,
        contender: Contender,
        *,
        number: int,
        seat: int,
        identity: str,
        habits: Habits,
        clock: LocalClock,
    ) -> None:
        self._world = world
        self._server = server
        self._witness = witness
        self._contender = contender
        self.number = number
        self.seat = seat
        self.identity = identity
        self.habits = habits
        self.clock = clock
        self.is_alive = True
        self.is_paused = False
        self.is_catching_up = False
        self.base = 0
        self.drain_s = habits.drain_s
        self._backlog: list[Callable[[], None]] = []
        self._awaited = 0  # what is waited for, or requested: everything older is of no interest any more
        self._request: Request | None = None
        self._works = 0
        self._is_working = False

    # -- what happens to it -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._act(self._contender.start(self.clock.now()))

    def kill(self) -> None:
        """End it, without another word."""
        self.is_alive = False

    def pause(self) -> None:
        """Stop it, as SIGSTOP does."""
        self.is_paused = True

    def resume(self) -> None:
        """Let it go on: with whatever has happened meanwhile, in that order."""
        self.is_paused = False
        self.is_catching_up = True
        while self._backlog and self.is_alive and not self.is_paused:
            self._backlog.pop(0)()
        self.is_catching_up = False

    def soon(self, action: Callable[[], None]) -> None:
        """Have it notice something: now, or when it goes on."""
        if not self.is_alive:
            return
        if self.is_paused:
            self._backlog.append(action)
        else:
            action()

    def tell_to_stop(self) -> None:
        """Tell it to end in good order."""
        self.soon(lambda: self._act(self._contender.on_stop(self.clock.now())))

    def tell_to_step_down(self) -> None:
        """Tell it to give up its term."""
        self.soon(lambda: self._act(self._contender.on_step_down(self.clock.now())))

    def end_work(self, *, has_failed: bool) -> None:
        """Have its work end by itself, if there is any."""
        self.soon(lambda: self._end_work(self._works, has_failed=has_failed))

    def see(self, observation: Observation | None) -> None:
        """Have its watch show it the lock."""
        self.soon(lambda: self._act(self._contender.on_seen(observation, self.clock.now())))

    # -- its requests ---------------------------------------------------------------------------------------------

    def fails(self, number: int, failure: WriteFailure) -> None:
        """Have a request fail."""
        self.soon(lambda: self._failed(number, failure))

    def answered(
        self, number: int, state: LockState | None, observation: Observation | None, *, is_newest: bool = True
    ) -> None:
        """Have a request be answered: by what was read, or by what it has written."""
        self.soon(lambda: self._answered(number, state, observation, is_newest=is_newest))

    def _failed(self, number: int, failure: WriteFailure) -> None:
        if number != self._awaited or self._request is None:
            return
        request, self._request = self._request, None
        now = self.clock.now()
        if isinstance(request, Get):
            self._act(self._contender.on_get_failed(now))
        else:
            self._act(self._contender.on_write_failed(failure, now))

    def _answered(
        self, number: int, state: LockState | None, observation: Observation | None, *, is_newest: bool
    ) -> None:
        if number != self._awaited or self._request is None:
            return
        request, self._request = self._request, None
        now = self.clock.now()
        if state is None or observation is None:
            self._act(self._contender.on_not_found(now))
        elif isinstance(request, Get):
            self.base = state.version
            self._act(self._contender.on_got(observation, now))
        else:
            self.base = state.version
            self._act(self._contender.on_written(observation.version, str(state.version), now))
        if is_newest and isinstance(request, Get) and self.is_alive:
            self._witness.read(self, state)

    # -- what it does -----------------------------------------------------------------------------------------------

    def _act(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Wait(until_s=until_s):
                    assert self._request is None, f"waits while a request is under way: {effect}"
                    self._wait(until_s)
                case Get() | Create() | Update():
                    assert self._request is None, f"two requests at once: {effect}"
                    self._request = effect
                    self._awaited += 1
                    self._witness.sends(self, effect, self._awaited)
                    self._server.send(self, effect, self._awaited)
                case StartTerm() | ExtendTerm() | EndTerm():
                    self._witness.told(self, effect)
                    self._tell_work(effect)
                case Ended():
                    self.is_alive = False
                    self._witness.ended(self, effect)
                case NewLeader() | Report():
                    pass
                case _:
                    assert_never(effect)

    def _wait(self, until_s: float) -> None:
        self._awaited += 1
        number = self._awaited
        delay_s = self.clock.world_s(until_s) - self._world.monotonic()
        self._world.after(delay_s + _LATE_S, lambda: self.soon(lambda: self._waited(number)))

    def _waited(self, number: int) -> None:
        if number == self._awaited:
            self._act(self._contender.on_waited(self.clock.now()))

    # -- its work -----------------------------------------------------------------------------------------------------

    def _tell_work(self, effect: StartTerm | ExtendTerm | EndTerm) -> None:
        if isinstance(effect, StartTerm):
            self._works += 1
            self._is_working = True
        elif isinstance(effect, EndTerm) and self._is_working and not math.isinf(self.drain_s):
            works = self._works
            self._world.after(self.drain_s, lambda: self.soon(lambda: self._end_work(works, has_failed=False)))

    def _end_work(self, works: int, *, has_failed: bool) -> None:
        if self._is_working and works == self._works:
            self._is_working = False
            self._witness.drained(self)
            self._act(self._contender.on_work_returned(self.clock.now(), has_failed=has_failed))
