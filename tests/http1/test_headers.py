from __future__ import annotations

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.http1 import Headers, Limits, RemoteProtocolError
from kubeprims.http1.headers import encode_head, encode_trailers, is_token, parse_content_length, parse_header_lines

LIMITS = Limits()


def parse(*lines: str) -> Headers:
    return parse_header_lines(lines, LIMITS)


def test_names_are_lowered_and_values_are_trimmed_but_not_changed() -> None:
    headers = parse("X-A: \t a \t b \t", "x-a:", "X-B:\xe9:\xff")
    assert headers == (("x-a", "a \t b"), ("x-a", ""), ("x-b", "\xe9:\xff"))


def test_headers_are_looked_up_by_lower_case_name() -> None:
    headers = Headers([("a", "1"), ("b", "2"), ("a", "3")])
    assert headers.get("a") == "1"
    assert headers.get("c") is None
    assert headers.get_all("a") == ["1", "3"]
    assert headers.get_all("c") == []


def test_tokens_come_from_all_lines_in_lower_case_without_empty_members() -> None:
    headers = Headers([("connection", " Keep-Alive ,, Upgrade"), ("via", "x"), ("connection", "\tclose\t,")])
    assert headers.tokens("connection") == ["keep-alive", "upgrade", "close"]


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (" folded: x", "begins with white space"),
        ("\tfolded", "begins with white space"),
        ("no colon", "no colon"),
        ("name : x", "white space between"),
        ("name\t: x", "white space between"),
        (": x", "is empty"),
        ("na me: x", "not a token"),
        ("na\xefve: x", "not a token"),
        ("a,b: x", "not a token"),
    ],
)
def test_a_line_that_servers_read_in_different_ways_is_refused(line: str, detail: str) -> None:
    with pytest.raises(RemoteProtocolError, match=detail) as caught:
        parse("A: b", line)
    assert caught.value.status_code == 400
    assert caught.value.raw == line.encode("latin-1")


def test_too_many_lines_are_refused() -> None:
    lines = ["a: b"] * LIMITS.header_count_max
    assert len(parse(*lines)) == LIMITS.header_count_max
    with pytest.raises(RemoteProtocolError, match="more than 128 header lines") as caught:
        parse(*lines, "a: b")
    assert caught.value.status_code == 431


def test_a_length_is_one_plain_decimal_number() -> None:
    assert parse_content_length([]) is None
    assert parse_content_length(["0"]) == 0
    assert parse_content_length(["007"]) == 7
    assert parse_content_length(["9" * 18]) == 10**18 - 1


@pytest.mark.parametrize(
    "values",
    [
        ["1", "1"],
        ["1", "2"],
        ["+3"],
        ["-1"],
        ["0x3"],
        ["3,3"],
        ["3 3"],
        ["1" * 19],
        ["\xb2"],
        ["\u0663"],
        ["1_0"],
        [""],
    ],
)
def test_any_other_length_is_refused(values: list[str]) -> None:
    with pytest.raises(RemoteProtocolError, match="Content-Length"):
        parse_content_length([value.encode("utf-8").decode("latin-1") for value in values])


def test_a_head_is_written_in_the_order_and_spelling_given() -> None:
    head = encode_head("HTTP/1.1 200 OK", [("X-A", "1"), ("x-a", ""), ("B", "\xe9\t!")])
    assert head == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: \r\nB: \xe9\t!\r\n\r\n"
    assert encode_trailers([]) == b"\r\n"
    assert encode_trailers([("a", "b")]) == b"a: b\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0b", "\x1b", "\x7f", "\u0100", "\ud800"])
def test_a_value_that_would_break_out_of_its_line_is_not_written_and_not_quoted(value: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        encode_head("HTTP/1.1 200 OK", [("authorization", f"secret {value}")])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "\xe9", "a\n"])
def test_a_name_that_is_not_a_token_is_not_written(name: str) -> None:
    assert not is_token(name)
    with pytest.raises(InvalidArgument):
        encode_trailers([(name, "x")])
