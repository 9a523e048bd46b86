"""The rules of nodes; a kubelet writes its node together with the status.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateNode`` and ``ValidateNodeUpdate``.
"""

from __future__ import annotations

import re

from kubeprims.meta import JSONObject
from kubeprims.selectors import label_value_problems
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    duplicate,
    indexed,
    label_key,
    network,
    one_of,
    parse_network,
    texts,
)
from kubeprims.testing.apiserver.kind_validation_resources import amount_problems
from kubeprims.testing.apiserver.kind_validation_scheduling import TAINT_EFFECTS
from kubeprims.testing.apiserver.status import FieldProblem, quoted

_FEATURE_BYTES_MAX = 253
_FEATURE = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*")
_FEATURE_RULE = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
    "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)


def node_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a node breaks."""
    spec = mapping(obj, "spec")
    if old is None:
        yield from _taint_problems(spec)
        yield from _amount_problems(mapping(obj, "status"))
        yield from _feature_problems(mapping(obj, "status"))
        yield from _range_problems(texts(spec, "podCIDRs"))
        return
    yield from node_status_problems(obj, old)
    provider, now = text(mapping(old, "spec"), "providerID"), text(spec, "providerID")
    if provider and provider != now:
        rule = f"field cannot be {'modified' if now else 'cleared'} once set"
        yield FieldProblem.invalid("spec.providerID", None, rule)
    yield from _taint_problems(spec)


def node_status_problems(obj: JSONObject, _old: JSONObject) -> Problems:
    """Return which rules the status of a node breaks that is there already."""
    status = mapping(obj, "status")
    yield from _amount_problems(status)
    yield from _feature_problems(status)
    seen: list[JSONObject] = []
    for field, item in indexed(status, "addresses", "status"):
        if item in seen:
            yield duplicate(field, {"Type": text(item, "type"), "Address": text(item, "address")})
        seen.append(item)


def _amount_problems(status: JSONObject) -> Problems:
    for part in ("capacity", "allocatable"):
        for name, amount in sorted(mapping(status, part).items()):
            yield from amount_problems(name, str(amount), f"status.{part}.{name}")


def _feature_problems(status: JSONObject) -> Problems:
    names = texts(status, "declaredFeatures")
    for position, name in enumerate(names):
        field = f"status.declaredFeatures[{position}]"
        if position and name == names[position - 1]:
            yield duplicate(field, name)
        elif position and name < names[position - 1]:
            yield FieldProblem.invalid(field, name, "list must be sorted alphabetically")
        if len(name) > _FEATURE_BYTES_MAX:
            rule = f"must be no more than {_FEATURE_BYTES_MAX} characters"
            yield FieldProblem.invalid(field, name, f"invalid feature name {quoted(name)}: {rule}")
        elif not _FEATURE.fullmatch(name):
            yield FieldProblem.invalid(field, name, f"invalid feature name {quoted(name)}: {_FEATURE_RULE}")


def _range_problems(ranges: list[str]) -> Problems:
    for position, value in enumerate(ranges):
        yield from network(value, f"spec.podCIDRs[{position}]")
    versions = [found.version for found in map(parse_network, ranges) if found is not None]
    if len(ranges) > 1 and sorted(versions) != [4, 6]:
        rule = "may specify no more than one CIDR for each IP family"
        yield FieldProblem.invalid("spec.podCIDRs", [*ranges], rule)


def _taint_problems(spec: JSONObject) -> Problems:
    seen: set[tuple[str, str]] = set()
    for field, taint in indexed(spec, "taints", "metadata"):
        key, effect = text(taint, "key"), text(taint, "effect")
        yield from label_key(key, f"{field}.key")
        broken = label_value_problems(text(taint, "value"))
        if broken:
            yield FieldProblem.invalid(f"{field}.value", text(taint, "value"), ";".join(broken))
        if effect:
            yield from one_of(taint, "effect", field, TAINT_EFFECTS)
        else:
            yield FieldProblem.required(f"{field}.effect", "")
        if (key, effect) in seen:
            yield _same_taint(taint, field)
        seen.add((key, effect))


def _same_taint(taint: JSONObject, field: str) -> FieldProblem:
    names = {"Key": "key", "Value": "value", "Effect": "effect"}
    shown: JSONObject = {**{name: text(taint, key) for name, key in names.items()}, "TimeAdded": taint.get("timeAdded")}
    rule = "taints must be unique by key and effect pair"
    return FieldProblem(field, "FieldValueDuplicate", f"Duplicate value: {quoted(shown)}: {rule}")
