"""How long a key that failed waits before it is worked on again. Pure: the time is an argument.

A limiter is not safe by itself: the queue that it was given to asks it under the queue's lock, so it belongs to that
queue alone.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Protocol

from kubeprims.errors import ConfigError

BASE_DELAY_S = 0.005
DELAY_MAX_S = 1000.0
RETRIES_PER_S = 10.0
RETRIES_AT_ONCE = 100


class RateLimiter(Protocol):
    """Decides about retries."""

    def when(self, key: Hashable, *, now_s: float) -> float:
        """Count a failure of a key, and return how many seconds it is to wait."""
        ...

    def forget(self, key: Hashable) -> None:
        """Forget the failures of a key: it was worked on with success, or is given up."""
        ...

    def num_requeues(self, key: Hashable) -> int:
        """Return how many failures of a key are counted."""
        ...


class ItemExponentialFailureRateLimiter:
    """Waits twice as long after each failure of the same key: ``base_delay_s * 2 ** failures``, up to ``delay_max_s``.

    Source:
        client-go util/workqueue/default_rate_limiters.go, ``TypedItemExponentialFailureRateLimiter``.
    """

    __slots__ = ("_base_delay_s", "_delay_max_s", "_failures")

    def __init__(self, *, base_delay_s: float = BASE_DELAY_S, delay_max_s: float = DELAY_MAX_S) -> None:
        """Make a limiter that has seen no failure.

        Args:
            base_delay_s: The first delay, in seconds; positive.
            delay_max_s: The longest, in seconds; not below the first.

        Raises:
            ConfigError: A delay is out of range.
        """
        _check_positive(base_delay_s, "base_delay_s")
        if not base_delay_s <= delay_max_s < math.inf:
            raise ConfigError(f"must be finite and not below base_delay_s, not {delay_max_s!r}", field="delay_max_s")
        self._base_delay_s = base_delay_s
        self._delay_max_s = delay_max_s
        self._failures: dict[Hashable, int] = {}

    def when(self, key: Hashable, *, now_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Count a failure, and return the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        try:
            return min(math.ldexp(self._base_delay_s, failures), self._delay_max_s)
        except OverflowError:  # after a thousand failures
            return self._delay_max_s

    def forget(self, key: Hashable) -> None:
        """Start over from the first delay."""
        self._failures.pop(key, None)

    def num_requeues(self, key: Hashable) -> int:
        """Return how many failures of a key are counted."""
        return self._failures.get(key, 0)


class ItemFastSlowRateLimiter:
    """Waits shortly after each of the first failures of a key, and long after each later one.

    Source:
        client-go util/workqueue/default_rate_limiters.go, ``TypedItemFastSlowRateLimiter``.
    """

    __slots__ = ("_failures", "_fast_delay_s", "_fast_retries", "_slow_delay_s")

    def __init__(self, *, fast_delay_s: float, slow_delay_s: float, fast_retries: int) -> None:
        """Make a limiter that has seen no failure.

        Args:
            fast_delay_s: The delay after each of the first failures, in seconds; positive.
            slow_delay_s: The delay after each later one, in seconds; positive.
            fast_retries: After how many failures it is fast; not negative.

        Raises:
            ConfigError: One of them is out of range.
        """
        _check_positive(fast_delay_s, "fast_delay_s")
        _check_positive(slow_delay_s, "slow_delay_s")
        if fast_retries < 0:
            raise ConfigError(f"must not be negative, not {fast_retries!r}", field="fast_retries")
        self._fast_delay_s = fast_delay_s
        self._slow_delay_s = slow_delay_s
        self._fast_retries = fast_retries
        self._failures: dict[Hashable, int] = {}

    def when(self, key: Hashable, *, now_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Count a failure, and return the delay."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return self._fast_delay_s if failures <= self._fast_retries else self._slow_delay_s

    def forget(self, key: Hashable) -> None:
        """Be fast again."""
        self._failures.pop(key, None)

    def num_requeues(self, key: Hashable) -> int:
        """Return how many failures of a key are counted."""
        return self._failures.get(key, 0)


class BucketRateLimiter:
    """Lets a number of retries of any keys go at once, and after that so many a second: a token bucket.

    Source:
        client-go util/workqueue/default_rate_limiters.go, ``TypedBucketRateLimiter``.
    """

    __slots__ = ("_burst", "_free", "_qps", "_read_at_s")

    def __init__(self, *, qps: float = RETRIES_PER_S, burst: int = RETRIES_AT_ONCE) -> None:
        """Make a full bucket.

        Args:
            qps: Retries a second, in the long run; positive.
            burst: Retries that may go at once after a quiet time; at least 1.

        Raises:
            ConfigError: One of them is out of range.
        """
        _check_positive(qps, "qps")
        if burst < 1:
            raise ConfigError(f"must be at least 1, not {burst!r}", field="burst")
        self._qps = qps
        self._burst = float(burst)
        self._free = float(burst)  # below zero: places that are promised
        self._read_at_s = -math.inf

    def when(self, key: Hashable, *, now_s: float) -> float:  # noqa: ARG002 - all keys share the bucket
        """Take a place, and return how far away it is."""
        if now_s > self._read_at_s:
            self._free = min(self._burst, self._free + (now_s - self._read_at_s) * self._qps)
            self._read_at_s = now_s
        delay_s = max(0.0, (1.0 - self._free) / self._qps)
        self._free -= 1.0
        return delay_s

    def forget(self, key: Hashable) -> None:
        """Do nothing: a bucket knows no keys."""

    def num_requeues(self, key: Hashable) -> int:  # noqa: ARG002 - all keys share the bucket
        """Return 0: a bucket knows no keys."""
        return 0


class MaxOfRateLimiter:
    """Waits as long as the most cautious of several limiters says.

    Source:
        client-go util/workqueue/default_rate_limiters.go, ``TypedMaxOfRateLimiter``.
    """

    __slots__ = ("_limiters",)

    def __init__(self, *limiters: RateLimiter) -> None:
        """Combine limiters.

        Raises:
            ConfigError: None is given.
        """
        if not limiters:
            raise ConfigError("needs at least one limiter", field="limiters")
        self._limiters = limiters

    def when(self, key: Hashable, *, now_s: float) -> float:
        """Count a failure with all of them, and return the longest delay."""
        return max([limiter.when(key, now_s=now_s) for limiter in self._limiters])

    def forget(self, key: Hashable) -> None:
        """Have all of them forget a key."""
        for limiter in self._limiters:
            limiter.forget(key)

    def num_requeues(self, key: Hashable) -> int:
        """Return the highest count of failures."""
        return max([limiter.num_requeues(key) for limiter in self._limiters])


class WithMaxWaitRateLimiter:
    """Waits as another limiter says, but never longer than ``delay_max_s``.

    Source:
        client-go util/workqueue/default_rate_limiters.go, ``TypedWithMaxWaitRateLimiter``.
    """

    __slots__ = ("_delay_max_s", "_limiter")

    def __init__(self, limiter: RateLimiter, *, delay_max_s: float) -> None:
        """Cap a limiter.

        Raises:
            ConfigError: The cap, in seconds, is negative or not a number.
        """
        if not delay_max_s >= 0:
            raise ConfigError(
                f"must be a number of seconds that is not negative, not {delay_max_s!r}", field="delay_max_s"
            )
        self._limiter = limiter
        self._delay_max_s = delay_max_s

    def when(self, key: Hashable, *, now_s: float) -> float:
        """Count a failure, and return the capped delay."""
        return min(self._limiter.when(key, now_s=now_s), self._delay_max_s)

    def forget(self, key: Hashable) -> None:
        """Have the other limiter forget a key."""
        self._limiter.forget(key)

    def num_requeues(self, key: Hashable) -> int:
        """Return the other limiter's count."""
        return self._limiter.num_requeues(key)


def default_controller_rate_limiter() -> RateLimiter:
    """Return what controllers retry by: 5 ms doubling to 1000 s for each key, and 10 retries a second for all together.

    Source:
        client-go util/workqueue/default_rate_limiters.go, ``DefaultTypedControllerRateLimiter``.
    """
    return MaxOfRateLimiter(ItemExponentialFailureRateLimiter(), BucketRateLimiter())


def is_delay(seconds: object) -> bool:
    """Return whether something is a number of seconds that a key can wait."""
    return isinstance(seconds, (int, float)) and 0 <= seconds < math.inf


def _check_positive(value: float, field: str) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ConfigError(f"must be a positive number, not {value!r}", field=field)
