"""Strategic merge patches: merge patches that know which lists are maps in disguise. Pure.

Source:
    apimachinery pkg/util/strategicpatch/patch.go, ``StrategicMergePatch``.
    Same: ``$patch`` (``replace``, ``delete``, ``merge``), ``$retainKeys``, ``$deleteFromPrimitiveList/x`` and
    ``$setElementOrder/x``; a list is merged where its field says so, and replaced elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.encoding import go_text
from kubeprims.testing.apiserver.schema import ANYTHING, Schema

STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER_OF = "$setElementOrder/"
_DELETE, _REPLACE, _MERGE = "delete", "replace", "merge"


class StrategicPatchFailed(Exception):
    """The patch is malformed, or does not fit its directives."""


def strategic_merge_patch(target: JSONObject, patch: JSONObject, schema: Schema) -> JSONObject:
    """Return ``target`` with a strategic merge patch applied; neither is changed.

    Args:
        target: The object.
        patch: The patch.
        schema: What the object looks like, with the strategies of its fields.

    Raises:
        StrategicPatchFailed: The patch is malformed.
    """
    return _merge_objects(target, patch, schema)


def _merge_objects(target: JSONObject, patch: JSONObject, schema: Schema) -> JSONObject:
    if _DIRECTIVE in patch:
        return _by_directive(patch)
    merged = dict(target)
    _retain(merged, patch)
    for key, value in patch.items():
        name, is_deletion = _named(key)
        if name is None:
            continue
        if value is None and not is_deletion:
            merged.pop(name, None)
        else:
            _merge_member(merged, name, value, patch, schema, is_deletion=is_deletion)
    for key, order in patch.items():
        name = key.removeprefix(_ORDER_OF)
        if name != key and name not in patch and isinstance(merged.get(name), list):
            merged[name] = _ordered(_list(merged[name]), _list(order), _list(target.get(name)), _key(schema, name))
    return merged


def _by_directive(patch: JSONObject) -> JSONObject:
    match patch[_DIRECTIVE]:
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise StrategicPatchFailed(f"unknown patch type: {go_text(other)} in map: {go_text(patch)}")


def _named(key: str) -> tuple[str | None, bool]:
    """Return which member a key of a patch is about, and whether items are to be deleted from it."""
    if key.startswith(_DELETE_FROM):
        return key.removeprefix(_DELETE_FROM), True
    if key == _RETAIN_KEYS or key.startswith(_ORDER_OF):
        return None, False
    return key, False


def _retain(merged: JSONObject, patch: JSONObject) -> None:
    """Drop the members that a patch does not retain."""
    if _RETAIN_KEYS not in patch:
        return
    retained = patch[_RETAIN_KEYS]
    if not isinstance(retained, list):
        message = "invalid patch format of retainKeys"
        raise StrategicPatchFailed(message)
    for key, value in patch.items():
        if not key.startswith("$") and value is not None and key not in retained:
            message = "invalid patch format of retainKeys: a member that is set is not retained"
            raise StrategicPatchFailed(message)
    for key in [key for key in merged if key not in retained]:
        del merged[key]


def _merge_member(
    merged: JSONObject, name: str, value: JSONValue, patch: JSONObject, schema: Schema, *, is_deletion: bool
) -> None:
    member = schema.member(name) or ANYTHING
    before = merged.get(name)
    if is_deletion:
        if not isinstance(value, list):
            raise StrategicPatchFailed(f"invalid patch format of {_DELETE_FROM}{name}")
        merged[name] = [item for item in _list(before) if item not in value]
    elif isinstance(value, dict):
        is_merged = isinstance(before, dict) and _REPLACE not in member.patch_strategies
        merged[name] = _merge_objects(before if isinstance(before, dict) and is_merged else {}, value, member)
    elif isinstance(value, list) and _MERGE in member.patch_strategies:
        order = patch.get(_ORDER_OF + name)
        merged[name] = _merge_lists(_list(before), value, order, member)
    else:
        merged[name] = _without_nulls(value)


def _list(value: JSONValue) -> list[JSONValue]:
    return value if isinstance(value, list) else []


def _key(schema: Schema, name: str) -> str:
    member = schema.member(name)
    return "" if member is None else member.patch_merge_key


def _without_nulls(value: JSONValue) -> JSONValue:
    """Return a value that is new without what it deletes: there was nothing to delete."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _merge_lists(before: list[JSONValue], patch: list[JSONValue], order: JSONValue, schema: Schema) -> list[JSONValue]:
    key = schema.patch_merge_key
    if key:
        given, is_replaced = _apply_directives(patch, key)
        if order is not None:
            _check_order(given, _list(order), key)
        if is_replaced:
            return given
        merged = _merge_items(_without_deleted(before, patch, key), given, key, schema.items or ANYTHING)
    else:
        given, merged = patch, _union(before, patch)
    return _ordered(merged, given if order is None else _list(order), before, key)


def _union(before: list[JSONValue], patch: list[JSONValue]) -> list[JSONValue]:
    """Return the values of both, each once."""
    merged: list[JSONValue] = []
    for item in (*before, *patch):
        if item not in merged:
            merged.append(item)
    return merged


def _apply_directives(patch: list[JSONValue], key: str) -> tuple[list[JSONValue], bool]:
    """Return the items of a patch that are no directives, and whether they replace the list."""
    given: list[JSONValue] = []
    is_replaced = False
    for item in patch:
        directive = item.get(_DIRECTIVE) if isinstance(item, dict) else None
        match directive:
            case None:
                given.append(item)
            case "delete":
                _key_value(item, key)
            case "replace":
                is_replaced = True
            case "merge":
                message = "merging lists cannot yet be specified in the patch"
                raise StrategicPatchFailed(message)
            case other:
                raise StrategicPatchFailed(f"unknown patch type: {go_text(other)} in map: {go_text(item)}")
    return given, is_replaced


def _key_value(item: JSONValue, key: str) -> JSONValue:
    if not isinstance(item, dict) or key not in item:
        raise StrategicPatchFailed(f"map: {go_text(item)} does not contain declared merge key: {key}")
    return item[key]


def _without_deleted(before: list[JSONValue], patch: list[JSONValue], key: str) -> list[JSONValue]:
    deleted = [item[key] for item in patch if isinstance(item, dict) and item.get(_DIRECTIVE) == _DELETE]
    return [item for item in before if not (isinstance(item, dict) and item.get(key) in deleted)]


def _merge_items(before: list[JSONValue], given: list[JSONValue], key: str, schema: Schema) -> list[JSONValue]:
    merged = list(before)
    for item in given:
        value = _key_value(item, key)
        assert isinstance(item, dict)  # it has the key
        at = _place(merged, value, key)
        found = merged[at] if at < len(merged) else None
        result = _merge_objects(found if isinstance(found, dict) else {}, item, schema)
        merged[at : at + 1] = [result]
    return merged


def _place(items: Sequence[JSONValue], value: JSONValue, key: str) -> int:
    """Return where the item with this key is; the end if it is not there."""
    places = (at for at, item in enumerate(items) if isinstance(item, dict) and item.get(key) == value)
    return next(places, len(items))


# The order of lists.


def _check_order(given: Sequence[JSONValue], order: Sequence[JSONValue], key: str) -> None:
    """Check that what a patch gives stands in the order that it asks for.

    Raises:
        StrategicPatchFailed: It does not.
    """
    left = iter([_key_value(item, key) for item in order])
    if not all(any(value == other for other in left) for value in (_key_value(item, key) for item in given)):
        told = f"The order in patch list:\n{go_text(list(given))}\n doesn't match {_ORDER_OF[:-1]} list:\n"
        raise StrategicPatchFailed(f"{told}{go_text(list(order))}\n")


def _ordered(
    merged: Sequence[JSONValue], order: Sequence[JSONValue], before: Sequence[JSONValue], key: str
) -> list[JSONValue]:
    """Return the items of a list in the order of the patch, those that it does not name where they stood."""

    def identity(item: JSONValue) -> JSONValue:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    old = [identity(item) for item in before]
    named = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    others = [item for item in merged if identity(item) not in wanted]
    result: list[JSONValue] = []
    for item in named:
        while others and _stands_before(identity(others[0]), identity(item), old):
            result.append(others.pop(0))
        result.append(item)
    return [*result, *others]


def _stands_before(one: JSONValue, other: JSONValue, order: Sequence[JSONValue]) -> bool:
    return one in order and other in order and order.index(one) < order.index(other)


# The result.

_GO_KINDS = {"object": "map", "array": "slice"}


def find_misfit(value: JSONValue, schema: Schema) -> str:
    """Return what upstream says of the first place where an object or a list should be and is not; empty if nowhere.

    A patch puts its values where it likes, and only the object that results shows whether they belong there.
    """
    expected = _GO_KINDS.get(schema.type, "")
    actual = _go_kind(value)
    if value is not None and expected and actual != expected:
        return f"cannot restore {expected} from {actual}"
    parts: list[tuple[JSONValue, Schema]] = []
    if isinstance(value, dict):
        parts = [(member, schema.member(name) or ANYTHING) for name, member in value.items()]
    elif isinstance(value, list):
        parts = [(item, schema.items or ANYTHING) for item in value]
    return next(filter(None, (find_misfit(part, part_schema) for part, part_schema in parts)), "")


def _go_kind(value: JSONValue) -> str:
    match value:
        case dict():
            return "map"
        case list():
            return "slice"
        case str():
            return "string"
        case bool():
            return "bool"
        case float():
            return "float64"
        case _:
            return "int64"
