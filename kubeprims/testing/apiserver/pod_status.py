"""The status that a new pod begins with."""

from __future__ import annotations

from collections.abc import Iterable

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping
from kubeprims.testing.apiserver.metadata import metadata_of
from kubeprims.testing.apiserver.pod_resources import COUNTED, is_claimed_by_pods
from kubeprims.testing.apiserver.quantities import parse_quantity

_BEST_EFFORT, _BURSTABLE, _GUARANTEED = "BestEffort", "Burstable", "Guaranteed"


def first_pod_status(pod: JSONObject) -> JSONObject:
    """Return the status of a pod that nobody has seen yet."""
    status: JSONObject = {"phase": "Pending", "qosClass": quality_of_service(mapping(pod, "spec"))}
    if items(mapping(pod, "spec"), "schedulingGates"):
        gated: JSONObject = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": metadata_of(pod).get("creationTimestamp"),
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
        status["conditions"] = [gated]
    return status


def quality_of_service(spec: JSONObject) -> str:
    """Return the class of a pod.

    Source:
        kubernetes pkg/apis/core/v1/helper/qos/qos.go.
    """
    own = mapping(spec, "resources")
    if any(is_claimed_by_pods(name) for name in {*mapping(own, "requests"), *mapping(own, "limits")}):
        return _class_of(own)
    containers = [*items(spec, "initContainers"), *items(spec, "containers")]
    return _shared(_class_of(mapping(container, "resources")) for container in containers)


def _class_of(resources: JSONObject) -> str:
    requests, limits = mapping(resources, "requests"), mapping(resources, "limits")
    return _shared(_class_of_one(requests.get(name, "0"), limits.get(name, "0")) for name in COUNTED)


def _class_of_one(request: JSONValue, limit: JSONValue) -> str:
    requested = parse_quantity(str(request)).value
    if requested != parse_quantity(str(limit)).value:
        return _BURSTABLE
    return _GUARANTEED if requested else _BEST_EFFORT


def _shared(classes: Iterable[str]) -> str:
    """Return the class that all parts have; if they differ, the whole is neither guaranteed nor without claim."""
    found = {*classes}
    return found.pop() if len(found) == 1 else _BURSTABLE if found else _BEST_EFFORT
