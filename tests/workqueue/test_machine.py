"""WorkQueueMachine: every call in every state, without a thread or a clock."""

from __future__ import annotations

import weakref
from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kubeprims.workqueue.machine import Added, WorkQueueMachine
from kubeprims.workqueue.order import ArrivalOrder, Order, PriorityOrder
from tests.parity import case


class CountingOrder(ArrivalOrder[str]):
    """Counts how often it was told of a key: what upstream calls a touch, if the key waits already."""

    def __init__(self) -> None:
        super().__init__()
        self.pushes: list[str] = []

    def push(self, key: str, *, priority: int) -> None:
        self.pushes.append(key)
        super().push(key, priority=priority)


def make_machine(order: Order[str] | None = None) -> WorkQueueMachine[str]:
    return WorkQueueMachine(ArrivalOrder() if order is None else order)


def get_key(machine: WorkQueueMachine[str], now_s: float = 0.0) -> str | None:
    got = machine.get(now_s=now_s)
    return None if got is None else got.key


@case("IN-187")
def test_a_key_that_is_added_while_it_is_processed_is_handed_out_again_afterwards() -> None:
    machine = make_machine()
    assert machine.add("a", now_s=0.0) is Added.WAITS
    assert get_key(machine) == "a"
    assert machine.add("a", now_s=0.0) is Added.AFTER_PROCESSING
    assert get_key(machine) is None
    machine.done("a", now_s=0.0)
    assert get_key(machine) == "a"
    machine.done("a", now_s=0.0)
    assert get_key(machine) is None


@case("IN-188")
def test_a_key_that_is_added_twice_is_handed_out_once_and_its_order_is_told() -> None:
    order = CountingOrder()
    machine = make_machine(order)
    assert machine.add("a", now_s=0.0) is Added.WAITS
    assert machine.add("a", now_s=0.0) is Added.WAITS_ALREADY
    assert machine.waiting == 1
    assert order.pushes == ["a", "a"]
    assert get_key(machine) == "a"
    assert get_key(machine) is None


@case("IN-189")
def test_a_key_that_is_added_twice_while_it_is_processed_waits_once_and_its_order_is_not_told() -> None:
    order = CountingOrder()
    machine = make_machine(order)
    machine.add("a", now_s=0.0)
    get_key(machine)
    machine.add("a", now_s=0.0)
    machine.add("a", now_s=0.0)
    assert order.pushes == ["a"]
    assert machine.waiting == 0
    machine.done("a", now_s=0.0)
    assert machine.waiting == 1
    assert get_key(machine) == "a"
    machine.done("a", now_s=0.0)
    assert machine.waiting == 0


def test_done_with_a_key_that_nobody_has_changes_nothing() -> None:
    machine = make_machine()
    machine.add("a", now_s=0.0)
    assert machine.done("a", now_s=1.0) is None
    assert machine.done("b", now_s=1.0) is None
    assert machine.waiting == 1
    assert get_key(machine) == "a"


def test_how_long_keys_wait_and_are_processed_is_told() -> None:
    machine = make_machine()
    machine.add("a", now_s=1.0)
    machine.add("a", now_s=2.0)
    got = machine.get(now_s=4.0)
    assert got is not None
    assert got.waited_s == 3.0
    assert list(machine.processing) == [("a", 4.0)]
    machine.add("a", now_s=5.0)
    assert machine.done("a", now_s=6.5) == 2.5
    again = machine.get(now_s=7.0)
    assert again is not None
    assert again.waited_s == 2.0  # from when it was added, though its worker was not done


@case("IN-190")
@case("IN-191")
def test_what_waits_is_still_handed_out_after_a_shutdown_and_what_is_added_is_not() -> None:
    machine = make_machine()
    machine.add("in flight", now_s=0.0)
    get_key(machine)
    machine.add("in flight", now_s=0.0)  # again, before the shutdown
    machine.add("waits", now_s=0.0)
    machine.shut_down(drain=True)
    assert machine.is_shut_down
    assert machine.is_draining
    assert machine.add("late", now_s=0.0) is Added.IGNORED
    assert machine.add_at("late", 5.0, now_s=0.0) is Added.IGNORED
    assert get_key(machine) == "waits"
    machine.done("in flight", now_s=0.0)
    assert get_key(machine) == "in flight"
    assert machine.is_busy
    machine.done("in flight", now_s=0.0)
    machine.done("waits", now_s=0.0)
    assert not machine.is_busy
    assert get_key(machine) is None
    machine.shut_down(drain=False)
    assert not machine.is_draining


@case("IN-192")
@pytest.mark.parametrize("order", [ArrivalOrder, PriorityOrder])
def test_a_finished_key_is_let_go(order: type[ArrivalOrder[Key] | PriorityOrder[Key]]) -> None:
    machine = WorkQueueMachine[Key](order())
    key = Key()
    for _ in range(5):  # by priority, and by age
        machine.add(key, now_s=0.0)
        assert machine.get(now_s=0.0) is not None
        machine.done(key, now_s=0.0)
    machine.add(key, now_s=0.0)
    machine.add_at(key, 2.0, now_s=0.0)
    machine.add_at(key, 1.0, now_s=0.0)
    for now_s in (0.5, 1.5, 2.5):
        machine.release_due(now_s=now_s)
        while (got := machine.get(now_s=now_s)) is not None:
            machine.done(got.key, now_s=now_s)
    gone = weakref.ref(key)
    del key, got
    assert gone() is None


class Key:
    """Something that can be watched going away."""


# -- delays -----------------------------------------------------------------------------------------------------------


@case("IN-193")
def test_a_delayed_key_is_added_when_its_time_has_come_and_only_then() -> None:
    machine = make_machine()
    assert machine.add_at("a", 0.05, now_s=0.0) is None
    assert machine.next_due_s == 0.05
    assert machine.release_due(now_s=0.04) == []
    assert machine.waiting == 0
    assert machine.release_due(now_s=0.06) == [Added.WAITS]
    assert machine.next_due_s is None
    got = machine.get(now_s=0.07)
    assert got is not None
    assert got.waited_s == pytest.approx(0.02), "the wait counts from when it was due"
    machine.done("a", now_s=0.1)
    assert machine.release_due(now_s=10.1) == []
    assert get_key(machine) is None


@case("IN-194")
@pytest.mark.parametrize("second_s", [0.07, 0.03])
def test_the_earliest_time_of_a_key_counts_once(second_s: float) -> None:
    machine = make_machine()
    machine.add_at("a", 0.05, now_s=0.0)
    machine.add_at("a", second_s, now_s=0.0)
    earliest_s = min(0.05, second_s)
    assert machine.delayed == 1
    assert machine.next_due_s == earliest_s
    assert machine.release_due(now_s=earliest_s) == [Added.WAITS]
    assert get_key(machine) == "a"
    machine.done("a", now_s=earliest_s)
    assert machine.release_due(now_s=1.0) == []
    assert machine.next_due_s is None


@case("IN-195")
def test_delayed_keys_come_in_the_order_of_their_times() -> None:
    machine = make_machine()
    for key, at_s in (("one", 1.0), ("two", 0.5), ("three", 0.25), ("four", 0.25)):
        machine.add_at(key, at_s, now_s=0.0)
    assert machine.release_due(now_s=2.0) == [Added.WAITS] * 4
    assert [get_key(machine) for _ in range(4)] == ["three", "four", "two", "one"]


def test_a_time_that_has_come_adds_at_once() -> None:
    machine = make_machine()
    assert machine.add_at("a", 1.0, now_s=1.0) is Added.WAITS
    assert machine.add_at("a", 0.0, now_s=1.0) is Added.WAITS_ALREADY


def test_a_delayed_key_that_waits_already_when_its_time_comes_is_handed_out_once() -> None:
    machine = make_machine()
    machine.add_at("a", 1.0, now_s=0.0)
    machine.add("a", now_s=0.5)
    assert machine.release_due(now_s=1.0) == [Added.WAITS_ALREADY]
    assert get_key(machine) == "a"
    assert get_key(machine) is None


def test_times_that_were_overtaken_do_not_pile_up() -> None:
    machine = make_machine()
    for number in range(10_000):
        machine.add_at("a", 20_000.0 - number, now_s=0.0)
    assert machine.delayed == 1
    assert len(machine._delayed) < 100
    assert machine.release_due(now_s=20_000.0) == [Added.WAITS]


def test_a_shutdown_forgets_what_is_delayed() -> None:
    machine = make_machine()
    machine.add_at("a", 1.0, now_s=0.0)
    machine.shut_down(drain=False)
    assert machine.delayed == 0
    assert machine.next_due_s is None
    assert machine.release_due(now_s=2.0) == []


def test_a_delayed_key_keeps_the_highest_priority_that_it_was_given() -> None:
    machine = make_machine(PriorityOrder())
    machine.add_at("low", 1.0, now_s=0.0, priority=-100)
    machine.add_at("high", 1.0, now_s=0.0, priority=-100)
    machine.add_at("high", 5.0, now_s=0.0, priority=3)
    machine.release_due(now_s=1.0)
    assert [get_key(machine, 1.0), get_key(machine, 1.0)] == ["high", "low"]


def test_a_key_that_is_added_while_processed_keeps_the_highest_priority() -> None:
    machine = make_machine(PriorityOrder())
    machine.add("a", now_s=0.0)
    get_key(machine)
    machine.add("a", now_s=0.0, priority=5)
    machine.add("a", now_s=0.0, priority=-5)
    machine.add("b", now_s=0.0, priority=4)
    machine.done("a", now_s=0.0)
    assert [get_key(machine), get_key(machine)] == ["a", "b"]


# -- whatever happens -------------------------------------------------------------------------------------------------

KEYS = st.sampled_from("abcd")


class QueueMachine(RuleBasedStateMachine):
    """Any calls: no key is with two workers, none that was added is lost, none is handed out more often than added."""

    order: type[ArrivalOrder[str] | PriorityOrder[str]] = ArrivalOrder

    def __init__(self) -> None:
        super().__init__()
        self.machine = WorkQueueMachine[str](self.order())
        self.now_s = 0.0
        self.owed: set[str] = set()  # added, and not handed out since
        self.delayed: dict[str, float] = {}
        self.held: Counter[str] = Counter()

    @rule(key=KEYS, priority=st.integers(-2, 2))
    def add(self, key: str, priority: int) -> None:
        if self.machine.add(key, now_s=self.now_s, priority=priority) is not Added.IGNORED:
            self.owed.add(key)

    @rule(key=KEYS, delay_s=st.integers(0, 5), priority=st.integers(-2, 2))
    def add_after(self, key: str, delay_s: int, priority: int) -> None:
        added = self.machine.add_at(key, self.now_s + delay_s, now_s=self.now_s, priority=priority)
        if added is None:
            self.delayed[key] = min(self.now_s + delay_s, self.delayed.get(key, 1e9))
        elif added is not Added.IGNORED:
            self.owed.add(key)

    @rule(seconds=st.integers(1, 4))
    def advance(self, seconds: int) -> None:
        self.now_s += seconds
        self.machine.release_due(now_s=self.now_s)
        due = {key for key, at_s in self.delayed.items() if at_s <= self.now_s}
        self.owed |= due
        for key in due:
            del self.delayed[key]

    @rule()
    def get(self) -> None:
        got = self.machine.get(now_s=self.now_s)
        if got is None:
            assert not self.owed - self.held.keys(), "a key waits, and none was handed out"
            return
        assert got.key in self.owed, "handed out without being added"
        assert got.waited_s >= 0
        self.owed.discard(got.key)
        self.held[got.key] += 1

    @rule(key=KEYS)
    def done(self, key: str) -> None:
        held = self.held.pop(key, 0)
        assert (self.machine.done(key, now_s=self.now_s) is not None) == bool(held)

    @rule(drain=st.booleans())
    def shut_down(self, *, drain: bool) -> None:
        self.machine.shut_down(drain=drain)
        self.delayed.clear()

    @invariant()
    def nobody_shares_a_key(self) -> None:
        assert all(count == 1 for count in self.held.values())
        assert {key for key, _ in self.machine.processing} == set(self.held)

    @invariant()
    def counts_agree(self) -> None:
        assert self.machine.waiting == len(self.owed - self.held.keys())
        assert self.machine.delayed == len(self.delayed)
        due_s = self.machine.next_due_s
        assert (due_s is None) == (not self.delayed) or (due_s is not None and not self.delayed)
        if self.delayed:
            assert due_s is not None
            assert due_s <= min(self.delayed.values()), "never late"


class PriorityQueueMachine(QueueMachine):
    order = PriorityOrder


TestArrivalOrder = QueueMachine.TestCase
TestPriorityOrder = PriorityQueueMachine.TestCase
