"""Address policies: which connections come about, and which are refused before a packet is sent."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeprims.errors import ConfigError, ConnectError
from kubeprims.transport.addresses import AddressPolicy
from kubeprims.transport.dial import Address
from kubeprims.transport.transport import Transport
from tests.transport.peer import OK, answer, config, get, serve
from tests.transport.proxy_server import proxy_server

METADATA = AddressPolicy.of(deny=["169.254.0.0/16", "fe80::/10", "127.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", True),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::169.254.169.254", False),
        ("2002:a9fe:a9fe::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", True),
        ("::1", False),
        ("api.example.com", False),
        ("", False),
    ],
)
def test_an_address_is_judged_as_what_it_is(address: str, *, expected: bool) -> None:
    assert METADATA.permits(address) is expected


def test_only_what_is_allowed_is_permitted_where_anything_is() -> None:
    policy = AddressPolicy.of(allow=["10.0.0.0/8", "fd00::/8"], deny=["10.9.0.0/16"])
    permitted = ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"]
    refused = ["10.9.1.1", "11.0.0.1", "::ffff:11.0.0.1", "fe80::1"]
    assert [policy.permits(address) for address in permitted + refused] == [True] * 3 + [False] * 4
    assert AddressPolicy().permits("1.2.3.4")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_each_form(address: ipaddress.IPv4Address) -> None:
    policy = AddressPolicy.of(deny=["128.0.0.0/1"])
    assert policy.permits(str(address)) == policy.permits(f"::ffff:{address}") == policy.permits(f"64:ff9b::{address}")


@pytest.mark.parametrize("wrong", [["10.0.0.1/8"], ["no"], "10.0.0.0/8"])
def test_what_is_no_network_is_refused(wrong: list[str]) -> None:
    with pytest.raises(ConfigError, match="deny"):
        AddressPolicy.of(deny=wrong)


def test_a_server_at_a_denied_address_is_not_connected_to() -> None:
    with serve(answer(OK)) as server:
        with Transport(config(server, address_policy=AddressPolicy.of(allow=["127.0.0.1"]))) as transport:
            assert transport.round_trip(get()).read() == b"ok"
        with (
            Transport(config(server, address_policy=METADATA, retries_max=0)) as transport,
            pytest.raises(ConnectError, match="the address policy does not permit it"),
        ):
            transport.round_trip(get())
        assert server.connections == 1


def test_of_several_addresses_only_those_that_are_permitted_are_tried() -> None:
    with serve(answer(OK)) as server:
        found = [Address(socket.AF_INET, (host, server.port)) for host in ("127.0.0.2", "127.0.0.1")]
        settings = config(server, address_policy=AddressPolicy.of(deny=["127.0.0.2"]))
        named = type(settings)(server=f"http://api.test:{server.port}", address_policy=settings.address_policy)
        with Transport(named, look_up=lambda host, port: found) as transport:
            assert transport.round_trip(get()).read() == b"ok"


def test_behind_a_proxy_its_address_is_judged_and_that_of_the_server() -> None:
    with serve(answer(OK)) as server, proxy_server("socks5") as proxy:
        for denied in ("127.0.0.1", "127.0.0.9"):
            settings = config(
                server, proxy_url=proxy.url, retries_max=0, address_policy=AddressPolicy.of(deny=[denied])
            )
            other = type(settings)(
                server=f"http://127.0.0.9:{server.port}",
                proxy_url=proxy.url,
                retries_max=0,
                address_policy=settings.address_policy,
            )
            with Transport(other) as transport, pytest.raises(ConnectError, match="policy"):
                transport.round_trip(get())
        assert proxy.seen == []
