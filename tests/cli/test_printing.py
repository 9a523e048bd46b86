"""Objects and tables as text."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.cli.printing import (
    JSONListPrinter,
    ListPrinter,
    TablePrinter,
    YAMLListPrinter,
    one_line,
    qualified,
    to_json,
)
from kubeprims.client.tables import Table, TableColumn, TableRow
from kubeprims.meta import GroupVersionResource, JSONObject, JSONValue
from kubeprims.yaml_text import load_documents

COLUMNS = (
    TableColumn(name="Name", format="name"),
    TableColumn(name="Ready", type="boolean"),
    TableColumn(name="Node", priority=1),
)


def table(*rows: tuple[JSONValue, ...]) -> Table:
    return Table(columns=COLUMNS, rows=tuple(TableRow(cells, str(cells[0]), "prod") for cells in rows))


def printed(*tables: Table, is_wide: bool = False, shows_namespace: bool = False, name_prefix: str = "") -> list[str]:
    out = io.StringIO()
    printer = TablePrinter(out, is_wide=is_wide, shows_namespace=shows_namespace, name_prefix=name_prefix)
    for each in tables:
        printer.write(each)
    return out.getvalue().splitlines()


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert printed(table(("a-long-name", True, "n1"), ("b", None, "n2"))) == [
        "NAME          READY",
        "a-long-name   true",
        "b             ",
    ]


def test_a_wide_table_has_more_columns_and_names_may_have_a_prefix() -> None:
    rows = table(("a", 1, "n1"))
    assert printed(rows, is_wide=True) == ["NAME   READY   NODE", "a      1       n1"]
    assert printed(rows, name_prefix="pod/") == ["NAME    READY", "pod/a   1"]
    assert printed(rows, shows_namespace=True) == ["NAMESPACE   NAME   READY", "prod        a      1"]


def test_the_header_is_written_once_and_only_before_rows() -> None:
    assert printed(table()) == []
    assert printed(table(), table(("a", 1)), table(("much-longer", 2))) == [
        "NAME   READY",
        "a      1",
        "much-longer   2",
    ]


def test_cells_stay_on_one_line_and_cannot_steer_a_terminal() -> None:
    assert printed(table(("one\ntwo", "x\x1b[31m"), ("", ["a"]), ("\n", {}))) == [
        "NAME     READY",
        "one...   x\N{REPLACEMENT CHARACTER}[31m",
        '         ["a"]',
        "...      {}",
    ]
    assert one_line("a\n b\x07") == "a b\N{REPLACEMENT CHARACTER}"


def test_a_row_may_have_fewer_cells_than_columns() -> None:
    assert printed(table(("a",))) == ["NAME   READY", "a      "]


def test_objects_are_called_by_type_and_group() -> None:
    assert qualified("Pod", GroupVersionResource("", "v1", "pods"), "a") == "pod/a"
    assert qualified("Deployment", GroupVersionResource("apps", "v1", "deployments"), "a") == "deployment.apps/a"


objects: st.SearchStrategy[list[JSONObject]] = st.lists(
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())), max_size=3
)


def written(printer: ListPrinter, items: list[JSONObject]) -> None:
    printer.begin()
    for item in items:
        printer.write(item)
    printer.end()


@given(objects)
def test_a_list_is_one_document_of_its_form(items: list[JSONObject]) -> None:
    expected = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
    out = io.StringIO()
    written(JSONListPrinter(out), items)
    assert json.loads(out.getvalue()) == expected
    out = io.StringIO()
    written(YAMLListPrinter(out), items)
    assert load_documents(out.getvalue().encode()) == [expected]


def test_a_list_looks_as_if_it_had_been_written_at_once() -> None:
    items: list[JSONObject] = [{"b": [1, {"c": 2}], "a": {}}, {}]
    whole: JSONObject = {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {"resourceVersion": ""}}
    out = io.StringIO()
    written(JSONListPrinter(out), items)
    assert out.getvalue() == to_json(whole) + "\n"
    out = io.StringIO()
    written(YAMLListPrinter(out), [])
    assert out.getvalue() == 'apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: ""\n'
