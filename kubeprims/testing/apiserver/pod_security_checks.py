"""What the levels of pod security forbid: one table of checks. Pure.

Source:
    k8s.io/pod-security-admission policy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.json_paths import mapping_at, text_at, texts_at
from kubeprims.testing.apiserver.status import quoted

_APP_ARMOR_ANNOTATIONS = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_ANNOTATIONS = "container.seccomp.security.alpha.kubernetes.io/"

_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_LEVELS: Mapping[str, Collection[str]] = {"baseline": {"baseline"}, "restricted": {"baseline", "restricted"}}
_PROFILES = frozenset({"RuntimeDefault", "Localhost"})
_SE_LINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
    }
)
_SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
}
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SYSCTLS_37 = _SYSCTLS_32 | {"net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle"}
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


class Violation(NamedTuple):
    """What a check has against a pod.

    Attributes:
        reason: What is forbidden.
        detail: Where the pod has it.
    """

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})"


_Judge = Callable[[JSONObject], Violation | None]
"""Takes a pod, or the template of one: its metadata and its spec count."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: Its name upstream.
        level: The least strict level that it belongs to.
        judges: What it says of a pod, by the minor version of Kubernetes since which it does.
        replaces: The check of the baseline that is left out where this one is carried out.
    """

    name: str
    level: str
    judges: Mapping[int, _Judge]
    replaces: str = ""

    def judge(self, minor: int) -> _Judge | None:
        """Return what the check says as of a minor version; None if it did not exist."""
        since = max((first for first in self.judges if first <= minor), default=None)
        return None if since is None else self.judges[since]


def violations(level: str, minor: int, pod: JSONObject) -> Iterator[Violation]:
    """Yield what a level has against a pod.

    Args:
        level: ``baseline`` or ``restricted``; any other forbids nothing.
        minor: The minor version of Kubernetes whose checks are meant; one to come has those of the newest.
        pod: The pod, or the template of one.
    """
    if level not in _LEVELS:
        return
    judges = [(check, judge) for check in CHECKS if check.level in _LEVELS[level] and (judge := check.judge(minor))]
    replaced = {check.replaces for check, _ in judges}
    for check, judge in judges:
        violation = None if check.name in replaced else judge(pod)
        if violation is not None:
            yield violation


def _containers(pod: JSONObject) -> list[JSONObject]:
    spec = mapping(pod, "spec")
    return [
        container for key in ("initContainers", "containers", "ephemeralContainers") for container in items(spec, key)
    ]


def _names(containers: Iterable[JSONObject]) -> list[str]:
    return [text(container, "name") for container in containers]


def _contexts(pod: JSONObject) -> Iterator[tuple[JSONObject, JSONObject]]:
    """Yield the containers that have a security context, with that."""
    for container in _containers(pod):
        context = container.get("securityContext")
        if isinstance(context, dict):
            yield container, context


def _context(pod: JSONObject) -> JSONObject:
    return mapping_at(pod, "spec", "securityContext")


def _counted(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _several(word: str, names: Collection[str]) -> str:
    return f"{_counted(word, len(names))} {_listed(names)}"


def _using(word: str, names: Collection[str], used: str, uses: Collection[str]) -> str:
    return f"{_several(word, names)} {'uses' if len(names) == 1 else 'use'} {_counted(used, len(uses))}"


def _setting(pod: JSONObject, is_bad: Callable[[JSONObject], bool]) -> str:
    """Return who has a bad security context: the pod, some of its containers, or both; empty for nobody."""
    setters = ["pod"] if is_bad(_context(pod)) else []
    bad = _names(container for container, context in _contexts(pod) if is_bad(context))
    return " and ".join([*setters, _several("container", bad)] if bad else setters)


def _unless_windows(judge: _Judge) -> _Judge:
    return lambda pod: None if text_at(pod, "spec", "os", "name") == "windows" else judge(pod)


def _unless_own_users(judge: _Judge) -> _Judge:
    """Let go what has users of its own, who are nobody on the host."""
    return lambda pod: None if mapping(pod, "spec").get("hostUsers") is False else judge(pod)


def _privilege_escalation(pod: JSONObject) -> Violation | None:
    bad = _names(
        container
        for container in _containers(pod)
        if mapping(container, "securityContext").get("allowPrivilegeEscalation") is not False
    )
    rule = "must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", f"{_several('container', bad)} {rule}") if bad else None


def _profiles(pod: JSONObject, key: str) -> tuple[str, list[str]]:
    """Return who has a profile that is not allowed, and the types of those profiles."""
    types = set[str]()

    def is_bad(context: JSONObject) -> bool:
        profile = context.get(key)
        if not isinstance(profile, dict) or text(profile, "type") in _PROFILES:
            return False
        types.add(text(profile, "type"))
        return True

    return _setting(pod, is_bad), sorted(types)


def _app_armor(pod: JSONObject) -> Violation | None:
    setters, types = _profiles(pod, "appArmorProfile")
    wrong = list[str]()
    for key, value in sorted(mapping_at(pod, "metadata", "annotations").items()):
        if key.startswith(_APP_ARMOR_ANNOTATIONS) and not _is_default(value, "", "runtime/default"):
            wrong.append(f"{key}={quoted(value)}")
    if wrong:
        setters = " and ".join(filter(None, (setters, _counted("annotation", len(wrong)))))
    if not setters:
        return None
    bad = [*types, *wrong]
    reason = _counted("forbidden AppArmor profile", len(bad))
    return Violation(reason, f"{setters} must not set AppArmor profile type to {_listed(bad)}")


def _is_default(value: object, *allowed: str) -> bool:
    return isinstance(value, str) and (value in allowed or value.startswith("localhost/"))


def _added(pod: JSONObject, allowed: Collection[str]) -> str:
    """Return who adds which capabilities that are not allowed."""
    found = set[str]()
    bad = list[str]()
    for container, context in _contexts(pod):
        added = set(texts_at(context, "capabilities", "add")).difference(allowed)
        if added:
            bad.append(text(container, "name"))
            found |= added
    rule = f"must not include {_listed(sorted(found))} in securityContext.capabilities.add"
    return f"{_several('container', bad)} {rule}" if bad else ""


def _baseline_capabilities(pod: JSONObject) -> Violation | None:
    added = _added(pod, _CAPABILITIES)
    return Violation("non-default capabilities", added) if added else None


def _restricted_capabilities(pod: JSONObject) -> Violation | None:
    keeping = _names(
        container
        for container in _containers(pod)
        if "ALL" not in texts_at(container, "securityContext", "capabilities", "drop")
    )
    kept = f'{_several("container", keeping)} must set securityContext.capabilities.drop=["ALL"]' if keeping else ""
    details = [*filter(None, (kept, _added(pod, {"NET_BIND_SERVICE"})))]
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def _host_namespaces(pod: JSONObject) -> Violation | None:
    spec = mapping(pod, "spec")
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return Violation("host namespaces", ", ".join(found)) if found else None


def _host_paths(pod: JSONObject) -> Violation | None:
    found = _names(volume for volume in items(mapping(pod, "spec"), "volumes") if volume.get("hostPath") is not None)
    return Violation("hostPath volumes", _several("volume", found)) if found else None


def _host_ports(pod: JSONObject) -> Violation | None:
    found = {
        text(container, "name"): {str(port["hostPort"]) for port in items(container, "ports") if port.get("hostPort")}
        for container in _containers(pod)
    }
    bad = [name for name, ports in found.items() if ports]
    ports = sorted(set[str]().union(*found.values()))
    return Violation("hostPort", f"{_using('container', bad, 'hostPort', ports)} {', '.join(ports)}") if bad else None


def _hosts_asked(container: JSONObject) -> Iterator[str]:
    lifecycle = mapping(container, "lifecycle")
    handlers = [mapping(container, key) for key in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [mapping(lifecycle, key) for key in ("postStart", "preStop")]
    return filter(None, (text_at(handler, how, "host") for handler in handlers for how in ("httpGet", "tcpSocket")))


def _hosts(pod: JSONObject) -> Violation | None:
    found = {text(container, "name"): {*_hosts_asked(container)} for container in _containers(pod)}
    bad = sorted(name for name, hosts in found.items() if hosts)
    hosts = sorted(set[str]().union(*found.values()))
    reason = "probe or lifecycle host"
    return Violation(reason, f"{_using('container', bad, reason, hosts)} {_listed(hosts)}") if bad else None


def _privileged(pod: JSONObject) -> Violation | None:
    bad = _names(container for container, context in _contexts(pod) if context.get("privileged") is True)
    rule = "must not set securityContext.privileged=true"
    return Violation("privileged", f"{_several('container', bad)} {rule}") if bad else None


def _proc_mounts(pod: JSONObject) -> Violation | None:
    found = {
        text(container, "name"): mount
        for container, context in _contexts(pod)
        if isinstance(mount := context.get("procMount"), str) and mount != "Default"
    }
    rule = f"must not set securityContext.procMount to {_listed(sorted({*found.values()}))}"
    return Violation("procMount", f"{_several('container', found)} {rule}") if found else None


def _volumes(pod: JSONObject) -> Violation | None:
    found = {
        text(volume, "name"): sources
        for volume in items(mapping(pod, "spec"), "volumes")
        if not (sources := {key for key, value in volume.items() if value is not None} - {"name"}) & _VOLUMES
    }
    types = sorted(set[str]().union(*found.values()))
    used = _using("volume", found, "restricted volume type", types)
    return Violation("restricted volume types", f"{used} {_listed(types)}") if found else None


def _non_root(pod: JSONObject) -> Violation | None:
    reason = "runAsNonRoot != true"
    setters = _setting(pod, lambda context: context.get("runAsNonRoot") is False)
    if setters:
        return Violation(reason, f"{setters} must not set securityContext.runAsNonRoot=false")
    if _context(pod).get("runAsNonRoot") is True:
        return None
    silent = _names(
        container
        for container in _containers(pod)
        if not isinstance(mapping(container, "securityContext").get("runAsNonRoot"), bool)
    )
    rule = "must set securityContext.runAsNonRoot=true"
    return Violation(reason, f"pod or {_several('container', silent)} {rule}") if silent else None


def _user(pod: JSONObject) -> Violation | None:
    setters = _setting(pod, lambda context: context.get("runAsUser") == 0)
    return Violation("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def _se_linux(allowed: Collection[str]) -> _Judge:
    def judge(pod: JSONObject) -> Violation | None:
        types, others = set[str](), set[str]()

        def is_bad(context: JSONObject) -> bool:
            options = mapping(context, "seLinuxOptions")
            wrong = {text(options, "type")}.difference(allowed)
            own = {key for key in ("user", "role") if text(options, key)}
            types.update(wrong)
            others.update(own)
            return bool(wrong or own)

        setters = _setting(pod, is_bad)
        found = [_several("type", sorted(types))] if types else []
        found += [f"{key} may not be set" for key in ("user", "role") if key in others]
        rule = f"set forbidden securityContext.seLinuxOptions: {'; '.join(found)}"
        return Violation("seLinuxOptions", f"{setters} {rule}") if setters else None

    return judge


def _seccomp_annotations(pod: JSONObject) -> Violation | None:
    annotations = mapping_at(pod, "metadata", "annotations")
    keys = {_SECCOMP_ANNOTATION, *(f"{_SECCOMP_ANNOTATIONS}{name}" for name in _names(_containers(pod)))}
    bad = sorted(
        f"{key}={quoted(annotations[key])}"
        for key in keys & annotations.keys()
        if not _is_default(annotations[key], "runtime/default", "docker/default")
    )
    detail = f"forbidden {_counted('annotation', len(bad))} {', '.join(bad)}"
    return Violation("seccompProfile", detail) if bad else None


def _seccomp(pod: JSONObject) -> Violation | None:
    setters, types = _profiles(pod, "seccompProfile")
    rule = f"must not set securityContext.seccompProfile.type to {_listed(types)}"
    return Violation("seccompProfile", f"{setters} {rule}") if setters else None


def _restricted_seccomp(pod: JSONObject) -> Violation | None:
    violation = _seccomp(pod)
    if violation is not None or "seccompProfile" in _context(pod):
        return violation
    silent = _names(
        container
        for container in _containers(pod)
        if not isinstance(mapping(container, "securityContext").get("seccompProfile"), dict)
    )
    rule = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {_several('container', silent)} {rule}") if silent else None


def _sysctls(allowed: Collection[str]) -> _Judge:
    def judge(pod: JSONObject) -> Violation | None:
        bad = [name for name in _names(items(_context(pod), "sysctls")) if name not in allowed]
        return Violation("forbidden sysctls", ", ".join(bad)) if bad else None

    return judge


def _host_processes(pod: JSONObject) -> Violation | None:
    setters = _setting(pod, lambda context: mapping(context, "windowsOptions").get("hostProcess") is True)
    rule = "must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", f"{setters} {rule}") if setters else None


CHECKS = (
    Check("appArmorProfile", "baseline", {0: _app_armor}),
    Check("capabilities_baseline", "baseline", {0: _baseline_capabilities}),
    Check("hostNamespaces", "baseline", {0: _host_namespaces}),
    Check("hostPathVolumes", "baseline", {0: _host_paths}),
    Check("hostPorts", "baseline", {0: _host_ports}),
    Check("hostProbesAndHostLifecycle", "baseline", {34: _hosts}),
    Check("privileged", "baseline", {0: _privileged}),
    Check("procMount", "baseline", {0: _proc_mounts, 35: _unless_own_users(_proc_mounts)}),
    Check(
        "seLinuxOptions",
        "baseline",
        {0: _se_linux(_SE_LINUX_TYPES), 31: _se_linux(_SE_LINUX_TYPES | {"container_engine_t"})},
    ),
    Check("seccompProfile_baseline", "baseline", {0: _seccomp_annotations, 19: _seccomp}),
    Check(
        "sysctls",
        "baseline",
        {
            0: _sysctls(_SYSCTLS),
            27: _sysctls(_SYSCTLS_27),
            29: _sysctls(_SYSCTLS_29),
            32: _sysctls(_SYSCTLS_32),
            37: _sysctls(_SYSCTLS_37),
        },
    ),
    Check("windowsHostProcess", "baseline", {0: _host_processes}),
    Check(
        "allowPrivilegeEscalation",
        "restricted",
        {8: _privilege_escalation, 25: _unless_windows(_privilege_escalation)},
    ),
    Check(
        "capabilities_restricted",
        "restricted",
        {22: _restricted_capabilities, 25: _unless_windows(_restricted_capabilities)},
        replaces="capabilities_baseline",
    ),
    Check("procMount_restricted", "restricted", {35: _proc_mounts}, replaces="procMount"),
    Check("restrictedVolumes", "restricted", {0: _volumes}, replaces="hostPathVolumes"),
    Check("runAsNonRoot", "restricted", {0: _non_root, 35: _unless_own_users(_non_root)}),
    Check("runAsUser", "restricted", {23: _user, 35: _unless_own_users(_user)}),
    Check(
        "seccompProfile_restricted",
        "restricted",
        {19: _restricted_seccomp, 25: _unless_windows(_restricted_seccomp)},
        replaces="seccompProfile_baseline",
    ),
)
"""The checks, in the order in which their violations are told."""
