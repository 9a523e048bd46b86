"""What the embedded server answers otherwise than a real one, on purpose, and why.

Each entry names the step of a recording, and holds exactly what the embedded server answers in place of what is
recorded; that is compared like any other answer. docs/explanation/fidelity.md tells the users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeprims.meta import JSONObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One step that stays different.

    Attributes:
        reason: Why.
        answer: The members of the recorded step that are different, as the embedded server has them.
    """

    reason: str
    answer: JSONObject


KNOWN: Mapping[tuple[str, int], Known] = {}
