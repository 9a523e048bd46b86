"""The rules of autoscalers.

Source:
    kubernetes pkg/apis/autoscaling/validation/validation.go, ``validateHorizontalPodAutoscalerSpec``.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import NON_NEGATIVE, POSITIVE, Problems, indexed, named, number, one_of
from kubeprims.testing.apiserver.kind_validation_resources import container_name_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.quantities import parse_quantity
from kubeprims.testing.apiserver.status import FieldProblem

_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
# In the order in which upstream looks for them; only the first is judged.
_SOURCES = ("object", "external", "pods", "resource", "containerResource")
_TARGETS = frozenset({"Utilization", "Value", "AverageValue"})
_WINDOW_S_MAX = 3600
_PERIOD_S_MAX = 1800
_ABOVE_ZERO = "must be greater than zero"


def autoscaler_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules an autoscaler breaks."""
    spec = mapping(obj, "spec")
    least, most = number(spec, "minReplicas"), number(spec, "maxReplicas") or 0
    if least is not None and least < 0:
        yield FieldProblem.invalid("spec.minReplicas", least, NON_NEGATIVE)
    if least is not None and most < least:
        yield FieldProblem.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    yield from _target_problems(mapping(spec, "scaleTargetRef"), "spec.scaleTargetRef")
    for field, metric in indexed(spec, "metrics", "spec"):
        yield from _metric_problems(metric, field)
    metrics = items(spec, "metrics")
    if least == 0 and metrics and not any(metric.get("type") in {"Object", "External"} for metric in metrics):
        rule = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield FieldProblem.forbidden("spec.metrics", rule)
    for key in ("scaleUp", "scaleDown"):
        behavior = mapping(spec, "behavior")
        if key in behavior:
            yield from _scaling_problems(mapping(behavior, key), f"spec.behavior.{key}")
    # What upstream declares rather than programs comes last.
    if most == 0:
        yield FieldProblem.required("spec.maxReplicas", "")
    elif most < 0:
        yield FieldProblem.invalid("spec.maxReplicas", most, "must be greater than or equal to 1")


def _target_problems(target: JSONObject, path: str, *, any_group: bool = False) -> Problems:
    for key in ("kind", "name"):
        value = text(target, key)
        if not value:
            yield FieldProblem.required(f"{path}.{key}", "")
        yield from _segment_problems(value, f"{path}.{key}")
    if not target.get("apiVersion") and not any_group:
        yield FieldProblem.invalid(f"{path}.apiVersion", "", "apiVersion must specify API group")


def _segment_problems(value: str, field: str) -> Problems:
    for character in "/%":
        if character in value:
            yield FieldProblem.invalid(field, value, f"may not contain '{character}'")


def _metric_problems(metric: JSONObject, field: str) -> Problems:
    kind = text(metric, "type")
    if not kind:
        yield FieldProblem.required(f"{field}.type", "must specify a metric source type")
    if kind not in _TYPES:
        yield FieldProblem.unsupported(f"{field}.type", kind, _TYPES)
    given = [key for key in _SOURCES if key in metric]
    for key in given[:1]:
        yield from _source_problems(key, mapping(metric, key), f"{field}.{key}")
    wanted = kind[:1].lower() + kind[1:]
    if kind in _TYPES and wanted not in metric:
        rule = "must populate information for the given metric source"
        yield FieldProblem.required(f"{field}.{wanted}", rule)
    if len(given) > 1:
        for key in given:
            if key != wanted:
                yield FieldProblem.forbidden(f"{field}.{key}", "must populate the given metric source only")


def _source_problems(key: str, source: JSONObject, path: str) -> Problems:
    target, field = mapping(source, "target"), f"{path}.target"
    value, average, utilization = (key in target for key in ("value", "averageValue", "averageUtilization"))
    if key in {"resource", "containerResource"}:
        yield from _resource_problems(key, source, path)
        yield from _amount_problems(target, field)
        if not utilization and not average:
            rule = "must set either a target raw value or a target utilization"
            yield FieldProblem.required(f"{field}.averageUtilization", rule)
        if utilization and average:
            rule = "may not set both a target raw value and a target utilization"
            yield FieldProblem.forbidden(f"{field}.averageValue", rule)
        return
    if key == "object":
        yield from _target_problems(mapping(source, "describedObject"), f"{path}.describedObject", any_group=True)
    metric = text(mapping(source, "metric"), "name")
    if not metric:
        yield FieldProblem.required(f"{path}.metric.name", "must specify a metric name")
    yield from _segment_problems(metric, f"{path}.metric.name")
    yield from _amount_problems(target, field)
    needed = {
        "object": "must set either a target value or averageValue",
        "external": "must set either a target value for metric or a per-pod target",
        "pods": "must specify a positive target averageValue",
    }
    if not average and (key == "pods" or not value):
        yield FieldProblem.required(f"{field}.averageValue", needed[key])
    if key == "external" and value and average:
        rule = "may not set both a target value for metric and a per-pod target"
        yield FieldProblem.forbidden(f"{field}.value", rule)


def _resource_problems(key: str, source: JSONObject, path: str) -> Problems:
    name, container = text(source, "name"), text(source, "container")
    if not name:
        yield FieldProblem.required(f"{path}.name", "must specify a resource name")
    if key == "resource":
        return
    if name:
        yield from container_name_problems(name, f"{path}.name")
    if container:
        yield from named(container, f"{path}.container", NameRule.DNS_LABEL)
    else:
        yield FieldProblem.required(f"{path}.container", "must specify a container")


def _amount_problems(target: JSONObject, path: str) -> Problems:
    kind = text(target, "type")
    if not kind:
        yield FieldProblem.required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGETS:
        yield FieldProblem.invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue")
    for key in ("value", "averageValue"):
        if key in target and parse_quantity(str(target[key])).value <= 0:
            yield FieldProblem.invalid(f"{path}.{key}", target[key], "must be positive")
    utilization = number(target, "averageUtilization")
    if utilization is not None and utilization < 1:
        yield FieldProblem.invalid(f"{path}.averageUtilization", utilization, POSITIVE)


def _scaling_problems(rules: JSONObject, path: str) -> Problems:
    window_s = number(rules, "stabilizationWindowSeconds") or 0
    if window_s < 0:
        rule = "must be greater than or equal to zero"
        yield FieldProblem.invalid(f"{path}.stabilizationWindowSeconds", window_s, rule)
    if window_s > _WINDOW_S_MAX:
        rule = f"must be less than or equal to {_WINDOW_S_MAX}"
        yield FieldProblem.invalid(f"{path}.stabilizationWindowSeconds", window_s, rule)
    yield from one_of(rules, "selectPolicy", path, ("Disabled", "Max", "Min"))
    if not rules.get("policies"):
        yield FieldProblem.required(f"{path}.policies", "must specify at least one Policy")
    for field, policy in indexed(rules, "policies", path):
        yield from one_of(policy, "type", field, ("Percent", "Pods"))
        for key in ("value", "periodSeconds"):
            value = number(policy, key) or 0
            if value <= 0:
                yield FieldProblem.invalid(f"{field}.{key}", value, _ABOVE_ZERO)
            if key == "periodSeconds" and value > _PERIOD_S_MAX:
                rule = f"must be less than or equal to {_PERIOD_S_MAX}"
                yield FieldProblem.invalid(f"{field}.{key}", value, rule)
    if "tolerance" in rules and parse_quantity(str(rules["tolerance"])).value < 0:
        yield FieldProblem.invalid(f"{path}.tolerance", rules["tolerance"], NON_NEGATIVE)
