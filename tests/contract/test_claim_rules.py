"""What claims of volumes say of their first content, the claims of stateful sets, and the configuration of nodes."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import MERGE_PATCH, Exchange
from tests.contract.test_kind_rules import ask, specs
from tests.contract.test_pod_rules import CONTAINER, ODD, failure_or_spec

CLAIM: JSONObject = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}},
    "storageClassName": "",  # whatever class is the default by now
}
SNAPSHOT: JSONObject = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
OTHER: JSONObject = {"kind": "PersistentVolumeClaim", "name": "b"}
MADE: JSONObject = {"apiGroup": "example.com", "kind": "Made", "name": "m"}


def test_data_sources(exchange: Exchange) -> None:
    for sources in (
        {"dataSource": SNAPSHOT},
        {"dataSource": OTHER},
        {"dataSource": OTHER | {"apiGroup": ""}},
        {"dataSource": MADE},
        {"dataSource": {"kind": "Odd", "name": "a"}},
        {"dataSourceRef": MADE},
        {"dataSourceRef": OTHER},
        {"dataSourceRef": {"kind": "Odd", "name": "a"}},
        {"dataSourceRef": {"apiGroup": ODD, "kind": "Odd", "name": "a"}},
        {"dataSourceRef": {"kind": "", "name": ""}},
        {"dataSource": SNAPSHOT, "dataSourceRef": OTHER},
        {"dataSource": {"kind": "Odd", "name": ""}, "dataSourceRef": {"kind": "Odd", "name": ""}},
        {"dataSourceRef": OTHER | {"namespace": ODD}},
        {"dataSource": OTHER, "dataSourceRef": OTHER | {"namespace": "other"}},
        {"dataSourceRef": OTHER | {"namespace": ""}},
        {"volumeAttributesClassName": ODD},
    ):
        body: JSONObject = {"metadata": {"name": "a"}, "spec": {**CLAIM, **sources}}
        exchange.request("POST", "persistentvolumeclaims?dryRun=All", body, select=failure_or_spec)


def test_data_sources_of_claims_that_are_there(exchange: Exchange) -> None:
    exchange.post("persistentvolumeclaims", {"metadata": {"name": "a"}, "spec": {**CLAIM, "dataSourceRef": MADE}})
    exchange.post("persistentvolumeclaims", {"metadata": {"name": "b"}, "spec": CLAIM})
    changes: list[tuple[str, JSONObject]] = [
        ("a", {"dataSourceRef": None}),
        ("a", {"dataSource": None, "dataSourceRef": None}),
        ("b", {"dataSource": MADE}),
        ("b", {"dataSource": OTHER}),
    ]
    for name, sources in changes:
        path = f"persistentvolumeclaims/{name}"
        exchange.request("PATCH", path, {"spec": sources}, content_type=MERGE_PATCH, select=failure_or_spec)


def stateful(spec: JSONObject, **more: JSONValue) -> JSONObject:
    labels: JSONObject = {"app": "a"}
    template: JSONObject = {"metadata": {"labels": labels}, "spec": spec}
    return {"spec": {"selector": {"matchLabels": labels}, "serviceName": "s", "template": template, **more}}


def test_claims_of_stateful_sets(exchange: Exchange) -> None:
    def claims(*found: JSONObject) -> list[JSONValue]:
        return [{"metadata": {"name": f"c{number}"}, "spec": spec} for number, spec in enumerate(found)]

    mounts: list[JSONValue] = [{"name": "c0", "mountPath": "/a"}, {"name": "other", "mountPath": "/b"}]
    mounting: JSONObject = {"containers": [CONTAINER | {"volumeMounts": mounts}]}
    plain: JSONObject = {"containers": [CONTAINER]}
    ask(
        exchange,
        "apps/v1/statefulsets",
        stateful(mounting, volumeClaimTemplates=claims(CLAIM)),
        stateful(
            mounting | {"volumes": [{"name": "c0", "nfs": {}}, {"name": "other", "emptyDir": {}}]},
            volumeClaimTemplates=claims(CLAIM),
        ),
        stateful(plain, volumeClaimTemplates=claims({}, CLAIM | {"accessModes": ["Odd"], "storageClassName": ODD})),
        stateful(plain, volumeClaimTemplates=claims(CLAIM | {"dataSource": MADE, "dataSourceRef": OTHER})),
        stateful(plain, volumeClaimTemplates=[{"metadata": {"name": ODD}, "spec": CLAIM}]),
        stateful(plain, volumeClaimTemplates=[*claims(CLAIM), *claims(CLAIM)]),
        stateful(plain | {"subdomain": ODD, "hostname": ODD}),
        stateful(plain, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Odd", "whenScaled": "Never"}),
        stateful(plain, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"}),
    )
    exchange.post("apps/v1/statefulsets", {"metadata": {"name": "a"}, **stateful(plain)})
    for changed in (
        {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Odd"}},
        {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}},
    ):
        body: JSONObject = {"spec": {**changed}}
        exchange.request("PATCH", "apps/v1/statefulsets/a", body, content_type=MERGE_PATCH, select=failure_or_spec)


def test_configuration_of_nodes(exchange: Exchange) -> None:
    source: JSONObject = {
        "configMap": {"name": "a", "namespace": "b", "kubeletConfigKey": "c", "uid": "u", "resourceVersion": "1"}
    }
    nodes, name = "/api/v1/nodes", exchange.namespace
    node: JSONObject = {"metadata": {"name": name}}
    exchange.post(nodes, {**node, "spec": {"configSource": source}, "status": {"config": {"assigned": source}}})
    for path, body in (("", {"spec": {"configSource": source}}), ("/status", {"status": {"config": {"error": "e"}}})):
        exchange.patch(f"{nodes}/{name}{path}", body)
    exchange.delete(f"{nodes}/{name}")


def test_names_in_limit_ranges(exchange: Exchange) -> None:
    def limits(what: str, *names: str) -> JSONObject:
        most: JSONObject = dict.fromkeys(names, "1")
        return {"limits": [{"type": what, "max": most}]}

    ask(
        exchange,
        "limitranges",
        *specs(
            limits("Container", "requests.example.com/x"),
            limits("Pod", "requests.example.com/x", "example.com/x"),
            limits("PersistentVolumeClaim", "requests.example.com/x", "storage"),
            limits("PersistentVolumeClaim", "odd", "storage"),
            limits("Container", "odd"),
            limits("Container", "kubernetes.io/x", "requests.cpu"),
            limits("example.com/own", "requests.example.com/x", "requests.cpu", "odd"),
        ),
    )


def test_addresses_out_of_range(exchange: Exchange) -> None:
    ports: JSONObject = {"ports": [{"port": 80}]}
    ask(exchange, "services", *specs(ports | {"clusterIP": "192.168.1.1"}))
