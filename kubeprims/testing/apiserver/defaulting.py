"""A small language for defaults: values for what is absent, and defaults for what is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kubeprims.meta import JSONObject, JSONValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The defaults of one structure.

    Attributes:
        values: What stands in for absent members.
        rule: Changes the members of a copy of the structure, where a table cannot say it; runs after ``values``.
        members: The defaults of members that are there: structures, or lists of them.
    """

    values: Mapping[str, JSONValue] = field(default_factory=dict[str, JSONValue])
    rule: Callable[[JSONObject], None] | None = None
    members: Mapping[str, Defaults] = field(default_factory=dict[str, "Defaults"])


def filled(obj: JSONObject, defaults: Defaults) -> JSONObject:
    """Return a structure with its defaults; ``obj`` is left alone, and what has no defaults is shared with it."""
    result = {**obj}
    for key, value in defaults.values.items():
        if result.get(key) is None:
            result[key] = value
    if defaults.rule is not None:
        defaults.rule(result)
    for key, below in defaults.members.items():
        member = result.get(key)
        if isinstance(member, dict):
            result[key] = filled(member, below)
        elif isinstance(member, list):
            result[key] = [filled(item, below) if isinstance(item, dict) else item for item in member]
    return result


def mapping(obj: JSONObject, key: str) -> JSONObject:
    """Return a member that is a structure or a map; empty if it is absent."""
    value = obj.get(key)
    return value if isinstance(value, dict) else {}


def items(obj: JSONObject, key: str) -> list[JSONObject]:
    """Return the structures in a list; none if it is absent."""
    value = obj.get(key)
    return [item for item in value if isinstance(item, dict)] if value and isinstance(value, list) else []


def text(obj: JSONObject, key: str) -> str:
    """Return a text; empty if it is absent."""
    value = obj.get(key)
    return value if isinstance(value, str) else ""
