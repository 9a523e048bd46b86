"""Status, scale, binding, eviction and the others that hang on an object."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import APPLY_PATCH, JSON_PATCH, STRATEGIC_PATCH, Exchange
from tests.contract.objects import config_map, definition, deployment, group_of, pod, version, widget

WEB = "apps/v1/deployments/web"


def test_the_status_is_written_apart(exchange: Exchange) -> None:
    created = exchange.post("apps/v1/deployments", deployment("web", replicas=1) | {"status": {"replicas": 9}})
    body = created.body
    exchange.put(
        f"{WEB}/status",
        body | {"status": {"replicas": 1}, "spec": {"replicas": 5}, "metadata": {"name": "web", "labels": {"a": "b"}}},
    )
    exchange.put(WEB, body | {"metadata": {"name": "web"}, "status": {"replicas": 7}})
    exchange.patch(f"{WEB}/status", {"status": {"readyReplicas": 1}, "spec": {"replicas": 6}})
    exchange.patch(WEB, {"status": {"readyReplicas": 5}})
    exchange.get(f"{WEB}/status")
    exchange.patch(f"{WEB}/status", [{"op": "replace", "path": "/status/replicas", "value": 3}], JSON_PATCH)
    exchange.patch(
        f"{WEB}/status", {"status": {"conditions": [{"type": "Available", "status": "True"}]}}, STRATEGIC_PATCH
    )
    exchange.patch(
        f"{WEB}/status", {"status": {"conditions": [{"type": "Progressing", "status": "True"}]}}, STRATEGIC_PATCH
    )
    exchange.put(f"{WEB}/status", body)
    exchange.get("apps/v1/deployments/absent/status")
    exchange.patch("apps/v1/deployments/absent/status", {"status": {}})
    exchange.get("configmaps/absent/status")


def test_scale(exchange: Exchange) -> None:
    exchange.post("apps/v1/deployments", deployment("web", replicas=1))
    first = exchange.get(f"{WEB}/scale")
    scale = first.body
    exchange.put(f"{WEB}/scale", scale | {"spec": {"replicas": 3}})
    exchange.put(f"{WEB}/scale", scale | {"spec": {"replicas": 4}})
    exchange.patch(f"{WEB}/scale", {"spec": {"replicas": 5}})
    exchange.patch(f"{WEB}/scale", {"spec": {"replicas": -1}})
    exchange.patch(f"{WEB}/scale", {"spec": {"replicas": "many"}})
    exchange.patch(f"{WEB}/scale", {"metadata": {"labels": {"a": "b"}}})
    exchange.patch(f"{WEB}/scale", [{"op": "replace", "path": "/spec/replicas", "value": 2}], JSON_PATCH)
    exchange.put(f"{WEB}/scale", {"metadata": {"name": "other"}, "spec": {"replicas": 2}})
    exchange.put(f"{WEB}/scale", {"metadata": {"name": "web"}, "spec": {}})
    exchange.get("apps/v1/deployments/absent/scale")
    exchange.get(WEB)
    exchange.get("apps/v1/daemonsets/absent/scale")
    exchange.post(f"{WEB}/scale", scale)


def test_a_scale_is_applied(exchange: Exchange) -> None:
    def scale(replicas: int | None, **metadata: JSONValue) -> JSONObject:
        names: JSONObject = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", **metadata}}
        return names | {"spec": {} if replicas is None else {"replicas": replicas}}

    path = f"{WEB}/scale"
    exchange.apply(WEB, deployment("web", replicas=1), "author")
    exchange.apply(path, scale(1), "scaler")
    exchange.apply(path, scale(2), "scaler")
    exchange.apply(path, scale(2), "scaler", force=True)
    exchange.get(WEB)
    exchange.apply(WEB, deployment("web", replicas=3), "author")
    exchange.patch(f"{path}?fieldManager=updater", {"spec": {"replicas": 4}})
    exchange.apply(path, scale(5), "scaler")
    exchange.apply(path, scale(5, resourceVersion="1"), "scaler", force=True)
    exchange.apply(path, scale(-5), "scaler", force=True)
    exchange.apply(path, scale(None), "scaler")
    exchange.apply(path, scale(4), "scaler")
    exchange.apply(path, scale(None), "scaler")
    exchange.get(WEB)
    exchange.apply(path, deployment("web"), "scaler")
    exchange.apply("apps/v1/deployments/absent/scale", scale(1, name="absent"), "scaler")
    exchange.patch(path, scale(1), APPLY_PATCH)


def test_who_scales_what_nobody_owns_is_not_recorded(exchange: Exchange) -> None:
    exchange.apply(WEB, deployment("web"), "author")
    exchange.patch(f"{WEB}/scale", {"spec": {"replicas": 4}})
    exchange.get(WEB)
    exchange.apply(WEB, deployment("web", replicas=2), "author")
    exchange.patch(f"{WEB}/scale", {"spec": {"replicas": 4}})
    exchange.get(WEB)


def test_pods_are_bound_to_nodes(exchange: Exchange) -> None:
    exchange.post("pods", pod("a"))
    target: JSONObject = {"apiVersion": "v1", "kind": "Node", "name": "node-1"}
    exchange.post("pods/a/binding", {"metadata": {"name": "a"}, "target": {"kind": "Node"}})
    exchange.post("pods/a/binding", {"metadata": {"name": "a"}, "target": {"kind": "House", "name": "x"}})
    exchange.post("pods/a/binding", {"metadata": {"name": "a", "annotations": {"by": "me"}}, "target": target})
    exchange.post("pods/a/binding", {"metadata": {"name": "a"}, "target": target})
    exchange.post("pods/absent/binding", {"metadata": {"name": "absent"}, "target": target})
    exchange.post("pods/a/binding", {"metadata": {"name": "other"}, "target": target})
    exchange.get("pods/a")


def test_pods_are_evicted(exchange: Exchange) -> None:
    exchange.post("pods", pod("a", nodeName="node-1"))
    exchange.post("pods", pod("b"))
    eviction: JSONObject = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}
    exchange.post("pods/a/eviction", eviction)
    exchange.get("pods/a", select=lambda body: body["metadata"])
    exchange.post("pods/b/eviction", eviction | {"metadata": {"name": "b"}})
    exchange.get("pods/b")
    exchange.post("pods/absent/eviction", eviction | {"metadata": {"name": "absent"}})
    exchange.post("pods/a/eviction", eviction | {"metadata": {"name": "other"}})
    exchange.post("pods", pod("c"))
    exchange.post("pods/c/eviction", eviction | {"metadata": {"name": "c"}, "deleteOptions": {"dryRun": ["All"]}})
    exchange.get("pods/c", select=lambda body: body["metadata"])


def test_a_budget_protects_pods(exchange: Exchange) -> None:
    exchange.post("pods", pod("a", labels={"app": "web"}, nodeName="node-1"))
    exchange.patch(
        "pods/a/status", {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    )
    budget: JSONObject = {
        "metadata": {"name": "keep"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    exchange.post("policy/v1/poddisruptionbudgets", budget)
    exchange.post("pods/a/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}})


def test_custom_resources_have_them_too(exchange: Exchange) -> None:
    scale: JSONObject = {
        "specReplicasPath": ".spec.n",
        "statusReplicasPath": ".status.n",
        "labelSelectorPath": ".status.selector",
    }
    versions: list[JSONValue] = [version("v1", subresources={"status": {}, "scale": scale})]
    exchange.define(definition(exchange.namespace, versions=versions))
    path = f"{group_of(exchange.namespace)}/v1/widgets"
    exchange.post(path, widget(exchange.namespace, "a", spec={"n": 1}, status={"n": 9}))
    exchange.patch(f"{path}/a/status", {"status": {"n": 2, "selector": "a=b"}, "spec": {"n": 9}})
    exchange.patch(f"{path}/a", {"status": {"n": 7}})
    exchange.get(f"{path}/a/status")
    exchange.get(f"{path}/a/scale")
    exchange.patch(f"{path}/a/scale", {"spec": {"replicas": 4}})
    exchange.patch(f"{path}/a/scale", {"spec": {"replicas": -4}})
    exchange.get(f"{path}/a")
    exchange.get(f"{path}/a/other")
    exchange.define(definition(exchange.namespace, "Plain"))
    plain = f"{group_of(exchange.namespace)}/v1/plains"
    exchange.post(plain, widget(exchange.namespace, "a", spec={"n": 1}) | {"kind": "Plain"})
    exchange.get(f"{plain}/a/status")
    exchange.get(f"{plain}/a/scale")


def test_there_are_no_others(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    exchange.get("configmaps/a/status")
    exchange.get("configmaps/a/scale")
    exchange.get("configmaps/a/b/c")
    exchange.put("configmaps/a/status", config_map("a"))
    exchange.delete("pods/a/eviction")
    exchange.get("pods/a/eviction")
