"""What is said of addresses that are valid, and not written in the usual way.

Source:
    apimachinery pkg/util/validation/ip.go, ``GetWarningsForIP`` and ``GetWarningsForCIDR``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kubeprims.testing.apiserver.kind_rules import is_address, parse_network, without_leading_zeros

Warnings = Iterator[str]


def address_warnings(value: str, field: str) -> Warnings:
    """Yield what is odd about an IP address."""
    if not is_address(value):
        return
    plain = without_leading_zeros(value)
    found = ipaddress.ip_address(plain)
    mapped = getattr(found, "ipv4_mapped", None)
    if plain != value or mapped is not None:
        yield f'{field}: non-standard IP address "{value}" is invalid: use "{mapped or found}"'
    elif str(found) != value:
        yield f'{field}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{found}")'


def network_warnings(value: str, field: str) -> Warnings:
    """Yield what is odd about a range of addresses."""
    found = parse_network(value)
    if found is None:
        return
    base, _, bits = value.partition("/")
    plain = without_leading_zeros(base)
    address = ipaddress.ip_address(plain)
    mapped = getattr(address, "ipv4_mapped", None)
    is_plain = plain == base and str(int(bits)) == bits and mapped is None
    if address != found.network_address:
        alone = f"{address}/{found.max_prefixlen}"
        yield f'{field}: CIDR value "{value}" is ambiguous in this context (should be "{found}" or "{alone}"?)'
    if not is_plain:
        yield f'{field}: non-standard CIDR value "{value}" is invalid: use "{found}"'
    elif address == found.network_address and str(found) != value:
        yield f'{field}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{found}")'
