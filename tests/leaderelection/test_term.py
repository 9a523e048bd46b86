"""Term: every answer comes from the clock, and only in the process that won."""

from __future__ import annotations

import os

import pytest

from kubeprims.errors import LeadershipLost
from kubeprims.leaderelection.term import Term
from kubeprims.testing import VirtualClock
from tests.parity import case


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def term(clock: VirtualClock) -> Term:
    return Term("7", clock.monotonic() + 10.0, clock=clock)


@case("LE-A3", "LE-A4", "LE-A6")
def test_it_is_over_at_its_bound_whether_anybody_noticed_or_not(term: Term, clock: VirtualClock) -> None:
    clock.advance(9.0)
    assert term.is_leading()
    assert term.remaining_s() == 1.0
    clock.advance(1.0)
    assert not term.is_leading()
    assert term.remaining_s() == 0.0
    assert not term.lost.is_set, "nobody has had the time to say so"


def test_it_can_be_extended_and_ended(term: Term, clock: VirtualClock) -> None:
    clock.advance(9.0)
    term.extend(clock.monotonic() + 10.0)
    clock.advance(5.0)
    assert term.is_leading()
    assert repr(term) == "<Term 7 leading>"
    term.end()
    assert not term.is_leading()
    assert term.stopped.is_set
    assert term.lost.is_set
    assert repr(term) == "<Term 7 over>"


def test_a_check_refuses_what_would_take_too_long(term: Term, clock: VirtualClock) -> None:
    term.check()
    term.check(needs_s=9.0)
    with pytest.raises(LeadershipLost, match=r"the term 7 ends in 10 s, and 10 s are needed"):
        term.check(needs_s=10.0)
    clock.advance(10.0)
    with pytest.raises(LeadershipLost, match="the term 7 is over"):
        term.check()


def test_a_guard_looks_before_and_after(term: Term, clock: VirtualClock) -> None:
    with term.guard():
        clock.advance(1.0)
    with pytest.raises(LeadershipLost), term.guard():
        clock.advance(10.0)
    done: list[str] = []
    with pytest.raises(LeadershipLost), term.guard():
        done.append("never")
    assert not done


@case("LE-A38")
def test_it_is_over_in_a_forked_child(term: Term) -> None:
    child = os.fork()
    if child == 0:
        os._exit(1 if term.is_leading() else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert term.is_leading()
