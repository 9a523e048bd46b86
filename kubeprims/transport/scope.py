"""What bounds one request from its first look-up to the last byte of its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kubeprims.errors import Cancelled, DeadlineExceeded, TransportError
from kubeprims.threads import Cancel, Deadline


class RequestScope:
    """Deadline, cancelling and error texts of one request.

    Whatever the request waits on at the moment is registered with :meth:`interrupt_with`; cancelling the request, or
    closing the transport, interrupts it.

    Concurrency:
        :meth:`abort` may be called from any thread; all else by the request's own. What is registered runs under the
        scope's lock, so that after :meth:`release` nothing touches a socket that the system may have given to another.
    """

    __slots__ = (
        "_cancel",
        "_error_class",
        "_forget",
        "_interrupt",
        "_lock",
        "_reason",
        "deadline",
        "method",
        "sent",
        "url",
    )

    def __init__(self, *, method: str, url: str, deadline: Deadline, cancel: Cancel | None) -> None:
        """Start to listen to ``cancel``.

        Args:
            method: The request's method.
            url: Its URL, without credentials.
            deadline: Its deadline.
            cancel: What ends it early.
        """
        self.method = method
        self.url = url
        self.deadline = deadline
        self.sent = False
        """Whether a byte of the request may have reached the server."""
        self._cancel = cancel
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self._reason = ""
        self._error_class: type[TransportError] = Cancelled
        self._forget = cancel.add_callback(self._on_cancel) if cancel is not None else None

    def _on_cancel(self) -> None:
        self.abort("cancelled")

    def abort(self, reason: str, error_class: type[TransportError] = Cancelled) -> None:
        """End the request; what it waits on fails, and says ``reason``. Only the first reason counts."""
        with self._lock:
            if not self._reason:
                self._reason, self._error_class = reason, error_class
            if self._interrupt is not None:
                self._interrupt()

    @property
    def is_aborted(self) -> bool:
        """Whether the request was ended early."""
        return bool(self._reason)

    def interrupt_with(self, interrupt: Callable[[], None]) -> None:
        """Have ``interrupt`` called when the request is to end; at once if that has happened."""
        with self._lock:
            self._interrupt = interrupt
            if self._reason:
                interrupt()

    def let_go(self) -> None:
        """Forget what was registered: call this before what it interrupts is closed."""
        with self._lock:
            self._interrupt = None

    def release(self) -> None:
        """Stop to listen, for good."""
        if self._forget is not None:
            self._forget()
            self._forget = None
        self.let_go()

    def check(self) -> None:
        """Go on, unless the request is over.

        Raises:
            Cancelled: It was ended early.
            DeadlineExceeded: Its deadline has passed.
        """
        if self._reason or self.deadline.has_passed:
            raise self.failure(TransportError, "")

    def limit(self, timeout_s: float) -> Deadline:
        """Return the point ``timeout_s`` seconds from now, or the request's deadline if that is sooner."""
        clock = self.deadline.clock
        return Deadline(min(self.deadline.at_s, clock.monotonic() + timeout_s), clock)

    def failure(self, error_class: type[TransportError], detail: str) -> TransportError:
        """Return the one error of a failed request.

        Args:
            error_class: What it is, unless the request was cancelled or its deadline has passed.
            detail: What happened.
        """
        if self._reason:
            error_class, detail = self._error_class, self._reason
        elif self.deadline.has_passed:
            error_class, detail = DeadlineExceeded, f"the deadline has passed{': ' if detail else ''}{detail}"
        return error_class(detail, method=self.method, url=self.url, request_sent=self.sent)

    def timed_out(self, limit: Deadline, error_class: type[TransportError], detail: str) -> TransportError:
        """Return the error for a wait that ended at ``limit``, which is the request's deadline or was sooner."""
        if not self._reason and limit.at_s >= self.deadline.at_s:
            error_class = DeadlineExceeded
        return self.failure(error_class, detail)
