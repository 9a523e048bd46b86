"""The one place that makes listening sockets."""

from __future__ import annotations

import ipaddress
import socket

from kubeprims.errors import ConfigError


def listen(host: str, port: int, *, backlog: int = 128) -> socket.socket:
    """Return a TCP socket that listens on an address of this machine.

    Args:
        host: An IP address (IPv6 without brackets), or ``localhost``, which is 127.0.0.1.
        port: The port; 0 lets the system choose one.
        backlog: How many connections may wait to be accepted.

    Raises:
        ConfigError: The address is not one, not of this machine, or taken.
    """
    literal = "127.0.0.1" if host == "localhost" else host
    try:
        version = ipaddress.ip_address(literal).version
    except ValueError:
        raise ConfigError(f"an IP address is needed to listen on, not {host!r}", field="host") from None
    # IPv6 stays IPv6: a dual-stack socket on :: would take the IPv4 port as well, unasked.
    family = socket.AF_INET6 if version == 6 else socket.AF_INET  # noqa: PLR2004 - IP versions
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restarted server gets its port back although old connections are still in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((literal, port))
        sock.listen(backlog)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"cannot listen there: {reason}", source=f"{host}:{port}") from error
    return sock
