"""A certificate authority and a server certificate of the embedded server's own, by way of trustme."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from kubeprims.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """What a TLS listener needs, and what its clients trust.

    Attributes:
        context: For the server's end of connections.
        ca_pem: The certificate authority, for clients.
    """

    context: ssl.SSLContext
    ca_pem: bytes


def make_server_tls(host: str) -> ServerTLS:
    """Make a certificate authority and a certificate for ``host``, ``localhost`` and the loopback addresses.

    Raises:
        ConfigError: trustme is not installed.
    """
    try:
        import trustme
    except ImportError as error:
        rule = "needs trustme: install kubeprims[testing], or use plain HTTP"
        raise ConfigError(rule, source="APIServer", field="tls") from error
    authority = trustme.CA()
    certificate = authority.issue_cert(*dict.fromkeys((host, "localhost", "127.0.0.1", "::1")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # pyright: ignore below - trustme's annotation also names a type of pyOpenSSL, which is not installed
    certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return ServerTLS(context, authority.cert_pem.bytes())
