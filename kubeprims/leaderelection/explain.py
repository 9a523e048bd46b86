"""Says in words what an election's times mean, and what a lock says of its holder. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kubeprims.leaderelection.config import JITTER_FACTOR, ElectionConfig
from kubeprims.leaderelection.observed import ObservedLock

DRIFT_PARTS = 1e-4
"""By how much the rates of two clocks differ at the worst, as kernels keep them: far more than NTP allows."""


def margin_s(config: ElectionConfig) -> float:
    """Return for how long nobody leads, at least, between a leader that was cut off and the next one, in seconds."""
    return config.written_duration_s - config.renew_deadline_s


def rate_ratio(config: ElectionConfig) -> float:
    """Return how much faster a candidate's clock may run than the leader's before two terms can overlap."""
    return config.written_duration_s / config.renew_deadline_s


def failover_s(config: ElectionConfig, *, is_watched: bool) -> float:
    """Return after how long another candidate leads at the latest when the leader has died, in seconds.

    Args:
        config: The times.
        is_watched: Whether the candidates may watch the lock, so that they have seen its last write at once.
    """
    look_s = config.retry_period_s * (1.0 + JITTER_FACTOR)
    return config.written_duration_s + (look_s + 1.0 if is_watched else 2.0 * look_s)


def explain_config(config: ElectionConfig) -> Iterator[str]:
    """Yield lines that say what the times mean."""
    margin = margin_s(config)
    yield (
        f"times: lease {config.written_duration_s} s, renew deadline {config.renew_deadline_s:g} s, retry period "
        f"{config.retry_period_s:g} s, requests up to {config.request_timeout_s:g} s"
    )
    yield (
        f"overlap: none while clocks run equally fast: a leader's work is told to end {margin:g} s before anybody else "
        f"takes over; it has these {margin:g} s to end"
    )
    yield (
        f"clocks: a candidate's may run up to {rate_ratio(config):.2f} times as fast as the leader's; with rates that "
        f"differ by {DRIFT_PARTS:.2%}, {margin - DRIFT_PARTS * config.written_duration_s:.3f} s of the margin are left"
    )
    yield (
        f"failover: within {failover_s(config, is_watched=True):g} s after the leader has died if the lock is watched, "
        f"{failover_s(config, is_watched=False):g} s if it is polled; at once if it was released"
    )


def explain_lock(lock: ObservedLock, now_s: float) -> Iterator[str]:
    """Yield lines that say who holds a lock, as far as it was seen."""
    record = lock.record
    if lock.observation is None:
        yield "lock: there is none; the first candidate makes it"
        return
    if lock.is_unreadable:
        yield "lock: it holds what is no record; candidates wait for one lease duration of their own, then take it"
        return
    holder = record.holder_identity or "nobody"
    yield f"holder: {holder}, after {record.leader_transitions} transitions"
    if record.acquire_time is not None and record.renew_time is not None:
        since, renewed = record.acquire_time.isoformat(), record.renew_time.isoformat()
        yield f"since {since}, renewed at {renewed} (by its clock)"
    if not record.holder_identity:
        yield "takeover: now"
        return
    age_s = now_s - lock.changed_at_s
    yield f"age: {age_s:.1f} s since the last renewal was seen"
    yield f"takeover: in {max(0.0, lock.expires_at_s - now_s):.1f} s, unless it renews"
