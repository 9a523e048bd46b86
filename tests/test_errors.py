"""The error tree: classes, facts and texts."""

from __future__ import annotations

import inspect

import pytest

from kubeprims import errors
from kubeprims.errors import (
    AlreadyExists,
    CacheSyncTimeout,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    DecodeError,
    InternalError,
    KubeprimsError,
    NotFound,
    ResourceExpired,
    ServerError,
    StatusCause,
    StatusError,
    StopTimeout,
    TransportError,
    UnexpectedContent,
    UnknownResource,
    status_error_class,
)


def test_every_exception_is_in_the_tree_that_the_docstring_draws() -> None:
    drawn = errors.__doc__ or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, Exception):
            assert issubclass(kind, KubeprimsError)
            assert name in drawn, name


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", ResourceExpired),
        (200, "Gone", ResourceExpired),
        (500, "InternalError", InternalError),
        (599, "", ServerError),
        (418, "", StatusError),
    ],
)
def test_the_class_of_a_failure_follows_its_reason_then_its_code(
    code: int, reason: str, kind: type[StatusError]
) -> None:
    assert status_error_class(code, reason) is kind


def test_a_config_error_names_file_entry_field_and_rule() -> None:
    error = ConfigError("is missing", source="/c", entry='user "jane"', field="client-key")
    assert str(error) == '/c: user "jane": client-key: is missing'
    assert isinstance(error, ValueError)


def test_a_status_error_tells_where_what_and_why() -> None:
    error = NotFound(
        'pods "x" not found',
        code=404,
        reason="NotFound",
        causes=[StatusCause("metadata.name", "FieldValueInvalid", "bad")],
        details={"name": "x"},
        method="GET",
        url="https://a/api",
    )
    assert str(error) == 'GET https://a/api: 404 NotFound: pods "x" not found'
    assert error.causes[0].field == "metadata.name"
    assert error.details == {"name": "x"}
    assert str(StatusError("odd", code=418)) == "418: odd"


def test_a_transport_error_says_when_the_outcome_is_unknown() -> None:
    assert "unknown" in str(TransportError("reset", method="POST", url="http://a", request_sent=True))
    assert str(TransportError("reset", method="GET", url="http://a", request_sent=True)) == "GET http://a: reset"
    assert str(TransportError("reset")) == "reset"
    assert issubclass(DeadlineExceeded, TimeoutError)


def test_the_other_errors_carry_their_facts() -> None:
    late = CacheSyncTimeout([("v1/pods", "403"), ("v1/nodes", "")], timeout_s=3.0)
    assert str(late) == "not synced after 3 s: v1/pods: 403; v1/nodes: no error so far"
    assert str(StopTimeout(["a", "b"], timeout_s=1.5)) == "still running after 1.5 s: a, b"
    assert str(UnknownResource("gizmos", server="http://a")) == 'the server http://a has no resource "gizmos"'
    assert DecodeError("bad", raw=b"x" * 1000).raw == b"x" * 256
    odd = UnexpectedContent("HTML", code=200, content_type="text/html", method="GET", url="http://a")
    assert (odd.code, odd.content_type, odd.request_sent) == (200, "text/html", True)
