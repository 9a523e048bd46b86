"""The conformance cases of ``cases.tsv`` and ``manager_cases.tsv``: which test stands for which.

``python -m tests.parity`` runs the suite and writes docs/explanation/parity.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import pytest

_Test = TypeVar("_Test", bound=Callable[..., object])

_GROUND = re.compile(r"\b(D[0-9]+|[Dd]ecision [0-9]+|DESIGN [0-9]+|QUIRK|out of scope)\b")


def case(*ids: str, otherwise: str | None = None) -> Callable[[_Test], _Test]:
    """Mark the test of one or more conformance cases.

    Args:
        ids: Ids of the tables of cases; one that is not there is an error at collection.
        otherwise: The test shows an answer of our own. Says what it is and on which decision, D-number, section of the
            design or QUIRK note it rests, or that it is out of scope: ``"D3: the lock is released only after the
            callback has returned"``.

    Raises:
        ValueError: No id, or an ``otherwise`` that rests on nothing.
    """
    if not ids:
        raise ValueError("a case has an id")
    if otherwise is not None and not _GROUND.search(otherwise):
        message = f"{', '.join(ids)}: otherwise={otherwise!r} names no decision, D-number or QUIRK note, nor scope"
        raise ValueError(message)
    return pytest.mark.case(*ids, otherwise=otherwise)
