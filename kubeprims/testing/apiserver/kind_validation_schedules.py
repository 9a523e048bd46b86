"""The rules of the times at which cron jobs run.

Source:
    kubernetes pkg/apis/batch/validation/validation.go, ``validateScheduleFormat`` and ``validateTimeZone``;
    robfig/cron parser.go; Go's time.ParseDuration.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from typing import NamedTuple

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import text
from kubeprims.testing.apiserver.kind_rules import Problems
from kubeprims.testing.apiserver.status import FieldProblem, quoted

_MACROS = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_EVERY = "@every "
_ZONE_PREFIXES = ("TZ=", "CRON_TZ=")
_NUMBER = re.compile(r"\+?[0-9]+")
_INT_MAX = 2**63 - 1
_INT_DIGITS_MAX = len(str(_INT_MAX))
_AMOUNT = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?P<unit>[^0-9.]*)")
_UNITS = frozenset({"ns", "us", "\u00b5s", "\u03bcs", "ms", "s", "m", "h"})
_ZONE_PART = re.compile(r"[A-Za-z0-9._+-]{1,14}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Bounds(NamedTuple):
    low: int
    high: int
    names: Mapping[str, int]


_FIELDS = (
    _Bounds(0, 59, {}),
    _Bounds(0, 23, {}),
    _Bounds(1, 31, {}),
    _Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


def schedule_problems(spec: JSONObject) -> Problems:
    """Return what is wrong with the schedule of a cron job."""
    schedule = text(spec, "schedule")
    if not schedule:
        yield FieldProblem.required("spec.schedule", "")
        return
    try:
        _check_schedule(schedule)
    except ValueError as error:
        yield FieldProblem.invalid("spec.schedule", schedule, str(error))
    if "TZ" in schedule:
        rule = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield FieldProblem.invalid("spec.schedule", schedule, rule)


def _check_schedule(schedule: str) -> None:
    """Check when something is to be done.

    Raises:
        ValueError: That cannot be said; the message says why in upstream's words.
    """
    if schedule.startswith(_ZONE_PREFIXES):
        zone, blank, schedule = schedule.partition("=")[2].partition(" ")
        if not blank:
            message = "invalid schedule format: runtime error: slice bounds out of range [:-1]"
            raise ValueError(message)
        if not _is_zone(zone):
            message = f"provided bad location {zone}: unknown time zone {zone}"
            raise ValueError(message)
        schedule = schedule.strip()
    if schedule.startswith("@"):
        _check_descriptor(schedule)
        return
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        message = f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]"
        raise ValueError(message)
    for field, bounds in zip(fields, _FIELDS, strict=True):
        for part in filter(None, field.split(",")):
            _check_range(part, bounds)


def _check_descriptor(descriptor: str) -> None:
    if descriptor in _MACROS:
        return
    if not descriptor.startswith(_EVERY):
        message = f"unrecognized descriptor: {descriptor}"
        raise ValueError(message)
    duration = descriptor.removeprefix(_EVERY)
    what = _why_no_duration(duration)
    if what:
        message = f"failed to parse duration {descriptor}: time: {what} {quoted(duration)}"
        raise ValueError(message)


def _why_no_duration(duration: str) -> str:
    rest = duration.removeprefix("-") if duration.startswith("-") else duration.removeprefix("+")
    if rest == "0":
        return ""
    if not rest:
        return "invalid duration"
    while rest:
        amount = _AMOUNT.match(rest)
        if amount is None:
            return "invalid duration"
        unit = amount["unit"]
        if unit not in _UNITS:
            return f"unknown unit {quoted(unit)} in duration" if unit else "missing unit in duration"
        rest = rest[amount.end() :]
    return ""


def _check_range(part: str, bounds: _Bounds) -> None:
    steps = part.split("/")
    ends = steps[0].split("-")
    if ends[0] in {"*", "?"}:
        low, high = bounds.low, bounds.high
    else:
        low = high = _parse_value(ends[0], bounds.names)
        if len(ends) == 2:  # noqa: PLR2004 - from one to the other
            high = _parse_value(ends[1], bounds.names)
        elif len(ends) > 1:
            message = f"too many hyphens: {part}"
            raise ValueError(message)
    step = 1
    if len(steps) == 2:  # noqa: PLR2004 - a range and a step
        step = _parse_number(steps[1])
        high = bounds.high if len(ends) == 1 else high
    elif len(steps) > 1:
        message = f"too many slashes: {part}"
        raise ValueError(message)
    if low < bounds.low:
        message = f"beginning of range ({low}) below minimum ({bounds.low}): {part}"
    elif high > bounds.high:
        message = f"end of range ({high}) above maximum ({bounds.high}): {part}"
    elif low > high:
        message = f"beginning of range ({low}) beyond end of range ({high}): {part}"
    elif not step:
        message = f"step of range should be a positive number: {part}"
    else:
        return
    raise ValueError(message)


def _parse_value(value: str, names: Mapping[str, int]) -> int:
    number = names.get(value.lower())
    return _parse_number(value) if number is None else number


def _parse_number(value: str) -> int:
    digits = value.lstrip("+-").lstrip("0") or "0"
    if not _NUMBER.fullmatch(value):
        rule = "invalid syntax"
    elif len(digits) > _INT_DIGITS_MAX or int(digits) > _INT_MAX:
        rule = "value out of range"
    else:
        return int(digits)  # a hyphen never comes here: it stands for a range
    message = f"failed to parse int from {value}: strconv.Atoi: parsing {quoted(value)}: {rule}"
    raise ValueError(message)


def time_zone_problems(spec: JSONObject) -> Problems:
    """Return what is wrong with the time zone of a cron job."""
    zone = spec.get("timeZone")
    if not isinstance(zone, str):
        return
    if not zone:
        yield FieldProblem.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
        return
    unknown = FieldProblem.invalid("spec.timeZone", zone, f"unknown time zone {zone}")
    if any(part in {".", ".."} or part.startswith("-") or not _ZONE_PART.fullmatch(part) for part in zone.split("/")):
        yield unknown
        return
    if zone.lower() == "local":
        rule = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield FieldProblem.invalid("spec.timeZone", zone, rule)
    if not _is_zone(zone):
        yield unknown


def _is_zone(name: str) -> bool:
    return name in {"", "UTC", "Local"} or _has_zone(name) or not _has_zone("UTC")  # a machine without zones knows none


def _has_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
