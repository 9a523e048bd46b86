"""The defaults of pods, and of the templates of pods in other kinds."""

from __future__ import annotations

import re

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import Defaults, items, mapping, text

_FILE_MODE = 0o644
_TOKEN_LIFETIME_S = 3600
_TOLERATION_S = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
SYSTEM_PRIORITIES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""The priority classes that there are from the start, and their values."""

# What follows the last slash: a name, perhaps a tag, perhaps a digest.
_IMAGE = re.compile(r"[^:@]*(?::(?P<tag>[^@]*))?(?P<digest>@.*)?")
_MISSING_LATEST = "latest"
_ADDRESS = Defaults(values={"apiVersion": "v1"})
_CLAIM_SPEC = Defaults(values={"volumeMode": "Filesystem"})


def _pull_policy(image: str) -> str:
    if not image:
        return "IfNotPresent"
    match = _IMAGE.fullmatch(image.rpartition("/")[2])
    tag, digest = (match["tag"], match["digest"]) if match is not None else (None, None)
    return "Always" if (tag or ("" if digest else _MISSING_LATEST)) == _MISSING_LATEST else "IfNotPresent"


def _container(container: JSONObject) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(text(container, "image")))


def _image_volume(volume: JSONObject) -> None:
    if len(volume) == 1:  # its name
        volume["emptyDir"] = {}


def _image_source(source: JSONObject) -> None:
    source.setdefault("pullPolicy", _pull_policy(text(source, "reference")))


_HTTP = Defaults(values={"path": "/", "scheme": "HTTP"})
_HANDLER = Defaults(members={"httpGet": _HTTP})
_PROBE = Defaults(
    values={"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    members={"httpGet": _HTTP, "grpc": Defaults(values={"service": ""})},
)
_CONTAINER = Defaults(
    values={"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    rule=_container,
    members={
        "ports": Defaults(values={"protocol": "TCP"}),
        "env": Defaults(
            members={
                "valueFrom": Defaults(
                    members={"fieldRef": _ADDRESS, "fileKeyRef": Defaults(values={"optional": False})}
                )
            }
        ),
        "livenessProbe": _PROBE,
        "readinessProbe": _PROBE,
        "startupProbe": _PROBE,
        "lifecycle": Defaults(members={"postStart": _HANDLER, "preStop": _HANDLER}),
    },
)
_FILES = Defaults(values={"defaultMode": _FILE_MODE}, members={"items": Defaults(members={"fieldRef": _ADDRESS})})
_ISCSI = Defaults(values={"iscsiInterface": "default"})
_RBD = Defaults(values={"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"})
_AZURE_DISK = Defaults(values={"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"})
_SCALE_IO = Defaults(values={"storageMode": "ThinProvisioned", "fsType": "xfs"})
_HOST_PATH = Defaults(values={"type": ""})
_VOLUME = Defaults(
    rule=_image_volume,
    members={
        "hostPath": _HOST_PATH,
        "secret": Defaults(values={"defaultMode": _FILE_MODE}),
        "configMap": Defaults(values={"defaultMode": _FILE_MODE}),
        "downwardAPI": _FILES,
        "projected": Defaults(
            values={"defaultMode": _FILE_MODE},
            members={
                "sources": Defaults(
                    members={
                        "downwardAPI": Defaults(members={"items": Defaults(members={"fieldRef": _ADDRESS})}),
                        "serviceAccountToken": Defaults(values={"expirationSeconds": _TOKEN_LIFETIME_S}),
                    }
                )
            },
        ),
        "image": Defaults(rule=_image_source),
        "ephemeral": Defaults(members={"volumeClaimTemplate": Defaults(members={"spec": _CLAIM_SPEC})}),
        "iscsi": _ISCSI,
        "rbd": _RBD,
        "azureDisk": _AZURE_DISK,
        "scaleIO": _SCALE_IO,
    },
)
PERSISTENT_VOLUME_MEMBERS = {
    "hostPath": _HOST_PATH,
    "iscsi": _ISCSI,
    "rbd": _RBD,
    "azureDisk": _AZURE_DISK,
    "scaleIO": _SCALE_IO,
}
CLAIM = Defaults(members={"spec": _CLAIM_SPEC})


def _template_spec(spec: JSONObject) -> None:
    account = text(spec, "serviceAccountName") or text(spec, "serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _with_host_ports(container: JSONObject) -> JSONObject:
    if "ports" not in container:
        return container
    ports: list[JSONValue] = [{"hostPort": port["containerPort"], **port} for port in items(container, "ports")]
    return {**container, "ports": ports}


_SPEC_VALUES: dict[str, JSONValue] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_SPEC_MEMBERS = {
    "volumes": _VOLUME,
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "ephemeralContainers": _CONTAINER,
}
TEMPLATE = Defaults(
    members={"spec": Defaults(values=_SPEC_VALUES, rule=_template_spec, members=_SPEC_MEMBERS)},
)


def _pod_spec(spec: JSONObject) -> None:
    _template_spec(spec)
    grace_s = spec["terminationGracePeriodSeconds"]
    if isinstance(grace_s, int) and grace_s < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for key in ("containers", "initContainers"):
        if key in spec:
            containers = [_with_requests(container) for container in items(spec, key)]
            spec[key] = [*map(_with_host_ports, containers)] if spec.get("hostNetwork") else [*containers]


def _with_requests(container: JSONObject) -> JSONObject:
    resources = mapping(container, "resources")
    limits = mapping(resources, "limits")
    if not limits:
        return container
    requests = {**limits, **mapping(resources, "requests")}
    return {**container, "resources": {**resources, "requests": dict(sorted(requests.items()))}}


def with_admitted_values(pod: JSONObject) -> JSONObject:
    """Return a pod with what admission adds to it: its priority, and how long it bears a node that does not answer."""
    spec = mapping(pod, "spec")
    tolerations = items(spec, "tolerations")
    missing = [_toleration(taint) for taint in _TAINTS if not any(_tolerates(item, taint) for item in tolerations)]
    priority = SYSTEM_PRIORITIES.get(text(spec, "priorityClassName"), 0)
    admitted: JSONObject = {"priority": priority, "preemptionPolicy": "PreemptLowerPriority", **spec}
    if missing:
        admitted["tolerations"] = [*tolerations, *missing]
    return {**pod, "spec": admitted}


def _tolerates(toleration: JSONObject, taint: str) -> bool:
    return text(toleration, "key") in {taint, ""} and text(toleration, "effect") in {"NoExecute", ""}


def _toleration(taint: str) -> JSONObject:
    return {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATION_S}


POD = Defaults(
    members={
        "spec": Defaults(
            values={**_SPEC_VALUES, "enableServiceLinks": True},
            rule=_pod_spec,
            members=_SPEC_MEMBERS,
        )
    }
)
