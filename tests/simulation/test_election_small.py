"""A small election in every order of events: no two open terms, and tokens that increase."""

from __future__ import annotations

import pytest

from kubeprims.leaderelection.effects import Effect, Instant
from kubeprims.leaderelection.machine import ElectionMachine
from tests.simulation.small_election import CONFIG, Never, RuleBrokenError, walk


def machine(identity: str) -> ElectionMachine:
    return ElectionMachine(identity, CONFIG, rng=Never())


class CountsFromTheAnswer(ElectionMachine):
    """Has a term last from when the answer came (D1)."""

    def on_written(self, version: str, token: str, now: Instant) -> tuple[Effect, ...]:
        self._sent_at_s = now.clock_s
        return super().on_written(version, token, now)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("candidates", "until_s", "delays", "pauses", "stops", "terms"),
    [(3, 10, 1, 0, 0, 1), (2, 10, 2, 0, 0, 2), (2, 10, 1, 0, 1, 2), (2, 8, 1, 1, 0, 2)],
)
def test_no_order_of_events_opens_two_terms(
    candidates: int, until_s: int, delays: int, pauses: int, stops: int, terms: int
) -> None:
    states, most = walk(
        machine, candidates=candidates, until_s=until_s, delays=delays, pauses=pauses, stops=stops
    )  # fmt: skip
    assert states > 1_000
    assert most == terms


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("delays", "pauses", "stops"), [(2, 0, 0), (1, 1, 0), (1, 0, 1)])
def test_no_order_of_events_of_three_candidates_opens_two_terms(delays: int, pauses: int, stops: int) -> None:
    states, most = walk(machine, until_s=11, delays=delays, pauses=pauses, stops=stops)
    assert states > 10_000
    assert most >= 2


def test_a_term_that_is_counted_from_the_answer_is_found() -> None:
    with pytest.raises(RuleBrokenError, match="two open terms"):
        walk(lambda identity: CountsFromTheAnswer(identity, CONFIG, rng=Never()), candidates=2, until_s=10, delays=2)
