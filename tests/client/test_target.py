"""Where requests go: paths, namespaces, scopes."""

from __future__ import annotations

import pytest

from kubeprims.client.discovery import Discovery
from kubeprims.client.options import ALL_NAMESPACES, NamespaceOption
from kubeprims.client.target import Target
from kubeprims.errors import InvalidArgument, UnknownResource
from kubeprims.meta import GroupVersionResource
from tests.client.fake import DISCOVERY, FakeServer, documents

BAD_NAMES = ["", ".", "..", "a/b", "%", "a%2Fb", "../x", "a\0b", "a\nb", "\x7f"]


class World:
    def __init__(self, *, default_namespace: str = "home") -> None:
        self.server = FakeServer(documents(DISCOVERY))
        self.discovery = Discovery(self.server.api())
        self.default_namespace = default_namespace

    def target(self, gvr: str, namespace: NamespaceOption = None) -> Target:
        return Target(
            GroupVersionResource.parse(gvr),
            namespace,
            default_namespace=self.default_namespace,
            discovery=self.discovery,
        )


@pytest.mark.parametrize(
    ("gvr", "namespace", "list_path"),
    [
        ("v1/pods", None, "/api/v1/namespaces/home/pods"),
        ("v1/pods", "prod", "/api/v1/namespaces/prod/pods"),
        ("v1/pods", ALL_NAMESPACES, "/api/v1/pods"),
        ("apps/v1/deployments", "prod", "/apis/apps/v1/namespaces/prod/deployments"),
        ("v1/nodes", None, "/api/v1/nodes"),
        ("v1/nodes", ALL_NAMESPACES, "/api/v1/nodes"),
        ("example.com/v1/widgets", "prod", "/apis/example.com/v1/namespaces/prod/widgets"),
        ("example.com/v1/plants", ALL_NAMESPACES, "/apis/example.com/v1/plants"),
    ],
)
def test_the_path_of_a_list_needs_no_discovery(gvr: str, namespace: NamespaceOption, list_path: str) -> None:
    world = World()
    assert world.target(gvr, namespace).list_path() == list_path
    assert world.server.requests == []


@pytest.mark.parametrize(
    ("gvr", "list_path"),
    [
        ("example.com/v1/widgets", "/apis/example.com/v1/namespaces/home/widgets"),
        ("example.com/v1/plants", "/apis/example.com/v1/plants"),
    ],
)
def test_discovery_is_asked_once_where_the_scope_decides(gvr: str, list_path: str) -> None:
    world = World()
    target = world.target(gvr)
    for _ in range(2):
        assert target.list_path() == list_path
        assert target.object_path("a") == f"{list_path}/a"
    assert len(world.server.requests) == 2


def test_a_resource_that_the_server_does_not_have_is_unknown_where_the_scope_decides() -> None:
    with pytest.raises(UnknownResource):
        World().target("example.com/v1/gadgets").list_path()


@pytest.mark.parametrize("gvr", ["v1/nodes", "v1/namespaces", "rbac.authorization.k8s.io/v1/clusterroles"])
def test_a_built_in_cluster_scoped_resource_refuses_a_namespace_at_once(gvr: str) -> None:
    with pytest.raises(InvalidArgument, match="cluster-scoped"):
        World().target(gvr, "prod")


def test_another_cluster_scoped_resource_refuses_a_namespace_once_it_is_known() -> None:
    world = World()
    early = world.target("example.com/v1/plants", "prod")
    world.discovery.resources()
    with pytest.raises(InvalidArgument, match="cluster-scoped"):
        world.target("example.com/v1/plants", "prod")
    with pytest.raises(InvalidArgument, match="cluster-scoped"):
        early.object_path("a")


def test_an_object_with_a_namespace_does_not_fit_a_cluster_scoped_resource() -> None:
    with pytest.raises(InvalidArgument, match="cluster-scoped"):
        World().target("v1/nodes").collection_path("prod")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_change_the_url_is_refused(name: str) -> None:
    target = World().target("v1/pods")
    with pytest.raises(InvalidArgument, match="a name may not be"):
        target.object_path(name)
    with pytest.raises(InvalidArgument, match="a namespace may not be"):
        World().target("v1/pods", name)
    if name:
        with pytest.raises(InvalidArgument, match="a subresource may not be"):
            target.object_path("a", name)
        with pytest.raises(InvalidArgument, match="a namespace may not be"):
            target.collection_path(name)


@pytest.mark.parametrize(
    ("name", "encoded"), [("system:node", "system:node"), ("a b", "a%20b"), ("ä?#", "%C3%A4%3F%23"), ("a@b+c", "a@b+c")]
)
def test_a_name_is_encoded_as_one_segment(name: str, encoded: str) -> None:
    assert World().target("v1/nodes").object_path(name, "status") == f"/api/v1/nodes/{encoded}/status"


def test_the_object_says_its_namespace_where_the_resource_does_not() -> None:
    world = World()
    assert world.target("v1/pods").collection_path("prod") == "/api/v1/namespaces/prod/pods"
    assert world.target("v1/pods", ALL_NAMESPACES).collection_path("prod") == "/api/v1/namespaces/prod/pods"
    assert world.target("v1/pods", "prod").collection_path("prod") == "/api/v1/namespaces/prod/pods"
    assert world.target("example.com/v1/widgets").object_path("a", "", "prod").endswith("/namespaces/prod/widgets/a")
    assert world.server.requests == []


def test_an_object_of_another_namespace_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="in the namespace 'prod', not in 'test'"):
        World().target("v1/pods", "test").collection_path("prod")


def test_an_object_of_no_namespace_is_refused_where_one_is_needed() -> None:
    with pytest.raises(InvalidArgument, match="say which one"):
        World().target("v1/pods", ALL_NAMESPACES).object_path("a")
    with pytest.raises(InvalidArgument, match="say which one"):
        World(default_namespace="").target("v1/pods").collection_path()


def test_a_malformed_namespace_of_the_context_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a namespace may not be"):
        World(default_namespace="a/b").target("v1/pods").list_path()


def test_a_target_can_be_seen_from_elsewhere() -> None:
    target = World().target("v1/pods")
    assert target.within("prod").list_path() == "/api/v1/namespaces/prod/pods"
    assert target.within(ALL_NAMESPACES).list_path() == "/api/v1/pods"
    with pytest.raises(InvalidArgument, match="cluster-scoped"):
        World().target("v1/nodes").within("prod")
