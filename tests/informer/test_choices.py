"""What an informer is about: shards, metadata alone and namespaces, on the embedded API server."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from kubeprims.client.client import Client
from kubeprims.errors import CacheSyncTimeout, Forbidden
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.shared import SharedInformer
from kubeprims.meta import JSONObject
from kubeprims.sharding import Shard
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.backend import BackendOptions
from kubeprims.testing.apiserver.faults import Answer, DropWatch, EndWatch, Match, WatchError
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.mirror import Mirror, State, assert_converges
from tests.informer.test_end_to_end import QUICK, TIMEOUT_S, Churn
from tests.parity import case
from tests.waiting import eventually

WATCH_LIST = InformerOptions(reflector=QUICK)
LISTS = InformerOptions(reflector=replace(QUICK, watch_list=False))
CONFIG_MAPS = "v1/configmaps"


@pytest.fixture(params=[True, False], ids=["sharded by the server", "sharded by the client"])
def server(request: pytest.FixtureRequest) -> Iterator[APIServer]:
    options = BackendOptions(auto_create_namespaces=True, sharded_list_and_watch=request.param)
    with APIServer(options=options) as made:
        yield made


@pytest.fixture
def client(server: APIServer) -> Iterator[Client]:
    with Transport(TransportConfig(server=server.url)) as transport, Client(transport) as made:
        yield made


@pytest.fixture(params=[WATCH_LIST, LISTS], ids=["watch-list", "lists"])
def informers(client: Client, request: pytest.FixtureRequest) -> Iterator[SharedInformerFactory]:
    with SharedInformerFactory(client, options=request.param) as factory:
        yield factory


def state_of(server: APIServer, resource: str, *, namespaces: tuple[str, ...] = ("",)) -> State:
    state = {}
    for namespace in namespaces:
        for obj in server.list(resource, namespace=namespace):
            metadata = obj["metadata"]
            assert isinstance(metadata, dict)
            state[f"{metadata['namespace']}/{metadata['name']}"] = str(metadata["resourceVersion"])
    return state


def cached(informer: SharedInformer) -> State:
    return {obj.key: obj.resource_version for obj in informer.indexer.list()}


# -- shards -----------------------------------------------------------------------------------------------------------


def config_map(namespace: str, name: str, **labels: str) -> JSONObject:
    return {"metadata": {"name": name, "namespace": namespace, "labels": dict(labels)}}


@pytest.mark.parametrize("by", ["uid", "namespace"])
def test_the_parts_are_the_whole_and_no_object_is_in_two(
    server: APIServer, informers: SharedInformerFactory, by: str
) -> None:
    # The hashes of names that differ in their last letters only lie close together.
    namespaces = [f"{number}-spaces" for number in range(12)]
    server.create_many(CONFIG_MAPS, [config_map(ns, f"cm-{number}") for ns in namespaces for number in range(5)])
    parts = [informers.informer(CONFIG_MAPS, shard=Shard(index, 3, by=by)) for index in range(3)]
    mirrors = [Mirror() for _ in parts]
    for part, mirror in zip(parts, mirrors, strict=True):
        part.add_event_handler(on_event=mirror.on_event)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)

    def check() -> None:
        # None of them has what another has: one that moves may come to its new part before it leaves the old one.
        whole = sorted(state_of(server, CONFIG_MAPS).items())
        eventually(
            lambda: sorted(item for part in parts for item in cached(part).items()) == whole,
            TIMEOUT_S,
            "together the parts are the whole",
        )

    check()
    assert all(cached(part) for part in parts)
    for number, namespace in enumerate(namespaces):
        server.create(CONFIG_MAPS, config_map(namespace, "late"), namespace=namespace)
        server.delete(CONFIG_MAPS, "cm-0", namespace=namespace)
        server.patch(CONFIG_MAPS, "cm-1", {"data": {"number": str(number)}}, namespace=namespace)
    check()
    server.faults.interrupt_watches(EndWatch())
    for namespace in namespaces:
        # Another object of the same name, and with it perhaps another shard.
        server.delete(CONFIG_MAPS, "late", namespace=namespace)
        server.create(CONFIG_MAPS, config_map(namespace, "late"), namespace=namespace)
    check()
    for part, mirror in zip(parts, mirrors, strict=True):
        assert_converges(part, mirror, lambda part=part: cached(part))


def test_the_server_is_asked_for_the_shard(server: APIServer, informers: SharedInformerFactory) -> None:
    shard = Shard(1, 4)
    informers.informer(CONFIG_MAPS, shard=shard, namespace="default")
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    assert all(quote(shard.selector, safe="") in entry.query for entry in server.requests)


# -- metadata alone ---------------------------------------------------------------------------------------------------


@case("IN-203")
def test_metadata_alone_follows_the_server_in_the_same_order(
    server: APIServer, informers: SharedInformerFactory
) -> None:
    server.create(CONFIG_MAPS, config_map("default", "web", app="web"), namespace="default")
    seen: list[tuple[str, str, str]] = []
    informer = informers.informer(CONFIG_MAPS, metadata_only=True)
    informer.add_event_handler(
        on_add=lambda obj: seen.append(("add", obj.name, obj.kind)),
        on_update=lambda _, new: seen.append(("update", new.name, new.kind)),
        on_delete=lambda obj: seen.append(("delete", obj.name, obj.kind)),
    )
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    # One at a time: what is made and deleted again before anybody looks may not be told at all.
    eventually(lambda: len(seen) == 1, TIMEOUT_S, "the first list")
    server.create(CONFIG_MAPS, config_map("default", "db"), namespace="default")
    eventually(lambda: len(seen) == 2, TIMEOUT_S, "an add")
    server.patch(CONFIG_MAPS, "web", {"metadata": {"labels": {"app": "other"}}}, namespace="default")
    server.delete(CONFIG_MAPS, "db", namespace="default")
    eventually(lambda: len(seen) == 4, TIMEOUT_S, "an update and a delete")
    assert seen == [
        ("add", "web", "PartialObjectMetadata"),
        ("add", "db", "PartialObjectMetadata"),
        ("update", "web", "PartialObjectMetadata"),
        ("delete", "db", "PartialObjectMetadata"),
    ]
    found = informer.indexer.get("default/web")
    assert found is not None
    assert sorted(found) == ["apiVersion", "kind", "metadata"]
    assert (found.api_version, found.labels) == ("meta.k8s.io/v1", {"app": "other"})


@case("IN-203")
def test_metadata_alone_is_kept_over_faults(server: APIServer, informers: SharedInformerFactory) -> None:
    churn = Churn(server)
    churn.steps(10)
    informer, mirror = informers.informer("v1/pods", metadata_only=True), Mirror()
    informer.add_event_handler(on_event=mirror.on_event)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    churn.steps(20)
    server.crash()
    churn.steps(10)
    server.restart()
    assert_converges(informer, mirror, lambda: state_of(server, "v1/pods"))


# -- several namespaces -----------------------------------------------------------------------------------------------


def namespace(server: APIServer, name: str, **labels: str) -> None:
    server.create("v1/namespaces", {"metadata": {"name": name, "labels": dict(labels)}})


def test_named_namespaces_are_one_view(server: APIServer, informers: SharedInformerFactory) -> None:
    server.create_many(CONFIG_MAPS, [config_map(name, "cm") for name in ("a", "b", "c")])
    informer, mirror = informers.informer(CONFIG_MAPS, namespaces=["a", "b", "not-there-yet"]), Mirror()
    informer.add_event_handler(on_event=mirror.on_event)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    assert sorted(cached(informer)) == ["a/cm", "b/cm"]
    server.create(CONFIG_MAPS, config_map("not-there-yet", "first"), namespace="not-there-yet")
    server.create(CONFIG_MAPS, config_map("c", "other"), namespace="c")
    server.patch(CONFIG_MAPS, "cm", {"data": {"a": "b"}}, namespace="b")
    assert_converges(informer, mirror, lambda: state_of(server, CONFIG_MAPS, namespaces=("a", "b", "not-there-yet")))
    server.faults.interrupt_watches(EndWatch())
    server.delete(CONFIG_MAPS, "cm", namespace="a")
    assert_converges(informer, mirror, lambda: state_of(server, CONFIG_MAPS, namespaces=("a", "b", "not-there-yet")))
    assert all(entry.path.startswith("/api/v1/namespaces/") for entry in server.requests)


def test_a_selector_of_namespaces_is_followed_while_it_changes(
    server: APIServer, informers: SharedInformerFactory
) -> None:
    namespace(server, "one", team="web")
    namespace(server, "two", team="db")
    server.create_many(CONFIG_MAPS, [config_map(name, "cm") for name in ("one", "two", "three")])
    informer, mirror = informers.informer(CONFIG_MAPS, namespace_selector="team=web"), Mirror()
    informer.add_event_handler(on_event=mirror.on_event)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    assert sorted(cached(informer)) == ["one/cm"]

    def now(*names: str) -> None:
        assert_converges(informer, mirror, lambda: state_of(server, CONFIG_MAPS, namespaces=names))

    server.patch("v1/namespaces", "two", {"metadata": {"labels": {"team": "web"}}})
    now("one", "two")
    server.create(CONFIG_MAPS, config_map("two", "more"), namespace="two")
    now("one", "two")
    server.patch("v1/namespaces", "one", {"metadata": {"labels": {"team": None}}})
    now("two")
    server.create(CONFIG_MAPS, config_map("one", "unseen"), namespace="one")
    server.patch("v1/namespaces", "one", {"metadata": {"labels": {"team": "web"}}})
    server.patch("v1/namespaces", "three", {"metadata": {"labels": {"team": "web"}}})
    now("one", "two", "three")
    eventually(lambda: server.faults.open_watches == 4, TIMEOUT_S, "one watch a namespace, and one of the namespaces")
    server.crash()
    server.restart()
    now("one", "two", "three")
    informer.stop()
    eventually(lambda: server.faults.open_watches == 0, TIMEOUT_S, "nothing is watched any more")


def test_the_namespaces_are_watched_once_for_all_who_select_them_alike(
    server: APIServer, informers: SharedInformerFactory
) -> None:
    namespace(server, "one", team="web")
    views = [informers.informer(name, namespace_selector="team=web") for name in (CONFIG_MAPS, "v1/secrets")]
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    eventually(lambda: server.faults.open_watches == 3, TIMEOUT_S, "two views, one watch of the namespaces")
    views[0].stop()
    eventually(lambda: server.faults.open_watches == 2, TIMEOUT_S, "the other one goes on")
    server.create("v1/secrets", config_map("one", "s"), namespace="one")
    eventually(lambda: sorted(cached(views[1])) == ["one/s"], TIMEOUT_S, "the other one goes on")


def test_who_may_not_see_namespaces_is_told_so(server: APIServer, informers: SharedInformerFactory) -> None:
    server.faults.add(Answer(code=403, message="no namespaces for you"), Match(resource="v1/namespaces"), count=None)
    informer = informers.informer(CONFIG_MAPS, namespace_selector="team=web")
    informers.start()
    eventually(lambda: informer.last_error is not None, TIMEOUT_S, "it is known why")
    assert isinstance(informer.last_error, Forbidden)
    with pytest.raises(CacheSyncTimeout, match=r"in namespaces with team=web: .*no namespaces for you"):
        informers.wait_for_cache_sync(0.0)
    server.faults.clear()
    informers.wait_for_cache_sync(TIMEOUT_S)


@pytest.mark.parametrize("seed", range(4))
def test_the_view_is_right_whatever_happens_to_namespaces_objects_and_connections(
    server: APIServer, informers: SharedInformerFactory, seed: int
) -> None:
    rng = random.Random(seed)
    names = [f"{number}-team" for number in range(5)]
    selected = {name: name < "2" for name in names}
    objects: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        namespace(server, name, team="web" if selected[name] else "db")
    informer, mirror = informers.informer(CONFIG_MAPS, namespace_selector="team=web"), Mirror()
    informer.add_event_handler(on_event=mirror.on_event)
    informers.start()
    for step in range(120):
        name = rng.choice(names)
        what = rng.choice(("create", "create", "change", "delete", "select", "fault"))
        known = sorted(objects[name])
        if what == "select":
            selected[name] = not selected[name]
            labels: JSONObject = {"team": "web" if selected[name] else "db"}
            server.patch("v1/namespaces", name, {"metadata": {"labels": labels}})
        elif what == "fault":
            server.faults.interrupt_watches(rng.choice((EndWatch(), DropWatch(), WatchError())))
            server.faults.add(Answer(code=rng.choice((410, 429, 500, 503))), Match(resource=CONFIG_MAPS))
        elif what == "create" or not known:
            objects[name].add(f"cm-{step}")
            server.create(CONFIG_MAPS, config_map(name, f"cm-{step}"), namespace=name)
        elif what == "change":
            server.patch(CONFIG_MAPS, rng.choice(known), {"data": {"step": str(step)}}, namespace=name)
        else:
            gone = rng.choice(known)
            objects[name].discard(gone)
            server.delete(CONFIG_MAPS, gone, namespace=name)
    server.faults.clear()
    selected[names[0]] = True
    server.patch("v1/namespaces", names[0], {"metadata": {"labels": {"team": "web"}}})
    server.create(CONFIG_MAPS, config_map(names[0], "last"), namespace=names[0])
    in_view = tuple(name for name in names if selected[name])
    assert_converges(informer, mirror, lambda: state_of(server, CONFIG_MAPS, namespaces=in_view))
    informers.wait_for_cache_sync(TIMEOUT_S)
