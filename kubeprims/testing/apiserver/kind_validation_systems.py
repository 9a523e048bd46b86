"""The rules of the operating system of pods, and of what only some systems have.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validateOS``, ``validateLinux``, ``validateWindows``,
    ``validateWindowsSecurityContextOptions`` and ``validateWindowsHostProcessPod``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeprims.meta import JSONObject
from kubeprims.selectors import dns_subdomain_problems
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.kind_rules import Problems, indexed, subdomain
from kubeprims.testing.apiserver.status import FieldProblem

_SYSTEMS = ("linux", "windows")
_POD_ONLY_LINUX = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
_CONTAINER_ONLY_LINUX = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
_SPEC_ONLY_LINUX = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_NOT_ON_WINDOWS = "cannot be set for a windows pod"
_NOT_ON_LINUX = "windows options cannot be set for a linux pod"
_CREDENTIAL_SPEC_BYTES_MAX = 64 * 1024
_DOMAIN_BYTES_MAX = 255
_USER_BYTES_MAX = 104
_BACKSLASH = "\\"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NET_BIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DOTS_AND_SPACES = re.compile(r"[. ]+")
_NOT_IN_USERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]')

_Containers = Iterator[tuple[str, JSONObject]]


def system_problems(spec: JSONObject, path: str) -> Problems:
    """Return what is wrong with the system that a pod says it is for, and with what that system does not have."""
    if "os" not in spec:
        return
    name, context, field = (
        text(mapping(spec, "os"), "name"),
        mapping(spec, "securityContext"),
        f"{path}.securityContext",
    )
    if not name:
        yield FieldProblem.required(f"{path}.os.name", "")
    elif name not in _SYSTEMS:
        yield FieldProblem.unsupported(f"{path}.os", name, _SYSTEMS)
    elif name == "linux":
        for where, holder in ((field, context), *_contexts(spec, path)):
            if "windowsOptions" in holder:
                yield FieldProblem.forbidden(f"{where}.windowsOptions", _NOT_ON_LINUX)
    else:
        yield from _absent(context, field, _POD_ONLY_LINUX)
        # What is false by default is not written, so that it is only there when it is true.
        yield from _absent(spec, path, _SPEC_ONLY_LINUX)
        for where, holder in _contexts(spec, path):
            yield from _absent(holder, where, _CONTAINER_ONLY_LINUX)


def _absent(holder: JSONObject, path: str, keys: tuple[str, ...]) -> Problems:
    for key in keys:
        if key in holder:
            yield FieldProblem.forbidden(f"{path}.{key}", _NOT_ON_WINDOWS)


def _contexts(spec: JSONObject, path: str) -> _Containers:
    for where, container in _containers(spec, path):
        if "securityContext" in container:
            yield f"{where}.securityContext", mapping(container, "securityContext")


def _containers(spec: JSONObject, path: str) -> _Containers:
    """Yield all containers with their places, in the order in which upstream visits them."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from indexed(spec, key, path)


def windows_option_problems(options: JSONObject, path: str) -> Problems:
    """Return what is wrong with the options for Windows of a pod or a container."""
    if "gmsaCredentialSpecName" in options:
        yield from subdomain(text(options, "gmsaCredentialSpecName"), f"{path}.gmsaCredentialSpecName")
    if "gmsaCredentialSpec" in options:
        spec, field = text(options, "gmsaCredentialSpec"), f"{path}.gmsaCredentialSpec"
        if not spec:
            yield FieldProblem.invalid(field, spec, "gmsaCredentialSpec cannot be an empty string")
        elif len(spec.encode()) > _CREDENTIAL_SPEC_BYTES_MAX:
            yield FieldProblem.invalid(field, spec, "gmsaCredentialSpec size must be under 64 KiB")
    if "runAsUserName" in options:
        name = text(options, "runAsUserName")
        for rule in _user_name_rules_broken(name):
            yield FieldProblem.invalid(f"{path}.runAsUserName", name, f"runAsUserName{rule}")


def _user_name_rules_broken(name: str) -> Iterator[str]:
    if not name:
        yield " cannot be an empty string"
    elif _CONTROL.search(name):
        yield " cannot contain control characters"
    elif name.count(_BACKSLASH) > 1:
        yield " cannot contain more than one backslash"
    else:
        domain, has_domain, user = name.rpartition(_BACKSLASH)
        if has_domain:
            yield from _domain_rules_broken(domain)
        if not user:
            yield "'s User cannot be empty"
        elif len(user.encode()) > _USER_BYTES_MAX:
            yield f"'s User length must not be longer than {_USER_BYTES_MAX} characters"
        if _DOTS_AND_SPACES.fullmatch(user):
            yield "'s User cannot contain only periods or spaces"
        if _NOT_IN_USERS.search(user):
            yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def _domain_rules_broken(domain: str) -> Iterator[str]:
    if len(domain.encode()) > _DOMAIN_BYTES_MAX:
        yield f"'s Domain length must be under {_DOMAIN_BYTES_MAX + 1} characters"
    if not _NET_BIOS.fullmatch(domain) and dns_subdomain_problems(domain):
        yield "'s Domain doesn't match the NetBios nor the DNS format"


def host_process_problems(spec: JSONObject, path: str) -> Problems:
    """Return what is wrong with containers that are processes of the host: all of a pod are, or none."""
    whole = _host_process(spec)
    if whole is None and not any("securityContext" in container for _, container in _containers(spec, path)):
        return
    processes: list[bool] = []
    for where, container in _containers(spec, path):
        own = _host_process(container)
        if whole is not None and own is not None and whole is not own:
            rule = f"pod hostProcess value must be identical if both are specified, was {str(whole).lower()}"
            yield FieldProblem.invalid(f"{where}.securityContext.windowsOptions.hostProcess", own, rule)
        processes.append(bool(whole if own is None else own))
    if not any(processes):
        return
    if not all(processes):
        rule = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield FieldProblem.invalid(path, "", rule)
    if not spec.get("hostNetwork"):
        rule = "hostNetwork must be true if pod contains any hostProcess containers"
        yield FieldProblem.invalid(f"{path}.hostNetwork", value=False, rule=rule)


def _host_process(holder: JSONObject) -> bool | None:
    value = mapping(mapping(holder, "securityContext"), "windowsOptions").get("hostProcess")
    return value if isinstance(value, bool) else None
