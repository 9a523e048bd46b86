"""The rules of services and of what is around them.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateService``; pkg/apis/networking/validation.
"""

from __future__ import annotations

import ipaddress
import re

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.selectors import dns_subdomain_problems
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    address,
    duplicate,
    indexed,
    is_address,
    label_key,
    label_selector,
    labels,
    named,
    number,
    one_of,
    port,
    port_number,
    subdomain,
    texts,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.service_addresses import has_health_check, is_reachable
from kubeprims.testing.apiserver.status import FieldProblem

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_AFFINITY_MAX_S = 86_400
_ABSENT_EXTERNALLY = ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
_CIDR_RULE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_WILDCARD_RULE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    r"regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_CONTROLLER = re.compile(r"[^/]+/.+")


def service_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules a service breaks."""
    spec = mapping(obj, "spec")
    before = mapping(old, "spec") if old is not None else {}
    if before and "ExternalName" not in {text(spec, "type"), text(before, "type")}:
        now, then = texts(spec, "clusterIPs"), texts(before, "clusterIPs")
        if then and now[:1] != then[:1]:
            yield FieldProblem.invalid("spec.clusterIPs[0]", [*now], "may not change once set")
    headless = text(spec, "clusterIP") == "None"
    if not items(spec, "ports") and not headless and text(spec, "type") != "ExternalName":
        yield FieldProblem.required("spec.ports", "")
    if headless and text(spec, "type") in {"NodePort", "LoadBalancer"}:
        rule = f"may not be set to 'None' for {text(spec, 'type')} services"
        yield FieldProblem.invalid("spec.clusterIPs[0]", "None", rule)
    if text(spec, "type") == "ExternalName":
        yield from _external_problems(spec)
    yield from _port_problems(spec)
    yield from labels(spec, "selector", "spec")
    yield from one_of(spec, "sessionAffinity", "spec", ("ClientIP", "None"))
    yield from _affinity_problems(spec)
    yield from _external_ip_problems(spec)
    yield from one_of(spec, "type", "spec", _SERVICE_TYPES)
    yield from _node_port_problems(spec)
    yield from _policy_problems(spec)
    yield from _balancer_problems(spec, before)
    yield from _cluster_ip_problems(spec)


def _external_problems(spec: JSONObject) -> Problems:
    for key in _ABSENT_EXTERNALLY:
        if spec.get(key) or (key == "clusterIPs" and spec.get("clusterIP")):
            yield FieldProblem.forbidden(f"spec.{key}", "may not be set for ExternalName services")
    name = text(spec, "externalName").removesuffix(".")
    if name:
        yield from subdomain(name, "spec.externalName")
    else:
        yield FieldProblem.required("spec.externalName", "")


def _port_problems(spec: JSONObject) -> Problems:
    names: set[str] = set()
    places: set[tuple[JSONValue, JSONValue]] = set()
    for field, item in indexed(spec, "ports", "spec"):
        name = text(item, "name")
        if name:
            yield from named(name, f"{field}.name", NameRule.DNS_LABEL)
            if name in names:
                yield duplicate(f"{field}.name", name)
            names.add(name)
        elif len(items(spec, "ports")) > 1:
            yield FieldProblem.required(f"{field}.name", "")
        yield from port_number(number(item, "port") or 0, f"{field}.port")
        yield from one_of(item, "protocol", field, _PROTOCOLS)
        yield from port(item.get("targetPort"), f"{field}.targetPort")
    for field, item in indexed(spec, "ports", "spec"):
        place = (item.get("protocol"), item.get("port"))
        if place in places:
            yield _same_port(field, item)
        places.add(place)


def _same_port(field: str, item: JSONObject) -> FieldProblem:
    protocol, number_ = text(item, "protocol"), item.get("port")
    key = f'{{"Name":"","Protocol":"{protocol}","AppProtocol":null,"Port":{number_},"TargetPort":0,"NodePort":0}}'
    return FieldProblem(field, "FieldValueDuplicate", f"Duplicate value: {key}")


def _affinity_problems(spec: JSONObject) -> Problems:
    client_ip = mapping(mapping(spec, "sessionAffinityConfig"), "clientIP")
    timeout_s = number(client_ip, "timeoutSeconds")
    if text(spec, "sessionAffinity") == "ClientIP" and timeout_s is not None and not 0 < timeout_s <= _AFFINITY_MAX_S:
        rule = f"must be greater than 0 and less than {_AFFINITY_MAX_S}"
        yield FieldProblem.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", timeout_s, rule)


def _external_ip_problems(spec: JSONObject) -> Problems:
    for position, value in enumerate(texts(spec, "externalIPs")):
        field = f"spec.externalIPs[{position}]"
        broken = [*address(value, field)]
        yield from broken
        if not broken and ipaddress.ip_address(value).is_loopback:
            rule = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
            yield FieldProblem.invalid(field, value, rule)


def _node_port_problems(spec: JSONObject) -> Problems:
    if text(spec, "type") not in {"ClusterIP", "ExternalName"}:
        return
    for field, item in indexed(spec, "ports", "spec"):
        if item.get("nodePort"):
            rule = f"may not be used when `type` is '{text(spec, 'type')}'"
            yield FieldProblem.forbidden(f"{field}.nodePort", rule)


def _policy_problems(spec: JSONObject) -> Problems:
    policy = text(spec, "externalTrafficPolicy")
    reachable = is_reachable(spec)
    if policy and not reachable:
        rule = "may only be set for externally-accessible services"
        yield FieldProblem.invalid("spec.externalTrafficPolicy", policy, rule)
    elif reachable:
        yield from one_of(spec, "externalTrafficPolicy", "spec", ("Cluster", "Local"))
    yield from one_of(spec, "internalTrafficPolicy", "spec", ("Cluster", "Local"))


def _balancer_problems(spec: JSONObject, before: JSONObject) -> Problems:
    check, balancer = spec.get("healthCheckNodePort"), text(spec, "loadBalancerClass")
    if check and not has_health_check(spec):
        rule = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield FieldProblem.invalid("spec.healthCheckNodePort", check, rule)
    if text(spec, "type") != "LoadBalancer":
        if balancer:
            rule = "may only be used when `type` is 'LoadBalancer'"
            yield FieldProblem.forbidden("spec.loadBalancerClass", rule)
        return
    if text(before, "type") == "LoadBalancer" and balancer != text(before, "loadBalancerClass"):
        shown = spec.get("loadBalancerClass")
        yield FieldProblem.invalid("spec.loadBalancerClass", shown, "may not change once set")
    if balancer:
        yield from label_key(balancer, "spec.loadBalancerClass")


def _cluster_ip_problems(spec: JSONObject) -> Problems:
    first, every = text(spec, "clusterIP"), texts(spec, "clusterIPs")
    if text(spec, "type") == "ExternalName":
        return
    if first and every and every[0] != first:
        yield FieldProblem.invalid("spec.clusterIPs", [*every], "first value must match `clusterIP`")
    elif every and not first:
        yield FieldProblem.invalid("spec.clusterIPs", [*every], "must be empty when `clusterIP` is not specified")
    for position, value in enumerate(every or ([first] if first else [])):
        if value != "None":
            yield from address(value, f"spec.clusterIPs[{position}]")


def endpoints_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules endpoints break."""
    for field, subset in indexed(obj, "subsets", ""):
        where = field.removeprefix(".")
        if not items(subset, "addresses") and not items(subset, "notReadyAddresses"):
            yield FieldProblem.required(where, "must specify `addresses` or `notReadyAddresses`")
        for key in ("addresses", "notReadyAddresses"):
            for place, item in indexed(subset, key, where):
                value = text(item, "ip")
                yield from address(value, f"{place}.ip")
                if not is_address(value):
                    yield FieldProblem.invalid(f"{place}.ip", value, "must be a valid IP address")
        several = len(items(subset, "ports")) > 1
        for place, item in indexed(subset, "ports", where):
            if several and not item.get("name"):
                yield FieldProblem.required(f"{place}.name", "")
            yield from port_number(number(item, "port") or 0, f"{place}.port")
            yield from one_of(item, "protocol", place, _PROTOCOLS)


def endpoint_slice_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules an endpoint slice breaks."""
    kind = text(obj, "addressType")
    if not kind:
        yield FieldProblem.required("addressType", "")
    else:
        yield from one_of(obj, "addressType", "", ("FQDN", "IPv4", "IPv6"))
    for field, endpoint in indexed(obj, "endpoints", ""):
        where, addresses = field.removeprefix("."), texts(endpoint, "addresses")
        if not addresses:
            yield FieldProblem.required(f"{where}.addresses", "")
        for position, value in enumerate(addresses):
            if kind in {"IPv4", "IPv6"}:
                yield from address(value, f"{where}.addresses[{position}]")
            elif kind == "FQDN":
                yield from subdomain(value, f"{where}.addresses[{position}]")
    for field, item in indexed(obj, "ports", ""):
        yield from one_of(item, "protocol", field.removeprefix("."), _PROTOCOLS)
    if old is not None and kind != old.get("addressType"):
        yield FieldProblem.invalid("addressType", None, "field is immutable")


def ingress_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules an ingress breaks."""
    spec = mapping(obj, "spec")
    annotation = mapping(mapping(obj, "metadata"), "annotations").get(_CLASS_ANNOTATION)
    if old is None and annotation is not None and spec.get("ingressClassName") not in (None, annotation):
        broken = "must match `ingressClassName` when both are specified"
        yield FieldProblem.invalid(f"annotations.{_CLASS_ANNOTATION}", annotation, broken)
    if not items(spec, "rules") and "defaultBackend" not in spec:
        yield FieldProblem.invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if "defaultBackend" in spec:
        yield from _backend_problems(mapping(spec, "defaultBackend"), "spec.defaultBackend")
    for field, rule in indexed(spec, "rules", "spec"):
        yield from _host_problems(text(rule, "host"), f"{field}.host")
        if "http" in rule:
            http, where = mapping(rule, "http"), f"{field}.http"
            if not items(http, "paths"):
                yield FieldProblem.required(f"{where}.paths", "")
            for place, path in indexed(http, "paths", where):
                yield from _path_problems(path, place)


def _host_problems(host: str, field: str) -> Problems:
    if host and is_address(host):
        yield FieldProblem.invalid(field, host, "must be a DNS name, not an IP address")
    elif host.startswith("*"):
        if not host.startswith("*.") or dns_subdomain_problems(host[2:]):
            yield FieldProblem.invalid(field, host, _WILDCARD_RULE)
    elif host:
        yield from subdomain(host, field)


def _path_problems(path: JSONObject, field: str) -> Problems:
    kind, value = path.get("pathType"), text(path, "path")
    if kind is None:
        yield FieldProblem.required(f"{field}.pathType", "pathType must be specified")
    yield from one_of(path, "pathType", field, _PATH_TYPES)
    if not value.startswith("/") and (kind in {"Exact", "Prefix"} or (value and kind == "ImplementationSpecific")):
        yield FieldProblem.invalid(f"{field}.path", value, "must be an absolute path")
    yield from _backend_problems(mapping(path, "backend"), f"{field}.backend")


def _backend_problems(backend: JSONObject, field: str) -> Problems:
    service = mapping(backend, "service")
    if "service" not in backend and "resource" not in backend:
        yield FieldProblem.invalid(field, "", "resource or service backend is required")
    elif "service" in backend and "resource" in backend:
        yield FieldProblem.invalid(field, "", "cannot set both resource and service backends")
    elif service:
        if not service.get("name"):
            yield FieldProblem.required(f"{field}.service.name", "")
        target = mapping(service, "port")
        if not target.get("name") and not target.get("number"):
            yield FieldProblem.required(field, "port name or number is required")
        elif target.get("number"):
            yield from port_number(number(target, "number") or 0, f"{field}.service.port.number")


def ingress_class_problems(obj: JSONObject, old: JSONObject | None) -> Problems:
    """Return which rules an ingress class breaks."""
    controller = text(mapping(obj, "spec"), "controller")
    if not controller:
        yield FieldProblem.required("spec.controller", "")
    elif not _CONTROLLER.fullmatch(controller):
        rule = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield FieldProblem.invalid("spec.controller", controller, rule)
    if old is not None and controller != text(mapping(old, "spec"), "controller"):
        yield FieldProblem.invalid("spec.controller", controller, "field is immutable")


def network_policy_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    """Return which rules a network policy breaks."""
    spec = mapping(obj, "spec")
    yield from label_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, key in (("ingress", "from"), ("egress", "to")):
        for field, rule in indexed(spec, direction, "spec"):
            for place, item in indexed(rule, "ports", field):
                yield from one_of(item, "protocol", place, ("TCP", "UDP", "SCTP"))
                yield from port(item.get("port"), f"{place}.port")
                yield from _last_port_problems(item, f"{place}.endPort")
            for place, peer in indexed(rule, key, field):
                yield from _peer_problems(peer, place)
    for position, kind in enumerate(texts(spec, "policyTypes")):
        if kind not in {"Ingress", "Egress"}:
            yield FieldProblem.unsupported(f"spec.policyTypes[{position}]", kind, ("Ingress", "Egress"))


def _last_port_problems(item: JSONObject, field: str) -> Problems:
    first, last = item.get("port"), number(item, "endPort")
    if last is None:
        return
    if first is None:
        yield FieldProblem.invalid(field, last, "may not be specified when `port` is not specified")
    elif not isinstance(first, int):
        yield FieldProblem.invalid(field, last, "may not be specified when `port` is non-numeric")
    else:
        if last < first:
            yield FieldProblem.invalid(field, last, "must be greater than or equal to `port`")
        yield from port_number(last, field)


def _peer_problems(peer: JSONObject, field: str) -> Problems:
    chosen = [key for key in ("podSelector", "namespaceSelector", "ipBlock") if key in peer]
    if not chosen:
        yield FieldProblem.required(field, "must specify a peer")
    for key in ("podSelector", "namespaceSelector"):
        yield from label_selector(peer.get(key), f"{field}.{key}")
    if "ipBlock" in peer:
        if len(chosen) > 1:
            yield FieldProblem.forbidden(field, "may not specify both ipBlock and another peer")
        cidr = text(mapping(peer, "ipBlock"), "cidr")
        try:
            ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            yield FieldProblem.invalid(f"{field}.ipBlock.cidr", cidr, _CIDR_RULE)
