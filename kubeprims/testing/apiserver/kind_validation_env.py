"""The rules of the environment of containers.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateEnv``, ``ValidateEnvFrom`` and what they call;
    pkg/apis/core/pods/helpers.go, ``ConvertDownwardAPIFieldLabel``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    config_key,
    indexed,
    label_key,
    named,
    no_way_back,
    not_found,
    present,
    subdomain,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

_NAME = re.compile(r"[ -<>-~]+")
_NAME_RULE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
# What a path may name, but not in the environment.
_OTHER_PATHS = frozenset(
    {"metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"}
)
_SUBSCRIPT = re.compile(r"(?P<path>.+)\['(?P<key>.*)'\]")
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_LARGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_UNITS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_TOO_MANY = "may not have more than one field specified at a time"


def environment_problems(container: JSONObject, path: str) -> Problems:
    """Return what is wrong with the environment of a container."""
    for field, item in indexed(container, "env", path):
        if item.get("name"):
            yield from _name_problems(text(item, "name"), f"{field}.name")
        else:
            yield FieldProblem.required(f"{field}.name", "")
        if "valueFrom" in item:
            yield from _source_problems(item, f"{field}.valueFrom")
    for field, item in indexed(container, "envFrom", path):
        if item.get("prefix"):
            yield from _name_problems(text(item, "prefix"), f"{field}.prefix")
        given = [key for key in ("configMapRef", "secretRef") if key in item]
        for key in given:
            yield from present(mapping(item, key), f"{field}.{key}", "name")
        if len(given) != 1:
            rule = _TOO_MANY if given else "must specify one of: `configMapRef` or `secretRef`"
            yield FieldProblem.invalid(f"{path}.envFrom", "", rule)


def _name_problems(name: str, field: str) -> Problems:
    if not _NAME.fullmatch(name):
        yield FieldProblem.invalid(field, name, _NAME_RULE)


def _source_problems(variable: JSONObject, path: str) -> Problems:
    source = mapping(variable, "valueFrom")
    known = [key for key in _SOURCES if key in source]
    for key in known:
        below, field = mapping(source, key), f"{path}.{key}"
        match key:
            case "fieldRef":
                yield from field_problems(below, field, _PATHS)
            case "resourceFieldRef":
                yield from resource_problems(below, field)
            case "fileKeyRef":
                yield from _file_problems(below, field)
            case _:
                yield from _key_problems(below, field)
    if variable.get("value") and known:
        yield FieldProblem.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(known) != 1:
        rule = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield FieldProblem.invalid(path, "", _TOO_MANY if known else rule)


def field_problems(reference: JSONObject, path: str, allowed: Sequence[str]) -> Problems:
    """Return what is wrong with a reference to a field of the pod; some paths are allowed where it stands."""
    field_path, version = text(reference, "fieldPath"), text(reference, "apiVersion")
    field, match = f"{path}.fieldPath", _SUBSCRIPT.fullmatch(field_path)
    problem = ""
    if not field_path:
        yield FieldProblem.required(field, "")
        return
    if version != "v1":
        problem = f"unsupported pod version: {version}"
    elif match is not None and match["path"] not in {"metadata.annotations", "metadata.labels"}:
        problem = f"field label does not support subscript: {field_path}"
    elif match is None and field_path not in {*_PATHS, *_OTHER_PATHS}:
        problem = f"field label not supported: {field_path}"
    if problem:
        yield FieldProblem.invalid(field, field_path, f"error converting fieldPath: {problem}")
    elif match is not None:
        yield from label_key(match["key"].lower() if match["path"] == "metadata.annotations" else match["key"], path)
    elif (known := field_path.replace("spec.host", "spec.nodeName")) not in allowed:  # as that was called once
        yield FieldProblem.unsupported(field, known, allowed)


def resource_problems(reference: JSONObject, path: str) -> Problems:
    """Return what is wrong with a reference to what a container claims."""
    resource, divisor = text(reference, "resource"), text(reference, "divisor")
    is_large_pages = resource.startswith(_LARGE_PAGES)
    if not resource:
        yield FieldProblem.required(f"{path}.resource", "")
    elif resource not in _RESOURCES and not is_large_pages:
        yield FieldProblem.unsupported(f"{path}.resource", resource, _RESOURCES)
    what = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(
        resource.partition(".")[2] if resource in _RESOURCES else "", "hugepages" if is_large_pages else ""
    )
    units = ("1m", "1") if what == "cpu" else _UNITS
    if what and divisor not in {"", "0", *units}:
        allowed = "1m and 1" if what == "cpu" else ", ".join(_UNITS)
        rule = f"only divisor's values {allowed} are supported with the {what} resource"
        yield FieldProblem.invalid(f"{path}.divisor", resource, rule)


def _key_problems(reference: JSONObject, path: str) -> Problems:
    yield from subdomain(text(reference, "name"), f"{path}.name")
    if reference.get("key"):
        yield from config_key(text(reference, "key"), f"{path}.key")
    else:
        yield FieldProblem.required(f"{path}.key", "")


def _file_problems(reference: JSONObject, path: str) -> Problems:
    key, volume, place = (text(reference, name) for name in ("key", "volumeName", "path"))
    if key:
        yield from _name_problems(key, f"{path}.key")
    else:
        yield FieldProblem.required(f"{path}.key", "")
    if volume:
        yield from named(volume, f"{path}.volumeName", NameRule.DNS_LABEL)
    else:
        yield FieldProblem.required(f"{path}.volumeName", "")
    if place:
        yield from no_way_back(place, f"{path}.path")
    else:
        yield FieldProblem.required(f"{path}.path", "")


def file_volume_problems(spec: JSONObject, path: str) -> Problems:
    """Files that are read into the environment are in volumes that begin empty."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for where, container in indexed(spec, key, path):
            for field, item in indexed(container, "env", where):
                if "valueFrom" in item and "fileKeyRef" in mapping(item, "valueFrom"):
                    name = text(mapping(mapping(item, "valueFrom"), "fileKeyRef"), "volumeName")
                    yield from _file_volume_problems(spec, name, f"{field}.valueFrom.fileKeyRef.volumeName")


def _file_volume_problems(spec: JSONObject, name: str, field: str) -> Problems:
    found = [volume for volume in items(spec, "volumes") if text(volume, "name") == name]
    if not found:
        yield not_found(field, name)
    elif "emptyDir" not in found[-1]:
        yield FieldProblem.invalid(field, name, "referenced volume must be of type emptyDir")
