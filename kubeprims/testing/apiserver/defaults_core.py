"""The defaults of the kinds of the core group."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import Defaults, items, mapping, text
from kubeprims.testing.apiserver.defaults_pods import CLAIM, PERSISTENT_VOLUME_MEMBERS, POD, TEMPLATE

_TCP = Defaults(values={"protocol": "TCP"})
_AFFINITY_S = 10_800


def _service_spec(spec: JSONObject) -> None:
    balanced = spec["type"] == "LoadBalancer"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client_ip = mapping(mapping(spec, "sessionAffinityConfig"), "clientIP")
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_S, **client_ip}}
    if balanced:
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if balanced or spec["type"] == "NodePort" or (spec["type"] == "ClusterIP" and spec.get("externalIPs")):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")


def _service_port(port: JSONObject) -> None:
    if port.get("targetPort") in (0, ""):
        port["targetPort"] = port["port"]


def _service(service: JSONObject) -> None:
    status = mapping(service, "status")
    balancer = mapping(status, "loadBalancer")
    entries = items(balancer, "ingress")
    if mapping(service, "spec").get("type") == "LoadBalancer" and entries:
        ingress: list[JSONValue] = [
            {**entry, "ipMode": "VIP"} if _has_bare_address(entry) else entry for entry in entries
        ]
        service["status"] = {**status, "loadBalancer": {**balancer, "ingress": ingress}}


def _has_bare_address(entry: JSONObject) -> bool:
    return bool(entry.get("ip")) and not entry.get("ipMode")


def _secret(secret: JSONObject) -> None:
    plain = secret.pop("stringData", None)
    if isinstance(plain, dict) and plain:
        encoded: JSONObject = {key: _base64(value) for key, value in plain.items()}
        secret["data"] = dict(sorted((mapping(secret, "data") | encoded).items()))


def _base64(value: JSONValue) -> str:
    return base64.b64encode(str(value).encode()).decode()


def _replication_controller(controller: JSONObject) -> None:
    spec, metadata = mapping(controller, "spec"), mapping(controller, "metadata")
    labels = mapping(mapping(mapping(spec, "template"), "metadata"), "labels")
    if labels:
        controller["spec"] = {**spec, "selector": mapping(spec, "selector") or labels}
        if not metadata.get("labels"):
            controller["metadata"] = {**metadata, "labels": labels}


def _limits(item: JSONObject) -> None:
    if item.get("type") != "Container":
        return
    limits = mapping(item, "max") | mapping(item, "default")
    requests = mapping(item, "min") | limits | mapping(item, "defaultRequest")
    for key, amounts in (("default", limits), ("defaultRequest", requests)):
        if amounts:
            item[key] = dict(sorted(amounts.items()))


def _node(node: JSONObject) -> None:
    status = mapping(node, "status")
    if "allocatable" not in status and "capacity" in status:
        node["status"] = {**status, "allocatable": status["capacity"]}


def _pod_status(status: JSONObject) -> None:
    address, addresses = text(status, "podIP"), items(status, "podIPs")
    if address and (not addresses or addresses[0].get("ip") != address):
        status["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        status["podIP"] = addresses[0].get("ip")


CORE_DEFAULTS: Mapping[str, Defaults] = {
    "pods": Defaults(members={**POD.members, "status": Defaults(rule=_pod_status)}),
    "podtemplates": Defaults(members={"template": TEMPLATE}),
    "replicationcontrollers": Defaults(
        rule=_replication_controller,
        members={"spec": Defaults(values={"replicas": 1}, members={"template": TEMPLATE})},
    ),
    "services": Defaults(
        rule=_service,
        members={
            "spec": Defaults(
                values={"sessionAffinity": "None", "type": "ClusterIP"},
                rule=_service_spec,
                members={"ports": Defaults(values={"protocol": "TCP"}, rule=_service_port)},
            )
        },
    ),
    "secrets": Defaults(values={"type": "Opaque"}, rule=_secret),
    "nodes": Defaults(rule=_node),
    "limitranges": Defaults(members={"spec": Defaults(members={"limits": Defaults(rule=_limits)})}),
    "persistentvolumeclaims": CLAIM,
    "persistentvolumes": Defaults(
        members={
            "spec": Defaults(
                values={"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
                members=PERSISTENT_VOLUME_MEMBERS,
            )
        }
    ),
    "endpoints": Defaults(members={"subsets": Defaults(members={"ports": _TCP})}),
}
