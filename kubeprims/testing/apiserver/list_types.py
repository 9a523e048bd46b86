"""Which items of lists come twice where the schema says that they are a set, or told apart by keys.

Pure.

Source:
    apiextensions-apiserver pkg/apiserver/schema/listtype/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.status import FieldProblem, quoted


def list_problems(value: JSONValue, schema: Schema, path: str = "") -> list[FieldProblem]:
    """Return the items that come twice in the lists of a value, each once."""
    return list(_problems(value, schema, path))


def _problems(value: JSONValue, schema: Schema, path: str) -> Iterator[FieldProblem]:
    if isinstance(value, list) and schema.items is not None:
        if schema.list_type == "set":
            yield from _repeated(value, list(map(_canonical, value)), path)
        elif schema.list_type == "map":
            yield from _repeated_keys(value, schema, path)
        for position, item in enumerate(value):
            yield from _problems(item, schema.items, f"{path}[{position}]")
    elif isinstance(value, dict):
        for name in sorted(value):
            member = schema.member(name)
            if member is not None:
                yield from _problems(value[name], member, f"{path}.{name}" if path else name)


def _canonical(value: JSONValue) -> str:
    return quoted(_sorted(value))


def _sorted(value: JSONValue) -> JSONValue:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _repeated_keys(items: list[JSONValue], schema: Schema, path: str) -> Iterator[FieldProblem]:
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            rule = "must be an object for an array of list-type map"
            yield FieldProblem.invalid(f"{path}[{position}]", item, rule)
            return
    keys: list[JSONValue] = [_keys(item, schema) for item in items if isinstance(item, dict)]
    yield from _repeated(keys, list(map(_canonical, keys)), path)


def _keys(item: JSONObject, schema: Schema) -> JSONObject:
    return {key: item[key] for key in schema.list_map_keys if key in item}


def _repeated(values: list[JSONValue], canonical: list[str], path: str) -> Iterator[FieldProblem]:
    count: dict[str, int] = {}
    for position, text in enumerate(canonical):
        count[text] = count.get(text, 0) + 1
        if count[text] == 2:  # noqa: PLR2004 - it comes twice; that it comes again is not told
            shown = quoted(_sorted(values[position]))
            yield FieldProblem(f"{path}[{position}]", "FieldValueDuplicate", f"Duplicate value: {shown}")
