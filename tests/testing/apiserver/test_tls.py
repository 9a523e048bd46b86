"""Certificates of the embedded server: its own, and those of its clients."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import pathlib
import ssl
from collections.abc import Iterator
from typing import cast

import pytest

from kubeprims.errors import ConfigError
from kubeprims.testing import APIServer, User
from kubeprims.testing.apiserver.tls import ClientCertificate
from tests.testing.apiserver.raw import TIMEOUT_S


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer(tls=True) as server:
        yield server


def trusting(ca_pem: bytes | None) -> ssl.SSLContext:
    assert ca_pem is not None
    return ssl.create_default_context(cadata=ca_pem.decode())


@contextlib.contextmanager
def connected(server: APIServer, context: ssl.SSLContext) -> Iterator[http.client.HTTPSConnection]:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.connect()
        yield connection


def shown(connection: http.client.HTTPSConnection) -> bytes:
    certificate = cast("ssl.SSLSocket", connection.sock).getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


def get(connection: http.client.HTTPSConnection, path: str, headers: dict[str, str] | None = None) -> int:
    connection.request("GET", path, headers=headers or {})
    response = connection.getresponse()
    response.read()
    return response.status


def test_a_new_certificate_is_shown_at_once_and_open_connections_live_on(server: APIServer) -> None:
    context = trusting(server.ca_pem)
    with connected(server, context) as old:
        before = shown(old)
        server.rotate_certificates()
        assert trusting(server.ca_pem).get_ca_certs() == context.get_ca_certs()
        with connected(server, context) as new:
            assert shown(new) != before
            assert get(new, "/version") == 200
        assert get(old, "/version") == 200


def test_a_session_does_not_outlive_the_certificate(server: APIServer) -> None:
    context = trusting(server.ca_pem)
    with connected(server, context) as old:
        assert get(old, "/version") == 200
        session = cast("ssl.SSLSocket", old.sock).session
    server.rotate_certificates()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)) as plain:
        plain.connect()
        with context.wrap_socket(plain.sock, server_hostname="127.0.0.1", session=session) as again:
            assert not again.session_reused


def test_a_new_authority_is_trusted_only_by_those_who_know_it(server: APIServer) -> None:
    before = trusting(server.ca_pem)
    with connected(server, before) as old:
        server.rotate_certificates(new_authority=True)
        with pytest.raises(ssl.SSLCertVerificationError), connected(server, before):
            pass
        with connected(server, trusting(server.ca_pem)) as new:
            assert get(new, "/version") == 200
        assert get(old, "/version") == 200


def test_an_authority_that_is_announced_is_trusted_before_and_after_it_signs(
    server: APIServer, tmp_path: pathlib.Path
) -> None:
    server.prepare_authority()
    server.prepare_authority()
    both = ssl.create_default_context(cafile=server.write_ca(tmp_path / "ca.pem"))
    assert len(both.get_ca_certs()) == 2
    for _ in range(2):
        with connected(server, both) as connection:
            assert get(connection, "/version") == 200
        server.rotate_certificates(new_authority=len(trusting(server.ca_pem).get_ca_certs()) == 2)
    assert len(trusting(server.ca_pem).get_ca_certs()) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "ca.pem"]


def test_a_restart_keeps_the_authority(server: APIServer) -> None:
    context = trusting(server.ca_pem)
    server.restart()
    with connected(server, context) as connection:
        assert get(connection, "/version") == 200
    assert "certificate-authority-data" in json.dumps(server.kubeconfig())


def test_without_tls_there_is_nothing_to_rotate(tmp_path: pathlib.Path) -> None:
    server = APIServer()
    assert server.ca_pem is None
    for act in (server.rotate_certificates, server.prepare_authority, lambda: server.write_ca(tmp_path / "ca.pem")):
        with pytest.raises(ConfigError, match="tls=True"):
            act()


# Client certificates.


def showing(server: APIServer, certificate: ClientCertificate, folder: pathlib.Path) -> ssl.SSLContext:
    context = trusting(server.ca_pem)
    file = folder / "client.pem"
    file.write_bytes(certificate.certificate_pem + certificate.key_pem)
    context.load_cert_chain(file)
    return context


def users(server: APIServer) -> list[str]:
    return [request.user for request in server.requests]


def test_a_client_is_known_by_its_certificate(tmp_path: pathlib.Path) -> None:
    with APIServer(tls=True, tokens={"bob-token": User("bob")}) as server:
        context = showing(server, server.client_certificate("jane", groups=("dev", "qa")), tmp_path)
        with connected(server, context) as connection:
            assert get(connection, "/version") == 200
            assert get(connection, "/version", {"authorization": "Bearer nobody"}) == 200
        with connected(server, trusting(server.ca_pem)) as connection:
            assert get(connection, "/version", {"authorization": "Bearer bob-token"}) == 200
            assert get(connection, "/version") == 401
        assert users(server) == ["jane", "jane", "bob", ""]


def test_a_renewed_certificate_counts_on_a_new_connection(server: APIServer, tmp_path: pathlib.Path) -> None:
    for name in ("jane", "joan"):
        context = showing(server, server.client_certificate(name), tmp_path)
        with connected(server, context) as connection:
            assert get(connection, "/version") == 200
    assert users(server) == ["jane", "joan"]


def refused(server: APIServer, certificate: ClientCertificate, folder: pathlib.Path) -> bool:
    try:
        with connected(server, showing(server, certificate, folder)) as connection:
            get(connection, "/version")
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def test_certificates_of_others_and_of_the_past_are_refused(server: APIServer, tmp_path: pathlib.Path) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    assert refused(server, server.client_certificate("jane", expires_at=past), tmp_path)
    assert refused(server, APIServer(tls=True).client_certificate("jane"), tmp_path)
    former = server.client_certificate("jane")
    assert not refused(server, former, tmp_path)
    server.rotate_certificates()
    assert not refused(server, former, tmp_path)
    server.prepare_authority()
    prepared = server.client_certificate("jane")
    assert not refused(server, former, tmp_path)
    assert not refused(server, prepared, tmp_path)
    server.rotate_certificates(new_authority=True)
    assert refused(server, former, tmp_path)
    assert not refused(server, prepared, tmp_path)


def test_a_name_that_no_certificate_can_bear_is_refused(server: APIServer) -> None:
    for name in ("", "x" * 65):
        with pytest.raises(ConfigError, match="certificate"):
            server.client_certificate(name)


def test_a_key_is_not_shown(server: APIServer) -> None:
    certificate = server.client_certificate("jane")
    assert b"PRIVATE KEY" in certificate.key_pem
    assert "PRIVATE KEY" not in repr(certificate)


def test_a_kubeconfig_bears_a_certificate() -> None:
    server = APIServer(tls=True, tokens={"bob-token": User("bob")})
    text = json.dumps(server.kubeconfig(certificate=server.client_certificate("jane")))
    assert "client-certificate-data" in text
    assert "client-key-data" in text
    assert "bob-token" not in text
