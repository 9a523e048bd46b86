"""What a new pod asks of the pods beside it, once the labels that it names by key have their values.

Source:
    kubernetes pkg/registry/core/pod/strategy.go, ``mutatePodAffinity`` and ``mutateTopologySpreadConstraints``.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping
from kubeprims.testing.apiserver.kind_rules import texts
from kubeprims.testing.apiserver.metadata import metadata_of

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def with_merged_selectors(pod: JSONObject) -> JSONObject:
    """Return a new pod whose selectors have the values of those of its own labels that they name by key."""
    spec, labels = mapping(pod, "spec"), mapping(metadata_of(pod), "labels")
    if not labels or not ("affinity" in spec or "topologySpreadConstraints" in spec):
        return pod
    made: JSONObject = {**spec}
    if "affinity" in spec:
        made["affinity"] = _with_affinity(mapping(spec, "affinity"), labels)
    if "topologySpreadConstraints" in spec:
        spread: list[JSONValue] = [_merged(item, labels) for item in items(spec, "topologySpreadConstraints")]
        made["topologySpreadConstraints"] = spread
    return {**pod, "spec": made}


def _with_affinity(affinity: JSONObject, labels: JSONObject) -> JSONObject:
    made: JSONObject = {**affinity}
    for part in ("podAffinity", "podAntiAffinity"):
        terms: JSONObject = {**mapping(affinity, part)}
        if _REQUIRED in terms:
            terms[_REQUIRED] = [_merged(term, labels) for term in items(terms, _REQUIRED)]
        if _PREFERRED in terms:
            terms[_PREFERRED] = [
                {**item, "podAffinityTerm": _merged(mapping(item, "podAffinityTerm"), labels)}
                for item in items(terms, _PREFERRED)
            ]
        if part in affinity:
            made[part] = terms
    return made


def _merged(term: JSONObject, labels: JSONObject) -> JSONObject:
    selector = term.get("labelSelector")
    found: list[JSONValue] = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for part, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in texts(term, part)
        if key in labels
    ]
    if not found or not isinstance(selector, dict):
        return term
    return {**term, "labelSelector": {**selector, "matchExpressions": [*items(selector, "matchExpressions"), *found]}}
