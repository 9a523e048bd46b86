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
    """One request, noted when its answer began.

    Attributes:
        method: Such as ``GET``.
        path: As it came, percent-encoded.
        query: As it came.
        verb: As in RBAC: ``list``, ``watch``, ...; for paths that are no resources, the method in lower case.
        user: Who it was from; empty if that was not found out.
        status: The HTTP status of the answer; 0 if a fault left it without one.
        user_agent: As it came.
        at_s: When, on the server's clock.
    """

    method: str
    path: str
    query: str
    verb: str
    user: str
    status: int
    user_agent: str
    at_s: float


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
