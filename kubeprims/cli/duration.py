"""Durations as people write them: ``10s``, ``1m30s``, ``500ms``."""

from __future__ import annotations

import argparse
import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


def parse_duration_s(text: str) -> float:
    """Return the seconds that a text such as ``1m30s`` stands for; a bare number is seconds.

    Raises:
        argparse.ArgumentTypeError: The text is no duration, or not more than zero.
    """
    try:
        seconds = float(text) if _PART.search(text) is None else _sum_of_parts(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 10s, 1m30s or 500ms")
    return seconds


def _sum_of_parts(text: str) -> float:
    if _PART.sub("", text):
        raise ValueError(text)
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
