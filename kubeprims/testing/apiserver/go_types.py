"""How upstream's structures for the built-in kinds are built: for decoding protobuf, and for the final form of JSON.

The table is ``protobuf_fields.txt``: a structure a line, each field as ``number:name:type`` and marks. A type is
``str``, ``bytes``, ``int32``, ``int64``, ``bool``, a special one or another structure, after ``[]`` for a list and
``{}`` for a map by string. A field without a name is embedded. ``*`` marks a pointer, ``?`` one that is left out when
it is empty, ``!`` one that is left out when it is zero.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from typing import NamedTuple

_PACKAGES: Mapping[str, str] = {
    "v1": "core",
    "apps/v1": "apps",
    "coordination.k8s.io/v1": "coordination",
    "rbac.authorization.k8s.io/v1": "rbac",
    "events.k8s.io/v1": "events",
    "batch/v1": "batch",
    "networking.k8s.io/v1": "networking",
    "policy/v1": "policy",
    "storage.k8s.io/v1": "storage",
    "scheduling.k8s.io/v1": "scheduling",
    "node.k8s.io/v1": "node",
    "discovery.k8s.io/v1": "discovery",
    "autoscaling/v1": "autoscaling1",
    "autoscaling/v2": "autoscaling2",
}


class GoField(NamedTuple):
    """One field of a structure.

    Attributes:
        number: Its number in protobuf.
        name: Its name in JSON; empty if it is embedded.
        type: Its type.
        pointer: It may be nil although its type is no list and no map.
        omit_empty: It is left out when it is empty; a structure never is.
        omit_zero: It is left out when it is zero; a structure may be.
    """

    number: int
    name: str
    type: str
    pointer: bool
    omit_empty: bool
    omit_zero: bool


@functools.cache
def structures() -> Mapping[str, tuple[GoField, ...]]:
    """Return the fields of every structure, in the order in which they are rendered, by ``package.Name``."""
    text = importlib.resources.files("kubeprims.testing.apiserver").joinpath("protobuf_fields.txt").read_text("ascii")
    found: dict[str, tuple[GoField, ...]] = {}
    for line in text.splitlines():
        name, *fields = line.split(" ")
        found[name] = tuple(map(_parse, fields))
    return found


def _parse(text: str) -> GoField:
    number, name, code = text.split(":")
    bare = code.rstrip("*?!")
    marks = code[len(bare) :]
    return GoField(int(number), name, bare, "*" in marks, "?" in marks, "!" in marks)


def structure_of(api_version: str, kind: str) -> str | None:
    """Return the name of the structure of a kind; None if there is none in the table."""
    if kind == "DeleteOptions":
        return "meta.DeleteOptions"
    name = f"{_PACKAGES.get(api_version, '')}.{kind}"
    return name if name in structures() else None
