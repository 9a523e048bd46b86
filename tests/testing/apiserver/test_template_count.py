"""How many templates a daemon set has had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.template_count import begin_template_count, count_template, read_template_count
from tests.testing.apiserver.backends import part

COUNT = "deprecated.daemonset.template.generation"


def daemon_set(count: JSONValue = None) -> JSONObject:
    return {"metadata": {"annotations": {"x": "y", **({} if count is None else {COUNT: count})}}}


def noted(obj: JSONObject) -> object:
    return part(obj, "metadata", "annotations")


@pytest.mark.parametrize(
    ("given_count", "count"),
    [(None, "0"), ("7", "7"), ("+007", "7"), ("-1", "-1"), (str(2**63 - 1), str(2**63 - 1))],
)
def test_a_count_is_read_as_a_number(given_count: JSONValue, count: str) -> None:
    obj = daemon_set(given_count)
    read_template_count(obj)
    assert noted(obj) == {"x": "y", COUNT: count}


@pytest.mark.parametrize("text", ["", "many", "1_0", " 1", "1\n", "0x1", "\u0663"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="invalid syntax"):
        read_template_count(daemon_set(text))


@pytest.mark.parametrize("text", [str(2**63), str(-(2**63) - 1), "9" * 5_000])
def test_a_number_that_is_too_large_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="value out of range"):
        read_template_count(daemon_set(text))


@pytest.mark.parametrize(("given_count", "count"), [("0", "1"), ("-5", "1"), ("1", "1"), ("9", "9")])
def test_a_new_daemon_set_has_had_a_template(given_count: str, count: str) -> None:
    obj = daemon_set(given_count)
    begin_template_count(obj)
    assert noted(obj) == {"x": "y", COUNT: count}


@given(st.integers(0, 2**62), st.integers(-5, 2**62), st.booleans())
def test_only_another_template_is_counted_whatever_a_client_says(old: int, claimed: int, is_other: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    obj, existing = daemon_set(str(claimed)), daemon_set(str(old))
    count_template(obj, existing, is_other=is_other)
    assert noted(obj) == {"x": "y", COUNT: str(old + is_other)}
    assert noted(existing) == {"x": "y", COUNT: str(old)}
