"""What bounds one request."""

from __future__ import annotations

import pytest

from kubeprims.errors import Cancelled, ConnectError, ConnectionLost, DeadlineExceeded
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline
from kubeprims.transport.scope import RequestScope


def scope_of(clock: VirtualClock, *, cancel: Cancel | None = None, timeout_s: float = 10) -> RequestScope:
    deadline = Deadline.after(timeout_s, clock=clock)
    return RequestScope(method="POST", url="https://a/api", deadline=deadline, cancel=cancel)


def test_aborting_interrupts_what_it_waits_on_and_keeps_the_first_reason() -> None:
    cancel, calls = Cancel(), list[str]()
    scope = scope_of(VirtualClock(), cancel=cancel)
    scope.check()
    scope.interrupt_with(lambda: calls.append("first"))
    scope.interrupt_with(lambda: calls.append("second"))
    cancel.set()
    scope.abort("again")
    assert calls == ["second", "second"]
    assert scope.is_aborted
    with pytest.raises(Cancelled, match=r"^POST https://a/api: cancelled$"):
        scope.check()
    scope.interrupt_with(lambda: calls.append("late"))
    assert calls[-1] == "late"


def test_what_was_let_go_is_not_interrupted() -> None:
    cancel, calls = Cancel(), list[str]()
    scope = scope_of(VirtualClock(), cancel=cancel)
    scope.interrupt_with(lambda: calls.append("no"))
    scope.let_go()
    scope.abort("x")
    other = scope_of(VirtualClock(), cancel=cancel)
    other.interrupt_with(lambda: calls.append("no"))
    other.release()
    other.release()
    cancel.set()
    assert not calls
    assert not other.is_aborted


def test_limits_are_those_of_the_request_if_it_ends_sooner() -> None:
    clock = VirtualClock()
    scope = scope_of(clock)
    assert scope.limit(3).remaining_s() == 3
    assert scope.limit(30).remaining_s() == 10


def test_a_wait_that_ended_at_the_deadline_is_told_from_one_that_ended_sooner() -> None:
    clock = VirtualClock()
    scope = scope_of(clock)
    sooner, deadline = scope.limit(3), scope.limit(30)
    assert type(scope.timed_out(sooner, ConnectError, "slow")) is ConnectError
    assert type(scope.timed_out(deadline, ConnectError, "slow")) is DeadlineExceeded
    clock.advance(10)
    assert str(scope.failure(ConnectionLost, "gone")) == "POST https://a/api: the deadline has passed: gone"
    with pytest.raises(DeadlineExceeded, match=r"the deadline has passed$"):
        scope.check()
    scope.abort("stopped")
    assert type(scope.timed_out(deadline, ConnectError, "slow")) is Cancelled


def test_errors_say_whether_the_request_may_have_arrived() -> None:
    scope = scope_of(VirtualClock())
    assert not scope.failure(ConnectError, "x").request_sent
    scope.sent = True
    assert "whether the server carried it out is unknown" in str(scope.failure(ConnectionLost, "x"))
