"""Server-side apply: who owns which fields."""

from __future__ import annotations

from kubeprims.meta import JSONObject
from tests.contract.exchange import APPLY_PATCH, Exchange
from tests.contract.objects import config_map, deployment, pod


def test_apply_creates_and_changes(exchange: Exchange) -> None:
    exchange.apply("configmaps/a", config_map("a", one="1"))
    exchange.apply("configmaps/a", config_map("a", one="1"))
    exchange.apply("configmaps/a", config_map("a", one="2", two="2"))
    exchange.apply("configmaps/a", config_map("a", two="2"))
    exchange.apply("configmaps/a", config_map("a"))
    exchange.get("configmaps/a")


def test_managers_conflict_over_a_field(exchange: Exchange) -> None:
    exchange.apply("configmaps/a", config_map("a", one="1", two="2"), "first")
    exchange.apply("configmaps/a", config_map("a", one="other"), "second")
    exchange.apply("configmaps/a", config_map("a", one="other", two="other"), "second")
    exchange.apply("configmaps/a", config_map("a", one="1"), "second")
    exchange.apply("configmaps/a", config_map("a", one="other"), "second", force=True)
    exchange.apply("configmaps/a", config_map("a", one="1", two="2"), "first")
    exchange.apply("configmaps/a", config_map("a", two="2"), "first")
    exchange.apply("configmaps/a", config_map("a"), "second")


def test_updates_own_fields_too(exchange: Exchange) -> None:
    exchange.post("configmaps?fieldManager=maker", config_map("a", one="1"))
    exchange.apply("configmaps/a", config_map("a", one="2"))
    exchange.apply("configmaps/a", config_map("a", one="1"))
    exchange.patch("configmaps/a?fieldManager=patcher", {"data": {"two": "2"}})
    exchange.put("configmaps/a?fieldManager=updater", config_map("a", one="3"))
    exchange.apply("configmaps/a", config_map("a", one="4"))
    exchange.apply("configmaps/a", config_map("a", one="4"), force=True)
    exchange.put("configmaps/a?fieldManager=updater", config_map("a"))


def test_lists_with_keys_are_owned_by_element(exchange: Exchange) -> None:
    exchange.apply("apps/v1/deployments/web", deployment("web", replicas=1), "first")
    side = deployment("web")
    side["spec"] = {"template": {"spec": {"containers": [{"name": "side", "image": "busybox"}]}}}
    exchange.apply("apps/v1/deployments/web", side, "second")
    other = deployment("web", image="nginx:2")
    exchange.apply("apps/v1/deployments/web", other, "second")
    exchange.apply("apps/v1/deployments/web", other, "second", force=True)
    exchange.apply("apps/v1/deployments/web", deployment("web"), "first")
    exchange.apply("apps/v1/deployments/web", deployment("web"), "first", force=True)
    bare: JSONObject = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    exchange.apply("apps/v1/deployments/web", bare, "second")


def test_sets_and_ports(exchange: Exchange) -> None:
    obj = pod("a")
    obj["metadata"] = {"name": "a", "finalizers": ["example.com/a"], "labels": {"x": "1"}}
    exchange.apply("pods/a", obj, "first")
    obj["metadata"] = {"name": "a", "finalizers": ["example.com/b"], "labels": {"y": "1"}}
    exchange.apply("pods/a", obj, "second")
    obj["metadata"] = {"name": "a"}
    exchange.apply("pods/a", obj, "first")
    service: JSONObject = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a"},
        "spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "http"}], "selector": {"a": "b"}},
    }
    exchange.apply("services/a", service, "first")
    service["spec"] = {"ports": [{"port": 443, "protocol": "TCP", "name": "tls"}]}
    exchange.apply("services/a", service, "second")
    exchange.apply("services/a", service, "first")


def test_the_status_is_owned_apart(exchange: Exchange) -> None:
    exchange.apply("apps/v1/deployments/web", deployment("web", replicas=1), "user")
    status: JSONObject = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "status": {"replicas": 1, "conditions": [{"type": "Available", "status": "True"}]},
    }
    exchange.apply("apps/v1/deployments/web/status", status, "controller")
    exchange.apply("apps/v1/deployments/web", status, "user")
    status["status"] = {"replicas": 2}
    exchange.apply("apps/v1/deployments/web/status", status, "other")
    exchange.apply("apps/v1/deployments/web/status", status, "controller")
    exchange.get("apps/v1/deployments/web")


def test_applies_that_make_no_sense(exchange: Exchange) -> None:
    exchange.patch("configmaps/a", config_map("a"), APPLY_PATCH)
    exchange.patch("configmaps/a?fieldManager=", config_map("a"), APPLY_PATCH)
    exchange.apply("configmaps/a", config_map("b"))
    exchange.apply("configmaps/a", {"metadata": {"name": "a"}})
    exchange.apply("configmaps/a", {"apiVersion": "v1", "metadata": {"name": "a"}})
    exchange.apply("configmaps/a", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})
    exchange.apply("configmaps/a", {"apiVersion": "v1", "kind": "ConfigMap"})
    exchange.apply("configmaps/a", config_map("a") | {"metadata": {"name": "a", "managedFields": [{}]}})
    exchange.apply("configmaps/a", config_map("a") | {"data": {"one": 1}})
    exchange.apply("configmaps/a", config_map("a") | {"unknown": {"one": 1}})
    exchange.apply("configmaps/a", config_map("a") | {"metadata": {"name": "a", "resourceVersion": "1"}})
    exchange.patch("configmaps/a?fieldManager=x", b"{", APPLY_PATCH)
    exchange.patch("configmaps/a?fieldManager=x", [], APPLY_PATCH)
    exchange.patch("configmaps/a?fieldManager=x&force=true", {"data": {}})
    exchange.apply("configmaps/a", config_map("a"), "x" * 129)
    exchange.apply("configmaps/a", config_map("a"), "new%0Aline")
    two: JSONObject = {"name": "main", "image": "x"}
    exchange.apply("pods/a", pod("a") | {"spec": {"containers": [two, two]}})
    exchange.apply("pods/a", pod("a") | {"spec": {"containers": [{"image": "x"}]}})


def test_yaml_is_taken_too(exchange: Exchange) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  one: 'yes'\n"
    exchange.patch("configmaps/a?fieldManager=x", text, APPLY_PATCH)


def test_managed_fields_can_be_cleared_and_not_forged(exchange: Exchange) -> None:
    exchange.apply("configmaps/a", config_map("a", one="1"))
    exchange.patch("configmaps/a", {"metadata": {"managedFields": []}})
    exchange.patch("configmaps/a", {"metadata": {"managedFields": [{}]}})
    exchange.get("configmaps/a")
    exchange.apply("configmaps/a", config_map("a", one="2"), "late")
    exchange.patch("configmaps/a", {"metadata": {"managedFields": [{"manager": "x", "operation": "Fly"}]}})
