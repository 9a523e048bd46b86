"""TLS contexts: whom they trust, what they show, and what they refuse to load."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from kubeprims.errors import ConfigError
from kubeprims.transport.origin import Origin
from kubeprims.transport.tls import TLSOptions, client_context, describe_failure

CA = trustme.CA()
CERT = CA.issue_cert("jane@example.com")
CERTIFICATE = b"".join(blob.bytes() for blob in CERT.cert_chain_pems)
KEY = CERT.private_key_pem.bytes()
ORIGIN = Origin("/k", 'user "u"')


def loaded(**options: object) -> ssl.SSLContext:
    return client_context(TLSOptions(client_origin=ORIGIN, server_origin=ORIGIN, **options))  # type: ignore[arg-type]


def test_a_context_wants_tls_1_2_and_verifies() -> None:
    context = loaded(ca_data=CA.cert_pem.bytes())
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_authority_replaces_those_of_the_system() -> None:
    assert loaded(ca_data=CA.cert_pem.bytes()).cert_store_stats()["x509"] == 1


def test_insecure_verifies_nothing() -> None:
    context = loaded(insecure=True)
    assert context.verify_mode == ssl.CERT_NONE
    assert not context.check_hostname


@pytest.mark.parametrize("name", ["a..b", ".a", "a" * 64, "a\0b", "a b", "a\nb", "ä" * 70, "\ud800"])
def test_a_server_name_that_no_server_can_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="tls-server-name: is not the name of a host"):
        TLSOptions(server_name=name)


@pytest.mark.parametrize("name", ["kubernetes.default.svc", "a.", "10.0.0.1", "::1", "例え.jp", "a_b"])
def test_a_server_name_may_be_any_name_or_address(name: str) -> None:
    assert TLSOptions(server_name=name).server_name == name


def test_a_file_that_is_cut_at_any_byte_loads_only_if_it_ends_with_a_certificate() -> None:
    intermediate = CA.create_child_ca()
    leaf = intermediate.issue_cert("jane@example.com")
    for blobs, as_options in (
        ([CA.cert_pem, intermediate.cert_pem], lambda content: {"ca_data": content}),
        (
            leaf.cert_chain_pems,
            lambda content: {"certificate_data": content, "key_data": leaf.private_key_pem.bytes(), "insecure": True},
        ),
    ):
        parts = [blob.bytes() for blob in blobs]
        content = b"".join(parts)
        # With or without the end of the last line.
        whole = {len(parts[0]) - 1, len(parts[0]), len(content) - 1, len(content)}
        loads: set[int] = set()
        for end in range(1, len(content) + 1):
            try:
                loaded(**as_options(content[:end]))
            except ConfigError:
                continue
            loads.add(end)
        assert loads == whole


def test_data_wins_over_a_file(tmp_path: Path) -> None:
    missing = str(tmp_path / "no")
    loaded(
        ca_data=CA.cert_pem.bytes(),
        ca_file=missing,
        certificate_data=CERTIFICATE,
        certificate_file=missing,
        key_data=KEY,
        key_file=missing,
    )


def test_files_are_read_and_comments_in_any_language_are_fine(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes("# Zertifikate für Prüfungen\n".encode() + CA.cert_pem.bytes())
    (tmp_path / "crt").write_bytes(CERTIFICATE)
    (tmp_path / "key").write_bytes(KEY)
    loaded(ca_file=str(tmp_path / "ca"), certificate_file=str(tmp_path / "crt"), key_file=str(tmp_path / "key"))


@pytest.mark.parametrize("content", [b"junk", b"-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"])
def test_an_authority_that_is_none_is_an_error_and_not_the_systems(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca").write_bytes(content)
    with pytest.raises(ConfigError, match=r'/k: user "u": certificate-authority: .* holds no PEM certificate'):
        loaded(ca_file=str(tmp_path / "ca"))


def test_an_empty_file_of_authorities_trusts_nobody_and_not_the_systems(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(b"\n")
    context = loaded(ca_file=str(tmp_path / "ca"))
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.cert_store_stats()["x509"] == 0


def encrypted(key: bytes) -> bytes:
    private = load_pem_private_key(key, None)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))


@pytest.mark.parametrize(
    ("certificate", "key", "text"),
    [
        (b"junk", KEY, "client-certificate-data: holds no PEM certificate"),
        (CERTIFICATE, b"junk", "client-key-data: holds no PEM private key"),
        (CERTIFICATE, CA.issue_cert("x@y").private_key_pem.bytes(), "client-key-data: does not belong to"),
        (CERTIFICATE, encrypted(KEY), "client-key-data: is encrypted"),
        (CERTIFICATE, b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", "cannot be loaded"),
    ],
)
def test_a_pair_that_does_not_load_is_named_without_its_bytes(certificate: bytes, key: bytes, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(certificate_data=certificate, key_data=key)
    assert str(caught.value).startswith('/k: user "u": client-')
    assert text in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_failures_are_put_in_words() -> None:
    def failure(reason: str) -> str:
        error = ssl.SSLError(1, reason)
        error.reason = reason
        return describe_failure(error)

    assert failure("WRONG_VERSION_NUMBER") == "the server does not speak TLS there"
    assert failure("TLSV1_ALERT_UNKNOWN_CA") == "the server refused the TLS connection: tlsv1 alert unknown ca"
    assert failure("NO_CIPHERS_AVAILABLE") == "TLS failed: no ciphers available"
    assert describe_failure(ssl.SSLEOFError(8, "EOF")) == "the server closed the connection during TLS"
    assert failure("") == "TLS failed: SSLError"
