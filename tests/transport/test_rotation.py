"""Certificates that change: what new connections are made with, and what becomes of the old ones."""

from __future__ import annotations

import json
import logging
import pathlib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import trustme

from kubeprims.errors import ConnectionLost, TLSError
from kubeprims.testing.clock import VirtualClock
from kubeprims.transport.auth import Credentials
from kubeprims.transport.certificates import READ_INTERVAL_S, Certificates
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.kubeconfig import ExecPlugin
from kubeprims.transport.message import Response
from kubeprims.transport.pool import GRACE_S, POLL_INTERVAL_S
from kubeprims.transport.tls import TLSOptions
from kubeprims.transport.transport import Transport
from tests.parity import case
from tests.transport.peer import OK, WAIT_S, Peer, Server, answer, chunked, config, get, serve
from tests.waiting import eventually

FIVE_MINUTES_S = 300.0


@dataclass
class Files:
    """An authority, a client certificate and its key in files, and a server that trusts each client of the authority.

    Attributes:
        authority: Who signs.
        shown: The names of the clients, in the order of their connections.
    """

    folder: pathlib.Path
    authority: trustme.CA
    shown: list[str]

    @property
    def options(self) -> TLSOptions:
        return TLSOptions(
            ca_file=str(self.folder / "ca.crt"),
            certificate_file=str(self.folder / "tls.crt"),
            key_file=str(self.folder / "tls.key"),
        )

    def write_client(self, name: str) -> None:
        certificate = self.authority.issue_cert(f"{name}@example.com", common_name=name)
        (self.folder / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        (self.folder / "tls.key").write_bytes(certificate.private_key_pem.bytes())

    def write_authority(self, content: bytes) -> None:
        (self.folder / "ca.crt").write_bytes(content)

    def server_context(self, authority: trustme.CA | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (authority or self.authority).issue_cert("127.0.0.1").configure_cert(context)
        context.verify_mode = ssl.CERT_REQUIRED
        self.authority.configure_trust(context)
        return context

    def noting(self, *answers: bytes) -> Server:
        def script(peer: Peer) -> None:
            assert isinstance(peer.sock, ssl.SSLSocket)
            certificate = peer.sock.getpeercert()
            assert certificate is not None
            subject = dict(pair[0] for pair in certificate["subject"])
            self.shown.append(str(subject["commonName"]))
            answer(*answers)(peer)

        return Server((script,), tls=self.server_context())


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Files:
    made = Files(tmp_path, trustme.CA(), [])
    made.write_authority(made.authority.cert_pem.bytes())
    made.write_client("old")
    return made


@pytest.fixture
def server(files: Files) -> Iterator[Server]:
    # A watch is answered with an event, and then nothing more comes.
    made = files.noting(OK)
    yield made
    made.close()


def read(response: Response) -> bytes:
    with response:
        return response.read()


@case("IM-173")
def test_a_new_client_certificate_is_shown_by_the_next_connection(files: Files, server: Server) -> None:
    clock = VirtualClock()
    with Transport(config(server, scheme="https", tls=files.options), clock=clock) as transport:
        assert read(transport.round_trip(get())) == b"ok"
        files.write_client("new")
        with transport.round_trip(get()):  # the connection that stands is used as long as nobody has looked
            clock.advance(READ_INTERVAL_S)
            assert read(transport.round_trip(get())) == b"ok"
        assert files.shown == ["old", "new"]
        assert transport._pool.idle_count == 1


def lasting(files: Files) -> Server:
    """A server whose answers begin, and go on until the client goes; but for ``/short``."""

    def script(peer: Peer) -> None:
        while line := peer.read_request()[0]:
            if "/short" in line:
                peer.send(OK)
                continue
            peer.send(chunked(b"one")[: -len(b"0\r\n\r\n")])
            peer.wait_for_end()

    return Server((script,), tls=files.server_context())


@case("IM-173")
def test_connections_that_show_an_old_certificate_end_within_five_minutes(files: Files) -> None:
    clock = VirtualClock()
    server = lasting(files)
    try:
        with Transport(config(server, scheme="https", tls=files.options), clock=clock) as transport:
            watch = transport.round_trip(get(timeout_s=None))
            events = watch.chunks()
            assert next(events) == b"one"
            read(transport.round_trip(get("/short")))
            assert (transport._pool.idle_count, transport._pool.busy_count) == (1, 1)
            files.write_client("new")
            assert clock.wait_for_waiters()
            clock.advance(POLL_INTERVAL_S)
            eventually(lambda: transport._pool.idle_count == 0, WAIT_S, "the idle connection closed")
            assert transport._pool.busy_count == 1
            assert clock.wait_for_waiters()
            clock.advance(POLL_INTERVAL_S)
            assert clock.wait_for_waiters()
            assert transport._pool.busy_count == 1
            clock.advance(GRACE_S - POLL_INTERVAL_S)
            with pytest.raises(ConnectionLost, match="the client certificate has changed"):
                next(events)
            assert POLL_INTERVAL_S + GRACE_S < FIVE_MINUTES_S
            assert transport._pool.busy_count == 0
    finally:
        server.close()


def test_a_half_written_pair_leaves_the_old_one_in_use(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    certificates = Certificates(files.options, clock=clock)
    before = certificates.generation
    key = (files.folder / "tls.key").read_bytes()
    files.write_client("new")
    (files.folder / "tls.key").write_bytes(key)
    with caplog.at_level(logging.WARNING, "kubeprims.transport"):
        for _ in range(3):
            clock.advance(READ_INTERVAL_S)
            assert certificates.refreshed() is before
    (message,) = caplog.records
    assert message.getMessage() == "the client certificate cannot be read again; the last one is kept"
    assert "does not belong to" in str(message.__dict__["error"])
    files.write_client("new")
    assert certificates.refreshed() is before  # looked at within the same second
    clock.advance(READ_INTERVAL_S)
    after = certificates.refreshed()
    assert (after.number, after.client_number) == (1, 1)


@case("IM-174")
@pytest.mark.parametrize("change", ["none", "changed", "invalid", "unreadable", "emptied"])
def test_another_authority_is_taken_only_if_it_is_one(
    files: Files, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    clock = VirtualClock()
    certificates = Certificates(files.options, clock=clock)
    before = certificates.generation
    other = trustme.CA().cert_pem.bytes()
    if change == "unreadable":
        (files.folder / "ca.crt").unlink()
    elif change != "none":
        files.write_authority({"changed": other, "invalid": b"junk", "emptied": b"\n"}[change])
    clock.advance(READ_INTERVAL_S)
    with caplog.at_level(logging.WARNING, "kubeprims.transport"):
        after = certificates.refreshed()
        clock.advance(READ_INTERVAL_S)
        certificates.refreshed()
    if change == "changed":
        assert (after.number, after.client_number) == (1, 0)
        assert after.context is not None
        assert after.context.get_ca_certs(binary_form=True) == [ssl.PEM_cert_to_DER_cert(other.decode())]
    else:
        assert after is before
    assert len(caplog.records) == (change in {"invalid", "unreadable", "emptied"})


@case("IM-174")
def test_an_empty_file_of_authorities_trusts_nobody_until_it_holds_one(files: Files, server: Server) -> None:
    files.write_authority(b"")
    clock = VirtualClock()
    with Transport(config(server, scheme="https", tls=files.options), clock=clock) as transport:
        with pytest.raises(TLSError, match="not trusted"):
            transport.round_trip(get())
        files.write_authority(files.authority.cert_pem.bytes())
        clock.advance(READ_INTERVAL_S)
        assert read(transport.round_trip(get())) == b"ok"


@case("IM-174")
def test_another_authority_closes_idle_connections_and_lets_busy_ones_end(files: Files) -> None:
    clock = VirtualClock()
    server = lasting(files)
    try:
        with Transport(config(server, scheme="https", tls=files.options), clock=clock) as transport:
            watch = transport.round_trip(get(timeout_s=None))
            assert next(watch.chunks()) == b"one"
            read(transport.round_trip(get("/short")))
            files.write_authority(files.authority.cert_pem.bytes() + trustme.CA().cert_pem.bytes())
            assert clock.wait_for_waiters()
            clock.advance(POLL_INTERVAL_S)
            eventually(lambda: transport._pool.idle_count == 0, WAIT_S, "the idle connection closed")
            assert [connection.cut_at_s for connection in transport._pool._busy] == [float("inf")]
            watch.close()
    finally:
        server.close()


def test_data_never_changes_and_wins_over_files(files: Files) -> None:
    authority = files.authority.cert_pem.bytes()
    options = replace(files.options, ca_data=authority, certificate_file="", key_file="")
    certificates = Certificates(options, clock=VirtualClock())
    assert not certificates.may_change
    files.write_authority(b"junk")
    assert certificates.refreshed().number == 0


@case("IM-175")
def test_two_users_of_the_same_server_share_its_connections(files: Files) -> None:
    said: list[str] = []

    def note(peer: Peer) -> None:
        while request := peer.read_request():
            if not request[0]:
                return
            said.append(request[1]["authorization"])
            peer.send(OK)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files.authority.issue_cert("127.0.0.1").configure_cert(context)
    with serve(note, tls=context) as server:
        options = TLSOptions(ca_data=files.authority.cert_pem.bytes())
        base = config(server, scheme="https", tls=options)
        jane = Transport(replace(base, credentials=Credentials(token="jane")))
        joe = Transport(replace(base, credentials=Credentials(token="joe"), user_agent="other/1"))
        assert jane._pool is joe._pool
        assert read(jane.round_trip(get())) == read(joe.round_trip(get())) == b"ok"
        assert (server.connections, said) == (1, ["Bearer jane", "Bearer joe"])
        jane.close()
        assert read(joe.round_trip(get())) == b"ok"
        assert server.connections == 1
        other = Transport(replace(base, tls=TLSOptions(insecure=True)))
        assert other._pool is not joe._pool
        other.close()
        joe.close()
        again = Transport(base)
        assert again._pool is not joe._pool
        again.close()


def test_a_pool_that_its_last_holder_has_left_is_held_by_nobody_again() -> None:
    with serve(answer(OK)) as server:
        first, second = (Transport(config(server)) for _ in range(2))
        pool = first._pool
        assert second._pool is pool
        for _ in range(3):
            first.close()  # closing again lets go of nothing that is another's
        assert read(second.round_trip(get())) == b"ok"
        second.close()
        assert not pool.hold()
        with Transport(config(server)) as third:
            assert third._pool is not pool


@case("IM-171")
@pytest.mark.parametrize("changes", ["certificate", "token"])
def test_another_certificate_of_a_plugin_ends_its_connections_and_another_token_none(
    files: Files, tmp_path: pathlib.Path, changes: str
) -> None:
    clock = VirtualClock()
    refused: list[str] = []

    def script(peer: Peer) -> None:
        while (request := peer.read_request())[0]:
            if "/refused" in request[0] and not refused:
                refused.append("once")
                peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            elif "/watch" in request[0]:
                peer.send(chunked(b"one")[: -len(b"0\r\n\r\n")])
                peer.wait_for_end()
            else:
                peer.send(OK)

    output = tmp_path / "output.json"
    first = _plugin_output(files, "old", "first")
    output.write_text(first)
    plugin = ExecPlugin(
        command=sys.executable,
        args=("-c", f"print(open({str(output)!r}).read())"),
        api_version="client.authentication.k8s.io/v1",
        interactive_mode="Never",
    )
    with serve(script, tls=files.server_context()) as server:
        settings = TransportConfig(
            server=f"https://127.0.0.1:{server.port}",
            tls=TLSOptions(ca_data=files.authority.cert_pem.bytes()),
            credentials=Credentials(exec_plugin=plugin),
        )
        with Transport(settings, clock=clock) as transport:
            watch = transport.round_trip(get("/watch", timeout_s=None))
            events = watch.chunks()
            assert next(events) == b"one"
            is_other = changes == "certificate"
            output.write_text(_plugin_output(files, "new", "second") if is_other else first.replace("first", "second"))
            assert read(transport.round_trip(get("/refused"))) == b"ok"
            if changes == "token":
                assert server.connections == 2
                assert [connection.cut_at_s for connection in transport._pool._busy] == [float("inf")]
            else:
                assert server.connections == 3
                assert clock.wait_for_waiters()
                clock.advance(GRACE_S)
                with pytest.raises(ConnectionLost, match="the client certificate has changed"):
                    next(events)
            watch.close()


def _plugin_output(files: Files, name: str, token: str) -> str:
    files.write_client(name)
    status = {
        "token": token,
        "clientCertificateData": (files.folder / "tls.crt").read_text(),
        "clientKeyData": (files.folder / "tls.key").read_text(),
    }
    made = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return json.dumps(made)


def test_what_has_been_idle_for_too_long_is_closed_without_another_request() -> None:
    clock = VirtualClock()
    with serve(answer(OK)) as server, Transport(config(server, idle_timeout_s=30.0), clock=clock) as transport:
        read(transport.round_trip(get()))
        assert clock.wait_for_waiters()
        clock.advance(29.0)
        assert transport._pool.idle_count == 1
        clock.advance(1.0)
        eventually(lambda: transport._pool.idle_count == 0, WAIT_S, "the idle connection closed")
        eventually(lambda: not transport._pool._is_kept, WAIT_S, "the thread ended")
        assert read(transport.round_trip(get())) == b"ok"
        assert server.connections == 2


def test_the_thread_ends_with_the_last_connection_even_if_nobody_closes_the_transport() -> None:
    clock = VirtualClock()
    with serve(answer(OK)) as server:
        transport = Transport(config(server), clock=clock)
        read(transport.round_trip(get()))
        assert clock.wait_for_waiters()
        transport.round_trip(get()).close()  # the one connection, cut inside its answer
        eventually(lambda: not transport._pool._is_kept, WAIT_S, "the thread ended")
        transport.close()


def test_a_time_that_no_float_holds_exactly_ends_the_wait_all_the_same() -> None:
    clock = VirtualClock(start_s=1000.1)  # 1000.1 + 30 - 30 is less than 1000.1
    with serve(answer(OK)) as server, Transport(config(server, idle_timeout_s=30.0), clock=clock) as transport:
        read(transport.round_trip(get()))
        assert clock.wait_for_waiters()
        clock.advance(30.0)
        eventually(lambda: transport._pool.idle_count == 0, WAIT_S, "the idle connection closed")


AT_EXIT = """
import atexit, sys, threading
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Request
from kubeprims.transport.transport import Transport

transport = Transport(TransportConfig(server=sys.argv[1]))

def last_words():
    for _ in range(2):
        with transport.round_trip(Request("GET", "/api")) as response:
            print(response.read().decode())
    transport.close()

atexit.register(last_words)
"""


def test_a_program_that_ends_may_still_send_requests() -> None:
    with serve(answer(OK)) as server:
        command = [sys.executable, "-W", "error", "-c", AT_EXIT, f"http://127.0.0.1:{server.port}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ok\nok\n", "")
