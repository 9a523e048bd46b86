"""The rules of the kinds that make no pods: services, policies, volumes, nodes."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Exchange

BACKEND: JSONObject = {"service": {"name": "a", "port": {"number": 80}}}
ODD = "A B"


def failure_or_kind(body: JSONObject) -> JSONValue:
    return body if body["kind"] == "Status" else body["kind"]


def ask(exchange: Exchange, path: str, *contents: JSONObject) -> None:
    """Ask for objects, one for each content; those that are accepted are not kept."""
    for content in contents:
        body: JSONObject = {"metadata": {"name": "a"}, **content}
        exchange.request("POST", f"{path}?dryRun=All", body, select=failure_or_kind)


def specs(*found: JSONObject) -> list[JSONObject]:
    return [{"spec": spec} for spec in found]


def test_rules_of_services(exchange: Exchange) -> None:
    ports: JSONObject = {"ports": [{"port": 80, "name": "a"}]}
    addresses: list[JSONValue] = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "169.254.1.1", "::", "fe80::1", "ff02::1", "x"]  # noqa: S104
    ask(
        exchange,
        "services",
        *specs(
            ports | {"ipFamilyPolicy": "Odd"},
            ports | {"ipFamilies": ["IPv5"]},
            ports | {"ipFamilies": ["IPv4", "IPv4"]},
            ports | {"ipFamilies": ["IPv6"]},
            ports | {"ipFamilyPolicy": "RequireDualStack"},
            ports | {"externalIPs": addresses},
            ports | {"type": "LoadBalancer", "loadBalancerSourceRanges": ["x", "1.2.3.4", "010.0.0.0/8", "10.0.0.1/8"]},
            ports | {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8", "fd00::/8"]},
            ports | {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
            ports | {"trafficDistribution": "Odd"},
            ports | {"allocateLoadBalancerNodePorts": True},
            {"ports": [{"port": 80, "appProtocol": "no name"}]},
        ),
    )


def test_rules_of_ingresses(exchange: Exchange) -> None:
    def path(place: str, kind: str) -> JSONObject:
        return {"rules": [{"http": {"paths": [{"path": place, "pathType": kind, "backend": BACKEND}]}}]}

    ask(
        exchange,
        "networking.k8s.io/v1/ingresses",
        *specs(
            path("/a//b", "Prefix"),
            path("/a/./b/../c", "Exact"),
            path("/a%2fb/..", "Prefix"),
            path("/a/.", "Exact"),
            path("/a//b", "ImplementationSpecific"),
            {"defaultBackend": {"service": {"name": "A", "port": {"name": "x", "number": 1}}}},
            {"defaultBackend": {"service": {"name": "a", "port": {"name": "A"}}}},
            {"defaultBackend": {"service": {"name": "a", "port": {"number": 70000}}}},
            {"defaultBackend": {"resource": {"kind": "", "name": ""}}},
            {"defaultBackend": BACKEND, "tls": [{"hosts": ["a b", "*.a", "*.*.a"], "secretName": "A"}]},
            {"defaultBackend": BACKEND, "ingressClassName": ODD},
        ),
    )
    scoped: JSONObject = {"kind": "k", "name": "n"}
    ask(
        exchange,
        "/apis/networking.k8s.io/v1/ingressclasses",
        *specs(
            {"controller": "a/b", "parameters": {}},
            {"controller": "a/b", "parameters": {"kind": "a/b", "name": "a/b", "apiGroup": ODD}},
            {"controller": "a/b", "parameters": scoped | {"scope": "Odd"}},
            {"controller": "a/b", "parameters": scoped | {"scope": "Namespace"}},
            {"controller": "a/b", "parameters": scoped | {"scope": "Namespace", "namespace": ODD}},
            {"controller": "a/b", "parameters": scoped | {"scope": "Cluster", "namespace": "a"}},
        ),
    )


def test_rules_of_endpoints(exchange: Exchange) -> None:
    ask(
        exchange,
        "discovery.k8s.io/v1/endpointslices",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]},
        {"addressType": "IPv6", "endpoints": [{"addresses": ["1.2.3.4"]}]},
        {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1", "169.254.1.1", "224.0.0.1"]}]},
        {
            "addressType": "IPv4",
            "endpoints": [
                {
                    "addresses": ["1.2.3.4"],
                    "hostname": "A",
                    "nodeName": ODD,
                    "zone": "x y",
                    "hints": {"forZones": [{"name": ""}]},
                }
            ],
            "ports": [{"port": 1, "name": "A"}, {"name": "a", "port": 1}, {"name": "a", "port": 2}],
        },
    )


def test_policies_of_autoscalers(exchange: Exchange) -> None:
    target: JSONObject = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
        "maxReplicas": 2,
    }
    ask(
        exchange,
        "autoscaling/v2/horizontalpodautoscalers",
        *specs(
            target | {"behavior": {"scaleUp": {"policies": []}, "scaleDown": {"policies": []}}},
            target | {"behavior": {"scaleUp": {"policies": None}}},
        ),
    )


def test_rules_of_network_policies(exchange: Exchange) -> None:
    def block(**found: JSONValue) -> JSONObject:
        return {"podSelector": {}, "ingress": [{"from": [{"ipBlock": found}]}]}

    ask(
        exchange,
        "networking.k8s.io/v1/networkpolicies",
        *specs(
            {"podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"]},
            block(cidr="10.0.0.0/8", **{"except": ["11.0.0.0/9", "10.0.0.0/8", "x", "10.1.0.0/16"]}),
            block(cidr="010.0.0.0/8"),
            block(cidr=""),
        ),
    )


def test_rules_of_persistent_volumes(exchange: Exchange) -> None:
    base: JSONObject = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    host: JSONObject = {"hostPath": {"path": "/a"}}
    terms: list[JSONValue] = [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    pinned: JSONObject = {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}
    ask(
        exchange,
        "/api/v1/persistentvolumes",
        *specs(
            base | {"hostPath": {"path": "/a/../b"}},
            base | {"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"},
            base | {"nfs": {}},
            base | {"csi": {"driver": "a"}},
            base | {"csi": {"driver": ODD, "volumeHandle": "x", "nodeStageSecretRef": {}}},
            base | {"local": {"path": "a"}},
            base | pinned | {"local": {"path": ""}},
            base | pinned | {"local": {"path": "/a/../b"}},
            base | host | {"storageClassName": ODD},
            base | host | {"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]},
        ),
    )
    topology: JSONObject = {
        "matchLabelExpressions": [
            {"key": "a", "values": []},
            {"key": "a", "values": ["x", "x"]},
            {"key": "no name", "values": ["y"]},
        ]
    }
    other: JSONObject = {"matchLabelExpressions": [{"key": "a", "values": ["x"]}]}
    ask(
        exchange,
        "/apis/storage.k8s.io/v1/storageclasses",
        {"provisioner": "a b"},
        {"provisioner": "a", "parameters": {"": "x"}},
        {"provisioner": "a", "allowedTopologies": [topology]},
        {"provisioner": "a", "allowedTopologies": [{}, {}]},
        {"provisioner": "a", "allowedTopologies": [other, other]},
    )


def test_rules_of_nodes(exchange: Exchange) -> None:
    ask(
        exchange,
        "/api/v1/nodes",
        *specs(
            {"podCIDRs": ["x"], "podCIDR": "x"},
            {"podCIDRs": ["10.0.0.0/24", "10.1.0.0/24"], "podCIDR": "10.0.0.0/24"},
            {"podCIDRs": ["10.0.0.0/24", "fd00::/64"], "podCIDR": "10.0.0.0/24"},
            {"taints": [{"key": "", "effect": ""}]},
            {"taints": [{"key": "a", "effect": "Odd", "value": "no value"}]},
        ),
    )


def test_rules_of_sets(exchange: Exchange) -> None:
    template: JSONObject = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "m", "image": "i"}]},
    }
    base: JSONObject = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    ask(
        exchange,
        "apps/v1/statefulsets",
        *specs(
            base | {"serviceName": ODD},
            base | {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Odd", "whenScaled": "Odd"}},
            base | {"ordinals": {"start": -1}},
        ),
    )
    rolling: JSONObject = {"maxUnavailable": 1, "maxSurge": 1}
    ask(exchange, "apps/v1/daemonsets", *specs(base | {"updateStrategy": {"rollingUpdate": rolling}}))
