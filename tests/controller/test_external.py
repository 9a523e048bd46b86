"""Keys from elsewhere: queues, iterables, what ends them, and what they must not bring."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

import pytest

from kubeprims.controller.controller import Controller
from kubeprims.controller.external import Keys, keys_of
from kubeprims.errors import InvalidArgument, LifecycleError, MemberDied
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.controller.world import TIMEOUT_S, World
from tests.waiting import eventually


@pytest.mark.parametrize("make", [queue.Queue, lambda: queue.Queue(maxsize=1), queue.SimpleQueue])
def test_keys_come_through_a_queue_until_the_controller_stops(world: World, make: type[queue.Queue[str]]) -> None:
    keys, seen = make(), set[str]()
    controller = world.controller(lambda key, ctx: seen.add(key)).source(keys)
    with world.running(controller):
        for name in ("default/a", "default/b", "node-1"):
            keys.put(name, timeout=TIMEOUT_S)
        eventually(lambda: seen == {"default/a", "default/b", "node-1"}, TIMEOUT_S, "all of them")


def test_what_waits_in_a_queue_at_the_end_is_left_for_the_next() -> None:
    keys: queue.Queue[str] = queue.Queue()
    stop = Cancel()
    reading = keys_of(keys, stop)
    keys.put("default/a")
    assert next(reading) == "default/a"
    keys.put("default/b")
    stop.set()
    assert [*reading] == []
    assert keys.get_nowait() == "default/b"


def test_a_simple_queue_serves_the_next_reader_as_it_served_the_first() -> None:
    """As after a lost term, when a manager makes its controllers anew."""
    keys: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = Cancel()
    reading = keys_of(keys, stop)
    keys.put("default/a")
    assert next(reading) == "default/a"
    stop.set()
    assert [*reading] == []
    keys.put("default/b")
    assert next(keys_of(keys, Cancel())) == "default/b"


@pytest.mark.parametrize("count", [1, 3])
def test_everybody_who_waits_for_a_queue_is_woken_by_the_end(count: int) -> None:
    keys: queue.Queue[str] = queue.Queue()
    stop, group = Cancel(), ThreadGroup("test")
    for number in range(count):
        group.spawn(lambda: [*keys_of(keys, stop)] and None, name=str(number))
    stop.set()
    assert group.join(Deadline.after(TIMEOUT_S)) == ()


def test_an_iterable_may_end_and_the_controller_goes_on(world: World) -> None:
    seen: set[str] = set()
    controller = world.controller(lambda key, ctx: seen.add(key)).source(["default/a", "default/b"])
    with world.running(controller):
        eventually(lambda: len(seen) == 2, TIMEOUT_S, "both")
        controller.enqueue("default/c")
        eventually(lambda: len(seen) == 3, TIMEOUT_S, "one more")


def test_a_function_is_given_what_ends_it(world: World) -> None:
    seen: set[str] = set()

    def keys(stop: Cancel) -> Iterator[str]:
        yield "default/a"
        stop.wait()

    controller = world.controller(lambda key, ctx: seen.add(key)).source(keys)
    with world.running(controller):
        eventually(lambda: seen, TIMEOUT_S, "the key")


def test_an_iterable_that_can_be_closed_is_closed(world: World) -> None:
    class Stream:
        def __init__(self) -> None:
            self.closed = threading.Event()

        def __iter__(self) -> Iterator[str]:
            yield "default/a"
            self.closed.wait()

        def close(self) -> None:
            self.closed.set()

    stream, seen = Stream(), set[str]()
    controller = world.controller(lambda key, ctx: seen.add(key)).source(stream)
    with world.running(controller):
        eventually(lambda: seen, TIMEOUT_S, "the key")
    assert stream.closed.is_set()


def test_an_iterable_that_cannot_be_closed_keeps_no_worker(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Stream:
        def __init__(self) -> None:
            self.closed = threading.Event()

        def __iter__(self) -> Iterator[str]:
            yield "default/a"
            self.closed.wait()

        def close(self) -> None:
            self.closed.set()
            raise OSError("gone already")

    seen: set[str] = set()
    controller = world.controller(lambda key, ctx: seen.add(key), workers=2).source(Stream())
    with world.running(controller):
        eventually(lambda: seen, TIMEOUT_S, "the key")
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("controller")]
    assert "gone already" in caplog.text


def fails() -> Iterator[str]:
    yield "default/a"
    raise ValueError("the line is dead")


@pytest.mark.parametrize(
    ("keys", "cause"),
    [
        (fails(), "ValueError: the line is dead"),
        ([7], "a key is an ObjectKey"),
        (lambda stop: 7, "TypeError"),
        (lambda stop: "default/a", "a function of keys returns an iterable of them, not one: 'default/a'"),
        (["a/b/c"], "a/b/c"),
    ],
)
def test_a_source_that_fails_ends_the_controller_and_is_named(world: World, keys: Keys, cause: str) -> None:
    stop = Cancel()
    controller = world.controller(lambda key, ctx: None).source(["default/x"]).source(keys)
    with pytest.raises(MemberDied, match=r"controller test, source 2 of keys died: .*" + cause):
        controller.run(stop)
    assert stop.is_set


def test_sources_wait_for_the_caches(world: World) -> None:
    begun: list[bool] = []
    informer = world.informers.informer("v1/configmaps", namespace="default")

    def keys() -> Iterable[str]:
        begun.append(informer.has_synced)
        yield "default/a"

    with world.running(world.controller(lambda key, ctx: None).watches(informer).source(keys())):
        eventually(lambda: begun, TIMEOUT_S, "it is read")
    assert begun == [True]


def test_what_is_no_source_is_refused(world: World) -> None:
    controller: Controller = world.controller(lambda key, ctx: None)
    for wrong in (7, "default/a", b"default/a", None):
        with pytest.raises(InvalidArgument, match="test: a source is a queue"):
            controller.source(wrong)  # type: ignore[arg-type]
    with world.running(controller), pytest.raises(LifecycleError, match="is said before"):
        controller.source([])
