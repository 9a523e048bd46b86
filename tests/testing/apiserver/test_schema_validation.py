"""What is judged here was sent to a real API server, whose answers are in ``custom_values.json``."""

from __future__ import annotations

import json
import pathlib
from typing import cast

import pytest

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import custom_schema
from kubeprims.testing.apiserver.pruning import pruned
from kubeprims.testing.apiserver.schema import parse_schema
from kubeprims.testing.apiserver.schema_defaults import with_schema_defaults
from kubeprims.testing.apiserver.schema_validation import default_problems, same_value, schema_problems, type_name

RECORDED = json.loads((pathlib.Path(__file__).parent / "custom_values.json").read_text())
SCHEMA = custom_schema(RECORDED["schema"])


def problems(obj: JSONObject, old: JSONObject | None = None) -> list[list[str]]:
    return sorted(list(problem) for problem in schema_problems(obj, SCHEMA, old))


@pytest.mark.parametrize("recorded", RECORDED["values"], ids=lambda recorded: json.dumps(recorded["given"])[:60])
def test_a_value_is_judged_as_a_real_server_judges_it(recorded: dict[str, JSONValue]) -> None:
    given = cast("JSONObject", recorded["given"])
    obj = with_schema_defaults(pruned(given, SCHEMA), SCHEMA)
    assert problems(obj) == recorded.get("problems", [])
    if "stored" in recorded:
        assert obj == recorded["stored"]


def spec(**members: JSONValue) -> JSONObject:
    return {"spec": {"req": "r", **members}}


def test_what_an_update_leaves_as_it_was_is_not_judged_again() -> None:
    assert problems(spec(s="a")) != []
    assert problems(spec(s="a", i=3), spec(s="a")) == []
    assert problems(spec(s="b"), spec(s="a")) != []
    assert problems(spec(set=["a", "a"], i=3), spec(set=["a", "a"])) == []
    assert problems(spec(set=["a", "a"]), spec(set=["a"])) != []
    assert problems(spec(i=True), spec(i=1)) != []


def test_the_items_of_a_list_with_keys_are_compared_by_their_keys() -> None:
    old = spec(map=[{"a": "1", "b": 1, "c": 5}])
    assert problems(spec(map=[{"a": "0", "b": 0}, {"a": "1", "b": 1, "c": 5}]), old) == []
    assert problems(spec(map=[{"a": "1", "b": 2, "c": 5}]), old) != []
    assert problems(spec(deep=[{"x": 1}, {"x": 1}]), spec(deep=[{"x": 1}])) != []


def test_numbers_beyond_what_a_server_can_keep() -> None:
    assert problems(spec(n=10**400)) != []
    assert problems(spec(i=2**70)) != []
    assert type_name(1e300) == "number"
    assert type_name(2.0) == "integer"


def test_embedded_objects_of_wrong_types_and_empty_names() -> None:
    found = problems(spec(emb={"apiVersion": "", "kind": "", "metadata": {"name": 5}}))
    assert ["spec.emb.kind", "FieldValueRequired", "Required value: must not be empty"] in found
    assert any(field == "spec.emb.metadata" for field, _, _ in found)
    found = problems(spec(emb={"apiVersion": 5, "kind": 5, "metadata": 5}))
    assert any(reason == "FieldValueTypeInvalid" for _, reason, _ in found)


def test_a_definition_may_restrict_names() -> None:
    schema = custom_schema({"type": "object", "properties": {"metadata": {"properties": {"name": {"maxLength": 2}}}}})
    found = schema_problems({"metadata": {"name": "abc"}}, schema)
    assert [(problem.field, problem.reason) for problem in found] == [("metadata.name", "FieldValueTooLong")]
    assert schema_problems({"metadata": None}, schema) == []


def test_a_default_is_judged_where_it_is_written() -> None:
    schema = parse_schema({"type": "array", "items": {"type": "string"}, "not": {"maxItems": 9}})
    found = default_problems([1], schema, "items.default")
    assert [problem.field for problem in found] == ["items.default", "items.default.[0]"]


def test_two_alternatives_of_which_none_or_both_hold() -> None:
    schema = parse_schema({"oneOf": [{"minimum": 5}, {"maximum": 2}]})
    assert next(problem.text for problem in default_problems(3, schema, "x")).endswith("Found none valid")
    assert default_problems(7, schema, "x") == []


def test_values_of_different_types_differ() -> None:
    assert not same_value(1, True)
    assert same_value({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert type_name(None) == "null"
