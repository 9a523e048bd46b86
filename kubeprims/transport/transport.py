"""The transport: one server, one identity, one pool; every request of a client goes through it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import LifecycleError
from kubeprims.threads import Cancel
from kubeprims.transport import tls
from kubeprims.transport.auth import Authorization, authorization
from kubeprims.transport.certificates import Certificates
from kubeprims.transport.config import TransportConfig, default_user_agent, split_server_url
from kubeprims.transport.connection import Endpoint
from kubeprims.transport.dial import DialOptions, LookUp, system_look_up
from kubeprims.transport.exec_credential import ExecAuthenticator, ExecSettings
from kubeprims.transport.exec_output import ClusterInfo
from kubeprims.transport.identity import Impersonating
from kubeprims.transport.in_flight import InFlight
from kubeprims.transport.kubeconfig import AuthProvider, ExecPlugin
from kubeprims.transport.message import Middleware, Request, Response
from kubeprims.transport.middleware import Authenticate, Log, UserAgent, compose
from kubeprims.transport.oidc import OIDCProvider
from kubeprims.transport.oidc_settings import PROVIDER_NAME, read_settings
from kubeprims.transport.pause import Pause
from kubeprims.transport.pool import Pool
from kubeprims.transport.proxies import ProxyRoute, chosen_proxy, parse_proxy_url, proxy_from_environment
from kubeprims.transport.rate_limit import Limit, RateLimit, RateLimiter, TokenBucket
from kubeprims.transport.renewal import Renewal, Renewing
from kubeprims.transport.retry import Retry
from kubeprims.transport.shared_pools import shared_pool
from kubeprims.transport.sockets import DeadlineSSLSocket
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.warnings import LogWarnings, Warnings, drop_warnings
from kubeprims.transport.wire import Wire

_CLOSED = "the transport is closed"
_SYSTEM_CLOCK = SystemClock()
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
        self,
        config: TransportConfig,
        *,
        clock: Clock | None = None,
        look_up: LookUp = system_look_up,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Check the configuration and load what it names; nothing is sent.

        Args:
            config: The configuration.
            clock: Tells the time for pooled connections and token files; the system's unless given.
            look_up: Looks host names up; the system's resolver unless given.
            environ: Where proxies may be named; the process's environment unless given.

        Raises:
            ConfigError: Certificate, key, authority or token cannot be loaded; a proxy's URL is none; or the
                configuration names an auth provider other than ``oidc``, which is never skipped: the requests would go
                as another user.
        """
        _refuse_unknown_provider(config)
        environ = os.environ if environ is None else environ
        server = _server_of(config, clock=clock, look_up=look_up, environ=environ)
        self._set_up(config, server, pool=_pool_of(config, server))

    def _set_up(
        self, config: TransportConfig, server: _Server, *, pool: Pool, limiter: RateLimiter | None = None
    ) -> None:
        """Begin, with a pool that is held already."""
        self.config = config
        self.base_url = server.base_url
        self._server = server
        self._pool = pool
        self._in_flight = InFlight()
        wire = Wire(
            base_url=server.base_url,
            base_path=server.base_path,
            host=server.host,
            pool=pool,
            in_flight=self._in_flight,
            asks_for_gzip=not config.disable_compression,
        )
        self._limiter = limiter or _limiter(config, clock=server.clock)
        self._closing = Cancel()
        pause = Pause(clock=server.clock, closing=self._closing)
        outer = _pacing(config, self._limiter, pause=pause)
        self._chain = compose(wire, (*outer, *_middleware(config, server, pause=pause)))
        if server.renewal is not None and pool.certificates is not None:
            server.renewal.hold(self, pool.certificates.show)

    def with_options(
        self, *, user_agent_suffix: str = "", rate_limit: RateLimit | None = None, own_pool: bool = True
    ) -> Transport:
        """Return a transport to the same server, as the same user, that differs in some options.

        Certificates, credentials and rate limit are those of this one, which are not loaded again; nothing is connected
        before it is used. The caller closes it. Either may be closed first: each cuts only its own requests.

        Args:
            user_agent_suffix: What to add to the user agent, after a slash.
            rate_limit: A limit of its own; None: the one of this transport, together.
            own_pool: Use connections of its own; else share those of this transport.

        Raises:
            ConfigError: The suffix is not printable ASCII.
            LifecycleError: This one is closed.

        Source:
            client-go rest/config.go, ``CopyConfig`` and ``AddUserAgent``.
        """
        if self._closing.is_set:
            raise LifecycleError(_CLOSED)
        agent = self.config.user_agent or default_user_agent()
        config = replace(
            self.config,
            user_agent=f"{agent}/{user_agent_suffix}" if user_agent_suffix else self.config.user_agent,
            rate_limit=rate_limit or self.config.rate_limit,
            rate_limiter=None if rate_limit else self.config.rate_limiter,
        )
        pool = self._pool
        if own_pool:
            pool = _make_pool(config, self._server, pool.certificates)
        elif not pool.hold():
            raise LifecycleError(_CLOSED)
        derived = type(self).__new__(type(self))
        derived._set_up(  # noqa: SLF001 - one class, two instances
            config, self._server, pool=pool, limiter=None if rate_limit else self._limiter
        )
        return derived

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
        if self._closing.is_set:
            raise LifecycleError(_CLOSED)
        return self._chain.round_trip(request)

    def close_idle(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close_idle()

    def close(self) -> None:
        """Cut the requests under way; their readers get ``Cancelled``. May be called again.

        The connections are closed with the last transport that uses them.
        """
        self._closing.set()
        if self._server.renewal is not None:
            self._server.renewal.let_go(self)
        if self._in_flight.close():
            self._pool.let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Transport {self.base_url}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """What a transport and those derived from it have in common: nothing of it is a connection."""

    base_url: str
    base_path: str
    host: str
    endpoint: Endpoint
    is_secure: bool
    authorization: Authorization | None
    renewal: Renewal | None
    clock: Clock
    look_up: LookUp


def _server_of(config: TransportConfig, *, clock: Clock | None, look_up: LookUp, environ: Mapping[str, str]) -> _Server:
    parts = split_server_url(config.server, config.server_origin)
    assert parts.hostname is not None
    is_secure = parts.scheme == "https"
    base_url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    clock = clock or _SYSTEM_CLOCK
    source = authorization(config.credentials, clock=clock)
    if source is not None and not is_secure:
        _logger.warning("credentials are not sent to an http server", extra={"url": base_url})
        source = None
    return _Server(
        base_url=base_url,
        base_path=parts.path.rstrip("/"),
        host=parts.netloc,
        endpoint=Endpoint(
            host=parts.hostname,
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
            context=None,
            server_name=config.tls.server_name or parts.hostname.rstrip("."),
            tls_handshake_timeout_s=config.tls_handshake_timeout_s,
            dialing=_dialing(config, environ, is_secure=is_secure),
        ),
        is_secure=is_secure,
        authorization=source,
        renewal=_renewal(config, clock=clock, look_up=look_up, environ=environ) if is_secure else None,
        clock=clock,
        look_up=look_up,
    )


def _pool_of(config: TransportConfig, server: _Server) -> Pool:
    """Return the pool of all who reach the server in this way, or one alone for whom nobody can tell what that is."""
    renewal = server.renewal

    def make() -> Pool:
        if not server.is_secure:
            return _make_pool(config, server, None)
        certificates = Certificates(config.tls, clock=server.clock, is_renewed=renewal is not None)
        return _make_pool(config, server, certificates)

    if config.proxy is not None or renewal is not None:
        return make()
    tls_options = config.tls if server.is_secure else None
    key = (server.endpoint, tls_options, server.clock, server.look_up, *_pool_options(config))
    return shared_pool(key, make)


def _pool_options(config: TransportConfig) -> tuple[int, float]:
    return config.idle_connections_max, config.idle_timeout_s


def _make_pool(config: TransportConfig, server: _Server, certificates: Certificates | None) -> Pool:
    idle_max, idle_timeout_s = _pool_options(config)
    return Pool(
        server.endpoint,
        certificates=certificates,
        clock=server.clock,
        look_up=server.look_up,
        idle_max=idle_max,
        idle_timeout_s=idle_timeout_s,
    )


def _dialing(config: TransportConfig, environ: Mapping[str, str], *, is_secure: bool) -> DialOptions:
    proxy = _proxy_of(config, environ)
    authorities = b""
    if proxy is not None and proxy.is_tls and not config.tls.insecure:
        authorities = tls.read_authorities(config.tls)
        tls.proxy_context(authorities, DeadlineSSLSocket)  # what is wrong with them is told now
    return DialOptions(
        timeout_s=config.dial_timeout_s,
        keep_alive_s=config.keep_alive_s,
        proxy=proxy,
        proxy_authorities=authorities,
        is_forwarded=proxy is not None and not is_secure and not proxy.is_socks,
        policy=config.address_policy,
    )


def _proxy_of(config: TransportConfig, environ: Mapping[str, str]) -> ProxyRoute | None:
    """Return the proxy on the way to the server; what is closer to the server's entry wins."""
    if config.proxy is not None:
        return chosen_proxy(config.proxy(config.server))
    if config.proxy_url:
        return parse_proxy_url(config.proxy_url, origin=config.server_origin)
    return proxy_from_environment(config.server, environ) if config.proxy_from_environment else None


def _renewal(config: TransportConfig, *, clock: Clock, look_up: LookUp, environ: Mapping[str, str]) -> Renewal | None:
    """Return what gets credentials from elsewhere, unless something else says who we are."""
    credentials = config.credentials
    if credentials.says_who:
        return None
    if credentials.auth_provider is not None:
        return _oidc_renewal(config, credentials.auth_provider, clock=clock, look_up=look_up, environ=environ)
    plugin = credentials.exec_plugin
    return None if plugin is None or config.tls.has_client_certificate else _exec_renewal(config, plugin, clock=clock)


def _oidc_renewal(
    config: TransportConfig, auth_provider: AuthProvider, *, clock: Clock, look_up: LookUp, environ: Mapping[str, str]
) -> Renewal:
    def open_road(server: str, options: TLSOptions) -> Transport:
        # Neither the cluster's proxy nor its middleware: they are for the cluster. The address policy is for whatever
        # a kubeconfig names.
        road = TransportConfig(
            server=server,
            tls=options,
            address_policy=config.address_policy,
            user_agent=config.user_agent,
            warning_handler=drop_warnings,
        )
        return Transport(road, clock=clock, look_up=look_up, environ=environ)

    settings = read_settings(auth_provider, config.user_origin)
    provider = OIDCProvider(settings, open_road=open_road, clock=clock)
    return Renewal(provider.fetch, name=provider.name, clock=clock, initial=provider.initial)


def _exec_renewal(config: TransportConfig, plugin: ExecPlugin, *, clock: Clock) -> Renewal:
    authenticator = ExecAuthenticator(
        plugin,
        cluster=ClusterInfo(
            server=config.server,
            tls_server_name=config.tls.server_name,
            insecure=config.tls.insecure,
            ca_data=tls.read_authorities(config.tls),
            proxy_url=config.proxy_url,
            disable_compression=config.disable_compression,
            config=plugin.cluster_config,
        ),
        clock=clock,
        settings=ExecSettings(policy=config.exec_policy, timeout_s=config.exec_timeout_s),
        origin=config.user_origin,
    )
    return Renewal(authenticator.fetch, name=authenticator.name, clock=clock)


def _limiter(config: TransportConfig, *, clock: Clock) -> RateLimiter | None:
    if config.rate_limiter is not None:
        return config.rate_limiter
    limit = config.rate_limit
    return None if limit is None or limit.is_unlimited else TokenBucket(limit, clock=clock)


def _pacing(config: TransportConfig, limiter: RateLimiter | None, *, pause: Pause) -> tuple[Middleware, ...]:
    """Return what stands outside of identity and credentials: each try of a request passes those anew."""
    agent = config.user_agent or default_user_agent()
    handler = config.warning_handler or LogWarnings()
    chain: list[Middleware] = [
        lambda inner: Warnings(inner, handler),
        lambda inner: UserAgent(inner, agent),
        lambda inner: Retry(inner, pause=pause, retries_max=config.retries_max),
    ]
    if limiter is not None:
        chain.append(lambda inner: Limit(inner, limiter, pause=pause))
    return tuple(chain)


def _middleware(config: TransportConfig, server: _Server, *, pause: Pause) -> tuple[Middleware, ...]:
    chain: list[Middleware] = []
    identity = config.impersonate
    if identity is not None:
        chain.append(lambda inner: Impersonating(inner, identity))
    source = server.authorization
    if source is not None:
        chain.append(lambda inner: Authenticate(inner, source))
    renewal = server.renewal
    if renewal is not None:
        chain.append(lambda inner: Renewing(inner, renewal, pause=pause))
    chain.append(lambda inner: Log(inner, base_url=server.base_url, clock=server.clock))
    return (*chain, *config.middleware)


def _refuse_unknown_provider(config: TransportConfig) -> None:
    """Fail closed on a source of credentials that is not there: requests would go as another user.

    Raises:
        ConfigError: The configuration names one.
    """
    provider = config.credentials.auth_provider
    if provider is not None and provider.name != PROVIDER_NAME:
        rule = f"{provider.name!r} is not supported, only {PROVIDER_NAME!r} is; name a credential plugin under exec"
        raise config.user_origin.error("auth-provider", rule)
