"""Whether the schema in a definition is structural: what is in an object can be told without looking at its values.

Pure.

Source:
    apiextensions-apiserver pkg/apiserver/schema/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.json_paths import mapping_at, mappings_at, text_at
from kubeprims.testing.apiserver.schema_patterns import compile_pattern
from kubeprims.testing.apiserver.status import FieldProblem

JUNCTIONS = ("allOf", "anyOf", "oneOf")
"""The keywords that combine schemas in a list."""

_INT_OR_STRING = "x-kubernetes-int-or-string"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INTEGER_OR_STRING: JSONValue = [{"type": "integer"}, {"type": "string"}]
_METADATA_NAMES = {"name", "generateName"}
_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
# What may not be said in the schemas that a junction combines, and how that is put.
_NOT_NESTED = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    _PRESERVE: "must be false to be structural",
    _EMBEDDED: "must be false to be structural",
    _INT_OR_STRING: "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
    "x-kubernetes-validations": "must be empty to be structural",
}


def structure_problems(schema: JSONObject, path: str) -> list[FieldProblem]:
    """Return why a schema is not structural, in order.

    Args:
        schema: The schema of a version.
        path: Where it is in the definition.
    """
    problems = [*_problems(schema, _ROOT, path), *_incomplete(schema, schema, path, path)]
    return sorted(problems, key=lambda problem: f"{problem.field}: {problem.text}")


def _problems(schema: JSONObject, level: str, path: str) -> Iterator[FieldProblem]:
    yield from _part_problems(schema, level, path)
    yield from _extension_problems(schema, path)
    yield from _value_problems(schema, path, integer_or_string=_is_integer_or_string(schema))
    yield from _type_problems(schema, level, path)
    if level is _ROOT or schema.get(_EMBEDDED) is True:
        yield from _own_member_problems(schema, level, path)


def _part_problems(schema: JSONObject, level: str, path: str) -> Iterator[FieldProblem]:
    items, additional = schema.get("items"), schema.get("additionalProperties")
    if isinstance(items, dict):
        yield from _problems(items, _ITEM, f"{path}.items")
    elif schema.get("type") == "array" and items is None:
        yield FieldProblem.required(f"{path}.items", "must be specified")
    for name, member in _properties(schema):
        yield from _problems(member, _FIELD, f"{path}.properties[{name}]")
    if additional is not None and level is _ROOT:
        yield FieldProblem.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(additional, dict):
        yield from _problems(additional, _FIELD, f"{path}.additionalProperties")


def _properties(schema: JSONObject) -> Iterator[tuple[str, JSONObject]]:
    for name, member in mapping_at(schema, "properties").items():
        if isinstance(member, dict):
            yield name, member


def _extension_problems(schema: JSONObject, path: str) -> Iterator[FieldProblem]:
    if schema.get(_INT_OR_STRING) is True:
        for keyword in (_PRESERVE, _EMBEDDED):
            if schema.get(keyword) is True:
                rule = "must be false if x-kubernetes-int-or-string is true"
                yield FieldProblem.invalid(f"{path}.{keyword}", value=True, rule=rule)


def _is_integer_or_string(schema: JSONObject) -> bool:
    """Return whether a schema says in so many words what ``x-kubernetes-int-or-string`` says of it."""
    first = mappings_at(schema, "allOf")[:1]
    return any(part.get("anyOf") == _INTEGER_OR_STRING for part in (schema, *first))


def _value_problems(schema: JSONObject, path: str, *, integer_or_string: bool = False) -> Iterator[FieldProblem]:
    for keyword in JUNCTIONS:
        if keyword == "anyOf" and integer_or_string and schema.get(keyword) == _INTEGER_OR_STRING:
            continue
        for position, part in enumerate(mappings_at(schema, keyword)):
            is_type = keyword == "allOf" and position == 0 and integer_or_string
            yield from _nested_problems(part, f"{path}.{keyword}[{position}]", integer_or_string=is_type)
    negated = schema.get("not")
    if isinstance(negated, dict):
        yield from _nested_problems(negated, f"{path}.not")
    pattern = text_at(schema, "pattern")
    if pattern:
        try:
            compile_pattern(pattern)
        except ValueError as error:
            rule = f"must be a valid regular expression, but isn't: {error}"
            yield FieldProblem.invalid(f"{path}.pattern", pattern, rule)


def _nested_problems(schema: JSONObject, path: str, *, integer_or_string: bool = False) -> Iterator[FieldProblem]:
    yield from _value_problems(schema, path, integer_or_string=integer_or_string)
    items = schema.get("items")
    if isinstance(items, dict):
        yield from _nested_problems(items, f"{path}.items")
    for name, member in _properties(schema):
        yield from _nested_problems(member, f"{path}.properties[{name}]")
    for keyword, rule in _NOT_NESTED.items():
        if schema.get(keyword) not in (None, "", False, []):
            yield FieldProblem.forbidden(f"{path}.{keyword}", rule)
    if "metadata" in mapping_at(schema, "properties"):
        yield FieldProblem.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _type_problems(schema: JSONObject, level: str, path: str) -> Iterator[FieldProblem]:
    type_, place = text_at(schema, "type"), f"{path}.type"
    if schema.get(_EMBEDDED) is True:
        yield from _embedded_problems(schema, type_, path)
    elif not type_ and not any(schema.get(keyword) is True for keyword in (_INT_OR_STRING, _PRESERVE)):
        yield FieldProblem.required(place, f"must not be empty {level}")
    if level is _ROOT and type_ not in {"", "object"}:
        yield FieldProblem.invalid(place, type_, "must be object at the root")


def _embedded_problems(schema: JSONObject, type_: str, path: str) -> Iterator[FieldProblem]:
    rule = "must be object if x-kubernetes-embedded-resource is true"
    if not type_:
        yield FieldProblem.required(f"{path}.type", rule)
    elif type_ != "object":
        yield FieldProblem.invalid(f"{path}.type", type_, rule)
    if schema.get("additionalProperties") is not None:
        rule = "must not be used if x-kubernetes-embedded-resource is set"
        yield FieldProblem.forbidden(f"{path}.additionalProperties", rule)
    if schema.get(_PRESERVE) is not True and not mapping_at(schema, "properties"):
        rule = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        yield FieldProblem.required(f"{path}.properties", rule)


def _own_member_problems(schema: JSONObject, level: str, path: str) -> Iterator[FieldProblem]:
    """Yield what is wrong with what is said of the members that every object has."""
    properties = mapping_at(schema, "properties")
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        type_ = text_at(properties, name, "type")
        if name in properties and type_ != wanted:
            yield FieldProblem.invalid(f"{path}.properties[{name}].type", type_, f"must be {wanted}")
    metadata = mapping_at(properties, "metadata")
    others = set(metadata) - {"type", "properties", "default", "description"}
    if level is _ROOT and (others or set(mapping_at(metadata, "properties")) - _METADATA_NAMES):
        rule = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield FieldProblem.forbidden(f"{path}.properties[metadata]", rule)


def _incomplete(nested: JSONObject, schema: JSONObject | None, path: str, at: str) -> Iterator[FieldProblem]:
    """Yield what the junctions at the root tell of that the schema itself does not know."""
    for place, part in _junction_parts(nested, at):
        yield from _incomplete_part(part, schema, path, place)


def _junction_parts(schema: JSONObject, path: str) -> Iterator[tuple[str, JSONObject]]:
    for keyword in JUNCTIONS:
        for position, part in enumerate(mappings_at(schema, keyword)):
            yield f"{path}.{keyword}[{position}]", part
    negated = schema.get("not")
    if isinstance(negated, dict):
        yield f"{path}.not", negated


def _incomplete_part(part: JSONObject, schema: JSONObject | None, path: str, at: str) -> Iterator[FieldProblem]:
    if schema is None:
        yield FieldProblem.required(path, f"because it is defined in {at}")
        return
    yield from _incomplete(part, schema, path, at)
    items, own = part.get("items"), schema.get("items")
    if isinstance(items, dict):
        yield from _incomplete_part(items, own if isinstance(own, dict) else None, f"{path}.items", f"{at}.items")
    known = dict(_properties(schema))
    for name, member in _properties(part):
        inner = f".properties[{name}]"
        yield from _incomplete_part(member, known.get(name), f"{path}{inner}", f"{at}{inner}")
