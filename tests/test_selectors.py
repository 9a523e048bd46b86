from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import InvalidArgument, InvalidSelector
from kubeprims.selectors import (
    FieldRequirement,
    FieldSelector,
    LabelSelector,
    Operator,
    Requirement,
    dns_subdomain_problems,
    label_key_problems,
    label_value_problems,
)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        (" \t\r\n", ""),
        ("a", "a"),
        ("!a", "!a"),
        (" ! a ", "!a"),
        ("a=b", "a=b"),
        ("a==b", "a==b"),
        ("a!=b", "a!=b"),
        ("a = b , c", "a=b,c"),
        ("a=", "a="),
        ("a=,b", "a=,b"),
        ("c,b,a", "a,b,c"),
        ("a in (c,b,b)", "a in (b,c)"),
        ("a in()", "a in ()"),
        ("a in (,)", "a in ()"),
        ("a in (,b)", "a in (,b)"),
        ("a in (b,)", "a in (,b)"),
        ("a in (b,,c)", "a in (,b,c)"),
        ("a notin (b)", "a notin (b)"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("notin=in", "notin=in"),
        ("a>1", "a>1"),
        ("a<1", "a<1"),
        ("example.com/a=b", "example.com/a=b"),
        ("a=b,c==d,e!=f,g in (h,i),j notin (k),!m,l", "a=b,c==d,e!=f,g in (h,i),j notin (k),l,!m"),
    ],
)
def test_a_label_selector_prints_in_its_canonical_form(text: str, printed: str) -> None:
    selector = LabelSelector.parse(text)
    assert str(selector) == printed
    assert LabelSelector.parse(printed) == selector


# The texts are what a kube-apiserver 1.37 answers for the same selectors.
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("a in (,", "unable to parse requirement: found '', expected: ',', or identifier"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a,", "found '', expected: identifier after ','"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        (
            "a>b",
            (
                "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, "
                "the value must be an integer"
            ),
        ),
        (
            "a/b/c",
            (
                'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must consist of '
                "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
                "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')"
            ),
        ),
        (
            'a="',
            (
                'unable to parse requirement: values[0][a]: Invalid value: "\\"": a valid label must be an empty '
                "string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
                "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ),
        ),
    ],
)
def test_a_label_selector_that_does_not_parse_says_why_in_the_servers_words(text: str, detail: str) -> None:
    with pytest.raises(InvalidSelector) as caught:
        LabelSelector.parse(text)
    assert caught.value.detail == detail
    assert caught.value.selector == text
    assert str(caught.value) == f"selector {text!r}: {detail}"
    assert isinstance(caught.value, InvalidArgument)


def test_several_bad_values_are_all_named() -> None:
    with pytest.raises(InvalidSelector, match=r"requirement: \[values\[0\]\[a\]: .*, values\[1\]\[a\]: .*\]$"):
        LabelSelector.parse("a in (-b,-c)")


def test_a_nul_character_does_not_end_the_text() -> None:
    with pytest.raises(InvalidSelector):
        LabelSelector.parse("a=b\x00,c")


@pytest.mark.parametrize(
    ("text", "labels", "selected"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("!a", {"a": "b"}, False),
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a==b", {}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a in (b,c)", {"a": "c"}, True),
        ("a in ()", {"a": ""}, True),
        ("a in (b)", {}, False),
        ("a notin (b)", {}, True),
        ("a notin (b)", {"a": "b"}, False),
        ("a notin (b)", {"a": "c"}, True),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "5"}, False),
        ("a<5", {"a": "+4"}, True),
        ("a<5", {"a": "x"}, False),
        ("a<5", {"a": "-9223372036854775809"}, False),
        ("a<5", {}, False),
        ("a=b,c=d", {"a": "b"}, False),
        ("a=b,c=d", {"a": "b", "c": "d", "e": "f"}, True),
    ],
)
def test_a_label_selector_selects_by_all_its_requirements(text: str, labels: dict[str, str], *, selected: bool) -> None:
    assert LabelSelector.parse(text).matches(labels) is selected


def test_a_requirement_out_of_range_compares_with_nothing() -> None:
    assert not Requirement("a", Operator.GREATER_THAN, ("9223372036854775808",)).matches({"a": "1"})


_label_values = st.from_regex(r"([a-z0-9][-a-z0-9_.]{0,5})?[a-z0-9]", fullmatch=True) | st.just("")
_label_keys = st.from_regex(r"(ex\.com/)?[A-Za-z0-9]{1,4}", fullmatch=True)
_value_tuples = st.sets(_label_values, min_size=1, max_size=3).map(lambda values: tuple(sorted(values)))
_requirements = st.one_of(
    st.builds(Requirement, _label_keys, st.sampled_from([Operator.IN, Operator.NOT_IN]), _value_tuples),
    st.builds(
        Requirement,
        _label_keys,
        st.sampled_from([Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.NOT_EQUALS]),
        _label_values.map(lambda value: (value,)),
    ),
    st.builds(
        Requirement,
        _label_keys,
        st.sampled_from([Operator.GREATER_THAN, Operator.LESS_THAN]),
        st.integers(0, 99).map(lambda number: (str(number),)),
    ),
    st.builds(Requirement, _label_keys, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST])),
)


@given(st.lists(_requirements, max_size=4))
def test_every_label_selector_comes_back_from_its_text(requirements: list[Requirement]) -> None:
    selector = LabelSelector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))
    assert LabelSelector.parse(str(selector)) == selector


@given(st.text("ab,=!()<> in\\\x00-é"))
def test_no_text_makes_a_parser_fail_otherwise_than_by_its_error(text: str) -> None:
    for parse in (LabelSelector.parse, FieldSelector.parse):
        try:
            printed = str(parse(text))
        except InvalidSelector:
            continue
        assert str(parse(printed)) == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        (",", ""),
        ("metadata.name=x", "metadata.name=x"),
        ("metadata.name==x", "metadata.name=x"),
        ("status.phase!=Running,metadata.name=x", "metadata.name=x,status.phase!=Running"),
        ("a=", "a="),
        ("a!=,", "a!="),
        (r"a=b\,c\=d\\", r"a=b\,c\=d\\"),
    ],
)
def test_a_field_selector_prints_in_its_canonical_form(text: str, printed: str) -> None:
    selector = FieldSelector.parse(text)
    assert str(selector) == printed
    assert FieldSelector.parse(printed) == selector


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("b=c,a", "invalid selector: 'b=c,a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
        ("a=b\\x", "invalid field selector: invalid escape sequence: \\x"),
        ("a=\\x=", "invalid field selector: invalid escape sequence: \\x"),
    ],
)
def test_a_field_selector_that_does_not_parse_says_why_in_the_servers_words(text: str, detail: str) -> None:
    with pytest.raises(InvalidSelector) as caught:
        FieldSelector.parse(text)
    assert caught.value.detail == detail


@given(st.lists(st.builds(FieldRequirement, st.sampled_from(["a.b", "c"]), st.text(max_size=6), st.booleans())))
def test_every_field_selector_comes_back_from_its_text(requirements: list[FieldRequirement]) -> None:
    selector = FieldSelector.parse(",".join(map(str, requirements)))
    assert sorted(map(str, selector.requirements)) == sorted(map(str, requirements))


@pytest.mark.parametrize(
    ("text", "fields", "selected"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a=", {}, True),
        ("a=b,c!=d", {"a": "b", "c": "d"}, False),
        ("a=b,c!=d", {"a": "b", "c": "e"}, True),
    ],
)
def test_a_field_selector_takes_an_absent_field_for_an_empty_one(
    text: str, fields: dict[str, str], *, selected: bool
) -> None:
    assert FieldSelector.parse(text).matches(fields.get) is selected


def test_names_that_break_the_rules_are_told_all_of_them() -> None:
    assert not label_key_problems("example.com/" + "a" * 63)
    assert label_key_problems("a" * 64) == ["name part must be no more than 63 bytes"]
    assert label_key_problems("/a") == ["prefix part must be non-empty"]
    assert label_key_problems("")[0] == "name part must be non-empty"
    assert len(label_key_problems("-/-")) == 2
    assert not label_value_problems("")
    assert label_value_problems("a" * 64) == ["must be no more than 63 bytes"]
    assert not dns_subdomain_problems("a-1.b")
    assert dns_subdomain_problems("a" * 254) == ["must be no more than 253 bytes"]
    assert dns_subdomain_problems("A")


@pytest.mark.parametrize("kind", [LabelSelector, FieldSelector])
@pytest.mark.parametrize("text", [{"app": "web"}, None, 5])
def test_what_is_no_text_is_no_selector(kind: type[LabelSelector | FieldSelector], text: object) -> None:
    with pytest.raises(InvalidSelector, match="a selector is a text, such as app=web"):
        kind.parse(cast("str", text))
