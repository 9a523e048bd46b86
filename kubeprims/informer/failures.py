"""What a reflector makes of each way in which a list or a watch can end. Pure."""

from __future__ import annotations

from enum import StrEnum

from kubeprims.errors import (
    BadRequest,
    ConnectError,
    DecodeError,
    InternalError,
    Invalid,
    KubeprimsError,
    MethodNotAllowed,
    NameResolutionError,
    NotFound,
    ResourceExpired,
    ResourceVersionRewound,
    ServerError,
    StatusError,
    TLSError,
    TooManyRequests,
    TransportError,
    Unauthorized,
    UnexpectedContent,
    WatchIdle,
    WatchListIncomplete,
    WatchTooShort,
)

BUDGET_RESET_S = 60.0
"""After this long without an internal error the next one opens a new window."""

_TOO_LARGE = "ResourceVersionTooLarge"
_TOO_LARGE_TEXT = "Too large resource version"
_FUTURE_REVISION_TEXT = "required revision is a future revision"
"""What etcd says of a page at an exact version. kube-apiserver handed it on as an internal error until it learnt to say
that the version is too large (pkg/storage/etcd3/store.go, listReadError)."""
_CORRUPT_OBJECT = "StorageReadError"


class RestartCause(StrEnum):
    """Why a list or a watch had to be begun anew; the labels of a metric."""

    ENDED = "ended"
    TOO_SHORT = "too_short"
    IDLE = "idle"
    NOT_CONNECTED = "not_connected"
    CONNECTION_LOST = "connection_lost"
    EXPIRED = "expired"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    UNAUTHORIZED = "unauthorized"
    REFUSED = "refused"
    MALFORMED = "malformed"
    WATCH_LIST_INCOMPLETE = "watch_list_incomplete"
    REWOUND = "rewound"
    OTHER = "other"


_CAUSES: tuple[tuple[type[KubeprimsError], RestartCause], ...] = (
    (WatchTooShort, RestartCause.TOO_SHORT),
    (WatchIdle, RestartCause.IDLE),
    (WatchListIncomplete, RestartCause.WATCH_LIST_INCOMPLETE),
    (ResourceVersionRewound, RestartCause.REWOUND),
    (ConnectError, RestartCause.NOT_CONNECTED),
    (NameResolutionError, RestartCause.NOT_CONNECTED),
    (TLSError, RestartCause.NOT_CONNECTED),
    (DecodeError, RestartCause.MALFORMED),
    (UnexpectedContent, RestartCause.MALFORMED),
    (TransportError, RestartCause.CONNECTION_LOST),
    (ResourceExpired, RestartCause.EXPIRED),
    (TooManyRequests, RestartCause.THROTTLED),
    (Unauthorized, RestartCause.UNAUTHORIZED),
    (ServerError, RestartCause.SERVER_ERROR),
    (StatusError, RestartCause.REFUSED),
)
"""The first class that fits counts."""


def cause_of(error: KubeprimsError | None) -> RestartCause:
    """Return what to count a failure as; None is a watch that the server ended in its own time."""
    if error is None:
        return RestartCause.ENDED
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), RestartCause.OTHER)


def is_version_unavailable(error: KubeprimsError | None) -> bool:
    """Return whether a list failed because of its version: too old for the server, or too new."""
    if isinstance(error, ResourceExpired):
        return True
    return isinstance(error, StatusError) and (
        any(cause.reason == _TOO_LARGE or _TOO_LARGE_TEXT in cause.message for cause in error.causes)
        or _TOO_LARGE_TEXT in error.message
        or _FUTURE_REVISION_TEXT in error.message
    )


def is_watch_list_refused(error: KubeprimsError | None) -> bool:
    """Return whether the server does not know what a watch-list is, as far as can be told from its refusal."""
    return isinstance(error, BadRequest | NotFound | MethodNotAllowed | Invalid)


def is_broken_stream(error: KubeprimsError | None) -> bool:
    """Return whether the connection under a watch went away: for the watch, an end like any other."""
    return isinstance(error, TransportError) and not isinstance(error, UnexpectedContent)


def is_resumable(error: KubeprimsError) -> bool:
    """Return whether the last version is still good after this error, so that no list is needed."""
    if isinstance(error, DecodeError | UnexpectedContent):
        return False
    if isinstance(error, ServerError) and error.reason == _CORRUPT_OBJECT:
        return False  # the server cannot read an object: it would meet it again at the same version
    return isinstance(error, TransportError | TooManyRequests | ServerError | Unauthorized)


class RetryBudget:
    """For how long internal errors in open watches may follow each other before the version is given up.

    Source:
        client-go tools/cache/retry_with_deadline.go.
    """

    __slots__ = ("_budget_s", "_first_s", "_last_s")

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s
        self._first_s: float | None = None
        self._last_s = 0.0

    def allows(self, error: KubeprimsError, *, now_s: float) -> bool:
        """Take an error into account, and return whether the watch may go on from its version. Others do not count."""
        if not isinstance(error, InternalError):
            return True
        if self._first_s is None or now_s - self._last_s >= BUDGET_RESET_S:
            self._first_s = now_s
        self._last_s = now_s
        return 0 < self._budget_s >= now_s - self._first_s
