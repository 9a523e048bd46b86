"""Informers on the embedded API server, over real sockets, while things go wrong."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator

import pytest

from kubeprims.backoff import BackoffPolicy
from kubeprims.cache.index import field_index
from kubeprims.client.client import Client
from kubeprims.errors import CacheSyncTimeout, InvalidArgument, LifecycleError, UnknownResource
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.shared import SharedInformer
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import (
    Action,
    Answer,
    Drop,
    DropWatch,
    EndWatch,
    FaultPoint,
    Match,
    Stall,
    StallWatch,
    Truncate,
    WatchError,
)
from kubeprims.testing.apiserver.queries import DeleteOptions
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.mirror import Mirror, State, assert_converges
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 20.0
QUICK = ReflectorOptions(backoff=BackoffPolicy(base_s=0.005, cap_s=0.05))
PODS = Match(resource="v1/pods")


def pod(name: str, **labels: str) -> JSONObject:
    return {
        "metadata": {"name": name, "namespace": "default", "labels": dict(labels)},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


def truth(server: APIServer) -> State:
    state = {}
    for obj in server.list("v1/pods"):
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        state[f"{metadata['namespace']}/{metadata['name']}"] = str(metadata["resourceVersion"])
    return state


class Churn:
    """Changes to pods, the same for the same seed."""

    def __init__(self, server: APIServer, seed: int = 1) -> None:
        self._server = server
        self._rng = random.Random(seed)
        self._names: list[str] = []
        self._made = 0

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def step(self) -> None:
        what = self._rng.choice(("create", "create", "change", "change", "delete"))
        if what == "create" or len(self._names) < 2:
            self._made += 1
            self._names.append(f"pod-{self._made}")
            self._server.create("v1/pods", pod(self._names[-1]), namespace="default")
        elif what == "change":
            labels: JSONObject = {"metadata": {"labels": {"step": str(self._rng.random())}}}
            self._server.patch("v1/pods", self._rng.choice(self._names), labels, namespace="default")
        else:
            name = self._names.pop(self._rng.randrange(len(self._names)))
            self._server.delete("v1/pods", name, namespace="default", options=DeleteOptions(grace_period_s=0))


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer() as made:
        yield made


@pytest.fixture
def client(server: APIServer) -> Iterator[Client]:
    with Transport(TransportConfig(server=server.url)) as transport, Client(transport) as made:
        yield made


@pytest.fixture
def informers(client: Client) -> Iterator[SharedInformerFactory]:
    with SharedInformerFactory(client, options=InformerOptions(reflector=QUICK)) as factory:
        yield factory


def mirrored(informers: SharedInformerFactory) -> tuple[SharedInformer, Mirror]:
    informer, mirror = informers.informer("v1/pods"), Mirror()
    informer.add_event_handler(on_event=mirror.on_event)
    return informer, mirror


@pytest.mark.subset
def test_the_cache_and_the_handler_follow_the_server(server: APIServer, informers: SharedInformerFactory) -> None:
    churn = Churn(server)
    churn.steps(30)
    informer, mirror = mirrored(informers)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    churn.steps(100)
    assert_converges(informer, mirror, lambda: truth(server))
    assert [entry.path for entry in server.requests] == ["/api/v1/pods"]
    assert (informer.status.watch_lists, informer.status.lists, informer.status.watches) == (1, 0, 0)


@pytest.mark.subset
def test_nothing_is_missed_over_a_crash_and_a_restart(server: APIServer, informers: SharedInformerFactory) -> None:
    churn = Churn(server)
    informer, mirror = mirrored(informers)
    informers.start()
    for _ in range(3):
        churn.steps(20)
        server.crash()
        churn.steps(20)
        eventually(lambda: informer.last_error is not None, TIMEOUT_S, "the informer notices that the server is gone")
        server.restart()
        assert_converges(informer, mirror, lambda: truth(server))
    assert mirror.deletes


@case("IN-2")
def test_stopping_ends_an_open_watch_at_once_and_sends_nothing_more(
    server: APIServer, informers: SharedInformerFactory
) -> None:
    informer, _ = mirrored(informers)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    eventually(lambda: server.faults.open_watches == 1, TIMEOUT_S, "the watch is open")
    informer.stop(TIMEOUT_S)
    requests = len(server.requests)
    eventually(lambda: server.faults.open_watches == 0, TIMEOUT_S, "the server sees the end of the watch")
    assert len(server.requests) == requests == 1


FAULTS: dict[str, Action] = {
    "refused": Drop(),
    "no answer": Drop(point=FaultPoint.BEFORE_HEAD),
    "half a head": Drop(point=FaultPoint.IN_HEAD, after_bytes=20),
    "cut": Drop(point=FaultPoint.IN_BODY, after_bytes=30),
    "truncated": Truncate(after_bytes=50),
    "410": Answer(code=410, reason="Expired"),
    "429": Answer(code=429, retry_after_s=0),
    "500": Answer(code=500),
    "503": Answer(code=503),
    "401": Answer(code=401),
    "403": Answer(code=403),
    "404": Answer(code=404),
    "garbage": Answer(code=200, body=b"\x00\xff{]"),
    "HTML": Answer(code=200, body=b"<html>hello</html>", content_type="text/html"),
    "an empty answer": Answer(code=200, body=b""),
    "watch: 410": WatchError(),
    "watch: 429": WatchError(code=429, reason="TooManyRequests"),
    "watch: 500": WatchError(code=500, reason="InternalError", after_events=2),
    "watch: ended": EndWatch(),
    "watch: ended after an event": EndWatch(after_events=1),
    "watch: cut": DropWatch(after_events=1),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("skip", range(4))
def test_the_cache_is_right_whichever_request_fails_in_whichever_way(
    server: APIServer, informers: SharedInformerFactory, fault: Action, skip: int
) -> None:
    """Fail the first request, the second, ...: a sweep, not a sample."""
    churn = Churn(server, seed=skip)
    churn.steps(6)
    server.faults.add(fault, PODS, skip=skip, count=2)
    informer, mirror = mirrored(informers)
    informers.start()
    churn.steps(10)
    informers.wait_for_cache_sync(TIMEOUT_S)
    churn.steps(10)
    server.faults.interrupt_watches(EndWatch())
    churn.steps(5)
    server.faults.interrupt_watches(DropWatch())
    churn.steps(5)
    assert_converges(informer, mirror, lambda: truth(server))


@pytest.mark.parametrize(("verb", "watch_list"), [("list", False), ("watch", False), ("watch", True)])
def test_a_server_that_stalls_does_not_hold_stop_up(
    server: APIServer, client: Client, verb: str, *, watch_list: bool
) -> None:
    fault = server.faults.add(Stall(point=FaultPoint.IN_BODY, after_bytes=10), Match(verb=verb, resource="v1/pods"))
    Churn(server).steps(5)
    options = InformerOptions(reflector=ReflectorOptions(watch_list=watch_list))
    with SharedInformerFactory(client, options=options) as informers:
        mirrored(informers)
        informers.start()
        server.create("v1/pods", pod("one-more"), namespace="default")
        assert fault.wait_for_hits(1, timeout_s=TIMEOUT_S)
        informers.stop(TIMEOUT_S)
    server.faults.clear()


def test_a_list_that_keeps_breaking_off_is_asked_for_in_pages(server: APIServer, client: Client) -> None:
    Churn(server).steps(30)
    server.faults.add(Truncate(after_bytes=500), Match(verb="list", resource="v1/pods"), count=2)
    options = InformerOptions(reflector=dataclasses.replace(QUICK, watch_list=False))
    with SharedInformerFactory(client, options=options) as informers:
        informer, mirror = mirrored(informers)
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)
        assert_converges(informer, mirror, lambda: truth(server))
    lists = [entry.query for entry in server.requests if "watch" not in entry.query]
    assert lists == ["resourceVersion=0&limit=500", "resourceVersion=0&limit=500", "limit=500"]


def test_events_held_back_by_the_server_arrive_once_it_goes_on(
    server: APIServer, informers: SharedInformerFactory
) -> None:
    churn = Churn(server)
    server.faults.add(StallWatch(after_events=1), PODS)
    informer, mirror = mirrored(informers)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    churn.steps(20)
    server.faults.clear()
    assert_converges(informer, mirror, lambda: truth(server))


def test_compaction_under_a_broken_watch_is_answered_by_another_watch_list(
    server: APIServer, informers: SharedInformerFactory
) -> None:
    churn = Churn(server)
    churn.steps(10)
    informer, mirror = mirrored(informers)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    fault = server.faults.add(Answer(code=503), Match(verb="watch"), count=None)
    server.faults.interrupt_watches(EndWatch())
    assert fault.wait_for_hits(1, timeout_s=TIMEOUT_S)
    churn.steps(20)
    server.compact()
    server.faults.clear()
    assert_converges(informer, mirror, lambda: truth(server))
    assert (informer.status.watch_lists, informer.status.lists) == (2, 0)


@case("IN-202")
@pytest.mark.parametrize("selected", [{"label_selector": "app=web"}, {"field_selector": "metadata.name=web"}])
def test_a_selector_shows_only_what_it_selects_and_a_lost_match_is_a_delete(
    server: APIServer, informers: SharedInformerFactory, selected: dict[str, str]
) -> None:
    server.create("v1/pods", pod("web", app="web"), namespace="default")
    server.create("v1/pods", pod("db", app="db"), namespace="default")
    seen: list[str] = []
    informer = informers.informer("v1/pods", namespace="default", **selected)
    informer.add_event_handler(
        on_add=lambda obj: seen.append(f"+{obj.name}"),
        on_update=lambda old, new: seen.append(f"~{new.name}"),
        on_delete=lambda obj: seen.append(f"-{obj.name}"),
    )
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    assert [obj.name for obj in informer.indexer.list()] == ["web"]
    server.patch("v1/pods", "web", {"metadata": {"labels": {"x": "y"}}}, namespace="default")
    eventually(lambda: "~web" in seen, TIMEOUT_S, "the change is told")
    server.patch("v1/pods", "db", {"metadata": {"labels": {"x": "y"}}}, namespace="default")
    server.delete("v1/pods", "web", namespace="default", options=DeleteOptions(grace_period_s=0))
    eventually(lambda: "-web" in seen, TIMEOUT_S, "the delete is told")
    assert (seen[0], set(seen)) == ("+web", {"+web", "~web", "-web"})


def test_a_list_comes_in_pages_and_is_one_list(server: APIServer, client: Client) -> None:
    server.create_many("v1/pods", [pod(f"pod-{number}") for number in range(23)])
    server.faults.add(Answer(code=410, reason="Expired"), Match(verb="list"))  # at version 0 limits are ignored
    options = InformerOptions(reflector=ReflectorOptions(watch_list=False, page_size=5, backoff=QUICK.backoff))
    with SharedInformerFactory(client, options=options) as informers:
        informer, mirror = mirrored(informers)
        informers.start()
        assert_converges(informer, mirror, lambda: truth(server))
    assert informer.status.lists == 2
    assert sum("limit=5" in entry.query for entry in server.requests) == 1 + 5


def test_the_same_request_gets_the_same_informer(informers: SharedInformerFactory) -> None:
    by_name = field_index("metadata.name")
    first = informers.informer("v1/pods", label_selector="app=web", indexers={"a": by_name})
    again = informers.informer("v1/pods", label_selector="app=web", indexers={"a": by_name, "b": lambda obj: []})
    other = informers.informer("v1/pods", namespace="default", label_selector="app=web")
    assert first is again is informers.informer("pods", label_selector="app=web")
    assert first is not other
    assert first.indexer.index_names == ["namespace", "a", "b"]
    assert other.name == "v1/pods in default (app=web)"


def test_an_index_that_the_informer_has_with_another_function_is_refused(informers: SharedInformerFactory) -> None:
    informers.informer("v1/pods", indexers={"a": field_index("metadata.name")})
    with pytest.raises(InvalidArgument, match="there is an index named 'a' already, with another function"):
        informers.informer("v1/pods", indexers={"a": field_index("metadata.uid"), "b": field_index("metadata.uid")})
    assert informers.informer("v1/pods").indexer.index_names == ["namespace", "a"]


def test_informers_made_after_the_start_need_another_one(server: APIServer, informers: SharedInformerFactory) -> None:
    informers.start()
    late = informers.informer("v1/nodes")
    assert not late.has_synced
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    assert late.has_synced


def test_a_sync_that_times_out_names_each_informer_and_why(server: APIServer, informers: SharedInformerFactory) -> None:
    asked = informers.informer("v1/nodes"), informers.informer("example.com/v1/gizmos")
    server.faults.add(Answer(code=403, message="nodes is forbidden"), Match(resource="v1/nodes"), count=None)
    informers.start()
    eventually(lambda: all(informer.last_error for informer in asked), TIMEOUT_S, "both have failed")
    with pytest.raises(CacheSyncTimeout) as caught:
        informers.wait_for_cache_sync(0.05)
    text = str(caught.value)
    assert "example.com/v1/gizmos: " in text
    assert "404" in text
    assert "v1/nodes: " in text
    assert "nodes is forbidden" in text
    assert server.url in text


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"resource": "gizmos"}, UnknownResource),
        ({"resource": "v1/pods", "label_selector": "a in ("}, InvalidArgument),
        ({"resource": "v1/pods", "field_selector": "spec"}, InvalidArgument),
        ({"resource": "v1/pods", "namespace": "a/b"}, InvalidArgument),
        ({"resource": "v1/pods", "namespace": ""}, InvalidArgument),
        ({"resource": "v1/pods", "indexers": {"a": 7}}, InvalidArgument),
    ],
)
def test_a_wrong_call_is_refused_where_it_is_made(
    informers: SharedInformerFactory, arguments: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        informers.informer(**arguments)


def test_a_stopped_factory_makes_and_starts_nothing(informers: SharedInformerFactory) -> None:
    informers.stop()
    for call in (informers.start, lambda: informers.informer("v1/pods")):
        with pytest.raises(LifecycleError):
            call()


def _failing(code: int) -> Callable[[APIServer], object]:
    return lambda server: server.faults.add(Answer(code=code), PODS, count=None)


@pytest.mark.parametrize("fail", [_failing(500), _failing(403), APIServer.crash], ids=["500", "403", "refused"])
def test_a_failing_server_is_asked_at_most_three_times_in_five_seconds(
    server: APIServer, client: Client, fail: Callable[[APIServer], object]
) -> None:
    """The budget of DESIGN.md 6, by the delays that the informer announces."""
    delays_s: list[float] = []
    informers = SharedInformerFactory(client, on_error=lambda _, delay_s: delays_s.append(delay_s))
    with informers:
        informers.informer("v1/pods")
        fail(server)
        informers.start()
        eventually(lambda: delays_s, TIMEOUT_S, "the first failure")
        eventually(lambda: len(delays_s) > 1, TIMEOUT_S, "the second failure")
    assert delays_s[0] >= 0.8
    assert delays_s[1] >= 1.6
