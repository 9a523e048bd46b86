"""Every exception that kubeprims raises, in one tree.

The class says whose fault it is and what to do next; the facts are attributes; the text is made from them::

    KubeprimsError
    |-- ConfigError (ValueError)           the configuration is wrong: mend it, nothing was sent
    |-- InvalidArgument (ValueError)       the call is wrong: mend the program, nothing was sent
    |   `-- InvalidSelector                a label or field selector that cannot be parsed
    |-- UnknownResource (LookupError)      discovery knows no such resource
    |-- UnknownIndex (LookupError)         the indexer has no index of that name
    |-- LifecycleError (RuntimeError)      the call does not fit the state: started twice, used after stop
    |-- UnsupportedOperation               kubeprims, or the server in use, does not do that
    |-- DecodeError (ValueError)           bytes that are not what they should be
    |-- ContentUnavailable                 the content of a tombstone is not known
    |-- WatchTooShort                      a watch that ended at once: without an event, or time and again
    |-- WatchClosed                        a watch that ended before what was waited for had come
    |-- CacheSyncTimeout (TimeoutError)    informers that did not sync, each with its last error
    |-- WaitTimeout (TimeoutError)         an object that did not come to the state that was waited for
    |-- StopTimeout (TimeoutError)         threads that did not end in time, by name
    |-- TransportError (OSError)           no complete answer arrived; ``request_sent`` says what may have happened
    |   |-- CredentialError                no credential for it could be had: a plugin or a provider failed
    |   |-- NameResolutionError            the host name has no address
    |   |-- ConnectError                   no connection: refused, unreachable, reset while connecting
    |   |-- TLSError                       no trusted connection
    |   |-- DeadlineExceeded (TimeoutError)  the request's absolute deadline passed
    |   |-- Cancelled                      the request's ``Cancel`` was set
    |   |-- ConnectionLost                 the connection ended inside an answer, or before one
    |   |-- ProtocolError                  the answer is not HTTP/1.1
    |   `-- UnexpectedContent              HTTP, but not the Kubernetes API: HTML, a wrong content type
    `-- StatusError                        the API server answered with a failure
        |-- BadRequest                     400
        |-- Unauthorized                   401
        |-- Forbidden                      403
        |-- NotFound                       404
        |-- MethodNotAllowed               405
        |-- NotAcceptable                  406
        |-- Conflict                       409: read again, then write again
        |   |-- AlreadyExists              409 with reason AlreadyExists
        |   `-- ApplyConflict              409: other managers own fields; change them less, or force
        |-- ResourceExpired                410: the version is too old, list again
        |-- RequestEntityTooLarge          413
        |-- UnsupportedMediaType           415
        |-- Invalid                        422
        |-- TooManyRequests                429: wait ``retry_after_s``
        `-- ServerError                    5xx
            |-- InternalError              500
            |-- ServiceUnavailable         503
            `-- ServerTimeout              504
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

FIELD_MANAGER_CONFLICT = "FieldManagerConflict"
"""The reason of a cause that names a field which another manager owns."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class KubeprimsError(Exception):
    """Base of every exception that kubeprims raises on purpose."""


class ConfigError(KubeprimsError, ValueError):
    """The configuration breaks a rule; nothing was sent.

    Attributes:
        source: Where it was read: a file's path, ``in-cluster``, ``environment``, or empty for a value from code.
        entry: Which part of the source, such as ``user "jane"`` or ``context "prod"``; may be empty.
        field: The field at fault, as it is spelled there; may be empty.
        rule: What is wrong with it. Never holds a secret value.
    """

    def __init__(self, rule: str, *, source: str = "", entry: str = "", field: str = "") -> None:
        super().__init__(rule, source, entry, field)
        self.source = source
        self.entry = entry
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.entry, self.field, self.rule) if part)


class InvalidArgument(KubeprimsError, ValueError):
    """A call's argument breaks a rule; nothing was sent."""


class InvalidSelector(InvalidArgument):
    """A label or field selector that cannot be parsed.

    Attributes:
        selector: The text of the selector.
        detail: What is wrong with it, in the API server's words.
    """

    def __init__(self, selector: str, detail: str) -> None:
        super().__init__(selector, detail)
        self.selector = selector
        self.detail = detail

    def __str__(self) -> str:
        return f"selector {self.selector!r}: {self.detail}"


class UnknownResource(KubeprimsError, LookupError):
    """Discovery knows no such resource.

    Attributes:
        name: What was asked for.
        server: The URL of the server that was asked.
        unavailable: Groups with versions that the server could not tell about: it may be one of theirs.
    """

    def __init__(self, name: str, *, server: str, unavailable: Sequence[str] = ()) -> None:
        super().__init__(name, server)
        self.name = name
        self.server = server
        self.unavailable = tuple(unavailable)

    def __str__(self) -> str:
        but = f" (but cannot tell about {', '.join(self.unavailable)})" if self.unavailable else ""
        return f'the server {self.server} has no resource "{self.name}"{but}'


class UnknownIndex(KubeprimsError, LookupError):
    """The indexer has no index of that name."""


class LifecycleError(KubeprimsError, RuntimeError):
    """The call does not fit the state of the object: started twice, changed after start, used after stop."""


class UnsupportedOperation(KubeprimsError):
    """Neither done nor silently skipped: kubeprims, or the server in use, does not support it."""


class DecodeError(KubeprimsError, ValueError):
    """Bytes that are not what they should be.

    Attributes:
        detail: What is wrong, without quoting the content.
        raw: The first bytes of the input, for a debugger; not part of the text.
    """

    def __init__(self, detail: str, *, raw: bytes = b"") -> None:
        super().__init__(detail)
        self.detail = detail
        self.raw = bytes(raw[:256])


class ContentUnavailable(KubeprimsError):
    """The content of a deleted object is not known: only its key survived the gap in the watch."""


class WatchTooShort(KubeprimsError):
    """A watch ended at once, without an event or time and again: the server, or a proxy before it, would not serve it.

    Attributes:
        lasted_s: For how long it was open, in seconds.
        events: How many events it brought.
    """

    def __init__(self, *, lasted_s: float, events: int = 0) -> None:
        super().__init__(lasted_s, events)
        self.lasted_s = lasted_s
        self.events = events

    def __str__(self) -> str:
        brought = f"and {self.events} events, as the one before" if self.events else "without an event"
        return f"the watch ended after {self.lasted_s:.3f} s {brought}"


class WatchClosed(KubeprimsError):
    """The changes ended before they had been what was waited for.

    Attributes:
        met: How many conditions had held.
        conditions: How many there were.
    """

    def __init__(self, *, met: int, conditions: int) -> None:
        super().__init__(met, conditions)
        self.met = met
        self.conditions = conditions

    def __str__(self) -> str:
        return f"the watch ended when {self.met} of {self.conditions} conditions had been met"


class CacheSyncTimeout(KubeprimsError, TimeoutError):
    """Informers that did not sync in time.

    Attributes:
        waiting: One ``(informer, last error)`` pair for each that is not synced; the error is empty if there was none.
        timeout_s: How long was waited, in seconds.
    """

    def __init__(self, waiting: Sequence[tuple[str, str]], *, timeout_s: float) -> None:
        super().__init__(tuple(waiting), timeout_s)
        self.waiting = tuple(waiting)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        rows = "; ".join(f"{name}: {error or 'no error so far'}" for name, error in self.waiting)
        return f"not synced after {self.timeout_s:g} s: {rows}"


class WaitTimeout(KubeprimsError, TimeoutError):
    """An object did not come to the state that was waited for. What was last in the way of seeing it is the cause.

    Attributes:
        what: The resource and the object's name.
        condition: What was waited for.
        timeout_s: For how long, in seconds.
        last: The object as it was last seen; None if it was not there.
        seen: The same in a few words.
    """

    def __init__(
        self, what: str, *, condition: str, timeout_s: float, last: Mapping[str, object] | None, seen: str
    ) -> None:
        super().__init__(what, condition, timeout_s)
        self.what = what
        self.condition = condition
        self.timeout_s = timeout_s
        self.last = last
        self.seen = seen

    def __str__(self) -> str:
        return f"{self.what}: not {self.condition} after {self.timeout_s:g} s; last seen: {self.seen}"


class StopTimeout(KubeprimsError, TimeoutError):
    """Threads that did not end in time: user code that does not return.

    Attributes:
        running: The names of the threads that still run.
        timeout_s: How long was waited, in seconds.
    """

    def __init__(self, running: Sequence[str], *, timeout_s: float) -> None:
        super().__init__(tuple(running), timeout_s)
        self.running = tuple(running)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"still running after {self.timeout_s:g} s: {', '.join(self.running)}"


class TransportError(KubeprimsError, OSError):
    """No complete answer arrived.

    Attributes:
        method: The request's method.
        url: The request's URL, without credentials.
        detail: What happened.
        request_sent: False if nothing of the request can have reached the server. True if it may have: the outcome
            of a request that changes something is then unknown.
        earlier: What the try before met, if the request had been sent again.
    """

    def __init__(self, detail: str, *, method: str = "", url: str = "", request_sent: bool = False) -> None:
        super().__init__(detail)
        self.method = method
        self.url = url
        self.detail = detail
        self.request_sent = request_sent
        self.earlier = ""

    def __str__(self) -> str:
        where = f"{self.method} {self.url}".strip()
        text = f"{where}: {self.detail}" if where else self.detail
        if self.request_sent and self.method not in {"", "GET", "HEAD", "OPTIONS"}:
            text += " (the request was sent: whether the server carried it out is unknown)"
        return f"{text} (sent again after: {self.earlier})" if self.earlier else text


class CredentialError(TransportError):
    """No credential for the request could be had: a plugin or an identity provider failed. Nothing was sent."""


class NameResolutionError(TransportError):
    """The host name has no address, or the look-up did not end in time."""


class ConnectError(TransportError):
    """No connection: refused, unreachable, or reset while connecting."""


class TLSError(TransportError):
    """No trusted connection: the certificate, the host name or the protocol version was refused."""


class DeadlineExceeded(TransportError, TimeoutError):
    """The request's absolute deadline passed."""


class Cancelled(TransportError):
    """The request's ``Cancel`` was set."""


class ConnectionLost(TransportError):
    """The connection ended before the answer was complete."""


class ProtocolError(TransportError):
    """The answer is not HTTP/1.1 as the specification has it, or passes a limit."""


class UnexpectedContent(TransportError):
    """The answer is HTTP, but not the Kubernetes API: HTML, a wrong content type.

    Attributes:
        code: The HTTP status code.
        content_type: The content type of the answer.
    """

    def __init__(self, detail: str, *, code: int, content_type: str, method: str = "", url: str = "") -> None:
        super().__init__(detail, method=method, url=url, request_sent=True)
        self.code = code
        self.content_type = content_type


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
