"""The rules of the status of jobs: what has ended stays as it ended, and what is said of it agrees.

Most rules only hold for what a write changes, for a job whose spec has changed may not agree with its status yet.

Source:
    kubernetes pkg/apis/batch/validation/validation.go, ``ValidateJobStatusUpdate``; pkg/registry/batch/job/strategy.go,
    ``getStatusValidationOptions``.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.job_indexes import common_index, count_indexes
from kubeprims.testing.apiserver.kind_rules import IMMUTABLE, Problems, duplicate, non_negative, number, texts
from kubeprims.testing.apiserver.status import FieldProblem

_CONDITIONS = "status.conditions"
_TERMINAL = ("Failed", "Complete", "FailureTarget")
_UNCOUNTED = ("succeeded", "failed")


class _State:
    """What the status of a job says."""

    def __init__(self, job: JSONObject) -> None:
        self.spec = mapping(job, "spec")
        self.status = mapping(job, "status")
        found = {(text(item, "type"), text(item, "status")) for item in items(self.status, "conditions")}
        self.true = {kind for kind, value in found if value == "True"}
        self.false = {kind for kind, value in found if value == "False"}
        self.is_complete = "Complete" in self.true
        self.is_failed = "Failed" in self.true
        self.is_finished = self.is_complete or self.is_failed
        self.uncounted = mapping(self.status, "uncountedTerminatedPods")

    def count(self, key: str) -> int:
        """Return a count; 0 if it is absent."""
        return number(self.status, key) or 0


class _Changes:
    """What a write changes."""

    def __init__(self, now: _State, before: _State) -> None:
        self._now = now
        self._before = before
        self.complete = now.is_complete is not before.is_complete
        self.failed = now.is_failed is not before.is_failed
        self.finished = now.is_finished is not before.is_finished

    def condition(self, kind: str) -> bool:
        """Return whether a condition has become true, or is not any more."""
        return (kind in self._now.true) is not (kind in self._before.true)

    def value(self, key: str) -> bool:
        """Return whether a member of the status is another one."""
        return self._now.status.get(key) != self._before.status.get(key)


def job_status_problems(job: JSONObject, old: JSONObject) -> Problems:
    """Return which rules a new status of a job breaks."""
    now, before = _State(job), _State(old)
    changes = _Changes(now, before)
    yield from non_negative(now.status, "status", "active", "succeeded", "failed", "ready", "terminating")
    yield from _uncounted_problems(now)
    yield from _end_problems(now, changes)
    yield from _finished_problems(now, changes)
    yield from _index_problems(now, changes)
    if changes.finished or changes.value("terminating"):
        yield from _none_left(now, "terminating")
    if (changes.value("ready") or changes.value("active")) and now.count("ready") > now.count("active"):
        yield FieldProblem.invalid("status.ready", now.count("ready"), "cannot set more ready pods than active")
    yield from _success_problems(now)
    yield from _undone_problems(now, before)
    yield from _time_problems(now, before, changes)
    if "SuccessCriteriaMet" in before.true - now.true:
        yield _conflict("cannot disable the SuccessCriteriaMet=True condition")
    if before.is_complete and "SuccessCriteriaMet" in now.true - before.true:
        yield _conflict("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")


def _conflict(rule: str) -> FieldProblem:
    """Conditions that do not agree are not shown."""
    return FieldProblem(_CONDITIONS, "FieldValueInvalid", f"Invalid value: {rule}")


def _uncounted_problems(now: _State) -> Problems:
    seen: set[str] = set()
    for key in _UNCOUNTED:
        for position, uid in enumerate(texts(now.uncounted, key)):
            field = f"status.uncountedTerminatedPods.{key}[{position}]"
            if not uid:
                yield FieldProblem.invalid(field, uid, "must not be empty")
            elif uid in seen:
                yield duplicate(field, uid)
            seen.add(uid)


def _end_problems(now: _State, changes: _Changes) -> Problems:
    """A job has come to one end, and that at a time."""
    start, end = text(now.status, "startTime"), text(now.status, "completionTime")
    if (changes.complete or changes.failed) and now.is_complete and now.is_failed:
        yield _conflict("cannot set Complete=True and Failed=true conditions")
    aimed = changes.complete or changes.condition("FailureTarget")
    if aimed and now.is_complete and "FailureTarget" in now.true:
        yield _conflict("cannot set Complete=True and FailureTarget=true conditions")
    if changes.complete or changes.value("completionTime"):
        if end and not now.is_complete:
            rule = "cannot set completionTime when there is no Complete=True condition"
            yield FieldProblem.invalid("status.completionTime", end, rule)
        if not end and now.is_complete:
            yield FieldProblem.required("status.completionTime", "completionTime is required for Complete jobs")
    if (changes.value("startTime") or changes.value("completionTime")) and start and end and end < start:
        yield FieldProblem.invalid("status.completionTime", end, "must be equal to or after `startTime`")
    if (changes.failed or changes.value("failedIndexes")) and now.is_failed and "FailureTarget" not in now.true:
        yield _conflict("cannot set Failed=True condition without the FailureTarget=true condition")
    met = changes.complete or changes.condition("SuccessCriteriaMet")
    if met and now.is_complete and "SuccessCriteriaMet" not in now.true:
        yield _conflict("cannot set Complete=True condition without the SuccessCriteriaMet=true condition")


def _finished_problems(now: _State, changes: _Changes) -> Problems:
    """A job that has ended has begun, and has no pods any more."""
    if not now.is_finished:
        return
    if changes.finished or changes.value("active"):
        yield from _none_left(now, "active")
    is_empty = now.spec.get("suspend") is True and number(now.spec, "completions") == 0
    if (changes.finished or changes.value("startTime")) and not is_empty and not now.status.get("startTime"):
        yield FieldProblem.required("status.startTime", "startTime is required for finished job")
    uncounted = [texts(now.uncounted, key) for key in _UNCOUNTED]
    if (changes.finished or changes.value("uncountedTerminatedPods")) and any(uncounted):
        shown: JSONObject = {key.title(): now.uncounted.get(key) for key in _UNCOUNTED}
        yield FieldProblem.invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job")


def _none_left(now: _State, key: str) -> Problems:
    if now.is_finished and now.count(key) > 0:
        yield FieldProblem.invalid(f"status.{key}", now.count(key), f"{key}>0 is invalid for finished job")


def _success_problems(now: _State) -> Problems:
    """What succeeds does not fail."""
    if "SuccessCriteriaMet" in now.true:
        for kind in ("Failed", "FailureTarget"):
            if kind in now.true:
                yield _conflict(f"cannot set SuccessCriteriaMet=True and {kind}=true conditions")
    elif now.is_complete and "successPolicy" in now.spec:
        yield _conflict("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")


def _undone_problems(now: _State, before: _State) -> Problems:
    """An end stays, and counts only grow."""
    for kind in _TERMINAL:
        if kind in before.true - now.true:
            yield _conflict(f"cannot disable the terminal {kind}=True condition")
    may_shrink = now.spec.get("completionMode") == "Indexed" and now.spec.get("completions") == now.spec.get(
        "parallelism"  # such a job may be made smaller
    )
    for key in ("failed",) if may_shrink else ("failed", "succeeded"):
        if now.count(key) < before.count(key):
            yield FieldProblem.invalid(f"status.{key}", now.count(key), f"cannot decrease the {key} counter")


def _time_problems(now: _State, before: _State, changes: _Changes) -> Problems:
    end, old_end = now.status.get("completionTime"), before.status.get("completionTime")
    if end and old_end and end != old_end:
        yield FieldProblem.invalid("status.completionTime", end, IMMUTABLE)
    is_resuming = "Suspended" in before.true and "Suspended" in now.false
    is_running = before.status.get("startTime") and not now.spec.get("suspend") and not is_resuming
    if is_running and changes.value("startTime"):
        rule = "field is immutable for unsuspended job once set"
        yield FieldProblem.invalid("status.startTime", now.status.get("startTime"), rule)


def _index_problems(now: _State, changes: _Changes) -> Problems:
    """Return what is wrong with the indexes that are done, and with those that failed."""
    done, failed = text(now.status, "completedIndexes"), now.status.get("failedIndexes")
    count, is_limited = number(now.spec, "completions"), "backoffLimitPerIndex" in now.spec
    done_changed, failed_changed = changes.value("completedIndexes"), changes.value("failedIndexes")
    if done_changed and count is not None:
        yield from _format_problems("completedIndexes", done, count)
    if failed_changed and count is not None and is_limited and isinstance(failed, str):
        yield from _format_problems("failedIndexes", failed, count)
    if done_changed and done and now.spec.get("completionMode") != "Indexed":
        rule = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield FieldProblem.invalid("status.completedIndexes", done, rule)
    if failed_changed and failed is not None and not is_limited:
        rule = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield FieldProblem.invalid("status.failedIndexes", failed, rule)
    if (done_changed or failed_changed) and count is not None and isinstance(failed, str):
        index = common_index(done, failed, count)
        if index is not None:
            rule = f"failedIndexes and completedIndexes overlap at index: {index}"
            yield FieldProblem.invalid("status.failedIndexes", failed, rule)


def _format_problems(key: str, indexes: str, count: int) -> Problems:
    try:
        count_indexes(indexes, count)
    except ValueError as error:
        yield FieldProblem.invalid(f"status.{key}", indexes, f"error parsing {key}: {error}")
