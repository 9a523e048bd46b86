"""Writes that others came before."""

from __future__ import annotations

from kubeprims.meta import JSONObject
from tests.contract.exchange import JSON_PATCH, STRATEGIC_PATCH, Exchange
from tests.contract.objects import config_map, deployment


def test_updates_of_a_stale_version(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a", n="1"))
    exchange.put("configmaps/a", first.body | {"data": {"n": "2"}})
    exchange.put("configmaps/a", first.body | {"data": {"n": "3"}})
    exchange.put("configmaps/a", first.body)
    exchange.put("configmaps/a", {"metadata": {"name": "a", "resourceVersion": "abc"}})
    exchange.put("configmaps/a", {"metadata": {"name": "a", "resourceVersion": "999999999"}})
    exchange.put("configmaps/a", {"metadata": {"name": "a", "resourceVersion": "0"}, "data": {"n": "0"}})
    exchange.put("configmaps/a", {"metadata": {"name": "a"}, "data": {"n": "4"}})
    exchange.get("configmaps/a")


def test_uids_are_preconditions(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a"))
    other = "00000000-0000-0000-0000-000000000000"
    exchange.put("configmaps/a", {"metadata": {"name": "a", "uid": other}})
    exchange.patch("configmaps/a", {"metadata": {"uid": other}})
    exchange.put("configmaps/a", {"metadata": {"name": "a", "uid": first.metadata["uid"]}, "data": {"k": "v"}})
    exchange.put("configmaps/absent", {"metadata": {"name": "absent", "uid": other}})
    exchange.delete("configmaps/a", {"preconditions": {"uid": other}})
    exchange.delete("configmaps/a", {"preconditions": {"resourceVersion": "1"}})
    exchange.delete("configmaps/a", {"preconditions": {"resourceVersion": first.version}})
    exchange.delete("configmaps/a", {"preconditions": {"uid": first.metadata["uid"]}})


def test_what_exists_is_not_created_again(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    exchange.post("configmaps", config_map("a", k="v"))
    exchange.post("apps/v1/deployments", deployment("web"))
    exchange.post("apps/v1/deployments", deployment("web"))
    exchange.post("/api/v1/namespaces", {"metadata": {"name": exchange.namespace}})


def test_patches_with_a_version(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a", n="1"))
    exchange.patch("configmaps/a", {"metadata": {"resourceVersion": first.version}, "data": {"n": "2"}})
    exchange.patch("configmaps/a", {"metadata": {"resourceVersion": first.version}, "data": {"n": "3"}})
    stale: JSONObject = {"metadata": {"resourceVersion": first.version}, "data": {"n": "4"}}
    exchange.patch("configmaps/a", stale, STRATEGIC_PATCH)
    test_version: JSONObject = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
    exchange.patch("configmaps/a", [test_version], JSON_PATCH)
    exchange.patch("configmaps/a", {"metadata": {"resourceVersion": ""}, "data": {"n": "5"}})
    exchange.patch("configmaps/a", {"metadata": {"resourceVersion": None}, "data": {"n": "6"}})


def test_writes_that_change_nothing_make_no_version(exchange: Exchange) -> None:
    first = exchange.post("configmaps", config_map("a", k="v"))
    exchange.put("configmaps/a", first.body)
    exchange.patch("configmaps/a", {"data": {"k": "v"}})
    exchange.patch("configmaps/a", {})
    exchange.get("configmaps/a")


def test_generations_count_what_is_asked_for(exchange: Exchange) -> None:
    exchange.post("apps/v1/deployments", deployment("web", replicas=1))
    exchange.patch("apps/v1/deployments/web", {"spec": {"replicas": 2}})
    exchange.patch("apps/v1/deployments/web", {"metadata": {"labels": {"a": "b"}}})
    exchange.patch("apps/v1/deployments/web", {"metadata": {"generation": 9}})
    exchange.patch("apps/v1/deployments/web/status", {"status": {"replicas": 2}})


def test_leases_need_a_version(exchange: Exchange) -> None:
    lease: JSONObject = {"metadata": {"name": "a"}, "spec": {"holderIdentity": "one"}}
    first = exchange.post("coordination.k8s.io/v1/leases", lease)
    exchange.put("coordination.k8s.io/v1/leases/a", lease)
    exchange.put("coordination.k8s.io/v1/leases/a", first.body | {"spec": {"holderIdentity": "two"}})
    exchange.put("coordination.k8s.io/v1/leases/a", first.body | {"spec": {"holderIdentity": "three"}})
    exchange.put("coordination.k8s.io/v1/leases/made", {"metadata": {"name": "made"}})
    exchange.put("services/made", {"metadata": {"name": "made"}, "spec": {"ports": [{"port": 80}]}})


def test_an_update_with_a_uid_does_not_make_what_was_deleted_anew(exchange: Exchange) -> None:
    for resource in ("coordination.k8s.io/v1/leases", "configmaps"):
        first = exchange.post(resource, {"metadata": {"name": "a"}})
        exchange.delete(f"{resource}/a")
        exchange.put(f"{resource}/a", first.body)
        exchange.put(f"{resource}/a", {"metadata": {"name": "a", "resourceVersion": first.version}})
