"""Everything a transport is told, as one value: from code, from a kubeconfig, or from inside a cluster."""

from __future__ import annotations

import logging
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from kubeprims.errors import ConfigError, InvalidArgument
from kubeprims.transport import kubeconfig, tls
from kubeprims.transport.addresses import AddressPolicy
from kubeprims.transport.auth import Credentials
from kubeprims.transport.exec_policy import EXEC_TIMEOUT_S, ExecPolicy
from kubeprims.transport.from_kubernetes import read_kubernetes
from kubeprims.transport.identity import Identity
from kubeprims.transport.kubeconfig import Cluster, Context, ExecPlugin, User
from kubeprims.transport.message import Middleware
from kubeprims.transport.origin import FROM_CODE, Origin
from kubeprims.transport.rate_limit import RateLimit, RateLimiter
from kubeprims.transport.redaction import redact_url
from kubeprims.transport.retry import RETRIES_MAX
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.warnings import WarningHandler
from kubeprims.version import __version__

SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a pod finds its token, the cluster's authority and its namespace."""

_IN_CLUSTER = Origin("in-cluster")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
_NOT_IN_AGENT = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]+")

_logger = logging.getLogger("kubeprims.transport")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConfig:
    """Everything a transport is told.

    Attributes:
        server: The URL of the API server, http or https; a path in it goes before every request's path.
        tls: Whom to trust, and the client certificate.
        credentials: Token or password; sent to https servers only.
        impersonate: Whom to act as; sent to any server.
        proxy_url: The proxy on the way to the server: http, https, socks5 or socks5h, with a name and password if any.
        proxy: A function that names the proxy for a server's URL, or None for none; stands in for ``proxy_url``.
        proxy_from_environment: Whether ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` count where neither is given.
        address_policy: Which addresses may be connected to; any unless given.
        disable_compression: Do not ask for gzip.
        namespace: The namespace where none is named.
        context: The name of the kubeconfig context; for display.
        user_agent: The ``User-Agent``; made from the program's name if empty.
        middleware: What to wrap around every request, the outermost first.
        rate_limit: How many requests are sent; no limit unless given.
        rate_limiter: What says so instead; one that several transports share.
        exec_policy: Which credential plugins may run.
        exec_timeout_s: How long one may take, in seconds.
        retries_max: How often a request is sent again at most, where that is safe; 0 for never.
        warning_handler: Is told what the server warns of; each text is logged once unless given.
        dial_timeout_s: How long a TCP connection may take to come up, in seconds, name look-up included.
        tls_handshake_timeout_s: How long a TLS handshake may take, in seconds.
        keep_alive_s: Idle time before the system probes a connection, and between probes, in seconds.
        idle_connections_max: How many idle connections are kept.
        idle_timeout_s: How long each is kept, in seconds.
        server_origin: Where errors say that the server's settings were made.
        user_origin: Likewise for the user's.

    Raises:
        ConfigError: The settings break a rule.
    """

    server: str
    tls: TLSOptions = field(default_factory=TLSOptions)
    credentials: Credentials = field(default_factory=Credentials)
    impersonate: Identity | None = None
    proxy_url: str = field(default="", repr=False)
    proxy: Callable[[str], str | None] | None = field(default=None, repr=False)
    proxy_from_environment: bool = True
    address_policy: AddressPolicy | None = None
    disable_compression: bool = False
    namespace: str = "default"
    context: str = ""
    user_agent: str = ""
    middleware: tuple[Middleware, ...] = ()
    rate_limit: RateLimit | None = None
    rate_limiter: RateLimiter | None = None
    exec_policy: ExecPolicy = field(default_factory=ExecPolicy.allow_all)
    exec_timeout_s: float = EXEC_TIMEOUT_S
    retries_max: int = RETRIES_MAX
    warning_handler: WarningHandler | None = None
    dial_timeout_s: float = 30.0
    tls_handshake_timeout_s: float = 10.0
    keep_alive_s: float = 30.0
    idle_connections_max: int = 25
    idle_timeout_s: float = 90.0
    server_origin: Origin = field(default=FROM_CODE, compare=False)
    user_origin: Origin = field(default=FROM_CODE, compare=False)

    def __post_init__(self) -> None:
        split_server_url(self.server, self.server_origin)
        for name in (
            "dial_timeout_s",
            "tls_handshake_timeout_s",
            "keep_alive_s",
            "idle_timeout_s",
            "exec_timeout_s",
        ):
            if not getattr(self, name) > 0:
                raise ConfigError(f"must be positive, not {getattr(self, name)!r}", field=name)
        for name in ("idle_connections_max", "retries_max"):
            if getattr(self, name) < 0:
                raise ConfigError(f"must not be negative, not {getattr(self, name)!r}", field=name)
        if not self.user_agent.isascii() or (self.user_agent and not self.user_agent.isprintable()):
            raise ConfigError("must be printable ASCII", field="user_agent")

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] | None = None,
        context: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        service_account_directory: str = SERVICE_ACCOUNT_DIRECTORY,
    ) -> TransportConfig:
        """Read the kubeconfig, or what a pod is given if there is none.

        Args:
            path: The one file to read. Unless given, the files in ``KUBECONFIG``, or else ``~/.kube/config``; and where
                those choose no context, the service account of the pod that this runs in.
            context: The context to use; the current one unless given.
            environ: The environment; that of the process unless given.
            service_account_directory: Where a pod's files are.

        Raises:
            ConfigError: A file is missing or malformed, or an entry breaks a rule; names file, entry and field.

        Source:
            client-go tools/clientcmd/merged_client_builder.go.
            Differs: an explicit path never falls back to the pod's service account.
        """
        environ = os.environ if environ is None else environ
        loaded = kubeconfig.load(path, environ=environ)
        if path is None and not context and not loaded.current_context and _is_in_cluster(environ):
            return cls.in_cluster(environ=environ, service_account_directory=service_account_directory)
        if loaded.is_empty:
            rule = "no configuration: the kubeconfig is missing or empty, and this does not run in a cluster"
            raise ConfigError(rule, source=loaded.source or environ.get("KUBECONFIG", "") or "~/.kube/config")
        chosen = loaded.choose(context or "")
        return _from_entries(*chosen, name=context or loaded.current_context)

    @classmethod
    def in_cluster(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        service_account_directory: str = SERVICE_ACCOUNT_DIRECTORY,
    ) -> TransportConfig:
        """Read what a pod is given: address from the environment, token, authority and namespace from files.

        Raises:
            ConfigError: This does not run in a pod, or the token cannot be read.

        Source:
            client-go rest/config.go, ``InClusterConfig``; tools/clientcmd/client_config.go, ``inClusterClientConfig``.
            Same: an authority that cannot be loaded is logged, and the system's are used.
        """
        environ = os.environ if environ is None else environ
        if not _is_in_cluster(environ):
            rule = "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this does not run in a pod"
            raise _IN_CLUSTER.error("", rule)
        host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
        folder = Path(service_account_directory)
        return cls(
            server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            tls=_in_cluster_tls(str(folder / "ca.crt")),
            credentials=Credentials(token_file=str(folder / "token"), origin=_IN_CLUSTER),
            namespace=_in_cluster_namespace(environ, folder / "namespace"),
            server_origin=_IN_CLUSTER,
            user_origin=_IN_CLUSTER,
        )

    @classmethod
    def from_kubernetes(cls, source: object = None) -> TransportConfig:
        """Take over what the ``kubernetes`` package, release 35, 36 or 37, was configured with.

        Server, authorities, client certificate, key with its refresh hook, name and password, proxy, and of an
        ``ApiClient`` the default headers with user agent and impersonation. The hook is called for each request, as the
        package does; everything else is read once.

        Args:
            source: An ``ApiClient`` or a ``Configuration``; None: the default configuration, which
                ``kubernetes.config.load_kube_config()`` and ``load_incluster_config()`` set.

        Raises:
            ConfigError: It is neither, or has a setting that breaks a rule, or that kubeprims cannot honour.
        """
        stock = read_kubernetes(source)
        config = cls(
            server=stock.server,
            tls=stock.tls,
            credentials=stock.credentials,
            impersonate=_identity(
                stock.origin,
                "default_headers",
                user=stock.impersonate_user,
                uid=stock.impersonate_uid,
                groups=stock.impersonate_groups,
                extra=stock.impersonate_extra,
            ),
            proxy_url=stock.proxy_url,
            proxy_from_environment=False,  # the package has read it, and may have been told otherwise since
            user_agent=stock.user_agent,
            middleware=stock.middleware,
            server_origin=stock.origin,
            user_origin=stock.origin,
        )
        if stock.retries_max is not None:
            config = replace(config, retries_max=stock.retries_max)
        if stock.idle_connections_max is not None:
            config = replace(config, idle_connections_max=stock.idle_connections_max)
        return config

    def override(  # noqa: PLR0913 - options, all by keyword
        self,
        *,
        server: str | None = None,
        insecure: bool | None = None,
        ca_file: str | None = None,
        ca_data: bytes | None = None,
        certificate: tuple[str, str] | tuple[bytes, bytes] | None = None,
        token: str | None = None,
        namespace: str | None = None,
    ) -> TransportConfig:
        """Return this with some settings replaced, along with those that no longer fit them.

        Args:
            server: Another server; clears ``tls.server_name``, which belonged to the old one.
            insecure: Whether to trust any server; True clears the authority.
            ca_file: Another authority; clears ``insecure`` and the authority's other form.
            ca_data: Likewise.
            certificate: Another client certificate and its key, as the names of files or as PEM in bytes; clears both
                forms of the old ones.
            token: Another token, in place of every credential but a client certificate; empty: none.
            namespace: Another namespace.

        Raises:
            ConfigError: ``insecure`` with an authority, or another rule is broken.

        Source:
            client-go tools/clientcmd/client_config.go, ``getCluster`` and ``getAuthInfo``.
        """
        options = self.tls
        if server is not None:
            options = replace(options, server_name="")
        if insecure:
            options = replace(options, insecure=True, ca_file="", ca_data=b"")
        if ca_file is not None or ca_data is not None:
            if insecure:
                raise ConfigError("cannot be set together with a certificate authority", field="insecure")
            options = replace(options, insecure=False, ca_file=ca_file or "", ca_data=ca_data or b"")
        elif insecure is False:
            options = replace(options, insecure=False)
        if certificate is not None:
            options = _with_certificate(options, certificate)
        credentials = self.credentials
        if token is not None:
            credentials = Credentials(token=token, origin=credentials.origin)
        server = self.server if server is None else server
        namespace = namespace or self.namespace
        return replace(self, server=server, tls=options, credentials=credentials, namespace=namespace)


def _with_certificate(options: TLSOptions, pair: tuple[str, str] | tuple[bytes, bytes]) -> TLSOptions:
    certificate, key = pair
    if isinstance(certificate, bytes) and isinstance(key, bytes):
        return replace(options, certificate_data=certificate, key_data=key, certificate_file="", key_file="")
    if isinstance(certificate, str) and isinstance(key, str):
        return replace(options, certificate_file=certificate, key_file=key, certificate_data=b"", key_data=b"")
    raise ConfigError("must be two file names or two PEM texts", field="certificate")


def split_server_url(url: str, origin: Origin) -> SplitResult:
    """Return the parts of a server's URL.

    Raises:
        ConfigError: It is not an http or https URL with a host, or holds a credential, a query or a fragment.
    """
    shown = redact_url(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise origin.error("server", f"is not a URL: {shown}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise origin.error("server", f"must be an http or https URL, not {shown!r}")
    if "@" in parts.netloc:
        raise origin.error("server", "must not hold a user name or password")
    if parts.query or parts.fragment:
        raise origin.error("server", f"must not hold a query or a fragment: {shown}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise origin.error("server", f"holds characters that a URL must encode: {shown!r}")
    return parts


def default_user_agent() -> str:
    """Return ``program/unknown (linux/amd64) kubeprims/version``, the program being the one that runs.

    Source:
        client-go rest/config.go, ``DefaultKubernetesUserAgent``: a part that is not known is ``unknown``.
    """
    path = Path(sys.argv[0] if sys.argv else "")
    # `python -m package` runs package/__main__.py.
    name = path.parent.name if path.stem == "__main__" else path.name
    program = _NOT_IN_AGENT.sub("-", name).strip("-") or "python"
    machine = platform.machine().lower()
    system = f"{platform.system().lower() or 'unknown'}/{_MACHINES.get(machine, machine) or 'unknown'}"
    return f"{program}/unknown ({system}) kubeprims/{__version__}"


def _is_in_cluster(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST") and environ.get("KUBERNETES_SERVICE_PORT"))


def _in_cluster_tls(ca_file: str) -> TLSOptions:
    options = TLSOptions(ca_file=ca_file, server_origin=_IN_CLUSTER)
    try:
        if not tls.read_authorities(options).strip():
            raise _IN_CLUSTER.error("certificate-authority", f"{ca_file} is empty")
        tls.client_context(options)
    except ConfigError as error:
        _logger.warning("the cluster's authority cannot be loaded; the system's are used", extra={"error": str(error)})
        return TLSOptions(server_origin=_IN_CLUSTER)
    return options


def _in_cluster_namespace(environ: Mapping[str, str], path: Path) -> str:
    named = environ.get("POD_NAMESPACE", "")
    if named:
        return named
    try:
        return path.read_text("utf-8").strip() or "default"
    except (OSError, UnicodeDecodeError):
        return "default"


def _from_entries(context: Context, cluster: Cluster, user: User, *, name: str) -> TransportConfig:
    if not cluster.server:
        raise cluster.origin.error("server", "is missing")
    config = TransportConfig(
        server=cluster.server,
        tls=TLSOptions(
            ca_data=cluster.certificate_authority_data,
            ca_file=cluster.certificate_authority,
            certificate_data=user.client_certificate_data,
            certificate_file=user.client_certificate,
            key_data=user.client_key_data,
            key_file=user.client_key,
            server_name=cluster.tls_server_name,
            insecure=cluster.insecure_skip_tls_verify,
            server_origin=cluster.origin,
            client_origin=user.origin,
        ),
        credentials=Credentials(
            token=user.token,
            token_file=user.token_file,
            username=user.username,
            password=user.password,
            exec_plugin=_exec_plugin(cluster, user),
            auth_provider=user.auth_provider,
            origin=user.origin,
        ),
        impersonate=_impersonate(user),
        proxy_url=cluster.proxy_url,
        disable_compression=cluster.disable_compression,
        namespace=context.namespace or "default",
        context=name,
        server_origin=cluster.origin,
        user_origin=user.origin,
    )
    if config.tls.names_anything:
        tls.client_context(config.tls)  # a missing or broken file is told here, not when a transport is made
    return config


def _exec_plugin(cluster: Cluster, user: User) -> ExecPlugin | None:
    plugin = user.exec_plugin
    return None if plugin is None else replace(plugin, cluster_config=cluster.exec_config)


def _impersonate(user: User) -> Identity | None:
    rest = (
        ("as-uid", user.impersonate_uid),
        ("as-groups", user.impersonate_groups),
        ("as-user-extra", user.impersonate_extra),
    )
    for name, value in rest:
        if value and not user.impersonate_user:
            raise user.origin.error(name, "needs `as`: a user to act as")
    return _identity(
        user.origin,
        "as",
        user=user.impersonate_user,
        uid=user.impersonate_uid,
        groups=user.impersonate_groups,
        extra=user.impersonate_extra,
    )


def _identity(
    origin: Origin,
    field_name: str,
    *,
    user: str,
    uid: str,
    groups: tuple[str, ...],
    extra: tuple[tuple[str, tuple[str, ...]], ...],
) -> Identity | None:
    if not user:
        return None
    try:
        # Who writes the configuration chooses the credential too: a privileged group there is meant.
        return Identity(user=user, uid=uid, groups=groups, extra=extra, allow_privileged=True)
    except InvalidArgument as error:
        raise origin.error(field_name, str(error)) from None
