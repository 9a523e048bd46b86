"""What is looked at first in the object of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest, Invalid
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import built_in_schema
from kubeprims.testing.apiserver.kinds import PODS, Kind
from kubeprims.testing.apiserver.received import check_type_names, strange_fields, with_owners_once

WIDGETS = Kind(group="example.com", resource="widgets", kind="Widget", custom=True)
SERVED = frozenset({("Pod", "v1"), ("Node", "v1"), ("Deployment", "apps/v1"), ("Widget", "example.com/v1")})
WIDGET: JSONObject = {"apiVersion": "example.com/v1", "kind": "Widget"}
FIRST: JSONObject = {"apiVersion": "v1", "kind": "Node", "name": "a", "uid": "1"}
SECOND: JSONObject = {"apiVersion": "v1", "kind": "Node", "name": "b", "uid": "2"}


@pytest.mark.parametrize(
    "obj",
    [{}, {"kind": "Pod"}, {"apiVersion": "v1"}, {"apiVersion": "v1", "kind": "Pod"}, {"apiVersion": "", "kind": ""}],
)
def test_built_in_objects_may_leave_their_names_out(obj: JSONObject) -> None:
    check_type_names(obj, PODS, b"{}", SERVED)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            "the API version in the data (apps/v1) does not match the expected API version (v1)",
        ),
        (
            {"apiVersion": "apps/v1"},
            "the API version in the data (apps/v1) does not match the expected API version (v1)",
        ),
        (
            {"apiVersion": "apps/v9", "kind": "Pod"},
            'Pod in version "v9" cannot be handled as a Pod: no kind "Pod" is registered for version "apps/v9"',
        ),
        ({"apiVersion": "v1", "kind": "Node"}, 'Node in version "v1" cannot be handled as a Pod'),
    ],
)
def test_objects_of_other_kinds_and_versions_are_refused(obj: JSONObject, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check_type_names(obj, PODS, b"{}", SERVED)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("obj", "body", "message"),
    [
        ({"apiVersion": "example.com/v1"}, b"{}", "Object 'Kind' is missing in '{}' ({})"),
        ({"kind": "Widget"}, b"{}", "Object 'apiVersion' is missing in '{}' ({})"),
        ({}, b"x" * 31, f"Object 'Kind' is missing in '{'x' * 31}' ({'x' * 30} ...)"),
        ({}, {}, "Object 'Kind' is missing"),
    ],
)
def test_custom_objects_say_what_they_are(obj: JSONObject, body: bytes | JSONObject, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check_type_names(obj, WIDGETS, body, SERVED)
    assert caught.value.message == f"the object provided is unrecognized (must be of type Widget): {message}"


def test_a_custom_object_of_another_version_is_refused() -> None:
    with pytest.raises(BadRequest, match="does not match the expected API version"):
        check_type_names({"apiVersion": "example.com/v9", "kind": "Widget"}, WIDGETS, b"{}", SERVED)


@pytest.mark.parametrize(("metadata", "name"), [({"name": "w"}, "w"), ({}, ""), (None, ""), ("x", "")])
def test_a_custom_object_of_another_kind_breaks_a_rule(metadata: JSONValue, name: str) -> None:
    check_type_names(WIDGET, WIDGETS, b"{}", SERVED)
    with pytest.raises(Invalid) as caught:
        check_type_names({**WIDGET, "kind": "Gadget", "metadata": metadata}, WIDGETS, b"{}", SERVED)
    assert caught.value.message == (
        f'Gadget.example.com "{name}" is invalid: kind: Invalid value: "Gadget": must be Widget'
    )


def test_strange_fields_are_looked_for_in_what_a_client_sent_if_it_wants_that() -> None:
    schema = built_in_schema(PODS.gvk)
    assert schema is not None
    body = b'{"spec": {"colour": 1}, "spec": {}}'
    found = strange_fields(body, schema, PODS, mode="Strict")
    assert found == strange_fields(body, schema, PODS, mode="Warn")
    assert any("duplicate field" in problem for problem in found)
    assert strange_fields(body, schema, PODS, mode="Ignore") == []
    assert strange_fields({"colour": 1}, schema, PODS, mode="Strict") == []


def test_owners_that_come_twice_are_left_out_with_a_warning_of_each_uid() -> None:
    metadata: JSONObject = {"ownerReferences": [FIRST, SECOND, FIRST, FIRST, SECOND]}
    [warning] = with_owners_once(metadata)
    assert metadata == {"ownerReferences": [FIRST, SECOND]}
    assert warning.startswith(".metadata.ownerReferences contains duplicate entries; ")
    assert warning.endswith("duplicate UID(s) observed: 1, 2")


@pytest.mark.parametrize("owners", [[], [FIRST], [FIRST, SECOND], [FIRST, {**FIRST, "uid": "3"}], "x", None])
def test_owners_that_come_once_stay_as_they_are(owners: JSONValue) -> None:
    metadata: JSONObject = {"ownerReferences": owners}
    assert with_owners_once(metadata) == []
    assert metadata["ownerReferences"] is owners
    assert with_owners_once({}) == []


@given(st.lists(st.sampled_from(["x", "y", "z"]).map(lambda uid: {**FIRST, "uid": uid})))
def test_each_owner_is_kept_once_in_the_order_of_the_first(owners: list[JSONValue]) -> None:
    metadata: JSONObject = {"ownerReferences": [*owners]}
    warned = bool(with_owners_once(metadata))
    kept = metadata["ownerReferences"]
    assert isinstance(kept, list)
    assert all(owner in kept for owner in owners)
    assert warned is (len(kept) < len(owners))
    assert kept == [owner for place, owner in enumerate(owners) if owner not in owners[:place]]
    assert with_owners_once(metadata) == []
