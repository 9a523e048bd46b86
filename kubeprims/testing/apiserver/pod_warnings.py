"""What is said of pods, and of the templates of pods, that are valid and odd.

Source:
    kubernetes pkg/api/pod/warnings.go and pkg/api/node/util.go. Differs: what one file of a volume does to another is
    not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubeprims.meta import JSONObject
from kubeprims.selectors import label_value_problems
from kubeprims.testing.apiserver.address_warnings import Warnings, address_warnings
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.kind_rules import indexed, number, texts
from kubeprims.testing.apiserver.kind_validation_annotations import APP_ARMOR, SECCOMP, SECCOMP_POD, profile_of
from kubeprims.testing.apiserver.quantities import parse_quantity

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_SELECTOR = "labelSelector: a null labelSelector results in matching no pod"
_OLD_LABELS: Mapping[str, str] = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_OLD_ANNOTATIONS: Mapping[str, str] = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
OLD_VOLUMES: Mapping[str, str] = {
    "photonPersistentDisk": "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "flocker": "flocker: deprecated in v1.22, non-functional in v1.25+",
    "storageos": "storageOS: deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "quobyte: deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "cephfs: deprecated in v1.28, non-functional in v1.31+",
    "rbd": "rbd: deprecated in v1.28, non-functional in v1.31+",
}
"""What is said of the sorts of volumes that are going, or gone."""


def old_label_warnings(key: str, field: str) -> Warnings:
    """Yield what is said of a label of nodes that has another name now."""
    if key in _OLD_LABELS:
        yield f"{field}: {_OLD_LABELS[key]}"


def node_term_warnings(term: JSONObject, path: str, *, with_values: bool = False) -> Warnings:
    """Yield what is odd about a selection of nodes."""
    for field, item in indexed(term, "matchExpressions", path):
        key = text(item, "key")
        if key in _OLD_LABELS:
            yield f"{field}.key: {key} is {_OLD_LABELS[key]}"
        for position, value in enumerate(texts(item, "values") if with_values else ()):
            for broken in label_value_problems(value):
                yield f"{field}.values[{position}]: {value} is invalid, {broken}"


def whole_bytes_warnings(amounts: JSONObject, path: str, *names: str) -> Warnings:
    """Yield which amounts of memory or of storage are no whole number of bytes."""
    for name in names:
        if name in amounts and parse_quantity(str(amounts[name])).value * 1000 // 1 % 1000:
            yield f'{path}[{name}]: fractional byte value "{amounts[name]}" is invalid, must be an integer'


def pod_warnings(pod: JSONObject, path: str = "") -> Warnings:
    """Yield what is odd about a pod, or about the template of pods at that path."""
    spec, annotations = mapping(pod, "spec"), mapping(mapping(pod, "metadata"), "annotations")
    prefix = f"{path}." if path else ""
    where, of_annotations = f"{prefix}spec", f"{prefix}metadata.annotations"
    for key in sorted(mapping(spec, "nodeSelector")):
        yield from old_label_warnings(key, f"{where}.nodeSelector[{key}]")
    yield from _node_affinity_warnings(mapping(mapping(spec, "affinity"), "nodeAffinity"), f"{where}.affinity")
    for field, item in indexed(spec, "topologySpreadConstraints", where):
        yield from _spread_warnings(item, field)
    for key in filter(annotations.__contains__, _OLD_ANNOTATIONS):
        yield f"{of_annotations}[{key}]: {_OLD_ANNOTATIONS[key]}"
    yield from _volume_warnings(spec, where)
    yield from _twice_warnings(spec, where)
    yield from whole_bytes_warnings(mapping(spec, "overhead"), f"{where}.overhead", "memory", "ephemeral-storage")
    context = mapping(spec, "securityContext")
    if "seccompProfile" not in context and SECCOMP_POD in annotations:
        yield f'{of_annotations}[{SECCOMP_POD}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    for field, container in _containers(spec, where):
        yield from _container_warnings(container, field, annotations, of_annotations)
        if path:
            yield from _app_armor_warnings(container, context, annotations, of_annotations)
    yield from _port_warnings(spec, where)
    if (number(spec, "terminationGracePeriodSeconds") or 0) < 0:
        yield (
            f"{where}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        )
    yield from _affinity_warnings(mapping(spec, "affinity"), f"{where}.affinity")
    yield from _address_warnings(spec, where)


def _address_warnings(spec: JSONObject, path: str) -> Warnings:
    for position, server in enumerate(texts(mapping(spec, "dnsConfig"), "nameservers")):
        yield from address_warnings(server, f"{path}.dnsConfig.nameservers[{position}]")
    for field, alias in indexed(spec, "hostAliases", path):
        yield from address_warnings(text(alias, "ip"), f"{field}.ip")


def _spread_warnings(item: JSONObject, field: str) -> Warnings:
    key = text(item, "topologyKey")
    if key in _OLD_LABELS:
        yield f"{field}.topologyKey: {key} is {_OLD_LABELS[key]}"
    if "labelSelector" not in item:
        yield f"{field}.{_NO_SELECTOR}"


def _containers(spec: JSONObject, path: str) -> Iterator[tuple[str, JSONObject]]:
    for part in ("initContainers", "containers", "ephemeralContainers"):
        yield from indexed(spec, part, path)


def _node_affinity_warnings(affinity: JSONObject, path: str) -> Warnings:
    where = f"{path}.nodeAffinity"
    for field, term in indexed(mapping(affinity, _REQUIRED), "nodeSelectorTerms", f"{where}.{_REQUIRED}"):
        yield from node_term_warnings(term, field)
    for field, item in indexed(affinity, _PREFERRED, where):
        yield from node_term_warnings(mapping(item, "preference"), f"{field}.preference", with_values=True)


def _affinity_warnings(affinity: JSONObject, path: str) -> Warnings:
    for part in ("podAffinity", "podAntiAffinity"):
        terms, where = mapping(affinity, part), f"{path}.{part}"
        for field, term in indexed(terms, _REQUIRED, where):
            if "labelSelector" not in term:
                yield f"{field}.{_NO_SELECTOR}"
        for field, item in indexed(terms, _PREFERRED, where):
            if "labelSelector" not in mapping(item, "podAffinityTerm"):
                yield f"{field}.podAffinityTerm.{_NO_SELECTOR}"


def _volume_warnings(spec: JSONObject, path: str) -> Warnings:
    for field, volume in indexed(spec, "volumes", path):
        for key, words in OLD_VOLUMES.items():
            if key in volume:
                yield f"{field}.{words}"
        template = mapping(mapping(volume, "ephemeral"), "volumeClaimTemplate")
        yield from claim_warnings(mapping(template, "spec"), f"{field}.ephemeral.volumeClaimTemplate.spec")


def claim_warnings(spec: JSONObject, path: str) -> Warnings:
    """Yield what is odd about the spec of a claim."""
    for part in ("requests", "limits"):
        amounts = mapping(mapping(spec, "resources"), part)
        yield from whole_bytes_warnings(amounts, f"{path}.resources.{part}", "storage")


def _twice_warnings(spec: JSONObject, path: str) -> Warnings:
    for part, key in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for field, item in indexed(spec, part, path):
            if text(item, key) in seen:
                yield f'{field}.{key}: duplicate {key} "{text(item, key)}"'
            seen.add(text(item, key))
    for field, item in indexed(spec, "imagePullSecrets", path):
        if not text(item, "name"):
            yield f'{field}.name: invalid empty name ""'


def _app_armor_warnings(
    container: JSONObject, context: JSONObject, annotations: JSONObject, of_annotations: str
) -> Warnings:
    key, whole = f"{APP_ARMOR}{text(container, 'name')}", context.get("appArmorProfile")
    if key not in annotations or "appArmorProfile" in mapping(container, "securityContext"):
        return
    if whole is None or profile_of(text(annotations, key)) != whole:
        yield f'{of_annotations}[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _container_warnings(container: JSONObject, path: str, annotations: JSONObject, of_annotations: str) -> Warnings:
    key = f"{SECCOMP}{text(container, 'name')}"
    if key in annotations and "seccompProfile" not in mapping(container, "securityContext"):
        yield f'{of_annotations}[{key}]: non-functional in v1.27+; use the "seccompProfile" field instead'
    resources = mapping(container, "resources")
    for name in ("memory", "ephemeral-storage"):
        for part in ("limits", "requests"):
            yield from whole_bytes_warnings(mapping(resources, part), f"{path}.resources.{part}", name)
    seen: set[str] = set()
    for field, item in indexed(container, "env", path):
        name, value = text(item, "name"), text(item, "value")
        own = f"$({name})"
        if name in seen and ("valueFrom" in item or value == own or own not in value):
            yield f'{field}: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _port_warnings(spec: JSONObject, path: str) -> Warnings:
    placed = [
        (field, port)
        for where, container in _containers(spec, path)
        for field, port in indexed(container, "ports", where)
    ]
    for at, (field, port) in enumerate(placed):
        if text(port, "hostIP") and not number(port, "hostPort"):
            yield f"{field}: hostIP set without hostPort: {_as_in_go(port)}"
        for other_field, other in placed[:at]:
            if all(port.get(key) == other.get(key) for key in ("containerPort", "protocol")):
                yield from _clash_warnings(port, other, f"{field}: ", f" port definition with {other_field}")
    names: dict[str, str] = {}
    for field, port in placed:
        name = text(port, "name")
        if name in names:
            first = names[name]
            yield (
                f'{field}: duplicate port name "{name}" with {first}, services and probes that select ports by name '
                f"will use {first}"
            )
        elif name:
            names[name] = field


def _clash_warnings(port: JSONObject, other: JSONObject, before: str, after: str) -> Warnings:
    address, other_address = text(port, "hostIP"), text(other, "hostIP")
    host_port, other_port = number(port, "hostPort") or 0, number(other, "hostPort") or 0
    if address == other_address and host_port == other_port:
        yield f"{before}duplicate{after}"
    elif not host_port or not other_port:
        yield f"{before}overlapping{after}"
    elif host_port == other_port and bool(address) != bool(other_address):
        yield f"{before}dangerously ambiguous{after}"


def _as_in_go(port: JSONObject) -> str:
    values = {
        "Name": text(port, "name"),
        "HostPort": number(port, "hostPort") or 0,
        "ContainerPort": number(port, "containerPort") or 0,
        "Protocol": text(port, "protocol"),
        "HostIP": text(port, "hostIP"),
    }
    return "{" + " ".join(f"{name}:{value}" for name, value in values.items()) + "}"
