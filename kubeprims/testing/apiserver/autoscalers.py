"""Autoscalers are kept as autoscaling/v2 has them; autoscaling/v1 shows what it has no fields for in annotations.

Source:
    kubernetes pkg/apis/autoscaling/v1/conversion.go.
    Differs: the order of the keys in the annotations, which hold no nulls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping
from kubeprims.testing.apiserver.encoding import encode

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR = (
    f"{_PREFIX}{name}" for name in ("metrics", "current-metrics", "conditions", "behavior")
)
_ANNOTATIONS = frozenset(
    {_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR, f"{_PREFIX}scale-up-tolerance", f"{_PREFIX}scale-down-tolerance"}
)
_Path = tuple[str, ...]
_NAMED: Sequence[tuple[_Path, str]] = ((("metric", "name"), "metricName"),)

# Where each part of a metric stands in v2, and its name in v1.
_SPECS: Mapping[str, Sequence[tuple[_Path, str]]] = {
    "resource": (
        (("name",), "name"),
        (("target", "averageUtilization"), "targetAverageUtilization"),
        (("target", "averageValue"), "targetAverageValue"),
    ),
    "containerResource": (
        (("name",), "name"),
        (("container",), "container"),
        (("target", "averageUtilization"), "targetAverageUtilization"),
        (("target", "averageValue"), "targetAverageValue"),
    ),
    "pods": (
        *_NAMED,
        (("metric", "selector"), "selector"),
        (("target", "averageValue"), "targetAverageValue"),
    ),
    "object": (
        *_NAMED,
        (("metric", "selector"), "selector"),
        (("describedObject",), "target"),
        (("target", "value"), "targetValue"),
        (("target", "averageValue"), "averageValue"),
    ),
    "external": (
        *_NAMED,
        (("metric", "selector"), "metricSelector"),
        (("target", "value"), "targetValue"),
        (("target", "averageValue"), "targetAverageValue"),
    ),
}
_STATUSES: Mapping[str, Sequence[tuple[_Path, str]]] = {
    "resource": (
        (("name",), "name"),
        (("current", "averageUtilization"), "currentAverageUtilization"),
        (("current", "averageValue"), "currentAverageValue"),
    ),
    "containerResource": (
        (("name",), "name"),
        (("container",), "container"),
        (("current", "averageUtilization"), "currentAverageUtilization"),
        (("current", "averageValue"), "currentAverageValue"),
    ),
    "pods": (
        *_NAMED,
        (("metric", "selector"), "selector"),
        (("current", "averageValue"), "currentAverageValue"),
    ),
    "object": (
        *_NAMED,
        (("metric", "selector"), "selector"),
        (("describedObject",), "target"),
        (("current", "value"), "currentValue"),
        (("current", "averageValue"), "averageValue"),
    ),
    "external": (
        *_NAMED,
        (("metric", "selector"), "metricSelector"),
        (("current", "value"), "currentValue"),
        (("current", "averageValue"), "currentAverageValue"),
    ),
}


def to_v1(obj: JSONObject) -> JSONObject:
    """Return an autoscaler as autoscaling/v1 shows it."""
    spec, status = dict(mapping(obj, "spec")), dict(mapping(obj, "status"))
    metrics, behavior = items(spec, "metrics"), spec.pop("behavior", None)
    current, conditions = items(status, "currentMetrics"), status.pop("conditions", None)
    spec.pop("metrics", None)
    status.pop("currentMetrics", None)
    percentages = [_cpu_percentage(metric, "target") for metric in metrics]
    others: list[JSONValue] = [
        _to_old(metric, _SPECS) for metric, found in zip(metrics, percentages, strict=True) if found is None
    ]
    for target, key, found in (
        (spec, "targetCPUUtilizationPercentage", percentages),
        (status, "currentCPUUtilizationPercentage", [_cpu_percentage(metric, "current") for metric in current]),
    ):
        percentage = next((value for value in found if value is not None), None)
        if percentage is not None:
            target[key] = percentage
    statuses: list[JSONValue] = [_to_old(metric, _STATUSES) for metric in current]
    extra: dict[str, JSONValue] = {
        _METRICS: others,
        _CURRENT: statuses,
        _BEHAVIOR: _recased(behavior, upper=True),
        _CONDITIONS: conditions,
    }
    annotations: JSONObject = {key: encode(value).decode() for key, value in extra.items() if value}
    return {**obj, "metadata": _with_annotations(obj, annotations), "spec": spec, "status": status}


def from_v1(obj: JSONObject) -> JSONObject:
    """Return an autoscaler of autoscaling/v1 as it is kept."""
    given = mapping(mapping(obj, "metadata"), "annotations")
    spec, status = obj.get("spec"), obj.get("status")
    result = {**obj}
    if isinstance(spec, dict):
        spec = dict(spec)
        metrics = [_to_new(metric, _SPECS, "target") for metric in _listed(given, _METRICS)]
        percentage = spec.pop("targetCPUUtilizationPercentage", None)
        if percentage is not None:
            target: JSONObject = {"type": "Utilization", "averageUtilization": percentage}
            metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
        if metrics:
            spec["metrics"] = [*metrics]
        behavior = _recased(_decoded(given, _BEHAVIOR), upper=False)
        if behavior:
            spec["behavior"] = behavior
        result["spec"] = spec
    if isinstance(status, dict):
        status = dict(status)
        status.pop("currentCPUUtilizationPercentage", None)
        current = [_to_new(metric, _STATUSES, "") for metric in _listed(given, _CURRENT)]
        conditions = _listed(given, _CONDITIONS)
        status.update(
            {key: [*value] for key, value in (("currentMetrics", current), ("conditions", conditions)) if value}
        )
        result["status"] = status
    if isinstance(obj.get("metadata"), dict):
        result["metadata"] = _with_annotations(obj, {})
    return result


def _with_annotations(obj: JSONObject, extra: JSONObject) -> JSONObject:
    """Return the metadata with these annotations in place of those that stand for fields of v2."""
    metadata = {**mapping(obj, "metadata")}
    given = metadata.pop("annotations", None)
    if given is not None and not isinstance(given, dict):
        return {**metadata, "annotations": given}  # refused by what checks the metadata
    kept = {key: value for key, value in (given or {}).items() if key not in _ANNOTATIONS} | extra
    return {**metadata, "annotations": kept} if kept else metadata


def _cpu_percentage(metric: JSONObject, key: str) -> JSONValue:
    resource = mapping(metric, "resource")
    is_cpu = metric.get("type") == "Resource" and resource.get("name") == "cpu"
    return mapping(resource, key).get("averageUtilization") if is_cpu else None


def _source(metric: JSONObject) -> str:
    name = str(metric.get("type") or "")
    return name[:1].lower() + name[1:]


def _to_old(metric: JSONObject, table: Mapping[str, Sequence[tuple[_Path, str]]]) -> JSONObject:
    source = _source(metric)
    old: JSONObject = {}
    for path, name in table.get(source, ()):
        value: JSONValue = mapping(metric, source)
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            old[name] = value
    return {"type": metric.get("type"), source: old}


def _to_new(metric: JSONObject, table: Mapping[str, Sequence[tuple[_Path, str]]], target: str) -> JSONObject:
    source = _source(metric)
    old, new = mapping(metric, source), dict[str, JSONValue]()
    for path, name in table.get(source, ()):
        if name not in old:
            continue
        *above, last = path
        place = new
        for step in above:
            inner = place.setdefault(step, {})
            assert isinstance(inner, dict), "the paths of one table do not run through each other's ends"
            place = inner
        place[last] = old[name]
    if target:
        values = mapping(new, target)
        kinds = (("averageUtilization", "Utilization"), ("averageValue", "AverageValue"), ("value", "Value"))
        kind = next((kind for key, kind in kinds if key in values), "")
        new[target] = {"type": kind, **values}
    return {"type": metric.get("type"), source: new}


def _decoded(annotations: JSONObject, key: str) -> JSONValue:
    try:
        value: JSONValue = json.loads(str(annotations.get(key, "null")))
    except (ValueError, RecursionError):
        return None  # as upstream: what cannot be read is passed over
    return value


def _listed(annotations: JSONObject, key: str) -> list[JSONObject]:
    return items({"found": _decoded(annotations, key)}, "found")


def _recased(value: JSONValue, *, upper: bool) -> JSONValue:
    """Return a structure with the first letters of its keys in another case: upstream writes an internal type here."""
    match value:
        case dict():
            change = str.upper if upper else str.lower
            return {change(key[:1]) + key[1:]: _recased(item, upper=upper) for key, item in value.items()}
        case list():
            return [_recased(item, upper=upper) for item in value]
        case _:
            return value
