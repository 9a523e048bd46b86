"""What a candidate writes into the lock, from what it has read there. Pure."""

from __future__ import annotations

import datetime
from dataclasses import replace

from kubeprims.leaderelection.record import COUNT_MAX, LeaderElectionRecord

RELEASED_DURATION_S = 1
"""The duration of a released lock: the API takes no zero."""


def taken(seen: LeaderElectionRecord, identity: str, duration_s: int, now: datetime.datetime) -> LeaderElectionRecord:
    """Return the record by which a candidate becomes the leader; one that is the holder already stays it."""
    if seen.holder_identity == identity:
        return replace(
            seen, lease_duration_s=duration_s, acquire_time=seen.acquire_time or now, renew_time=now
        )  # fmt: skip
    return replace(
        seen,
        holder_identity=identity,
        lease_duration_s=duration_s,
        acquire_time=now,
        renew_time=now,
        leader_transitions=min(max(0, seen.leader_transitions) + 1, COUNT_MAX),
        preferred_holder="",
    )


def created(identity: str, duration_s: int, now: datetime.datetime) -> LeaderElectionRecord:
    """Return the record of a lock that nobody held before."""
    return LeaderElectionRecord(
        holder_identity=identity, lease_duration_s=duration_s, acquire_time=now, renew_time=now
    )  # fmt: skip


def renewed(seen: LeaderElectionRecord, duration_s: int, now: datetime.datetime) -> LeaderElectionRecord:
    """Return the record by which the leader stays it."""
    return replace(seen, lease_duration_s=duration_s, renew_time=now)


def released(seen: LeaderElectionRecord, now: datetime.datetime) -> LeaderElectionRecord:
    """Return the record that lets anybody become the leader at once.

    Source:
        client-go tools/leaderelection/leaderelection.go, ``release``.
        Differs: how the server picks a leader stays in it.
    """
    return replace(
        seen,
        holder_identity="",
        lease_duration_s=RELEASED_DURATION_S,
        acquire_time=now,
        renew_time=now,
        preferred_holder="",
    )


def is_same_term(term: LeaderElectionRecord, seen: LeaderElectionRecord) -> bool:
    """Return whether a record belongs to a term; a ConfigMap has its times to the second."""
    if term.leader_transitions != seen.leader_transitions:
        return False
    if term.acquire_time is None or seen.acquire_time is None:
        return term.acquire_time is seen.acquire_time
    return term.acquire_time.replace(microsecond=0) == seen.acquire_time.replace(microsecond=0)
