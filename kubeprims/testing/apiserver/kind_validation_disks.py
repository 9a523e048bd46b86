"""The rules of the volumes that one storage system has, for pods and for persistent volumes.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validateISCSIVolumeSource`` and those beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.kind_rules import Problems, named, number, one_of, present, subdomain, texts
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

_Rule = Callable[[JSONObject, str], Problems]

_NUMBER_MAX = 255
_PORTAL_BYTES_MAX = 64
_TENANT_BYTES_MAX = 64
_INITIATORS = {
    "iqn": re.compile(r"iqn\.[0-9]{4}-[0-9]{2}\.[a-zA-Z0-9.-]+:[^,;*&$|\t\n\f\r ]+"),
    "eui": re.compile(r"eui.[a-zA-Z0-9]{16}"),
    "naa": re.compile(r"naa.[a-zA-Z0-9]{32}"),
}
_PORTAL_RULE = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
    "specified."
)
_PAIRS_RULE = "must be a host:port pair or multiple pairs separated by commas"
_PAIR = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*")
_MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def requiring(*keys: str) -> _Rule:
    """Return the rule of a volume whose only rule is that these are there."""

    def problems(source: JSONObject, path: str) -> Problems:
        return present(source, path, *keys)

    return problems


def _in_range(source: JSONObject, path: str, key: str, shown_min: int) -> Problems:
    value = number(source, key)
    if value is not None and not 0 <= value <= _NUMBER_MAX:
        yield FieldProblem.invalid(f"{path}.{key}", value, f"must be between {shown_min} and {_NUMBER_MAX}, inclusive")


def _partition_problems(identity: str) -> _Rule:
    def problems(source: JSONObject, path: str) -> Problems:
        yield from present(source, path, identity)
        yield from _in_range(source, path, "partition", 1)

    return problems


def portal_problems(source: JSONObject, volume_name: str, field: str, shown: str) -> Problems:
    """Return what is wrong with the length of what the name of an iSCSI interface is made of."""
    portal = f"{volume_name}:{text(source, 'targetPortal')}"
    if "initiatorName" in source and len(portal.encode()) > _PORTAL_BYTES_MAX:
        yield FieldProblem.invalid(field, shown, _PORTAL_RULE)


def iscsi_problems(source: JSONObject, path: str) -> Problems:
    """Return what is wrong with a disk of iSCSI in a pod."""
    yield from present(source, path, "targetPortal")
    yield from _iscsi_problems(source, path, "must be valid format starting with iqn, eui, or naa")


def persistent_iscsi_problems(source: JSONObject, path: str, volume_name: str) -> Problems:
    """Return what is wrong with a persistent disk of iSCSI."""
    yield from present(source, path, "targetPortal")
    yield from portal_problems(source, volume_name, f"{path}.targetportal", text(source, "targetPortal"))
    yield from _iscsi_problems(source, path, "must be valid format", *_secret_problems("name")(source, path))


def _iscsi_problems(source: JSONObject, path: str, unknown: str, *of_secret: FieldProblem) -> Problems:
    if text(source, "iqn"):
        yield from _initiator_problems(text(source, "iqn"), f"{path}.iqn", unknown)
    else:
        yield FieldProblem.required(f"{path}.iqn", "")
    yield from _in_range(source, path, "lun", 0)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and "secretRef" not in source:
        yield FieldProblem.required(f"{path}.secretRef", "")
    yield from of_secret
    if "initiatorName" in source:
        yield from _initiator_problems(text(source, "initiatorName"), f"{path}.initiatorname", unknown)


def _initiator_problems(name: str, field: str, unknown: str) -> Problems:
    form = _INITIATORS.get(name[:3])
    if form is None:
        yield FieldProblem.invalid(field, name, unknown)
    elif not (form.search(name) if name.startswith("iqn") else form.fullmatch(name)):
        yield FieldProblem.invalid(field, name, "must be valid format")


def _secret_problems(*keys: str) -> _Rule:
    """Return the rule of a secret that is named by its name, or by its namespace too."""

    def problems(source: JSONObject, path: str) -> Problems:
        if "secretRef" in source:
            yield from present(mapping(source, "secretRef"), f"{path}.secretRef", *keys)

    return problems


def secret_reference_problems(source: JSONObject, path: str, *keys: str) -> Problems:
    """Return what is wrong with the secrets of a driver."""
    for key in keys:
        if key not in source:
            continue
        secret, field = mapping(source, key), f"{path}.{key}"
        yield from present(secret, field, "name")
        if text(secret, "name"):
            yield from subdomain(text(secret, "name"), f"{field}.name")
        yield from present(secret, field, "namespace")
        if text(secret, "namespace"):
            yield from named(text(secret, "namespace"), f"{field}.namespace", NameRule.DNS_LABEL)


def _fibre_problems(source: JSONObject, path: str) -> Problems:
    targets, wide = texts(source, "targetWWNs"), texts(source, "wwids")
    if not targets and not wide:
        rule = "must specify either targetWWNs or wwids, but not both"
        yield FieldProblem.required(f"{path}.targetWWNs", rule)
    if targets and wide:
        rule = "targetWWNs and wwids can not be specified simultaneously"
        yield FieldProblem.invalid(f"{path}.targetWWNs", [*targets], rule)
    if targets and "lun" not in source:
        yield FieldProblem.required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif targets:
        yield from _in_range(source, path, "lun", 0)


def _gluster_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "endpoints", "path")
    if "endpointsNamespace" in source:
        field, namespace = f"{path}.endpointsNamespace", text(source, "endpointsNamespace")
        if namespace:
            yield from named(namespace, field, NameRule.DNS_LABEL)
        else:
            rule = "if the endpointnamespace is set, it must be a valid namespace name"
            yield FieldProblem.invalid(field, namespace, rule)


def _flocker_problems(source: JSONObject, path: str) -> Problems:
    name, uuid = text(source, "datasetName"), text(source, "datasetUUID")
    if not name and not uuid:
        yield FieldProblem.required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield FieldProblem.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield FieldProblem.invalid(f"{path}.datasetName", name, "must not contain '/'")


def _quobyte_problems(source: JSONObject, path: str) -> Problems:
    registry = text(source, "registry")
    if not registry:
        yield FieldProblem.required(f"{path}.registry", _PAIRS_RULE)
    elif len(text(source, "tenant").encode()) > _TENANT_BYTES_MAX:
        rule = f"must be a UUID and may not exceed a length of {_TENANT_BYTES_MAX} characters"
        yield FieldProblem.required(f"{path}.tenant", rule)
    else:
        for pair in registry.split(","):
            if not _PAIR.fullmatch(pair):
                yield FieldProblem.invalid(f"{path}.registry", registry, _PAIRS_RULE)
    yield from present(source, path, "volume")


def _azure_disk_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "diskName", "diskURI")
    yield from one_of(source, "cachingMode", path, ("None", "ReadOnly", "ReadWrite"))
    yield from one_of(source, "kind", path, ("Dedicated", "Managed", "Shared"))
    place, is_managed = text(source, "diskURI"), source.get("kind") == "Managed"
    if not place.startswith("/subscriptions/" if is_managed else "https://"):
        yield FieldProblem.unsupported(f"{path}.diskURI", place, (_MANAGED_DISK if is_managed else _BLOB_DISK,))


def _persistent_azure_file_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "secretName", "shareName")
    if source.get("secretNamespace") == "":
        yield FieldProblem.required(f"{path}.secretNamespace", "")


def _flex_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "driver")
    for key in sorted(mapping(source, "options")):
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            rule = "kubernetes.io and k8s.io namespaces are reserved"
            yield FieldProblem.invalid(f"{path}.options[{key}]", key, rule)


def _cinder_problems(*keys: str) -> _Rule:
    def problems(source: JSONObject, path: str) -> Problems:
        yield from present(source, path, "volumeID")
        yield from _secret_problems(*keys)(source, path)

    return problems


def _storage_os_problems(*keys: str) -> _Rule:
    def problems(source: JSONObject, path: str) -> Problems:
        yield from present(source, path, "volumeName")
        for key in filter(source.get, ("volumeName", "volumeNamespace")):
            yield from named(text(source, key), f"{path}.{key}", NameRule.DNS_LABEL)
        yield from _secret_problems(*keys)(source, path)

    return problems


_DISKS: Mapping[str, _Rule] = {
    "gcePersistentDisk": _partition_problems("pdName"),
    "awsElasticBlockStore": _partition_problems("volumeID"),
    "glusterfs": _gluster_problems,
    "flocker": _flocker_problems,
    "rbd": requiring("monitors", "image"),
    "cephfs": requiring("monitors"),
    "quobyte": _quobyte_problems,
    "fc": _fibre_problems,
    "flexVolume": _flex_problems,
    "vsphereVolume": requiring("volumePath"),
    "photonPersistentDisk": requiring("pdID"),
    "portworxVolume": requiring("volumeID"),
    "azureDisk": _azure_disk_problems,
    "scaleIO": requiring("gateway", "system", "volumeName"),
}
POD_DISKS: Mapping[str, _Rule] = {
    **_DISKS,
    "iscsi": iscsi_problems,
    "cinder": _cinder_problems("name"),
    "azureFile": requiring("secretName", "shareName"),
    "storageos": _storage_os_problems("name"),
}
"""The rules of what pods have, by the member of a volume."""

PERSISTENT_DISKS: Mapping[str, _Rule] = {
    **_DISKS,
    "cinder": _cinder_problems("name", "namespace"),
    "azureFile": _persistent_azure_file_problems,
    "storageos": _storage_os_problems("name", "namespace"),
}
"""The rules of what persistent volumes have, by the member of their spec; those of iSCSI take its name too."""

PATHS: Mapping[str, str] = {"gcePersistentDisk": "persistentDisk"}
"""What upstream calls a member in its messages, where that is another name than the member's own."""
