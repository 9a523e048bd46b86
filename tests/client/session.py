"""What a user does with a client, the same against every API server: the embedded one and a real one."""

from __future__ import annotations

import pytest

from kubeprims.client.client import Client
from kubeprims.client.options import ALL_NAMESPACES, PatchType, Preconditions
from kubeprims.client.resource import Resource
from kubeprims.errors import (
    AlreadyExists,
    Conflict,
    Invalid,
    InvalidArgument,
    NotFound,
    ResourceExpired,
    UnknownResource,
)
from kubeprims.meta import JSONObject
from kubeprims.objects.event import WatchEventType


def config_map(name: str, *, namespace: str = "", **data: str) -> JSONObject:
    metadata: JSONObject = {"name": name, "labels": {"made-by": "session"}}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def find_by_every_name(client: Client) -> None:
    for name in ("po", "pods", "pod", "Pod", "pods.v1."):
        assert str(client.resource(name).gvr) == "v1/pods"
    for name in ("deploy", "deployments.apps", "deployments.v1.apps", "apps/v1/deployments"):
        assert str(client.resource(name).gvr) == "apps/v1/deployments"
    for name in ("no", "nodes", "crd", "ns"):
        assert not client.resource(name).namespaced
    with pytest.raises(UnknownResource, match='has no resource "wombats"'):
        client.resource("wombats")
    with pytest.raises(InvalidArgument, match="cluster-scoped"):
        client.resource("nodes", "default")


def write_and_read(maps: Resource) -> None:
    """Create, get, update, patch and delete one object."""
    made = maps.create(config_map("one", color="red"))
    assert made.uid
    assert made.namespace == "default"
    assert maps.get("one") == made
    with pytest.raises(AlreadyExists) as exists:
        maps.create(config_map("one"))
    assert exists.value.details["name"] == "one"
    stale = made.to_dict()
    stale["data"] = {"color": "blue"}
    assert maps.update(stale)["data"] == {"color": "blue"}
    with pytest.raises(Conflict, match="the object has been modified"):
        maps.update(stale)
    assert maps.patch("one", {"data": {"size": "9"}})["data"] == {"color": "blue", "size": "9"}
    operations: list[JSONObject] = [{"op": "remove", "path": "/data/size"}]
    assert maps.patch("one", operations, PatchType.JSON)["data"] == {"color": "blue"}
    with pytest.raises(Conflict):
        maps.delete("one", preconditions=Preconditions(uid="another"))
    gone = maps.delete("one", preconditions=Preconditions(uid=made.uid))
    assert gone["kind"] in {"Status", "ConfigMap"}
    with pytest.raises(NotFound) as missing:
        maps.get("one")
    assert missing.value.message == 'configmaps "one" not found'
    with pytest.raises(Invalid) as invalid:
        maps.create(config_map("UPPER"))
    assert [cause.field for cause in invalid.value.causes] == ["metadata.name"]


def list_and_watch(client: Client, maps: Resource) -> None:
    """List in pages, watch from the version of the list, delete the collection."""
    for number in range(7):
        maps.create(config_map(f"map-{number}"))
    everything = maps.list(label_selector="made-by=session")
    expected = [f"map-{number}" for number in range(7)]
    assert [found.name for found in everything] == expected
    assert {found.kind for found in everything} == {"ConfigMap"}
    assert [found.name for found in maps.iterate(label_selector="made-by", page_size=3)] == expected
    page = maps.list(limit=3, label_selector="made-by")
    assert len(page) == 3
    assert len(maps.list(continue_token=page.continue_token, label_selector="made-by")) == 4
    assert len(client.resource("v1/configmaps", ALL_NAMESPACES).list(label_selector="made-by")) == 7
    assert [found.name for found in maps.list(field_selector="metadata.name=map-3")] == ["map-3"]
    with maps.watch(resource_version=everything.resource_version, label_selector="made-by", timeout_s=30) as watch:
        maps.patch("map-1", {"data": {"a": "b"}})
        deleted = maps.delete_collection(label_selector="made-by")
        changes = iter(watch)
        first = next(changes)
        assert (first.type, first.object.name, first.object["data"]) == (
            WatchEventType.MODIFIED,
            "map-1",
            {"a": "b"},
        )
        rest = [next(changes) for _ in range(7)]
    assert {change.type for change in rest} == {WatchEventType.DELETED}
    assert sorted(change.object.name for change in rest) == expected
    assert len(deleted) == 7
    with maps.watch(timeout_s=1, label_selector="made-by") as watch:
        assert list(watch) == []


def expire(maps: Resource, version: str) -> None:
    """Watch from a version that the server has forgotten."""
    with pytest.raises(ResourceExpired):
        list(maps.watch(resource_version=version, timeout_s=5))
