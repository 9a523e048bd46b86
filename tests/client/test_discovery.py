"""Discovery: asked when needed, kept, asked again on a miss, and shared between threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from kubeprims.client.discovery import Discovery
from kubeprims.errors import (
    Cancelled,
    ConnectError,
    DeadlineExceeded,
    Forbidden,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    NotFound,
    UnknownResource,
)
from kubeprims.meta import GroupVersionKind, GroupVersionResource, JSONObject
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline, Latch, ThreadGroup
from kubeprims.transport.message import Request, Response
from tests.client.fake import DISCOVERY, SERVER, FakeServer, aggregated, documents, response, served
from tests.waiting import eventually

WAIT_S = 10.0
PODS = GroupVersionResource("", "v1", "pods")


def discovery(server: FakeServer) -> Discovery:
    return Discovery(server.api())


class Gate:
    """Answers discovery, each request only once the gate is open."""

    def __init__(self, answers: dict[str, JSONObject] | None = None) -> None:
        self.answers = dict(answers or DISCOVERY)
        self.open = Latch()
        self.reached = Latch()
        self.failure: KubeprimsError | None = None

    def __call__(self, request: Request) -> Response:
        self.reached.set()
        assert self.open.wait(WAIT_S)
        if self.failure is not None:
            raise self.failure
        return documents(self.answers)(request)


class Callers:
    """Threads that each make one call, and what became of it."""

    def __init__(self) -> None:
        self.results: list[object] = []
        self._lock = threading.Lock()
        self._threads = ThreadGroup("callers")

    def spawn(self, call: Callable[[], object], count: int = 1) -> None:
        for number in range(count):
            self._threads.spawn(lambda: self._run(call), name=str(number))

    def _run(self, call: Callable[[], object]) -> None:
        try:
            result: object = call()
        except KubeprimsError as error:
            result = error
        with self._lock:
            self.results.append(result)

    def join(self) -> list[object]:
        assert self._threads.join(Deadline.after(WAIT_S)) == ()
        return self.results


def waiting(subject: Discovery, count: int) -> Callable[[], bool]:
    def are() -> bool:
        with subject._changed:
            return len(subject._changed._waiters) == count  # type: ignore[attr-defined]

    return are


def test_nothing_is_asked_before_it_is_needed_and_then_once() -> None:
    server = FakeServer(documents(DISCOVERY))
    subject = discovery(server)
    assert subject.get_known(PODS) is None
    assert server.requests == []
    assert str(subject.find("po").gvr) == "v1/pods"
    assert str(subject.find("deploy").gvr) == "apps/v1/deployments"
    assert subject.get(PODS).kind == "Pod"
    assert subject.get_known(PODS) is not None
    assert len(subject.resources()) == 5
    assert server.targets == ["/api", "/apis"]


def test_the_aggregated_form_is_asked_for_first_and_the_old_one_accepted() -> None:
    server = FakeServer(documents(DISCOVERY))
    discovery(server).resources()
    accept = server.requests[0].headers.get("Accept")
    assert accept == (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    )


def old_form(**more: JSONObject) -> dict[str, JSONObject]:
    return {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [
                {"name": "apps", "versions": [{"groupVersion": "apps/v1"}]},
                {"name": "metrics", "versions": [{"groupVersion": "metrics/v1"}]},
            ],
        },
        "/api/v1": {
            "groupVersion": "v1",
            "resources": [{"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True}],
        },
        "/apis/apps/v1": {
            "groupVersion": "apps/v1",
            "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True}],
        },
        **more,
    }


def test_a_server_of_the_old_form_is_asked_about_each_group_and_version() -> None:
    server = FakeServer(documents(old_form(), missing_status=503))
    subject = discovery(server)
    assert str(subject.find("Deployment").gvr) == "apps/v1/deployments"
    assert server.targets == ["/api", "/api/v1", "/apis", "/apis/apps/v1", "/apis/metrics/v1"]
    assert server.requests[1].headers.get("Accept") == "application/json"


def test_a_group_that_the_server_cannot_tell_about_hides_no_other_and_is_named_on_a_miss() -> None:
    subject = discovery(FakeServer(documents(old_form(), missing_status=503)))
    with pytest.raises(UnknownResource) as caught:
        subject.find("podmetrics")
    assert caught.value.unavailable == ("metrics/v1",)
    assert str(caught.value) == (f'the server {SERVER} has no resource "podmetrics" (but cannot tell about metrics/v1)')


def test_a_miss_asks_once_more_and_then_the_resource_is_unknown() -> None:
    answers = dict(DISCOVERY)
    server = FakeServer(documents(answers))
    subject = discovery(server)
    subject.resources()
    with pytest.raises(UnknownResource, match=f'the server {SERVER} has no resource "gadgets"$'):
        subject.find("gadgets")
    assert len(server.requests) == 4
    answers["/apis"] = aggregated(("example.com", "v2", [served("gadgets", "Gadget")]))
    assert str(subject.find("gadgets").gvr) == "example.com/v2/gadgets"
    assert len(server.requests) == 6
    with pytest.raises(UnknownResource, match=r'"example\.com/v1/gadgets"'):
        subject.get(GroupVersionResource("example.com", "v1", "gadgets"))


def test_misses_in_a_row_ask_no_more_than_their_rate_allows() -> None:
    clock = VirtualClock()
    server = FakeServer(documents(DISCOVERY))
    subject = Discovery(server.api(clock))
    subject.resources()

    def miss() -> int:
        before = len(server.requests)
        with pytest.raises(UnknownResource):
            subject.find("gadgets")
        return len(server.requests) - before

    assert [miss() for _ in range(12)] == [2] * 10 + [0, 0]
    clock.advance(1.0)
    assert [miss(), miss()] == [2, 0]
    assert str(subject.find("po").gvr) == "v1/pods"


def test_a_resource_is_found_by_the_kind_of_its_objects() -> None:
    subject = discovery(FakeServer(documents(DISCOVERY)))
    assert str(subject.find_kind(GroupVersionKind("apps", "v1", "Deployment")).gvr) == "apps/v1/deployments"
    for gvk in (GroupVersionKind("", "v1", "Deployment"), GroupVersionKind("apps", "v1", "deployment")):
        with pytest.raises(UnknownResource):
            subject.find_kind(gvk)


def test_one_may_begin_with_what_another_one_knows() -> None:
    first, server = FakeServer(documents(DISCOVERY)), FakeServer(documents(DISCOVERY))
    known = discovery(first)
    subject = discovery(server)
    subject.take_from(known)
    assert server.requests == []
    known.resources()
    subject.take_from(known)
    assert str(subject.find("po").gvr) == "v1/pods"
    assert server.requests == []
    with pytest.raises(UnknownResource):
        subject.find("gadgets")
    assert len(server.requests) == 2


def test_a_first_look_up_that_misses_asks_once_only() -> None:
    server = FakeServer(documents(DISCOVERY))
    with pytest.raises(UnknownResource):
        discovery(server).find("gadgets")
    assert len(server.requests) == 2


def test_refresh_asks_again() -> None:
    server = FakeServer(documents(DISCOVERY))
    subject = discovery(server)
    subject.refresh()
    subject.refresh()
    assert len(server.requests) == 4


@pytest.mark.parametrize("missing", ["/api", "/apis"])
def test_a_server_may_have_no_core_group_or_nothing_else(missing: str) -> None:
    answers = {path: document for path, document in DISCOVERY.items() if path != missing}
    assert discovery(FakeServer(documents(answers))).resources()


def test_a_server_that_has_neither_is_no_api_server() -> None:
    with pytest.raises(NotFound, match="/api"):
        discovery(FakeServer(documents({}))).resources()


def test_a_refusal_is_told_and_nothing_is_kept() -> None:
    answers: dict[str, JSONObject] = {}
    subject = discovery(FakeServer(documents(answers, missing_status=403)))
    with pytest.raises(Forbidden):
        subject.find("pods")
    answers.update(DISCOVERY)
    assert subject.find("pods").kind == "Pod"


def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent() -> None:
    server = FakeServer(documents(DISCOVERY))
    subject = discovery(server)
    with pytest.raises(InvalidArgument):
        subject.find("a b")
    with pytest.raises(InvalidArgument):
        subject.find("pods", timeout_s=-1)
    assert server.requests == []


def test_many_threads_share_one_fetch() -> None:
    gate = Gate()
    server = FakeServer(gate)
    subject = discovery(server)
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind, count=16)
    eventually(waiting(subject, 15), WAIT_S, "all but one wait")
    gate.open.set()
    assert callers.join() == ["Pod"] * 16
    assert server.targets == ["/api", "/apis"]


def test_many_threads_share_a_failure() -> None:
    gate = Gate()
    gate.failure = ConnectError("refused")
    server = FakeServer(gate)
    subject = discovery(server)
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind, count=8)
    eventually(waiting(subject, 7), WAIT_S, "all but one wait")
    gate.open.set()
    assert callers.join() == [gate.failure] * 8
    assert len(server.requests) == 1
    gate.failure = None
    assert subject.find("po").kind == "Pod"


@pytest.mark.parametrize("failure", [Cancelled("its own"), DeadlineExceeded("its own")])
def test_a_thread_that_gives_up_takes_nobody_with_it(failure: KubeprimsError) -> None:
    gate = Gate()
    gate.failure = failure
    fail_once = threading.Semaphore(1)

    def answer(request: Request) -> Response:
        gate.reached.set()
        assert gate.open.wait(WAIT_S)
        if fail_once.acquire(blocking=False):
            raise failure
        return documents(DISCOVERY)(request)

    subject = discovery(FakeServer(answer))
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind, count=4)
    eventually(waiting(subject, 3), WAIT_S, "all but one wait")
    gate.open.set()
    results = callers.join()
    assert results.count(failure) == 1
    assert results.count("Pod") == 3


def test_a_thread_that_waits_for_another_ones_fetch_can_be_cancelled() -> None:
    gate = Gate()
    subject = discovery(FakeServer(gate))
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind)
    assert gate.reached.wait(WAIT_S)
    cancel = Cancel()
    callers.spawn(lambda: subject.find("po", cancel=cancel))
    eventually(waiting(subject, 1), WAIT_S, "the second one waits")
    cancel.set()
    eventually(lambda: len(callers.results) == 1, WAIT_S, "the second one ends")
    assert isinstance(callers.results[0], Cancelled)
    gate.open.set()
    assert callers.join()[1] == "Pod"


def test_a_look_up_that_is_cancelled_already_waits_for_nothing() -> None:
    gate = Gate()
    subject = discovery(FakeServer(gate))
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind)
    assert gate.reached.wait(WAIT_S)
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        subject.find("po", cancel=cancel)
    gate.open.set()
    assert callers.join() == ["Pod"]


def test_a_thread_that_waits_for_another_ones_fetch_keeps_to_its_own_time() -> None:
    gate = Gate()
    subject = discovery(FakeServer(gate))
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind)
    assert gate.reached.wait(WAIT_S)
    with pytest.raises(DeadlineExceeded, match="during discovery"):
        subject.find("po", timeout_s=0.05)
    gate.open.set()
    assert callers.join() == ["Pod"]


def test_a_fetch_that_began_before_the_look_up_is_no_proof_that_a_name_is_unknown() -> None:
    gate = Gate()
    server = FakeServer(gate)
    subject = discovery(server)
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind)
    assert gate.reached.wait(WAIT_S)
    callers.spawn(lambda: subject.find("gadgets").kind)
    eventually(waiting(subject, 1), WAIT_S, "the second one waits")

    # The resource appears behind the back of the fetch that is under way.
    first, late = documents(dict(DISCOVERY)), aggregated(("example.com", "v1", [served("gadgets", "Gadget")]))
    server._answerer = lambda request: (
        first(request) if len(server.requests) <= 2 else response({**DISCOVERY, "/apis": late}[request.path])
    )
    gate.open.set()
    assert sorted(map(str, callers.join())) == ["Gadget", "Pod"]
    assert len(server.requests) == 4


def test_refresh_does_not_take_a_fetch_that_began_before_it() -> None:
    gate = Gate()
    server = FakeServer(gate)
    subject = discovery(server)
    callers = Callers()
    callers.spawn(lambda: subject.find("po").kind)
    assert gate.reached.wait(WAIT_S)
    callers.spawn(subject.refresh)
    eventually(waiting(subject, 1), WAIT_S, "the second one waits")
    gate.open.set()
    callers.join()
    assert len(server.requests) == 4


def test_the_whole_look_up_has_one_deadline() -> None:
    clock = VirtualClock()

    def slow(request: Request) -> Response:
        clock.advance(2)
        return documents(old_form())(request)

    server = FakeServer(slow)
    subject = Discovery(server.api(clock))
    started_s = clock.monotonic()
    with pytest.raises(DeadlineExceeded, match="/apis/apps/v1"):
        subject.find("pods", timeout_s=6)
    assert [request.deadline.at_s for request in server.requests] == [started_s + 6] * 3


def test_a_closed_client_asks_nobody() -> None:
    server = FakeServer(documents(DISCOVERY))
    api = server.api()
    api.close()
    with pytest.raises(LifecycleError):
        Discovery(api).find("po")
    assert server.requests == []
