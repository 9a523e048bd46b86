"""Watch-lists on the wire: informers, the embedded API server, and what can go wrong between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeprims.backoff import BackoffPolicy
from kubeprims.client.client import Client
from kubeprims.errors import TooManyRequests
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.failures import RestartCause
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.shared import SharedInformer
from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.faults import Answer, DropWatch, EndWatch, Match, StallWatch, WatchError
from kubeprims.testing.apiserver.server import APIServer
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.mirror import Mirror, assert_converges
from tests.informer.test_end_to_end import Churn, pod, truth
from tests.parity import case
from tests.waiting import eventually

TIMEOUT_S = 20.0
QUICK = BackoffPolicy(base_s=0.005, cap_s=0.05)
PODS = Match(verb="watch", resource="v1/pods")


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
    with factory_of(client) as made:
        yield made


def factory_of(client: Client, **options: float) -> SharedInformerFactory:
    reflector = ReflectorOptions(backoff=QUICK, **options)  # type: ignore[arg-type]
    return SharedInformerFactory(client, options=InformerOptions(reflector=reflector))


def started(informers: SharedInformerFactory) -> tuple[SharedInformer, Mirror]:
    informer, mirror = informers.informer("v1/pods"), Mirror()
    informer.add_event_handler(on_event=mirror.on_event)
    informers.start()
    return informer, mirror


def asked(server: APIServer) -> list[str]:
    """Return what was asked for, in words, since the server started."""
    words = []
    for entry in server.requests:
        is_watch = "watch=true" in entry.query
        words.append("watch-list" if "sendInitialEvents" in entry.query else "watch" if is_watch else "list")
    return words


@case("IN-9", "IN-44")
def test_objects_and_changes_come_over_one_request(server: APIServer, informers: SharedInformerFactory) -> None:
    churn = Churn(server)
    churn.steps(20)
    informer, mirror = started(informers)
    informers.wait_for_cache_sync(TIMEOUT_S)
    churn.steps(20)
    assert_converges(informer, mirror, lambda: truth(server))
    assert asked(server) == ["watch-list"]
    (entry,) = server.requests
    for parameter in ("resourceVersionMatch=NotOlderThan", "allowWatchBookmarks=true", "timeoutSeconds="):
        assert parameter in entry.query
    assert "resourceVersion=" not in entry.query


@case("IN-42", "IN-43")
@pytest.mark.parametrize("code", [400, 404, 405, 422])
def test_a_refusal_is_answered_by_a_list_and_remembered_for_the_resource(
    server: APIServer, informers: SharedInformerFactory, code: int
) -> None:
    Churn(server).steps(5)
    server.faults.add(Answer(code=code), PODS)
    informer, mirror = started(informers)
    assert_converges(informer, mirror, lambda: truth(server))
    eventually(lambda: asked(server) == ["watch-list", "list", "watch"], TIMEOUT_S, "a list, and a watch of it")
    assert informer.status.failures == 0
    server.create("v1/pods", pod("other", app="other"), namespace="default")
    other = informers.informer("v1/pods", label_selector="app=other")
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    assert other.status.watch_lists == 0


@case("IN-42", otherwise="decision 6: what says nothing about watch-lists backs off and asks for one again")
@pytest.mark.parametrize("code", [401, 429, 500, 503])
def test_any_other_refusal_is_answered_by_another_watch_list(
    server: APIServer, informers: SharedInformerFactory, code: int
) -> None:
    Churn(server).steps(5)
    server.faults.add(Answer(code=code, retry_after_s=0 if code == 429 else None), PODS, count=2)
    informer, mirror = started(informers)
    assert_converges(informer, mirror, lambda: truth(server))
    assert set(asked(server)) == {"watch-list"}
    assert (informer.status.watch_lists, informer.status.lists) == (3, 0)


@case("IN-40", "IN-47")
@pytest.mark.parametrize("fault", [EndWatch(after_events=2), DropWatch(after_events=2)])
def test_a_stream_that_is_cut_before_its_end_leaves_nothing_and_is_begun_anew(
    server: APIServer, informers: SharedInformerFactory, fault: EndWatch | DropWatch
) -> None:
    server.create_many("v1/pods", [pod(f"pod-{number}") for number in range(5)])
    server.faults.add(fault, PODS)
    told: list[str] = []
    informer, mirror = informers.informer("v1/pods"), Mirror()
    informer.add_event_handler(on_add=lambda obj: told.append(obj.name))
    informer.add_event_handler(on_event=mirror.on_event)
    informers.start()
    assert_converges(informer, mirror, lambda: truth(server))
    assert asked(server) == ["watch-list", "watch-list"]
    eventually(lambda: len(told) == 5, TIMEOUT_S, "each object is told of once")


@case("IN-51")
def test_three_streams_without_an_end_lead_to_lists_for_good(
    server: APIServer, informers: SharedInformerFactory
) -> None:
    server.create_many("v1/pods", [pod(f"pod-{number}") for number in range(5)])
    server.faults.add(EndWatch(after_events=5), Match(verb="watch", resource="v1/pods"), count=3)
    informer, mirror = started(informers)
    assert_converges(informer, mirror, lambda: truth(server))
    eventually(lambda: len(asked(server)) == 5 and server.faults.open_watches == 1, TIMEOUT_S, "the watch is open")
    assert asked(server) == ["watch-list", "watch-list", "watch-list", "list", "watch"]
    assert informer.status.restarts[RestartCause.WATCH_LIST_INCOMPLETE] == 3
    server.faults.interrupt_watches(WatchError(code=410, reason="Expired"))
    server.create("v1/pods", pod("late"), namespace="default")
    assert_converges(informer, mirror, lambda: truth(server))
    eventually(lambda: asked(server)[5:] == ["list", "watch"], TIMEOUT_S, "a list again")


@case("IN-38", otherwise="decision 6: a marker that does not come is no warning but a deadline and a fallback")
def test_an_end_marker_that_is_held_back_is_not_waited_for(server: APIServer, client: Client) -> None:
    server.create_many("v1/pods", [pod(f"pod-{number}") for number in range(5)])
    server.faults.add(StallWatch(after_events=5), PODS)
    with factory_of(client, watch_list_timeout_s=0.2) as informers:
        informer, mirror = started(informers)
        assert_converges(informer, mirror, lambda: truth(server))
        eventually(lambda: asked(server) == ["watch-list", "list", "watch"], TIMEOUT_S, "a list, and a watch of it")
        assert informer.status.restarts == {RestartCause.WATCH_LIST_INCOMPLETE: 1}
    server.faults.clear()


def test_a_pause_that_an_error_event_asks_for_is_kept(server: APIServer, client: Client) -> None:
    server.create_many("v1/pods", [pod(f"pod-{number}") for number in range(5)])
    server.faults.add(WatchError(code=429, reason="TooManyRequests", after_events=2, retry_after_s=1), PODS)
    waits: list[float] = []
    reflector = ReflectorOptions(backoff=QUICK)
    factory = SharedInformerFactory(
        client,
        options=InformerOptions(reflector=reflector),
        on_error=lambda error, delay_s: waits.append(delay_s if isinstance(error, TooManyRequests) else 0.0),
    )
    with factory as informers:
        informer, mirror = started(informers)
        assert_converges(informer, mirror, lambda: truth(server))
    assert waits == [1.0]


def test_a_server_that_answers_500_is_asked_three_times_in_five_seconds_at_most(
    server: APIServer, client: Client
) -> None:
    server.faults.add(Answer(code=500), Match(resource="v1/pods"), count=None)
    delays: list[float] = []
    with SharedInformerFactory(client, on_error=lambda _, delay_s: delays.append(delay_s)) as informers:
        informers.informer("v1/pods")
        informers.start()
        eventually(lambda: len(delays) == 2, TIMEOUT_S, "two failures")
    assert len(server.requests) == 2
    assert delays[0] >= 0.8
    assert delays[1] >= 1.6  # the third is asked for after 2.4 s at least, the fourth after 5.6 s at least


@case("IN-33", otherwise="decision 2: a transform sees each version of an object once")
@pytest.mark.parametrize("queue", ["delta_fifo", "in_order"])
def test_a_transform_runs_once_for_each_object(queue: str) -> None:
    seen: list[str] = []

    def transform(obj: JSONObject) -> JSONObject:
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        seen.append(f"{metadata['name']} {metadata['resourceVersion']}")
        return obj

    source = FakeListerWatcher()
    source.put("a")
    source.put("b")
    options = InformerOptions(transform=transform, queue=queue)
    with SharedInformer(source, name="v1/pods", options=options) as informer:
        informer.wait_for_sync(TIMEOUT_S)
        source.put("c")
        eventually(lambda: informer.indexer.get("default/c") is not None, TIMEOUT_S, "the live object is in")
    assert seen == ["a 1", "b 2", "c 3"]
    assert len(source.watches) == 1
