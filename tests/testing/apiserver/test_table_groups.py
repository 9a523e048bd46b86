"""The rows of the kinds of other groups, where a real server's recorded rows do not reach."""

from __future__ import annotations

import datetime

import pytest

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.table_groups import (
    autoscaler_cells,
    definition_cells,
    disruption_budget_cells,
    endpoint_slice_cells,
    group_event_cells,
    ingress_cells,
    ingress_class_cells,
    quota_cells,
    revision_cells,
    role_binding_cells,
)
from kubeprims.testing.apiserver.table_pods import pod_conditions

NOW = datetime.datetime(2026, 1, 1, 0, 0, 30, tzinfo=datetime.timezone.utc)
METADATA: JSONObject = {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}


def obj(**members: JSONValue) -> JSONObject:
    return {"metadata": METADATA, **members}


def metric(kind: str, source: str, target: JSONObject, **named: str) -> JSONObject:
    return {"type": kind, source: {"target": target, **named}}


@pytest.mark.parametrize(
    ("given", "status", "shown"),
    [
        (
            metric("Resource", "resource", {"averageUtilization": 80}, name="cpu"),
            {"resource": {"current": {"averageUtilization": 12}}},
            "cpu: 12%/80%",
        ),
        (metric("Resource", "resource", {"averageUtilization": 80}, name="cpu"), {}, "cpu: <unknown>/80%"),
        (metric("Resource", "resource", {}, name="cpu"), {}, "cpu: <unknown>/<auto>"),
        (
            metric("ContainerResource", "containerResource", {"averageValue": "1Gi"}, name="memory"),
            {"containerResource": {"current": {"averageValue": "2Gi"}}},
            "memory: 2Gi/1Gi",
        ),
        (metric("Pods", "pods", {"averageValue": "5"}), {"pods": {"current": {"averageValue": "4"}}}, "4/5"),
        (metric("Object", "object", {"averageValue": "5"}), {}, "<unknown>/5 (avg)"),
        (metric("Object", "object", {"value": "5"}), {"object": {"current": {"value": "1"}}}, "1/5"),
        (metric("External", "external", {"value": "5"}), {}, "<unknown>/5"),
        ({"type": "Other"}, {}, "<unknown type>"),
    ],
)
def test_a_target_is_shown_with_what_is_reached(given: JSONObject, status: JSONObject, shown: str) -> None:
    spec: JSONObject = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5, "metrics": [given]}
    cells = autoscaler_cells(obj(spec=spec, status={"currentMetrics": [status], "currentReplicas": 3}), NOW)
    assert cells == ["a", "Deployment/web", shown, "<unset>", 5, 3, "30s"]


def test_an_autoscaler_without_targets_has_none() -> None:
    spec: JSONObject = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 5}
    assert autoscaler_cells(obj(spec=spec), NOW)[2:4] == ["<none>", "1"]


def test_a_revision_names_its_controller_and_no_other_owner() -> None:
    owners: list[JSONValue] = [
        {"kind": "Other", "name": "x"},
        {"kind": "DaemonSet", "apiVersion": "apps/v1", "name": "log", "controller": True},
    ]
    owned: JSONObject = {"metadata": {**METADATA, "ownerReferences": owners}, "revision": 2}
    assert revision_cells(owned, NOW) == ["a", "daemonset.apps/log", 2, "30s"]
    owned = {"metadata": {**METADATA, "ownerReferences": [{"kind": "Node", "name": "n", "controller": True}]}}
    assert revision_cells(owned, NOW)[1] == "node/n"
    assert revision_cells(obj(), NOW)[1] == "<none>"


def test_a_quota_tells_limits_apart_from_requests() -> None:
    status: JSONObject = {"hard": {"pods": "3", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "1"}}
    assert quota_cells(obj(status=status), NOW) == ["a", "cpu: 0/1, pods: 1/3", "limits.cpu: 0/2", "30s"]


def test_a_slice_shows_three_of_its_ports_and_addresses() -> None:
    ports: list[JSONValue] = [{"port": 80}, {"name": "any"}, {}, {"port": 1}]
    endpoints: list[JSONValue] = [{"addresses": ["10.0.0.1", "10.0.0.2"]}, {"addresses": ["10.0.0.3", "10.0.0.4"]}]
    cells = endpoint_slice_cells(obj(addressType="IPv4", ports=ports, endpoints=endpoints), NOW)
    assert cells[2:4] == ["80,any,* + 1 more...", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more..."]
    assert endpoint_slice_cells(obj(addressType="IPv4"), NOW)[2:4] == ["<unset>", "<unset>"]


def test_events_of_both_forms_tell_when_and_how_often() -> None:
    old = obj(
        deprecatedFirstTimestamp="2026-01-01T00:00:10Z",
        deprecatedLastTimestamp="2026-01-01T00:00:20Z",
        deprecatedCount=4,
        deprecatedSource={"component": "kubelet", "host": "n"},
        regarding={"kind": "Pod", "name": "p", "fieldPath": "spec"},
        type="Normal",
        reason="Started",
        note=" it runs \n",
    )
    assert group_event_cells(old, NOW) == [
        "10s", "Normal", "Started", "pod/p", "spec", "kubelet, n", "it runs", "20s", 4, "a",
    ]  # fmt: skip
    new = obj(
        eventTime="2026-01-01T00:00:00.000000Z",
        series={"count": 9, "lastObservedTime": "2026-01-01T00:00:25.000000Z"},
        reportingController="me",
        regarding={"kind": "Pod"},
    )
    assert group_event_cells(new, NOW)[:6] == ["5s", "", "", "pod", "", "me"]
    assert group_event_cells(new, NOW)[8] == 9
    assert group_event_cells(obj(eventTime="2026-01-01T00:00:00.000000Z"), NOW)[0] == "30s"


def test_an_ingress_without_hosts_is_for_all() -> None:
    assert ingress_cells(obj(spec={}), NOW) == ["a", "<none>", "*", "", "80", "30s"]


def test_a_class_may_have_parameters() -> None:
    parameters: JSONObject = {"kind": "Thing", "name": "x"}
    assert ingress_class_cells(obj(spec={"controller": "c", "parameters": parameters}), NOW)[2] == "Thing/x"
    assert ingress_class_cells(obj(spec={"controller": "c"}), NOW)[2] == "<none>"


def test_a_budget_says_what_does_not_apply() -> None:
    assert disruption_budget_cells(obj(spec={"minAvailable": 1}), NOW) == ["a", "1", "N/A", 0, "30s"]


def test_a_binding_lists_its_subjects_by_kind() -> None:
    subjects: list[JSONValue] = [
        {"kind": "User", "name": "u"},
        {"kind": "Group", "name": "g"},
        {"kind": "Group", "name": "h"},
        {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
        {"kind": "Other", "name": "o"},
    ]
    cells = role_binding_cells(obj(roleRef={"kind": "Role", "name": "r"}, subjects=subjects), NOW)
    assert cells == ["a", "Role/r", "30s", "u", "g, h", "n/s"]


def test_a_definition_is_established_once_its_status_says_so() -> None:
    versions: list[JSONValue] = [{"name": "v2", "served": True, "storage": True}, {"name": "v1", "served": True}, {}]
    spec: JSONObject = {"scope": "Cluster", "group": "g", "names": {"kind": "K", "shortNames": ["x", "y"]}}
    made = obj(spec={**spec, "versions": versions})
    created = METADATA["creationTimestamp"]
    assert definition_cells(made, NOW) == ["a", "Cluster", "v1,v2(storage)", created, "g", "K", "x,y", False]
    conditions: list[JSONValue] = [
        {"type": "NamesAccepted", "status": "True"},
        {"type": "Established", "status": "True"},
    ]
    assert definition_cells(obj(spec=spec, status={"conditions": conditions}), NOW)[-1] is True


def test_only_pods_that_have_ended_say_so() -> None:
    assert pod_conditions(obj(status={"phase": "Running"})) == []
    (condition,) = pod_conditions(obj(status={"phase": "Failed"}))
    assert condition == {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}
