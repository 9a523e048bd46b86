"""The rules of what keeps data: config maps, secrets, claims, volumes and their classes.

Source:
    kubernetes pkg/apis/core/validation/validation.go and pkg/apis/storage/validation/validation.go.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.data_sources import with_agreeing_sources
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    IMMUTABLE,
    POSITIVE,
    Problems,
    config_key,
    duplicate,
    indexed,
    label_key,
    label_selector,
    named,
    one_of,
    present,
    sources,
    subdomain,
    texts,
    too_long,
)
from kubeprims.testing.apiserver.kind_validation_disks import PATHS, PERSISTENT_DISKS, persistent_iscsi_problems
from kubeprims.testing.apiserver.kind_validation_scheduling import node_selector_problems
from kubeprims.testing.apiserver.kind_validation_sources import (
    host_problems,
    local_problems,
    network_problems,
    persistent_driver_problems,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.quantities import parse_quantity
from kubeprims.testing.apiserver.status import FieldProblem

_DATA_BYTES_MAX = 1 << 20
_FROZEN = "field is immutable when `immutable` is set"
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_CLAIM_FIXED = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_REDACTED = "<secret contents redacted>"
_ACCOUNT_NAME = "kubernetes.io/service-account.name"
_SECRET_KEYS = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_DOCKER_KEYS = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_MOUNTED = frozenset(
    {
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "glusterfs",
        "nfs",
        "rbd",
        "quobyte",
        "iscsi",
        "cinder",
        "cephfs",
        "azureFile",
        "vsphereVolume",
        "azureDisk",
        "photonPersistentDisk",
    }
)
"""Those that take mount options."""

_VOLUME_SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)


def config_map_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a config map breaks."""
    data, binary = mapping(obj, "data"), mapping(obj, "binaryData")
    for key in sorted(data):
        yield from _key_problems(key, "data")
        if key in binary:
            yield FieldProblem.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in sorted(binary):
        yield from _key_problems(key, "binaryData")
    size = sum(len(str(value).encode()) for value in data.values()) + _decoded_bytes(binary)
    if size > _DATA_BYTES_MAX:
        yield too_long("[]", _DATA_BYTES_MAX)
    yield from _frozen_problems(obj, old, "data", "binaryData")


def _decoded_bytes(data: JSONObject) -> int:
    return sum(len(base64.b64decode(str(value))) for value in data.values())


def _key_problems(key: str, field: str) -> Problems:
    return config_key(key, f"{field}[{key}]")


def _frozen_problems(obj: JSONObject, old: JSONObject | None, *keys: str) -> Problems:
    if old is None or not old.get("immutable"):
        return
    if not obj.get("immutable"):
        yield FieldProblem.forbidden("immutable", _FROZEN)
    for key in keys:
        if mapping(obj, key) != mapping(old, key):
            yield FieldProblem.forbidden(key, _FROZEN)


def secret_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a secret breaks."""
    if old is not None:
        if text(obj, "type") != text(old, "type"):
            yield FieldProblem.invalid("type", text(obj, "type"), IMMUTABLE)
        yield from _frozen_problems(obj, old, "data")
    data = mapping(obj, "data")
    for key in sorted(data):
        yield from _key_problems(key, "data")
    if _decoded_bytes(data) > _DATA_BYTES_MAX:
        yield too_long("data", _DATA_BYTES_MAX)
    yield from _secret_type_problems(obj, data)


def _secret_type_problems(obj: JSONObject, data: JSONObject) -> Problems:
    kind = text(obj, "type")
    if kind == "kubernetes.io/service-account-token":
        if not mapping(metadata_of(obj), "annotations").get(_ACCOUNT_NAME):
            yield FieldProblem.required(f"metadata.annotations[{_ACCOUNT_NAME}]", "")
    elif kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            yield FieldProblem.required("data[username]", "")
            yield FieldProblem.required("data[password]", "")
    elif kind in _DOCKER_KEYS:
        key = _DOCKER_KEYS[kind]
        if key not in data:
            yield FieldProblem.required(f"data[{key}]", "")
        else:
            yield from _docker_problems(str(data[key]), f"data[{key}]")
    for key in _SECRET_KEYS.get(kind, ()):
        if not data.get(key):
            yield FieldProblem.required(f"data[{key}]", "")


def _docker_problems(encoded: str, field: str) -> Problems:
    decoded = base64.b64decode(encoded)
    try:
        json.loads(decoded)
    except (ValueError, RecursionError):
        start = decoded.decode(errors="replace").lstrip()[:1]
        rule = (
            f"invalid character '{start}' looking for beginning of value" if start else "unexpected end of JSON input"
        )
        yield FieldProblem.invalid(field, _REDACTED, rule)


def claim_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a claim of a volume breaks."""
    spec = mapping(obj, "spec")
    yield from claim_spec_problems(spec, "spec")
    if old is not None:
        yield from _claim_update_problems(spec, old)


def claim_spec_problems(spec: JSONObject, path: str) -> Problems:
    """Return which rules the spec of a claim of a volume breaks."""
    modes = texts(spec, "accessModes")
    if not modes:
        yield FieldProblem.required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from label_selector(spec.get("selector"), f"{path}.selector")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield FieldProblem.unsupported(f"{path}.accessModes", mode, _ACCESS_MODES)
    yield from _alone_problems(modes, path)
    storage = mapping(mapping(spec, "resources"), "requests").get("storage")
    if storage is None:
        yield FieldProblem.required(f"{path}.resources[storage]", "")
    elif parse_quantity(str(storage)).value <= 0:
        yield FieldProblem.invalid(f"{path}.resources[storage]", storage, "must be greater than zero")
    if spec.get("storageClassName"):
        yield from subdomain(text(spec, "storageClassName"), f"{path}.storageClassName")
    yield from one_of(spec, "volumeMode", path, ("Block", "Filesystem"))
    yield from _data_source_problems(spec, path)
    if spec.get("volumeAttributesClassName"):
        yield from subdomain(text(spec, "volumeAttributesClassName"), f"{path}.volumeAttributesClassName")


def _data_source_problems(spec: JSONObject, path: str) -> Problems:
    for key in ("dataSource", "dataSourceRef"):
        if key not in spec:
            continue
        field, source = f"{path}.{key}", mapping(spec, key)
        yield from present(source, field, "name", "kind")
        group, namespace = text(source, "apiGroup"), text(source, "namespace")
        if not group and text(source, "kind") != "PersistentVolumeClaim":
            rule = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
            yield FieldProblem.invalid(field, text(source, "kind"), rule)
        if group:
            yield from subdomain(group, f"{field}.apiGroup")
        if namespace and key == "dataSourceRef":
            yield from named(namespace, f"{field}.namespace", NameRule.DNS_LABEL)
    if "dataSource" not in spec or "dataSourceRef" not in spec:
        return
    source, reference, rule = mapping(spec, "dataSource"), mapping(spec, "dataSourceRef"), ""
    if reference.get("namespace"):
        rule = "may not be specified when dataSourceRef.namespace is specified"
    elif any(source.get(key) != reference.get(key) for key in ("apiGroup", "kind", "name")):
        rule = "must match dataSourceRef"
    if rule:
        yield FieldProblem.invalid(path, {}, rule)  # upstream shows a path, of which nothing is public


def _alone_problems(modes: list[str], path: str) -> Problems:
    if "ReadWriteOncePod" in modes and {*modes} & {*_ACCESS_MODES} - {"ReadWriteOncePod"}:
        rule = "may not use ReadWriteOncePod with other access modes"
        yield FieldProblem.forbidden(f"{path}.accessModes", rule)


def _claim_update_problems(spec: JSONObject, old: JSONObject) -> Problems:
    before, bound = with_agreeing_sources(mapping(old, "spec")), text(mapping(old, "status"), "phase") == "Bound"
    changeable = {"volumeAttributesClassName"} if bound else set[str]()
    if not before.get("volumeName"):
        changeable.add("volumeName")  # binding it
    ignored = changeable | ({"resources"} if bound else set[str]())
    if any(spec.get(key) != before.get(key) for key in {*spec, *before} - ignored):
        yield FieldProblem.forbidden("spec", _CLAIM_FIXED)
        return
    requests = (mapping(mapping(item, "resources"), "requests") for item in (spec, before))
    now, then, has = (
        parse_quantity(str(amounts.get("storage", "0"))).value
        for amounts in (*requests, mapping(mapping(old, "status"), "capacity"))
    )
    if now < then and now <= has:
        rule = "field can not be less than status.capacity"
        yield FieldProblem.forbidden("spec.resources.requests.storage", rule)


def volume_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a volume breaks."""
    spec = mapping(obj, "spec")
    modes = texts(spec, "accessModes")
    if not modes:
        yield FieldProblem.required("spec.accessModes", "")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield FieldProblem.unsupported("spec.accessModes", mode, _ACCESS_MODES)
    yield from _alone_problems(modes, "spec")
    yield from _capacity_problems(mapping(spec, "capacity"))
    yield from one_of(spec, "persistentVolumeReclaimPolicy", "spec", ("Delete", "Recycle", "Retain"))
    yield from _volume_source_problems(obj, mapping(old, "spec") if old is not None else spec)
    if mapping(spec, "hostPath").get("path") == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        rule = "may not be 'recycle' for a hostPath mount of '/'"
        yield FieldProblem.forbidden("spec.persistentVolumeReclaimPolicy", rule)
    if spec.get("storageClassName"):
        yield from subdomain(text(spec, "storageClassName"), "spec.storageClassName")
    if "local" in spec and "nodeAffinity" not in spec:
        yield FieldProblem.required("spec.nodeAffinity", "Local volume requires node affinity")
    if "nodeAffinity" in spec:
        affinity = mapping(spec, "nodeAffinity")
        if "required" in affinity:
            yield from node_selector_problems(mapping(affinity, "required"), "spec.nodeAffinity.required")
        else:
            yield FieldProblem.required("spec.nodeAffinity.required", "must specify required node constraints")
    yield from _mount_option_problems(obj)


def _mount_option_problems(obj: JSONObject) -> Problems:
    spec, annotations = mapping(obj, "spec"), mapping(metadata_of(obj), "annotations")
    if _MOUNT_OPTIONS in annotations and _MOUNTED.isdisjoint(spec):
        rule = "may not specify mount options for this volume type"
        yield FieldProblem.forbidden(f"metadata.annotations.{_MOUNT_OPTIONS}", rule)


def _capacity_problems(capacity: JSONObject) -> Problems:
    if not capacity:
        yield FieldProblem.required("spec.capacity", "")
    if set(capacity) != {"storage"}:
        given = "null" if not capacity else json.dumps(capacity, separators=(",", ":"))
        text_ = f'Unsupported value: {given}: supported values: "storage"'
        yield FieldProblem("spec.capacity", "FieldValueNotSupported", text_)
    elif parse_quantity(str(capacity["storage"])).value <= 0:
        yield FieldProblem.invalid("spec.capacity[storage]", capacity["storage"], "must be greater than zero")


_VOLUME_RULES: Mapping[str, Callable[[JSONObject, str], Problems]] = {
    **PERSISTENT_DISKS,
    "hostPath": host_problems,
    "nfs": network_problems,
    "local": local_problems,
    "csi": persistent_driver_problems,
}


def _volume_source_problems(obj: JSONObject, before: JSONObject) -> Problems:
    spec = mapping(obj, "spec")
    found = [*sources(spec, "spec", _VOLUME_SOURCES, what="volume type")]
    for key, problem in found:
        if problem is not None and key != "flexVolume":  # upstream does not count that one
            yield problem
        elif key == "iscsi":
            yield from persistent_iscsi_problems(mapping(spec, key), f"spec.{key}", text_of(metadata_of(obj), "name"))
        else:
            yield from _VOLUME_RULES[key](mapping(spec, key), f"spec.{PATHS.get(key, key)}")
    if not found:
        yield FieldProblem.required("spec", "must specify a volume type")
    yield from one_of(spec, "volumeMode", "spec", ("Block", "Filesystem"))
    if any(spec.get(key) != before.get(key) for key in _VOLUME_SOURCES):
        yield FieldProblem.forbidden(
            "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
        )
    if spec.get("volumeMode") != before.get("volumeMode"):
        yield FieldProblem.invalid("spec.volumeMode", spec.get("volumeMode"), IMMUTABLE)


def storage_class_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a storage class breaks."""
    if old is not None:
        for key in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
            if obj.get(key) != old.get(key):
                yield FieldProblem.invalid(key, None, IMMUTABLE)
        return
    if text(obj, "provisioner"):
        yield from label_key(text(obj, "provisioner").lower(), "provisioner")
    else:
        yield FieldProblem.required("provisioner", "")
    if "" in mapping(obj, "parameters"):
        yield FieldProblem.invalid("parameters", "", "field can not be empty.")
    yield from one_of(obj, "reclaimPolicy", "", ("Delete", "Retain"))
    yield from one_of(obj, "volumeBindingMode", "", ("Immediate", "WaitForFirstConsumer"))
    seen: list[dict[str, set[str]]] = [{}]  # upstream takes one that says nothing for one that is there already
    for field, topology in indexed(obj, "allowedTopologies", ""):
        where = field.removeprefix(".")
        yield from _topology_problems(topology, where)
        values = {text(item, "key"): {*texts(item, "values")} for item in items(topology, "matchLabelExpressions")}
        if values in seen:
            yield duplicate(f"{where}.matchLabelExpressions", "")
        seen.append(values)


def _topology_problems(topology: JSONObject, path: str) -> Problems:
    keys: set[str] = set()
    for field, item in indexed(topology, "matchLabelExpressions", path):
        key, values = text(item, "key"), texts(item, "values")
        if not values:
            yield FieldProblem.required(f"{field}.values", "")
        for position, value in enumerate(values):
            if value in values[:position]:
                yield duplicate(f"{field}.values[{position}]", value)
        yield from label_key(key, f"{field}.key")
        if key in keys:
            yield duplicate(f"{field}.key", key)
        keys.add(key)


def lease_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules a lease breaks."""
    spec = mapping(obj, "spec")
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if isinstance(seconds, int) and seconds <= 0:
        yield FieldProblem.invalid("spec.leaseDurationSeconds", seconds, POSITIVE)
    if isinstance(transitions, int) and transitions < 0:
        yield FieldProblem.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
