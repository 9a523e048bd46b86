from __future__ import annotations

import json

import pytest

from kubeprims.errors import NotFound, StatusError
from kubeprims.testing.apiserver import status
from kubeprims.testing.apiserver.kinds import CUSTOM_RESOURCE_DEFINITIONS, PODS
from kubeprims.testing.apiserver.status import FieldProblem, render_status, render_success

NAMELESS = FieldProblem.required("metadata.name", "name or generateName is required")

# The bodies are what a kube-apiserver 1.37 answers in the same cases.


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (
            status.not_found(PODS, "x"),
            (
                '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \\"x\\" not '
                'found",'
                '"reason":"NotFound","details":{"name":"x","kind":"pods"},"code":404}'
            ),
        ),
        (
            status.already_exists(CUSTOM_RESOURCE_DEFINITIONS, "x"),
            (
                '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":'
                '"customresourcedefinitions.apiextensions.k8s.io \\"x\\" already '
                'exists","reason":"AlreadyExists","details":'
                '{"name":"x","group":"apiextensions.k8s.io","kind":"customresourcedefinitions"},"code":409}'
            ),
        ),
        (
            status.modified(PODS, "x"),
            (
                '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Operation cannot be '
                'fulfilled on pods \\"x\\": the object has been modified; please apply your changes to the '
                "latest version "
                'and try again","reason":"Conflict","details":{"name":"x","kind":"pods"},"code":409}'
            ),
        ),
        (
            status.too_large_version(9, 4),
            (
                '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: Too large '
                'resource version: 9, current: 4","reason":"Timeout","details":{"causes":[{"reason":'
                '"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1},"code":504}'
            ),
        ),
        (
            status.plain_failure("resourceVersion should not be set on objects to be created"),
            (
                '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"resourceVersion should '
                'not be set on objects to be created","code":500}'
            ),
        ),
        (
            status.invalid(
                "ConfigMap", "", [FieldProblem.required("metadata.name", "name or generateName is required")]
            ),
            (
                '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"ConfigMap \\"\\" '
                "is invalid: "
                'metadata.name: Required value: name or generateName is required","reason":"Invalid","details":'
                '{"kind":"ConfigMap","causes":[{"reason":"FieldValueRequired","message":"Required value: name or '
                'generateName is required","field":"metadata.name"}]},"code":422}'
            ),
        ),
    ],
)
def test_a_failure_is_rendered_as_upstream_does(error: StatusError, body: str) -> None:
    assert render_status(error) == body.encode()


def test_several_problems_are_listed_in_brackets() -> None:
    problems = [FieldProblem.unsupported("a", "x", ["b", "c"]), FieldProblem.forbidden("d", "never")]
    error = status.invalid("Widget", "w", problems, group="example.com")
    assert error.message == (
        'Widget.example.com "w" is invalid: '
        '[a: Unsupported value: "x": supported values: "b", "c", d: Forbidden: never]'
    )
    assert [cause.field for cause in error.causes] == ["a", "d"]
    assert FieldProblem.required("a", "").text == "Required value"
    assert FieldProblem.invalid("a", 0, "b").text == "Invalid value: 0: b"


def test_an_expired_page_says_how_to_go_on() -> None:
    error = status.ExpiredContinueToken("too old", code=410, reason="Expired")
    error.continue_token = "abc"
    assert json.loads(render_status(error))["metadata"] == {"continue": "abc"}


def test_a_success_names_what_it_was_about() -> None:
    assert json.loads(render_success({"name": "x", "group": "", "kind": "pods", "uid": "u"})) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "x", "kind": "pods", "uid": "u"},
    }
    assert json.loads(render_success({}, code=201))["code"] == 201


def test_the_other_failures_have_their_codes() -> None:
    assert status.unknown_resource().code == 404
    assert isinstance(status.unknown_resource(), NotFound)
    assert status.method_not_allowed("patch", PODS).code == 405
    assert status.unsupported_media_type("no").code == 415
    assert status.expired("old").code == 410
