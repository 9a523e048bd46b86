"""What may be written to the status of the built-in kinds."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import MERGE_PATCH, Exchange
from tests.contract.objects import deployment, pod

CONTAINER: JSONObject = {"name": "main", "image": "nginx"}
LABELS: JSONObject = {"app": "a"}
TEMPLATE: JSONObject = {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER]}}
SELECTOR: JSONObject = {"matchLabels": LABELS}
MOMENT = "2001-01-01T00:00:00Z"
LATER = "2001-01-02T00:00:00Z"
ODD = "no name"
DONE: JSONObject = {"terminated": {"exitCode": 0}}
FAILED: JSONObject = {"terminated": {"exitCode": 1}}
RUNNING: JSONObject = {"running": {}}


def write(exchange: Exchange, path: str, *statuses: JSONObject) -> None:
    """Write to a status, once for each; of what is accepted, the status is compared."""
    for status in statuses:
        body: JSONObject = {"status": status}
        exchange.request("PATCH", f"{path}/status", body, content_type=MERGE_PATCH, select=failure_or_status)


def failure_or_status(body: JSONObject) -> JSONValue:
    return body if body["kind"] == "Status" else body["status"]


def state(name: str, what: JSONObject) -> JSONObject:
    return {"name": name, "state": what, "ready": False, "restartCount": 0, "image": "", "imageID": ""}


def conditions(*types: str) -> list[JSONValue]:
    return [{"type": kind, "status": "True"} for kind in types]


def test_conditions_and_addresses_of_pods(exchange: Exchange) -> None:
    exchange.post("pods", pod("a"))
    ready: JSONObject = {"type": "Ready", "status": "True"}
    write(
        exchange,
        "pods/a",
        {"conditions": [ready, {"type": ODD, "status": "True"}, {"type": "example.com/x", "status": "Maybe"}]},
        {"conditions": [ready | {"observedGeneration": -1}]},
        {"observedGeneration": -1},
        {"nominatedNodeName": ODD},
        {"nominatedNodeName": "node-1"},
        {"qosClass": "Guaranteed"},
        {"phase": "Nowhere"},
        {"podIP": "1.2.3.4"},
        {"podIPs": [{"ip": "1.2.3.4"}]},
        {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.5"}]},
        {"podIP": "host", "podIPs": [{"ip": "host"}]},
        {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.5"}]},
        {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "::1"}, {"ip": "::2"}]},
        {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "x"}]},
        {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "::1"}]},
        {"podIP": "010.2.3.4", "podIPs": [{"ip": "010.2.3.4"}]},
        {"hostIP": "1.2.3.4"},
        {"hostIPs": [{"ip": "1.2.3.5"}]},
        {"hostIP": "x", "hostIPs": [{"ip": "x"}]},
        {"hostIP": "1.2.3.4", "hostIPs": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.5"}]},
        {"hostIP": "1.2.3.4", "hostIPs": [{"ip": "1.2.3.4"}, {"ip": "::1"}]},
    )
    exchange.post("pods", pod("bound", nodeName="node-1"))
    write(exchange, "pods/bound", {"nominatedNodeName": "node-1"})
    write(exchange, "pods/a", {"phase": "Running", "reason": ODD, "message": "", "startTime": MOMENT})


def test_containers_stay_terminated(exchange: Exchange) -> None:
    init: JSONObject = {"name": "init", "image": "i"}
    side: JSONObject = {"name": "side", "image": "i", "restartPolicy": "Always"}
    after: JSONObject = {
        "name": "main",
        "image": "i",
        "restartPolicy": "Never",
        "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}],
    }
    specs: list[JSONObject] = [
        {"restartPolicy": "Always", "initContainers": [init, side]},
        {"restartPolicy": "OnFailure", "initContainers": [init, side]},
        {"restartPolicy": "Never", "initContainers": [init, side]},
        {"restartPolicy": "Never", "containers": [after]},
        {"restartPolicy": "Always", "containers": [{**CONTAINER, "restartPolicy": "OnFailure"}]},
    ]
    for number, spec in enumerate(specs):
        name = f"p{number}"
        exchange.post("pods", pod(name, **spec))
        for ended in (DONE, FAILED):
            both: list[JSONValue] = [state("init", ended), state("side", ended)]
            write(
                exchange,
                f"pods/{name}",
                {"containerStatuses": [state("main", ended), state("lost", ended)], "initContainerStatuses": both},
                {"ephemeralContainerStatuses": [state("debug", ended)]},
                {"containerStatuses": [state("main", RUNNING)]},
                {"containerStatuses": [state("lost", RUNNING)]},
                {"initContainerStatuses": [state("side", RUNNING)]},
                {"initContainerStatuses": [state("init", RUNNING)]},
                {"ephemeralContainerStatuses": [state("debug", RUNNING)]},
                {"containerStatuses": None, "initContainerStatuses": None, "ephemeralContainerStatuses": None},
            )


def test_users_and_claims_of_pods(exchange: Exchange) -> None:
    claims: list[JSONValue] = [{"name": "a", "resourceClaimTemplateName": "t"}, {"name": "b", "resourceClaimName": "b"}]
    resources: JSONObject = {
        "requests": {"example.com/gpu": "1"},
        "limits": {"example.com/gpu": "1"},
        "claims": [{"name": "a"}, {"name": "b", "request": "r"}],
    }
    exchange.post("pods", pod("a", resourceClaims=claims, containers=[CONTAINER | {"resources": resources}]))
    main = state("main", RUNNING)
    allocated: list[JSONValue] = [
        {"name": "claim:a", "resources": [{"resourceID": "x", "health": "Healthy"}, {"resourceID": "x"}]},
        {"name": "claim:b/r"},
        {"name": "claim:b"},
        {"name": "example.com/gpu", "resources": [{"resourceID": "y", "health": "Fine"}]},
        {"name": "example.com/other"},
    ]
    mapped: JSONObject = {"containerName": "main", "resourceName": "example.com/gpu", "requestName": "r"}
    mappings: list[JSONValue] = [
        mapped,
        mapped,
        mapped | {"containerName": "lost"},
        mapped | {"resourceName": "cpu"},
        mapped | {"requestName": ODD},
    ]
    far: JSONObject = {"uid": 2**32, "gid": -1, "supplementalGroups": [1, 2**31]}
    write(
        exchange,
        "pods/a",
        {"containerStatuses": [main | {"user": {"linux": far}}]},
        {"initContainerStatuses": [main | {"user": {"linux": far}}]},
        {"ephemeralContainerStatuses": [main | {"user": {"linux": far}}]},
        {"containerStatuses": [main | {"user": {"linux": {"uid": 2**32 - 1, "gid": 0}}}]},
        {"containerStatuses": [main | {"allocatedResourcesStatus": allocated}]},
        {"containerStatuses": [state("lost", RUNNING) | {"allocatedResourcesStatus": [{"name": "claim:z"}]}]},
        {"ephemeralContainerStatuses": [main | {"allocatedResourcesStatus": [{"name": "claim:a"}]}]},
        {"resourceClaimStatuses": [{"name": "a", "resourceClaimName": "x"}, {"name": "z"}]},
        {"resourceClaimStatuses": [{"name": "a", "resourceClaimName": ODD}, {"name": "b"}]},
        {"resourceClaimStatuses": [{"name": "a", "resourceClaimName": "x"}]},
        {"extendedResourceClaimStatus": {}},
        {"extendedResourceClaimStatus": {"resourceClaimName": ODD, "requestMappings": mappings}},
        {"extendedResourceClaimStatus": {"resourceClaimName": "e", "requestMappings": [mappings[0]]}},
        {"containerStatuses": [main | {"allocatedResourcesStatus": [{"name": "claim:e/r"}, {"name": "claim:e/s"}]}]},
    )
    windows = pod("w", os={"name": "windows"})
    exchange.post("pods", windows)
    write(exchange, "pods/w", {"containerStatuses": [main | {"user": {"linux": {"uid": 1, "gid": 1}}}]})


def test_metadata_is_judged_with_the_status(exchange: Exchange) -> None:
    exchange.post("pods", pod("a"))
    exchange.patch("pods/a/status", {"metadata": {"labels": {ODD: "x"}}, "status": {"observedGeneration": -1}})
    exchange.post("apps/v1/deployments", deployment("a"))
    exchange.patch("apps/v1/deployments/a/status", {"metadata": {"labels": {ODD: "x"}}, "status": {"replicas": -1}})
    exchange.patch(
        "apps/v1/deployments/a/status", {"metadata": {"annotations": {ODD: "x"}}, "status": {"replicas": -1}}
    )


def test_replicas(exchange: Exchange) -> None:
    ready = ("replicas", "readyReplicas", "availableReplicas", "observedGeneration")
    names: JSONObject = {"name": "a"}
    exchange.post("apps/v1/deployments", deployment("a"))
    exchange.post("apps/v1/replicasets", {"metadata": names, "spec": {"selector": SELECTOR, "template": TEMPLATE}})
    sets: JSONObject = {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "a"}
    exchange.post("apps/v1/statefulsets", {"metadata": names, "spec": sets})
    exchange.post("replicationcontrollers", {"metadata": names, "spec": {"selector": LABELS, "template": TEMPLATE}})
    for path, more in {
        "apps/v1/deployments/a": ("updatedReplicas", "unavailableReplicas", "terminatingReplicas", "collisionCount"),
        "apps/v1/replicasets/a": ("fullyLabeledReplicas", "terminatingReplicas"),
        "apps/v1/statefulsets/a": ("currentReplicas", "updatedReplicas", "collisionCount"),
        "replicationcontrollers/a": ("fullyLabeledReplicas",),
    }.items():
        write(
            exchange,
            path,
            dict.fromkeys((*ready, *more), -1),
            dict.fromkeys((*ready, *more), 2) | {"replicas": 1},
            {"replicas": 3, "readyReplicas": 1, "availableReplicas": 2},
            {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2},
            {"conditions": [{"type": ODD, "status": "Maybe"}]},
        )
    for path in ("apps/v1/deployments/a", "apps/v1/statefulsets/a"):
        write(exchange, path, {"collisionCount": 2}, {"collisionCount": 1}, {"collisionCount": None})


def test_daemons(exchange: Exchange) -> None:
    exchange.post(
        "apps/v1/daemonsets", {"metadata": {"name": "a"}, "spec": {"selector": SELECTOR, "template": TEMPLATE}}
    )
    counts = (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    )
    write(
        exchange,
        "apps/v1/daemonsets/a",
        dict.fromkeys(counts, -1),
        {"numberReady": 5, "collisionCount": 1},
        {"collisionCount": 0},
    )


def new_job(exchange: Exchange, name: str, **spec: JSONValue) -> str:
    """Create a job, and return its path."""
    template: JSONObject = {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}
    exchange.post("batch/v1/jobs", {"metadata": {"name": name}, "spec": {"template": template, **spec}})
    return f"batch/v1/jobs/{name}"


def test_counts_of_jobs(exchange: Exchange) -> None:
    path = new_job(exchange, "a")
    write(
        exchange,
        path,
        dict.fromkeys(("active", "succeeded", "failed", "ready", "terminating"), -1),
        {"uncountedTerminatedPods": {"succeeded": ["a", "", "a"], "failed": ["a", "b", ""]}},
        {"active": 1, "ready": 2},
        {"active": 1, "ready": 1, "succeeded": 2, "failed": 2},
        {"succeeded": 1, "failed": 1},
        {"completedIndexes": "0"},
        {"failedIndexes": "0"},
        {"startTime": MOMENT},
        {"startTime": LATER},
        {"startTime": None},
        {"completionTime": LATER},
        {"conditions": [{"type": ODD, "status": "Maybe"}]},
    )
    scaled = new_job(exchange, "scaled", completionMode="Indexed", completions=3, parallelism=3)
    write(exchange, scaled, {"succeeded": 2}, {"succeeded": 1}, {"failed": 1}, {"failed": 0})


def test_indexes_of_jobs(exchange: Exchange) -> None:
    path = new_job(exchange, "a", completionMode="Indexed", completions=6, parallelism=2, backoffLimitPerIndex=1)
    for indexes in (
        "0,2-4",
        "x",
        "1-x",
        "6",
        "1-6",
        "2,1",
        "1-1",
        "1-2-3",
        "0,",
        "1,3-2",
        "-1",
        "3,3",
        " 1",
        "+1",
        "1_0",
    ):
        write(exchange, path, {"completedIndexes": indexes, "failedIndexes": None})
        write(exchange, path, {"completedIndexes": "", "failedIndexes": indexes})
    for completed, failed in (("0-2", "2"), ("0,4", "1-3,4-5"), ("0,4", "1-3,5"), ("x,1", "0,1"), ("1", "y,0-1")):
        write(exchange, path, {"completedIndexes": completed, "failedIndexes": failed})


def test_ends_of_jobs(exchange: Exchange) -> None:
    path = new_job(exchange, "a")
    write(
        exchange,
        path,
        {"conditions": conditions("Complete")},
        {"conditions": conditions("Complete", "Failed")},
        {"conditions": conditions("Complete", "FailureTarget")},
        {"conditions": conditions("Failed")},
        {"conditions": conditions("Failed", "FailureTarget"), "active": 1, "terminating": 1},
        {"conditions": conditions("SuccessCriteriaMet", "Failed", "FailureTarget")},
        {
            "conditions": conditions("SuccessCriteriaMet", "Complete"),
            "startTime": MOMENT,
            "completionTime": "2000-01-01T00:00:00Z",
        },
        {
            "conditions": conditions("SuccessCriteriaMet", "Complete"),
            "startTime": MOMENT,
            "completionTime": LATER,
            "uncountedTerminatedPods": {"succeeded": ["a"]},
        },
        {"conditions": conditions("SuccessCriteriaMet")},
        {"conditions": None},
        {"conditions": conditions("SuccessCriteriaMet", "Complete"), "startTime": MOMENT, "completionTime": LATER},
        {"completionTime": MOMENT},
        {"completionTime": None},
        {"startTime": None},
        {"conditions": conditions("SuccessCriteriaMet")},
        {"active": 1},
        {"terminating": 1},
        {"uncountedTerminatedPods": {"failed": ["a"]}},
    )
    failed = new_job(exchange, "failed")
    write(
        exchange,
        failed,
        {"conditions": conditions("FailureTarget")},
        {"conditions": conditions("FailureTarget", "Failed"), "startTime": MOMENT, "completionTime": LATER},
        {"conditions": conditions("FailureTarget", "Failed"), "startTime": MOMENT},
        {"conditions": conditions("Failed")},
        {"conditions": None},
    )
    rules: JSONObject = {"rules": [{"succeededCount": 1}]}
    policed = new_job(exchange, "policed", completionMode="Indexed", completions=2, successPolicy=rules)
    write(exchange, policed, {"conditions": conditions("Complete"), "startTime": MOMENT, "completionTime": LATER})


def test_jobs_are_suspended_and_resumed(exchange: Exchange) -> None:
    path = new_job(exchange, "a", suspend=True, completions=0)
    write(
        exchange,
        path,
        {"conditions": conditions("SuccessCriteriaMet", "Complete"), "completionTime": LATER},
    )
    path = new_job(exchange, "b", suspend=True)
    write(exchange, path, {"startTime": MOMENT}, {"startTime": LATER}, {"conditions": conditions("Suspended")})
    exchange.patch(path, {"spec": {"suspend": False}})
    write(
        exchange,
        path,
        {"startTime": MOMENT},
        {"startTime": MOMENT, "conditions": [{"type": "Suspended", "status": "False"}]},
    )


def test_load_balancers(exchange: Exchange) -> None:
    exchange.post("services", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    exchange.post("services", {"metadata": {"name": "b"}, "spec": {"ports": [{"port": 80}], "type": "LoadBalancer"}})
    backend: JSONObject = {"service": {"name": "a", "port": {"number": 80}}}
    exchange.post("networking.k8s.io/v1/ingresses", {"metadata": {"name": "a"}, "spec": {"defaultBackend": backend}})
    write(
        exchange,
        "services/b",
        {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "Odd"}]}},
        {"loadBalancer": {"ingress": [{"hostname": "example.com", "ipMode": "VIP"}]}},
    )
    for path in ("services/a", "services/b", "networking.k8s.io/v1/ingresses/a"):
        for ingress in (
            {"ip": "192.0.2.1"},
            {"ip": "x"},
            {"ip": "010.0.2.1"},
            {"hostname": ODD},
            {"hostname": "192.0.2.1"},
            {"hostname": "010.0.2.1"},
            {"hostname": "example.com"},
        ):
            write(exchange, path, {"loadBalancer": {"ingress": [ingress]}})
    stamped: JSONObject = {"status": "True", "lastTransitionTime": MOMENT, "reason": "R", "message": ""}
    write(
        exchange,
        "services/a",
        {"conditions": [stamped | {"type": ODD}, {"type": "A"}, stamped | {"type": "A"}]},
        {"conditions": [stamped | {"type": "A", "reason": "-", "status": "Maybe", "observedGeneration": -1}]},
    )


def test_budgets(exchange: Exchange) -> None:
    exchange.post("policy/v1/poddisruptionbudgets", {"metadata": {"name": "a"}, "spec": {"selector": SELECTOR}})
    whole: JSONObject = {
        "type": "A",
        "status": "True",
        "lastTransitionTime": MOMENT,
        "reason": "R",
        "message": "",
    }
    counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    write(
        exchange,
        "policy/v1/poddisruptionbudgets/a",
        dict.fromkeys(counts, -1),
        {"conditions": [whole, whole]},
        {"conditions": [{}]},
        {"conditions": [whole | {"type": ODD, "status": "Maybe", "observedGeneration": -1, "reason": "a-b"}]},
        {"conditions": [whole | {"reason": "a" * 1025}]},
        {"conditions": [whole | {"message": "a" * (32 * 1024 + 1)}]},
        {"conditions": [whole], "disruptionsAllowed": 1, "observedGeneration": -1},
    )


def test_autoscalers(exchange: Exchange) -> None:
    target: JSONObject = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
    spec: JSONObject = {"scaleTargetRef": target, "maxReplicas": 3}
    path = "autoscaling/v2/horizontalpodautoscalers"
    exchange.post(path, {"metadata": {"name": "a"}, "spec": spec})
    write(
        exchange,
        f"{path}/a",
        {"currentReplicas": -1, "desiredReplicas": -2, "observedGeneration": -3},
        {"conditions": [{"type": "A", "status": "True", "observedGeneration": -1}]},
        {"currentReplicas": 5, "desiredReplicas": 2},
    )
    write(exchange, "autoscaling/v1/horizontalpodautoscalers/a", {"currentReplicas": -1, "desiredReplicas": -2})


def test_volumes_and_quotas(exchange: Exchange) -> None:
    claim: JSONObject = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    exchange.post("persistentvolumeclaims", {"metadata": {"name": "a"}, "spec": claim})
    write(
        exchange,
        "persistentvolumeclaims/a",
        {"phase": "Odd"},
        {"capacity": {"storage": "-1"}},
        {"allocatedResources": {"storage": "-1"}},
        {"allocatedResources": {"storage": "1500m"}},
        {"allocatedResources": {"cpu": "1"}},
        {"allocatedResources": {ODD: "1"}},
        {"allocatedResources": {"example.com/a": "1"}},
        {"allocatedResourceStatuses": {"storage": "Odd"}},
        {"allocatedResourceStatuses": {"cpu": "ControllerResizeInProgress"}},
        {"allocatedResourceStatuses": {"storage": "ControllerResizeInProgress"}},
        {"phase": "Bound", "capacity": {"storage": "1Gi"}},
    )
    exchange.post("resourcequotas", {"metadata": {"name": "a"}, "spec": {"hard": {"pods": "4"}}})
    write(
        exchange,
        "resourcequotas/a",
        {"hard": {"odd": "1"}},
        {"hard": {"pods": "-1"}},
        {"used": {"pods": "1500m"}},
        {"used": {ODD: "1"}},
        {"used": {"example.com/a": "1", "count/pods": "2"}},
        {"hard": {"pods": "4"}, "used": {"pods": "1"}},
    )


def test_nodes_and_namespaces(exchange: Exchange) -> None:
    name = exchange.namespace
    exchange.post("/api/v1/nodes", {"metadata": {"name": name}, "status": {"capacity": {"cpu": "-1"}}})
    exchange.post("/api/v1/nodes", {"metadata": {"name": name}, "status": {"declaredFeatures": ["b"]}})
    exchange.post("/api/v1/nodes", {"metadata": {"name": name}})
    address: JSONObject = {"type": "InternalIP", "address": "1.2.3.4"}
    write(
        exchange,
        f"/api/v1/nodes/{name}",
        {"capacity": {"memory": "-1"}},
        {"allocatable": {"pods": "1500m"}},
        {"allocatable": {"example.com/gpu": "1500m"}},
        {"addresses": [address, address | {"type": "Hostname"}, address]},
        {"addresses": [{"type": "Odd", "address": ODD}]},
        {"declaredFeatures": ["Aa", "Cc", "Bb", "Bb", "no"]},
        {"conditions": [{"type": ODD, "status": "Maybe"}], "phase": "Odd"},
    )
    exchange.patch(f"/api/v1/nodes/{name}", {"status": {"capacity": {"cpu": "-1"}}})
    exchange.delete(f"/api/v1/nodes/{name}")
    write(
        exchange,
        f"/api/v1/namespaces/{name}",
        {"phase": "Terminating"},
        {"phase": "Odd"},
        {"phase": "Active", "conditions": [{"type": ODD, "status": "Maybe"}]},
    )
    exchange.post(
        "/api/v1/namespaces", {"metadata": {"name": f"{name}-2"}, "spec": {"finalizers": ["example.com/keep"]}}
    )
