"""The formats of texts that schemas name.

Pure.

Source:
    kube-openapi pkg/validation/strfmt: which formats there are, and what they look like.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import re
import urllib.parse
from collections.abc import Callable, Mapping

_HEX = "[0-9a-fA-F]"
_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_UNITS = (
    "ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|"
    "s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?"
)
_DURATION = re.compile(rf"\s*\d+\s*(?:{_UNITS})(?![a-zµ])\s*", re.IGNORECASE)
_GO_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_EMAIL = re.compile(r"[^\s@<>,;()]+@[^\s@<>,;()]+")
_LETTER = "A-Za-z\u00a1-\U0010ffff"
_HOSTNAME = re.compile(
    # One part of at most 63, or dotted ones with a last one of letters.
    f"[0-9{_LETTER}](-?[0-9{_LETTER}]{{0,62}})?|"
    f"([0-9{_LETTER}]([-0-9{_LETTER}]{{0,61}}[0-9{_LETTER}])?\\.)+[{_LETTER}]{{2,63}}"
)
_HOSTNAME_LENGTH_MAX = 255
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_LENGTH_MAX = 63
_SUBDOMAIN_LENGTH_MAX = 253
_ISBN_10, _ISBN_13 = 10, 13
_COLOR_MAX = 255


def is_known_format(name: str) -> bool:
    """Return whether a format is one that texts are checked for; others say nothing."""
    return _plain(name) in _CHECKS


def has_format(text: str, name: str) -> bool:
    """Return whether a text has a format; every text has one that is not known."""
    check = _CHECKS.get(_plain(name))
    return check is None or check(text)


def _plain(name: str) -> str:
    return name.replace("-", "")


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _uuid(version: str, variant: str = "") -> Callable[[str], bool]:
    third, fourth = f"{version}{_HEX}{{{4 - len(version)}}}", f"{variant}{_HEX}{{{3 if variant else 4}}}"
    return _matches(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{third}-?{fourth}-?{_HEX}{{12}}")


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _is_date_time(text: str) -> bool:
    found = _DATE_TIME.fullmatch(text)
    if found is None or not _is_date(found[1]):
        return False
    return int(found[2]) < 24 and int(found[3]) < 60 and int(found[4]) < 60  # noqa: PLR2004 - hours, minutes, seconds


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_uri(text: str) -> bool:
    """Return whether a text is an absolute URI, or an absolute path."""
    if any(character <= " " or character == "\x7f" for character in text):
        return False
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _is_email(text: str) -> bool:
    return _EMAIL.fullmatch(text) is not None


def _is_hostname(text: str) -> bool:
    return len(text.encode("utf-8", "replace")) <= _HOSTNAME_LENGTH_MAX and _HOSTNAME.fullmatch(text) is not None


def _is_duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    position = 0
    while position < len(text):
        found = _DURATION.match(text, position)
        if found is None:
            return False
        position = found.end()
    return bool(text)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _digits(text: str) -> list[int]:
    return [10 if letter in "xX" else int(letter) for letter in text if letter not in " -"]


def _is_isbn_10(text: str) -> bool:
    if not re.fullmatch(r"[0-9 -]*[0-9Xx]", text, re.ASCII):
        return False
    digits = _digits(text)
    weights = range(_ISBN_10, 0, -1)
    is_whole = sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11 == 0
    return len(digits) == _ISBN_10 and is_whole


def _is_isbn_13(text: str) -> bool:
    if not re.fullmatch(r"[0-9 -]*[0-9]", text, re.ASCII):
        return False
    digits = _digits(text)
    return len(digits) == _ISBN_13 and (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0


def _is_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]", "", text)
    known = (
        r"4\d{12}(\d{3})?|5[1-5]\d{14}|6(011|5\d\d)\d{12}|3[47]\d{13}|3(0[0-5]|[68]\d)\d{11}|(2131|1800|35\d{3})\d{11}"
    )
    if not re.fullmatch(known, digits, re.ASCII):
        return False
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0  # noqa: PLR2004 - one digit


def _is_rgb(text: str) -> bool:
    found = re.fullmatch(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", text, re.ASCII)
    return found is not None and all(int(part) <= _COLOR_MAX for part in found.groups())


def _is_short_name(text: str) -> bool:
    return len(text) <= _LABEL_LENGTH_MAX and _LABEL.fullmatch(text) is not None


def _is_long_name(text: str) -> bool:
    return len(text) <= _SUBDOMAIN_LENGTH_MAX and all(_LABEL.fullmatch(part) for part in text.split("."))


def _is_mac(text: str) -> bool:
    return any(
        re.fullmatch(f"{part}({mark}{part}){{{count}}}", text)
        for part, mark, counts in ((f"{_HEX}{{2}}", "[:-]", (5, 7, 19)), (f"{_HEX}{{4}}", r"\.", (2, 3, 9)))
        for count in counts
    )


def _network(text: str) -> object:
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_interface(text)


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(f"{_HEX}{{24}}"),
    "byte": _is_base64,
    "cidr": _parses(_network),
    "creditcard": _is_card,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "email": _is_email,
    "hexcolor": _matches(f"#?({_HEX}{{3}}|{_HEX}{{6}})"),
    "hostname": _is_hostname,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "isbn": lambda text: _is_isbn_10(text) or _is_isbn_13(text),
    "isbn10": _is_isbn_10,
    "isbn13": _is_isbn_13,
    "k8slongname": _is_long_name,
    "k8sshortname": _is_short_name,
    "mac": _is_mac,
    "password": lambda _: True,
    "rgbcolor": _is_rgb,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _is_uri,
    "uuid": _uuid(""),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4", "[89abAB]"),
    "uuid5": _uuid("5", "[89abAB]"),
}
