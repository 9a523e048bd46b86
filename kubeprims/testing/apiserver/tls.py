"""The embedded server's own certificate authority, and what it signs: by way of trustme."""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING

from kubeprims.errors import ConfigError

if TYPE_CHECKING:
    import trustme


def _make_authority() -> trustme.CA:
    try:
        import trustme
    except ImportError as error:
        rule = "needs trustme: install kubeprims[testing], or use plain HTTP"
        raise ConfigError(rule, source="APIServer", field="tls") from error
    return trustme.CA()


class Certificates:
    """The certificates of one server: the authority, what the server shows, and whom it trusts.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(self, host: str) -> None:
        """Make an authority, and a certificate for ``host``, ``localhost`` and the loopback addresses.

        Raises:
            ConfigError: trustme is not installed.
        """
        self._host = host
        self._lock = threading.Lock()
        # The one that signs the server's certificate; behind it the one that will, if there is one.
        self._authorities: tuple[trustme.CA, ...] = (_make_authority(),)
        self._context = self._make_context()

    def context(self) -> ssl.SSLContext:
        """Return what the server's end of a new connection needs."""
        return self._context

    @property
    def ca_pem(self) -> bytes:
        """The authorities for clients to trust."""
        return b"".join(authority.cert_pem.bytes() for authority in self._authorities)

    def prepare_authority(self) -> None:
        """Make the authority that is to be the next one, unless that was done; its clients are trusted from now on."""
        with self._lock:
            if len(self._authorities) == 1:
                self._authorities = (*self._authorities, _make_authority())
                self._trust(self._context)

    def rotate(self, *, new_authority: bool = False) -> None:
        """Show another certificate from now on; of the next authority, the one before being forgotten, if asked to."""
        with self._lock:
            if new_authority:
                self._authorities = self._authorities[1:] or (_make_authority(),)
            self._context = self._make_context()

    def _make_context(self) -> ssl.SSLContext:
        # A new one each time: with the same, sessions could be resumed, and no certificate be shown on either side.
        certificate = self._authorities[0].issue_cert(*dict.fromkeys((self._host, "localhost", "127.0.0.1", "::1")))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # pyright: ignore below - trustme's annotation also names a type of pyOpenSSL, which is not installed
        certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
        context.verify_mode = ssl.CERT_OPTIONAL
        self._trust(context)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        context.load_verify_locations(cadata=self.ca_pem.decode())
