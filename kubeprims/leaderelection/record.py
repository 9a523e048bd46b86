"""Who leads and since when, as it is written into a lock object. Pure.

The formats are upstream's, byte for byte, so that candidates in Go and in Python contend for the same lock: the spec
of a Lease, and an annotation of a ConfigMap or of Endpoints. What is written is strict; what is read may have been
written by anybody, so only what cannot be a record at all is refused.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue

LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"
"""Where ConfigMaps and Endpoints hold the record."""

ANNOTATION_CHARS_MAX = 4096
"""A longer annotation is none: a record has some 300 characters."""

COUNT_MAX = 2**31 - 1
"""The most that the API takes for a duration, and for a number of transitions."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderElectionRecord:
    """What a lock object says.

    Its times are for people: no candidate ever compares them with a clock.

    Attributes:
        holder_identity: Who leads; empty if nobody does.
        lease_duration_s: For how long others must not take over, counted from when they saw the record change, in whole
            seconds. 0 if it was not given.
        acquire_time: When the holder became the leader, in UTC; None if it was not given.
        renew_time: When the holder last said so, in UTC; None if it was not given.
        leader_transitions: How often the lock has changed hands.
        strategy: How the server picks a leader, in a coordinated election; else empty.
        preferred_holder: Whom the server would rather have, in a coordinated election; else empty.

    Source:
        client-go tools/leaderelection/resourcelock/interface.go, ``LeaderElectionRecord``.
    """

    holder_identity: str = ""
    lease_duration_s: int = 0
    acquire_time: datetime.datetime | None = None
    renew_time: datetime.datetime | None = None
    leader_transitions: int = 0
    strategy: str = ""
    preferred_holder: str = ""


# -- a Lease ----------------------------------------------------------------------------------------------------------


def record_from_lease_spec(spec: Mapping[str, JSONValue]) -> LeaderElectionRecord:
    """Return what the spec of a Lease says; what is missing, or is not of its type, counts as not given."""
    return LeaderElectionRecord(
        holder_identity=_text(spec, "holderIdentity"),
        lease_duration_s=_count(spec, "leaseDurationSeconds"),
        acquire_time=_time(spec, "acquireTime"),
        renew_time=_time(spec, "renewTime"),
        leader_transitions=_count(spec, "leaseTransitions"),
        strategy=_text(spec, "strategy"),
        preferred_holder=_text(spec, "preferredHolder"),
    )


def lease_spec(record: LeaderElectionRecord, existing: Mapping[str, JSONValue] | None = None) -> JSONObject:
    """Return the spec of a Lease that says this.

    Args:
        record: What to say.
        existing: The spec as it is; what it has besides a record's fields is kept, where upstream drops it.
    """
    spec: JSONObject = dict(existing or {})
    spec["holderIdentity"] = record.holder_identity
    spec["leaseDurationSeconds"] = record.lease_duration_s
    spec["acquireTime"] = micro_time(record.acquire_time)
    spec["renewTime"] = micro_time(record.renew_time)
    spec["leaseTransitions"] = record.leader_transitions
    for name, value in (("strategy", record.strategy), ("preferredHolder", record.preferred_holder)):
        if value:
            spec[name] = value
        else:
            spec.pop(name, None)
    return spec


# -- an annotation ----------------------------------------------------------------------------------------------------


def record_from_annotation(text: str) -> LeaderElectionRecord:
    """Return what an annotation says; unknown fields are ignored.

    Raises:
        DecodeError: It is not a JSON object, or too long for a record.
    """
    if len(text) > ANNOTATION_CHARS_MAX:
        raise DecodeError(f"the annotation {LEADER_ANNOTATION} has more than {ANNOTATION_CHARS_MAX} characters")
    found: JSONValue
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DecodeError(f"the annotation {LEADER_ANNOTATION} holds no JSON object", raw=text[:256].encode())
    return LeaderElectionRecord(
        holder_identity=_text(found, "holderIdentity"),
        lease_duration_s=_count(found, "leaseDurationSeconds"),
        acquire_time=_time(found, "acquireTime"),
        renew_time=_time(found, "renewTime"),
        leader_transitions=_count(found, "leaderTransitions"),
        strategy=_text(found, "strategy"),
        preferred_holder=_text(found, "preferredHolder"),
    )


def annotation_text(record: LeaderElectionRecord) -> str:
    """Return the annotation that says this, as Go's encoder writes it."""
    fields: JSONObject = {
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": record.lease_duration_s,
        "acquireTime": _second_time(record.acquire_time),
        "renewTime": _second_time(record.renew_time),
        "leaderTransitions": record.leader_transitions,
    }
    if record.strategy:
        fields["strategy"] = record.strategy
    if record.preferred_holder:
        fields["preferredHolder"] = record.preferred_holder
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":  # encoding/json escapes these, for browsers
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


# -- fields -----------------------------------------------------------------------------------------------------------


def _text(fields: Mapping[str, JSONValue], name: str) -> str:
    value = fields.get(name)
    # Half a surrogate pair, which only an escape in an annotation can bring, has no UTF-8 to be written back in: as in
    # Go, it is replaced.
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else ""


def _count(fields: Mapping[str, JSONValue], name: str) -> int:
    """Return a whole number; some Python candidates write it as a text, or with a fraction."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0
    try:
        return max(-COUNT_MAX, min(COUNT_MAX, int(float(value))))
    except (ValueError, OverflowError):
        return 0


def _time(fields: Mapping[str, JSONValue], name: str) -> datetime.datetime | None:
    return parsed_time(_text(fields, name))


def parsed_time(text: str) -> datetime.datetime | None:
    """Return a time in UTC, None if it is none; one without an offset, as some Python candidates write it, is UTC."""
    try:
        found = datetime.datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)
        return aware.astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return None


def micro_time(time: datetime.datetime | None) -> str | None:
    """Return a ``MicroTime``: exactly six digits, or the API server cannot read it."""
    return None if time is None else f"{_utc(time):%Y-%m-%dT%H:%M:%S.%fZ}".zfill(27)


def _second_time(time: datetime.datetime | None) -> str | None:
    return None if time is None else f"{_utc(time):%Y-%m-%dT%H:%M:%SZ}".zfill(20)


def _utc(time: datetime.datetime) -> datetime.datetime:
    return time.astimezone(datetime.timezone.utc)
