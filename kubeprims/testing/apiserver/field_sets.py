"""Sets of fields, as ``managedFields`` writes them. Pure.

A path is a tuple of steps, each in the text that ``fieldsV1`` has for it: ``f:name`` for a member of an object,
``k:{"name":"web"}`` for the item of a list with these keys, ``v:"x"`` for an item of a set. A set of fields is a set of
paths; that an object's member is in it says nothing about the member's own members.

Source:
    structured-merge-diff fieldpath/serialize.go, fieldpath/path.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from kubeprims.meta import JSONObject, JSONValue

Path = tuple[str, ...]
FieldSet = frozenset[Path]

NO_FIELDS: FieldSet = frozenset()

_ITSELF = "."
_STEPS = ("f:", "k:", "v:", "i:")
_DEPTH_MAX = 200


class NoFieldSet(ValueError):
    """A text is not a set of fields."""


def field_step(name: str) -> str:
    """Return the step to a member of an object."""
    return f"f:{name}"


def key_step(keys: Mapping[str, JSONValue]) -> str:
    """Return the step to the item of a list that has these keys."""
    return f"k:{_compact(dict(sorted(keys.items())))}"


def value_step(value: JSONValue) -> str:
    """Return the step to an item of a set."""
    return f"v:{_compact(value)}"


def index_step(index: int) -> str:
    """Return the step to an item of a list by its place."""
    return f"i:{index}"


def _compact(value: JSONValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def to_fields_v1(fields: Iterable[Path]) -> JSONObject:
    """Return a set of fields in the form of ``fieldsV1``."""
    root: JSONObject = {}
    for path in sorted(fields):
        node = root
        for step in path[:-1]:
            # What was a field of its own becomes one with fields below it: it says so then.
            child = node.setdefault(step, {})
            assert isinstance(child, dict)
            node = child
        last = node.setdefault(path[-1], {})
        assert isinstance(last, dict)
    return _mark_members(root, (), frozenset(fields))


def _mark_members(node: JSONObject, path: Path, members: FieldSet) -> JSONObject:
    marked: JSONObject = {_ITSELF: {}} if node and path in members else {}
    for step in sorted(node):
        child = node[step]
        assert isinstance(child, dict)
        marked[step] = _mark_members(child, (*path, step), members)
    return marked


def from_fields_v1(value: JSONValue) -> FieldSet:
    """Return the set of fields that a ``fieldsV1`` says.

    Raises:
        NoFieldSet: It says none.
    """
    found: set[Path] = set()
    _read(value, (), found)
    return frozenset(found)


def _read(value: JSONValue, path: Path, found: set[Path]) -> None:
    if not isinstance(value, dict) or len(path) > _DEPTH_MAX:
        message = "a set of fields is made of objects"
        raise NoFieldSet(message)
    if path and (not value or _ITSELF in value):
        found.add(path)
    for step, below in value.items():
        if step == _ITSELF:
            continue
        if step[:2] not in _STEPS:
            raise NoFieldSet(f"{step!r} is no step to a field")
        _read(below, (*path, step), found)


def path_text(path: Path) -> str:
    """Return a path as messages have it: ``.spec.containers[name="web"].image``."""
    return "".join(_step_text(step) for step in path)


def _step_text(step: str) -> str:
    kind, rest = step[:2], step[2:]
    match kind:
        case "f:":
            return f".{rest}"
        case "k:":
            keys: JSONObject = json.loads(rest)
            return f"[{','.join(f'{name}={_compact(value)}' for name, value in keys.items())}]"
        case "v:":
            return f"[={rest}]"
        case _:
            return f"[{rest}]"


def below(fields: Iterable[Path], prefixes: Iterable[Path]) -> FieldSet:
    """Return the fields that are one of ``prefixes``, or below one."""
    given = tuple(prefixes)
    return frozenset(path for path in fields if any(path[: len(prefix)] == prefix for prefix in given))


def with_parents(fields: Iterable[Path]) -> FieldSet:
    """Return the fields, and the objects that they are members of."""
    found: set[Path] = set()
    for path in fields:
        found.add(path)
        found.update(path[:end] for end in range(1, len(path)) if path[end - 1].startswith("f:"))
    return frozenset(found)
