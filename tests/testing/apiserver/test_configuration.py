"""What is applied: read, named, and of its types."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest, InternalError, StatusError
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.built_in_schemas import built_in_schema
from kubeprims.testing.apiserver.configuration import check_configuration, parse_configuration
from kubeprims.testing.apiserver.kinds import BUILT_IN_BY_NAME, PODS

DEPLOYMENTS = BUILT_IN_BY_NAME["apps", "v1", "deployments"]
POD = b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


def refusal(body: bytes, name: str = "a") -> str:
    with pytest.raises(BadRequest) as caught:
        parse_configuration(PODS, name, body)
    return caught.value.message


def test_a_configuration_is_yaml_of_which_json_is_a_part() -> None:
    expected: JSONObject = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    assert parse_configuration(PODS, "a", POD) == expected
    assert parse_configuration(PODS, "a", json.dumps(expected).encode()) == expected


def test_of_several_documents_the_first_is_applied() -> None:
    assert parse_configuration(PODS, "a", POD + b"---\nkind: Other\n")["kind"] == "Pod"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"- 1", "cannot unmarshal array into Go value of type map[string]interface {}"),
        (b"text", "cannot unmarshal string into Go value of type map[string]interface {}"),
        (b"", "invalid object type: /, Kind="),
        (b"{}", "invalid object type: /, Kind="),
        (b"---\n---\nkind: Pod", "invalid object type: /, Kind="),
        (b"apiVersion: v1\nkind: Node\nmetadata: {name: a}", "invalid object type: /v1, Kind=Node"),
        (b"apiVersion: apps/v1\nkind: Pod\nmetadata: {name: a}", "invalid object type: apps/v1, Kind=Pod"),
        (b"apiVersion: v1\nkind: Pod", "undeterminable: name must be provided"),
        (b"apiVersion: v1\nkind: Pod\nmetadata: 5", "undeterminable: name must be provided"),
        (b"apiVersion: v1\nkind: Pod\nmetadata: {name: b}", "(b) does not match the name on the URL (a)"),
        (
            b"apiVersion: v1\nkind: Pod\nmetadata: {name: a, managedFields: []}",
            "metadata.managedFields must be nil",
        ),
    ],
)
def test_what_is_not_the_object_of_the_request_is_refused(body: bytes, problem: str) -> None:
    assert refusal(body).endswith(problem)


def test_owners_that_are_null_are_none() -> None:
    body = b"apiVersion: v1\nkind: Pod\nmetadata: {name: a, managedFields: null}"
    assert parse_configuration(PODS, "a", body)["kind"] == "Pod"


def test_a_fault_of_the_syntax_is_told_with_its_line() -> None:
    assert refusal(b"a: 1\nb: [1,\n") == (
        "error decoding patch: error converting YAML to JSON: yaml: line 3: did not find expected node content"
    )
    assert refusal(b"a: &x\nb: *y").startswith("error decoding patch: error converting YAML to JSON: yaml: ")


@given(st.binary(max_size=40) | st.text("ab:-[]{}&*!|> \n'\"", max_size=40).map(str.encode))
def test_no_body_does_more_than_be_refused(body: bytes) -> None:
    assert refusal(body)


def test_what_is_of_its_types_passes() -> None:
    schema = built_in_schema(PODS.gvk)
    assert schema is not None
    check_configuration(PODS, {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}, schema)


@pytest.mark.parametrize(
    ("config", "place", "problem"),
    [
        (
            {"metadata": {"name": "a", "namespace": "n"}, "spec": {"replicas": "x"}},
            "n/a; apps/v1, Kind=Deployment",
            '.spec.replicas: expected numeric (int or float), got &value.valueUnstructured{Value:"x"}',
        ),
        (
            {"metadata": {"name": "a"}, "spec": {"colour": "red"}},
            "/a; apps/v1, Kind=Deployment",
            ".spec.colour: field not declared in schema",
        ),
    ],
)
def test_what_is_not_of_its_types_cannot_be_owned(config: JSONObject, place: str, problem: str) -> None:
    schema = built_in_schema(DEPLOYMENTS.gvk)
    assert schema is not None
    with pytest.raises(StatusError) as caught:
        check_configuration(DEPLOYMENTS, config, schema)
    assert isinstance(caught.value, InternalError)
    assert caught.value.message == f"failed to create typed patch object ({place}): {problem}"
