"""The conformance cases: which test stands for which."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

_Test = TypeVar("_Test", bound=Callable[..., object])


def case(*ids: str) -> Callable[[_Test], _Test]:
    """Mark the test of one or more conformance cases, by their ids in ``cases.tsv``."""
    return pytest.mark.case(*ids)
