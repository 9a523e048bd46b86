"""What fills a cache, and its place at the gate."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from kubeprims.errors import Forbidden, KubeprimsError
from kubeprims.informer.intake import Transform
from kubeprims.informer.shared import SharedInformer
from kubeprims.informer.start_gate import StartGate
from kubeprims.meta import JSONObject
from kubeprims.testing.clock import VirtualClock
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.threads import Cancel, Latch
from tests.informer.test_shared import LISTING, TIMEOUT_S
from tests.waiting import eventually


class Row:
    """Informers that start one at a time; virtual time stands still unless a test moves it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.errors: list[KubeprimsError] = []
        self.informers: list[SharedInformer] = []
        self._gate = StartGate(1, clock=self.clock, rng=random.Random(1))

    def take_the_place(self) -> None:
        self._gate.enter(Latch(), Cancel())

    def add(
        self, *errors: KubeprimsError, names: Sequence[str] = (), transform: Transform | None = None
    ) -> SharedInformer:
        source = FakeListerWatcher()
        source.fail_lists(*errors)
        for name in names:
            source.put(name)
        informer = SharedInformer(
            source,
            name=f"number {len(self.informers)}",
            options=replace(LISTING, transform=transform),
            on_error=lambda error, _: self.errors.append(error),
            gate=self._gate,
            clock=self.clock,
            rng=random.Random(1),
        )
        self.informers.append(informer)
        return informer


@pytest.fixture
def row() -> Iterator[Row]:
    made = Row()
    yield made
    for informer in made.informers:
        informer.stop()


def test_a_list_that_is_in_makes_room_for_the_next(row: Row) -> None:
    for informer in (row.add(), row.add(), row.add()):
        informer.start()
    eventually(lambda: all(informer.has_synced for informer in row.informers), TIMEOUT_S, "all have synced")


def test_a_first_list_that_fails_holds_nobody_up(row: Row) -> None:
    denied = Forbidden("no", code=403, reason="Forbidden")
    failing, other = row.add(denied), row.add()
    failing.start()
    assert row.clock.wait_for_waiters()
    other.start()
    eventually(lambda: other.has_synced, TIMEOUT_S, "the other one has synced")
    assert not failing.has_synced
    assert row.errors == [denied]


def test_an_object_that_a_first_list_skips_makes_no_room(row: Row) -> None:
    goes_on = Latch()

    def spoil(obj: JSONObject) -> JSONObject:
        if row.errors:
            assert goes_on.wait(TIMEOUT_S)
            return obj
        raise ValueError("spoilt")

    slow, other = row.add(names=("bad", "good"), transform=spoil), row.add()
    slow.start()
    eventually(lambda: row.errors, TIMEOUT_S, "one is skipped")
    other.start()
    assert row.clock.wait_for_waiters()
    assert other.status.lists == 0
    goes_on.set()
    eventually(lambda: other.has_synced, TIMEOUT_S, "the other one has synced")


def test_an_informer_that_waits_for_its_turn_can_be_stopped(row: Row) -> None:
    row.take_the_place()
    waiting = row.add()
    waiting.start()
    assert row.clock.wait_for_waiters()
    waiting.stop(TIMEOUT_S)
    assert not waiting.has_synced
    assert waiting.status.lists == 0
