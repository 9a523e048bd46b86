"""What a client is warned of that writes something valid and odd."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import MERGE_PATCH, Exchange
from tests.contract.test_annotation_rules import APP_ARMOR, SECCOMP, SECCOMP_POD
from tests.contract.test_claim_rules import CLAIM, stateful
from tests.contract.test_kind_rules import ask, failure_or_kind, specs
from tests.contract.test_pod_rules import CONTAINER, PREFERRED, REQUIRED
from tests.contract.test_volume_rules import DISKS, volumes

OLD_LABEL = "beta.kubernetes.io/arch"
MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


def ask_for_pods(exchange: Exchange, *found: JSONObject, **annotations: JSONValue) -> None:
    metadata: JSONObject = {"name": "a", "annotations": annotations}
    ask(exchange, "pods", *({"metadata": metadata, "spec": {"containers": [CONTAINER], **spec}} for spec in found))


def test_warnings_of_pods(exchange: Exchange) -> None:
    spread: JSONObject = {"maxSkew": 1, "topologyKey": OLD_LABEL, "whenUnsatisfiable": "DoNotSchedule"}
    old_term: JSONObject = {"matchExpressions": [{"key": OLD_LABEL, "operator": "In", "values": ["b"]}]}
    odd_term: JSONObject = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["no value"]}]}
    term: JSONObject = {"topologyKey": "zone"}
    terms: JSONObject = {REQUIRED: [term], PREFERRED: [{"weight": 1, "podAffinityTerm": term}]}
    ask_for_pods(
        exchange,
        {"nodeSelector": {"node-role.kubernetes.io/master": ""}},
        {"topologySpreadConstraints": [spread]},
        {
            "affinity": {
                "nodeAffinity": {
                    REQUIRED: {"nodeSelectorTerms": [old_term]},
                    PREFERRED: [{"weight": 1, "preference": old_term}, {"weight": 1, "preference": odd_term}],
                },
                "podAffinity": terms,
                "podAntiAffinity": terms,
            }
        },
        {"hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}, {"ip": "FD00::01"}]},
        {"dnsConfig": {"nameservers": ["fd00:0::1", "8.8.8.8"]}},
        {"imagePullSecrets": [{"name": "a"}, {"name": "b"}, {"name": "a"}, {}]},
        {"terminationGracePeriodSeconds": -1},
    )
    ask(
        exchange,
        "pods",
        {"metadata": {"name": "a.b"}, "spec": {"containers": [CONTAINER]}},
        {"metadata": {"name": f"{'a' * 64}.b"}, "spec": {"containers": [CONTAINER]}},
    )


def test_warnings_of_containers(exchange: Exchange) -> None:
    fractions: JSONObject = {"memory": "100m", "ephemeral-storage": "1500m"}
    resources: JSONObject = {"resources": {"limits": fractions, "requests": fractions}}
    variables: list[JSONValue] = [
        {"name": "A", "value": "1"},
        {"name": "A", "value": "$(A)2"},
        {"name": "A", "value": "$(A)"},
        {"name": "A", "value": "3"},
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    ports: list[JSONValue] = [
        {"containerPort": 80, "name": "a"},
        {"containerPort": 80, "hostPort": 81},
        {"containerPort": 80, "hostPort": 81, "hostIP": "1.2.3.4"},
        {"containerPort": 81, "hostIP": "1.2.3.4"},
    ]
    other: JSONObject = {
        "name": "b",
        "image": "b",
        "ports": [{"containerPort": 80}, {"containerPort": 82, "name": "a"}],
    }
    ask_for_pods(
        exchange,
        {"containers": [CONTAINER | resources]},
        {"containers": [CONTAINER | {"env": variables}]},
        {"containers": [CONTAINER | {"ports": ports}, other]},
        {"initContainers": [{"name": "i", "image": "i"} | resources]},
    )


def test_warnings_of_annotations(exchange: Exchange) -> None:
    old: JSONObject = {"scheduler.alpha.kubernetes.io/critical-pod": "", "security.alpha.kubernetes.io/sysctls": "a"}
    seccomp: JSONObject = {SECCOMP_POD: "unconfined", f"{SECCOMP}main": "unconfined"}
    default: JSONObject = {"type": "RuntimeDefault"}
    ask_for_pods(exchange, {}, **old)
    ask_for_pods(exchange, {}, {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, **seccomp)
    metadata: JSONObject = {"annotations": {f"{APP_ARMOR}main": "runtime/default", **seccomp}}
    for context in ({}, {"appArmorProfile": default}, {"appArmorProfile": {"type": "Unconfined"}}):
        spec: JSONObject = {"containers": [CONTAINER], "securityContext": {**context}}
        ask(exchange, "podtemplates", {"template": {"metadata": metadata, "spec": spec}})


def test_warnings_of_volumes(exchange: Exchange) -> None:
    fractions: JSONObject = {**CLAIM, "resources": {"requests": {"storage": "1500m"}, "limits": {"storage": "2500m"}}}
    sources: list[JSONObject] = [
        {"photonPersistentDisk": {"pdID": "a"}},
        {"gitRepo": {"repository": "r"}},
        {"scaleIO": {"gateway": "g", "system": "s", "volumeName": "v", "secretRef": {"name": "s"}}},
        {"flocker": DISKS["flocker"][-1]},
        {"storageos": {"volumeName": "a"}},
        {"quobyte": {"registry": "a:1", "volume": "v"}},
        {"glusterfs": {"endpoints": "e", "path": "p"}},
        {"cephfs": {"monitors": ["m"]}},
        {"rbd": {"monitors": ["m"], "image": "i"}},
    ]
    made: JSONObject = {"ephemeral": {"volumeClaimTemplate": {"spec": fractions}}}
    ask_for_pods(exchange, volumes(*sources), volumes(made))
    capacity: JSONObject = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    old: JSONObject = {"matchExpressions": [{"key": OLD_LABEL, "operator": "Exists"}]}
    affinity: JSONObject = {"required": {"nodeSelectorTerms": [old]}}
    local: JSONObject = {"hostPath": {"path": "/a"}, "persistentVolumeReclaimPolicy": "Recycle"}
    annotated: JSONObject = {
        "name": "a",
        "annotations": {OLD_CLASS: "c", MOUNT_OPTIONS: "o"},
    }
    ask(
        exchange,
        "/api/v1/persistentvolumes",
        *specs(*(capacity | source for source in sources if "gitRepo" not in source)),
        {"spec": capacity | local | {"nodeAffinity": affinity}},
        {"spec": capacity | local, "metadata": annotated},
        {"spec": capacity | {"nfs": {"server": "s", "path": "/p"}}, "metadata": annotated},
    )
    ask(exchange, "persistentvolumeclaims", {"spec": fractions, "metadata": annotated})
    topologies: list[JSONValue] = [{"matchLabelExpressions": [{"key": OLD_LABEL, "values": ["a"]}]}]
    ask(exchange, "/apis/storage.k8s.io/v1/storageclasses", {"provisioner": "a", "allowedTopologies": topologies})


def test_warnings_of_services(exchange: Exchange) -> None:
    ports: JSONObject = {"ports": [{"port": 80}]}
    ask(
        exchange,
        "services",
        *specs(
            ports | {"externalIPs": ["1.2.3.4", "FD00::1"]},
            ports | {"clusterIP": "None", "externalIPs": ["1.2.3.4"], "sessionAffinity": "ClientIP"},
            ports | {"type": "LoadBalancer", "loadBalancerIP": "fd00::0", "loadBalancerSourceRanges": ["FD00::/8"]},
            ports | {"trafficDistribution": "PreferClose"},
            ports | {"externalName": "a.b"},
            {"type": "ExternalName", "externalName": "a.b", "externalIPs": ["1.2.3.4"]},
        ),
        {
            "spec": ports,
            "metadata": {"name": "a", "annotations": {"service.kubernetes.io/topology-aware-hints": "auto"}},
        },
    )


def test_warnings_of_addresses(exchange: Exchange) -> None:
    blocks: list[JSONValue] = [
        {"ipBlock": {"cidr": "FD00::/8", "except": ["fd00:0::/16"]}},
        {"ipBlock": {"cidr": "1.2.0.0/16"}},
    ]
    rule: JSONObject = {"podSelector": {}, "ingress": [{"from": blocks}], "egress": [{"to": blocks}]}
    ask(exchange, "networking.k8s.io/v1/networkpolicies", {"spec": rule})
    ask(
        exchange,
        "endpoints",
        {"subsets": [{"addresses": [{"ip": "FD00::1"}], "notReadyAddresses": [{"ip": "fd00:0::1"}]}]},
    )
    for kind, address in (("IPv6", "FD00::1"), ("FQDN", "a.example.com")):
        slice_: JSONObject = {"addressType": kind, "endpoints": [{"addresses": [address]}], "ports": []}
        ask(exchange, "discovery.k8s.io/v1/endpointslices", slice_)
    ask(exchange, "/api/v1/nodes", {"spec": {"externalID": "x", "podCIDRs": ["FD00::/64"], "podCIDR": "FD00::/64"}})
    ask(
        exchange,
        "/apis/node.k8s.io/v1/runtimeclasses",
        {"handler": "h", "scheduling": {"nodeSelector": {OLD_LABEL: "a"}}},
    )
    mountable: JSONObject = {"kubernetes.io/enforce-mountable-secrets": "true"}
    ask(exchange, "serviceaccounts", {"metadata": {"name": "a", "annotations": mountable}})


def test_warnings_of_workloads(exchange: Exchange) -> None:
    odd: JSONObject = {"containers": [CONTAINER], "nodeSelector": {OLD_LABEL: "a"}}
    labels: JSONObject = {"app": "a"}
    template: JSONObject = {"metadata": {"labels": labels}, "spec": odd}
    selected: JSONObject = {"selector": {"matchLabels": labels}, "template": template}
    job: JSONObject = {"template": {"spec": odd | {"restartPolicy": "Never"}}}
    many: JSONObject = {"completionMode": "Indexed", "completions": 100_001, "parallelism": 10_001}
    dotted: JSONObject = {"metadata": {"name": "a.b"}}
    claims: list[JSONValue] = [
        {"metadata": {"name": "c"}, "spec": CLAIM | {"resources": {"requests": {"storage": "1m"}}}}
    ]
    for kind in ("deployments", "replicasets", "daemonsets"):
        ask(exchange, f"apps/v1/{kind}", {**dotted, "spec": selected})
    ask(exchange, "replicationcontrollers", {**dotted, "spec": {"template": template}})
    ask(exchange, "apps/v1/statefulsets", stateful(odd, volumeClaimTemplates=claims, revisionHistoryLimit=-1))
    ask(exchange, "batch/v1/jobs", {**dotted, "spec": job}, {"spec": job | many})
    ask(exchange, "batch/v1/cronjobs", {**dotted, "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job}}})


def test_warnings_of_updates(exchange: Exchange) -> None:
    odd: JSONObject = {"containers": [CONTAINER], "nodeSelector": {OLD_LABEL: "a"}}
    labels: JSONObject = {"app": "a"}
    template: JSONObject = {"metadata": {"labels": labels}, "spec": odd}
    selected: JSONObject = {"selector": {"matchLabels": labels}, "template": template}
    exchange.request(
        "POST", "apps/v1/deployments", {"metadata": {"name": "a"}, "spec": selected}, select=failure_or_kind
    )
    exchange.request("POST", "pods", {"metadata": {"name": "a"}, "spec": odd}, select=failure_or_kind)
    service: JSONObject = {"ports": [{"port": 80}], "trafficDistribution": "PreferClose"}
    exchange.request("POST", "services", {"metadata": {"name": "a"}, "spec": service}, select=failure_or_kind)
    labelled: JSONObject = {"metadata": {"labels": {"x": "1"}}}
    changes: list[tuple[str, JSONObject]] = [
        ("apps/v1/deployments/a", labelled),
        ("apps/v1/deployments/a", {"spec": {"replicas": 2}}),
        ("apps/v1/deployments/a/status", {"status": {"replicas": 1}}),
        ("pods/a", labelled),
        ("pods/a", {"metadata": {"annotations": {"security.alpha.kubernetes.io/sysctls": "a"}}}),
        ("services/a", labelled),
        ("services/a/status", {"status": {"loadBalancer": {}}}),
    ]
    for path, body in changes:
        exchange.request("PATCH", path, body, content_type=MERGE_PATCH, select=failure_or_kind)
