"""The rules of what containers see of volumes.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateVolumeMounts`` and ``ValidateVolumeDevices``.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    indexed,
    no_way_back,
    not_found,
    one_of,
    relative_path,
)
from kubeprims.testing.apiserver.status import FieldProblem

Volumes = Mapping[str, JSONObject]
"""The volumes of a pod that have no problem, by name."""

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY = ("Disabled", "Enabled", "IfPossible")
_BLOCKS = frozenset({"persistentVolumeClaim", "ephemeral"})


def mount_problems(container: JSONObject, path: str, volumes: Volumes) -> Problems:
    """Return what is wrong with the mounts and the devices of a container."""
    mounts = {text(item, "name"): text(item, "mountPath") for item in items(container, "volumeMounts")}
    devices = {text(item, "name"): text(item, "devicePath") for item in items(container, "volumeDevices")}
    places: set[str] = set()
    for field, item in indexed(container, "volumeMounts", path):
        name, place = text(item, "name"), text(item, "mountPath")
        if not name:
            yield FieldProblem.required(f"{field}.name", "")
        if name not in volumes:
            yield not_found(f"{field}.name", name)
        if not place:
            yield FieldProblem.required(f"{field}.mountPath", "")
        if place in places:
            yield FieldProblem.invalid(f"{field}.mountPath", place, "must be unique")
        places.add(place)
        yield from _overlap_problems(name, place, devices, field, ("mountPath", "volumeDevices"))
        yield from _option_problems(container, item, field, f"{path}.volumeMounts")
    yield from _device_problems(container, path, volumes, mounts)


def _overlap_problems(name: str, place: str, others: Mapping[str, str], field: str, what: tuple[str, str]) -> Problems:
    key, other = what
    if name in others:
        yield FieldProblem.invalid(f"{field}.name", name, f"must not already exist in {other}")
    if place in others.values():
        yield FieldProblem.invalid(f"{field}.{key}", place, f"must not already exist as a path in {other}")


def _option_problems(container: JSONObject, mount: JSONObject, field: str, path: str) -> Problems:
    """Return what is wrong with how a volume is mounted; upstream does not say which mount it is."""
    below, expression = text(mount, "subPath"), text(mount, "subPathExpr")
    if below:
        yield from relative_path(below, f"{path}.subPath")
    if expression:
        if below:
            rule = "subPathExpr and subPath are mutually exclusive"
            yield FieldProblem.invalid(f"{field}.subPathExpr", expression, rule)
        yield from relative_path(expression, f"{path}.subPathExpr")
    propagation = text(mount, "mountPropagation")
    yield from one_of(mount, "mountPropagation", path, _PROPAGATIONS)
    if propagation == "Bidirectional" and not mapping(container, "securityContext").get("privileged"):
        rule = "Bidirectional mount propagation is available only to privileged containers"
        yield FieldProblem.forbidden(f"{path}.mountPropagation", rule)
    yield from one_of(mount, "recursiveReadOnly", path, _READ_ONLY)
    if text(mount, "recursiveReadOnly") in {"Enabled", "IfPossible"}:
        only = f"{path}.recursiveReadOnly"
        if not mount.get("readOnly"):
            yield FieldProblem.forbidden(only, "may only be specified when readOnly is true")
        if propagation not in {"", "None"}:
            yield FieldProblem.forbidden(only, "may only be specified when mountPropagation is None or not specified")


def _device_problems(container: JSONObject, path: str, volumes: Volumes, mounts: Mapping[str, str]) -> Problems:
    names: set[str] = set()
    places: set[str] = set()
    for field, item in indexed(container, "volumeDevices", path):
        name, place = text(item, "name"), text(item, "devicePath")
        if not name:
            yield FieldProblem.required(f"{field}.name", "")
        if name in names:
            yield FieldProblem.invalid(f"{field}.name", name, "must be unique")
        if name not in volumes:
            yield not_found(f"{field}.name", name)
        elif not _BLOCKS & volumes[name].keys():
            rule = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield FieldProblem.invalid(f"{field}.name", name, rule)
        if not place:
            yield FieldProblem.required(f"{field}.devicePath", "")
        if place in places:
            yield FieldProblem.invalid(f"{field}.devicePath", place, "must be unique")
        if [*no_way_back(place, field)]:
            yield FieldProblem.invalid(f"{field}.devicePath", place, "can not contain backsteps ('..')")
        else:
            places.add(place)
        yield from _overlap_problems(name, place, mounts, field, ("devicePath", "volumeMounts"))
        names.update(filter(None, [name]))
