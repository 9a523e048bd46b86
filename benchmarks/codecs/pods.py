"""Seeded synthetic pods of about 7.8 KB, fields in the order in which an API server writes them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

JSON = dict[str, object]

_WORDS = ("api", "auth", "batch", "cache", "cart", "index", "ledger", "mail", "queue", "search", "store", "web")


def pods(count: int, *, seed: int = 1) -> Iterator[JSON]:
    """Yield ``count`` pods; the same seed gives the same pods."""
    rng = random.Random(seed)
    for number in range(count):
        yield _pod(rng, number)


def compact(value: object) -> bytes:
    """Return ``value`` as an API server would send it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def pod_list(items: list[JSON]) -> bytes:
    """Return the body of a list answer; built-in lists leave kind and apiVersion out of their items."""
    bare = [{key: value for key, value in item.items() if key not in {"kind", "apiVersion"}} for item in items]
    metadata = {"resourceVersion": "123456789"}
    return compact({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": bare}) + b"\n"


def event_line(pod: JSON, event_type: str = "MODIFIED") -> bytes:
    """Return one line of a watch, without its newline."""
    return compact({"type": event_type, "object": pod})


def _hex(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("0123456789abcdef", k=length))


def _uid(rng: random.Random) -> str:
    return "-".join(_hex(rng, length) for length in (8, 4, 4, 4, 12))


def _time(rng: random.Random) -> str:
    return f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:07Z"


def _pod(rng: random.Random, number: int) -> JSON:
    app = rng.choice(_WORDS)
    names = [app, f"{rng.choice(_WORDS)}-sidecar"]
    node = f"ip-10-{rng.randint(0, 255)}-{rng.randint(0, 255)}-7.eu-west-1.compute.internal"
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": _metadata(rng, number, app, names),
        "spec": _spec(rng, names, node),
        "status": _status(rng, names),
    }


def _metadata(rng: random.Random, number: int, app: str, names: list[str]) -> JSON:
    template_hash = _hex(rng, 10)
    return {
        "name": f"{app}-{template_hash}-{number:05}",
        "generateName": f"{app}-{template_hash}-",
        "namespace": f"team-{number % 40:02}",
        "uid": _uid(rng),
        "resourceVersion": str(100_000_000 + number),
        "generation": 1,
        "creationTimestamp": _time(rng),
        "labels": {
            "app.kubernetes.io/name": app,
            "app.kubernetes.io/instance": f"{app}-{rng.choice(('blue', 'green'))}",
            "app.kubernetes.io/version": f"{rng.randint(1, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
            "pod-template-hash": template_hash,
            "tier": rng.choice(("front", "middle", "back")),
        },
        "annotations": {
            "checksum/config": _hex(rng, 64),
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(rng.randint(8000, 9999)),
            "cni.example.com/podIP": f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.7/32",
            "rollout.example.com/spec": compact({"track": "stable", "hash": _hex(rng, 64), "steps": [5, 25]}).decode(),
        },
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": f"{app}-{template_hash}",
                "uid": _uid(rng),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
        "managedFields": _managed_fields(rng, names),
    }


def _managed_fields(rng: random.Random, names: list[str]) -> list[JSON]:
    container: JSON = {
        ".": {},
        "f:image": {},
        "f:imagePullPolicy": {},
        "f:livenessProbe": {".": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}}, "f:periodSeconds": {}},
        "f:name": {},
        "f:ports": {".": {}, 'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
        "f:env": {".": {}, 'k:{"name":"POD_IP"}': {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}}},
        "f:volumeMounts": {".": {}, 'k:{"mountPath":"/etc/config"}': {".": {}, "f:mountPath": {}, "f:name": {}}},
        "f:resources": {".": {}, "f:limits": {".": {}, "f:cpu": {}, "f:memory": {}}, "f:requests": {"f:cpu": {}}},
        "f:terminationMessagePath": {},
        "f:terminationMessagePolicy": {},
    }
    spec: JSON = {
        "f:metadata": {
            "f:annotations": {".": {}, "f:checksum/config": {}, "f:prometheus.io/port": {}},
            "f:generateName": {},
            "f:labels": {".": {}, "f:app.kubernetes.io/name": {}, "f:pod-template-hash": {}, "f:tier": {}},
            "f:ownerReferences": {".": {}, f'k:{{"uid":"{_uid(rng)}"}}': {}},
        },
        "f:spec": {
            "f:containers": {f'k:{{"name":"{name}"}}': container for name in names},
            "f:dnsPolicy": {},
            "f:enableServiceLinks": {},
            "f:restartPolicy": {},
            "f:schedulerName": {},
            "f:securityContext": {},
            "f:terminationGracePeriodSeconds": {},
        },
    }
    kinds = ("Initialized", "PodScheduled", "Ready")
    status: JSON = {
        "f:status": {
            "f:conditions": {
                f'k:{{"type":"{kind}"}}': {".": {}, "f:lastProbeTime": {}, "f:status": {}, "f:type": {}}
                for kind in kinds
            },
            "f:containerStatuses": {},
            "f:hostIP": {},
            "f:phase": {},
            "f:podIP": {},
            "f:startTime": {},
        }
    }
    common: JSON = {"operation": "Update", "apiVersion": "v1"}
    return [
        {
            "manager": "kube-controller-manager",
            **common,
            "time": _time(rng),
            "fieldsType": "FieldsV1",
            "fieldsV1": spec,
        },
        {
            "manager": "kubelet",
            **common,
            "time": _time(rng),
            "fieldsType": "FieldsV1",
            "fieldsV1": status,
            "subresource": "status",
        },
    ]


def _spec(rng: random.Random, names: list[str], node: str) -> JSON:
    token = f"kube-api-access-{_hex(rng, 5)}"
    return {
        "volumes": [
            {
                "name": token,
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    ],
                    "defaultMode": 420,
                },
            },
            {"name": "config", "configMap": {"name": f"{names[0]}-config", "defaultMode": 420}},
            {"name": "scratch", "emptyDir": {}},
        ],
        "containers": [_container(rng, name, token) for name in names],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": names[0],
        "serviceAccount": names[0],
        "nodeName": node,
        "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
        "schedulerName": "default-scheduler",
        "tolerations": [
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for key in ("not-ready", "unreachable")
        ],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _container(rng: random.Random, name: str, token: str) -> JSON:
    probe: JSON = {
        "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    return {
        "name": name,
        "image": f"registry.example.com/{name}:{_hex(rng, 8)}",
        "args": ["--listen=:8080", f"--shard={rng.randint(0, 64)}"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [
            {"name": f"{rng.choice(_WORDS).upper()}_URL", "value": f"http://{_hex(rng, 8)}:80"}
            for _ in range(rng.randint(2, 6))
        ]
        + [{"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/config"},
            {"name": token, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
        "livenessProbe": probe,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }


def _status(rng: random.Random, names: list[str]) -> JSON:
    address = f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "phase": rng.choice(("Running", "Running", "Running", "Pending")),
        "conditions": [
            {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": _time(rng)} for kind in kinds
        ],
        "hostIP": "10.0.0.7",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _time(rng),
        "containerStatuses": [
            {
                "name": name,
                "state": {"running": {"startedAt": _time(rng)}},
                "lastState": {},
                "ready": True,
                "restartCount": rng.randint(0, 9),
                "image": f"registry.example.com/{name}",
                "imageID": f"registry.example.com/{name}@sha256:{_hex(rng, 64)}",
                "containerID": f"containerd://{_hex(rng, 64)}",
                "started": True,
            }
            for name in names
        ],
        "qosClass": "Burstable",
    }
