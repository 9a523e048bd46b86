"""Scale and eviction."""

from __future__ import annotations

import json

import pytest

from kubeprims.errors import BadRequest, Conflict, InternalError, Invalid, NotFound, StatusError, TooManyRequests
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, Kind, ScalePaths
from kubeprims.testing.apiserver.scale import check_conversion, scale_of, with_scale
from tests.testing.apiserver.backends import JSON_PATCH, MERGE_PATCH, Server, failure, load, part
from tests.testing.apiserver.given_objects import GIVEN, pod

DEPLOYMENTS = "apps/v1/deployments"
PODS = "v1/pods"
BUDGETS = "policy/v1/poddisruptionbudgets"


@pytest.fixture
def server() -> Server:
    server = Server()
    server.create(DEPLOYMENTS, {"metadata": {"name": "d"}, **GIVEN["deployment"][1]})
    return server


def scale(server: Server) -> JSONObject:
    return load(server.backend.get(server.kind(DEPLOYMENTS), "default", "d", subresource="scale"))


def put(server: Server, body: JSONObject) -> JSONObject:
    return server.update(DEPLOYMENTS, "d", body, subresource="scale")


def test_a_scale_shows_what_is_asked_for_and_what_there_is(server: Server) -> None:
    created = server.get(DEPLOYMENTS, "d")
    shown = scale(server)
    assert shown == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": "d",
            "namespace": "default",
            "uid": part(created, "metadata", "uid"),
            "resourceVersion": part(created, "metadata", "resourceVersion"),
            "creationTimestamp": part(created, "metadata", "creationTimestamp"),
        },
        "spec": {"replicas": 1},
        "status": {"replicas": 0, "selector": "a=b"},
    }


def test_a_scale_is_written_by_update_and_patch(server: Server) -> None:
    shown = put(server, {**scale(server), "spec": {"replicas": 3}})
    assert shown["spec"] == {"replicas": 3}
    assert part(server.get(DEPLOYMENTS, "d"), "metadata", "generation") == 2
    assert server.patch(DEPLOYMENTS, "d", {"spec": {"replicas": 5}}, subresource="scale")["spec"] == {"replicas": 5}
    assert put(server, {"metadata": {"name": "d"}})["spec"] == {}
    assert part(server.get(DEPLOYMENTS, "d"), "spec", "replicas") == 0


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (
            {"metadata": {"name": "d"}, "spec": {"replicas": -1}},
            Invalid,
            'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            {"metadata": {"name": "x"}},
            BadRequest,
            "the name of the object (x) does not match the name on the URL (d)",
        ),
        (
            {"metadata": {}},
            BadRequest,
            "the name of the object (d based on URL) was undeterminable: name must be provided",
        ),
        (
            {"metadata": {"name": "d", "resourceVersion": "1"}},
            Conflict,
            (
                'Operation cannot be fulfilled on deployments.apps "d": the object has been modified; please apply '
                "your changes to the latest version and try again"
            ),
        ),
        (
            {"metadata": {"name": "d"}, "kind": "Deployment", "apiVersion": "apps/v1"},
            BadRequest,
            (
                'Deployment in version "v1" cannot be handled as a Scale: converting (v1.Deployment) to '
                "(autoscaling.Scale): unknown conversion"
            ),
        ),
        (
            {"metadata": {"name": "d"}, "spec": {"replicas": "x"}},
            BadRequest,
            (
                'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal string into Go struct '
                "field ScaleSpec.spec.replicas of type int32"
            ),
        ),
    ],
)
def test_a_scale_that_cannot_be(server: Server, body: JSONObject, error: type[StatusError], message: str) -> None:
    with pytest.raises(error) as caught:
        put(server, body)
    assert failure(caught)["message"] == message


def test_a_scale_of_another_object_is_a_conflict(server: Server) -> None:
    with pytest.raises(Conflict, match="Precondition failed: UID in precondition: x"):
        put(server, {"metadata": {"name": "d", "uid": "x"}})


def test_what_is_not_there_has_no_scale(server: Server) -> None:
    kind = server.kind(DEPLOYMENTS)
    with pytest.raises(NotFound):
        server.backend.get(kind, "default", "nope", subresource="scale")
    with pytest.raises(NotFound):
        server.backend.patch(kind, "default", "nope", b"{}", content_type=MERGE_PATCH, subresource="scale")
    body = b'[{"op":"replace","path":"","value":1}]'
    with pytest.raises(Invalid, match="the result is not an object"):
        server.backend.patch(kind, "default", "d", body, content_type=JSON_PATCH, subresource="scale")


CUSTOM = Kind(
    group="example.com",
    resource="widgets",
    kind="Widget",
    custom=True,
    scale=ScalePaths(("spec", "size", "wanted"), ("status", "size"), ("status", "selector")),
)


def test_custom_objects_keep_their_numbers_where_their_definition_says() -> None:
    widget: JSONObject = {
        "metadata": {"name": "w"},
        "spec": {"size": {"wanted": 2, "other": 1}},
        "status": {"size": 1, "selector": "a=b"},
    }
    shown = scale_of(widget, CUSTOM)
    assert (shown["spec"], shown["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "a=b"})
    scaled = with_scale(widget, {"metadata": {"name": "w", "resourceVersion": "7"}, "spec": {"replicas": 3}}, CUSTOM)
    assert scaled["spec"] == {"size": {"wanted": 3, "other": 1}}
    assert scaled["metadata"] == {"name": "w", "resourceVersion": "7"}
    with pytest.raises(InternalError, match=r'the spec replicas field "\.spec\.size\.wanted" does not exist'):
        scale_of({"metadata": {"name": "w"}}, CUSTOM)


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, ""),
        ({"b": "2", "a": "1"}, "a=1,b=2"),
        ({"matchLabels": {"c": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, "b,c=1"),
        (
            {
                "matchExpressions": [
                    {"key": "a", "operator": "NotIn", "values": ["z", "y"]},
                    {"key": "b", "operator": "In", "values": ["x"]},
                    {"key": "c", "operator": "DoesNotExist"},
                    {"key": "d", "operator": "In"},
                ]
            },
            "a notin (y,z),b in (x),!c,d in ()",
        ),
    ],
)
def test_a_selector_is_shown_as_text(selector: JSONValue, text: str) -> None:
    shown = scale_of(
        {"metadata": {"name": "d"}, "spec": {"selector": selector}}, BUILT_IN_BY_NAME["apps", "v1", "deployments"]
    )
    assert part(shown, "status", "selector") == (text or None)


def evict(server: Server, name: str = "p", **eviction: JSONValue) -> JSONObject:
    body = json.dumps({"metadata": {"name": name}, **eviction}).encode()
    answer = server.backend.create(server.kind(PODS), "default", body, name="p", subresource="eviction")
    assert answer.code == 201
    return load(answer.body)


def guarded(server: Server, *, ready: bool = True, phase: str = "Running", **status: JSONValue) -> None:
    labels: JSONObject = {"metadata": {"name": "p", "labels": {"a": "b"}}}
    conditions: list[JSONValue] = [{"type": "Ready", "status": "True" if ready else "False"}]
    server.put_in(PODS, {**labels, **pod(), "status": {"phase": phase, "conditions": conditions}})
    server.create(BUDGETS, {"metadata": {"name": "b"}, **GIVEN["budget"][1]})
    server.patch(BUDGETS, "b", {"status": {"observedGeneration": 1, **status}}, subresource="status")


def test_a_pod_without_budget_is_evicted(server: Server) -> None:
    server.create(PODS, {"metadata": {"name": "p"}, **pod()})
    assert evict(server) == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    with pytest.raises(NotFound, match='pods "p" not found'):
        evict(server)


def test_an_eviction_names_its_pod_and_may_have_options(server: Server) -> None:
    server.create(PODS, {"metadata": {"name": "p"}, **pod(nodeName="n")})
    with pytest.raises(BadRequest, match="name in URL does not match name in Eviction object"):
        evict(server, "q")
    with pytest.raises(Conflict, match="the UID in the precondition"):
        evict(server, deleteOptions={"preconditions": {"uid": "x"}})
    evict(server, deleteOptions={"gracePeriodSeconds": 7})
    assert part(server.get(PODS, "p"), "metadata", "deletionGracePeriodSeconds") == 7
    evict(server)


def test_a_budget_that_is_used_up_refuses(server: Server) -> None:
    guarded(server, currentHealthy=1, desiredHealthy=1)
    with pytest.raises(TooManyRequests) as caught:
        evict(server)
    assert failure(caught) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "reason": "TooManyRequests",
        "details": {
            "causes": [
                {
                    "reason": "DisruptionBudget",
                    "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
                }
            ]
        },
        "code": 429,
    }


def test_a_budget_that_allows_one_is_charged(server: Server) -> None:
    guarded(server, currentHealthy=2, desiredHealthy=1, disruptionsAllowed=1)
    evict(server)
    status = server.get(BUDGETS, "b")["status"]
    assert isinstance(status, dict)
    assert (status["disruptionsAllowed"], status["disruptedPods"]) == (0, {"p": "2026-01-01T00:00:00Z"})


def test_a_budget_may_refuse_with_enough_healthy_pods(server: Server) -> None:
    guarded(server, currentHealthy=3, desiredHealthy=1)
    with pytest.raises(TooManyRequests) as caught:
        evict(server)
    assert [cause.message for cause in caught.value.causes] == [
        "The disruption budget b does not allow evicting pods currently"
    ]


def test_a_budget_that_nobody_has_looked_at_refuses_for_a_while(server: Server) -> None:
    guarded(server, observedGeneration=0)
    with pytest.raises(TooManyRequests) as caught:
        evict(server)
    assert caught.value.retry_after_s == 10


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_pods_that_do_not_run_need_no_budget(server: Server, phase: str) -> None:
    guarded(server, phase=phase)
    evict(server)


def test_unhealthy_pods_go_when_there_are_enough_others(server: Server) -> None:
    guarded(server, ready=False, currentHealthy=1, desiredHealthy=1)
    evict(server)


def test_several_budgets_are_not_supported(server: Server) -> None:
    guarded(server)
    server.create(BUDGETS, {"metadata": {"name": "all"}, "spec": {"selector": {}, "minAvailable": 1}})
    server.create(BUDGETS, {"metadata": {"name": "none"}, "spec": {"minAvailable": 1}})
    with pytest.raises(InternalError, match="more than one PodDisruptionBudget"):
        evict(server)


def test_the_scale_of_a_custom_object_cannot_be_applied() -> None:
    check_conversion(BUILT_IN_BY_NAME["apps", "v1", "deployments"], "d")
    with pytest.raises(InternalError, match="request to convert CR to an invalid group/version: autoscaling/v1"):
        check_conversion(CUSTOM, "w")
