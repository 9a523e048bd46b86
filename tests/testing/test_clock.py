"""A clock that moves only when a test moves it."""

from __future__ import annotations

import datetime
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Deadline, ThreadGroup

LIMIT_S = 10.0


class Waiter:
    """A thread that waits once, and what it was told."""

    def __init__(self, clock: VirtualClock, timeout_s: float | None) -> None:
        self.told: list[bool] = []
        self.entered = threading.Event()
        self.condition = threading.Condition()
        self._clock = clock
        self._timeout_s = timeout_s
        self._group = ThreadGroup("waiter")
        self._group.spawn(self._wait, name="waiter")

    def _wait(self) -> None:
        with self.condition:
            self.entered.set()
            self.told.append(self._clock.wait(self.condition, self._timeout_s))

    def notify(self) -> None:
        assert self.entered.wait(LIMIT_S)
        with self.condition:  # it is held until the wait has begun
            self.condition.notify_all()

    def answer(self) -> list[bool]:
        assert self._group.join(Deadline.after(LIMIT_S)) == ()
        return self.told


@given(st.lists(st.floats(0, 1_000), max_size=5))
def test_both_times_move_together_by_what_a_test_says(steps: list[float]) -> None:
    clock = VirtualClock(start_s=5.0)
    for step in steps:
        clock.advance(step)
    assert clock.monotonic() == pytest.approx(5.0 + sum(steps))
    first = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    assert (clock.wall() - first).total_seconds() == pytest.approx(sum(steps), abs=1e-3)


def test_time_does_not_go_backwards() -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match="does not go backwards"):
        clock.advance(-0.1)
    assert clock.monotonic() == 1_000.0


def test_a_time_that_has_come_is_not_waited_for() -> None:
    clock, condition = VirtualClock(), threading.Condition()
    with condition:
        assert clock.wait(condition, 0.0) is False
        assert clock.wait(condition, -1.0) is False
    assert clock.next_due_s() is None


def test_who_waits_for_a_time_is_woken_when_it_has_come_and_not_before() -> None:
    clock = VirtualClock()
    near, far = Waiter(clock, 5.0), Waiter(clock, 50.0)
    assert clock.wait_for_waiters(2, timeout_s=LIMIT_S)
    assert clock.next_due_s() == 5.0
    clock.advance(5.0)
    assert near.answer() == [False]
    assert clock.next_due_s() == 45.0
    assert far.told == []
    clock.advance(45.0)
    assert far.answer() == [False]
    assert clock.next_due_s() is None


def test_who_is_notified_before_its_time_is_told_so() -> None:
    clock = VirtualClock()
    waiter = Waiter(clock, 5.0)
    assert clock.wait_for_waiters(timeout_s=LIMIT_S)
    waiter.notify()
    assert waiter.answer() == [True]


def test_who_waits_for_no_time_is_woken_by_a_notification_alone() -> None:
    clock = VirtualClock()
    waiter = Waiter(clock, None)
    assert waiter.entered.wait(LIMIT_S)
    clock.advance(1e9)
    assert not clock.wait_for_waiters(timeout_s=0.0)
    waiter.notify()
    assert waiter.answer() == [True]
