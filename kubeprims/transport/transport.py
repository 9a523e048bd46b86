"""The transport: one server, one identity, one pool; every request of a client goes through it.

The proxies that the environment names (``HTTPS_PROXY`` and its relatives) are not used.
"""

from __future__ import annotations

import logging
import ssl
from typing import Self

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import ConfigError
from kubeprims.threads import Cancel
from kubeprims.transport import tls
from kubeprims.transport.auth import authorization
from kubeprims.transport.config import TransportConfig, default_user_agent, split_server_url
from kubeprims.transport.connection import Connection, Endpoint
from kubeprims.transport.dial import LookUp, Resolver, system_look_up
from kubeprims.transport.message import Middleware, Request, Response
from kubeprims.transport.middleware import Authenticate, Log, UserAgent, compose
from kubeprims.transport.pause import Pause
from kubeprims.transport.pool import Pool
from kubeprims.transport.rate_limit import Limit, TokenBucket
from kubeprims.transport.retry import Retry
from kubeprims.transport.sockets import DeadlineSSLSocket
from kubeprims.transport.warnings import LogWarnings, Warnings
from kubeprims.transport.wire import Wire

_DEFAULT_PORTS = {"http": 80, "https": 443}

_logger = logging.getLogger("kubeprims.transport")


class Transport:
    """Carries requests to the server of a configuration.

    A context manager: leaving it closes it.

    Attributes:
        config: What it was made from.
        base_url: The server's URL, without credentials and without a slash at its end.

    Concurrency:
        Any number of threads at once. A request blocks its own thread, until its deadline at the latest.

    Source:
        client-go rest/transport.go, transport/round_trippers.go.
        Same: from the outside in, warnings, user agent, retries, rate limit, authorization, log, and the
        configuration's own middleware; a header that a request sets itself wins; a retry waits for the limit again.
        Differs: a credential is never sent to an http server, and that is logged.
    """

    def __init__(
        self, config: TransportConfig, *, clock: Clock | None = None, look_up: LookUp = system_look_up
    ) -> None:
        """Check the configuration and load what it names; nothing is sent.

        Args:
            config: The configuration.
            clock: Tells the time for pooled connections and token files; the system's unless given.
            look_up: Looks host names up; the system's resolver unless given.

        Raises:
            ConfigError: Certificate, key, authority or token cannot be loaded; or the configuration asks for what
                this transport does not do (exec plugins, auth providers, proxies, impersonation), which is never
                skipped: the request would go another way, or as another user.
        """
        _refuse_unsupported(config)
        clock = clock or SystemClock()
        parts = split_server_url(config.server, config.server_origin)
        assert parts.hostname is not None
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        self.config = config
        self.base_url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._resolver = Resolver(clock=clock, look_up=look_up)
        self._pool = Pool(clock=clock, idle_max=config.idle_connections_max, idle_timeout_s=config.idle_timeout_s)
        context = _tls_context(config) if parts.scheme == "https" else None
        self._endpoint = Endpoint(
            host=parts.hostname,
            port=port,
            context=context,
            server_name=config.tls.server_name or parts.hostname.rstrip("."),
            dial_timeout_s=config.dial_timeout_s,
            tls_handshake_timeout_s=config.tls_handshake_timeout_s,
            keep_alive_s=config.keep_alive_s,
        )
        wire = Wire(
            base_url=self.base_url,
            base_path=parts.path.rstrip("/"),
            host=parts.netloc,
            pool=self._pool,
            connect=self._make_connection,
            asks_for_gzip=not config.disable_compression,
        )
        self._closing = Cancel()
        pause = Pause(clock=clock, closing=self._closing)
        outer = _pacing(config, clock=clock, pause=pause)
        inner = _middleware(config, is_secure=context is not None, clock=clock, url=self.base_url)
        self._chain = compose(wire, (*outer, *inner))

    def _make_connection(self) -> Connection:
        return Connection(self._endpoint, resolver=self._resolver)

    def round_trip(self, request: Request) -> Response:
        """Send a request, and return its answer once the head is there, whatever its status.

        Raises:
            InvalidArgument: The request sets a header that frames the message.
            LifecycleError: The transport is closed.
            NameResolutionError: The server's name has no address.
            ConnectError: The server takes no connection.
            TLSError: The server, or we to it, cannot be trusted.
            DeadlineExceeded: The request's deadline passed.
            Cancelled: The request's ``Cancel`` was set, or the transport closed.
            ConnectionLost: The connection ended before an answer.
            ProtocolError: The answer is not HTTP/1.1.
        """
        return self._chain.round_trip(request)

    def close_idle(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close_idle()

    def close(self) -> None:
        """Close the idle connections and cut the busy ones; their readers get ``Cancelled``. May be called again."""
        self._closing.set()
        self._pool.close()
        self._resolver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Transport {self.base_url}>"


def _tls_context(config: TransportConfig) -> ssl.SSLContext:
    return tls.client_context(config.tls, sslsocket_class=DeadlineSSLSocket)


def _pacing(config: TransportConfig, *, clock: Clock, pause: Pause) -> tuple[Middleware, ...]:
    """Return what stands outside of identity and credentials: each try of a request passes those anew."""
    agent = config.user_agent or default_user_agent()
    handler = config.warning_handler or LogWarnings()
    chain: list[Middleware] = [
        lambda inner: Warnings(inner, handler),
        lambda inner: UserAgent(inner, agent),
        lambda inner: Retry(inner, pause=pause, retries_max=config.retries_max),
    ]
    limiter = config.rate_limiter
    if limiter is None and config.rate_limit is not None and not config.rate_limit.is_unlimited:
        limiter = TokenBucket(config.rate_limit, clock=clock)
    if limiter is not None:
        chain.append(lambda inner: Limit(inner, limiter, pause=pause))
    return tuple(chain)


def _middleware(config: TransportConfig, *, is_secure: bool, clock: Clock, url: str) -> tuple[Middleware, ...]:
    chain: list[Middleware] = []
    source = authorization(config.credentials, clock=clock)
    if source is not None:
        if is_secure:
            chain.append(lambda inner: Authenticate(inner, source))
        else:
            _logger.warning("credentials are not sent to an http server", extra={"url": url})
    chain.append(lambda inner: Log(inner, base_url=url, clock=clock))
    return (*chain, *config.middleware)


def _refuse_unsupported(config: TransportConfig) -> None:
    """Fail closed on settings that say who we are or which way we go, and that are not acted on.

    Raises:
        ConfigError: There is one.
    """
    credentials, user = config.credentials, config.user_origin
    refused = (
        (config.impersonate is not None, user, "as", "impersonation from a kubeconfig"),
        (credentials.exec_plugin is not None, user, "exec", "credential plugins"),
        (credentials.auth_provider is not None, user, "auth-provider", "auth providers"),
        (bool(config.proxy_url), config.server_origin, "proxy-url", "proxies"),
    )
    for is_set, origin, field, what in refused:
        if is_set:
            rule = f"this version of kubeprims does not support {what}"
            raise ConfigError(rule, source=origin.source, entry=origin.entry, field=field)
