"""What every request gets on its way out: a user agent, an authorization, a line in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from kubeprims.clock import Clock
from kubeprims.errors import KubeprimsError
from kubeprims.transport.auth import Authorization
from kubeprims.transport.message import Middleware, Request, Response, RoundTripper
from kubeprims.transport.redaction import redact_url

_UNAUTHORIZED = 401

_logger = logging.getLogger("kubeprims.transport")


def compose(innermost: RoundTripper, middleware: Sequence[Middleware]) -> RoundTripper:
    """Return the round tripper with all of them around it, the first of them outermost."""
    wrapped = innermost
    for wrap in reversed(middleware):
        wrapped = wrap(wrapped)
    return wrapped


class UserAgent:
    """Adds a ``User-Agent`` to requests that have none."""

    __slots__ = ("_inner", "_value")

    def __init__(self, inner: RoundTripper, value: str) -> None:
        self._inner = inner
        self._value = value

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`."""
        if "user-agent" in request.headers:
            return self._inner.round_trip(request)
        return self._inner.round_trip(replace(request, headers=request.headers.with_added("User-Agent", self._value)))


class Authenticate:
    """Adds an ``Authorization`` to requests that have none, and tries another once after a 401 if there is one.

    Concurrency:
        Any number of threads at once.
    """

    __slots__ = ("_authorization", "_inner")

    def __init__(self, inner: RoundTripper, authorization: Authorization) -> None:
        self._inner = inner
        self._authorization = authorization

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`."""
        if "authorization" in request.headers:
            return self._inner.round_trip(request)
        value = self._authorization.value()
        response = self._inner.round_trip(_authorized(request, value))
        if response.status != _UNAUTHORIZED:
            return response
        renewed = self._authorization.renewed(value)
        if renewed is None:
            return response
        # A refused request was not carried out, whatever its method.
        response.drain()
        return self._inner.round_trip(_authorized(request, renewed))


def _authorized(request: Request, value: str) -> Request:
    return replace(request, headers=request.headers.with_added("Authorization", value))


class Log:
    """Writes a debug line for each request: what, where, what came of it, after how long. Never a credential."""

    __slots__ = ("_base_url", "_clock", "_inner")

    def __init__(self, inner: RoundTripper, *, base_url: str, clock: Clock) -> None:
        self._inner = inner
        self._base_url = base_url
        self._clock = clock

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`."""
        if not _logger.isEnabledFor(logging.DEBUG):
            return self._inner.round_trip(request)
        begun_s = self._clock.monotonic()
        facts: dict[str, object] = {
            "method": request.method,
            "url": self._base_url + redact_url(request.target),
            "headers": repr(request.headers),
        }
        try:
            response = self._inner.round_trip(request)
        except KubeprimsError as error:
            facts["error"] = str(error)
            raise
        else:
            facts["status"] = response.status
            return response
        finally:
            facts["seconds"] = self._clock.monotonic() - begun_s
            _logger.debug("request", extra=facts)
