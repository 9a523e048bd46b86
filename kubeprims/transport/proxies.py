"""Which proxy stands between us and a server: what a URL says of one, and what the environment says. Pure."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from kubeprims.errors import ConfigError
from kubeprims.transport.origin import FROM_CODE, Origin

_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_ENVIRONMENT = Origin("environment")
_CREDENTIAL_BYTES_MAX = 255

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRoute:
    """A proxy, and how it is spoken to.

    Attributes:
        scheme: ``http``, ``https``, ``socks5`` or ``socks5h``; the proxy looks names up in each case.
        host: Its name or address, IPv6 without brackets.
        port: Its port.
        username: The name that it asks for; empty for none.
        password: The password that goes with it.
    """

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS5."""
        return self.scheme.startswith("socks5")

    @property
    def is_tls(self) -> bool:
        """Whether it is spoken to through TLS."""
        return self.scheme == "https"

    @property
    def authorization(self) -> str:
        """The value of ``Proxy-Authorization``; empty for none."""
        if not self.username and not self.password:
            return ""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    def __str__(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """Return a host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def parse_proxy_url(url: str, *, origin: Origin = FROM_CODE, field_name: str = "proxy-url") -> ProxyRoute:
    """Return the proxy that a URL names.

    Args:
        url: The URL; it may hold a name and a password.
        origin: Where errors say that it was found.
        field_name: Under which name.

    Raises:
        ConfigError: It is no URL of a proxy; what it says is not quoted, as there may be a password in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise origin.error(field_name, "is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise origin.error(field_name, "must be a URL of the scheme http, https, socks5 or socks5h")
    if not parts.hostname:
        raise origin.error(field_name, "names no host")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if any(len(text.encode()) > _CREDENTIAL_BYTES_MAX or not text.isprintable() for text in (username, password)):
        raise origin.error(field_name, "holds a name or a password that no proxy can be sent")
    return ProxyRoute(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or _DEFAULT_PORTS[parts.scheme],
        username=username,
        password=password,
    )


def proxy_from_environment(server: str, environ: Mapping[str, str]) -> ProxyRoute | None:
    """Return the proxy that the environment names for a server; None for none.

    Args:
        server: The server's URL.
        environ: The environment.

    Raises:
        ConfigError: What it names is no proxy; or it is ``HTTP_PROXY`` in a CGI program, where a client sets it.

    Source:
        golang.org/x/net/http/httpproxy.
        Same: ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` and their small letters, capitals first; ``http`` unless
        a scheme is given; ``localhost`` and loopback addresses are never asked for through a proxy.
    """
    parts = urlsplit(server)
    host, is_secure = (parts.hostname or "").rstrip("."), parts.scheme == "https"
    names = ("HTTPS_PROXY", "https_proxy") if is_secure else ("HTTP_PROXY", "http_proxy")
    name = next((name for name in names if environ.get(name)), "")
    if not name or not _may_use(host, parts.port or (443 if is_secure else 80), environ):
        return None
    if not is_secure and environ.get("REQUEST_METHOD"):
        raise _ENVIRONMENT.error(name, "is set by the client of a CGI program, and is not used")
    url = environ[name]
    return parse_proxy_url(url if "://" in url else f"http://{url}", origin=_ENVIRONMENT, field_name=name)


def _may_use(host: str, port: int, environ: Mapping[str, str]) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return False
    return not matches_no_proxy(host, port, environ.get("NO_PROXY") or environ.get("no_proxy") or "")


def matches_no_proxy(host: str, port: int, no_proxy: str) -> bool:
    """Return whether a ``NO_PROXY`` names a server.

    Args:
        host: The server's name or address, IPv6 without brackets.
        port: Its port.
        no_proxy: Names, addresses and networks, with commas between them; ``*`` is everything. A name stands for all
            below it, too; with a dot before it, only for those. A port narrows an entry to it.
    """
    host = host.lower()
    return any(_matches(entry, host, port) for entry in _entries(no_proxy))


def _entries(no_proxy: str) -> Iterator[str]:
    for entry in no_proxy.lower().split(","):
        if entry.strip():
            yield entry.strip()


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    network = _network(entry)
    if network is not None:
        return address is not None and address in network
    name, wanted_port = _split_port(entry)
    if wanted_port and wanted_port != str(port):
        return False
    own = _address(name)
    if own is not None:
        return own == address
    name = name.removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, port = entry.rpartition(":")
    return (name, port) if colon and ":" not in name else (entry, "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> IPNetwork | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def chosen_proxy(url: object, *, field_name: str = "proxy") -> ProxyRoute | None:
    """Return the proxy that a function of the user's own has named; None for none.

    Raises:
        ConfigError: It named none that there can be.
    """
    if url is None:
        return None
    if not isinstance(url, str):
        rule = f"must return a URL or None, not {type(url).__name__}"
        raise ConfigError(rule, field=field_name)
    return parse_proxy_url(url, field_name=field_name)
