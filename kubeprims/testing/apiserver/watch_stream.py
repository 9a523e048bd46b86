"""A watch being answered: batches of events from the backend to the wire, and what faults do to it."""

from __future__ import annotations

from typing import Protocol

from kubeprims.errors import StatusError
from kubeprims.testing.apiserver.faults import DropWatch, EndWatch, Fault, RequestFacts, StallWatch, WatchError
from kubeprims.testing.apiserver.status import render_status
from kubeprims.testing.apiserver.wire import Wire, WireClosed


class EventSource(Protocol):
    """A watch, as the storage offers it."""

    def next_batch(self, timeout_s: float | None) -> list[bytes] | None:
        """Wait for events and return them as lines; empty if none came in time, None if there will be no more."""
        ...

    def close(self) -> None:
        """End it, from any thread; wakes :meth:`next_batch`."""
        ...


class Writer(Protocol):
    """The part of a response writer that a watch uses."""

    def write(self, pieces: list[bytes]) -> None:
        """Send pieces at once, each as a chunk."""
        ...

    def end(self) -> None:
        """End the response in good order."""
        ...

    def drop(self) -> None:
        """Reset the connection."""
        ...

    def befall(self, fault: Fault) -> None:
        """Wait until a stall is released."""
        ...


class WatchStream:
    """Follows a watch until it ends.

    Concurrency:
        :meth:`run` is for the connection's thread; :meth:`interrupt` may be called from any other.
    """

    def __init__(
        self, watch: EventSource, writer: Writer, wire: Wire, *, facts: RequestFacts, fault: Fault | None
    ) -> None:
        self._facts = facts
        self._watch = watch
        self._writer = writer
        self._wire = wire
        self._sent = 0
        self._fault: Fault | None = None
        self._left = 0
        if fault is not None and isinstance(fault.action, (WatchError, EndWatch, StallWatch, DropWatch)):
            self._fault = fault
            self._left = fault.action.after_events
        self._interrupt: Fault | None = None

    @property
    def facts(self) -> RequestFacts:
        """What the request was."""
        return self._facts

    def interrupt(self, fault: Fault) -> None:
        """Have a fault happen as soon as the thread of the connection sees it."""
        self._interrupt = fault
        if not isinstance(fault.action, StallWatch):  # a stall concerns what comes next; it need not wake anybody
            self._watch.close()

    def run(self) -> None:
        """Send events until the watch or the connection ends.

        Raises:
            WireClosed: The connection broke or was cut.
        """
        detach = self._wire.cancel.add_callback(self._watch.close)
        try:
            if self._follow():
                self._writer.end()
        finally:
            detach()

    def _follow(self) -> bool:
        while True:
            if self._fault is not None and self._left == 0:
                fault, self._fault = self._fault, None
                if self._befall(fault):
                    return True
            batch = self._watch.next_batch(None)
            if self._wire.cancel.is_set:
                raise WireClosed
            interrupt, self._interrupt = self._interrupt, None
            if interrupt is not None and self._befall(interrupt):
                return True
            if batch is None:
                return True
            if batch and self._send(batch):
                return True

    def _send(self, batch: list[bytes]) -> bool:
        """Send a batch; return whether a fault has ended the watch in the middle of it."""
        if self._fault is not None:
            before, batch = batch[: self._left], batch[self._left :]
            self._left -= len(before)
            if before:
                self._writer.write(before)
            if not batch:
                return False
            fault, self._fault = self._fault, None
            if self._befall(fault):
                return True
        self._writer.write(batch)
        return False

    def _befall(self, fault: Fault) -> bool:
        """Have a fault happen; return whether the watch ends by it."""
        action = fault.action
        if isinstance(action, WatchError):
            failure = StatusError(
                action.message, code=action.code, reason=action.reason, retry_after_s=action.retry_after_s
            )
            status = render_status(failure)
            self._writer.write([b'{"type":"ERROR","object":' + status.strip() + b"}\n"])
        elif isinstance(action, DropWatch):
            self._writer.drop()
        elif isinstance(action, StallWatch):
            self._writer.befall(fault)
            return False
        return True
