"""The simulation of elections can see: what upstream does is found out, point by point."""

from __future__ import annotations

import pytest

from kubeprims.testing.simulator.campaign import run
from kubeprims.testing.simulator.election import ElectionScenario
from kubeprims.testing.simulator.election_schedule import ElectionFaultKind
from tests.simulation.upstream_election import Defect, with_defects

SCHEDULES = 200
"""Within so many each of them is found."""

# Upstream never takes a lock that holds no record (A27): that is another matter, and hides the rest.
ALLOWED = frozenset(ElectionFaultKind) - {ElectionFaultKind.SPOILT}


def upstream(*defects: Defect) -> ElectionScenario:
    return ElectionScenario(make=with_defects(*defects), allowed=ALLOWED, has_watches=False)


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        (Defect.D1, "two open terms"),
        (Defect.D2, "D2: goes on leading"),
        (Defect.D3, "D3: gives the lock back while its work has not ended"),
        (Defect.D4, "D4: gives back what is not its own"),
        (Defect.D5, "D5: goes on leading"),
        (Defect.D9, "two open terms"),
    ],
)
def test_each_point_in_which_upstream_is_less_strict_is_found(defect: Defect, said: str) -> None:
    scenario = upstream(defect)
    assert any(said in scenario.play(seed, scenario.steps(seed)).failure for seed in range(SCHEDULES))


def test_nothing_is_found_in_the_same_model_once_all_points_are_repaired() -> None:
    assert not run(upstream(), range(SCHEDULES)).failures


def test_upstream_as_it_is_does_not_live_through_a_few_schedules() -> None:
    report = run(upstream(*Defect), range(SCHEDULES))
    (failure,) = report.failures
    suffice = next(line for line in failure.splitlines() if "suffice" in line)
    assert int(suffice.split()[0]) <= 5
