"""LeaseCandidate: there to be picked, and answering when asked. The server's part is played by the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubeprims.client.client import Client
from kubeprims.errors import ConfigError
from kubeprims.leaderelection.coordinated import LeaseCandidate, is_pinged
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer, VirtualClock
from kubeprims.testing.apiserver.faults import EndWatch, Match, server_error
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 20.0
RESOURCE = "example.com/v1beta1/leasecandidates"
"""What a real server has in a group of its own, if a feature gate is on."""

DEFINITION: JSONObject = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "leasecandidates.example.com",
    },
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {
            "plural": "leasecandidates",
            "singular": "leasecandidate",
            "kind": "LeaseCandidate",
            "listKind": "LeaseCandidateList",
        },
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}


@pytest.fixture
def server(kubeprims_apiserver: APIServer) -> APIServer:
    """Serve lease candidates."""
    kubeprims_apiserver.create("apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION)
    return kubeprims_apiserver


@contextmanager
def running(candidate: LeaseCandidate) -> Iterator[None]:
    stop = Cancel()
    group = ThreadGroup("test")
    group.spawn(lambda: candidate.run(stop), name="candidate")
    try:
        yield
    finally:
        stop.set()
        assert group.join(Deadline.after(TIMEOUT_S)) == ()


def a_candidate(client: Client, clock: VirtualClock | None = None) -> LeaseCandidate:
    return LeaseCandidate(
        client,
        namespace="default",
        name="me",
        lease_name="web",
        binary_version="1.37.0",
        emulation_version="1.36.0",
        resource=RESOURCE,
        clock=clock or VirtualClock(),
    )


def spec(server: APIServer) -> JSONObject:
    found = server.get(RESOURCE, "me", namespace="default")["spec"]
    assert isinstance(found, dict)
    return found


def exists(server: APIServer) -> bool:
    return bool(server.list(RESOURCE, namespace="default"))


def asked_to_watch(server: APIServer) -> int:
    return [request.verb for request in server.requests].count("watch")


@case("LE-CO7")
def test_it_is_made_with_its_versions_and_the_time(server: APIServer, kubeprims_client: Client) -> None:
    with running(a_candidate(kubeprims_client)):
        eventually(lambda: exists(server), TIMEOUT_S, "a candidate")
    assert spec(server) == {
        "leaseName": "web",
        "binaryVersion": "1.37.0",
        "emulationVersion": "1.36.0",
        "strategy": "OldestEmulationVersion",
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }


@case("LE-CO8")
@pytest.mark.parametrize("pinged", ["2026-01-01T00:00:03.000000Z", "2036-01-01T00:00:00.000000Z"])
def test_a_ping_is_answered_by_a_later_time_however_the_clocks_stand(
    pinged: str, server: APIServer, kubeprims_client: Client
) -> None:
    clock = VirtualClock()
    with running(a_candidate(kubeprims_client, clock)):
        eventually(lambda: exists(server), TIMEOUT_S, "a candidate")
        eventually(lambda: server.faults.open_watches, TIMEOUT_S, "a watch")
        clock.advance(5.0)
        server.patch(RESOURCE, "me", {"spec": {"pingTime": pinged}}, namespace="default")
        eventually(lambda: str(spec(server)["renewTime"]) > pinged, TIMEOUT_S, "an answer")
        assert spec(server)["leaseName"] == "web"


def test_it_is_made_again_when_it_is_deleted(server: APIServer, kubeprims_client: Client) -> None:
    clock = VirtualClock()
    with running(a_candidate(kubeprims_client, clock)):
        eventually(lambda: server.faults.open_watches, TIMEOUT_S, "a watch")
        server.delete(RESOURCE, "me", namespace="default")
        assert clock.wait_for_waiters()
        clock.advance(1.0)
        eventually(lambda: exists(server), TIMEOUT_S, "another one")


def test_one_that_is_there_is_renewed(server: APIServer, kubeprims_client: Client) -> None:
    clock = VirtualClock()
    with running(a_candidate(kubeprims_client, clock)):
        eventually(lambda: exists(server), TIMEOUT_S)
    clock.advance(60.0)
    with running(a_candidate(kubeprims_client, clock)):
        eventually(lambda: spec(server)["renewTime"] == "2026-01-01T00:01:00.000000Z", TIMEOUT_S)


def test_one_that_an_earlier_process_left_gets_this_ones_versions(server: APIServer, kubeprims_client: Client) -> None:
    left: JSONObject = {"leaseName": "web", "binaryVersion": "1.36.0", "emulationVersion": "1.35.0", "more": 1}
    made: JSONObject = {"apiVersion": "example.com/v1beta1", "kind": "LeaseCandidate", "metadata": {"name": "me"}}
    server.create(RESOURCE, {**made, "spec": left}, namespace="default")
    with running(a_candidate(kubeprims_client)):
        eventually(lambda: "renewTime" in spec(server), TIMEOUT_S, "a renewal")
    assert spec(server) == {
        "leaseName": "web",
        "binaryVersion": "1.37.0",
        "emulationVersion": "1.36.0",
        "strategy": "OldestEmulationVersion",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "more": 1,
    }


def test_watches_that_end_at_once_cost_a_renewal_a_second(server: APIServer, kubeprims_client: Client) -> None:
    clock = VirtualClock()
    server.faults.add(EndWatch(), Match(resource="leasecandidates"), count=None)
    with running(a_candidate(kubeprims_client, clock)):
        for watches in range(1, 4):
            eventually(lambda count=watches: asked_to_watch(server) >= count, TIMEOUT_S)  # type: ignore[misc]
            assert clock.wait_for_waiters(), "the candidate does not wait"
            assert asked_to_watch(server) == watches
            clock.advance(1.0)


def test_a_server_that_refuses_is_asked_again(server: APIServer, kubeprims_client: Client) -> None:
    clock = VirtualClock()
    server.faults.add(server_error(500), Match(verb="create"))
    with running(a_candidate(kubeprims_client, clock)):
        assert clock.wait_for_waiters()
        clock.advance(1.0)
        eventually(lambda: exists(server), TIMEOUT_S, "a candidate")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, False),
        ({"renewTime": "2026-01-01T00:00:00.000000Z"}, False),
        ({"pingTime": "2026-01-01T00:00:00.000000Z"}, True),
        ({"pingTime": "2026-01-01T00:00:00.000001Z", "renewTime": "2026-01-01T00:00:00.000000Z"}, True),
        ({"pingTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z"}, False),
        ({"pingTime": "soon"}, False),
    ],
)
def test_a_ping_is_a_time_after_the_renewal(spec: JSONObject, expected: bool) -> None:  # noqa: FBT001
    assert is_pinged({"spec": spec}) is expected


@pytest.mark.parametrize("field", ["binary_version", "emulation_version"])
def test_a_version_is_needed(field: str, kubeprims_client: Client) -> None:
    given = {"binary_version": "1.37.0", "emulation_version": "1.36.0"} | {field: ""}
    with pytest.raises(ConfigError, match=field):
        LeaseCandidate(kubeprims_client, namespace="default", name="me", lease_name="web", **given)
