from __future__ import annotations

import pytest

from kubeprims.http1 import Limits, RemoteProtocolError, TargetForm
from kubeprims.http1.events import Request
from kubeprims.http1.heads import BlockReader, parse_request_head


def parse(*lines: str, **limits: int) -> Request:
    return parse_request_head(list(lines), Limits(**limits))


def refusal(*lines: str, **limits: int) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(*lines, **limits)
    return caught.value


# Collecting a block.


def feed_in_pieces(reader: BlockReader, data: bytes, size: int) -> None:
    for position in range(0, len(data), size):
        reader.feed(data[position : position + size])


def test_a_block_ends_at_the_first_empty_line_however_it_is_cut() -> None:
    block = b"one\r\n two\t\xff\r\n\r\nrest\r\n\r\n"
    for size in range(1, len(block) + 1):
        reader = BlockReader(100, name="head")
        assert reader.is_empty
        for position in range(0, len(block), size):
            lines = reader.feed(block[position : position + size])
            if lines is not None:
                assert lines == ["one", " two\t\xff"]
                assert reader.unused == block[15 : position + size]
                break
            assert not reader.is_empty
        else:
            pytest.fail("the block did not end")


def test_a_block_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert BlockReader(8, name="head").feed(b"abcd\r\n\r\n") == ["abcd"]
    assert BlockReader(8, name="head").feed(b"abcdefgh") is None
    for block in (b"abcde\r\n\r\n", b"abcdefghi", b"abcdefg\r\n"):
        with pytest.raises(RemoteProtocolError, match="the head is longer than 8 bytes") as caught:
            BlockReader(8, name="head").feed(block)
        assert caught.value.status_code == 431


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"abc\n", "a bare LF"),
        (b"abc\r\r\n", "a bare CR"),
        (b"abc\rd", "a bare CR"),
        (b"abc\0", "a NUL byte"),
        (b"abc\x0b", "a control character"),
        (b"abc\x7f", "a control character"),
        (b"\x16\x03\x01", "a control character"),
        (b"a\r\n\nb\r\n\r\n", "a bare LF"),
    ],
)
def test_a_stray_byte_is_refused_as_soon_as_it_shows(data: bytes, detail: str) -> None:
    for size in (1, len(data)):
        reader = BlockReader(100, name="head")
        with pytest.raises(RemoteProtocolError, match=f"{detail} in the head") as caught:
            feed_in_pieces(reader, data, size)
        assert caught.value.status_code == 400
        assert caught.value.raw


def test_the_first_fault_counts_whether_it_is_a_stray_byte_or_the_length() -> None:
    with pytest.raises(RemoteProtocolError, match="bare LF"):
        BlockReader(8, name="head").feed(b"abc\ndefghijk\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match="longer"):
        BlockReader(8, name="head").feed(b"abcdefgh\nijk\r\n\r\n")


# What a head says.


def test_a_plain_request() -> None:
    request = parse("GET /a?b=c HTTP/1.1", "Host: x:1", "Accept: */*")
    assert (request.method, request.target, request.path, request.query) == ("GET", "/a?b=c", "/a", "b=c")
    assert (request.form, request.authority) == (TargetForm.ORIGIN, "x:1")
    assert request.headers == (("host", "x:1"), ("accept", "*/*"))
    assert (request.http_version, request.content_length, request.expects_continue) == ("1.1", 0, False)


def test_methods_are_tokens_and_keep_their_case() -> None:
    assert parse("m-search! / HTTP/1.1", "Host: a").method == "m-search!"
    assert refusal("G{T / HTTP/1.1", "Host: a").detail == "the method is not a token"
    assert refusal(" / HTTP/1.1", "Host: a").detail == "the method is not a token"


@pytest.mark.parametrize("line", ["", "GET", "GET /", "GET  / HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.1 "])
def test_a_request_line_has_three_parts(line: str) -> None:
    assert "the request line is not" in refusal(line, "Host: a").detail


@pytest.mark.parametrize(
    ("protocol", "status_code"),
    [
        ("HTTP/2.0", 505),
        ("HTTP/1.2", 505),
        ("HTTP/0.9", 505),
        ("HTTP/1.10", 400),
        ("HTTP/01.1", 400),
        ("http/1.1", 400),
        ("HTTP/1,1", 400),
        ("HTTP/1.\u00b2", 400),
        ("HTTPS/1.1", 400),
    ],
)
def test_other_versions_are_refused(protocol: str, status_code: int) -> None:
    assert refusal(f"GET / {protocol}", "Host: a").status_code == status_code


def test_a_host_is_needed_but_in_http_1_0() -> None:
    assert refusal("GET / HTTP/1.1").detail == "no Host header"
    assert parse("GET / HTTP/1.0").authority == ""
    assert parse("GET / HTTP/1.0", "Host: a").authority == "a"


@pytest.mark.parametrize("host", ["", "a@b", "a/b", "a b", "a,b c", "http://a"])
def test_a_host_is_nothing_but_a_host(host: str) -> None:
    assert refusal("GET / HTTP/1.1", f"Host: {host}").detail == "the Host header is not a host"
    assert refusal("GET / HTTP/1.0", f"Host: {host}").detail == "the Host header is not a host"


def test_one_host_only_even_if_they_agree() -> None:
    assert refusal("GET / HTTP/1.1", "Host: a", "host: a").detail == "more than one Host header"


def test_an_absolute_target_names_the_host_of_the_header() -> None:
    assert parse("GET http://A/x HTTP/1.1", "Host: a").authority == "A"
    assert parse("GET http://a/x HTTP/1.0").authority == "a"
    assert "not that of the Host header" in refusal("GET http://a/x HTTP/1.1", "Host: b").detail


def test_the_body_is_as_long_as_declared_or_chunked() -> None:
    assert parse("GET / HTTP/1.1", "Host: a", "Content-Length: 7").content_length == 7
    assert parse("GET / HTTP/1.0", "Content-Length: 7").content_length == 7
    assert parse("GET / HTTP/1.1", "Host: a", "Transfer-Encoding: ChunKed").content_length is None


@pytest.mark.parametrize(
    "coding",
    ["", "identity", "xchunked", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked;q=1", '"chunked"'],
)
def test_no_other_transfer_coding_is_understood(coding: str) -> None:
    assert refusal("PUT / HTTP/1.1", "Host: a", f"Transfer-Encoding: {coding}").status_code == 501


def test_two_transfer_encodings_are_not_understood_even_if_they_agree() -> None:
    two = ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")
    assert refusal("PUT / HTTP/1.1", "Host: a", *two).status_code == 501


@pytest.mark.parametrize("length", ["0", "3"])
def test_a_length_beside_a_transfer_encoding_is_refused(length: str) -> None:
    both = (f"Content-Length: {length}", "Transfer-Encoding: chunked")
    assert refusal("PUT / HTTP/1.1", "Host: a", *both).detail == "Transfer-Encoding beside Content-Length"
    assert refusal("PUT / HTTP/1.1", "Host: a", *reversed(both)).status_code == 400


def test_no_transfer_encoding_in_http_1_0() -> None:
    assert refusal("PUT / HTTP/1.0", "Transfer-Encoding: chunked").detail == "Transfer-Encoding in HTTP/1.0"


def test_a_declared_body_over_the_limit_is_refused_before_it_comes() -> None:
    assert parse("PUT / HTTP/1.1", "Host: a", "Content-Length: 4", body_bytes_max=4).content_length == 4
    assert refusal("PUT / HTTP/1.1", "Host: a", "Content-Length: 5", body_bytes_max=4).status_code == 413


def test_the_client_may_wait_for_leave_to_send_a_body() -> None:
    expect = "Expect: 100-Continue"
    assert parse("PUT / HTTP/1.1", "Host: a", "Content-Length: 1", expect).expects_continue
    assert parse("PUT / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", expect).expects_continue
    assert not parse("PUT / HTTP/1.1", "Host: a", expect).expects_continue
    assert not parse("PUT / HTTP/1.0", "Content-Length: 1", expect).expects_continue


def test_other_expectations_cannot_be_met() -> None:
    assert refusal("PUT / HTTP/1.1", "Host: a", "Expect: 100-continue, x").status_code == 417
    assert parse("PUT / HTTP/1.0", "Expect: x").content_length == 0
