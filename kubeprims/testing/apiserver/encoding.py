"""JSON in and out, in the shapes that the API server gives its objects.

What is stored of an object is its *tail*: the JSON text after ``kind`` and ``apiVersion``, from the metadata to the
closing brace. Every answer is then a join of bytes: a list item is a brace and the tail, a single object is the kind's
*head* and the tail, a watch event wraps that once more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import NoReturn

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.status import bad_request

# The order in which upstream renders the metadata of built-in kinds.
_METADATA_ORDER = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)


_MAPS = frozenset({"data", "binaryData", "stringData"})
_DEPTH_MAX = 200
_TOO_DEEP = "exceeded max depth"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_SORTING_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)


def decode(body: bytes, *, problem: Callable[[str], str] = str) -> JSONValue:
    """Return what a JSON text says.

    Args:
        body: The text, in UTF-8.
        problem: Makes the message of the error from what is wrong.

    Raises:
        BadRequest: It is not JSON, holds a number that JSON cannot say, or is nested too deeply.
    """
    try:
        value: JSONValue = json.loads(body.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise bad_request(problem(_TOO_DEEP)) from None
    except json.JSONDecodeError as error:
        raise bad_request(problem(f"json parse error: {_parse_problem(error)}")) from None
    except ValueError as error:
        raise bad_request(problem(f"json parse error: {error}")) from None
    if is_too_deep(value):
        raise bad_request(problem(_TOO_DEEP))
    return value


def _parse_problem(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()):
        return "unexpected end of JSON input"
    return f"invalid character {error.doc[error.pos]!r} at position {error.pos}: {error.msg}"


def is_too_deep(value: JSONValue) -> bool:
    """Return whether a value is nested more deeply than the server takes: what follows recurs once or twice a level."""
    level = [value]
    for _ in range(_DEPTH_MAX + 1):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def decode_object(body: bytes | JSONObject, kind: Kind) -> JSONObject:
    """Return the object in a request's body; a mapping is taken as it is, and is not changed by what follows.

    Raises:
        BadRequest: It is not a JSON object.
    """
    if isinstance(body, dict):
        return body
    prefix = f"the object provided is unrecognized (must be of type {kind.kind}): couldn't get version/kind; "
    value = decode(body, problem=lambda text: prefix + text)
    if value is None and not kind.custom:
        return {}  # upstream takes null for an object that says nothing
    if not isinstance(value, dict):
        raise bad_request(f"{prefix}json parse error: cannot unmarshal {json_type(value)} into an object")
    return value


def json_type(value: JSONValue) -> str:
    """Return the name of a value's JSON type."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _refuse(constant: str) -> NoReturn:
    message = f"invalid character {constant[0]!r} looking for beginning of value"
    raise ValueError(message)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        message = "number out of range"
        raise ValueError(message)
    return number


def encode(value: JSONValue, *, sort_keys: bool = False) -> bytes:
    """Return a value as compact JSON; a lone surrogate becomes U+FFFD, as it does upstream."""
    text = (_SORTING_ENCODER if sort_keys else _ENCODER).encode(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def encode_tail(obj: JSONObject, kind: Kind) -> bytes:
    """Return the tail of an object: its text without ``kind``, ``apiVersion`` and the opening brace."""
    if kind.custom:
        rest: JSONObject = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
        return encode(rest, sort_keys=True)[1:]
    ordered: JSONObject = {"metadata": _ordered_metadata(obj.get("metadata"))}
    for key, value in obj.items():
        if key not in {"kind", "apiVersion", "metadata"}:
            ordered[key] = _sorted(value) if key in _MAPS else value
    return encode(ordered)[1:]


def _ordered_metadata(metadata: JSONValue) -> JSONObject:
    assert isinstance(metadata, dict), "an object is stored after its metadata was checked"
    ordered: JSONObject = {key: _sorted(metadata[key]) for key in _METADATA_ORDER if key in metadata}
    ordered.update((key, value) for key, value in metadata.items() if key not in ordered)
    return ordered


def _sorted(value: JSONValue) -> JSONValue:
    """Return a map with its keys in order: Go renders its maps so, and only structures in an order of their own."""
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def decode_tail(tail: bytes) -> JSONObject:
    """Return the object, without ``kind`` and ``apiVersion``, of a stored tail."""
    obj: JSONObject = json.loads(b"{" + tail)
    return obj


def object_head(kind: Kind) -> bytes:
    """Return what stands before the tail in a single object."""
    names = (("apiVersion", kind.api_version), ("kind", kind.kind))
    ordered = names if kind.custom else names[::-1]
    return b"{" + b"".join(f'"{key}":"{value}",'.encode() for key, value in ordered)


def item_head(kind: Kind) -> bytes:
    """Return what stands before the tail in a list: the items of built-in kinds name neither kind nor version."""
    return object_head(kind) if kind.custom else b"{"


def list_frame(kind: Kind, metadata: JSONObject) -> tuple[bytes, bytes]:
    """Return what stands before and after the items of a list."""
    api_version, list_kind, rest = encode(kind.api_version), encode(kind.list_kind), encode(metadata)
    if kind.custom:
        rest = encode({"continue": "", **metadata}, sort_keys=True)
        return b'{"apiVersion":%b,"items":[' % api_version, b'],"kind":%b,"metadata":%b}\n' % (list_kind, rest)
    return b'{"kind":%b,"apiVersion":%b,"metadata":%b,"items":[' % (list_kind, api_version, rest), b"]}\n"


def event_line(event_type: bytes, rendered: bytes) -> bytes:
    """Return one line of a watch."""
    return b'{"type":"%b","object":%b}\n' % (event_type, rendered)


def go_text(value: JSONValue) -> str:
    """Return a value as Go's ``%v`` writes it, which some of upstream's messages quote."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(map(go_text, value))}]"
        case _:
            return str(value)
