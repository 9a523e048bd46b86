"""Whom a request wants to be taken for. Pure.

No rights are checked: here everybody who is let in may do everything, and so be everybody.

Source:
    apiserver pkg/endpoints/filters/impersonation.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Sequence

from kubeprims.http1 import Headers
from kubeprims.testing.apiserver.auth import ANONYMOUS, User
from kubeprims.testing.apiserver.status import bad_request

_EXTRA = "impersonate-extra-"
_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATED = "system:authenticated"
_UNAUTHENTICATED = "system:unauthenticated"
_HALF_ENCODED = re.compile(r"%(?![0-9a-f]{2})")


def impersonated_user(headers: Headers) -> User | None:
    """Return whom the headers of a request name, or None if nobody.

    Raises:
        BadRequest: They name groups, a uid or extra fields, but no user.
    """
    name = _text(headers.get("impersonate-user") or "")
    groups = tuple(_text(group) for group in headers.get_all("impersonate-group"))
    uid = _text(headers.get("impersonate-uid") or "")
    extra: dict[str, tuple[str, ...]] = {}
    for field, value in headers:
        if field.lower().startswith(_EXTRA):
            key = _decoded_key(field.lower().removeprefix(_EXTRA))
            extra[key] = (*extra.get(key, ()), _text(value))
    if name:
        return User(name, _all_groups(name, groups), uid, extra)
    if groups or uid or extra:
        asked = (
            f'&user.DefaultInfo{{Name:"", UID:{json.dumps(uid)}, Groups:{_in_go(groups)}, Extra:{_extra_in_go(extra)}}}'
        )
        raise bad_request(f"requested {asked} without impersonating a user name")
    return None


def _text(value: str) -> str:
    """Return what the bytes of a header say: UTF-8, of which the head is read as latin-1."""
    return value.encode("latin-1").decode("utf-8", "replace")


def _decoded_key(encoded: str) -> str:
    """Return the key of an extra field; one that is not encoded as it should be is taken as it stands."""
    return encoded if _HALF_ENCODED.search(encoded) else urllib.parse.unquote(encoded)


def _all_groups(name: str, groups: Sequence[str]) -> tuple[str, ...]:
    """Return the groups that a request names, and those that go without saying."""
    if not groups and name.startswith(_ACCOUNT) and name.count(":") == 3:  # noqa: PLR2004 - namespace and name
        namespace = name.split(":")[2]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    own = _UNAUTHENTICATED if name == ANONYMOUS.name else _AUTHENTICATED
    if _UNAUTHENTICATED in groups or own in groups:
        return tuple(groups)
    return (*groups, own)


def _in_go(values: Sequence[str]) -> str:
    listed = ", ".join(json.dumps(value) for value in values)
    return f"[]string{{{listed}}}" if values else "[]string(nil)"


def _extra_in_go(extra: dict[str, tuple[str, ...]]) -> str:
    if not extra:
        return "map[string][]string(nil)"
    listed = ", ".join(f"{json.dumps(key)}:{_in_go(values)}" for key, values in sorted(extra.items()))
    return f"map[string][]string{{{listed}}}"
