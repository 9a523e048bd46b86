"""Create, get, update, delete and list, and how requests that make no sense are refused."""

from __future__ import annotations

from kubeprims.meta import JSONObject
from tests.contract.exchange import APPLY_PATCH, JSON_PATCH, Exchange
from tests.contract.objects import config_map, deployment, pod


def test_an_object_lives_from_create_to_delete(exchange: Exchange) -> None:
    created = exchange.post("configmaps", config_map("a", color="red"))
    exchange.get("configmaps/a")
    exchange.put("configmaps/a", created.body | {"data": {"color": "blue"}})
    exchange.get("configmaps/a")
    exchange.put("configmaps/a", config_map("a", color="blue"))
    exchange.get("configmaps")
    exchange.delete("configmaps/a")
    exchange.get("configmaps/a")
    exchange.delete("configmaps/a")
    exchange.put("configmaps/a", config_map("a"))
    exchange.patch("configmaps/a", {"data": {"a": "b"}})
    exchange.get("configmaps")


def test_names_are_generated(exchange: Exchange) -> None:
    first = exchange.post("configmaps", {"metadata": {"generateName": "web-"}})
    exchange.get(f"configmaps/{first.metadata['name']}")
    exchange.post("configmaps", {"metadata": {"generateName": "Web_"}})
    exchange.post("configmaps", {"metadata": {"generateName": "x" * 300}})
    exchange.post("configmaps", {"metadata": {"name": "a", "generateName": "web-"}})
    exchange.post("configmaps", {"metadata": {}})
    exchange.post("configmaps", {})
    exchange.post("pods", {"apiVersion": "v1", "kind": "Pod"})


def test_lists_span_namespaces(exchange: Exchange) -> None:
    label = exchange.namespace
    exchange.post("configmaps", config_map("a", labels={"of": label}))
    exchange.post("/api/v1/namespaces/default/configmaps", config_map(f"{label}-b", labels={"of": label}))
    exchange.get(f"/api/v1/configmaps?labelSelector=of={label}")
    exchange.get("/api/v1/namespaces/absent/configmaps")
    exchange.post("/api/v1/namespaces/absent/configmaps", config_map("a"))
    exchange.get("/api/v1/namespaces/absent/configmaps/a")
    exchange.delete("/api/v1/namespaces/absent/configmaps/a")


def test_the_namespace_of_an_object_is_that_of_the_path(exchange: Exchange) -> None:
    elsewhere: JSONObject = {"metadata": {"name": "a", "namespace": "default"}}
    exchange.post("configmaps", elsewhere)
    here: JSONObject = {"metadata": {"name": "a", "namespace": exchange.namespace}}
    exchange.post("configmaps", here)
    exchange.put("configmaps/a", elsewhere)
    exchange.put("configmaps/a", {"metadata": {"name": "b"}})
    exchange.put("configmaps/a", {"metadata": {}, "data": {"k": "v"}})
    exchange.patch("configmaps/a", {"metadata": {"name": "b"}})
    exchange.patch("configmaps/a", {"metadata": {"namespace": "default"}})
    exchange.get("configmaps/a")


def test_methods_that_a_path_does_not_have(exchange: Exchange) -> None:
    exchange.request("PUT", "configmaps", config_map("a"))
    exchange.request("PATCH", "configmaps", {}, content_type=JSON_PATCH)
    exchange.request("POST", "configmaps/a", config_map("a"))
    exchange.request("POST", "/api/v1/configmaps", config_map("a"))
    exchange.request("DELETE", "/api/v1/configmaps")
    exchange.request("DELETE", "/api/v1/namespaces")
    exchange.request("TRACE", "configmaps")
    exchange.request("BREW", "configmaps")
    exchange.request("DELETE", "pods/a/status")
    exchange.request("POST", "pods/a/status", pod("a"))
    exchange.request("GET", "/api/v1/namespaces/{ns}/finalize")
    exchange.request("GET", "pods/a/binding")
    exchange.request("POST", "/version", {})
    exchange.request("POST", "/api", {})
    exchange.request("POST", "/api/v1", {})


def test_paths_that_do_not_exist(exchange: Exchange) -> None:
    for path in (
        "/",
        "/nothing",
        "/api/v2",
        "/api/v2/pods",
        "/apis/nothing.example.com",
        "/apis/nothing.example.com/v1",
        "/apis/nothing.example.com/v1/things",
        "/apis/apps/v2",
        "/apis/apps/v2/deployments",
        "/api/v1/things",
        "/api/v1/namespaces/{ns}/things",
        "/api/v1/namespaces/{ns}/things/a",
        "/api/v1/namespaces/{ns}/pods/a/things",
        "/api/v1/namespaces/{ns}/nodes",
        "/api/v1/pods/a",
        "/apis/apps/v1/nothing/a/b/c",
    ):
        exchange.get(path, select=lambda body: {**body, "paths": "<paths>"} if "paths" in body else body)


def test_names_that_cannot_be(exchange: Exchange) -> None:
    for name in ("A", "a_b", "-a", "a-", "a..b", "x" * 254, "a b", "ä", "a/b", ".", ""):
        exchange.post("configmaps", config_map(name))
    for name in ("1a", "a.b", "x" * 64):
        exchange.post("services", {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}})
    for name in ("a.b", "x" * 64):
        exchange.post("/api/v1/namespaces", {"metadata": {"name": name}})
    exchange.post("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", {"metadata": {"name": "a:B c"}})
    exchange.post("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", {"metadata": {"name": "a%b"}})


def test_metadata_that_cannot_be(exchange: Exchange) -> None:
    exchange.post("configmaps", {"metadata": {"name": "a", "labels": {"-a": "b"}}})
    exchange.post("configmaps", {"metadata": {"name": "a", "labels": {"a": "b c"}}})
    exchange.post("configmaps", {"metadata": {"name": "a", "labels": {"a/b/c": "x"}}})
    exchange.post("configmaps", {"metadata": {"name": "a", "labels": {"a": 1}}})
    exchange.post("configmaps", {"metadata": {"name": "a", "annotations": {"a b": "c"}}})
    exchange.post("configmaps", {"metadata": {"name": "a", "annotations": {"a": "x" * 262_145}}})
    exchange.post("configmaps", {"metadata": {"name": "a", "finalizers": ["no slash!"]}})
    exchange.post("configmaps", {"metadata": {"name": "a", "ownerReferences": [{"name": "b"}]}})
    exchange.post("configmaps", {"metadata": {"name": "a", "resourceVersion": "5"}})
    exchange.post(
        "configmaps",
        {"metadata": {"name": "kept", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}},
    )
    exchange.post("configmaps", {"metadata": {"name": "kept-2", "deletionTimestamp": "2001-01-01T00:00:00Z"}})


def test_bodies_that_are_none(exchange: Exchange) -> None:
    for body in (b"", b"{", b"[]", b"1", b'"text"', b"null", b"\xff", b'{"metadata": 1}', b'{"metadata": {"name": 1}}'):
        exchange.post("configmaps", body)
    exchange.post("configmaps", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})
    exchange.post("configmaps", {"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}})
    exchange.post("configmaps", {"kind": "Nothing", "metadata": {"name": "a"}})
    exchange.post("configmaps", {"metadata": {"name": "a"}, "data": {"a": 1}})
    exchange.post("configmaps", {"metadata": {"name": "a"}, "data": ["a"]})
    exchange.post("configmaps", {"metadata": {"name": "a"}, "binaryData": {"a": "no base64!"}})
    exchange.post("apps/v1/deployments", deployment("web") | {"spec": {"replicas": "three"}})
    exchange.post("configmaps", config_map("a") | {"Data": {"case": "counts"}})


def test_media_types(exchange: Exchange) -> None:
    body = config_map("a", k="v")
    for content_type in ("text/plain", "application/xml", "application/json; charset=utf-8", "", "nonsense"):
        exchange.post("configmaps", body, content_type=content_type)
    exchange.post("configmaps", b"metadata: {name: yaml}\n", content_type="application/yaml")
    exchange.patch("configmaps/a", body, "application/json")
    exchange.patch("configmaps/a", body, "text/plain")
    exchange.patch("configmaps/a", body, "")
    exchange.patch("configmaps/a", body, APPLY_PATCH)
    for accept in ("text/plain", "application/xml,*/*", "*/*", "application/*", "text/html,application/json;q=0.5"):
        exchange.get("configmaps/a", accept=accept)


def test_the_old_watch_path_and_other_query_fields(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    exchange.get("configmaps/a?pretty=false")
    exchange.get("configmaps/a?resourceVersion=0")
    exchange.get("configmaps/a?resourceVersion=abc")
    exchange.get("configmaps/absent?resourceVersion=0")
    exchange.get("configmaps?unknown=1")
    exchange.get("configmaps/?limit=1")


def test_every_kind_answers_deletion_in_its_own_way(exchange: Exchange) -> None:
    exchange.post("secrets", {"metadata": {"name": "a"}, "stringData": {"k": "v"}})
    exchange.delete("secrets/a")
    exchange.post("serviceaccounts", {"metadata": {"name": "a"}})
    exchange.delete("serviceaccounts/a")
    exchange.post("pods", pod("a"))
    exchange.delete("pods/a")
    exchange.post("apps/v1/deployments", deployment("a"))
    exchange.delete("apps/v1/deployments/a")
    exchange.post("coordination.k8s.io/v1/leases", {"metadata": {"name": "a"}, "spec": {"holderIdentity": "me"}})
    exchange.delete("coordination.k8s.io/v1/leases/a")
