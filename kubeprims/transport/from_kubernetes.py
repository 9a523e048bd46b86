"""What the ``kubernetes`` package was configured with, read into what a transport is told.

Releases 35, 36 and 37 are understood. Whatever has no counterpart here is an error that names it: a setting that is
passed over would send requests another way, or as somebody else.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from kubeprims.transport.auth import Credentials, FixedAuthorization
from kubeprims.transport.message import Headers, Middleware, Request, Response, RoundTripper
from kubeprims.transport.origin import Origin
from kubeprims.transport.tls import TLSOptions

_ORIGIN = Origin("the kubernetes package")

# Who reads these understands the message or the identity by them: they are the transport's to set.
_OWN_HEADERS = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "content-type", "cookie", "expect", "host", "keep-alive"),
        *("proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_IDENTITY = "impersonate-"
_EXTRA = "impersonate-extra-"
_REMOTE = "x-remote-"
_BASIC = re.compile(r"[Bb]asic +([A-Za-z0-9+/]+=*)")
_TOKEN_SCHEMES = frozenset({"BearerToken", "authorization"})

# What a release may have, and what of it says nothing that would have to be honoured.
_REFUSED: tuple[tuple[str, tuple[object, ...], str], ...] = (
    ("assert_hostname", (None, True), "the server's name is always checked; set tls_server_name for another one"),
    ("proxy_ssl_context", (None,), "kubeprims trusts a proxy by the system's authorities"),
    ("socket_options", (None,), "kubeprims sets the options of its sockets itself"),
    ("client_go_retry_backoff", (None,), "kubeprims retries as client-go does, by Retry-After"),
    ("access_token", (None, ""), "the kubernetes package sends it nowhere; set api_key instead"),
)


class KubernetesConfiguration(Protocol):
    """The part of the package's ``Configuration`` that every release has alike."""

    def auth_settings(self) -> Mapping[str, Mapping[str, object]]:
        """Return how to authenticate now; calls the hook of the configuration."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StockSettings:
    """What was found.

    Attributes:
        server: The URL of the API server.
        tls: Whom to trust, and the client certificate.
        credentials: How to authenticate.
        impersonate_user: Whom to act as; empty: nobody.
        impersonate_uid: That user's uid.
        impersonate_groups: That user's groups.
        impersonate_extra: What else is said of that user.
        proxy_url: The proxy on the way to this server; empty: none.
        user_agent: The ``User-Agent``; empty: not set.
        headers: What else every request says.
        retries_max: How often to try again; None: not set.
        idle_connections_max: How many connections to keep; None: not set.
        origin: Where errors say that these were set.
    """

    server: str
    tls: TLSOptions
    credentials: Credentials
    impersonate_user: str = ""
    impersonate_uid: str = ""
    impersonate_groups: tuple[str, ...] = ()
    impersonate_extra: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)
    proxy_url: str = field(default="", repr=False)
    user_agent: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    retries_max: int | None = None
    idle_connections_max: int | None = None
    origin: Origin = field(default=_ORIGIN, compare=False)

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """What adds the headers."""
        return (lambda inner: DefaultHeaders(inner, self.headers),) if self.headers else ()


def read_kubernetes(source: object = None) -> StockSettings:
    """Return what an ``ApiClient`` or a ``Configuration`` says.

    Args:
        source: One of the two; None: the default configuration, which ``kubernetes.config.load_kube_config()`` sets.

    Raises:
        ConfigError: It is neither, or has a setting that breaks a rule or has no counterpart here.
    """
    if source is None:
        source = _default_configuration()
    read = _Settings(_configuration_of(source))
    for name, harmless, advice in _REFUSED:
        if not any(read.value(name) is value or read.value(name) == value for value in harmless):
            raise _ORIGIN.error(name, f"is not supported: {advice}")
    if getattr(source, "cookie", None):
        raise _ORIGIN.error("cookie", "is not supported")
    headers = _default_headers(source)
    server = read.text("host").rstrip("/")
    settings = StockSettings(
        server=server,
        tls=_tls(read),
        credentials=_credentials(read, headers.pop("authorization", "")),
        proxy_url=_proxy_url(read, server),
        user_agent=headers.pop("user-agent", ""),
        retries_max=_retries_max(read.value("retries")),
        idle_connections_max=_count(read.value("connection_pool_maxsize"), "connection_pool_maxsize"),
    )
    return _with_identity(settings, headers)


def _configuration_of(source: object) -> KubernetesConfiguration:
    configuration: object = getattr(source, "configuration", source)
    if not callable(getattr(configuration, "auth_settings", None)):
        raise _ORIGIN.error("", f"has ApiClient and Configuration, and {type(source).__name__} is neither")
    return cast("KubernetesConfiguration", configuration)


def _default_configuration() -> object:
    from kubernetes.client import Configuration  # slow, and needed by few

    return cast("object", Configuration.get_default_copy())


class _Settings:
    """Reads the attributes of a configuration, whichever of them its release has."""

    def __init__(self, configuration: KubernetesConfiguration) -> None:
        self.configuration = configuration

    def value(self, name: str) -> object:
        found: object = getattr(self.configuration, name, None)
        return found

    def text(self, name: str) -> str:
        value = self.value(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _ORIGIN.error(name, f"must be a string, not {type(value).__name__}")
        return value


def _tls(read: _Settings) -> TLSOptions:
    ca_file, ca_data = read.text("ssl_ca_cert"), read.value("ca_cert_data")
    if isinstance(ca_data, str):
        ca_data = ca_data.encode()
    if ca_data is not None and not (isinstance(ca_data, bytes) and b"-----BEGIN" in ca_data):
        raise _ORIGIN.error("ca_cert_data", "must be PEM")
    if ca_data and ca_file:
        raise _ORIGIN.error("ca_cert_data", "cannot be set together with ssl_ca_cert")
    insecure = not read.value("verify_ssl")
    certificate_file = read.text("cert_file")
    return TLSOptions(
        # Without verification the package does not look at the authorities either.
        ca_data=b"" if insecure or ca_data is None else ca_data,
        ca_file="" if insecure else ca_file,
        certificate_file=certificate_file,
        key_file=read.text("key_file") or certificate_file,  # one file may hold both
        server_name=read.text("tls_server_name"),
        insecure=insecure,
        server_origin=_ORIGIN,
        client_origin=_ORIGIN,
    )


def _credentials(read: _Settings, header: str) -> Credentials:
    api_key = read.value("api_key")
    keys: set[object] = set(cast("Mapping[object, object]", api_key)) if isinstance(api_key, Mapping) else set()
    username, password = read.text("username"), read.text("password")
    for key in keys - _TOKEN_SCHEMES:
        raise _ORIGIN.error("api_key", f"has {key!r}, which the kubernetes package sends nowhere")
    if sum((bool(keys), bool(username or password), bool(header))) > 1:
        raise _ORIGIN.error("api_key", "cannot be set together with username and password, or an Authorization header")
    if keys:
        return Credentials(source=StockAuthorization(read.configuration), origin=_ORIGIN)
    if header:
        return Credentials(source=FixedAuthorization(header), origin=_ORIGIN)
    return Credentials(username=username, password=password, origin=_ORIGIN)


class StockAuthorization:
    """The ``Authorization`` of a configuration, asked anew for each request, as the ``kubernetes`` package does.

    Its ``refresh_api_key_hook`` is called each time, on the thread of the request.

    Concurrency:
        As safe in several threads at once as that hook is.
    """

    __slots__ = ("_configuration",)

    def __init__(self, configuration: KubernetesConfiguration) -> None:
        self._configuration = configuration

    def value(self) -> str:
        """Return the value for the next request.

        Raises:
            ConfigError: The hook failed, or there is no key any more: the request is not sent as nobody instead.
        """
        try:
            settings = self._configuration.auth_settings()
        except Exception as error:  # the hook is foreign code
            rule = f"failed: {type(error).__name__}"
            raise _ORIGIN.error("refresh_api_key_hook", rule) from error
        value = settings.get("BearerToken", {}).get("value")
        if not isinstance(value, str) or not value:
            raise _ORIGIN.error("api_key", "holds no key any more")
        return value

    def renewed(self, rejected: str) -> str | None:
        """Return what the hook has now, if that is another value."""
        value = self.value()
        return value if value != rejected else None

    def __repr__(self) -> str:
        return "StockAuthorization()"


def _default_headers(source: object) -> dict[str, str]:
    """Return the headers of a client by their names in small letters."""
    given: object = getattr(source, "default_headers", None)
    headers: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", given).items() if isinstance(given, Mapping) else ():
        if not isinstance(name, str) or not isinstance(value, str):
            raise _ORIGIN.error("default_headers", "must be strings")
        lowered = name.lower()
        if lowered in headers:
            raise _ORIGIN.error("default_headers", f"has {name} twice")
        if lowered in _OWN_HEADERS or lowered.startswith(_REMOTE):
            raise _ORIGIN.error("default_headers", f"has {name}, which is not a client's to set")
        Headers([(name, value)])  # refuses what no header can carry
        headers[lowered] = value
    return headers


def _with_identity(settings: StockSettings, headers: Mapping[str, str]) -> StockSettings:
    """Return the settings with the headers that say whom to act as, and the rest of the headers."""
    identity = {name: value for name, value in headers.items() if name.startswith(_IDENTITY)}
    rest = tuple((name, value) for name, value in headers.items() if name not in identity)
    user, uid = identity.pop("impersonate-user", ""), identity.pop("impersonate-uid", "")
    group = identity.pop("impersonate-group", "")
    extra = tuple((unquote(name.removeprefix(_EXTRA)), (value,)) for name, value in identity.items())
    for name in identity:
        if not name.startswith(_EXTRA) or name == _EXTRA:
            raise _ORIGIN.error("default_headers", f"has {name}, which is no header of impersonation")
    if not user and (uid or group or extra):
        raise _ORIGIN.error("default_headers", "has headers of impersonation, but no Impersonate-User")
    return replace(
        settings,
        impersonate_user=user,
        impersonate_uid=uid,
        impersonate_groups=(group,) if group else (),
        impersonate_extra=extra,
        headers=rest,
    )


def _proxy_url(read: _Settings, server: str) -> str:
    url = read.text("proxy")
    if not url:
        return ""
    from kubernetes.client.rest import should_bypass_proxies  # the release's own rules

    if should_bypass_proxies(server, no_proxy=read.text("no_proxy")):
        return ""
    headers = read.value("proxy_headers")
    return _with_proxy_credentials(url, cast("Mapping[object, object]", headers)) if headers else url


def _with_proxy_credentials(url: str, headers: Mapping[object, object]) -> str:
    """Return the proxy's URL with the password that ``urllib3.make_headers(proxy_basic_auth=...)`` put in a header."""
    named = {str(name).lower(): value for name, value in headers.items()}
    value = named.pop("proxy-authorization", None)
    found = _BASIC.fullmatch(value) if isinstance(value, str) else None
    if named or found is None:
        raise _ORIGIN.error("proxy_headers", "may hold Proxy-Authorization for basic authentication, and nothing else")
    try:
        decoded = base64.b64decode(found[1], validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    user, colon, password = decoded.partition(":")
    parts = urlsplit(url)
    if not colon or "@" in parts.netloc:
        raise _ORIGIN.error("proxy_headers", "holds no name and password, or the proxy's URL has some already")
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"))


def _retries_max(value: object) -> int | None:
    if value is None:
        return None
    if value is False:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return _count(value, "retries")
    raise _ORIGIN.error("retries", "must be a number or None; kubeprims has its own rules of what is tried again")


def _count(value: object, name: str) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _ORIGIN.error(name, f"must be a number that is not negative, not {value!r}")
    return value


class DefaultHeaders:
    """Adds headers to requests that do not have them."""

    __slots__ = ("_headers", "_inner")

    def __init__(self, inner: RoundTripper, headers: tuple[tuple[str, str], ...]) -> None:
        self._inner = inner
        self._headers = headers

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`."""
        headers = request.headers
        for name, value in self._headers:
            if name not in headers:
                headers = headers.with_added(name, value)
        return self._inner.round_trip(replace(request, headers=headers))
