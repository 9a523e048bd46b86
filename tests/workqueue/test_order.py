from __future__ import annotations

import math

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
        order.push(key, priority=7 if key == "b" else 0, now_s=0.0)
    assert len(order) == 3
    assert drained(order) == ["c", "a", "b"]


def test_a_higher_priority_goes_first_and_equal_ones_go_as_they_came() -> None:
    order = PriorityOrder[str]()
    for key, priority in (("relist-1", -100), ("live-1", 0), ("relist-2", -100), ("urgent", 5), ("live-2", 0)):
        order.push(key, priority=priority, now_s=1.0)
    assert drained(order) == ["urgent", "live-1", "live-2", "relist-1", "relist-2"]


def test_neither_a_relist_nor_live_changes_starve_the_other() -> None:
    order = PriorityOrder[str](ageing_s=0.1)
    order.push("relist", priority=LOW_PRIORITY, now_s=0.0)
    got = []
    for second in range(20):  # a live change comes every second, and one key is handed out every second
        order.push(f"live-{second}", priority=0, now_s=float(second))
        got.append(order.pop())
    assert got.index("relist") == 10, got  # 100 levels of 0.1 s: ten seconds behind, and no more
    assert got[:10] == [f"live-{second}" for second in range(10)]


def test_a_key_that_is_pushed_again_keeps_the_better_of_its_places() -> None:
    order = PriorityOrder[str](ageing_s=0.1)
    order.push("a", priority=-100, now_s=0.0)
    order.push("b", priority=0, now_s=1.0)
    order.push("a", priority=0, now_s=2.0)  # place 2.0: better than 10.0, behind b's 1.0
    order.push("b", priority=-100, now_s=3.0)  # worse: ignored
    assert len(order) == 2
    assert drained(order) == ["b", "a"]


def test_places_that_were_given_up_do_not_pile_up() -> None:
    order = PriorityOrder[str]()
    for priority in range(10_000):
        order.push("a", priority=priority, now_s=0.0)
    assert len(order) == 1
    assert len(order._heap) < 100
    assert drained(order) == ["a"]


@pytest.mark.parametrize("ageing_s", [0.0, -1.0, math.inf, math.nan])
def test_ageing_is_a_positive_number(ageing_s: float) -> None:
    with pytest.raises(ConfigError, match="ageing_s: must be a positive number"):
        PriorityOrder[str](ageing_s=ageing_s)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(-200, 200), st.integers(0, 3)), max_size=60))
def test_the_key_with_the_best_place_is_always_next(pushes: list[tuple[str, int, int]]) -> None:
    order = PriorityOrder[str](ageing_s=0.5)
    places: dict[str, tuple[float, int]] = {}
    now_s = 0.0
    for number, (key, priority, passed_s) in enumerate(pushes):
        now_s += passed_s
        order.push(key, priority=priority, now_s=now_s)
        place = now_s - priority * 0.5
        if key not in places or place < places[key][0]:
            places[key] = (place, number)
        if passed_s == 3:
            assert order.pop() == min(places, key=lambda waiting: places[waiting])
            del places[min(places, key=lambda waiting: places[waiting])]
    assert drained(order) == sorted(places, key=lambda waiting: places[waiting])
