"""A token bucket before the road: how many requests a client sends in a second."""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from typing import Protocol

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import ConfigError, DeadlineExceeded
from kubeprims.transport.message import Request, Response, RoundTripper
from kubeprims.transport.pause import Pause
from kubeprims.transport.redaction import redact_url

_NOTED_S = 0.05
_LOUD_S = 1.0

_logger = logging.getLogger("kubeprims.transport")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests may be sent.

    Attributes:
        qps: Requests a second, in the long run; negative: without limit.
        burst: Requests that may be sent at once after a quiet time.

    Raises:
        ConfigError: A rate of zero, which would send nothing ever, or a burst below one.

    Source:
        client-go rest/config.go (5 a second, bursts of 10), util/flowcontrol/throttle.go.
        Same: a negative rate is no limit.
        Differs: there is no limit unless one is asked for, as the server limits by itself today; a burst of zero is an
        error instead of a default.
    """

    qps: float = 5.0
    burst: int = 10

    def __post_init__(self) -> None:
        if self.qps == 0 or math.isnan(self.qps):
            raise ConfigError(f"must be a number other than zero, not {self.qps!r}", field="qps")
        if self.burst < 1:
            raise ConfigError(f"must be at least 1, not {self.burst!r}", field="burst")

    @property
    def is_unlimited(self) -> bool:
        """Whether it lets everything through at once."""
        return self.qps < 0


class RateLimiter(Protocol):
    """Says when a request may be sent. One may be shared by several transports.

    Concurrency:
        Any number of threads at once.
    """

    def reserve(self, patience_s: float) -> float | None:
        """Take a place, and return how many seconds it is away; None, taking none, if farther than ``patience_s``."""
        ...


class TokenBucket:
    """The limiter of a :class:`RateLimit`: ``burst`` places at once, a new one every ``1 / qps`` seconds.

    Concurrency:
        Any number of threads at once; places are given in the order of the calls.
    """

    __slots__ = ("_burst", "_clock", "_free", "_limit", "_lock", "_read_at_s")

    def __init__(self, limit: RateLimit, *, clock: Clock | None = None) -> None:
        self._limit = limit
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._free = float(limit.burst)  # below zero: places that are promised
        self._read_at_s = self._clock.monotonic()

    def reserve(self, patience_s: float) -> float | None:
        """Take a place; see :class:`RateLimiter`."""
        limit = self._limit
        if limit.is_unlimited:
            return 0.0
        with self._lock:
            now_s = self._clock.monotonic()
            self._free = min(float(limit.burst), self._free + (now_s - self._read_at_s) * limit.qps)
            self._read_at_s = now_s
            delay_s = max(0.0, (1.0 - self._free) / limit.qps)
            if delay_s > patience_s:
                return None
            self._free -= 1.0
            return delay_s

    def __repr__(self) -> str:
        return f"TokenBucket({self._limit!r})"


class Limit:
    """Has requests wait for their place; watches are let through.

    The wait counts towards the request's deadline; a request whose place comes later fails at once.

    Concurrency:
        Any number of threads at once.
    """

    __slots__ = ("_inner", "_limiter", "_pause")

    def __init__(self, inner: RoundTripper, limiter: RateLimiter, *, pause: Pause) -> None:
        self._inner = inner
        self._limiter = limiter
        self._pause = pause

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`.

        Raises:
            DeadlineExceeded: Its place comes after its deadline.
            Cancelled: It was ended while it waited.
        """
        if not request.is_watch:
            self._wait(request)
        return self._inner.round_trip(request)

    def _wait(self, request: Request) -> None:
        delay_s = self._limiter.reserve(request.deadline.remaining_s())
        if delay_s is None:
            detail = "the client's rate limit would hold the request past its deadline"
            raise DeadlineExceeded(detail, method=request.method, url=redact_url(request.target))
        if delay_s > 0:
            self._pause.wait(delay_s, request)
        if delay_s > _NOTED_S:
            level = logging.WARNING if delay_s > _LOUD_S else logging.DEBUG
            facts = {"method": request.method, "path": request.path, "seconds": delay_s}
            _logger.log(level, "waited for the client's own rate limit, not for the server", extra=facts)
