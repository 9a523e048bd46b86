"""Virtual time on one thread."""

from __future__ import annotations

import pytest

from kubeprims.testing.simulator.world import START_S, Halt, World
from kubeprims.threads import Cancel, Latch


def test_things_happen_when_they_are_due_and_in_the_order_of_planning() -> None:
    world, seen = World(), list[str]()
    world.after(2.0, lambda: seen.append("late"))
    world.after(1.0, lambda: seen.append("first"))
    world.after(1.0, lambda: seen.append("second"))
    assert world.step()
    assert world.monotonic() == START_S + 1.0
    assert world.step(START_S + 1.5)
    assert not world.step(START_S + 1.5)
    assert (seen, world.monotonic(), world.events) == (["first", "second"], START_S + 1.5, 2)
    assert world.step()
    assert seen == ["first", "second", "late"]


def test_an_action_may_plan_another_one() -> None:
    world, seen = World(), list[float]()
    world.after(1.0, lambda: world.after(1.0, lambda: seen.append(world.monotonic())))
    world.step()
    world.step()
    assert seen == [START_S + 2.0]


def test_a_wait_on_the_clock_lets_the_world_go_on_until_what_is_waited_for_has_happened() -> None:
    world, latch = World(), Latch()
    for _ in range(3):
        world.after(1.0, lambda: None)
    world.after(5.0, latch.set)
    assert latch.wait(60.0, clock=world)
    assert world.monotonic() == START_S + 5.0


def test_a_wait_ends_in_time_though_nothing_happens() -> None:
    world = World()
    assert not Cancel().wait(60.0, clock=world)
    assert world.monotonic() == START_S + 60.0
    assert (world.wall() - World().wall()).total_seconds() == 60.0


def test_whoever_waits_for_ever_in_a_world_that_has_ended_is_told_so() -> None:
    with pytest.raises(Halt, match="waits for ever"):
        Latch().wait(clock=World())


def test_what_spins_is_halted() -> None:
    world = World(events_max=100)

    def again() -> None:
        world.after(0.0, again)

    again()
    with pytest.raises(Halt, match="more than 100"):
        Latch().wait(1.0, clock=world)


def test_a_halt_passes_through_what_handles_errors() -> None:
    assert not issubclass(Halt, Exception)
