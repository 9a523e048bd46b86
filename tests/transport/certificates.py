"""Certificates for tests, made once."""

from __future__ import annotations

import datetime
import ssl

import trustme

from kubeprims.transport.tls import TLSOptions

CA = trustme.CA()
_SERVER = CA.issue_cert("127.0.0.1", "localhost", "::1")
_EXPIRED = CA.issue_cert("127.0.0.1", not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
_OTHER_NAME = CA.issue_cert("kubernetes.default.svc")
CLIENT = CA.issue_cert("jane@example.com")

TRUSTING = TLSOptions(ca_data=CA.cert_pem.bytes())
WITH_CERTIFICATE = TLSOptions(
    ca_data=CA.cert_pem.bytes(),
    certificate_data=b"".join(blob.bytes() for blob in CLIENT.cert_chain_pems),
    key_data=CLIENT.private_key_pem.bytes(),
)


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def context_for(name: str) -> ssl.SSLContext:
    return _context(CA.issue_cert(name))


def server_context() -> ssl.SSLContext:
    return _context(_SERVER)


def expired_context() -> ssl.SSLContext:
    return _context(_EXPIRED)


def other_name_context() -> ssl.SSLContext:
    return _context(_OTHER_NAME)


def mutual_context() -> ssl.SSLContext:
    context = _context(_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(context)
    return context
