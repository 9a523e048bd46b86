"""Which fields of a request's body are not known, and which come twice.

Pure. The body is read once more, with everything that a mapping would hide. What is found is bounded in number, and
the work by the length of the body.

Source:
    sigs.k8s.io/json, strict decoding: what is said of built-in kinds, in the order of the body.
    apiextensions-apiserver pkg/apiserver/customresource_handler.go: of custom ones, the duplicates first.
    Differs: no more than 100 unknown fields are told of a custom object, as of a built-in one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.schema import ANYTHING, Schema

_PROBLEMS_MAX = 100
_DEPTH_MAX = 200


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The members of an object, as they stand in the text."""

    members: Sequence[tuple[str, _Value]]


_Value = None | bool | int | float | str | list["_Value"] | _Pairs


def unknown_and_duplicate_fields(raw: bytes, schema: Schema, *, custom: bool = False) -> list[str]:
    """Return what strict decoding finds in a body: ``unknown field "spec.foo"``, ``duplicate field "spec.bar"``.

    A body that is not JSON, or no object, has no fields: what is wrong with it is told by whoever decodes it.

    Args:
        raw: The body.
        schema: What it should look like.
        custom: It is an object of a custom kind, of which other things are told in another order.
    """
    try:
        value: _Value = json.loads(raw.decode("utf-8"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, _Pairs):
        return []
    if custom:
        duplicates = _strict(value, ANYTHING, "", 0)
        return [*_first(duplicates), *_first(_unknown_custom(_plain_object(value, 0), schema))]
    return _first(_strict(value, schema, "", 0))


def _first(problems: Iterable[str]) -> list[str]:
    """Return the first of the problems, each once."""
    found: dict[str, None] = {}
    for problem in problems:
        found[problem] = None
        if len(found) >= _PROBLEMS_MAX:
            break
    return list(found)


def _strict(value: _Value, schema: Schema, path: str, depth: int) -> Iterator[str]:
    """Yield what is wrong in the order of the text."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, _Pairs):
        yield from _strict_object(value, schema, path, depth)
    elif isinstance(value, list) and (schema is ANYTHING or schema.items is not None):
        for position, item in enumerate(value):
            yield from _strict(item, schema.items or ANYTHING, f"{path}[{position}]", depth + 1)


def _strict_object(pairs: _Pairs, schema: Schema, path: str, depth: int) -> Iterator[str]:
    if schema.preserve_unknown and schema is not ANYTHING:
        return  # kept as raw bytes, which nobody looks into
    seen: set[str] = set()
    for name, value in pairs.members:
        place = f"{path}.{name}" if path else name
        member = ANYTHING if schema is ANYTHING else schema.member(name)
        if member is None:
            yield f'unknown field "{place}"'
            continue
        if name in seen:
            yield f'duplicate field "{place}"'
        seen.add(name)
        yield from _strict(value, member, place, depth + 1)


def _plain_object(pairs: _Pairs, depth: int) -> JSONObject:
    return {name: _plain(value, depth + 1) for name, value in pairs.members} if depth <= _DEPTH_MAX else {}


def _plain(value: _Value, depth: int) -> JSONValue:
    if isinstance(value, _Pairs):
        return _plain_object(value, depth)
    return [_plain(item, depth + 1) for item in value] if isinstance(value, list) else value


def _unknown_custom(obj: JSONObject, schema: Schema) -> Iterator[str]:
    """Yield the unknown fields of a custom object: of its metadata, of itself, of the metadata in what is embedded."""
    own: list[str] = []
    content: list[str] = []
    embedded: list[str] = []
    for path, in_metadata in _unknown(obj, schema, ""):
        if not in_metadata:
            content.append(path)
        elif path.startswith("metadata."):
            own.append(path)
        else:
            embedded.append(path)
    for path in (*own, *sorted(content), *sorted(embedded)):
        yield f'unknown field "{path}"'


def _unknown(value: JSONValue, schema: Schema, path: str) -> Iterator[tuple[str, bool]]:
    """Yield the path of each unknown field, and whether it is in the metadata of an object."""
    if isinstance(value, list) and schema.items is not None:
        for position, item in enumerate(value):
            yield from _unknown(item, schema.items, f"{path}[{position}]")
    if not isinstance(value, dict):
        return
    for name in sorted(value):
        place = f"{path}.{name}" if path else name
        member = schema.member(name)
        if member is None:
            if not schema.preserve_unknown:
                yield place, False
            continue
        is_metadata = schema.embedded_resource and name == "metadata"
        for found, in_metadata in _unknown(value[name], member, place):
            yield found, is_metadata or in_metadata
