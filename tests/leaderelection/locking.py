"""Locks of every kind on one server, and how others write into the same objects."""

from __future__ import annotations

import datetime
import json

from kubeprims.client.client import Client
from kubeprims.leaderelection.lock import Recorder, ResourceLock
from kubeprims.leaderelection.record import LEADER_ANNOTATION, LeaderElectionRecord, annotation_text, lease_spec
from kubeprims.leaderelection.resource_lock import resource_lock
from kubeprims.meta import JSONObject
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing import APIServer

NAMESPACE = "default"
NAME = "web"
ME = "web-0_8f2c"
OTHER = "web-1_77aa"
T0 = datetime.datetime(2026, 7, 24, 7, 8, 7, 123456, tzinfo=datetime.timezone.utc)

LEASES = "coordination.k8s.io/v1/leases"
CONFIG_MAPS = "v1/configmaps"
ENDPOINTS = "v1/endpoints"

RESOURCES = {
    "leases": (LEASES,),
    "configmaps": (CONFIG_MAPS,),
    "endpoints": (ENDPOINTS,),
    "configmapsleases": (CONFIG_MAPS, LEASES),
    "endpointsleases": (ENDPOINTS, LEASES),
}
SINGLE = [kind for kind, resources in RESOURCES.items() if len(resources) == 1]
MULTI = [kind for kind, resources in RESOURCES.items() if len(resources) == 2]
ANNOTATED = ["configmaps", "endpoints"]


def a_record(holder: str = ME, *, after_s: float = 0.0, transitions: int = 0) -> LeaderElectionRecord:
    return LeaderElectionRecord(
        holder_identity=holder,
        lease_duration_s=15,
        acquire_time=T0,
        renew_time=T0 + datetime.timedelta(seconds=after_s),
        leader_transitions=transitions,
    )


def a_lock(
    kind: str,
    client: Client,
    identity: str | None = ME,
    *,
    labels: dict[str, str] | None = None,
    recorder: Recorder | None = None,
) -> ResourceLock:
    return resource_lock(
        kind, client, namespace=NAMESPACE, name=NAME, identity=identity, labels=labels, recorder=recorder
    )


def saying(resource: str, record: LeaderElectionRecord | str | None) -> JSONObject:
    """Return an object that holds a record, or whatever is to stand for one; None: it holds none."""
    metadata: JSONObject = {"name": NAME}
    obj: JSONObject = {"metadata": metadata}
    if resource == LEASES:
        assert not isinstance(record, str)
        obj["spec"] = {} if record is None else lease_spec(record)
    elif record is not None:
        text = record if isinstance(record, str) else annotation_text(record)
        metadata["annotations"] = {LEADER_ANNOTATION: text}
    return obj


def put(server: APIServer, resource: str, record: LeaderElectionRecord | str | None) -> None:
    """Make an object that holds a record, without a request."""
    server.create(resource, saying(resource, record), namespace=NAMESPACE)


def rewrite(client: Client, resource: str, record: LeaderElectionRecord | str) -> Unstructured:
    """Change the record in an object, as somebody else."""
    return client.resource(resource, NAMESPACE).patch(NAME, saying(resource, record))


def stored(server: APIServer, resource: str) -> JSONObject:
    return server.get(resource, NAME, namespace=NAMESPACE)


def holder(server: APIServer, resource: str) -> str:
    """Return whom an object names."""
    obj = stored(server, resource)
    if resource == LEASES:
        spec = obj["spec"]
        assert isinstance(spec, dict)
        return str(spec["holderIdentity"])
    return str(json.loads(annotation(obj))["holderIdentity"])


def annotation(obj: JSONObject) -> str:
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    return str(annotations[LEADER_ANNOTATION])


def labels_of(obj: JSONObject) -> JSONObject:
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    labels = metadata.get("labels", {})
    assert isinstance(labels, dict)
    return labels


def version(obj: JSONObject) -> str:
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["resourceVersion"])


def asked(server: APIServer) -> list[str]:
    """Return what was requested: ``get leases``, ``update configmaps``, ..."""
    found = []
    for request in server.requests:
        parts = request.path.split("/")
        found.append(f"{request.verb} {parts[parts.index(NAMESPACE) + 1]}")
    return found
