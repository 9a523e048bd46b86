"""What may be said in the schema of a definition: its keywords, its lists and maps, its defaults.

Pure.

Source:
    apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go,
    ``ValidateCustomResourceDefinitionOpenAPISchema``; pkg/apiserver/schema/defaulting/validation.go.
    Differs: rules in CEL are refused: nothing here could carry them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.crd_structure import JUNCTIONS, structure_problems
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at, texts_at
from kubeprims.testing.apiserver.pruning import pruned
from kubeprims.testing.apiserver.schema import ABSENT, Schema
from kubeprims.testing.apiserver.schema_formats import is_known_format
from kubeprims.testing.apiserver.schema_validation import default_problems
from kubeprims.testing.apiserver.status import FieldProblem, quoted

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES = ("atomic", "set", "map")
_MAP_TYPES = ("atomic", "granular")
_NOT_SUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_OWN_MEMBERS = ("metadata", "apiVersion", "kind")
_UNCHECKED_FORMATS = frozenset({"int32", "int64", "uint32", "uint64", "float", "double", "int-or-string", "binary"})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a definition a schema is.

    Attributes:
        path: The path of the field.
        is_root: It is the schema of the whole object.
        in_metadata: It is within what is said of an object's metadata, kind or version.
        no_default: Why there may be no default; empty if there may be one.
    """

    path: str
    is_root: bool = False
    in_metadata: bool = False
    no_default: str = ""

    def below(self, part: str) -> _Place:
        return replace(self, path=f"{self.path}.{part}", is_root=False)


def schema_definition_problems(raw: JSONObject, schema: Schema, path: str) -> list[FieldProblem]:
    """Return what is wrong with the schema of a version.

    Args:
        raw: The schema, as the definition has it.
        schema: The same, parsed.
        path: Where it is in the definition.
    """
    # What a keyword says that is not supported leaves open whether the schema is structural.
    problems = [] if _says_what_is_not_supported(raw) else [*structure_problems(raw, path)]
    if raw.get("nullable") is True:
        problems.append(FieldProblem.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    problems.extend(_problems(raw, _Place(path, is_root=True)))
    if not problems:
        problems.extend(_default_problems(schema, path))
    # The same rule can be met on two ways, and is told once.
    return list(dict.fromkeys(problems))


def _says_what_is_not_supported(raw: JSONObject) -> bool:
    return any(schema.get(keyword) for schema, _ in _walk(raw, _Place("")) for keyword in _NOT_SUPPORTED)


def unknown_formats(raw: JSONObject) -> list[str]:
    """Return the formats in a schema that nothing is known of, in order, each once."""
    found = {
        text_at(schema, "format")
        for schema, _ in _walk(raw, _Place(""))
        if text_at(schema, "type") in {"string", "integer", "number"}
    }
    return sorted(name for name in found if name and name not in _UNCHECKED_FORMATS and not is_known_format(name))


def _walk(schema: JSONObject, place: _Place) -> Iterator[tuple[JSONObject, _Place]]:
    yield schema, place
    for part, at in _parts(schema, place):
        yield from _walk(part, at)


def _parts(schema: JSONObject, place: _Place) -> Iterator[tuple[JSONObject, _Place]]:
    additional, items, negated = schema.get("additionalProperties"), schema.get("items"), schema.get("not")
    if isinstance(additional, dict):
        reason = "inside additionalProperties applying to object metadata" if place.in_metadata else place.no_default
        yield additional, replace(place.below("additionalProperties"), no_default=reason)
    for name, member in mapping_at(schema, "properties").items():
        if isinstance(member, dict):
            yield member, _property_place(schema, place, name)
    if isinstance(negated, dict):
        yield negated, place.below("not")
    for keyword in JUNCTIONS:
        for position, part in enumerate(mappings_at(schema, keyword)):
            yield part, place.below(f"{keyword}[{position}]")
    if isinstance(items, dict):
        yield items, place.below("items")


def _property_place(schema: JSONObject, place: _Place, name: str) -> _Place:
    below = place.below(f"properties[{name}]")
    is_resource = place.is_root or schema.get("x-kubernetes-embedded-resource") is True
    if not is_resource or name not in _OWN_MEMBERS:
        return below
    reason = f"in top-level {name}" if place.is_root else place.no_default
    return replace(below, in_metadata=True, no_default=reason)


def _problems(raw: JSONObject, root: _Place) -> Iterator[FieldProblem]:
    for schema, place in _walk(raw, root):
        yield from _keyword_problems(schema, place)
        yield from _extension_problems(schema, place.path)
        yield from _rule_problems(schema, place.path)


def _keyword_problems(schema: JSONObject, place: _Place) -> Iterator[FieldProblem]:
    path, type_ = place.path, text_at(schema, "type")
    if type_ and type_ not in _TYPES:
        yield FieldProblem.unsupported(f"{path}.type", type_, _TYPES)
    if schema.get("default") is not None and place.no_default:
        yield FieldProblem.forbidden(f"{path}.default", f"must not be set {place.no_default}")
    for keyword in _NOT_SUPPORTED:
        if schema.get(keyword) not in (None, "", {}):
            yield FieldProblem.forbidden(f"{path}.{keyword}", f"{keyword} is not supported")
    if type_ == "null":
        rule = "type cannot be set to null, use nullable as an alternative"
        yield FieldProblem.forbidden(f"{path}.type", rule)
    if isinstance(schema.get("items"), list):
        yield FieldProblem.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and schema.get("x-kubernetes-embedded-resource") is True:
        rule = "must not be used inside of resource meta"
        yield FieldProblem.forbidden(f"{path}.x-kubernetes-embedded-resource", rule)
    if schema.get("uniqueItems") is True:
        rule = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield FieldProblem.forbidden(f"{path}.uniqueItems", rule)
    if mapping_at(schema, "properties") and schema.get("additionalProperties") not in (None, True):
        rule = "additionalProperties and properties are mutual exclusive"
        yield FieldProblem.forbidden(f"{path}.additionalProperties", rule)


def _rule_problems(schema: JSONObject, path: str) -> Iterator[FieldProblem]:
    for position, rule in enumerate(mappings_at(schema, "x-kubernetes-validations")):
        place = f"{path}.x-kubernetes-validations[{position}].rule"
        text = text_at(rule, "rule")
        if not text.strip():
            yield FieldProblem.required(place, "rule is not specified")
        else:
            message = f"rules in CEL are not supported by this server, which could not carry out {quoted(text)}"
            yield FieldProblem.forbidden(place, message)


def _extension_problems(schema: JSONObject, path: str) -> Iterator[FieldProblem]:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        place = f"{path}.x-kubernetes-preserve-unknown-fields"
        yield FieldProblem.invalid(place, value=False, rule="must be true or undefined")
    yield from _kind_of_problems(schema, path, "x-kubernetes-map-type", "object", _MAP_TYPES)
    yield from _kind_of_problems(schema, path, "x-kubernetes-list-type", "array", _LIST_TYPES)
    keys, list_type = texts_at(schema, "x-kubernetes-list-map-keys"), text_at(schema, "x-kubernetes-list-type")
    if keys and list_type != "map":
        place, rule = f"{path}.x-kubernetes-list-type", "must be map if x-kubernetes-list-map-keys is non-empty"
        yield FieldProblem.invalid(place, list_type, rule) if list_type else FieldProblem.required(place, rule)
    match list_type:
        case "set":
            yield from _set_problems(schema, path)
        case "map":
            yield from _map_problems(schema, keys, path)
        case _:
            pass


def _kind_of_problems(
    schema: JSONObject, path: str, keyword: str, wanted: str, supported: tuple[str, ...]
) -> Iterator[FieldProblem]:
    kind, type_ = text_at(schema, keyword), text_at(schema, "type")
    if not kind:
        return
    rule = f"must be {wanted} if {keyword} is specified"
    if not type_:
        yield FieldProblem.required(f"{path}.type", rule)
    elif type_ != wanted:
        yield FieldProblem.invalid(f"{path}.type", type_, rule)
    if kind not in supported:
        yield FieldProblem.unsupported(f"{path}.{keyword}", kind, supported)


def _set_problems(schema: JSONObject, path: str) -> Iterator[FieldProblem]:
    items = mapping_at(schema, "items")
    if text_at(schema, "type") != "array":
        return
    for type_, keyword, allowed in (
        ("array", "x-kubernetes-list-type", {"", "atomic"}),
        ("object", "x-kubernetes-map-type", {"atomic"}),
    ):
        if text_at(items, "type") == type_ and text_at(items, keyword) not in allowed:
            rule = "must be atomic as item of a list with x-kubernetes-list-type=set"
            shown: JSONValue = text_at(items, "x-kubernetes-list-type") or None
            yield FieldProblem.invalid(f"{path}.items.{keyword}", shown, rule)
    yield from _nullable_item_problems(items, "set", path)


def _nullable_item_problems(items: JSONObject, list_type: str, path: str) -> Iterator[FieldProblem]:
    if items.get("nullable") is True:
        rule = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        yield FieldProblem.forbidden(f"{path}.items.nullable", rule)


def _map_problems(schema: JSONObject, keys: tuple[str, ...], path: str) -> Iterator[FieldProblem]:
    items = schema.get("items")
    if not keys:
        rule = "must not be empty if x-kubernetes-list-type is map"
        yield FieldProblem.required(f"{path}.x-kubernetes-list-map-keys", rule)
    if items is None:
        yield FieldProblem.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
    if not isinstance(items, dict):
        return
    type_ = text_at(items, "type")
    if type_ != "object":
        rule = "must be object if parent array's x-kubernetes-list-type is map"
        yield FieldProblem.invalid(f"{path}.items.type", type_, rule)
    else:
        yield from _key_problems(items, keys, path)
    yield from _nullable_item_problems(items, "map", path)


def _key_problems(items: JSONObject, keys: tuple[str, ...], path: str) -> Iterator[FieldProblem]:
    properties, required = mapping_at(items, "properties"), texts_at(items, "required")
    for position, key in enumerate(keys):
        place, member = f"{path}.items.properties[{key}]", mapping_at(properties, key)
        if key in keys[:position]:
            rule = "must not contain duplicate entries"
            yield FieldProblem.invalid(f"{path}.x-kubernetes-list-map-keys", list(keys), rule)
        if key not in properties:
            rule = "entries must all be names of item properties"
            yield FieldProblem.invalid(f"{path}.x-kubernetes-list-map-keys", list(keys), rule)
            continue
        if text_at(member, "type") in {"array", "object"}:
            rule = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield FieldProblem.invalid(f"{place}.type", "object", rule)
        if key not in required and member.get("default") is None:
            rule = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield FieldProblem.required(f"{place}.default", rule)
        if member.get("nullable") is True:
            rule = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield FieldProblem.forbidden(f"{place}.nullable", rule)


def _default_problems(schema: Schema, path: str) -> Iterator[FieldProblem]:
    """Yield what is wrong with the defaults in a structural schema."""
    if schema.default is not ABSENT:
        yield from _one_default_problems(schema.default, schema, f"{path}.default")
    for name, member in schema.properties.items():
        if schema.embedded_resource and name == "metadata":
            continue
        yield from _default_problems(member, f"{path}.properties[{name}]")
    if schema.additional is not None:
        yield from _default_problems(schema.additional, f"{path}.additionalProperties")
    if schema.items is not None:
        yield from _default_problems(schema.items, f"{path}.items")


def _one_default_problems(default: JSONValue, schema: Schema, path: str) -> Iterator[FieldProblem]:
    if isinstance(default, dict) and pruned(default, schema) is not default:
        yield FieldProblem.invalid(path, default, "must not have unknown fields")
    else:
        yield from default_problems(default, schema, path)
