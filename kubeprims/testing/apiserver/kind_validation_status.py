"""Which rules a write to the status of an object of a built-in kind breaks, besides those of its metadata.

What a release that is in use leaves off by default is not judged, for it is not kept. Each problem has the field, the
reason and the words of a real server, and they come in its order.

Source:
    kubernetes pkg/apis/*/validation, ``Validate*StatusUpdate``; pkg/registry, the strategies of each status.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    address,
    duplicate,
    indexed,
    is_address,
    label_key,
    non_negative,
    number,
    one_of,
    subdomain,
    too_long,
)
from kubeprims.testing.apiserver.kind_validation_nodes import node_status_problems
from kubeprims.testing.apiserver.kind_validation_resources import (
    QUOTA_NAMES,
    amount_problems,
    is_native,
    resource_name_problems,
)
from kubeprims.testing.apiserver.kind_validation_status_jobs import job_status_problems
from kubeprims.testing.apiserver.kind_validation_status_pods import pod_status_problems
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.metadata import metadata_of
from kubeprims.testing.apiserver.quantities import parse_quantity
from kubeprims.testing.apiserver.status import FieldProblem

_CONDITION_STATUSES = ("False", "True", "Unknown")
_REASON_BYTES_MAX = 1024
_MESSAGE_BYTES_MAX = 32 * 1024
_REASON_PATTERN = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON = re.compile(_REASON_PATTERN)
_REASON_RULE = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    f"'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{_REASON_PATTERN}')"
)
_RESIZES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)

_Rule = Callable[[JSONObject, JSONObject], Problems]


def status_problems(obj: JSONObject, old: JSONObject, kind: Kind) -> list[FieldProblem]:
    """Return which rules a new status breaks.

    Args:
        obj: The object with its new status, in the form in which it is kept.
        old: The object as it was, in the same form.
        kind: Their kind.
    """
    rule = _RULES.get(kind.group_resource)
    problems = [] if rule is None else [*rule(obj, old)]
    if not problems or rule is None:
        return problems
    # What was created in bulk was not judged: it may stay as it is.
    before = [*rule(old, old)]
    return [problem for problem in problems if problem not in before]


def _status(obj: JSONObject) -> JSONObject:
    return mapping(obj, "status")


def _not_above(status: JSONObject, limit: str, *keys: str, name: str = "") -> Problems:
    """Return which counts are larger than another one of the status."""
    most = number(status, limit) or 0
    for key in keys:
        count = number(status, key) or 0
        if count > most:
            yield FieldProblem.invalid(f"status.{key}", count, f"cannot be greater than {name or f'status.{limit}'}")


def _collision_problems(status: JSONObject, old: JSONObject) -> Problems:
    """How often a name was taken only grows."""
    before, now = number(old, "collisionCount"), number(status, "collisionCount")
    if before is not None and (now is None or now < before):
        yield FieldProblem.invalid("status.collisionCount", now or 0, "cannot be decremented")


def _deployment_problems(obj: JSONObject, old: JSONObject) -> Problems:
    status, of_replicas = _status(obj), ("updatedReplicas", "readyReplicas", "availableReplicas")
    yield from non_negative(status, "status", "observedGeneration", "replicas", *of_replicas)
    yield from non_negative(status, "status", "unavailableReplicas", "terminatingReplicas", "collisionCount")
    yield from _not_above(status, "replicas", *of_replicas)
    yield from _not_above(status, "readyReplicas", "availableReplicas", name="readyReplicas")
    yield from _collision_problems(status, _status(old))


def _replica_set_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    status, of_replicas = _status(obj), ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    yield from non_negative(status, "status", "replicas", *of_replicas, "observedGeneration", "terminatingReplicas")
    yield from _not_above(status, "replicas", *of_replicas)
    yield from _not_above(status, "readyReplicas", "availableReplicas", name="readyReplicas")


def _stateful_set_problems(obj: JSONObject, old: JSONObject) -> Problems:
    status = _status(obj)
    of_replicas = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    yield from non_negative(status, "status", "replicas", *of_replicas, "observedGeneration", "collisionCount")
    yield from _not_above(status, "replicas", *of_replicas)
    yield from _not_above(status, "readyReplicas", "availableReplicas")
    yield from _collision_problems(status, _status(old))


def _daemon_set_problems(obj: JSONObject, old: JSONObject) -> Problems:
    status = _status(obj)
    counts = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    more = ("updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount")
    yield from non_negative(status, "status", *counts, "observedGeneration", *more)
    yield from _collision_problems(status, _status(old))


def _autoscaler_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    status = _status(obj)
    for field, condition in indexed(status, "conditions", "status"):
        yield from non_negative(condition, field, "observedGeneration")
    yield from non_negative(status, "status", "currentReplicas", "desiredReplicas")


def _budget_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    status = _status(obj)
    types: set[str] = set()
    for field, condition in indexed(status, "conditions", "status"):
        name = text(condition, "type")
        if name in types:
            yield duplicate(field, name)
        types.add(name)
        yield from _condition_problems(condition, field)
    counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    yield from non_negative(status, "status", *counts)


def _condition_problems(condition: JSONObject, path: str) -> Problems:
    """Return what is wrong with a condition of the sort that many kinds share.

    Source:
        apimachinery pkg/apis/meta/v1/validation/validation.go, ``ValidateCondition``.
    """
    name, status, reason = (text(condition, key) for key in ("type", "status", "reason"))
    if name:
        yield from label_key(name, f"{path}.type")
    else:
        yield FieldProblem.required(f"{path}.type", "is required")
    if status:
        yield from one_of(condition, "status", path, _CONDITION_STATUSES)
    else:
        yield FieldProblem.required(f"{path}.status", "")
    generation = number(condition, "observedGeneration") or 0
    if generation < 0:
        rule = "must be greater than or equal to zero"
        yield FieldProblem.invalid(f"{path}.observedGeneration", generation, rule)
    if not condition.get("lastTransitionTime"):
        yield FieldProblem.required(f"{path}.lastTransitionTime", "")
    if not reason:
        yield FieldProblem.required(f"{path}.reason", "")
    elif not _REASON.fullmatch(reason):
        yield FieldProblem.invalid(f"{path}.reason", reason, _REASON_RULE)
    for key, limit in (("reason", _REASON_BYTES_MAX), ("message", _MESSAGE_BYTES_MAX)):
        if len(text(condition, key).encode()) > limit:
            yield too_long(f"{path}.{key}", limit)


def _service_problems(obj: JSONObject, old: JSONObject) -> Problems:
    entries = items(mapping(_status(obj), "loadBalancer"), "ingress")
    if entries and mapping(obj, "spec").get("type") != "LoadBalancer":
        rule = "may only be used when `spec.type` is 'LoadBalancer'"
        yield FieldProblem.forbidden("status.loadBalancer.ingress", rule)
    else:
        yield from _ingress_problems(obj, old)


def _ingress_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    """Return what is wrong with where a balancer of load can be reached."""
    for field, entry in indexed(mapping(_status(obj), "loadBalancer"), "ingress", "status.loadBalancer"):
        host = text(entry, "hostname")
        if entry.get("ip"):
            yield from address(text(entry, "ip"), f"{field}.ip")
            yield from one_of(entry, "ipMode", field, ("Proxy", "VIP"))
        elif "ipMode" in entry:
            yield FieldProblem.forbidden(f"{field}.ipMode", "may not be specified when `ip` is not set")
        if host:
            yield from subdomain(host, f"{field}.hostname")
            if is_address(host):
                rule = "must be a DNS name, not an IP address"
                yield FieldProblem.invalid(f"{field}.hostname", host, rule)


def _namespace_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    phase = text(_status(obj), "phase")
    is_going = "deletionTimestamp" in metadata_of(obj)
    only, how = ("Terminating", "not empty") if is_going else ("Active", "empty")
    if phase != only:
        yield FieldProblem.invalid("status.Phase", phase, f"may only be '{only}' if `deletionTimestamp` is {how}")


def _quota_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    for part in ("hard", "used"):
        for name, amount in sorted(mapping(_status(obj), part).items()):
            field = f"status.{part}[{name}]"
            yield from resource_name_problems(name, field, QUOTA_NAMES, "quota")
            yield from amount_problems(name, str(amount), field)


def _claim_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    status = _status(obj)
    for name, amount in sorted(mapping(status, "capacity").items()):
        yield from _capacity_problems(str(amount), f"status.capacity[{name}]")
    field = "status.allocatedResourceStatuses"
    for name, state in sorted(mapping(status, "allocatedResourceStatuses").items()):
        yield from _claimed_name_problems(name, field)
        if state not in _RESIZES:
            yield FieldProblem.unsupported(field, name, _RESIZES)  # upstream shows the name
    field = "status.allocatedResources"
    for name, amount in sorted(mapping(status, "allocatedResources").items()):
        broken = [*_claimed_name_problems(name, field)]
        yield from broken or _capacity_problems(str(amount), f"{field}[{name}]")


def _capacity_problems(amount: str, field: str) -> Problems:
    value = int(parse_quantity(amount).value.to_integral_value(ROUND_CEILING))
    if value < 0:
        yield FieldProblem.invalid(field, value, "must be a valid resource quantity")


def _claimed_name_problems(name: str, field: str) -> Problems:
    broken = [*label_key(name, field)]
    yield from broken
    if not broken and is_native(name) and name != "storage":
        yield FieldProblem.unsupported(field, name, ("storage",))


_RULES: Mapping[str, _Rule] = {
    "pods": pod_status_problems,
    "nodes": node_status_problems,
    "namespaces": _namespace_problems,
    "services": _service_problems,
    "persistentvolumeclaims": _claim_problems,
    "resourcequotas": _quota_problems,
    "replicationcontrollers": _replica_set_problems,
    "deployments.apps": _deployment_problems,
    "replicasets.apps": _replica_set_problems,
    "statefulsets.apps": _stateful_set_problems,
    "daemonsets.apps": _daemon_set_problems,
    "jobs.batch": job_status_problems,
    "ingresses.networking.k8s.io": _ingress_problems,
    "horizontalpodautoscalers.autoscaling": _autoscaler_problems,
    "poddisruptionbudgets.policy": _budget_problems,
}
