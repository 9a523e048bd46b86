"""Warning headers."""

from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.transport.message import Headers, Request, Response
from kubeprims.transport.warnings import (
    TEXT_LENGTH_MAX,
    WARNINGS_MAX,
    LogWarnings,
    ServerWarning,
    Warnings,
    WriteWarnings,
    drop_warnings,
    parse_warnings,
)
from tests.parity import case
from tests.transport.test_retry import Server


def parsed(*values: str) -> list[tuple[int, str, str]]:
    return [(warning.code, warning.agent, warning.text) for warning in parse_warnings(values)]


@case("IM-184")
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (('299 - "v1 is deprecated"',), [(299, "-", "v1 is deprecated")]),
        (('299 kube "a" "Wed, 21 Oct 2015 07:28:00 GMT"',), [(299, "kube", "a")]),
        (('299 - "a", 299 - "b",299 - "c"',), [(299, "-", "a"), (299, "-", "b"), (299, "-", "c")]),
        (('299 - "a"', '199 x "b"'), [(299, "-", "a"), (199, "x", "b")]),
        ((r'299 - "say \"no\", or \\"',), [(299, "-", r'say "no", or \ '.rstrip())]),
        (('299 - "a\tb\x1b[31m"',), [(299, "-", "ab[31m")]),
        (('299 - ""',), [(299, "-", "")]),
        (("299",), []),
        (('299 "text"',), []),
        (('2990 - "text"',), []),
        (('299 - "text',), []),
        (('299 - "a" nonsense, 299 - "b"',), []),
        (('299 - "a", nonsense', '299 - "b"'), [(299, "-", "a"), (299, "-", "b")]),
    ],
)
def test_warnings_are_parsed(values: tuple[str, ...], expected: list[tuple[int, str, str]]) -> None:
    assert parsed(*values) == expected


@given(st.lists(st.tuples(st.integers(100, 999), st.text(st.characters(min_codepoint=32, max_codepoint=126)))))
def test_what_is_quoted_comes_back(warnings: list[tuple[int, str]]) -> None:
    value = ", ".join(
        '{} - "{}"'.format(code, text.replace("\\", "\\\\").replace('"', '\\"')) for code, text in warnings
    )
    assert parsed(value) == [(code, "-", text) for code, text in warnings][:WARNINGS_MAX]


@given(st.lists(st.text()))
def test_any_header_is_parsed_within_bounds(values: list[str]) -> None:
    assert len(parsed(*values)) <= WARNINGS_MAX


def test_number_and_length_are_bounded() -> None:
    many = parsed(", ".join('299 - "' + "x" * (TEXT_LENGTH_MAX + 5) + '"' for _ in range(WARNINGS_MAX + 5)))
    assert len(many) == WARNINGS_MAX
    assert {len(text) for _, _, text in many} == {TEXT_LENGTH_MAX}


def answer(*values: str) -> Response:
    return Response(200, headers=Headers([("Warning", value) for value in values]))


@case("IM-184")
def test_a_handler_hears_each_text_of_code_299_once_for_an_answer() -> None:
    heard: list[ServerWarning] = []
    warnings = Warnings(Server(answer('299 - "a", 199 - "b", 299 - ""', '299 - "a"', '299 - "c"')), heard.append)
    warnings.round_trip(Request("GET", "/"))
    assert [warning.text for warning in heard] == ["a", "c"]
    warnings.round_trip(Request("GET", "/"))
    assert [warning.text for warning in heard] == ["a", "c", "a", "c"]


def test_what_a_handler_raises_reaches_the_caller_and_closes_the_answer() -> None:
    closed: list[bool] = []
    response = Response(200, headers=Headers([("Warning", '299 - "a"')]), close=lambda: closed.append(True))

    def refuse(warning: ServerWarning) -> None:
        raise RuntimeError(warning.text)

    with pytest.raises(RuntimeError):
        Warnings(Server(response), refuse).round_trip(Request("GET", "/"))
    assert closed == [True]


def test_the_log_gets_each_text_once(caplog: pytest.LogCaptureFixture) -> None:
    handler = LogWarnings()
    with caplog.at_level(logging.WARNING, "kubeprims.transport"):
        for text in ("a", "b", "a", "c", "b"):
            handler(ServerWarning(299, "-", text))
    assert [record.getMessage() for record in caplog.records] == [f"the API server warns: {text}" for text in "abc"]


def test_old_texts_are_forgotten() -> None:
    out = io.StringIO()
    handler = WriteWarnings(out)
    for number in range(1001):
        handler(ServerWarning(299, "-", str(number)))
    handler(ServerWarning(299, "-", "1000"))
    handler(ServerWarning(299, "-", "0"))
    assert out.getvalue().splitlines()[-2:] == ["Warning: 1000", "Warning: 0"]


def test_lines_are_written_with_or_without_colour_and_repeats() -> None:
    out = io.StringIO()
    handler = WriteWarnings(out, deduplicate=False, color=True)
    for _ in range(2):
        handler(ServerWarning(299, "-", "a"))
    drop_warnings(ServerWarning(299, "-", "b"))
    assert out.getvalue() == "\x1b[33;1mWarning:\x1b[0m a\n" * 2
