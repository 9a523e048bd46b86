"""Every exception that kubeprims raises, in one tree.

The class says whose fault it is and what to do next; the facts are attributes; the text is made from them::

    KubeprimsError
    |-- ConfigError (ValueError)           the configuration is wrong: mend it, nothing was sent
    |-- InvalidArgument (ValueError)       the call is wrong: mend the program, nothing was sent
    |   |-- InvalidFieldPath               a field path that cannot be parsed, or that names what must stay
    |   `-- InvalidSelector                a label or field selector that cannot be parsed
    |-- UnknownResource (LookupError)      discovery knows no such resource
    |-- UnknownIndex (LookupError)         the indexer has no index of that name
    |-- LifecycleError (RuntimeError)      the call does not fit the state: started twice, used after stop
    |-- UnsupportedOperation               kubeprims, or the server in use, does not do that
    |-- DecodeError (ValueError)           bytes that are not what they should be
    |-- ContentUnavailable                 the content of a tombstone is not known
    |-- WatchTooShort                      a watch that ended at once: without an event, or time and again
    |-- WatchListIncomplete                a watch-list that ended, or took too long, before it was complete
    |-- ResourceVersionRewound             the server is older than what was read from it: a restored backup
    |-- WatchClosed                        a watch that ended before what was waited for had come
    |-- HandlerOverflow                    an event handler that was too slow, and asked to be removed then
    |-- CacheSyncTimeout (TimeoutError)    informers that did not sync, each with its last error
    |-- WaitTimeout (TimeoutError)         an object that did not come to the state that was waited for
    |-- StopTimeout (TimeoutError)         threads that did not end in time, by name
    |-- AlreadyOwned                       an object that has another controller
    |-- OwnWriteUnseen                     a cache that does not show in time what its controller has written
    |-- MemberDied                         a part of a manager that has ended, and the manager with it
    |-- LeadershipLost                     another process may lead now
    |-- LeaderCallbackError                a callback of an election has failed, and the election with it
    |-- TerminalError                      a reconcile that another try would not mend
    |-- ReconcileTimeout (TimeoutError)    a reconcile that has not ended in time, with its stack
    |-- TransportError (OSError)           no complete answer arrived; ``request_sent`` says what may have happened
    |   |-- CredentialError                no credential for it could be had: a plugin or a provider failed
    |   |-- NameResolutionError            the host name has no address
    |   |-- ConnectError                   no connection: refused, unreachable, reset while connecting
    |   |-- TLSError                       no trusted connection
    |   |-- DeadlineExceeded (TimeoutError)  the request's absolute deadline passed
    |   |   `-- WatchIdle                    a watch that went silent
    |   |-- Cancelled                      the request's ``Cancel`` was set
    |   |-- ConnectionLost                 the connection ended inside an answer, or before one
    |   |-- ProtocolError                  the answer is not HTTP/1.1
    |   `-- UnexpectedContent              HTTP, but not the Kubernetes API: HTML, a wrong content type
    `-- StatusError                        the API server answered with a failure
        |-- BadRequest                     400
        |-- Unauthorized                   401
        |-- Forbidden                      403
        |-- NotFound                       404
        |-- MethodNotAllowed               405
        |-- NotAcceptable                  406
        |-- Conflict                       409: read again, then write again
        |   |-- AlreadyExists              409 with reason AlreadyExists
        |   `-- ApplyConflict              409: other managers own fields; change them less, or force
        |-- ResourceExpired                410: the version is too old, list again
        |-- RequestEntityTooLarge          413
        |-- UnsupportedMediaType           415
        |-- Invalid                        422
        |-- TooManyRequests                429: wait ``retry_after_s``
        `-- ServerError                    5xx
            |-- InternalError              500
            |-- ServiceUnavailable         503
            `-- ServerTimeout              504
"""

from __future__ import annotations

from kubeprims.errors.base import (
    CacheSyncTimeout,
    ConfigError,
    ContentUnavailable,
    DecodeError,
    HandlerOverflow,
    InvalidArgument,
    InvalidFieldPath,
    InvalidSelector,
    KubeprimsError,
    LifecycleError,
    ResourceVersionRewound,
    StopTimeout,
    UnknownIndex,
    UnknownResource,
    UnsupportedOperation,
    WaitTimeout,
    WatchClosed,
    WatchListIncomplete,
    WatchTooShort,
)
from kubeprims.errors.controller import (
    AlreadyOwned,
    LeadershipLost,
    MemberDied,
    OwnWriteUnseen,
    ReconcileTimeout,
    TerminalError,
)
from kubeprims.errors.leaderelection import LeaderCallbackError
from kubeprims.errors.status import (
    FIELD_MANAGER_CONFLICT,
    AlreadyExists,
    ApplyConflict,
    BadRequest,
    Conflict,
    FieldConflict,
    Forbidden,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    RequestEntityTooLarge,
    ResourceExpired,
    ServerError,
    ServerTimeout,
    ServiceUnavailable,
    StatusCause,
    StatusError,
    TooManyRequests,
    Unauthorized,
    UnsupportedMediaType,
    status_error_class,
)
from kubeprims.errors.transport import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    CredentialError,
    DeadlineExceeded,
    NameResolutionError,
    ProtocolError,
    TLSError,
    TransportError,
    UnexpectedContent,
    WatchIdle,
)

__all__ = [
    "FIELD_MANAGER_CONFLICT",
    "AlreadyExists",
    "AlreadyOwned",
    "ApplyConflict",
    "BadRequest",
    "CacheSyncTimeout",
    "Cancelled",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "ConnectionLost",
    "ContentUnavailable",
    "CredentialError",
    "DeadlineExceeded",
    "DecodeError",
    "FieldConflict",
    "Forbidden",
    "HandlerOverflow",
    "InternalError",
    "Invalid",
    "InvalidArgument",
    "InvalidFieldPath",
    "InvalidSelector",
    "KubeprimsError",
    "LeaderCallbackError",
    "LeadershipLost",
    "LifecycleError",
    "MemberDied",
    "MethodNotAllowed",
    "NameResolutionError",
    "NotAcceptable",
    "NotFound",
    "OwnWriteUnseen",
    "ProtocolError",
    "ReconcileTimeout",
    "RequestEntityTooLarge",
    "ResourceExpired",
    "ResourceVersionRewound",
    "ServerError",
    "ServerTimeout",
    "ServiceUnavailable",
    "StatusCause",
    "StatusError",
    "StopTimeout",
    "TLSError",
    "TerminalError",
    "TooManyRequests",
    "TransportError",
    "Unauthorized",
    "UnexpectedContent",
    "UnknownIndex",
    "UnknownResource",
    "UnsupportedMediaType",
    "UnsupportedOperation",
    "WaitTimeout",
    "WatchClosed",
    "WatchIdle",
    "WatchListIncomplete",
    "WatchTooShort",
    "status_error_class",
]
