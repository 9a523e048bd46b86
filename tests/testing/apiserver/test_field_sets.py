"""Sets of fields, and what schemas make of values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.field_sets import (
    FieldSet,
    NoFieldSet,
    below,
    field_step,
    from_fields_v1,
    index_step,
    key_step,
    path_text,
    to_fields_v1,
    value_step,
    with_parents,
)
from kubeprims.testing.apiserver.schema import ANYTHING, Schema, parse_schema
from kubeprims.testing.apiserver.typed_values import NotOfType, check_type, compare, fields_of, merge, without

ITEM: JSONObject = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
}
SCHEMA: Schema = parse_schema(
    {
        "type": "object",
        "properties": {
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "items": {
                "type": "array",
                "items": ITEM,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "plain": {"type": "array", "items": {"type": "integer"}},
            "whole": {
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "x-kubernetes-map-type": "atomic",
            },
            "size": {"type": "integer"},
        },
    }
)
MISSING_KEY = (
    '.items: element 0: associative list with keys has an element that omits key field "name" '
    "(and doesn't have default value)"
)
_names = st.sampled_from("abc")
_objects = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.dictionaries(_names, _names, min_size=1),
        "items": st.lists(
            st.fixed_dictionaries({"name": _names}, optional={"n": st.integers(0, 2)}),
            unique_by=lambda item: item["name"],
            min_size=1,
        ),
        "tags": st.lists(_names, unique=True, min_size=1),
        "plain": st.lists(st.integers(0, 2)),
        "whole": st.dictionaries(_names, st.integers(0, 2), min_size=1),
        "size": st.integers(0, 2),
    },
)
_steps = st.one_of(
    st.text(max_size=3).map(field_step),
    st.dictionaries(_names, st.integers() | st.text(max_size=2), min_size=1).map(key_step),
    (st.integers() | st.text(max_size=2) | st.booleans()).map(value_step),
    st.integers(0, 9).map(index_step),
)
_sets = st.frozensets(st.lists(_steps, min_size=1, max_size=4).map(tuple), max_size=8)


@given(_sets)
def test_a_set_comes_back_as_it_was_written(fields: FieldSet) -> None:
    assert from_fields_v1(to_fields_v1(fields)) == fields


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=3), lambda inner: st.dictionaries(st.text(), inner)))
def test_anything_is_a_set_or_refused(value: JSONValue) -> None:
    try:
        fields = from_fields_v1(value)
    except NoFieldSet:
        return
    assert from_fields_v1(to_fields_v1(fields)) == fields


def test_paths_are_told_as_upstream_tells_them() -> None:
    path = (field_step("spec"), key_step({"name": "web", "port": 80}), value_step("x"), index_step(3))
    assert path_text(path) == '.spec[name="web",port=80][="x"][3]'


def test_parents_are_objects_and_what_is_below_is_found() -> None:
    path = (field_step("a"), key_step({"k": 1}), field_step("b"))
    assert with_parents([path]) == {path, path[:1]}
    assert below([path, (field_step("ab"),)], [path[:1]]) == {path}


@given(_objects, _objects)
def test_a_comparison_finds_what_differs_and_nothing_else(old: JSONObject, new: JSONObject) -> None:
    assert compare(old, old, SCHEMA).is_same
    there, back = compare(old, new, SCHEMA), compare(new, old, SCHEMA)
    assert (there.added, there.removed, there.modified) == (back.removed, back.added, back.modified)
    assert there.is_same == (merge(old, new, SCHEMA) == old and merge(new, old, SCHEMA) == new)


@given(_objects, _objects)
def test_what_is_put_over_something_is_all_there(under: JSONObject, over: JSONObject) -> None:
    merged = merge(under, over, SCHEMA)
    assert merge(merged, over, SCHEMA) == merged
    assert fields_of(merged, SCHEMA) >= fields_of(over, SCHEMA) | fields_of(under, SCHEMA)
    assert compare(merged, merge(merged, over, SCHEMA), SCHEMA).is_same


@given(_objects)
def test_without_all_its_fields_nothing_of_a_value_is_left(value: JSONObject) -> None:
    assert without(value, frozenset(), SCHEMA) == value
    left = without(value, fields_of(value, SCHEMA), SCHEMA)
    assert isinstance(left, dict)
    assert all(member in (None, []) for member in left.values())


def test_the_order_of_what_is_applied_wins() -> None:
    def names(*order: str) -> JSONObject:
        return {"items": [{"name": name} for name in order]}

    def merged(under: JSONObject, over: JSONObject) -> str:
        result = merge(under, over, SCHEMA)
        assert isinstance(result, dict)
        items = result["items"]
        assert isinstance(items, list)
        return "".join(str(item["name"]) for item in items if isinstance(item, dict))

    assert merged(names("a", "b", "c"), names("c", "a")) == "bca"
    assert merged(names("a", "b"), names("x", "b")) == "axb"
    assert merged(names("a"), names("b", "c")) == "abc"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"size": "x"}, '.size: expected numeric (int or float), got &value.valueUnstructured{Value:"x"}'),
        ({"labels": {"a": 1}}, ".labels.a: expected string, got &value.valueUnstructured{Value:1}"),
        ({"labels": []}, ".labels: expected map, got &value.valueUnstructured{Value:[]}"),
        ({"plain": {}}, ".plain: expected list, got &value.valueUnstructured{Value:map[]}"),
        ({"other": 1}, ".other: field not declared in schema"),
        ({"items": [{"name": "a"}, {"name": "a"}]}, '.items: duplicate entries for key [name="a"]'),
        ({"tags": ["a", "a"]}, '.tags: duplicate entries for key [="a"]'),
        (
            {"items": [{"n": 1}]},
            MISSING_KEY,
        ),
    ],
)
def test_what_is_not_of_its_type_is_named(value: JSONObject, problem: str) -> None:
    with pytest.raises(NotOfType) as caught:
        check_type(value, SCHEMA)
    assert str(caught.value).replace("{index}", "0") == problem


def test_the_place_of_an_item_without_its_key_is_told() -> None:
    with pytest.raises(NotOfType) as caught:
        fields_of({"items": [{"name": "a"}, {"n": 1}]}, SCHEMA)
    assert str(caught.value) == MISSING_KEY.replace("element 0", "element 1")


@given(_objects)
def test_what_is_of_its_type_passes(value: JSONObject) -> None:
    check_type(value, SCHEMA)
    check_type(value, ANYTHING)
