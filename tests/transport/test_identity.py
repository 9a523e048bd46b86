"""Whom to act as: what is refused, and what goes over the wire."""

from __future__ import annotations

import pytest

from kubeprims.client.client import Client
from kubeprims.errors import InvalidArgument
from kubeprims.testing import APIServer
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.identity import HEADER_BYTES_MAX, Identity, Impersonating
from kubeprims.transport.message import Headers, Request, Response
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport import seen_by_servers


class Sent:
    """Keeps what it is to carry."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def round_trip(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200)


def names(key: str, **options: bool) -> list[str]:
    identity = Identity(user="jane", extra=[(key, ["v"])], **options)  # type: ignore[arg-type]
    return [name for name, _ in identity.headers[1:]]


@case("IM-1")
def test_each_group_and_each_value_is_a_line_of_its_own() -> None:
    identity = Identity(user="jane", uid="7", groups=["a", "b"], extra={"x": ["2", "1"], "y": ["3"]}.items())
    assert identity.headers == (
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-x", "2"),
        ("Impersonate-Extra-x", "1"),
        ("Impersonate-Extra-y", "3"),
    )


@case("IM-2")
def test_what_is_not_given_is_not_said() -> None:
    assert [name for name, _ in Identity(user="jane", uid="7").headers] == ["Impersonate-User", "Impersonate-Uid"]


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        pytest.param("test.example.com/thing.thing", "test.example.com%2Fthing.thing", marks=case("IM-3")),
        pytest.param("ä ア", "%C3%A4%20%E3%82%A2", marks=case("IM-6")),
        pytest.param("abc123!#$+.-_*\\^`~|'", "abc123!#$+.-_*%5C^`~|'", marks=case("IM-7")),
        pytest.param("@=:", "%40%3D%3A", marks=case("IM-8")),
        pytest.param("a\r\nb: c", "a%0D%0Ab%3A%20c", marks=case("IM-28")),
        pytest.param("a%20b", "a%2520b", marks=case("IM-4")),
    ],
)
def test_what_no_header_name_can_hold_is_encoded(key: str, encoded: str) -> None:
    assert names(key) == [f"Impersonate-Extra-{encoded}"]


@case("IM-9")
def test_capitals_in_a_key_are_refused_or_encoded() -> None:
    with pytest.raises(InvalidArgument, match="capitals"):
        names("Scopes")
    assert names("Scopes", keep_capitals=True) == ["Impersonate-Extra-%53copes"]


@case("IM-10")
@pytest.mark.parametrize("second", ["a", "A"])
def test_keys_that_the_server_takes_for_one_are_refused(second: str) -> None:
    with pytest.raises(InvalidArgument, match="twice"):
        Identity(user="jane", extra=[("a", ["1"]), (second, ["2"])], keep_capitals=True)


@pytest.mark.parametrize(
    "user",
    [
        pytest.param("josé", marks=case("IM-11")),
        pytest.param("张三", marks=case("IM-12")),
        pytest.param("🦊e\u0301", marks=case("IM-13")),
    ],
)
def test_text_is_utf8_as_it_stands(user: str) -> None:
    assert Identity(user=user).headers[0][1].encode("latin-1") == user.encode()


@case("IM-15")
@case("IM-17")
def test_a_comma_is_part_of_a_name_and_a_group_is_said_once() -> None:
    assert Identity(user="jane", groups=["a,b", "c", "a,b"]).groups == ("a,b", "c")


@case("IM-18")
@case("IM-19")
@case("IM-20")
@case("IM-21")
@pytest.mark.parametrize("rest", [{}, {"groups": ["a"]}, {"uid": "7"}, {"extra": [("a", ["b"])]}])
def test_a_user_must_be_named(rest: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="user is empty"):
        Identity(user="", **rest)  # type: ignore[arg-type]


@case("IM-14")
@case("IM-24")
@case("IM-25")
@case("IM-26")
@case("IM-27")
@pytest.mark.parametrize(
    "text",
    ["\ud800", "a\r\nImpersonate-Group: system:masters", "a\r\n b", "a\0", "a\x7f", "a\x85", "a\tb", " a", "a ", "a\t"],
)
@pytest.mark.parametrize("where", ["user", "uid", "groups", "extra"])
def test_what_a_server_would_read_otherwise_is_refused(text: str, where: str) -> None:
    parts: dict[str, object] = {"user": "jane"}
    parts |= {where: {"groups": [text], "extra": [("a", [text])]}.get(where, text)}
    with pytest.raises(ValueError, match=f"^{where} "):
        Identity(**parts)  # type: ignore[arg-type]


@case("IM-22")
@case("IM-23")
@pytest.mark.parametrize("rest", [{"groups": [""]}, {"extra": [("", ["a"])]}, {"extra": [("a", [""])]}])
def test_empty_parts_are_refused(rest: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="empty"):
        Identity(user="jane", **rest)  # type: ignore[arg-type]


@case("IM-29")
@pytest.mark.parametrize(
    "parts",
    [{"groups": "dev"}, {"groups": [1]}, {"extra": "ab"}, {"extra": {"a": ["b"]}}, {"extra": [("a", "b")]}, {"uid": 7}],
)
def test_a_string_is_not_a_list_of_letters(parts: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Identity(**{"user": "jane", **parts})  # type: ignore[arg-type]


@case("IM-30")
def test_more_than_a_head_holds_is_refused_by_the_limit() -> None:
    with pytest.raises(ValueError, match=str(HEADER_BYTES_MAX)):
        Identity(user="jane", groups=[f"group-{number}" * 10 for number in range(600)])


@case("IM-31")
def test_the_group_of_masters_must_be_meant() -> None:
    with pytest.raises(ValueError, match="system:masters"):
        Identity(user="jane", groups=["system:masters"])
    assert Identity(user="jane", groups=["system:masters"], allow_privileged=True).groups == ("system:masters",)


@case("IM-32")
def test_a_list_that_is_changed_later_changes_nothing() -> None:
    groups = ["a"]
    identity = Identity(user="jane", groups=groups)
    groups.append("system:masters")
    assert identity == Identity(user="jane", groups=("a",))
    assert hash(identity) == hash(Identity(user="jane", groups=("a",)))
    assert repr(identity) == "<Identity 'jane', 1 groups>"


def test_an_identity_is_added_and_the_request_stays_as_it_was() -> None:
    sent = Sent()
    request = Request("GET", "/", headers=Headers([("A", "b")]))
    Impersonating(sent, Identity(user="jane", groups=["a"])).round_trip(request)
    assert request.headers.items() == (("A", "b"),)
    added = (("Impersonate-User", "jane"), ("Impersonate-Group", "a"))
    assert sent.requests[0].headers.items() == (("A", "b"), *added)


@case("IM-56")
@pytest.mark.parametrize("name", ["impersonate-user", "Impersonate-Group", "IMPERSONATE_EXTRA-a", "Impersonate-New"])
def test_a_request_that_names_somebody_itself_is_refused(name: str) -> None:
    sent = Sent()
    with pytest.raises(InvalidArgument, match=name):
        Impersonating(sent, Identity(user="jane")).round_trip(Request("GET", "/", headers=Headers([(name, "x")])))
    assert not sent.requests


@case("IM-4")
@case("IM-6")
@case("IM-11")
@case("IM-12")
@case("IM-13")
@case("IM-15")
@case("IM-16")
def test_a_server_reads_back_what_was_said() -> None:
    identity = seen_by_servers.IDENTITY
    with APIServer() as server, Transport(TransportConfig(server=server.url, impersonate=identity)) as transport:
        seen = Client(transport).resource("authentication.k8s.io/v1/selfsubjectreviews").create({})
    assert seen["status"] == {"userInfo": seen_by_servers.USER_INFO}
