"""CustomResourceDefinitions: what their schemas default, drop and refuse, and definitions that are refused."""

from __future__ import annotations

from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.exchange import MERGE_PATCH, STRATEGIC_PATCH, Exchange
from tests.contract.objects import definition, group_of, version, widget

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def schema(**properties: JSONValue) -> JSONObject:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def define(exchange: Exchange, **properties: JSONValue) -> str:
    exchange.define(definition(exchange.namespace, versions=[version("v1", schema(**properties))]))
    return f"{group_of(exchange.namespace)}/v1/widgets"


def test_what_the_schema_does_not_know_is_dropped(exchange: Exchange) -> None:
    kept: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    embedded: JSONObject = {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "properties": {"spec": {"type": "object"}},
    }
    by_name: JSONObject = {
        "type": "object",
        "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}},
    }
    path = define(exchange, size={"type": "integer"}, kept=kept, embedded=embedded, byName=by_name)
    spec: JSONObject = {
        "size": 1,
        "unknown": {"a": 1},
        "kept": {"any": ["thing"]},
        "embedded": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"gone": 1}, "gone": 1},
        "byName": {"x": {"a": "b", "c": "d"}},
    }
    exchange.post(path, widget(exchange.namespace, "a", spec=spec, more=1, status={"n": 1}))
    exchange.patch(f"{path}/a", {"spec": {"other": 1, "size": 2}})
    for validation in ("Strict", "Warn", "Ignore", "Other"):
        exchange.post(
            f"{path}?fieldValidation={validation}", widget(exchange.namespace, validation.lower(), spec=spec, more=1)
        )
    exchange.patch(f"{path}/a?fieldValidation=Strict", {"spec": {"other": 1, "size": 3}})
    exchange.post(
        f"{path}?fieldValidation=Strict", b'{"metadata": {"name": "x", "name": "y"}, "spec": {"size": 1, "size": 2}}'
    )


def test_defaults_are_filled_in(exchange: Exchange) -> None:
    part: JSONObject = {"type": "object", "properties": {"on": {"type": "boolean", "default": True}}}
    path = define(
        exchange,
        size={"type": "integer", "default": 3},
        part=part | {"default": {}},
        optional=part,
        items={"type": "array", "items": part},
        byName={"type": "object", "additionalProperties": part},
        nothing={"type": "string", "nullable": True, "default": "x"},
        something={"type": "string", "default": "x"},
    )
    exchange.post(path, widget(exchange.namespace, "a", spec={}))
    exchange.post(path, widget(exchange.namespace, "b"))
    spec: JSONObject = {
        "optional": {},
        "items": [{}, {"on": False}],
        "byName": {"x": {}},
        "nothing": None,
        "something": None,
    }
    exchange.post(path, widget(exchange.namespace, "c", spec=spec))
    exchange.patch(f"{path}/a", {"spec": {"size": None, "part": None}})
    exchange.put(f"{path}/b", widget(exchange.namespace, "b", spec={}))
    exchange.get(path)


def test_values_that_the_schema_refuses(exchange: Exchange) -> None:
    path = define(
        exchange,
        size={"type": "integer", "minimum": 1, "maximum": 5},
        part={"type": "number", "exclusiveMinimum": True, "minimum": 0, "multipleOf": 0.5},
        name={"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
        color={"type": "string", "enum": ["red", "blue"]},
        names={
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": 2,
            "x-kubernetes-list-type": "set",
        },
        parts={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
            },
        },
        port={"x-kubernetes-int-or-string": True},
        needs={
            "type": "object",
            "required": ["a", "b"],
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        },
        many={"type": "object", "maxProperties": 1, "minProperties": 1, "additionalProperties": {"type": "string"}},
        when={"type": "string", "format": "date-time"},
        either={
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        flag={"type": "boolean"},
    )
    bad: list[JSONValue] = [
        {"size": 0},
        {"size": 6},
        {"size": 1.5},
        {"size": "one"},
        {"size": None},
        {"part": 0},
        {"part": 0.7},
        {"name": "a"},
        {"name": "abcde"},
        {"name": "A1"},
        {"color": "green"},
        {"names": []},
        {"names": ["a", "b", "c"]},
        {"names": ["a", "a"]},
        {"names": "a"},
        {"names": [1]},
        {"parts": [{"name": "a"}, {"name": "a"}]},
        {"parts": [{"n": 1}]},
        {"port": True},
        {"needs": {}},
        {"needs": {"a": "x"}},
        {"many": {}},
        {"many": {"a": "x", "b": "y"}},
        {"when": "soon"},
        {"either": {}},
        {"either": {"a": "x", "b": "y"}},
        {"flag": "yes"},
        "text",
        [],
    ]
    for spec in bad:
        exchange.post(path, widget(exchange.namespace, "a", spec=spec))
    good: JSONObject = {
        "size": 5,
        "part": 1.5,
        "name": "abc",
        "color": "red",
        "port": "http",
        "when": "2001-01-01T00:00:00Z",
    }
    exchange.post(path, widget(exchange.namespace, "good", spec=good))
    exchange.patch(f"{path}/good", {"spec": {"size": 9}})
    exchange.put(f"{path}/good", widget(exchange.namespace, "good", spec={"size": 9}))


def test_required_fields_of_the_whole(exchange: Exchange) -> None:
    whole: JSONObject = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}}},
    }
    exchange.define(definition(exchange.namespace, versions=[version("v1", whole)]))
    path = f"{group_of(exchange.namespace)}/v1/widgets"
    exchange.post(path, widget(exchange.namespace, "a"))
    exchange.post(path, widget(exchange.namespace, "a", spec={}))
    exchange.post(path, widget(exchange.namespace, "a", spec={"size": 1}))
    exchange.patch(f"{path}/a", {"spec": None})
    exchange.post(path, widget(exchange.namespace, "A_b", spec={"size": 1}))
    exchange.post(path, widget(exchange.namespace, "a", spec={"size": 1}))


def test_versions_show_the_same_objects(exchange: Exchange) -> None:
    versions: list[JSONValue] = [
        version("v1"),
        version("v1beta1", storage=False),
        version("v0", storage=False, served=False),
    ]
    exchange.define(definition(exchange.namespace, versions=versions))
    group = group_of(exchange.namespace)
    exchange.post(f"{group}/v1/widgets", widget(exchange.namespace, "a", spec={"x": 1}))
    exchange.get(f"{group}/v1beta1/widgets/a")
    exchange.get(f"{group}/v1beta1/widgets")
    exchange.post(f"{group}/v1beta1/widgets", widget(exchange.namespace, "b", "v1beta1"))
    exchange.get(f"{group}/v1/widgets/b")
    exchange.patch(f"{group}/v1beta1/widgets/a", {"spec": {"x": 2}})
    exchange.post(f"{group}/v1/widgets", widget(exchange.namespace, "c", "v1beta1"))
    exchange.post(f"{group}/v1/widgets", widget(exchange.namespace, "d") | {"kind": "Gadget"})
    exchange.post(f"{group}/v1/widgets", {"metadata": {"name": "e"}})
    with exchange.watch(f"{group}/v1beta1/widgets?watch=1") as watch:
        watch.take(2)
    exchange.delete(f"{group}/v1beta1/widgets/a")


def test_what_the_stored_version_does_not_know_is_lost(exchange: Exchange) -> None:
    stored: JSONObject = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}},
    }
    free: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions: list[JSONValue] = [version("v1", stored), version("v2", free, storage=False)]
    exchange.define(definition(exchange.namespace, versions=versions))
    group = group_of(exchange.namespace)
    old, new = f"{group}/v1/widgets", f"{group}/v2/widgets"
    written: JSONObject = {"apiVersion": f"{group}/v2", "kind": "Widget", "metadata": {"name": "a"}}
    exchange.post(new, written | {"spec": {"b": 1}, "more": True})
    exchange.get(f"{old}/a")
    exchange.patch(f"{new}/a", {"spec": {"a": "y", "b": 2}})
    exchange.patch(f"{old}/a", {"spec": {"b": 3}})
    exchange.get(f"{new}/a")


def test_patches_of_custom_resources(exchange: Exchange) -> None:
    exchange.define(definition(exchange.namespace))
    path = f"{group_of(exchange.namespace)}/v1/widgets"
    exchange.post(path, widget(exchange.namespace, "a", spec={"list": [1], "x": 1}))
    exchange.patch(f"{path}/a", {"spec": {"list": [2]}}, MERGE_PATCH)
    exchange.patch(f"{path}/a", {"spec": {"x": None}}, MERGE_PATCH)
    exchange.patch(f"{path}/a", {"spec": {"list": [3]}}, STRATEGIC_PATCH)
    exchange.apply(f"{path}/a", widget(exchange.namespace, "a", spec={"y": 1}))
    exchange.apply(f"{path}/a", widget(exchange.namespace, "a", spec={"list": [4]}))
    exchange.apply(f"{path}/b", widget(exchange.namespace, "b", spec={"nested": {"a": [{"b": 1}]}}))
    exchange.apply(f"{path}/b", widget(exchange.namespace, "b", spec={}))
    exchange.put(f"{path}/a", widget(exchange.namespace, "a", spec={}))
    exchange.delete(f"{path}/a")


def test_lists_with_types_are_applied_by_element(exchange: Exchange) -> None:
    path = define(
        exchange,
        names={"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        whole={"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        parts={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
            },
        },
    )
    exchange.apply(
        f"{path}/a",
        widget(exchange.namespace, "a", spec={"names": ["x"], "whole": {"a": "1"}, "parts": [{"name": "p", "n": 1}]}),
        "first",
    )
    exchange.apply(
        f"{path}/a", widget(exchange.namespace, "a", spec={"names": ["y"], "parts": [{"name": "q", "n": 1}]}), "second"
    )
    exchange.apply(f"{path}/a", widget(exchange.namespace, "a", spec={"whole": {"b": "2"}}), "second")
    exchange.apply(f"{path}/a", widget(exchange.namespace, "a", spec={"parts": [{"name": "p", "n": 2}]}), "second")
    exchange.apply(f"{path}/a", widget(exchange.namespace, "a", spec={}), "first")


def test_cluster_scoped_resources(exchange: Exchange) -> None:
    exchange.define(definition(exchange.namespace, scope="Cluster"))
    path = f"/apis/{group_of(exchange.namespace)}/v1/widgets"
    exchange.post(path, widget(exchange.namespace, "a"))
    exchange.get(f"{path}/a")
    exchange.get(path)
    exchange.get(f"{group_of(exchange.namespace)}/v1/widgets")
    exchange.post(path, widget(exchange.namespace, "b") | {"metadata": {"name": "b", "namespace": "default"}})
    exchange.delete(path)


def established(body: JSONObject) -> JSONValue:
    """Return what a definition says without the versions and managers of its status, which a controller writes."""
    if body["kind"] != "CustomResourceDefinition":
        return body
    metadata = cast("JSONObject", body["metadata"])
    status = cast("JSONObject", body["status"])
    conditions = sorted(cast("list[JSONObject]", status["conditions"]), key=lambda condition: str(condition["type"]))
    kept = {key: value for key, value in metadata.items() if key not in {"managedFields", "resourceVersion"}}
    return body | {"metadata": kept, "status": status | {"conditions": cast("JSONValue", conditions)}}


def test_a_definition_is_completed_and_accepted(exchange: Exchange) -> None:
    new = definition(exchange.namespace)
    spec = cast("JSONObject", new["spec"])
    spec["names"] = {"plural": "widgets", "kind": "Widget"}
    exchange.define(new)
    path = f"{DEFINITIONS}/widgets.{group_of(exchange.namespace)}"
    exchange.get(path, select=established)
    exchange.post(DEFINITIONS, new)
    exchange.request("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE_PATCH, select=established)


def test_a_definition_goes_with_its_resource(exchange: Exchange) -> None:
    exchange.define(definition(exchange.namespace))
    path = f"{group_of(exchange.namespace)}/v1/widgets"
    exchange.get(path)
    exchange.get(f"{path}/absent")
    exchange.remove_definition(f"widgets.{group_of(exchange.namespace)}", f"/apis/{group_of(exchange.namespace)}/v1")
    exchange.get(path)
    exchange.get(f"{DEFINITIONS}/widgets.{group_of(exchange.namespace)}")


_NOTHING: JSONObject = {"type": "object"}


def test_definitions_that_are_refused(exchange: Exchange) -> None:
    def changed(**members: JSONValue) -> JSONObject:
        new = definition(exchange.namespace)
        return new | {"spec": cast("JSONObject", new["spec"]) | members}

    def with_schema(found: JSONValue) -> JSONObject:
        return changed(versions=[{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": found}}])

    names: JSONObject = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    bad: list[JSONObject] = [
        changed() | {"metadata": {"name": "wrong"}},
        changed(group=""),
        changed(scope="Planet"),
        changed(names={}),
        changed(names=names | {"kind": "widget_"}),
        changed(names=names | {"listKind": "Widget"}),
        changed(versions=[]),
        changed(versions=[{"name": "v1", "served": True, "storage": True}]),
        changed(versions=[version("v1", storage=False)]),
        changed(versions=[version("v1"), version("v2")]),
        changed(versions=[version("v1"), version("v1", storage=False)]),
        changed(versions=[version("V_1")]),
        changed(conversion={"strategy": "Magic"}),
        changed(conversion={"strategy": "Webhook"}),
        changed(preserveUnknownFields=True),
        with_schema({}),
        with_schema({"type": "array"}),
        with_schema({"type": "object", "properties": {"spec": {}}}),
        with_schema({"type": "object", "properties": {"spec": {"type": "thing"}}}),
        with_schema(schema(a={"type": "array"})),
        with_schema(schema(a={"type": "string", "default": 1})),
        with_schema(schema(a={"type": "string", "pattern": "("})),
        with_schema(
            schema(a={"type": "object", "properties": {"b": _NOTHING}, "additionalProperties": {"type": "string"}})
        ),
        with_schema(schema(a={"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "map"})),
        with_schema(schema(a={"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"})),
        with_schema({"type": "object", "properties": {"metadata": {"type": "object", "required": ["labels"]}}}),
        with_schema(schema(a={"$ref": "#/x"})),
        with_schema(schema(a={"type": "array", "items": {"type": "string"}, "uniqueItems": True})),
    ]
    for body in bad:
        exchange.post(DEFINITIONS, body)
    columns: JSONValue = [{"name": "A", "type": "wheel", "jsonPath": "spec"}]
    exchange.post(DEFINITIONS, changed(versions=[version("v1", additionalPrinterColumns=columns)]))
    scale: JSONValue = {"scale": {"specReplicasPath": "spec.n", "statusReplicasPath": ".spec.n"}}
    exchange.post(DEFINITIONS, changed(versions=[version("v1", subresources=scale)]))


def test_definitions_cannot_change_what_they_are(exchange: Exchange) -> None:
    new = definition(exchange.namespace)
    exchange.define(new)
    path = f"{DEFINITIONS}/widgets.{group_of(exchange.namespace)}"
    for spec in (
        {"scope": "Cluster"},
        {"group": "other.example.com"},
        {"names": {"plural": "others"}},
        {"names": {"kind": "Other"}},
    ):
        exchange.patch(path, {"spec": cast("JSONObject", spec)})
    exchange.patch(path, {"spec": {"versions": [version("v2")]}})


def test_selectable_fields(exchange: Exchange) -> None:
    versions: list[JSONValue] = [
        version(
            "v1",
            schema(color={"type": "string"}, size={"type": "integer"}),
            selectableFields=[{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}],
        )
    ]
    exchange.define(definition(exchange.namespace, versions=versions))
    path = f"{group_of(exchange.namespace)}/v1/widgets"
    exchange.post(path, widget(exchange.namespace, "a", spec={"color": "red", "size": 1}))
    exchange.post(path, widget(exchange.namespace, "b", spec={"color": "blue"}))
    for selector in ("spec.color%3Dred", "spec.color!%3Dred", "spec.size%3D1", "spec.other%3D1", "metadata.name%3Db"):
        exchange.get(f"{path}?fieldSelector={selector}")


def test_formats_that_nobody_knows_are_warned_of_once(exchange: Exchange) -> None:
    def with_format(name: str) -> JSONObject:
        formats: JSONObject = {"a": {"type": "string", "format": name}, "b": {"type": "string", "format": "date"}}
        return definition(exchange.namespace, versions=[version("v1", {"type": "object", "properties": formats})])

    def only_name(body: JSONObject) -> JSONValue:
        return cast("JSONObject", body["metadata"])["name"]

    path = f"{DEFINITIONS}/widgets.{group_of(exchange.namespace)}"
    exchange.request("POST", DEFINITIONS, with_format("even"), select=only_name)
    exchange.request("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE_PATCH, select=only_name)
    spec = with_format("new")["spec"]
    exchange.request("PATCH", path, {"spec": spec}, content_type=MERGE_PATCH, select=only_name)


def test_rules_of_the_schema(exchange: Exchange) -> None:
    rules: JSONValue = [{"rule": "self.low <= self.high", "message": "low is not to be above high"}]
    whole = schema(low={"type": "integer"}, high={"type": "integer"})
    cast("dict[str, JSONObject]", whole["properties"])["spec"]["x-kubernetes-validations"] = rules
    exchange.post(DEFINITIONS, definition(exchange.namespace, versions=[version("v1", whole)]))
