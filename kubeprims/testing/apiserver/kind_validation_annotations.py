"""The rules of the annotations of pods that say what fields came to say later, and of a few that have no field.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidatePodSpecificAnnotations`` and
    ``validateAppArmorAnnotationsAndFieldsMatchOnCreate``; pkg/registry/core/pod/strategy.go,
    ``applyAppArmorVersionSkew``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import INT32_MAX, Problems, indexed, relative_path
from kubeprims.testing.apiserver.metadata import metadata_of
from kubeprims.testing.apiserver.status import FieldProblem, quoted

_MIRROR = "kubernetes.io/config.mirror"
_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
"""The annotation that names the seccomp profile of a pod."""

SECCOMP = "container.seccomp.security.alpha.kubernetes.io/"
"""What begins the annotation that names that of a container."""

APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
"""What begins the annotation that names the AppArmor profile of a container."""

_LOCAL = "localhost/"
_DEFAULTS = ("runtime/default", "docker/default")
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_WHOLE_NUMBER = re.compile("0|-?[1-9][0-9]*|-0[0-9]*")


def annotation_problems(annotations: JSONObject, spec: JSONObject, path: str) -> Problems:
    """Return what is wrong with the annotations of a pod with that spec."""
    if _MIRROR in annotations and not spec.get("nodeName"):
        rule = "must set spec.nodeName if mirror pod annotation is set"
        yield FieldProblem.invalid(f"{path}[{_MIRROR}]", annotations[_MIRROR], rule)
    cost = text(annotations, _COST)
    if _COST in annotations and not (_WHOLE_NUMBER.fullmatch(cost) and -INT32_MAX - 1 <= int(cost) <= INT32_MAX):
        yield FieldProblem.invalid(f"{path}[{_COST}]", cost, "must be a 32bit integer")
    if SECCOMP_POD in annotations:
        yield from _seccomp_problems(text(annotations, SECCOMP_POD), f"{path}.{SECCOMP_POD}")
    for key in sorted(annotations):
        if key.startswith(SECCOMP):
            yield from _seccomp_problems(text(annotations, key), f"{path}.{key}")
    names = {text(container, "name") for part in _CONTAINERS for container in items(spec, part)}
    for key in sorted(annotations):
        name, profile = key.removeprefix(APP_ARMOR), text(annotations, key)
        if name == key:
            continue
        if name not in names:
            yield FieldProblem.invalid(f"{path}[{key}]", name, "container not found")
        if profile not in {"", "runtime/default", "unconfined"} and not profile.startswith(_LOCAL):
            yield FieldProblem.invalid(f"{path}[{key}]", profile, f"invalid AppArmor profile name: {quoted(profile)}")


def _seccomp_problems(profile: str, field: str) -> Problems:
    if profile.startswith(_LOCAL):
        yield from relative_path(profile.removeprefix(_LOCAL), field)
    elif profile not in {"unconfined", *_DEFAULTS}:
        yield FieldProblem.invalid(field, profile, "must be a valid seccomp profile")


def annotation_update_problems(pod: JSONObject, old: JSONObject) -> Problems:
    """Return which annotations of a pod may not be what they have become."""
    now, before = (mapping(metadata_of(item), "annotations") for item in (pod, old))
    for what, keys in (("remove or update", before), ("add", {key: now[key] for key in now if key not in before})):
        for key in sorted(keys):
            if what == "remove or update" and now.get(key) == before[key]:
                continue
            if key.startswith(APP_ARMOR):
                yield FieldProblem.forbidden(f"metadata.annotations[{key}]", f"may not {what} AppArmor annotations")
            if key == _MIRROR:
                yield FieldProblem.forbidden(f"metadata.annotations[{key}]", f"may not {what} mirror pod annotation")


def clash_problems(annotations: JSONObject, spec: JSONObject, path: str) -> Problems:
    """Return which annotations of a new pod say something else than its fields."""
    whole = mapping(spec, "securityContext")
    if "seccompProfile" in whole and SECCOMP_POD in annotations:
        profile = mapping(whole, "seccompProfile")
        yield from _clash(profile, annotations[SECCOMP_POD], f"{path}.securityContext.seccompProfile", "seccomp")
    for field, own, name in _contexts(spec, path):
        if "seccompProfile" in own and f"{SECCOMP}{name}" in annotations:
            given = annotations[f"{SECCOMP}{name}"]
            yield from _clash(mapping(own, "seccompProfile"), given, f"{field}.seccompProfile", "seccomp")
    if mapping(spec, "os").get("name") == "windows":
        return
    for field, own, name in _contexts(spec, path):
        profile = mapping(own, "appArmorProfile") or mapping(whole, "appArmorProfile")
        if profile and f"{APP_ARMOR}{name}" in annotations:
            yield from _clash(profile, annotations[f"{APP_ARMOR}{name}"], f"{field}.appArmorProfile", "apparmor")


def _contexts(spec: JSONObject, path: str) -> Iterator[tuple[str, JSONObject, str]]:
    for part in _CONTAINERS:
        for field, container in indexed(spec, part, path):
            yield f"{field}.securityContext", mapping(container, "securityContext"), text(container, "name")


def _clash(profile: JSONObject, given: JSONValue, field: str, what: str) -> Problems:
    annotation, kind = str(given), text(profile, "type")
    expected = {
        "Unconfined": ("unconfined",),
        "RuntimeDefault": _DEFAULTS if what == "seccomp" else _DEFAULTS[:1],
    }
    if kind == "Localhost" and annotation.startswith(_LOCAL):
        if annotation.removeprefix(_LOCAL) != profile.get("localhostProfile"):
            yield FieldProblem.forbidden(
                f"{field}.localhostProfile", f"{what} profile in annotation and field must match"
            )
    elif kind == "Localhost" or annotation not in expected.get(kind, (annotation,)):
        yield FieldProblem.forbidden(f"{field}.type", f"{what} type in annotation and field must match")


def with_annotated_profiles(pod: JSONObject) -> JSONObject:
    """Return a new pod whose containers have the AppArmor profiles that its annotations name for them."""
    annotations, spec = mapping(metadata_of(pod), "annotations"), mapping(pod, "spec")
    if mapping(spec, "os").get("name") == "windows" or not any(key.startswith(APP_ARMOR) for key in annotations):
        return pod
    whole = mapping(spec, "securityContext").get("appArmorProfile")
    made: JSONObject = {**spec}
    for part in filter(spec.__contains__, _CONTAINERS):
        containers: list[JSONValue] = [_with_profile(container, annotations, whole) for container in items(spec, part)]
        made[part] = containers
    return {**pod, "spec": made}


def old_profile_warnings(pod: JSONObject) -> Iterator[str]:
    """Yield which annotations of a new pod, as it is stored, said what fields say now, and no client did."""
    annotations, spec = mapping(metadata_of(pod), "annotations"), mapping(pod, "spec")
    if mapping(spec, "os").get("name") == "windows":
        return
    owned = [mapping(mapping(entry, "fieldsV1"), "f:spec") for entry in items(metadata_of(pod), "managedFields")]
    for part in _CONTAINERS:
        for container in items(spec, part):
            name = text(container, "name")
            key = f"{APP_ARMOR}{name}"
            if key not in annotations:
                continue
            own = (mapping(mapping(fields, f"f:{part}"), f"k:{quoted({'name': name})}") for fields in owned)
            if any("f:appArmorProfile" in mapping(fields, "f:securityContext") for fields in own):
                continue
            if "appArmorProfile" in mapping(container, "securityContext") or not profile_of(text(annotations, key)):
                field = f"metadata.annotations[{key}]"
                yield f'{field}: deprecated since v1.30; use the "appArmorProfile" field instead'


def _with_profile(container: JSONObject, annotations: JSONObject, whole: JSONValue) -> JSONObject:
    profile = profile_of(text(annotations, f"{APP_ARMOR}{text(container, 'name')}"))
    context = mapping(container, "securityContext")
    if not profile or profile == whole or "appArmorProfile" in context:
        return container
    return {**container, "securityContext": {**context, "appArmorProfile": profile}}


def profile_of(annotation: str) -> JSONObject:
    """Return the profile that an annotation stands for; nothing if it is none."""
    local = annotation.removeprefix(_LOCAL)
    match annotation:
        case "unconfined":
            return {"type": "Unconfined"}
        case "runtime/default":
            return {"type": "RuntimeDefault"}
        case _ if annotation.startswith(_LOCAL) and local and local == local.strip():
            return {"type": "Localhost", "localhostProfile": local}
        case _:
            return {}
