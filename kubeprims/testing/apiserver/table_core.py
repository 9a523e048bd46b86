"""The rows of the core kinds that are neither pods nor run them."""

from __future__ import annotations

import datetime

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at, texts_at
from kubeprims.testing.apiserver.table_cells import (
    NONE,
    UNKNOWN,
    UNSET,
    age,
    container_cells,
    labels_text,
    name_of,
    number_at,
    shortened,
    since,
)

Cells = list[JSONValue]
_ROLE_PREFIX = "node-role.kubernetes.io/"
_MODES = (("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP"))


def service_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a Service's row."""
    addresses = texts_at(obj, "spec", "clusterIPs")
    return [
        name_of(obj),
        text_at(obj, "spec", "type"),
        addresses[0] if addresses else NONE,
        _external_address(obj),
        ",".join(map(_port, mappings_at(obj, "spec", "ports"))) or NONE,
        age(obj, now),
        labels_text(mapping_at(obj, "spec", "selector")),
    ]


def balancer_text(obj: JSONObject) -> str:
    """Return the addresses that a load balancer gave."""
    ingresses = mappings_at(obj, "status", "loadBalancer", "ingress")
    return ",".join(sorted({text_at(entry, "ip") or text_at(entry, "hostname") for entry in ingresses} - {""}))


def _external_address(obj: JSONObject) -> str:
    external = ",".join(texts_at(obj, "spec", "externalIPs"))
    match text_at(obj, "spec", "type"):
        case "ClusterIP" | "NodePort":
            return external or NONE
        case "LoadBalancer":
            return ",".join(filter(None, (balancer_text(obj), external))) or "<pending>"
        case "ExternalName":
            return text_at(obj, "spec", "externalName")
        case _:
            return UNKNOWN


def _port(port: JSONObject) -> str:
    node_port = number_at(port, "nodePort")
    at_node = f":{node_port}" if node_port > 0 else ""
    return f"{number_at(port, 'port')}{at_node}/{text_at(port, 'protocol')}"


def endpoints_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of the row of Endpoints."""
    subsets = mappings_at(obj, "subsets")
    shown: list[str] = []
    for subset in subsets:
        addresses = [text_at(address, "ip") for address in mappings_at(subset, "addresses")]
        ports = mappings_at(subset, "ports")
        if not ports:
            shown += addresses
        for port in ports:
            hosts = (f"[{address}]" if ":" in address else address for address in addresses)
            shown += [f"{host}:{number_at(port, 'port')}" for host in hosts]
    return [name_of(obj), shortened(shown, len(shown)) if subsets else NONE, age(obj, now)]


def node_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a Node's row."""
    ready = [
        "Ready" if text_at(condition, "status") == "True" else "NotReady"
        for condition in mappings_at(obj, "status", "conditions")
        if text_at(condition, "type") == "Ready"
    ]
    states = ready[-1:] or ["Unknown"]
    if mapping_at(obj, "spec").get("unschedulable") is True:
        states.append("SchedulingDisabled")
    info = mapping_at(obj, "status", "nodeInfo")
    architecture = text_at(info, "architecture")
    return [
        name_of(obj),
        ",".join(states),
        ",".join(sorted(_roles(obj))) or NONE,
        age(obj, now),
        text_at(info, "kubeletVersion"),
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        text_at(info, "osImage") or UNKNOWN,
        (text_at(info, "kernelVersion") or UNKNOWN) + (f" ({architecture})" if architecture else ""),
        text_at(info, "containerRuntimeVersion") or UNKNOWN,
    ]


def _roles(obj: JSONObject) -> set[str]:
    labels = mapping_at(obj, "metadata", "labels")
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    return (roles | {text_at(labels, "kubernetes.io/role")}) - {""}


def _address(obj: JSONObject, kind: str) -> str:
    addresses = mappings_at(obj, "status", "addresses")
    return next((text_at(entry, "address") for entry in addresses if text_at(entry, "type") == kind), NONE)


def event_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of an Event's row."""
    first = since(text_at(obj, "firstTimestamp") or text_at(obj, "eventTime"), now)
    last_text, count = text_at(obj, "lastTimestamp"), number_at(obj, "count") or 1
    last = since(last_text, now) if last_text else first
    if isinstance(obj.get("series"), dict):
        last = since(text_at(obj, "series", "lastObservedTime"), now)
        count = number_at(obj, "series", "count")
    target = (text_at(obj, "involvedObject", "kind").lower(), text_at(obj, "involvedObject", "name"))
    component = text_at(obj, "source", "component") or text_at(obj, "reportingComponent")
    instance = text_at(obj, "source", "host") or text_at(obj, "reportingInstance")
    return [
        last,
        text_at(obj, "type"),
        text_at(obj, "reason"),
        "/".join(target) if target[1] else target[0],
        text_at(obj, "involvedObject", "fieldPath"),
        f"{component}, {instance}" if instance else component,
        text_at(obj, "message").strip(),
        first,
        count,
        name_of(obj),
    ]


def _modes(obj: JSONObject, *path: str) -> str:
    modes = texts_at(obj, *path)
    return ",".join(short for mode, short in _MODES if mode in modes)


def _amount(obj: JSONObject, *path: str) -> str:
    return text_at(obj, *path) or "0"


def _volume_class(obj: JSONObject) -> str:
    annotation = text_at(obj, "metadata", "annotations", "volume.beta.kubernetes.io/storage-class")
    return annotation or text_at(obj, "spec", "storageClassName")


def _phase(obj: JSONObject) -> str:
    return "Terminating" if text_at(obj, "metadata", "deletionTimestamp") else text_at(obj, "status", "phase")


def claim_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a PersistentVolumeClaim's row."""
    volume = text_at(obj, "spec", "volumeName")
    return [
        name_of(obj),
        _phase(obj),
        volume,
        _amount(obj, "status", "capacity", "storage") if volume else "",
        _modes(obj, "status", "accessModes") if volume else "",
        _volume_class(obj),
        text_at(obj, "spec", "volumeAttributesClassName") or UNSET,
        age(obj, now),
        text_at(obj, "spec", "volumeMode") or UNSET,
    ]


def volume_cells(obj: JSONObject, now: datetime.datetime) -> Cells:
    """Return the cells of a PersistentVolume's row."""
    claim = mapping_at(obj, "spec", "claimRef")
    return [
        name_of(obj),
        _amount(obj, "spec", "capacity", "storage"),
        _modes(obj, "spec", "accessModes"),
        text_at(obj, "spec", "persistentVolumeReclaimPolicy"),
        _phase(obj),
        f"{text_at(claim, 'namespace')}/{text_at(claim, 'name')}" if claim else "",
        _volume_class(obj),
        text_at(obj, "spec", "volumeAttributesClassName") or UNSET,
        text_at(obj, "status", "reason"),
        age(obj, now),
        text_at(obj, "spec", "volumeMode") or UNSET,
    ]


def pod_template_cells(obj: JSONObject, _: datetime.datetime) -> Cells:
    """Return the cells of a PodTemplate's row."""
    template = mapping_at(obj, "template")
    pods = container_cells(mapping_at(template, "spec"))
    return [name_of(obj), *pods, labels_text(mapping_at(template, "metadata", "labels"))]


def config_map_cells(obj: JSONObject, now: datetime.datetime) -> list[JSONValue]:
    """Return the cells of a config map."""
    return [name_of(obj), len(mapping_at(obj, "data")) + len(mapping_at(obj, "binaryData")), age(obj, now)]


def secret_cells(obj: JSONObject, now: datetime.datetime) -> list[JSONValue]:
    """Return the cells of a secret."""
    return [name_of(obj), text_at(obj, "type"), len(mapping_at(obj, "data")), age(obj, now)]


def namespace_cells(obj: JSONObject, now: datetime.datetime) -> list[JSONValue]:
    """Return the cells of a namespace."""
    return [name_of(obj), text_at(obj, "status", "phase"), age(obj, now)]


def named_cells(obj: JSONObject, now: datetime.datetime) -> list[JSONValue]:
    """Return the cells of an object that has no more to show than its name and age."""
    return [name_of(obj), age(obj, now)]


def lease_cells(obj: JSONObject, now: datetime.datetime) -> list[JSONValue]:
    """Return the cells of a lease."""
    return [name_of(obj), text_at(obj, "spec", "holderIdentity"), age(obj, now)]
