"""The rules of endpoints and endpoint slices.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateEndpoints``; pkg/apis/discovery/validation.
"""

from __future__ import annotations

import ipaddress

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    address,
    duplicate,
    indexed,
    is_address,
    named,
    number,
    one_of,
    port_number,
    subdomain,
    texts,
    usual_address,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.status import FieldProblem

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_FAMILIES = {"IPv4": 4, "IPv6": 6}


def endpoints_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules endpoints break."""
    for field, subset in indexed(obj, "subsets", ""):
        where = field.removeprefix(".")
        if not items(subset, "addresses") and not items(subset, "notReadyAddresses"):
            yield FieldProblem.required(where, "must specify `addresses` or `notReadyAddresses`")
        for key in ("addresses", "notReadyAddresses"):
            for place, item in indexed(subset, key, where):
                yield from _address_problems(item, place)
        several = len(items(subset, "ports")) > 1
        for place, item in indexed(subset, "ports", where):
            if item.get("name"):
                yield from named(text(item, "name"), f"{place}.name", NameRule.DNS_LABEL)
            elif several:
                yield FieldProblem.required(f"{place}.name", "")
            yield from port_number(number(item, "port") or 0, f"{place}.port")
            yield from one_of(item, "protocol", place, _PROTOCOLS)


def _address_problems(item: JSONObject, path: str) -> Problems:
    value = text(item, "ip")
    yield from address(value, f"{path}.ip")
    yield from _host_problems(item, path)
    if not is_address(value):
        yield FieldProblem.invalid(f"{path}.ip", value, "must be a valid IP address")
    yield from usual_address(value, f"{path}.ip")


def _host_problems(item: JSONObject, path: str) -> Problems:
    if item.get("hostname"):
        yield from named(text(item, "hostname"), f"{path}.hostname", NameRule.DNS_LABEL)
    if item.get("nodeName") is not None:
        yield from subdomain(text(item, "nodeName"), f"{path}.nodeName")


def endpoint_slice_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules an endpoint slice breaks."""
    kind = text(obj, "addressType")
    if not kind:
        yield FieldProblem.required("addressType", "")
    else:
        yield from one_of(obj, "addressType", "", ("FQDN", *_FAMILIES))
    names: set[str] = set()
    for field, item in indexed(obj, "ports", ""):
        name, where = text(item, "name"), field.removeprefix(".")
        if name:
            yield from named(name, f"{where}.name", NameRule.DNS_LABEL)
        if name in names:
            yield duplicate(f"{where}.name", name)
        names.add(name)
        yield from one_of(item, "protocol", where, _PROTOCOLS)
    for field, endpoint in indexed(obj, "endpoints", ""):
        yield from _endpoint_problems(endpoint, field.removeprefix("."), kind)
    if old is not None and kind != old.get("addressType"):
        yield FieldProblem.invalid("addressType", None, "field is immutable")


def _endpoint_problems(endpoint: JSONObject, path: str, kind: str) -> Problems:
    addresses = texts(endpoint, "addresses")
    if not addresses:
        yield FieldProblem.required(f"{path}.addresses", "")
    for position, value in enumerate(addresses):
        field = f"{path}.addresses[{position}]"
        if kind == "FQDN":
            yield from subdomain(value, field)
        elif kind in _FAMILIES:
            broken = [*_usual_form_problems(value, field)]
            yield from broken
            if not broken:
                yield from _family_problems(value, f"{path}.addresses", kind)
                yield from usual_address(value, field)
    yield from _host_problems({"nodeName": endpoint.get("nodeName")}, path)
    yield from _host_problems({"hostname": endpoint.get("hostname")}, path)


def _usual_form_problems(value: str, field: str) -> Problems:
    broken = [*address(value, field)]
    yield from broken
    if not broken and str(ipaddress.ip_address(value)) != value:
        yield FieldProblem.invalid(field, value, f'must be in canonical form ("{ipaddress.ip_address(value)}")')


def _family_problems(value: str, field: str, kind: str) -> Problems:
    if ipaddress.ip_address(value).version != _FAMILIES[kind]:
        yield FieldProblem.invalid(field, value, f"must be an {kind} address")
