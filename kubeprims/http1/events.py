"""What comes out of a connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from kubeprims.http1.headers import Headers
from kubeprims.http1.targets import TargetForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The head of a request, checked; its body follows as :class:`Data`, then :class:`EndOfMessage`.

    Attributes:
        method: As it came; methods are case-sensitive.
        target: The request target as it came.
        form: Which form the target has.
        path: The target's path, percent-encoded as it came; ``*`` in asterisk form, empty in authority form.
        query: What follows the first ``?`` of the target, as it came; empty if there is none.
        authority: ``host:port`` of the target, or else of the Host header; empty in HTTP/1.0 without either.
        headers: The header fields, names in lower case, values latin-1.
        http_version: ``1.0`` or ``1.1``.
        content_length: Bytes of body to come; None if it is chunked and its length not known yet.
        expects_continue: The client waits for status 100 before it sends the body.
    """

    method: str
    target: str
    form: TargetForm
    path: str
    query: str
    authority: str
    headers: Headers
    http_version: str
    content_length: int | None
    expects_continue: bool


class Data(NamedTuple):
    """A piece of a body, never empty; how it is cut means nothing."""

    data: bytes


class EndOfMessage(NamedTuple):
    """The body is complete. ``trailers`` are the fields behind a chunked one; they are never merged into the head."""

    trailers: Headers


class Signal(Enum):
    """What ``next_event`` says when there is no event to hand out."""

    NEED_DATA = "need data"
    """Read from the peer and call ``receive_data`` or ``receive_eof``."""
    PAUSED = "paused"
    """The request is complete. What follows it waits until the response is written and the next cycle started."""
    CONNECTION_CLOSED = "connection closed"
    """The peer closed the connection between two requests."""


NEED_DATA: Final = Signal.NEED_DATA
PAUSED: Final = Signal.PAUSED
CONNECTION_CLOSED: Final = Signal.CONNECTION_CLOSED

Event = Request | Data | EndOfMessage | Signal
