"""Latch, Cancel, Deadline and ThreadGroup."""

from __future__ import annotations

import math
import threading

import pytest

from kubeprims.clock import SystemClock
from kubeprims.errors import InvalidArgument, LifecycleError
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline, Latch, ThreadGroup


def test_a_latch_is_set_once_and_calls_back_once() -> None:
    latch = Latch()
    calls: list[int] = []
    latch.add_callback(lambda: calls.append(1))
    assert not latch.is_set
    latch.set()
    latch.set()
    assert latch.is_set
    assert calls == [1]
    assert repr(latch) == "<Latch set>"


def test_a_callback_added_late_is_called_at_once_and_one_taken_back_is_not() -> None:
    latch = Latch()
    calls: list[str] = []
    take_back = latch.add_callback(lambda: calls.append("early"))
    take_back()
    latch.set()
    latch.add_callback(lambda: calls.append("late"))()
    assert calls == ["late"]


def test_waiting_for_a_latch_ends_when_it_is_set_and_when_the_time_has_come() -> None:
    clock = VirtualClock()
    latch = Latch()
    answers: list[bool] = []
    group = ThreadGroup("test")
    group.spawn(lambda: answers.append(latch.wait(5.0, clock=clock)), name="first")
    assert clock.wait_for_waiters()
    clock.advance(4.9)
    assert not answers
    clock.advance(0.1)
    group.join(Deadline.after(5.0))
    assert answers == [False]
    latch.set()
    assert latch.wait(5.0, clock=clock)


def test_a_child_is_cancelled_with_its_parent_and_not_the_other_way_round() -> None:
    parent = Cancel()
    child, closed = Cancel(parent), Cancel(parent)
    closed.close()
    other = Cancel(parent)
    other.set()
    assert not parent.is_set
    parent.set()
    assert (child.is_set, closed.is_set) == (True, False)
    assert Cancel(parent).is_set


def test_a_deadline_passes_and_never_does() -> None:
    clock = VirtualClock()
    deadline = Deadline.after(2.0, clock=clock)
    assert deadline.remaining_s() == 2.0
    clock.advance(2.0)
    assert deadline.has_passed
    assert math.isinf(Deadline.after(None, clock=clock).remaining_s())
    with pytest.raises(InvalidArgument, match="nan"):
        Deadline.after(math.nan, clock=clock)


def test_a_group_names_its_threads_joins_them_and_raises_what_one_died_of() -> None:
    died: list[BaseException] = []
    names: list[str] = []
    group = ThreadGroup("group", on_error=died.append)

    def fail() -> None:
        names.append(threading.current_thread().name)
        raise KeyError("lost")

    group.spawn(fail, name="worker")
    with pytest.raises(KeyError, match="lost"):
        group.join(Deadline.after(5.0))
    assert names == ["group: worker"]
    assert isinstance(died[0], KeyError)
    with pytest.raises(LifecycleError, match="has stopped"):
        group.spawn(fail, name="late")


def test_a_thread_that_dies_where_nobody_asked_to_be_told_is_raised_by_join() -> None:
    group, died = ThreadGroup("group"), Latch()

    def die() -> None:
        died.set()
        raise KeyError("lost")

    group.spawn(die, name="worker")
    assert died.wait(5.0)
    for _ in range(2):
        with pytest.raises(KeyError, match="lost"):
            group.join(Deadline.after(5.0))


def test_a_thread_that_cannot_be_made_is_not_waited_for() -> None:
    group = ThreadGroup("group")
    before = threading.stack_size(1 << 46)  # more than any address space
    try:
        with pytest.raises(RuntimeError, match="thread"):
            group.spawn(lambda: None, name="worker")
    finally:
        threading.stack_size(before)
    assert group.join(Deadline.after(5.0)) == ()


def test_a_group_tells_who_does_not_end() -> None:
    group, release = ThreadGroup("group"), Latch()
    group.spawn(lambda: release.wait() and None, name="stuck")
    assert group.join(Deadline.after(0.0)) == ("group: stuck",)
    release.set()
    assert group.join(Deadline.after(5.0)) == ()


def test_a_thread_that_joins_its_own_group_waits_for_the_others_only() -> None:
    group, joined = ThreadGroup("group"), Latch()

    def join_myself() -> None:
        assert group.join(Deadline.after(5.0)) == ()
        joined.set()

    group.spawn(join_myself, name="me")
    assert joined.wait(5.0)
    group.join(Deadline.after(5.0))


def test_the_system_clock_goes_forward_and_knows_the_calendar() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.wall().tzinfo is not None
    assert repr(clock) == "SystemClock()"
    condition = threading.Condition()

    def notify() -> None:
        with condition:
            condition.notify_all()

    with condition:
        assert clock.wait(condition, 0.001) is False
    for forever_s in (math.inf, 1e12):
        timer = threading.Timer(0.01, notify)
        with condition:
            timer.start()
            assert clock.wait(condition, forever_s) is True
        timer.join()


@pytest.mark.parametrize("timeout_s", [threading.TIMEOUT_MAX * 2, 1e300])
def test_waits_may_be_longer_than_the_system_can_count(timeout_s: float) -> None:
    group = ThreadGroup("test")
    latch = Latch()
    results: list[bool] = []
    group.spawn(lambda: results.append(latch.wait(timeout_s)), name="wait")
    group.spawn(latch.set, name="set")
    assert group.join(Deadline.after(timeout_s)) == ()
    assert results == [True]


def test_a_wait_that_is_longer_than_the_system_can_count_is_no_error() -> None:
    condition = threading.Condition()
    group = ThreadGroup("test")

    def notify() -> None:
        with condition:
            condition.notify_all()

    with condition:
        group.spawn(notify, name="notify")  # gets the condition once this thread waits on it
        assert SystemClock().wait(condition, 1e300) is True
    assert group.join(Deadline.after(20.0)) == ()


def test_a_virtual_clock_moves_only_when_told_to() -> None:
    clock = VirtualClock()
    before = clock.wall()
    assert clock.next_due_s() is None
    clock.advance(60.0)
    assert (clock.wall() - before).total_seconds() == 60.0
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1.0)
    condition = threading.Condition()
    with condition:
        assert clock.wait(condition, 0.0) is False


def test_a_virtual_clock_tells_when_the_first_waiter_is_due() -> None:
    clock, latch, group = VirtualClock(), Latch(), ThreadGroup("test")
    group.spawn(lambda: latch.wait(7.0, clock=clock) and None, name="waiter")
    assert clock.wait_for_waiters()
    assert clock.next_due_s() == 7.0
    latch.set()
    group.join(Deadline.after(5.0))
