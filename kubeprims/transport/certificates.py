"""The certificates of one server in use: read again when their files change, and kept when what is there is no good."""

from __future__ import annotations

import logging
import ssl
import threading
from typing import NamedTuple

from kubeprims.clock import Clock
from kubeprims.errors import ConfigError
from kubeprims.transport import tls
from kubeprims.transport.credential import ClientCertificate
from kubeprims.transport.sockets import DeadlineSSLSocket
from kubeprims.transport.tls import Material, TLSOptions

READ_INTERVAL_S = 1.0
"""How often the files are read at most, in seconds; each new connection asks for it."""

_logger = logging.getLogger("kubeprims.transport")


class Generation(NamedTuple):
    """What new connections are made with, and how often that has changed.

    Attributes:
        context: The TLS context; None for a server without TLS.
        number: Counts every change.
        client_number: Counts the changes of what we show, which says who we are.
    """

    context: ssl.SSLContext | None
    number: int
    client_number: int


PLAIN = Generation(None, 0, 0)
"""That of a server without TLS."""


class Certificates:
    """Authorities, client certificate and key of one server, and the TLS context made of them.

    What was given as data never changes. A file that cannot be read, is empty or half written leaves what it held
    before in use, and that is logged once; authority and client certificate are judged apart.

    Concurrency:
        Any number of threads at once. The lock is held while files are read, so that one thread reads them.

    Source:
        client-go transport/cert_rotation.go, transport/ca_rotation.go.
        Differs: both kinds are read again for a new connection, at most once per second.
    """

    def __init__(self, options: TLSOptions, *, clock: Clock, is_renewed: bool = False) -> None:
        """Load them.

        Args:
            options: Where they are.
            clock: Tells when files are to be read again.
            is_renewed: Whether :meth:`show` will be called.

        Raises:
            ConfigError: They do not load. An empty file of authorities does: it trusts nobody, until it holds some.
        """
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._material = tls.read_material(options)
        self._generation = Generation(self._context(self._material), 0, 0)
        self._read_at_s = clock.monotonic()
        self._told: dict[str, str] = {}
        self.may_change = is_renewed or options.names_files
        """Whether there is anything that can ever change."""

    @property
    def generation(self) -> Generation:
        """What new connections are made with, as far as it is known."""
        return self._generation

    def refreshed(self) -> Generation:
        """Read the files again, unless that was done within the last second, and return what they make."""
        if self._options.names_files:
            with self._lock:
                now_s = self._clock.monotonic()
                if now_s >= self._read_at_s + READ_INTERVAL_S:
                    self._read_at_s = now_s
                    self._read_authorities()
                    self._read_pair()
        return self._generation

    def show(self, pair: ClientCertificate | None) -> None:
        """Show another client certificate from now on.

        Raises:
            ConfigError: It does not load.
        """
        with self._lock:
            if pair != self._material.pair:
                self._adopt(self._material._replace(pair=pair))

    def _read_authorities(self) -> None:
        try:
            content = tls.read_authorities(self._options)
            if content == self._material.authorities:
                return
            if content.strip():
                self._adopt(self._material._replace(authorities=content))
            else:
                self._tell("authority", f"{self._options.ca_file} is empty")
        except ConfigError as error:
            self._tell("authority", str(error))

    def _read_pair(self) -> None:
        if not self._options.has_client_certificate:
            return
        try:
            pair = tls.read_pair(self._options)
            if pair != self._material.pair:
                self._adopt(self._material._replace(pair=pair))
        except ConfigError as error:
            self._tell("client certificate", str(error))

    def _adopt(self, material: Material) -> None:
        context = self._context(material)
        is_other_client = material.pair != self._material.pair
        generation = self._generation
        self._material = material
        self._generation = Generation(context, generation.number + 1, generation.client_number + is_other_client)
        self._told.clear()
        what = "client certificate" if is_other_client else "authority"
        _logger.info("the %s has changed", what, extra={"server_name": self._options.server_name})

    def _tell(self, what: str, problem: str) -> None:
        if self._told.get(what) != problem:
            self._told[what] = problem
            _logger.warning("the %s cannot be read again; the last one is kept", what, extra={"error": problem})

    def _context(self, material: Material) -> ssl.SSLContext:
        return tls.client_context(self._options, material=material, sslsocket_class=DeadlineSSLSocket)
