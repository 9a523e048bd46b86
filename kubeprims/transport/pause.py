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
        over = Latch()
        cancels = [self._closing] if request.cancel is None else [self._closing, request.cancel]
        detach = [cancel.add_callback(over.set) for cancel in cancels]
        try:
            remaining_s = request.deadline.remaining_s()
            over.wait(min(delay_s, remaining_s), clock=self._clock)
        finally:
            for forget in detach:
                forget()
        url = redact_url(request.target)
        if over.is_set:
            reason = "the transport was closed" if self._closing.is_set else "cancelled"
            raise Cancelled(f"{reason} before the request was sent", method=request.method, url=url)
        if remaining_s < delay_s:
            raise DeadlineExceeded("the deadline has passed before it was sent", method=request.method, url=url)
