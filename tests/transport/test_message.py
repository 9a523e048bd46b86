"""Headers, requests and responses."""

from __future__ import annotations

import pytest

from kubeprims.errors import ConnectionLost, InvalidArgument, LifecycleError, ProtocolError
from kubeprims.transport.message import Headers, Request, Response


def test_headers_compare_without_case_and_keep_order_and_repetition() -> None:
    headers = Headers([("Warning", "a"), ("Accept", "x"), ("warning", "b")])
    assert headers.get("WARNING") == "a"
    assert headers.get_all("warning") == ("a", "b")
    assert headers.get("no") is None
    assert headers.get("no", "d") == "d"
    assert "accept" in headers
    assert 3 not in headers
    assert list(headers) == list(headers.items())
    assert len(headers) == 3
    assert headers == Headers([("warning", "a"), ("ACCEPT", "x"), ("Warning", "b")])
    assert hash(headers) == hash(Headers([("warning", "a"), ("ACCEPT", "x"), ("Warning", "b")]))
    assert headers != Headers()
    assert headers != "Warning: a"


def test_changing_headers_gives_others() -> None:
    headers = Headers([("A", "1"), ("B", "2"), ("a", "3")])
    assert headers.with_added("C", "4").items() == (("A", "1"), ("B", "2"), ("a", "3"), ("C", "4"))
    assert headers.with_replaced("A", "5").items() == (("B", "2"), ("A", "5"))
    assert headers.without("b", "A").items() == ()
    assert len(headers) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "x"), ("a b", "x"), ("a:", "x"), ("ä", "x"), ("a", "x\ry"), ("a", "x\nImpersonate-User: root"), ("a", "\0")],
)
def test_a_header_that_would_break_the_head_is_refused_without_showing_the_value(name: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Headers([(name, value)])
    assert "root" not in str(caught.value)


def test_a_header_value_outside_latin_1_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="latin-1"):
        Headers().with_added("X", "€")


def test_the_repr_of_headers_and_requests_shows_no_secret() -> None:
    headers = Headers([("Authorization", "Bearer s3cret"), ("Impersonate-Extra-t", "s3cret"), ("Accept", "json")])
    request = Request("POST", "/api", (("access_token", "s3cret"), ("limit", "5")), headers, b"s3cret")
    assert "s3cret" not in repr(headers) + repr(request)
    assert "json" in repr(headers)
    assert "limit=5" in repr(request)
    assert "6 bytes" in repr(request)
    assert repr(Request("GET", "/x")) == "<Request GET /x>"


def test_the_query_is_encoded_and_the_path_is_not() -> None:
    request = Request("GET", "/a%2Fb", (("labelSelector", "a in (b, c)"), ("x", "&=/ü")))
    assert request.target == "/a%2Fb?labelSelector=a%20in%20%28b%2C%20c%29&x=%26%3D%2F%C3%BC"


@pytest.mark.parametrize("path", ["", "api", "/a b", "/a?b", "/a#b", "/a\r\nb", "/ü"])
def test_a_path_that_is_not_encoded_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match="path"):
        Request("GET", path)


def test_what_is_refused_shows_no_secret() -> None:
    with pytest.raises(InvalidArgument) as caught:
        Request("GET", "/api?token=s3cret")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(InvalidArgument, match="Authorization holds characters outside latin-1") as caught:
        Headers([("Authorization", "Bearer s3cret\u20ac")])
    assert caught.value.__context__ is None  # an error of the codec would hold all of it


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n"])
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    with pytest.raises(InvalidArgument, match="method"):
        Request(method, "/")


def test_a_body_is_read_once_in_parts_or_as_a_whole() -> None:
    response = Response(200, reason="OK", body=iter([b"a", b"b"]))
    assert list(response.chunks()) == [b"a", b"b"]
    with pytest.raises(LifecycleError):
        response.chunks()
    assert Response(200, body=[b"a", b"b"]).read() == b"ab"
    assert repr(response) == "<Response 200 OK>"


def test_a_body_beyond_the_limit_is_an_error_and_lets_go_of_the_connection() -> None:
    closed: list[int] = []
    response = Response(
        200, body=[b"abc", b"def"], close=lambda: closed.append(1), method="GET", url="https://server/api"
    )
    with pytest.raises(ProtocolError, match="GET https://server/api: the body is longer than 5 bytes"):
        response.read(limit_bytes=5)
    assert closed == [1]


def test_leaving_a_response_closes_it_once() -> None:
    closed: list[int] = []
    with Response(200, body=[b"abc"], close=lambda: closed.append(1)) as response:
        response.close()
    assert closed == [1]
    with pytest.raises(LifecycleError):
        response.read()
    response.drain()


def test_draining_reads_the_rest_up_to_a_limit_and_closes() -> None:
    body = iter([b"a", b"b", b"c", b"d"])
    closed: list[int] = []
    response = Response(200, body=body, close=lambda: closed.append(1))
    assert next(response.chunks()) == b"a"
    response.drain(limit_bytes=1)
    assert list(body) == [b"d"]
    assert closed == [1]


def test_draining_a_broken_body_is_no_error() -> None:
    def broken() -> object:
        yield b"a"
        raise ConnectionLost("cut")

    closed: list[int] = []
    Response(200, body=broken(), close=lambda: closed.append(1)).drain()  # type: ignore[arg-type]
    assert closed == [1]
