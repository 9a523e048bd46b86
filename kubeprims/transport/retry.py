"""Sends a request again where that is safe and promises something."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus

from kubeprims.errors import ConnectError, ConnectionLost, TransportError
from kubeprims.transport.message import Request, Response, RoundTripper
from kubeprims.transport.pause import Pause

RETRIES_MAX = 10
"""How often a request is sent again, at most."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_RETRY_AFTER_DIGITS_MAX = 9
_RETRY_AFTER_S_MAX = 300.0
_LOST_DELAYS_S = (0.1, 0.2, 0.4, 0.8)
_LOST_DELAY_S_MAX = 1.0

_logger = logging.getLogger("kubeprims.transport")


@dataclass(slots=True)
class RetryMachine:
    """Decides about one request: after each failure, whether to send it again, and after how many seconds.

    Attributes:
        method: The request's method.
        was_reached: Whether the server had answered anything before this request: a road that was never good is not
            tried again, so that a wrong address fails at once.
        retries_max: How often it may be sent again.
        retries: How often that was decided so far.

    Source:
        client-go rest/with_retry.go, rest/request.go.
        Same: any method on 429 and 5xx with a ``Retry-After`` in whole seconds, up to 10 times; a lost connection for
        reads only; a ``Retry-After`` that is a date counts as none.
        Differs: a connection that is refused, or lost, after the server had been reached, is tried again after 0.1 s,
        0.2 s, 0.4 s, 0.8 s and then every second, where upstream gives up on the first and waits a second on the other.
        A ``Retry-After`` of more than five minutes is left to the caller.
    """

    method: str
    was_reached: bool
    retries_max: int
    retries: int = 0

    def after_answer(self, status: int, retry_after: str | None) -> float | None:
        """Return how long to wait after an answer, in seconds; None if the answer stands."""
        if status != HTTPStatus.TOO_MANY_REQUESTS and status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        delay_s = parse_retry_after_s(retry_after)
        return None if delay_s is None or delay_s > _RETRY_AFTER_S_MAX else self._counted(delay_s)

    def after_error(self, error: TransportError) -> float | None:
        """Return how long to wait after an error, in seconds; None if it stands."""
        if self.method not in _SAFE_METHODS or not isinstance(error, ConnectionLost | ConnectError):
            return None
        if not (self.was_reached or isinstance(error, ConnectionLost)):
            return None
        delays_s = _LOST_DELAYS_S
        return self._counted(delays_s[self.retries] if self.retries < len(delays_s) else _LOST_DELAY_S_MAX)

    def _counted(self, delay_s: float) -> float | None:
        if self.retries >= self.retries_max:
            return None
        self.retries += 1
        return delay_s


def parse_retry_after_s(value: str | None) -> float | None:
    """Return the whole seconds of a ``Retry-After`` header; None for a date, anything else, or no header."""
    text = "" if value is None else value.strip()
    if text.isascii() and text.isdigit() and len(text) <= _RETRY_AFTER_DIGITS_MAX:
        return float(text)
    return None


class Retry:
    """Carries requests, and sends them again as :class:`RetryMachine` decides.

    Nothing is waited for that lies beyond the request's deadline: the failure that there is, is returned instead. An
    error after retries says what went before it.

    Concurrency:
        Any number of threads at once.
    """

    __slots__ = ("_inner", "_pause", "_reached", "_retries_max")

    def __init__(self, inner: RoundTripper, *, pause: Pause, retries_max: int = RETRIES_MAX) -> None:
        self._inner = inner
        self._pause = pause
        self._retries_max = retries_max
        self._reached = False

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`."""
        if not request.may_retry:
            return self._send(request)
        machine = RetryMachine(request.method, self._reached, self._retries_max)
        before = ""
        while True:
            try:
                response = self._send(request)
            except TransportError as error:
                delay_s = machine.after_error(error)
                if not self._is_in_time(delay_s, request):
                    error.earlier = before
                    raise
                before = error.detail
            else:
                delay_s = machine.after_answer(response.status, response.headers.get("retry-after"))
                if not self._is_in_time(delay_s, request):
                    return response
                response.drain()
                before = f"status {response.status}"
            assert delay_s is not None  # or it would not be in time
            self._wait(delay_s, request, before)

    def _send(self, request: Request) -> Response:
        response = self._inner.round_trip(request)
        self._reached = True
        return response

    @staticmethod
    def _is_in_time(delay_s: float | None, request: Request) -> bool:
        return delay_s is not None and delay_s < request.deadline.remaining_s()

    def _wait(self, delay_s: float, request: Request, before: str) -> None:
        facts = {"method": request.method, "path": request.path, "seconds": delay_s, "because": before}
        _logger.debug("sending a request again", extra=facts)
        try:
            if delay_s > 0:
                self._pause.wait(delay_s, request)
        except TransportError as error:
            error.earlier = before
            raise
