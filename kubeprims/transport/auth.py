"""Who we are to the server: bearer tokens, token files and passwords."""

from __future__ import annotations

import base64
import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kubeprims.clock import Clock
from kubeprims.errors import ConfigError
from kubeprims.transport.credential import is_header_value
from kubeprims.transport.kubeconfig import AuthProvider, ExecPlugin
from kubeprims.transport.origin import FROM_CODE, Origin, read_file

TOKEN_PERIOD_S = 60.0
"""A token file is never trusted for longer, in seconds."""

TOKEN_LEEWAY_S = 10.0
"""How much earlier it is read again, in seconds."""

_logger = logging.getLogger("kubeprims.transport")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How requests are authenticated, TLS apart. All empty: not at all.

    Attributes:
        token: A bearer token; where there is a token file too, it stands in until that can be read.
        token_file: A file that holds the token, and is read again as it changes.
        username: The name of basic authentication.
        password: Its password.
        exec_plugin: A program that hands out credentials.
        auth_provider: A credential source built into the client.
        source: Gives the whole ``Authorization`` header, in place of all that.
        origin: Where errors say that these were set.

    Raises:
        ConfigError: Two ways at once, or a token that no header can carry.
    """

    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    exec_plugin: ExecPlugin | None = None
    auth_provider: AuthProvider | None = None
    source: Authorization | None = field(default=None, repr=False)
    origin: Origin = field(default=FROM_CODE, compare=False)

    def __post_init__(self) -> None:
        if (self.token or self.token_file) and (self.username or self.password):
            raise self.origin.error("token", "cannot be set together with username and password")
        if self.exec_plugin is not None and self.auth_provider is not None:
            raise self.origin.error("exec", "cannot be set together with auth-provider")
        if self.source is not None and (self.token or self.token_file or self.username or self.password):
            raise self.origin.error("source", "cannot be set together with a token, or user name and password")
        if self.token and not is_header_value(self.token.strip()):
            raise self.origin.error("token", "holds white space or characters that no header can carry")
        if ":" in self.username:
            raise self.origin.error("username", "holds a colon, which basic authentication cannot carry")

    @property
    def says_who(self) -> bool:
        """Whether a token, a password or a header of one's own is set: those come before a plugin."""
        return bool(self.token or self.token_file or self.username or self.password or self.source)


class Authorization(Protocol):
    """Gives the value of the ``Authorization`` header.

    Concurrency:
        Any number of threads at once.
    """

    def value(self) -> str:
        """Return the value for the next request."""
        ...

    def renewed(self, rejected: str) -> str | None:
        """Return another value after the server refused ``rejected`` with 401; None if there is no other."""
        ...


class FixedAuthorization:
    """A value that never changes: a static token, or a user name with its password."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def value(self) -> str:
        """Return the value."""
        return self._value

    def renewed(self, rejected: str) -> str | None:
        """Return None, since there is no other; unless ``rejected`` never was ours."""
        return None if rejected == self._value else self._value


class TokenFile:
    """A bearer token in a file that somebody else keeps fresh.

    Concurrency:
        Any number of threads at once; the lock is held while the file is read, so that one of them reads it.

    Source:
        client-go transport/token_source.go, ``cachingTokenSource`` and ``fileTokenSource``.
        Same: read again when older than 60 s less 10 s; white space trimmed; an error keeps the last good token.
        Differs: a 401 has the file read once more, and the error is logged once per period.
    """

    __slots__ = ("_clock", "_lock", "_origin", "_path", "_read_again_at_s", "_token")

    def __init__(self, path: str, *, clock: Clock, fallback: str = "", origin: Origin = FROM_CODE) -> None:
        """Read the file for the first time.

        Raises:
            ConfigError: It holds no token, and there is no ``fallback``.
        """
        self._path = path
        self._clock = clock
        self._origin = origin
        self._lock = threading.Lock()
        self._token = fallback
        self._read_again_at_s = 0.0
        with self._lock:
            self._read(must_succeed=not fallback)

    def value(self) -> str:
        """Return ``Bearer`` and the token, read again if it is due."""
        with self._lock:
            if self._clock.monotonic() >= self._read_again_at_s:
                self._read()
            return f"Bearer {self._token}"

    def renewed(self, rejected: str) -> str | None:
        """Read the file now, unless another thread has, and return the value if it is another than ``rejected``."""
        with self._lock:
            if f"Bearer {self._token}" == rejected:
                self._read()
            value = f"Bearer {self._token}"
        return value if value != rejected else None

    def _read(self, *, must_succeed: bool = False) -> None:
        # The next reading is due after a failed one as after a good one: that is what bounds the log.
        self._read_again_at_s = self._clock.monotonic() + TOKEN_PERIOD_S - TOKEN_LEEWAY_S
        try:
            self._token = self._read_token()
        except ConfigError as error:
            if must_succeed:
                raise
            _logger.warning("the token file cannot be read; the last token is kept", extra={"error": str(error)})

    def _read_token(self) -> str:
        content = read_file(self._path, origin=self._origin, field="tokenFile")
        token = content.decode("utf-8", "replace").strip()
        if not token:
            raise self._origin.error("tokenFile", f"{self._path} is empty")
        if not is_header_value(token):
            rule = f"{self._path} holds white space or characters that no header can carry"
            raise self._origin.error("tokenFile", rule)
        return token

    def __repr__(self) -> str:
        return f"TokenFile({str(Path(self._path))!r})"


def authorization(credentials: Credentials, *, clock: Clock) -> Authorization | None:
    """Return what gives the ``Authorization`` header, or None where nothing does.

    Raises:
        ConfigError: The token file cannot be read, and there is no token beside it.
    """
    if credentials.source is not None:
        return credentials.source
    if credentials.token_file:
        fallback = credentials.token.strip()
        return TokenFile(credentials.token_file, clock=clock, fallback=fallback, origin=credentials.origin)
    if credentials.token:
        return FixedAuthorization(f"Bearer {credentials.token.strip()}")
    if credentials.username or credentials.password:
        pair = f"{credentials.username}:{credentials.password}".encode()
        return FixedAuthorization(f"Basic {base64.b64encode(pair).decode('ascii')}")
    return None
