"""What objects use of a quota: which resources they count against, how much, and which scopes they are in. Pure.

Source:
    kubernetes pkg/quota/v1/evaluator/core; apiserver pkg/quota/v1/generic/evaluator.go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.admission_classes import storage_class_of
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import texts
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.pod_resources import (
    Amounts,
    added,
    amounts_of,
    amounts_together,
    is_claimed_by_pods,
)
from kubeprims.testing.apiserver.pod_status import quality_of_service
from kubeprims.testing.apiserver.quantities import larger_amount, parse_quantity, whole_amount

_REQUESTS = "requests."
_LARGE_PAGES = "hugepages-"
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_POD_NAMES = frozenset(
    {"pods", "count/pods", *(f"{part}{name}" for name in _COMPUTE for part in ("", _REQUESTS, "limits."))}
)
_DEMANDED = frozenset(f"{part}{name}" for name in ("cpu", "memory") for part in ("", _REQUESTS, "limits."))
"""What every container has to say, once a quota bounds it."""

_DEVICE_CLASS = "deviceclass.resource.kubernetes.io/"
_CLAIM_NAMES = ("persistentvolumeclaims", "requests.storage")
_BY_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
_SERVICE_NAMES = frozenset({"count/services", "services", "services.nodeports", "services.loadbalancers"})
_ALIASES = frozenset({"configmaps", "resourcequotas", "replicationcontrollers", "secrets"})
_UNCOUNTED = frozenset({"events", "events.events.k8s.io"})
_FINISHED = frozenset({"Succeeded", "Failed"})


def _no_scope(_requirement: JSONObject, _obj: JSONObject) -> bool:
    return False


def _nothing_missing(_obj: JSONObject, _required: Collection[str]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """How the objects of a kind count against quotas.

    Attributes:
        counts: Whether a resource of a quota is counted.
        usage: What an object uses.
        weighs: Whether a write is looked at: of a subresource (or none), with the object and the one before it.
        is_in_scope: Whether an object meets a requirement of a scope.
        missing: Says what an object has to specify for resources to be counted; empty if it does.
    """

    counts: Callable[[str], bool]
    usage: Callable[[JSONObject], Amounts]
    weighs: Callable[[str, JSONObject, JSONObject | None], bool]
    is_in_scope: Callable[[JSONObject, JSONObject], bool] = _no_scope
    missing: Callable[[JSONObject, Collection[str]], str] = _nothing_missing


def evaluator_of(kind: Kind) -> Evaluator | None:
    """Return how a kind counts; None if it never does."""
    name = kind.group_resource
    if name in _UNCOUNTED:
        return None
    if name in _EVALUATORS:
        return _EVALUATORS[name]
    counted = {f"count/{name}", name} if name in _ALIASES else {f"count/{name}"}
    usage = dict.fromkeys(counted, "1")
    return Evaluator(counted.__contains__, lambda _obj: usage, _is_new)


def _is_new(subresource: str, _obj: JSONObject, existing: JSONObject | None) -> bool:
    return not subresource and existing is None


# Pods.


def _pod_counts(name: str) -> bool:
    if name in _POD_NAMES or name.startswith((_LARGE_PAGES, f"{_REQUESTS}{_LARGE_PAGES}")):
        return True
    return name.startswith(_REQUESTS) and (_is_foreign(name) or name.startswith(f"{_REQUESTS}{_DEVICE_CLASS}"))


def _is_foreign(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name


def _is_extended(name: str) -> bool:
    return (_is_foreign(name) and not name.startswith(_REQUESTS)) or name.startswith(_DEVICE_CLASS)


def _pod_weighs(subresource: str, pod: JSONObject, existing: JSONObject | None) -> bool:
    if subresource:
        return False
    return existing is None or _is_terminating(pod) != _is_terminating(existing)


def _pod_usage(pod: JSONObject) -> Amounts:
    counted = {"count/pods": "1"}
    if text(mapping(pod, "status"), "phase") in _FINISHED:
        return counted
    spec = mapping(pod, "spec")
    own, overhead = mapping(spec, "resources"), amounts_of(spec, "overhead")
    requests, limits = (
        {**amounts_together(spec, part), **_claimed_by_pod(own, part)} for part in ("requests", "limits")
    )
    limited = {
        name: amount for name, amount in overhead.items() if name in limits and parse_quantity(limits[name]).value
    }
    return counted | _named(added(requests, overhead), added(limits, limited))


def _claimed_by_pod(own: JSONObject, part: str) -> Amounts:
    return {name: amount for name, amount in amounts_of(own, part).items() if is_claimed_by_pods(name)}


def _named(requests: Amounts, limits: Amounts) -> dict[str, str]:
    """Return what is requested and limited, under the names that quotas have for it."""
    named = {"pods": "1"}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith(_LARGE_PAGES):
            named[name] = named[f"{_REQUESTS}{name}"] = amount
        elif _is_extended(name):
            named[f"{_REQUESTS}{name}"] = amount
    return named | {f"limits.{name}": amount for name, amount in limits.items() if name in _COMPUTE}


def _pod_missing(pod: JSONObject, required: Collection[str]) -> str:
    spec = mapping(pod, "spec")
    own = mapping(spec, "resources")
    if _claimed_by_pod(own, "requests") or _claimed_by_pod(own, "limits"):
        return ""
    demanded = _DEMANDED.intersection(required)
    silent: dict[str, set[str]] = {}
    for container in (*items(spec, "containers"), *items(spec, "initContainers")):
        resources = mapping(container, "resources")
        for name in demanded - _named(amounts_of(resources, "requests"), amounts_of(resources, "limits")).keys():
            silent.setdefault(name, set()).add(text(container, "name"))
    parts = [f"{name} for: {','.join(sorted(containers))}" for name, containers in sorted(silent.items())]
    return f"must specify {'; '.join(parts)}" if parts else ""


def _is_terminating(pod: JSONObject) -> bool:
    deadline_s = mapping(pod, "spec").get("activeDeadlineSeconds")
    return isinstance(deadline_s, int) and deadline_s >= 0


def _pod_is_in_scope(requirement: JSONObject, pod: JSONObject) -> bool:
    spec = mapping(pod, "spec")
    match requirement.get("scopeName"):
        case "Terminating":
            return _is_terminating(pod)
        case "NotTerminating":
            return not _is_terminating(pod)
        case "BestEffort":
            return quality_of_service(spec) == "BestEffort"
        case "NotBestEffort":
            return quality_of_service(spec) != "BestEffort"
        case "PriorityClass":
            name = text(spec, "priorityClassName")
            return _meets(requirement, {name} if name else set())
        case "CrossNamespacePodAffinity":
            return _looks_elsewhere(mapping(spec, "affinity"))
        case _:
            return False


def _meets(requirement: JSONObject, names: set[str]) -> bool:
    """Return whether classes, of which there may be none, meet a requirement."""
    values = {*texts(requirement, "values")}
    match requirement.get("operator"):
        case "In":
            return bool(names & values)
        case "NotIn":
            return not names or bool(names - values)
        case "Exists":
            return bool(names)
        case _:
            return not names


def _looks_elsewhere(affinity: JSONObject) -> bool:
    for key in ("podAffinity", "podAntiAffinity"):
        rules = mapping(affinity, key)
        terms = items(rules, "requiredDuringSchedulingIgnoredDuringExecution") + [
            mapping(weighted, "podAffinityTerm")
            for weighted in items(rules, "preferredDuringSchedulingIgnoredDuringExecution")
        ]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


# Services.


def _service_weighs(subresource: str, _service: JSONObject, _existing: JSONObject | None) -> bool:
    return not subresource


def _service_usage(service: JSONObject) -> Amounts:
    spec = mapping(service, "spec")
    ports, kind = items(spec, "ports"), text(spec, "type")
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        ports = [port for port in ports if port.get("nodePort")]
    return {
        "count/services": "1",
        "services": "1",
        "services.loadbalancers": "1" if kind == "LoadBalancer" else "0",
        "services.nodeports": str(len(ports)) if kind in {"NodePort", "LoadBalancer"} else "0",
    }


# Claims.


def _claim_counts(name: str) -> bool:
    if name == "count/persistentvolumeclaims" or name in _CLAIM_NAMES:
        return True
    return any(name.endswith(f"{_BY_STORAGE_CLASS}{counted}") for counted in _CLAIM_NAMES)


def _claim_weighs(subresource: str, _claim: JSONObject, existing: JSONObject | None) -> bool:
    return not subresource or (subresource == "status" and existing is not None)


def _claim_usage(claim: JSONObject) -> Amounts:
    usage = {"persistentvolumeclaims": "1"}
    requested = amounts_of(mapping(mapping(claim, "spec"), "resources"), "requests").get("storage")
    if requested is not None:
        allocated = amounts_of(mapping(claim, "status"), "allocatedResources").get("storage", "0")
        usage["requests.storage"] = larger_amount(whole_amount(requested), whole_amount(allocated))
    storage_class = storage_class_of(claim)
    by_class = {f"{storage_class}{_BY_STORAGE_CLASS}{name}": amount for name, amount in usage.items()}
    return {"count/persistentvolumeclaims": "1", **usage, **(by_class if storage_class else {})}


def _claim_is_in_scope(requirement: JSONObject, claim: JSONObject) -> bool:
    if requirement.get("scopeName") != "VolumeAttributesClass":
        return False
    status = mapping(claim, "status")
    names = {
        text(mapping(claim, "spec"), "volumeAttributesClassName"),
        text(status, "currentVolumeAttributesClassName"),
        text(mapping(status, "modifyVolumeStatus"), "targetVolumeAttributesClassName"),
    }
    return _meets(requirement, names - {""})


_EVALUATORS: Mapping[str, Evaluator] = {
    "pods": Evaluator(_pod_counts, _pod_usage, _pod_weighs, _pod_is_in_scope, _pod_missing),
    "services": Evaluator(_SERVICE_NAMES.__contains__, _service_usage, _service_weighs),
    "persistentvolumeclaims": Evaluator(_claim_counts, _claim_usage, _claim_weighs, _claim_is_in_scope),
}
