"""An OpenID Connect provider on loopback, over real TLS, that says what a test wants said."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
from collections.abc import Callable, Generator, Mapping
from urllib.parse import parse_qs

from tests.transport import certificates
from tests.transport.peer import Peer, Server, serve

CLIENT_ID = "kube client/1"
CLIENT_SECRET = "s3cret:+client"  # what basic authentication must encode
FIRST_REFRESH_TOKEN = "Refresh-0-s3cret"

Claims = Mapping[str, object]
Form = dict[str, str]
Handler = Callable[[Form, Mapping[str, str]], bytes]


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def jwt(claims: object) -> str:
    """Return a JWT whose signature nobody here checks."""
    return f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.c2lnbmF0dXJl"


def http(status: int, content: object = None, *, headers: str = "") -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, headers.encode(), len(body), body)


class IdentityProvider:
    """Answers discovery with ``document``, and a refresh with what ``on_refresh`` returns.

    Attributes:
        document: Replaces members of the discovery document.
        on_discovery: Answers discovery instead, if it is there.
        on_refresh: Answers each refresh, given form and headers; hands out ``claims`` unless replaced.
        claims: The claims of the next tokens, beside ``iss`` and ``aud``.
        refreshes: The forms that came, with the headers.
        discoveries: How often the discovery document was asked for.
        handed_out: The ID tokens, in their order.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self.server: Server | None = None
        self.document: dict[str, object] = {}
        self.on_discovery: Callable[[Peer], None] | None = None
        self.on_refresh: Handler = self.hand_out
        self.claims: Claims = {"sub": "jane"}
        self.rotates = False
        self.refreshes: list[tuple[Form, Mapping[str, str]]] = []
        self.discoveries = 0
        self.handed_out: list[str] = []

    @property
    def issuer(self) -> str:
        assert self.server is not None
        return f"https://{self._host}:{self.server.port}/realm"

    def token(self, claims: Claims) -> str:
        return jwt({"iss": self.issuer, "aud": CLIENT_ID, **claims})

    def hand_out(self, _form: Form, _headers: Mapping[str, str]) -> bytes:
        self.handed_out.append(self.token({"jti": len(self.handed_out), **self.claims}))
        rotated = {"refresh_token": f"Refresh-{len(self.handed_out)}-s3cret"} if self.rotates else {}
        return http(200, {"access_token": "x", "token_type": "Bearer", "id_token": self.handed_out[-1], **rotated})

    def script(self, peer: Peer) -> None:
        line, headers, body = peer.read_request()
        method, _, target = line.removesuffix(" HTTP/1.1").partition(" ")
        if (method, target) == ("GET", "/realm/.well-known/openid-configuration"):
            self.discoveries += 1
            if self.on_discovery is not None:
                self.on_discovery(peer)
                return
            endpoint = f"{self.issuer}/token?tenant=a%20b"
            peer.send(http(200, {"issuer": self.issuer, "token_endpoint": endpoint, **self.document}))
        elif (method, target) == ("POST", "/realm/token?tenant=a%20b"):
            form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
            self.refreshes.append((form, headers))
            peer.send(self.on_refresh(form, headers))
        else:
            peer.send(http(404))


@contextlib.contextmanager
def identity_provider(*, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Generator[IdentityProvider]:
    provider = IdentityProvider(host)
    with serve(provider.script, tls=tls or certificates.server_context()) as server:
        provider.server = server
        yield provider
