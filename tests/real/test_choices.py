"""What an informer is about, on a real kube-apiserver: shards, with its feature on and off, metadata, namespaces."""

from __future__ import annotations

import http.client
import json
import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

from kubeprims.client.client import Client
from kubeprims.errors import NotFound
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.shared import SharedInformer
from kubeprims.informer.status import ErrorCallback
from kubeprims.meta import JSONObject
from kubeprims.sharding import Shard
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.backend import BackendOptions
from tests.informer.mirror import Mirror, State, assert_converges, cached
from tests.parity import case
from tests.real.cluster import RealCluster
from tests.real.test_informer import TIMEOUT_S, Changes, truth
from tests.testing.apiserver.test_shard_selectors import FIRST, SECOND
from tests.waiting import eventually

PATH = "/api/v1/namespaces/default/configmaps"


GADGETS: JSONObject = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.lease.example.com"},
    "spec": {
        "group": "lease.example.com",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
        "scope": "Namespaced",
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


@contextmanager
def informers_of(
    cluster: RealCluster, folder: pathlib.Path, *, on_error: ErrorCallback | None = None
) -> Iterator[SharedInformerFactory]:
    path = folder / "config"
    path.write_text(json.dumps(cluster.kubeconfig()))
    with Client.from_config(str(path)) as client, SharedInformerFactory(client, on_error=on_error) as factory:
        yield factory


def assert_parts_are_the_whole(cluster: RealCluster, parts: Sequence[SharedInformer]) -> None:
    expected = truth(cluster)

    def whole() -> State:
        return {key: version for part in parts for key, version in cached(part).items()}

    eventually(lambda: whole() == expected, TIMEOUT_S, "together the parts are the whole")
    eventually(lambda: sum(len(cached(part)) for part in parts) == len(expected), TIMEOUT_S, "no object is in two")
    assert all(cached(part) for part in parts)


def check_halves(cluster: RealCluster, folder: pathlib.Path, prefix: str) -> None:
    changes = Changes(cluster, prefix)
    changes.steps(40)
    with informers_of(cluster, folder) as informers:
        parts = [informers.informer("v1/configmaps", shard=Shard(index, 2)) for index in range(2)]
        mirrors = [Mirror() for _ in parts]
        for part, mirror in zip(parts, mirrors, strict=True):
            part.add_event_handler(on_event=mirror.on_event)
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)
        assert_parts_are_the_whole(cluster, parts)
        changes.steps(60)
        assert_parts_are_the_whole(cluster, parts)
        cluster.kill()
        cluster.start()
        changes.steps(20)
        assert_parts_are_the_whole(cluster, parts)
        for part, mirror in zip(parts, mirrors, strict=True):
            assert_converges(part, mirror, lambda part=part: cached(part))


def test_two_halves_are_the_whole_where_the_server_shards(sharded_cluster: RealCluster, tmp_path: pathlib.Path) -> None:
    check_halves(sharded_cluster, tmp_path, "sharded")
    code, answer = sharded_cluster.request("GET", f"{PATH}?{urlencode({'shardSelector': Shard(0, 2).selector})}")
    metadata = answer["metadata"]
    assert isinstance(metadata, dict)
    assert (code, metadata["shardInfo"]) == (200, {"selector": Shard(0, 2).selector})


def test_two_halves_are_the_whole_where_the_server_does_not(real_cluster: RealCluster, tmp_path: pathlib.Path) -> None:
    check_halves(real_cluster, tmp_path, "whole")


SELECTORS = (
    "x",
    "'x'",
    " ",
    "object.metadata.uid",
    f"({FIRST})",
    FIRST.replace("'", '"'),
    f"{FIRST} || {SECOND}",
    f"{FIRST} && {SECOND}",
    f"{FIRST} || {SECOND.replace('uid', 'namespace')}",
    "other(1)",
    "shardRange()",
    "shardRange('a', '0x0', '0x1')",
    "shardRange(object.metadata.uid, 0, 8)",
    "shardRange(object.metadata.uid, hex(0), '8')",
    FIRST.replace("uid", "name"),
    FIRST.replace("0x8", "8"),
    FIRST.replace("0x0000000000000000", "0x"),
    FIRST.replace("0x8", "0x100"),
    FIRST.replace("0x8", "0xg"),
    FIRST.replace("0x8", "0x20"),
    FIRST.replace("0x8000000000000000", "0x8"),
    FIRST.replace("0x8000000000000000", "0x0000000000000000"),
    "(" * 5000,
)
FORMS = (
    "",
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/json;as=Table;g=meta.k8s.io;v=v1",
)


def told(code: int, answer: JSONObject) -> tuple[object, ...]:
    """Return what both servers have to say alike."""
    metadata = answer["metadata"]
    assert isinstance(metadata, dict)
    return code, answer["kind"], answer.get("message"), answer.get("reason"), metadata.get("shardInfo")


def test_both_servers_take_and_refuse_the_same_selectors_in_the_same_words(sharded_cluster: RealCluster) -> None:
    with APIServer(options=BackendOptions(sharded_list_and_watch=True)) as server:
        for selector in SELECTORS:
            path = f"{PATH}?{urlencode({'shardSelector': selector})}"
            assert told(*get(server, path)) == told(*sharded_cluster.request("GET", path)), selector
        for form in FORMS:
            path = f"{PATH}?{urlencode({'shardSelector': FIRST})}"
            assert told(*get(server, path, form)) == told(*get_real(sharded_cluster, path, form)), form


def get(server: APIServer, path: str, accept: str = "") -> tuple[int, JSONObject]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    return ask(connection, path, accept)


def get_real(cluster: RealCluster, path: str, accept: str) -> tuple[int, JSONObject]:
    return ask(cluster.connect(), path, accept)


def ask(connection: http.client.HTTPConnection, path: str, accept: str) -> tuple[int, JSONObject]:
    try:
        connection.request("GET", path, headers={"Accept": accept} if accept else {})
        response = connection.getresponse()
        answer: JSONObject = json.loads(response.read())
        return response.status, answer
    finally:
        connection.close()


@case("IN-203")
def test_metadata_alone_follows_the_server(real_cluster: RealCluster, tmp_path: pathlib.Path) -> None:
    changes = Changes(real_cluster, "metadata")
    changes.steps(20)
    with informers_of(real_cluster, tmp_path) as informers:
        informer, mirror = informers.informer("v1/configmaps", metadata_only=True), Mirror()
        informer.add_event_handler(on_event=mirror.on_event)
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)
        changes.steps(40)
        assert_converges(informer, mirror, lambda: truth(real_cluster))
        assert {obj.kind for obj in informer.indexer.list()} == {"PartialObjectMetadata"}
        assert not any("data" in obj for obj in informer.indexer.list())


def test_namespaces_that_are_selected_are_one_view_while_they_change(
    real_cluster: RealCluster, tmp_path: pathlib.Path
) -> None:
    def label(namespace: str, team: str | None) -> None:
        path = f"/api/v1/namespaces/{namespace}"
        code, obj = real_cluster.request("GET", path)
        if code != 200:
            code, obj = real_cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        metadata["labels"] = {} if team is None else {"team": team}
        code, answer = real_cluster.request("PUT", path, obj)
        assert code == 200, answer

    def put(namespace: str, name: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        assert real_cluster.request("POST", path, {"metadata": {"name": name}})[0] == 201

    label("view-a", "web")
    label("view-b", None)
    put("view-a", "one")
    put("view-b", "one")
    with informers_of(real_cluster, tmp_path) as informers:
        informer = informers.informer("v1/configmaps", namespace_selector="team=web")
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)

        def shows(*keys: str) -> None:
            eventually(lambda: sorted(cached(informer)) == sorted(keys), TIMEOUT_S, f"the view is {keys}")

        shows("view-a/one")
        label("view-b", "web")
        shows("view-a/one", "view-b/one")
        put("view-b", "two")
        shows("view-a/one", "view-b/one", "view-b/two")
        label("view-a", "db")
        shows("view-b/one", "view-b/two")
        real_cluster.kill()
        real_cluster.start()
        put("view-b", "three")
        shows("view-b/one", "view-b/two", "view-b/three")


def test_a_read_after_a_write_is_not_stale(real_cluster: RealCluster, tmp_path: pathlib.Path) -> None:
    with informers_of(real_cluster, tmp_path) as informers:
        informer = informers.informer("v1/configmaps", namespace="default")
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)
        for number in range(10):
            body: JSONObject = {"metadata": {"name": f"fresh-{number}"}}
            code, answer = real_cluster.request("POST", PATH, body)
            metadata = answer["metadata"]
            assert code == 201
            assert isinstance(metadata, dict)
            informer.wait_for_resource_version(str(metadata["resourceVersion"]), TIMEOUT_S)
            assert informer.indexer.get(f"default/fresh-{number}") is not None


def test_a_custom_resource_that_comes_and_goes_is_followed(real_cluster: RealCluster, tmp_path: pathlib.Path) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    path = "/apis/lease.example.com/v1/namespaces/default/gadgets"
    delays_s: list[float] = []
    with (
        informers_of(real_cluster, tmp_path, on_error=lambda _, delay_s: delays_s.append(delay_s)) as informers,
        informers.acquire("lease.example.com/v1/gadgets", namespace="default") as lease,
    ):
        gadgets = lease.informer
        eventually(lambda: isinstance(gadgets.last_error, NotFound), TIMEOUT_S, "there is no such resource")
        for generation in ("first", "second"):
            assert real_cluster.request("POST", definitions, GADGETS)[0] == 201
            gadget: JSONObject = {
                "apiVersion": "lease.example.com/v1",
                "kind": "Gadget",
                "metadata": {"name": generation},
            }
            eventually(
                lambda body=gadget: real_cluster.request("POST", path, body)[0] == 201, TIMEOUT_S, "it is served"
            )
            eventually(
                lambda name=generation: [obj.name for obj in gadgets.indexer.list()] == [name],
                TIMEOUT_S,
                f"{generation} is in the cache, alone",
            )
            # Wait for the watch: what a list brought would stay if the resource were gone before there is one.
            live: JSONObject = {**gadget, "metadata": {"name": "live"}}
            assert real_cluster.request("POST", path, live)[0] == 201
            eventually(lambda: "default/live" in gadgets.indexer, TIMEOUT_S, "the watch is open")
            assert real_cluster.request("DELETE", f"{definitions}/gadgets.lease.example.com")[0] == 200
            eventually(lambda: isinstance(gadgets.last_error, NotFound), TIMEOUT_S, "the resource is gone")
            assert gadgets.indexer.list() == []
    assert gadgets.is_stopped
    assert all(delay_s > 0 for delay_s in delays_s)  # no hot loop
