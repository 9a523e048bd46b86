"""What every test is held to: loopback only, and nothing left running or open behind it."""

from __future__ import annotations

import ipaddress
import os
import pathlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from kubeprims.threads import Deadline
from tests.waiting import eventually

LEAK_GRACE_S = 5.0
"""How long a thread that was told to stop, or a descriptor that it owns, may take to go once a test has ended."""

_OPEN_FILES = pathlib.Path("/proc/self/fd")


class NetworkForbidden(Exception):  # not an OSError: code that retries network errors must not hide it
    """A test touched an address that is not loopback."""


def is_loopback(host: str) -> bool:
    """Say whether a host name or address stays on this machine."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback


def _guard(event: str, args: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.bind", "socket.sendto"}:
        address = args[1]
        # A path or a number is a socket of this machine: AF_UNIX, AF_NETLINK.
        if isinstance(address, tuple) and address and not is_loopback(str(address[0])):
            raise NetworkForbidden(f"{event} {address}: tests stay on loopback")
    elif event == "socket.getaddrinfo":
        host = args[0].decode("ascii", "replace") if isinstance(args[0], bytes) else args[0]
        if isinstance(host, str) and host and not _is_address(host) and not is_loopback(host):
            # As on a machine without a name server: the same answer everywhere, and no packet leaves.
            raise socket.gaierror(socket.EAI_NONAME, f"tests resolve no names but localhost, and not {host!r}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def install_network_guard() -> None:
    """Refuse, for the rest of this process, to connect, bind, send or resolve anywhere but on loopback.

    An audit hook sees what the interpreter's socket module does, whoever calls it; it cannot be taken out again.
    """
    sys.addaudithook(_guard)


@dataclass(frozen=True)
class Footprint:
    """The threads and the file descriptors of this process at one moment."""

    threads: frozenset[threading.Thread]  # noqa: TID251 - only looked at
    descriptors: frozenset[tuple[int, str]]

    @classmethod
    def take(cls) -> Footprint:
        return cls(frozenset(threading.enumerate()), frozenset(_descriptors()))

    def leaked_threads(self, deadline: Deadline) -> list[str]:
        """Name the threads that are younger than this footprint and do not end by the deadline."""
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(max(0.0, deadline.remaining_s()))
        return sorted(thread.name for thread in set(threading.enumerate()) - self.threads)

    def leaked_descriptors(self, deadline: Deadline) -> list[str]:
        """Name the descriptors that are younger than this footprint and are not closed by the deadline."""

        def new() -> list[str]:
            return sorted(f"{number} -> {target}" for number, target in set(_descriptors()) - self.descriptors)

        try:
            eventually(lambda: not new(), max(0.0, deadline.remaining_s()), "descriptors closed")
        except AssertionError:
            return new()
        return []


def _descriptors() -> Iterator[tuple[int, str]]:
    for name in os.listdir(_OPEN_FILES) if _OPEN_FILES.is_dir() else ():  # noqa: PTH208 - twice a test: names suffice
        try:
            yield int(name), str((_OPEN_FILES / name).readlink())
        except FileNotFoundError:  # the descriptor of this very listing, or one that another thread closes
            continue


def leaks_since(before: Footprint, grace_s: float = LEAK_GRACE_S) -> list[str]:
    """Say, one line each, what has appeared since ``before`` and stays."""
    deadline = Deadline.after(grace_s)
    found = [f"thread {name!r} still runs" for name in before.leaked_threads(deadline)]
    return found + [f"file descriptor {name} is still open" for name in before.leaked_descriptors(deadline)]


def check_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread or a file descriptor behind."""
    before = Footprint.take()
    yield
    leaks = leaks_since(before)
    if leaks:
        pytest.fail("left behind by the test:\n  " + "\n  ".join(leaks), pytrace=False)


leak_check: Callable[..., object] = pytest.fixture(autouse=True, name="leak_check")(check_leaks)
"""Set up before and torn down after every other fixture of one test; what lives longer is not a leak of that test."""
