from __future__ import annotations

import pytest

from kubeprims.testing.apiserver.schema_patterns import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^a+$", "aa", True),
        ("^a$", "a\n", False),  # the end of the text, and not that of its last line
        (r"\Aa\z", "a", True),
        (r"^\d$", "٣", False),
        ("^[[:alpha:]_]+$", "ab_", True),
        ("^[^[:digit:]]$", "1", False),
        ("^[]a]+$", "]a", True),
        ("^[^]a]$", "]", False),
        ("^[[]$", "[", True),
        ("^[&&~~||]+$", "&~|", True),
        (r"^[\]$]$", "$", True),
        ("^(?:a|b)$", "b", True),
        ("(?i)^abc$", "ABC", True),
        ("^(?P<x>a)$", "a", True),
        (r"^\x41$", "A", True),
        ("a", "bab", True),
    ],
)
def test_an_expression_means_what_it_means_in_go(pattern: str, text: str, *, matches: bool) -> None:
    assert (compile_pattern(pattern).search(text) is not None) is matches


@pytest.mark.parametrize(
    "pattern",
    ["[", "a**", "(", r"\1", r"\pL", r"\Qa\E", "(?=a)", "(?!a)", "(?<=a)", "(?#x)", "[[:none:]]", "a" * 5000, r"\Z"],
)
def test_what_is_not_one_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"error parsing regexp|at most"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("(", "missing closing ): `(`"), ("a)", "unexpected ): `a)`"), ("*", "nothing to repeat")],
)
def test_what_is_wrong_with_a_pattern_is_said_in_words_of_go_where_they_are_known(pattern: str, words: str) -> None:
    with pytest.raises(ValueError, match="error parsing regexp: ") as caught:
        compile_pattern(pattern)
    assert words in str(caught.value)
