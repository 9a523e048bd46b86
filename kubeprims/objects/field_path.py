"""Where a field stands in an object: the one grammar of field paths, read by indices and projections alike.

``spec.nodeName`` names a member of a member. A list on the way stands for each of its items, so
``spec.containers.image`` names every image; ``spec.containers[*].image`` says the same more plainly. A name that holds
dots stands in brackets: ``metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeprims.errors import InvalidFieldPath
from kubeprims.meta import JSONValue

FieldPath = tuple[str, ...]
"""The names on the way to a field, at least one."""

_EACH_ITEM = "*"
_PART = re.compile(r"\.(?P<name>[^.\[\]]*)|\[(?P<key>[^\[\]]*)\]|(?P<broken>.)", re.DOTALL)


def parse_field_path(text: object) -> FieldPath:
    """Return the path that a text spells.

    Raises:
        InvalidFieldPath: It breaks the grammar: an empty name, brackets that do not match, a position in a list.
    """
    if not isinstance(text, str):
        raise InvalidFieldPath(repr(text), "a path is a text")
    parts: list[str] = []
    for match in _PART.finditer(f".{text}"):
        name, key = match["name"], match["key"]
        if match["broken"] is not None:
            raise InvalidFieldPath(text, f"neither a dot nor brackets at character {match.start() - 1}")
        part = name if key is None else key
        if not part:
            raise InvalidFieldPath(text, "a name is empty")
        if name == _EACH_ITEM:
            raise InvalidFieldPath(text, "every item of a list is [*], without a dot")
        if key is not None and key.isdecimal():
            raise InvalidFieldPath(text, f"an item of a list cannot be told by its position: [*], not [{key}]")
        if key != _EACH_ITEM:  # which adds nothing: a list stands for its items in any case
            parts.append(part)
    return tuple(parts)


def texts_at(value: JSONValue, path: FieldPath) -> Iterator[str]:
    """Yield the scalars that a path leads to from ``value``, as texts: numbers and booleans as JSON spells them.

    What is missing, null or an object yields nothing.
    """
    if isinstance(value, list):
        for item in value:
            yield from texts_at(item, path)
    elif path:
        if isinstance(value, dict):
            yield from texts_at(value.get(path[0]), path[1:])
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str | int | float):
        yield str(value)
