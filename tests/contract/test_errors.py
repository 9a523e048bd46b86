"""Errors: codes, reasons, details and causes, each in the words of the server."""

from __future__ import annotations

from kubeprims.meta import JSONObject
from tests.contract.exchange import JSON_PATCH, Exchange
from tests.contract.objects import config_map, deployment, pod


def test_what_is_not_there(exchange: Exchange) -> None:
    for path in (
        "configmaps/absent",
        "pods/absent",
        "apps/v1/deployments/absent",
        "coordination.k8s.io/v1/leases/absent",
        "rbac.authorization.k8s.io/v1/roles/absent",
        "/api/v1/namespaces/absent",
        "/api/v1/nodes/absent",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/absent",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/absent",
    ):
        exchange.get(path)
        exchange.delete(path)
        exchange.patch(path, {})
    exchange.put("apps/v1/deployments/absent", deployment("absent"))
    exchange.put("pods/absent", pod("absent"))
    exchange.put("/api/v1/namespaces/absent", {"metadata": {"name": "absent"}})


def test_what_cannot_change(exchange: Exchange) -> None:
    exchange.post("pods", pod("a", nodeName="node-1"))
    patches: list[JSONObject] = [
        {"spec": {"nodeName": "node-2"}},
        {"spec": {"restartPolicy": "Never"}},
        {"spec": {"containers": [{"name": "other", "image": "nginx:1"}]}},
        {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}},
        {"metadata": {"generateName": "g-"}},
        {"metadata": {"labels": {"a": "b c"}}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": ""}]}},
        {"metadata": {"finalizers": ["bad one"]}},
        {"metadata": {"selfLink": "x"}},
    ]
    for patch in patches:
        exchange.patch("pods/a", patch)


def test_owners(exchange: Exchange) -> None:
    owner: JSONObject = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u"}
    for owners in (
        [owner | {"controller": True}, owner | {"name": "y", "uid": "v", "controller": True}],
        [owner | {"apiVersion": "a/b/c"}],
        [owner | {"apiVersion": "v1", "kind": "Event"}],
        [owner, owner],
        [owner | {"blockOwnerDeletion": True}],
    ):
        exchange.post("configmaps", {"metadata": {"name": "a", "ownerReferences": [*owners]}})


def test_many_problems_at_once(exchange: Exchange) -> None:
    exchange.post("configmaps", {"metadata": {"name": "A b", "labels": {"-": "-"}, "annotations": {"-": ""}}})
    exchange.post("apps/v1/deployments", {"metadata": {"name": "A b"}, "spec": {"replicas": -1}})
    exchange.post("pods", {"metadata": {"name": "A b"}, "spec": {"containers": [{}, {}]}})


def test_queries_that_cannot_be_read(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    for query in ("limit=a&continue=b", "timeoutSeconds=x", "allowWatchBookmarks=x", "watch=maybe&timeoutSeconds=x"):
        exchange.get(f"configmaps?{query}")
    exchange.post("configmaps?fieldManager=" + "x" * 129, config_map("b"))
    exchange.post("configmaps?fieldManager=a%0Ab", config_map("b"))
    exchange.post("configmaps?fieldValidation=Maybe", config_map("b"))
    exchange.patch("configmaps/a?force=true", [], JSON_PATCH)
    exchange.patch("configmaps/a?force=maybe", {})


def test_a_body_that_is_too_large(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", k="x" * 1_100_000))
    exchange.post("configmaps", config_map("a", k="x" * 3_200_000))


def test_names_in_paths(exchange: Exchange) -> None:
    for name in ("UPPER", "a..b", "%2e", "a%20b", "x" * 260, "%C3%A4"):
        exchange.get(f"configmaps/{name}")
        exchange.delete(f"configmaps/{name}")
    exchange.get("/api/v1/namespaces/UPPER/configmaps")
    exchange.put("configmaps/UPPER", config_map("UPPER"))
