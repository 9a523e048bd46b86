"""The rules of how pods resolve names.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``validatePodDNSConfig``.
"""

from __future__ import annotations

import re

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaulting import items, mapping
from kubeprims.testing.apiserver.kind_rules import Problems, address, texts
from kubeprims.testing.apiserver.status import FieldProblem

_SERVERS_MAX = 3
_SEARCHES_MAX = 32
_SEARCH_BYTES_MAX = 2048
_SUBDOMAIN_BYTES_MAX = 253
_PATTERN = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
_SUBDOMAIN = re.compile(_PATTERN)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_PATTERN}')"
)


def dns_problems(spec: JSONObject, path: str) -> Problems:
    """Return what is wrong with how a pod resolves names."""
    config, field = mapping(spec, "dnsConfig"), f"{path}.dnsConfig"
    if spec.get("dnsPolicy") == "None" and "dnsConfig" not in spec:
        yield FieldProblem.required(field, "must provide `dnsConfig` when `dnsPolicy` is None")
    elif spec.get("dnsPolicy") == "None" and not texts(config, "nameservers"):
        rule = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield FieldProblem.required(f"{field}.nameservers", rule)
    elif config:
        yield from _server_problems(texts(config, "nameservers"), f"{field}.nameservers")
        yield from _searches_problems(texts(config, "searches"), f"{field}.searches")
        for position, option in enumerate(items(config, "options")):
            if not option.get("name"):
                yield FieldProblem.required(f"{field}.options[{position}]", "must not be empty")


def _server_problems(servers: list[str], field: str) -> Problems:
    if len(servers) > _SERVERS_MAX:
        yield FieldProblem.invalid(field, [*servers], f"must not have more than {_SERVERS_MAX} nameservers")
    for position, server in enumerate(servers):
        yield from address(server, f"{field}[{position}]")


def _searches_problems(searches: list[str], field: str) -> Problems:
    if len(searches) > _SEARCHES_MAX:
        yield FieldProblem.invalid(field, [*searches], f"must not have more than {_SEARCHES_MAX} search paths")
    if len(" ".join(searches).encode()) > _SEARCH_BYTES_MAX:
        rule = f"must not have more than {_SEARCH_BYTES_MAX} characters (including spaces) in the search list"
        yield FieldProblem.invalid(field, [*searches], rule)
    for position, search in enumerate(searches):
        if search != ".":
            yield from _search_problems(search.removesuffix("."), f"{field}[{position}]")


def _search_problems(search: str, field: str) -> Problems:
    if len(search.encode()) > _SUBDOMAIN_BYTES_MAX:
        yield FieldProblem.invalid(field, search, f"must be no more than {_SUBDOMAIN_BYTES_MAX} bytes")
    if not _SUBDOMAIN.fullmatch(search):
        yield FieldProblem.invalid(field, search, _SUBDOMAIN_RULE)
