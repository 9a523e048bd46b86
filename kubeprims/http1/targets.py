"""The request target (RFC 9112, section 3.2): told apart and cut up, never decoded.

Decoding and encoding again does not give the same bytes (``%2F``), and the path that is authorised must be the path
that is forwarded. So every part here is text as it stood on the wire.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from kubeprims.http1.errors import RemoteProtocolError

# RFC 3986 allows less, but query strings in the field hold raw "|", "^" and the like, and pass every server.
_TARGET = re.compile(r"[!\x22$-~]+")
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?]*)(?P<path>[^?]*)", re.IGNORECASE)


class TargetForm(StrEnum):
    """The four forms of a request target."""

    ORIGIN = "origin"
    """``/path?query``"""
    ABSOLUTE = "absolute"
    """``http://host/path?query``, as sent to proxies"""
    AUTHORITY = "authority"
    """``host:port``, for CONNECT alone"""
    ASTERISK = "asterisk"
    """``*``, for OPTIONS alone"""


class Target(NamedTuple):
    """A request target in parts.

    Attributes:
        form: Which of the four forms it has.
        path: The path, percent-encoded as it came; ``*`` in asterisk form, empty in authority form.
        query: What follows the first ``?``, as it came; empty if there is none.
        authority: ``host:port`` in absolute and authority form; empty in the others.
    """

    form: TargetForm
    path: str
    query: str
    authority: str


def parse_target(method: str, target: str) -> Target:
    """Tell the form of a target and cut it up.

    Raises:
        RemoteProtocolError: A character that no target may hold, or a form that does not go with the method.
    """
    if _TARGET.fullmatch(target) is None:
        raise RemoteProtocolError("the request target holds a forbidden character", raw=target.encode("latin-1"))
    if method == "CONNECT":
        if not is_authority(target) or not target.rpartition(":")[2].isdecimal():
            raise RemoteProtocolError("the target of CONNECT is not host:port")
        return Target(TargetForm.AUTHORITY, "", "", target)
    if target.startswith("/"):
        path, _, query = target.partition("?")
        return Target(TargetForm.ORIGIN, path, query, "")
    if target == "*":
        if method != "OPTIONS":
            raise RemoteProtocolError("only OPTIONS may have the target *")
        return Target(TargetForm.ASTERISK, "*", "", "")
    return _parse_absolute(target)


def _parse_absolute(target: str) -> Target:
    match = _ABSOLUTE.match(target)
    if match is None:
        raise RemoteProtocolError("the request target is neither a path nor an http or https URL")
    if not is_authority(match["authority"]):
        raise RemoteProtocolError("the request target has no valid host")
    return Target(TargetForm.ABSOLUTE, match["path"] or "/", target[match.end() + 1 :], match["authority"])


def is_authority(text: str) -> bool:
    """Tell whether the text is ``host`` or ``host:port``: no user, no path, no space, not empty."""
    return _AUTHORITY.fullmatch(text) is not None
