"""Parts of JSON objects whose types nobody has checked: what is of another type counts as absent."""

from __future__ import annotations

from kubeprims.meta import JSONObject


def mapping_at(obj: JSONObject, *path: str) -> JSONObject:
    """Return the object at a path; empty if there is none."""
    for key in path:
        value = obj.get(key)
        obj = value if isinstance(value, dict) else {}
    return obj


def text_at(obj: JSONObject, *path: str) -> str:
    """Return the text at a path; empty if there is none."""
    value = mapping_at(obj, *path[:-1]).get(path[-1])
    return value if isinstance(value, str) else ""


def texts_at(obj: JSONObject, *path: str) -> tuple[str, ...]:
    """Return the texts in the list at a path."""
    values = mapping_at(obj, *path[:-1]).get(path[-1])
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()


def mappings_at(obj: JSONObject, *path: str) -> tuple[JSONObject, ...]:
    """Return the objects in the list at a path."""
    values = mapping_at(obj, *path[:-1]).get(path[-1])
    return tuple(value for value in values if isinstance(value, dict)) if isinstance(values, list) else ()
