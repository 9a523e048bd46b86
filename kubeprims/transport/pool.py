"""Keeps the connections to a server: idle ones until they are too old, all of them until their certificates change."""

from __future__ import annotations

import contextlib
import logging
import math
import threading

from kubeprims.clock import Clock
from kubeprims.errors import LifecycleError
from kubeprims.threads import Deadline, ThreadGroup
from kubeprims.transport.certificates import PLAIN, Certificates, Generation
from kubeprims.transport.connection import Connection, Endpoint
from kubeprims.transport.dial import LookUp, Resolver
from kubeprims.transport.scope import RequestScope

POLL_INTERVAL_S = 60.0
"""How often certificates are looked at while no connection is made, in seconds."""

GRACE_S = 120.0
"""How long an answer may still come over a connection that shows an old client certificate, in seconds."""

_CLOSE_S_MAX = 10.0

_logger = logging.getLogger("kubeprims.transport")


class Pool:
    """The connections to one server, for one transport or for all that reach it in the same way.

    There is no limit on connections in use: a watch holds one for as long as it lasts. The most recently used
    connection is taken first, so that those not needed grow old and go.

    Once certificates have changed, new connections are made with the new ones, idle connections are closed, and busy
    ones serve no other request. Where it is the client certificate that changed, answers that last are cut off after
    :data:`GRACE_S`, so that a watch does not go on as somebody that we are no longer: it can be resumed.

    A thread of its own does what is due while there are connections, and only then.

    Concurrency:
        Any number of threads at once. Nothing is opened, closed or read while the lock is held.

    Source:
        client-go transport/cert_rotation.go, ``dynamicClientCert``; Go net/http, ``Transport.IdleConnTimeout``.
        Differs: there all connections are closed at once, and requests under way fail.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        certificates: Certificates | None,
        clock: Clock,
        look_up: LookUp,
        idle_max: int,
        idle_timeout_s: float,
    ) -> None:
        """Begin without a connection, and with one holder.

        Args:
            endpoint: Where connections go; with which context is for ``certificates`` to say.
            certificates: What they are made with; None: no TLS.
            clock: Tells when something is due.
            look_up: Looks host names up.
            idle_max: How many idle connections are kept.
            idle_timeout_s: For how long, in seconds.
        """
        self.certificates = certificates
        self._endpoint = endpoint
        self._clock = clock
        self._resolver = Resolver(clock=clock, look_up=look_up)
        self._idle_max = idle_max
        self._idle_timeout_s = idle_timeout_s
        self._changed = threading.Condition(threading.Lock())
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._generation = PLAIN if certificates is None else certificates.generation
        self._polled_at_s = clock.monotonic()
        self._keeper = ThreadGroup(f"kubeprims connections to {endpoint.host}:{endpoint.port}")
        self._is_kept = False
        self._holders = 1
        self._closed = False

    def hold(self) -> bool:
        """Go on until one more holder lets go; False if the last one has."""
        with self._changed:
            self._holders += not self._closed
            return not self._closed

    def let_go(self) -> None:
        """End with this holder if it is the last."""
        with self._changed:
            self._holders -= 1
            if self._holders:
                return
            self._closed = True  # at once: nobody may hold what is about to be closed
        self.close()

    def take(self) -> Connection | None:
        """Return the idle connection used last that still stands, or None if there is none."""
        generation = PLAIN if self.certificates is None else self.certificates.generation
        while True:
            with self._changed:
                old = self._adopt(generation) + self._remove_expired()
                connection = self._idle.pop() if self._idle else None
                if connection is not None:
                    self._busy.add(connection)
            for each in old:
                each.destroy()
            if connection is None or connection.is_fit:
                return connection
            self.discard(connection)

    def open(self, scope: RequestScope) -> Connection:
        """Return a new connection for a request.

        Raises:
            LifecycleError: The pool is closed.
            TransportError: It cannot be opened.
        """
        generation = PLAIN if self.certificates is None else self.certificates.refreshed()
        connection = Connection(
            self._endpoint._replace(context=generation.context),
            resolver=self._resolver,
            generation_number=generation.number,
        )
        with self._changed:
            if self._closed:
                message = "the transport is closed"
                raise LifecycleError(message)
            old = self._adopt(generation)
            self._busy.add(connection)
            self._keep()
        for each in old:
            each.destroy()
        try:
            connection.open(scope)
        except BaseException:
            self.discard(connection)
            raise
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it if it is of no use any more, or there are enough."""
        with self._changed:
            self._busy.discard(connection)
            surplus = self._remove_expired()
            is_current = connection.generation_number == self._generation.number
            if self._closed or self._idle_max == 0 or not is_current:
                surplus.append(connection)
            else:
                connection.idle_since_s = self._clock.monotonic()
                self._idle.append(connection)
                if len(self._idle) > self._idle_max:
                    surplus.append(self._idle.pop(0))
                self._keep()
        for old in surplus:
            old.destroy()

    def discard(self, connection: Connection) -> None:
        """Close a connection that was taken or opened."""
        with self._changed:
            self._busy.discard(connection)
            if not self._idle and not self._busy:
                self._changed.notify_all()  # the thread has nothing left to wait for
        connection.destroy()

    @property
    def idle_count(self) -> int:
        """How many connections are idle."""
        with self._changed:
            return len(self._idle)

    @property
    def busy_count(self) -> int:
        """How many connections serve a request, answers that are still being read included."""
        with self._changed:
            return len(self._busy)

    def close_idle(self) -> None:
        """Close the connections that are not in use."""
        with self._changed:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.destroy()

    def close(self) -> None:
        """Close the idle connections, and those in use once their answers have ended. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.close_idle()
        self._resolver.close()
        running = self._keeper.join(Deadline.after(_CLOSE_S_MAX))
        if running:
            _logger.warning("certificates are still being read", extra={"threads": list(running)})

    # -- all below with the lock held, but for the thread itself

    def _adopt(self, generation: Generation) -> list[Connection]:
        """Retire the connections of an older generation, and return those to close."""
        known = self._generation
        if generation.number <= known.number:
            return []
        self._generation = generation
        if generation.client_number != known.client_number:
            cut_at_s = self._clock.monotonic() + GRACE_S
            for connection in self._busy:
                connection.cut_at_s = min(connection.cut_at_s, cut_at_s)
        idle, self._idle = self._idle, []
        self._changed.notify_all()
        return idle

    def _remove_expired(self) -> list[Connection]:
        """Take out those that were idle for too long: they are the first, being in the order of their return."""
        now_s = self._clock.monotonic()
        count = 0
        # In the very words of _next_due_s: what is due by its sum must go by the same sum.
        while count < len(self._idle) and self._idle[count].idle_since_s + self._idle_timeout_s <= now_s:
            count += 1
        expired = self._idle[:count]
        del self._idle[:count]
        return expired

    def _next_due_s(self) -> float | None:
        """Return when the next thing is to be done; None: never."""
        due_s = [connection.cut_at_s for connection in self._busy if connection.cut_at_s < math.inf]
        if self._idle:
            due_s.append(self._idle[0].idle_since_s + self._idle_timeout_s)
        if self._must_poll:
            due_s.append(self._polled_at_s + POLL_INTERVAL_S)
        return min(due_s, default=None)

    @property
    def _must_poll(self) -> bool:
        certificates = self.certificates
        return certificates is not None and certificates.may_change and bool(self._idle or self._busy)

    def _keep(self) -> None:
        """Start the thread if there is something for it to do."""
        if not self._is_kept and self._next_due_s() is not None:
            self._polled_at_s = self._clock.monotonic()
            # An interpreter that ends starts no thread any more; requests of its last moments are carried all the same.
            with contextlib.suppress(RuntimeError):
                self._keeper.spawn(self._do_what_is_due, name="keep")
                self._is_kept = True

    def _do_what_is_due(self) -> None:
        while True:
            with self._changed:
                due_s = None if self._closed else self._next_due_s()
                if due_s is None:
                    self._is_kept = False
                    return
                wait_s = due_s - self._clock.monotonic()
                if wait_s > 0:
                    self._clock.wait(self._changed, wait_s)
                    continue
            self._tidy()

    def _tidy(self) -> None:
        """Look at the certificates, close what has been idle for too long, and cut off what must end."""
        generation = PLAIN if self.certificates is None else self.certificates.refreshed()
        with self._changed:
            now_s = self._polled_at_s = self._clock.monotonic()
            old = self._adopt(generation) + self._remove_expired()
            ended = [connection for connection in self._busy if connection.cut_at_s <= now_s]
            for connection in ended:
                connection.cut_at_s = math.inf
        for connection in old:
            connection.destroy()
        for connection in ended:
            connection.cut("the client certificate has changed")
