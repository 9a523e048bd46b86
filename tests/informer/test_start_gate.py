"""First lists, a few at a time."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest

from kubeprims.errors import ConfigError
from kubeprims.informer.start_gate import StartGate
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline, Latch, ThreadGroup

TIMEOUT_S = 10.0


class Starter:
    """One that wants to go through."""

    def __init__(self, gate: StartGate, group: ThreadGroup) -> None:
        self.entered, self.settled, self.cancel = Latch(), Latch(), Cancel()
        self._gate = gate
        group.spawn(self._run, name="starter")

    def _run(self) -> None:
        self._gate.enter(self.settled, self.cancel)
        self.entered.set()


@pytest.fixture
def group() -> Iterator[ThreadGroup]:
    made = ThreadGroup("starters")
    yield made
    assert made.join(Deadline.after(TIMEOUT_S)) == ()


def gate(clock: VirtualClock, count: int, **options: float) -> StartGate:
    return StartGate(count, clock=clock, rng=random.Random(1), **options)


def test_the_next_goes_through_when_one_before_it_is_settled(group: ThreadGroup) -> None:
    clock = VirtualClock()
    subject = gate(clock, 2)
    first, second = Starter(subject, group), Starter(subject, group)
    assert first.entered.wait(TIMEOUT_S)
    assert second.entered.wait(TIMEOUT_S)
    third = Starter(subject, group)
    assert clock.wait_for_waiters()
    assert not third.entered.is_set
    second.settled.set()
    assert third.entered.wait(TIMEOUT_S)


def test_one_that_is_stopped_gives_its_place_up_and_one_that_waits_ends_its_wait(group: ThreadGroup) -> None:
    clock = VirtualClock()
    subject = gate(clock, 1)
    first = Starter(subject, group)
    assert first.entered.wait(TIMEOUT_S)
    second, third = Starter(subject, group), Starter(subject, group)
    assert clock.wait_for_waiters(2)
    second.cancel.set()
    assert second.entered.wait(TIMEOUT_S)
    assert not third.entered.is_set
    first.cancel.set()
    assert third.entered.wait(TIMEOUT_S)


def test_one_that_hangs_holds_the_others_up_for_a_while_only(group: ThreadGroup) -> None:
    clock = VirtualClock()
    subject = gate(clock, 1, patience_s=10.0)
    stuck = Starter(subject, group)
    assert stuck.entered.wait(TIMEOUT_S)
    waiting = Starter(subject, group)
    assert clock.wait_for_waiters()
    assert clock.next_due_s() == 10.0
    clock.advance(9.0)
    assert clock.next_due_s() == 1.0
    assert not waiting.entered.is_set
    clock.advance(1.0)
    assert waiting.entered.wait(TIMEOUT_S)


def test_who_has_a_place_waits_for_a_random_while(group: ThreadGroup) -> None:
    clock = VirtualClock()
    starter = Starter(gate(clock, 1, jitter_s=4.0), group)
    assert clock.wait_for_waiters()
    assert clock.next_due_s() == pytest.approx(4.0 * random.Random(1).random())
    assert not starter.entered.is_set
    clock.advance(4.0)
    assert starter.entered.wait(TIMEOUT_S)


@pytest.mark.parametrize(
    ("count", "options"), [(0, {}), (1, {"jitter_s": -1.0}), (1, {"jitter_s": math.inf}), (1, {"patience_s": 0.0})]
)
def test_a_gate_that_lets_nobody_through_is_refused(count: int, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        gate(VirtualClock(), count, **options)
