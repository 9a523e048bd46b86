"""What can go wrong between a reflector and its server, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kubeprims.errors import (
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    KubeprimsError,
    StatusError,
    UnexpectedContent,
    status_error_class,
)
from kubeprims.meta import JSONObject
from kubeprims.testing.simulator.server import too_large


class FaultKind(StrEnum):
    """What goes wrong. The first group befalls requests, the second an open watch."""

    REFUSED = "refused"
    """Nobody listens."""
    LOST = "lost"
    """The server got the request, and its answer never came."""
    TIMED_OUT = "timed out"
    """No answer within the client's time-out."""
    SLOW = "slow"
    """The answer is made at once and arrives late: meanwhile the server goes on."""
    BEHIND = "behind"
    """Another replica answers, which has not heard of the last changes."""
    REPEATED = "repeated"
    """Somebody on the way sends the request twice; the second answer is the one that arrives."""
    TRUNCATED = "truncated"
    """A list breaks off after some items; a watch, when it has opened."""
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    EXPIRED = "410"
    TOO_MANY = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    TOO_LARGE = "504 too large a version"
    HTML = "a page for people"
    GARBAGE = "garbage"

    CUT = "watch: cut"
    """The connection is reset, in the middle of a batch."""
    ENDED = "watch: ended"
    """The server ends the watch in good order."""
    SILENT = "watch: half-open"
    """The server is gone, and nothing says so."""
    STALLED = "watch: stalled"
    """Nothing arrives for a while; then all of it."""
    REWOUND = "watch: events again"
    """The last events arrive a second time."""
    UNDECODABLE = "watch: undecodable"
    """A line that is no event."""
    MANGLED = "watch: a malformed object"
    """One object arrives damaged, though the server's is well."""
    ERROR_EXPIRED = "watch: error 410"
    ERROR_TOO_MANY = "watch: error 429"
    ERROR_INTERNAL = "watch: error 500"
    ERROR_FORBIDDEN = "watch: error 403"


WATCH_FAULTS: Final = tuple(kind for kind in FaultKind if kind.value.startswith("watch: "))
REQUEST_FAULTS: Final = tuple(kind for kind in FaultKind if kind not in WATCH_FAULTS)

_REASONS: Final[Mapping[FaultKind, tuple[int, str]]] = {
    FaultKind.UNAUTHORIZED: (401, "Unauthorized"),
    FaultKind.FORBIDDEN: (403, "Forbidden"),
    FaultKind.NOT_FOUND: (404, "NotFound"),
    FaultKind.EXPIRED: (410, "Expired"),
    FaultKind.TOO_MANY: (429, "TooManyRequests"),
    FaultKind.INTERNAL: (500, "InternalError"),
    FaultKind.UNAVAILABLE: (503, "ServiceUnavailable"),
    FaultKind.ERROR_EXPIRED: (410, "Expired"),
    FaultKind.ERROR_TOO_MANY: (429, "TooManyRequests"),
    FaultKind.ERROR_INTERNAL: (500, "InternalError"),
    FaultKind.ERROR_FORBIDDEN: (403, "Forbidden"),
}

_FAILURES: Final[Mapping[FaultKind, Callable[[], KubeprimsError]]] = {
    FaultKind.REFUSED: lambda: ConnectError("connection refused", method="GET"),
    FaultKind.LOST: lambda: ConnectionLost("the connection ended before an answer", method="GET", request_sent=True),
    FaultKind.TIMED_OUT: lambda: DeadlineExceeded("no answer in time", method="GET", request_sent=True),
    FaultKind.HTML: lambda: UnexpectedContent("expected JSON, found text/html", code=200, content_type="text/html"),
    FaultKind.GARBAGE: lambda: DecodeError("the answer is not JSON"),
    FaultKind.TOO_LARGE: lambda: too_large(0, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: What.
        requests: How many requests in a row it befalls.
        after: Of a watch or a list: after how many more events or items. Of events that come again, and of a replica
            that is behind: how many of them.
        delay_s: How long it takes, where it takes time, in seconds.
        retry_after_s: What a refusal asks for, in seconds; None: nothing.
        breaks_watch: The open watch is cut, so that the next request comes now.
    """

    kind: FaultKind
    requests: int = 1
    after: int = 0
    delay_s: float = 0.0
    retry_after_s: int | None = None
    breaks_watch: bool = True

    @property
    def befalls_watches(self) -> bool:
        """Whether this happens to an open watch, not to a request."""
        return self.kind in WATCH_FAULTS

    def error(self) -> KubeprimsError | None:
        """Return what a request that it befalls ends with; None if it gets an answer after all."""
        made = _FAILURES.get(self.kind)
        return made() if made is not None else self._refusal()

    def status(self) -> JSONObject:
        """Return the ``Status`` of the ERROR event that a watch ends with."""
        code, reason = _REASONS[self.kind]
        details: JSONObject = {} if self.retry_after_s is None else {"retryAfterSeconds": self.retry_after_s}
        return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "details": details}

    def _refusal(self) -> StatusError | None:
        if self.kind not in _REASONS:
            return None
        code, reason = _REASONS[self.kind]
        retry_after_s = None if self.retry_after_s is None else float(self.retry_after_s)
        return status_error_class(code, reason)("refused", code=code, reason=reason, retry_after_s=retry_after_s)
