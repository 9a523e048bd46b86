"""Writes that are tried again when somebody else wrote first."""

from __future__ import annotations

import pytest

from kubeprims.client.conflict import retry_on_conflict
from kubeprims.errors import AlreadyExists, ApplyConflict, Cancelled, Conflict, InvalidArgument, NotFound, StatusError
from kubeprims.threads import Cancel
from tests.client.clocks import SelfMovingClock


class Writes:
    """A write that meets these errors one after the other, and then succeeds."""

    def __init__(self, *errors: StatusError) -> None:
        self.errors = list(errors)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "written"


CONFLICT = Conflict("changed", code=409, reason="Conflict")


@pytest.mark.parametrize("conflicts", [0, 1, 4])
def test_a_write_is_tried_until_it_does_not_conflict(conflicts: int) -> None:
    clock = SelfMovingClock()
    begun_s = clock.monotonic()
    writes = Writes(*[CONFLICT] * conflicts)
    assert retry_on_conflict(writes, clock=clock) == "written"
    assert writes.tries == conflicts + 1
    assert 0.01 * conflicts <= clock.monotonic() - begun_s <= 0.011 * conflicts


def test_the_last_try_tells_its_conflict() -> None:
    writes = Writes(*[CONFLICT] * 9)
    with pytest.raises(Conflict):
        retry_on_conflict(writes, clock=SelfMovingClock())
    assert writes.tries == 5
    writes = Writes(CONFLICT)
    with pytest.raises(Conflict):
        retry_on_conflict(writes, tries_max=1)
    assert writes.tries == 1


@pytest.mark.parametrize("error_class", [AlreadyExists, ApplyConflict, NotFound])
def test_what_another_try_cannot_mend_is_told_at_once(error_class: type[StatusError]) -> None:
    writes = Writes(error_class("no", code=409))
    with pytest.raises(error_class):
        retry_on_conflict(writes)
    assert writes.tries == 1


def test_it_can_be_cancelled_and_needs_a_try() -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        retry_on_conflict(Writes(CONFLICT), cancel=cancel)
    with pytest.raises(InvalidArgument, match="tries_max is 1 or more"):
        retry_on_conflict(Writes(), tries_max=0)
