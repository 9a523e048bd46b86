from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest
from kubeprims.testing.apiserver.encoding import (
    decode,
    decode_object,
    decode_tail,
    encode,
    encode_tail,
    event_line,
    item_head,
    json_type,
    list_frame,
    object_head,
)
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS, PODS, Kind

CUSTOM = Kind(group="example.com", resource="widgets", kind="Widget", custom=True)

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"NaN", b"[Infinity]", b"1e999", b"[" * 100_000, b"9" * 5000])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body)


def test_the_message_of_what_is_not_json_is_the_callers() -> None:
    with pytest.raises(BadRequest, match=r"no: exceeded max depth$"):
        decode(b"[" * 100_000, problem=lambda text: f"no: {text}")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"a":', "json parse error: unexpected end of JSON input"),
        (b" ", "json parse error: unexpected end of JSON input"),
        (b'{"a";1}', "json parse error: invalid character ';' at position 4"),
        (b"1e999", "json parse error: number out of range"),
        (b"NaN", "json parse error: invalid character 'N'"),
    ],
)
def test_a_parse_error_says_where_it_went_wrong(body: bytes, problem: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode(body)
    assert caught.value.message.startswith(problem)


@given(_values)
def test_every_value_comes_back_from_its_text(value: object) -> None:
    assert decode(encode(value)) == value  # type: ignore[arg-type] # what hypothesis builds is JSON


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert encode("a\ud800b😀") == '"a\ufffdb😀"'.encode()


def test_an_object_is_decoded_or_taken_as_it_is() -> None:
    assert decode_object(b'{"a":1}', PODS) == {"a": 1}
    obj = {"a": [1]}
    assert decode_object(obj, PODS) is obj  # type: ignore[arg-type] # invariance of dict
    with pytest.raises(BadRequest, match=r"must be of type Pod\).*cannot unmarshal array"):
        decode_object(b"[1]", PODS)


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "null"), (True, "bool"), (1, "number"), (1.5, "number"), ("", "string"), ([], "array"), ({}, "object")],
)
def test_every_json_type_has_a_name(value: object, name: str) -> None:
    assert json_type(value) == name  # type: ignore[arg-type] # each is JSON


def test_a_built_in_object_is_rendered_in_the_order_of_upstream() -> None:
    tail = encode_tail(
        {
            "spec": {"b": 1, "a": 2},
            "metadata": {"uid": "u", "other": 1, "name": "n"},
            "kind": "Pod",
            "apiVersion": "v1",
        },
        PODS,
    )
    assert object_head(PODS) + tail == (
        b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"n","uid":"u","other":1},"spec":{"b":1,"a":2}}'
    )
    assert item_head(PODS) == b"{"
    assert decode_tail(tail) == {"metadata": {"name": "n", "uid": "u", "other": 1}, "spec": {"b": 1, "a": 2}}


def test_a_custom_object_is_rendered_with_sorted_keys() -> None:
    tail = encode_tail({"spec": {"b": 1, "a": 2}, "metadata": {"uid": "u", "name": "n"}, "kind": "Widget"}, CUSTOM)
    rendered = b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"n","uid":"u"},"spec":{"a":2,"b":1}}'
    assert object_head(CUSTOM) + tail == rendered
    assert item_head(CUSTOM) + tail == rendered


def test_lists_of_built_in_and_custom_kinds_are_framed_as_upstream_does() -> None:
    before, after = list_frame(PODS, {"resourceVersion": "1"})
    assert before + after == b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}\n'
    before, after = list_frame(CUSTOM, {"resourceVersion": "1"})
    assert before + after == (
        b'{"apiVersion":"example.com/v1","items":[],"kind":"WidgetList",'
        b'"metadata":{"continue":"","resourceVersion":"1"}}\n'
    )


def test_an_event_is_one_line() -> None:
    assert json.loads(event_line(b"ADDED", b'{"a":1}')) == {"type": "ADDED", "object": {"a": 1}}
    assert event_line(b"ADDED", b"{}").count(b"\n") == 1


def test_built_in_kinds_are_named_as_upstream_names_them() -> None:
    names = {(kind.group, kind.resource): kind for kind in BUILT_IN_KINDS}
    versions = {(kind.group, kind.version, kind.resource) for kind in BUILT_IN_KINDS}
    deployment = names["apps", "deployments"]
    assert deployment.api_version == "apps/v1"
    assert deployment.group_resource == "deployments.apps"
    assert deployment.group_kind == "Deployment.apps"
    assert str(deployment.gvr) == "apps/v1/deployments"
    assert str(deployment.gvk) == "apps/v1 Deployment"
    assert deployment.list_kind == "DeploymentList"
    assert deployment.has_status
    assert names["", "endpoints"].list_kind == "EndpointsList"
    assert names["", "services"].singular == "service"
    assert "deletecollection" not in names["", "namespaces"].verbs
    assert names["events.k8s.io", "events"].storage_resource == names["", "events"].storage_resource
    assert len(versions) == len(BUILT_IN_KINDS)
