"""The addresses and ports that services get: the lowest that are free, where a real server takes any.

Source:
    kubernetes pkg/registry/core/service/storage/alloc.go and storage.go, ``patchAllocatedValues``.
    Differs: one family of addresses, from a larger range than a real server's default.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from kubeprims.errors import Invalid
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.status import FieldProblem, invalid

ADDRESSES = ipaddress.ip_network("10.0.0.0/16")
NODE_PORTS = range(30_000, 32_768)
_HEADLESS = "None"
_KEPT = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
_BALANCER = "LoadBalancer"
_WITH_NODE_PORTS = frozenset({"NodePort", _BALANCER})
_EXTERNAL = "ExternalName"
_HEALTH_CHECK = "healthCheckNodePort"


def with_kept_addresses(service: JSONObject, existing: JSONObject) -> JSONObject:
    """Return what an update makes of a service that it names no addresses and ports for, or gives another type.

    It keeps those that it has; what its new type has no use for, and the update did not change, goes.

    Source:
        kubernetes pkg/registry/core/service/strategy.go, ``dropTypeDependentFields``.
    """
    spec, old = dict(mapping(service, "spec")), mapping(existing, "spec")
    _match_addresses(spec, old)
    if _EXTERNAL not in {text(spec, "type"), text(old, "type")}:
        for key in _KEPT:
            if not spec.get(key) and key in old:
                spec[key] = old[key]
    if {text(spec, "type"), text(old, "type")} <= _WITH_NODE_PORTS:
        before = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in items(old, "ports")}
        spec["ports"] = [_with_old_node_port(port, before) for port in items(spec, "ports")]
    if has_health_check(spec) and has_health_check(old) and not spec.get(_HEALTH_CHECK) and _HEALTH_CHECK in old:
        spec[_HEALTH_CHECK] = old[_HEALTH_CHECK]
    return {**service, "spec": _without_left_overs(spec, old)}


def _match_addresses(spec: JSONObject, old: JSONObject) -> None:
    """Let the first of several addresses follow the one that is changed by itself."""
    address, addresses = spec.get("clusterIP"), spec.get("clusterIPs")
    if address and not addresses:
        spec["clusterIPs"] = [address]
    elif address != old.get("clusterIP") and isinstance(addresses, list) and addresses == old.get("clusterIPs"):
        if address:
            spec["clusterIPs"] = [address, *addresses[1:]]
        else:
            del spec["clusterIPs"]


def _without_left_overs(spec: JSONObject, old: JSONObject) -> JSONObject:
    kind, before = text(spec, "type"), text(old, "type")
    useless: set[str] = set()
    if kind == _EXTERNAL != before:
        useless.update((*_KEPT, "internalTrafficPolicy"))
    if kind != _BALANCER == before:
        useless.update(("allocateLoadBalancerNodePorts", "loadBalancerClass"))
    if has_health_check(old) and not has_health_check(spec):
        useless.add(_HEALTH_CHECK)
    if is_reachable(old) and not is_reachable(spec):
        useless.add("externalTrafficPolicy")
    spec = {key: value for key, value in spec.items() if key not in useless or value != old.get(key)}
    if before in _WITH_NODE_PORTS and kind not in _WITH_NODE_PORTS and {*_node_ports(spec)} <= {*_node_ports(old)}:
        ports = ({key: value for key, value in port.items() if key != "nodePort"} for port in items(spec, "ports"))
        spec["ports"] = [*ports]
    return spec


def is_reachable(spec: JSONObject) -> bool:
    """Return whether the service of a spec can be reached from outside the cluster."""
    kind = text(spec, "type")
    return kind in _WITH_NODE_PORTS or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def has_health_check(spec: JSONObject) -> bool:
    """Return whether a balancer asks nodes, on a port of its own, whether they have the service of a spec."""
    return text(spec, "type") == _BALANCER and text(spec, "externalTrafficPolicy") == "Local"


def _with_old_node_port(port: JSONObject, before: Mapping[tuple[JSONValue, JSONValue], JSONValue]) -> JSONObject:
    number = port.get("nodePort") or before.get((port.get("protocol"), port.get("port")))
    return {**port, "nodePort": number} if number else port


class ServiceAddresses:
    """What is taken, and what is given out.

    Concurrency:
        None of its own: it is made for one write, or one batch of them, under the storage's lock.
    """

    def __init__(self, services: Iterable[JSONObject]) -> None:
        self._addresses: set[str] = set()
        self._ports: set[int] = set()
        for service in services:
            spec = mapping(service, "spec")
            self._addresses.add(text(spec, "clusterIP"))
            self._ports.update(_node_ports(spec))
            health_check = spec.get(_HEALTH_CHECK)
            self._ports.update([health_check] if isinstance(health_check, int) else [])

    def assign(self, service: JSONObject, existing: JSONObject | None = None) -> JSONObject:
        """Return a service, with its defaults, with addresses and ports: those it asks for, or free ones.

        Args:
            service: The service.
            existing: The same service before the write: what it holds is not taken by another.

        Raises:
            Invalid: One that it asks for is taken or out of range, or none is left.
        """
        spec = dict(mapping(service, "spec"))
        old = mapping(existing, "spec") if existing is not None else {}
        if spec.get("type") == _EXTERNAL:
            return service
        self._assign_address(service, spec, old)
        if spec.get("type") == "NodePort" or (
            spec.get("type") == _BALANCER and spec.get("allocateLoadBalancerNodePorts") is not False
        ):
            spec["ports"] = [*self._with_node_ports(service, items(spec, "ports"), {*_node_ports(old)})]
        if has_health_check(spec):
            self._assign_health_check(service, spec, old)
        return {**service, "spec": spec}

    def _assign_health_check(self, service: JSONObject, spec: JSONObject, old: JSONObject) -> None:
        wanted = spec.get(_HEALTH_CHECK)
        if not isinstance(wanted, int) or not wanted:
            wanted = spec[_HEALTH_CHECK] = self._free_port(service, f"spec.{_HEALTH_CHECK}")
        elif wanted != old.get(_HEALTH_CHECK):
            self._check_port(service, f"spec.{_HEALTH_CHECK}", wanted)
        self._ports.add(wanted)

    def _assign_address(self, service: JSONObject, spec: JSONObject, old: JSONObject) -> None:
        address = text(spec, "clusterIP")
        if not address:
            address = self._free_address(service)
        elif address not in {_HEADLESS, text(old, "clusterIP")}:
            self._check_address(service, address)
        self._addresses.add(address)
        spec["clusterIP"] = address
        spec.setdefault("clusterIPs", [address])
        open_ended = address == _HEADLESS and not spec.get("selector")
        families: list[JSONValue] = ["IPv4", "IPv6"] if open_ended else ["IPv4"]
        spec.setdefault("ipFamilies", families)
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if open_ended else "SingleStack")

    def _free_address(self, service: JSONObject) -> str:
        hosts = ADDRESSES.hosts()
        next(hosts)  # that of the API server's own service
        for host in hosts:
            if str(host) not in self._addresses:
                return str(host)
        raise _refused(service, FieldProblem("spec.clusterIPs", "InternalError", "Internal error: range is full"))

    def _check_address(self, service: JSONObject, address: str) -> None:
        try:
            inside = ipaddress.ip_address(address) in ADDRESSES
        except ValueError:
            return  # told by the validation
        rule = ""
        if not inside:
            rule = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {ADDRESSES}"
        elif address in self._addresses:
            rule = "provided IP is already allocated"
        if rule:
            problem = FieldProblem.invalid("spec.clusterIPs", [address], f"failed to allocate IP {address}: {rule}")
            raise _refused(service, problem)

    def _with_node_ports(
        self, service: JSONObject, ports: Sequence[JSONObject], held: AbstractSet[int]
    ) -> Iterator[JSONObject]:
        for position, port in enumerate(ports):
            wanted = port.get("nodePort")
            if not isinstance(wanted, int) or not wanted:
                wanted = self._free_port(service, f"spec.ports[{position}].nodePort")
            elif wanted not in held:
                self._check_port(service, f"spec.ports[{position}].nodePort", wanted)
            self._ports.add(wanted)
            yield {**port, "nodePort": wanted}

    def _free_port(self, service: JSONObject, field: str) -> int:
        found = next((port for port in NODE_PORTS if port not in self._ports), None)
        if found is None:
            raise _refused(service, FieldProblem(field, "InternalError", "Internal error: range is full"))
        return found

    def _check_port(self, service: JSONObject, field: str, port: int) -> None:
        rule = ""
        if port not in NODE_PORTS:
            valid = f"{NODE_PORTS.start}-{NODE_PORTS.stop - 1}"
            rule = f"provided port is not in the valid range. The range of valid ports is {valid}"
        elif port in self._ports:
            rule = "provided port is already allocated"
        if rule:
            raise _refused(service, FieldProblem.invalid(field, port, rule))


def _node_ports(spec: JSONObject) -> Iterator[int]:
    for port in items(spec, "ports"):
        number = port.get("nodePort")
        if isinstance(number, int) and number:
            yield number


def _refused(service: JSONObject, problem: FieldProblem) -> Invalid:
    return invalid("Service", text_of(metadata_of(service), "name"), [problem])
