"""JSON patch, JSON merge patch and strategic merge patch."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Exchange
from tests.contract.objects import config_map, deployment, pod


def test_json_patches(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", one="1", two="2"))
    patches: list[list[JSONValue]] = [
        [{"op": "add", "path": "/data/three", "value": "3"}],
        [{"op": "replace", "path": "/data/one", "value": "uno"}],
        [{"op": "remove", "path": "/data/two"}],
        [{"op": "copy", "from": "/data/one", "path": "/data/copy"}],
        [{"op": "move", "from": "/data/one", "path": "/data/moved"}],
        [{"op": "test", "path": "/data/moved", "value": "uno"}],
        [{"op": "add", "path": "/data/a~1b~0c", "value": "escaped"}],
        [{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/a"]}],
        [{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/b"}],
        [{"op": "add", "path": "/metadata/finalizers/0", "value": "example.com/c"}],
        [{"op": "remove", "path": "/metadata/finalizers/1"}],
        [{"op": "remove", "path": "/metadata/finalizers"}],
        [],
    ]
    for patch in patches:
        exchange.patch("configmaps/a", patch, JSON_PATCH)


def test_json_patches_that_do_not_apply(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", one="1"))
    patches: list[JSONValue] = [
        [{"op": "test", "path": "/data/one", "value": "2"}],
        [{"op": "test", "path": "/data/none", "value": "2"}],
        [{"op": "remove", "path": "/data/none"}],
        [{"op": "replace", "path": "/data/none", "value": "x"}],
        [{"op": "add", "path": "/none/none", "value": "x"}],
        [{"op": "move", "from": "/data/none", "path": "/data/b"}],
        [{"op": "fly", "path": "/data/one"}],
        [{"path": "/data/one"}],
        [{"op": "add", "path": "/data/one", "value": 1}],
        [{"op": "add", "path": "/data/one"}],
        {"op": "add"},
        "text",
    ]
    for patch in patches:
        exchange.patch("configmaps/a", patch, JSON_PATCH)
    exchange.patch("configmaps/a", b"[", JSON_PATCH)
    exchange.patch("configmaps/a", b"", JSON_PATCH)
    exchange.get("configmaps/a")


def test_merge_patches(exchange: Exchange) -> None:
    exchange.post("apps/v1/deployments", deployment("web", replicas=1))
    patches: list[JSONObject] = [
        {"spec": {"replicas": 2}},
        {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}},
        {"metadata": {"labels": {"a": None}}},
        {"metadata": {"labels": None}},
        {"spec": {"template": {"spec": {"containers": [{"name": "other", "image": "busybox"}]}}}},
        {"spec": {"replicas": None}},
        {"spec": {"paused": True}, "unknown": {"field": 1}},
        {},
    ]
    for patch in patches:
        exchange.patch("apps/v1/deployments/web", patch, MERGE_PATCH)


def test_merge_patches_that_do_not_apply(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a", one="1"))
    nonsense: list[JSONValue] = [[], "text", 1, None]
    for patch in nonsense:
        exchange.patch("configmaps/a", b"null" if patch is None else patch, MERGE_PATCH)
    exchange.patch("configmaps/a", b"{", MERGE_PATCH)
    exchange.patch("configmaps/a", b"", MERGE_PATCH)
    exchange.patch("configmaps/a", {"data": "text"}, MERGE_PATCH)
    exchange.patch("configmaps/a", {"data": {"one": 1}}, MERGE_PATCH)
    exchange.patch("configmaps/a", {"kind": "Secret"}, MERGE_PATCH)
    exchange.patch("configmaps/a", {"apiVersion": "v2"}, MERGE_PATCH)
    exchange.patch("configmaps/absent", {"data": {"one": "1"}}, MERGE_PATCH)
    exchange.get("configmaps/a")


def test_strategic_patches_of_lists_with_keys(exchange: Exchange) -> None:
    exchange.post("apps/v1/deployments", deployment("web", replicas=1))

    def containers(*items: JSONObject, **more: JSONValue) -> JSONObject:
        return {"spec": {"template": {"spec": {"containers": [*items], **more}}}}

    patches: list[JSONObject] = [
        containers({"name": "main", "image": "nginx:2"}),
        containers({"name": "side", "image": "busybox"}),
        containers({"name": "main", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
        containers({"name": "main", "env": [{"name": "A", "value": "3"}]}),
        containers({"name": "main", "env": [{"name": "A", "$patch": "delete"}]}),
        containers({"name": "main", "ports": [{"containerPort": 80}]}),
        containers({"name": "main", "ports": [{"containerPort": 443, "protocol": "TCP"}]}),
        containers({"name": "main", "command": ["a", "b"]}),
        containers({"name": "main", "command": ["c"]}),
        containers({"name": "side", "$patch": "delete"}),
        containers({"name": "new", "image": "x"}, {"$patch": "replace"}),
        {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "new"}]}}}},
        {
            "spec": {
                "template": {
                    "spec": {
                        "$setElementOrder/containers": [{"name": "b"}, {"name": "new"}],
                        "containers": [{"name": "b", "image": "y"}],
                    }
                }
            }
        },
    ]
    for patch in patches:
        exchange.patch("apps/v1/deployments/web", patch, STRATEGIC_PATCH)


def test_strategic_patches_of_maps_and_plain_lists(exchange: Exchange) -> None:
    exchange.post("apps/v1/deployments", deployment("web", replicas=1))
    patches: list[JSONObject] = [
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"b": None}}},
        {"metadata": {"labels": {"$patch": "replace", "c": "3"}}},
        {"metadata": {"finalizers": ["example.com/a"]}},
        {"metadata": {"finalizers": ["example.com/b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}},
        {"metadata": {"finalizers": None}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
        {"spec": {"strategy": {"type": "RollingUpdate"}}},
        {"spec": {"replicas": None}},
        {"metadata": {"labels": {"$patch": "delete"}}},
        {
            "spec": {
                "template": {"spec": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists"}]}}
            }
        },
        {"spec": {"template": {"spec": {"tolerations": [{"key": "l", "operator": "Exists"}]}}}},
        {},
    ]
    for patch in patches:
        exchange.patch("apps/v1/deployments/web", patch, STRATEGIC_PATCH)


def test_strategic_patches_that_do_not_apply(exchange: Exchange) -> None:
    exchange.post("pods", pod("a"))
    exchange.post("configmaps", config_map("a", one="1"))
    patches: list[JSONValue] = [
        [],
        "text",
        {"spec": {"containers": [{"image": "no-name"}]}},
        {"spec": {"containers": {"name": "main"}}},
        {"spec": {"containers": [{"name": "main", "$patch": "fly"}]}},
        {"metadata": {"labels": "text"}},
        {"metadata": {"$patch": "fly"}},
        {
            "spec": {
                "containers": [{"name": "main", "image": "nginx:2"}],
                "$setElementOrder/containers": [{"name": "x"}],
            }
        },
    ]
    for patch in patches:
        exchange.patch("pods/a", patch, STRATEGIC_PATCH)
    exchange.patch("configmaps/a", b"{", STRATEGIC_PATCH)
    exchange.patch("configmaps/a", {"data": {"one": None, "two": "2"}}, STRATEGIC_PATCH)
    exchange.patch("configmaps/a", {"$patch": "replace", "data": {"three": "3"}}, STRATEGIC_PATCH)
    exchange.get("configmaps/a")


def test_patches_of_a_pod_and_a_service(exchange: Exchange) -> None:
    exchange.post("pods", pod("a"))
    exchange.patch("pods/a", {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}, STRATEGIC_PATCH)
    exchange.patch("pods/a", {"spec": {"nodeName": "node-1"}}, STRATEGIC_PATCH)
    exchange.patch("pods/a", {"spec": {"containers": [{"name": "main", "command": ["x"]}]}}, STRATEGIC_PATCH)
    ports: list[JSONValue] = [{"name": "http", "port": 80}]
    exchange.post("services", {"metadata": {"name": "a"}, "spec": {"ports": ports, "selector": {"a": "b"}}})
    exchange.patch("services/a", {"spec": {"ports": [{"name": "tls", "port": 443}]}}, STRATEGIC_PATCH)
    exchange.patch("services/a", {"spec": {"selector": {"a": None, "c": "d"}}}, STRATEGIC_PATCH)
    exchange.patch("services/a", {"spec": {"ports": [{"port": 80, "$patch": "delete"}]}}, STRATEGIC_PATCH)
