from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.testing.apiserver.quantities import QUANTITY_RULE, parse_amount, parse_quantity


# The right column is what a kube-apiserver 1.37 makes of the left.
@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("5.", "5"),
        ("+1", "1"),
        ("-1", "-1"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1023", "1023"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1e0", "1"),
        ("1E", "1E"),
        ("12000000", "12M"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("1Ei", "1Ei"),
        ("100u", "100u"),
        ("1.0001Ki", "1024102400u"),
        ("1025.5Mi", "1050112Ki"),
    ],
)
def test_an_amount_has_one_canonical_form(text: str, canonical: str) -> None:
    assert parse_quantity(text).text == canonical


# As above.
@pytest.mark.parametrize(
    ("text", "canonical"),
    [("1u", "1m"), ("-1u", "-1m"), ("1.5", "1500m"), ("1.0001Ki", "1024103m"), ("1e-5", "1e-3"), ("0", "0")],
)
def test_amounts_of_resources_are_counted_in_thousandths(text: str, canonical: str) -> None:
    assert parse_amount(text).text == canonical


@given(st.decimals(-(10**9), 10**9, places=9), st.sampled_from(["", "m", "k", "Ki", "Mi"]))
def test_rounding_takes_nothing_away_and_adds_less_than_a_thousandth(number: Decimal, suffix: str) -> None:
    exact = parse_quantity(f"{number:f}{suffix}").value
    rounded = parse_amount(f"{number:f}{suffix}")
    assert 0 <= abs(rounded.value) - abs(exact) < Decimal("0.001")
    assert parse_amount(rounded.text) == rounded


@pytest.mark.parametrize("text", ["", ".", "x", "1x", "1 Gi", "1kk", "--1", "1e", "1e99999", "1" * 300, "1Gi\n"])
def test_what_is_no_amount_is_refused_in_upstreams_words(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression") as caught:
        parse_quantity(text)
    assert str(caught.value) == QUANTITY_RULE


def test_what_is_too_large_becomes_the_largest_amount() -> None:
    assert parse_quantity("1e400").value == Decimal(2**63 - 1)


@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from(["", "n", "u", "m", "k", "M", "Ki", "Mi", "e2", "e-3", "E1"]),
)
def test_the_canonical_form_is_the_same_amount_and_its_own_form(number: int, suffix: str) -> None:
    amount = parse_quantity(f"{number}{suffix}")
    again = parse_quantity(amount.text)
    assert again.text == amount.text
    assert again.value == amount.value


@given(st.text(max_size=20))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_quantity(text).text
