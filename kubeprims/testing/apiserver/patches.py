"""Patches: JSON patch (RFC 6902), merge patch (RFC 7396) and strategic merge patch, applied to a private copy."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence

from kubeprims.errors import BadRequest, Invalid
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.encoding import decode, encode, go_text, json_type
from kubeprims.testing.apiserver.schema import ANYTHING, Schema
from kubeprims.testing.apiserver.status import FieldProblem, bad_request, invalid, plain_failure, unsupported_media_type
from kubeprims.testing.apiserver.strategic import (
    STRATEGIC_MERGE_PATCH,
    StrategicPatchFailed,
    find_misfit,
    strategic_merge_patch,
)

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_OPERATIONS_MAX = 10_000
_COPIED_BYTES_MAX = 3 << 20  # a few copies of copies would fill any memory
_INDEX = re.compile(r"0|[1-9][0-9]*")


class PatchFailed(Exception):
    """The patch does not fit the object."""


def media_type_of(content_type: str, *, custom: bool) -> str:
    """Return the type of a patch.

    Args:
        content_type: The header of the request.
        custom: It is for objects of a custom kind, which have no strategic merge patches.

    Raises:
        UnsupportedMediaType: There is no such patch of these objects.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    supported = (JSON_PATCH, MERGE_PATCH, *(() if custom else (STRATEGIC_MERGE_PATCH,)), APPLY_PATCH)
    if media_type not in supported:
        message = "415: Unsupported Media Type"
        if custom:
            message = "the body of the request was in an unknown format - accepted media types include: "
            message += ", ".join(supported)
        raise unsupported_media_type(message)
    return media_type


def parse_patch(media_type: str, body: bytes, schema: Schema = ANYTHING) -> Callable[[JSONObject], JSONValue]:
    """Return what a patch does to an object: a function that gives the patched object and leaves its argument alone.

    The function raises ``Invalid`` if the patch does not fit.

    Args:
        media_type: The type of the patch; not an apply, which has owners to mind.
        body: The patch.
        schema: What the object looks like, for a strategic merge patch.

    Raises:
        BadRequest: The body is not such a patch.
    """
    patch = decode(body, problem=lambda _: "invalid JSON patch")
    if media_type == JSON_PATCH:
        operations = _operations(patch)
        return lambda obj: _json_patch_or_422(obj, operations)
    if patch is None and media_type == MERGE_PATCH:
        message = "Invalid JSON Patch"
        raise bad_request(message)
    if not isinstance(patch, dict):
        if media_type == STRATEGIC_MERGE_PATCH:
            raise bad_request(
                f"json: cannot unmarshal {json_type(patch)} into Go value of type map[string]interface {{}}"
            )
        raise _undecodable(patch, "map[string]interface {}")
    if media_type == STRATEGIC_MERGE_PATCH:
        return lambda obj: _strategic_or_500(obj, patch, schema)
    return lambda obj: merge_patch(obj, patch)


def _strategic_or_500(obj: JSONObject, patch: JSONObject, schema: Schema) -> JSONObject:
    try:
        patched = strategic_merge_patch(obj, patch, schema)
    except StrategicPatchFailed as error:
        raise plain_failure(str(error)) from error
    misfit = find_misfit(patched, schema)
    if misfit:
        raise invalid("", "", [FieldProblem.invalid("patch", go_text(patch), misfit)])
    return patched


def _undecodable(patch: JSONValue, target: str) -> BadRequest:
    return bad_request(
        f"error decoding patch: json: cannot unmarshal {json_type(patch)} into Go value of type {target}"
    )


def _operations(patch: JSONValue) -> Sequence[JSONObject]:
    if not isinstance(patch, list):
        raise _undecodable(patch, "[]handlers.jsonPatchOp")
    if len(patch) > _OPERATIONS_MAX:
        message = f"The allowed maximum operations in a JSON patch is {_OPERATIONS_MAX}, got {len(patch)}"
        raise bad_request(message)
    operations: list[JSONObject] = []
    for operation in patch:
        if not isinstance(operation, dict):
            raise _undecodable(operation, "handlers.jsonPatchOp")
        operations.append(operation)
    return operations


def _json_patch_or_422(obj: JSONObject, operations: Sequence[JSONObject]) -> JSONValue:
    try:
        return json_patch(obj, operations)
    except (PatchFailed, RecursionError) as error:
        # Upstream's text says no more than that, and tells nobody which operation failed.
        message = "the server rejected our request due to an error in our request"
        raise Invalid(message, code=422, reason="Invalid") from error


def merge_patch(target: JSONValue, patch: JSONValue) -> JSONValue:
    """Return ``target`` with a merge patch applied.

    Source:
        RFC 7396, section 2.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result: JSONObject = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: JSONValue, operations: Sequence[JSONObject]) -> JSONValue:
    """Return ``target`` with the operations of a JSON patch applied, all of them or none.

    Raises:
        PatchFailed: An operation is malformed, points nowhere, or its test failed.

    Source:
        RFC 6902.
    """
    document = _Document(copy.deepcopy(target))
    for operation in operations:
        document.apply(operation)
    return document.root


class _Document:
    """A JSON value that operations change in place."""

    def __init__(self, root: JSONValue) -> None:
        self.root = root
        self._copied_bytes = 0

    def apply(self, operation: JSONObject) -> None:
        name = operation.get("op")
        apply = _APPLY.get(name) if isinstance(name, str) else None
        if apply is None:
            message = f"unexpected kind: {name}"
            raise PatchFailed(message)
        apply(self, operation)

    def add(self, operation: JSONObject) -> None:
        self._insert(_pointer(operation, "path"), _value(operation))

    def remove(self, operation: JSONObject) -> None:
        self._pop(_pointer(operation, "path"))

    def replace(self, operation: JSONObject) -> None:
        path, value = _pointer(operation, "path"), _value(operation)
        if not path:
            self.root = value
            return
        parent, key = self._place(path)
        if isinstance(parent, list):
            parent[_index(key, len(parent))] = value
        else:
            parent[key] = value  # upstream does not mind that there was nothing to replace

    def move(self, operation: JSONObject) -> None:
        source, path = _pointer(operation, "from"), _pointer(operation, "path")
        if path[: len(source)] == source and len(path) > len(source):
            message = "cannot move a value into itself"
            raise PatchFailed(message)
        self._insert(path, self._pop(source))

    def copy(self, operation: JSONObject) -> None:
        source, path = _pointer(operation, "from"), _pointer(operation, "path")
        value = copy.deepcopy(self._get(source))
        self._copied_bytes += len(encode(value))
        if self._copied_bytes > _COPIED_BYTES_MAX:
            message = f"the copies of one patch exceed {_COPIED_BYTES_MAX} bytes"
            raise PatchFailed(message)
        self._insert(path, value)

    def test(self, operation: JSONObject) -> None:
        path, value = _pointer(operation, "path"), operation.get("value")
        # Compared as text: Python takes 1 and true for equal.
        if encode(self._get(path), sort_keys=True) != encode(value, sort_keys=True):
            message = f"testing value {'/'.join(path)} failed"
            raise PatchFailed(message)

    def _get(self, path: Sequence[str]) -> JSONValue:
        if not path:
            return self.root
        parent, key = self._place(path)
        if isinstance(parent, list):
            return parent[_index(key, len(parent))]
        if key not in parent:
            raise _missing(path)
        return parent[key]

    def _insert(self, path: Sequence[str], value: JSONValue) -> None:
        if not path:
            self.root = value
            return
        parent, key = self._place(path)
        if isinstance(parent, list):
            parent.insert(len(parent) if key == "-" else _index(key, len(parent) + 1), value)
        else:
            parent[key] = value

    def _pop(self, path: Sequence[str]) -> JSONValue:
        if not path:
            value, self.root = self.root, None
            return value
        parent, key = self._place(path)
        if isinstance(parent, list):
            return parent.pop(_index(key, len(parent)))
        if key not in parent:
            raise _missing(path)
        return parent.pop(key)

    def _place(self, path: Sequence[str]) -> tuple[list[JSONValue] | JSONObject, str]:
        """Return the list or mapping that the last step of a path leads into, and that step."""
        *steps, last = path
        value = self.root
        for step in steps:
            if isinstance(value, list):
                value = value[_index(step, len(value))]
            elif isinstance(value, dict) and step in value:
                value = value[step]
            else:
                raise _missing(path)
        if not isinstance(value, list | dict):
            raise _missing(path)
        return value, last


_APPLY: Mapping[str, Callable[[_Document, JSONObject], None]] = {
    "add": _Document.add,
    "remove": _Document.remove,
    "replace": _Document.replace,
    "move": _Document.move,
    "copy": _Document.copy,
    "test": _Document.test,
}


def _value(operation: JSONObject) -> JSONValue:
    """Return the value of an operation; like upstream, null where it has none."""
    return copy.deepcopy(operation.get("value"))


def _pointer(operation: JSONObject, key: str) -> Sequence[str]:
    """Return the steps of a JSON pointer (RFC 6901)."""
    pointer = operation.get(key)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        message = f"{key} is not a JSON pointer"
        raise PatchFailed(message)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _index(step: str, length: int) -> int:
    if not _INDEX.fullmatch(step) or int(step) >= length:
        message = f"no element {step} in a list of {length}"
        raise PatchFailed(message)
    return int(step)


def _missing(path: Sequence[str]) -> PatchFailed:
    return PatchFailed(f"missing path: /{'/'.join(path)}")
