"""What differs between kinds when their objects are written: status, generation, first values."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.canonical import zero
from kubeprims.testing.apiserver.data_sources import with_data_sources
from kubeprims.testing.apiserver.defaulting import mapping
from kubeprims.testing.apiserver.defaults_pods import with_admitted_values
from kubeprims.testing.apiserver.encoding import encode
from kubeprims.testing.apiserver.first_values import with_kind_first_values, without_configuration
from kubeprims.testing.apiserver.kind_validation_annotations import with_annotated_profiles
from kubeprims.testing.apiserver.kinds import NAMESPACES, PODS, SERVICES, Kind
from kubeprims.testing.apiserver.metadata import metadata_of
from kubeprims.testing.apiserver.pod_resources import with_kept_values, with_pod_resources
from kubeprims.testing.apiserver.pod_selectors import with_merged_selectors
from kubeprims.testing.apiserver.pod_status import first_pod_status
from kubeprims.testing.apiserver.pruning import pruned
from kubeprims.testing.apiserver.schema_defaults import with_schema_defaults
from kubeprims.testing.apiserver.service_addresses import with_kept_addresses
from kubeprims.testing.apiserver.template_count import count_template

# Kubelets register a node together with its status.
_STATUS_KEPT_ON_CREATE = frozenset({"nodes"})
_PHASE_ON_CREATE: Mapping[str, str] = {
    "namespaces": "Active",
    "persistentvolumeclaims": "Pending",
    "persistentvolumes": "Pending",
}
_NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
# What a client may send but not change.
_SERVER_OWNED = ("creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields")
_NOT_CONTENT = frozenset({"kind", "apiVersion", "metadata", "status"})


def with_first_values(obj: JSONObject, kind: Kind, *, keep_status: bool = False) -> JSONObject:
    """Return a new object as it is stored first: without a status of its own, and with what its kind starts with.

    Args:
        obj: The object, with its defaults, name and uid.
        kind: Its kind.
        keep_status: Leave the status as it is, if there is one.
    """
    metadata = metadata_of(obj)
    if kind.has_generation:
        metadata["generation"] = 1
    given = obj.get("status")
    obj = with_kind_first_values(obj, kind)
    if kind is PODS:
        obj = with_pod_resources(with_merged_selectors(with_annotated_profiles(with_admitted_values(obj))))
    if not kind.has_status or kind.resource in _STATUS_KEPT_ON_CREATE:
        return obj
    if keep_status and given and given != zero(kind, "status"):
        return obj
    obj = {key: value for key, value in obj.items() if key != "status"}
    if not kind.custom:
        obj["status"] = _first_status(obj, kind)
    return obj


def with_own_name(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return a new object with the label that says its name, which namespaces have; its metadata may be changed."""
    if kind is NAMESPACES:
        metadata = metadata_of(obj)
        metadata["labels"] = {**mapping(metadata, "labels"), _NAMESPACE_NAME_LABEL: metadata.get("name", "")}
    return obj


def with_unowned_values(obj: JSONObject, existing: JSONObject, kind: Kind) -> JSONObject:
    """Return a changed object with what the server itself puts there: nobody is recorded as its owner."""
    if kind is PODS:
        obj = with_admitted_values(with_kept_values(obj, existing))
        if not content_changed(obj, existing, kind):
            # Upstream counts when this has been put there: it is no change.
            metadata_of(obj).update(_kept(existing, "generation"))
        return obj
    if kind is SERVICES:
        return with_kept_addresses(obj, existing)
    if kind.group_resource == "persistentvolumeclaims":
        return with_data_sources(obj, existing)
    if kind.group_resource == "nodes":
        return without_configuration(obj, existing)
    if kind.group_resource == "daemonsets.apps":
        count_template(obj, existing, is_other=differs(_template(obj), _template(existing)))
    return obj


def _first_status(obj: JSONObject, kind: Kind) -> JSONObject:
    if kind is PODS:
        return first_pod_status(obj)
    empty = zero(kind, "status")
    status = dict(empty) if isinstance(empty, dict) else {}
    phase = _PHASE_ON_CREATE.get(kind.group_resource)
    if phase is not None:
        status["phase"] = phase
    if kind.group_resource == "persistentvolumes":
        status["lastPhaseTransitionTime"] = metadata_of(obj).get("creationTimestamp")
    return status


def with_update(obj: JSONObject, existing: JSONObject, kind: Kind, subresource: str) -> JSONObject:
    """Return what an update stores: the new object, with everything from the old one that it cannot change."""
    metadata, old = metadata_of(obj), metadata_of(existing)
    for key in _SERVER_OWNED:
        metadata.pop(key, None)
        if key in old:
            metadata[key] = old[key]
    match subresource:
        case "status":
            return with_status_update(obj, existing, kind)
        case "finalize":
            return with_finalize_update(obj, existing)
        case _:
            return with_main_update(obj, existing, kind)


def with_main_update(obj: JSONObject, existing: JSONObject, kind: Kind) -> JSONObject:
    """Return what an update of the object itself stores: the status stays as it is if it has its own subresource."""
    if kind.has_status:
        obj = _with_part_of(obj, existing, "status")
    if kind is NAMESPACES:
        # What stands between a namespace and its end is written through `finalize` alone.
        obj = with_finalize_update(existing, obj)
    metadata, old_metadata = metadata_of(obj), metadata_of(existing)
    if kind.has_generation and content_changed(obj, existing, kind):
        generation = old_metadata.get("generation")
        metadata["generation"] = (generation if isinstance(generation, int) else 0) + 1
    return obj


def _template(obj: JSONObject) -> JSONValue:
    return mapping(obj, "spec").get("template")


def with_status_update(obj: JSONObject, existing: JSONObject, kind: Kind) -> JSONObject:
    """Return what an update of the status stores: nothing else of the content changes.

    Metadata may change with the status of built-in kinds (but not who owns the object), and not with that of custom
    ones.
    """
    result = _with_part_of(existing, obj, "status")
    if not kind.custom:
        metadata = dict(metadata_of(obj))
        owners = metadata_of(existing).get("ownerReferences")
        metadata.pop("ownerReferences", None)
        if owners:
            metadata["ownerReferences"] = owners
        if kind.group_resource == "deployments.apps":
            metadata.pop("labels", None)
            metadata.update({"labels": labels} if (labels := metadata_of(existing).get("labels")) else {})
        result["metadata"] = metadata
    if kind is PODS and not mapping(result, "status").get("qosClass"):
        kept = {"qosClass": quality} if (quality := mapping(existing, "status").get("qosClass")) else {}
        result["status"] = {**mapping(result, "status"), **kept}
    return result


def with_finalize_update(obj: JSONObject, existing: JSONObject) -> JSONObject:
    """Return what an update of a namespace's ``finalize`` stores: the finalizers of its spec."""
    spec, old = obj.get("spec"), existing.get("spec")
    finalizers = spec.get("finalizers") if isinstance(spec, dict) else None
    kept: JSONObject = (
        {key: value for key, value in old.items() if key != "finalizers"} if isinstance(old, dict) else {}
    )
    return {**existing, "spec": {**kept, "finalizers": finalizers} if finalizers else kept}


def content_changed(obj: JSONObject, existing: JSONObject, kind: Kind) -> bool:
    """Return whether what is asked of an object has changed: its spec; of a custom one, all but metadata and status."""
    if not kind.custom:
        parts = [(obj.get("spec"), existing.get("spec"))]
        if kind.group_resource == "deployments.apps":
            parts.append((metadata_of(obj).get("annotations"), metadata_of(existing).get("annotations")))
        return any(differs(value, other) for value, other in parts)
    ignored = _NOT_CONTENT if kind.has_status else _NOT_CONTENT - {"status"}
    return differs(
        {key: value for key, value in obj.items() if key not in ignored},
        {key: value for key, value in existing.items() if key not in ignored},
    )


def as_kept(obj: JSONObject, kind: Kind) -> JSONObject:
    """Return a custom object as it is read once it is stored: what the version of the store does not know is lost.

    Nothing is converted but the name of the version.
    """
    schema = kind.storage_schema
    return obj if schema is None else with_schema_defaults(pruned(obj, schema), schema)


def differs(value: JSONValue, other: JSONValue) -> bool:
    """Return whether two JSON values differ; unlike ``!=``, it tells 1 from true."""
    return value != other or encode(value, sort_keys=True) != encode(other, sort_keys=True)


def _kept(existing: JSONObject, key: str) -> JSONObject:
    metadata = metadata_of(existing)
    return {key: metadata[key]} if key in metadata else {}


def _with_part_of(obj: JSONObject, source: JSONObject, key: str) -> JSONObject:
    result = {name: value for name, value in obj.items() if name != key}
    if key in source:
        result[key] = source[key]
    return result
