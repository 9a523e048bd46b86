"""TLS over a connection that stands: straight, or inside the TLS of a proxy."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import cast

from typing_extensions import Buffer
from urllib3.util.ssltransport import SSLTransport

from kubeprims.errors import TLSError
from kubeprims.threads import Deadline
from kubeprims.transport.scope import RequestScope
from kubeprims.transport.sockets import DeadlineSocket, DeadlineSSLSocket, shut
from kubeprims.transport.tls import describe_failure, is_host_name


class NestedTLSSocket(SSLTransport):
    """TLS inside the TLS to a proxy, which the interpreter's own sockets cannot do.

    Concurrency:
        As :class:`~kubeprims.transport.sockets.DeadlineSocket`.
    """

    socket: DeadlineSSLSocket

    @property
    def deadline(self) -> Deadline:
        """When what blocks ends with ``TimeoutError``."""
        return self.socket.deadline

    @deadline.setter
    def deadline(self, deadline: Deadline) -> None:
        self.socket.deadline = deadline

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive into a buffer, before the deadline; nothing once the peer has said that it ends."""
        view = memoryview(buffer).cast("B")
        with contextlib.suppress(ssl.SSLZeroReturnError):
            return cast("int", super().recv_into(view, nbytes or len(view), flags))
        return 0

    def pending(self) -> int:
        """Return how many bytes have come in that were not read."""
        return self.sslobj.pending() + self.incoming.pending + self.socket.pending()


Wire = DeadlineSocket | DeadlineSSLSocket | NestedTLSSocket
"""What a connection sends and receives through."""


def secure(
    sock: DeadlineSocket | DeadlineSSLSocket,
    context: ssl.SSLContext,
    *,
    server_name: str,
    scope: RequestScope,
    limit: Deadline,
    where: str,
) -> DeadlineSSLSocket | NestedTLSSocket:
    """Shake hands, and return what is sent through from now on; it is closed if that fails.

    Args:
        sock: The connection; it belongs to what is returned.
        context: The TLS context.
        server_name: The name to ask for and to verify.
        scope: The request that needs it.
        limit: When it must have come about.
        where: The other side, for errors.

    Raises:
        TLSError: The other side cannot be trusted, does not trust us, or speaks no TLS.
        DeadlineExceeded: The request's deadline passed.
        Cancelled: The request was ended.
    """
    if not is_host_name(server_name):
        # A proxy may find a host by any name. The interpreter meets one that it cannot encode with the socket in hand.
        scope.let_go()
        sock.close()
        raise scope.failure(TLSError, f"{where}: {server_name!r} is not a name that TLS can ask for")
    sock.deadline = limit
    begun_s = limit.clock.monotonic()
    wire: DeadlineSSLSocket | NestedTLSSocket
    cause: OSError | None = None
    try:
        if isinstance(sock, DeadlineSSLSocket):
            wire = NestedTLSSocket(sock, context, server_name)
        else:
            wire = _shake_hands(sock, context, server_name, scope, limit)
    except TimeoutError:
        detail = f"{where} did not complete the TLS handshake within {limit.at_s - begun_s:.3g} s"
        failure = scope.timed_out(limit, TLSError, detail)
    except ssl.SSLError as error:
        failure, cause = scope.failure(TLSError, f"{where}: {describe_failure(error)}"), error
    except OSError as error:
        detail = f"{where}: the connection ended during the TLS handshake: {error.strerror or error}"
        failure, cause = scope.failure(TLSError, detail), error
    else:
        wire.deadline = scope.deadline  # the limit was for the handshake alone
        return wire
    scope.let_go()
    sock.close()
    raise failure from cause


def _shake_hands(
    sock: DeadlineSocket, context: ssl.SSLContext, server_name: str, scope: RequestScope, limit: Deadline
) -> DeadlineSSLSocket:
    wrapped = context.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=server_name)
    assert isinstance(wrapped, DeadlineSSLSocket)
    wrapped.deadline = limit
    scope.interrupt_with(shut(wrapped))
    try:
        wrapped.do_handshake()
    except BaseException:
        scope.let_go()
        wrapped.close()
        raise
    return wrapped


def interrupt(wire: Wire) -> Callable[[], None]:
    """Return what ends every call that blocks on a connection, from any thread, until it is closed."""
    return shut(wire.socket if isinstance(wire, NestedTLSSocket) else wire)
