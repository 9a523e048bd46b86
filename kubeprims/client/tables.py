"""Lists as the server prints them for people: the columns of ``kubectl get``. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kubeprims.client.options import JSON_TYPE
from kubeprims.meta import JSONObject, JSONValue

TABLE_ACCEPT = ",".join(
    (*(f"{JSON_TYPE};as=Table;v={version};g=meta.k8s.io" for version in ("v1", "v1beta1")), JSON_TYPE)
)
"""What asks for a table, and takes plain objects where there is none."""

_MINUTE_S, _HOUR_S, _DAY_S, _YEAR_S = 60, 3600, 86400, 365 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column.

    Attributes:
        name: Its title.
        type: ``string``, ``integer``, ``number``, ``boolean`` or ``date``.
        format: Says more about the type: ``name`` for the column that names the object.
        description: What it shows.
        priority: 0 for the columns that matter; more for those of a wide table.
    """

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row: a cell a column, and whose they are.

    Attributes:
        cells: The values.
        name: The object's name.
        namespace: Its namespace; empty for a cluster-scoped object.
    """

    cells: tuple[JSONValue, ...]
    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Objects as rows; as long as it has rows.

    Attributes:
        columns: The columns, wide ones included.
        rows: The rows.
        resource_version: The version of the list.
        continue_token: What to ask the next page with; empty after the last one.
    """

    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]
    resource_version: str = ""
    continue_token: str = ""

    def __len__(self) -> int:
        return len(self.rows)


_PLAIN_COLUMNS = (TableColumn(name="Name", format="name"), TableColumn(name="Age"))


def parse_table(document: JSONObject, *, now: datetime.datetime) -> Table:
    """Return the table that an answer holds; of plain objects, one of their names and ages.

    What is missing or of another type is taken as not given.

    Args:
        document: The answer: a ``Table``, a list, or one object.
        now: The time, which ages count up to.
    """
    metadata = _object(document.get("metadata"))
    if document.get("kind") == "Table":
        columns = tuple(_column(entry) for entry in _objects(document.get("columnDefinitions")))
        rows = tuple(_row(entry) for entry in _objects(document.get("rows")))
    else:
        columns = _PLAIN_COLUMNS
        rows = tuple(_plain_rows(document, now))
    return Table(
        columns=columns,
        rows=rows,
        resource_version=_text(metadata.get("resourceVersion")),
        continue_token=_text(metadata.get("continue")),
    )


def joined(tables: Sequence[Table]) -> Table:
    """Return one table with the rows of all, which are pages of one list; at least one."""
    last = tables[-1]
    columns = next((table.columns for table in tables if table.columns), ())
    return Table(
        columns=columns,
        rows=tuple(row for table in tables for row in table.rows),
        resource_version=last.resource_version,
        continue_token=last.continue_token,
    )


def age(since: str, *, now: datetime.datetime) -> str:
    """Return how long ago a time was, in the way that kubectl says it: ``5s``, ``3m20s``, ``2d``.

    Source:
        apimachinery pkg/util/duration/duration.go, ``HumanDuration``.
    """
    try:
        then = datetime.datetime.fromisoformat(since)
        seconds = int((now - then).total_seconds())
    except (ValueError, TypeError):  # a time without a zone among them
        return "<unknown>"
    if seconds < -1:
        return "<invalid>"
    return human_duration(max(0, seconds))


def human_duration(seconds: int) -> str:
    """Return a duration in its two largest units, and in one where the second no longer matters."""
    minutes, hours, days, years = (seconds // unit for unit in (_MINUTE_S, _HOUR_S, _DAY_S, _YEAR_S))
    ladder = (
        (2 * _MINUTE_S, f"{seconds}s"),
        (10 * _MINUTE_S, _two(minutes, "m", seconds % 60, "s")),
        (3 * _HOUR_S, f"{minutes}m"),
        (8 * _HOUR_S, _two(hours, "h", minutes % 60, "m")),
        (2 * _DAY_S, f"{hours}h"),
        (8 * _DAY_S, _two(days, "d", hours % 24, "h")),
        (2 * _YEAR_S, f"{days}d"),
        (8 * _YEAR_S, _two(years, "y", days % 365, "d")),
    )
    return next((text for below, text in ladder if seconds < below), f"{years}y")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if small else "")


def _column(entry: JSONObject) -> TableColumn:
    priority = entry.get("priority")
    return TableColumn(
        name=_text(entry.get("name")),
        type=_text(entry.get("type")),
        format=_text(entry.get("format")),
        description=_text(entry.get("description")),
        priority=priority if isinstance(priority, int) else 0,
    )


def _row(entry: JSONObject) -> TableRow:
    metadata = _object(_object(entry.get("object")).get("metadata"))
    cells = entry.get("cells")
    return TableRow(
        tuple(cells) if isinstance(cells, list) else (),
        _text(metadata.get("name")),
        _text(metadata.get("namespace")),
    )


def _plain_rows(document: JSONObject, now: datetime.datetime) -> Iterator[TableRow]:
    items = document.get("items")
    for item in _objects(items) if isinstance(items, list) else [document]:
        metadata = _object(item.get("metadata"))
        name = _text(metadata.get("name"))
        since = age(_text(metadata.get("creationTimestamp")), now=now)
        yield TableRow((name, since), name, _text(metadata.get("namespace")))


def _object(value: JSONValue) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JSONValue) -> list[JSONObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else ""
