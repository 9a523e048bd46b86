"""What a reconcile says, and what follows from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kubeprims.errors import ApplyConflict, Cancelled, Conflict, InvalidArgument, OwnWriteUnseen, TerminalError
from kubeprims.workqueue.rate_limiters import is_delay

QUIET_CONFLICTS = 10
"""After how many failures in a row a conflict is no race any more, but something to be told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a reconcile that did not fail wants next; the same as None if nothing is said.

    Attributes:
        requeue_after_s: Look at the key again in so many seconds; None: not before something changes.
        requeue: Look at the key again soon, after the delay that a failure would have.

    Raises:
        InvalidArgument: The time is negative or not a number.

    Source:
        controller-runtime pkg/reconcile/reconcile.go, ``Result``.
    """

    requeue_after_s: float | None = None
    requeue: bool = False

    def __post_init__(self) -> None:
        seconds = self.requeue_after_s
        if seconds is not None and not is_delay(seconds):
            raise InvalidArgument(f"requeue_after_s is a number of seconds that is not negative, not {seconds!r}")


class ReconcileResult(StrEnum):
    """How a reconcile ended, as it is counted."""

    SUCCESS = "success"
    ERROR = "error"
    REQUEUE = "requeue"
    REQUEUE_AFTER = "requeue_after"


class NextStep(StrEnum):
    """What becomes of the key."""

    FORGET = "forget"
    """Nothing, before something changes; its failures are forgotten."""
    RETRY = "retry"
    """It is looked at again after a delay that grows with each failure."""
    LATER = "later"
    """It is looked at again at a time that was asked for; its failures are forgotten."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from a reconcile.

    Attributes:
        result: How it is counted.
        next_step: What becomes of the key.
        after_s: When, for ``LATER``, in seconds.
        is_reported: Whether the failure is logged and counted as one.
        is_terminal: Whether the failure is of the kind that another try would not mend.
    """

    result: ReconcileResult
    next_step: NextStep
    after_s: float = 0.0
    is_reported: bool = False
    is_terminal: bool = False


def outcome_of_error(error: BaseException, *, attempt: int = 0, is_ending: bool = False) -> Outcome:
    """Return what follows from a reconcile that raised.

    A conflict says that somebody else wrote first, which is nobody's fault: the key is tried again, quietly. So it
    is if a cache does not show the controller's own write yet. A conflict of an apply is another matter: its fields
    belong to somebody else, and will tomorrow. So is what conflicts again and again. A request that is cut off because
    the controller ends is no failure at all.

    Args:
        error: What it raised.
        attempt: How often it had failed in a row before.
        is_ending: Whether the controller ends, and cuts requests off.
    """
    if isinstance(error, TerminalError):
        return Outcome(ReconcileResult.ERROR, NextStep.FORGET, is_reported=True, is_terminal=True)
    if isinstance(error, OwnWriteUnseen) or (is_ending and isinstance(error, Cancelled)):
        return Outcome(ReconcileResult.REQUEUE, NextStep.RETRY)
    is_race = isinstance(error, Conflict) and not isinstance(error, ApplyConflict)
    if is_race and attempt < QUIET_CONFLICTS:
        return Outcome(ReconcileResult.REQUEUE, NextStep.RETRY)
    return Outcome(ReconcileResult.ERROR, NextStep.RETRY, is_reported=True)


def outcome_of_result(returned: object) -> Outcome:
    """Return what follows from what a reconcile returned.

    Raises:
        InvalidArgument: It is neither a ``Result`` nor None.

    Source:
        controller-runtime pkg/internal/controller/controller.go, ``reconcileHandler``: a time wins over ``requeue``.
    """
    if returned is None:
        return Outcome(ReconcileResult.SUCCESS, NextStep.FORGET)
    if not isinstance(returned, Result):
        raise InvalidArgument(f"a reconcile returns a Result or None, not {type(returned).__name__}")
    if returned.requeue_after_s is not None:
        return Outcome(ReconcileResult.REQUEUE_AFTER, NextStep.LATER, after_s=returned.requeue_after_s)
    if returned.requeue:
        return Outcome(ReconcileResult.REQUEUE, NextStep.RETRY)
    return Outcome(ReconcileResult.SUCCESS, NextStep.FORGET)
