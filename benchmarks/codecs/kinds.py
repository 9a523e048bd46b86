"""Seeded synthetic objects of other kinds than pods, for what depends on how much objects resemble each other."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator

from benchmarks.codecs.pods import JSON, compact, pods

_WORDS = [
    "accept",
    "allow",
    "api",
    "audit",
    "backend",
    "batch",
    "buffer",
    "cache",
    "client",
    "cluster",
    "config",
    "count",
    "debug",
    "default",
    "deny",
    "depth",
    "disk",
    "drain",
    "enable",
    "error",
    "expire",
    "fetch",
    "field",
    "file",
    "filter",
    "flush",
    "format",
    "gateway",
    "graph",
    "group",
    "handler",
    "header",
    "health",
    "host",
    "index",
    "ingest",
    "interval",
    "journal",
    "key",
    "label",
    "latency",
    "layer",
    "level",
    "limit",
    "listen",
    "log",
    "match",
    "memory",
    "merge",
    "metric",
    "mode",
    "node",
    "offset",
    "order",
    "output",
    "path",
    "peer",
    "pool",
    "port",
    "prefix",
    "primary",
    "probe",
    "proxy",
    "queue",
    "quota",
    "rate",
    "reader",
    "region",
    "replica",
    "retry",
    "role",
    "root",
    "route",
    "rule",
    "sample",
    "schema",
    "scope",
    "search",
    "seed",
    "session",
    "shard",
    "size",
    "source",
    "stage",
    "status",
    "store",
    "stream",
    "suffix",
    "sync",
    "table",
    "tag",
    "target",
    "tenant",
    "timeout",
    "token",
    "topic",
    "trace",
    "transform",
    "tree",
    "type",
    "unit",
    "update",
    "upstream",
    "user",
    "value",
    "vendor",
    "version",
    "volume",
    "weight",
    "window",
    "worker",
    "zone",
]
_SUBTREE_SHARE = 0.6


def objects(kind: str, count: int, *, seed: int = 1) -> Iterator[JSON]:
    """Yield ``count`` objects of a kind, without managedFields; the same seed gives the same objects."""
    rng = random.Random(f"{kind} {seed}")
    if kind == "Pod":
        for pod in pods(count, seed=seed):
            metadata = pod["metadata"]
            assert isinstance(metadata, dict)
            del metadata["managedFields"]
            yield pod
        return
    for number in range(count):
        api_version, content = KINDS[kind](rng)
        yield {"kind": kind, "apiVersion": api_version, "metadata": _metadata(rng, number), **content}


def _metadata(rng: random.Random, number: int) -> JSON:
    name = f"{rng.choice(_WORDS)}-{rng.choice(_WORDS)}"
    return {
        "name": f"{name}-{number}",
        "namespace": f"team-{number % 40:02}",
        "uid": "-".join(f"{rng.getrandbits(bits):0{bits // 4}x}" for bits in (32, 16, 16, 16, 48)),
        "resourceVersion": str(rng.randrange(10**8, 10**9)),
        "creationTimestamp": f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T10:20:{rng.randint(10, 59)}Z",
        "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm", "tier": rng.choice(_WORDS)},
        "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": f"team-{number % 40:02}"},
    }


def _config_map(rng: random.Random) -> tuple[str, JSON]:
    lines = [
        f"{rng.choice(_WORDS)}.{rng.choice(_WORDS)}={rng.choice((rng.choice(_WORDS), str(rng.randrange(10_000))))}"
        for _ in range(rng.randint(10, 120))
    ]
    return "v1", {"data": {f"{rng.choice(_WORDS)}.properties": "\n".join(lines)}}


def _secret(rng: random.Random) -> tuple[str, JSON]:
    return "v1", {
        "type": "Opaque",
        "data": {rng.choice(_WORDS): base64.b64encode(rng.randbytes(rng.randint(20, 1500))).decode() for _ in range(3)},
    }


def _deployment(rng: random.Random) -> tuple[str, JSON]:
    (pod,) = pods(1, seed=rng.randrange(1 << 30))
    spec = pod["spec"]
    assert isinstance(spec, dict)
    labels = {"app.kubernetes.io/name": rng.choice(_WORDS)}
    del spec["nodeName"]
    return "apps/v1", {
        "spec": {
            "replicas": rng.randint(1, 20),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"creationTimestamp": None, "labels": labels}, "spec": spec},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": {"observedGeneration": rng.randint(1, 30), "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3},
    }


def _service(rng: random.Random) -> tuple[str, JSON]:
    address = f"10.96.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    return "v1", {
        "spec": {
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": rng.randint(3000, 9999)}],
            "selector": {"app.kubernetes.io/name": rng.choice(_WORDS)},
            "clusterIP": address,
            "clusterIPs": [address],
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    }


def _node(rng: random.Random) -> tuple[str, JSON]:
    images = [
        {
            "names": [f"registry.example.com/{rng.choice(_WORDS)}@sha256:{rng.getrandbits(256):064x}"],
            "sizeBytes": rng.randrange(10**6, 10**9),
        }
        for _ in range(50)
    ]
    return "v1", {
        "spec": {"podCIDR": f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}.0/24"},
        "status": {"capacity": {"cpu": "16", "memory": f"{rng.randrange(10**8)}Ki", "pods": "110"}, "images": images},
    }


def _widget(rng: random.Random) -> tuple[str, JSON]:
    def tree(depth: int) -> JSON:
        names = rng.sample(_WORDS, 4)
        return {
            name: tree(depth - 1) if depth and rng.random() < _SUBTREE_SHARE else rng.choice(_WORDS) for name in names
        }

    return "example.com/v1", {"spec": tree(4), "status": {"phase": rng.choice(_WORDS)}}


KINDS: dict[str, Callable[[random.Random], tuple[str, JSON]]] = {
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Deployment": _deployment,
    "Service": _service,
    "Node": _node,
    "Widget": _widget,
}


def raws(kind: str, count: int) -> list[bytes]:
    """Return the JSON of ``count`` objects of a kind."""
    return [compact(obj) for obj in objects(kind, count)]
