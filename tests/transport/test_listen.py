"""Listening sockets."""

from __future__ import annotations

import socket

import pytest

from kubeprims.errors import ConfigError
from kubeprims.transport.listen import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_it_listens_on_a_port_that_the_system_chooses(host: str) -> None:
    with listen(host, 0) as sock:
        port = sock.getsockname()[1]
        with socket.create_connection(sock.getsockname()[:2]) as client, sock.accept()[0]:
            assert client.getpeername()[1] == port


def test_a_name_is_not_an_address_to_listen_on() -> None:
    with pytest.raises(ConfigError, match="host: an IP address is needed"):
        listen("example.com", 0)


def test_a_port_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as sock, pytest.raises(ConfigError) as caught:
        listen("127.0.0.1", sock.getsockname()[1])
    assert caught.value.source.startswith("127.0.0.1:")
    assert "in use" in caught.value.rule


def test_a_port_out_of_range_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:70000"):
        listen("127.0.0.1", 70000)
