"""Failures of the API server as exceptions, and answers that are none of its.

A failure is a ``Status`` object where one can be had, and a status code with some text where a proxy or load balancer
answered instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import cast

from kubeprims.errors import (
    FIELD_MANAGER_CONFLICT,
    ApplyConflict,
    Conflict,
    ConnectionLost,
    ProtocolError,
    StatusCause,
    StatusError,
    UnexpectedContent,
    status_error_class,
)
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.transport.message import Response
from kubeprims.transport.redaction import redact_url

STATUS_BYTES_MAX = 1 << 20
"""How much of a failure's body is read, in bytes."""

TEXT_BYTES_MAX = 2048
"""How much of a body that is no ``Status`` goes into the error, in bytes."""

_SUCCESSES = range(200, 300)
_FAILURES = range(400, 600)
_REDIRECTS = range(300, 400)
_EXCERPT_LENGTH_MAX = 80
_RETRY_AFTER_DIGITS_MAX = 9


def error_from_status(
    status: Mapping[str, JSONValue],
    *,
    code: int = 500,
    retry_after_s: float | None = None,
    method: str = "",
    url: str = "",
) -> StatusError:
    """Return the exception for a ``Status`` object.

    A field that is missing, or not of its type, is taken as not given: half a failure is still a failure.

    Args:
        status: The object, as decoded; an empty one stands for a failure that said nothing.
        code: The HTTP status code; counts if the object holds none that is a failure's.
        retry_after_s: What the ``Retry-After`` header said; the longer of it and the object's own counts.
        method: The request's method; empty for an ``ERROR`` event.
        url: The request's URL, without credentials.
    """
    own_code = status.get("code")
    if isinstance(own_code, int) and own_code in _FAILURES:
        code = own_code
    reason = _text(status.get("reason"))
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    own_retry_after = details.get("retryAfterSeconds")
    if isinstance(own_retry_after, int) and own_retry_after > 0:
        retry_after_s = max(float(own_retry_after), retry_after_s or 0.0)
    metadata = status.get("metadata")
    causes = _causes(details.get("causes"))
    return _error_class(code, reason, causes)(
        _text(status.get("message")) or "the server gave no message",
        code=code,
        reason=reason,
        causes=causes,
        retry_after_s=retry_after_s,
        details=details,
        continue_token=_text(metadata.get("continue")) if isinstance(metadata, dict) else "",
        method=method,
        url=url,
    )


def _error_class(code: int, reason: str, causes: Iterable[StatusCause]) -> type[StatusError]:
    found = status_error_class(code, reason)
    is_apply = found is Conflict and any(cause.reason == FIELD_MANAGER_CONFLICT for cause in causes)
    return ApplyConflict if is_apply else found


def error_from_response(response: Response) -> StatusError:
    """Return the exception for an answer that is not a success; reads its body.

    Raises:
        DeadlineExceeded: The body did not come in time.
        Cancelled: The request was cancelled meanwhile.
    """
    body = _read_some(response)
    retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
    status = _decode_status(body)
    if status is not None:
        return error_from_status(
            status, code=response.status, retry_after_s=retry_after_s, method=response.method, url=response.url
        )
    return status_error_class(response.status, "")(
        _describe(response, body),
        code=response.status,
        retry_after_s=retry_after_s,
        method=response.method,
        url=response.url,
    )


def check_success(response: Response) -> None:
    """Refuse a failure, and a success that says of itself that it is not JSON.

    A success that says nothing passes: its content decides.

    Raises:
        StatusError: It is a failure.
        UnexpectedContent: The content type is another; the text says what was found.
        TransportError: It is one of the two, and the rest of it did not come in time.
    """
    if response.status not in _SUCCESSES:
        raise error_from_response(response)
    content_type = response.headers.get("Content-Type") or ""
    if not content_type or content_type.partition(";")[0].strip().lower() == "application/json":
        return
    excerpt = _printable(_read_some(response)[:TEXT_BYTES_MAX])[:_EXCERPT_LENGTH_MAX]
    shown = f", which begins {excerpt!r}" if excerpt else ""
    raise UnexpectedContent(
        f"expected JSON from the Kubernetes API, found {_printable(content_type.encode())}{shown}",
        code=response.status,
        content_type=content_type,
        method=response.method,
        url=response.url,
    )


def _read_some(response: Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        for part in response.chunks():
            parts.append(part)
            size += len(part)
            if size >= STATUS_BYTES_MAX:
                response.close()
                break
    except (ConnectionLost, ProtocolError):
        pass  # the status line is what counts, and that did arrive
    return b"".join(parts)


def _decode_status(body: bytes) -> JSONObject | None:
    try:
        value = cast("JSONValue", json.loads(body))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("kind") == "Status" else None


def _describe(response: Response, body: bytes) -> str:
    parts = [_printable(body[:TEXT_BYTES_MAX])]
    location = response.headers.get("Location")
    if location and response.status in _REDIRECTS:
        parts.insert(0, f"the server redirects to {redact_url(location)}")
    return ": ".join(part for part in parts if part) or response.reason or "the answer has no body"


def _printable(raw: bytes) -> str:
    """Return text that is safe in a terminal and a log: one line, no control characters."""
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _retry_after_s(value: str | None) -> float | None:
    # The other form of the header, a date, needs a clock that agrees with the server's; Kubernetes does not send it.
    value = (value or "").strip()
    if not value.isascii() or not value.isdigit() or len(value) > _RETRY_AFTER_DIGITS_MAX:
        return None
    return float(value)


def _causes(value: JSONValue) -> tuple[StatusCause, ...]:
    causes = [cause for cause in value if isinstance(cause, dict)] if isinstance(value, list) else []
    return tuple(
        StatusCause(_text(cause.get("field")), _text(cause.get("reason")), _text(cause.get("message")))
        for cause in causes
    )


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else ""
