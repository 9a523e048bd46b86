from __future__ import annotations

import math

import pytest

from kubeprims.errors import ConfigError
from kubeprims.workqueue.rate_limiters import (
    BucketRateLimiter,
    ItemExponentialFailureRateLimiter,
    ItemFastSlowRateLimiter,
    MaxOfRateLimiter,
    RateLimiter,
    WithMaxWaitRateLimiter,
    default_controller_rate_limiter,
)
from tests.parity import case


def delays(limiter: RateLimiter, key: str, count: int, *, now_s: float = 0.0) -> list[float]:
    return [limiter.when(key, now_s=now_s) for _ in range(count)]


@case("IN-196")
def test_delays_double_for_each_key_by_itself_until_it_is_forgotten() -> None:
    limiter = ItemExponentialFailureRateLimiter(base_delay_s=0.001, delay_max_s=1.0)
    assert delays(limiter, "one", 5) == [0.001, 0.002, 0.004, 0.008, 0.016]
    assert limiter.num_requeues("one") == 5
    assert delays(limiter, "two", 2) == [0.001, 0.002]
    assert limiter.num_requeues("two") == 2
    limiter.forget("one")
    assert limiter.num_requeues("one") == 0
    assert delays(limiter, "one", 1) == [0.001]


@case("IN-197")
def test_delays_end_at_the_longest_however_many_failures_there_are() -> None:
    limiter = ItemExponentialFailureRateLimiter(base_delay_s=0.001, delay_max_s=1000.0)
    found = delays(limiter, "one", 5000)
    assert found[19] == pytest.approx(0.001 * 2**19)
    assert set(found[20:]) == {1000.0}
    assert limiter.num_requeues("one") == 5000


@case("IN-198")
def test_the_first_retries_are_fast_and_the_others_slow() -> None:
    limiter = ItemFastSlowRateLimiter(fast_delay_s=0.005, slow_delay_s=10.0, fast_retries=3)
    assert delays(limiter, "one", 5) == [0.005, 0.005, 0.005, 10.0, 10.0]
    assert limiter.num_requeues("one") == 5
    assert delays(limiter, "two", 2) == [0.005, 0.005]
    limiter.forget("one")
    assert limiter.num_requeues("one") == 0
    assert delays(limiter, "one", 1) == [0.005]


@case("IN-199")
def test_of_several_limiters_the_longest_delay_counts() -> None:
    exponential = ItemExponentialFailureRateLimiter(base_delay_s=0.001, delay_max_s=1.0)
    fast_slow = ItemFastSlowRateLimiter(fast_delay_s=0.005, slow_delay_s=3.0, fast_retries=3)
    limiter = MaxOfRateLimiter(exponential, fast_slow)
    assert delays(limiter, "one", 5) == [0.005, 0.005, 0.005, 3.0, 3.0]
    assert limiter.num_requeues("one") == 5
    limiter.forget("one")
    assert limiter.num_requeues("one") == exponential.num_requeues("one") == fast_slow.num_requeues("one") == 0


@case("IN-199")
def test_a_delay_is_clipped_at_the_longest_wait() -> None:
    limiter = WithMaxWaitRateLimiter(
        ItemExponentialFailureRateLimiter(base_delay_s=1.0, delay_max_s=1000.0), delay_max_s=500.0
    )
    assert delays(limiter, "one", 11) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 500.0, 500.0]
    assert limiter.num_requeues("one") == 11
    limiter.forget("one")
    assert limiter.num_requeues("one") == 0


def test_a_bucket_lets_a_burst_go_and_then_so_many_a_second() -> None:
    limiter = BucketRateLimiter(qps=10.0, burst=3)
    assert delays(limiter, "any", 5) == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2])
    assert limiter.when("other", now_s=0.3) == pytest.approx(0.0)
    assert limiter.when("other", now_s=0.3) == pytest.approx(0.1)
    assert delays(limiter, "any", 4, now_s=1000.0) == pytest.approx([0.0, 0.0, 0.0, 0.1]), "never more than a burst"
    limiter.forget("any")
    assert limiter.num_requeues("any") == 0


@case("CM-43")
def test_the_default_waits_for_the_key_and_for_the_bucket() -> None:
    limiter = default_controller_rate_limiter()
    assert delays(limiter, "bad", 4) == [0.005, 0.01, 0.02, 0.04]
    for number in range(96):
        limiter.when(f"key-{number}", now_s=0.0)
    assert limiter.when("one more", now_s=0.0) == pytest.approx(0.1), "a hundred at once, then ten a second"


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: ItemExponentialFailureRateLimiter(base_delay_s=0.0), "base_delay_s"),
        (lambda: ItemExponentialFailureRateLimiter(base_delay_s=math.nan), "base_delay_s"),
        (lambda: ItemExponentialFailureRateLimiter(base_delay_s=2.0, delay_max_s=1.0), "delay_max_s"),
        (lambda: ItemExponentialFailureRateLimiter(delay_max_s=math.inf), "delay_max_s"),
        (lambda: ItemFastSlowRateLimiter(fast_delay_s=-1.0, slow_delay_s=1.0, fast_retries=1), "fast_delay_s"),
        (lambda: ItemFastSlowRateLimiter(fast_delay_s=1.0, slow_delay_s=0.0, fast_retries=1), "slow_delay_s"),
        (lambda: ItemFastSlowRateLimiter(fast_delay_s=1.0, slow_delay_s=1.0, fast_retries=-1), "fast_retries"),
        (lambda: BucketRateLimiter(qps=0.0), "qps"),
        (lambda: BucketRateLimiter(burst=0), "burst"),
        (MaxOfRateLimiter, "limiters"),
        (lambda: WithMaxWaitRateLimiter(BucketRateLimiter(), delay_max_s=-1.0), "delay_max_s"),
    ],
)
def test_what_a_limiter_cannot_be_is_refused(make: object, field: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError) as refused:
        make()
    assert refused.value.field == field
