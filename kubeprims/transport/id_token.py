"""Reads what an ID token of OpenID Connect says of itself. Pure; no signature is checked here."""

from __future__ import annotations

import base64
import datetime
import re
from dataclasses import dataclass, field
from typing import NoReturn

from kubeprims.errors import DecodeError
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.strict_json import decode_object

ID_TOKEN_BYTES_MAX = 64 << 10
"""No ID token is longer, in bytes; no server takes as long a header either."""

# Header, payload and signature, each base64url without padding (RFC 7515, section 7.1). An empty signature is none.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_YEAR_10000_S = 253_402_300_800


@dataclass(frozen=True, slots=True, kw_only=True)
class IDToken:
    """An ID token, and those of its claims that matter to a client.

    Attributes:
        text: The token itself, as a header carries it.
        issuer: Who issued it (``iss``); empty if it does not say.
        subject: Whom it is about (``sub``); empty if it does not say.
        audience: Whom it is for (``aud``).
        expires_at: From when on it is of no use (``exp``).
    """

    text: str = field(repr=False)
    issuer: str
    subject: str
    audience: tuple[str, ...]
    expires_at: datetime.datetime


def read_id_token(text: str) -> IDToken:
    """Return an ID token with its claims.

    Raises:
        DecodeError: It is no signed JWT, is longer than :data:`ID_TOKEN_BYTES_MAX`, does not say when it expires, or
            has a claim of the wrong type. Never quotes anything of it.

    Source:
        RFC 7519, section 4.1; client-go plugin/pkg/client/auth/oidc/oidc.go, ``idTokenExpired``.
        Same: three parts, of which the second is read; ``exp`` in seconds, with or without a fraction.
        Differs: a token without ``exp`` is none, where upstream takes it for one that expired in 1970.
    """
    match = _COMPACT.fullmatch(text) if len(text) <= ID_TOKEN_BYTES_MAX else None
    if match is None:
        _refuse(f"it is not a signed JWT of at most {ID_TOKEN_BYTES_MAX} bytes")
    claims = _claims(match.group(1))
    return IDToken(
        text=text,
        issuer=_text(claims, "iss"),
        subject=_text(claims, "sub"),
        audience=_audience(claims.get("aud")),
        expires_at=_time(claims.get("exp")),
    )


def _refuse(detail: str) -> NoReturn:
    raise DecodeError(detail)


def _claims(payload: str) -> JSONObject:
    try:
        return decode_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:  # from base64, or a DecodeError, which would keep the first bytes of the payload
        pass
    _refuse("its payload is not a JSON object in base64url")


def _text(claims: JSONObject, name: str) -> str:
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        _refuse(f"its claim {name} is not a string")
    return value


def _audience(value: JSONValue) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    members = value if isinstance(value, list) else []
    texts = tuple(member for member in members if isinstance(member, str))
    if (value is not None and not isinstance(value, list)) or len(texts) != len(members):
        _refuse("its claim aud is neither a string nor a list of strings")
    return texts


def _time(value: JSONValue) -> datetime.datetime:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _YEAR_10000_S:
        _refuse("its claim exp is missing, or not a time in seconds since 1970")
    return datetime.datetime.fromtimestamp(int(value), datetime.timezone.utc)
