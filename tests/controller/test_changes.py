from __future__ import annotations

import copy
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.controller.changes import (
    finalizers_of,
    has_finalizer,
    merge_patch,
    set_condition,
    set_controller_reference,
)
from kubeprims.errors import AlreadyOwned, InvalidArgument
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.unstructured import Unstructured

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)
LATER = NOON + datetime.timedelta(hours=1)


def applied(target: JSONValue, patch: JSONValue) -> JSONValue:
    """RFC 7396, section 2, word by word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_makes_the_one_of_the_other(before: JSONObject, after: JSONObject) -> None:
    patch = merge_patch(copy.deepcopy(before), copy.deepcopy(after))
    assert applied(before, patch) == after
    assert (patch == {}) == (before == after)


def test_a_merge_patch_cannot_set_null() -> None:
    with pytest.raises(InvalidArgument, match="cannot set b to null"):
        merge_patch({"a": {}}, {"a": {"b": None}})
    assert merge_patch({"a": {"b": None}}, {"a": {"b": None}, "c": 1}) == {"c": 1}


def owner(namespace: str = "default", uid: str = "uid-1") -> Unstructured:
    metadata: JSONObject = {"name": "web", "uid": uid}
    if namespace:
        metadata["namespace"] = namespace
    return Unstructured.from_dict({"apiVersion": "example.com/v1", "kind": "Site", "metadata": metadata})


def test_a_controller_reference_is_added_once_and_brought_up_to_date() -> None:
    other: JSONObject = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "uid-9"}
    obj: JSONObject = {"metadata": {"name": "web-0", "namespace": "default", "ownerReferences": [other]}}
    for block in (False, True):
        set_controller_reference(obj, owner(), block_owner_deletion=block)
    assert obj["metadata"] == {
        "name": "web-0",
        "namespace": "default",
        "ownerReferences": [
            other,
            {
                "apiVersion": "example.com/v1",
                "kind": "Site",
                "name": "web",
                "uid": "uid-1",
                "controller": True,
                "blockOwnerDeletion": True,
            },
        ],
    }


def test_an_object_has_one_controller() -> None:
    obj: JSONObject = {"metadata": {"name": "web-0", "namespace": "default"}}
    set_controller_reference(obj, owner())
    with pytest.raises(AlreadyOwned, match="web-0 is controlled by Site web already"):
        set_controller_reference(obj, owner(uid="uid-2"))


@pytest.mark.parametrize("namespace", ["other", ""])
def test_an_owner_is_in_the_same_namespace_or_in_none(namespace: str) -> None:
    metadata: JSONObject = {"name": "web-0", **({"namespace": namespace} if namespace else {})}
    with pytest.raises(InvalidArgument, match="default/web cannot own an object in"):
        set_controller_reference({"metadata": metadata}, owner())
    set_controller_reference({"metadata": metadata}, owner(namespace=""))


def test_an_owner_must_be_known_to_the_server() -> None:
    with pytest.raises(InvalidArgument, match="must say its apiVersion, kind and uid"):
        set_controller_reference({"metadata": {"namespace": "default"}}, owner(uid=""))


def test_a_condition_changes_its_time_with_its_status_alone() -> None:
    conditions: list[JSONValue] = []
    assert set_condition(conditions, type="Ready", status="False", reason="Starting", now=NOON)
    assert not set_condition(conditions, type="Ready", status="False", reason="Starting", now=LATER)
    assert set_condition(conditions, type="Ready", status="False", reason="Waiting", message="for pods", now=LATER)
    assert conditions == [
        {
            "type": "Ready",
            "status": "False",
            "reason": "Waiting",
            "message": "for pods",
            "lastTransitionTime": "2026-01-01T12:00:00Z",
        }
    ]
    assert set_condition(conditions, type="Ready", status="True", reason="Up", observed_generation=3, now=LATER)
    assert set_condition(conditions, type="Progressing", status="Unknown", reason="New", now=LATER)
    ready, progressing = conditions
    assert isinstance(ready, dict)
    assert isinstance(progressing, dict)
    assert (ready["lastTransitionTime"], ready["observedGeneration"]) == ("2026-01-01T13:00:00Z", 3)
    assert progressing["type"] == "Progressing"


@pytest.mark.parametrize(("status", "reason"), [("true", "Up"), ("", "Up"), ("True", "")])
def test_a_condition_that_is_none_is_refused(status: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match="a condition"):
        set_condition([], type="Ready", status=status, reason=reason, now=NOON)


def test_finalizers_are_read() -> None:
    plain = owner()
    assert finalizers_of(plain) == []
    obj = plain.to_dict()
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    metadata["finalizers"] = ["example.com/a", "example.com/b"]
    held = Unstructured.from_dict(obj)
    assert has_finalizer(held, "example.com/b")
    assert not has_finalizer(held, "example.com/c")
