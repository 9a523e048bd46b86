"""The embedded server's own certificate authority, and what it signs: by way of trustme."""

from __future__ import annotations

import datetime
import hashlib
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kubeprims.errors import ConfigError

if TYPE_CHECKING:
    import trustme


_VALID_FROM = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
_VALID_UNTIL = datetime.datetime(3000, 1, 1, tzinfo=datetime.timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What a client shows to be known by, and the key that proves that it is its own.

    Attributes:
        certificate_pem: The certificate.
        key_pem: Its key, not encrypted.
    """

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


class PeerCertificate(NamedTuple):
    """What the certificate says that a client has shown, and that an authority of the server has signed.

    Attributes:
        common_name: Empty if it has none.
        organizations: In their order.
        expires_at_s: In seconds of Unix time.
        sha256: Of the whole certificate, in hexadecimal.
    """

    common_name: str
    organizations: tuple[str, ...]
    expires_at_s: int
    sha256: str


def read_peer_certificate(sock: ssl.SSLSocket) -> PeerCertificate | None:
    """Return what the other end of a connection has shown; None if that is nothing."""
    parsed, encoded = sock.getpeercert(), sock.getpeercert(binary_form=True)
    if not parsed or encoded is None:
        return None
    expiry, subject = parsed["notAfter"], parsed["subject"]
    assert isinstance(expiry, str)
    assert isinstance(subject, tuple)
    pairs = [(str(pair[0]), str(pair[1])) for part in subject for pair in part]
    names = [value for name, value in pairs if name == "commonName"]
    return PeerCertificate(
        names[-1] if names else "",
        tuple(value for name, value in pairs if name == "organizationName"),
        ssl.cert_time_to_seconds(expiry),
        hashlib.sha256(encoded).hexdigest(),
    )


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

    def issue_client(self, user: str, groups: Sequence[str], expires_at: datetime.datetime | None) -> ClientCertificate:
        """Make a certificate for a user, signed by the newest authority.

        Raises:
            ConfigError: The name or a group cannot stand in a certificate.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        try:
            subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
            subject.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        except ValueError as error:
            raise ConfigError(f"cannot stand in a certificate: {error}", source="client_certificate") from error
        authority = self._authorities[-1]
        signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)  # trustme's default
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject)
            .public_key(key.public_key())
            .not_valid_before(_VALID_FROM)
            .not_valid_after(expires_at or _VALID_UNTIL)
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(signer, hashes.SHA256())
        )
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return ClientCertificate(certificate_pem=pem, key_pem=key_pem)
