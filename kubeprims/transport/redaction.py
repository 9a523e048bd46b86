"""What may be shown of headers and URLs: never a credential."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

MASK = "<masked>"

_MASKED_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate", "proxy-authenticate"}
)
_MASKED_PREFIXES = ("x-remote-", "impersonate-extra-")
_SCHEME = re.compile(r"(bearer|basic|negotiate)(?=[ \t])", re.IGNORECASE)
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
# "continue" is not among them: it is opaque, but not secret, and a paged list cannot be debugged without it.
_SECRET_WORDS = re.compile(
    r"token|passw|secret|credential|api-?key|private-?key|signature|authorization|^(?:code|key|sig|auth)$",
    re.IGNORECASE,
)


def redact_header(name: str, value: str) -> str:
    """Return the value as it may be shown: credentials are masked, the scheme of an ``Authorization`` is kept."""
    folded = name.lower()
    if folded in {"authorization", "proxy-authorization"}:
        scheme = _SCHEME.match(value)
        return f"{scheme.group()} {MASK}" if scheme else MASK
    if folded in _MASKED_HEADERS or folded.startswith(_MASKED_PREFIXES):
        return MASK
    return value


def redact_headers(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Return header fields as they may be shown.

    Source:
        client-go transport/round_trippers.go masks ``Authorization`` alone.
        Differs: cookies, ``Proxy-Authorization``, ``X-Remote-*`` and ``Impersonate-Extra-*`` values are masked too,
        since systems carry tokens in them.
    """
    return ((name, redact_header(name, value)) for name, value in items)


def redact_url(url: str) -> str:
    """Return a URL or request target as it may be shown: no user information, no secret in the query."""
    base, mark, query = _USERINFO.sub(r"\1", url).partition("?")
    return f"{base}{mark}{'&'.join(map(_redact_pair, query.split('&')))}"


def _redact_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals and _SECRET_WORDS.search(unquote(name).replace("_", "-")) else pair
