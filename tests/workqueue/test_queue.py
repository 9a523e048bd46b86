"""WorkQueue and RateLimitingQueue: threads that wait, in virtual time."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Deadline, ThreadGroup
from kubeprims.workqueue.order import LOW_PRIORITY, PriorityOrder
from kubeprims.workqueue.queue import RateLimitingQueue, WorkQueue
from kubeprims.workqueue.rate_limiters import ItemExponentialFailureRateLimiter
from tests.parity import case
from tests.waiting import eventually


@contextmanager
def threads(*targets: Callable[[], None]) -> Iterator[None]:
    """Run functions on threads of their own, and have the last of them ended at the end."""
    group = ThreadGroup("test")
    for number, target in enumerate(targets):
        group.spawn(target, name=str(number))
    try:
        yield
    finally:
        assert group.join(Deadline.after(20.0)) == ()


class Worker:
    """Gets keys from a queue, and finishes each when it is told to."""

    def __init__(self, queue: WorkQueue[str]) -> None:
        self.queue = queue
        self.got: list[str] = []
        self.has_got = threading.Semaphore(0)
        self.may_finish = threading.Semaphore(0)

    def run(self) -> None:
        while (key := self.queue.get()) is not None:
            self.got.append(key)
            self.has_got.release()
            assert self.may_finish.acquire(timeout=20.0)
            self.queue.done(key)


@case("IN-186")
@pytest.mark.parametrize("drain", [False, True])
def test_no_key_is_with_two_of_many_workers_and_none_is_lost(*, drain: bool) -> None:
    queue = WorkQueue[str]()
    lock = threading.Lock()
    active: Counter[str] = Counter()
    handled: Counter[str] = Counter()
    added = threading.Barrier(51)

    def produce(number: int) -> None:
        for round_ in range(20):
            queue.add(f"{number}-{round_ % 5}")
        added.wait(20.0)

    def work() -> None:
        while (key := queue.get()) is not None:
            with lock:
                active[key] += 1
                assert active[key] == 1
                handled[key] += 1
            with lock:
                active[key] -= 1
            queue.done(key)

    def end() -> None:
        added.wait(20.0)
        if drain:
            assert queue.shut_down_with_drain(20.0)
        else:
            queue.shut_down()
        queue.add("late")

    producers = [lambda number=number: produce(number) for number in range(50)]
    with threads(*producers, *[work] * 10, end):
        pass
    assert handled.keys() == {f"{number}-{key}" for number in range(50) for key in range(5)}
    assert len(queue) == 0
    assert queue.processing == ()


@case("IN-189")
def test_a_second_worker_waits_until_the_first_is_done_with_the_key() -> None:
    queue = WorkQueue[str]()
    first, second = Worker(queue), Worker(queue)
    queue.add("a")
    with threads(first.run):
        assert first.has_got.acquire(timeout=20.0)
        queue.add("a")
        queue.add("a")
        with threads(second.run):
            assert len(queue) == 0
            assert second.got == []
            first.may_finish.release()
            eventually(lambda: len(first.got) + len(second.got) == 2, 20.0, "the key is handed out once more")
            for worker in (first, second):
                worker.may_finish.release()
                worker.may_finish.release()
            queue.shut_down()
    assert first.got + second.got == ["a", "a"]


@case("IN-190")
def test_a_drain_waits_for_the_workers_and_a_plain_shutdown_does_not() -> None:
    queue = WorkQueue[str]()
    for key in ("a", "b"):
        queue.add(key)
        assert queue.get() == key
    drained = threading.Event()

    def drain() -> None:
        assert queue.shut_down_with_drain()
        drained.set()

    with threads(drain):
        eventually(lambda: queue.is_shut_down, 20.0, "shut down")
        queue.done("a")
        assert not drained.is_set()
        queue.done("b")
        assert drained.wait(20.0)

    queue = WorkQueue[str]()
    queue.add("a")
    queue.get()
    queue.shut_down()  # returns although a worker has the key
    assert queue.get() is None


@case("IN-190")
def test_a_plain_shutdown_ends_a_drain_that_waits() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    queue.get()
    drained: list[bool] = []
    with threads(lambda: drained.append(queue.shut_down_with_drain())):
        eventually(lambda: queue.is_shut_down, 20.0, "shut down")
        queue.shut_down()
    assert drained == [False]


def test_a_drain_gives_up_when_its_time_is_over() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str](clock=clock)
    queue.add("a")
    queue.get()
    drained: list[bool] = []
    with threads(lambda: drained.append(queue.shut_down_with_drain(5.0))):
        assert clock.wait_for_waiters()
        clock.advance(5.0)
    assert drained == [False]


@case("IN-191")
def test_a_drain_waits_for_what_was_added_again_in_flight() -> None:
    queue = WorkQueue[str]()
    queue.add("a")
    assert queue.get() == "a"
    queue.add("a")
    drained: list[bool] = []
    with threads(lambda: drained.append(queue.shut_down_with_drain())):
        eventually(lambda: queue.is_shut_down, 20.0, "shut down")
        queue.done("a")
        assert queue.get() == "a"
        assert drained == []
        queue.done("a")
    assert drained == [True]
    assert queue.get() is None


def test_every_waiting_worker_is_sent_home_by_a_shutdown() -> None:
    queue = WorkQueue[str]()
    sent_home: list[str | None] = []
    with threads(*[lambda: sent_home.append(queue.get())] * 5):
        queue.shut_down()
    assert sent_home == [None] * 5


# -- delays -----------------------------------------------------------------------------------------------------------


@case("IN-193")
def test_a_worker_that_waits_gets_a_delayed_key_when_it_is_due() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str](clock=clock)
    queue.add_after("a", 0.05)
    assert (len(queue), queue.delayed) == (0, 1)
    got: list[str | None] = []
    with threads(lambda: got.append(queue.get())):
        assert clock.wait_for_waiters()
        clock.advance(0.04)
        assert got == []
        clock.advance(0.02)
    assert got == ["a"]
    queue.done("a")
    clock.advance(60.0)
    assert (len(queue), queue.delayed) == (0, 0)


@case("IN-193")
def test_what_is_due_is_counted_though_no_worker_waits() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str](clock=clock)
    queue.add_after("a", 1.0)
    clock.advance(1.0)
    assert len(queue) == 1
    assert queue.get() == "a"


@case("IN-194")
def test_an_earlier_time_wakes_the_worker_earlier() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str](clock=clock)
    queue.add_after("a", 50.0)
    got: list[str | None] = []
    with threads(lambda: got.append(queue.get())):
        assert clock.wait_for_waiters()
        queue.add_after("a", 30.0)
        eventually(lambda: clock.next_due_s() == 30.0, 20.0, "the worker waits for the earlier time")
        clock.advance(30.0)
    assert got == ["a"]
    queue.done("a")
    clock.advance(20.0)
    assert len(queue) == 0


def test_a_delay_of_centuries_holds_up_nobody() -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 1e10)
    got: list[str | None] = []
    has_got = threading.Event()

    def work() -> None:
        while (key := queue.get()) is not None:
            got.append(key)
            queue.done(key)
            has_got.set()

    with threads(work):
        queue.add("b")
        assert has_got.wait(20.0)
        queue.add("c")
        eventually(lambda: got == ["b", "c"], 20.0, "the worker goes on")
        queue.shut_down()


@case("IN-195")
def test_delayed_keys_come_in_the_order_of_their_times() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str](clock=clock)
    for key, delay_s in (("one", 1.0), ("two", 0.5), ("three", 0.25)):
        queue.add_after(key, delay_s)
    clock.advance(2.0)
    assert [queue.get() for _ in range(3)] == ["three", "two", "one"]


def test_one_of_several_waiting_workers_keeps_the_time_and_hands_it_on() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str](clock=clock)
    got: list[str | None] = []
    with threads(*[lambda: got.append(queue.get())] * 3):
        queue.add_after("a", 1.0)
        queue.add_after("b", 2.0)
        queue.add_after("c", 3.0)
        for seconds, expected in ((1.0, ["a"]), (1.0, ["a", "b"]), (1.0, ["a", "b", "c"])):
            assert clock.wait_for_waiters()
            assert clock.next_due_s() is not None
            clock.advance(seconds)
            eventually(lambda expected=expected: got == expected, 20.0, f"{expected} were handed out")


def test_a_worker_that_waits_for_a_delayed_key_takes_what_is_added_meanwhile() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str](clock=clock)
    queue.add_after("later", 10.0)
    got: list[str | None] = []
    with threads(lambda: got.append(queue.get())):
        assert clock.wait_for_waiters()
        queue.add("now")
    assert got == ["now"]


@pytest.mark.parametrize("delay_s", [-1.0, -math.inf, math.inf, math.nan])
def test_a_delay_that_is_none_is_refused(delay_s: float) -> None:
    with pytest.raises(InvalidArgument, match="a delay is a number of seconds that is not negative"):
        WorkQueue[str]().add_after("a", delay_s)


def test_none_is_no_key() -> None:
    """It is what get() says at the end: a worker that got it would go home."""
    queue = RateLimitingQueue[str | None]()
    for add in (queue.add, lambda key: queue.add_after(key, 1.0), queue.add_rate_limited):
        with pytest.raises(InvalidArgument, match="None is no key"):
            add(None)
    assert (len(queue), queue.delayed, queue.num_requeues(None)) == (0, 0, 0)


def test_no_delay_adds_at_once() -> None:
    queue = WorkQueue[str]()
    queue.add_after("a", 0.0)
    assert queue.get() == "a"


# -- priorities, retries ----------------------------------------------------------------------------------------------


def test_live_changes_overtake_a_relist_in_a_queue_with_priorities() -> None:
    queue = WorkQueue[str](order=PriorityOrder(), clock=VirtualClock())
    for number in range(3):
        queue.add(f"relist-{number}", priority=LOW_PRIORITY)
    queue.add("live")
    queue.add("relist-2")  # it changes, too
    assert [queue.get() for _ in range(4)] == ["live", "relist-2", "relist-0", "relist-1"]


def test_a_key_that_failed_waits_longer_each_time_until_it_is_forgotten() -> None:
    clock = VirtualClock()
    limiter = ItemExponentialFailureRateLimiter(base_delay_s=1.0, delay_max_s=100.0)
    queue = RateLimitingQueue[str](rate_limiter=limiter, clock=clock)
    for delay_s in (1.0, 2.0, 4.0):
        queue.add_rate_limited("a")
        clock.advance(delay_s - 0.5)
        assert len(queue) == 0
        clock.advance(0.5)
        assert queue.get() == "a"
        queue.done("a")
    assert queue.num_requeues("a") == 3
    queue.forget("a")
    assert queue.num_requeues("a") == 0


def test_failures_after_a_shutdown_are_not_counted() -> None:
    queue = RateLimitingQueue[str]()
    queue.shut_down()
    queue.add_rate_limited("a")
    assert (queue.num_requeues("a"), queue.delayed) == (0, 0)


def test_it_says_what_it_holds() -> None:
    clock = VirtualClock()
    queue = WorkQueue[str]("web", clock=clock)
    queue.add("a")
    queue.add("b")
    queue.add_after("c", 5.0)
    queue.get()
    clock.advance(2.0)
    assert queue.processing == (("a", 2.0),)
    assert repr(queue) == "<WorkQueue 'web': 1 waiting, 1 delayed>"


class SaysAnything(ItemExponentialFailureRateLimiter):
    def __init__(self, says: float) -> None:
        super().__init__()
        self._says = says

    def when(self, key: object, *, now_s: float) -> float:
        return self._says


@pytest.mark.parametrize("says", [math.nan, math.inf, -1.0])
def test_a_limiter_that_answers_no_delay_is_told_so_and_holds_up_nobody(says: float) -> None:
    clock = VirtualClock()
    queue = RateLimitingQueue[str](rate_limiter=SaysAnything(says), clock=clock)
    with pytest.raises(InvalidArgument, match=r"SaysAnything.* answered .*, which is no delay in seconds"):
        queue.add_rate_limited("a")
    queue.add_after("b", 1.0)
    clock.advance(1.0)
    assert queue.get() == "b"
    assert queue.delayed == 0
