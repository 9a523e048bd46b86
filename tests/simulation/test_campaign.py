"""Campaigns: what they count, add up and hand back, of a world that has no informer in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.testing.simulator.campaign import Outcome, Report, replay, run, shrunk


class Numbers:
    """Schedules of numbers; one that has a seven and, later, an eight breaks the rule."""

    name = "numbers"

    def steps(self, seed: int) -> Sequence[int]:
        return [(seed * step) % 10 for step in range(20)]

    def play(self, seed: int, steps: Sequence[int]) -> Outcome:
        later = steps[steps.index(7) :] if 7 in steps else []
        failure = f"a seven before an eight in {len(steps)} steps" if 8 in later and seed == 9 else ""
        return Outcome(failure=failure, events=len(steps), changes=1, faults=Counter({"even": seed % 3, "odd": 1}))


def test_what_was_played_is_counted() -> None:
    report = run(Numbers(), range(3, 6))
    assert (report.seeds, report.schedules, report.steps, report.events, report.changes) == ([(3, 6)], 3, 60, 60, 3)
    assert report.faults == {"even": 3, "odd": 3}
    assert (report.faults_min, report.changes_min, report.failures) == (1, 1, [])
    assert "3 schedules, 60 steps, 3 changes of the server, 6 faults" in str(report)


def test_a_schedule_that_breaks_a_rule_is_made_short_and_ends_the_campaign() -> None:
    report = run(Numbers(), range(5, 100))
    assert report.seeds == [(5, 10)]
    (text,) = report.failures
    assert "seed 9: a seven before an eight in 20 steps" in text
    assert "2 steps suffice: a seven before an eight in 2 steps" in text
    assert "python -m kubeprims.testing.simulator --scenario numbers --seed 9 --steps 3,12" in text


def test_a_campaign_may_go_on_after_a_failure() -> None:
    assert run(Numbers(), range(5, 12), failures_max=2).seeds == [(5, 12)]


def test_a_failure_is_played_again_by_the_numbers_of_its_steps() -> None:
    failure = shrunk(Numbers(), 9)
    assert failure.steps == ((3, 7), (12, 8))
    assert replay(Numbers(), 9, [number for number, _ in failure.steps]).failure == failure.shrunk_message
    assert replay(Numbers(), 9).failure == failure.message
    assert not replay(Numbers(), 9, []).failure
    with pytest.raises(InvalidArgument, match="0 to 19"):
        replay(Numbers(), 9, [20])


def test_reports_of_disjoint_seeds_add_up() -> None:
    one, other = run(Numbers(), range(4)), run(Numbers(), range(4, 8))
    both, whole = one + other, run(Numbers(), range(8))
    assert both.seeds == [(0, 4), (4, 8)]
    both.seeds = whole.seeds
    assert both == whole


def test_no_schedule_counts_twice() -> None:
    with pytest.raises(InvalidArgument, match="from 3 on"):
        run(Numbers(), range(4)) + run(Numbers(), range(3, 8))


def test_reports_of_different_worlds_do_not_add_up() -> None:
    report = run(Numbers(), range(4))
    assert (Report() + report).scenario == "numbers"
    with pytest.raises(InvalidArgument, match="one report is of numbers, the other one of letters"):
        report + Report(scenario="letters")


def test_a_report_survives_being_written_down() -> None:
    report = run(Numbers(), range(5, 12), failures_max=2)
    assert Report.from_json(report.to_json()) == report
    for text in ("", "[]", '{"a": 1}', '{"seeds": [1]}', '{"faults": 7}'):
        with pytest.raises(InvalidArgument, match="not a report"):
            Report.from_json(text)
