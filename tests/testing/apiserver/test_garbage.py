from __future__ import annotations

import pytest

from kubeprims.meta import JSONObject, JSONValue
from tests.testing.apiserver.backends import CRDS, WIDGET, WIDGETS, Server, part
from tests.testing.apiserver.given_objects import GIVEN, pod

CM = "v1/configmaps"
NODES = "v1/nodes"


@pytest.fixture
def server() -> Server:
    return Server()


def owned(
    name: str, *owners: JSONObject, block: bool | None = None, finalizers: list[JSONValue] | None = None
) -> JSONObject:
    references: list[JSONValue] = [_reference(owner, block=block) for owner in owners]
    metadata: JSONObject = {"name": name, "ownerReferences": references}
    return {"metadata": metadata | ({"finalizers": finalizers} if finalizers else {})}


def _reference(owner: JSONObject, *, block: bool | None) -> JSONObject:
    reference: JSONObject = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": part(owner, "metadata", "name"),  # type: ignore[dict-item] # a text
        "uid": part(owner, "metadata", "uid"),  # type: ignore[dict-item] # a text
    }
    return reference | ({} if block is None else {"blockOwnerDeletion": block})


def collected(server: Server) -> list[str]:
    return [f"{item.resource} {item.namespace}/{item.name}" for item in server.backend.collect_garbage()]


def owners(server: Server, name: str, resource: str = CM) -> object:
    references = part(server.get(resource, name), "metadata", "ownerReferences")
    return [part(item, "name") for item in references] if isinstance(references, list) else None


def test_nothing_is_collected_where_nothing_is_amiss(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    server.create(CM, owned("a", owner))
    revision = server.backend.revision
    assert collected(server) == []
    assert server.backend.revision == revision


def test_what_a_deleted_object_owned_goes_and_what_that_owned_too(server: Server) -> None:
    owner = server.create("apps/v1/deployments", {"metadata": {"name": "d"}, **GIVEN["deployment"][1]})
    child = server.create("apps/v1/replicasets", {**GIVEN["replicaset"][1], **owned("r", owner)})
    server.create("v1/pods", {**pod(), **owned("p", child)})
    server.create("v1/pods", {"metadata": {"name": "free"}, **pod()})
    server.delete("apps/v1/deployments", "d")
    assert collected(server) == ["apps/v1/replicasets default/r", "v1/pods default/p"]
    assert collected(server) == []
    server.get("v1/pods", "free")


def test_one_owner_that_is_left_keeps_an_object(server: Server) -> None:
    stays, goes = (server.create(CM, {"metadata": {"name": name}}) for name in ("stays", "goes"))
    server.create(CM, owned("a", stays, goes))
    server.delete(CM, "goes")
    assert collected(server) == []
    assert owners(server, "a") == ["stays"]


def test_an_owner_of_the_same_name_with_another_uid_is_another(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    server.create(CM, owned("a", owner))
    server.delete(CM, "owner")
    server.create(CM, {"metadata": {"name": "owner"}})
    assert collected(server) == ["v1/configmaps default/a"]


def test_an_owner_in_another_namespace_counts_as_gone(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}}, "kube-system")
    server.create(CM, owned("a", owner))
    assert collected(server) == ["v1/configmaps default/a"]


def test_owners_that_cannot_be_looked_up_keep_what_they_own(server: Server) -> None:
    config = server.create(CM, {"metadata": {"name": "owner"}})
    server.create(NODES, owned("n", config))
    stranger: JSONObject = {"apiVersion": "odd.example.com/v1", "kind": "Odd", "metadata": {"name": "o", "uid": "u"}}
    server.create(CM, owned("a", stranger))
    server.delete(CM, "owner")
    assert collected(server) == []


def test_cluster_scoped_objects_own_those_in_namespaces(server: Server) -> None:
    node = server.create(NODES, {"metadata": {"name": "n"}})
    server.create("coordination.k8s.io/v1/leases", owned("l", node), "kube-system")
    assert collected(server) == []
    server.delete(NODES, "n")
    assert collected(server) == ["coordination.k8s.io/v1/leases kube-system/l"]


def test_custom_objects_own_and_are_owned(server: Server) -> None:
    server.create(CRDS, WIDGETS)
    widget = server.create("example.com/v1/widgets", WIDGET)
    server.create(CM, owned("a", {**widget, "apiVersion": "example.com/v1beta1"}))
    config = server.create(CM, {"metadata": {"name": "c"}})
    server.create("example.com/v1/widgets", {**WIDGET, **owned("x", config)})
    assert collected(server) == []
    server.delete("example.com/v1/widgets", "w")
    server.delete(CM, "c")
    assert sorted(collected(server)) == ["example.com/v1beta1/widgets default/x", "v1/configmaps default/a"]


def test_events_are_found_by_either_of_their_groups(server: Server) -> None:
    event = server.create("v1/events", {"metadata": {"name": "e"}, **GIVEN["event"][1]})
    server.create(CM, owned("a", {**event, "apiVersion": "events.k8s.io/v1"}))
    assert collected(server) == []
    server.delete("v1/events", "e")
    assert collected(server) == ["v1/configmaps default/a"]


def test_orphans_lose_their_owner_and_stay(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    other = server.create(CM, {"metadata": {"name": "other"}})
    server.create(CM, owned("a", owner))
    server.create(CM, owned("b", owner, other))
    server.delete(CM, "owner", propagation_policy="Orphan")
    assert part(server.get(CM, "owner"), "metadata", "finalizers") == ["orphan"]
    assert collected(server) == ["v1/configmaps default/owner"]
    assert owners(server, "a") is None
    assert owners(server, "b") == ["other"]


def test_an_owner_waits_in_the_foreground_for_what_blocks_it(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    child = server.create(CM, owned("child", owner, block=True))
    server.create(CM, owned("grandchild", child, block=True, finalizers=["example.com/wait"]))
    server.delete(CM, "owner", propagation_policy="Foreground")
    assert collected(server) == []
    for name in ("owner", "child", "grandchild"):
        assert part(server.get(CM, name), "metadata", "deletionTimestamp"), name
    assert part(server.get(CM, "child"), "metadata", "finalizers") == ["foregroundDeletion"]
    server.patch(CM, "grandchild", {"metadata": {"finalizers": None}})
    assert collected(server) == ["v1/configmaps default/child", "v1/configmaps default/owner"]


def test_what_does_not_block_keeps_nobody_waiting(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    server.create(CM, owned("a", owner, finalizers=["example.com/wait"]))
    server.delete(CM, "owner", propagation_policy="Foreground")
    assert collected(server) == ["v1/configmaps default/owner"]


def test_a_circle_in_the_foreground_ends(server: Server) -> None:
    first = server.create(CM, {"metadata": {"name": "first"}})
    second = server.create(CM, owned("second", first, block=True))
    server.patch(CM, "first", {"metadata": owned("first", second, block=True)["metadata"]})
    server.delete(CM, "first", propagation_policy="Foreground")
    assert sorted(collected(server)) == ["v1/configmaps default/first", "v1/configmaps default/second"]


@pytest.mark.parametrize("finalizer", ["orphan", "foregroundDeletion"])
def test_an_objects_own_finalizers_say_what_becomes_of_its_dependents(server: Server, finalizer: str) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    child = server.create(CM, owned("child", owner, finalizers=[finalizer]))
    server.create(CM, owned("grandchild", child, block=True))
    server.delete(CM, "owner")
    gone = collected(server)
    assert "v1/configmaps default/child" in gone
    assert ("v1/configmaps default/grandchild" in gone) == (finalizer == "foregroundDeletion")


def test_a_pod_on_a_node_is_told_to_go_once(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    server.create("v1/pods", {**pod(nodeName="n"), **owned("p", owner)})
    server.delete(CM, "owner")
    assert collected(server) == []
    assert part(server.get("v1/pods", "p"), "metadata", "deletionGracePeriodSeconds") == 30


def test_claims_and_volumes_go_when_nobody_uses_them(server: Server) -> None:
    claims, volumes = "v1/persistentvolumeclaims", "v1/persistentvolumes"
    for name in ("used", "free"):
        server.create(claims, {"metadata": {"name": name}, **GIVEN["claim"][1]})
        server.create(volumes, {"metadata": {"name": name}, **GIVEN["volume"][1]})
    server.patch(volumes, "used", {"status": {"phase": "Bound"}}, subresource="status")
    server.create(
        "v1/pods",
        {"metadata": {"name": "p"}, **pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "used"}}])},
    )
    for name in ("used", "free"):
        server.delete(claims, name)
        server.delete(volumes, name)
    assert part(server.get(claims, "free"), "metadata", "finalizers") == ["kubernetes.io/pvc-protection"]
    assert sorted(collected(server)) == ["v1/persistentvolumeclaims default/free", "v1/persistentvolumes /free"]
    server.delete("v1/pods", "p")
    assert collected(server) == ["v1/persistentvolumeclaims default/used"]


def test_removals_are_seen_by_watches(server: Server) -> None:
    owner = server.create(CM, {"metadata": {"name": "owner"}})
    server.create(CM, owned("a", owner))
    server.delete(CM, "owner")
    with server.watch(CM, resource_version=str(server.backend.revision)) as watch:
        collected(server)
        lines = watch.next_batch(0)
    assert lines is not None
    assert [b'"type":"DELETED"' in line for line in lines] == [True]


def test_a_job_leaves_its_pods_behind_unless_told_otherwise(server: Server) -> None:
    for name in ("kept", "cleaned"):
        job = server.create("batch/v1/jobs", {"metadata": {"name": name}, "spec": GIVEN["job"][1]["spec"]})
        server.create("v1/pods", {**pod(), **owned(name, job)})
    server.delete("batch/v1/jobs", "kept")
    server.delete("batch/v1/jobs", "cleaned", propagation_policy="Background")
    assert collected(server) == ["v1/pods default/cleaned", "batch/v1/jobs default/kept"]
    assert owners(server, "kept", "v1/pods") is None
