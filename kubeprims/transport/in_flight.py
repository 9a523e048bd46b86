"""The requests of one transport that are under way."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kubeprims.errors import LifecycleError
from kubeprims.transport.scope import RequestScope


def _nothing() -> None:
    """Close an answer that is not there yet."""


class InFlight:
    """Knows every request from its start to the end of its answer, so that a transport that is closed ends them.

    Concurrency:
        Any number of threads at once. Nothing is closed or aborted while the lock is held.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[RequestScope, Callable[[], None]] = {}
        self._closed = False

    def enter(self, scope: RequestScope) -> None:
        """Count a request in.

        Raises:
            LifecycleError: The transport is closed.
        """
        with self._lock:
            if self._closed:
                message = "the transport is closed"
                raise LifecycleError(message)
            self._requests[scope] = _nothing

    def answered(self, scope: RequestScope, close: Callable[[], None]) -> bool:
        """Say how the answer of a request is closed; False if the transport was closed meanwhile."""
        with self._lock:
            if not self._closed:
                self._requests[scope] = close
            return not self._closed

    def leave(self, scope: RequestScope) -> None:
        """Count a request out; does nothing if it is out already."""
        with self._lock:
            self._requests.pop(scope, None)

    @property
    def count(self) -> int:
        """How many requests are under way, answers that are still being read included."""
        with self._lock:
            return len(self._requests)

    def close(self) -> bool:
        """Cut off those under way: their readers get ``Cancelled``. Returns whether this was the first call."""
        with self._lock:
            is_first = not self._closed
            self._closed = True
            requests = tuple(self._requests.items())
        for scope, close in requests:
            scope.abort("the transport was closed")
            close()
        return is_first
