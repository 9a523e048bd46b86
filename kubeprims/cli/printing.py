"""Objects and tables as text: what the commands write. Pure but for the streams that it is handed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Protocol, TextIO

from kubeprims.client.tables import Table, TableRow
from kubeprims.meta import GroupVersionResource, JSONObject, JSONValue
from kubeprims.yaml_text import dump_document

_CELL_WIDTH_MIN = 6
_PADDING = 3


def printable(text: str) -> str:
    """Return a text that cannot steer a terminal: names, phases and messages are whatever a server says."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def one_line(text: str) -> str:
    """Return a text on one line."""
    return printable(" ".join(text.split()))


def qualified(kind: str, gvr: GroupVersionResource, name: str) -> str:
    """Return how an object is called on the command line: ``pod/web-0``, ``deployment.apps/web``."""
    return f"{type_name(kind, gvr)}/{name}"


def type_name(kind: str, gvr: GroupVersionResource) -> str:
    """Return a type as it stands before an object's name: ``pod``, ``deployment.apps``."""
    return f"{kind.lower()}.{gvr.group}" if gvr.group else kind.lower()


class TablePrinter:
    """Writes tables as columns, page by page: a column that gets wider does so from that page on.

    Source:
        cli-runtime pkg/printers/tableprinter.go.
        Differs: control characters are replaced, and pages are written as they come.
    """

    def __init__(
        self, out: TextIO, *, is_wide: bool = False, shows_namespace: bool = False, name_prefix: str = ""
    ) -> None:
        """Make a printer.

        Args:
            out: Where to write.
            is_wide: Show the columns of a wide table as well.
            shows_namespace: Begin with a column of namespaces.
            name_prefix: What to put before each name.
        """
        self._out = out
        self._is_wide = is_wide
        self._shows_namespace = shows_namespace
        self._name_prefix = name_prefix
        self._widths: list[int] = []
        self._has_header = False

    def write(self, table: Table) -> None:
        """Write the rows of a table, and before the first one its header."""
        shown = [index for index, column in enumerate(table.columns) if self._is_wide or column.priority == 0]
        names = {index for index, column in enumerate(table.columns) if column.format == "name"}
        lines = [self._line(row, shown, names) for row in table.rows]
        if lines and not self._has_header:
            self._has_header = True
            titles = [table.columns[index].name.upper() for index in shown]
            lines.insert(0, ["NAMESPACE", *titles] if self._shows_namespace else titles)
        self._write(lines)

    def _line(self, row: TableRow, shown: Iterable[int], names: set[int]) -> list[str]:
        cells = [
            (self._name_prefix if index in names else "") + _cell(row.cells[index] if index < len(row.cells) else None)
            for index in shown
        ]
        return [printable(row.namespace), *cells] if self._shows_namespace else cells

    def _write(self, lines: Sequence[Sequence[str]]) -> None:
        columns = max((len(line) for line in lines), default=0)
        self._widths += [_CELL_WIDTH_MIN] * (columns - len(self._widths))
        for line in lines:
            for index, cell in enumerate(line):
                self._widths[index] = max(self._widths[index], len(cell) + _PADDING)
        for line in lines:
            padded = (cell.ljust(self._widths[index]) for index, cell in enumerate(line[:-1]))
            self._out.write("".join((*padded, *line[-1:])) + "\n")


def _cell(value: JSONValue) -> str:
    match value:
        case None:
            return ""
        case str():
            first = value.splitlines()[0] if value else ""
            return printable(first) + ("..." if first != value else "")
        case _:
            return json.dumps(value)


class ListPrinter(Protocol):
    """Writes objects as one ``List``, as they come."""

    def begin(self) -> None:
        """Write what comes before the objects."""
        ...

    def write(self, obj: JSONObject) -> None:
        """Write an object."""
        ...

    def end(self) -> None:
        """Write what comes after them."""
        ...


class JSONListPrinter:
    """Writes a list as JSON; see :class:`ListPrinter`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._count = 0

    def begin(self) -> None:
        """Write what comes before the objects."""
        self._out.write('{\n    "apiVersion": "v1",\n    "items": [')

    def write(self, obj: JSONObject) -> None:
        """Write an object."""
        text = to_json(obj).replace("\n", "\n        ")
        self._out.write(f"{',' if self._count else ''}\n        {text}")
        self._count += 1

    def end(self) -> None:
        """Write what comes after them."""
        close = "\n    ]" if self._count else "]"
        self._out.write(
            f'{close},\n    "kind": "List",\n    "metadata": {{\n        "resourceVersion": ""\n    }}\n}}\n'
        )


class YAMLListPrinter:
    """Writes a list as YAML; see :class:`ListPrinter`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._count = 0

    def begin(self) -> None:
        """Write what comes before the objects."""
        self._out.write("apiVersion: v1\nitems:")

    def write(self, obj: JSONObject) -> None:
        """Write an object."""
        self._out.write(("" if self._count else "\n") + dump_document([obj]))
        self._count += 1

    def end(self) -> None:
        """Write what comes after them."""
        empty = "" if self._count else " []\n"
        self._out.write(f'{empty}kind: List\nmetadata:\n  resourceVersion: ""\n')


def to_json(obj: JSONObject) -> str:
    """Return an object as JSON for people. What is no plain character is escaped, so it cannot steer a terminal."""
    return json.dumps(obj, indent=4, sort_keys=True)
