"""Lists, objects and watches as tables, and as metadata alone."""

from __future__ import annotations

import re
from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Exchange
from tests.contract.objects import config_map, definition, deployment, group_of, pod, version, widget

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


_AGES = frozenset({"Age", "Last Seen", "Created At"})
_SECONDS = re.compile(r"\d+s")


def undescribed(body: JSONObject) -> JSONValue:
    """Return a table without the descriptions of its columns, which are prose, and without ages."""
    columns = cast("list[JSONObject]", body.get("columnDefinitions") or [])
    ages = [number for number, column in enumerate(columns) if column["name"] in _AGES]

    def is_age(number: int, cell: JSONValue) -> bool:
        """Later events of a watch do not say again what their columns are."""
        return number in ages or (not columns and isinstance(cell, str) and _SECONDS.fullmatch(cell) is not None)

    rows = [
        row
        | {
            "cells": [
                "<age>" if is_age(number, cell) else cell
                for number, cell in enumerate(cast("list[JSONValue]", row["cells"]))
            ]
        }
        for row in cast("list[JSONObject]", body.get("rows") or [])
    ]
    kept = [{key: value for key, value in column.items() if key != "description"} for column in columns]
    if "columnDefinitions" not in body:
        return body
    return body | {"columnDefinitions": cast("JSONValue", kept), "rows": cast("JSONValue", rows)}


def table(exchange: Exchange, path: str, accept: str = TABLE) -> None:
    exchange.get(path, accept=accept, select=undescribed)


def test_columns_of_every_kind(exchange: Exchange) -> None:
    for resource in (
        "configmaps",
        "endpoints",
        "events",
        "limitranges",
        "persistentvolumeclaims",
        "pods",
        "podtemplates",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "serviceaccounts",
        "services",
        "apps/v1/controllerrevisions",
        "apps/v1/daemonsets",
        "apps/v1/deployments",
        "apps/v1/replicasets",
        "apps/v1/statefulsets",
        "batch/v1/jobs",
        "batch/v1/cronjobs",
        "autoscaling/v2/horizontalpodautoscalers",
        "coordination.k8s.io/v1/leases",
        "discovery.k8s.io/v1/endpointslices",
        "events.k8s.io/v1/events",
        "networking.k8s.io/v1/ingresses",
        "networking.k8s.io/v1/networkpolicies",
        "policy/v1/poddisruptionbudgets",
        "rbac.authorization.k8s.io/v1/rolebindings",
        "rbac.authorization.k8s.io/v1/roles",
    ):
        table(exchange, resource)
    table(exchange, "/api/v1/nodes")
    table(exchange, "/api/v1/persistentvolumes")


def test_rows_of_some_kinds(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", one="1", two="2"))
    exchange.post("pods", pod("a", nodeName="node-1"))
    exchange.post("apps/v1/deployments", deployment("web", replicas=2))
    exchange.post("secrets", {"metadata": {"name": "a"}, "stringData": {"k": "v"}})
    exchange.post("serviceaccounts", {"metadata": {"name": "a"}})
    exchange.post(
        "services",
        {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "name": "dns"}]}},
    )
    for resource in ("configmaps", "pods", "apps/v1/deployments", "secrets", "serviceaccounts"):
        table(exchange, resource)
    table(exchange, f"/api/v1/namespaces/{exchange.namespace}")
    table(exchange, f"/api/v1/namespaces?fieldSelector=metadata.name%3D{exchange.namespace}")


def test_rows_of_other_groups(exchange: Exchange) -> None:
    def named(name: str = "a", **members: JSONValue) -> JSONObject:
        return {"metadata": {"name": name}, **members}

    target: JSONObject = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metrics: list[JSONValue] = [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
        {"type": "Pods", "pods": {"metric": {"name": "x"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
    ]
    backend: JSONObject = {"service": {"name": "a", "port": {"number": 80}}}
    path: JSONObject = {"path": "/", "pathType": "Prefix", "backend": backend}
    hosts: list[JSONValue] = [{"host": f"h{number}.example.com", "http": {"paths": [path]}} for number in range(4)]
    user: JSONObject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}
    role: JSONObject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    account: JSONObject = {"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}
    made: list[tuple[str, JSONObject]] = [
        ("resourcequotas", named(spec={"hard": {"pods": "3", "limits.cpu": "2", "requests.cpu": "1"}})),
        ("apps/v1/controllerrevisions", named(revision=7, data={})),
        (
            "autoscaling/v2/horizontalpodautoscalers",
            named(spec={"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5, "metrics": metrics}),
        ),
        ("autoscaling/v2/horizontalpodautoscalers", named("b", spec={"scaleTargetRef": target, "maxReplicas": 5})),
        (
            "discovery.k8s.io/v1/endpointslices",
            named(
                addressType="IPv4",
                endpoints=[{"addresses": [f"10.9.0.{number}"]} for number in range(1, 6)],
                ports=[{"port": 80, "name": "http"}, {"name": "any"}],
            ),
        ),
        (
            "discovery.k8s.io/v1/endpointslices",
            named("b", addressType="IPv6", endpoints=[{"addresses": ["2001:db8::1"]}]),
        ),
        ("networking.k8s.io/v1/ingresses", named(spec={"rules": hosts, "tls": [{}], "ingressClassName": "nginx"})),
        ("networking.k8s.io/v1/ingresses", named("b", spec={"defaultBackend": backend})),
        ("networking.k8s.io/v1/networkpolicies", named(spec={"podSelector": {"matchLabels": {"app": "web"}}})),
        ("networking.k8s.io/v1/networkpolicies", named("b", spec={"podSelector": {}})),
        ("policy/v1/poddisruptionbudgets", named(spec={"minAvailable": "50%", "selector": {}})),
        ("policy/v1/poddisruptionbudgets", named("b", spec={"maxUnavailable": 1, "selector": {}})),
        ("rbac.authorization.k8s.io/v1/rolebindings", named(roleRef=role, subjects=[user, account])),
        ("rbac.authorization.k8s.io/v1/rolebindings", named("b", roleRef=role)),
    ]
    for resource, obj in made:
        exchange.post(resource, obj)
    exchange.patch(
        "resourcequotas/a/status", {"status": {"hard": {"pods": "3", "limits.cpu": "2"}, "used": {"pods": "1"}}}
    )
    addresses: list[JSONValue] = [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]
    exchange.patch("networking.k8s.io/v1/ingresses/a/status", {"status": {"loadBalancer": {"ingress": addresses}}})
    for resource in dict.fromkeys(resource for resource, _ in made):
        table(exchange, resource)


def test_rows_of_classes_and_definitions(exchange: Exchange) -> None:
    name = exchange.namespace
    default: JSONObject = {"storageclass.kubernetes.io/is-default-class": "true"}
    parameters: JSONObject = {"apiGroup": "example.com", "kind": "Thing", "name": "x", "scope": "Cluster"}
    role: JSONObject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    made: list[tuple[str, JSONObject]] = [
        ("storage.k8s.io/v1/storageclasses", {"provisioner": "example.com/disk", "allowVolumeExpansion": True}),
        ("scheduling.k8s.io/v1/priorityclasses", {"value": 5}),
        ("node.k8s.io/v1/runtimeclasses", {"handler": "gvisor"}),
        ("networking.k8s.io/v1/ingressclasses", {"spec": {"controller": "example.com/c", "parameters": parameters}}),
        (
            "rbac.authorization.k8s.io/v1/clusterroles",
            {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
        ),
        ("rbac.authorization.k8s.io/v1/clusterrolebindings", {"roleRef": role, "subjects": []}),
    ]
    for resource, members in made:
        annotations = {"annotations": default} if "storageclasses" in resource else {}
        exchange.post(f"/apis/{resource}", {"metadata": {"name": name, **annotations}, **members})
        table(exchange, f"/apis/{resource}/{name}")
    versions: list[JSONValue] = [
        version("v2"),
        version("v1", storage=False),
        version("v1beta1", storage=False, served=False),
    ]
    exchange.define(definition(name, versions=versions))
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    table(exchange, f"{definitions}/widgets.{group_of(name)}?includeObject=None")


def test_pods_tell_their_state(exchange: Exchange) -> None:
    exchange.post("pods", pod("a", nodeName="node-1"))
    statuses: list[JSONObject] = [
        {"phase": "Running", "containerStatuses": [_container({"running": {}}, ready=True)]},
        {"containerStatuses": [_container({"waiting": {"reason": "CrashLoopBackOff"}}, restarts=3)]},
        {"containerStatuses": [_container({"terminated": {"exitCode": 2}})]},
        {
            "phase": "Succeeded",
            "containerStatuses": [_container({"terminated": {"exitCode": 0, "reason": "Completed"}})],
        },
        {"phase": "Failed", "reason": "Evicted", "containerStatuses": None},
    ]
    for status in statuses:
        exchange.patch("pods/a/status", {"status": status})
        table(exchange, "pods/a")
    exchange.delete("pods/a")
    table(exchange, "pods/a")


def _container(state: JSONObject, *, ready: bool = False, restarts: int = 0) -> JSONObject:
    return {"name": "main", "image": "nginx:1", "imageID": "", "ready": ready, "restartCount": restarts, "state": state}


def test_what_goes_with_the_rows(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    for include in ("Metadata", "Object", "None", "", "Other"):
        table(exchange, f"configmaps?includeObject={include}")
    table(exchange, "configmaps/a")
    table(exchange, "configmaps/absent")
    table(exchange, "configmaps?limit=1")
    table(exchange, "configmaps?labelSelector=none")
    table(exchange, "configmaps", f"{TABLE},application/json")
    table(exchange, "configmaps", f"application/json,{TABLE}")
    table(exchange, "configmaps", "application/json;as=Table;v=v2;g=meta.k8s.io")
    table(exchange, "configmaps", "application/json;as=Table;v=v2;g=meta.k8s.io,application/json")
    table(exchange, "configmaps", "application/json;as=Chair;v=v1;g=meta.k8s.io")
    table(exchange, "configmaps", "application/json;as=Table;v=v1beta1;g=meta.k8s.io")


def test_metadata_alone(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", k="v"))
    exchange.get("configmaps/a", accept=METADATA)
    exchange.get("configmaps", accept=METADATA_LIST)
    exchange.get("configmaps", accept=METADATA)
    exchange.get("configmaps/a", accept=METADATA_LIST)
    exchange.post("configmaps", config_map("b", k="v"), accept=METADATA)


def test_columns_of_custom_resources(exchange: Exchange) -> None:
    columns: list[JSONValue] = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1, "description": "How big."},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Since", "type": "date", "jsonPath": ".spec.since"},
        {"name": "Names", "type": "string", "jsonPath": ".spec.names[*]"},
        {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
        {"name": "Part", "type": "number", "jsonPath": ".spec.part"},
    ]
    with_columns: list[JSONValue] = [
        version("v1", additionalPrinterColumns=columns),
        version("v1beta1", storage=False),
    ]
    exchange.define(definition(exchange.namespace, versions=with_columns))
    path = f"{group_of(exchange.namespace)}/v1/widgets"
    ready: JSONObject = {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}
    spec: JSONObject = {"size": 3, "names": ["x", "y"], "on": True, "part": 0.5}
    exchange.post(path, widget(exchange.namespace, "a", spec=spec, status=ready))
    exchange.post(path, widget(exchange.namespace, "b"))
    table(exchange, path)
    table(exchange, f"{path}/a")
    table(exchange, path.replace("/v1/", "/v1beta1/"))


def test_watches_as_tables(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    with exchange.watch("configmaps?watch=1", accept=TABLE) as watch:
        exchange.delete("configmaps/a")
        watch.take(2, select=undescribed)
    exchange.post("configmaps", config_map("b"))
    with exchange.watch("configmaps?watch=1", accept=METADATA) as watch:
        watch.take(1)
