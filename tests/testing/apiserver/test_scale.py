"""Scales: an object in, a Scale out, and the other way round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest, InternalError, Invalid
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, Kind, ScalePaths
from kubeprims.testing.apiserver.scale import checked_scale, scale_of, with_scale

DEPLOYMENTS = BUILT_IN_BY_NAME["apps", "v1", "deployments"]
CONTROLLERS = BUILT_IN_BY_NAME["", "v1", "replicationcontrollers"]
WIDGETS = Kind(
    group="example.com",
    resource="widgets",
    kind="Widget",
    custom=True,
    scale=ScalePaths(("spec", "size", "wanted"), ("status", "seen"), ("status", "selector")),
)


def deployment(**spec: JSONValue) -> JSONObject:
    metadata: JSONObject = {"name": "d", "uid": "u", "resourceVersion": "7", "labels": {"x": "y"}}
    return {"metadata": metadata, "spec": {"replicas": 2, **spec}, "status": {"replicas": 1}}


def scale(replicas: JSONValue, **metadata: JSONValue) -> JSONObject:
    return {"metadata": {"name": "d", **metadata}, "spec": {"replicas": replicas}}


def test_a_scale_has_the_names_and_the_numbers_of_its_object() -> None:
    selector: JSONObject = {
        "matchLabels": {"b": "c"},
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["y", "x"]},
            {"key": "d", "operator": "DoesNotExist"},
        ],
    }
    assert scale_of(deployment(selector=selector), DEPLOYMENTS) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "d", "uid": "u", "resourceVersion": "7"},
        "spec": {"replicas": 2},
        "status": {"replicas": 1, "selector": "a in (x,y),b=c,!d"},
    }


def test_a_controllers_selector_is_a_plain_map() -> None:
    obj = deployment(selector={"b": "c", "a": "x"})
    assert scale_of(obj, CONTROLLERS)["status"] == {"replicas": 1, "selector": "a=x,b=c"}


def test_a_custom_object_says_in_its_own_places_how_many_it_wants() -> None:
    obj: JSONObject = {"metadata": {"name": "w"}, "spec": {"size": {"wanted": 3}}, "status": {"selector": "a=b"}}
    shown = scale_of(obj, WIDGETS)
    assert (shown["spec"], shown["status"]) == ({"replicas": 3}, {"replicas": 0, "selector": "a=b"})
    assert with_scale(obj, scale(5), WIDGETS)["spec"] == {"size": {"wanted": 5}}
    with pytest.raises(InternalError, match=r'".spec.size.wanted" does not exist'):
        scale_of({"metadata": {"name": "w"}, "spec": {}}, WIDGETS)


def test_a_scale_brings_its_preconditions_and_leaves_the_rest_alone() -> None:
    before = deployment(paused=True)
    scaled = with_scale(before, scale(5, uid="other", resourceVersion="6"), DEPLOYMENTS)
    assert scaled["spec"] == {"replicas": 5, "paused": True}
    assert scaled["metadata"] == {"name": "d", "labels": {"x": "y"}, "uid": "other", "resourceVersion": "6"}
    assert with_scale(before, scale(5), DEPLOYMENTS)["metadata"] == {"name": "d", "labels": {"x": "y"}}
    assert before == deployment(paused=True)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            DEPLOYMENTS,
            'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        ),
        (
            WIDGETS,
            'Widget.example.com "d" is invalid: .spec.size.wanted: Invalid value: -1: should be a non-negative integer',
        ),
    ],
)
def test_fewer_than_none_are_refused(kind: Kind, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        with_scale(deployment(), scale(-1), kind)
    assert caught.value.message == message


@pytest.mark.parametrize("names", [{"kind": "Pod"}, {"apiVersion": "v1"}])
def test_what_is_no_scale_is_refused(names: JSONObject) -> None:
    with pytest.raises(BadRequest, match="cannot be handled as a Scale"):
        with_scale(deployment(), {**scale(1), **names}, DEPLOYMENTS)


@pytest.mark.parametrize("replicas", ["2", True, [], {}])
def test_a_patch_that_makes_no_number_is_at_fault_itself(replicas: JSONValue) -> None:
    with pytest.raises(Invalid, match=r"patch: Invalid value: .*json: cannot unmarshal"):
        checked_scale(scale(replicas))
    with pytest.raises(BadRequest, match="cannot be handled as a Scale: json: cannot unmarshal"):
        with_scale(deployment(), scale(replicas), DEPLOYMENTS)
    assert checked_scale(scale(2)) == scale(2)


@given(st.integers(0, 2**31 - 1))
def test_what_a_scale_asks_for_is_what_it_shows_then(replicas: int) -> None:
    shown = scale_of(with_scale(deployment(), scale(replicas), DEPLOYMENTS), DEPLOYMENTS)
    assert shown["spec"] == ({"replicas": replicas} if replicas else {})
