"""Small objects of built-in kinds, to see what a server makes of them: name of the case, resource, object."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject, JSONValue

CONTAINER: JSONObject = {"name": "c", "image": "i"}
TEMPLATE: JSONObject = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}}
ONCE: JSONObject = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
SELECTOR: JSONObject = {"matchLabels": {"a": "b"}}
IGNORED: JSONObject = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}

APPS = "apps/v1"
BATCH = "batch/v1"
NETWORKING = "networking.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io/v1"


def pod(*containers: JSONObject, **spec: JSONValue) -> JSONObject:
    """Return a pod with such containers, or with a plain one."""
    return {"spec": {"containers": [{**CONTAINER, **more} for more in containers] or [CONTAINER], **spec}}


def volumes(*sources: JSONObject) -> JSONObject:
    """Return a pod with such volumes."""
    return pod(volumes=[{"name": f"v{number}", **source} for number, source in enumerate(sources)])


def workload(**spec: JSONValue) -> JSONObject:
    """Return what has a selector and a template."""
    return {"spec": {"selector": SELECTOR, "template": TEMPLATE, **spec}}


def service(**spec: JSONValue) -> JSONObject:
    """Return a service with one port."""
    return {"spec": {"ports": [{"port": 80}], **spec}}


def autoscaler(**spec: JSONValue) -> JSONObject:
    """Return an autoscaler of a deployment."""
    target: JSONObject = {"apiVersion": APPS, "kind": "Deployment", "name": "d"}
    return {"spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec}}


GIVEN: Mapping[str, tuple[str, JSONObject]] = {
    "pod": ("v1/pods", pod()),
    "pod-latest": ("v1/pods", pod({"image": "i:latest"})),
    "pod-tag": ("v1/pods", pod({"image": "registry:5000/i:1"})),
    "pod-registry": ("v1/pods", pod({"image": "registry:5000/i"})),
    "pod-digest": ("v1/pods", pod({"image": "i@sha256:" + "0" * 64})),
    "pod-ports": (
        "v1/pods",
        pod({"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}),
    ),
    "pod-probes": (
        "v1/pods",
        pod(
            {
                "livenessProbe": {"httpGet": {"port": 80}},
                "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 3},
                "startupProbe": {"grpc": {"port": 5}},
                "lifecycle": {
                    "preStop": {"httpGet": {"port": 80, "path": "/bye"}},
                    "postStart": {"exec": {"command": ["x"]}},
                },
            }
        ),
    ),
    "pod-volumes": (
        "v1/pods",
        volumes(
            {},
            {"emptyDir": {}},
            {"configMap": {"name": "c"}},
            {"secret": {"secretName": "s"}},
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"projected": {"sources": [{"configMap": {"name": "c"}}]}},
            {"hostPath": {"path": "/p"}},
            {"nfs": {"server": "s", "path": "/p"}},
            {"image": {"reference": "i"}},
            {
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
                    }
                }
            },
        ),
    ),
    "pod-more-volumes": (
        "v1/pods",
        volumes(
            {"iscsi": {"targetPortal": "p:1", "iqn": "iqn.2001-04.com.example:x", "lun": 0}},
            {"rbd": {"monitors": ["m"], "image": "i"}},
            {"azureDisk": {"diskName": "d", "diskURI": "https://blob/d"}},
            {
                "projected": {
                    "sources": [{"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.uid"}}]}}]
                }
            },
        ),
    ),
    "pod-env": (
        "v1/pods",
        pod(
            {
                "env": [
                    {"name": "A", "value": "x"},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                ]
            }
        ),
    ),
    "pod-limits": (
        "v1/pods",
        pod({"resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}, "requests": {"memory": "512Mi"}}}),
    ),
    "pod-guaranteed": ("v1/pods", pod({"resources": {"limits": {"cpu": 1, "memory": "1024Ki"}}})),
    "pod-host-network": ("v1/pods", pod({"ports": [{"containerPort": 80}]}, hostNetwork=True)),
    "pod-account": ("v1/pods", pod(serviceAccountName="s", restartPolicy="Never", priority=None)),
    "pod-init": (
        "v1/pods",
        pod(
            initContainers=[{"name": "i", "image": "i", "resources": {"limits": {"cpu": "1"}}}],
            terminationGracePeriodSeconds=0,
            tolerations=[{"key": "k", "operator": "Exists"}],
        ),
    ),
    "pod-spread": (
        "v1/pods",
        pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}]),
    ),
    "pod-token": (
        "v1/pods",
        pod(
            serviceAccountName="s",
            volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
        ),
    ),
    "pod-on-host-without-ports": ("v1/pods", pod({"resources": {}}, {"name": "d"}, hostNetwork=True)),
    "pod-any-registry": ("v1/pods", pod({"image": "registry.example.com/a/b@sha256:" + "0" * 64})),
    "pod-limits-of-its-own": ("v1/pods", pod(resources={"limits": {"cpu": "2", "memory": "1Gi"}})),
    "pod-claims-of-containers": (
        "v1/pods",
        pod(
            {"resources": {"requests": {"cpu": "100m"}}},
            {"name": "d", "resources": {"limits": {"cpu": "1"}}},
            resources={"limits": {"cpu": "2", "memory": "1Gi"}},
        ),
    ),
    "pod-claims-at-start": (
        "v1/pods",
        pod(
            {"resources": {"limits": {"memory": "1Gi"}}},
            initContainers=[
                {"name": "s", "image": "i", "restartPolicy": "Always", "resources": {"limits": {"memory": "512Mi"}}},
                {"name": "i", "image": "i", "resources": {"limits": {"memory": "1.5Gi"}}},
            ],
            resources={"requests": {"cpu": "1"}},
        ),
    ),
    "pod-claims-more-than-its-containers": (
        "v1/pods",
        pod({"resources": {"limits": {"cpu": "1"}}}, resources={"requests": {"cpu": "3"}}),
    ),
    "pod-large-pages": (
        "v1/pods",
        pod(
            {"resources": {"limits": {"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "4Mi"}}},
            resources={"limits": {"cpu": "2", "memory": "2Gi"}},
        ),
    ),
    "pod-empty-resources": ("v1/pods", pod({"resources": {"limits": {"cpu": "1"}}}, resources={})),
    "deployment-of-pods-with-limits": (
        "apps/v1/deployments",
        workload(template={**TEMPLATE, **pod(resources={"limits": {"cpu": "2"}})}),
    ),
    "pod-requests-of-its-own": ("v1/pods", pod(resources={"requests": {"cpu": "2"}})),
    "pod-guaranteed-as-a-whole": (
        "v1/pods",
        pod(
            {"resources": {"requests": {"cpu": "1", "memory": "1Mi"}}},
            resources={"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2", "memory": "1024Mi"}},
        ),
    ),
    "pod-of-nothing": ("v1/pods", pod({"resources": {"requests": {"cpu": "0"}, "limits": {"memory": "0"}}})),
    "pod-of-two-classes": (
        "v1/pods",
        pod({"resources": {"limits": {"cpu": "1", "memory": "1"}}}, {"name": "d"}),
    ),
    "pod-tiny-amounts": (
        "v1/pods",
        pod({"resources": {"limits": {"cpu": "0.0001", "memory": "1.0001Ki"}, "requests": {"cpu": "1u"}}}),
    ),
    "pod-size-of-memory": ("v1/pods", volumes({"emptyDir": {"medium": "Memory", "sizeLimit": "1.0001Ki"}})),
    "pod-critical": ("v1/pods", pod(priorityClassName="system-node-critical")),
    "pod-account-by-its-old-name": ("v1/pods", pod(serviceAccount="s")),
    "pod-tolerates-all": ("v1/pods", pod(tolerations=[{"operator": "Exists"}])),
    "pod-tolerates-new-pods": (
        "v1/pods",
        pod(tolerations=[{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}]),
    ),
    "pod-host-network-at-start": (
        "v1/pods",
        pod(hostNetwork=True, initContainers=[{"name": "i", "image": "i", "ports": [{"containerPort": 5}]}]),
    ),
    "podtemplate": ("v1/podtemplates", {"template": TEMPLATE}),
    "replicationcontroller": ("v1/replicationcontrollers", {"spec": {"template": TEMPLATE}}),
    "deployment": ("apps/v1/deployments", workload()),
    "deployment-recreate": ("apps/v1/deployments", workload(replicas=0, strategy={"type": "Recreate"})),
    "deployment-surge": ("apps/v1/deployments", workload(strategy={"rollingUpdate": {"maxSurge": 2}})),
    "deployment-host-network": (
        "apps/v1/deployments",
        workload(
            template={**TEMPLATE, **pod({"ports": [{"containerPort": 80}]}, hostNetwork=True)},
        ),
    ),
    "deployment-limits": (
        "apps/v1/deployments",
        workload(template={**TEMPLATE, **pod({"resources": {"limits": {"cpu": "1"}}})}),
    ),
    "replicaset": ("apps/v1/replicasets", workload()),
    "statefulset": ("apps/v1/statefulsets", workload(serviceName="s")),
    "statefulset-on-delete": ("apps/v1/statefulsets", workload(updateStrategy={"type": "OnDelete"})),
    "statefulset-claims": (
        "apps/v1/statefulsets",
        workload(
            serviceName="s",
            volumeClaimTemplates=[
                {
                    "metadata": {"name": "v"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }
            ],
        ),
    ),
    "statefulset-retention": (
        "apps/v1/statefulsets",
        workload(
            serviceName="s",
            persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"},
            updateStrategy={"type": "RollingUpdate"},
        ),
    ),
    "statefulset-partition": (
        "apps/v1/statefulsets",
        workload(serviceName="s", updateStrategy={"rollingUpdate": {"partition": 2}}),
    ),
    "daemonset-on-delete": ("apps/v1/daemonsets", workload(updateStrategy={"type": "OnDelete"})),
    "daemonset-surge": (
        "apps/v1/daemonsets",
        workload(updateStrategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
    ),
    "daemonset": ("apps/v1/daemonsets", workload()),
    "controllerrevision": ("apps/v1/controllerrevisions", {"revision": 1, "data": {"a": 1}}),
    "job": ("batch/v1/jobs", {"spec": {"template": ONCE}}),
    "job-labels": ("batch/v1/jobs", {"metadata": {"labels": {"x": "y"}}, "spec": {"template": {**TEMPLATE, **ONCE}}}),
    "job-of-template": ("batch/v1/jobs", {"spec": {"template": {**TEMPLATE, **ONCE}}}),
    "job-parallel": ("batch/v1/jobs", {"spec": {"template": ONCE, "parallelism": 3, "backoffLimit": 0}}),
    "job-completions": ("batch/v1/jobs", {"spec": {"template": ONCE, "completions": 3}}),
    "job-indexed": (
        "batch/v1/jobs",
        {
            "spec": {
                "template": ONCE,
                "completions": 3,
                "completionMode": "Indexed",
                "backoffLimitPerIndex": 1,
            }
        },
    ),
    "job-failures": ("batch/v1/jobs", {"spec": {"template": ONCE, "podFailurePolicy": {"rules": [IGNORED]}}}),
    "cronjob-failures": (
        "batch/v1/cronjobs",
        {
            "spec": {
                "schedule": "@daily",
                "jobTemplate": {"spec": {"template": ONCE, "podFailurePolicy": {"rules": [IGNORED]}}},
            }
        },
    ),
    "cronjob": ("batch/v1/cronjobs", {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": ONCE}}}}),
    "service": ("v1/services", service()),
    "service-headless": ("v1/services", service(clusterIP="None", selector={"a": "b"})),
    "service-headless-open": ("v1/services", service(clusterIP="None")),
    "service-named-port": ("v1/services", service(ports=[{"port": 80, "targetPort": "http", "name": "a"}])),
    "service-node-port": ("v1/services", service(type="NodePort")),
    "service-balancer": ("v1/services", service(type="LoadBalancer")),
    "service-external": ("v1/services", {"spec": {"type": "ExternalName", "externalName": "example.com"}}),
    "service-affinity": ("v1/services", service(sessionAffinity="ClientIP")),
    "secret": ("v1/secrets", {}),
    "secret-strings": ("v1/secrets", {"data": {"a": "YQ==", "b": "Yg=="}, "stringData": {"b": "new", "c": "é"}}),
    "configmap": ("v1/configmaps", {}),
    "configmap-data": ("v1/configmaps", {"data": {"a": "b"}, "binaryData": {"c": "YQ=="}}),
    "namespace": ("v1/namespaces", {}),
    "serviceaccount": ("v1/serviceaccounts", {}),
    "node": ("v1/nodes", {}),
    "node-capacity": ("v1/nodes", {"status": {"capacity": {"cpu": "4", "pods": 110}}}),
    "node-tainted": (
        "v1/nodes",
        {"spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}},
    ),
    "limitrange-of-pods": ("v1/limitranges", {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "2"}}]}}),
    "replicationcontroller-labels": (
        "v1/replicationcontrollers",
        {"metadata": {"labels": {"x": "y"}}, "spec": {"selector": {"a": "b"}, "template": TEMPLATE}},
    ),
    "job-manual": (
        "batch/v1/jobs",
        {"spec": {"manualSelector": True, "selector": SELECTOR, "template": {**TEMPLATE, **ONCE}}},
    ),
    "limitrange": (
        "v1/limitranges",
        {"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}}]}},
    ),
    "resourcequota": ("v1/resourcequotas", {"spec": {"hard": {"pods": 5, "requests.cpu": "1000m"}}}),
    "claim": (
        "v1/persistentvolumeclaims",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}},
    ),
    "volume": (
        "v1/persistentvolumes",
        {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/p"}}},
    ),
    "endpoints": ("v1/endpoints", {"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]}),
    "event": ("v1/events", {"involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "r"}),
    "new-event": (
        "events.k8s.io/v1/events",
        {
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "example.com/c",
            "reportingInstance": "i",
            "action": "a",
            "reason": "r",
            "type": "Normal",
            "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
        },
    ),
    "lease": ("coordination.k8s.io/v1/leases", {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}),
    "ingress": (
        "networking.k8s.io/v1/ingresses",
        {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
    ),
    "ingressclass": (
        "networking.k8s.io/v1/ingressclasses",
        {"spec": {"controller": "example.com/c", "parameters": {"apiGroup": "g.io", "kind": "K", "name": "n"}}},
    ),
    "networkpolicy": ("networking.k8s.io/v1/networkpolicies", {"spec": {"podSelector": {}}}),
    "networkpolicy-egress": (
        "networking.k8s.io/v1/networkpolicies",
        {
            "spec": {
                "podSelector": {},
                "ingress": [{"ports": [{"port": 80}]}],
                "egress": [{"ports": [{"port": 53}], "to": [{"podSelector": {}}]}],
            }
        },
    ),
    "budget": ("policy/v1/poddisruptionbudgets", {"spec": {"selector": SELECTOR, "minAvailable": 1}}),
    "autoscaler": ("autoscaling/v2/horizontalpodautoscalers", autoscaler()),
    "autoscaler-behavior": (
        "autoscaling/v2/horizontalpodautoscalers",
        autoscaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 60}}),
    ),
    "autoscaler-metrics": (
        "autoscaling/v2/horizontalpodautoscalers",
        autoscaler(
            metrics=[
                {
                    "type": "Resource",
                    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1024Ki"}},
                },
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
                },
            ]
        ),
    ),
    "old-autoscaler": ("autoscaling/v1/horizontalpodautoscalers", autoscaler()),
    "old-autoscaler-cpu": (
        "autoscaling/v1/horizontalpodautoscalers",
        autoscaler(targetCPUUtilizationPercentage=50, minReplicas=2),
    ),
    "storageclass": ("storage.k8s.io/v1/storageclasses", {"provisioner": "example.com/p"}),
    "priorityclass": ("scheduling.k8s.io/v1/priorityclasses", {"value": 5}),
    "runtimeclass": ("node.k8s.io/v1/runtimeclasses", {"handler": "h"}),
    "endpointslice": (
        "discovery.k8s.io/v1/endpointslices",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"port": 80}]},
    ),
    "role": (
        "rbac.authorization.k8s.io/v1/roles",
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ),
    "clusterrole": ("rbac.authorization.k8s.io/v1/clusterroles", {}),
    "rolebinding": (
        "rbac.authorization.k8s.io/v1/rolebindings",
        {
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [
                {"kind": "User", "name": "u"},
                {"kind": "Group", "name": "g"},
                {"kind": "ServiceAccount", "name": "s", "namespace": "default"},
            ],
        },
    ),
    "clusterrolebinding": (
        "rbac.authorization.k8s.io/v1/clusterrolebindings",
        {"roleRef": {"kind": "ClusterRole", "name": "r"}},
    ),
}
"""Objects that every server takes, for what it adds to them."""
