from __future__ import annotations

import ipaddress

import pytest

from kubeprims.errors import Invalid
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver import service_addresses
from kubeprims.testing.apiserver.service_addresses import ADDRESSES, NODE_PORTS, ServiceAddresses
from tests.testing.apiserver.backends import Server, part
from tests.testing.apiserver.given_objects import service

SERVICES = "v1/services"


@pytest.fixture
def server() -> Server:
    return Server()


def named(name: str, obj: JSONObject) -> JSONObject:
    return {"metadata": {"name": name}, **obj}


def test_services_get_addresses_of_their_own(server: Server) -> None:
    found = {part(server.create(SERVICES, named(f"s{number}", service())), "spec", "clusterIP") for number in range(3)}
    assert found == {"10.0.0.2", "10.0.0.3", "10.0.0.4"}
    server.delete(SERVICES, "s1")
    assert part(server.create(SERVICES, named("again", service())), "spec", "clusterIP") == "10.0.0.3"


def test_services_in_bulk_get_addresses_of_their_own(server: Server) -> None:
    kind = server.kind(SERVICES)
    server.backend.create_many(kind, [named(f"s{number}", service(type="NodePort")) for number in range(3)])
    specs = [server.get(SERVICES, f"s{number}")["spec"] for number in range(3)]
    assert len({str(spec["clusterIP"]) for spec in specs if isinstance(spec, dict)}) == 3
    assert [part(spec["ports"][0], "nodePort") for spec in specs if isinstance(spec, dict)] == [30000, 30001, 30002]  # type: ignore[index,arg-type] # JSON


# The texts are what a kube-apiserver 1.37 answers.
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"clusterIP": "1.2.3.4"},
            (
                'spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) '
                "is not in the valid range. The range of valid IPs is 10.0.0.0/16"
            ),
        ),
        (
            {"clusterIP": "10.0.0.77"},
            (
                'spec.clusterIPs: Invalid value: ["10.0.0.77"]: failed to allocate IP 10.0.0.77: provided IP is '
                "already allocated"
            ),
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 31000}]},
            "spec.ports[0].nodePort: Invalid value: 31000: provided port is already allocated",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
            (
                "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of "
                "valid ports is 30000-32767"
            ),
        ),
    ],
)
def test_what_is_taken_or_out_of_range_is_refused(server: Server, spec: dict[str, JSONValue], message: str) -> None:
    taken = service(clusterIP="10.0.0.77", type="NodePort", ports=[{"port": 80, "nodePort": 31000}])
    server.create(SERVICES, named("taken", taken))
    with pytest.raises(Invalid) as caught:
        server.create(SERVICES, named("s", service(**spec)))
    assert caught.value.message == f'Service "s" is invalid: {message}'


def test_an_update_keeps_what_it_does_not_name(server: Server) -> None:
    server.create(SERVICES, named("s", service(clusterIP="10.0.0.77", type="NodePort")))
    updated = server.update(SERVICES, "s", named("s", service(type="LoadBalancer", selector={"a": "b"})))["spec"]
    assert isinstance(updated, dict)
    assert updated["clusterIPs"] == ["10.0.0.77"]
    assert part(updated["ports"][0], "nodePort") == 30000  # type: ignore[index,arg-type] # JSON
    plain = server.update(SERVICES, "s", named("s", service()))["spec"]
    assert isinstance(plain, dict)
    assert plain["clusterIP"] == "10.0.0.77"
    assert "nodePort" not in plain["ports"][0]  # type: ignore[index,operator] # JSON


def test_a_service_outside_gives_its_addresses_back(server: Server) -> None:
    server.create(SERVICES, named("s", service()))
    moved = server.patch(SERVICES, "s", {"spec": {"type": "ExternalName", "externalName": "x.example.com"}})["spec"]
    assert isinstance(moved, dict)
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"} & {*moved}
    back = server.update(SERVICES, "s", named("s", service()))
    assert part(back, "spec", "clusterIP") == "10.0.0.2"


def test_a_balancer_may_do_without_node_ports(server: Server) -> None:
    created = server.create(SERVICES, named("s", service(type="LoadBalancer", allocateLoadBalancerNodePorts=False)))
    assert "nodePort" not in str(created["spec"])


def test_addresses_and_ports_can_run_out() -> None:
    every = [
        {"metadata": {"name": "x"}, "spec": {"clusterIP": str(host), "ports": [{"nodePort": port}]}}
        for host, port in zip(ADDRESSES.hosts(), [*NODE_PORTS] * 40, strict=False)
    ]
    full = ServiceAddresses(every)  # type: ignore[arg-type] # JSON
    assert len(every) == ipaddress.ip_network(ADDRESSES).num_addresses - 2
    with pytest.raises(Invalid, match=r"spec\.clusterIPs: Internal error: range is full"):
        full.assign({"metadata": {"name": "s"}, "spec": {"type": "ClusterIP"}})
    headless: JSONObject = {"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]}
    with pytest.raises(Invalid, match=r"spec\.ports\[0\]\.nodePort: Internal error: range is full"):
        full.assign({"metadata": {"name": "s"}, "spec": headless})


def test_an_address_that_is_none_is_left_to_the_validation() -> None:
    odd: JSONObject = {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "clusterIP": "odd"}}
    assert part(ServiceAddresses([]).assign(odd), "spec", "clusterIP") == "odd"
    assert service_addresses.with_kept_addresses(odd, odd)["spec"] == {**odd["spec"], "clusterIPs": ["odd"]}  # type: ignore[dict-item] # JSON


def test_a_new_type_drops_what_the_old_one_was_given(server: Server) -> None:
    server.create(SERVICES, named("s", service(type="LoadBalancer", externalTrafficPolicy="Local")))
    local = server.get(SERVICES, "s")["spec"]
    assert isinstance(local, dict)
    assert local["healthCheckNodePort"] == 30001
    moved = server.patch(SERVICES, "s", {"spec": {"type": "ClusterIP"}})["spec"]
    assert isinstance(moved, dict)
    given = {"healthCheckNodePort", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"}
    assert not given & {*moved}
    assert "nodePort" not in str(moved)
    wanted: JSONObject = {"spec": {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 31000}]}}
    server.patch(SERVICES, "s", {"spec": {"type": "NodePort"}})
    with pytest.raises(Invalid, match="may not be used when `type` is 'ClusterIP'"):
        server.patch(SERVICES, "s", wanted)


def test_a_port_for_health_checks_is_taken_once(server: Server) -> None:
    balanced = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=31000)
    server.create(SERVICES, named("s", balanced))
    kept = server.patch(SERVICES, "s", {"spec": {"healthCheckNodePort": None}})
    assert part(kept, "spec", "healthCheckNodePort") == 31000
    with pytest.raises(Invalid, match=r"spec\.healthCheckNodePort: Invalid value: 31000: provided port is already"):
        server.create(SERVICES, named("t", balanced))
