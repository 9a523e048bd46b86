"""The rules of who containers and pods run as, and of what they may do.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateSecurityContext`` and
    ``validatePodSpecSecurityContext``; component-helpers node/util/sysctl/namespace.go.
"""

from __future__ import annotations

import re

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    INT32_MAX,
    Problems,
    duplicate,
    indexed,
    one_of,
    relative_path,
    texts,
    too_long,
)
from kubeprims.testing.apiserver.kind_validation_systems import windows_option_problems
from kubeprims.testing.apiserver.status import FieldProblem

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_PROFILE_BYTES_MAX = 4095
_SYSCTL_BYTES_MAX = 253
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_PATTERN = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_SYSCTL = re.compile(_SYSCTL_PATTERN)
_IPC_SYSCTLS = frozenset(
    {
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.shm",
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.msg",
    }
)
_SHOWN = {
    "Capabilities": "capabilities",
    "Privileged": "privileged",
    "SELinuxOptions": "seLinuxOptions",
    "WindowsOptions": "windowsOptions",
    "RunAsUser": "runAsUser",
    "RunAsGroup": "runAsGroup",
    "RunAsNonRoot": "runAsNonRoot",
    "ReadOnlyRootFilesystem": "readOnlyRootFilesystem",
    "AllowPrivilegeEscalation": "allowPrivilegeEscalation",
    "ProcMount": "procMount",
    "SeccompProfile": "seccompProfile",
    "AppArmorProfile": "appArmorProfile",
}


def container_security_problems(context: JSONObject, path: str, spec: JSONObject) -> Problems:
    """Return what is wrong with what a container of a pod may do."""
    yield from _id_problems(context, path, "runAsUser", "runAsGroup")
    mount = text(context, "procMount")
    yield from one_of(context, "procMount", path, ("Default", "Unmasked"))
    if mount == "Unmasked" and spec.get("hostUsers") is not False:
        yield FieldProblem.invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp_problems(context, f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        clash = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            yield FieldProblem.invalid(path, _shown(context), f"{clash}`privileged` to true")
        if "CAP_SYS_ADMIN" in texts(mapping(context, "capabilities"), "add"):
            yield FieldProblem.invalid(path, _shown(context), f"{clash}`capabilities.Add` CAP_SYS_ADMIN")
    yield from _shared_problems(context, path)


def pod_security_problems(spec: JSONObject, path: str) -> Problems:
    """Return what is wrong with what all containers of a pod may do."""
    context = mapping(spec, "securityContext")
    yield from _id_problems(context, path, "fsGroup", "runAsUser", "runAsGroup")
    groups = context.get("supplementalGroups")
    for position, group in enumerate(groups if isinstance(groups, list) else ()):
        yield from _one_id_problems(group, f"{path}.supplementalGroups[{position}]")
    yield from _sysctl_problems(context, path, spec)
    yield from one_of(context, "fsGroupChangePolicy", path, ("Always", "OnRootMismatch"))
    yield from _seccomp_problems(context, f"{path}.seccompProfile")
    yield from _shared_problems(context, path)
    yield from one_of(context, "supplementalGroupsPolicy", path, ("Merge", "Strict"))
    yield from one_of(context, "seLinuxChangePolicy", path, ("MountOption", "Recursive"))


def _shared_problems(context: JSONObject, path: str) -> Problems:
    if "windowsOptions" in context:
        yield from windows_option_problems(mapping(context, "windowsOptions"), f"{path}.windowsOptions")
    if "appArmorProfile" in context:
        yield from _app_armor_problems(mapping(context, "appArmorProfile"), f"{path}.appArmorProfile")


def _shown(context: JSONObject) -> JSONObject:
    """Return a context as Go has it, if nothing in it is a structure but its capabilities."""
    shown: JSONObject = {name: context.get(key) for name, key in _SHOWN.items()}
    if "capabilities" in context:
        capabilities = mapping(context, "capabilities")
        shown["Capabilities"] = {"Add": capabilities.get("add"), "Drop": capabilities.get("drop")}
    return shown


def _id_problems(context: JSONObject, path: str, *keys: str) -> Problems:
    for key in keys:
        yield from _one_id_problems(context.get(key), f"{path}.{key}")


def _one_id_problems(value: JSONValue, field: str) -> Problems:
    if isinstance(value, int) and not 0 <= value <= INT32_MAX:
        yield FieldProblem.invalid(field, value, f"must be between 0 and {INT32_MAX}, inclusive")


def _type_problems(profile: JSONObject, path: str, name: str) -> Problems:
    if profile.get("type"):
        yield from one_of(profile, "type", path, _PROFILES)
    else:
        yield FieldProblem.required(f"{path}.type", f"type is required when {name} is set")


def _seccomp_problems(context: JSONObject, path: str) -> Problems:
    if "seccompProfile" not in context:
        return
    profile = mapping(context, "seccompProfile")
    field, given = f"{path}.localhostProfile", profile.get("localhostProfile")
    yield from _type_problems(profile, path, "seccompProfile")
    if profile.get("type") != "Localhost":
        if given is not None:
            shown: JSONObject = {"Type": profile.get("type"), "LocalhostProfile": given}
            yield FieldProblem.invalid(field, shown, "can only be set when seccomp type is Localhost")
    elif given is None:
        yield FieldProblem.required(field, "must be set when seccomp type is Localhost")
    else:
        yield from relative_path(str(given), field)


def _app_armor_problems(profile: JSONObject, path: str) -> Problems:
    field, given, name = f"{path}.localhostProfile", profile.get("localhostProfile"), text(profile, "localhostProfile")
    if profile.get("type") == "Localhost":
        if not name:
            yield FieldProblem.required(field, "must be set when AppArmor type is Localhost")
        elif name != name.strip():
            yield FieldProblem.invalid(field, name, "must not be padded with whitespace")
        if len(name.encode()) > _PROFILE_BYTES_MAX:
            yield too_long(field, _PROFILE_BYTES_MAX)
    elif profile.get("type") in _PROFILES:
        if given is not None:
            yield FieldProblem.invalid(field, given, "can only be set when AppArmor type is Localhost")
    else:
        yield from _type_problems(profile, path, "appArmorProfile")


def _sysctl_problems(context: JSONObject, path: str, spec: JSONObject) -> Problems:
    names: set[str] = set()
    for place, item in indexed(context, "sysctls", path):
        name, field = text(item, "name"), f"{place}.name"
        if not name:
            yield FieldProblem.required(field, "")
        elif len(name) > _SYSCTL_BYTES_MAX or not _SYSCTL.fullmatch(name):
            rule = f"must have at most {_SYSCTL_BYTES_MAX} characters and match regex ^{_SYSCTL_PATTERN}$"
            yield FieldProblem.invalid(field, name, rule)
        elif name in names:
            yield duplicate(field, name)
        names.add(name)
        host = _host_of(name)
        if host and spec.get(host):
            yield FieldProblem.invalid(field, name, f"may not be specified when '{host}' is true")


def _host_of(name: str) -> str:
    """Return which member of a spec gives a pod what a system call sets of its host; empty if none does."""
    dot, slash = name.find("."), name.find("/")
    if 0 <= slash < (dot if dot >= 0 else len(name)):  # the other way to write it: dots and slashes change places
        name = name.translate(str.maketrans("./", "/."))
    if name.startswith("net."):
        return "hostNetwork"
    return "hostIPC" if name in _IPC_SYSCTLS or name.startswith("fs.mqueue.") else ""
