"""Keeps one credential fresh for any number of requests: whoever needs another waits for the one that is being had."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from kubeprims.clock import Clock
from kubeprims.errors import CredentialError, KubeprimsError
from kubeprims.threads import Cancel, Deadline, Latch, ThreadGroup
from kubeprims.transport.credential import ClientCertificate, Credential, CredentialCache
from kubeprims.transport.message import Request, Response, RoundTripper
from kubeprims.transport.pause import Pause
from kubeprims.transport.redaction import redact_url

_UNAUTHORIZED = 401
_CLOSE_S_MAX = 10.0

_logger = logging.getLogger("kubeprims.transport")

Fetch = Callable[[Cancel], Credential]
"""Gets a new credential; ends early once the argument is set. Raises :class:`CredentialError`."""


class _Run:
    """One call of a fetch, and what came of it once it is done."""

    __slots__ = ("credential", "done", "failure")

    def __init__(self) -> None:
        self.done = Latch()
        self.credential: Credential | None = None
        self.failure = "it ended for a reason that was not foreseen"


class Renewal:
    """A credential that is had from elsewhere, and had again when it runs out or the server refuses it.

    It is fetched on a thread of its own, once for all the requests that wait for it; a request that gives up leaves
    that running for the next. Several transports may share it: it ends with the last that lets go of it.

    Concurrency:
        Any number of threads at once. Nothing is fetched, and nobody called, while the lock is held.
    """

    def __init__(self, fetch: Fetch, *, name: str, clock: Clock, initial: Credential | None = None) -> None:
        """Begin without fetching anything.

        Args:
            fetch: Gets a new credential.
            name: What it is, for the names of threads and for the log.
            clock: Tells when a credential has run out.
            initial: The credential to begin with.
        """
        self._fetch = fetch
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._cache = CredentialCache(initial)
        self._run: _Run | None = None
        self._cancel = Cancel()
        self._threads = ThreadGroup(f"kubeprims {name}")
        self._listeners: dict[object, Callable[[ClientCertificate | None], None]] = {}

    def hold(self, holder: object, on_certificate_change: Callable[[ClientCertificate | None], None]) -> None:
        """Go on until ``holder`` lets go.

        Args:
            holder: Who uses this.
            on_certificate_change: Is handed another client certificate before any request is sent with it, on a thread
                of this.
        """
        with self._lock:
            self._listeners[holder] = on_certificate_change

    def let_go(self, holder: object) -> None:
        """End with this holder if it is the last: what is being fetched is given up. May be called again."""
        with self._lock:
            self._listeners.pop(holder, None)
            if self._listeners:
                return
        self._cancel.set()
        running = self._threads.join(Deadline.after(_CLOSE_S_MAX))
        if running:
            _logger.warning("credentials are still being fetched", extra={"threads": list(running)})

    def certificate(self) -> ClientCertificate | None:
        """Return the client certificate of the credential in use; None if it has none, or there is none yet."""
        with self._lock:
            credential = self._cache.credential
        return None if credential is None else credential.client_certificate

    def current(self, request: Request, pause: Pause) -> Credential:
        """Return the credential for a request; waits while one is being fetched.

        Raises:
            CredentialError: None could be had.
            Cancelled: The request was cancelled, or its transport closed.
            DeadlineExceeded: The request's deadline passed.
            LifecycleError: Nobody holds this any more.
        """
        with self._lock:
            credential = self._cache.usable(self._clock.wall(), self._clock.monotonic())
            if credential is not None:
                return credential
            run = self._begin()
        pause.until(run.done, request, what=self._name)
        if run.credential is None:
            raise CredentialError(run.failure, method=request.method, url=redact_url(request.target))
        return run.credential

    def replacement_of(self, rejected: Credential, request: Request, pause: Pause) -> Credential | None:
        """Return another credential than the one that the server refused, or None if there is none.

        Of many requests that were refused with the same credential, one has another fetched.

        Raises:
            Cancelled: The request was cancelled, or its transport closed.
            DeadlineExceeded: The request's deadline passed.
        """
        with self._lock:
            credential = self._cache.replacement_of(rejected)
            if credential is not None or not (self._run or self._cache.may_ask_again(self._clock.monotonic())):
                return credential
            run = self._begin()
        pause.until(run.done, request, what=self._name)
        credential = run.credential
        return None if credential is None or credential.proves_the_same(rejected) else credential

    def _begin(self) -> _Run:
        if self._run is None:
            run = _Run()
            self._threads.spawn(lambda: self._carry_out(run), name="fetch")
            self._run = run
        return self._run

    def _carry_out(self, run: _Run) -> None:
        try:
            run.credential = self._fetch(self._cancel)
            self._announce(run.credential)
        except CredentialError as error:
            run.failure = error.detail
            _logger.warning("no credential could be had", extra={"source": self._name, "error": error.detail})
        finally:
            with self._lock:
                if run.credential is None:
                    self._cache.fail(self._clock.monotonic())
                else:
                    self._cache.take(run.credential, self._clock.wall(), self._clock.monotonic())
                self._run = None
            run.done.set()

    def _announce(self, credential: Credential) -> None:
        """Tell of another certificate before any request goes on: it is sent over a connection that shows it."""
        with self._lock:
            listeners = tuple(self._listeners.values()) if self._cache.has_other_certificate(credential) else ()
        for listener in listeners:
            listener(credential.client_certificate)


class Renewing:
    """Sends every request with the credential of a renewal, and once more with another if that one was refused.

    A request that has an ``Authorization`` itself is sent with that alone.

    Concurrency:
        Any number of threads at once.

    Source:
        client-go plugin/pkg/client/auth/exec/exec.go, ``(*roundTripper).RoundTrip``.
        Differs: there a refused request fails, and the next one is sent with the new credential.
    """

    __slots__ = ("_inner", "_pause", "_renewal")

    def __init__(self, inner: RoundTripper, renewal: Renewal, *, pause: Pause) -> None:
        self._inner = inner
        self._renewal = renewal
        self._pause = pause

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`.

        Raises:
            CredentialError: No credential could be had.
        """
        if "authorization" in request.headers:
            return self._inner.round_trip(request)
        credential = self._renewal.current(request, self._pause)
        response = self._inner.round_trip(_with_token(request, credential))
        if response.status != _UNAUTHORIZED:
            return response
        try:
            other = self._renewal.replacement_of(credential, request, self._pause)
        except KubeprimsError:
            response.close()
            raise
        if other is None:
            return response
        # A refused request was not carried out, whatever its method.
        response.drain()
        return self._inner.round_trip(_with_token(request, other))


def _with_token(request: Request, credential: Credential) -> Request:
    if not credential.token:
        return request
    return replace(request, headers=request.headers.with_added("Authorization", f"Bearer {credential.token}"))
