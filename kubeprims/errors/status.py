"""The API server answered with a failure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kubeprims.errors.base import KubeprimsError

FIELD_MANAGER_CONFLICT = "FieldManagerConflict"
"""The reason of a cause that names a field which another manager owns."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class StatusCause(NamedTuple):
    """One cause in a failure ``Status``: the field at fault, a machine-readable reason, and a text."""

    field: str
    reason: str
    message: str


class StatusError(KubeprimsError):
    """The API server answered with a failure.

    Attributes:
        code: The HTTP status code.
        reason: The machine-readable reason of the ``Status`` object, such as ``NotFound``; may be empty.
        message: The server's text.
        causes: The causes listed in ``status.details.causes``.
        retry_after_s: After how many seconds the server allows another try, if it said so.
        details: ``status.details`` as a mapping; empty if there is none.
        continue_token: What an expired list can be gone on with, at a newer version, if the server offers that.
        method: The request's method; empty for a ``Status`` that came inside a watch.
        url: The request's URL, without credentials.
    """

    def __init__(  # noqa: PLR0913 - the facts of one answer, all by keyword
        self,
        message: str,
        *,
        code: int,
        reason: str = "",
        causes: Sequence[StatusCause] = (),
        retry_after_s: float | None = None,
        details: Mapping[str, object] | None = None,
        continue_token: str = "",
        method: str = "",
        url: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = tuple(causes)
        self.retry_after_s = retry_after_s
        self.details: Mapping[str, object] = dict(details or {})
        self.continue_token = continue_token
        self.method = method
        self.url = url

    def __str__(self) -> str:
        where = f"{self.method} {self.url}: " if self.url else ""
        reason = f" {self.reason}" if self.reason else ""
        return f"{where}{self.code}{reason}: {self.message}"


class BadRequest(StatusError):
    """400: the request itself is wrong."""


class Unauthorized(StatusError):
    """401: the credential is missing, wrong or expired."""


class Forbidden(StatusError):
    """403: this user may not do that."""


class NotFound(StatusError):
    """404: no such object, or no such resource."""


class MethodNotAllowed(StatusError):
    """405: the resource does not support this verb."""


class NotAcceptable(StatusError):
    """406: the server cannot answer in the form that was asked for."""


class Conflict(StatusError):
    """409: somebody else wrote first; read again, then write again."""


class AlreadyExists(Conflict):
    """409 with reason ``AlreadyExists``: an object of that name is there."""


class FieldConflict(NamedTuple):
    """A field, by its path such as ``.spec.replicas``, and the manager that it belongs to."""

    field: str
    manager: str


class ApplyConflict(Conflict):
    """409 for an apply: other managers hold fields at other values. Leave those out, agree with them, or force."""

    @property
    def conflicts(self) -> tuple[FieldConflict, ...]:
        """The fields, each with the manager that it belongs to."""
        causes = (cause for cause in self.causes if cause.reason == FIELD_MANAGER_CONFLICT)
        # The text begins: conflict with "kubectl" using v1
        named = ((cause, _QUOTED.search(cause.message)) for cause in causes)
        return tuple(
            FieldConflict(cause.field, _ESCAPED.sub(r"\1", found[1]) if found else cause.message)
            for cause, found in named
        )

    def __str__(self) -> str:
        fields: dict[str, list[str]] = {}
        for conflict in self.conflicts:
            fields.setdefault(conflict.manager, []).append(conflict.field)
        owned = "; ".join(f'"{manager}" owns {", ".join(paths)}' for manager, paths in fields.items())
        where = f"{self.method} {self.url}: " if self.url else ""
        return f"{where}{self.code} {self.reason}: the apply conflicts with other managers: {owned}"


class ResourceExpired(StatusError):
    """410: the resourceVersion or continue token is too old; list again."""


class RequestEntityTooLarge(StatusError):
    """413: the object is too large."""


class UnsupportedMediaType(StatusError):
    """415: the server does not take a body, or a patch, of this type."""


class Invalid(StatusError):
    """422: the object breaks a rule; ``causes`` names the fields."""


class TooManyRequests(StatusError):
    """429: wait ``retry_after_s``, then try again."""


class ServerError(StatusError):
    """5xx: the server failed; another try may do."""


class InternalError(ServerError):
    """500: the server failed inside."""


class ServiceUnavailable(ServerError):
    """503: the server, or what it needs, is not there for the moment."""


class ServerTimeout(ServerError):
    """504: the server ran out of time."""


_CLASS_BY_CODE: Mapping[int, type[StatusError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    409: Conflict,
    410: ResourceExpired,
    413: RequestEntityTooLarge,
    415: UnsupportedMediaType,
    422: Invalid,
    429: TooManyRequests,
    500: InternalError,
    503: ServiceUnavailable,
    504: ServerTimeout,
}

_CLASS_BY_REASON: Mapping[str, type[StatusError]] = {
    "AlreadyExists": AlreadyExists,
    "Expired": ResourceExpired,
    "Gone": ResourceExpired,
}


def status_error_class(code: int, reason: str) -> type[StatusError]:
    """Return the class for a failure; the reason, where it is known, wins over the code."""
    by_reason = _CLASS_BY_REASON.get(reason)
    if by_reason is not None:
        return by_reason
    by_code = _CLASS_BY_CODE.get(code)
    if by_code is not None:
        return by_code
    return ServerError if code >= 500 else StatusError  # noqa: PLR2004 - the 5xx class of RFC 9110
