"""Objects of built-in kinds that every server refuses: name of the case, resource, object, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kubeprims.meta import JSONObject, JSONValue
from tests.testing.apiserver.given_objects import (
    CONTAINER,
    GIVEN,
    ONCE,
    SELECTOR,
    TEMPLATE,
    autoscaler,
    pod,
    service,
    workload,
)


class Refused(NamedTuple):
    """One object that is refused.

    Attributes:
        resource: Its resource.
        obj: The object; without a name, it gets one.
        before: What is there before, so that the object is an update; None if it is a creation.
    """

    resource: str
    obj: JSONObject
    before: JSONObject | None = None


def template(**spec: JSONValue) -> JSONObject:
    """Return the template of a pod with such a spec."""
    return {**TEMPLATE, "spec": {"containers": [CONTAINER], **spec}}


def given(case: str) -> JSONObject:
    """Return the object of a case that servers take."""
    return GIVEN[case][1]


def _pods(**cases: JSONObject) -> dict[str, Refused]:
    return {f"pod-{name.replace('_', '-')}": Refused("v1/pods", obj) for name, obj in cases.items()}


def _changed(resource: str, before: JSONObject, **cases: JSONObject) -> dict[str, Refused]:
    kind = resource.rpartition("/")[2]
    return {f"{kind}-update-{name.replace('_', '-')}": Refused(resource, obj, before) for name, obj in cases.items()}


def _refused(resource: str, **cases: JSONObject) -> dict[str, Refused]:
    kind = resource.rpartition("/")[2]
    return {f"{kind}-{name.replace('_', '-')}": Refused(resource, obj) for name, obj in cases.items()}


REFUSED: Mapping[str, Refused] = {
    "pod-token-without-account": Refused(
        "v1/pods",
        pod(volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]),
    ),
    **_pods(
        port_names_odd=pod({"ports": [{"containerPort": 80, "name": "1"}, {"containerPort": 81, "name": "-a--b-"}]}),
        env_sources=pod(
            {
                "env": [
                    {"name": "A", "valueFrom": {}},
                    {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": ""}}},
                    {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": ""}}},
                ]
            }
        ),
        env_from_names=pod({"envFrom": [{"configMapRef": {}}]}),
        mount_without_name=pod({"volumeMounts": [{"mountPath": "/p"}]}),
        probe_of_grpc=pod({"livenessProbe": {"grpc": {"port": 0}}}),
        sleep=pod({"lifecycle": {"preStop": {"sleep": {"seconds": -1}}}}),
        host_port=pod({"ports": [{"containerPort": 80, "hostPort": 70000}]}),
        spread_selector=pod(
            topologySpreadConstraints=[
                {
                    "maxSkew": 1,
                    "topologyKey": "k",
                    "whenUnsatisfiable": "DoNotSchedule",
                    "labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b c"]}]},
                }
            ]
        ),
        toleration_value=pod(tolerations=[{"key": "k", "operator": "Equal", "value": "a b"}]),
    ),
    **_changed(
        "v1/pods",
        pod(activeDeadlineSeconds=10, tolerations=[{"key": "k", "operator": "Exists"}]),
        later=pod(activeDeadlineSeconds=11, tolerations=[{"key": "k", "operator": "Exists"}]),
        unlimited=pod(tolerations=[{"key": "k", "operator": "Exists"}]),
        intolerant=pod(activeDeadlineSeconds=10),
    ),
    **_refused(
        "v1/podtemplates",
        annotations={"template": {**TEMPLATE, "metadata": {"annotations": {"a b": "c"}}}},
    ),
    **_refused(
        "v1/services",
        external_with_address={"spec": {"type": "ExternalName", "externalName": "a.b", "clusterIP": "10.0.0.9"}},
    ),
    **_refused(
        "v1/endpoints",
        ports={"subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 1}, {"port": 2}]}]},
    ),
    **_refused(
        "discovery.k8s.io/v1/endpointslices", names={"addressType": "FQDN", "endpoints": [{"addresses": ["A b"]}]}
    ),
    **_changed(
        "discovery.k8s.io/v1/endpointslices",
        given("endpointslice"),
        type={"addressType": "FQDN", "endpoints": [{"addresses": ["a.b"]}]},
    ),
    **_refused(
        "networking.k8s.io/v1/ingresses",
        both={
            "spec": {
                "defaultBackend": {
                    "service": {"name": "s", "port": {"number": 1}},
                    "resource": {"kind": "K", "name": "n"},
                }
            }
        },
        port={"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 70000}}}}},
        wildcard={"spec": {"rules": [{"host": "*.A"}]}},
        implementation={
            "spec": {
                "rules": [
                    {
                        "http": {
                            "paths": [
                                {
                                    "path": "x",
                                    "pathType": "ImplementationSpecific",
                                    "backend": {"service": {"name": "s", "port": {"name": "n"}}},
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    **_changed(
        "networking.k8s.io/v1/ingressclasses",
        given("ingressclass"),
        controller={"spec": {"controller": "example.com/d"}},
    ),
    **_refused("v1/configmaps", dots={"data": {"..a": "b"}}, binary={"binaryData": {"a b": "YQ=="}}),
    **_refused(
        "v1/secrets",
        size={"stringData": {"a": "x" * ((1 << 20) + 1)}},
        docker_empty={"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": ""}},
    ),
    **_refused(
        "v1/persistentvolumes",
        modes={"spec": {"accessModes": ["Odd"], "capacity": {"storage": "0"}, "hostPath": {"path": "/p"}}},
    ),
    **_refused(
        "rbac.authorization.k8s.io/v1/clusterrolebindings",
        account={
            "roleRef": {"kind": "ClusterRole", "name": "a/b"},
            "subjects": [{"kind": "ServiceAccount", "name": "A b"}],
        },
    ),
    **_refused(
        "rbac.authorization.k8s.io/v1/clusterroles",
        selector={"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a b": "c"}}]}},
    ),
    **_refused(
        "autoscaling/v2/horizontalpodautoscalers",
        negative=autoscaler(maxReplicas=-1),
        unnamed=autoscaler(
            metrics=[
                {"type": "External", "external": {"metric": {"name": ""}, "target": {"type": "Value", "value": "1"}}}
            ]
        ),
    ),
    "priorityclasses-system": Refused(
        "scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "system-x"}, "value": 1}
    ),
    **_refused(
        "v1/events",
        new={
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
            "reason": "r" * 129,
            "message": "m" * 1025,
            "action": "a",
        },
    ),
    **_changed(
        "apps/v1/controllerrevisions", {"revision": 1, "data": {"a": 1}}, data={"revision": 1, "data": {"a": 2}}
    ),
    **_refused(
        "batch/v1/cronjobs", field={"spec": {"schedule": "* * * * !", "jobTemplate": {"spec": {"template": ONCE}}}}
    ),
    **_pods(
        empty={},
        no_containers={"spec": {"containers": []}},
        container_without_name={"spec": {"containers": [{"image": "i"}]}},
        container_without_image={"spec": {"containers": [{"name": "c"}]}},
        container_name=pod({"name": "A_b"}),
        container_twice=pod({}, {}),
        image_spaces=pod({"image": " i"}),
        restart_policy=pod(restartPolicy="Sometimes"),
        dns_policy=pod(dnsPolicy="Odd"),
        grace=pod(activeDeadlineSeconds=0),
        pull_policy=pod({"imagePullPolicy": "Odd"}),
        termination_policy=pod({"terminationMessagePolicy": "Odd"}),
        port_range=pod({"ports": [{"containerPort": 70000}]}),
        port_zero=pod({"ports": [{}]}),
        port_protocol=pod({"ports": [{"containerPort": 80, "protocol": "udp"}]}),
        port_name=pod({"ports": [{"containerPort": 80, "name": "This-is-long-for-a-name"}]}),
        port_names_twice=pod({"ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]}),
        host_port_twice=pod({"ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]}),
        env_name=pod({"env": [{"name": ""}, {"name": "a=b", "value": "x"}]}),
        env_both=pod({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
        env_field=pod({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.odd"}}}]}),
        env_secret=pod({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": ""}}}]}),
        env_from=pod({"envFrom": [{}]}),
        requests_above_limits=pod({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
        negative_request=pod({"resources": {"requests": {"cpu": "-1"}}}),
        resource_name=pod({"resources": {"requests": {"odd name": "1"}}}),
        unknown_resource=pod({"resources": {"requests": {"gpu": "1"}}}),
        mount_without_volume=pod({"volumeMounts": [{"name": "v", "mountPath": "/p"}]}),
        mount_twice=pod(
            {"volumeMounts": [{"name": "v", "mountPath": "/p"}, {"name": "v", "mountPath": "/p"}]},
            volumes=[{"name": "v", "emptyDir": {}}],
        ),
        mount_without_path=pod({"volumeMounts": [{"name": "v"}]}, volumes=[{"name": "v", "emptyDir": {}}]),
        volume_name=pod(volumes=[{"emptyDir": {}}, {"name": "A", "emptyDir": {}}]),
        volume_twice=pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
        volume_two_sources=pod(volumes=[{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]),
        volume_config_map=pod(volumes=[{"name": "v", "configMap": {}}]),
        volume_secret=pod(volumes=[{"name": "v", "secret": {}}]),
        volume_host_path=pod(volumes=[{"name": "v", "hostPath": {"path": ""}}]),
        volume_claim=pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": ""}}]),
        volume_mode=pod(volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": 1000}}]),
        probe_without_handler=pod({"livenessProbe": {}}),
        probe_two_handlers=pod({"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}}),
        probe_numbers=pod({"livenessProbe": {"tcpSocket": {"port": 0}, "periodSeconds": -1, "successThreshold": 2}}),
        probe_scheme=pod({"readinessProbe": {"httpGet": {"port": 80, "scheme": "ftp"}}}),
        node_selector=pod(nodeSelector={"a b": "c"}),
        toleration=pod(tolerations=[{"key": "k", "operator": "Odd"}, {"operator": "Equal"}]),
        toleration_seconds=pod(
            tolerations=[
                {"key": "k", "operator": "Exists", "value": "v"},
                {"key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3},
            ]
        ),
        account_name=pod(serviceAccountName="A b"),
        hostname=pod(hostname="A.b", subdomain="x_y"),
        spread=pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Odd"}]),
        host_alias=pod(hostAliases=[{"ip": "x", "hostnames": ["A b"]}]),
        init_twice=pod(initContainers=[{"name": "c", "image": "i"}]),
        lifecycle=pod({"lifecycle": {"preStop": {}}}),
        affinity=pod(
            affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
        ),
        metadata={"metadata": {"labels": {"a b": "c", "d": "e f"}, "name": "A"}, "spec": {"containers": []}},
        ephemeral=pod(ephemeralContainers=[{"name": "e", "image": "i"}]),
        claims=pod(securityContext={"runAsUser": -1}),
    ),
    **_changed(
        "v1/pods",
        pod(),
        name=pod({"name": "d"}),
        more=pod({}, {"name": "d"}),
        command=pod({"command": ["x"]}),
        restart=pod(restartPolicy="Never"),
        node=pod(nodeName="n"),
        image_empty=pod({"image": ""}),
    ),
    **_refused(
        "apps/v1/deployments",
        empty={},
        no_selector={"spec": {"template": TEMPLATE}},
        empty_selector=workload(selector={}),
        no_template={"spec": {"selector": SELECTOR}},
        mismatch=workload(selector={"matchLabels": {"a": "c"}}),
        selector_label=workload(selector={"matchLabels": {"a b": "c d"}}),
        selector_operator=workload(
            selector={
                "matchExpressions": [
                    {"key": "a", "operator": "Odd"},
                    {"key": "a", "operator": "In"},
                    {"key": "a", "operator": "Exists", "values": ["x"]},
                ]
            }
        ),
        replicas=workload(replicas=-1),
        strategy=workload(strategy={"type": "Odd"}),
        recreate=workload(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        both_zero=workload(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
        percent=workload(strategy={"rollingUpdate": {"maxSurge": "x%", "maxUnavailable": "120%"}}),
        restart=workload(template=template(restartPolicy="Never")),
        container=workload(template=template(containers=[{"name": "c"}])),
        template_labels=workload(template={**TEMPLATE, "metadata": {"labels": {"a": "b", "x": "y z"}}}),
        numbers=workload(minReadySeconds=-1, revisionHistoryLimit=-1, progressDeadlineSeconds=-1),
        deadline=workload(minReadySeconds=10, progressDeadlineSeconds=5),
    ),
    **_changed(
        "apps/v1/deployments",
        workload(),
        selector=workload(
            selector={"matchLabels": {"a": "c"}}, template={**TEMPLATE, "metadata": {"labels": {"a": "c"}}}
        ),
    ),
    **_refused(
        "apps/v1/replicasets",
        empty={},
        mismatch=workload(selector={"matchLabels": {"a": "c"}}),
        replicas=workload(replicas=-1),
        restart=workload(template=template(restartPolicy="OnFailure")),
    ),
    **_changed(
        "apps/v1/replicasets",
        workload(),
        selector=workload(
            selector={"matchLabels": {"a": "c"}}, template={**TEMPLATE, "metadata": {"labels": {"a": "c"}}}
        ),
    ),
    **_refused(
        "apps/v1/statefulsets",
        empty={},
        mismatch=workload(selector={"matchLabels": {"a": "c"}}, serviceName="s"),
        policy=workload(podManagementPolicy="Odd", updateStrategy={"type": "Odd"}, serviceName="s"),
        partition=workload(updateStrategy={"rollingUpdate": {"partition": -1}}, serviceName="s"),
    ),
    **_changed("apps/v1/statefulsets", workload(serviceName="s"), service=workload(serviceName="t")),
    **_refused(
        "apps/v1/daemonsets",
        empty={},
        mismatch=workload(selector={"matchLabels": {"a": "c"}}),
        strategy=workload(updateStrategy={"type": "Odd"}),
        zero=workload(updateStrategy={"rollingUpdate": {"maxUnavailable": 0}}),
    ),
    **_changed(
        "apps/v1/daemonsets",
        workload(),
        selector=workload(
            selector={"matchLabels": {"a": "c"}}, template={**TEMPLATE, "metadata": {"labels": {"a": "c"}}}
        ),
    ),
    **_refused(
        "v1/replicationcontrollers", empty={}, mismatch={"spec": {"selector": {"a": "c"}, "template": TEMPLATE}}
    ),
    **_refused(
        "batch/v1/jobs",
        empty={},
        restart={"spec": {"template": TEMPLATE}},
        numbers={
            "spec": {
                "template": ONCE,
                "parallelism": -1,
                "completions": -1,
                "backoffLimit": -1,
                "activeDeadlineSeconds": -1,
                "ttlSecondsAfterFinished": -1,
            }
        },
        mode={"spec": {"template": ONCE, "completionMode": "Odd"}},
        manual={"spec": {"template": ONCE, "manualSelector": True}},
        selector={"spec": {"template": ONCE, "selector": {"matchLabels": {"x": "y"}}}},
    ),
    **_changed(
        "batch/v1/jobs",
        {"spec": {"template": ONCE}},
        template={
            "spec": {
                "template": {**ONCE, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "j"}]}}
            }
        },
        completions={"spec": {"template": ONCE, "completions": 5}},
    ),
    **_refused(
        "batch/v1/cronjobs",
        empty={},
        schedule={"spec": {"schedule": "x", "jobTemplate": {"spec": {"template": ONCE}}}},
        no_schedule={"spec": {"jobTemplate": {"spec": {"template": ONCE}}}},
        policy={
            "spec": {"schedule": "* * * * *", "concurrencyPolicy": "Odd", "jobTemplate": {"spec": {"template": ONCE}}}
        },
        limits={
            "spec": {
                "schedule": "* * * * *",
                "successfulJobsHistoryLimit": -1,
                "failedJobsHistoryLimit": -1,
                "startingDeadlineSeconds": -1,
                "jobTemplate": {"spec": {"template": ONCE}},
            }
        },
        zone={
            "spec": {
                "schedule": "TZ=UTC * * * * *",
                "timeZone": "Odd/Zone",
                "jobTemplate": {"spec": {"template": ONCE}},
            }
        },
        restart={"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}}},
    ),
    "cronjobs-long-name": Refused("batch/v1/cronjobs", {**given("cronjob"), "metadata": {"name": "c" * 53}}),
    **_refused(
        "v1/services",
        empty={},
        no_ports={"spec": {"ports": []}},
        port=service(ports=[{"port": 0}]),
        port_range=service(ports=[{"port": 70000, "targetPort": 70000}]),
        names=service(ports=[{"port": 80}, {"port": 81}]),
        names_twice=service(ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]),
        ports_twice=service(ports=[{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]),
        port_name=service(ports=[{"port": 80, "name": "A_b"}]),
        protocol=service(ports=[{"port": 80, "protocol": "tcp"}]),
        target=service(ports=[{"port": 80, "targetPort": "Bad name here"}]),
        type=service(type="Odd"),
        affinity=service(sessionAffinity="Odd"),
        affinity_seconds=service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 0}}),
        external={"spec": {"type": "ExternalName"}},
        external_name={"spec": {"type": "ExternalName", "externalName": "A b"}},
        selector=service(selector={"a b": "c"}),
        address=service(clusterIP="xx"),
        addresses=service(clusterIP="10.0.0.79", clusterIPs=["10.0.0.80"]),
        headless_node_port=service(clusterIP="None", type="NodePort"),
        node_port=service(ports=[{"port": 80, "nodePort": 30100}]),
        external_ip=service(externalIPs=["x", "127.0.0.1"]),
        policy=service(externalTrafficPolicy="Local"),
    ),
    **_changed(
        "v1/services", service(clusterIP="10.0.0.200"), address=service(clusterIP="10.0.0.201"), empty={"spec": {}}
    ),
    **_refused(
        "v1/configmaps",
        keys={"data": {"a b": "c", ".": "d", "..": "e"}},
        both={"data": {"a": "b"}, "binaryData": {"a": "YQ=="}},
        size={"data": {"a": "x" * (1 << 20), "b": "y"}},
    ),
    **_changed(
        "v1/configmaps",
        {"data": {"a": "b"}, "immutable": True},
        data={"data": {"a": "c"}, "immutable": True},
        unset={"data": {"a": "b"}},
    ),
    **_refused(
        "v1/secrets",
        keys={"data": {"a b": "YQ=="}},
        dockercfg={"type": "kubernetes.io/dockerconfigjson"},
        docker_json={"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "x"}},
        basic={"type": "kubernetes.io/basic-auth"},
        ssh={"type": "kubernetes.io/ssh-auth"},
        tls={"type": "kubernetes.io/tls"},
        token={"type": "kubernetes.io/service-account-token"},
    ),
    **_changed(
        "v1/secrets",
        {"data": {"a": "YQ=="}, "immutable": True},
        data={"data": {"a": "Yg=="}, "immutable": True},
        type={"data": {"a": "YQ=="}, "immutable": True, "type": "odd/type"},
        unset={"data": {"a": "YQ=="}},
    ),
    **_refused(
        "v1/persistentvolumeclaims",
        empty={},
        modes={"spec": {"accessModes": ["Odd"], "resources": {"requests": {"storage": "1Gi"}}}},
        no_storage={"spec": {"accessModes": ["ReadWriteOnce"]}},
        zero={"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "0"}}}},
    ),
    **_changed(
        "v1/persistentvolumeclaims",
        given("claim"),
        modes={"spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}},
        smaller={"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}},
    ),
    **_refused(
        "v1/persistentvolumes",
        empty={},
        no_source={"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}},
        two_sources={
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": "/p"},
                "nfs": {"server": "s", "path": "/p"},
            }
        },
        policy={
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": "/p"},
                "persistentVolumeReclaimPolicy": "Odd",
            }
        },
    ),
    **_refused(
        "coordination.k8s.io/v1/leases",
        seconds={"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}},
    ),
    **_refused(
        "v1/events",
        empty={},
        namespace={"involvedObject": {"kind": "Pod", "namespace": "other", "name": "p"}, "reason": "r"},
    ),
    **_refused(
        "events.k8s.io/v1/events",
        empty={},
        no_time={"regarding": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "r"},
        fields={
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
            "reportingController": "a b",
            "type": "Odd",
        },
    ),
    **_refused(
        "rbac.authorization.k8s.io/v1/roles",
        empty_rule={"rules": [{}]},
        no_resources={"rules": [{"apiGroups": [""], "verbs": ["get"]}]},
        no_groups={"rules": [{"resources": ["pods"], "verbs": ["get"]}]},
        urls={"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
    ),
    **_refused(
        "rbac.authorization.k8s.io/v1/clusterroles",
        mixed={"rules": [{"nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        selectors={"aggregationRule": {"clusterRoleSelectors": []}},
    ),
    **_refused(
        "rbac.authorization.k8s.io/v1/rolebindings",
        empty={},
        ref={"roleRef": {"kind": "Odd", "name": "r", "apiGroup": "odd"}},
        no_name={"roleRef": {"kind": "Role"}},
        subjects={
            "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [
                {"kind": "User"},
                {"kind": "Odd", "name": "n"},
                {"kind": "ServiceAccount", "name": "s"},
                {"kind": "Group", "name": "g", "apiGroup": "odd"},
            ],
        },
    ),
    **_changed(
        "rbac.authorization.k8s.io/v1/rolebindings",
        {"roleRef": {"kind": "Role", "name": "r"}},
        ref={"roleRef": {"kind": "Role", "name": "q"}},
    ),
    **_refused("rbac.authorization.k8s.io/v1/clusterrolebindings", ref={"roleRef": {"kind": "Role", "name": "r"}}),
    **_refused(
        "autoscaling/v2/horizontalpodautoscalers",
        empty={},
        maximum=autoscaler(maxReplicas=0),
        minimum=autoscaler(minReplicas=5),
        zero=autoscaler(minReplicas=-1),
        target={"spec": {"scaleTargetRef": {"kind": "", "name": "a/b"}, "maxReplicas": 1}},
        metric=autoscaler(
            metrics=[
                {"type": "Resource"},
                {"type": "Odd"},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}},
            ]
        ),
    ),
    **_refused("autoscaling/v1/horizontalpodautoscalers", cpu=autoscaler(targetCPUUtilizationPercentage=0)),
    **_refused(
        "policy/v1/poddisruptionbudgets",
        both={"spec": {"selector": SELECTOR, "minAvailable": 1, "maxUnavailable": 1}},
        negative={"spec": {"selector": SELECTOR, "minAvailable": -1}},
        percent={"spec": {"selector": SELECTOR, "maxUnavailable": "120%"}},
        selector={"spec": {"selector": {"matchLabels": {"a b": "c"}}}},
    ),
    **_refused(
        "networking.k8s.io/v1/ingresses",
        empty={},
        host={"spec": {"rules": [{"host": "A b"}, {"host": "1.2.3.4"}]}},
        path={
            "spec": {
                "rules": [
                    {"http": {"paths": [{"path": "x", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}
                ]
            }
        },
        path_type={
            "spec": {
                "rules": [
                    {
                        "http": {
                            "paths": [
                                {"path": "x", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {}}}}
                            ]
                        }
                    }
                ]
            }
        },
        paths={"spec": {"rules": [{"http": {"paths": []}}]}},
        backend={"spec": {"defaultBackend": {}}},
    ),
    **_refused("networking.k8s.io/v1/ingressclasses", empty={}, controller={"spec": {"controller": "x"}}),
    **_refused(
        "networking.k8s.io/v1/networkpolicies",
        types={"spec": {"podSelector": {}, "policyTypes": ["Odd"]}},
        port={"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 0, "protocol": "tcp"}]}]}},
        peer={
            "spec": {
                "podSelector": {},
                "ingress": [
                    {"from": [{}, {"ipBlock": {"cidr": "x"}}, {"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}
                ],
            }
        },
    ),
    **_refused(
        "storage.k8s.io/v1/storageclasses",
        empty={},
        policy={"provisioner": "p", "reclaimPolicy": "Odd", "volumeBindingMode": "Odd"},
    ),
    **_changed(
        "storage.k8s.io/v1/storageclasses",
        given("storageclass"),
        parameters={"provisioner": "q", "parameters": {"a": "b"}},
    ),
    **_refused(
        "scheduling.k8s.io/v1/priorityclasses",
        value={"value": 2000000000},
        policy={"value": 1, "preemptionPolicy": "Odd"},
    ),
    **_changed("scheduling.k8s.io/v1/priorityclasses", {"value": 5}, value={"value": 6}),
    **_refused("node.k8s.io/v1/runtimeclasses", empty={}, handler={"handler": "A_b"}),
    **_changed("node.k8s.io/v1/runtimeclasses", {"handler": "h"}, handler={"handler": "i"}),
    **_refused(
        "discovery.k8s.io/v1/endpointslices",
        empty={},
        type={"addressType": "Odd", "endpoints": []},
        address={"addressType": "IPv4", "endpoints": [{"addresses": ["x"]}, {"addresses": []}]},
    ),
    **_refused(
        "v1/endpoints",
        address={"subsets": [{"addresses": [{"ip": "x"}], "ports": [{"port": 0}]}]},
        nothing={"subsets": [{"ports": [{"port": 80}]}]},
    ),
    **_refused("v1/resourcequotas", names={"spec": {"hard": {"odd": "1", "pods": "-1", "cpu": "1"}}}),
    **_refused(
        "v1/limitranges", empty={"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}}]}}
    ),
    **_refused("apps/v1/controllerrevisions", empty={}, revision={"revision": -1, "data": {"a": 1}}),
    **_refused("v1/nodes", taint={"spec": {"taints": [{"key": "a b", "effect": "Odd"}]}}),
    **_refused("v1/serviceaccounts", name={"metadata": {"name": "A_b"}}),
}
"""What every server refuses."""
