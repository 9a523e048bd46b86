"""Schedules for an informer: a seed becomes a kind of server and a list of steps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from kubeprims.informer.buffer import BUFFER_LIMIT, BufferPolicy
from kubeprims.informer.options import QUEUES
from kubeprims.testing.simulator.faults import REQUEST_FAULTS, WATCH_FAULTS, Fault, FaultKind
from kubeprims.testing.simulator.wire import Traits, WatchListSupport

CHANGES_MIN: Final = 200
FAULTS_MIN: Final = 5
_FAULTS_MAX: Final = 14
_GROUPS: Final = ("red", "green")


class Pace(StrEnum):
    """How a handler behaves."""

    QUICK = "quick"
    SLOW = "slow"
    STUCK = "stuck"
    """It does nothing for minutes, then all at once."""
    RAISING = "raising"
    """Every other call raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """A handler, and how it is told.

    Attributes:
        pace: How it behaves.
        policy: What happens once it has too much before it.
        buffer_limit: How many changes that is.
        group: The objects that it is told of; empty: all.
        resync_period_s: How often the cache is replayed to it, in seconds; 0: never.
    """

    pace: Pace
    policy: BufferPolicy = BufferPolicy.COALESCE
    buffer_limit: int = BUFFER_LIMIT
    group: str = ""
    resync_period_s: float = 0.0

    @classmethod
    def drawn(cls, rng: random.Random) -> Manner:
        """Return one by chance."""
        return cls(
            pace=rng.choice(tuple(Pace)),
            policy=rng.choice((BufferPolicy.COALESCE, *BufferPolicy)),
            buffer_limit=rng.choice((3, 20, BUFFER_LIMIT)),
            group=rng.choice(("", "", "red")),
            resync_period_s=rng.choice((0.0, 0.0, 30.0)),
        )


@dataclass(frozen=True, slots=True)
class Put:
    """An object is created or changed."""

    key: str
    group: str


@dataclass(frozen=True, slots=True)
class Delete:
    """An object is deleted, if it is there."""

    key: str


@dataclass(frozen=True, slots=True)
class Recreate:
    """An object is deleted, and another one of its name created."""

    key: str
    group: str


@dataclass(frozen=True, slots=True)
class Spoil:
    """An object is written in a form that no client can decode."""

    key: str


@dataclass(frozen=True, slots=True)
class Compact:
    """The server forgets what happened."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The server ends, and comes back."""

    down_s: float
    unready_s: float
    forgets: bool


@dataclass(frozen=True, slots=True)
class BackUp:
    """The server's state is kept, to be restored."""


@dataclass(frozen=True, slots=True)
class Restore:
    """The server restarts from its backup: versions go back."""

    down_s: float


@dataclass(frozen=True, slots=True)
class AddHandler:
    """A handler is added."""

    manner: Manner


@dataclass(frozen=True, slots=True)
class RemoveHandler:
    """A handler is removed: the one of this number, counted around."""

    number: int


@dataclass(frozen=True, slots=True)
class Resync:
    """The cache is replayed to every handler."""


Change = Put | Delete | Recreate | Spoil
Action = Change | Compact | Restart | BackUp | Restore | Fault | AddHandler | RemoveHandler | Resync


class Step(NamedTuple):
    """What happens, and when: seconds from the beginning."""

    at_s: float
    action: Action

    def __str__(self) -> str:
        return f"{self.at_s:9.3f} s  {self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """In what world a schedule is played.

    Attributes:
        traits: What kind of server it is.
        has_cache: Whether it answers lists at version 0 from memory.
        page_size: What the reflector is told; None: nothing.
        manners: The handlers that are there from the beginning.
        objects: How many objects there are at the beginning.
        queue: Which queue is between the reflector and the cache.
    """

    traits: Traits
    has_cache: bool
    page_size: int | None
    manners: tuple[Manner, ...]
    objects: int
    queue: str

    @classmethod
    def of(cls, seed: int) -> Setting:
        """Return the setting of a seed."""
        rng = random.Random(f"setting {seed}")  # noqa: S311 - a schedule, not a secret
        return cls(
            traits=Traits(
                latency_s=rng.choice((0.0, 0.002, 0.05, 0.7)),
                sends_bookmarks=not _one_in(rng, 5),
                watch_list=rng.choice((*(WatchListSupport.SERVED,) * 3, *WatchListSupport)),
                says_expired_in_stream=not _one_in(rng, 3),
            ),
            has_cache=not _one_in(rng, 3),
            page_size=rng.choice((None, None, 2, 4, 9)),
            manners=tuple(Manner.drawn(rng) for _ in range(rng.randint(1, 3))),
            objects=rng.choice((0, 1, 10, 25)),
            queue=rng.choice(tuple(QUEUES)),
        )


def generate(seed: int, *, allowed: frozenset[FaultKind] = frozenset(FaultKind)) -> Sequence[Step]:
    """Return the schedule of a seed: at least 200 changes of the server and at least 5 faults, with all else between.

    Args:
        seed: The same one gives the same schedule.
        allowed: What may go wrong.
    """
    rng = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    keys = [f"ns-{number % 3}/pod-{number}" for number in range(rng.choice((3, 12, 40)))]
    pause_s = rng.choice((0.03, 0.3, 1.5, 6.0))
    is_restored = _one_in(rng, 4)
    actions: list[Action] = list(_changes(rng, keys, CHANGES_MIN))
    if is_restored:
        actions.insert(rng.randrange(CHANGES_MIN), BackUp())
        actions.append(Restore(rng.choice((0.0, 5.0))))
        actions += _changes(rng, keys, CHANGES_MIN // 4)
    for action in _others(rng, allowed):
        actions.insert(rng.randrange(len(actions)), action)
    now_s = 0.0
    steps: list[Step] = []
    for action in actions:
        now_s += _gap_s(rng, pause_s)
        steps.append(Step(round(now_s, 3), action))
    return steps


def _one_in(rng: random.Random, count: int) -> bool:
    return not rng.randrange(count)


def _gap_s(rng: random.Random, pause_s: float) -> float:
    kind = rng.choices(("none", "some", "long"), weights=(30, 69, 1))[0]
    if kind == "none":
        return 0.0  # at the same moment
    return 60.0 * pause_s if kind == "long" else rng.expovariate(1.0 / pause_s)  # long enough for timers


def _changes(rng: random.Random, keys: Sequence[str], count: int) -> Sequence[Change]:
    """Return changes, each of something: none deletes what is not there."""
    changes: list[Change] = []
    present: set[str] = set()
    for kind in rng.choices((Put, Delete, Recreate, Spoil), weights=(65, 25, 8, 2), k=count):
        key, group = rng.choice(keys), rng.choice(_GROUPS)
        if kind is Delete and key in present:
            changes.append(Delete(key))
            present.discard(key)
            continue
        if kind is Spoil:
            changes.append(Spoil(key))
        else:
            changes.append(Recreate(key, group) if kind is Recreate and key in present else Put(key, group))
        present.add(key)
    return changes


def _others(rng: random.Random, allowed: frozenset[FaultKind]) -> Sequence[Action]:
    """Return what happens besides changes."""
    actions: list[Action] = [_fault(rng, allowed) for _ in range(rng.randint(FAULTS_MIN, _FAULTS_MAX))]
    actions += [Compact()] * rng.choice((0, 1, 3))
    actions += [
        Restart(rng.choice((0.0, 2.0, 40.0)), rng.choice((0.0, 5.0)), _one_in(rng, 2))
        for _ in range(rng.choice((0, 0, 1, 2)))
    ]
    actions += [AddHandler(Manner.drawn(rng)) for _ in range(rng.choice((0, 1, 2)))]
    actions += [RemoveHandler(rng.randrange(8)) for _ in range(rng.choice((0, 0, 1)))]
    actions += [Resync() for _ in range(rng.choice((0, 1)))]
    return actions


def _fault(rng: random.Random, allowed: frozenset[FaultKind]) -> Fault:
    kinds = [kind for kind in rng.choice((REQUEST_FAULTS, WATCH_FAULTS)) if kind in allowed]
    return Fault(
        kind=rng.choice(kinds),
        requests=rng.choice((1, 1, 2, 4)),
        after=rng.choice((0, 0, 1, 2, 5)),
        delay_s=rng.choice((0.0, 0.1, 3.0, 20.0)),
        retry_after_s=rng.choice((None, None, 1, 20)),
        breaks_watch=not _one_in(rng, 5),
    )
