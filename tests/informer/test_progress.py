"""Waiting for what may become true."""

from __future__ import annotations

from kubeprims.informer.progress import Progress
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Deadline, ThreadGroup

TIMEOUT_S = 10.0


def test_what_is_so_is_not_waited_for_and_what_never_is_so_ends_with_the_time() -> None:
    clock = VirtualClock()
    progress = Progress(clock)
    assert progress.wait_until(lambda: True, 0.0)
    assert not progress.wait_until(lambda: False, 0.0)
    found: list[bool] = []
    group = ThreadGroup("waiter")
    group.spawn(lambda: found.append(progress.wait_until(lambda: False, 5.0)), name="wait")
    assert clock.wait_for_waiters()
    clock.advance(5.0)
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert found == [False]


def test_every_note_has_the_condition_looked_at_again() -> None:
    clock = VirtualClock()
    progress = Progress(clock)
    facts: list[int] = []
    found: list[bool] = []
    group = ThreadGroup("waiter")
    group.spawn(lambda: found.append(progress.wait_until(lambda: len(facts) == 2, 60.0)), name="wait")
    for fact in (1, 2):
        assert clock.wait_for_waiters()
        facts.append(fact)
        progress.note()
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert found == [True]
