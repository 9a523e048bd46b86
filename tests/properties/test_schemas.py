"""Schemas and objects, drawn at random: nothing but named problems comes of them."""

from __future__ import annotations

import contextlib
import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import custom_schema
from kubeprims.testing.apiserver.crd import definition_warnings, kinds_of, with_defaults
from kubeprims.testing.apiserver.crd_schemas import schema_definition_problems
from kubeprims.testing.apiserver.crd_validation import definition_problems
from kubeprims.testing.apiserver.field_validation import unknown_and_duplicate_fields
from kubeprims.testing.apiserver.pruning import pruned
from kubeprims.testing.apiserver.schema_defaults import with_schema_defaults
from kubeprims.testing.apiserver.schema_formats import has_format
from kubeprims.testing.apiserver.schema_patterns import compile_pattern
from kubeprims.testing.apiserver.schema_validation import schema_problems

NAMES = st.sampled_from(["a", "b", "c", "metadata", "kind", "spec"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
VALUES: st.SearchStrategy[JSONValue] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)
OBJECTS: st.SearchStrategy[JSONObject] = st.dictionaries(NAMES, VALUES, max_size=4)
FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "nullable": st.booleans(),
        "default": VALUES,
        "enum": st.lists(SCALARS, max_size=3),
        "minimum": st.integers(-3, 3),
        "maximum": st.integers(-3, 3),
        "multipleOf": st.sampled_from([0, 0.5, 3]),
        "minLength": st.integers(0, 3),
        "maxItems": st.integers(0, 3),
        "minProperties": st.integers(0, 3),
        "pattern": st.sampled_from(["^a+$", "[0-9]"]),
        "format": st.sampled_from(["date", "ipv4", "uuid", "made-up"]),
        "required": st.lists(NAMES, max_size=2),
        "x-kubernetes-preserve-unknown-fields": st.booleans(),
        "x-kubernetes-embedded-resource": st.booleans(),
        "x-kubernetes-int-or-string": st.booleans(),
        "x-kubernetes-list-type": st.sampled_from(["set", "map", "atomic"]),
        "x-kubernetes-list-map-keys": st.lists(NAMES, max_size=2),
    },
)
LEAVES = st.builds(
    lambda type_, flags: {"type": type_, **flags}, st.sampled_from(["string", "integer", "number", "boolean"]), FLAGS
)


def _larger(inner: st.SearchStrategy[JSONObject]) -> st.SearchStrategy[JSONObject]:
    return st.one_of(
        st.builds(
            lambda members, flags: {"type": "object", "properties": members, **flags},
            st.dictionaries(NAMES, inner, max_size=3),
            FLAGS,
        ),
        st.builds(lambda item, flags: {"type": "array", "items": item, **flags}, inner, FLAGS),
        st.builds(lambda item: {"type": "object", "additionalProperties": item}, inner),
        st.builds(
            lambda keyword, parts, whole: {**whole, keyword: parts},
            st.sampled_from(["allOf", "anyOf", "oneOf"]),
            st.lists(inner, max_size=2),
            inner,
        ),
        st.builds(lambda part, whole: {**whole, "not": part}, inner, inner),
    )


SCHEMAS: st.SearchStrategy[JSONObject] = st.recursive(LEAVES, _larger, max_leaves=8)


@given(SCHEMAS, OBJECTS)
def test_pruning_twice_is_pruning_once_and_changes_nothing_given(raw: JSONObject, obj: JSONObject) -> None:
    schema, before = custom_schema(raw), copy.deepcopy(obj)
    once = pruned(obj, schema)
    assert obj == before
    assert pruned(once, schema) is once
    told = unknown_and_duplicate_fields(json.dumps(obj).encode(), schema, custom=True)
    assert bool(told) is (once is not obj)


@given(SCHEMAS, OBJECTS)
def test_filling_in_defaults_twice_is_doing_it_once(raw: JSONObject, obj: JSONObject) -> None:
    schema, before = custom_schema(raw), copy.deepcopy(obj)
    once = with_schema_defaults(obj, schema)
    assert obj == before
    assert with_schema_defaults(once, schema) == once


@given(SCHEMAS, OBJECTS, st.none() | OBJECTS)
def test_any_object_is_judged(raw: JSONObject, obj: JSONObject, old: JSONObject | None) -> None:
    schema = custom_schema(raw)
    for problem in schema_problems(obj, schema, old):
        assert problem.reason.startswith("FieldValue")
        assert problem.field


@given(SCHEMAS, OBJECTS)
def test_an_object_that_stays_as_it_was_is_never_refused_by_its_values(raw: JSONObject, obj: JSONObject) -> None:
    unembedded = json.loads(json.dumps(raw).replace("x-kubernetes-embedded-resource", "x-kubernetes-nothing"))
    assert schema_problems(obj, custom_schema(unembedded), copy.deepcopy(obj)) == []


@given(st.one_of(SCHEMAS, OBJECTS))
def test_any_schema_is_judged(raw: JSONObject) -> None:
    for problem in schema_definition_problems(raw, custom_schema(raw), "schema"):
        assert problem.field.startswith("schema")


@given(OBJECTS, st.lists(st.dictionaries(st.sampled_from(["name", "schema", "subresources"]), VALUES), max_size=2))
def test_any_definition_is_judged(names: JSONObject, versions: list[JSONValue]) -> None:
    definition = with_defaults({"metadata": {"name": "x"}, "spec": {"names": names, "versions": versions}})
    assert definition_problems(definition)
    assert kinds_of(definition) == ()
    assert definition_warnings(definition, None) == []


@given(st.binary() | st.text().map(str.encode))
def test_any_body_is_read(body: bytes) -> None:
    schema = custom_schema({"type": "object"})
    for custom in (True, False):
        assert all(" field " in told for told in unknown_and_duplicate_fields(body, schema, custom=custom))


@given(st.text(max_size=30))
def test_any_expression_is_taken_or_refused(pattern: str) -> None:
    with contextlib.suppress(ValueError):
        assert compile_pattern(pattern) is not None


@given(
    st.text(max_size=40) | st.from_regex(r"[0-9a-fA-F:./TZ-]{1,40}", fullmatch=True),
    st.sampled_from(["date-time", "date", "duration", "uri", "cidr", "mac", "isbn", "creditcard", "byte", "hostname"]),
)
def test_any_text_has_a_format_or_has_not(text: str, name: str) -> None:
    assert has_format(text, name) in {True, False}
