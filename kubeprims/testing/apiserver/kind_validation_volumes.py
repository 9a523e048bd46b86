"""The rules of the volumes of pods.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateVolumes`` and what it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    duplicate,
    indexed,
    label_key,
    labels,
    named,
    number,
    one_of,
    present,
    relative_path,
    sources,
    subdomain,
)
from kubeprims.testing.apiserver.kind_validation_disks import PATHS, POD_DISKS, portal_problems
from kubeprims.testing.apiserver.kind_validation_env import field_problems, resource_problems
from kubeprims.testing.apiserver.kind_validation_projections import (
    TWICE,
    certificate_file_problems,
    certificate_problems,
    reserved_place_problems,
    trust_bundle_problems,
    twice_problems,
)
from kubeprims.testing.apiserver.kind_validation_sources import driver_problems, host_problems, network_problems
from kubeprims.testing.apiserver.kind_validation_storage import claim_spec_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.quantities import parse_quantity
from kubeprims.testing.apiserver.status import FieldProblem

_SORTS = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)
_MODE_MAX = 0o777
_MODE_RULE = "must be a number between 0 and 0777 (octal), both inclusive"
_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_TOKEN_S_MIN, _TOKEN_S_MAX = 600, 1 << 32


def volume_problems(volume: JSONObject, path: str, names: Mapping[str, JSONObject]) -> Problems:
    """Return what is wrong with a volume of a pod, beside others of these names."""
    for key, problem in sources(volume, path, _SORTS, what="volume type"):
        if problem is not None:
            yield problem
        elif rule := _RULES.get(key):
            yield from rule(mapping(volume, key), f"{path}.{PATHS.get(key, key)}")
    name = text(volume, "name")
    yield from portal_problems(mapping(volume, "iscsi"), name, f"{path}.name", name)
    if not name:
        yield FieldProblem.required(f"{path}.name", "")
        return
    yield from named(name, f"{path}.name", NameRule.DNS_LABEL)
    if name in names:
        yield duplicate(f"{path}.name", name)


def made_claim_problems(spec: JSONObject, volume: JSONObject, path: str, pod_name: str | None) -> Problems:
    """A claim that is made for one volume of a pod is not to be named by another one."""
    claim = text(mapping(volume, "persistentVolumeClaim"), "claimName")
    if not claim or not pod_name:
        return
    made = {f"{pod_name}-{text(item, 'name')}" for item in items(spec, "volumes") if "ephemeral" in item}
    if claim in made:
        rule = "must not reference a PVC that gets created for an ephemeral volume"
        yield FieldProblem.invalid(f"{path}.persistentVolumeClaim.claimName", claim, rule)


def _empty_problems(source: JSONObject, path: str) -> Problems:
    if "sizeLimit" in source and parse_quantity(str(source["sizeLimit"])).value < 0:
        yield FieldProblem.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _repository_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "repository")
    yield from relative_path(text(source, "directory"), f"{path}.directory")


def _secret_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "secretName")
    yield from _key_problems(source, path)


def _config_map_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "name")
    yield from _key_problems(source, path)


def _key_problems(source: JSONObject, path: str) -> Problems:
    """Return what is wrong with where the values of a secret or of a config map go."""
    yield from _mode_problems(source, path, "defaultMode")
    for field, item in indexed(source, "items", path):
        yield from present(item, field, "key", "path")
        yield from reserved_place_problems(text(item, "path"), f"{field}.path")
        yield from _mode_problems(item, field, "mode")


def _mode_problems(holder: JSONObject, path: str, key: str) -> Problems:
    mode = number(holder, key)
    if mode is not None and not 0 <= mode <= _MODE_MAX:
        yield FieldProblem.invalid(f"{path}.{key}", mode, _MODE_RULE)


def _claim_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "claimName")


def _field_file_problems(source: JSONObject, path: str) -> Problems:
    yield from _mode_problems(source, path, "defaultMode")
    for item in items(source, "items"):
        yield from _one_field_file_problems(item, path)  # upstream does not say which


def _one_field_file_problems(item: JSONObject, path: str) -> Problems:
    yield from present(item, path, "path")
    yield from reserved_place_problems(text(item, "path"), f"{path}.path")
    if "fieldRef" in item:
        yield from field_problems(mapping(item, "fieldRef"), f"{path}.fieldRef", _FIELDS)
        if "resourceFieldRef" in item:
            rule = "fieldRef and resourceFieldRef can not be specified simultaneously"
            yield FieldProblem.invalid(path, "resource", rule)
    elif "resourceFieldRef" in item:
        reference = mapping(item, "resourceFieldRef")
        if reference.get("containerName"):
            yield from resource_problems(reference, f"{path}.resourceFieldRef")
        else:
            yield FieldProblem.required(f"{path}.resourceFieldRef.containerName", "")
    else:
        yield FieldProblem.required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _mode_problems(item, path, "mode")


def _driver_problems(source: JSONObject, path: str) -> Problems:
    yield from driver_problems(source, path)
    if "nodePublishSecretRef" in source:
        name = text(mapping(source, "nodePublishSecretRef"), "name")
        if name:
            yield from subdomain(name, f"{path}.name")
        else:
            yield FieldProblem.required(f"{path}.nodePublishSecretRef.name", "")


def _made_problems(source: JSONObject, path: str) -> Problems:
    field = f"{path}.volumeClaimTemplate"
    if "volumeClaimTemplate" not in source:
        yield FieldProblem.required(field, "")
        return
    template = mapping(source, "volumeClaimTemplate")
    metadata = mapping(template, "metadata")
    for key in sorted(mapping(metadata, "annotations")):
        yield from label_key(key.lower(), f"{field}.metadata.annotations")
    yield from labels(metadata, "labels", f"{field}.metadata")
    yield from claim_spec_problems(mapping(template, "spec"), f"{field}.spec")


def _image_problems(source: JSONObject, path: str) -> Problems:
    yield from present(source, path, "reference")
    yield from one_of(source, "pullPolicy", path, ("Always", "IfNotPresent", "Never"))


def _projection_problems(source: JSONObject, path: str) -> Problems:
    yield from _mode_problems(source, path, "defaultMode")
    places: set[str] = set()
    for field, item in indexed(source, "sources", path):
        for key in ("secret", "configMap"):
            below = mapping(item, key)
            if key in item:
                yield from _config_map_problems(below, f"{field}.{key}")
            yield from _twice_problems(below, places, path, text(below, "name"))
        for file in items(mapping(item, "downwardAPI"), "items"):
            yield from _one_field_file_problems(file, f"{field}.downwardAPI")
        yield from _twice_problems(mapping(item, "downwardAPI"), places, path, None)
        if "serviceAccountToken" in item:
            yield from _token_problems(mapping(item, "serviceAccountToken"), f"{field}.serviceAccountToken", path)
        if "clusterTrustBundle" in item:
            bundle = mapping(item, "clusterTrustBundle")
            yield from trust_bundle_problems(bundle, f"{field}.clusterTrustBundle")
            yield from twice_problems(text(bundle, "path"), places, path)
        if "podCertificate" in item:
            certificate, own = mapping(item, "podCertificate"), f"{field}.podCertificate"
            yield from certificate_problems(certificate, own)
            yield from certificate_file_problems(certificate, own, path, places)
        if len(item) > 1:
            yield FieldProblem.forbidden(field, "may not specify more than 1 volume type per source")


def _twice_problems(source: JSONObject, places: set[str], path: str, shown: JSONValue) -> Problems:
    """Two files have two places; what is shown as wrong is a name, or else the place."""
    for place in _places(source):
        if place in places:
            yield FieldProblem.invalid(path, place if shown is None else shown, TWICE)
        places.add(place)


def _places(source: JSONObject) -> Iterator[str]:
    return filter(None, (text(item, "path") for item in items(source, "items")))


def _token_problems(token: JSONObject, path: str, volume_path: str) -> Problems:
    seconds, place = number(token, "expirationSeconds") or 0, text(token, "path")
    if seconds < _TOKEN_S_MIN:
        rule = "may not specify a duration less than 10 minutes"
        yield FieldProblem.invalid(f"{path}.expirationSeconds", seconds, rule)
    if seconds > _TOKEN_S_MAX:
        rule = "may not specify a duration larger than 2^32 seconds"
        yield FieldProblem.invalid(f"{path}.expirationSeconds", seconds, rule)
    if place:
        yield from reserved_place_problems(place, f"{volume_path}.path")
    else:
        yield FieldProblem.required(f"{volume_path}.path", "")


_RULES: Mapping[str, Callable[[JSONObject, str], Problems]] = {
    **POD_DISKS,
    "emptyDir": _empty_problems,
    "hostPath": host_problems,
    "gitRepo": _repository_problems,
    "secret": _secret_problems,
    "configMap": _config_map_problems,
    "nfs": network_problems,
    "persistentVolumeClaim": _claim_problems,
    "downwardAPI": _field_file_problems,
    "csi": _driver_problems,
    "ephemeral": _made_problems,
    "image": _image_problems,
    "projected": _projection_problems,
}
