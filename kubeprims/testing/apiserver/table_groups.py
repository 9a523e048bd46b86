"""The rows of the kinds of other groups: scaling, network, policy, rights, storage and classes; and quotas."""

from __future__ import annotations

import datetime

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at, texts_at
from kubeprims.testing.apiserver.stored_forms import as_old_event
from kubeprims.testing.apiserver.table_cells import (
    NONE,
    UNKNOWN,
    UNSET,
    age,
    name_of,
    number_at,
    selector_text,
    shortened,
    value_at,
)
from kubeprims.testing.apiserver.table_core import balancer_text, event_cells

Cells = list[JSONValue]
_METRICS_SHOWN_MAX = 2


def quota_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a ResourceQuota's row."""
    hard, used = mapping_at(obj, "status", "hard"), mapping_at(obj, "status", "used")
    shown = {resource: f"{resource}: {used.get(resource, '0')}/{hard[resource]}" for resource in sorted(hard)}
    limits = [text for resource, text in shown.items() if resource.startswith("limits.")]
    requests = [text for resource, text in shown.items() if not resource.startswith("limits.")]
    return [name_of(obj), ", ".join(requests), ", ".join(limits), age(obj, now)]


def revision_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a ControllerRevision's row."""
    owners = [owner for owner in mappings_at(obj, "metadata", "ownerReferences") if owner.get("controller") is True]
    controller = NONE
    if owners:
        group = text_at(owners[0], "apiVersion").rpartition("/")[0]
        kind = text_at(owners[0], "kind").lower()
        controller = f"{kind}.{group}/{text_at(owners[0], 'name')}" if group else f"{kind}/{text_at(owners[0], 'name')}"
    return [name_of(obj), controller, number_at(obj, "revision"), age(obj, now)]


def autoscaler_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a HorizontalPodAutoscaler's row, of the newest version."""
    target, fewest = mapping_at(obj, "spec", "scaleTargetRef"), value_at(obj, "spec", "minReplicas")
    statuses = mappings_at(obj, "status", "currentMetrics")
    metrics = [
        _metric(metric, statuses[number] if number < len(statuses) else {})
        for number, metric in enumerate(mappings_at(obj, "spec", "metrics"))
    ]
    return [
        name_of(obj),
        f"{text_at(target, 'kind')}/{text_at(target, 'name')}",
        shortened(metrics, len(metrics), shown_max=_METRICS_SHOWN_MAX, separator=", ") or NONE,
        UNSET if fewest is None else str(fewest),
        number_at(obj, "spec", "maxReplicas"),
        number_at(obj, "status", "currentReplicas"),
        age(obj, now),
    ]


def _metric(metric: JSONObject, status: JSONObject) -> str:
    source = {
        "External": "external",
        "Pods": "pods",
        "Object": "object",
        "Resource": "resource",
        "ContainerResource": "containerResource",
    }.get(text_at(metric, "type"), "")
    if not source:
        return "<unknown type>"
    target, current = mapping_at(metric, source, "target"), mapping_at(status, source, "current")
    name = text_at(metric, source, "name")
    if source.lower().endswith("resource"):
        if value_at(target, "averageValue") is not None:
            return f"{name}: {text_at(current, 'averageValue') or UNKNOWN}/{text_at(target, 'averageValue')}"
        wanted = _percent(target, "<auto>")
        return f"{name}: {_percent(current, UNKNOWN)}/{wanted}"
    if source == "pods":
        return f"{text_at(current, 'averageValue') or UNKNOWN}/{text_at(target, 'averageValue')}"
    if value_at(target, "averageValue") is not None:
        return f"{text_at(current, 'averageValue') or UNKNOWN}/{text_at(target, 'averageValue')} (avg)"
    return f"{text_at(current, 'value') or UNKNOWN}/{text_at(target, 'value')}"


def _percent(values: JSONObject, absent: str) -> str:
    utilization = value_at(values, "averageUtilization")
    return absent if utilization is None else f"{utilization}%"


def endpoint_slice_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of an EndpointSlice's row."""
    ports = [_slice_port(port) for port in mappings_at(obj, "ports")]
    addresses = [address for endpoint in mappings_at(obj, "endpoints") for address in texts_at(endpoint, "addresses")]
    return [
        name_of(obj),
        text_at(obj, "addressType"),
        shortened(ports, len(ports)) or UNSET,
        shortened(addresses, len(addresses)) or UNSET,
        age(obj, now),
    ]


def _slice_port(port: JSONObject) -> str:
    number = value_at(port, "port")
    if number is not None:
        return str(number)
    return text_at(port, "name") or "*"


def group_event_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of the row of an Event of the group ``events.k8s.io``."""
    return event_cells(as_old_event(obj), now)


def ingress_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of an Ingress's row."""
    rules = mappings_at(obj, "spec", "rules")
    hosts = [host for rule in rules if (host := text_at(rule, "host"))]
    return [
        name_of(obj),
        text_at(obj, "spec", "ingressClassName") or NONE,
        shortened(hosts, len(hosts)) or "*",
        balancer_text(obj),
        "80, 443" if mappings_at(obj, "spec", "tls") else "80",
        age(obj, now),
    ]


def ingress_class_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of an IngressClass's row."""
    parameters = mapping_at(obj, "spec", "parameters")
    group = text_at(parameters, "apiGroup")
    kind = text_at(parameters, "kind") + (f".{group}" if group else "")
    shown = f"{kind}/{text_at(parameters, 'name')}" if parameters else NONE
    return [name_of(obj), text_at(obj, "spec", "controller"), shown, age(obj, now)]


def network_policy_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a NetworkPolicy's row."""
    return [name_of(obj), selector_text(mapping_at(obj, "spec", "podSelector")) or NONE, age(obj, now)]


def disruption_budget_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a PodDisruptionBudget's row."""
    fewest, most = value_at(obj, "spec", "minAvailable"), value_at(obj, "spec", "maxUnavailable")
    return [
        name_of(obj),
        "N/A" if fewest is None else str(fewest),
        "N/A" if most is None else str(most),
        number_at(obj, "status", "disruptionsAllowed"),
        age(obj, now),
    ]


def role_binding_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of the row of a RoleBinding, or of a ClusterRoleBinding."""
    subjects: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in mappings_at(obj, "subjects"):
        kind, name = text_at(subject, "kind"), text_at(subject, "name")
        shown = f"{text_at(subject, 'namespace')}/{name}" if kind == "ServiceAccount" else name
        subjects.setdefault(kind, []).append(shown)
    role = f"{text_at(obj, 'roleRef', 'kind')}/{text_at(obj, 'roleRef', 'name')}"
    return [
        name_of(obj),
        role,
        age(obj, now),
        *(", ".join(subjects[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]


def storage_class_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a StorageClass's row."""
    return [
        name_of(obj),
        text_at(obj, "provisioner"),
        text_at(obj, "reclaimPolicy") or "Delete",
        text_at(obj, "volumeBindingMode") or "Immediate",
        obj.get("allowVolumeExpansion") is True,
        age(obj, now),
    ]


def priority_class_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a PriorityClass's row."""
    policy = text_at(obj, "preemptionPolicy")
    return [name_of(obj), number_at(obj, "value"), obj.get("globalDefault") is True, age(obj, now), policy]


def runtime_class_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a RuntimeClass's row."""
    return [name_of(obj), text_at(obj, "handler"), age(obj, now)]


def definition_cells(obj: JSONObject, _: datetime.datetime) -> Cells:
    """Return the cells of a CustomResourceDefinition's row."""
    spec = mapping_at(obj, "spec")
    versions = [
        f"{text_at(version, 'name')}(storage)" if version.get("storage") is True else text_at(version, "name")
        for version in mappings_at(spec, "versions")
        if version.get("served") is True
    ]
    established = [
        text_at(condition, "status") == "True"
        for condition in mappings_at(obj, "status", "conditions")
        if text_at(condition, "type") == "Established"
    ]
    return [
        name_of(obj),
        text_at(spec, "scope"),
        ",".join(sorted(versions)),
        text_at(obj, "metadata", "creationTimestamp"),
        text_at(spec, "group"),
        text_at(spec, "names", "kind"),
        ",".join(texts_at(spec, "names", "shortNames")),
        any(established),
    ]
