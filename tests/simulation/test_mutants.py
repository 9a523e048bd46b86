"""The simulation can fail: a bug that is planted in ours does not live through three hundred schedules."""

from __future__ import annotations

import pytest

from kubeprims.testing.simulator import Assembly, InformerScenario, run
from kubeprims.testing.simulator.campaign import quiet_logs
from tests.simulation.mutants import MUTANTS

SCHEDULES = 300


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_planted_bug_is_found(mutant: type[Assembly]) -> None:
    scenario = InformerScenario(assemble=mutant)
    with quiet_logs():
        assert any(scenario.play(seed, scenario.steps(seed)).failure for seed in range(SCHEDULES))


def test_what_is_found_is_made_short() -> None:
    report = run(InformerScenario(assemble=MUTANTS["forgets what a late handler has to be told"]), range(SCHEDULES))
    (failure,) = report.failures
    suffice = next(line for line in failure.splitlines() if "suffice" in line)
    assert int(suffice.split()[0]) <= 10
