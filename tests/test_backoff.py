"""Delays that grow, are jittered, and start over only after a healthy time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.backoff import Backoff, BackoffPolicy
from kubeprims.errors import ConfigError


class Constant:
    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def test_delays_double_up_to_the_cap() -> None:
    backoff = Backoff(BackoffPolicy(), rng=Constant(0.0))
    assert [backoff.next_delay_s(now_s=0.0) for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def test_jitter_lengthens_a_delay_by_up_to_itself() -> None:
    backoff = Backoff(BackoffPolicy(), rng=Constant(0.5))
    assert backoff.next_delay_s(now_s=0.0) == pytest.approx(1.2)


def test_delays_start_over_after_a_healthy_time_counted_from_the_end_of_the_last_one() -> None:
    backoff = Backoff(BackoffPolicy(), rng=Constant(0.0))
    backoff.next_delay_s(now_s=0.0)
    assert backoff.next_delay_s(now_s=120.0) == 1.6
    assert backoff.next_delay_s(now_s=121.6 + 120.0) == 0.8


def test_a_long_outage_never_starts_over() -> None:
    backoff, now_s, delays = Backoff(BackoffPolicy(), rng=Constant(0.0)), 0.0, []
    for _ in range(40):
        delays.append(backoff.next_delay_s(now_s=now_s))
        now_s += delays[-1]
    assert delays[7:] == [30.0] * 33


def test_reset_starts_over() -> None:
    backoff = Backoff(BackoffPolicy(), rng=Constant(0.0))
    backoff.next_delay_s(now_s=0.0)
    backoff.reset()
    assert backoff.next_delay_s(now_s=0.0) == 0.8


@pytest.mark.parametrize(
    ("name", "value"), [("base_s", 0.0), ("factor", 0.5), ("cap_s", 0.1), ("jitter", -1.0), ("healthy_after_s", -1.0)]
)
def test_a_policy_out_of_range_is_refused_by_field_and_rule(name: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        BackoffPolicy(**{name: value})
    assert caught.value.field == name
    assert repr(value) in str(caught.value)


@given(
    st.floats(0.01, 10), st.floats(1, 4), st.floats(0, 2), st.lists(st.floats(0, 200), max_size=30), st.floats(0, 0.999)
)
def test_a_delay_never_leaves_its_bounds(
    base_s: float, factor: float, jitter: float, gaps_s: list[float], chance: float
) -> None:
    policy = BackoffPolicy(base_s=base_s, factor=factor, cap_s=base_s * 20, jitter=jitter)
    backoff, now_s = Backoff(policy, rng=Constant(chance)), 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        delay_s = backoff.next_delay_s(now_s=now_s)
        assert base_s <= delay_s <= policy.cap_s * (1 + jitter)
        now_s += delay_s
