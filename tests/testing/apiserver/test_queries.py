from __future__ import annotations

import json

import pytest

from kubeprims.errors import Invalid, StatusError
from kubeprims.testing.apiserver.queries import (
    DeleteOptions,
    WatchQuery,
    WriteOptions,
    is_true,
    parse_delete_options,
    parse_list_query,
    parse_revision,
    parse_watch_query,
    parse_write_options,
)
from tests.testing.apiserver.backends import failure


def test_a_list_query_is_read_from_its_parameters() -> None:
    query = parse_list_query(
        [
            ("resourceVersion", "5"),
            ("resourceVersion", "6"),
            ("resourceVersionMatch", "Exact"),
            ("limit", "10"),
            ("labelSelector", "a=b"),
            ("fieldSelector", "metadata.name=x"),
            ("unknown", "y"),
        ]
    )
    assert (query.resource_version, query.resource_version_match, query.limit) == ("5", "Exact", 10)
    assert (str(query.label_selector), str(query.field_selector)) == ("a=b", "metadata.name=x")
    assert parse_list_query([("limit", "-1")]).limit == 0


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ("limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("labelSelector=a b", 400, "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("fieldSelector=a", 400, "invalid selector: 'a'; can't understand 'a'"),
        (
            "resourceVersionMatch=Exact",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is '
                "forbidden "
                "unless resourceVersion is provided"
            ),
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=0",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch '
                '"exact" is '
                'forbidden for resourceVersion "0"'
            ),
        ),
        (
            "resourceVersionMatch=Foo&resourceVersion=1",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Foo": '
                "supported values: "
                '"Exact", "NotOlderThan", ""'
            ),
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=1&continue=a",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is '
                "forbidden "
                "when continue is provided"
            ),
        ),
        (
            "sendInitialEvents=true",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is '
                "forbidden for "
                "list"
            ),
        ),
    ],
)
def test_a_list_query_that_is_wrong_is_refused_as_upstream_does(parameters: str, code: int, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_list_query(_pairs(parameters))
    assert (caught.value.code, caught.value.message) == (code, message)


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (item.partition("=") for item in text.split("&"))]


def test_a_watch_query_is_read_from_its_parameters() -> None:
    query = parse_watch_query(
        _pairs(
            "resourceVersion=5&allowWatchBookmarks=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            "&timeoutSeconds=7&labelSelector=a&fieldSelector=metadata.name=x"
        )
    )
    assert query.allow_bookmarks
    assert query.wants_initial_events
    assert (query.resource_version, query.timeout_s) == ("5", 7.0)
    plain = parse_watch_query([("timeoutSeconds", "0")])
    assert (plain.timeout_s, plain.allow_bookmarks, plain.send_initial_events) == (None, False, None)


@pytest.mark.parametrize(
    ("parameters", "code", "causes"),
    [
        ("timeoutSeconds=x", 400, []),
        (
            "sendInitialEvents=true",
            422,
            ["Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"],
        ),
        (
            "resourceVersionMatch=NotOlderThan",
            422,
            ["Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"],
        ),
        (
            "resourceVersionMatch=Exact&sendInitialEvents=true",
            422,
            [
                "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                'Unsupported value: "Exact": supported values: "NotOlderThan"',
            ],
        ),
    ],
)
def test_a_watch_query_that_is_wrong_is_refused_as_upstream_does(parameters: str, code: int, causes: list[str]) -> None:
    with pytest.raises(StatusError) as caught:
        parse_watch_query(_pairs(parameters))
    assert caught.value.code == code
    assert [cause.message for cause in caught.value.causes] == causes


@pytest.mark.parametrize(
    ("version", "asked", "wanted"),
    [("", None, True), ("0", None, True), ("5", None, False), ("", False, False), ("5", True, True)],
)
def test_initial_events_follow_from_the_version_unless_the_request_says(
    version: str, *, asked: bool | None, wanted: bool
) -> None:
    assert WatchQuery(resource_version=version, send_initial_events=asked).wants_initial_events is wanted


@pytest.mark.parametrize(
    ("text", "truth"), [(None, False), ("0", False), ("False", False), ("", True), ("1", True), ("x", True)]
)
def test_a_boolean_parameter_is_true_unless_it_says_no(text: str | None, *, truth: bool) -> None:
    assert is_true(text) is truth


def test_a_revision_is_a_whole_number() -> None:
    assert parse_revision("") == 0
    assert parse_revision("12") == 12
    for text in ("x", "-1", "1.5", " 1", "²"):
        with pytest.raises(ValueError, match="invalid syntax"):
            parse_revision(text)


def test_write_options_are_checked() -> None:
    options = parse_write_options([("fieldManager", "me"), ("fieldValidation", "Strict"), ("dryRun", "All")])
    assert options == WriteOptions(field_manager="me", field_validation="Strict", dry_run=True)
    assert parse_write_options([("force", "true")]).force
    assert parse_write_options([("force", "false")]).force is False
    for name, value, problem in (
        ("fieldValidation", "Maybe", "fieldValidation: Unsupported value"),
        ("dryRun", "Some", "dryRun: Unsupported value"),
        ("fieldManager", "x" * 129, "fieldManager: Too long: may not be more than 128 bytes"),
        ("fieldManager", "a\nb", r"invalid character U\+000A \(at position 1\)"),
    ):
        with pytest.raises(Invalid, match=problem):
            parse_write_options([(name, value)], "PatchOptions")


def test_write_options_must_fit_the_patch() -> None:
    WriteOptions(field_manager="me", force=True).check_patch(is_apply=True)
    WriteOptions().check_patch(is_apply=False)
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        WriteOptions().check_patch(is_apply=True)
    with pytest.raises(Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        WriteOptions(force=False).check_patch(is_apply=False)


def test_delete_options_come_from_the_body_or_else_from_the_parameters() -> None:
    parameters = [("gracePeriodSeconds", "5"), ("propagationPolicy", "Orphan")]
    assert parse_delete_options(parameters) == DeleteOptions(grace_period_s=5, propagation_policy="Orphan")
    body = {
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 7,
        "preconditions": {"uid": "u", "resourceVersion": "3"},
        "propagationPolicy": "Foreground",
        "orphanDependents": None,
    }
    expected = DeleteOptions(grace_period_s=7, uid="u", resource_version="3", propagation_policy="Foreground")
    assert parse_delete_options(parameters, json.dumps(body).encode()) == expected
    assert parse_delete_options([]) == DeleteOptions()
    assert parse_delete_options([("orphanDependents", "true")]).propagation_policy == "Orphan"
    assert parse_delete_options([], b'{"orphanDependents":false}').propagation_policy == "Background"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{", 400, "couldn't get version/kind; json parse error"),
        ("[]", 400, "couldn't get version/kind; json parse error: cannot unmarshal array"),
        ('{"kind":"Foo"}', 400, 'no kind "Foo" is registered for version "meta.k8s.io/v1"'),
        ('{"gracePeriodSeconds":"x"}', 400, "json: cannot unmarshal string into Go struct field DeleteOptions.grace"),
        ('{"gracePeriodSeconds":true}', 400, "json: cannot unmarshal bool"),
        ('{"preconditions":1}', 400, "json: cannot unmarshal number"),
        ('{"dryRun":["Some"]}', 422, 'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]'),
        (
            '{"propagationPolicy":"Foo"}',
            422,
            (
                'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Foo": supported '
                "values: "
                '"Foreground", "Background", "Orphan", "nil"'
            ),
        ),
        (
            '{"propagationPolicy":"Orphan","orphanDependents":true}',
            422,
            (
                'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": '
                "orphanDependents and "
                "deletionPropagation cannot be both set"
            ),
        ),
    ],
)
def test_delete_options_that_are_wrong_are_refused(body: str, code: int, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_delete_options([], body.encode())
    assert failure(caught)["code"] == code
    assert caught.value.message.startswith(message)


def test_a_deletion_may_be_a_dry_run() -> None:
    assert parse_delete_options([("dryRun", "All")]).dry_run
    assert parse_delete_options([], b'{"dryRun":["All"]}').dry_run
    with pytest.raises(Invalid, match="dryRun"):
        parse_delete_options([("dryRun", "")])
