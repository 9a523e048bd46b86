"""Calls and their answers."""

from __future__ import annotations

import contextlib
import json
import math

import pytest

from kubeprims.client.api import Call, check_name, join_path
from kubeprims.errors import (
    ConnectError,
    DecodeError,
    Forbidden,
    InvalidArgument,
    LifecycleError,
    NotFound,
    UnexpectedContent,
)
from kubeprims.meta import JSONObject
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel
from kubeprims.transport.message import Request, Response
from tests.client.fake import FakeServer, response

GET = Call(method="GET", path="/api/v1/nodes/a")
NODE: JSONObject = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "a", "resourceVersion": "5"}}


def answering(body: JSONObject | bytes, *, status: int = 200, content_type: str = "application/json") -> FakeServer:
    return FakeServer(
        lambda request: response(body, status=status, headers=[("Content-Type", content_type)], request=request)
    )


def test_a_call_becomes_a_request_with_a_deadline_and_a_cancel() -> None:
    clock, cancel = VirtualClock(), Cancel()
    server = answering(NODE)
    api = server.api(clock)
    api.read_object(Call(method="PUT", path="/x", query=(("a", "b"),), body=b"{}", timeout_s=7, cancel=cancel))
    request = server.last
    assert (request.method, request.target, request.body, request.cancel) == ("PUT", "/x?a=b", b"{}", cancel)
    assert request.headers.items() == (("Accept", "application/json"), ("Content-Type", "application/json"))
    assert request.deadline.at_s == clock.monotonic() + 7


def test_a_call_that_does_not_say_may_take_a_minute_and_sends_no_body() -> None:
    clock = VirtualClock()
    server = answering(NODE)
    server.api(clock).read_object(GET)
    assert server.last.deadline.at_s == clock.monotonic() + 60
    assert server.last.body is None
    assert "Content-Type" not in server.last.headers


@pytest.mark.parametrize("timeout_s", [0, -1, math.inf, math.nan])
def test_a_call_with_a_bad_timeout_is_refused(timeout_s: float) -> None:
    with pytest.raises(InvalidArgument):
        Call(method="GET", path="/", timeout_s=timeout_s)


def test_an_object_is_read() -> None:
    node = answering(NODE).api().read_object(GET)
    assert (node.key, node.resource_version, node.to_dict()) == ("a", "5", NODE)


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "Status", "status": "Success"},
        {"kind": "Status", "metadata": {}, "status": "Success", "details": {"name": "x"}},
        {"kind": "SelfSubjectReview", "metadata": {"name": ""}, "status": {}},
        {"kind": "TokenReview", "metadata": None},
    ],
)
def test_an_answer_without_a_name_is_an_object_with_an_empty_key(content: JSONObject) -> None:
    answer = answering(content).api().read_object(GET)
    assert (answer.key, answer.name, answer.namespace, answer.labels) == ("", "", "", {})
    assert answer["kind"] == content["kind"]
    assert answer.to_dict() == content


def test_a_failure_that_comes_as_a_success_is_a_failure() -> None:
    body: JSONObject = {"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "gone"}
    with pytest.raises(NotFound, match="gone"):
        answering(body).api().read_object(GET)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b'{"metadata":{"name":7}}',
        b'{"metadata":{"name":{}}}',
        b'{"metadata":{"name":"a","labels":{"b":1}}}',
        b'{"metadata":[]}',
        b'{"metadata":{"name":"a"}',
    ],
)
def test_an_answer_that_is_no_object_is_told_with_its_url(body: bytes) -> None:
    with pytest.raises(DecodeError, match=r"GET http://127\.0\.0\.1:1/api/v1/nodes/a: "):
        answering(body).api().read_object(GET)


def test_a_document_is_read() -> None:
    assert answering({"a": 1}).api().read_json(GET) == {"a": 1}
    with pytest.raises(DecodeError, match="http://127"):
        answering(b"[]").api().read_json(GET)


def test_a_list_is_read_item_by_item() -> None:
    document: JSONObject = {"kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": []}
    document["items"] = [NODE]
    with answering(document).api().open_list(GET) as stream:
        (item,) = stream
        assert json.loads(item[4]) == NODE
        assert stream.resource_version == "9"


@pytest.mark.parametrize(
    "body", [b'{"kind":"NodeList","items":[', b'{"kind":"Table","apiVersion":"meta.k8s.io/v1"}', b"x", b"{}"]
)
def test_a_list_that_is_none_or_breaks_off_is_told_with_its_url(body: bytes) -> None:
    def read() -> None:
        with answering(body).api().open_list(GET) as stream:
            list(stream)

    with pytest.raises(DecodeError, match=r"GET http://127\.0\.0\.1:1/api/v1/nodes/a: "):
        read()


def closing(answer: Response, closed: list[bool]) -> Response:
    answer._close = lambda: closed.append(True)
    return answer


@pytest.mark.parametrize(
    ("body", "status", "content_type", "error_class"),
    [
        (b"{", 200, "application/json", DecodeError),
        (b"no", 403, "text/plain", Forbidden),
        (b"<html>", 200, "text/html", UnexpectedContent),
        (b'{"kind":"Status"}', 200, "application/json", None),
    ],
)
def test_every_answer_is_closed_whatever_becomes_of_it(
    body: bytes, status: int, content_type: str, error_class: type[Exception] | None
) -> None:
    closed: list[bool] = []
    answer = closing(response(body, status=status, headers=[("Content-Type", content_type)]), closed)
    with pytest.raises(error_class) if error_class else contextlib.nullcontext():
        FakeServer(lambda request: answer).api().read_object(GET)
    assert closed == [True]


def test_what_the_transport_raises_is_told_as_it_is() -> None:
    failure = ConnectError("refused", method="GET", url="http://x")

    def refuse(request: Request) -> Response:
        raise failure

    with pytest.raises(ConnectError) as caught:
        FakeServer(refuse).api().read_object(GET)
    assert caught.value is failure


def test_a_closed_api_sends_nothing() -> None:
    server = answering(NODE)
    api = server.api()
    api.close()
    with pytest.raises(LifecycleError, match="closed"):
        api.read_object(GET)
    assert server.requests == []


def test_segments_are_joined_encoded() -> None:
    assert join_path("/api/v1", "nodes", "a b") == "/api/v1/nodes/a%20b"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
def test_a_name_that_could_change_the_url_is_refused(name: str) -> None:
    assert check_name("a:b") == "a:b"
    with pytest.raises(InvalidArgument, match="a name may not be"):
        check_name(name)
