"""What was asked of the server: a bounded log that tests can look at and wait on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kubeprims.clock import SystemClock
from kubeprims.threads import Deadline

REQUESTS_MAX = 10_000


class LoggedRequest(NamedTuple):
    """One request, noted when its answer began. No header of it is kept but the user agent.

    Attributes:
        method: Such as ``GET``.
        path: As it came, percent-encoded.
        query: As it came.
        verb: As in RBAC: ``list``, ``watch``, ...; for paths that are no resources, the method in lower case.
        user: Who it was from; empty if that was not found out.
        status: The HTTP status of the answer; 0 if a fault left it without one.
        user_agent: As it came.
        at_s: When, on the server's clock.
        impersonated_user: Whom it was to be taken for; empty if that was the user.
        request_bytes: The length of its body.
        transfer: How the answer went; grows until it has ended.
    """

    method: str
    path: str
    query: str
    verb: str
    user: str
    status: int
    user_agent: str
    at_s: float
    impersonated_user: str
    request_bytes: int
    transfer: Transfer

    @property
    def response_bytes(self) -> int:
        """How much of the answer has been sent by now: its head, and its body as it went over the wire."""
        return self.transfer.sent_bytes

    @property
    def duration_s(self) -> float | None:
        """How long it took from the request to the end of the answer; None while that has not come."""
        return self.transfer.duration_s


class Transfer:
    """How an answer goes.

    Attributes:
        sent_bytes: How much has been sent by now.
        duration_s: From the request to the end of the answer, in seconds of the server's clock; None before the end.

    Concurrency:
        The connection's thread writes it; any thread may read it.
    """

    __slots__ = ("duration_s", "sent_bytes")

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.duration_s: float | None = None

    def __repr__(self) -> str:
        return f"<Transfer {self.sent_bytes} bytes, {self.duration_s} s>"


class AccessLog:
    """The newest requests, oldest first, at most :data:`REQUESTS_MAX`.

    Concurrency:
        Every method may be called from any thread; iteration goes over a copy.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._requests: deque[LoggedRequest] = deque(maxlen=REQUESTS_MAX)

    def add(self, request: LoggedRequest) -> None:
        """Append a request; the oldest is forgotten when there are too many."""
        with self._condition:
            self._requests.append(request)
            self._condition.notify_all()

    def clear(self) -> None:
        """Forget all of them."""
        with self._condition:
            self._requests.clear()

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._condition:
            return iter(tuple(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, index: int) -> LoggedRequest:
        return self._requests[index]

    def wait_for(
        self, matches: Callable[[LoggedRequest], bool], *, count: int = 1, timeout_s: float = 10.0
    ) -> tuple[LoggedRequest, ...]:
        """Wait until ``count`` requests match, at most ``timeout_s`` seconds of real time, and return those that do."""
        deadline = Deadline.after(timeout_s, clock=SystemClock())
        with self._condition:
            while True:
                found = tuple(request for request in self._requests if matches(request))
                if len(found) >= count or not self._condition.wait(max(0.0, deadline.remaining_s())):
                    return found
