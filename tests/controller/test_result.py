from __future__ import annotations

import datetime
import math

import pytest

from kubeprims.controller.result import NextStep, Outcome, ReconcileResult, Result, outcome_of_error, outcome_of_result
from kubeprims.errors import AlreadyExists, ApplyConflict, Conflict, InvalidArgument, TerminalError
from tests.parity import case


@case("CM-38")
@pytest.mark.parametrize(
    ("returned", "outcome"),
    [
        (None, Outcome(ReconcileResult.SUCCESS, NextStep.FORGET)),
        (Result(), Outcome(ReconcileResult.SUCCESS, NextStep.FORGET)),
        (Result(requeue=True), Outcome(ReconcileResult.REQUEUE, NextStep.RETRY)),
        (Result(requeue_after_s=5.0), Outcome(ReconcileResult.REQUEUE_AFTER, NextStep.LATER, after_s=5.0)),
        (
            Result(requeue_after_s=5.0, requeue=True),
            Outcome(ReconcileResult.REQUEUE_AFTER, NextStep.LATER, after_s=5.0),
        ),
        (Result(requeue_after_s=0.0), Outcome(ReconcileResult.REQUEUE_AFTER, NextStep.LATER, after_s=0.0)),
    ],
)
def test_a_time_wins_over_requeue_and_requeue_over_success(returned: Result | None, outcome: Outcome) -> None:
    assert outcome_of_result(returned) == outcome


@pytest.mark.parametrize("returned", [True, 5, "ok", (Result(),)])
def test_anything_else_is_no_result(returned: object) -> None:
    with pytest.raises(InvalidArgument, match=f"a reconcile returns a Result or None, not {type(returned).__name__}"):
        outcome_of_result(returned)


@pytest.mark.parametrize("seconds", [-1.0, math.inf, math.nan, "5", datetime.timedelta(seconds=5)])
def test_a_time_is_a_number_of_seconds(seconds: float) -> None:
    with pytest.raises(InvalidArgument, match="requeue_after_s is a number of seconds"):
        Result(requeue_after_s=seconds)


@case("CM-38")
def test_an_error_is_tried_again_and_reported() -> None:
    outcome = outcome_of_error(ValueError("no"))
    assert outcome == Outcome(ReconcileResult.ERROR, NextStep.RETRY, is_reported=True)


def test_a_terminal_error_is_reported_and_not_tried_again() -> None:
    class BadSpec(TerminalError):
        pass

    outcome = outcome_of_error(BadSpec("no such size"))
    assert outcome == Outcome(ReconcileResult.ERROR, NextStep.FORGET, is_reported=True, is_terminal=True)


def test_a_conflict_is_tried_again_quietly() -> None:
    assert outcome_of_error(Conflict("modified", code=409)) == Outcome(ReconcileResult.REQUEUE, NextStep.RETRY)
    assert not outcome_of_error(AlreadyExists("there", code=409)).is_reported, "a cache was behind"


def test_a_conflict_of_an_apply_is_a_failure() -> None:
    assert outcome_of_error(ApplyConflict("owned", code=409)).is_reported
