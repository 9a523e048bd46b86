"""The rules of resource quotas and limit ranges.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateResourceQuota`` and ``ValidateLimitRange``.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    IMMUTABLE,
    Problems,
    duplicate,
    indexed,
    label_key,
    texts,
)
from kubeprims.testing.apiserver.kind_validation_resources import (
    QUOTA_NAMES,
    amount_problems,
    any_name_problems,
    container_name_problems,
    is_large_pages,
    resource_name_problems,
)
from kubeprims.testing.apiserver.quantities import parse_quantity
from kubeprims.testing.apiserver.status import FieldProblem

_OF_PODS = frozenset(
    {"pods", *(f"{part}{name}" for name in ("cpu", "memory") for part in ("", "requests.", "limits."))}
)
_OF_SCOPES = {
    "Terminating": _OF_PODS,
    "NotTerminating": _OF_PODS,
    "NotBestEffort": _OF_PODS,
    "PriorityClass": _OF_PODS,
    "CrossNamespacePodAffinity": _OF_PODS,
    "BestEffort": frozenset({"pods"}),
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
"""The scopes, and the resources that may be counted in each."""

_EXISTS_ALONE = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_WITH_OPERATORS = frozenset({"PriorityClass", "VolumeAttributesClass"})
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_LIMIT_TYPES = frozenset({"Container", "Pod", "PersistentVolumeClaim"})
_DEFAULTS = ("default", "defaultRequest")
_RATIO = "maxLimitRequestRatio"
_LOW_NAMES = {"min": "min value", "default": "default value", "defaultRequest": "default request value"}


def quota_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a resource quota breaks."""
    spec = mapping(obj, "spec")
    for name, amount in sorted(mapping(spec, "hard").items()):
        field = f"spec.hard[{name}]"
        yield from resource_name_problems(name, field, QUOTA_NAMES, "quota")
        yield from amount_problems(name, str(amount), field)
    # Upstream says the same thing of several resources once.
    yield from dict.fromkeys(_scope_problems(spec))
    yield from dict.fromkeys(_selector_problems(spec))
    if old is not None and {*texts(spec, "scopes")} != {*texts(mapping(old, "spec"), "scopes")}:
        yield FieldProblem.invalid("spec.scopes", spec.get("scopes"), IMMUTABLE)


def _scope_problems(spec: JSONObject) -> Problems:
    scopes = texts(spec, "scopes")
    shown: JSONValue = [*scopes]
    for scope in scopes:
        if scope not in _OF_SCOPES:
            yield FieldProblem.invalid("spec.scopes", shown, "unsupported scope")
        elif _is_out_of_scope(spec, scope):
            yield FieldProblem.invalid("spec.scopes", shown, "unsupported scope applied to resource")
    yield from _opposites(scopes, "spec.scopes", shown)


def _is_out_of_scope(spec: JSONObject, scope: str) -> bool:
    standard = [name for name in mapping(spec, "hard") if name in QUOTA_NAMES or is_large_pages(name)]
    return not _OF_SCOPES[scope].issuperset(standard)


def _opposites(scopes: list[str], field: str, shown: JSONValue) -> Problems:
    for pair in _OPPOSITES:
        if {*pair} <= {*scopes}:
            yield FieldProblem.invalid(field, shown, "conflicting scopes")


def _selector_problems(spec: JSONObject) -> Problems:
    selector, field = mapping(spec, "scopeSelector"), "spec.scopeSelector.matchExpressions"
    expressions = items(selector, "matchExpressions")
    for expression in expressions:
        scope, operator, values = (expression.get(key) for key in ("scopeName", "operator", "values"))
        if scope not in _OF_SCOPES:
            yield FieldProblem.invalid(f"{field}.scopeName", scope, "unsupported scope")
        elif _is_out_of_scope(spec, str(scope)):
            yield FieldProblem.invalid(field, _as_in_go(expressions), "unsupported scope applied to resource")
        if scope in _OF_SCOPES and scope not in _WITH_OPERATORS and operator != "Exists":
            yield FieldProblem.invalid(f"{field}.operator", operator, _EXISTS_ALONE)
        if operator in {"In", "NotIn"}:
            if not values:
                rule = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield FieldProblem.required(f"{field}.values", rule)
        elif operator not in {"Exists", "DoesNotExist"}:
            yield FieldProblem.invalid(f"{field}.operator", operator, "not a valid selector operator")
        elif values:
            rule = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield FieldProblem.invalid(f"{field}.values", values, rule)
    scopes = [text(expression, "scopeName") for expression in expressions]
    yield from _opposites(scopes, field, spec.get("scopes"))


def _as_in_go(expressions: list[JSONObject]) -> JSONValue:
    names = {"ScopeName": "scopeName", "Operator": "operator", "Values": "values"}
    shown: list[JSONValue] = [{name: found.get(key) for name, key in names.items()} for found in expressions]
    return {"MatchExpressions": shown}


def limit_range_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules a limit range breaks."""
    seen: set[str] = set()
    for field, item in indexed(mapping(obj, "spec"), "limits", "spec"):
        what = text(item, "type")
        yield from _limit_type_problems(what, f"{field}.type")
        if what in seen:
            yield duplicate(f"{field}.type", what)
        seen.add(what)
        bounds = {key: mapping(item, key) for key in ("max", "min", *_DEFAULTS, _RATIO)}
        yield from _limit_name_problems(bounds, what, field)
        if what == "Pod":
            bounds |= dict.fromkeys(_DEFAULTS, JSONObject())
        for name in sorted({name for amounts in bounds.values() for name in amounts}):
            yield from _bound_problems(bounds, name, field)
            yield from _ratio_problems(bounds, name, f"{field}.{_RATIO}[{name}]")


def _limit_type_problems(what: str, field: str) -> Problems:
    broken = [*label_key(what, field)]
    yield from broken
    if not broken and "/" not in what and what not in _LIMIT_TYPES:
        yield FieldProblem.invalid(field, what, "must be a standard limit type or fully qualified")


def _limit_name_problems(bounds: dict[str, JSONObject], what: str, path: str) -> Problems:
    for key, amounts in bounds.items():
        if key == _RATIO and what == "PersistentVolumeClaim" and not {*bounds["min"], *bounds["max"]} & {"storage"}:
            rule = "either minimum or maximum storage value is required, but neither was provided"
            yield FieldProblem.required(f"{path}.limits", rule)
        if key in _DEFAULTS and what == "Pod":
            if amounts:
                yield FieldProblem.forbidden(f"{path}.{key}", "may not be specified when `type` is 'Pod'")
            continue
        is_of_pods = what in {"Pod", "Container"}
        for name in sorted(amounts):
            field = f"{path}.{key}[{name}]"
            if is_of_pods:
                yield from container_name_problems(name, field)
            else:
                yield from any_name_problems(name, field)


def _bound_problems(bounds: dict[str, JSONObject], name: str, path: str) -> Problems:
    given = {key: str(amounts[name]) for key, amounts in bounds.items() if name in amounts}
    values = {key: parse_quantity(value).value for key, value in given.items()}
    for low, high, key, high_name in (
        ("min", "max", "min", "max value"),
        ("min", "defaultRequest", "defaultRequest", "default request value"),
        ("defaultRequest", "max", "defaultRequest", "max value"),
        ("defaultRequest", "default", "defaultRequest", "default limit value"),
        ("min", "default", "default", "default value"),
        ("default", "max", "default", "max value"),
    ):
        if low in values and high in values and values[low] > values[high]:
            rule = f"{_LOW_NAMES[low]} {given[low]} is greater than {high_name} {given[high]}"
            # As upstream has it: for a default, what it is compared with is shown as the wrong value.
            shown = key if key != "default" else low if high == key else high
            yield FieldProblem.invalid(f"{path}.{key}[{name}]", given[shown], rule)


def _ratio_problems(bounds: dict[str, JSONObject], name: str, field: str) -> Problems:
    ratio = bounds[_RATIO].get(name)
    if ratio is None:
        return
    value = parse_quantity(str(ratio)).value
    if value < 1:
        yield FieldProblem.invalid(field, ratio, f"ratio {ratio} is less than 1")
    if name not in bounds["min"] or name not in bounds["max"]:
        return
    least, most = (parse_quantity(str(bounds[key][name])).value for key in ("min", "max"))
    if least and value > most / least:
        rule = f"ratio {ratio} is greater than max/min = {float(most) / float(least):f}"
        yield FieldProblem.invalid(field, ratio, rule)
