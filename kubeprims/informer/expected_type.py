"""What kind of object a reflector keeps: an object of another kind is not put among them. Pure."""

from __future__ import annotations

import re

from kubeprims.errors import DecodeError
from kubeprims.meta import GroupVersionKind
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.record import KEY, RAW, RESOURCE_VERSION, ObjectRecord
from kubeprims.objects.strict_json import decode_object

_PLAIN = rb'"([^"\\]*)"'
_START = re.compile(rb'\{"(?:kind":%b,"apiVersion|apiVersion":%b,"kind)":%b,' % (_PLAIN, _PLAIN, _PLAIN))
_STARTS_MAX = 4
"""How many ways of beginning an object are known by heart: servers have one, or one for lists and one for watches."""


class ExpectedType:
    """The apiVersion and kind that every object of a list and its watch has.

    Unless it is given, it is that of the first object of a list; it is learnt anew from each, for custom resources may
    come back as another kind.

    Concurrency:
        One owner.

    Source:
        client-go tools/cache/reflector.go, ``getExpectedGVKFromObject`` and ``handleAnyWatch``.
        Differs: upstream has the type from the program, and looks for none if that gives none.
    """

    __slots__ = ("_given", "_known", "_starts")

    def __init__(self, given: GroupVersionKind | None = None) -> None:
        self._given = self._known = given
        self._starts: tuple[bytes, ...] = ()

    def forget(self) -> None:
        """Expect nothing but what was given."""
        self._known, self._starts = self._given, ()

    def accepts(self, record: ObjectRecord) -> bool:
        """Return whether an object, as it came from the server, is of this type; one that does not say is."""
        raw = record[RAW]
        if raw.startswith(self._starts):
            return True
        found = _type_of(raw)
        if found is None:
            return True
        if self._known is None:
            self._known = found
        elif found != self._known:
            return False
        start = _START.match(raw)
        if start is not None and len(self._starts) < _STARTS_MAX:
            self._starts = (*self._starts, start[0])
        return True

    def refused(self, record: ObjectRecord) -> MalformedObject:
        """Return an object that is not accepted as one that cannot be kept; nothing is known of one of its key."""
        detail = f"{record[KEY]} is a {_type_of(record[RAW]) or 'nameless kind'}, not a {self}"
        return MalformedObject(detail, record[RAW][:0], None, record[RESOURCE_VERSION])

    def __str__(self) -> str:
        return "<unspecified>" if self._known is None else str(self._known)


def _type_of(raw: bytes) -> GroupVersionKind | None:
    """Return what an object says that it is; None if it does not say."""
    start = _START.match(raw)
    if start is not None:
        kind_first, api_version_first, second = (found and found.decode() for found in start.groups())
        api_version, kind = (second, kind_first) if api_version_first is None else (api_version_first, second)
    else:
        try:
            content = decode_object(raw)
        except DecodeError:
            return None
        api_version, kind = content.get("apiVersion"), content.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str) or not api_version or not kind:
        return None
    return GroupVersionKind.of(api_version, kind)
