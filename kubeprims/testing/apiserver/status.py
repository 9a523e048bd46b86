"""Failures in the words of the API server, and the v1 ``Status`` objects that carry them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kubeprims.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Forbidden,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    ResourceExpired,
    ServerTimeout,
    StatusCause,
    StatusError,
    UnsupportedMediaType,
)
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import Kind

_DETAIL_KEYS = ("name", "group", "kind", "uid")
# Upstream renders the details of these even where there are none.
_ALWAYS_DETAILED = frozenset({"NotFound", "MethodNotAllowed", "Invalid"})
# As are those of what upstream's router refuses before anything of Kubernetes has seen it.
_ROUTER_PREFIXES = ("406: ", "415: ")


class FieldProblem(NamedTuple):
    """One rule that one field of an object breaks.

    Attributes:
        field: The path of the field, such as ``metadata.name``.
        reason: The machine-readable reason, such as ``FieldValueInvalid``.
        text: The text, without the path.
    """

    field: str
    reason: str
    text: str

    @classmethod
    def invalid(cls, field: str, value: JSONValue, rule: str) -> FieldProblem:
        """The value breaks a rule."""
        return cls(field, "FieldValueInvalid", f"Invalid value: {quoted(value)}: {rule}")

    @classmethod
    def required(cls, field: str, rule: str) -> FieldProblem:
        """There has to be a value."""
        return cls(field, "FieldValueRequired", f"Required value: {rule}" if rule else "Required value")

    @classmethod
    def forbidden(cls, field: str, rule: str) -> FieldProblem:
        """The value may not be there, or may not change."""
        return cls(field, "FieldValueForbidden", f"Forbidden: {rule}")

    @classmethod
    def unsupported(cls, field: str, value: JSONValue, supported: Sequence[str]) -> FieldProblem:
        """The value is none of the few that are allowed."""
        allowed = ", ".join(map(quoted, supported))
        return cls(field, "FieldValueNotSupported", f"Unsupported value: {quoted(value)}: supported values: {allowed}")


class ExpiredContinueToken(ResourceExpired):
    """410 for a page whose snapshot is gone; ``continue_token`` goes on at the newest version instead."""

    continue_token: str = ""


def quoted(value: JSONValue) -> str:
    """Return a value as it stands in messages: JSON, without escapes for what is printable."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def bad_request(message: str) -> BadRequest:
    """400: the request itself is wrong."""
    return BadRequest(message, code=400, reason="BadRequest")


def plain_failure(message: str) -> InternalError:
    """500 without a reason: how upstream answers a few wrong values that its checks let through."""
    return InternalError(message, code=500)


def unknown_resource() -> NotFound:
    """404: no such path."""
    return NotFound("the server could not find the requested resource", code=404, reason="NotFound")


def not_found(kind: Kind, name: str) -> NotFound:
    """404: no such object."""
    return NotFound(
        f'{kind.group_resource} "{name}" not found', code=404, reason="NotFound", details=_resource(kind, name)
    )


def already_exists(kind: Kind, name: str, *, is_going: bool = False) -> AlreadyExists:
    """409: an object of that name is there, or is still there."""
    return AlreadyExists(
        f'{"object is being deleted: " if is_going else ""}{kind.group_resource} "{name}" already exists',
        code=409,
        reason="AlreadyExists",
        details=_resource(kind, name),
    )


def conflict(kind: Kind, name: str, rule: str, *, subresource: str = "") -> Conflict:
    """409: the object is not in the state that the request expects."""
    below = f"/{subresource}" if subresource else ""
    message = f'Operation cannot be fulfilled on {kind.group_resource}{below} "{name}": {rule}'
    details = {**_resource(kind, name), "kind": f"{kind.resource}{below}"}
    return Conflict(message, code=409, reason="Conflict", details=details)


def precondition_failed(kind: Kind, name: str, rule: str) -> Conflict:
    """409: the object does not meet the precondition of a deletion; upstream names the kind here."""
    message = f'Operation cannot be fulfilled on {kind.group_kind} "{name}": {rule}'
    details = {"name": name, "group": kind.group, "kind": kind.kind}
    return Conflict(message, code=409, reason="Conflict", details=details)


def unmet(kind: Kind, key: str, what: str, wanted: str, found: str) -> str:
    """Return the rule of a conflict with what a write expects, as upstream's storage says it.

    Args:
        kind: Of the object.
        key: Its namespace and name.
        what: What is expected of it, such as ``UID``.
        wanted: What the request says of that.
        found: What the object says.
    """
    return (
        f"StorageError: invalid object, Code: 4, Key: /registry/{kind.resource}/{key}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
    )


def modified(kind: Kind, name: str) -> Conflict:
    """409: somebody else wrote first."""
    rule = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(kind, name, rule)


def invalid(kind: str, name: str, problems: Sequence[FieldProblem], *, group: str = "") -> Invalid:
    """422: the object breaks rules, each of which becomes a cause."""
    problems = [*dict.fromkeys(problems)]  # each is said once
    texts = [f"{problem.field}: {problem.text}" for problem in problems]
    rules = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return Invalid(
        f'{kind}{"." if group else ""}{group} "{name}" is invalid: {rules}',
        code=422,
        reason="Invalid",
        causes=[StatusCause(problem.field, problem.reason, problem.text) for problem in problems],
        details={"name": name, "group": group, "kind": kind},
    )


def method_not_allowed(verb: str, kind: Kind) -> MethodNotAllowed:
    """405: the resource does not support the verb."""
    return MethodNotAllowed(
        f"{verb} is not supported on resources of kind {quoted(kind.group_resource)}",
        code=405,
        reason="MethodNotAllowed",
        details={"group": kind.group, "kind": kind.resource},
    )


def forbidden(kind: Kind, name: str, rule: str) -> Forbidden:
    """403: the write is against a rule."""
    return Forbidden(
        f'{kind.group_resource} "{name}" is forbidden: {rule}',
        code=403,
        reason="Forbidden",
        details=_resource(kind, name),
    )


def namespace_terminating(kind: Kind, namespace: str, name: str) -> Forbidden:
    """403: nothing new comes into a namespace that is being deleted."""
    return Forbidden(
        f'{kind.group_resource} "{name}" is forbidden: unable to create new content in namespace {namespace} because '
        "it is being terminated",
        code=403,
        reason="Forbidden",
        causes=[
            StatusCause("metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated")
        ],
        details={"name": name, "group": kind.group, "kind": kind.resource},
    )


def unsupported_media_type(message: str) -> UnsupportedMediaType:
    """415: the server does not take a body of this type."""
    return UnsupportedMediaType(message, code=415, reason="UnsupportedMediaType")


def expired(message: str) -> ResourceExpired:
    """410: the version is too old."""
    return ResourceExpired(message, code=410, reason="Expired")


def too_large_version(asked: int, current: int) -> ServerTimeout:
    """504: the version lies in the future."""
    return ServerTimeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        code=504,
        reason="Timeout",
        causes=[StatusCause("", "ResourceVersionTooLarge", "Too large resource version")],
        retry_after_s=1,
    )


def render_status(error: StatusError) -> bytes:
    """Return the v1 ``Status`` object of a failure, as JSON."""
    metadata: JSONObject = {}
    if isinstance(error, ExpiredContinueToken):
        metadata["continue"] = error.continue_token
    status: JSONObject = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": metadata,
        "status": "Failure",
        "message": error.message,
    }
    if error.reason:
        status["reason"] = error.reason
    details = _details(error)
    if details or error.reason in _ALWAYS_DETAILED or error.message.startswith(_ROUTER_PREFIXES):
        status["details"] = details
    status["code"] = error.code
    return _encode(status)


def render_success(details: Mapping[str, str], *, code: int | None = None) -> bytes:
    """Return the v1 ``Status`` object of a success, as JSON."""
    status: JSONObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    present: JSONObject = {key: details[key] for key in _DETAIL_KEYS if details.get(key)}
    if present:
        status["details"] = present
    if code is not None:
        status["code"] = code
    return _encode(status)


def _details(error: StatusError) -> JSONObject:
    details: JSONObject = {key: str(error.details[key]) for key in _DETAIL_KEYS if error.details.get(key)}
    if error.causes:
        details["causes"] = [_cause(cause) for cause in error.causes]
    if error.retry_after_s is not None:
        details["retryAfterSeconds"] = round(error.retry_after_s)
    return details


def _cause(cause: StatusCause) -> JSONObject:
    parts: JSONObject = {"reason": cause.reason, "message": cause.message, "field": cause.field}
    return {key: value for key, value in parts.items() if value}


def _resource(kind: Kind, name: str) -> Mapping[str, str]:
    return {"name": name, "group": kind.group, "kind": kind.resource}


def _encode(status: JSONObject) -> bytes:
    return json.dumps(status, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
