"""Which rules of its schema an object of a custom kind breaks, in the words and with the reasons of upstream.

Pure. What an update leaves as it was is not judged again: a schema may have become stricter since.

Source:
    kube-openapi pkg/validation/validate: the rules, and which of them are told together.
    apiextensions-apiserver pkg/apiserver/validation/validation.go: the reasons; ratcheting.go: what stays as it was.
    Differs: members are judged in the order of the schema, where upstream's order is that of chance; of the
    alternatives of ``anyOf`` and ``oneOf``, the problems of the first are told, where upstream counts what fits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.embedded_resources import embedded_problems, value_problems
from kubeprims.testing.apiserver.list_types import list_problems
from kubeprims.testing.apiserver.schema import ABSENT, NO_RULES, Absent, Schema
from kubeprims.testing.apiserver.schema_formats import has_format
from kubeprims.testing.apiserver.schema_patterns import compile_pattern
from kubeprims.testing.apiserver.status import FieldProblem, quoted

_NO_FIELD = "<nil>"
_SAFE_INTEGER_MAX = 2**53
_INT64 = (-(2**63), 2**63 - 1)
_INTEGER_FORMATS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": _INT64,
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_METADATA_MEMBERS = ("name", "generateName")
_Old = JSONValue | Absent


def schema_problems(obj: JSONObject, schema: Schema, old: JSONObject | None = None) -> list[FieldProblem]:
    """Return which rules an object breaks.

    Args:
        obj: The object.
        schema: The schema of its kind.
        old: The object that it replaces, if there is one.
    """
    problems = [*_problems(obj, schema, "", ABSENT if old is None else old), *embedded_problems(obj, schema)]
    lists = list_problems(obj, schema)
    if lists and (old is None or not list_problems(old, schema)):
        problems.extend(lists)
    return problems


def default_problems(default: JSONValue, schema: Schema, path: str) -> list[FieldProblem]:
    """Return which rules a default breaks.

    Args:
        default: The default.
        schema: What it stands in for.
        path: Where the default is in its definition.
    """
    problems = [
        *_problems(default, schema, "", ABSENT),
        *value_problems(default, schema, ""),
        *list_problems(default, schema),
    ]
    return [
        problem._replace(field=path if problem.field in {"", _NO_FIELD} else f"{path}.{problem.field.lstrip('.')}")
        for problem in problems
    ]


def _problems(value: JSONValue, schema: Schema, path: str, old: _Old) -> Iterator[FieldProblem]:
    if old is not ABSENT and same_value(value, old):
        return
    yield from _type_problems(value, schema, path)
    if value is None:
        if not schema.nullable:
            yield from _enum_problems(value, schema, path)
        return
    yield from _junction_problems(value, schema, path)
    match value:
        case bool():
            pass
        case str():
            yield from _text_problems(value, schema, path)
        case int() | float():
            yield from _number_problems(value, schema, path)
        case list():
            yield from _list_problems(value, schema, path, old)
        case _:
            pass
    yield from _enum_problems(value, schema, path)
    if isinstance(value, dict):
        yield from _object_problems(value, schema, path, old)


def same_value(value: JSONValue, other: JSONValue) -> bool:
    """Return whether two JSON values are the same; unlike ``==``, it tells 1 from true."""
    return value == other and json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)


def type_name(value: JSONValue) -> str:
    """Return the name of a value's type, as schemas name it; a number that is whole is an integer."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "integer" if _is_whole(value) else "number"


def _is_whole(number: float) -> bool:
    if isinstance(number, int):
        return _INT64[0] <= number <= _INT64[1]
    return number.is_integer() and abs(number) <= _SAFE_INTEGER_MAX


def _type_problems(value: JSONValue, schema: Schema, path: str) -> Iterator[FieldProblem]:
    wanted = "integer,string" if schema.int_or_string else schema.type
    actual = type_name(value)
    if not wanted or (value is None and schema.nullable):
        return
    is_integer = actual == "integer" and wanted == "number"
    if actual not in wanted.split(",") and not is_integer:
        if actual == "number" and wanted == "integer" and schema.format in _INTEGER_FORMATS:
            wanted, actual = schema.format, "float64"
        yield _type_problem(path, actual, wanted, actual)
    if isinstance(value, str) and schema.format and not has_format(value, schema.format):
        yield _type_problem(path, value, schema.format, value)


def _type_problem(path: str, value: str, wanted: str, actual: str) -> FieldProblem:
    text = f"Invalid value: {quoted(value)}: {path} in body must be of type {wanted}: {quoted(actual)}"
    return FieldProblem(path or _NO_FIELD, "FieldValueTypeInvalid", text)


def _rule(path: str, value: JSONValue, rule: str) -> FieldProblem:
    return FieldProblem.invalid(path or _NO_FIELD, value, f"{path} in body {rule}")


def _about(text: str) -> FieldProblem:
    return FieldProblem.invalid(_NO_FIELD, "", text)


def _junction_problems(value: JSONValue, schema: Schema, path: str) -> Iterator[FieldProblem]:
    rules = schema.rules
    if rules is NO_RULES:
        return
    yield from _alternative_problems(value, rules.any_of, path)
    yield from _only_one_problems(value, rules.one_of, path)
    yield from _all_problems(value, rules.all_of, path)
    if rules.not_ is not None and not any(_problems(value, rules.not_, path, ABSENT)):
        yield _about(f"{quoted(path)} must not validate the schema (not)")


def _alternative_problems(value: JSONValue, schemas: Sequence[Schema], path: str) -> Iterator[FieldProblem]:
    first: list[FieldProblem] = []
    for schema in schemas:
        problems = list(_problems(value, schema, path, ABSENT))
        if not problems:
            return
        first = first or problems
    if schemas:
        yield _about(f"{quoted(path)} must validate at least one schema (anyOf)")
        yield from first


def _only_one_problems(value: JSONValue, schemas: Sequence[Schema], path: str) -> Iterator[FieldProblem]:
    found = [list(_problems(value, schema, path, ABSENT)) for schema in schemas]
    valid = sum(not problems for problems in found)
    if not schemas or valid == 1:
        return
    how_many = f"Found {valid} valid alternatives" if valid else "Found none valid"
    yield _about(f"{quoted(path)} must validate one and only one schema (oneOf). {how_many}")
    if not valid:
        yield from found[0]


def _all_problems(value: JSONValue, schemas: Sequence[Schema], path: str) -> Iterator[FieldProblem]:
    found = [list(_problems(value, schema, path, ABSENT)) for schema in schemas]
    if not any(found):
        return
    for problems in found:
        yield from problems
    none = ". None validated" if all(found) else ""
    yield _about(f"{quoted(path)} must validate all the schemas (allOf){none}")


def _text_problems(text: str, schema: Schema, path: str) -> Iterator[FieldProblem]:
    rules, length = schema.rules, len(text)
    if rules.length_max is not None and length > rules.length_max:
        too_long = f"Too long: may not be more than {rules.length_max} bytes"
        yield FieldProblem(path or _NO_FIELD, "FieldValueTooLong", too_long)
    elif rules.length_min is not None and length < rules.length_min:
        yield _rule(path, text, f"should be at least {rules.length_min} chars long")
    elif rules.pattern is not None and not compile_pattern(rules.pattern).search(text):
        yield _rule(path, text, f"should match '{rules.pattern}'")


def _number_problems(number: float, schema: Schema, path: str) -> Iterator[FieldProblem]:
    rules, shown = schema.rules, _shown(number)
    low, high, factor = (_comparable(limit, number) for limit in (rules.minimum, rules.maximum, rules.multiple_of))
    yield from _range_problems(number, schema, path)
    if factor is not None:
        yield from _multiple_problems(number, factor, path)
    if high is not None and (number > high or (rules.exclusive_maximum and number == high)):
        limit = "less than" if rules.exclusive_maximum else "less than or equal to"
        yield _rule(path, shown, f"should be {limit} {_shown(high)}")
    if low is not None and (number < low or (rules.exclusive_minimum and number == low)):
        limit = "greater than" if rules.exclusive_minimum else "greater than or equal to"
        yield _rule(path, shown, f"should be {limit} {_shown(low)}")


def _comparable(limit: float | None, number: float) -> float | None:
    """Return a limit as upstream compares it: what is written as a whole number, with whole numbers."""
    return int(limit) if limit is not None and isinstance(number, int) else limit


def _range_problems(number: float, schema: Schema, path: str) -> Iterator[FieldProblem]:
    if schema.type != "integer":
        return
    low, high = _INTEGER_FORMATS.get(schema.format, _INT64)
    if not _is_whole(number) or not low <= number <= high:
        known = schema.format in _INTEGER_FORMATS
        form = f"with format {schema.format}" if known else "(default format)"
        yield _about(f"Checked value must be of type integer {form} in {path}")


def _multiple_problems(number: float, factor: float, path: str) -> Iterator[FieldProblem]:
    if factor <= 0:
        rule = f"factor MultipleOf declared for {path} must be positive: {_shown(factor)}"
        yield FieldProblem.invalid(path or _NO_FIELD, _shown(factor), rule)
    elif not _is_multiple(number, factor):
        yield _rule(path, _shown(number), f"should be a multiple of {_shown(factor)}")


def _is_multiple(number: float, factor: float) -> bool:
    if isinstance(number, int) and isinstance(factor, int):
        return number % factor == 0
    # What upstream does: the quotient of floats decides, so that 0.3 is no multiple of 0.1.
    return (1 / factor * number if factor < 1 else number / factor).is_integer()


def _shown(number: float) -> JSONValue:
    return int(number) if isinstance(number, float) and _is_whole(number) else number


def _enum_problems(value: JSONValue, schema: Schema, path: str) -> Iterator[FieldProblem]:
    if not schema.enum or any(same_value(value, allowed) for allowed in schema.enum):
        return
    supported = ", ".join(quoted(one if isinstance(one, str) else quoted(one)) for one in schema.enum)
    text = f"Unsupported value: {quoted(value)}: supported values: {supported}"
    yield FieldProblem(path or _NO_FIELD, "FieldValueNotSupported", text)


def _list_problems(items: list[JSONValue], schema: Schema, path: str, old: _Old) -> Iterator[FieldProblem]:
    rules, count = schema.rules, len(items)
    if schema.items is not None:
        before = _old_items(old, schema)
        for position, item in enumerate(items):
            known = before.get(_key_of(item, schema), ABSENT) if before else ABSENT
            yield from _problems(item, schema.items, f"{path}[{position}]", known)
    if rules.items_min is not None and count < rules.items_min:
        yield _rule(path, count, f"should have at least {rules.items_min} items")
    if rules.items_max is not None and count > rules.items_max:
        yield _too_many(path, count, rules.items_max)


def _old_items(old: _Old, schema: Schema) -> dict[str, JSONValue]:
    """Return the items of the old list by their keys; those of a list without keys are new ones."""
    if not isinstance(old, list) or schema.list_type != "map":
        return {}
    return {_key_of(item, schema): item for item in old}


def _key_of(item: JSONValue, schema: Schema) -> str:
    keys = [item.get(key) for key in schema.list_map_keys] if isinstance(item, dict) else []
    return quoted(keys)


def _too_many(path: str, count: int, limit: int) -> FieldProblem:
    items = "item" if limit == 1 else "items"
    return FieldProblem(path or _NO_FIELD, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} {items}")


def _object_problems(obj: JSONObject, schema: Schema, path: str, old: _Old) -> Iterator[FieldProblem]:
    rules, count = schema.rules, len(obj)
    before = old if isinstance(old, dict) else {}
    if rules.properties_min is not None and count < rules.properties_min:
        yield _rule(path, count, f"should have at least {rules.properties_min} properties")
    if rules.properties_max is not None and count > rules.properties_max:
        yield _too_many(path, count, rules.properties_max)
    for name, member in _members(obj, schema):
        place = f"{path}.{name}" if path else name
        if schema.embedded_resource and name == "metadata":
            yield from _metadata_problems(obj[name], member, place)
        else:
            yield from _problems(obj[name], member, place, before.get(name, ABSENT))
    for name in schema.required:
        if name not in obj:
            yield FieldProblem.required(f"{path}.{name}" if path else name, "")


def _members(obj: JSONObject, schema: Schema) -> Iterator[tuple[str, Schema]]:
    if schema.additional is not None:
        for name in sorted(obj):
            if name not in schema.properties:
                yield name, schema.additional
    for name in schema.properties:
        if name in obj:
            yield name, schema.properties[name]


def _metadata_problems(metadata: JSONValue, schema: Schema, path: str) -> Iterator[FieldProblem]:
    """Yield what a definition says of names; the rest of the metadata is judged as that of every object."""
    for name in _METADATA_MEMBERS:
        if isinstance(metadata, dict) and name in metadata:
            yield from _problems(metadata[name], schema.properties[name], f"{path}.{name}", ABSENT)
