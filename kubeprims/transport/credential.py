"""A credential that runs out, and the rules of when to ask for another. Pure: the time is handed in."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import NamedTuple

RENEWAL_INTERVAL_S = 10.0
"""How long nobody is asked again for what he has just confirmed, or for what had expired when it came, in seconds."""


class ClientCertificate(NamedTuple):
    """What a client shows in a TLS handshake, in PEM. The repr shows neither."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "ClientCertificate()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a plugin or a provider handed out.

    Attributes:
        token: A bearer token; may be empty.
        client_certificate: A client certificate with its chain, and its key.
        expires_at: When it is of no use any more; None: not known.
    """

    token: str = field(default="", repr=False)
    client_certificate: ClientCertificate | None = field(default=None, repr=False)
    expires_at: datetime.datetime | None = None

    def proves_the_same(self, other: Credential) -> bool:
        """Whether a server that refuses the one refuses the other too."""
        return (self.token, self.client_certificate) == (other.token, other.client_certificate)

    def has_expired(self, now: datetime.datetime) -> bool:
        """Whether it is of no use any more."""
        return self.expires_at is not None and now >= self.expires_at


class CredentialCache:
    """The credential in use, and whether another is due.

    An expired one is renewed, with two limits that keep a clock that is wrong, or a server that refuses everything,
    from asking without end: what had expired when it came is used for :data:`RENEWAL_INTERVAL_S` all the same, and
    what was refused and then confirmed is not asked for again within that time.

    Concurrency:
        One thread at a time.

    Source:
        client-go plugin/pkg/client/auth/exec/exec.go, ``credsExpired`` and ``maybeRefreshCreds``.
        Same: the time of expiry is taken as it is; without one, a credential is kept until it is refused.
        Differs: the two limits.
    """

    __slots__ = ("_asked_in_vain_at_s", "_use_until_s", "credential")

    def __init__(self, credential: Credential | None = None) -> None:
        self.credential = credential
        self._use_until_s: float | None = None
        self._asked_in_vain_at_s: float | None = None

    def usable(self, now: datetime.datetime, now_s: float) -> Credential | None:
        """Return the credential for the next request; None if another must be had first."""
        credential = self.credential
        if credential is None or not credential.has_expired(now):
            return credential
        return credential if self._use_until_s is not None and now_s < self._use_until_s else None

    def replacement_of(self, rejected: Credential) -> Credential | None:
        """Return the credential in use if it proves more than the one that was refused."""
        credential = self.credential
        return None if credential is None or credential.proves_the_same(rejected) else credential

    def may_ask_again(self, now_s: float) -> bool:
        """Whether another may be asked for although this one has not expired: the server refused it."""
        asked_at_s = self._asked_in_vain_at_s
        return asked_at_s is None or now_s >= asked_at_s + RENEWAL_INTERVAL_S

    def has_other_certificate(self, credential: Credential) -> bool:
        """Whether a credential has another client certificate than the one in use."""
        in_use = None if self.credential is None else self.credential.client_certificate
        return credential.client_certificate != in_use

    def take(self, credential: Credential, now: datetime.datetime, now_s: float) -> None:
        """Use a credential from now on."""
        is_confirmed = self.credential is not None and self.credential.proves_the_same(credential)
        self.credential = credential
        self._use_until_s = now_s + RENEWAL_INTERVAL_S if credential.has_expired(now) else None
        self._asked_in_vain_at_s = now_s if is_confirmed else None

    def fail(self, now_s: float) -> None:
        """Note that asking gave nothing; the credential stays."""
        self._asked_in_vain_at_s = now_s


def is_header_value(token: str) -> bool:
    """Whether a header can carry a token."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
