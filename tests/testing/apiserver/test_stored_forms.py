from __future__ import annotations

import json

import pytest

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.autoscalers import from_v1, to_v1
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, BUILT_IN_KINDS, PODS
from kubeprims.testing.apiserver.stored_forms import as_kept, as_shown, is_kept_as_shown, storage_kind
from tests.testing.apiserver.backends import Server, part
from tests.testing.apiserver.given_objects import autoscaler

NEW, OLD = (f"autoscaling/{version}/horizontalpodautoscalers" for version in ("v2", "v1"))
PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS: list[JSONValue] = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Mi"}}},
    {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "c",
            "target": {"type": "Utilization", "averageUtilization": 5},
        },
    },
    {
        "type": "Pods",
        "pods": {
            "metric": {"name": "m", "selector": {"matchLabels": {"a": "b"}}},
            "target": {"type": "AverageValue", "averageValue": "1"},
        },
    },
    {
        "type": "Object",
        "object": {
            "describedObject": {"kind": "Ingress", "name": "i", "apiVersion": "networking.k8s.io/v1"},
            "metric": {"name": "m"},
            "target": {"type": "Value", "value": "2k"},
        },
    },
    {
        "type": "External",
        "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "3"}},
    },
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
]


def test_what_the_old_version_has_no_fields_for_survives_in_annotations() -> None:
    server = Server()
    behavior: JSONObject = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    server.create(
        NEW, {"metadata": {"name": "h", "annotations": {"own": "x"}}, **autoscaler(metrics=METRICS, behavior=behavior)}
    )
    conditions: list[JSONValue] = [{"type": "ScalingActive", "status": "True"}]
    current: list[JSONValue] = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7, "averageValue": "1"}}},
        {"type": "External", "external": {"metric": {"name": "m"}, "current": {"value": "1"}}},
    ]
    status: JSONObject = {
        "currentReplicas": 2,
        "desiredReplicas": 2,
        "conditions": conditions,
        "currentMetrics": current,
    }
    new = server.patch(NEW, "h", {"status": status}, subresource="status")
    old = server.get(OLD, "h")
    assert part(old, "spec", "targetCPUUtilizationPercentage") == 60
    assert part(old, "status", "currentCPUUtilizationPercentage") == 7
    assert set(old["spec"]) == {"maxReplicas", "minReplicas", "scaleTargetRef", "targetCPUUtilizationPercentage"}  # type: ignore[arg-type] # JSON
    annotations = part(old, "metadata", "annotations")
    assert isinstance(annotations, dict)
    assert set(annotations) == {
        "own",
        *(PREFIX + name for name in ("metrics", "current-metrics", "behavior", "conditions")),
    }
    assert json.loads(annotations[f"{PREFIX}metrics"])[0] == {
        "type": "Resource",
        "resource": {"name": "memory", "targetAverageValue": "1Mi"},
    }
    assert "ScaleDown" in json.loads(annotations[f"{PREFIX}behavior"])
    server.update(OLD, "h", {**old, "metadata": {"name": "h", "annotations": {**annotations, "own": "y"}}})
    again = server.get(NEW, "h")
    assert again["spec"] == new["spec"]
    assert again["status"] == new["status"]
    assert part(again, "metadata", "annotations") == {"own": "y"}
    server.patch(OLD, "h", {"status": {"currentReplicas": 3}}, subresource="status")
    assert part(server.get(NEW, "h"), "status", "currentMetrics") == part(new, "status", "currentMetrics")


@pytest.mark.parametrize("text", ["odd", "[" * 100_000, '{"a":1}', "null"])
def test_annotations_that_cannot_be_read_are_passed_over(text: str) -> None:
    annotations: JSONObject = {f"{PREFIX}{name}": text for name in ("metrics", "current-metrics", "conditions")}
    kept = from_v1({"metadata": {"name": "h", "annotations": annotations}, "spec": {"maxReplicas": 1}, "status": {}})
    assert kept == {"metadata": {"name": "h"}, "spec": {"maxReplicas": 1}, "status": {}}


def test_parts_of_a_wrong_type_are_left_for_those_who_refuse_them() -> None:
    assert from_v1({"metadata": "odd", "spec": 3}) == {"metadata": "odd", "spec": 3}
    assert from_v1({"metadata": {"annotations": "odd"}}) == {"metadata": {"annotations": "odd"}}
    assert to_v1({"metadata": {}, "spec": {"metrics": [{}]}})["spec"] == {}


def test_most_kinds_are_kept_as_they_are_shown() -> None:
    assert storage_kind(PODS) is PODS
    pod: JSONObject = {"metadata": {}}
    assert as_shown(pod, PODS) is pod
    assert as_kept(pod, PODS) is pod
    assert [kind.api_version for kind in BUILT_IN_KINDS if not is_kept_as_shown(kind)] == [
        "events.k8s.io/v1",
        "autoscaling/v1",
    ]
    events = BUILT_IN_BY_NAME["events.k8s.io", "v1", "events"]
    assert storage_kind(events).group == ""
