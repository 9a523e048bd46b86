"""The settings of the auth provider ``oidc``, as a kubeconfig has them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from kubeprims.errors import DecodeError
from kubeprims.transport import tls
from kubeprims.transport.id_token import IDToken, read_id_token
from kubeprims.transport.kubeconfig import AuthProvider
from kubeprims.transport.origin import FROM_CODE, Origin
from kubeprims.transport.tls import TLSOptions

PROVIDER_NAME = "oidc"
"""The one auth provider that there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OIDCSettings:
    """Who the OpenID Connect provider is, and who we are to it.

    Attributes:
        issuer: The provider's URL, as it calls itself (``idp-issuer-url``).
        client_id: The ID of the client that the tokens are for.
        client_secret: Its secret; empty if it has none.
        id_token: The ID token to begin with, if there is one.
        refresh_token: What another can be had with; may be empty.
        tls: Whom to trust on the way to the provider: the authorities of ``idp-certificate-authority-data`` or
            ``idp-certificate-authority``, or else the system's.
        origin: Where they were set.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    id_token: IDToken | None = None
    refresh_token: str = field(default="", repr=False)
    tls: TLSOptions = field(default_factory=TLSOptions)
    origin: Origin = FROM_CODE


def read_settings(provider: AuthProvider, origin: Origin) -> OIDCSettings:
    """Check the settings, and load the authority. ``extra-scopes`` and what is not known is ignored, as upstream does.

    Args:
        provider: The settings, as the kubeconfig has them.
        origin: What errors name.

    Raises:
        ConfigError: One is missing or malformed, there is neither ID token nor refresh token, the issuer is no https
            URL, or the authority cannot be loaded. Quotes no value.
    """
    fields = _Fields(dict(provider.config), origin)
    settings = OIDCSettings(
        issuer=fields.issuer(),
        client_id=fields.required("client-id"),
        client_secret=fields.text("client-secret"),
        id_token=fields.id_token(),
        refresh_token=fields.text("refresh-token"),
        tls=fields.tls_options(),
        origin=origin,
    )
    if settings.id_token is None and not settings.refresh_token:
        raise fields.origin.error("refresh-token", "is missing, and so is id-token: one of them is needed")
    return settings


def split_https_url(url: str) -> SplitResult:
    """Return the parts of an https URL.

    Raises:
        ValueError: It is none; says what is wrong, and does not quote it.
    """
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, has_host = urlsplit(""), False
    if not has_host or not url.isascii() or not url.isprintable() or " " in url:
        message = "is not a URL with a host"
    elif parts.scheme != "https":
        message = "must be an https URL: tokens are sent over verified TLS alone"
    elif "@" in parts.netloc or parts.fragment:
        message = "must not hold a user name, a password or a fragment"
    else:
        return parts
    raise ValueError(message)


class _Fields:
    """The settings as text, and the place that errors name."""

    def __init__(self, values: Mapping[str, str], origin: Origin) -> None:
        self._values = values
        self.origin = Origin(origin.source, f"{origin.entry}: auth-provider.config".removeprefix(": "))

    def text(self, name: str) -> str:
        value = self._values.get(name, "")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.origin.error(name, "holds half of a surrogate pair") from None
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise self.origin.error(name, "is missing")
        return value

    def issuer(self) -> str:
        name = "idp-issuer-url"
        url = self.required(name)
        try:
            parts = split_https_url(url)
        except ValueError as error:
            raise self.origin.error(name, str(error)) from None
        if parts.query:
            raise self.origin.error(name, "must not hold a query")
        return url

    def id_token(self) -> IDToken | None:
        text = self.text("id-token").strip()
        try:
            return read_id_token(text) if text else None
        except DecodeError as error:
            raise self.origin.error("id-token", f"cannot be read: {error}") from None

    def tls_options(self) -> TLSOptions:
        name = "idp-certificate-authority-data"
        try:
            data = base64.b64decode("".join(self.text(name).split()), validate=True)
        except (binascii.Error, ValueError):
            raise self.origin.error(name, "is not base64") from None
        # An error of the TLS layer names certificate-authority: the place says whose.
        options = TLSOptions(
            ca_data=data, ca_file="" if data else self.text("idp-certificate-authority"), server_origin=self.origin
        )
        if options.names_anything:
            tls.client_context(options)  # a broken authority is told now, not once the token has expired
        return options
