"""The one place that makes outgoing sockets."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kubeprims.clock import Clock
from kubeprims.errors import ConnectError, LifecycleError, NameResolutionError
from kubeprims.threads import Deadline, ThreadGroup
from kubeprims.transport import tls
from kubeprims.transport.addresses import AddressPolicy
from kubeprims.transport.proxies import ProxyRoute
from kubeprims.transport.scope import RequestScope
from kubeprims.transport.secure import secure
from kubeprims.transport.sockets import DeadlineSocket, DeadlineSSLSocket, shut
from kubeprims.transport.tunnel import HEAD, Handshake, TunnelRefused, handshake

_ATTEMPT_S_MIN = 2.0
_CLOSE_S_MAX = 1.0
_HEAD_BYTES_MAX = 64 << 10
_KEEP_ALIVE_S_MAX = 32_767.0  # Linux takes no more
_KEEP_ALIVE_OPTIONS = ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL")  # macOS names the first one otherwise
_NOT_PERMITTED = "the address policy does not permit it"

_logger = logging.getLogger("kubeprims.transport")


class Address(NamedTuple):
    """An address to connect to, as ``getaddrinfo`` gives it."""

    family: socket.AddressFamily
    socket_address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


LookUp = Callable[[str, int], Sequence[Address]]


def system_look_up(host: str, port: int) -> Sequence[Address]:
    """Ask the system's resolver.

    Raises:
        OSError: The name has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(family, socket_address) for family, _, _, _, socket_address in found]


class _PendingLookUp:
    """One look-up that any number of requests wait for."""

    __slots__ = ("addresses", "condition", "done", "failure")

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.done = False
        self.addresses: Sequence[Address] = ()
        self.failure = ""

    def wake(self) -> None:
        with self.condition:
            self.condition.notify_all()


class Resolver:
    """Looks names up, on threads of its own: the system's resolver can be neither bounded nor interrupted.

    A request that gives up leaves its look-up behind. The next one for the same name waits for that one, so that there
    is never more than one thread for a name.

    Concurrency:
        Any number of threads at once.
    """

    def __init__(self, *, clock: Clock, look_up: LookUp = system_look_up) -> None:
        self._clock = clock
        self._look_up = look_up
        self._threads = ThreadGroup("kubeprims resolver")
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], _PendingLookUp] = {}

    def resolve(self, host: str, port: int, *, scope: RequestScope, limit: Deadline) -> Sequence[Address]:
        """Return the addresses of a host, in the order to try them; a literal address is its own.

        Raises:
            NameResolutionError: The name has no address, or the answer did not come before the limit.
            Cancelled: The request was ended.
            DeadlineExceeded: Its deadline passed.
            LifecycleError: The resolver is closed.
        """
        literal = _literal(host, port)
        if literal is not None:
            return (literal,)
        try:
            pending = self._start(host, port)
        except LifecycleError:
            raise
        except RuntimeError as error:  # there are too many already, or the interpreter ends
            raise scope.failure(NameResolutionError, f"no thread can be had to look {host} up") from error
        scope.interrupt_with(pending.wake)
        try:
            with pending.condition:
                while not pending.done:
                    scope.check()
                    remaining_s = limit.remaining_s()
                    if remaining_s <= 0:
                        raise scope.timed_out(limit, NameResolutionError, f"the look-up of {host} did not end in time")
                    limit.clock.wait(pending.condition, remaining_s)
        finally:
            scope.let_go()
        if not pending.addresses:
            raise scope.failure(NameResolutionError, f"the name {host} has no address: {pending.failure}")
        return pending.addresses

    def _start(self, host: str, port: int) -> _PendingLookUp:
        with self._lock:
            pending = self._pending.get((host, port))
            if pending is None:
                pending = _PendingLookUp()
                self._threads.spawn(lambda: self._run(host, port, pending), name=f"look up {host}")
                self._pending[host, port] = pending
            return pending

    def _run(self, host: str, port: int, pending: _PendingLookUp) -> None:
        addresses: Sequence[Address] = ()
        failure = "the resolver gave none"
        try:
            addresses = self._look_up(host, port)
        except OSError as error:
            failure = error.strerror or str(error)
        except UnicodeError:
            failure = "not a host name"
        finally:
            with self._lock:
                del self._pending[host, port]
            with pending.condition:
                pending.addresses, pending.failure, pending.done = addresses, failure, True
                pending.condition.notify_all()

    def close(self) -> None:
        """Wait up to a second for look-ups that are under way; those that hang are logged by name."""
        running = self._threads.join(Deadline.after(_CLOSE_S_MAX, clock=self._clock))
        if running:
            _logger.warning("name look-ups still run; they end with the system's", extra={"threads": list(running)})


def _literal(host: str, port: int) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return Address(socket.AF_INET, (host, port))
    if address.scope_id is not None:
        return None  # a link's name: only the system knows its number
    return Address(socket.AF_INET6, (host, port, 0, 0))


class DialOptions(NamedTuple):
    """How a server is reached.

    Attributes:
        timeout_s: How long it may take in all, in seconds.
        keep_alive_s: Idle time before the system probes the peer, and between probes, in seconds.
        proxy: What stands in between; None to go straight.
        proxy_authorities: Whom to trust, beside the system's authorities, if the proxy speaks TLS, in PEM.
        is_forwarded: Whether the proxy is sent requests as they are, and not asked for a tunnel.
        policy: Which addresses may be connected to; None: any.
    """

    timeout_s: float
    keep_alive_s: float
    proxy: ProxyRoute | None = None
    proxy_authorities: bytes = b""
    is_forwarded: bool = False
    policy: AddressPolicy | None = None

    def __repr__(self) -> str:
        return f"DialOptions(timeout_s={self.timeout_s:g}, proxy={self.proxy})"


def dial(
    host: str, port: int, *, scope: RequestScope, resolver: Resolver, options: DialOptions
) -> DeadlineSocket | DeadlineSSLSocket:
    """Return a connection, whose deadline is that of the request.

    Args:
        host: A name or a literal address, IPv6 without brackets.
        port: The port.
        scope: The request that needs it; interrupts the socket from now on.
        resolver: Looks the name up.
        options: How to get there.

    Raises:
        NameResolutionError: The host, or the proxy, has no address.
        ConnectError: None of them takes the connection or may be asked, or the proxy gives no tunnel.
        TLSError: The proxy cannot be trusted.
        DeadlineExceeded: The request's deadline passed.
        Cancelled: The request was ended.
    """
    scope.check()
    limit = scope.limit(options.timeout_s)
    proxy = options.proxy
    if proxy is None:
        return _dial_one(host, port, scope=scope, resolver=resolver, limit=limit, options=options)
    _judge_behind_proxy(host, port, scope=scope, policy=options.policy)
    plain = _dial_one(proxy.host, proxy.port, scope=scope, resolver=resolver, limit=limit, options=options)
    sock: DeadlineSocket | DeadlineSSLSocket = plain
    if proxy.is_tls:
        sock = _secure_proxy(plain, proxy, options.proxy_authorities, scope=scope, limit=limit)
    if options.is_forwarded:
        sock.deadline = scope.deadline
        return sock
    try:
        _open_tunnel(sock, handshake(proxy, host, port), scope=scope, limit=limit, what=f"{proxy} to {host}:{port}")
    except BaseException:
        scope.let_go()
        sock.close()
        raise
    return sock


def _judge_behind_proxy(host: str, port: int, *, scope: RequestScope, policy: AddressPolicy | None) -> None:
    """Hold an address that a proxy is to be asked for to the policy; a name is the proxy's to look up.

    Raises:
        ConnectError: The policy does not permit it.
    """
    literal = _literal(host, port)
    if literal is not None and policy is not None and not policy.permits(host):
        raise scope.failure(ConnectError, f"no connection to {host}:{port}: {_NOT_PERMITTED}")


def _secure_proxy(
    sock: DeadlineSocket, proxy: ProxyRoute, authorities: bytes, *, scope: RequestScope, limit: Deadline
) -> DeadlineSSLSocket:
    context = tls.proxy_context(authorities, DeadlineSSLSocket)
    server_name = proxy.host.rstrip(".")
    wrapped = secure(sock, context, server_name=server_name, scope=scope, limit=limit, where=f"the proxy {proxy}")
    assert isinstance(wrapped, DeadlineSSLSocket)
    return wrapped


def _open_tunnel(
    sock: DeadlineSocket | DeadlineSSLSocket, steps: Handshake, *, scope: RequestScope, limit: Deadline, what: str
) -> None:
    """Say what a proxy wants to hear, until the tunnel stands."""
    sock.deadline = limit
    try:
        step = next(steps)
        while True:
            if isinstance(step, bytes):
                sock.sendall(step)
                answer = b""
            else:
                answer = _receive_head(sock) if step == HEAD else _receive(sock, step)
            step = steps.send(answer)
    except StopIteration:
        sock.deadline = scope.deadline
    except TimeoutError:
        raise scope.timed_out(limit, ConnectError, f"no tunnel through the proxy {what}: no answer in time") from None
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise scope.failure(ConnectError, f"no tunnel through the proxy {what}: {problem}") from error
    except TunnelRefused as error:
        raise scope.failure(ConnectError, f"no tunnel through the proxy {what}: {error}") from None


def _receive(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            message = "it ended the connection"
            raise ConnectionResetError(message)
        data += part
    return data


def _receive_head(sock: socket.socket) -> bytes:
    """Return an HTTP head; nothing may follow it, as in a new tunnel it is our turn to speak."""
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > _HEAD_BYTES_MAX:
            message = f"its answer is longer than {_HEAD_BYTES_MAX} bytes"
            raise TunnelRefused(message)
        part = sock.recv(_HEAD_BYTES_MAX)
        if not part:
            message = "it ended the connection"
            raise ConnectionResetError(message)
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    if rest and head.partition(b" ")[2].startswith(b"2"):
        message = "it speaks out of turn"
        raise TunnelRefused(message)
    return head


def _dial_one(
    host: str, port: int, *, scope: RequestScope, resolver: Resolver, limit: Deadline, options: DialOptions
) -> DeadlineSocket:
    """Connect to a host: its addresses are tried in turn, each for its share of the time that is left."""
    begun_s = limit.clock.monotonic()
    addresses = _permitted(resolver.resolve(host, port, scope=scope, limit=limit), options.policy)
    problem = _NOT_PERMITTED
    for position, address in enumerate(addresses):
        try:
            sock = _connect(address, _share(limit, len(addresses) - position), scope=scope, options=options)
        except TimeoutError:
            problem = "it did not answer in time"
        except OSError as error:
            problem = (error.strerror or str(error)).lower()
        else:
            sock.deadline = scope.deadline
            return sock
        if limit.has_passed or scope.is_aborted:
            patience_s = limit.at_s - begun_s
            raise scope.timed_out(limit, ConnectError, f"no connection to {host}:{port} within {patience_s:.3g} s")
    raise scope.failure(ConnectError, f"no connection to {host}:{port}: {problem}")


def _permitted(addresses: Sequence[Address], policy: AddressPolicy | None) -> Sequence[Address]:
    if policy is None:
        return addresses
    return [address for address in addresses if policy.permits(str(address.socket_address[0]))]


def _connect(address: Address, deadline: Deadline, *, scope: RequestScope, options: DialOptions) -> DeadlineSocket:
    sock = DeadlineSocket(address.family, socket.SOCK_STREAM)
    sock.deadline = deadline
    try:
        scope.interrupt_with(shut(sock))
        _set_options(sock, options.keep_alive_s)
        sock.connect(address.socket_address)
        scope.check()  # an attempt that was shut down can look like one that succeeded
    except BaseException:
        scope.let_go()
        sock.close()
        raise
    return sock


def _share(limit: Deadline, attempts: int) -> Deadline:
    """Return when this attempt ends, so that one address that swallows packets leaves time for the others.

    Source:
        Go net/dial.go, ``partialDeadline``: an equal share, but no less than 2 s.
    """
    remaining_s = limit.remaining_s()
    share_s = max(min(remaining_s, _ATTEMPT_S_MIN), remaining_s / attempts)
    return Deadline(min(limit.at_s, limit.clock.monotonic() + share_s), limit.clock)


def _set_options(sock: socket.socket, keep_alive_s: float) -> None:
    seconds = max(1, round(min(keep_alive_s, _KEEP_ALIVE_S_MAX)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in _KEEP_ALIVE_OPTIONS:
        option = getattr(socket, name, None)  # not every system has each
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, seconds)
