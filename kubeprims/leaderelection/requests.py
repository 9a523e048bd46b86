"""Carries out an election's requests on a thread of its own, one at a time: they never hold the election up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from kubeprims.clock import Clock
from kubeprims.errors import Conflict, KubeprimsError, NotFound, ServerError, StatusError, TransportError
from kubeprims.leaderelection.effects import Create, Get, Observation, Request, Update, WriteFailure
from kubeprims.leaderelection.lock import ResourceLock, Written
from kubeprims.threads import Cancel

Outcome = Observation | Written | KubeprimsError
"""How a request ended."""


class _Sent(NamedTuple):
    number: int
    request: Request
    cancel: Cancel


class Requests:
    """The requests of one election.

    The newest counts. One that was given up is cancelled; if it cannot be, as a name look-up, the next one waits for
    its end, within its own time.

    Concurrency:
        Every method may be called from any thread; :meth:`run` is the thread.
    """

    def __init__(self, lock: ResourceLock, *, clock: Clock, on_outcome: Callable[[int, Outcome], None]) -> None:
        """Carry out nothing yet.

        Args:
            lock: What to ask.
            clock: The clock to live by.
            on_outcome: Told, on the thread, the number of a request and how it ended.
        """
        self._lock = lock
        self._clock = clock
        self._on_outcome = on_outcome
        self._changed = threading.Condition()
        self._sent: _Sent | None = None
        self._waiting: _Sent | None = None
        self._number = 0
        self._is_closed = False

    def send(self, request: Request) -> int:
        """Have a request carried out, in place of the one before; return its number."""
        self.drop()
        with self._changed:
            self._number += 1
            self._sent = self._waiting = _Sent(self._number, request, Cancel())
            self._changed.notify_all()
            return self._number

    def drop(self) -> None:
        """Cancel the request that is under way."""
        with self._changed:
            sent, self._sent, self._waiting = self._sent, None, None
        if sent is not None:
            sent.cancel.set()

    def close(self) -> None:
        """Cancel what is under way, and end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.drop()

    def run(self) -> None:
        """Carry out requests until closed."""
        while True:
            with self._changed:
                while self._waiting is None and not self._is_closed:
                    self._changed.wait()
                if self._is_closed:
                    return
                sent, self._waiting = self._waiting, None
            assert sent is not None
            self._on_outcome(sent.number, self._carry_out(sent))

    def _carry_out(self, sent: _Sent) -> Outcome:
        timeout_s = max(0.001, sent.request.give_up_at_s - self._clock.monotonic())
        try:
            match sent.request:
                case Get():
                    return self._lock.get(timeout_s=timeout_s, cancel=sent.cancel)
                case Create(record=record):
                    return self._lock.create(record, timeout_s=timeout_s, cancel=sent.cancel)
                case Update(record=record):
                    return self._lock.update(record, timeout_s=timeout_s, cancel=sent.cancel)
        except KubeprimsError as error:
            return error


def write_failure(error: KubeprimsError) -> WriteFailure:
    """Return what is known of a write that ended with an error."""
    if isinstance(error, Conflict | NotFound):
        return WriteFailure.CONFLICT
    if isinstance(error, StatusError) and not isinstance(error, ServerError):
        return WriteFailure.REFUSED
    if isinstance(error, TransportError) and not error.request_sent:
        return WriteFailure.REFUSED
    return WriteFailure.UNKNOWN
