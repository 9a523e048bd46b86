"""The rules of services and of what is around them.

Source:
    kubernetes pkg/apis/core/validation/validation.go, ``ValidateService``; pkg/apis/networking/validation.
"""

from __future__ import annotations

import ipaddress

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.kind_rules import (
    Problems,
    address,
    duplicate,
    indexed,
    label_key,
    label_selector,
    labels,
    named,
    network,
    number,
    one_of,
    parse_network,
    port,
    port_number,
    subdomain,
    texts,
    usual_address,
)
from kubeprims.testing.apiserver.kinds import NameRule
from kubeprims.testing.apiserver.service_addresses import has_health_check, is_reachable
from kubeprims.testing.apiserver.status import FieldProblem

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_AFFINITY_MAX_S = 86_400
_ABSENT_EXTERNALLY = ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
_FAMILIES = ("IPv4", "IPv6")
_DIRECTIONS = ("Ingress", "Egress")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
    yield from one_of(spec, "trafficDistribution", "spec", ("PreferClose", "PreferSameZone", "PreferSameNode"))
    yield from _cluster_ip_problems(spec)
    yield from _family_problems(spec)


def _family_problems(spec: JSONObject) -> Problems:
    """Return what is wrong with which sorts of addresses are asked for; this cluster has one."""
    if text(spec, "type") == "ExternalName":
        return
    policy, families = text(spec, "ipFamilyPolicy"), texts(spec, "ipFamilies")
    yield from one_of(spec, "ipFamilyPolicy", "spec", ("PreferDualStack", "RequireDualStack", "SingleStack"))
    if policy == "RequireDualStack":
        rule = "this cluster is not configured for dual-stack services"
        yield FieldProblem.invalid("spec.ipFamilyPolicy", policy, rule)
    for position, family in enumerate(families):
        field = f"spec.ipFamilies[{position}]"
        if family not in _FAMILIES:
            yield FieldProblem.unsupported(field, family, _FAMILIES)
        elif family in families[:position]:
            yield duplicate(field, family)
        elif family != "IPv4":
            yield FieldProblem.invalid(field, family, "not configured on this cluster")


def _range_problems(spec: JSONObject, *, is_balanced: bool) -> Problems:
    ranges, field = texts(spec, "loadBalancerSourceRanges"), "spec.LoadBalancerSourceRanges"
    if ranges and not is_balanced:
        yield FieldProblem.forbidden(field, "may only be used when `type` is 'LoadBalancer'")
        return
    for position, value in enumerate(ranges):
        yield from network(value.strip(), f"{field}[{position}]")


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
        if item.get("appProtocol"):
            yield from label_key(text(item, "appProtocol"), f"{field}.appProtocol")
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
        yield from address(value, field)
        yield from usual_address(value, field)


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
    is_balanced = text(spec, "type") == "LoadBalancer"
    yield from _range_problems(spec, is_balanced=is_balanced)
    if not is_balanced:
        for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(key) is not None:
                yield FieldProblem.forbidden(f"spec.{key}", "may only be used when `type` is 'LoadBalancer'")
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
    kinds = texts(spec, "policyTypes")
    if len(kinds) > len(_DIRECTIONS):
        yield FieldProblem.invalid("spec.policyTypes", [*kinds], "may not specify more than two policyTypes")
        return
    for position, kind in enumerate(kinds):
        if kind not in _DIRECTIONS:
            yield FieldProblem.unsupported(f"spec.policyTypes[{position}]", kind, _DIRECTIONS)


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
        yield from _block_problems(mapping(peer, "ipBlock"), f"{field}.ipBlock")


def _block_problems(block: JSONObject, path: str) -> Problems:
    cidr = text(block, "cidr")
    if not cidr:
        yield FieldProblem.required(f"{path}.cidr", "")
        return
    yield from network(cidr, f"{path}.cidr")
    whole = parse_network(cidr)
    for position, value in enumerate(texts(block, "except") if whole is not None else ()):
        field = f"{path}.except[{position}]"
        yield from network(value, field)
        part = parse_network(value)
        if part is not None and not _is_strict_part(part, whole):
            yield FieldProblem.invalid(field, value, "must be a strict subset of `cidr`")


def _is_strict_part(part: _Network, whole: _Network | None) -> bool:
    return whole is not None and part.network_address in whole and part.prefixlen > whole.prefixlen
