from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import ConfigError
from kubeprims.workqueue.order import LOW_PRIORITY, ArrivalOrder, PriorityOrder


def drained(order: ArrivalOrder[str] | PriorityOrder[str]) -> list[str]:
    return [order.pop() for _ in range(len(order))]


def test_arrival_order_hands_out_keys_as_they_came_and_lets_one_keep_its_place() -> None:
    order = ArrivalOrder[str]()
    for key in ("c", "a", "b", "c"):
        order.push(key, priority=7 if key == "b" else 0)
    assert len(order) == 3
    assert drained(order) == ["c", "a", "b"]


def test_a_higher_priority_goes_first_and_equal_ones_go_as_they_came() -> None:
    order = PriorityOrder[str]()
    for key, priority in (("relist-1", -100), ("live-1", 0), ("relist-2", -100), ("urgent", 5), ("live-2", 0)):
        order.push(key, priority=priority)
    assert drained(order) == ["urgent", "live-1", "live-2", "relist-1", "relist-2"]


def test_a_live_change_overtakes_a_relist_however_long_that_takes() -> None:
    order = PriorityOrder[str]()
    for number in range(1000):
        order.push(f"relist-{number}", priority=LOW_PRIORITY)
    for number in range(100):
        for _ in range(5):
            order.pop()  # a minute each
        order.push(f"live-{number}", priority=0)
        assert f"live-{number}" in {order.pop(), order.pop()}


def test_a_relist_gets_its_turns_however_many_live_changes_come() -> None:
    order = PriorityOrder[str]()
    for number in range(25):
        order.push(f"relist-{number}", priority=LOW_PRIORITY)
    got = []
    for number in range(100):
        order.push(f"live-{number}", priority=0)
        got.append(order.pop())
    assert got[3::4] == [f"relist-{number}" for number in range(25)]
    assert sum(key.startswith("live") for key in got) == 75


def test_a_key_that_is_pushed_again_keeps_its_age_and_the_higher_of_its_priorities() -> None:
    order = PriorityOrder[str](oldest_every=3)
    order.push("a", priority=-100)
    for key in ("b", "c", "d"):
        order.push(key, priority=0)
    order.push("a", priority=0)  # behind d now, but still the oldest
    order.push("b", priority=-100)  # lower: ignored
    assert len(order) == 4
    assert drained(order) == ["b", "c", "a", "d"]


def test_places_that_were_given_up_do_not_pile_up() -> None:
    order = PriorityOrder[str]()
    for priority in range(10_000):
        order.push("a", priority=priority)
    assert len(order) == 1
    assert len(order._heap) < 100
    assert drained(order) == ["a"]
    for number in range(1000):
        order.push(f"relist-{number}", priority=LOW_PRIORITY)
        order.push("live", priority=0)
        order.pop()
    assert len(order._heap) < 2 * len(order) + 100
    assert len(drained(order)) > 200
    assert order._heap == []


@pytest.mark.parametrize("oldest_every", [1, 0, -4, 2.5, "4", None])
def test_the_turns_of_the_oldest_are_a_whole_number_apart(oldest_every: int) -> None:
    with pytest.raises(ConfigError, match="oldest_every: must be a whole number of at least 2"):
        PriorityOrder[str](oldest_every=oldest_every)


@given(
    st.integers(2, 5),
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(-2, 2), st.booleans()), max_size=80),
)
def test_the_turns_are_as_a_list_that_is_searched_says(oldest_every: int, pushes: list[tuple[str, int, bool]]) -> None:
    order = PriorityOrder[str](oldest_every=oldest_every)
    waiting: dict[str, tuple[int, int]] = {}  # as they came; with what goes first
    turns = 0

    def expected() -> str:
        nonlocal turns
        turns += 1
        key = next(iter(waiting)) if turns % oldest_every == 0 else min(waiting, key=lambda one: waiting[one])
        del waiting[key]
        return key

    for number, (key, priority, pops) in enumerate(pushes):
        order.push(key, priority=priority)
        if key not in waiting or -priority < waiting[key][0]:
            waiting[key] = (-priority, number)
        if pops:
            assert order.pop() == expected()
    assert len(order) == len(waiting)
    assert drained(order) == [expected() for _ in range(len(waiting))]
