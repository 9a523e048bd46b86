"""The rules of pods, and of the templates of pods.

What few tests meet is not judged: what is inside volumes of most sorts, ephemeral containers, system calls.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidatePodSpec`` and ``ValidatePodUpdate``.
"""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    INT32_MAX,
    Problems,
    address,
    duplicate,
    indexed,
    label_key,
    labels,
    named,
    number,
    one_of,
    present,
    sources,
    subdomain,
    texts,
    too_long,
)
from kubeprims.testing.apiserver.kind_validation_containers import containers_problems
from kubeprims.testing.apiserver.kind_validation_dns import dns_problems
from kubeprims.testing.apiserver.kind_validation_env import file_volume_problems
from kubeprims.testing.apiserver.kind_validation_resources import (
    claim_names,
    overhead_problems,
    pod_resource_problems,
    resource_claim_problems,
)
from kubeprims.testing.apiserver.kind_validation_scheduling import (
    affinity_problems,
    scheduling_problems,
    toleration_problems,
)
from kubeprims.testing.apiserver.kind_validation_security import pod_security_problems
from kubeprims.testing.apiserver.kind_validation_systems import host_process_problems, system_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_VOLUME_SOURCES = (
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
    "azureFile",
    "configMap",
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
_NEEDED = {
    "hostPath": ("path",),
    "secret": ("secretName",),
    "configMap": ("name",),
    "persistentVolumeClaim": ("claimName",),
    "nfs": ("server", "path"),
    "csi": ("driver",),
}
_MODES = frozenset({"secret", "configMap", "downwardAPI", "projected"})
_MODE_MAX = 0o777
_MODE_RULE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOSTNAME_BYTES_MAX = 64
_CHANGEABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def pod_problems(pod: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a pod breaks."""
    spec = mapping(pod, "spec")
    yield from pod_spec_problems(spec, "spec", is_pod=True)
    if not spec.get("serviceAccountName"):
        yield from _token_problems(spec)
    if old is not None:
        yield from _update_problems(spec, mapping(old, "spec"))
    elif items(spec, "ephemeralContainers"):
        yield FieldProblem.forbidden("spec.ephemeralContainers", "cannot be set on create")


def _token_problems(spec: JSONObject) -> Problems:
    for field, volume in indexed(spec, "volumes", "spec"):
        for place, source in indexed(mapping(volume, "projected"), "sources", f"{field}.projected"):
            if "serviceAccountToken" in source:
                rule = "must not be specified when serviceAccountName is not set"
                yield FieldProblem.forbidden(f"{place}.serviceAccountToken", rule)


def template_problems(template: JSONObject, path: str) -> Problems:
    """Return which rules the template of a pod breaks."""
    metadata = mapping(template, "metadata")
    yield from labels(metadata, "labels", path)
    for key in sorted(mapping(metadata, "annotations")):
        yield from label_key(key.lower(), f"{path}.annotations")
    yield from pod_spec_problems(mapping(template, "spec"), f"{path}.spec")


def pod_spec_problems(spec: JSONObject, path: str, *, is_pod: bool = False) -> Problems:
    """Return which rules the spec of a pod breaks, or that of the pods to come."""
    volumes: dict[str, JSONObject] = {}
    for field, volume in indexed(spec, "volumes", path):
        broken = [*_volume_problems(volume, field, volumes)]
        yield from broken
        if not broken:
            volumes[text(volume, "name")] = volume
    yield from resource_claim_problems(spec, path)
    yield from containers_problems(spec, path, volumes)
    yield from pod_resource_problems(spec, path, claim_names(spec))
    yield from _host_port_problems(spec, path, is_pod=is_pod)
    yield from one_of(spec, "restartPolicy", path, _RESTART_POLICIES)
    yield from one_of(spec, "dnsPolicy", path, _DNS_POLICIES)
    yield from labels(spec, "nodeSelector", path)
    yield from pod_security_problems(spec, f"{path}.securityContext")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        rule = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield FieldProblem.invalid(f"{path}.shareProcessNamespace", value=True, rule=rule)
    yield from affinity_problems(mapping(spec, "affinity"), f"{path}.affinity")
    yield from dns_problems(spec, path)
    yield from scheduling_problems(spec, path)
    yield from host_process_problems(spec, path)
    if spec.get("hostUsers") is False:
        for key in filter(spec.get, ("hostPID", "hostIPC")):
            yield FieldProblem.forbidden(f"{path}.H{key[1:]}", "when `hostUsers` is false")
    yield from _name_problems(spec, path)
    yield from toleration_problems(spec, path)
    for field, alias in indexed(spec, "hostAliases", path):
        yield from address(text(alias, "ip"), f"{field}.ip")
        for position, host in enumerate(texts(alias, "hostnames")):
            yield from subdomain(host, f"{field}.hostnames[{position}]")
    for key in ("priorityClassName", "runtimeClassName"):
        if spec.get(key) is not None:
            yield from subdomain(text(spec, key), f"{path}.{key}")
    yield from one_of(spec, "preemptionPolicy", path, ("PreemptLowerPriority", "Never"))
    yield from overhead_problems(mapping(spec, "overhead"), f"{path}.overhead")
    yield from system_problems(spec, path)
    yield from file_volume_problems(spec, path)


def _host_port_problems(spec: JSONObject, path: str, *, is_pod: bool) -> Problems:
    if not spec.get("hostNetwork"):
        return
    for where, container in indexed(spec, "containers", path):
        for field, port in indexed(container, "ports", where):
            host_port = number(port, "hostPort") or 0
            if (is_pod or host_port) and host_port != number(port, "containerPort"):
                rule = "must match `containerPort` when `hostNetwork` is true"
                yield FieldProblem.invalid(f"{field}.hostPort", host_port, rule)


def _name_problems(spec: JSONObject, path: str) -> Problems:
    if "hostnameOverride" in spec:
        field, name = f"{path}.hostnameOverride", text(spec, "hostnameOverride")
        for key in filter(spec.get, ("setHostnameAsFQDN", "hostNetwork")):
            yield FieldProblem.forbidden(field, f"may not be specified when {key} is true")
        if len(name.encode()) > _HOSTNAME_BYTES_MAX:
            yield too_long(field, _HOSTNAME_BYTES_MAX)
        yield from subdomain(name, field)
    for key in ("serviceAccountName", "nodeName"):
        if spec.get(key):
            yield from subdomain(text(spec, key), f"{path}.{key}")
    deadline_s = number(spec, "activeDeadlineSeconds")
    if deadline_s is not None and not 1 <= deadline_s <= INT32_MAX:
        rule = f"must be between 1 and {INT32_MAX}, inclusive"
        yield FieldProblem.invalid(f"{path}.activeDeadlineSeconds", deadline_s, rule)
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            yield from named(text(spec, key), f"{path}.{key}", NameRule.DNS_LABEL)


def _volume_problems(volume: JSONObject, path: str, names: Mapping[str, JSONObject]) -> Problems:
    for key, problem in sources(volume, path, _VOLUME_SOURCES, what="volume type"):
        if problem is not None:
            yield problem
            continue
        source, field = mapping(volume, key), f"{path}.{key}"
        yield from present(source, field, *_NEEDED.get(key, ()))
        mode = number(source, "defaultMode")
        if key in _MODES and mode is not None and not 0 <= mode <= _MODE_MAX:
            yield FieldProblem.invalid(f"{field}.defaultMode", mode, _MODE_RULE)
    name = text(volume, "name")
    if not name:
        yield FieldProblem.required(f"{path}.name", "")
        return
    yield from named(name, f"{path}.name", NameRule.DNS_LABEL)
    if name in names:
        yield duplicate(f"{path}.name", name)


def _update_problems(spec: JSONObject, old: JSONObject) -> Problems:
    for key in ("containers", "initContainers"):
        if len(items(spec, key)) != len(items(old, key)):
            yield FieldProblem.forbidden(f"spec.{key}", "pod updates may not add or remove containers")
            return
    deadline_s, old_deadline_s = number(spec, "activeDeadlineSeconds"), number(old, "activeDeadlineSeconds")
    if deadline_s is not None and old_deadline_s is not None and deadline_s > old_deadline_s:
        rule = "must be less than or equal to previous value"
        yield FieldProblem.invalid("spec.activeDeadlineSeconds", deadline_s, rule)
        return
    if deadline_s is None and old_deadline_s is not None:
        rule = "must not update from a positive integer to nil value"
        yield FieldProblem.invalid("spec.activeDeadlineSeconds", None, rule)
    tolerations = items(spec, "tolerations")
    if any(toleration not in tolerations for toleration in items(old, "tolerations")):
        rule = "existing toleration can not be modified except its tolerationSeconds"
        yield FieldProblem.forbidden("spec.tolerations", rule)
    if _fixed_part(spec, old) != _fixed_part(old, old):
        rule = f"pod updates may not change fields other than {','.join(_CHANGEABLE)}"
        yield FieldProblem.forbidden("spec", rule)


def _fixed_part(spec: JSONObject, old: JSONObject) -> JSONObject:
    """Return what an update may not change."""
    kept: JSONObject = {
        key: value
        for key, value in spec.items()
        if key not in {"activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers"}
    }
    for key in ("containers", "initContainers"):
        without: list[JSONValue] = [{**container, "image": ""} for container in items(spec, key)]
        kept[key] = without
    if (number(old, "terminationGracePeriodSeconds") or 0) < 0 and kept.get("terminationGracePeriodSeconds") == 1:
        kept["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    return kept
