"""Keeps connections that are not in use, and knows the requests that use one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kubeprims.clock import Clock
from kubeprims.errors import LifecycleError
from kubeprims.transport.connection import Connection
from kubeprims.transport.scope import RequestScope


def _nothing() -> None:
    """Close an answer that is not there yet."""


class Pool:
    """The idle connections of one transport, and its requests under way.

    There is no limit on connections in use: a watch holds one for as long as it lasts. The most recently used
    connection is taken first, so that those not needed grow old and go; they go at the next use of the pool.

    Concurrency:
        Any number of threads at once. Nothing is closed or aborted while the lock is held.
    """

    def __init__(self, *, clock: Clock, idle_max: int, idle_timeout_s: float) -> None:
        self._clock = clock
        self._idle_max = idle_max
        self._idle_timeout_s = idle_timeout_s
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._requests: dict[RequestScope, Callable[[], None]] = {}
        self._closed = False

    def enter(self, scope: RequestScope) -> None:
        """Count a request in.

        Raises:
            LifecycleError: The pool is closed.
        """
        with self._lock:
            if self._closed:
                message = "the transport is closed"
                raise LifecycleError(message)
            self._requests[scope] = _nothing

    def answered(self, scope: RequestScope, close: Callable[[], None]) -> bool:
        """Say how the answer of a request is closed; False if the pool was closed meanwhile."""
        with self._lock:
            if not self._closed:
                self._requests[scope] = close
            return not self._closed

    def leave(self, scope: RequestScope) -> None:
        """Count a request out; does nothing if it is out already."""
        with self._lock:
            self._requests.pop(scope, None)

    def take(self) -> Connection | None:
        """Return the idle connection used last that still stands, or None if there is none."""
        while True:
            with self._lock:
                expired = self._remove_expired()
                connection = self._idle.pop() if self._idle else None
            for old in expired:
                old.destroy()
            if connection is None or connection.is_fit:
                return connection
            connection.destroy()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it if there are enough."""
        with self._lock:
            surplus = self._remove_expired()
            if self._closed or self._idle_max == 0:
                surplus.append(connection)
            else:
                connection.idle_since_s = self._clock.monotonic()
                self._idle.append(connection)
                if len(self._idle) > self._idle_max:
                    surplus.append(self._idle.pop(0))
        for old in surplus:
            old.destroy()

    def _remove_expired(self) -> list[Connection]:
        """Take out those that were idle for too long: they are the first, being in the order of their return."""
        oldest_s = self._clock.monotonic() - self._idle_timeout_s
        count = 0
        while count < len(self._idle) and self._idle[count].idle_since_s <= oldest_s:
            count += 1
        expired = self._idle[:count]
        del self._idle[:count]
        return expired

    @property
    def idle_count(self) -> int:
        """How many connections are idle."""
        with self._lock:
            return len(self._idle)

    @property
    def busy_count(self) -> int:
        """How many requests are under way, answers that are still being read included."""
        with self._lock:
            return len(self._requests)

    def close_idle(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.destroy()

    def close(self) -> None:
        """Close the idle connections and cut those in use: their readers get ``Cancelled``. May be called again."""
        with self._lock:
            self._closed = True
            requests = tuple(self._requests.items())
        for scope, close in requests:
            scope.abort("the transport was closed")
            close()
        self.close_idle()
