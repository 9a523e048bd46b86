"""Growing, jittered delays, as a pure machine: no clock and no chance of its own."""

from __future__ import annotations

from dataclasses import dataclass

from kubeprims.clock import Rng
from kubeprims.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffPolicy:
    """How delays grow: ``base_s``, ``base_s * factor``, ... up to ``cap_s``, each with up to ``jitter`` times more.

    Attributes:
        base_s: The first delay, in seconds, before jitter.
        factor: How much longer each is than the one before.
        cap_s: The longest, in seconds, before jitter.
        jitter: A delay d becomes d + U[0, 1) * jitter * d.
        healthy_after_s: How long all must have been well for the delays to start over.

    Source:
        client-go tools/cache/reflector.go: 0.8 s, factor 2, jitter 1, cap 30 s, reset after 2 min.
        Differs: the reset counts from the last failure, where upstream counts from the last reset, so that in a long
        outage its delays start over every two minutes.
    """

    base_s: float = 0.8
    factor: float = 2.0
    cap_s: float = 30.0
    jitter: float = 1.0
    healthy_after_s: float = 120.0

    def __post_init__(self) -> None:
        rules = (
            ("base_s", self.base_s, self.base_s > 0, "must be positive"),
            ("factor", self.factor, self.factor >= 1, "must be 1 or more"),
            ("cap_s", self.cap_s, self.cap_s >= self.base_s, "must not be below base_s"),
            ("jitter", self.jitter, self.jitter >= 0, "must not be negative"),
            ("healthy_after_s", self.healthy_after_s, self.healthy_after_s >= 0, "must not be negative"),
        )
        for name, value, holds, rule in rules:
            if not holds:
                raise ConfigError(f"{rule}, not {value!r}", field=name)


class Backoff:
    """The next delay of a sequence of failures.

    Concurrency:
        One owner; not for sharing between threads.
    """

    __slots__ = ("_failed_at_s", "_next_s", "_policy", "_rng")

    def __init__(self, policy: BackoffPolicy, *, rng: Rng) -> None:
        self._policy = policy
        self._rng = rng
        self._next_s = policy.base_s
        self._failed_at_s: float | None = None

    def next_delay_s(self, *, now_s: float | None = None) -> float:
        """Return how long to wait after a failure that was noticed at ``now_s``, in seconds.

        None leaves it to the caller, who knows better than the clock what was healthy, to :meth:`reset` the delays.
        """
        policy = self._policy
        if now_s is not None and self._failed_at_s is not None and now_s - self._failed_at_s >= policy.healthy_after_s:
            self._next_s = policy.base_s
        delay_s = self._next_s
        self._next_s = min(policy.cap_s, delay_s * policy.factor)
        delay_s += self._rng.random() * policy.jitter * delay_s
        self._failed_at_s = (
            None if now_s is None else now_s + delay_s
        )  # healthy time is counted from the end of the wait
        return delay_s

    def reset(self) -> None:
        """Start over from the first delay."""
        self._next_s = self._policy.base_s
        self._failed_at_s = None
