"""Failing schedules, made short."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.testing.simulator.shrinking import shrink


@given(st.integers(1, 80), st.sets(st.integers(0, 79), min_size=1, max_size=5))
def test_what_is_needed_is_what_is_left(count: int, needed: set[int]) -> None:
    needed = {number % count for number in needed}
    assert shrink(range(count), lambda steps: needed <= set(steps)) == sorted(needed)


def test_nothing_is_left_of_what_always_fails() -> None:
    assert shrink(range(10), lambda steps: True) == []


def test_what_is_left_fails_and_would_not_without_any_of_its_steps() -> None:
    def fails(steps: Sequence[int]) -> bool:
        return sum(steps) >= 20 and len(steps) % 2 == 0

    left = shrink(range(12), fails)
    assert fails(left)
    assert not any(fails(left[:index] + left[index + 1 :]) for index in range(len(left)))


def test_it_gives_up_in_time_with_what_still_fails() -> None:
    asked: list[int] = []

    def fails(steps: Sequence[int]) -> bool:
        asked.append(len(steps))
        return 999 in steps

    assert 999 in shrink(range(1000), fails, tries_max=5)
    assert len(asked) == 5
