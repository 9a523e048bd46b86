"""What the words of a command mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.cli.references import Reference, parse_references
from kubeprims.errors import InvalidArgument


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["pods"], [("pods", "")]),
        (["pods", "a", "b"], [("pods", "a"), ("pods", "b")]),
        (["pods,deploy"], [("pods", ""), ("deploy", "")]),
        (["pods,deploy", "a"], [("pods", "a"), ("deploy", "a")]),
        (["pod/a", "deploy/b"], [("pod", "a"), ("deploy", "b")]),
        (["deployments.apps/a"], [("deployments.apps", "a")]),
        (["v1/pods"], [("v1/pods", "")]),
        (["apps/v1/deployments", "a"], [("apps/v1/deployments", "a")]),
        (["v1/pods/a"], [("v1/pods", "a")]),
        (["apps/v1/deployments/a"], [("apps/v1/deployments", "a")]),
    ],
)
def test_types_and_names_are_understood(words: list[str], meant: list[tuple[str, str]]) -> None:
    assert parse_references(words) == [Reference(*pair) for pair in meant]


@pytest.mark.parametrize(
    "words",
    [
        [""],
        ["pods,"],
        [",pods"],
        ["pods", ""],
        ["pods", "pod/a"],
        ["pod/a", "b"],
        ["pod/"],
        ["/a"],
        ["a/b/c"],
        ["pod/a", "x/y/z"],
    ],
)
def test_words_of_another_form_are_refused(words: list[str]) -> None:
    with pytest.raises(InvalidArgument):
        parse_references(words)


@given(st.lists(st.text(alphabet="av1/,. "), min_size=1))
def test_any_words_are_references_or_one_error(words: list[str]) -> None:
    try:
        assert all(reference.resource for reference in parse_references(words))
    except InvalidArgument:
        return
