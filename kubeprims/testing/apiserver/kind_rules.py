"""Rules that the fields of many built-in kinds share, each as the problems that a value has.

Source:
    apimachinery pkg/util/validation, pkg/apis/meta/v1/validation; kubernetes pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import dns_subdomain_problems, label_key_problems, label_value_problems
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.metadata import name_rules_broken
from kubeprims.testing.apiserver.status import FieldProblem, quoted

Problems = Iterator[FieldProblem]

NON_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than 0"
IMMUTABLE = "field is immutable"
IP_RULE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
PORTS = (1, 65_535)
INT32_MAX = 2**31 - 1
_PORT_NAME_LENGTH_MAX = 15
_KEY_LENGTH_MAX = 253
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_PERCENT = re.compile(r"[0-9]+%")
_PERCENT_RULE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_SPECIAL = {
    "loopback range (127.0.0.0/8, ::1/128)": (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
    "link-local range (169.254.0.0/16, fe80::/10)": (
        ipaddress.ip_network("169.254.0.0/16"),
        ipaddress.ip_network("fe80::/10"),
    ),
    "link-local multicast range (224.0.0.0/24, ff02::/10)": (
        ipaddress.ip_network("224.0.0.0/24"),
        ipaddress.ip_network("ff02::/16"),  # what is said of it is not quite what is meant
    ),
}
_LISTING_OPERATORS = frozenset({"In", "NotIn"})
_BARE_OPERATORS = frozenset({"Exists", "DoesNotExist"})


def duplicate(field: str, value: JSONValue) -> FieldProblem:
    """The value is there already."""
    return FieldProblem(field, "FieldValueDuplicate", f"Duplicate value: {quoted(value)}")


def not_found(field: str, value: JSONValue) -> FieldProblem:
    """What the value names is not there."""
    return FieldProblem(field, "FieldValueNotFound", f"Not found: {quoted(value)}")


def too_long(field: str, limit_bytes: int) -> FieldProblem:
    """The value is too large."""
    return FieldProblem(field, "FieldValueTooLong", f"Too long: may not be more than {limit_bytes} bytes")


def too_many(field: str, count: int, limit: int) -> FieldProblem:
    """There are more than there may be."""
    return FieldProblem(field, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def number(obj: JSONObject, key: str) -> int | None:
    """Return a whole number; None if it is absent."""
    value = obj.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts(obj: JSONObject, key: str) -> list[str]:
    """Return the texts in a list."""
    value = obj.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def indexed(obj: JSONObject, key: str, path: str) -> Iterator[tuple[str, JSONObject]]:
    """Yield the path and the structure of each item of a list."""
    if key in obj:
        for position, item in enumerate(items(obj, key)):
            yield f"{path}.{key}[{position}]", item


def non_negative(obj: JSONObject, path: str, *keys: str) -> Problems:
    """Numbers that may not lie below zero."""
    for key in keys:
        value = number(obj, key)
        if value is not None and value < 0:
            yield FieldProblem.invalid(f"{path}.{key}", value, NON_NEGATIVE)


def present(obj: JSONObject, path: str, *keys: str) -> Problems:
    """Fields that must be there."""
    for key in keys:
        if obj.get(key) in (None, "", [], {}):
            yield FieldProblem.required(f"{path}.{key}" if path else key, "")


def one_of(obj: JSONObject, key: str, path: str, supported: Sequence[str]) -> Problems:
    """A text that is one of few; an absent one is not judged."""
    value = obj.get(key)
    if isinstance(value, str) and value not in supported:
        yield FieldProblem.unsupported(f"{path}.{key}" if path else key, value, supported)


def named(value: str, field: str, rule: NameRule) -> Problems:
    """A name of some form."""
    for broken in name_rules_broken(value, rule):
        yield FieldProblem.invalid(field, value, broken)


def subdomain(value: str, field: str) -> Problems:
    """A DNS subdomain."""
    for broken in dns_subdomain_problems(value):
        yield FieldProblem.invalid(field, value, broken)


def label_key(value: str, field: str) -> Problems:
    """A qualified name, as of a label."""
    for broken in label_key_problems(value):
        yield FieldProblem.invalid(field, value, broken)


def labels(obj: JSONObject, key: str, path: str) -> Problems:
    """A map of labels."""
    field = f"{path}.{key}"
    for name, value in sorted(mapping(obj, key).items()):
        yield from label_key(name, field)
        for broken in label_value_problems(str(value)):
            yield FieldProblem.invalid(field, value, broken)


def config_key(value: str, field: str) -> Problems:
    """The key of a value in a config map or a secret."""
    if len(value) > _KEY_LENGTH_MAX:
        yield FieldProblem.invalid(field, value, f"must be no more than {_KEY_LENGTH_MAX} characters")
    if not _KEY.fullmatch(value):
        yield FieldProblem.invalid(field, value, _KEY_RULE)
    if value in {".", ".."}:
        yield FieldProblem.invalid(field, value, f"must not be '{value}'")
    elif value.startswith(".."):
        yield FieldProblem.invalid(field, value, "must not start with '..'")


def no_way_back(path: str, field: str) -> Problems:
    """A path that only leads down."""
    if ".." in path.split("/"):
        yield FieldProblem.invalid(field, path, "must not contain '..'")


def relative_path(path: str, field: str) -> Problems:
    """A path that leads down from somewhere."""
    if path.startswith("/"):
        yield FieldProblem.invalid(field, path, "must be a relative path")
    yield from no_way_back(path, field)


def port_number(value: int, field: str) -> Problems:
    """The number of a port."""
    if not PORTS[0] <= value <= PORTS[1]:
        yield FieldProblem.invalid(field, value, f"must be between {PORTS[0]} and {PORTS[1]}, inclusive")


def port_name_problems(value: str) -> Iterator[str]:
    """Return which rules for the names of ports a text breaks."""
    if len(value) > _PORT_NAME_LENGTH_MAX:
        yield f"must be no more than {_PORT_NAME_LENGTH_MAX} characters"
    if not re.fullmatch(r"[-a-z0-9]+", value):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", value):
        yield "must contain at least one letter (a-z)"
    if "--" in value:
        yield "must not contain consecutive hyphens"
    if value.startswith("-") or value.endswith("-"):
        yield "must not begin or end with a hyphen"


def port(value: JSONValue, field: str) -> Problems:
    """A port by number or name."""
    if isinstance(value, int):
        yield from port_number(value, field)
    elif isinstance(value, str):
        for broken in port_name_problems(value):
            yield FieldProblem.invalid(field, value, broken)


def address(value: str, field: str) -> Problems:
    """An IP address, in one of the forms that nobody reads otherwise.

    Source:
        apimachinery pkg/util/validation/ip.go, ``IsValidIPForLegacyField``.
    """
    plain = without_leading_zeros(value)
    if not is_address(value):
        yield FieldProblem.invalid(field, value, IP_RULE)
    elif plain != value:
        yield FieldProblem.invalid(field, value, "must not have leading 0s")
    elif isinstance(found := ipaddress.ip_address(value), ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        yield FieldProblem.invalid(field, value, "must not be an IPv4-mapped IPv6 address")


def is_address(value: str) -> bool:
    """Return whether a text is an IP address, perhaps with more zeros than it needs."""
    try:
        ipaddress.ip_address(without_leading_zeros(value))
    except ValueError:
        return False
    return "%" not in value


def without_leading_zeros(value: str) -> str:
    """Return an address without the zeros that its numbers need not begin with."""
    before, colon, last = value.rpartition(":")
    return before + colon + re.sub(r"(?<![0-9])0+(?=[0-9])", "", last) if "." in last else value


def usual_address(value: str, field: str) -> Problems:
    """An address that others can reach: none that has a meaning of its own.

    Source:
        kubernetes pkg/apis/core/validation/validation.go, ``ValidateEndpointIP``.
    """
    if not is_address(value):
        return
    found = ipaddress.ip_address(without_leading_zeros(value))
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_unspecified:
        yield FieldProblem.invalid(field, value, f"may not be unspecified ({value})")
    for rule, networks in _SPECIAL.items():
        if any(found in special for special in networks):
            yield FieldProblem.invalid(field, value, f"may not be in the {rule}")


def network(value: str, field: str) -> Problems:
    """A range of addresses, in the one form that nobody reads otherwise.

    Source:
        apimachinery pkg/util/validation/ip.go, ``IsValidCIDRForLegacyField``.
    """
    found = parse_network(value)
    if found is None:
        rule = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
        yield FieldProblem.invalid(field, value, rule)
        return
    base, _, bits = value.partition("/")
    if without_leading_zeros(base) != base or str(int(bits)) != bits:
        yield FieldProblem.invalid(field, value, "must not have leading 0s in IP or prefix length")
    elif isinstance(at := ipaddress.ip_address(base), ipaddress.IPv6Address) and at.ipv4_mapped is not None:
        yield FieldProblem.invalid(field, value, "must not have an IPv4-mapped IPv6 address")
    elif at != found.network_address:
        yield FieldProblem.invalid(field, value, "must not have bits set beyond the prefix length")


def parse_network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return a range of addresses, perhaps written with more digits than it needs; None if it is none."""
    base, _, bits = value.partition("/")
    if not is_address(base) or not re.fullmatch("[0-9]{1,4}", bits):
        return None
    try:
        return ipaddress.ip_network(f"{without_leading_zeros(base)}/{int(bits)}", strict=False)
    except ValueError:
        return None


def share(obj: JSONObject, key: str, path: str) -> Problems:
    """A number, or a share in percent."""
    value, field = obj.get(key), f"{path}.{key}"
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        yield FieldProblem.invalid(field, value, _PERCENT_RULE)
    elif isinstance(value, int) and value < 0:
        yield FieldProblem.invalid(field, value, NON_NEGATIVE)


def share_below_whole(obj: JSONObject, key: str, path: str) -> Problems:
    """A share that is not above 100 %."""
    value = obj.get(key)
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) > 100:  # noqa: PLR2004 - percent
        yield FieldProblem.invalid(f"{path}.{key}", value, "must not be greater than 100%")


def label_selector(selector: JSONValue, path: str) -> Problems:
    """A selector of labels.

    Source:
        apimachinery pkg/apis/meta/v1/validation/validation.go, ``ValidateLabelSelector``.
    """
    if not isinstance(selector, dict):
        return
    yield from labels(selector, "matchLabels", path)
    for field, item in indexed(selector, "matchExpressions", path):
        operator, values = text(item, "operator"), texts(item, "values")
        if operator in _LISTING_OPERATORS:
            if not values:
                yield FieldProblem.required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in _BARE_OPERATORS:
            if values:
                rule = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield FieldProblem.forbidden(f"{field}.values", rule)
        else:
            yield FieldProblem.invalid(f"{field}.operator", operator, "not a valid selector operator")
        yield from label_key(text(item, "key"), f"{field}.key")
        for position, value in enumerate(values if operator in _LISTING_OPERATORS else ()):
            for broken in label_value_problems(value):
                yield FieldProblem.invalid(f"{field}.values[{position}]", value, broken)


def selects(selector: JSONObject, found: JSONObject) -> bool:
    """Return whether a selector that has no problems, and is not empty, selects what has these labels."""
    if any(found.get(key) != value for key, value in mapping(selector, "matchLabels").items()):
        return False
    return all(_holds(item, found) for item in items(selector, "matchExpressions"))


def _holds(expression: JSONObject, found: JSONObject) -> bool:
    key, operator = text(expression, "key"), text(expression, "operator")
    match operator:
        case "In":
            return key in found and found[key] in texts(expression, "values")
        case "NotIn":
            return key not in found or found[key] not in texts(expression, "values")
        case "Exists":
            return key in found
        case _:
            return key not in found


def is_empty_selector(selector: JSONObject) -> bool:
    """Return whether a selector has no requirement."""
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


_SECOND_SOURCES = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}  # as upstream spells them, here alone


def sources(
    obj: JSONObject, path: str, known: Iterable[str], *, what: str
) -> Iterator[tuple[str, FieldProblem | None]]:
    """Yield which of the members are there, of which there may be one; each after the first with its problem."""
    first = True
    for key in known:
        if key in obj:
            field = f"{path}.{_SECOND_SOURCES.get(key, key)}"
            yield key, None if first else FieldProblem.forbidden(field, f"may not specify more than 1 {what}")
            first = False
