"""Deletion: finalizers, grace, preconditions, policies, and whole collections."""

from __future__ import annotations

from kubeprims.meta import JSONObject
from tests.contract.exchange import JSON_PATCH, Exchange
from tests.contract.objects import config_map, deployment, pod

FINALIZER = "example.com/wait"


def finalized(name: str) -> JSONObject:
    return {"metadata": {"name": name, "finalizers": [FINALIZER]}}


def job(name: str) -> JSONObject:
    spec = pod("p", restartPolicy="Never")["spec"]
    return {"metadata": {"name": name}, "spec": {"template": {"spec": spec}}}


def test_finalizers_hold_an_object(exchange: Exchange) -> None:
    first = exchange.post("configmaps", finalized("a"))
    with exchange.watch(f"configmaps?watch=1&resourceVersion={first.version}") as watch:
        exchange.delete("configmaps/a")
        exchange.get("configmaps/a")
        exchange.delete("configmaps/a")
        exchange.post("configmaps", finalized("a"))
        exchange.patch("configmaps/a", {"metadata": {"finalizers": [FINALIZER, "example.com/more"]}})
        exchange.patch("configmaps/a", {"data": {"k": "v"}})
        exchange.patch("configmaps/a", {"metadata": {"deletionTimestamp": None}})
        exchange.patch("configmaps/a", {"metadata": {"finalizers": None}})
        exchange.get("configmaps/a")
        exchange.post("configmaps", config_map("last"))
        watch.take_until("last")


def test_an_update_can_take_the_last_finalizer(exchange: Exchange) -> None:
    exchange.post("configmaps", finalized("a"))
    exchange.delete("configmaps/a")
    exchange.put("configmaps/a", {"metadata": {"name": "a"}})
    exchange.get("configmaps/a")
    exchange.post("configmaps", finalized("b"))
    exchange.patch("configmaps/b", [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH)
    exchange.delete("configmaps/b")


def test_pods_get_their_grace(exchange: Exchange) -> None:
    exchange.post("pods", pod("bound", nodeName="node-1"))
    exchange.delete("pods/bound")
    exchange.get("pods/bound")
    exchange.delete("pods/bound?gracePeriodSeconds=60")
    exchange.delete("pods/bound?gracePeriodSeconds=5")
    exchange.delete("pods/bound", {"gracePeriodSeconds": 0})
    exchange.get("pods/bound")
    exchange.post("pods", pod("free"))
    exchange.delete("pods/free")
    exchange.post("pods", pod("own", nodeName="node-1", terminationGracePeriodSeconds=7))
    exchange.delete("pods/own")
    exchange.delete("pods/own?gracePeriodSeconds=0")
    exchange.post("pods", pod("done", nodeName="node-1"))
    exchange.patch("pods/done/status", {"status": {"phase": "Succeeded"}})
    exchange.delete("pods/done")


def test_options_that_make_no_sense(exchange: Exchange) -> None:
    exchange.post("configmaps", config_map("a"))
    for query in (
        "gracePeriodSeconds=soon",
        "propagationPolicy=Never",
        "orphanDependents=true&propagationPolicy=Orphan",
    ):
        exchange.delete(f"configmaps/a?{query}")
    bodies: list[JSONObject] = [
        {"kind": "DeleteOptions", "apiVersion": "v2"},
        {"kind": "Pod", "apiVersion": "v1"},
        {"gracePeriodSeconds": "soon"},
        {"propagationPolicy": "Never"},
        {"propagationPolicy": "Orphan", "orphanDependents": True},
    ]
    for body in bodies:
        exchange.delete("configmaps/a", body)
    exchange.request("DELETE", "configmaps/a", b"{")
    exchange.request("DELETE", "configmaps/a", b"text", content_type="text/plain")
    exchange.delete("configmaps/a?gracePeriodSeconds=-1")
    exchange.get("configmaps/a")


def test_policies_become_finalizers(exchange: Exchange) -> None:
    for policy in ("Orphan", "Foreground", "Background"):
        name = policy.lower()
        exchange.post("apps/v1/deployments", deployment(name))
        exchange.delete(f"apps/v1/deployments/{name}", {"propagationPolicy": policy})
        exchange.get(f"apps/v1/deployments/{name}")
    exchange.post("configmaps", config_map("a"))
    exchange.delete("configmaps/a", {"orphanDependents": True})
    exchange.post("configmaps", config_map("b"))
    exchange.delete("configmaps/b", {"orphanDependents": False})
    exchange.post("configmaps", config_map("c"))
    exchange.delete("configmaps/c", {"kind": "DeleteOptions", "apiVersion": "v1"})
    exchange.post("configmaps", config_map("d"))
    exchange.delete("configmaps/d", {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"})


def test_jobs_leave_what_they_own_behind_unless_told_otherwise(exchange: Exchange) -> None:
    for name, query in (("a", ""), ("b", "?propagationPolicy=Background"), ("c", "?propagationPolicy=Orphan")):
        exchange.post("batch/v1/jobs", job(name))
        exchange.delete(f"batch/v1/jobs/{name}{query}")
    exchange.delete("batch/v1/jobs/a?dryRun=All")
    exchange.delete("batch/v1/jobs")


def test_replication_controllers_do_so_too_and_events_own_nothing(exchange: Exchange) -> None:
    template: JSONObject = {"metadata": {"labels": {"a": "b"}}, "spec": pod("p")["spec"]}
    controller: JSONObject = {"metadata": {"name": "a"}, "spec": {"selector": {"a": "b"}, "template": template}}
    exchange.post("replicationcontrollers", controller)
    exchange.delete("replicationcontrollers/a")
    exchange.delete("replicationcontrollers/a")
    exchange.delete("replicationcontrollers/a?propagationPolicy=Background")
    for policy in ("Orphan", "Foreground"):
        exchange.post("events", {"metadata": {"name": "e"}, "involvedObject": {"namespace": exchange.namespace}})
        exchange.delete(f"events/e?propagationPolicy={policy}")
        exchange.get("events/e")


def test_collections(exchange: Exchange) -> None:
    for name in ("a", "b", "c"):
        exchange.post("configmaps", config_map(name, labels={"keep": str(name == "c")}))
    exchange.delete("configmaps?labelSelector=keep%3DFalse")
    exchange.delete("configmaps?fieldSelector=metadata.name%3Dnone")
    exchange.post("configmaps", finalized("held"))
    exchange.delete("configmaps")
    exchange.get("configmaps")
    exchange.post("pods", pod("bound", nodeName="node-1"))
    exchange.delete("pods", {"gracePeriodSeconds": 0})
    exchange.delete("pods")
    exchange.delete("configmaps?labelSelector=a%20b")
    exchange.delete("configmaps", {"preconditions": {"uid": "x"}})


def test_a_page_of_a_collection(exchange: Exchange) -> None:
    for name in ("a", "b", "c"):
        exchange.post("configmaps", config_map(name, labels={"made": "here"}))
    exchange.delete("configmaps?limit=1&labelSelector=made%3Dhere")
    exchange.get("configmaps?labelSelector=made%3Dhere")
    exchange.delete("configmaps?limit=5&labelSelector=made%3Dhere")


def test_a_namespace_goes_by_finalize(exchange: Exchange) -> None:
    name = f"{exchange.namespace}-2"
    exchange.post("/api/v1/namespaces", {"metadata": {"name": name}})
    exchange.delete(f"/api/v1/namespaces/{name}")
    exchange.get(f"/api/v1/namespaces/{name}")
    exchange.post(f"/api/v1/namespaces/{name}/configmaps", config_map("late"))
    exchange.delete(f"/api/v1/namespaces/{name}")
    empty: JSONObject = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name},
        "spec": {"finalizers": []},
    }
    exchange.put(f"/api/v1/namespaces/{name}/finalize", empty)
    exchange.get(f"/api/v1/namespaces/{name}")
    exchange.delete("/api/v1/namespaces/default")
    exchange.delete("/api/v1/namespaces/kube-system")


def test_an_empty_body_and_a_deleted_object_in_the_answer(exchange: Exchange) -> None:
    exchange.post("secrets", {"metadata": {"name": "a"}})
    exchange.request("DELETE", "secrets/a", b"")
    exchange.post("persistentvolumeclaims", _claim())
    exchange.delete("persistentvolumeclaims/a")
    exchange.delete("persistentvolumeclaims/a")


def _claim() -> JSONObject:
    requests: JSONObject = {"requests": {"storage": "1Gi"}}
    return {"metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": requests}}
