"""The definitions here were sent to a real API server, whose answers are in ``definitions.json``."""

from __future__ import annotations

import json
import pathlib
from typing import cast

import pytest

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.crd import definition_warnings, kinds_of, with_defaults
from kubeprims.testing.apiserver.crd_validation import definition_problems, definition_update_problems
from kubeprims.testing.apiserver.kind import PrinterColumn, ScalePaths

RECORDED = json.loads((pathlib.Path(__file__).parent / "definitions.json").read_text())


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["name"])
def test_a_definition_is_judged_as_a_real_server_judges_it(recorded: JSONObject) -> None:
    definition = with_defaults(cast("JSONObject", recorded["definition"]))
    assert sorted(list(problem) for problem in definition_problems(definition)) == recorded["problems"]


def defined(schema: JSONObject | None = None, spec: JSONObject | None = None, **version: JSONValue) -> JSONObject:
    first: JSONObject = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema or {"type": "object"}},
        **version,
    }
    return with_defaults(
        {
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": [first],
                **(spec or {}),
            },
        }
    )


def told(definition: JSONObject) -> list[tuple[str, str]]:
    return [(problem.field, problem.text) for problem in definition_problems(definition)]


def test_a_rule_in_cel_is_refused_by_name() -> None:
    rules: JSONValue = [{"rule": "self.a > 1"}, {"rule": " "}]
    found = told(defined({"type": "object", "x-kubernetes-validations": rules}))
    path = "spec.validation.openAPIV3Schema.x-kubernetes-validations"
    message = 'Forbidden: rules in CEL are not supported by this server, which could not carry out "self.a > 1"'
    assert found == [(f"{path}[0].rule", message), (f"{path}[1].rule", "Required value: rule is not specified")]


def test_conversion_by_a_webhook_is_refused() -> None:
    webhook: JSONObject = {"clientConfig": {"url": "https://a/"}, "conversionReviewVersions": ["v1"]}
    found = told(defined(spec={"conversion": {"strategy": "Webhook", "webhook": webhook}}))
    assert found == [("spec.conversion.strategy", "Forbidden: conversion by a webhook is not supported by this server")]
    assert told(defined(spec={"conversion": {}})) == [("spec.conversion.strategy", "Required value")]


def test_a_group_of_the_server_itself_is_refused() -> None:
    definition = defined(spec={"group": "events.k8s.io"})
    assert ("spec.group", "Forbidden: the server itself serves this group") in told(definition)
    assert ("spec.group", "Required value") in told(defined(spec={"group": ""}))


def test_what_the_root_may_say_beside_a_status() -> None:
    [(field, text)] = told(defined({"type": "object", "maxProperties": 4}, subresources={"status": {}}))
    assert field == "spec.validation.openAPIV3Schema"
    assert "maxProperties" in text


@pytest.mark.parametrize("pattern", ["[", "a**", r"\pL", "(?<!x)", "[[:none:]]", "a" * 5000])
def test_an_expression_that_cannot_be_carried_out_is_refused(pattern: str) -> None:
    [(field, text)] = told(defined({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}))
    assert field.endswith("properties[a].pattern")
    assert "must be a valid regular expression, but isn't: " in text


@pytest.mark.parametrize(
    ("schema", "field", "text"),
    [
        ({"allOf": [{"properties": {"a": {"items": {"minimum": 1}}}}]}, "properties[a]", "because it is defined in"),
        ({"not": {"items": {"minimum": 1}}}, "items", "because it is defined in"),
        (
            {"properties": {"a": {"type": "string", "x-kubernetes-embedded-resource": True}}},
            "properties[a].type",
            "must be object if x-kubernetes-embedded-resource is true",
        ),
        (
            {
                "properties": {
                    "a": {"type": "object", "x-kubernetes-embedded-resource": True, "additionalProperties": True}
                }
            },
            "properties[a].additionalProperties",
            "must not be used if x-kubernetes-embedded-resource is set",
        ),
        (
            {"properties": {"a": {"x-kubernetes-list-type": "atomic", "x-kubernetes-preserve-unknown-fields": True}}},
            "properties[a].type",
            "must be array if x-kubernetes-list-type is specified",
        ),
        (
            {
                "properties": {
                    "a": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
                }
            },
            "properties[a].items",
            "must have a schema if x-kubernetes-list-type is map",
        ),
    ],
)
def test_more_of_what_makes_a_schema_unusable(schema: JSONObject, field: str, text: str) -> None:
    found = told(defined({"type": "object", **schema}))
    assert any(path.endswith(field) and text in problem for path, problem in found), found


def list_of(keys: list[JSONValue], **item: JSONValue) -> JSONObject:
    items: JSONObject = {"type": "object", "properties": {"k": {"type": "string"}}, **item}
    extensions: JSONObject = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}
    return {"type": "object", "properties": {"a": {"type": "array", "items": items, **extensions}}}


def test_the_keys_of_a_list() -> None:
    assert any("duplicate entries" in text for _, text in told(defined(list_of(["k", "k"], required=["k"]))))
    nullable: JSONObject = {"k": {"type": "string", "nullable": True, "default": "x"}}
    assert any("cannot be nullable" in text for _, text in told(defined(list_of(["k"], properties=nullable))))
    assert any("is map" in text for _, text in told(defined(list_of(["k"], required=["k"], nullable=True))))


def test_the_metadata_of_an_embedded_object_holds_no_other_and_no_defaults_in_maps() -> None:
    inner: JSONObject = {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "properties": {"a": {"type": "string"}},
    }
    labels: JSONObject = {"type": "object", "additionalProperties": {"type": "string", "default": "x"}}
    metadata: JSONObject = {"type": "object", "properties": {"inner": inner, "labels": labels}}
    embedded = {**inner, "properties": {"metadata": metadata}}
    found = told(defined({"type": "object", "properties": {"e": embedded}}))
    assert any("must not be used inside of resource meta" in text for _, text in found)
    assert any("inside additionalProperties applying to object metadata" in text for _, text in found)


def test_defaults_in_lists_and_maps_are_judged() -> None:
    bad: JSONObject = {"type": "string", "default": 5}
    properties: JSONObject = {
        "a": {"type": "array", "items": bad},
        "b": {"type": "object", "additionalProperties": bad},
    }
    fields = [field for field, _ in told(defined({"type": "object", "properties": properties}))]
    assert [field.rpartition("properties")[2] for field in fields] == [
        "[a].items.default",
        "[b].additionalProperties.default",
    ]


def test_a_set_of_lists_and_formats_that_nobody_knows() -> None:
    lists: JSONObject = {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "string"}}
    properties: JSONObject = {"a": {"type": "array", "x-kubernetes-list-type": "set", "items": lists}}
    found = told(defined({"type": "object", "properties": properties}))
    assert any("must be atomic as item of a list" in text for _, text in found)
    formats: JSONObject = {"a": {"type": "string", "format": "made-up"}, "b": {"type": "integer", "format": "int32"}}
    written = defined({"type": "object", "properties": formats})
    assert definition_warnings(written, None) == ['unrecognized format "made-up"']
    assert definition_warnings(written, written) == []


def test_selectable_fields_come_once_and_are_few() -> None:
    properties: JSONObject = {f"f{number}": {"type": "string"} for number in range(9)}
    paths: list[JSONValue] = [{"jsonPath": f".f{number}"} for number in range(9)]
    found = told(defined({"type": "object", "properties": properties}, selectableFields=[*paths, {"jsonPath": ".f0"}]))
    assert ("spec.selectableFields[9].jsonPath", 'Duplicate value: ".f0"') in found
    assert ("spec.selectableFields", "Too many: 9: must have at most 8 items") in found


def test_what_a_definition_has_served() -> None:
    schema: JSONObject = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    scale: JSONObject = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    column: JSONObject = {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1}
    definition = defined(
        schema,
        subresources={"status": {}, "scale": scale},
        additionalPrinterColumns=[column],
        selectableFields=[{"jsonPath": ".spec.size"}],
    )
    [kind] = kinds_of(definition)
    assert [subresource.name for subresource in kind.subresources] == ["status", "scale"]
    assert kind.scale == ScalePaths(replicas=("spec", "size"), observed=("status", "size"), selector=())
    assert kind.printer_columns == (PrinterColumn(name="Size", type="integer", json_path=".spec.size", priority=1),)
    assert [field.name for field in kind.fields] == ["spec.size"]
    assert kind.definition == schema
    assert kind.list_kind == "WidgetList"
    [plain] = kinds_of(defined())
    assert plain.scale is None


def test_each_version_has_selectable_fields_of_its_own() -> None:
    schema: JSONObject = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    common: JSONObject = {"served": True, "schema": {"openAPIV3Schema": schema}}
    versions: list[JSONValue] = [
        {**common, "name": "v1", "storage": True, "selectableFields": [{"jsonPath": ".a"}]},
        {**common, "name": "v2", "storage": False, "selectableFields": [{"jsonPath": ".b"}]},
        {**common, "name": "v3", "storage": False, "served": False},
    ]
    definition = defined(spec={"versions": versions})
    assert told(definition) == []
    assert [[field.name for field in kind.fields] for kind in kinds_of(definition)] == [["b"], ["a"]]


def test_versions_in_order_of_preference() -> None:
    names = ("v1alpha1", "v2beta1", "v10", "foo", "v2", "v2beta2", "v1")
    versions: list[JSONValue] = [{"name": name, "served": True, "storage": name == "v1"} for name in names]
    preferred = [kind.version for kind in kinds_of(defined(spec={"versions": versions}))]
    assert preferred == ["v10", "v2", "v1", "v2beta2", "v2beta1", "v1alpha1", "foo"]


def test_what_an_update_may_not_change() -> None:
    old = {**defined(), "status": {"storedVersions": ["v1", "v0"]}}
    found = definition_update_problems(defined(spec={"scope": "Cluster"}), old)
    assert [problem.field for problem in found] == ["spec.scope", "status.storedVersions[1]"]


@pytest.mark.parametrize("spec", [{"versions": "x"}, {"names": 5}, {"versions": [5]}, {"conversion": []}])
def test_definitions_of_wrong_types_break_rules_and_nothing_else(spec: JSONObject) -> None:
    assert told(defined(spec=spec)) != []


def test_a_number_or_text_may_say_so_in_so_many_words() -> None:
    alternatives: JSONValue = [{"type": "integer"}, {"type": "string"}]
    either: JSONObject = {"x-kubernetes-int-or-string": True, "anyOf": alternatives}
    all_of: JSONObject = {"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": alternatives}, {"pattern": "^a"}]}
    assert told(defined({"type": "object", "properties": {"a": either, "b": all_of}})) == []
    odd: JSONObject = {**either, "anyOf": [{"type": "integer"}]}
    assert any("must be empty" in text for _, text in told(defined({"type": "object", "properties": {"a": odd}})))
