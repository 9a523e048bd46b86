"""The indexes of a job's pods, as texts say them: ``1,3-5,7``.

Source:
    kubernetes pkg/apis/batch/validation/validation.go, ``validateIndexesFormat`` and
    ``validateFailedIndexesNotOverlapCompleted``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kubeprims.testing.apiserver.status import quoted

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


class _Interval(NamedTuple):
    first: int
    last: int


def count_indexes(indexes: str, completions: int) -> int:
    """Return how many indexes a text names.

    Raises:
        ValueError: They are not in order, or not of a job with that many completions; the message says so in upstream's
            words.
    """
    count, previous = 0, -1
    for part in _parts(indexes):
        interval = _parse_interval(part, completions)
        if count and previous >= interval.first:
            raise ValueError(_not_increasing(previous, interval.first))
        count, previous = count + interval.last - interval.first + 1, interval.last
    return count


def common_index(indexes: str, others: str, completions: int) -> int | None:
    """Return the first index that upstream finds in two texts, which it goes through as if both were sorted."""
    left, right = [*_readable(indexes, completions)], [*_readable(others, completions)]
    while left and right:
        first = max(left[0].first, right[0].first)
        if first <= min(left[0].last, right[0].last):
            return first
        (left if left[0].first <= right[0].first else right).pop(0)
    return None


def _parts(indexes: str) -> list[str]:
    return indexes.split(",") if indexes else []


def _readable(indexes: str, completions: int) -> Iterator[_Interval]:
    """Yield the intervals of a text, without those that are wrong."""
    for part in _parts(indexes):
        try:
            yield _parse_interval(part, completions)
        except ValueError:
            continue


def _not_increasing(previous: int, current: int) -> str:
    return f"non-increasing order, previous: {previous}, current: {current}"


def _parse_interval(part: str, completions: int) -> _Interval:
    ends = part.split("-")
    if len(ends) > len(_Interval._fields):
        message = (
            f"the fragment {quoted(part)} violates the requirement that an index interval can have at most two parts "
            "separated by '-'"
        )
        raise ValueError(message)
    numbers = [_parse_index(end, completions) for end in ends]
    if len(numbers) > 1 and numbers[0] >= numbers[1]:
        raise ValueError(_not_increasing(numbers[0], numbers[1]))
    return _Interval(numbers[0], numbers[-1])


def _parse_index(value: str, completions: int) -> int:
    if not _INTEGER.fullmatch(value):
        message = f"cannot convert string to integer for index: {quoted(value)}"
        raise ValueError(message)
    if int(value) >= completions:
        message = f"too large index: {quoted(value)}"
        raise ValueError(message)
    return int(value)
