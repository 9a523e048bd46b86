"""Outgoing sockets and the names they go to."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence

import pytest

from kubeprims.clock import SystemClock
from kubeprims.errors import ConnectError, LifecycleError, NameResolutionError
from kubeprims.threads import Deadline
from kubeprims.transport.dial import Address, DialOptions, LookUp, Resolver, dial, system_look_up
from kubeprims.transport.listen import listen
from kubeprims.transport.scope import RequestScope
from tests.transport.peer import WAIT_S


def scope_of(timeout_s: float = WAIT_S) -> RequestScope:
    return RequestScope(method="GET", url="http://a/", deadline=Deadline.after(timeout_s), cancel=None)


def resolve(look_up: LookUp, host: str = "a.example") -> Sequence[Address]:
    resolver = Resolver(clock=SystemClock(), look_up=look_up)
    scope = scope_of()
    try:
        return resolver.resolve(host, 1, scope=scope, limit=scope.deadline)
    finally:
        resolver.close()


def refuse(host: str, port: int) -> Sequence[Address]:
    raise AssertionError(host)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", Address(socket.AF_INET, ("127.0.0.1", 1))),
        ("::1", Address(socket.AF_INET6, ("::1", 1, 0, 0))),
    ],
)
def test_a_literal_address_is_not_looked_up(host: str, address: Address) -> None:
    assert resolve(refuse, host) == (address,)


def test_an_address_of_a_link_is_the_systems_to_resolve() -> None:
    found = [Address(socket.AF_INET6, ("fe80::1", 1, 0, 2))]
    assert resolve(lambda host, port: found, "fe80::1%eth0") == found


def test_a_look_up_that_no_thread_can_be_had_for_is_one_that_failed() -> None:
    before = threading.stack_size(1 << 46)  # more than any address space
    try:
        with pytest.raises(NameResolutionError, match="no thread can be had"):
            resolve(refuse)
    finally:
        threading.stack_size(before)


def fail_with(error: Exception) -> LookUp:
    def look_up(host: str, port: int) -> Sequence[Address]:
        raise error

    return look_up


@pytest.mark.parametrize(
    ("look_up", "text"),
    [
        (fail_with(socket.gaierror(socket.EAI_NONAME, "Name or service not known")), "Name or service not known"),
        (fail_with(OSError("odd")), "odd"),
        (fail_with(UnicodeError("label too long")), "not a host name"),
        (lambda host, port: [], "the resolver gave none"),
    ],
)
def test_a_name_without_an_address_says_why(look_up: LookUp, text: str) -> None:
    with pytest.raises(NameResolutionError) as caught:
        resolve(look_up)
    assert caught.value.detail == f"the name a.example has no address: {text}"


def test_the_system_resolves_localhost() -> None:
    assert ("127.0.0.1", 7) in [address.socket_address for address in system_look_up("localhost", 7)]


def test_a_look_up_that_hangs_at_the_end_is_logged_by_name(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    def look_up(host: str, port: int) -> Sequence[Address]:
        release.wait(WAIT_S)
        return []

    resolver = Resolver(clock=SystemClock(), look_up=look_up)
    scope = scope_of()
    with pytest.raises(NameResolutionError):
        resolver.resolve("slow.example", 1, scope=scope, limit=scope.limit(0.01))
    with caplog.at_level(logging.WARNING):
        resolver.close()
    release.set()
    assert caplog.records[0].threads == ["kubeprims resolver: look up slow.example"]  # type: ignore[attr-defined]
    with pytest.raises(LifecycleError):
        resolver.resolve("other.example", 1, scope=scope, limit=scope.deadline)


def test_a_connection_goes_to_the_first_address_that_takes_it() -> None:
    with listen("127.0.0.1", 0) as gone, listen("127.0.0.1", 0) as there:
        addresses = [Address(socket.AF_INET, sock.getsockname()) for sock in (gone, there)]
        gone.close()
        resolver = Resolver(clock=SystemClock(), look_up=lambda host, port: addresses)
        scope = scope_of()
        with dial("a.example", 1, scope=scope, resolver=resolver, options=DialOptions(WAIT_S, 30.0)) as sock:
            assert sock.getpeername() == there.getsockname()
            assert sock.deadline is scope.deadline
        there.close()
        with pytest.raises(ConnectError, match=r"no connection to a.example:1: connection refused"):
            dial("a.example", 1, scope=scope_of(), resolver=resolver, options=DialOptions(WAIT_S, 30.0))
        resolver.close()
