"""What is left of an object when the fields that its schema does not know are dropped.

Pure. Kind, version and metadata of an object, and of one that is embedded in it, are known without being named.

Source:
    apiextensions-apiserver pkg/apiserver/schema/pruning/algorithm.go.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.schema import Schema


def pruned(obj: JSONObject, schema: Schema) -> JSONObject:
    """Return an object without the fields that are not known; the same object if there are none.

    Neither the object nor anything in it is changed.
    """
    return _pruned_object(obj, schema)


def _pruned(value: JSONValue, schema: Schema) -> JSONValue:
    if isinstance(value, dict):
        return _pruned_object(value, schema)
    if isinstance(value, list) and schema.items is not None:
        return _pruned_list(value, schema.items)
    return value


def _pruned_object(obj: JSONObject, schema: Schema) -> JSONObject:
    changed: JSONObject = {}
    dropped = False
    for name, value in obj.items():
        member = schema.member(name)
        if member is not None:
            kept = _pruned(value, member)
            if kept is not value:
                changed[name] = kept
        elif not schema.preserve_unknown:
            dropped = True
    if dropped:
        return {name: changed.get(name, obj[name]) for name in obj if schema.member(name) is not None}
    return {**obj, **changed} if changed else obj


def _pruned_list(items: list[JSONValue], schema: Schema) -> list[JSONValue]:
    kept = [_pruned(item, schema) for item in items]
    return kept if any(new is not old for new, old in zip(kept, items, strict=True)) else items
