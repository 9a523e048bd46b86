"""What an object of a custom kind becomes when its schema's defaults stand in for what it leaves out.

Pure.

Source:
    apiextensions-apiserver pkg/apiserver/schema/defaulting/algorithm.go: the defaults, and the nulls that give way to
    them.
"""

from __future__ import annotations

import copy

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.schema import ABSENT, Absent, Schema


def with_schema_defaults(obj: JSONObject, schema: Schema) -> JSONObject:
    """Return an object with the defaults of its schema; the same object if it lacks none of them.

    Neither the object nor anything in it is changed. A null that the schema does not allow is dropped, and gives way to
    a default if there is one. Metadata has no defaults.
    """
    return _defaulted_object(obj, schema)


def _defaulted(value: JSONValue, schema: Schema) -> JSONValue:
    if isinstance(value, dict):
        return _defaulted_object(value, schema)
    if isinstance(value, list) and schema.items is not None:
        return _defaulted_list(value, schema.items)
    return value


def _defaulted_list(items: list[JSONValue], schema: Schema) -> list[JSONValue]:
    # An item cannot be left out: without a default, a null stays, for the validation to refuse.
    kept = [item if (new := _present(item, schema)) is ABSENT else new for item in items]
    return kept if any(new is not old for new, old in zip(kept, items, strict=True)) else items


def _defaulted_object(obj: JSONObject, schema: Schema) -> JSONObject:
    result: JSONObject = {}
    changed = False
    for name, value in obj.items():
        member = schema.member(name)
        is_metadata = schema.embedded_resource and name == "metadata"
        kept = value if member is None or is_metadata else _present(value, member)
        changed = changed or kept is not value
        if kept is not ABSENT:
            result[name] = kept
    for name, member in schema.properties.items():
        if name not in result and member.default is not ABSENT:
            result[name] = _default(member)
            changed = True
    return result if changed else obj


def _present(value: JSONValue, schema: Schema) -> JSONValue | Absent:
    """Return what stands for a value that was given: for a null that is not allowed, the default if there is one."""
    if value is None and not schema.nullable:
        return ABSENT if schema.default is ABSENT else _default(schema)
    return _defaulted(value, schema)


def _default(schema: Schema) -> JSONValue:
    assert schema.default is not ABSENT, "asked for where there is a default"
    return _defaulted(copy.deepcopy(schema.default), schema)
