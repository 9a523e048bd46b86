"""HTTP/1.1 as a pure state machine: bytes in, events out.

:class:`ServerConnection` is the server's end of a connection, :class:`ChunkedDecoder` the chunked coding for whoever
needs it alone. Strict and bounded: what it does not refuse, every other implementation must read in the same way.
"""

from __future__ import annotations

from kubeprims.http1.chunked import ChunkedDecoder
from kubeprims.http1.connection import ServerConnection
from kubeprims.http1.errors import LocalProtocolError, RemoteProtocolError
from kubeprims.http1.events import (
    CONNECTION_CLOSED,
    NEED_DATA,
    PAUSED,
    Data,
    EndOfMessage,
    Event,
    Request,
    Signal,
)
from kubeprims.http1.headers import Headers
from kubeprims.http1.limits import Limits
from kubeprims.http1.targets import TargetForm

__all__ = [
    "CONNECTION_CLOSED",
    "NEED_DATA",
    "PAUSED",
    "ChunkedDecoder",
    "Data",
    "EndOfMessage",
    "Event",
    "Headers",
    "Limits",
    "LocalProtocolError",
    "RemoteProtocolError",
    "Request",
    "ServerConnection",
    "Signal",
    "TargetForm",
]
