"""Waiting for one object: listed, watched, and looked at again after whatever ends the watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from kubeprims.client import conditions
from kubeprims.client.client import Client
from kubeprims.client.options import ALL_NAMESPACES, ListOptions, WatchOptions
from kubeprims.client.waiter import Waiter
from kubeprims.client.watch import WatchStream
from kubeprims.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    Forbidden,
    InvalidArgument,
    KubeprimsError,
    ResourceExpired,
    ServerTimeout,
    WaitTimeout,
)
from kubeprims.meta import GroupVersionResource, JSONObject
from kubeprims.objects.codec import ListStream, StdlibCodec
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import DropWatch, EndWatch, Match, WatchError
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.client import session
from tests.client.clocks import SelfMovingClock
from tests.client.fake import response
from tests.waiting import eventually

WAIT_S = 10.0
MAPS = Match(resource="v1/configmaps")


@pytest.fixture
def server() -> Iterator[APIServer]:
    with APIServer() as made:
        yield made


@pytest.fixture
def client(server: APIServer) -> Iterator[Client]:
    with Transport(TransportConfig(server=server.url)) as transport, Client(transport) as made:
        yield made


class Waiting:
    """A wait on a thread of its own."""

    def __init__(self, call: Callable[[], Unstructured | None]) -> None:
        self._call = call
        self._result: list[Unstructured | None] = []
        self._threads = ThreadGroup("wait")
        self._threads.spawn(self._run, name="wait")

    def _run(self) -> None:
        self._result.append(self._call())

    def result(self) -> Unstructured | None:
        assert self._threads.join(Deadline.after(WAIT_S)) == ()
        return self._result[0]


def watches(server: APIServer, count: int = 1) -> None:
    eventually(lambda: server.faults.open_watches >= count, WAIT_S, "an open watch")


@pytest.mark.subset
def test_an_object_that_is_so_already_is_returned_after_one_request(server: APIServer, client: Client) -> None:
    maps = client.resource("v1/configmaps")
    maps.create(session.config_map("a", color="red"))
    before = len(server.requests)
    found = maps.wait_for("a", conditions.field(".data.color", "red"))
    assert found is not None
    assert found.name == "a"
    assert len(server.requests) == before + 1


def test_an_object_is_waited_for_through_its_creation_its_changes_and_its_end(
    server: APIServer, client: Client
) -> None:
    maps = client.resource("v1/configmaps")
    waiting = Waiting(lambda: maps.wait_for("a", conditions.field(".data.color", "blue"), timeout_s=WAIT_S))
    watches(server)
    maps.create(session.config_map("other", color="blue"))
    maps.create(session.config_map("a", color="red"))
    maps.patch("a", {"data": {"color": "blue"}})
    found = waiting.result()
    assert found is not None
    assert found["data"] == {"color": "blue"}
    waiting = Waiting(lambda: maps.wait_for("a", conditions.deleted(found.uid), timeout_s=WAIT_S))
    watches(server)
    maps.delete("a")
    assert waiting.result() is None


@pytest.mark.parametrize("trouble", [DropWatch(), EndWatch(), WatchError(message="too old"), "crash"])
def test_whatever_ends_the_watch_has_it_looked_at_again(
    server: APIServer, client: Client, trouble: DropWatch | EndWatch | WatchError | str
) -> None:
    maps = client.resource("v1/configmaps")
    waiting = Waiting(lambda: maps.wait_for("a", conditions.exists(), timeout_s=WAIT_S))
    watches(server)
    if isinstance(trouble, str):
        server.crash()
        server.restart()
    else:
        server.faults.interrupt_watches(trouble, MAPS)
    server.create("v1/configmaps", session.config_map("a"), namespace="default")
    found = waiting.result()
    assert found is not None
    assert found.name == "a"


def test_a_wait_that_ends_in_vain_says_how_the_object_was_last_seen(client: Client) -> None:
    maps = client.resource("v1/configmaps")
    with pytest.raises(WaitTimeout) as caught:
        maps.wait_for("a", conditions.exists(), timeout_s=1)
    assert str(caught.value) == "v1/configmaps a: not there after 1 s; last seen: no such object"
    assert caught.value.last is None
    made = maps.create(session.config_map("a"))
    with pytest.raises(WaitTimeout) as caught:
        maps.wait_for("a", conditions.condition("Ready"), timeout_s=1)
    assert caught.value.last == made
    assert str(caught.value).startswith("v1/configmaps default/a: not Ready=True after 1 s; last seen: ")


def test_a_wait_is_cancelled_at_once(server: APIServer, client: Client) -> None:
    cancel = Cancel()

    def wait() -> None:
        with pytest.raises(Cancelled):
            client.resource("v1/configmaps").wait_for("a", conditions.exists(), timeout_s=60.0, cancel=cancel)

    waiting = Waiting(wait)
    watches(server)
    cancel.set()
    waiting.result()


def test_what_a_condition_raises_is_raised_and_bad_arguments_are_refused(client: Client) -> None:
    maps = client.resource("v1/configmaps")

    def fail(obj: Unstructured | None) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        maps.wait_for("a", fail)
    for name, timeout_s in (("", 1.0), ("a/b", 1.0), ("a", 0.0), ("a", float("inf"))):
        with pytest.raises(InvalidArgument):
            maps.wait_for(name, conditions.exists(), timeout_s=timeout_s)


def test_an_object_that_is_waited_for_is_in_one_namespace(server: APIServer, client: Client) -> None:
    server.create("v1/configmaps", session.config_map("a"), namespace="default")
    everywhere = client.resource("v1/configmaps", ALL_NAMESPACES)
    with pytest.raises(InvalidArgument, match="say which one"):
        everywhere.wait_for("a", conditions.exists(), timeout_s=WAIT_S)
    node = client.resource("v1/nodes", ALL_NAMESPACES)
    assert node.wait_for("a", conditions.deleted()) is None


Step = Sequence[JSONObject] | KubeprimsError


class Scripted:
    """A resource whose lists and watches are written down: what each brings, or what it fails with."""

    gvr = GroupVersionResource("", "v1", "pods")

    def __init__(self, *steps: Step, version: str = "5") -> None:
        self._steps = list(steps)
        self._version = version
        self._clock, self._watch_s = VirtualClock(), 0.0
        self.asked: list[str] = []

    def _next(self) -> Sequence[JSONObject]:
        step = self._steps.pop(0) if self._steps else ()
        if isinstance(step, KubeprimsError):
            raise step
        return step

    @contextmanager
    def open_list(self, options: ListOptions, *, cancel: Cancel | None = None) -> Iterator[ListStream]:
        self.asked.append("list")
        content: JSONObject = {
            "kind": "PodList",
            "metadata": {"resourceVersion": self._version},
            "items": list(self._next()),
        }
        yield StdlibCodec().split_list([StdlibCodec().encode(content)])

    def takes(self, clock: VirtualClock, seconds: float) -> Scripted:
        """Have each watch last so long."""
        self._clock, self._watch_s = clock, seconds
        return self

    def open_watch(
        self, options: WatchOptions, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> WatchStream:
        self.asked.append(f"watch {options.resource_version}")
        self._clock.advance(self._watch_s)
        lines = [StdlibCodec().encode(event) + b"\n" for event in self._next()]
        return WatchStream(response(lines), StdlibCodec().split_event)


def pod(version: str) -> JSONObject:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "resourceVersion": version}}


def added(version: str) -> JSONObject:
    return {"type": "ADDED", "object": pod(version)}


def run(
    resource: Scripted, condition: conditions.Condition, *, timeout_s: float = 30.0, cancel: Cancel | None = None
) -> Unstructured | None:
    return Waiter(resource, SelfMovingClock(), "a", condition, timeout_s=timeout_s, cancel=cancel).run()


def at_version(version: str) -> conditions.Condition:
    return lambda obj: obj is not None and obj.resource_version == version


def test_a_watch_that_ends_goes_on_from_its_last_version() -> None:
    resource = Scripted([pod("4")], [added("7")], [], [added("9")])
    found = run(resource, at_version("9"))
    assert found is not None
    assert resource.asked == ["list", "watch 5", "watch 7", "watch 7"]


def test_a_watch_that_lasted_is_followed_by_the_next_at_once() -> None:
    clock = SelfMovingClock()
    begun_s = clock.monotonic()
    resource = Scripted([], [], [], [added("9")]).takes(clock, 5.0)
    assert Waiter(resource, clock, "a", conditions.exists(), timeout_s=60.0, cancel=None).run() is not None
    assert clock.monotonic() - begun_s == 15.0


def test_a_list_without_a_version_is_watched_from_the_start() -> None:
    resource = Scripted([], [added("7")], version="")
    assert run(resource, at_version("7")) is not None
    assert resource.asked == ["list", "watch None"]


@pytest.mark.parametrize(
    "passing",
    [
        ConnectError("refused"),
        ConnectionLost("cut"),
        ResourceExpired("old", code=410),
        ServerTimeout("slow", code=504),
    ],
)
def test_trouble_that_passes_is_waited_out_and_the_object_listed_again(passing: KubeprimsError) -> None:
    resource = Scripted([], passing, passing, [pod("9")])
    assert run(resource, conditions.exists()) is not None
    assert resource.asked == ["list", "watch 5", "list", "list"]


def test_trouble_at_the_first_look_and_trouble_that_stays_are_raised() -> None:
    with pytest.raises(ConnectError):
        run(Scripted(ConnectError("refused")), conditions.exists())
    with pytest.raises(Forbidden):
        run(Scripted([], Forbidden("no", code=403)), conditions.exists())


def test_watches_that_end_at_once_make_no_busy_loop() -> None:
    resource = Scripted([])
    with pytest.raises(WaitTimeout):
        run(resource, conditions.exists(), timeout_s=60.0)
    assert len(resource.asked) < 30


def test_the_last_trouble_is_told_with_the_last_state() -> None:
    resource = Scripted([pod("4")], *[ConnectionLost("cut")] * 50)
    with pytest.raises(WaitTimeout, match=r"last seen: resourceVersion 4, without conditions; then: cut$") as caught:
        run(resource, conditions.deleted(), timeout_s=20.0)
    assert isinstance(caught.value.__cause__, ConnectionLost)


def test_a_first_look_that_takes_all_the_time_has_seen_nothing() -> None:
    with pytest.raises(WaitTimeout, match=r"last seen: nothing; then: too late$"):
        run(Scripted(DeadlineExceeded("too late")), conditions.exists())
    with pytest.raises(WaitTimeout, match=r"last seen: no such object$"):
        run(Scripted([], DeadlineExceeded("too late"), DeadlineExceeded("too late")), conditions.exists())


def test_a_watch_that_is_not_answered_is_followed_by_another_look() -> None:
    resource = Scripted([], DeadlineExceeded("no answer came in time"), [pod("9")])
    assert run(resource, conditions.exists()) is not None
    assert resource.asked == ["list", "watch 5", "list"]


def test_a_cancel_ends_the_pause_between_two_looks() -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled, match="cancelled while waiting for v1/pods a"):
        run(Scripted([], ConnectionLost("cut")), conditions.exists(), cancel=cancel)
