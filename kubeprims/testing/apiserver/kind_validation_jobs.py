"""The rules of jobs, and of those that cron jobs make.

Source:
    kubernetes pkg/apis/batch/validation/validation.go, ``ValidateJobSpec`` and ``ValidateJobSpecUpdate``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import dns_subdomain_problems
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.job_indexes import count_indexes
from kubeprims.testing.apiserver.kind_rules import (
    IMMUTABLE,
    Problems,
    duplicate,
    indexed,
    label_key,
    non_negative,
    number,
    one_of,
    too_long,
    too_many,
)
from kubeprims.testing.apiserver.kind_validation_pods import template_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, name_rules_broken, text_of
from kubeprims.testing.apiserver.status import FieldProblem

_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MODES = ("NonIndexed", "Indexed")
_INDEXED_MAX = 100_000
_HIGH_COMPLETIONS_MAX = 10_000
_RULES_MAX = 20
_EXIT_CODES_MAX = 255
_PATTERNS_MAX = 20
_MANAGED_BY_BYTES_MAX = 63
_INDEXES_BYTES_MAX = 64 * 1024
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES = ("False", "True", "Unknown")
_OPERATORS = ("In", "NotIn")
_PATH_PATTERN = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_PATH = re.compile(_PATH_PATTERN)
_FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def job_spec_problems(spec: JSONObject, path: str) -> Problems:
    """Return which rules the spec of a job breaks, but for its selector."""
    yield from non_negative(spec, path, *_COUNTS)
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        yield FieldProblem.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if "managedBy" in spec:
        yield from _manager_problems(text(spec, "managedBy"), f"{path}.managedBy")
    yield from one_of(spec, "completionMode", path, _MODES)
    if spec.get("completionMode") == "Indexed":
        yield from _indexed_problems(spec, path)
    elif spec.get("completionMode") in {None, "NonIndexed"}:
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if key in spec:
                yield FieldProblem.invalid(f"{path}.{key}", spec[key], "requires indexed completion mode")
    if "podFailurePolicy" in spec:
        yield from _failure_problems(spec, f"{path}.podFailurePolicy")
    if "successPolicy" in spec:
        yield from _success_problems(spec, f"{path}.successPolicy")
    allowed = ("Failed",) if "podFailurePolicy" in spec else ("Failed", "TerminatingOrFailed")
    yield from one_of(spec, "podReplacementPolicy", path, allowed)
    template = mapping(spec, "template")
    yield from template_problems(template, f"{path}.template")
    yield from _restart_problems(spec, text(mapping(template, "spec"), "restartPolicy"), f"{path}.template.spec")


def _restart_problems(spec: JSONObject, policy: str, path: str) -> Problems:
    if policy in {"", "Always"}:
        yield FieldProblem.required(f"{path}.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in {"OnFailure", "Never"}:
        yield FieldProblem.unsupported(f"{path}.restartPolicy", policy, ("OnFailure", "Never"))
    elif policy != "Never" and "podFailurePolicy" in spec:
        rule = 'only "Never" is supported when podFailurePolicy is specified'
        yield FieldProblem.invalid(f"{path}.restartPolicy", policy, rule)


def _manager_problems(manager: str, field: str) -> Problems:
    """Who looks after a job: a path below a domain."""
    host, _, path = manager.partition("/")
    if not manager:
        yield FieldProblem.required(field, "")
    elif not host or not path:
        yield FieldProblem.invalid(field, manager, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        for broken in dns_subdomain_problems(host):
            yield FieldProblem.invalid(field, host, broken)
        if not _PATH.fullmatch(path):
            rule = f"Invalid path (regex used for validation is '{_PATH_PATTERN}')"
            yield FieldProblem.invalid(field, path, rule)
    if len(manager.encode()) > _MANAGED_BY_BYTES_MAX:
        yield too_long(field, _MANAGED_BY_BYTES_MAX)


def _indexed_problems(spec: JSONObject, path: str) -> Problems:
    completions, parallelism = number(spec, "completions"), number(spec, "parallelism") or 0
    failed = number(spec, "maxFailedIndexes")
    if completions is None:
        yield FieldProblem.required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism > _INDEXED_MAX:
        rule = f"must be less than or equal to {_INDEXED_MAX} when completion mode is Indexed"
        yield FieldProblem.invalid(f"{path}.parallelism", parallelism, rule)
    if failed is not None and completions is not None and failed > completions:
        yield FieldProblem.invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _INDEXED_MAX:
        rule = f"must be less than or equal to {_INDEXED_MAX}"
        yield FieldProblem.invalid(f"{path}.maxFailedIndexes", failed, rule)
    if "backoffLimitPerIndex" in spec and (completions or 0) > _INDEXED_MAX:
        above = f"when completions are above {_INDEXED_MAX} and used with backoff limit per index"
        if failed is None:
            rule = f"must be specified when completions is above {_INDEXED_MAX}"
            yield FieldProblem.required(f"{path}.maxFailedIndexes", rule)
        for key, value in (("parallelism", parallelism), ("maxFailedIndexes", failed or 0)):
            if value > _HIGH_COMPLETIONS_MAX:
                rule = f"must be less than or equal to {_HIGH_COMPLETIONS_MAX} {above}"
                yield FieldProblem.invalid(f"{path}.{key}", value, rule)


def _failure_problems(spec: JSONObject, path: str) -> Problems:
    rules = items(mapping(spec, "podFailurePolicy"), "rules")
    if len(rules) > _RULES_MAX:
        yield too_many(f"{path}.rules", len(rules), _RULES_MAX)
    pods = mapping(mapping(spec, "template"), "spec")
    names = {text(item, "name") for key in ("containers", "initContainers") for item in items(pods, key)}
    for position, rule in enumerate(rules):
        field = f"{path}.rules[{position}]"
        if rule.get("action") == "FailIndex":
            if "backoffLimitPerIndex" not in spec:
                broken = "requires the backoffLimitPerIndex to be set"
                yield FieldProblem.invalid(f"{field}.action", "FailIndex", broken)
        else:
            yield from _choice(rule, "action", field, _ACTIONS)
        codes, patterns = rule.get("onExitCodes"), items(rule, "onPodConditions")
        if isinstance(codes, dict):
            yield from _exit_code_problems(codes, f"{field}.onExitCodes", names)
        yield from _pattern_problems(patterns, f"{field}.onPodConditions")
        if isinstance(codes, dict) == bool(patterns):
            both, none = (
                "both OnExitCodes and OnPodConditions is not supported",
                "one of OnExitCodes and OnPodConditions",
            )
            broken = f"specifying {both if patterns else f'{none} is required'}"
            yield FieldProblem(field, "FieldValueInvalid", f"Invalid value: {broken}")


def _choice(obj: JSONObject, key: str, path: str, allowed: Sequence[str]) -> Problems:
    """A text that has to be one of few."""
    if obj.get(key):
        yield from one_of(obj, key, path, allowed)
    else:
        shown = " ".join(f'"{value}"' for value in allowed)
        yield FieldProblem.required(f"{path}.{key}", f"valid values: [{shown}]")


def _pattern_problems(patterns: list[JSONObject], path: str) -> Problems:
    if len(patterns) > _PATTERNS_MAX:
        yield too_many(path, len(patterns), _PATTERNS_MAX)
    for position, pattern in enumerate(patterns):
        yield from label_key(text(pattern, "type"), f"{path}[{position}].type")
        yield from _choice(pattern, "status", f"{path}[{position}]", _STATUSES)


def _exit_code_problems(codes: JSONObject, path: str, names: set[str]) -> Problems:
    yield from _choice(codes, "operator", path, _OPERATORS)
    if "containerName" in codes and text(codes, "containerName") not in names:
        rule = "must be one of the container or initContainer names in the pod template"
        yield FieldProblem.invalid(f"{path}.containerName", text(codes, "containerName"), rule)
    given = codes.get("values")
    values = [value for value in given if isinstance(value, int)] if isinstance(given, list) else []
    field = f"{path}.values"
    if not values:
        yield FieldProblem.invalid(field, given, "at least one value is required")
    elif len(values) > _EXIT_CODES_MAX:
        yield too_many(field, len(values), _EXIT_CODES_MAX)
    seen: set[int] = set()
    for position, value in enumerate(values):
        if value == 0 and codes.get("operator") == "In":
            yield FieldProblem.invalid(f"{field}[{position}]", value, "must not be 0 for the In operator")
        if value in seen:
            yield duplicate(f"{field}[{position}]", value)
        seen.add(value)
    if values != sorted(values):
        yield FieldProblem.invalid(field, [*values], "must be ordered")


def _success_problems(spec: JSONObject, path: str) -> Problems:
    policy, completions = mapping(spec, "successPolicy"), number(spec, "completions") or 0
    if spec.get("completionMode") != "Indexed":
        yield FieldProblem.invalid(path, _shown_success(spec), "requires indexed completion mode")
        return
    count = len(items(policy, "rules"))
    if not count:
        rule = "at least one rules must be specified when the successPolicy is specified"
        yield FieldProblem.required(f"{path}.rules", rule)
    if count > _RULES_MAX:
        yield too_many(f"{path}.rules", count, _RULES_MAX)
    for field, item in indexed(policy, "rules", path):
        yield from _success_rule_problems(item, field, completions)


def _shown_success(spec: JSONObject) -> JSONObject:
    rules: list[JSONValue] = [
        {"SucceededIndexes": rule.get("succeededIndexes"), "SucceededCount": rule.get("succeededCount")}
        for rule in items(mapping(spec, "successPolicy"), "rules")
    ]
    return {"Rules": rules}


def _success_rule_problems(rule: JSONObject, path: str, completions: int) -> Problems:
    succeeded, indexes, total = number(rule, "succeededCount"), rule.get("succeededIndexes"), 0
    if succeeded is None and indexes is None:
        yield FieldProblem.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    if isinstance(indexes, str):
        if len(indexes.encode()) > _INDEXES_BYTES_MAX:
            yield too_long(f"{path}.succeededIndexes", _INDEXES_BYTES_MAX)
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            broken = f"error parsing succeededIndexes: {error}"
            yield FieldProblem.invalid(f"{path}.succeededIndexes", indexes, broken)
    if succeeded is not None:
        yield from non_negative(rule, path, "succeededCount")
        limits = [(completions, "specified completions")]
        if indexes is not None:
            limits.append((total, "indexes in the specified succeededIndexes field"))
        for limit, what in limits:
            if succeeded > limit:
                broken = f"must be less than or equal to {limit} (the number of {what})"
                yield FieldProblem.invalid(f"{path}.succeededCount", succeeded, broken)


def job_name_problems(job: JSONObject) -> Problems:
    """The pods of a job with indexes have those in their names, which have to be labels of DNS."""
    spec, name = mapping(job, "spec"), text_of(metadata_of(job), "name")
    completions = number(spec, "completions") or 0
    if spec.get("completionMode") == "Indexed" and completions > 0:
        last = f"{name}-{completions - 1}"
        if name_rules_broken(last, NameRule.DNS_LABEL):
            rule = f"will not able to create pod with invalid DNS label: {last}"
            yield FieldProblem.invalid("metadata.name", name, rule)


def job_update_problems(job: JSONObject, old: JSONObject) -> Problems:
    """Return what is wrong with what has changed of a job."""
    spec, before = mapping(job, "spec"), mapping(old, "spec")
    completions = spec.get("completions")
    if completions != before.get("completions"):
        if spec.get("completionMode") != "Indexed":
            yield FieldProblem.invalid("spec.completions", completions, IMMUTABLE)
        elif completions is not None and completions != spec.get("parallelism"):
            rule = "can only be modified in tandem with spec.parallelism"
            yield FieldProblem.invalid("spec.completions", completions, rule)
    if spec.get("selector") != before.get("selector"):
        yield FieldProblem.invalid("spec.selector", spec.get("selector"), IMMUTABLE)
    template, template_before = mapping(spec, "template"), mapping(before, "template")
    if not _may_be_sent_elsewhere(old):
        if template != template_before:
            yield FieldProblem.invalid("spec.template", template, IMMUTABLE)
    elif _fixed_part(mapping(template, "spec"), mapping(template_before, "spec")) != template_before.get("spec"):
        yield FieldProblem.invalid("spec.template.spec", template.get("spec"), IMMUTABLE)
    for key in _FIXED:
        if spec.get(key) != before.get(key):
            shown = _shown_success(spec) if key == "successPolicy" and key in spec else spec.get(key)
            yield FieldProblem.invalid(f"spec.{key}", shown, IMMUTABLE)


def _may_be_sent_elsewhere(job: JSONObject) -> bool:
    """Return whether a job is suspended, and has no pods."""
    status = mapping(job, "status")
    is_stopped = any(
        item.get("type") == "Suspended" and item.get("status") == "True" for item in items(status, "conditions")
    )
    has_begun = bool(status.get("startTime")) and not is_stopped
    return mapping(job, "spec").get("suspend") is True and not has_begun and not number(status, "active")


def _fixed_part(spec: JSONObject, before: JSONObject) -> JSONObject:
    """Return the spec of pods with what may change of it as it was: where they run, and with which resources."""
    fixed = _with_members(spec, before, "nodeSelector", "tolerations", "schedulingGates")
    affinity = _with_members(mapping(spec, "affinity"), mapping(before, "affinity"), "nodeAffinity")
    fixed = _with_members(fixed, {"affinity": affinity} if affinity else {}, "affinity")
    for key in ("containers", "initContainers"):
        own, others = items(spec, key), items(before, key)
        if len(own) == len(others) and own:
            fixed[key] = [
                _with_members(item, other, "resources") if item.get("name") == other.get("name") else item
                for item, other in zip(own, others, strict=True)
            ]
    return fixed


def _with_members(obj: JSONObject, source: JSONObject, *keys: str) -> JSONObject:
    """Return a structure with some of its members as another one has them."""
    result = {key: value for key, value in obj.items() if key not in keys}
    return result | {key: source[key] for key in keys if key in source}
