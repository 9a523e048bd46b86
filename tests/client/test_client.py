"""The client as a whole, on the embedded API server, over real sockets."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import pytest

from kubeprims.client import conditions
from kubeprims.client.client import Client
from kubeprims.client.options import PatchType, WatchOptions
from kubeprims.errors import (
    ApplyConflict,
    Cancelled,
    ConfigError,
    ConnectionLost,
    DecodeError,
    FieldConflict,
    InternalError,
    InvalidArgument,
    LifecycleError,
    NotFound,
    ResourceExpired,
    ServerError,
    TooManyRequests,
    Unauthorized,
    UnexpectedContent,
    UnknownResource,
)
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.event import WatchEventType
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver import faults
from kubeprims.testing.apiserver.faults import DropWatch, Match, WatchError
from kubeprims.threads import Cancel
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.message import Request, Response, RoundTripper
from kubeprims.transport.transport import Transport
from tests.client import session
from tests.client.fake import DISCOVERY, FakeServer, documents

MAPS = Match(resource="v1/configmaps")


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer() as made:
        yield made


@pytest.fixture
def client(server: APIServer) -> Iterator[Client]:
    with Transport(TransportConfig(server=server.url)) as transport, Client(transport) as made:
        yield made


@pytest.mark.subset
def test_resources_are_found_by_every_name(client: Client) -> None:
    session.find_by_every_name(client)


@pytest.mark.subset
def test_objects_are_written_and_read(client: Client) -> None:
    session.write_and_read(client.resource("v1/configmaps"))


@pytest.mark.subset
def test_lists_and_watches_show_what_happens(client: Client) -> None:
    session.list_and_watch(client, client.resource("configmaps"))


def test_a_version_that_was_compacted_is_expired(server: APIServer, client: Client) -> None:
    maps = client.resource("v1/configmaps")
    version = maps.create(session.config_map("a")).resource_version
    maps.patch("a", {"data": {"b": "c"}})
    server.compact()
    session.expire(maps, version)


def test_a_list_survives_that_it_expires_between_two_pages(server: APIServer, client: Client) -> None:
    server.create_many("v1/configmaps", [session.config_map(f"m{n:04}", namespace="default") for n in range(1100)])
    expired = server.faults.add(faults.expired(), MAPS, skip=1)
    found = client.resource("v1/configmaps").list()
    assert expired.hits == 1
    assert len(found) == 1100
    assert found.is_paginated
    pages = client.resource("v1/configmaps").iterate(page_size=10)
    assert next(pages).name == "m0000"
    server.faults.add(faults.expired(), MAPS)
    with pytest.raises(ResourceExpired):
        list(pages)


def test_an_expired_list_goes_on_at_a_newer_version_where_that_is_allowed(server: APIServer, client: Client) -> None:
    maps = client.resource("v1/configmaps")
    for number in range(6):
        maps.create(session.config_map(f"m{number}"))
    consistent, inconsistent = maps.iterate(page_size=2), maps.iterate(page_size=2, allow_inconsistent=True)
    assert next(consistent).name == next(inconsistent).name == "m0"
    maps.patch("m5", {"data": {"late": "yes"}})
    server.compact()
    with pytest.raises(ResourceExpired) as caught:
        list(consistent)
    assert caught.value.continue_token
    rest = list(inconsistent)
    assert [found.name for found in rest] == ["m1", "m2", "m3", "m4", "m5"]
    assert rest[-1]["data"] == {"late": "yes"}


def test_a_deployment_is_scaled(client: Client) -> None:
    deployments = client.resource("deploy")
    template: JSONObject = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    }
    deployments.create(
        {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    )
    scale = deployments.scale("web", 3)
    assert (scale.kind, scale["spec"]) == ("Scale", {"replicas": 3})
    assert deployments.wait_for("web", conditions.field(".spec.replicas", 3)) is not None
    assert deployments.get("web", subresource="scale")["spec"] == {"replicas": 3}


def test_an_apply_that_conflicts_names_manager_and_field_and_can_be_forced(client: Client) -> None:
    maps = client.resource("v1/configmaps")
    assert maps.apply(session.config_map("applied", color="red"))["data"] == {"color": "red"}
    blue = session.config_map("applied", color="blue")
    with pytest.raises(ApplyConflict) as caught:
        maps.apply(blue, field_manager="other")
    assert caught.value.conflicts == (FieldConflict(".data.color", "kubeprims"),)
    assert maps.apply(blue, field_manager="other", force=True, dry_run=True)["data"] == {"color": "blue"}
    assert maps.get("applied")["data"] == {"color": "red"}
    assert maps.apply(blue, field_manager="other", force=True)["data"] == {"color": "blue"}


def test_a_strategic_patch_merges_lists_by_their_key(client: Client) -> None:
    pods = client.resource("v1/pods")
    containers: list[JSONValue] = [{"name": "one", "image": "i:1"}, {"name": "two", "image": "i:1"}]
    pods.create({"metadata": {"name": "a"}, "spec": {"containers": containers}})
    change: JSONObject = {"spec": {"containers": [{"name": "two", "image": "i:2"}]}}
    patched = pods.patch("a", change, PatchType.STRATEGIC).to_dict()
    found = patched["spec"]["containers"]  # type: ignore[index,call-overload]
    assert {container["name"]: container["image"] for container in found} == {"one": "i:1", "two": "i:2"}  # type: ignore[union-attr,index,call-overload]


def test_a_custom_resource_is_found_as_soon_as_it_is_there(client: Client) -> None:
    assert client.resource("pods").namespaced  # discovery is fetched and kept
    definition: JSONObject = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
    client.resource("crd").create(definition)
    gadgets = client.resource("gd")
    assert str(gadgets.gvr) == "example.com/v1/gadgets"
    made = gadgets.create(
        {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"a": 1}}
    )
    changed = gadgets.update({**made.to_dict(), "status": {"ready": True}}, subresource="status")
    assert changed["status"] == {"ready": True}
    assert client.resource("example.com/v1/gadgets").get("g") == changed


@pytest.fixture
def impatient(server: APIServer) -> Iterator[Client]:
    """A client that sends nothing twice."""
    with Transport(TransportConfig(server=server.url, retries_max=0)) as transport, Client(transport) as made:
        yield made


def test_each_kind_of_trouble_is_one_error(server: APIServer, impatient: Client) -> None:
    maps = impatient.resource("v1/configmaps")
    for fault, error_class in (
        (faults.too_many_requests(7), TooManyRequests),
        (faults.server_error(500), InternalError),
        (faults.html(200), UnexpectedContent),
        (faults.html(502), ServerError),
        (faults.garbage(), DecodeError),
        (faults.Truncate(), ConnectionLost),
    ):
        server.faults.add(fault, MAPS)
        with pytest.raises(error_class) as caught:
            maps.list()
        assert f"{server.url}/api/v1/namespaces/default/configmaps" in str(caught.value)
    server.faults.add(faults.too_many_requests(7), MAPS)
    with pytest.raises(TooManyRequests) as limited:
        maps.list()
    assert limited.value.retry_after_s == 7


def test_a_resource_that_is_not_there_is_the_servers_error_where_it_was_not_looked_up(client: Client) -> None:
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        client.resource("v1/wombats", "default").get("a")


def test_an_error_event_ends_the_iteration_of_a_watch(server: APIServer, client: Client) -> None:
    maps = client.resource("v1/configmaps")
    maps.create(session.config_map("a"))
    with maps.watch(timeout_s=30) as watch:
        changes = iter(watch)
        assert next(changes).object.name == "a"
        server.faults.interrupt_watches(WatchError(message="too old"), MAPS)
        with pytest.raises(ResourceExpired, match="too old"):
            next(changes)
        assert list(watch) == []


def test_a_watch_that_is_cut_is_a_lost_connection(server: APIServer, client: Client) -> None:
    maps = client.resource("v1/configmaps")
    maps.create(session.config_map("a"))
    with maps.open_watch(WatchOptions(timeout_s=30)) as watch:
        batches = watch.batches()
        assert next(batches)[0].type is WatchEventType.ADDED
        server.faults.interrupt_watches(DropWatch(), MAPS)
        with pytest.raises(ConnectionLost):
            next(batches)


def test_a_client_from_a_kubeconfig_has_its_server_token_and_namespace(tmp_path: pathlib.Path) -> None:
    from kubeprims.testing.apiserver.auth import User

    path = tmp_path / "config"
    with APIServer() as server:
        path.write_text(json.dumps(server.kubeconfig(namespace="team")))
        with Client.from_config(path) as client:
            assert (client.server, client.namespace) == (server.url, "team")
            assert repr(client) == f"<Client of {server.url}>"
            server.create("v1/namespaces", {"metadata": {"name": "team"}})
            assert client.resource("v1/configmaps").create(session.config_map("a")).namespace == "team"
        with pytest.raises(LifecycleError):
            client.resource("v1/configmaps").list()
        server.set_tokens({"right": User(name="jane")})
        with Client.from_config(path) as client, pytest.raises(Unauthorized):
            client.resource("pods")


def test_a_client_without_a_kubeconfig_names_the_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="nothing-here"):
        Client.from_config(tmp_path / "nothing-here")


@pytest.mark.parametrize(
    ("user_agent", "given", "manager"),
    [("", "", "kubeprims"), ("operator/1.2 linux", "", "operator"), ("operator", "me", "me"), ("/", "", "kubeprims")],
)
def test_the_field_manager_is_the_first_word_of_the_user_agent(user_agent: str, given: str, manager: str) -> None:
    server = FakeServer(user_agent=user_agent)
    Client(server, field_manager=given).resource("v1/nodes").create({"metadata": {"name": "a"}})
    assert dict(server.last.query)["fieldManager"] == manager


def test_a_resource_is_found_by_what_an_object_says_of_itself() -> None:
    client = FakeServer(documents(DISCOVERY)).client()
    assert str(client.resource_of({"apiVersion": "apps/v1", "kind": "Deployment"}).gvr) == "apps/v1/deployments"
    nodes = client.resource_of({"apiVersion": "v1", "kind": "Node"})
    assert (str(nodes.gvr), nodes.namespaced) == ("v1/nodes", False)
    assert client.resource_of({"apiVersion": "v1", "kind": "Pod"}, "prod").namespace == "prod"
    with pytest.raises(UnknownResource, match="v1 Gadget"):
        client.resource_of({"apiVersion": "v1", "kind": "Gadget"})
    for nothing in ({}, {"kind": "Pod"}, {"apiVersion": "v1"}, {"apiVersion": "v1", "kind": 7}):
        with pytest.raises(InvalidArgument, match="says its apiVersion and its kind"):
            client.resource_of(nothing)


def test_a_derived_client_has_options_of_its_own_and_closes_nothing_but_itself(server: APIServer) -> None:
    agents: list[str] = []

    class Noting:
        def __init__(self, inner: RoundTripper) -> None:
            self._inner = inner

        def round_trip(self, request: Request) -> Response:
            agents.append(request.headers.get("User-Agent") or "")
            return self._inner.round_trip(request)

    config = TransportConfig(server=server.url, user_agent="me/1", middleware=(Noting,))
    with Transport(config) as transport, Client(transport, timeout_s=30.0) as client:
        assert str(client.resource("po").gvr) == "v1/pods"
        seen = len(agents)
        with client.with_options(timeout_s=5.0, user_agent_suffix="election", field_manager="elector") as derived:
            assert derived.transport is not client.transport
            assert str(derived.resource("po").gvr) == "v1/pods"
            assert len(agents) == seen  # discovery is taken along
            derived.resource("v1/configmaps").create(session.config_map("a"))
        with pytest.raises(LifecycleError):
            derived.resource("v1/configmaps").get("a")
        with client.with_options(own_pool=False) as sharing:
            sharing.resource("v1/configmaps").get("a")
        client.resource("v1/configmaps").get("a")
        outliving = client.with_options()
        for wrong in (0.0, -1.0):
            with pytest.raises(InvalidArgument):
                client.with_options(timeout_s=wrong)
    assert agents[seen:] == ["me/1/election", "me/1", "me/1"]
    assert outliving.resource("v1/configmaps").get("a").name == "a"
    outliving.close()


def test_a_derived_client_that_asks_in_the_same_way_shares_what_discovery_tells() -> None:
    server = FakeServer(documents(DISCOVERY))
    client = server.client()
    for _ in range(2):
        assert client.with_options(own_pool=False, field_manager="other").resource("po").namespaced
    asked = len(server.requests)
    assert client.resource("po").namespaced
    assert len(server.requests) == asked
    assert client.with_options(own_pool=False, timeout_s=1.0).discovery is not client.discovery
    assert client.with_options(own_pool=False, cancel=Cancel()).discovery is not client.discovery


def test_a_derived_client_can_be_cut_off_with_all_that_is_made_from_it(server: APIServer) -> None:
    cut = Cancel()
    with Transport(TransportConfig(server=server.url)) as transport:
        client = Client(transport)
        derived = client.with_options(own_pool=False, cancel=cut)
        maps = derived.with_options(own_pool=False, timeout_s=5.0).resource("v1/configmaps")
        with maps.watch() as watch:
            cut.set()
            with pytest.raises(Cancelled):
                next(iter(watch))
        with pytest.raises(Cancelled):
            maps.list()
        with pytest.raises(Cancelled):
            derived.resource("po")
        assert not maps.list(cancel=Cancel()), "who brings a cancel of their own decides for themselves"
        assert not client.resource("v1/configmaps").list()


def test_a_derived_client_keeps_what_it_is_not_told_to_change(server: APIServer) -> None:
    with Transport(TransportConfig(server=server.url)) as transport:
        client = Client(transport, timeout_s=7.0, field_manager="me")
        with client.with_options() as derived:
            assert derived._api.timeout_s == 7.0
            assert derived._api.codec is client._api.codec
            assert derived._field_manager == "me"


def test_a_client_refuses_what_would_fail_later() -> None:
    with pytest.raises(InvalidArgument):
        Client(FakeServer(), timeout_s=0)
    with pytest.raises(InvalidArgument):
        Client(FakeServer(), field_manager="x" * 200)
    with pytest.raises(InvalidArgument, match="a resource is"):
        FakeServer().client().resource("a/b/c/d")
    with pytest.raises(InvalidArgument, match="a resource is"):
        FakeServer().client().resource("")


def test_a_transport_that_was_given_stays_open() -> None:
    server = FakeServer(documents(DISCOVERY))
    with server.client() as client:
        assert client.resource("po").namespaced
    assert not server.is_closed
    with pytest.raises(LifecycleError):
        client.resource("v1/pods").list()
