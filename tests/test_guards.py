from __future__ import annotations

import os
import pathlib
import socket
import threading
from collections.abc import Iterator

import hypothesis
import pytest

from tests.guards import Footprint, NetworkForbidden, is_loopback, leaks_since
from tests.waiting import eventually


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.9", "localhost", "::1", "::1%lo"])
def test_loopback_addresses_are_allowed(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "192.0.2.1", "example.com", "localhost.example"])  # noqa: S104 - to be refused
def test_other_addresses_are_refused(host: str) -> None:
    assert not is_loopback(host)


def test_a_connection_to_another_machine_is_refused_before_a_packet_leaves() -> None:
    with socket.socket() as sock, pytest.raises(NetworkForbidden, match=r"192\.0\.2\.1"):
        sock.connect(("192.0.2.1", 80))


def test_a_server_on_every_interface_is_refused() -> None:
    with socket.socket() as sock, pytest.raises(NetworkForbidden):
        sock.bind(("", 0))


def test_a_datagram_to_another_machine_is_refused() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(NetworkForbidden):
        sock.sendto(b"x", ("192.0.2.1", 53))


def test_names_of_other_machines_do_not_resolve() -> None:
    with pytest.raises(socket.gaierror) as failure:
        socket.getaddrinfo("kubernetes.default.svc", 443)
    assert failure.value.errno == socket.EAI_NONAME


def test_loopback_is_left_alone() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5):
            connection, _ = server.accept()
            connection.close()


@pytest.fixture
def lingering() -> Iterator[threading.Event]:
    release = threading.Event()
    yield release
    release.set()


def test_a_thread_left_running_is_named(lingering: threading.Event) -> None:
    before = Footprint.take()
    thread = threading.Thread(target=lingering.wait, args=(30,), name="watch pods")  # noqa: TID251 - the leak
    thread.start()
    assert leaks_since(before, grace_s=0.01) == ["thread 'watch pods' still runs"]
    lingering.set()
    assert leaks_since(before) == []


def test_a_descriptor_left_open_is_named() -> None:
    before = Footprint.take()
    read_end, write_end = os.pipe()
    try:
        leaks = leaks_since(before, grace_s=0.01)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert len(leaks) == 2
    assert all("pipe:" in leak for leak in leaks)
    assert leaks_since(before) == []


def test_a_number_used_again_for_another_file_is_a_leak() -> None:
    read_end, write_end = os.pipe()
    before = Footprint.take()
    os.close(read_end)
    with pathlib.Path("/dev/zero").open("rb") as reused:
        assert reused.fileno() == read_end
        assert leaks_since(before, grace_s=0.01) == [f"file descriptor {read_end} -> /dev/zero is still open"]
    os.close(write_end)


def test_a_wait_ends_with_the_fact_that_was_waited_for() -> None:
    answers = iter([None, "", "ready"])
    assert eventually(lambda: next(answers), 5, "an answer") == "ready"


def test_a_wait_in_vain_says_what_was_waited_for_and_seen() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: three \(last seen: \[\]\)"):
        eventually(list, 0.01, "three")


@hypothesis.given(hypothesis.strategies.integers())
def test_properties_run_under_a_profile_of_this_suite(number: int) -> None:
    assert hypothesis.settings().deadline is None
