"""Failures as exceptions."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.client.status import (
    STATUS_BYTES_MAX,
    TEXT_BYTES_MAX,
    check_success,
    error_from_response,
    error_from_status,
)
from kubeprims.errors import (
    AlreadyExists,
    ApplyConflict,
    Cancelled,
    Conflict,
    ConnectionLost,
    FieldConflict,
    Forbidden,
    InternalError,
    Invalid,
    NotFound,
    ProtocolError,
    ResourceExpired,
    ServerError,
    ServerTimeout,
    ServiceUnavailable,
    StatusCause,
    StatusError,
    TooManyRequests,
    TransportError,
    Unauthorized,
    UnexpectedContent,
)
from kubeprims.meta import JSONObject, JSONValue
from tests.client.fake import JSON, response

HTML = b"<!DOCTYPE html>\n<html><title>Sign in</title></html>"

json_values: st.SearchStrategy[JSONValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)


def test_a_status_keeps_all_that_it_says() -> None:
    error = error_from_status(
        {
            "kind": "Status",
            "status": "Failure",
            "message": 'widgets "a" is invalid',
            "reason": "Invalid",
            "code": 422,
            "details": {
                "name": "a",
                "retryAfterSeconds": 3,
                "causes": [{"field": "spec.x", "reason": "FieldValueRequired", "message": "is needed"}, "odd", {}],
            },
        },
        method="PUT",
        url="http://s/x",
    )
    assert type(error) is Invalid
    assert (error.code, error.reason, error.message) == (422, "Invalid", 'widgets "a" is invalid')
    assert error.causes == (StatusCause("spec.x", "FieldValueRequired", "is needed"), StatusCause("", "", ""))
    assert error.retry_after_s == 3
    assert error.details["name"] == "a"
    assert str(error) == 'PUT http://s/x: 422 Invalid: widgets "a" is invalid'


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        ({"code": 410, "reason": "Expired"}, ResourceExpired),
        ({"code": 410}, ResourceExpired),
        ({"code": 409, "reason": "AlreadyExists"}, AlreadyExists),
        ({"code": 409, "reason": "Conflict"}, Conflict),
        ({"code": 429}, TooManyRequests),
        ({"code": 504}, ServerTimeout),
        ({"code": 503}, ServiceUnavailable),
        ({"code": 599}, ServerError),
        ({"code": 418}, StatusError),
        ({}, InternalError),
    ],
)
def test_the_class_follows_reason_and_code(status: JSONObject, error_class: type[StatusError]) -> None:
    assert type(error_from_status(status)) is error_class


def test_a_failure_without_a_code_of_a_failure_has_that_of_the_answer() -> None:
    assert error_from_status({"code": 200}, code=403).code == 403


@given(st.dictionaries(st.sampled_from(["code", "reason", "message", "details"]), json_values))
def test_any_status_gives_an_error_and_no_traceback(status: JSONObject) -> None:
    error = error_from_status(status)
    assert isinstance(error, StatusError)
    assert error.message
    assert 400 <= error.code < 600


def test_an_answer_with_a_status_gives_its_error() -> None:
    body: JSONObject = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "gone"}
    error = error_from_response(response(body, status=404))
    assert type(error) is NotFound
    assert str(error) == "GET http://127.0.0.1:1/api: 404 NotFound: gone"


@pytest.mark.parametrize(
    ("header", "own", "expected"),
    [
        ("7", None, 7),
        ("7", 3, 7),
        ("3", 7, 7),
        (None, 7, 7),
        (None, None, None),
        ("0", None, 0),
        ("-1", None, None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None, None),
        ("²", None, None),
        ("9999999999", None, None),
        ("5", -3, 5),
    ],
)
def test_the_longer_of_the_two_waits_that_a_server_asks_for_counts(
    header: str | None, own: int | None, expected: float | None
) -> None:
    body: JSONObject = {"kind": "Status", "code": 429, "details": {} if own is None else {"retryAfterSeconds": own}}
    headers = JSON if header is None else (*JSON, ("Retry-After", header))
    assert error_from_response(response(body, status=429, headers=headers)).retry_after_s == expected


def test_a_failure_that_is_no_status_shows_its_code_and_the_start_of_its_text() -> None:
    error = error_from_response(response(HTML, status=502, headers=[("Content-Type", "text/html")]))
    assert type(error) is ServerError
    assert error.code == 502
    assert error.message == "<!DOCTYPE html> <html><title>Sign in</title></html>"
    long = error_from_response(response(b"x" * 5000, status=500, headers=[("Retry-After", "2")]))
    assert len(long.message) == TEXT_BYTES_MAX
    assert long.retry_after_s == 2


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"kind":"Pod"}', b"[" * 100_000, b"\xff\x1b[31m"])
def test_a_failure_with_any_body_is_an_error_by_its_code_in_one_printable_line(body: bytes) -> None:
    error = error_from_response(response(body, status=401))
    assert type(error) is Unauthorized
    assert error.message.isprintable()
    assert error.message


def test_no_more_of_a_failure_is_read_than_needed() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65536

    error = error_from_response(response(endless(), status=500))
    assert type(error) is InternalError
    assert taken == STATUS_BYTES_MAX // 65536


@pytest.mark.parametrize("error_class", [ConnectionLost, ProtocolError])
def test_a_failure_whose_body_breaks_off_is_still_that_failure(error_class: type[TransportError]) -> None:
    def torn() -> Iterator[bytes]:
        yield b"too "
        yield b"few"
        raise error_class("gone")

    error = error_from_response(response(torn(), status=403))
    assert type(error) is Forbidden
    assert error.message == "too few"


def test_cancelling_while_a_failure_is_read_is_told() -> None:
    def cancelled() -> Iterator[bytes]:
        yield b"x"
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        error_from_response(response(cancelled(), status=500))


def test_a_redirect_says_where_to_and_no_secret() -> None:
    answer = response(b"moved", status=302, headers=[("Location", "https://user:pw@login/?token=abc")])
    with pytest.raises(StatusError) as caught:
        check_success(answer)
    assert caught.value.code == 302
    assert "https://login/" in caught.value.message
    assert "moved" in caught.value.message
    assert "abc" not in caught.value.message
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON;stream=watch", ""]
)
def test_a_success_with_json_passes_and_so_does_one_that_does_not_say(content_type: str) -> None:
    answer = response({"a": 1}, headers=[("Content-Type", content_type)] if content_type else [])
    check_success(answer)
    assert json.loads(answer.read()) == {"a": 1}


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/vnd.kubernetes.protobuf", "json"])
def test_a_success_with_other_content_is_refused_saying_what_was_found_where(content_type: str) -> None:
    with pytest.raises(UnexpectedContent) as caught:
        check_success(response(HTML, headers=[("Content-Type", content_type)]))
    error = caught.value
    assert (error.code, error.content_type) == (200, content_type)
    assert str(error).startswith("GET http://127.0.0.1:1/api: expected JSON from the Kubernetes API, found ")
    assert "<title>Sign in</title>" in str(error)


def test_other_content_without_a_body_is_refused_by_its_type() -> None:
    with pytest.raises(UnexpectedContent, match=r"found text/plain$"):
        check_success(response(b"", headers=[("Content-Type", "text/plain")]))


def conflict_causes(*conflicts: tuple[str, str]) -> JSONValue:
    return [{"reason": "FieldManagerConflict", "field": field, "message": message} for field, message in conflicts]


def test_an_apply_that_conflicts_names_managers_and_fields() -> None:
    error = error_from_status(
        {
            "code": 409,
            "reason": "Conflict",
            "message": "Apply failed with 3 conflicts",
            "details": {
                "causes": conflict_causes(
                    (".spec.replicas", 'conflict with "kubectl" using apps/v1'),
                    (".data.a", r'conflict with "the \"other\" one" with subresource "status" using v1'),
                    (".data.b", 'conflict with "kubectl"'),
                    (".data.c", "somebody"),
                )
            },
        },
        method="PATCH",
        url="https://a/b",
    )
    assert isinstance(error, ApplyConflict)
    assert error.conflicts == (
        FieldConflict(".spec.replicas", "kubectl"),
        FieldConflict(".data.a", 'the "other" one'),
        FieldConflict(".data.b", "kubectl"),
        FieldConflict(".data.c", "somebody"),
    )
    assert str(error) == (
        "PATCH https://a/b: 409 Conflict: the apply conflicts with other managers: "
        '"kubectl" owns .spec.replicas, .data.b; "the "other" one" owns .data.a; "somebody" owns .data.c'
    )
    bare = error_from_status({"code": 409, "reason": "Conflict", "details": {"causes": conflict_causes((".a", '"m"'))}})
    assert str(bare) == '409 Conflict: the apply conflicts with other managers: "m" owns .a'


@pytest.mark.parametrize(("reason", "cause"), [("AlreadyExists", "FieldManagerConflict"), ("Conflict", "Other")])
def test_other_conflicts_are_none_of_an_apply(reason: str, cause: str) -> None:
    details: JSONObject = {"causes": [{"reason": cause}]}
    assert not isinstance(error_from_status({"code": 409, "reason": reason, "details": details}), ApplyConflict)


@pytest.mark.parametrize(("metadata", "token"), [({"continue": "on"}, "on"), ({"continue": 7}, ""), (7, ""), ({}, "")])
def test_an_expired_list_may_say_how_to_go_on(metadata: JSONValue, token: str) -> None:
    error = error_from_status({"code": 410, "reason": "Expired", "metadata": metadata})
    assert isinstance(error, ResourceExpired)
    assert error.continue_token == token
