"""Whom to act as: the ``Impersonate-*`` headers of a request, checked and encoded once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from kubeprims.errors import InvalidArgument
from kubeprims.transport.message import Headers, Request, Response, RoundTripper

HEADER_BYTES_MAX = 32 << 10
"""What the headers of one identity may add up to, in bytes: less than what servers and proxies take as a head."""

PRIVILEGED_GROUPS = frozenset({"system:masters"})
"""Groups that no server's rules bind."""

_PREFIX = "impersonate-"
_USER, _UID, _GROUP, _EXTRA = "Impersonate-User", "Impersonate-Uid", "Impersonate-Group", "Impersonate-Extra-"
_LINE_OVERHEAD_BYTES = len(": \r\n")
_LETTERS_AND_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# The characters of an HTTP token without the percent sign, which begins an encoded byte.
_PLAIN_IN_KEY = frozenset(b"!#$&'*+-.^_`|~" + _LETTERS_AND_DIGITS)
_CAPITALS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DELETE = 0x7F
_FIRST_AFTER_CONTROLS = 0xA0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Identity:
    """A user to act as, with everything that the server is told of it.

    What the server would read otherwise than it was given is refused, never mended: blanks at either end, which it
    cuts off, and capitals in the keys of extras, which it reads as small letters.

    Attributes:
        user: The user's name.
        uid: Its uid; empty: none.
        groups: Its groups, each once, in the order of their first mention. Any name, a comma included.
        extra: Pairs of a key and its values, such as ``mapping.items()``.
        allow_privileged: Whether ``groups`` may hold ``system:masters``, to which nothing is forbidden.
        keep_capitals: Whether keys of extras may hold capitals; they are encoded then, so that the server sees them.

    Raises:
        InvalidArgument: A part is empty, holds a control character or blanks at an end, or cannot be encoded; a key
            occurs twice, or has capitals; a group is privileged; all of it is longer than :data:`HEADER_BYTES_MAX`.
        TypeError: A part is not a string, or a string stands where several are wanted.

    Concurrency:
        Immutable, and compared and hashed by value.

    Source:
        client-go transport/round_trippers.go, ``ImpersonationConfig`` and ``headerKeyEscape``.
        Same: one header line for each group and each value of an extra; the encoding of keys.
        Differs: values are checked; a user must be named; text is UTF-8 whatever the language's default.
    """

    user: str
    uid: str = ""
    groups: Collection[str] = ()
    extra: Collection[tuple[str, Collection[str]]] = ()
    allow_privileged: bool = field(default=False, compare=False)
    keep_capitals: bool = field(default=False, compare=False)
    headers: tuple[tuple[str, str], ...] = field(init=False, compare=False)
    """Names and values, ready to be sent: each character stands for one byte of UTF-8."""

    def __post_init__(self) -> None:
        if not self.user:
            rule = "user is empty: whatever else is said of an identity, it needs a user to act as"
            raise InvalidArgument(rule)
        groups = tuple(dict.fromkeys(_texts("groups", self.groups)))
        extra = tuple(_pairs(self.extra))
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "extra", extra)
        if not self.allow_privileged and not PRIVILEGED_GROUPS.isdisjoint(groups):
            rule = "groups holds system:masters, to which nothing is forbidden; allow_privileged=True says it is meant"
            raise InvalidArgument(rule)
        _check_keys([key for key, _ in extra], keep_capitals=self.keep_capitals)
        headers = tuple(self._encoded(groups, extra))
        size = sum(len(name) + len(value) + _LINE_OVERHEAD_BYTES for name, value in headers)
        if size > HEADER_BYTES_MAX:
            rule = f"user, groups and extra take {size} bytes as headers; no more than {HEADER_BYTES_MAX} can be sent"
            raise InvalidArgument(rule)
        object.__setattr__(self, "headers", headers)

    def _encoded(
        self, groups: tuple[str, ...], extra: tuple[tuple[str, tuple[str, ...]], ...]
    ) -> Iterator[tuple[str, str]]:
        yield _USER, _encode("user", self.user)
        if self.uid:
            yield _UID, _encode("uid", self.uid)
        for group in groups:
            yield _GROUP, _encode("groups", group)
        for key, values in extra:
            name = _EXTRA + _encode_key(key)
            for value in values:
                yield name, _encode("extra", value)

    def __repr__(self) -> str:
        return f"<Identity {self.user!r}, {len(self.groups)} groups>"


def _texts(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Collection):
        message = f"{name} must be several strings, such as a list, not {type(values).__name__}"
        raise TypeError(message)
    found = tuple(cast("Collection[object]", values))
    for value in found:
        if not isinstance(value, str):
            message = f"{name} must hold strings, not {type(value).__name__}"
            raise TypeError(message)
    return cast("tuple[str, ...]", found)


def _pairs(pairs: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(pairs, (str, bytes)) or not isinstance(pairs, Collection):
        message = f"extra must be several pairs of a key and its values, not {type(pairs).__name__}"
        raise TypeError(message)
    for pair in cast("Collection[tuple[object, object]]", pairs):
        match pair:
            case (str() as key, values):
                yield key, _texts("extra", values)
            case _:
                message = "extra must hold pairs of a key and its values; pass the items() of a mapping"
                raise TypeError(message)


def _check_keys(keys: list[str], *, keep_capitals: bool) -> None:
    if len({key.lower() for key in keys}) < len(keys):
        rule = "extra holds the same key twice, capitals apart: the server would take them for one"
        raise InvalidArgument(rule)
    for key in keys:
        if not keep_capitals and not _CAPITALS.isdisjoint(key.encode("utf-8", "replace")):
            rule = f"extra holds the key {key!r}, whose capitals the server reads as small letters"
            raise InvalidArgument(rule)


def _encode_key(key: str) -> str:
    """Return the key of an extra as the end of a header's name: what no name can hold as ``%XX``, byte by byte."""
    if not key:
        rule = "extra holds an empty key"
        raise InvalidArgument(rule)
    # Servers turn a name into small letters before they decode it, so an encoded capital stays one.
    return "".join(
        chr(byte) if byte in _PLAIN_IN_KEY and byte not in _CAPITALS else f"%{byte:02X}" for byte in _utf8("extra", key)
    )


def _encode(name: str, value: object) -> str:
    if not isinstance(value, str):
        message = f"{name} must be a string, not {type(value).__name__}"
        raise TypeError(message)
    if not value:
        rule = f"{name} holds an empty string"
        raise InvalidArgument(rule)
    if any(_is_control(character) for character in value):
        rule = f"{name} holds a control character"
        raise InvalidArgument(rule)
    if value != value.strip(" "):
        rule = f"{name} begins or ends with a blank, which the server would cut off: another name"
        raise InvalidArgument(rule)
    return _utf8(name, value).decode("latin-1")


def _is_control(character: str) -> bool:
    code = ord(character)
    return character < " " or _DELETE <= code < _FIRST_AFTER_CONTROLS


def _utf8(name: str, text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        rule = f"{name} holds half of a surrogate pair, which is no character"
        raise InvalidArgument(rule) from None


class Impersonating:
    """Has every request act as one identity.

    Fails closed: a request that says anything of that kind itself is refused, whatever it says. Nothing is merged,
    and nothing is passed over.

    Concurrency:
        Any number of threads at once.

    Source:
        client-go transport/round_trippers.go, ``impersonatingRoundTripper``.
        Differs: there a request that has a user itself keeps it, and groups without a user are sent along with ours.
    """

    __slots__ = ("_headers", "_inner")

    def __init__(self, inner: RoundTripper, identity: Identity) -> None:
        self._inner = inner
        self._headers = identity.headers

    def round_trip(self, request: Request) -> Response:
        """Carry the request; see :class:`~kubeprims.transport.message.RoundTripper`.

        Raises:
            InvalidArgument: The request has a header of impersonation already.
        """
        for name, _ in request.headers:
            if says_identity(name):
                rule = f"the request has the header {name}, and all requests of this transport act as its own identity"
                raise InvalidArgument(rule)
        headers = Headers((*request.headers.items(), *self._headers), checked=True)
        return self._inner.round_trip(replace(request, headers=headers))


def says_identity(name: str) -> bool:
    """Whether a header of that name says whom to act as; gateways read ``_`` as ``-``."""
    return name.lower().replace("_", "-").startswith(_PREFIX)
