"""Thousands of elections in which everything goes wrong: never two leaders, and always one in the end."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.testing import simulator
from kubeprims.testing.simulator.__main__ import seeds_of
from kubeprims.testing.simulator.election import ElectionScenario, LongElectionScenario
from kubeprims.testing.simulator.election_schedule import (
    CANDIDATES,
    FAULTS_MIN,
    LEASES_MIN,
    Command,
    ElectionFault,
    ElectionFaultKind,
    ElectionSetting,
    ElectionStep,
    Order,
)
from tests.parity import case

SCHEDULES = 2_000
NIGHTLY_SCHEDULES = 100_000
NIGHTLY_FIRST = 1_000_000
"""The seeds of the nightly run are others than those of every run."""

LONG_RUNS = 20


def check(report: simulator.Report) -> None:
    assert not report.failures, report.failures[0]
    assert report.faults_min is not None
    assert report.faults_min >= FAULTS_MIN
    assert {kind.value for kind in ElectionFaultKind} <= set(report.faults)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("shard", [f"{number}/8" for number in range(1, 9)])
@case("LE-A1", "LE-A2", "LE-A9", "LE-A10")
def test_no_two_terms_are_open_and_somebody_leads_once_all_is_well(
    shard: str, record_simulation: Callable[[simulator.Report], None]
) -> None:
    report = simulator.run(ElectionScenario(), seeds_of(shard, SCHEDULES))
    record_simulation(report)
    assert report.schedules == SCHEDULES // 8
    check(report)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("shard", [f"{number}/10" for number in range(1, 11)])
def test_many_more_elections_go_well(shard: str, record_simulation: Callable[[simulator.Report], None]) -> None:
    report = simulator.run(ElectionScenario(), seeds_of(shard, NIGHTLY_SCHEDULES, NIGHTLY_FIRST))
    record_simulation(report)
    check(report)


class Partitions(ElectionScenario):
    """Two candidates; the one that leads is cut off until the other one leads, and a while longer."""

    CONFIG = ElectionConfig(lease_duration_s=3.0, renew_deadline_s=2.5, retry_period_s=1.0)

    def setting(self, seed: int) -> ElectionSetting:
        return ElectionSetting.of(seed, candidates=2, config=self.CONFIG, leases=3)

    def steps(self, seed: int) -> list[ElectionStep]:
        rng = random.Random(seed)
        kind = rng.choice((ElectionFaultKind.CUT_OFF, ElectionFaultKind.DEAF))
        return [ElectionStep(rng.uniform(2.0, 4.0), ElectionFault(kind=kind, lasts_s=rng.uniform(4.0, 8.0)))]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(300)
@case("LE-A8")
def test_a_leader_that_is_cut_off_stops_before_the_next_one_starts_ten_thousand_times() -> None:
    report = simulator.run(Partitions(), range(10_000))
    assert not report.failures, report.failures[0]
    assert report.schedules == 10_000


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(300)
@case("LE-A42")
def test_fifty_candidates_and_a_fault_every_few_seconds_for_ten_minutes(
    record_simulation: Callable[[simulator.Report], None],
) -> None:
    report = simulator.run(LongElectionScenario(lasts_s=600.0), range(1))
    record_simulation(report)
    assert not report.failures, report.failures[0]
    assert report.faults.total() > 50


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@case("LE-A42")
def test_fifty_candidates_for_an_hour_twenty_times(record_simulation: Callable[[simulator.Report], None]) -> None:
    report = simulator.run(LongElectionScenario(), range(LONG_RUNS))
    record_simulation(report)
    assert not report.failures, report.failures[0]
    assert report.schedules == LONG_RUNS


def test_a_schedule_has_some_candidates_twenty_leases_and_three_faults() -> None:
    scenario = ElectionScenario()
    for seed in range(200):
        setting, steps = scenario.setting(seed), scenario.steps(seed)
        assert len(setting.habits) in CANDIDATES
        assert setting.leases >= LEASES_MIN
        assert sum(isinstance(step.action, ElectionFault) for step in steps) >= FAULTS_MIN


def test_a_seed_is_one_schedule_and_one_outcome() -> None:
    scenario = ElectionScenario()
    for seed in range(5):
        steps = scenario.steps(seed)
        assert scenario.steps(seed) == steps
        assert scenario.play(seed, steps) == scenario.play(seed, steps)
    assert scenario.steps(1) != scenario.steps(2)


@pytest.mark.parametrize("kind", ElectionFaultKind)
def test_each_fault_strikes_by_itself_and_is_got_over(kind: ElectionFaultKind) -> None:
    scenario = ElectionScenario()
    for seed in range(6):
        if kind is ElectionFaultKind.NAMESAKE and scenario.setting(seed).habits[0].config.identity_is_unique:
            continue
        lasts_s = scenario.setting(seed).lease_s
        steps = [
            ElectionStep(lasts_s * number, ElectionFault(kind=kind, lasts_s=lasts_s, amount=number))
            for number in range(1, 7)
        ]
        outcome = scenario.play(seed, steps)
        assert not outcome.failure
        assert outcome.faults[kind.value] >= 1


@pytest.mark.parametrize("order", Order)
def test_each_order_is_got_over(order: Order) -> None:
    scenario = ElectionScenario()
    for seed in range(6):
        steps = [ElectionStep(30.0 * number, Command(order, number or None)) for number in range(4)]
        assert not scenario.play(seed, steps).failure


def test_a_world_without_steps_has_one_leader() -> None:
    assert not ElectionScenario().play(0, []).failure
