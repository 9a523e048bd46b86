"""Whose fault it is: the peer's bytes, or our own call.

A value that could not be written without breaking the message (a header with a line end in it) is the caller's
``InvalidArgument``; nothing was written then.
"""

from __future__ import annotations

from kubeprims.errors import DecodeError, LifecycleError


class RemoteProtocolError(DecodeError):
    """The peer's bytes break HTTP/1.1, or pass a limit; the connection must not be used for another message.

    Attributes:
        detail: Which rule was broken, without quoting the content.
        status_code: What a server should answer before it closes: 400, 413, 417, 431, 501 or 505.
        raw: The first bytes of the input at fault, for a debugger; not part of the text.
    """

    def __init__(self, detail: str, *, status_code: int = 400, raw: bytes = b"") -> None:
        super().__init__(detail, raw=raw)
        self.status_code = status_code


class LocalProtocolError(LifecycleError):
    """A call that does not fit the message being written; if part of it was sent, close the connection."""
