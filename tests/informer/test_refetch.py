"""Refetcher: what could not be understood is asked for again, one by one, and nothing is asked for otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from kubeprims.client.client import Client
from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import Cancelled, InternalError, KubeprimsError, LifecycleError
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.options import InformerOptions
from kubeprims.informer.refetch import Refetcher
from kubeprims.informer.refetch_schedule import ROUND_KEYS_MAX
from kubeprims.informer.reflector import ListedObjects, WatchedEvents
from kubeprims.informer.status import ReflectorStatus
from kubeprims.meta import JSONObject, ObjectKey
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.record import KEY, ObjectRecord
from kubeprims.testing.apiserver.server import APIServer
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.waiting import eventually

TIMEOUT_S = 20.0


def record(key: str) -> ObjectRecord:
    return (key, f"uid of {key}", "7", (), b"{}")


def malformed(key: str) -> MalformedObject:
    return MalformedObject("no labels", b"", ObjectKey(key), "7")


class Listed:
    continue_token = ""

    def __init__(self, items: list[ObjectRecord | MalformedObject], resource_version: str) -> None:
        self._items = items
        self.resource_version = resource_version

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        return iter(self._items)


class Server:
    """Answers by key; counts what it was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, ObjectRecord | MalformedObject] = {}
        self.asked: list[str] = []
        self.error: KubeprimsError | None = None
        self.resource_version = "9"
        self.before: Callable[[], object] = lambda: None

    def list(self, options: ListOptions, *, cancel: Cancel) -> AbstractContextManager[ListedObjects]:
        self.before()
        self.asked.append(options.field_selector)
        if self.error is not None:
            raise self.error
        name, _, namespace = options.field_selector.partition(",")
        parts = [text.partition("=")[2] for text in (namespace, name) if text]
        found = self.objects.get("/".join(parts))
        return _opened(Listed([] if found is None else [found], self.resource_version))

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> AbstractContextManager[WatchedEvents]:
        raise AssertionError(options)


@contextmanager
def _opened(listed: Listed) -> Iterator[Listed]:
    yield listed


class Sink:
    def __init__(self, *keys: str) -> None:
        self._dirty = dict.fromkeys(keys, "5")
        self.marks = len(keys)
        self.told: list[tuple[str, ObjectRecord | MalformedObject | None, str]] = []

    def dirty(self) -> dict[str, str]:
        return dict(self._dirty)

    def mark(self, key: str, version: str = "6") -> None:
        self._dirty[key] = version
        self.marks += 1

    def refetched(self, key: str, found: ObjectRecord | MalformedObject | None, resource_version: str, /) -> str | None:
        self.told.append((key, found, resource_version))
        if isinstance(found, MalformedObject):
            return self._dirty[key]
        self._dirty.pop(key, None)
        return None


class NoJitter:
    def random(self) -> float:
        return 0.0


class Rig:
    def __init__(self, *keys: str) -> None:
        self.server, self.sink, self.clock = Server(), Sink(*keys), VirtualClock()
        self.status = ReflectorStatus()
        self.errors: list[KubeprimsError] = []
        self.cancel = Cancel()
        self.threads = ThreadGroup("test")
        self.spawned = 0
        self.refetcher = Refetcher(
            self.server,
            self.sink,
            name="v1/pods",
            status=self.status,
            clock=self.clock,
            rng=NoJitter(),
            spawn=self.spawn,
            on_error=lambda error, _: self.errors.append(error),
        )

    def spawn(self, run: Callable[[], None], name: str) -> None:
        self.spawned += 1
        self.threads.spawn(run, name=name)

    def round(self) -> float | None:
        """Take both steps; return the wait between them."""
        delay_s = self.refetcher.next_delay_s()
        if delay_s is not None:
            self.clock.advance(delay_s)
            self.refetcher.ask(self.cancel)
        return delay_s


def test_an_object_is_asked_for_by_its_name_and_handed_on() -> None:
    rig = Rig("prod/web", "node-7")
    rig.server.objects["prod/web"] = record("prod/web")
    assert rig.round() == 1.0
    assert rig.sink.told == [("node-7", None, "9"), ("prod/web", record("prod/web"), "9")]
    assert rig.server.asked == ["metadata.name=node-7", "metadata.name=web,metadata.namespace=prod"]
    assert (rig.status.refetches, rig.status.refetched_version) == (2, "9")
    assert rig.round() is None


def test_the_newest_version_that_was_read_is_kept_though_the_server_goes_back() -> None:
    rig = Rig("prod/web")
    rig.server.objects["prod/web"] = malformed("prod/web")
    rig.round()
    rig.server.resource_version = "7"
    rig.round()
    assert (rig.status.refetches, rig.status.refetched_version) == (2, "9")


def test_the_waits_grow_to_a_bound_and_keep_nothing_waiting_that_is_new() -> None:
    rig = Rig("prod/web")
    rig.server.objects["prod/web"] = malformed("prod/web")
    assert [rig.round() for _ in range(11)] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    del rig.server.asked[:]
    rig.sink.mark("prod/db")
    assert rig.round() == 1.0
    assert rig.server.asked == ["metadata.name=db,metadata.namespace=prod"]
    assert rig.round() == 299.0
    assert rig.server.asked[1:] == ["metadata.name=web,metadata.namespace=prod"]


def test_an_object_that_comes_in_another_version_is_new() -> None:
    rig = Rig("prod/web")
    rig.server.objects["prod/web"] = malformed("prod/web")
    for _ in range(9):
        rig.round()
    for version in ("17", "18"):
        rig.sink.mark("prod/web", version)
        assert rig.round() == 1.0
    assert rig.round() == 300.0


def test_news_that_get_no_answer_wait_longer_each_time_and_not_at_all_for_what_comes_then() -> None:
    rig = Rig("prod/web")
    rig.server.error = InternalError("no", code=500)
    assert [rig.round() for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]
    rig.sink.mark("prod/db")
    assert rig.round() == 1.0


def test_what_is_noticed_while_a_round_is_waited_for_is_asked_for_soon() -> None:
    rig = Rig("prod/web")
    rig.server.objects["prod/web"] = malformed("prod/web")
    for _ in range(9):
        rig.round()
    rig.server.asked.clear()
    rig.refetcher.notice(rig.cancel)
    assert rig.clock.wait_for_waiters()
    rig.refetcher.notice(rig.cancel)  # nothing is new
    rig.sink.mark("prod/db")
    rig.refetcher.notice(rig.cancel)
    eventually(lambda: not rig.refetcher.has_news, TIMEOUT_S, "a new plan")
    assert rig.clock.wait_for_waiters()
    rig.clock.advance(1.0)
    eventually(lambda: rig.server.asked == ["metadata.name=db,metadata.namespace=prod"], TIMEOUT_S, "it is asked for")
    assert rig.spawned == 1
    rig.cancel.set()
    assert rig.threads.join(Deadline.after(TIMEOUT_S)) == ()


def test_a_transform_that_fails_on_everything_is_no_steady_load_however_much_is_made_anew() -> None:
    rig, delays = Rig(*(f"prod/{number}" for number in range(ROUND_KEYS_MAX + 1))), []
    rig.server.objects = {f"prod/{number}": malformed(f"prod/{number}") for number in range(ROUND_KEYS_MAX + 20)}
    for number in range(6):
        rig.sink.mark(f"prod/{ROUND_KEYS_MAX + 1 + number}")
        delays.append(rig.round())
    assert delays == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    rig.server.objects.clear()
    while rig.round() is not None:
        pass
    rig.sink.mark("prod/new")
    assert rig.round() == 1.0


def test_a_server_that_is_not_well_is_asked_once_a_round() -> None:
    rig = Rig("prod/a", "prod/b")
    rig.server.error = InternalError("no", code=500)
    rig.round()
    assert len(rig.server.asked) == 1
    assert rig.errors == [rig.server.error]
    rig.round()
    assert rig.server.asked == ["metadata.name=a,metadata.namespace=prod", "metadata.name=b,metadata.namespace=prod"]


def test_nothing_is_asked_for_or_reported_once_it_is_cancelled() -> None:
    rig = Rig("prod/a", "prod/b")
    rig.server.error = Cancelled("stopped")
    rig.clock.advance(rig.refetcher.next_delay_s() or 0.0)
    rig.server.before = rig.cancel.set
    rig.refetcher.ask(rig.cancel)
    rig.refetcher.ask(rig.cancel)
    assert (len(rig.server.asked), rig.errors) == (1, [])


def test_an_object_of_another_name_is_not_taken_for_it() -> None:
    rig = Rig("prod/web")
    for other in (record("prod/other"), malformed("prod/other")):  # a server that does not know field selectors
        rig.sink.mark("prod/web")
        rig.server.objects["prod/web"] = other
        rig.round()
    assert rig.sink.told == [("prod/web", None, "9")] * 2


def test_a_name_that_no_selector_can_say_keeps_nobody_else_waiting() -> None:
    rig = Rig("prod/a\\", "prod/b")
    rig.round()
    assert [key for key, _, _ in rig.sink.told] == ["prod/b"]
    assert len(rig.errors) == 1


def test_a_round_is_bounded_and_the_next_one_goes_on_where_it_ended() -> None:
    keys = [f"prod/{number:03}" for number in range(ROUND_KEYS_MAX + 1)]
    rig = Rig(*keys)
    for key in keys:
        rig.server.objects[key] = malformed(key)
    rig.round()
    rig.round()
    asked = [key for key, _, _ in rig.sink.told]
    assert asked == [*keys, *keys[: ROUND_KEYS_MAX - 1]]


def test_there_is_a_thread_only_while_there_is_something_to_ask_for() -> None:
    rig = Rig("prod/web")
    rig.refetcher.notice(rig.cancel)
    rig.refetcher.notice(rig.cancel)
    assert rig.spawned == 1
    assert rig.clock.wait_for_waiters()
    rig.clock.advance(1.0)
    eventually(lambda: rig.sink.told == [("prod/web", None, "9")], TIMEOUT_S, "it is asked for")
    assert not _threads("test: re-fetch")
    rig.sink.mark("prod/web")
    rig.refetcher.notice(rig.cancel)
    assert rig.spawned == 2
    rig.cancel.set()
    assert rig.threads.join(Deadline.after(TIMEOUT_S)) == ()
    rig.refetcher.notice(rig.cancel)
    assert rig.spawned == 2


def _threads(name: str) -> bool:
    eventually(lambda: all(thread.name != name for thread in threading.enumerate()), TIMEOUT_S, f"{name} has ended")
    return False


def test_a_stopping_informer_that_gives_no_thread_is_no_error() -> None:
    rig = Rig("prod/web")
    assert rig.threads.join(Deadline.after(TIMEOUT_S)) == ()
    rig.refetcher.notice(rig.cancel)
    with pytest.raises(LifecycleError):
        rig.spawn(lambda: None, "late")


def test_a_callback_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig("prod/web")
    rig.server.error = InternalError("no", code=500)

    class Angry(list[KubeprimsError]):
        def append(self, error: KubeprimsError) -> None:
            raise RuntimeError("mine")

    rig.errors = Angry()
    rig.round()
    assert "on_error failed" in caplog.text


def test_an_informer_gets_an_object_back_whose_transform_failed_once() -> None:
    failing = {"bad"}

    def transform(obj: JSONObject) -> JSONObject:
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        if metadata["name"] in failing:
            failing.discard(str(metadata["name"]))
            raise ValueError("mine")
        return obj

    with (
        APIServer() as server,
        Transport(TransportConfig(server=server.url)) as transport,
        Client(transport) as client,
    ):
        for name in ("good", "bad"):
            content: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
            server.create("v1/configmaps", content, namespace="default")
        options = InformerOptions(transform=transform)
        with SharedInformerFactory(client, options=options) as informers:
            informer = informers.informer("v1/configmaps", namespace="default")
            informers.start()
            informers.wait_for_cache_sync(TIMEOUT_S)
            eventually(lambda: informer.indexer.get("default/bad") is not None, TIMEOUT_S, "it is fetched again")
            assert (informer.status.malformed, informer.status.refetches) == (1, 1)
            assert {record[KEY] for record in informer.indexer.records()} == {"default/good", "default/bad"}
