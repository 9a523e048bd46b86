"""Bindings: what a scheduler asks for. What is refused, and how, is what a kube-apiserver 1.37 answers."""

from __future__ import annotations

import json

import pytest

from kubeprims.errors import BadRequest, Conflict, InternalError, NotFound
from kubeprims.meta import JSONObject, JSONValue
from tests.testing.apiserver.backends import Server, failure, load, part
from tests.testing.apiserver.given_objects import pod

PODS = "v1/pods"


@pytest.fixture
def server() -> Server:
    return Server()


def create(server: Server, metadata: JSONObject | None = None, **spec: JSONValue) -> JSONObject:
    return server.create(PODS, {"metadata": {"name": "p", **(metadata or {})}, **pod(**spec)})


def bind(server: Server, target: JSONObject | None = None, **metadata: JSONValue) -> JSONObject:
    binding: JSONObject = {"metadata": {"name": "p", **metadata}, "target": {"name": "n"} if target is None else target}
    body = json.dumps(binding).encode()
    answer = server.backend.create(server.kind(PODS), "default", body, name="p", subresource="binding")
    assert answer.code == 201
    return load(answer.body)


def test_a_bound_pod_is_on_its_node_and_says_so(server: Server) -> None:
    create(server, {"annotations": {"a": "b"}})
    status: JSONObject = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    assert bind(server, annotations={"c": "d"}) == status
    bound = server.get(PODS, "p")
    assert part(bound, "spec", "nodeName") == "n"
    assert part(bound, "metadata", "annotations") == {"a": "b", "c": "d"}
    assert part(bound, "status", "conditions") == [
        {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]


def test_a_binding_may_name_the_object_and_the_version_that_it_is_for(server: Server) -> None:
    created = create(server)
    uid, version = part(created, "metadata", "uid"), part(created, "metadata", "resourceVersion")
    assert isinstance(uid, str)
    assert isinstance(version, str)
    with pytest.raises(Conflict) as caught:
        bind(server, uid="other")
    assert caught.value.message.endswith(f"UID in precondition: other, UID in object meta: {uid}")
    with pytest.raises(Conflict) as caught:
        bind(server, resourceVersion="1")
    assert caught.value.message == (
        'Operation cannot be fulfilled on pods "p": StorageError: invalid object, Code: 4, '
        "Key: /registry/pods/default/p, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
        f"ResourceVersion in precondition: 1, ResourceVersion in object meta: {version}"
    )
    bind(server, {"kind": "Node", "name": "n"}, uid=uid, resourceVersion=version)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({}, "target.name: Required value"),
        ({"kind": "Pod", "name": "n"}, 'target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"'),
        ({"name": "Not_a"}, 'target.name: Invalid value: "Not_a": a lowercase RFC 1123 subdomain must consist of'),
    ],
)
def test_a_pod_is_bound_to_a_node_that_can_be(server: Server, target: JSONObject, message: str) -> None:
    create(server)
    with pytest.raises(InternalError) as caught:
        bind(server, target)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("name", ["other", None])
def test_a_binding_is_for_the_pod_of_its_address(server: Server, name: JSONValue) -> None:
    create(server)
    with pytest.raises(BadRequest, match="name in URL does not match name in Binding object"):
        bind(server, name=name)


def test_what_is_not_there_cannot_be_bound(server: Server) -> None:
    with pytest.raises(NotFound):
        bind(server)


def refusal(server: Server) -> str:
    with pytest.raises(Conflict) as caught:
        bind(server)
    status = failure(caught)
    assert status["details"] == {"name": "p", "kind": "pods/binding"}
    prefix = 'Operation cannot be fulfilled on pods/binding "p": pod p '
    assert caught.value.message.startswith(prefix)
    return caught.value.message.removeprefix(prefix)


def test_a_pod_is_bound_once(server: Server) -> None:
    create(server)
    bind(server)
    assert refusal(server) == 'is already assigned to node "n"'


def test_a_pod_with_gates_waits_for_them(server: Server) -> None:
    create(server, schedulingGates=[{"name": "example.com/gate"}])
    assert refusal(server) == "has non-empty .spec.schedulingGates"


def test_a_pod_that_goes_away_is_not_bound(server: Server) -> None:
    create(server, {"finalizers": ["example.com/f"]})
    server.delete(PODS, "p")
    assert refusal(server) == "is being deleted, cannot be assigned to a host"
