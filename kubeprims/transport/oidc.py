"""Credentials from an OpenID Connect provider (``user.auth-provider`` with the name ``oidc``)."""

from __future__ import annotations

import base64
import datetime
import logging
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote_plus, urlencode

from kubeprims.clock import Clock
from kubeprims.errors import CredentialError, DecodeError, KubeprimsError
from kubeprims.meta import JSONObject
from kubeprims.objects.strict_json import decode_object
from kubeprims.threads import Cancel, Deadline
from kubeprims.transport.credential import Credential
from kubeprims.transport.id_token import IDToken, read_id_token
from kubeprims.transport.message import Headers, Request, RoundTripper
from kubeprims.transport.oidc_settings import OIDCSettings, split_https_url
from kubeprims.transport.tls import TLSOptions

OIDC_TIMEOUT_S = 30.0
"""How long a refresh may take unless told otherwise, in seconds, discovery included."""

OIDC_LEEWAY_S = 10.0
"""How much earlier than it says an ID token counts as expired, in seconds."""

ANSWER_BYTES_MAX = 1 << 20
"""No answer of a provider is read further, in bytes."""

_WELL_KNOWN = "/.well-known/openid-configuration"
_SHOWN_CHARACTERS_MAX = 200
# As the codes of RFC 6749 and its extensions look; hardly a token does, should a provider quote what it was sent.
_ERROR_CODE = re.compile(r"[a-z_]{1,64}")

_LOG_IN = "log in again and put the new tokens into the kubeconfig, or name a credential plugin under exec"
_CHECK_ROAD = "check idp-issuer-url, idp-certificate-authority and the proxies that the environment names"
_CHECK_PROVIDER = "check idp-issuer-url, client-id and client-secret against what the provider has registered"
_ASK_PROVIDER = "ask those who run the provider, or name a credential plugin under exec"

_logger = logging.getLogger("kubeprims.transport")

OpenRoad = Callable[[str, TLSOptions], AbstractContextManager[RoundTripper]]
"""Opens a road to a server, given its URL and whom to trust; leaving it closes it."""


class _ProviderError(Exception):
    """What a provider did, and what to do about it."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(f"{detail}; {advice}")


class _Answer(NamedTuple):
    status: int
    body: bytes


class OIDCProvider:
    """Refreshes the ID token of a kubeconfig's user at the provider that issued it.

    Provider and token endpoint are spoken to over https alone, always verified, whatever the cluster's entry says; no
    redirect is followed. What the discovery document says must be about the configured issuer, and the new token from
    it, for this client, about the same subject as the one before, and not expired. Its signature is not checked: over
    a verified connection straight from the token endpoint it proves nothing more (OpenID Connect Core 1.0, section
    3.1.3.7, point 6), and the API server checks it anyway.

    New tokens are kept in memory. The kubeconfig is never written: it may be shared, generated or read-only. A provider
    that lets a refresh token be used once leaves the one in the file spent, which is logged when it happens; a
    credential plugin with a cache of its own suits such providers better.

    Concurrency:
        One thread at a time, which :class:`~kubeprims.transport.renewal.Renewal` sees to.

    Source:
        client-go plugin/pkg/client/auth/oidc/oidc.go; golang.org/x/oauth2/internal/token.go.
        Same: the ID token is used until ten seconds before it expires; the settings; ``extra-scopes`` and settings
        that are not known are ignored; HTTP basic authentication of the client first, then secret in the form.
        Differs: the checks above and https; nothing is shared with other users of the same issuer and client, and the
        file is not written; a client without a secret sends its ID alone; a refused grant is not sent twice; a relative
        ``idp-certificate-authority`` starts at the kubeconfig; time and size are limited.
    """

    def __init__(
        self, settings: OIDCSettings, *, open_road: OpenRoad, clock: Clock, timeout_s: float = OIDC_TIMEOUT_S
    ) -> None:
        """Begin with the tokens of the settings; nothing is sent.

        Args:
            settings: Who the provider is, and who we are to it.
            open_road: Opens the roads to it.
            clock: Tells what has expired.
            timeout_s: How long a refresh may take, in seconds.
        """
        self._settings = settings
        self._open_road = open_road
        self._clock = clock
        self._timeout_s = timeout_s
        self._token = settings.id_token
        self._refresh_token = settings.refresh_token
        self._authentications = (_basic, _in_form) if settings.client_secret else (_in_form,)
        self._has_rotated = False

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"the OpenID Connect provider {self._settings.issuer}"

    @property
    def initial(self) -> Credential | None:
        """The credential to begin with: the ID token of the settings, if there is one."""
        return None if self._token is None else _credential(self._token)

    def fetch(self, cancel: Cancel) -> Credential:
        """Refresh the ID token, and return it.

        Args:
            cancel: Ends it early.

        Raises:
            CredentialError: There is no refresh token, the provider cannot be reached or refuses it, or its answer
                cannot be used. Names the user and what to do, and nothing secret.
        """
        exchange = _Exchange(self._open_road, self._settings.tls, cancel, self._timeout_s)
        try:
            self._token = self._refreshed(exchange)
        except _ProviderError as error:
            failure = str(error)
        except KubeprimsError as error:
            failure = f"{error}; {_CHECK_ROAD}"
        else:
            return _credential(self._token)
        entry = self._settings.origin.entry
        raise CredentialError(f"{self.name} gave no ID token{f' for {entry}' if entry else ''}: {failure}")

    def _refreshed(self, exchange: _Exchange) -> IDToken:
        if not self._refresh_token:
            raise _ProviderError("the old one is of no use any more, and there is no refresh-token", _LOG_IN)
        endpoint = self._token_endpoint(exchange)
        content = self._refresh(endpoint, exchange)
        # Before anything else can fail: the old one may be spent.
        self._keep_refresh_token(content)
        text = content.get("id_token")
        if not isinstance(text, str):
            detail = "its answer holds none: it may not refresh them, or the login did not ask for the scope openid"
            raise _ProviderError(detail, _LOG_IN)
        try:
            token = read_id_token(text)
        except DecodeError as error:
            raise _ProviderError(f"it sent one that cannot be read: {error}", _ASK_PROVIDER) from None
        self._check(token)
        return token

    def _token_endpoint(self, exchange: _Exchange) -> SplitResult:
        """Return where tokens are refreshed, as the discovery document says.

        Source:
            OpenID Connect Discovery 1.0, section 4.
        """
        url = split_https_url(self._settings.issuer)
        answer = exchange.send(url._replace(path=url.path.rstrip("/") + _WELL_KNOWN), method="GET")
        if answer.status != HTTPStatus.OK:
            raise _ProviderError(f"its discovery document was answered with {_status_text(answer)}", _CHECK_PROVIDER)
        document = _decoded(answer, "its discovery document")
        issuer = document.get("issuer")
        if issuer != self._settings.issuer:
            shown = repr(issuer[:_SHOWN_CHARACTERS_MAX]) if isinstance(issuer, str) else "none"
            detail = f"its discovery document is about another issuer, {shown}"
            raise _ProviderError(detail, "idp-issuer-url must be that, to the letter, if it is the one you mean")
        endpoint = document.get("token_endpoint")
        try:
            return split_https_url(endpoint if isinstance(endpoint, str) else "")
        except ValueError as error:
            raise _ProviderError(f"the token_endpoint of its discovery document {error}", _ASK_PROVIDER) from None

    def _refresh(self, endpoint: SplitResult, exchange: _Exchange) -> JSONObject:
        """Return what the token endpoint answers to the refresh token.

        Source:
            RFC 6749, sections 2.3.1 and 6.
        """
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        failure = ""
        for authentication in self._authentications:
            more, authorization = authentication(self._settings.client_id, self._settings.client_secret)
            answer = exchange.send(endpoint, method="POST", form={**form, **more}, authorization=authorization)
            if answer.status == HTTPStatus.OK:
                self._authentications = (authentication,)
                return _decoded(answer, "its answer")
            code = _error_code(answer)
            failure = f"it refused the refresh with {_status_text(answer)}{f', {code}' if code else ''}"
            if code == "invalid_grant":
                raise _ProviderError(failure, _LOG_IN)
            if not _is_refusal(answer.status):
                raise _ProviderError(failure, _ASK_PROVIDER)
        raise _ProviderError(failure, _CHECK_PROVIDER)

    def _keep_refresh_token(self, content: JSONObject) -> None:
        token = content.get("refresh_token")
        if not isinstance(token, str) or token in {"", self._refresh_token}:
            return
        self._refresh_token = token
        if not self._has_rotated:
            self._has_rotated = True
            _logger.warning(
                "the provider replaced the refresh token; the kubeconfig still has the old one, which may be spent",
                extra={"issuer": self._settings.issuer, "user": self._settings.origin.entry},
            )

    def _check(self, token: IDToken) -> None:
        """Refuse a token that is not what was asked for.

        Source:
            OpenID Connect Core 1.0, sections 3.1.3.7 and 12.2.
        """
        if token.issuer != self._settings.issuer:
            raise _ProviderError("it sent one of another issuer", _CHECK_PROVIDER)
        if self._settings.client_id not in token.audience:
            raise _ProviderError("it sent one that is not for this client", _CHECK_PROVIDER)
        if token.expires_at <= self._clock.wall():
            raise _ProviderError("it sent one that has expired already", "check the clock of this machine")
        known = "" if self._token is None else self._token.subject
        if known and token.subject != known:
            raise _ProviderError("it sent one for another subject than the one before", _LOG_IN)


class _Exchange:
    """Sends the requests of one refresh, all within one deadline.

    None is sent again: a refresh token may be good for one use, and whoever sends the next request asks anew.
    """

    def __init__(self, open_road: OpenRoad, options: TLSOptions, cancel: Cancel, timeout_s: float) -> None:
        self._open_road = open_road
        self._options = options
        self._cancel = cancel
        self._deadline = Deadline.after(timeout_s)

    def send(
        self, url: SplitResult, *, method: str, form: dict[str, str] | None = None, authorization: str = ""
    ) -> _Answer:
        """Return the answer, whatever its status.

        Args:
            url: An https URL.
            method: The method.
            form: What to send as a form; None for nothing.
            authorization: The header of that name; empty for none.

        Raises:
            KubeprimsError: There is no answer, or one that is too long.
        """
        headers = Headers([("Accept", "application/json")])
        if authorization:
            headers = headers.with_added("Authorization", authorization)
        if form is not None:
            headers = headers.with_added("Content-Type", "application/x-www-form-urlencoded")
        request = Request(
            method,
            url.path or "/",
            query=tuple(parse_qsl(url.query, keep_blank_values=True)),
            headers=headers,
            body=None if form is None else urlencode(form).encode("ascii"),
            deadline=self._deadline,
            cancel=self._cancel,
            may_retry=False,
        )
        with (
            self._open_road(f"https://{url.netloc}", self._options) as road,
            road.round_trip(request) as response,
        ):
            return _Answer(response.status, response.read(ANSWER_BYTES_MAX))


def _basic(client_id: str, secret: str) -> tuple[dict[str, str], str]:
    """Return what a client adds to the form, and the header that says who it is."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode("ascii")
    return {}, f"Basic {base64.b64encode(pair).decode('ascii')}"


def _in_form(client_id: str, secret: str) -> tuple[dict[str, str], str]:
    """As :func:`_basic`."""
    return {"client_id": client_id, **({"client_secret": secret} if secret else {})}, ""


def _is_refusal(status: int) -> bool:
    """Whether an answer may mean that the client was not known by the way it said who it is."""
    return 400 <= status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS  # noqa: PLR2004 - the class of statuses


def _status_text(answer: _Answer) -> str:
    if 300 <= answer.status < 400:  # noqa: PLR2004 - the class of statuses
        return f"status {answer.status}, a redirect, which is not followed"
    return f"status {answer.status}"


def _decoded(answer: _Answer, what: str) -> JSONObject:
    try:
        return decode_object(answer.body)
    except DecodeError:
        raise _ProviderError(f"{what} is not a JSON object", _ASK_PROVIDER) from None


def _error_code(answer: _Answer) -> str:
    """Return the code of an OAuth error; empty if there is none that can be shown."""
    try:
        code = decode_object(answer.body).get("error")
    except DecodeError:
        return ""
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


def _credential(token: IDToken) -> Credential:
    return Credential(token=token.text, expires_at=token.expires_at - datetime.timedelta(seconds=OIDC_LEEWAY_S))
