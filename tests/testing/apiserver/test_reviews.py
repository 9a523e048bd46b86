"""Who am I: reviews, and whom requests want to be taken for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kubeprims.testing import APIServer, User
from kubeprims.testing.apiserver import reviews
from tests.parity import case
from tests.testing.apiserver.raw import request

TOKEN = {"authorization": "Bearer jane-token", "content-type": "application/json"}
BODY = b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
PROTOBUF = b"k8s\x00\x0a\x2d\x0a\x18authentication.k8s.io/v1\x12\x11SelfSubjectReview\x12\x00"


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer(tokens={"jane-token": User("jane", ("dev",), "u-1", {"team": ("red", "blue")})}) as server:
        yield server


def ask(server: APIServer, body: bytes = BODY, method: str = "POST", **headers: str) -> tuple[int, dict[str, object]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response, answer = request(server.port, method, reviews.PATH, body, TOKEN | named)
    return response.status, json.loads(answer)


def test_a_user_learns_all_that_is_known_of_it(server: APIServer) -> None:
    code, answer = ask(server)
    assert (code, answer["kind"]) == (201, "SelfSubjectReview")
    assert answer["status"] == {
        "userInfo": {
            "username": "jane",
            "uid": "u-1",
            "groups": ["dev", "system:authenticated"],
            "extra": {"team": ["red", "blue"]},
        }
    }


def test_a_body_may_name_no_kind_or_be_protobuf(server: APIServer) -> None:
    assert ask(server, b"{}")[0] == 201
    headers = TOKEN | {"content-type": "application/vnd.kubernetes.protobuf"}
    assert request(server.port, "POST", reviews.PATH, PROTOBUF, headers)[0].status == 201


@pytest.mark.parametrize("body", [b'{"apiVersion":"v1","kind":"Pod"}', b"[]", b"{", b"", b"[" * 100_000])
def test_another_body_is_refused(server: APIServer, body: bytes) -> None:
    code, answer = ask(server, body)
    assert (code, answer["reason"]) == (400, "BadRequest")


def test_reviews_can_only_be_created(server: APIServer) -> None:
    assert ask(server, b"", "GET")[0] == 405


def test_nobody_unknown_is_reviewed(server: APIServer) -> None:
    assert request(server.port, "POST", reviews.PATH, BODY)[0].status == 401


def test_discovery_names_the_review(server: APIServer) -> None:
    _, listed = request(server.port, "GET", "/apis/authentication.k8s.io/v1", headers=TOKEN)
    assert [resource["name"] for resource in json.loads(listed)["resources"]] == ["selfsubjectreviews"]


@pytest.mark.parametrize(
    "path", ["authentication.k8s.io/v1/tokenreviews", "authorization.k8s.io/v1/selfsubjectaccessreviews"]
)
def test_other_reviews_are_not_there(server: APIServer, path: str) -> None:
    assert request(server.port, "POST", f"/apis/{path}", b"{}", TOKEN)[0].status == 404


@pytest.mark.parametrize(
    ("headers", "info"),
    [
        ({"impersonate_user": "bob"}, {"username": "bob", "groups": ["system:authenticated"]}),
        (
            {
                "impersonate_user": "bob",
                "impersonate_group": "qa",
                "impersonate_uid": "7",
                "Impersonate_Extra_Scopes%2Fx": "view",
            },
            {
                "username": "bob",
                "uid": "7",
                "groups": ["qa", "system:authenticated"],
                "extra": {"scopes/x": ["view"]},
            },
        ),
        (
            {"impersonate_user": "system:serviceaccount:prod:web"},
            {
                "username": "system:serviceaccount:prod:web",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:prod", "system:authenticated"],
            },
        ),
        (
            {"impersonate_user": "system:anonymous"},
            {"username": "system:anonymous", "groups": ["system:unauthenticated"]},
        ),
        (
            {"impersonate_user": "bob", "impersonate_group": "system:authenticated"},
            {"username": "bob", "groups": ["system:authenticated"]},
        ),
    ],
)
def test_a_user_may_be_taken_for_another(server: APIServer, headers: dict[str, str], info: dict[str, object]) -> None:
    code, answer = ask(server, **headers)
    assert (code, answer["status"]) == (201, {"userInfo": info})
    assert (server.requests[0].user, server.requests[0].impersonated_user) == ("jane", headers["impersonate_user"])


@case("IM-5")
@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ("almost%zzpercent%xx", "almost%zzpercent%xx"),
        ("Half%41%zz", "half%41%zz"),
        ("%", "%"),
        ("%41+b%2520", "A+b%20"),
        ("%C3%A4", "ä"),
    ],
)
def test_the_key_of_an_extra_is_decoded_as_a_whole_or_stays_as_it_is(server: APIServer, sent: str, key: str) -> None:
    _, answer = ask(server, **{"impersonate_user": "bob", f"impersonate_extra_{sent}": "v"})
    assert answer["status"]["userInfo"]["extra"] == {key: ["v"]}  # type: ignore[index]


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"impersonate_group": "qa"}, 'UID:"", Groups:[]string{"qa"}, Extra:map[string][]string(nil)'),
        ({"impersonate_uid": "7"}, 'UID:"7", Groups:[]string(nil), Extra:map[string][]string(nil)'),
        ({"impersonate_extra_a": "u"}, 'UID:"", Groups:[]string(nil), Extra:map[string][]string{"a":[]string{"u"}}'),
    ],
)
def test_groups_of_nobody_are_refused(server: APIServer, headers: dict[str, str], asked: str) -> None:
    code, answer = ask(server, **headers)
    assert code == 400
    assert answer["message"] == f'requested &user.DefaultInfo{{Name:"", {asked}}} without impersonating a user name'
