"""Play schedules from the command line: ``python -m kubeprims.testing.simulator --help``."""

from __future__ import annotations

import argparse
import contextlib
import functools
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kubeprims.errors import InvalidArgument, KubeprimsError
from kubeprims.testing.simulator.campaign import Report, Scenario, quiet_logs, replay, run, shrunk
from kubeprims.testing.simulator.election import ElectionScenario, LongElectionScenario
from kubeprims.testing.simulator.informers import InformerScenario

# Each knows its own steps; whoever only plays and counts them need not.
SCENARIOS: Final[Mapping[str, Callable[[], Scenario[Any]]]] = {
    scenario.name: scenario for scenario in (InformerScenario, ElectionScenario, LongElectionScenario)
}
SCHEDULES: Final = 2_000
PROGRESS_EVERY: Final = 1_000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kubeprims.testing.simulator", description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, default="informer", help="what is simulated")
    parser.add_argument("--schedules", type=int, default=SCHEDULES, help="how many, over all shards (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--shard", default="1/1", help="3/8: the third of eight parts; no two have a seed in common")
    parser.add_argument(
        "--report", type=pathlib.Path, metavar="FILE", help="write what was played as JSON, on the way too"
    )
    parser.add_argument("--seed", type=int, help="play this one schedule; if it fails, make it short")
    parser.add_argument("--steps", help="with --seed: only these steps, such as 3,9,12")
    parser.add_argument("--logs", action="store_true", help="with --seed: show what is logged")
    parser.add_argument("--add", type=pathlib.Path, nargs="+", metavar="FILE", help="add reports up, and play nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 if every rule held."""
    options = _parser().parse_args(argv)
    try:
        if options.add:
            report = functools.reduce(
                lambda one, other: one + other, (Report.from_json(path.read_text()) for path in options.add)
            )
        elif options.seed is not None:
            with contextlib.nullcontext() if options.logs else quiet_logs():
                return _play_one(SCENARIOS[options.scenario](), options.seed, options.steps)
        else:
            report = _play(SCENARIOS[options.scenario](), options)
    except (KubeprimsError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    sys.stdout.write(f"{report}\n")
    if options.report:
        options.report.write_text(report.to_json())
    return 1 if report.failures else 0


def seeds_of(shard: str, schedules: int, first: int = 0) -> range:
    """Return the seeds of a shard.

    Raises:
        InvalidArgument: It is not of the form ``3/8``.
    """
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise InvalidArgument(f"a shard is of the form 3/8, not {shard!r}")
    index, count = int(part) - 1, int(parts)
    return range(first + schedules * index // count, first + schedules * (index + 1) // count)


def _play(scenario: Scenario[Any], options: argparse.Namespace) -> Report:
    def after_each(report: Report) -> None:
        if options.report and report.schedules % PROGRESS_EVERY == 0:
            options.report.write_text(report.to_json())

    return run(scenario, seeds_of(options.shard, options.schedules, options.first), after_each=after_each)


def _play_one(scenario: Scenario[Any], seed: int, numbers: str | None) -> int:
    chosen = None if numbers is None else [int(number) for number in numbers.split(",") if number != "none"]
    outcome = replay(scenario, seed, chosen)
    if not outcome.failure:
        sys.stdout.write(f"seed {seed}: every rule held; faults: {dict(outcome.faults)}\n")
        return 0
    sys.stdout.write(f"seed {seed}: {outcome.failure}\n" if numbers else f"{shrunk(scenario, seed)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
