"""What a schema makes of values: which fields they have, how two of them differ, how one is put over another. Pure.

Source:
    structured-merge-diff typed/tofieldset.go, typed/compare.go, typed/merge.go, typed/remove.go, typed/validate.go.
    Same: objects are one field for each member, unless their schema calls them atomic; lists are one field, unless
    their schema says how their items are told apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.encoding import go_text
from kubeprims.testing.apiserver.field_sets import (
    FieldSet,
    Path,
    field_step,
    index_step,
    key_step,
    path_text,
    value_step,
)
from kubeprims.testing.apiserver.schema import ABSENT as NO_DEFAULT
from kubeprims.testing.apiserver.schema import ANYTHING, Schema


class Absent(Enum):
    """What stands for a value that is not there; null is a value."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
_Value = JSONValue | Absent


class NotOfType(ValueError):
    """A value is not what its schema says."""


def _member(schema: Schema, name: str) -> Schema:
    return schema.member(name) or ANYTHING


def _item(schema: Schema) -> Schema:
    return schema.items or ANYTHING


def _is_granular(value: _Value, schema: Schema) -> bool:
    """Return whether a value's parts are fields of their own."""
    if isinstance(value, dict):
        return schema.map_type != "atomic"
    return isinstance(value, list) and schema.list_type in {"set", "map"}


def _step_of(item: JSONValue, schema: Schema, path: Path) -> str:
    """Return the step to an item of a list that is a set or a map.

    Raises:
        NotOfType: The item lacks a key.
    """
    if schema.list_type == "set":
        return value_step(item)
    if not isinstance(item, dict):
        raise NotOfType(f"{path_text(path)}: associative list with keys may not have non-map elements")
    keys: dict[str, JSONValue] = {}
    for name in schema.list_map_keys:
        default = _member(_item(schema), name).default
        if name in item:
            keys[name] = item[name]
        elif default is not NO_DEFAULT:
            keys[name] = default
        else:
            rule = f'associative list with keys has an element that omits key field "{name}"'
            raise NotOfType(f"{path_text(path)}: element {{index}}: {rule} (and doesn't have default value)")
    return key_step(keys)


def _parts(value: JSONValue, schema: Schema, path: Path) -> Iterator[tuple[str, JSONValue, Schema]]:
    """Yield the step to each part of a granular value, the part, and its schema; of equal steps, the first."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield field_step(name), member, _member(schema, name)
    elif isinstance(value, list):
        seen: set[str] = set()
        for index, item in enumerate(value):
            try:
                step = _step_of(item, schema, path)
            except NotOfType as error:
                raise NotOfType(str(error).replace("{index}", str(index))) from None
            if step not in seen:
                seen.add(step)
                yield step, item, _item(schema)


def fields_of(value: JSONValue, schema: Schema) -> FieldSet:
    """Return the fields that a value has.

    Raises:
        NotOfType: An item of a list lacks a key.
    """
    found: set[Path] = set()
    _collect(value, schema, (), found)
    return frozenset(found)


def _collect(value: JSONValue, schema: Schema, path: Path, found: set[Path]) -> None:
    if not _is_granular(value, schema):
        if value is not None and path:
            found.add(path)
        return
    for step, part, part_schema in _parts(value, schema, path):
        at = (*path, step)
        _collect(part, part_schema, at, found)
        is_declared = isinstance(value, dict) and step[2:] in schema.properties
        if not is_declared or part is None or part == {}:
            found.add(at)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a value differs from the one before it, by fields."""

    added: set[Path] = field(default_factory=set[Path])
    modified: set[Path] = field(default_factory=set[Path])
    removed: set[Path] = field(default_factory=set[Path])

    @property
    def is_same(self) -> bool:
        """Whether it does not."""
        return not (self.added or self.modified or self.removed)


def compare(old: JSONValue, new: JSONValue, schema: Schema) -> Comparison:
    """Return how ``new`` differs from ``old``.

    Raises:
        NotOfType: An item of a list lacks a key.
    """
    found = Comparison()
    _compare(old, new, schema, (), found)
    return found


def _compare(old: _Value, new: _Value, schema: Schema, path: Path, found: Comparison) -> None:
    if old is new:
        return
    present = old if new is ABSENT or new is None else new
    kinds = {type(value) for value in (old, new) if value is not None and value is not ABSENT}
    has_parts = any(value and value is not ABSENT for value in (old, new))
    if has_parts and len(kinds) == 1 and _is_granular(present, schema):
        _compare_parts(old, new, schema, path, found)
    elif old is not ABSENT and new is not ABSENT and _differ(old, new):
        found.modified.add(path)
    if path and old is ABSENT:
        found.added.add(path)
    elif path and new is ABSENT:
        found.removed.add(path)


def _compare_parts(old: _Value, new: _Value, schema: Schema, path: Path, found: Comparison) -> None:
    before = _indexed(old, schema, path)
    after = _indexed(new, schema, path)
    for step in before | after:
        was, part_schema = before.get(step, (ABSENT, ANYTHING))
        is_now, part_schema = after.get(step, (ABSENT, part_schema))
        _compare(was, is_now, part_schema, (*path, step), found)


def _indexed(value: _Value, schema: Schema, path: Path) -> dict[str, tuple[_Value, Schema]]:
    if value is ABSENT:
        return {}
    return {step: (part, part_schema) for step, part, part_schema in _parts(value, schema, path)}


def _differ(old: JSONValue, new: JSONValue) -> bool:
    # True equals 1 in Python, and not in JSON.
    return old != new or json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)


def merge(under: JSONValue, over: JSONValue, schema: Schema) -> JSONValue:
    """Return ``over`` put over ``under``: fields of both are taken from ``over``; neither is changed.

    Raises:
        NotOfType: An item of a list lacks a key.
    """
    return _merge(under, over, schema, ())


def _merge(under: _Value, over: _Value, schema: Schema, path: Path) -> JSONValue:
    if over is ABSENT:
        assert under is not ABSENT
        return under
    if isinstance(under, dict) and isinstance(over, dict) and _is_granular(over, schema):
        merged: JSONObject = dict(under)
        for name, value in over.items():
            before: _Value = under.get(name, ABSENT)
            merged[name] = _merge(before, value, _member(schema, name), (*path, field_step(name)))
        return merged
    if isinstance(under, list) and isinstance(over, list) and _is_granular(over, schema):
        return _merge_lists(under, over, schema, path)
    return over


def _merge_lists(under: list[JSONValue], over: list[JSONValue], schema: Schema, path: Path) -> JSONValue:
    """Return the items of both, those of ``over`` in its order, the others where they stand between them."""
    before = {step: part for step, part, _ in _parts(under, schema, path)}
    after = {step: part for step, part, _ in _parts(over, schema, path)}
    left, right = list(before), list(after)
    shared = [step for step in right if step in before]
    merged: list[str] = []
    while left or right:
        if left and left[0] not in after:
            merged.append(left.pop(0))
        elif left and right and (left[0] == right[0] or left[0] in merged or left[0] != shared[0]):
            # One that stands elsewhere in the new order is left out here; one that is next in both is taken once.
            step = left.pop(0)
            if right[0] == step:
                _take(right, shared, merged)
        elif right:
            _take(right, shared, merged)
        else:
            left.pop(0)
    return [_merge(before.get(step, ABSENT), after.get(step, ABSENT), _item(schema), (*path, step)) for step in merged]


def _take(right: list[str], shared: list[str], merged: list[str]) -> None:
    step = right.pop(0)
    merged.append(step)
    if shared and shared[0] == step:
        shared.pop(0)


def without(value: JSONValue, fields: FieldSet, schema: Schema) -> JSONValue:
    """Return a value without some of its fields; an object or a list that this leaves empty becomes null."""
    return _without(value, fields, schema, ()) if fields else value


def _without(value: JSONValue, fields: FieldSet, schema: Schema, path: Path) -> JSONValue:
    if not _is_granular(value, schema):
        return value
    kept: list[tuple[str, JSONValue]] = []
    for step, part, part_schema in _parts(value, schema, path):
        at = (*path, step)
        if at in fields:
            continue
        if any(other[: len(at)] == at for other in fields):
            part = _without(part, fields, part_schema, at) or None  # noqa: PLW2901 - what is left of it
        kept.append((step, part))
    if isinstance(value, dict):
        return {step[2:]: part for step, part in kept}
    return [part for _, part in kept]


def check_type(value: JSONValue, schema: Schema) -> None:
    """Check that a value is of its type, has no member that its schema does not know, and no item of a set twice.

    Raises:
        NotOfType: It is not; names the first place, as upstream does.
    """
    _check_type(value, schema, ())


def _check_type(value: JSONValue, schema: Schema, path: Path) -> None:
    if value is None:
        return
    expected = _expected(value, schema)
    if expected:
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else go_text(value)
        raise NotOfType(f"{path_text(path)}: expected {expected}, got &value.valueUnstructured{{Value:{shown}}}")
    if isinstance(value, dict):
        for name, member in value.items():
            at = (*path, field_step(name))
            if schema.type == "object" and schema.member(name) is None and not schema.preserve_unknown:
                raise NotOfType(f"{path_text(at)}: field not declared in schema")
            _check_type(member, _member(schema, name), at)
    elif isinstance(value, list):
        _check_items(value, schema, path)


def _check_items(items: list[JSONValue], schema: Schema, path: Path) -> None:
    if schema.list_type in {"set", "map"}:
        steps = [_step_of(item, schema, path) for item in items]
        twice = next((step for step in steps if steps.count(step) > 1), None)
        if twice is not None:
            raise NotOfType(f"{path_text(path)}: duplicate entries for key {path_text((twice,))}")
    for index, item in enumerate(items):
        _check_type(item, _item(schema), (*path, index_step(index)))


def _expected(value: JSONValue, schema: Schema) -> str:
    """Return what a value should be; empty if it is that."""
    if schema.int_or_string or not schema.type:
        return ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match schema.type:
        case "object":
            return "" if isinstance(value, dict) else "map"
        case "array":
            return "" if isinstance(value, list) else "list"
        case "string":
            return "" if isinstance(value, str) or (schema.format == "quantity" and is_number) else "string"
        case "boolean":
            return "" if isinstance(value, bool) else "boolean"
        case _:
            return "" if is_number else "numeric (int or float)"
