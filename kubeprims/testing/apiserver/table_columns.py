"""The cells of the columns that definitions add: a path in the object, and how what is there is shown."""

from __future__ import annotations

import datetime
import re

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.encoding import encode
from kubeprims.testing.apiserver.kind import PrinterColumn
from kubeprims.testing.apiserver.table_cells import UNKNOWN, human_duration, parse_time

_STEP = re.compile(
    r"""\.?(?P<name>[\w-]+(?:\\.[\w-]+)*)
      | \[(?P<index>-?\d+)\]
      | \['(?P<quoted>[^']*)'\]
      | (?P<all>\[\*\]|\.\*)
      | \[\?\(@\.(?P<field>[\w.-]+)\s*==\s*(?P<quote>["'])(?P<value>.*?)(?P=quote)\)\]""",
    re.VERBOSE,
)


def custom_cell(column: PrinterColumn, obj: JSONObject, now: datetime.datetime) -> JSONValue:
    """Return the cell of an object in a column; None if there is nothing to show.

    Of the paths that a real server takes, fields, indexes, ``[*]`` and filters of equality are known; the cell of any
    other is None.
    """
    values = _find(obj, column.json_path)
    return _shown(values[0], column.type, now) if values else None


def _find(obj: JSONObject, path: str) -> list[JSONValue]:
    found: list[JSONValue] = [obj]
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or match.end() == position:
            return []
        found = [child for value in found for child in _step(value, match)]
        position = match.end()
    return found


def _step(value: JSONValue, match: re.Match[str]) -> list[JSONValue]:
    key = match["quoted"] if match["quoted"] is not None else match["name"]
    if isinstance(value, dict):
        if match["all"]:
            return list(value.values())
        key = (key or "").replace("\\.", ".")
        return [value[key]] if key in value else []
    if not isinstance(value, list):
        return []
    if match["all"]:
        return list(value)
    if match["index"]:
        index = int(match["index"])
        return [value[index]] if -len(value) <= index < len(value) else []
    if match["field"]:
        return [item for item in value if _find({"at": item}, f".at.{match['field']}") == [match["value"]]]
    return []


def _shown(value: JSONValue, kind: str, now: datetime.datetime) -> JSONValue:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "integer":
            return int(value) if is_number and isinstance(value, int | float) else None
        case "number":
            return value if is_number else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            time = parse_time(value) if isinstance(value, str) else None
            return UNKNOWN if time is None else human_duration(int((now - time).total_seconds()))
        case _:
            return value if isinstance(value, str) else encode(value).decode()
