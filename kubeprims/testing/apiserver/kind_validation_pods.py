"""The rules of pods, and of the templates of pods.

What few tests meet is not judged: what is inside volumes of most sorts, ephemeral containers, system calls.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidatePodSpec`` and ``ValidatePodUpdate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    INT32_MAX,
    Problems,
    address,
    indexed,
    label_key,
    labels,
    named,
    number,
    one_of,
    subdomain,
    texts,
    too_long,
)
from kubeprims.testing.apiserver.kind_validation_annotations import (
    annotation_problems,
    annotation_update_problems,
    clash_problems,
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
from kubeprims.testing.apiserver.kind_validation_volumes import made_claim_problems, volume_problems
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.status import FieldProblem

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
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
    spec, annotations = mapping(pod, "spec"), mapping(metadata_of(pod), "annotations")
    yield from annotation_problems(annotations, spec, "metadata.annotations")
    yield from pod_spec_problems(spec, "spec", text_of(metadata_of(pod), "name"))
    if not spec.get("serviceAccountName"):
        yield from _token_problems(spec)
    if old is not None:
        yield from annotation_update_problems(pod, old)
        yield from _update_problems(spec, mapping(old, "spec"))
        return
    if items(spec, "ephemeralContainers"):
        yield FieldProblem.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and items(spec, "schedulingGates"):
        yield FieldProblem.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    yield from clash_problems(annotations, spec, "spec")


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
    annotations, spec = mapping(metadata, "annotations"), mapping(template, "spec")
    for key in sorted(annotations):
        yield from label_key(key.lower(), f"{path}.annotations")
    yield from annotation_problems(annotations, spec, f"{path}.annotations")
    yield from pod_spec_problems(spec, f"{path}.spec")
    yield from clash_problems(annotations, spec, f"{path}.spec")
    if items(spec, "ephemeralContainers"):
        rule = "ephemeral containers not allowed in pod template"
        yield FieldProblem.forbidden(f"{path}.spec.ephemeralContainers", rule)


def pod_spec_problems(spec: JSONObject, path: str, pod_name: str | None = None) -> Problems:
    """Return which rules the spec of a pod of that name breaks, or that of pods to come."""
    volumes: dict[str, JSONObject] = {}
    for field, volume in indexed(spec, "volumes", path):
        broken = [*volume_problems(volume, field, volumes)]
        yield from broken
        if not broken:
            volumes[text(volume, "name")] = volume
        yield from made_claim_problems(spec, volume, field, pod_name)
    yield from resource_claim_problems(spec, path)
    yield from containers_problems(spec, path, volumes)
    yield from pod_resource_problems(spec, path, claim_names(spec))
    yield from _host_port_problems(spec, path, is_pod=pod_name is not None)
    for keys, rule in _RULES:
        if not keys.isdisjoint(spec):
            yield from rule(spec, path)


def _policy_problems(spec: JSONObject, path: str) -> Problems:
    yield from one_of(spec, "restartPolicy", path, _RESTART_POLICIES)
    yield from one_of(spec, "dnsPolicy", path, _DNS_POLICIES)
    yield from labels(spec, "nodeSelector", path)
    if spec.get("securityContext"):
        yield from pod_security_problems(spec, f"{path}.securityContext")


def _namespace_problems(spec: JSONObject, path: str) -> Problems:
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        rule = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield FieldProblem.invalid(f"{path}.shareProcessNamespace", value=True, rule=rule)


def _host_user_problems(spec: JSONObject, path: str) -> Problems:
    if spec.get("hostUsers") is False:
        for key in filter(spec.get, ("hostPID", "hostIPC")):
            yield FieldProblem.forbidden(f"{path}.H{key[1:]}", "when `hostUsers` is false")


def _alias_problems(spec: JSONObject, path: str) -> Problems:
    for field, alias in indexed(spec, "hostAliases", path):
        yield from address(text(alias, "ip"), f"{field}.ip")
        for position, host in enumerate(texts(alias, "hostnames")):
            yield from subdomain(host, f"{field}.hostnames[{position}]")


def _class_problems(spec: JSONObject, path: str) -> Problems:
    for key in ("priorityClassName", "runtimeClassName"):
        if spec.get(key) is not None:
            yield from subdomain(text(spec, key), f"{path}.{key}")
    yield from one_of(spec, "preemptionPolicy", path, ("PreemptLowerPriority", "Never"))


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


_Rule = Callable[[JSONObject, str], Problems]
# What most pods do not have costs no more than a look.
_RULES: Sequence[tuple[frozenset[str], _Rule]] = (
    (frozenset({"restartPolicy", "dnsPolicy"}), _policy_problems),
    (frozenset({"shareProcessNamespace"}), _namespace_problems),
    (frozenset({"affinity"}), lambda spec, path: affinity_problems(mapping(spec, "affinity"), f"{path}.affinity")),
    (frozenset({"dnsPolicy", "dnsConfig"}), dns_problems),
    (frozenset({"readinessGates", "schedulingGates", "topologySpreadConstraints"}), scheduling_problems),
    (frozenset({"containers"}), host_process_problems),
    (frozenset({"hostUsers"}), _host_user_problems),
    (frozenset({"containers"}), _name_problems),
    (frozenset({"tolerations"}), toleration_problems),
    (frozenset({"hostAliases"}), _alias_problems),
    (frozenset({"priorityClassName", "runtimeClassName", "preemptionPolicy"}), _class_problems),
    (frozenset({"overhead"}), lambda spec, path: overhead_problems(mapping(spec, "overhead"), f"{path}.overhead")),
    (frozenset({"os"}), system_problems),
    (frozenset({"containers"}), file_volume_problems),
)
