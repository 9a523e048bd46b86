"""Who a request is from: bearer tokens, or everybody when none are configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeprims.errors import ConfigError, Unauthorized


@dataclass(frozen=True, slots=True)
class User:
    """A user as the API server sees it.

    Attributes:
        name: Such as ``jane`` or ``system:serviceaccount:prod:web``.
        groups: Without ``system:authenticated``, which every user of a token gets.
    """

    name: str
    groups: tuple[str, ...] = ()

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

    def authenticate(self, authorization: str | None) -> User:
        """Return the user that an Authorization header stands for.

        Raises:
            Unauthorized: Tokens are configured, and this is none of them.
        """
        users = self._users
        if users is None:
            return ANONYMOUS
        scheme, _, token = (authorization or "").strip().partition(" ")
        user = users.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise Unauthorized("Unauthorized", code=401, reason="Unauthorized")
        return User(user.name, tuple(dict.fromkeys((*user.groups, "system:authenticated"))))
