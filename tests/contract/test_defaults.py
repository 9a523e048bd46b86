"""What a server adds to the objects of the built-in kinds, and which it refuses."""

from __future__ import annotations

from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Exchange
from tests.contract.objects import deployment, pod

CONTAINER: JSONObject = {"name": "main", "image": "nginx"}
TEMPLATE: JSONObject = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [CONTAINER]}}
SELECTOR: JSONObject = {"matchLabels": {"app": "a"}}


def test_pods(exchange: Exchange) -> None:
    exchange.post("pods", pod("plain"))
    full: JSONObject = {
        "name": "main",
        "image": "example.com/nginx:latest",
        "ports": [{"containerPort": 80}],
        "livenessProbe": {"httpGet": {"port": 80}},
        "readinessProbe": {"exec": {"command": ["true"]}},
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
        "lifecycle": {"preStop": {"httpGet": {"port": "http"}}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    volumes: list[JSONValue] = [
        {"name": "v"},
        {"name": "c", "configMap": {"name": "c"}},
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "h", "hostPath": {"path": "/h"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "d", "downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    more: JSONObject = {
        "containers": [full],
        "volumes": volumes,
        "initContainers": [{"name": "init", "image": "busybox"}],
    }
    exchange.post("pods", pod("full") | {"spec": more})
    exchange.post("pods", pod("host", hostNetwork=True, containers=[CONTAINER | {"ports": [{"containerPort": 80}]}]))


def test_pods_that_cannot_be(exchange: Exchange) -> None:
    specs: list[JSONObject] = [
        {},
        {"containers": []},
        {"containers": [{"name": "main"}]},
        {"containers": [{"image": "nginx"}]},
        {"containers": [CONTAINER, CONTAINER]},
        {"containers": [CONTAINER | {"name": "Main"}]},
        {"containers": [CONTAINER], "restartPolicy": "Sometimes"},
        {"containers": [CONTAINER], "dnsPolicy": "Other"},
        {"containers": [CONTAINER | {"ports": [{"containerPort": 0}]}]},
        {"containers": [CONTAINER | {"ports": [{"containerPort": 70000}]}]},
        {"containers": [CONTAINER | {"imagePullPolicy": "Maybe"}]},
        {"containers": [CONTAINER | {"volumeMounts": [{"name": "none", "mountPath": "/v"}]}]},
        {"containers": [CONTAINER | {"env": [{"name": ""}]}]},
        {"containers": [CONTAINER], "volumes": [{"name": "v"}, {"name": "v"}]},
        {"containers": [CONTAINER], "terminationGracePeriodSeconds": -1},
        {"containers": [CONTAINER], "nodeName": "Not_A_Name"},
        {"containers": [CONTAINER | {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]},
        {"containers": [CONTAINER | {"resources": {"limits": {"cpu": "much"}}}]},
    ]
    for spec in specs:
        exchange.post("pods", pod("a") | {"spec": spec})


def test_workloads(exchange: Exchange) -> None:
    exchange.post("apps/v1/deployments", deployment("a"))
    exchange.post(
        "apps/v1/replicasets", {"metadata": {"name": "a"}, "spec": {"selector": SELECTOR, "template": TEMPLATE}}
    )
    exchange.post(
        "apps/v1/statefulsets",
        {"metadata": {"name": "a"}, "spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "a"}},
    )
    exchange.post(
        "apps/v1/daemonsets", {"metadata": {"name": "a"}, "spec": {"selector": SELECTOR, "template": TEMPLATE}}
    )
    exchange.post("replicationcontrollers", {"metadata": {"name": "a"}, "spec": {"template": TEMPLATE}})
    job_pod: JSONObject = {"restartPolicy": "Never", "containers": [CONTAINER]}
    exchange.post(
        "batch/v1/cronjobs",
        {
            "metadata": {"name": "a"},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": job_pod}}}},
        },
    )


def test_workloads_that_cannot_be(exchange: Exchange) -> None:
    specs: list[JSONObject] = [
        {},
        {"selector": SELECTOR},
        {"template": TEMPLATE},
        {"selector": {"matchLabels": {"app": "b"}}, "template": TEMPLATE},
        {"selector": {}, "template": TEMPLATE},
        {"selector": SELECTOR, "template": TEMPLATE, "replicas": -1},
        {"selector": SELECTOR, "template": TEMPLATE, "strategy": {"type": "Slow"}},
        {"selector": SELECTOR, "template": TEMPLATE | {"spec": {"containers": []}}},
        {"selector": SELECTOR, "template": TEMPLATE | {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}},
    ]
    for spec in specs:
        exchange.post("apps/v1/deployments", deployment("a") | {"spec": spec})
    exchange.post("apps/v1/deployments", deployment("web"))
    exchange.patch("apps/v1/deployments/web", {"spec": {"selector": {"matchLabels": {"app": "other"}}}})
    exchange.patch("apps/v1/deployments/web", {"spec": {"replicas": -2}})


def test_templates_of_daemon_sets_are_counted(exchange: Exchange) -> None:
    count = "deprecated.daemonset.template.generation"
    content: JSONObject = {"spec": {"selector": SELECTOR, "template": TEMPLATE}}
    other: JSONObject = {
        "spec": {"selector": SELECTOR, "template": {**TEMPLATE, "spec": {"containers": [CONTAINER | {"image": "b"}]}}}
    }
    exchange.post("apps/v1/daemonsets", content | {"metadata": {"name": "a"}})
    exchange.put("apps/v1/daemonsets/a", other | {"metadata": {"name": "a"}})
    exchange.put("apps/v1/daemonsets/a", other | {"metadata": {"name": "a", "annotations": {count: "9", "x": "y"}}})
    exchange.patch("apps/v1/daemonsets/a", {"metadata": {"annotations": {count: None}}})
    exchange.patch("apps/v1/daemonsets/a", content)
    exchange.put("apps/v1/daemonsets/a/status", other | {"metadata": {"name": "a"}})
    exchange.patch("apps/v1/daemonsets/a/status", {"status": {"desiredNumberScheduled": 2}})
    exchange.post("apps/v1/daemonsets", content | {"metadata": {"name": "b", "annotations": {count: "+007"}}})
    exchange.post("apps/v1/daemonsets", content | {"metadata": {"name": "c", "annotations": {count: "-1"}}})
    for odd in ("", "many", "1_0", " 1", "9223372036854775808"):
        exchange.post("apps/v1/daemonsets", content | {"metadata": {"name": "d", "annotations": {count: odd}}})
    names: JSONObject = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "e"}}
    exchange.apply("apps/v1/daemonsets/e", names | content)
    exchange.apply("apps/v1/daemonsets/e", names | other)
    exchange.apply("apps/v1/daemonsets/e", other | names | {"metadata": {"name": "e", "annotations": {count: "5"}}})


def test_services(exchange: Exchange) -> None:
    ports: list[JSONValue] = [{"port": 80}]
    exchange.post("services", {"metadata": {"name": "a"}, "spec": {"ports": ports}})
    exchange.post("services", {"metadata": {"name": "b"}, "spec": {"ports": ports, "clusterIP": "None"}})
    exchange.post(
        "services", {"metadata": {"name": "c"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    )
    specs: list[JSONObject] = [
        {},
        {"ports": [{"port": 0}]},
        {"ports": [{"port": 80}, {"port": 81}]},
        {"ports": ports, "type": "Other"},
        {"ports": ports, "sessionAffinity": "Other"},
        {"ports": [{"port": 80, "protocol": "ICMP"}]},
        {"type": "ExternalName"},
    ]
    for spec in specs:
        exchange.post("services", {"metadata": {"name": "d"}, "spec": spec})


def test_services_change_their_type(exchange: Exchange) -> None:
    ports: list[JSONValue] = [{"port": 80}]
    exchange.post("services", {"metadata": {"name": "a"}, "spec": {"ports": ports, "selector": {"a": "b"}}})
    specs: list[JSONObject] = [
        {"type": "NodePort"},
        {"type": "ClusterIP"},
        {"type": "LoadBalancer", "loadBalancerClass": "example.com/class"},
        {"loadBalancerClass": "example.com/other"},
        {"externalTrafficPolicy": "Local"},
        {"externalTrafficPolicy": "Cluster"},
        {"externalTrafficPolicy": "Local"},
        {"ports": [{"port": 81}]},
        {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 32767}]},
        {"type": "ClusterIP"},
        {"healthCheckNodePort": 32766},
        {"loadBalancerClass": "example.com/class"},
        {"clusterIP": "10.0.0.250"},
        {"clusterIP": None},
        {"type": "ExternalName", "externalName": "example.com"},
    ]
    for spec in specs:
        exchange.patch("services/a", {"spec": spec})
    exchange.post(
        "services",
        {"metadata": {"name": "b"}, "spec": {"ports": ports, "type": "LoadBalancer", "loadBalancerClass": "no name"}},
    )


def test_a_status_is_completed(exchange: Exchange) -> None:
    exchange.post("services", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}], "type": "LoadBalancer"}})
    ingress: list[JSONValue] = [
        {"ip": "192.0.2.1"},
        {"hostname": "example.com"},
        {"ip": "192.0.2.2", "ipMode": "Proxy"},
    ]
    exchange.patch("services/a/status", {"status": {"loadBalancer": {"ingress": ingress}}})
    exchange.post("pods", pod("a"))
    exchange.put("pods/a/status", pod("a") | {"status": {"phase": "Running"}})


def test_other_kinds(exchange: Exchange) -> None:
    exchange.post("secrets", {"metadata": {"name": "a"}, "stringData": {"k": "v"}, "data": {"b": "Yg=="}})
    exchange.post("secrets", {"metadata": {"name": "b"}, "type": "kubernetes.io/tls"})
    exchange.post("secrets", {"metadata": {"name": "b"}, "data": {"k": "no base64!"}})
    exchange.post("secrets", {"metadata": {"name": "c"}, "immutable": True})
    exchange.patch("secrets/c", {"stringData": {"k": "v"}})
    exchange.patch("secrets/a", {"type": "other"})
    exchange.post("configmaps", {"metadata": {"name": "a"}, "data": {"k": "v"}, "binaryData": {"k": "Yg=="}})
    exchange.post("configmaps", {"metadata": {"name": "a"}, "data": {"a b": "v"}})
    exchange.post("configmaps", {"metadata": {"name": "a"}, "immutable": True})
    exchange.patch("configmaps/a", {"data": {"k": "v"}})
    exchange.post("serviceaccounts", {"metadata": {"name": "a"}})
    claim: JSONObject = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    exchange.post("persistentvolumeclaims", {"metadata": {"name": "a"}, "spec": claim})
    exchange.post("persistentvolumeclaims", {"metadata": {"name": "b"}, "spec": {}})
    exchange.post("coordination.k8s.io/v1/leases", {"metadata": {"name": "a"}})
    exchange.post("coordination.k8s.io/v1/leases", {"metadata": {"name": "b"}, "spec": {"leaseDurationSeconds": 0}})
    exchange.post(
        "coordination.k8s.io/v1/leases", {"metadata": {"name": "c"}, "spec": {"renewTime": "2001-01-01T00:00:00Z"}}
    )
    exchange.post("coordination.k8s.io/v1/leases", {"metadata": {"name": "d"}, "spec": {"renewTime": "soon"}})


def test_rules_of_other_kinds(exchange: Exchange) -> None:
    names: JSONObject = {"name": "a"}
    target: JSONObject = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
    cpu: JSONObject = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    metrics: list[JSONValue] = [{"type": "Resource", "resource": cpu}]
    scaling: JSONObject = {"scaleTargetRef": target, "minReplicas": 0, "maxReplicas": 3, "metrics": metrics}
    exchange.post("autoscaling/v2/horizontalpodautoscalers", {"metadata": names, "spec": scaling})
    annotated: JSONObject = {"name": "a", "annotations": {"kubernetes.io/ingress.class": "x"}}
    backend: JSONObject = {"service": {"name": "a", "port": {"number": 80}}}
    for name in ("x", "y"):
        spec: JSONObject = {"ingressClassName": name, "defaultBackend": backend}
        exchange.post("networking.k8s.io/v1/ingresses", {"metadata": annotated, "spec": spec})
    exchange.patch("networking.k8s.io/v1/ingresses/a", {"spec": {"ingressClassName": "z"}})
    ports: list[JSONObject] = [{"port": "x", "endPort": 9}, {"endPort": 9}, {"port": 9, "endPort": 8}]
    for port in (*ports, {"port": 8, "endPort": 9}):
        egress: list[JSONValue] = [{"ports": [port]}]
        policy: JSONObject = {"podSelector": {}, "egress": egress}
        exchange.post("networking.k8s.io/v1/networkpolicies", {"metadata": names, "spec": policy})
    taints: list[JSONValue] = [{"key": "a", "value": "b", "effect": "NoSchedule"}] * 2
    exchange.post("/api/v1/nodes", {"metadata": {"name": exchange.namespace}, "spec": {"taints": taints}})
    exchange.post("/api/v1/nodes", {"metadata": {"name": exchange.namespace}, "spec": {"providerID": "x://1"}})
    exchange.patch(f"/api/v1/nodes/{exchange.namespace}", {"spec": {"providerID": "x://2"}})
    exchange.delete(f"/api/v1/nodes/{exchange.namespace}")
    sets: JSONObject = {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "a"}
    exchange.post("apps/v1/statefulsets", {"metadata": names, "spec": sets})
    exchange.patch("apps/v1/statefulsets/a", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}})
    exchange.patch("apps/v1/statefulsets/a", {"spec": {"updateStrategy": {"type": "OnDelete"}}})
    exchange.patch("apps/v1/statefulsets/a", {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}})


def test_autoscalers_that_cannot_be(exchange: Exchange) -> None:
    path = "autoscaling/v2/horizontalpodautoscalers?dryRun=All"
    target: JSONObject = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}
    cpu: JSONObject = {"type": "Utilization", "averageUtilization": 50}
    named: JSONObject = {"name": "m"}
    metrics: list[JSONValue] = [
        {},
        {"type": "Odd"},
        {"type": "Resource"},
        {"type": "Resource", "pods": {"metric": named, "target": {"type": "Value", "value": "1"}}},
        {"type": "Resource", "resource": {"name": "", "target": {"type": "Odd", "averageValue": "0"}}},
        {"type": "Resource", "resource": {"name": "cpu", "target": cpu | {"averageValue": "1"}}},
        {"type": "ContainerResource", "containerResource": {"name": "odd", "container": "No", "target": cpu}},
        {"type": "ContainerResource", "containerResource": {"name": "", "container": "", "target": {"type": "Value"}}},
        {"type": "Pods", "pods": {"metric": {"name": "a/b"}, "target": {"type": "AverageValue"}}},
        {"type": "External", "external": {"metric": {"name": ""}, "target": {"type": "Value"}}},
        {
            "type": "External",
            "external": {"metric": named, "target": {"type": "Value", "value": "1", "averageValue": "1"}},
        },
        {"type": "Object", "object": {"describedObject": {}, "metric": named, "target": {"type": "Value"}}},
    ]
    policies: list[JSONValue] = [
        {"type": "Odd", "value": 0, "periodSeconds": 0},
        {"type": "Pods", "value": 1, "periodSeconds": 1801},
    ]
    rules: list[JSONObject] = [
        {"policies": policies, "selectPolicy": "Odd", "stabilizationWindowSeconds": -1},
        {"stabilizationWindowSeconds": 3601, "tolerance": "-1"},
    ]
    specs: list[JSONObject] = [
        {"metrics": metrics},
        {"behavior": {"scaleUp": rules[0], "scaleDown": rules[1]}},
        {
            "minReplicas": -1,
            "maxReplicas": 0,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": cpu}}],
        },
    ]
    for spec in specs:
        exchange.post(path, {"metadata": {"name": "a"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec}})


def test_volumes_that_cannot_be(exchange: Exchange) -> None:
    volume: JSONObject = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": "/a"},
    }
    terms: list[JSONValue] = [{"matchExpressions": [{"key": "a", "operator": "Odd"}]}]
    for affinity in ({}, {"required": {}}, {"required": {"nodeSelectorTerms": terms}}):
        named: JSONObject = {"metadata": {"name": exchange.namespace}}
        exchange.post("/api/v1/persistentvolumes?dryRun=All", named | {"spec": {**volume, "nodeAffinity": affinity}})


def test_access_rules(exchange: Exchange) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles"
    exchange.post(
        roles, {"metadata": {"name": "a"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    )
    exchange.post(roles, {"metadata": {"name": "b"}, "rules": [{"resources": ["pods"]}]})
    bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings"
    role: JSONObject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"}
    exchange.post(
        bindings, {"metadata": {"name": "a"}, "roleRef": role, "subjects": [{"kind": "User", "name": "jane"}]}
    )
    exchange.post(bindings, {"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "a"}})
    exchange.post(bindings, {"metadata": {"name": "c"}, "roleRef": {}})
    exchange.patch(f"{bindings}/a", {"roleRef": role | {"name": "other"}})


def test_events(exchange: Exchange) -> None:
    about: JSONObject = {"kind": "Pod", "namespace": exchange.namespace, "name": "a"}
    exchange.post(
        "events", {"metadata": {"name": "a"}, "involvedObject": about, "reason": "R", "message": "m", "type": "Normal"}
    )
    exchange.post("events", {"metadata": {"name": "b"}, "involvedObject": about | {"namespace": "other"}})
    exchange.post("events", {"metadata": {"name": "c"}})
    exchange.get("events.k8s.io/v1/events/a")


def test_fields_that_nobody_knows(exchange: Exchange) -> None:
    odd = pod("a", colour="red")
    cast("list[JSONObject]", cast("JSONObject", odd["spec"])["containers"])[0]["imige"] = "x"
    for validation in ("Strict", "Warn", "Ignore", "", "Other"):
        exchange.post(f"pods?fieldValidation={validation}", odd | {"metadata": {"name": f"a{validation.lower()}"}})
    exchange.post("configmaps?fieldValidation=Strict", b'{"metadata": {"name": "a"}, "data": {"k": "1", "k": "2"}}')
    exchange.post("configmaps?fieldValidation=Warn", b'{"metadata": {"name": "a"}, "data": {"k": "1", "k": "2"}}')
    exchange.put("configmaps/a?fieldValidation=Strict", {"metadata": {"name": "a", "colour": "red"}})
    exchange.patch("configmaps/a?fieldValidation=Strict", {"other": 1})
    exchange.patch("configmaps/a?fieldValidation=Warn", {"other": 1})
