"""The rules of roles, budgets, classes, events and the like.

Source:
    kubernetes pkg/apis/{rbac,policy,scheduling,node}/validation; pkg/apis/core/validation, events.go too.
"""

from __future__ import annotations

import json

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.defaults_pods import SYSTEM_PRIORITIES
from kubeprims.testing.apiserver.kind_rules import (
    IMMUTABLE,
    NON_NEGATIVE,
    Problems,
    duplicate,
    indexed,
    label_key,
    label_selector,
    labels,
    named,
    number,
    one_of,
    present,
    share,
    share_below_whole,
    subdomain,
    texts,
)
from kubeprims.testing.apiserver.kind_validation_resources import (
    overhead_problems,
)
from kubeprims.testing.apiserver.kind_validation_scheduling import toleration_problems
from kubeprims.testing.apiserver.kinds import Kind, NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.status import FieldProblem, quoted

_RBAC_GROUP = "rbac.authorization.k8s.io"
_SUBJECT_KINDS = ("ServiceAccount", "User", "Group")
_PRIORITY_MAX = 1_000_000_000
_EVENT_LENGTHS = (("reportingInstance", 128), ("action", 128), ("reason", 128))
_NOTE_LENGTH_MAX = 1024


def role_problems(obj: JSONObject, _old: JSONObject | None, *, namespaced: bool) -> Problems:
    """Return which rules a role breaks."""
    for field, rule in indexed(obj, "rules", ""):
        where, urls = field.removeprefix("."), texts(rule, "nonResourceURLs")
        if urls and namespaced:
            problem = "namespaced rules cannot apply to non-resource URLs"
            yield FieldProblem.invalid(f"{where}.nonResourceURLs", [*urls], problem)
        elif urls:
            if any(rule.get(key) for key in ("apiGroups", "resources", "resourceNames")):
                problem = "rules cannot apply to both regular resources and non-resource URLs"
                yield FieldProblem.invalid(f"{where}.nonResourceURLs", [*urls], problem)
        else:
            for key, name in (("apiGroups", "api group"), ("resources", "resource")):
                if not texts(rule, key):
                    yield FieldProblem.required(f"{where}.{key}", f"resource rules must supply at least one {name}")
        yield from present(rule, where, "verbs")
    aggregation = mapping(obj, "aggregationRule")
    if "aggregationRule" in obj and not items(aggregation, "clusterRoleSelectors"):
        problem = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield FieldProblem.required("aggregationRule.clusterRoleSelectors", problem)
    for field, selector in indexed(aggregation, "clusterRoleSelectors", "aggregationRule"):
        broken = [*label_selector(selector, field)]
        yield from broken
        if broken:
            yield FieldProblem.invalid(field, None, "invalid label selector.")


def role_binding_problems(obj: JSONObject, old: JSONObject | None, *, namespaced: bool) -> Problems:
    """Return which rules the binding of a role breaks."""
    reference = mapping(obj, "roleRef")
    yield from one_of(reference, "apiGroup", "roleRef", (_RBAC_GROUP,))
    yield from one_of(reference, "kind", "roleRef", ("Role", "ClusterRole") if namespaced else ("ClusterRole",))
    for character in "/%":
        if character in text(reference, "name"):
            yield FieldProblem.invalid("roleRef.name", reference["name"], f"may not contain '{character}'")
    for field, subject in indexed(obj, "subjects", ""):
        yield from _subject_problems(subject, field.removeprefix("."), namespaced=namespaced)
    # What upstream declares rather than programs comes last.
    if not text(reference, "name"):
        yield FieldProblem.required("roleRef.name", "")
    for field, subject in indexed(obj, "subjects", ""):
        if not text(subject, "name"):
            yield FieldProblem.required(f"{field.removeprefix('.')}.name", "")
    if old is not None and reference != mapping(old, "roleRef"):
        names = (text(reference, key) for key in ("apiGroup", "kind", "name"))
        group, kind, name = map(quoted, names)
        shown = f'{{"APIGroup":{group},"Kind":{kind},"Name":{name}}}'
        yield FieldProblem("roleRef", "FieldValueInvalid", f"Invalid value: {shown}: {IMMUTABLE}")


def _subject_problems(subject: JSONObject, field: str, *, namespaced: bool) -> Problems:
    match text(subject, "kind"):
        case "ServiceAccount":
            if subject.get("name"):
                yield from subdomain(text(subject, "name"), f"{field}.name")
            yield from one_of(subject, "apiGroup", field, ("",))
            if not namespaced and not subject.get("namespace"):
                yield FieldProblem.required(f"{field}.namespace", "")
        case "User" | "Group":
            yield from one_of(subject, "apiGroup", field, (_RBAC_GROUP,))
        case kind:
            yield FieldProblem.unsupported(f"{field}.kind", kind, _SUBJECT_KINDS)


def budget_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules a disruption budget breaks."""
    spec = mapping(obj, "spec")
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield FieldProblem("spec", "FieldValueInvalid", _both_set(spec))
    for key in ("minAvailable", "maxUnavailable"):
        yield from share(spec, key, "spec")
        yield from share_below_whole(spec, key, "spec")
    yield from label_selector(spec.get("selector"), "spec.selector")
    yield from one_of(spec, "unhealthyPodEvictionPolicy", "spec", ("AlwaysAllow", "IfHealthyBudget"))


def _both_set(spec: JSONObject) -> str:
    shown = {
        "MinAvailable": spec.get("minAvailable"),
        "Selector": spec.get("selector"),
        "MaxUnavailable": spec.get("maxUnavailable"),
        "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
    }
    return (
        f"Invalid value: {json.dumps(shown, separators=(',', ':'))}: minAvailable and maxUnavailable cannot be both set"
    )


def priority_class_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a priority class breaks."""
    value, name = number(obj, "value") or 0, text_of(metadata_of(obj), "name")
    if old is not None:
        if value != (number(old, "value") or 0):
            yield FieldProblem.forbidden("value", "may not be changed in an update.")
        if obj.get("preemptionPolicy") != old.get("preemptionPolicy"):
            yield FieldProblem.invalid("preemptionPolicy", obj.get("preemptionPolicy"), IMMUTABLE)
        return
    if name.startswith("system-"):
        rule = "priority class names with 'system-' prefix are reserved for system use only. error: "
        if name not in SYSTEM_PRIORITIES:
            yield FieldProblem.forbidden("metadata.name", f"{rule}{name} is not a known system priority class")
        elif value != SYSTEM_PRIORITIES[name]:
            known = f"value of {name} PriorityClass must be {SYSTEM_PRIORITIES[name]}"
            yield FieldProblem.forbidden("metadata.name", f"{rule}{known}")
        elif obj.get("globalDefault"):
            known = f"globalDefault of {name} PriorityClass must be false"
            yield FieldProblem.forbidden("metadata.name", f"{rule}{known}")
    elif value > _PRIORITY_MAX:
        rule = f"maximum allowed value of a user defined priority is {_PRIORITY_MAX}"
        yield FieldProblem.forbidden("value", rule)
    yield from one_of(obj, "preemptionPolicy", "", ("PreemptLowerPriority", "Never"))


def runtime_class_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a runtime class breaks."""
    handler = text(obj, "handler")
    if old is not None:
        if handler != text(old, "handler"):
            yield FieldProblem.invalid("handler", None, IMMUTABLE)
        return
    if handler:
        yield from named(handler, "handler", NameRule.DNS_LABEL)
    else:
        yield FieldProblem.required("handler", "")
    yield from overhead_problems(mapping(mapping(obj, "overhead"), "podFixed"), "overhead")
    scheduling = mapping(obj, "scheduling")
    yield from labels(scheduling, "nodeSelector", "scheduling")
    yield from toleration_problems(scheduling, "scheduling")
    seen: list[JSONObject] = []
    for field, toleration in indexed(scheduling, "tolerations", "scheduling"):
        shown: JSONObject = {key.title(): text(toleration, key) for key in ("key", "operator", "value", "effect")}
        if shown in seen:
            yield duplicate(field, {**shown, "TolerationSeconds": toleration.get("tolerationSeconds")})
        seen.append(shown)


def event_problems(obj: JSONObject, old: JSONObject | None, kind: Kind) -> Problems:
    """Return which rules an event breaks; events.k8s.io has stricter ones for new events."""
    namespace, involved = text_of(metadata_of(obj), "namespace"), text(mapping(obj, "involvedObject"), "namespace")
    mismatch = FieldProblem.invalid("involvedObject.namespace", involved, "does not match event.namespace")
    if obj.get("eventTime") is None:
        if namespace != (involved or "default"):
            yield mismatch
    else:
        if not involved and namespace not in {"default", "kube-system"}:
            yield mismatch
        yield from _recorded_problems(obj, "reportingController" if kind.group else "reportingComponent")
    if not kind.group or old is not None:
        return
    if obj.get("eventTime") is None:
        yield FieldProblem.required("eventTime", "")
    if text(obj, "type") not in {"Normal", "Warning"}:
        yield FieldProblem.invalid("type", "", f"has invalid value: {text(obj, 'type')}")
    for key in ("firstTimestamp", "lastTimestamp", "count", "source"):
        if obj.get(key):
            yield FieldProblem.invalid(key, "", "needs to be unset")


def _recorded_problems(obj: JSONObject, controller_field: str) -> Problems:
    controller = text(obj, "reportingComponent")
    if not controller:
        yield FieldProblem.required(controller_field, "")
    yield from label_key(controller, controller_field)
    for key, limit in _EVENT_LENGTHS:
        value = text(obj, key)
        if not value:
            yield FieldProblem.required(key, "")
        if len(value) > limit:
            yield FieldProblem.invalid(key, "", f"can have at most {limit} characters")
    if len(text(obj, "message")) > _NOTE_LENGTH_MAX:
        yield FieldProblem.invalid("message", "", f"can have at most {_NOTE_LENGTH_MAX} characters")


def revision_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a controller revision breaks."""
    if obj.get("data") is None:
        yield FieldProblem.required("data", "data is mandatory")
    revision = number(obj, "revision") or 0
    if revision < 0:
        yield FieldProblem.invalid("revision", revision, NON_NEGATIVE)
    if old is not None and obj.get("data") != old.get("data"):
        yield FieldProblem.invalid("data", obj.get("data"), IMMUTABLE)
