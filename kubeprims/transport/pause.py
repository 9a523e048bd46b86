"""Waits between requests that end with the request and with the transport."""

from __future__ import annotations

from kubeprims.clock import Clock
from kubeprims.errors import Cancelled, DeadlineExceeded
from kubeprims.threads import Cancel, Latch
from kubeprims.transport.message import Request
from kubeprims.transport.redaction import redact_url


class Pause:
    """Waits on behalf of a request.

    Concurrency:
        Any number of threads at once.
    """

    __slots__ = ("_clock", "_closing")

    def __init__(self, *, clock: Clock, closing: Cancel) -> None:
        """Make the waits of one transport.

        Args:
            clock: What they are measured with.
            closing: Set when the transport closes.
        """
        self._clock = clock
        self._closing = closing

    def wait(self, delay_s: float, request: Request) -> None:
        """Wait for ``delay_s`` seconds.

        Raises:
            Cancelled: The request's ``Cancel`` was set, or the transport closed.
            DeadlineExceeded: The request's deadline passed first.
        """
        remaining_s = request.deadline.remaining_s()
        self._wait(Latch(), min(delay_s, remaining_s), request)
        if remaining_s < delay_s:
            raise _too_late(request, "")

    def until(self, fact: Latch, request: Request, *, what: str) -> None:
        """Wait until ``fact`` is set.

        Args:
            fact: Set by whoever is waited for.
            request: What has to wait.
            what: Who that is, for the error.

        Raises:
            Cancelled: The request's ``Cancel`` was set, or the transport closed.
            DeadlineExceeded: The request's deadline passed first.
        """
        self._wait(fact, request.deadline.remaining_s(), request)
        if not fact.is_set:
            raise _too_late(request, f": {what} takes too long")

    def _wait(self, fact: Latch, timeout_s: float, request: Request) -> None:
        over = Latch()
        cancels = [self._closing] if request.cancel is None else [self._closing, request.cancel]
        detach = [latch.add_callback(over.set) for latch in (fact, *cancels)]
        try:
            over.wait(timeout_s, clock=self._clock)
        finally:
            for forget in detach:
                forget()
        if any(cancel.is_set for cancel in cancels):
            reason = "the transport was closed" if self._closing.is_set else "cancelled"
            url = redact_url(request.target)
            raise Cancelled(f"{reason} before the request was sent", method=request.method, url=url)


def _too_late(request: Request, why: str) -> DeadlineExceeded:
    url = redact_url(request.target)
    return DeadlineExceeded(f"the deadline has passed before it was sent{why}", method=request.method, url=url)
