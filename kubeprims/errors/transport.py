"""No complete answer arrived."""

from __future__ import annotations

from kubeprims.errors.base import KubeprimsError


class TransportError(KubeprimsError, OSError):
    """No complete answer arrived.

    Attributes:
        method: The request's method.
        url: The request's URL, without credentials.
        detail: What happened.
        request_sent: False if nothing of the request can have reached the server. True if it may have: the outcome
            of a request that changes something is then unknown.
        earlier: What the try before met, if the request had been sent again.
    """

    def __init__(self, detail: str, *, method: str = "", url: str = "", request_sent: bool = False) -> None:
        super().__init__(detail)
        self.method = method
        self.url = url
        self.detail = detail
        self.request_sent = request_sent
        self.earlier = ""

    def __str__(self) -> str:
        where = f"{self.method} {self.url}".strip()
        text = f"{where}: {self.detail}" if where else self.detail
        if self.request_sent and self.method not in {"", "GET", "HEAD", "OPTIONS"}:
            text += " (the request was sent: whether the server carried it out is unknown)"
        return f"{text} (sent again after: {self.earlier})" if self.earlier else text


class CredentialError(TransportError):
    """No credential for the request could be had: a plugin or an identity provider failed. Nothing was sent."""


class NameResolutionError(TransportError):
    """The host name has no address, or the look-up did not end in time."""


class ConnectError(TransportError):
    """No connection: refused, unreachable, or reset while connecting."""


class TLSError(TransportError):
    """No trusted connection: the certificate, the host name or the protocol version was refused."""


class DeadlineExceeded(TransportError, TimeoutError):
    """The request's absolute deadline passed."""


class WatchIdle(DeadlineExceeded):
    """A watch brought nothing for so long that nothing is expected of its connection any more."""


class Cancelled(TransportError):
    """The request's ``Cancel`` was set."""


class ConnectionLost(TransportError):
    """The connection ended before the answer was complete."""


class ProtocolError(TransportError):
    """The answer is not HTTP/1.1 as the specification has it, or passes a limit."""


class UnexpectedContent(TransportError):
    """The answer is HTTP, but not the Kubernetes API: HTML, a wrong content type.

    Attributes:
        code: The HTTP status code.
        content_type: The content type of the answer.
    """

    def __init__(self, detail: str, *, code: int, content_type: str, method: str = "", url: str = "") -> None:
        super().__init__(detail, method=method, url=url, request_sent=True)
        self.code = code
        self.content_type = content_type
