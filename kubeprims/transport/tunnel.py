"""What is said to a proxy before a connection through it is ours: CONNECT, and SOCKS5. Pure.

Each is a generator that yields bytes to send, or how many bytes it wants: a number for exactly so many, ``HEAD`` for
all up to an empty line. What the peer sends is handed back in. It ends when the tunnel stands.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator

from kubeprims.transport.proxies import ProxyRoute, bracketed

HEAD = -1
"""Wants an HTTP head: everything up to an empty line."""

Handshake = Generator[bytes | int, bytes, None]

_OK_CODES = range(200, 300)
_VERSION, _NO_AUTHENTICATION, _PASSWORD, _CONNECT = 5, 0, 2, 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_NAME_BYTES_MAX = 255
_REPLIES = (
    "",
    "general failure",
    "not allowed by its rules",
    "network unreachable",
    "host unreachable",
    "connection refused",
    "time to live expired",
    "command not supported",
    "address type not supported",
)


class TunnelRefused(Exception):
    """The proxy does not let us through, or does not speak its protocol."""


def handshake(proxy: ProxyRoute, host: str, port: int) -> Handshake:
    """Return what is said to a proxy to get through to a server."""
    return socks5(host, port, proxy.username, proxy.password) if proxy.is_socks else connect(proxy, host, port)


def connect(proxy: ProxyRoute, host: str, port: int) -> Handshake:
    """Ask an HTTP proxy for a tunnel.

    Raises:
        TunnelRefused: It gives none.

    Source:
        RFC 9110, section 9.3.6.
    """
    authority = f"{bracketed(host)}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    yield ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    head = yield HEAD
    version, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit() or rest[3:4] not in {b"", b" "}:
        message = "it does not speak HTTP"
        raise TunnelRefused(message)
    if int(code) not in _OK_CODES:
        raise TunnelRefused(f"it answered with status {int(code)}")


def socks5(host: str, port: int, username: str, password: str) -> Handshake:
    """Ask a SOCKS5 proxy for a tunnel; it looks the name up.

    Raises:
        TunnelRefused: It gives none.

    Source:
        RFC 1928; RFC 1929 for name and password.
    """
    method = _PASSWORD if username or password else _NO_AUTHENTICATION
    yield bytes((_VERSION, 1, method))
    version, chosen = yield 2
    if version != _VERSION:
        message = "it does not speak SOCKS5"
        raise TunnelRefused(message)
    if chosen != method:
        rule = "it does not take our name and password" if method == _PASSWORD else "it asks for a name and a password"
        raise TunnelRefused(rule)
    if method == _PASSWORD:
        name, secret = username.encode(), password.encode()
        yield bytes((1, len(name), *name, len(secret), *secret))
        _, refused = yield 2
        if refused:
            message = "it refuses our name and password"
            raise TunnelRefused(message)
    yield bytes((_VERSION, _CONNECT, 0)) + _destination(host) + port.to_bytes(2, "big")
    version, reply, _, kind = yield 4
    if version != _VERSION:
        message = "it does not speak SOCKS5"
        raise TunnelRefused(message)
    if reply:
        raise TunnelRefused(_REPLIES[reply] if reply < len(_REPLIES) else f"reply {reply}")
    length = {_IPV4: 4, _IPV6: 16}.get(kind)
    if length is None:
        if kind != _NAME:
            message = "it names an address of no known type"
            raise TunnelRefused(message)
        (length,) = yield 1
    yield length + 2  # where it connects from: of no use to us


def _destination(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna") if not host.isascii() else host.encode()
        if len(name) > _NAME_BYTES_MAX:
            message = "the server's name is too long for SOCKS5"
            raise TunnelRefused(message) from None
        return bytes((_NAME, len(name))) + name
    return bytes((_IPV4 if address.version == 4 else _IPV6,)) + address.packed  # noqa: PLR2004 - the version
