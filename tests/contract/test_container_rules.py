"""The rules of containers, and of the volumes that they see."""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import Exchange
from tests.contract.test_pod_rules import CONTAINER, ODD, refuse


def test_mounts_and_devices(exchange: Exchange) -> None:
    volumes: list[JSONValue] = [
        {"name": "dir", "emptyDir": {}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "wrong", "hostPath": {}},
    ]
    mounts: list[JSONValue] = [
        {"name": "dir", "mountPath": "/a", "subPath": "/abs/../x"},
        {"name": "dir", "mountPath": "/a", "subPath": "x", "subPathExpr": "../x"},
        {"name": "dir", "mountPath": "/b", "mountPropagation": "Odd", "recursiveReadOnly": "Odd"},
        {"name": "dir", "mountPath": "/c", "mountPropagation": "Bidirectional", "recursiveReadOnly": "Enabled"},
        {"name": "dir", "mountPath": "/d", "readOnly": True, "recursiveReadOnly": "IfPossible"},
        {"name": "claim", "mountPath": "/e"},
        {"name": "dir", "mountPath": "/dev/x"},
        {"name": "wrong", "mountPath": "/f"},
    ]
    devices: list[JSONValue] = [
        {"name": "claim", "devicePath": "/dev/x"},
        {"name": "claim", "devicePath": "/dev/x"},
        {"name": "dir", "devicePath": "/dev/../y"},
        {"name": "lost", "devicePath": "/e"},
        {},
    ]
    refuse(
        exchange,
        {"volumes": volumes, "containers": [CONTAINER | {"volumeMounts": mounts, "volumeDevices": devices}]},
        {
            "volumes": volumes[:2],
            "containers": [
                CONTAINER
                | {
                    "securityContext": {"privileged": True},
                    "volumeMounts": [{"name": "dir", "mountPath": "/a", "mountPropagation": "Bidirectional"}],
                    "volumeDevices": [{"name": "claim", "devicePath": "/dev/x"}],
                }
            ],
        },
    )


def test_security(exchange: Exchange) -> None:
    def containers(**context: JSONValue) -> JSONObject:
        return {"containers": [CONTAINER | {"securityContext": context}]}

    profiles: list[JSONObject] = [
        {},
        {"type": "Odd"},
        {"type": "Localhost"},
        {"type": "Localhost", "localhostProfile": "/a/../b"},
        {"type": "Localhost", "localhostProfile": " a"},
        {"type": "Localhost", "localhostProfile": ""},
        {"type": "RuntimeDefault", "localhostProfile": "a"},
    ]
    refuse(
        exchange,
        *[containers(seccompProfile=profile) for profile in profiles],
        *[containers(appArmorProfile=profile) for profile in profiles],
        *[{"securityContext": {"seccompProfile": profile, "appArmorProfile": profile}} for profile in profiles],
        containers(procMount="Odd"),
        containers(procMount="Unmasked"),
        containers(procMount="Unmasked") | {"hostUsers": False},
        containers(allowPrivilegeEscalation=False, privileged=True),
        containers(allowPrivilegeEscalation=False, capabilities={"add": ["CAP_SYS_ADMIN"]}),
        {"securityContext": {"supplementalGroups": [1, -1], "fsGroup": -1, "runAsUser": -1, "runAsGroup": -1}},
        {"securityContext": {"fsGroupChangePolicy": "Odd", "supplementalGroupsPolicy": "Odd"}},
        {"securityContext": {"seLinuxChangePolicy": "Odd"}},
        {
            "hostNetwork": True,
            "securityContext": {
                "sysctls": [
                    {"name": "", "value": "1"},
                    {"name": "Odd", "value": "1"},
                    {"name": "kernel.shm_rmid_forced", "value": "1"},
                    {"name": "kernel.shm_rmid_forced", "value": "1"},
                    {"name": "net.ipv4.tcp_syncookies", "value": "1"},
                    {"name": "net/ipv4/conf.x", "value": "1"},
                ]
            },
        },
        {"hostIPC": True, "securityContext": {"sysctls": [{"name": "kernel.sem", "value": "1"}]}},
    )


def test_restarts_and_probes_of_containers(exchange: Exchange) -> None:
    init: JSONObject = {"name": "init", "image": "i"}
    probe: JSONObject = {"exec": {"command": ["true"]}}
    rule: JSONObject = {"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}
    rules: list[JSONValue] = [
        rule,
        {"action": "Odd"},
        {"action": "Restart", "exitCodes": {"operator": "Odd", "values": [*range(256)]}},
        {"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn", "values": [1]}},
    ]
    resizes: list[JSONValue] = [
        {"resourceName": "cpu", "restartPolicy": "NotRequired"},
        {"resourceName": "cpu", "restartPolicy": "RestartContainer"},
        {"resourceName": "disk", "restartPolicy": "Odd"},
        {"resourceName": "memory"},
        {},
    ]
    hooks: JSONObject = {"lifecycle": {"preStop": probe}, "livenessProbe": probe, "readinessProbe": probe}
    refuse(
        exchange,
        {"containers": [CONTAINER | {"restartPolicy": "Odd"}]},
        {"containers": [CONTAINER | {"restartPolicyRules": [rule]}]},
        {"containers": [CONTAINER | {"restartPolicy": "Never", "restartPolicyRules": rules}]},
        {"containers": [CONTAINER | {"restartPolicy": "Never", "restartPolicyRules": [rule] * 21}]},
        {"containers": [CONTAINER | {"resizePolicy": resizes}]},
        {"containers": [CONTAINER | {"resizePolicy": [{"restartPolicy": "NotRequired"}]}]},
        {"containers": [CONTAINER | {"resizePolicy": resizes[:2]}], "restartPolicy": "Never"},
        {"initContainers": [init | hooks | {"startupProbe": probe}]},
        {"initContainers": [init | hooks | {"startupProbe": {}, "restartPolicy": "Always"}]},
        {"initContainers": [init | {"restartPolicyRules": [rule]}]},
        {"initContainers": [init | {"restartPolicy": "Odd", "restartPolicyRules": rules[1:]}]},
        {"initContainers": [init | {"resizePolicy": [resizes[1]]}]},
        {"initContainers": [init | {"ports": [{"containerPort": 1, "hostPort": 1}] * 2}]},
        {
            "containers": [
                CONTAINER
                | {
                    "readinessProbe": probe | {"terminationGracePeriodSeconds": 1, "successThreshold": 2},
                    "livenessProbe": probe | {"terminationGracePeriodSeconds": 0, "successThreshold": 2},
                    "startupProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": "c"}]}},
                }
            ]
        },
    )


def test_variables(exchange: Exchange) -> None:
    def containers(*variables: JSONObject, **more: JSONValue) -> JSONObject:
        return {"containers": [CONTAINER | {"env": [*variables], **more}]}

    def value_from(**source: JSONValue) -> JSONObject:
        return {"name": "A", "valueFrom": source}

    sources: list[JSONValue] = [
        {},
        {"prefix": "a=b", "secretRef": {"name": "s"}},
        {"secretRef": {"name": "s"}, "configMapRef": {"name": "c"}},
    ]
    refuse(
        exchange,
        containers(envFrom=sources),
        containers(
            value_from(fieldRef={"fieldPath": "status.phase"}),
            value_from(fieldRef={"fieldPath": "metadata.annotations['no name']"}),
            value_from(fieldRef={"fieldPath": "metadata.labels['a']", "apiVersion": "v2"}),
            value_from(fieldRef={"fieldPath": "spec.odd"}),
            value_from(fieldRef={"fieldPath": "metadata.labels"}),
            value_from(resourceFieldRef={"resource": "limits.disk"}),
            value_from(resourceFieldRef={"resource": "limits.cpu", "divisor": "2"}),
            value_from(resourceFieldRef={"resource": "limits.memory", "divisor": "1m"}),
            value_from(resourceFieldRef={"resource": "requests.hugepages-2Mi"}),
            value_from(configMapKeyRef={"name": "c", "key": "a/b"}),
            value_from(secretKeyRef={"name": "c", "key": ".."}),
            value_from(configMapKeyRef={"key": "a"}),
            value_from(configMapKeyRef={"name": ODD}),
        ),
        containers(value_from(fileKeyRef={})),
        containers(value_from(fileKeyRef={"key": "a=b", "volumeName": "A", "path": "../x"})),
        containers(value_from(fileKeyRef={"key": "K", "volumeName": "v", "path": "x"}))
        | {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
    )


def test_volumes(exchange: Exchange) -> None:
    def volumes(*sources: JSONObject) -> JSONObject:
        return {"volumes": [{"name": f"v{number}", **source} for number, source in enumerate(sources)]}

    files: list[JSONValue] = [
        {},
        {"key": "a", "path": "/a", "mode": 512},
        {"key": "b", "path": "../b", "mode": -1},
        {"key": "c", "path": "..c"},
        {"key": "d", "path": "d"},
    ]
    fields: list[JSONValue] = [
        {"path": "a"},
        {"fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "b", "fieldRef": {"fieldPath": "spec.nodeName"}, "mode": 512},
        {"path": "..", "fieldRef": {"fieldPath": "metadata.labels['a']"}},
        {"path": "c", "resourceFieldRef": {"resource": "limits.cpu"}},
        {"path": "d", "resourceFieldRef": {"containerName": "main", "resource": "limits.odd"}},
        {
            "path": "e",
            "fieldRef": {"fieldPath": "metadata.labels"},
            "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"},
        },
    ]
    token: JSONObject = {"serviceAccountToken": {"path": "t", "expirationSeconds": 600}}
    projections: list[JSONValue] = [
        {"secret": {"items": files}},
        {"configMap": {"name": "c", "items": [files[4]]}},
        {"downwardAPI": {"items": [fields[0], {"path": "d", "fieldRef": {"fieldPath": "metadata.uid"}}]}},
        {"serviceAccountToken": {"path": "", "expirationSeconds": 599}},
        {"serviceAccountToken": {"path": "/t", "expirationSeconds": 2**32 + 1}},
        token | {"secret": {"name": "s"}},
        {},
    ]
    template: JSONObject = {
        "metadata": {"labels": {ODD: "x"}},
        "spec": {"accessModes": ["ReadWriteOncePod", "ReadOnlyMany", "Odd"], "storageClassName": ODD},
    }
    refuse(
        exchange,
        volumes({"emptyDir": {"sizeLimit": "-1"}}, {"emptyDir": {}, "hostPath": {"path": "/"}}),
        volumes({"hostPath": {"path": "/a/../b", "type": "Odd"}}, {"hostPath": {}}),
        volumes({"gitRepo": {"directory": "/a"}}, {"gitRepo": {"repository": "r", "directory": ".."}}),
        volumes({"secret": {"items": files, "defaultMode": 512}}, {"secret": {"secretName": "s", "defaultMode": 511}}),
        volumes({"configMap": {"items": files, "defaultMode": -1}}),
        volumes({"nfs": {}}, {"nfs": {"server": "s", "path": "a"}}),
        volumes({"persistentVolumeClaim": {}}),
        volumes({"downwardAPI": {"defaultMode": 512, "items": fields}}),
        volumes({"csi": {}}, {"csi": {"driver": ODD}}, {"csi": {"driver": "d" * 64}}),
        volumes(
            {"csi": {"driver": "d", "nodePublishSecretRef": {}}},
            {"csi": {"driver": "D", "nodePublishSecretRef": {"name": ODD}}},
        ),
        volumes({"ephemeral": {}}, {"ephemeral": {"volumeClaimTemplate": template}}),
        volumes({"image": {"pullPolicy": "Odd"}}, {"image": {"reference": "r"}}),
        volumes({"projected": {"defaultMode": 512, "sources": projections}}) | {"serviceAccountName": "a"},
        volumes({"persistentVolumeClaim": {"claimName": "a-v1"}}, {"ephemeral": {}}),
    )
