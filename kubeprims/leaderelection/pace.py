"""When the next attempt is due. Pure."""

from __future__ import annotations

from kubeprims.clock import Rng
from kubeprims.leaderelection.config import JITTER_FACTOR, ElectionConfig
from kubeprims.leaderelection.observed import ObservedLock

_EXPIRY_JITTER = 0.2
"""Who waits for a lease to end looks up to this many retry periods later: not all at once."""

_LOOKS_MAX = 4
"""How often within one retry period a watch may make its candidate look: it may lag, and show what is long over."""

_RELEASE_JITTER = 0.25
"""A release that conflicts is tried again within this many retry periods."""


def retry_delay_s(config: ElectionConfig, rng: Rng) -> float:
    """Return how long to wait after an attempt that failed, in seconds."""
    return config.retry_period_s * (1.0 + JITTER_FACTOR * rng.random())


def attempt_again_at_s(lock: ObservedLock, now_s: float, config: ElectionConfig, rng: Rng) -> float:
    """Return when to look at the lock again: after a while, or when its holder's time is over, if that is sooner."""
    again_at_s = now_s + retry_delay_s(config, rng)
    if lock.is_free or now_s >= lock.expires_at_s:
        return again_at_s
    return min(again_at_s, lock.expires_at_s + rng.random() * _EXPIRY_JITTER * config.retry_period_s)


def release_again_at_s(now_s: float, config: ElectionConfig, rng: Rng) -> float:
    """Return when to try a release again that has met a conflict: soon, for the budget is short."""
    return now_s + rng.random() * _RELEASE_JITTER * config.retry_period_s


def look_pause_s(config: ElectionConfig) -> float:
    """Return how long not to look again because of what a watch shows, in seconds."""
    return config.retry_period_s / _LOOKS_MAX
