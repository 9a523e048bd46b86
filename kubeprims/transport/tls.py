"""The one place that makes TLS objects."""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from kubeprims.errors import ConfigError
from kubeprims.transport.credential import ClientCertificate
from kubeprims.transport.origin import FROM_CODE, Origin, read_file

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_CUT_OFF = "ends where one more certificate begins"


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSOptions:
    """How a server is trusted, and how we show who we are. Data wins over a file; PEM in both.

    Attributes:
        ca_data: The authorities to trust, in place of the system's.
        ca_file: The same, in a file.
        certificate_data: The client certificate, with its chain.
        certificate_file: The same, in a file.
        key_data: Its private key.
        key_file: The same, in a file.
        server_name: The name to ask for (SNI) and to verify, in place of the URL's host.
        insecure: Trust any server. Does not go with an authority.
        server_origin: Where errors say that ``ca_*``, ``server_name`` and ``insecure`` were set.
        client_origin: Likewise for certificate and key.

    Raises:
        ConfigError: ``insecure`` with an authority; a certificate without its key, or a key without its certificate; a
            server name that no server can have.
    """

    ca_data: bytes = field(default=b"", repr=False)
    ca_file: str = ""
    certificate_data: bytes = field(default=b"", repr=False)
    certificate_file: str = ""
    key_data: bytes = field(default=b"", repr=False)
    key_file: str = ""
    server_name: str = ""
    insecure: bool = False
    server_origin: Origin = field(default=FROM_CODE, compare=False)
    client_origin: Origin = field(default=FROM_CODE, compare=False)

    def __post_init__(self) -> None:
        if self.insecure and (self.ca_data or self.ca_file):
            rule = "cannot be set together with a certificate authority"
            raise self.server_origin.error("insecure-skip-tls-verify", rule)
        if self.server_name and not is_host_name(self.server_name):
            raise self.server_origin.error("tls-server-name", f"is not the name of a host: {self.server_name!r}")
        has_certificate = bool(self.certificate_data or self.certificate_file)
        has_key = bool(self.key_data or self.key_file)
        if has_certificate and not has_key:
            raise self.client_origin.error("client-key", "is missing, and client-certificate is of no use without it")
        if has_key and not has_certificate:
            raise self.client_origin.error("client-certificate", "is missing, and client-key is of no use without it")

    @property
    def names_anything(self) -> bool:
        """Whether there is an authority or a client certificate that might not load."""
        return bool(self.ca_data or self.ca_file or self.has_client_certificate)

    @property
    def has_client_certificate(self) -> bool:
        """Whether a client certificate is shown to the server."""
        return bool(self.certificate_data or self.certificate_file)

    @property
    def names_files(self) -> bool:
        """Whether anything is in a file, where it may change."""
        pairs = (
            (self.ca_data, self.ca_file),
            (self.certificate_data, self.certificate_file),
            (self.key_data, self.key_file),
        )
        return any(file and not data for data, file in pairs)


def is_host_name(name: str) -> bool:
    """Whether TLS can ask for a name: the interpreter has errors of its own for one that it cannot encode."""
    try:
        encoded = name.encode("idna")
    except UnicodeError:
        return False
    return encoded.isascii() and name.isprintable() and " " not in name


class Material(NamedTuple):
    """What a context is made of, once it is read. The repr shows none of it.

    Attributes:
        authorities: Whom to trust, in PEM; without meaning where the options name none.
        pair: What to show; None for nothing.
    """

    authorities: bytes
    pair: ClientCertificate | None

    def __repr__(self) -> str:
        return "Material()"


def client_context(
    options: TLSOptions, *, material: Material | None = None, sslsocket_class: type[ssl.SSLSocket] = ssl.SSLSocket
) -> ssl.SSLContext:
    """Return the context of outgoing connections: TLS 1.2 or later, HTTP/1.1, verified unless ``insecure``.

    Args:
        options: What to trust and what to show.
        material: What its files hold; they are read unless given.
        sslsocket_class: The class of the sockets it makes.

    Raises:
        ConfigError: A file cannot be read, or authority, certificate or key is not what it should be.

    Source:
        client-go transport/transport.go, ``TLSConfigFor``; Go crypto/x509.
        Same: the authorities replace the system's, and any certificate among them is trusted as it is, an intermediate
        one or a server's own too. An empty file of them trusts nobody.
    """
    material = material or read_material(options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = sslsocket_class
    context.set_alpn_protocols(["http/1.1"])
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.ca_data or options.ca_file:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        _load_authorities(context, options, material.authorities)
    else:
        context.load_default_certs()
    if material.pair is not None:
        _load_certificate(context, options, material.pair)
    return context


@functools.lru_cache(maxsize=8)
def proxy_context(authorities: bytes, sslsocket_class: type[ssl.SSLSocket] = ssl.SSLSocket) -> ssl.SSLContext:
    """Return the context for a proxy that speaks TLS: never one that shows our client certificate to it.

    Args:
        authorities: Whom to trust beside the system's authorities, in PEM.
        sslsocket_class: The class of the sockets it makes.

    Raises:
        ConfigError: There is no certificate in the authorities.

    Source:
        Go net/http/transport.go, ``(*Transport).dialConn``.
        Differs: there a proxy is trusted as the server is, by its authorities alone or not at all (``insecure``), and
        is shown the client certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = sslsocket_class
    context.set_alpn_protocols(["http/1.1"])
    if authorities.strip():
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cadata=authorities.decode("ascii", "ignore"))
        except (ssl.SSLError, ValueError):
            raise ConfigError("holds no PEM certificate", field="certificate-authority") from None
    return context


def read_material(options: TLSOptions) -> Material:
    """Return what a context is made of.

    Raises:
        ConfigError: A file cannot be read.
    """
    pair = read_pair(options) if options.has_client_certificate else None
    return Material(b"" if options.insecure else read_authorities(options), pair)


def read_authorities(options: TLSOptions) -> bytes:
    """Return the authorities to trust, in PEM; empty where the options name none, and the system's are trusted.

    Raises:
        ConfigError: Their file cannot be read.
    """
    if options.ca_data or not options.ca_file:
        return options.ca_data
    return read_file(options.ca_file, origin=options.server_origin, field="certificate-authority")


def read_pair(options: TLSOptions) -> ClientCertificate:
    """Return the client certificate and its key.

    Raises:
        ConfigError: A file of theirs cannot be read.
    """
    origin = options.client_origin
    certificate_name, key_name = _pair_names(options)
    certificate = options.certificate_data or read_file(options.certificate_file, origin=origin, field=certificate_name)
    key = options.key_data or read_file(options.key_file, origin=origin, field=key_name)
    return ClientCertificate(certificate, key)


def _pair_names(options: TLSOptions) -> tuple[str, str]:
    return (
        "client-certificate-data" if options.certificate_data else "client-certificate",
        "client-key-data" if options.key_data else "client-key",
    )


def _load_authorities(context: ssl.SSLContext, options: TLSOptions, content: bytes) -> None:
    if not content.strip() and not options.ca_data:
        return
    origin = options.server_origin
    name = "certificate-authority-data" if options.ca_data else "certificate-authority"
    if _is_cut_off(content):
        raise origin.error(name, _CUT_OFF)
    try:
        context.load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise origin.error(name, f"{options.ca_file or 'the data'} holds no PEM certificate") from None


def _is_cut_off(content: bytes) -> bool:
    """Whether somebody is still writing: OpenSSL takes the beginnings of one more certificate for a remark."""
    last_line = content.rpartition(b"\n")[2].strip()
    return bool(last_line) and _BEGIN.startswith(last_line)


def _load_certificate(context: ssl.SSLContext, options: TLSOptions, pair: ClientCertificate) -> None:
    origin = options.client_origin
    certificate_name, key_name = _pair_names(options)
    certificate, key = pair
    if _BEGIN not in certificate:
        raise origin.error(certificate_name, "holds no PEM certificate")
    if _is_cut_off(certificate):
        raise origin.error(certificate_name, _CUT_OFF)
    if b"PRIVATE KEY-----" not in key:
        raise origin.error(key_name, "holds no PEM private key")

    def refuse_password() -> NoReturn:
        raise origin.error(key_name, "is encrypted; kubeprims asks for no password")

    try:
        with _as_file(certificate + b"\n" + key) as path:
            context.load_cert_chain(path, password=refuse_password)
    except ConfigError:
        raise
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise origin.error(key_name, f"does not belong to {certificate_name}") from None
        # OpenSSL's reason names what it stumbled over, never its content.
        reason = error.reason or "not readable"
        raise origin.error(certificate_name, f"the certificate or its key cannot be loaded: {reason}") from None
    except OSError as error:
        raise origin.error(certificate_name, f"cannot be handed to OpenSSL: {error.strerror}") from None


@contextlib.contextmanager
def _as_file(content: bytes) -> Generator[str]:
    """Give the content a path for as long as it is read: in memory where the system can, so that no disk sees a key."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("kubeprims", os.MFD_CLOEXEC), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:  # pragma: no cover - other systems; mode 0600, removed at once
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


def describe_failure(error: ssl.SSLError) -> str:
    """Return what was wrong with a TLS connection, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLEOFError):
        return "the server closed the connection during TLS"
    reason = error.reason or ""
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}:
        return "the server does not speak TLS there"
    if "ALERT" in reason:
        return f"the server refused the TLS connection: {reason.lower().replace('_', ' ')}"
    return f"TLS failed: {reason.lower().replace('_', ' ') or type(error).__name__}"
