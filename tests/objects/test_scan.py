from __future__ import annotations

import pytest

from kubeprims.errors import DecodeError
from kubeprims.objects import scan


@pytest.mark.parametrize(
    "value", ['"a"', '"\\""', '"]}"', "12 ", "true,", "[]", "{}", '{"a":[1,{"b":"]}"}]}', '[ "\\\\" ]', "NaN "]
)
def test_a_value_ends_where_its_quotes_or_brackets_do(value: str) -> None:
    assert scan.skip_value("x" + value + " rest", 1) == 1 + len(value.rstrip(" ,"))


@pytest.mark.parametrize("text", ['"a', '"a\\"', "[", '{"a":"', "[[]", "12", '["a]'])
def test_text_that_ends_inside_a_value_is_truncated(text: str) -> None:
    with pytest.raises(scan.Truncated):
        scan.skip_value(text, 0)


@pytest.mark.parametrize(("text", "reason"), [("[}", "brackets do not match"), ("}", "no value"), (",", "no value")])
def test_text_without_a_value_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        scan.skip_value(text, 0)


@pytest.mark.parametrize("text", ["[" * (scan.DEPTH_MAX + 1), '{"a":' * (scan.DEPTH_MAX + 1)])
def test_the_end_of_a_value_is_not_looked_for_beyond_a_certain_depth(text: str) -> None:
    with pytest.raises(DecodeError, match=r"more than 100000 levels deep"):
        scan.skip_value(text, 0)


def test_members_are_found_with_their_places() -> None:
    text = ' { "a" : 1 , "\\u0062":{"c":2}} '
    members, end = scan.members(text, 1)
    assert [(member.key, text[member.value : member.end]) for member in members] == [("a", "1"), ("b", '{"c":2}')]
    assert text[members[1].start] == '"'
    assert end == len(text) - 1
    assert scan.members("{ }", 0) == ([], 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "no object"),
        ("{1:2}", "no key"),
        ('{"a" 1}', "no colon"),
        ('{"a":1 "b":2}', "no comma"),
        ('{"a":1,}', "no key"),
        ('{"\\x":1}', "escape"),
    ],
)
def test_what_is_not_an_object_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        scan.members(text, 0)


@pytest.mark.parametrize("text", ["{", '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":{}'])
def test_an_object_that_breaks_off_is_truncated(text: str) -> None:
    with pytest.raises(scan.Truncated):
        scan.members(text, 0)
