"""Who a request is from: by client certificate, by bearer token, or everybody when no tokens are configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kubeprims.clock import Clock
from kubeprims.errors import ConfigError, Unauthorized
from kubeprims.testing.apiserver.tls import PeerCertificate

_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True, slots=True)
class User:
    """A user as the API server sees it.

    Attributes:
        name: Such as ``jane`` or ``system:serviceaccount:prod:web``.
        groups: Without ``system:authenticated``, which everybody who is known gets.
        uid: Empty if there is none.
        extra: What else is known, by its name.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]], hash=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("must not be empty", source="User", field="name")


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Authenticator:
    """Knows users by their tokens.

    Concurrency:
        Every method may be called from any thread.
    """

    __slots__ = ("_users",)

    def __init__(self, tokens: Mapping[str, User] | None) -> None:
        """Make an authenticator.

        Args:
            tokens: Who has which token; None lets everybody in, as :data:`ANONYMOUS`.

        Raises:
            ConfigError: A token is empty, or cannot stand in a header.
        """
        self._users: dict[str, User] | None = None
        self.replace(tokens)

    def replace(self, tokens: Mapping[str, User] | None) -> None:
        """Take other tokens from now on, as a rotation does; raises as the constructor does."""
        for token in tokens or {}:
            # No token in the text: it is a secret.
            if not token or not token.isascii() or not token.isprintable() or " " in token:
                raise ConfigError(
                    "a token is one or more printable ASCII characters", source="APIServer", field="tokens"
                )
        self._users = None if tokens is None else dict(tokens)

    def first_token(self) -> str:
        """Return the token that was configured first, for a kubeconfig; empty if there is none."""
        return next(iter(self._users or {}), "")

    def authenticate(self, authorization: str | None, certificate: PeerCertificate | None, clock: Clock) -> User:
        """Return the user that a request is from.

        Args:
            authorization: The header of that name.
            certificate: Of the client; counts before the header, and as nothing once it has expired.
            clock: Says what has expired.

        Raises:
            Unauthorized: Tokens are configured and this is none of them, or the certificate has expired.

        Source:
            apiserver pkg/authentication/request/x509 and union: whichever knows the user first.
        """
        has_expired = certificate is not None and certificate.expires_at_s < clock.wall().timestamp()
        if certificate is not None and certificate.common_name and not has_expired:
            return _known(_certified(certificate))
        users = self._users
        if users is None and not has_expired:
            return ANONYMOUS
        scheme, _, token = (authorization or "").strip().partition(" ")
        user = (users or {}).get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise Unauthorized("Unauthorized", code=401, reason="Unauthorized")
        return _known(user)


def _certified(certificate: PeerCertificate) -> User:
    extra = {_CREDENTIAL_ID: (f"X509SHA256={certificate.sha256}",)}
    return User(certificate.common_name, certificate.organizations, extra=extra)


def _known(user: User) -> User:
    return replace(user, groups=tuple(dict.fromkeys((*user.groups, "system:authenticated"))))
