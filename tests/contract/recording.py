"""The answers of a real server, kept as JSON that people can read and compare."""

from __future__ import annotations

import json
import pathlib
from typing import cast

from kubeprims.meta import JSONObject, JSONValue

FOLDER = pathlib.Path(__file__).parent / "recorded"

_COLUMNS_MAX = 120


def recording_path(name: str) -> pathlib.Path:
    """Return where the recording of ``chapter/test`` is."""
    return FOLDER / f"{name}.json"


def load_steps(name: str) -> list[JSONObject]:
    """Return the steps recorded for ``chapter/test``.

    Raises:
        FileNotFoundError: None are.
    """
    return cast("list[JSONObject]", json.loads(recording_path(name).read_text()))


def save_steps(name: str, steps: list[JSONObject]) -> None:
    """Keep the steps of ``chapter/test``."""
    path = recording_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pretty(cast("JSONValue", steps)) + "\n")


def pretty(value: JSONValue, indent: str = "", used: int = 0) -> str:
    """Return JSON in which what fits on one line is on one line.

    Args:
        value: What to write.
        indent: The indentation of the line that the value begins on.
        used: How many columns of that line are taken.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or len(indent) + used + len(flat) < _COLUMNS_MAX:
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        members = []
        for key, member in value.items():
            label = json.dumps(key, ensure_ascii=False) + ": "
            members.append(label + pretty(member, inner, len(label) + 1))
        opening, closing = "{", "}"
    else:
        members = [pretty(member, inner, 1) for member in value]
        opening, closing = "[", "]"
    return opening + "\n" + ",\n".join(inner + member for member in members) + "\n" + indent + closing
