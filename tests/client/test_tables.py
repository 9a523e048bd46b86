"""Lists as the server prints them for people."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.client.tables import Table, TableColumn, TableRow, age, human_duration, joined, parse_table
from kubeprims.meta import JSONObject, JSONValue

NOW = datetime.datetime(2026, 1, 2, 12, 0, 0, tzinfo=datetime.timezone.utc)

PODS: JSONObject = {
    "kind": "Table",
    "apiVersion": "meta.k8s.io/v1",
    "metadata": {"resourceVersion": "9", "continue": "more"},
    "columnDefinitions": [
        {"name": "Name", "type": "string", "format": "name", "description": "its name", "priority": 0},
        {"name": "IP", "type": "string", "format": "", "priority": 1},
    ],
    "rows": [
        {"cells": ["web-0", None], "object": {"metadata": {"name": "web-0", "namespace": "prod"}}},
        {"cells": ["db-0", "10.0.0.1"]},
    ],
}


def test_a_table_is_read() -> None:
    assert parse_table(PODS, now=NOW) == Table(
        columns=(
            TableColumn(name="Name", format="name", description="its name"),
            TableColumn(name="IP", priority=1),
        ),
        rows=(TableRow(("web-0", None), "web-0", "prod"), TableRow(("db-0", "10.0.0.1"))),
        resource_version="9",
        continue_token="more",
    )


def test_what_is_odd_in_a_table_is_taken_as_not_given() -> None:
    odd: JSONObject = {
        "kind": "Table",
        "metadata": 7,
        "columnDefinitions": [{"priority": "high"}, 3],
        "rows": [{"cells": 1, "object": []}, None],
    }
    assert parse_table(odd, now=NOW) == Table(columns=(TableColumn(name="", type=""),), rows=(TableRow(()),))


def test_plain_objects_become_names_and_ages() -> None:
    made: JSONObject = {"metadata": {"name": "a", "namespace": "n", "creationTimestamp": "2026-01-02T11:59:00Z"}}
    listed: JSONObject = {"kind": "PodList", "metadata": {"resourceVersion": "5", "continue": "c"}, "items": [made, {}]}
    table = parse_table(listed, now=NOW)
    assert [column.name for column in table.columns] == ["Name", "Age"]
    assert table.rows == (TableRow(("a", "60s"), "a", "n"), TableRow(("", "<unknown>")))
    assert (table.resource_version, table.continue_token, len(table)) == ("5", "c", 2)
    assert parse_table(made, now=NOW).rows == (TableRow(("a", "60s"), "a", "n"),)


def test_pages_are_joined_with_the_columns_of_the_first_that_has_any() -> None:
    first = parse_table(PODS, now=NOW)
    last = Table(columns=(), rows=(TableRow(("x",)),), resource_version="9")
    both = joined([first, last])
    assert both.columns == first.columns
    assert both.rows == (*first.rows, *last.rows)
    assert both.continue_token == ""
    assert joined([last]).columns == ()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (731 * 86400, "2y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_a_duration_is_said_as_kubectl_says_it(seconds: int, said: str) -> None:
    assert human_duration(seconds) == said


@given(st.integers(min_value=0, max_value=10**11))
def test_any_duration_has_one_or_two_units(seconds: int) -> None:
    assert 1 <= sum(character.isalpha() for character in human_duration(seconds)) <= 2


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("2026-01-02T11:59:55Z", "5s"),
        ("2026-01-02T12:00:01Z", "0s"),
        ("2026-01-02T12:00:09Z", "<invalid>"),
        ("2026-01-02T11:59:55", "<unknown>"),
        ("yesterday", "<unknown>"),
        ("", "<unknown>"),
    ],
)
def test_an_age_is_counted_from_a_time(since: str, said: str) -> None:
    assert age(since, now=NOW) == said


json_values: st.SearchStrategy[JSONValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
FIELDS = ("kind", "metadata", "columnDefinitions", "rows", "items")


@given(st.dictionaries(st.sampled_from(FIELDS), json_values | st.just("Table")))
def test_any_object_is_a_table_of_some_kind(document: JSONObject) -> None:
    assert isinstance(parse_table(document, now=NOW), Table)
