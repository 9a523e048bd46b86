"""The schemas of the built-in kinds: what a real API server says of them, without its prose.

``built_in_schemas.json.gz`` is made by ``tests/real/dump_schemas.py``. It is read when a schema is first asked for,
once in a process: a server starts without it.
"""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import json
from collections.abc import Mapping

from kubeprims.meta import GroupVersionKind, JSONObject
from kubeprims.testing.apiserver.schema import Definitions, Schema

_FILE = "built_in_schemas.json.gz"


@functools.cache
def built_in_definitions() -> Mapping[str, JSONObject]:
    """Return the definitions of the built-in kinds and of all that is in them, by name, in the form of OpenAPI v3.

    They are shared: nobody may change them.
    """
    packed = (importlib.resources.files("kubeprims.testing.apiserver") / _FILE).read_bytes()
    definitions: dict[str, JSONObject] = json.loads(gzip.decompress(packed))
    return definitions


def built_in_schema(kind: GroupVersionKind) -> Schema | None:
    """Return the schema of a built-in kind, or of its lists; None if it is not one."""
    name = _names().get(kind)
    return _schemas().schema(name) if name is not None else None


def custom_schema(raw: JSONObject) -> Schema:
    """Return the schema of a custom kind: what its definition says, and the metadata that every object has."""
    return _schemas().parse({**raw, "x-kubernetes-embedded-resource": True})


@functools.cache
def definition_name(kind: GroupVersionKind) -> str | None:
    """Return the name under which a built-in kind is defined; None if it is not."""
    return _names().get(kind)


@functools.cache
def _schemas() -> Definitions:
    return Definitions(built_in_definitions())


@functools.cache
def _names() -> Mapping[GroupVersionKind, str]:
    names: dict[GroupVersionKind, str] = {}
    for name, definition in built_in_definitions().items():
        kinds = definition.get("x-kubernetes-group-version-kind")
        for kind in kinds if isinstance(kinds, list) else ():
            if isinstance(kind, dict):
                names[GroupVersionKind(str(kind["group"]), str(kind["version"]), str(kind["kind"]))] = name
    return names
