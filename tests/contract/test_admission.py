"""What objects that are there allow others: limit ranges, quotas, and classes of priority, storage and ingress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Answered, Exchange
from tests.contract.objects import config_map, definition, deployment, pod, widget

PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
RUNTIME_CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
PORTS: list[JSONValue] = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]


def container(name: str = "main", **resources: JSONValue) -> JSONObject:
    """Return a container that claims resources."""
    return claiming(resources, name)


def claiming(resources: JSONObject, name: str = "main") -> JSONObject:
    """Return a container that claims resources."""
    return {"name": name, "image": "nginx:1", **({"resources": resources} if resources else {})}


def limit_range(*limits: JSONObject) -> JSONObject:
    return {"metadata": {"name": "limits"}, "spec": {"limits": [*limits]}}


def claim(name: str, storage: str, **spec: JSONValue) -> JSONObject:
    requested: JSONObject = {"resources": {"requests": {"storage": storage}}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], **requested, **spec}}


def says(text: str) -> Callable[[Answered], bool]:
    return lambda answer: text.encode() in answer.content


def lacks(text: str) -> Callable[[Answered], bool]:
    return lambda answer: text.encode() not in answer.content


def used(obj: JSONObject) -> JSONValue:
    """Return what a quota, or each in a list, says is used."""
    if "items" in obj:
        return [used(item) for item in cast("list[JSONObject]", obj["items"])]
    return cast("JSONObject", obj["status"])


def spec_of(obj: JSONObject) -> JSONValue:
    return obj.get("spec", obj)


@contextmanager
def classes(exchange: Exchange, path: str, *objects: JSONObject) -> Iterator[None]:
    """Create objects that belong to no namespace, and remove them at the end: other tests share the server."""
    for obj in objects:
        exchange.post(path, obj)
    try:
        yield
    finally:
        for obj in objects:
            exchange.delete(f"{path}/{cast('JSONObject', obj['metadata'])['name']}")


def begin_quota(exchange: Exchange, hard: JSONObject, name: str = "quota", **spec: JSONValue) -> None:
    """Create a quota that counts from nothing."""
    exchange.post("resourcequotas", {"metadata": {"name": name}, "spec": {"hard": hard, **spec}})
    nothing: JSONObject = dict.fromkeys(hard, "0")
    exchange.patch(f"resourcequotas/{name}/status", {"status": {"hard": hard, "used": nothing}})


def patch(exchange: Exchange, path: str, body: JSONObject) -> None:
    """Patch what was written a moment ago, so that it is charged once."""
    exchange.settle(path.partition("/")[0])
    exchange.patch(path, body)


def test_limit_ranges_give_pods_their_defaults(exchange: Exchange) -> None:
    limits: JSONObject = {"type": "Container", "default": {"cpu": "500m", "memory": "512Mi"}}
    exchange.post("limitranges", limit_range(limits | {"defaultRequest": {"cpu": "0.1"}}))
    exchange.wait_for_effect("pods", pod("probe"), says("LimitRanger plugin set"))
    exchange.post("pods", pod("plain"))
    exchange.post("pods?dryRun=All", pod("rehearsed"))
    several: list[JSONValue] = [
        container("a", limits={"cpu": "2"}),
        container("b", requests={"memory": "64Mi"}),
        container("c", limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "1", "memory": "1Gi"}),
    ]
    more = pod("several", containers=several, initContainers=[container("first")])
    more["metadata"] = {"name": "several", "annotations": {"a": "b"}}
    exchange.post("pods", more)
    exchange.post("pods", pod("whole", resources={"limits": {"cpu": "1"}}))
    exchange.apply("pods/applied", pod("applied"))
    exchange.apply("pods/applied", pod("applied", labels={"a": "b"}))
    exchange.post("apps/v1/deployments", deployment("untouched"))


def test_limit_ranges_bound_containers(exchange: Exchange) -> None:
    bounds: JSONObject = {
        "type": "Container",
        "min": {"cpu": "100m"},
        "max": {"memory": "1Gi"},
        "maxLimitRequestRatio": {"cpu": "2.5"},
    }
    exchange.post("limitranges", limit_range(bounds))
    low = container(limits={"cpu": "50m"})
    exchange.wait_for_effect("pods", pod("probe", containers=[low]), says("forbidden"))
    exchange.post("pods", pod("a", containers=[low]))
    exchange.post("pods?dryRun=All", pod("a", containers=[low]))
    exchange.post("pods", pod("a"))
    for resources in (
        {"limits": {"cpu": "1"}, "requests": {"cpu": "50m"}},
        {"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "500m", "memory": "1Mi"}},
        {"limits": {"cpu": "1"}, "requests": {"cpu": "300m", "memory": "2000Mi"}},
        {"limits": {"cpu": "1"}, "requests": {"cpu": "0.3"}},
        {"limits": {"cpu": "1"}, "requests": {"cpu": "0"}},
        {"requests": {"cpu": "1"}},
        {"limits": {"cpu": "1", "memory": "1024Mi"}, "requests": {"cpu": "400m"}},
    ):
        parts = cast("JSONObject", resources)
        exchange.post("pods", pod("b", containers=[claiming(parts)]))
    fine = container(limits={"cpu": "1"})
    exchange.post("pods", pod("c", containers=[fine], initContainers=[container("first", limits={"cpu": "10m"})]))
    named = pod("d", containers=[low])
    named["metadata"] = {"generateName": "made-"}
    exchange.post("pods", named)
    exchange.post("pods", pod("e", containers=[fine]))
    exchange.patch("pods/e", {"metadata": {"labels": {"a": "b"}}})


def test_limit_ranges_bound_pods(exchange: Exchange) -> None:
    bounds: JSONObject = {
        "type": "Pod",
        "min": {"cpu": "300m"},
        "max": {"cpu": "2"},
        "maxLimitRequestRatio": {"memory": "2"},
    }
    exchange.post("limitranges", limit_range(bounds))
    exchange.wait_for_effect("pods", pod("probe"), says("forbidden"))
    exchange.post("pods", pod("a"))
    half = container("a", limits={"cpu": "150m", "memory": "1Gi"}, requests={"cpu": "140m", "memory": "512Mi"})
    exchange.post("pods", pod("a", containers=[half]))
    exchange.post("pods", pod("b", containers=[half, half | {"name": "b"}, half | {"name": "c"}]))
    exchange.post("pods", pod("c", containers=[half], initContainers=[container("first", limits={"cpu": "3"})]))
    stays = container("stays", limits={"cpu": "1", "memory": "1Gi"}) | {"restartPolicy": "Always"}
    exchange.post("pods", pod("d", containers=[half], initContainers=[stays, container("then", limits={"cpu": "1"})]))
    exchange.post("pods", pod("e", containers=[half], initContainers=[stays, container("then", limits={"cpu": "1.1"})]))
    exchange.post("pods", pod("f", containers=[half], resources={"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}}))


def test_limit_ranges_bound_claims(exchange: Exchange) -> None:
    bounds: JSONObject = {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "4Gi"}}
    exchange.post("persistentvolumeclaims", claim("old", "100Mi"))
    exchange.post("limitranges", limit_range(bounds))
    exchange.wait_for_effect("persistentvolumeclaims", claim("probe", "5Gi"), says("forbidden"))
    exchange.post("persistentvolumeclaims", claim("a", "5Gi"))
    exchange.post("persistentvolumeclaims", claim("a", "512Mi"))
    exchange.post("persistentvolumeclaims", claim("a", "4Gi"))
    exchange.patch("persistentvolumeclaims/a", {"metadata": {"labels": {"a": "b"}}})
    exchange.patch("persistentvolumeclaims/old", {"metadata": {"labels": {"a": "b"}}})
    exchange.patch("persistentvolumeclaims/old/status", {"status": {"phase": "Bound"}})
    exchange.post("pods", pod("a"))


def test_limit_ranges_that_cannot_be(exchange: Exchange) -> None:
    one: JSONObject = {"cpu": "1"}
    limits: list[JSONObject] = [
        {},
        {"type": "Node"},
        {"type": "example.com/own", "max": one},
        {"type": "Container", "max": {"storage": "1"}},
        {"type": "Pod", "max": {"example.com/gpu": "1"}, "min": {"odd": "1"}},
        {"type": "Pod", "default": one},
        {"type": "Pod", "defaultRequest": one},
        {"type": "PersistentVolumeClaim", "default": {"storage": "1"}},
        {"type": "Container", "maxLimitRequestRatio": {"cpu": "0.5"}},
        {"type": "Container", "maxLimitRequestRatio": {"cpu": "4"}, "min": {"cpu": "2"}, "max": {"cpu": "3"}},
        {"type": "Container", "defaultRequest": {"cpu": "2"}, "default": one},
        {"type": "Container", "min": {"cpu": "2"}, "max": one},
        {"type": "Container", "min": one, "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "400m"}},
        {"type": "Container", "max": one, "default": {"cpu": "2"}, "defaultRequest": {"cpu": "3"}},
    ]
    for limit in limits:
        exchange.post("limitranges?dryRun=All", limit_range(limit))
    twice: JSONObject = {"type": "Container", "max": one}
    exchange.post("limitranges?dryRun=All", limit_range(twice, twice))
    exchange.post("limitranges", limit_range(twice))
    exchange.patch("limitranges/limits", {"spec": {"limits": [{"type": "Pod", "default": one}]}})


def test_quotas_that_cannot_be(exchange: Exchange) -> None:
    pods: JSONObject = {"pods": "1"}
    specs: list[JSONObject] = [
        {"hard": {"odd": "1"}},
        {"hard": {"pods": "-1"}},
        {"hard": pods, "scopes": ["Odd"]},
        {"hard": pods, "scopes": ["BestEffort", "NotBestEffort"]},
        {"hard": pods, "scopes": ["Terminating", "NotTerminating"]},
        {"hard": {"pods": "1", "requests.cpu": "1", "count/pods": "1"}, "scopes": ["BestEffort"]},
        {"hard": {"services": "1", "configmaps": "1"}, "scopes": ["Terminating"]},
        {"hard": pods, "scopes": ["VolumeAttributesClass"]},
    ]
    selectors: list[JSONObject] = [
        {"scopeName": "Odd", "operator": "Exists"},
        {"scopeName": "BestEffort", "operator": "In", "values": ["a"]},
        {"scopeName": "PriorityClass", "operator": "In"},
        {"scopeName": "PriorityClass", "operator": "NotIn", "values": []},
        {"scopeName": "PriorityClass", "operator": "Exists", "values": ["a"]},
        {"scopeName": "PriorityClass", "operator": "Odd"},
        {"scopeName": "VolumeAttributesClass", "operator": "Exists"},
    ]
    several: list[JSONValue] = [{"scopeName": f"{part}Terminating", "operator": "Exists"} for part in ("", "Not")]
    specs += [{"hard": pods, "scopeSelector": {"matchExpressions": [found]}} for found in selectors]
    specs.append({"hard": pods, "scopeSelector": {"matchExpressions": several}})
    for spec in specs:
        exchange.post("resourcequotas?dryRun=All", {"metadata": {"name": "a"}, "spec": spec})
    exchange.post("resourcequotas", {"metadata": {"name": "a"}, "spec": {"hard": pods, "scopes": ["BestEffort"]}})
    exchange.patch("resourcequotas/a", {"spec": {"scopes": ["Terminating"]}})
    exchange.patch("resourcequotas/a", {"spec": {"scopes": None}})


def test_quotas_count_pods(exchange: Exchange) -> None:
    exchange.post("resourcequotas", {"metadata": {"name": "quota"}, "spec": {"hard": {"pods": "1"}}})
    exchange.post("pods", pod("a"))
    exchange.patch("resourcequotas/quota/status", {"status": {"hard": {"pods": "1"}}})
    exchange.wait_for_effect("pods", pod("probe"), says("status unknown"))
    exchange.post("pods", pod("b"))
    exchange.patch("resourcequotas/quota/status", {"status": {"used": {"pods": "0"}}})
    exchange.wait_for_effect("pods", pod("probe"), lacks("status unknown"))
    exchange.post("pods?dryRun=All", pod("b"))
    exchange.get("resourcequotas/quota")
    exchange.post("pods", pod("b"))
    exchange.get("resourcequotas/quota")
    exchange.post("pods", pod("c"))
    exchange.post("pods?dryRun=All", pod("c"))
    exchange.apply("pods/c", pod("c"))
    exchange.patch("pods/b", {"metadata": {"labels": {"a": "b"}}})
    exchange.delete("pods/b?gracePeriodSeconds=0")
    exchange.get("resourcequotas/quota", select=used)
    exchange.post("configmaps", config_map("a"))


def test_quotas_are_charged_before_the_write(exchange: Exchange) -> None:
    begin_quota(exchange, {"pods": "3", "count/pods": "10"})
    begin_quota(exchange, {"configmaps": "0"}, "marker")
    exchange.wait_for_effect("configmaps", config_map("probe"), says("exceeded"))
    exchange.post("pods", pod("a"))
    exchange.post("pods", pod("a"))
    exchange.get("resourcequotas/quota", select=used)
    exchange.post("pods", pod("b", containers=[]))
    exchange.get("resourcequotas/quota", select=used)
    exchange.post("pods", pod("b", priorityClassName="none"))
    exchange.get("resourcequotas/quota", select=used)
    exchange.apply("pods/b", pod("b"))
    exchange.post("pods", pod("c"))
    exchange.get("resourcequotas/quota", select=used)


def test_quotas_count_objects(exchange: Exchange) -> None:
    hard: JSONObject = {
        "count/deployments.apps": "1",
        "configmaps": "1",
        "count/configmaps": "1",
        "secrets": "1",
        "count/leases.coordination.k8s.io": "0",
        "count/events": "0",
        "resourcequotas": "5",
    }
    begin_quota(exchange, hard)
    lease: JSONObject = {"metadata": {"name": "a"}}
    exchange.wait_for_effect("coordination.k8s.io/v1/leases", lease, says("exceeded"))
    exchange.post("coordination.k8s.io/v1/leases", lease)
    exchange.put("coordination.k8s.io/v1/leases/a", lease)
    for name in ("a", "b"):
        exchange.post("configmaps", config_map(name))
        exchange.post("secrets", {"metadata": {"name": name}})
        exchange.post("apps/v1/deployments", deployment(name))
    about: JSONObject = {"kind": "Pod", "namespace": exchange.namespace, "name": "a"}
    exchange.post("events", {"metadata": {"name": "a"}, "involvedObject": about, "type": "Normal"})
    exchange.patch("configmaps/a", {"data": {"k": "v"}})
    exchange.patch("apps/v1/deployments/a/scale", {"spec": {"replicas": 3}})
    exchange.post("resourcequotas", {"metadata": {"name": "other"}, "spec": {"hard": {"pods": "1"}}})
    exchange.get("resourcequotas/quota", select=used)


def test_quotas_count_custom_objects(exchange: Exchange) -> None:
    exchange.define(definition(exchange.namespace))
    group = f"{exchange.namespace}.example.com"
    path = f"{group}/v1/widgets"
    begin_quota(exchange, {f"count/widgets.{group}": "1"})
    begin_quota(exchange, {"configmaps": "0"}, "marker")
    exchange.wait_for_effect("configmaps", config_map("probe"), says("exceeded"))
    exchange.post(path, widget(exchange.namespace, "a"))
    exchange.post(path, widget(exchange.namespace, "b"))
    exchange.get("resourcequotas/quota", select=used)


def test_quotas_count_what_pods_claim(exchange: Exchange) -> None:
    hard: JSONObject = {
        "requests.cpu": "1",
        "requests.memory": "1Gi",
        "limits.cpu": "2",
        "limits.memory": "2Gi",
        "requests.ephemeral-storage": "1G",
        "limits.ephemeral-storage": "1G",
        "requests.example.com/gpu": "2",
        "requests.hugepages-2Mi": "8Mi",
        "count/pods": "10",
    }
    begin_quota(exchange, hard)
    exchange.wait_for_effect("pods", pod("probe"), says("must specify"))
    exchange.post("pods", pod("a"))
    some = container("a", limits={"cpu": "1"}, requests={"memory": "1Mi"})
    exchange.post("pods", pod("a", containers=[some, container("b", limits={"memory": "1Mi"})]))
    exchange.post("pods", pod("a", containers=[some], initContainers=[container("i", limits={"cpu": "1"})]))
    whole: JSONObject = {
        "limits": {"cpu": "500m", "memory": "256Mi", "example.com/gpu": "1", "hugepages-2Mi": "4Mi"},
        "requests": {"cpu": "0.25", "memory": "128Mi", "ephemeral-storage": "100M"},
    }
    exchange.post("pods", pod("a", containers=[claiming(whole)]))
    exchange.get("resourcequotas/quota", select=used)
    first = container("first", limits={"cpu": "750m", "memory": "1Mi"})
    exchange.post("pods", pod("b", containers=[claiming(whole)], initContainers=[first]))
    exchange.get("resourcequotas/quota", select=used)
    exchange.post("pods", pod("c", containers=[claiming(whole)]))
    small = container(limits={"cpu": "1m", "memory": "1Mi"}, requests={"cpu": "0", "memory": "1Ki"})
    exchange.post("pods", pod("d", containers=[small], resources={"limits": {"cpu": "1", "memory": "1Gi"}}))
    exchange.post("pods", pod("e", containers=[container()], resources={"limits": {"cpu": "10m", "memory": "8Mi"}}))
    exchange.get("resourcequotas/quota", select=used)


def test_quotas_may_say_it_shortly(exchange: Exchange) -> None:
    begin_quota(exchange, {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi", "hugepages-1Gi": "1Gi"})
    exchange.wait_for_effect("pods", pod("probe"), says("must specify"))
    exchange.post("pods", pod("a"))
    claimed = container(requests={"cpu": "600m", "memory": "600Mi", "ephemeral-storage": "600Mi"})
    exchange.post("pods", pod("a", containers=[claimed]))
    exchange.post("pods", pod("b", containers=[claimed]))
    exchange.get("resourcequotas/quota", select=used)


def test_quotas_have_scopes(exchange: Exchange) -> None:
    name = exchange.namespace
    for scope in ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating"):
        # Which of several quotas refuses is chance: here it can be one alone.
        begin_quota(exchange, {"pods": "3" if scope == "Terminating" else "9"}, scope.lower(), scopes=[scope])
    expressions: dict[str, JSONObject] = {
        "in": {"operator": "In", "values": [name]},
        "not-in": {"operator": "NotIn", "values": [name]},
        "exists": {"operator": "Exists"},
        "does-not-exist": {"operator": "DoesNotExist"},
    }
    for quota, expression in expressions.items():
        selector: JSONObject = {"matchExpressions": [{"scopeName": "PriorityClass", **expression}]}
        begin_quota(exchange, {"pods": "1" if quota == "exists" else "7"}, quota, scopeSelector=selector)
    begin_quota(exchange, {"configmaps": "0"}, "marker")
    exchange.wait_for_effect("configmaps", config_map("probe"), says("exceeded"))
    with classes(exchange, PRIORITY_CLASSES, {"metadata": {"name": name}, "value": 7}):
        exchange.wait_for_effect("pods", pod("probe", priorityClassName=name), says('"Pod"'))
        burstable = container(requests={"cpu": "1"})
        exchange.post("pods", pod("plain"))
        exchange.post("pods", pod("claiming", containers=[burstable], activeDeadlineSeconds=100))
        exchange.post("pods", pod("with-class", priorityClassName=name))
        exchange.get("resourcequotas", select=used)
        exchange.post("pods", pod("other", priorityClassName="system-node-critical"))
        patch(exchange, "pods/plain", {"spec": {"activeDeadlineSeconds": 50}})
        patch(exchange, "pods/plain", {"spec": {"activeDeadlineSeconds": 40}})
        exchange.get("resourcequotas", select=used)
        for quota in ("one", "two"):
            exchange.post("pods", pod(quota, activeDeadlineSeconds=1))
        exchange.get("resourcequotas", select=used)


def test_quotas_of_pods_that_look_elsewhere(exchange: Exchange) -> None:
    term: JSONObject = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
    elsewhere: JSONObject = term | {"namespaces": ["other"]}
    begin_quota(exchange, {"pods": "0"}, scopes=["CrossNamespacePodAffinity"])

    def affine(kind: str, rule: str, entry: JSONObject) -> JSONObject:
        return pod("a", affinity={kind: {rule: [entry]}})

    required, preferred = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    )
    exchange.wait_for_effect("pods", affine("podAffinity", required, elsewhere), says("exceeded"))
    exchange.post("pods", affine("podAffinity", required, elsewhere))
    exchange.post("pods", affine("podAntiAffinity", preferred, {"weight": 1, "podAffinityTerm": elsewhere}))
    exchange.post("pods", affine("podAntiAffinity", required, term | {"namespaceSelector": {}}))
    exchange.post("pods", affine("podAffinity", required, term))


def test_quotas_count_services(exchange: Exchange) -> None:
    begin_quota(exchange, {"services": "3", "services.nodeports": "2", "services.loadbalancers": "1"})
    begin_quota(exchange, {"configmaps": "0"}, "marker")
    exchange.wait_for_effect("configmaps", config_map("probe"), says("exceeded"))

    def service(name: str, **spec: JSONValue) -> JSONObject:
        return {"metadata": {"name": name}, "spec": {"ports": PORTS, **spec}}

    exchange.post("services", service("a"))
    exchange.post("services", service("b", type="NodePort"))
    exchange.get("resourcequotas/quota", select=used)
    exchange.post("services", service("c", type="LoadBalancer"))
    patch(exchange, "services/a", {"spec": {"type": "NodePort"}})
    patch(exchange, "services/a", {"spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}})
    exchange.get("resourcequotas/quota", select=used)
    patch(exchange, "services/a", {"spec": {"selector": {"a": "b"}}})
    patch(exchange, "services/b", {"spec": {"type": "ClusterIP"}})
    patch(exchange, "services/b?dryRun=All", {"spec": {"type": "LoadBalancer"}})
    exchange.get("resourcequotas/quota", select=used)
    exchange.post("services", service("c"))
    exchange.post("services", service("d"))


def test_quotas_count_claims(exchange: Exchange) -> None:
    name = exchange.namespace
    by_class = f"{name}.storageclass.storage.k8s.io"
    hard: JSONObject = {
        "persistentvolumeclaims": "3",
        "requests.storage": "10Gi",
        f"{by_class}/requests.storage": "5Gi",
        f"{by_class}/persistentvolumeclaims": "2",
    }
    begin_quota(exchange, hard)
    exchange.wait_for_effect("persistentvolumeclaims", claim("probe", "11Gi"), says("exceeded"))
    growing: JSONObject = {"metadata": {"name": name}, "provisioner": "example.com/none", "allowVolumeExpansion": True}
    with classes(exchange, STORAGE_CLASSES, growing):
        exchange.post("persistentvolumeclaims", claim("a", "4Gi", storageClassName=name))
        exchange.post("persistentvolumeclaims", claim("b", "2Gi", storageClassName=name))
        exchange.post("persistentvolumeclaims", claim("b", "2.5Gi"))
        exchange.get("resourcequotas/quota", select=used)
        patch(
            exchange, "persistentvolumeclaims/a/status", {"status": {"phase": "Bound", "capacity": {"storage": "4Gi"}}}
        )
        exchange.wait_for_effect("persistentvolumeclaims/a", _sized("5Gi"), lacks("forbidden"), method="PATCH")
        patch(exchange, "persistentvolumeclaims/a", _sized("6Gi"))
        patch(exchange, "persistentvolumeclaims/a?dryRun=All", _sized("5Gi"))
        patch(exchange, "persistentvolumeclaims/a", _sized("5Gi"))
        exchange.get("resourcequotas/quota", select=used)
        allocated: JSONObject = {"allocatedResources": {"storage": "6Gi"}}
        patch(exchange, "persistentvolumeclaims/a/status", {"status": allocated})
        exchange.get("resourcequotas/quota", select=used)


def _sized(storage: str) -> JSONObject:
    return {"spec": {"resources": {"requests": {"storage": storage}}}}


def test_claims_grow_if_their_class_lets_them(exchange: Exchange) -> None:
    fixed: JSONObject = {"metadata": {"name": f"{exchange.namespace}-fixed"}, "provisioner": "example.com/none"}
    growing: JSONObject = {"metadata": {"name": exchange.namespace}, "provisioner": "example.com/none"}
    path = "persistentvolumeclaims"
    with classes(exchange, STORAGE_CLASSES, fixed, growing | {"allowVolumeExpansion": True}):
        exchange.post(path, claim("a", "1Gi", storageClassName=exchange.namespace))
        exchange.patch(f"{path}/a", _sized("2Gi"))
        bound: JSONObject = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
        exchange.patch(f"{path}/a/status", bound)
        exchange.wait_for_effect(f"{path}/a", _sized("2Gi"), lacks("forbidden"), method="PATCH")
        exchange.patch(f"{path}/a", _sized("2Gi"))
        exchange.patch(f"{path}/a", _sized("1536Mi"))
        exchange.patch(f"{path}/a", _sized("1Gi"))
        exchange.post(path, claim("b", "1Gi", storageClassName=f"{exchange.namespace}-fixed"))
        exchange.post(path, claim("c", "1Gi", storageClassName=f"{exchange.namespace}-absent"))
        exchange.post(path, claim("d", "1Gi"))
        exchange.post(path, claim("e", "1Gi", storageClassName=""))
        for name in "bcde":
            exchange.patch(f"{path}/{name}/status", bound)
            exchange.patch(f"{path}/{name}", _sized("2Gi"))
            exchange.patch(f"{path}/{name}", {"metadata": {"labels": {"a": "b"}}})


def test_a_default_storage_class(exchange: Exchange) -> None:
    annotated: JSONObject = {"storageclass.kubernetes.io/is-default-class": "true"}
    default: JSONObject = {"metadata": {"name": exchange.namespace, "annotations": annotated}}
    path = "persistentvolumeclaims"
    with classes(exchange, STORAGE_CLASSES, default | {"provisioner": "example.com/none"}):
        exchange.wait_for_effect(path, claim("probe", "1Gi"), says("storageClassName"))
        exchange.post(path, claim("a", "1Gi"))
        exchange.post(path, claim("b", "1Gi", storageClassName=""))
        exchange.post(path, claim("c", "1Gi", storageClassName="other"))
        old = claim("d", "1Gi")
        old["metadata"] = {"name": "d", "annotations": {"volume.beta.kubernetes.io/storage-class": "x"}}
        exchange.post(path, old)
        exchange.apply(f"{path}/e", {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim("e", "1Gi")})
    exchange.wait_for_effect(path, claim("probe", "1Gi"), lacks("storageClassName"))


def test_a_default_ingress_class(exchange: Exchange) -> None:
    annotated: JSONObject = {"ingressclass.kubernetes.io/is-default-class": "true"}
    default: JSONObject = {"metadata": {"name": exchange.namespace, "annotations": annotated}}
    path = "networking.k8s.io/v1/ingresses"

    def ingress(name: str, **spec: JSONValue) -> JSONObject:
        backend: JSONObject = {"service": {"name": "a", "port": {"number": 80}}}
        return {"metadata": {"name": name}, "spec": {"defaultBackend": backend, **spec}}

    with classes(exchange, INGRESS_CLASSES, default | {"spec": {"controller": "example.com/none"}}):
        exchange.wait_for_effect(path, ingress("probe"), says("ingressClassName"))
        exchange.post(path, ingress("a"))
        exchange.post(path, ingress("b", ingressClassName="other"))
        old = ingress("c")
        old["metadata"] = {"name": "c", "annotations": {"kubernetes.io/ingress.class": "x"}}
        exchange.post(path, old)
    exchange.wait_for_effect(path, ingress("probe"), lacks("ingressClassName"))


def test_priority_classes(exchange: Exchange) -> None:
    name = exchange.namespace
    high: JSONObject = {"metadata": {"name": name}, "value": 1000, "preemptionPolicy": "Never"}
    exchange.post("pods", pod("a", priorityClassName=name))
    exchange.post("pods?dryRun=All", pod("a", priorityClassName=name))
    exchange.apply("pods/a", pod("a", priorityClassName=name))
    made = pod("a", priorityClassName=name)
    made["metadata"] = {"generateName": "made-"}
    exchange.post("pods", made)
    made["metadata"] = {}
    exchange.post("pods", made)
    exchange.post("pods", pod("a", priorityClassName=name, containers=[]))
    exchange.post("pods", pod("a", priority=7))
    exchange.post("pods", pod("a", preemptionPolicy="Never"))
    exchange.post("pods", pod("zero", priority=0, preemptionPolicy="PreemptLowerPriority"))
    with classes(exchange, PRIORITY_CLASSES, high):
        exchange.wait_for_effect("pods", pod("probe", priorityClassName=name), lacks("no PriorityClass"))
        exchange.post("pods", pod("a", priorityClassName=name))
        exchange.post("pods", pod("b", priorityClassName=name, priority=7))
        exchange.post("pods", pod("b", priorityClassName=name, priority=1000, preemptionPolicy="PreemptLowerPriority"))
        exchange.post("pods", pod("b", priorityClassName=name, priority=1000, preemptionPolicy="Never"))
        labelled = pod("a", labels={"a": "b"}, priorityClassName=name, tolerations=[])
        exchange.put("pods/a", labelled)
        exchange.apply("pods/c", pod("c", priorityClassName=name))
        exchange.patch(f"{PRIORITY_CLASSES}/{name}", {"value": 5})
        exchange.patch(f"{PRIORITY_CLASSES}/{name}", {"preemptionPolicy": "PreemptLowerPriority"})
    exchange.wait_for_effect("pods", pod("probe", priorityClassName=name), says("no PriorityClass"))
    exchange.put("pods/a", pod("a", labels={"c": "d"}, priorityClassName=name))
    exchange.post("apps/v1/deployments", deployment("a"))


def test_a_default_priority_class(exchange: Exchange) -> None:
    name = exchange.namespace
    default: JSONObject = {"metadata": {"name": name}, "value": 12, "globalDefault": True, "preemptionPolicy": "Never"}
    other: JSONObject = {"metadata": {"name": f"{name}-other"}, "value": 2, "globalDefault": True}
    exchange.post("pods", pod("before"))
    with classes(exchange, PRIORITY_CLASSES, default):
        exchange.wait_for_effect("pods", pod("probe"), says('"priority":12'))
        exchange.post("pods", pod("a"))
        exchange.post("pods", pod("b", priority=3))
        exchange.post("pods", pod("c", priorityClassName="system-node-critical"))
        exchange.post(PRIORITY_CLASSES, other)
        exchange.post(f"{PRIORITY_CLASSES}?dryRun=All", other)
        exchange.apply(
            f"{PRIORITY_CLASSES}/{name}-other", {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", **other}
        )
        exchange.patch(f"{PRIORITY_CLASSES}/{name}", {"description": "the default"})
        with classes(exchange, PRIORITY_CLASSES, other | {"globalDefault": False}):
            exchange.patch(f"{PRIORITY_CLASSES}/{name}-other", {"globalDefault": True})
        exchange.put("pods/before", pod("before", labels={"a": "b"}))
    exchange.wait_for_effect("pods", pod("probe"), says('"priority":0'))


def test_priority_classes_of_the_system(exchange: Exchange) -> None:
    exchange.get(f"{PRIORITY_CLASSES}/system-cluster-critical")
    exchange.get(f"{PRIORITY_CLASSES}/system-node-critical")
    exchange.delete(f"{PRIORITY_CLASSES}/system-node-critical")
    exchange.delete(f"{PRIORITY_CLASSES}/system-node-critical?dryRun=All")
    exchange.post(PRIORITY_CLASSES, {"metadata": {"name": "system-mine"}, "value": 1})
    node: JSONObject = {"metadata": {"name": "system-node-critical"}, "value": 2_000_001_000}
    exchange.post(PRIORITY_CLASSES, node)
    exchange.post(PRIORITY_CLASSES, node | {"value": 5})
    exchange.post(PRIORITY_CLASSES, node | {"globalDefault": True})
    exchange.post(PRIORITY_CLASSES, {"metadata": {"name": "too-high"}, "value": 1_000_000_001})
    exchange.post(PRIORITY_CLASSES, {"metadata": {"name": "odd"}, "value": 1, "preemptionPolicy": "Sometimes"})


def test_runtime_classes(exchange: Exchange) -> None:
    name = exchange.namespace
    exchange.post("pods", pod("a", runtimeClassName=name))
    exchange.post("pods", pod("a", overhead={"cpu": "1"}))
    tolerated: JSONObject = {"key": "own", "operator": "Exists"}
    sandbox: JSONObject = {
        "metadata": {"name": name},
        "handler": "sandbox",
        "overhead": {"podFixed": {"cpu": "250m", "memory": "16Mi"}},
        "scheduling": {"nodeSelector": {"sandbox": "yes"}, "tolerations": [tolerated]},
    }
    bare: JSONObject = {"metadata": {"name": f"{name}-bare"}, "handler": "bare"}
    with classes(exchange, RUNTIME_CLASSES, sandbox, bare):
        exchange.post("pods", pod("a", runtimeClassName=name))
        exchange.post("pods", pod("b", runtimeClassName=name, overhead={"cpu": "1"}))
        exchange.post("pods", pod("b", runtimeClassName=name, overhead={"cpu": "0.25", "memory": "16Mi"}))
        exchange.post("pods", pod("c", runtimeClassName=name, nodeSelector={"sandbox": "no"}))
        exchange.post("pods", pod("c", runtimeClassName=name, nodeSelector={"a": "b"}, tolerations=[tolerated]))
        exchange.post("pods", pod("d", runtimeClassName=f"{name}-bare"))
        exchange.post("pods", pod("e", runtimeClassName=f"{name}-bare", overhead={"cpu": "1"}))
        begin_quota(exchange, {"requests.cpu": "1", "limits.cpu": "2"})
        exchange.wait_for_effect("pods", pod("probe"), says("must specify"))
        burstable = container(limits={"cpu": "1"}, requests={"cpu": "500m"})
        exchange.post("pods", pod("f", runtimeClassName=name, containers=[burstable]))
        exchange.get("resourcequotas/quota", select=used)


def test_pods_take_the_place_of_their_node(exchange: Exchange) -> None:
    name, zone, region = exchange.namespace, "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    labels: JSONObject = {zone: "z", region: "r", "topology.kubernetes.io/other": "o", "a": "b"}
    for pod_name in ("unbound", "odd"):
        exchange.post("pods", pod(pod_name, labels={zone: "mine", "c": "d"}))
    with classes(exchange, "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}}):
        exchange.wait_for_effect("pods", pod("probe", nodeName=name), says(zone))
        exchange.post("pods", pod("placed", labels={zone: "mine", "c": "d"}, nodeName=name))
        exchange.post("pods", pod("elsewhere", nodeName="absent"))
        target: JSONObject = {"kind": "Node", "name": name}
        told: JSONObject = {"name": "unbound", "labels": {"e": "f", zone: "yours"}}
        exchange.post("pods/unbound/binding", {"metadata": told, "target": target})
        exchange.get("pods/unbound")
        exchange.post("pods/odd/binding", {"metadata": {"name": "odd"}, "target": {"name": name}})
        exchange.get("pods/odd")
