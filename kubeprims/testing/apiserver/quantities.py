"""Amounts of resources, such as ``100m`` or ``1Gi``: read, compared, and written in their one canonical form.

Source:
    apimachinery pkg/api/resource/quantity.go and suffix.go.
"""

from __future__ import annotations

import functools
import re
from decimal import ROUND_CEILING, Context, Decimal, localcontext
from enum import Enum
from typing import NamedTuple

QUANTITY_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

_QUANTITY = re.compile(r"([+-]?)([0-9]*(?:\.[0-9]*)?)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][-+]?[0-9]{1,4}|)")
_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIXES = {exponent: suffix for suffix, exponent in _DECIMAL_EXPONENTS.items()}
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO = Decimal("1e-9")
_MILLI = Decimal("1e-3")
_MAX = Decimal(2**63 - 1)
_TEXT_LENGTH_MAX = 256
_KILO = 1000
_KIBI = 1024
_EXACT = Context(prec=_TEXT_LENGTH_MAX * 2, Emax=99999, Emin=-99999)


class _Format(Enum):
    DECIMAL = "1k"
    BINARY = "1Ki"
    EXPONENT = "1e3"


class Quantity(NamedTuple):
    """An amount.

    Attributes:
        value: How much it is.
        text: Its canonical form.
    """

    value: Decimal
    text: str


@functools.lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Quantity:
    """Return an amount and its canonical form.

    Raises:
        ValueError: It is not an amount; the message says so in upstream's words.
    """
    value, form = _read(text)
    return Quantity(value, _render(value, form))


@functools.lru_cache(maxsize=4096)
def parse_amount(text: str) -> Quantity:
    """Return an amount of a resource: nobody counts in smaller units than thousandths.

    Raises:
        ValueError: It is not an amount; the message says so in upstream's words.

    Source:
        kubernetes pkg/apis/core/v1/defaults.go, ``SetDefaults_ResourceList``.
    """
    value, form = _read(text)
    value = _rounded_away(value, _MILLI)
    return Quantity(value, _render(value, form))


def sum_of_amounts(first: str, second: str) -> str:
    """Return how much two amounts are together, written as the first is unless that is nothing."""
    (value, form), (more, other_form) = _read(first), _read(second)
    with localcontext(_EXACT):
        return _render(min(value + more, _MAX), form if value else other_form)


def difference_of_amounts(first: str, second: str) -> str:
    """Return by how much the first amount is larger than the second, as the first is written; nothing if it is not."""
    (value, form), (less, other_form) = _read(first), _read(second)
    with localcontext(_EXACT):
        return _render(max(value - less, Decimal(0)), form if value else other_form)


def whole_amount(text: str) -> str:
    """Return an amount in full units: what is lost makes it larger."""
    value, form = _read(text)
    return _render(_rounded_away(value, Decimal(1)), form)


def larger_amount(first: str, second: str) -> str:
    """Return the larger of two amounts; the first if they are the same."""
    return second if parse_quantity(second).value > parse_quantity(first).value else first


def _read(text: str) -> tuple[Decimal, _Format]:
    match = _QUANTITY.fullmatch(text) if len(text) <= _TEXT_LENGTH_MAX else None
    if match is None or not match[2].strip("."):
        raise ValueError(QUANTITY_RULE)
    sign, digits, suffix = match.groups()
    with localcontext(_EXACT):
        number = Decimal(f"{sign}{digits}")
        form = _Format.DECIMAL
        if suffix.endswith("i"):
            form = _Format.BINARY
            value = number * _KIBI ** _BINARY_SUFFIXES.index(suffix)
        elif suffix in _DECIMAL_EXPONENTS:
            value = number.scaleb(_DECIMAL_EXPONENTS[suffix])
        else:
            form = _Format.EXPONENT
            value = number.scaleb(int(suffix[1:]))
        return min(_rounded_away(value, _NANO), _MAX), form


def _rounded_away(value: Decimal, unit: Decimal) -> Decimal:
    """Return the value with no digits below a unit: what is lost makes it larger."""
    rounded = abs(value).quantize(unit, rounding=ROUND_CEILING, context=_EXACT)
    return rounded if value >= 0 else -rounded


def _render(value: Decimal, form: _Format) -> str:
    if value == 0:
        return "0"
    if form is _Format.BINARY and abs(value) >= _KIBI and value == value.to_integral_value():
        whole, power = int(value), 0
        while whole % _KIBI == 0 and power < len(_BINARY_SUFFIXES) - 1:
            whole, power = whole // _KIBI, power + 1
        return f"{whole}{_BINARY_SUFFIXES[power]}"
    mantissa, exponent = value, 0
    while mantissa != mantissa.to_integral_value():
        mantissa, exponent = mantissa * _KILO, exponent - 3
    while mantissa % _KILO == 0 and exponent < _DECIMAL_EXPONENTS["E"]:
        mantissa, exponent = mantissa / _KILO, exponent + 3
    suffix = _DECIMAL_SUFFIXES[exponent] if form is not _Format.EXPONENT else f"e{exponent}" if exponent else ""
    return f"{int(mantissa)}{suffix}"
