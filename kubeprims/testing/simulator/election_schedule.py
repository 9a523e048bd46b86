"""Schedules for an election: a seed becomes a few candidates, their clocks and their times, and a list of steps."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from kubeprims.leaderelection.config import ElectionConfig

LEASES_MIN: Final = 20
"""How many lease durations a schedule lasts at least."""

FAULTS_MIN: Final = 3
_FAULTS_MAX: Final = 12
CANDIDATES: Final = (3, 4, 5)

RATE_SHARE: Final = 0.95
"""How much of the tolerance clocks may use up that run at different speeds."""

# Lease duration, renew deadline, retry period: the usual ones, and ones with next to no margin.
_TIMES: Final = ((15.0, 10.0, 2.0), (3.0, 2.0, 0.5), (3.0, 2.9, 1.0), (8.0, 5.0, 1.0), (4.5, 3.5, 0.4), (5.0, 4.8, 2.0))


class ElectionFaultKind(StrEnum):
    """What goes wrong. The first group befalls requests, the second candidates, the third the lock and its server."""

    REFUSED = "refused"
    """Nobody listens, or the server says no: 401, 403, 429, 503."""
    CONFLICT = "409"
    """Another writer is in between, who changes nothing in the record; a read passes."""
    ANSWER_LOST = "answer lost"
    """What was asked for is done, and the answer never comes."""
    REQUEST_LOST = "request lost"
    """It never arrives, and nobody says so."""
    LATE = "late"
    """It arrives, and is done, when the candidate may have given it up long ago."""
    SLOW = "slow"
    """It is done at once, and the answer takes its time."""
    FAILED = "500"
    """The server fails, and nothing is done."""
    FAILED_AFTER = "500, done all the same"
    """The server fails after it has done it."""
    TWICE = "sent twice"
    """Somebody on the way sends it a second time; the second answer is the one that arrives."""
    STALE = "stale read"
    """A replica that is behind answers a read."""

    CRASH = "crash"
    """A process is killed, and perhaps comes back."""
    PAUSE = "pause"
    """A process stands still, as on SIGSTOP."""
    CUT_OFF = "cut off"
    """Nothing gets through between a candidate and the server."""
    DEAF = "deaf"
    """Requests get through, and answers do not."""
    WALL_JUMP = "wall clock jumps"
    WALL_STOPS = "wall clock stands still"
    WATCH_LAGS = "watch lags"
    NAMESAKE = "namesake"
    """Another process has the same identity."""
    STUCK_WORK = "stuck work"
    """The work takes its time to end, or never does."""

    DOWN = "server down"
    SLOW_SERVER = "slow server"
    RELABELLED = "relabelled"
    """Somebody changes the labels, again and again."""
    OVERWRITTEN = "overwritten"
    """Somebody writes another holder."""
    EMPTIED = "emptied"
    SPOILT = "spoilt"
    """What the object says is no record."""
    DELETED = "deleted"


_KINDS: Final = tuple(ElectionFaultKind)
_CRASH, _DOWN = _KINDS.index(ElectionFaultKind.CRASH), _KINDS.index(ElectionFaultKind.DOWN)
REQUEST_FAULTS: Final = frozenset(_KINDS[:_CRASH])
CANDIDATE_FAULTS: Final = frozenset(_KINDS[_CRASH:_DOWN])
LOCK_FAULTS: Final = frozenset(_KINDS[_DOWN:])
INTERFERENCES: Final = frozenset(_KINDS[_KINDS.index(ElectionFaultKind.OVERWRITTEN) :])
"""What is done to the lock by somebody who is no candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionFault:
    """One thing that goes wrong.

    Attributes:
        kind: What.
        candidate: Whom it befalls, counted around; who leads, if None.
        lasts_s: How long, or how late, in seconds.
        requests: How many requests in a row.
        amount: Of a clock that jumps, by how much, in seconds; of a holder that is written, for how long, in seconds;
            of a crash, 1 if the next process has the same identity.
    """

    kind: ElectionFaultKind
    candidate: int | None = None
    lasts_s: float = 0.0
    requests: int = 1
    amount: int = 0


class Order(StrEnum):
    """What a candidate is told to do, or its work does."""

    STOP = "stop"
    """Its process is told to end, and another takes its place."""
    STEP_DOWN = "step down"
    WORK_RETURNS = "work returns"
    WORK_FAILS = "work fails"


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody is told something: the candidate of this number, counted around; who leads, if None."""

    order: Order
    candidate: int | None


ElectionAction = ElectionFault | Command


class ElectionStep(NamedTuple):
    """What happens, and when: seconds from the beginning."""

    at_s: float
    action: ElectionAction

    def __str__(self) -> str:
        return f"{self.at_s:9.3f} s  {self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What one candidate is like.

    Attributes:
        config: Its times.
        rate: How fast its clock runs.
        is_watching: Whether it watches the lock.
        drain_s: How long its work takes to end.
    """

    config: ElectionConfig
    rate: float
    is_watching: bool
    drain_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionSetting:
    """In what world a schedule is played.

    Attributes:
        habits: What each candidate is like.
        latency_s: How long a request takes one way.
        has_seconds: Whether the lock keeps times to the second, as an annotation does, not to the microsecond.
        leases: How many lease durations the schedule lasts.
    """

    habits: tuple[Habits, ...]
    latency_s: float
    has_seconds: bool
    leases: int

    @classmethod
    def of(
        cls,
        seed: int,
        *,
        candidates: int | None = None,
        config: ElectionConfig | None = None,
        leases: int | None = None,
    ) -> ElectionSetting:
        """Return the setting of a seed; what is given is not left to chance."""
        rng = random.Random(f"setting {seed}")  # noqa: S311 - a schedule, not a secret
        config = config or _config(rng, rng.choice(_TIMES))
        tolerance = config.written_duration_s / config.renew_deadline_s
        spread = rng.choice((0.0, 0.0, RATE_SHARE * math.log(tolerance) / 2))
        watching = rng.choice((0.0, 0.5, 1.0))
        return cls(
            habits=tuple(
                Habits(
                    config=config,
                    rate=math.exp(rng.choice((-1, 1, rng.uniform(-1, 1))) * spread),
                    is_watching=rng.random() < watching,
                    drain_s=rng.choice((0.0, 0.05, config.retry_period_s, config.lease_duration_s)),
                )
                for _ in range(candidates or rng.choice(CANDIDATES))
            ),
            latency_s=rng.choice((0.0, 0.003, 0.05, config.retry_period_s / 8)),
            has_seconds=not rng.randrange(3),
            leases=leases or rng.randint(LEASES_MIN, LEASES_MIN + 8),
        )

    @property
    def lease_s(self) -> float:
        """The longest time after which a lock is free whose holder is silent, by a clock that is right."""
        return max(habits.config.lease_duration_s for habits in self.habits)

    @property
    def retry_s(self) -> float:
        """The longest retry period."""
        return max(habits.config.retry_period_s for habits in self.habits)

    def without_watches(self) -> ElectionSetting:
        """Return the same world, in which nobody watches the lock."""
        return replace(self, habits=tuple(replace(habits, is_watching=False) for habits in self.habits))

    @property
    def is_watched(self) -> bool:
        """Whether every candidate watches the lock."""
        return all(habits.is_watching for habits in self.habits)

    @property
    def foreign_s(self) -> float:
        """The longest time that somebody else's record is taken to hold."""
        return max(habits.config.foreign_duration_max_s for habits in self.habits)


def _config(rng: random.Random, times: tuple[float, float, float]) -> ElectionConfig:
    lease_s, renew_s, retry_s = times
    return ElectionConfig(
        lease_duration_s=lease_s,
        renew_deadline_s=renew_s,
        retry_period_s=retry_s,
        release_on_cancel=bool(rng.randrange(4)),
        drain_timeout_s=rng.choice((0.0, retry_s, 2 * lease_s)),
        foreign_duration_max_s=2 * lease_s,
        rejoin=bool(rng.randrange(3)),
        keep_leading=not rng.randrange(4),
        identity_is_unique=not rng.randrange(4),
    )


def generate_election(
    seed: int, setting: ElectionSetting, *, allowed: frozenset[ElectionFaultKind], faults: int | None = None
) -> Sequence[ElectionStep]:
    """Return the schedule of a seed: at least 20 lease durations and at least 3 faults, with some orders between.

    Args:
        seed: The same one gives the same schedule.
        setting: The world that it is for.
        allowed: What may go wrong.
        faults: How many faults; None: a few.
    """
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    lasts_s = setting.leases * setting.lease_s
    count = rng.randint(FAULTS_MIN, _FAULTS_MAX) if faults is None else faults
    actions: list[ElectionAction] = [_fault(rng, setting, allowed) for _ in range(count)]
    actions += [
        Command(rng.choice(tuple(Order)), rng.choice((None, rng.randrange(len(setting.habits)))))
        for _ in range(rng.choice((0, 1, 2, count // 3)))
    ]
    rng.shuffle(actions)
    # Faults that come alone are got over; it is those that come close to each other that matter.
    is_dense = faults is None and rng.choice((True, False))
    steps: list[ElectionStep] = []
    now_s = 0.0
    for action in actions:
        now_s += rng.expovariate(1.0) * (setting.lease_s / 2 if is_dense else lasts_s / len(actions))
        if now_s >= lasts_s:
            now_s = rng.uniform(0.0, lasts_s)
        steps.append(ElectionStep(round(now_s, 3), action))
    return sorted(steps, key=lambda step: step.at_s)


def _fault(rng: random.Random, setting: ElectionSetting, allowed: frozenset[ElectionFaultKind]) -> ElectionFault:
    config = setting.habits[0].config
    if config.identity_is_unique:
        allowed -= {ElectionFaultKind.NAMESAKE}
    groups = [
        [kind for kind in _KINDS if kind in group & allowed]
        for group in (REQUEST_FAULTS, CANDIDATE_FAULTS, LOCK_FAULTS)
    ]
    kind = rng.choice(rng.choice([group for group in groups if group]))
    around_s = rng.choice(
        (config.retry_period_s, config.renew_deadline_s, config.lease_duration_s, 3 * setting.lease_s)
    )
    return ElectionFault(
        kind=kind,
        candidate=rng.choice((None, None, rng.randrange(len(setting.habits)))),
        lasts_s=round(around_s * rng.choice((0.1, 0.5, 0.9, 1.0, 1.1)), 3),
        requests=rng.choice((1, 1, 1, 2, 5)),
        amount=rng.choice((0, 1, 3_600, -3_600, 2_000_000_000)),
    )
