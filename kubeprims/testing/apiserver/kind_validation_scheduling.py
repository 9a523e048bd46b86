"""The rules of where pods run: affinities, spreading, tolerations, gates.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validateAffinity``, ``validateTopologySpreadConstraints``,
    ``ValidateTolerations``, ``validateSchedulingGates`` and what they call.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject
from kubeprims.selectors import label_value_problems
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    duplicate,
    indexed,
    label_key,
    label_selector,
    named,
    number,
    one_of,
    subdomain,
    texts,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT_MAX = 100
_LISTED, _BARE, _COMPARED = ("In", "NotIn"), ("Exists", "DoesNotExist"), ("Gt", "Lt")
_NO_OPERATOR = "not a valid selector operator"
_NO_TOPOLOGY = "can not be empty"


def scheduling_problems(spec: JSONObject, path: str) -> Problems:
    """Return what is wrong with where a pod is to run, but for its tolerations."""
    for field, gate in indexed(spec, "readinessGates", path):
        yield from label_key(text(gate, "conditionType"), f"{field}.conditionType")
    gates: set[str] = set()
    for field, gate in indexed(spec, "schedulingGates", path):
        name = text(gate, "name")
        yield from label_key(name, field)
        if name in gates:
            yield duplicate(field, name)
        gates.add(name)
    constraints = items(spec, "topologySpreadConstraints")
    for position, constraint in enumerate(constraints):
        field = f"{path}.topologySpreadConstraints[{position}]"
        yield from _spread_problems(constraint, field, constraints[position + 1 :])


def affinity_problems(affinity: JSONObject, path: str) -> Problems:
    """Return what is wrong with the affinities of a pod, which are at a path."""
    nodes, field = mapping(affinity, "nodeAffinity"), f"{path}.nodeAffinity"
    if _REQUIRED in nodes:
        yield from node_selector_problems(mapping(nodes, _REQUIRED), f"{field}.{_REQUIRED}")
    for where, preferred in indexed(nodes, _PREFERRED, field):
        yield from _weight_problems(preferred, where)
        yield from _node_term_problems(mapping(preferred, "preference"), f"{where}.preference", any_values=True)
    for key in ("podAffinity", "podAntiAffinity"):
        pods, field = mapping(affinity, key), f"{path}.{key}"
        for where, term in indexed(pods, _REQUIRED, field):
            yield from _pod_term_problems(term, where)
        for where, preferred in indexed(pods, _PREFERRED, field):
            yield from _weight_problems(preferred, where)
            yield from _pod_term_problems(mapping(preferred, "podAffinityTerm"), f"{where}.podAffinityTerm")


def node_selector_problems(selector: JSONObject, path: str) -> Problems:
    """Return what is wrong with a selection of nodes that is required."""
    if not items(selector, "nodeSelectorTerms"):
        yield FieldProblem.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for field, term in indexed(selector, "nodeSelectorTerms", path):
        yield from _node_term_problems(term, field, any_values=False)


def _weight_problems(preferred: JSONObject, path: str) -> Problems:
    weight = number(preferred, "weight") or 0
    if not 1 <= weight <= _WEIGHT_MAX:
        yield FieldProblem.invalid(f"{path}.weight", weight, f"must be in the range 1-{_WEIGHT_MAX}")


def _node_term_problems(term: JSONObject, path: str, *, any_values: bool) -> Problems:
    """Return what is wrong with a selection of nodes; what is only preferred may name values that no label has."""
    for field, item in indexed(term, "matchExpressions", path):
        yield from _requirement_problems(item, field)
        yield from label_key(text(item, "key"), f"{field}.key")
        for position, value in enumerate(() if any_values else texts(item, "values")):
            for broken in label_value_problems(value):
                yield FieldProblem.invalid(f"{field}.values[{position}]", value, broken)
    for field, item in indexed(term, "matchFields", path):
        key, operator, values = text(item, "key"), text(item, "operator"), texts(item, "values")
        if operator not in _LISTED:
            yield FieldProblem.invalid(f"{field}.operator", operator, _NO_OPERATOR)
        elif len(values) != 1:
            rule = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            yield FieldProblem.required(f"{field}.values", rule)
        if key != "metadata.name":
            yield FieldProblem.invalid(f"{field}.key", key, "not a valid field selector key")
            continue
        for position, value in enumerate(values):
            yield from subdomain(value, f"{field}.values[{position}]")


def _requirement_problems(item: JSONObject, field: str) -> Problems:
    operator, values = text(item, "operator"), texts(item, "values")
    if operator in _LISTED:
        if not values:
            yield FieldProblem.required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in _BARE:
        if values:
            rule = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield FieldProblem.forbidden(f"{field}.values", rule)
    elif operator in _COMPARED:
        if len(values) != 1:
            rule = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield FieldProblem.required(f"{field}.values", rule)
    else:
        yield FieldProblem.invalid(f"{field}.operator", operator, _NO_OPERATOR)


def _pod_term_problems(term: JSONObject, path: str) -> Problems:
    yield from label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for namespace in texts(term, "namespaces"):
        yield from named(namespace, f"{path}.namespace", NameRule.DNS_LABEL)
    yield from _label_keys_problems(term, path)
    key = text(term, "topologyKey")
    if not key:
        yield FieldProblem.required(f"{path}.topologyKey", _NO_TOPOLOGY)
    yield from label_key(key, f"{path}.topologyKey")


def _label_keys_problems(term: JSONObject, path: str) -> Problems:
    """Labels of the pod itself that those selected have to share, or may not."""
    selector = term.get("labelSelector")
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = texts(term, name)
        if keys and not isinstance(selector, dict):
            yield FieldProblem.forbidden(f"{path}.{name}", "must not be specified when labelSelector is not set")
            continue
        for position, key in enumerate(keys):
            yield from label_key(key, f"{path}.{name}[{position}]")
    keys = texts(term, "matchLabelKeys")
    if isinstance(selector, dict):
        yield from _selected_twice(selector, keys, path)
    unlike = {*texts(term, "mismatchLabelKeys")}
    for position, key in enumerate(keys):
        if key in unlike:
            rule = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield FieldProblem.invalid(f"{path}.matchLabelKeys[{position}]", key, rule)


def _selected_twice(selector: JSONObject, keys: list[str], path: str) -> Problems:
    seen = {*mapping(selector, "matchLabels")}
    for expression in items(selector, "matchExpressions"):
        key = text(expression, "key")
        if key in seen and key in keys:
            # The last of equal keys counts upstream, and it leaves the name of the list out of the path.
            position = len(keys) - 1 - keys[::-1].index(key)
            yield FieldProblem.invalid(f"{path}[{position}]", key, "exists in both matchLabelKeys and labelSelector")
        seen.add(key)


def _spread_problems(constraint: JSONObject, path: str, others: list[JSONObject]) -> Problems:
    key, action = text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable")
    yield from _above_zero(number(constraint, "maxSkew") or 0, f"{path}.maxSkew")
    if not key:
        yield FieldProblem.required(f"{path}.topologyKey", _NO_TOPOLOGY)
    yield from one_of(constraint, "whenUnsatisfiable", path, ("DoNotSchedule", "ScheduleAnyway"))
    if any((text(other, "topologyKey"), text(other, "whenUnsatisfiable")) == (key, action) for other in others):
        yield duplicate(f"{path}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
    domains = number(constraint, "minDomains")
    if domains is not None:
        yield from _above_zero(domains, f"{path}.minDomains")
        if action != "DoNotSchedule":
            rule = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            yield FieldProblem.invalid(f"{path}.minDomains", domains, rule)
    for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        yield from one_of(constraint, policy, path, ("Honor", "Ignore"))
    yield from _label_keys_problems(constraint, path)
    yield from label_selector(constraint.get("labelSelector"), f"{path}.labelSelector")


def _above_zero(value: int, field: str) -> Problems:
    if value <= 0:
        yield FieldProblem.invalid(field, value, "must be greater than zero")


def toleration_problems(holder: JSONObject, path: str) -> Problems:
    """Return what is wrong with the tolerations of a pod, or of a class of pods."""
    for field, toleration in indexed(holder, "tolerations", path):
        yield from _toleration_problems(toleration, field)


def _toleration_problems(toleration: JSONObject, path: str) -> Problems:
    key, operator, value = (text(toleration, name) for name in ("key", "operator", "value"))
    if key:
        yield from label_key(key, f"{path}.key")
    elif operator != "Exists":
        rule = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield FieldProblem.invalid(f"{path}.operator", operator, rule)
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        rule = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield FieldProblem.invalid(f"{path}.effect", text(toleration, "effect"), rule)
    if operator in {"", "Equal"}:
        broken = label_value_problems(value)
        if broken:
            yield FieldProblem.invalid(f"{path}.operator", value, ";".join(broken))
    elif operator == "Exists":
        if value:
            yield FieldProblem.invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'")
    else:
        yield FieldProblem.unsupported(f"{path}.operator", operator, ("Equal", "Exists"))
    yield from one_of(toleration, "effect", path, TAINT_EFFECTS)
