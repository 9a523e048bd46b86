from __future__ import annotations

import pytest

from kubeprims.meta import GroupVersionKind, JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import (
    built_in_definitions,
    built_in_schema,
    custom_schema,
    definition_name,
)
from kubeprims.testing.apiserver.kinds import BUILT_IN_KINDS
from kubeprims.testing.apiserver.registry import Registry
from kubeprims.testing.apiserver.schema import ABSENT, ANYTHING, Definitions, Schema, parse_schema

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")


def at(schema: Schema | None, *path: str) -> Schema:
    """The schema at a path; ``[]`` is an item of a list, ``*`` a member of any name."""
    for step in path:
        assert schema is not None
        match step:
            case "[]":
                schema = schema.items
            case "*":
                schema = schema.additional
            case _:
                schema = schema.properties[step]
    assert schema is not None
    return schema


def test_every_built_in_kind_has_a_schema_with_metadata() -> None:
    for kind in BUILT_IN_KINDS:
        schema = Registry.schema(kind)
        assert schema.type == "object", kind
        assert "metadata" in schema.properties, kind


def test_the_schema_says_how_lists_are_merged() -> None:
    containers = at(built_in_schema(DEPLOYMENT), "spec", "template", "spec", "containers")
    assert containers.patch_merge_key == "name"
    assert containers.patch_strategies == {"merge"}
    assert (containers.list_type, containers.list_map_keys) == ("map", ("name",))
    ports = at(containers, "[]", "ports")
    assert ports.list_map_keys == ("containerPort", "protocol")
    assert at(ports, "[]", "protocol").default == "TCP"
    assert at(built_in_schema(DEPLOYMENT), "spec", "strategy").patch_strategies == {"retainKeys"}


def test_the_schema_knows_quantities_and_numbers_that_may_be_texts() -> None:
    limits = at(built_in_schema(DEPLOYMENT), "spec", "template", "spec", "containers", "[]", "resources", "limits", "*")
    assert limits.format == "quantity"
    surge = at(built_in_schema(DEPLOYMENT), "spec", "strategy", "rollingUpdate", "maxSurge")
    assert surge.int_or_string
    assert at(built_in_schema(DEPLOYMENT), "spec", "replicas").format == "int32"


def test_what_may_hold_anything_keeps_what_is_not_known() -> None:
    assert at(built_in_schema(GroupVersionKind("apps", "v1", "ControllerRevision")), "data").preserve_unknown
    assert not at(built_in_schema(DEPLOYMENT), "spec").preserve_unknown


def test_a_definition_that_contains_itself_ends_nowhere_and_is_no_trouble() -> None:
    kind = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    schema = at(built_in_schema(kind), "spec", "versions", "[]", "schema", "openAPIV3Schema")
    for _ in range(50):
        schema = at(schema, "properties", "*")
    assert schema.type == "object"


def test_what_is_not_built_in_has_no_schema() -> None:
    assert built_in_schema(GroupVersionKind("example.com", "v1", "Widget")) is None
    assert definition_name(GroupVersionKind("example.com", "v1", "Widget")) is None
    assert definition_name(DEPLOYMENT) == "io.k8s.api.apps.v1.Deployment"
    assert "io.k8s.api.apps.v1.Deployment" in built_in_definitions()


def test_a_custom_schema_knows_the_metadata_of_every_object() -> None:
    schema = custom_schema({"type": "object", "properties": {"spec": {"type": "object"}}})
    assert list(schema.properties) == ["apiVersion", "kind", "spec", "metadata"]
    assert len(schema.properties) == 4
    assert "labels" in at(schema, "metadata").properties
    named = custom_schema({"properties": {"metadata": {"properties": {"name": {"maxLength": 5}}}}})
    assert at(named, "metadata", "name").rules.length_max == 5
    assert "labels" in at(named, "metadata").properties


def test_a_reference_is_followed_and_added_to() -> None:
    definitions = Definitions({"a": {"type": "object", "properties": {"b": {"type": "string"}}, "nullable": True}})
    schema = definitions.parse({"allOf": [{"$ref": "#/components/schemas/a"}], "default": {"b": "x"}})
    assert (schema.type, schema.default, schema.nullable) == ("object", {"b": "x"}, True)
    assert schema.member("b") is not None
    assert schema.member("c") is None
    assert definitions.parse({"$ref": "#/components/schemas/nothing"}).preserve_unknown
    assert not definitions.parse({"$ref": "elsewhere", "type": "string"}).preserve_unknown


def test_an_embedded_object_without_definitions_has_metadata_of_its_own() -> None:
    schema = parse_schema({"type": "object", "x-kubernetes-embedded-resource": True})
    assert schema.embedded_resource
    assert list(schema.properties) == ["apiVersion", "kind", "metadata"]


def test_every_keyword_is_read() -> None:
    schema = parse_schema(
        {
            "type": "array",
            "description": "what it is",
            "enum": [["a"]],
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["a"],
            "x-kubernetes-map-type": "atomic",
            "x-kubernetes-patch-strategy": "merge,retainKeys",
            "items": {"type": "object", "additionalProperties": True, "required": ["a"]},
            "minItems": 1,
            "maxItems": 2.0,
            "minimum": True,
            "not": {"maxLength": 3},
            "anyOf": [{"pattern": "x"}, "nothing"],
        }
    )
    assert (schema.type, schema.description, schema.enum) == ("array", "what it is", (["a"],))
    assert (schema.list_type, schema.list_map_keys, schema.map_type) == ("map", ("a",), "atomic")
    assert schema.patch_strategies == {"merge", "retainKeys"}
    assert at(schema, "[]").required == ("a",)
    assert at(schema, "[]", "*").preserve_unknown
    rules = schema.rules
    assert (rules.items_min, rules.items_max, rules.minimum) == (1, 2, None)
    assert rules.not_ is not None
    assert rules.not_.rules.length_max == 3
    assert [part.rules.pattern for part in rules.any_of] == ["x"]


@pytest.mark.parametrize("raw", [None, "text", 5, [], True])
def test_what_is_no_schema_says_nothing(raw: JSONValue) -> None:
    assert parse_schema(raw) is ANYTHING
    assert ANYTHING.default is ABSENT


def test_keywords_of_wrong_types_are_no_rules() -> None:
    raw: JSONObject = {
        "type": 5,
        "format": [],
        "properties": [],
        "items": 5,
        "required": "a",
        "enum": {},
        "pattern": {},
    }
    schema = parse_schema(raw)
    assert (schema.type, schema.format, schema.required, schema.enum) == ("", "", (), ())
    assert not schema.int_or_string
