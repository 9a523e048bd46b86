"""Bind pods to nodes: what a scheduler asks for."""

from __future__ import annotations

from kubeprims.clock import Clock
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.admission_classes import topology_labels, with_labels
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.encoding import decode_object, decode_tail
from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.kind_rules import named
from kubeprims.testing.apiserver.kinds import NODES, PODS, NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, timestamp
from kubeprims.testing.apiserver.objects import Answer, Objects, key_of
from kubeprims.testing.apiserver.status import (
    FieldProblem,
    bad_request,
    conflict,
    plain_failure,
    quoted,
    render_success,
    unmet,
)


class Binder:
    """Carries out bindings.

    Concurrency:
        Safe in any thread: each binding is one step under the storage's lock.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock

    def bind(self, namespace: str, name: str, body: bytes | JSONObject) -> Answer:
        """Bind a pod to the node that the body names.

        Raises:
            BadRequest: The body is for another pod.
            InternalError: It names no node; upstream answers so.
            NotFound: There is no such pod.
            Conflict: The pod is bound already, is not to be yet, goes away, or is not the one that the body expects.
        """
        binding = decode_object(body, PODS)
        metadata, node = mapping(binding, "metadata"), mapping(binding, "target")
        if metadata.get("name") != name:
            message = "name in URL does not match name in Binding object"
            raise bad_request(message)
        if node.get("kind") not in {None, "", "Node"}:
            problem = FieldProblem.unsupported("target.kind", node["kind"], ("Node", "<empty>"))
            raise plain_failure(f"{problem.field}: {problem.text}")
        node_name = text(node, "name")
        if not node_name:
            message = "target.name: Required value"
            raise plain_failure(message)
        for problem in named(node_name, "target.name", NameRule.DNS_SUBDOMAIN):
            raise plain_failure(f"{problem.field}: {problem.text}")
        with self._objects.storage.condition:
            stored = self._objects.get(PODS, namespace, name)
            _check_preconditions(metadata, namespace, name, stored)
            pod = decode_tail(stored.tail)
            rule = _why_not_bindable(pod)
            if rule:
                raise conflict(PODS, name, f"pod {name} {rule}", subresource="binding")
            now = timestamp(self._clock.wall())
            labels = {**mapping(metadata, "labels"), **self._topology(node)}
            bound = with_labels(_bound(pod, node_name, mapping(metadata, "annotations"), now), labels)
            self._objects.put(PODS, namespace, bound)
        return Answer(201, render_success({}, code=201))

    def _topology(self, target: JSONObject) -> JSONObject:
        """Return the labels that a pod takes over from a node, if the binding says that it is one."""
        stored = self._objects.find(NODES, "", text(target, "name")) if target.get("kind") == "Node" else None
        return topology_labels(decode_tail(stored.tail)) if stored is not None else {}


def _check_preconditions(metadata: JSONObject, namespace: str, name: str, stored: StoredObject) -> None:
    found = {"UID": ("uid", stored.uid), "ResourceVersion": ("resourceVersion", str(stored.revision))}
    for what, (key, value) in found.items():
        wanted = text(metadata, key)
        if wanted and wanted != value:
            raise conflict(PODS, name, unmet(PODS, key_of(PODS, namespace, name), what, wanted, value))


def _why_not_bindable(pod: JSONObject) -> str:
    """Return why a pod cannot be bound; empty if it can."""
    spec = mapping(pod, "spec")
    if "deletionTimestamp" in metadata_of(pod):
        return "is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f"is already assigned to node {quoted(spec['nodeName'])}"
    return "has non-empty .spec.schedulingGates" if spec.get("schedulingGates") else ""


def _bound(pod: JSONObject, node: str, annotations: JSONObject, now: str) -> JSONObject:
    """Return a pod that is bound to a node: with the annotations of the binding, and the condition that says so."""
    metadata: JSONValue = metadata_of(pod)
    status = mapping(pod, "status")
    scheduled: JSONObject = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    if annotations:
        own = metadata_of(pod)
        metadata = {**own, "annotations": {**mapping(own, "annotations"), **annotations}}
    conditions = [item for item in items(status, "conditions") if item.get("type") != "PodScheduled"]
    spec: JSONObject = {**mapping(pod, "spec"), "nodeName": node}
    changed: JSONObject = {**status, "conditions": [*conditions, scheduled]}
    bound: JSONObject = {**pod, "metadata": metadata, "spec": spec, "status": changed}
    return bound
