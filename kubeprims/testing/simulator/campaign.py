"""Plays many schedules, counts what was played, and hands back the first one that breaks a rule, made short.

A :class:`Scenario` says what a schedule is and how it is played; this module does not know. A schedule comes from its
seed alone, so a failure is reproduced by the seed and the numbers of the steps that matter.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

from kubeprims.errors import InvalidArgument
from kubeprims.meta import JSONObject
from kubeprims.testing.simulator.shrinking import shrink

Step = TypeVar("Step")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one schedule.

    Attributes:
        failure: Which rule was broken, and how; empty if none was.
        events: How much happened in the world.
        changes: How often the server's state changed.
        faults: Which faults struck, and how often.
    """

    failure: str = ""
    events: int = 0
    changes: int = 0
    faults: Counter[str] = field(default_factory=Counter[str])


class Scenario(Protocol[Step]):
    """A world to play schedules in.

    Attributes:
        name: What the command line knows it by.
    """

    name: str

    def steps(self, seed: int) -> Sequence[Step]:
        """Return the schedule of a seed; always the same."""
        ...

    def play(self, seed: int, steps: Sequence[Step]) -> Outcome:
        """Play a schedule, or a part of it, in a world made from the seed; the same comes of it each time."""
        ...


@dataclass(frozen=True, slots=True)
class Failure(Generic[Step]):
    """A schedule that breaks a rule.

    Attributes:
        scenario: The name of the world.
        seed: What the schedule came from.
        message: Which rule, and how, with all steps.
        steps: The steps that are needed for a failure, by their numbers in the schedule.
        shrunk_message: What is broken with these alone.
    """

    scenario: str
    seed: int
    message: str
    steps: tuple[tuple[int, Step], ...]
    shrunk_message: str

    @property
    def numbers(self) -> str:
        """The numbers of the steps, as the command line takes them."""
        return ",".join(str(number) for number, _ in self.steps) or "none"

    def __str__(self) -> str:
        """Return the seed, the schedule and how to play it again."""
        lines = [f"seed {self.seed}: {self.message}", f"{len(self.steps)} steps suffice: {self.shrunk_message}"]
        lines += [f"    {number:4} {step}" for number, step in self.steps]
        again = f"python -m kubeprims.testing.simulator --scenario {self.scenario}"
        lines.append(f"again: {again} --seed {self.seed} --steps {self.numbers}")
        return "\n".join(lines)


@dataclass(slots=True, kw_only=True)
class Report:
    """What was played. Reports of disjoint seeds add up.

    Attributes:
        scenario: The name of the world; empty if nothing was played.
        seeds: Ranges of seeds, each from its first up to, not including, its last.
        schedules: How many schedules.
        steps: How many steps they had.
        changes: How many of those changed the server's state.
        events: How much happened.
        changes_min: The fewest changes of a schedule.
        faults_min: The fewest faults that struck in a schedule.
        faults: Which faults struck, and how often.
        failures: The schedules that broke a rule, as texts.
    """

    scenario: str = ""
    seeds: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    schedules: int = 0
    steps: int = 0
    changes: int = 0
    events: int = 0
    changes_min: int | None = None
    faults_min: int | None = None
    faults: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])

    def count(self, steps: int, outcome: Outcome) -> None:
        """Add one schedule."""
        self.schedules += 1
        self.steps += steps
        self.changes += outcome.changes
        self.events += outcome.events
        self.faults.update(outcome.faults)
        self.changes_min = _smaller(self.changes_min, outcome.changes)
        self.faults_min = _smaller(self.faults_min, outcome.faults.total())

    def __add__(self, other: Report) -> Report:
        """Return both as one.

        Raises:
            InvalidArgument: They are of different worlds, or a seed is in both: its schedule would count twice.
        """
        if self.scenario and other.scenario and self.scenario != other.scenario:
            raise InvalidArgument(f"one report is of {self.scenario}, the other one of {other.scenario}")
        for first, last in self.seeds:
            for other_first, other_last in other.seeds:
                if max(first, other_first) < min(last, other_last):
                    raise InvalidArgument(f"both reports have seeds from {max(first, other_first)} on")
        return Report(
            scenario=self.scenario or other.scenario,
            seeds=[*self.seeds, *other.seeds],
            schedules=self.schedules + other.schedules,
            steps=self.steps + other.steps,
            changes=self.changes + other.changes,
            events=self.events + other.events,
            changes_min=_smaller(self.changes_min, other.changes_min),
            faults_min=_smaller(self.faults_min, other.faults_min),
            faults=self.faults + other.faults,
            failures=[*self.failures, *other.failures],
        )

    def to_json(self) -> str:
        """Return it as JSON."""
        shown = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**shown, "faults": dict(sorted(self.faults.items()))}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the report that a text says.

        Raises:
            InvalidArgument: It is no report.
        """
        try:
            read: JSONObject = json.loads(text)
            made = cls(**read)  # type: ignore[arg-type] # checked by what follows
            made.seeds = [(first, last) for first, last in made.seeds]
            made.faults = Counter(made.faults)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"not a report of the simulator: {error}") from error
        return made

    def __str__(self) -> str:
        """Return the counts and the histogram, for people."""
        most = max(self.faults.values(), default=1)
        bars = [
            f"    {name:24} {count:9,} {'#' * -(-40 * count // most)}" for name, count in sorted(self.faults.items())
        ]
        counts = (
            f"{self.schedules:,} schedules, {self.steps:,} steps, {self.changes:,} changes of the server, "
            f"{self.faults.total():,} faults, {self.events:,} events; "
            f"at least {self.changes_min or 0} changes and {self.faults_min or 0} faults in each; "
            f"{len(self.failures)} failed"
        )
        return "\n".join([counts, *bars, *self.failures])


def _smaller(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def run(
    scenario: Scenario[Step],
    seeds: range,
    *,
    failures_max: int = 1,
    after_each: Callable[[Report], None] | None = None,
) -> Report:
    """Play the schedule of each seed.

    Args:
        scenario: The world.
        seeds: Which schedules.
        failures_max: Stop after so many that break a rule.
        after_each: Told of the report so far after each schedule.
    """
    report = Report(scenario=scenario.name, seeds=[(seeds.start, seeds.start)])
    with quiet_logs():
        for seed in seeds:
            steps = scenario.steps(seed)
            outcome = scenario.play(seed, steps)
            report.count(len(steps), outcome)
            report.seeds = [(seeds.start, seed + 1)]
            if outcome.failure:
                report.failures.append(str(shrunk(scenario, seed)))
                if len(report.failures) >= failures_max:
                    break
            if after_each is not None:
                after_each(report)
    return report


def shrunk(scenario: Scenario[Step], seed: int) -> Failure[Step]:
    """Return the schedule of a seed that fails, with the steps that it takes."""

    def play(numbered: Sequence[tuple[int, Step]]) -> str:
        return scenario.play(seed, [step for _, step in numbered]).failure

    with quiet_logs():
        whole = list(enumerate(scenario.steps(seed)))
        kept = shrink(whole, lambda numbered: bool(play(numbered)))
        return Failure(scenario.name, seed, play(whole), tuple(kept), play(kept))


def replay(scenario: Scenario[Step], seed: int, numbers: Iterable[int] | None = None) -> Outcome:
    """Play the schedule of a seed once more: all of it, or the steps of these numbers.

    Raises:
        InvalidArgument: The schedule has no step of such a number.
    """
    steps = scenario.steps(seed)
    if numbers is not None:
        chosen = sorted(set(numbers))
        if chosen and not 0 <= chosen[0] <= chosen[-1] < len(steps):
            raise InvalidArgument(f"the schedule of seed {seed} has the steps 0 to {len(steps) - 1}")
        steps = [steps[number] for number in chosen]
    return scenario.play(seed, steps)


@contextlib.contextmanager
def quiet_logs() -> Generator[None]:
    """Keep what the code under test logs to itself: a million failures are what a campaign is made of."""
    logger = logging.getLogger("kubeprims")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
