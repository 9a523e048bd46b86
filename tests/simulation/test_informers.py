"""Thousands of schedules of changes and faults, each of which must end well; and each is the same every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from kubeprims.errors import KubeprimsError
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing import simulator
from kubeprims.testing.simulator.__main__ import seeds_of
from kubeprims.testing.simulator.faults import FaultKind
from kubeprims.testing.simulator.informers import InformerScenario
from kubeprims.testing.simulator.schedule import CHANGES_MIN, Fault, Put, Step

SCHEDULES = 2_000
NIGHTLY_SCHEDULES = 100_000
NIGHTLY_FIRST = 1_000_000
"""The seeds of the nightly run are others than those of every run."""


def check(report: simulator.Report) -> None:
    assert not report.failures, report.failures[0]
    assert report.changes_min is not None
    assert report.changes_min >= CHANGES_MIN
    assert report.faults_min is not None
    assert report.faults_min >= 3
    assert {kind.value for kind in FaultKind} <= set(report.faults)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("shard", [f"{number}/8" for number in range(1, 9)])
def test_every_schedule_ends_with_cache_and_handlers_as_the_server_is(
    shard: str, record_simulation: Callable[[simulator.Report], None]
) -> None:
    """At least 200 changes and 3 faults each: none is missed, nothing spins, nothing grows."""
    report = simulator.run(InformerScenario(), seeds_of(shard, SCHEDULES))
    record_simulation(report)
    assert report.schedules == SCHEDULES // 8
    check(report)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", [f"{number}/10" for number in range(1, 11)])
def test_many_more_schedules_end_well(shard: str, record_simulation: Callable[[simulator.Report], None]) -> None:
    report = simulator.run(InformerScenario(), seeds_of(shard, NIGHTLY_SCHEDULES, NIGHTLY_FIRST))
    record_simulation(report)
    check(report)


def test_a_seed_is_one_schedule_and_one_outcome() -> None:
    scenario = InformerScenario()
    for seed in range(5):
        steps = scenario.steps(seed)
        assert scenario.steps(seed) == steps
        assert scenario.play(seed, steps) == scenario.play(seed, steps)
    assert scenario.steps(1) != scenario.steps(2)


@pytest.mark.parametrize("kind", FaultKind)
def test_each_fault_strikes_by_itself_and_is_got_over(kind: FaultKind) -> None:
    scenario = InformerScenario()
    for seed in range(4):
        steps = [Step(1.0, Put("ns-0/a", "red")), Step(2.0, Fault(kind=kind, after=1, delay_s=1.0, requests=2))]
        steps += [Step(3.0 + number, Put(f"ns-0/{number % 3}", "red")) for number in range(9)]
        outcome = scenario.play(seed, steps)
        assert not outcome.failure
        assert outcome.faults[kind.value] >= 1


def test_a_world_without_steps_is_well() -> None:
    assert not InformerScenario().play(0, []).failure


class Names:
    """A handler of a user's: the names that there are, unless it is a careless one."""

    def __init__(self, *, forgets_deletes: bool = False, raises: bool = False) -> None:
        self.names: set[str] = set()
        self._forgets_deletes = forgets_deletes
        self._raises = raises

    def on_add(self, obj: Unstructured, *, is_in_initial_list: bool) -> None:
        self.names.add(obj.name)
        if self._raises:
            raise KeyError(obj.name)

    def on_update(self, old: Unstructured, new: Unstructured) -> None:
        assert old.name == new.name

    def on_delete(self, obj: Unstructured) -> None:
        if not self._forgets_deletes:
            self.names.discard(obj.name)

    def verdict(self, objects: Sequence[Unstructured]) -> str:
        expected = {obj.name for obj in objects}
        return "" if self.names == expected else f"{sorted(self.names ^ expected)} differ"


def test_a_handler_of_ones_own_is_told_of_everything_and_asked_in_the_end() -> None:
    report = simulator.run(InformerScenario(subject=Names), range(5))
    assert (report.schedules, report.failures) == (5, [])


def test_a_careless_handler_of_ones_own_is_found_out() -> None:
    report = simulator.run(InformerScenario(subject=lambda: Names(forgets_deletes=True)), range(5))
    (failure,) = report.failures
    assert "differ" in failure
    report = simulator.run(InformerScenario(subject=lambda: Names(raises=True)), range(5))
    (failure,) = report.failures
    assert "errors, not 0: KeyError" in failure


def test_logs_are_kept_quiet_while_thousands_of_failures_are_played(caplog: pytest.LogCaptureFixture) -> None:
    simulator.run(InformerScenario(), range(2))
    assert not caplog.records


def test_what_halts_a_world_is_no_error_of_ours() -> None:
    assert not issubclass(simulator.Halt, KubeprimsError)
