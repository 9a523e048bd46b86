"""Several namespaces as one view, without a server."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from kubeprims.cache.indexer import Indexer
from kubeprims.errors import ConfigError, Forbidden, InvalidArgument, KubeprimsError, LifecycleError, WaitTimeout
from kubeprims.informer.feed import FeedParts
from kubeprims.informer.learnt import ResourceMemory
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.namespaces import (
    NAMESPACES_MAX,
    ByNamespace,
    NamedNamespaces,
    Namespaces,
    NamespacesFeed,
    combined,
)
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.reflector import ListerWatcher
from kubeprims.informer.shared import SharedInformer
from kubeprims.informer.status import ReflectorState, ReflectorStatus
from kubeprims.testing.clock import VirtualClock
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.threads import Cancel
from tests.informer.test_shared import LISTING, TIMEOUT_S, Recorder
from tests.waiting import eventually


class Changing:
    """Namespaces that the test chooses, while the informer runs."""

    def __init__(self, *names: str) -> None:
        self.chosen: set[str] | None = set(names) if names else None
        self.own = ReflectorStatus()
        self.is_closed = False
        self._changed: Callable[[], None] = lambda: None

    @property
    def status(self) -> ReflectorStatus | None:
        return self.own

    def follow(self, changed: Callable[[], None], /) -> None:
        self._changed = changed
        changed()

    def names(self) -> set[str] | None:
        return None if self.chosen is None else set(self.chosen)

    def choose(self, *names: str) -> None:
        self.chosen = set(names)
        self._changed()

    def close(self) -> None:
        self.is_closed = True


class View:
    """An informer over namespaces, each with a source of its own."""

    def __init__(self, namespaces: Namespaces) -> None:
        self.clock = VirtualClock()
        self.sources: defaultdict[str, FakeListerWatcher] = defaultdict(FakeListerWatcher)
        self.errors: list[KubeprimsError] = []
        self.informer = SharedInformer(
            ByNamespace(self._source, namespaces),
            name="v1/pods",
            options=LISTING,
            clock=self.clock,
            rng=random.Random(1),
            on_error=self._on_error,
        )
        self.recorder = Recorder()
        self.informer.add_event_handler(on_event=self.recorder.on_event)

    def _on_error(self, error: KubeprimsError, delay_s: float) -> None:
        self.errors.append(error)
        raise RuntimeError("mine")

    def _source(self, namespace: str) -> ListerWatcher:
        return self.sources[namespace]

    def put(self, *keys: str) -> None:
        for key in keys:
            namespace, _, name = key.partition("/")
            self.sources[namespace].put(name, namespace=namespace)

    @property
    def keys(self) -> list[str]:
        return sorted(self.informer.indexer.keys())


@pytest.fixture
def views() -> Iterator[Callable[[Namespaces], View]]:
    made: list[View] = []

    def make(namespaces: Namespaces) -> View:
        made.append(View(namespaces))
        return made[-1]

    yield make
    for view in made:
        view.informer.stop()


Views = Callable[[Namespaces], View]


def test_named_namespaces_are_one_cache_with_one_first_list(views: Views) -> None:
    view = views(NamedNamespaces(["a", "b"]))
    view.put("a/1", "b/1", "b/2", "c/1")
    view.informer.start()
    view.informer.wait_for_sync(TIMEOUT_S)
    assert view.keys == ["a/1", "b/1", "b/2"]
    assert [obj.name for obj in view.informer.lister("b").list()] == ["1", "2"]
    assert sorted(view.recorder.wait(3)) == ["initial a/1 ->1", "initial b/1 ->1", "initial b/2 ->2"]
    view.put("a/1", "b/3")
    assert sorted(view.recorder.wait(5)[3:]) == ["live a/1 1->2", "live b/3 ->3"]
    assert view.informer.status.lists == 2


def test_it_has_not_synced_before_every_namespace_has(views: Views) -> None:
    view = views(NamedNamespaces(["a", "b"]))
    view.put("a/1", "b/1")
    denied = Forbidden("pods is forbidden", code=403, reason="Forbidden")
    view.sources["b"].fail_lists(denied)
    view.informer.start()
    assert view.recorder.wait(1) == ["initial a/1 ->1"]
    assert view.clock.wait_for_waiters()
    assert not view.informer.has_synced
    assert view.informer.last_error is denied
    assert view.informer.state is ReflectorState.WAITING
    view.clock.advance(2.0)
    view.informer.wait_for_sync(TIMEOUT_S)
    eventually(lambda: view.informer.last_error is None, TIMEOUT_S, "all is well again")


def test_a_namespace_that_comes_brings_adds_and_one_that_goes_takes_its_objects_along(views: Views) -> None:
    namespaces = Changing("a", "b")
    view = views(namespaces)
    view.put("a/1", "b/1", "c/1")
    view.informer.start()
    view.informer.wait_for_sync(TIMEOUT_S)
    view.recorder.wait(2)
    namespaces.choose("b", "c")
    told = view.recorder.wait(4)[2:]
    assert sorted(told) == ["live c/1 ->1", "relist a/1 1->"] or sorted(told) == ["relist a/1 1->", "relist c/1 ->1"]
    assert view.keys == ["b/1", "c/1"]
    assert view.sources["a"].wait_for(lambda source: source.open_watches == 0)
    namespaces.choose("a", "b", "c")
    view.recorder.wait(5)
    assert view.keys == ["a/1", "b/1", "c/1"]


def test_no_counter_goes_back_when_a_namespace_goes(views: Views) -> None:
    namespaces = Changing("a", "b")
    view = views(namespaces)
    denied = Forbidden("pods is forbidden", code=403, reason="Forbidden")
    view.sources["a"].fail_lists(denied)
    view.informer.start()
    assert view.clock.wait_for_waiters()
    view.clock.advance(2.0)
    view.informer.wait_for_sync(TIMEOUT_S)
    eventually(lambda: view.informer.status.watches == 2, TIMEOUT_S, "both are watched")
    view.sources["a"].put("1", namespace="a")
    view.recorder.wait(1)
    namespaces.choose("b")
    view.recorder.wait(2)
    status = view.informer.status
    assert (status.lists, status.watches, status.failures, status.listed) == (3, 2, 1, 0)
    assert sum(status.restarts.values()) == 1
    namespaces.choose()
    eventually(lambda: view.informer.state is ReflectorState.WATCHING, TIMEOUT_S, "nothing is left")
    assert view.informer.status.lists == 3


def test_no_namespace_at_all_is_a_synced_and_empty_view(views: Views) -> None:
    namespaces = Changing()
    view = views(namespaces)
    view.informer.start()
    assert not view.informer.has_synced
    namespaces.choose()
    view.informer.wait_for_sync(TIMEOUT_S)
    assert view.keys == []
    view.put("a/1")
    namespaces.choose("a")
    view.recorder.wait(1)
    assert view.keys == ["a/1"]


def test_trouble_with_the_namespaces_themselves_shows(views: Views) -> None:
    namespaces = Changing()
    namespaces.own.last_error = Forbidden("namespaces is forbidden", code=403, reason="Forbidden")
    namespaces.own.state = ReflectorState.WAITING
    view = views(namespaces)
    view.informer.start()
    assert view.informer.last_error is namespaces.own.last_error
    eventually(lambda: view.informer.state is ReflectorState.WAITING, TIMEOUT_S, "it waits")
    view.informer.stop()
    assert view.informer.state is ReflectorState.STOPPED
    assert namespaces.is_closed


def test_more_namespaces_than_the_limit_leave_the_view_as_it_is_and_say_so(views: Views) -> None:
    namespaces = Changing("a")
    view = views(namespaces)
    view.put("a/1")
    view.informer.start()
    view.informer.wait_for_sync(TIMEOUT_S)
    namespaces.choose(*(f"ns-{number}" for number in range(NAMESPACES_MAX + 1)))
    eventually(lambda: view.informer.last_error, TIMEOUT_S, "the informer says so")
    assert isinstance(view.informer.last_error, ConfigError)
    assert f"{NAMESPACES_MAX + 1} namespaces are more than the {NAMESPACES_MAX}" in str(view.informer.last_error)
    assert view.keys == ["a/1"]
    namespaces.choose(*(f"ns-{number}" for number in range(NAMESPACES_MAX + 2)))
    eventually(lambda: "202" in str(view.informer.last_error), TIMEOUT_S, "the informer looks again")
    namespaces.choose("a")
    eventually(lambda: view.informer.last_error is None, TIMEOUT_S, "all is well again")
    (told,) = view.errors  # once, however the namespaces change meanwhile
    assert isinstance(told, ConfigError)
    assert view.informer.status.failures == 1


def test_stop_ends_every_reflector(views: Views) -> None:
    view = views(NamedNamespaces(["a", "b"]))
    view.informer.start()
    view.informer.wait_for_sync(TIMEOUT_S)
    view.informer.stop(TIMEOUT_S)
    assert [view.sources[name].open_watches for name in "ab"] == [0, 0]


def test_a_namespace_that_cannot_be_watched_at_all_ends_the_informer_and_says_why() -> None:
    def refuse(namespace: str) -> ListerWatcher:
        raise InvalidArgument(f"there is nothing in {namespace}")

    informer = SharedInformer(ByNamespace(refuse, NamedNamespaces(["a"])), name="v1/nodes", clock=VirtualClock())
    informer.start()
    with pytest.raises(LifecycleError, match="nothing in a"):
        informer.wait_for_sync(TIMEOUT_S)
    with pytest.raises(InvalidArgument, match="nothing in a"):
        informer.stop()


def test_a_version_is_waited_for_in_one_namespace_or_in_all(views: Views) -> None:
    view = views(NamedNamespaces(["a", "b"]))
    view.put("a/1", "b/1")
    view.informer.start()
    view.informer.wait_for_sync(TIMEOUT_S)
    view.put("a/2")
    view.informer.wait_for_resource_version("2", TIMEOUT_S, namespace="a")
    assert view.informer.last_sync_resource_version == "1"
    with pytest.raises(WaitTimeout, match="not at version 2"):
        view.informer.wait_for_resource_version("2", 0.0)
    with pytest.raises(InvalidArgument, match="nothing of the namespace 'c'"):
        view.informer.wait_for_resource_version("1", 0.0, namespace="c")


@pytest.mark.parametrize("is_stopping", [True, False])
def test_a_reflector_that_can_be_started_no_more_is_an_error_only_while_nobody_stops(*, is_stopping: bool) -> None:
    cancel = Cancel()

    def refuse(target: Callable[[], None], name: str) -> None:
        if is_stopping:
            cancel.set()
        raise LifecycleError(f"{name}: no thread any more")

    parts = FeedParts(
        pipeline=Pipeline(Indexer({})),
        name="v1/pods",
        options=ReflectorOptions(),
        clock=VirtualClock(),
        rng=random.Random(1),
        on_error=None,
        memory=ResourceMemory(),
        gate=None,
        spawn=refuse,
    )
    feed = NamespacesFeed(ByNamespace(lambda _: FakeListerWatcher(), NamedNamespaces(["a"])), parts)
    with nullcontext() if is_stopping else pytest.raises(LifecycleError, match="reflector of a"):
        feed.run(cancel)
    assert feed.status.state is ReflectorState.STOPPED


@pytest.mark.parametrize("names", [[], ["a", ""], [str(number) for number in range(NAMESPACES_MAX + 1)]])
def test_names_that_cannot_be_followed_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidArgument):
        NamedNamespaces(names)


def status(**values: object) -> ReflectorStatus:
    made = ReflectorStatus()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def test_the_status_of_several_is_that_of_the_one_furthest_behind() -> None:
    error = ConfigError("no")
    total = combined(
        [
            status(state=ReflectorState.WATCHING, lists=1, resource_version="100", last_contact_s=7.0),
            status(state=ReflectorState.LISTING, lists=2, resource_version="9", last_contact_s=5.0, next_try_s=3.0),
            status(state=ReflectorState.WATCHING, lists=4, resource_version="99", last_contact_s=6.0, last_error=error),
        ]
    )
    assert (total.state, total.lists, total.resource_version) == (ReflectorState.LISTING, 7, "9")
    assert (total.last_contact_s, total.next_try_s, total.last_error) == (5.0, 3.0, error)


def test_who_has_not_begun_holds_the_version_and_the_time_back() -> None:
    total = combined([status(resource_version="5", last_contact_s=7.0), status()])
    assert (total.resource_version, total.last_contact_s) == ("", None)
    assert combined([], idle=ReflectorState.LISTING).state is ReflectorState.LISTING
