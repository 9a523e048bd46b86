from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import custom_schema
from kubeprims.testing.apiserver.schema_defaults import with_schema_defaults


def defaulted(spec: JSONValue, **properties: JSONValue) -> JSONValue:
    schema = custom_schema({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})
    return with_schema_defaults({"spec": spec}, schema)["spec"]


def test_a_default_stands_in_for_what_is_left_out() -> None:
    assert defaulted({}, a={"type": "string", "default": "x"}) == {"a": "x"}
    assert defaulted({"a": "y"}, a={"type": "string", "default": "x"}) == {"a": "y"}
    assert defaulted({}, a={"type": "string", "default": None}) == {}


def test_defaults_within_defaults() -> None:
    inner: JSONObject = {"type": "object", "default": {}, "properties": {"b": {"type": "integer", "default": 1}}}
    assert defaulted({}, a=inner) == {"a": {"b": 1}}
    assert defaulted({"a": {}}, a=inner) == {"a": {"b": 1}}
    assert defaulted({}, a={**inner, "default": {"b": 2}}) == {"a": {"b": 2}}


def test_nothing_is_made_so_that_a_default_has_a_place() -> None:
    inner: JSONObject = {"type": "object", "properties": {"b": {"type": "integer", "default": 1}}}
    assert defaulted({}, a=inner) == {}


def test_defaults_in_lists_and_maps() -> None:
    item: JSONObject = {"type": "object", "properties": {"b": {"type": "integer", "default": 1}}}
    assert defaulted({"a": [{}, {"b": 2}]}, a={"type": "array", "items": item}) == {"a": [{"b": 1}, {"b": 2}]}
    assert defaulted({"a": {"k": {}}}, a={"type": "object", "additionalProperties": item}) == {"a": {"k": {"b": 1}}}


def test_a_null_gives_way_unless_it_is_allowed() -> None:
    assert defaulted({"a": None}, a={"type": "string", "default": "x"}) == {"a": "x"}
    assert defaulted({"a": None}, a={"type": "string"}) == {}
    assert defaulted({"a": None}, a={"type": "string", "nullable": True, "default": "x"}) == {"a": None}
    assert defaulted({"a": [None]}, a={"type": "array", "items": {"type": "string"}}) == {"a": [None]}
    assert defaulted({"a": [None]}, a={"type": "array", "items": {"type": "string", "default": "x"}}) == {"a": ["x"]}


def test_a_default_is_not_shared_between_objects() -> None:
    schema = custom_schema({"type": "object", "properties": {"a": {"type": "object", "default": {"b": [1]}}}})
    first, second = with_schema_defaults({}, schema), with_schema_defaults({}, schema)
    assert first == second == {"a": {"b": [1]}}
    assert first["a"] is not second["a"]


def test_what_lacks_no_default_is_left_as_it_is() -> None:
    schema = custom_schema({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}})
    obj: JSONObject = {"metadata": {"ownerReferences": [{}], "labels": None}, "a": ["x"], "other": 1}
    assert with_schema_defaults(obj, schema) is obj
