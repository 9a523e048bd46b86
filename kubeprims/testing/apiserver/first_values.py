"""What new objects of some built-in kinds begin with, besides their defaults: the work of strategies and admission.

Source:
    kubernetes pkg/registry/*/*/strategy.go, ``PrepareForCreate``; plugin/pkg/admission: nodetaint and
    storage/storageobjectinuseprotection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.data_sources import with_data_sources
from kubeprims.testing.apiserver.defaulting import items, mapping
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.metadata import finalizers_of, metadata_of
from kubeprims.testing.apiserver.template_count import begin_template_count

PROTECTION_FINALIZERS: Mapping[str, str] = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}
_NOT_READY: JSONObject = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
_UID_LABEL = "batch.kubernetes.io/controller-uid"


def with_kind_first_values(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return a new object of a built-in kind with what it begins with; its metadata may be changed in place."""
    begin = _FIRST.get(kind.group_resource)
    return obj if begin is None or kind.custom else begin(obj, kind)


def _namespace(obj: JSONObject, _kind: Kind) -> JSONObject:
    spec = mapping(obj, "spec")
    finalizers = spec.get("finalizers")
    names = finalizers if isinstance(finalizers, list) else []
    first: JSONObject = {**spec, "finalizers": names if "kubernetes" in names else [*names, "kubernetes"]}
    return {**obj, "spec": first}


def _protected(obj: JSONObject, kind: Kind) -> JSONObject:
    metadata, finalizer = metadata_of(obj), PROTECTION_FINALIZERS[kind.resource]
    finalizers = finalizers_of(metadata)
    if finalizer not in finalizers:
        metadata["finalizers"] = [*finalizers, finalizer]
    return obj


def _claim(obj: JSONObject, kind: Kind) -> JSONObject:
    return with_data_sources(_protected(obj, kind))


def _node(obj: JSONObject, _kind: Kind) -> JSONObject:
    obj = without_configuration(obj)
    spec = mapping(obj, "spec")
    taints = items(spec, "taints")
    if any(taint.get("key") == _NOT_READY["key"] and taint.get("effect") == _NOT_READY["effect"] for taint in taints):
        return obj
    return {**obj, "spec": {**spec, "taints": [*taints, _NOT_READY]}}


def without_configuration(node: JSONObject, existing: JSONObject | None = None) -> JSONObject:
    """Return a node without the configuration that kubelets once took from it, unless it is there already."""
    for part, key in (("spec", "configSource"), ("status", "config")):
        found = mapping(node, part)
        if key in found and (existing is None or key not in mapping(existing, part)):
            kept: JSONObject = {name: value for name, value in found.items() if name != key}
            node = {**node, part: kept}
    return node


def _daemon_set(obj: JSONObject, _kind: Kind) -> JSONObject:
    begin_template_count(obj)
    return obj


def _job(obj: JSONObject, _kind: Kind) -> JSONObject:
    metadata, spec = metadata_of(obj), mapping(obj, "spec")
    if spec.get("manualSelector"):
        return obj
    name, uid = metadata["name"], metadata["uid"]
    generated: JSONObject = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = mapping(spec, "template")
    template_metadata = mapping(template, "metadata")
    given = mapping(template_metadata, "labels")
    labels: JSONObject = dict(sorted((generated | given).items()))
    own = metadata.get("labels")
    if not own or own == given:
        # Upstream's job shares the map with its template when it has no labels of its own.
        metadata["labels"] = labels
    selector = mapping(spec, "selector")
    matched: JSONObject = {_UID_LABEL: uid, **mapping(selector, "matchLabels")}
    chosen: JSONObject = {**selector, "matchLabels": matched}
    labelled: JSONObject = {**template_metadata, "labels": labels}
    made: JSONObject = {**template, "metadata": labelled}
    completed: JSONObject = {**spec, "selector": chosen, "template": made}
    return {**obj, "spec": completed}


_FIRST: Mapping[str, Callable[[JSONObject, Kind], JSONObject]] = {
    "namespaces": _namespace,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _protected,
    "nodes": _node,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
}
