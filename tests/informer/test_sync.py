"""Waiting for the first lists of many informers."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator

import pytest

from kubeprims.errors import CacheSyncTimeout, Cancelled, Forbidden, KubeprimsError, LifecycleError
from kubeprims.informer.shared import SharedInformer
from kubeprims.informer.sync import wait_for_informers
from kubeprims.testing.clock import VirtualClock
from kubeprims.testing.list_watch import FakeListerWatcher
from kubeprims.threads import Cancel, Deadline, ThreadGroup
from tests.informer.test_shared import LISTING, TIMEOUT_S
from tests.parity import case
from tests.waiting import eventually

DENIED = Forbidden("it is forbidden", code=403, reason="Forbidden")


class Cast:
    """Informers that share a clock; each syncs on its n-th try."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.informers: list[SharedInformer] = []

    def add(self, name: str, *, failures: int = 0, error: KubeprimsError = DENIED) -> SharedInformer:
        source = FakeListerWatcher()
        source.fail_lists(*[error] * failures)
        informer = SharedInformer(source, name=name, options=LISTING, clock=self.clock, rng=random.Random(1))
        self.informers.append(informer)
        informer.start()
        return informer


@pytest.fixture
def informers() -> Iterator[Cast]:
    made = Cast()
    yield made
    for informer in made.informers:
        informer.stop()


def waiting(call: Callable[[], None]) -> ThreadGroup:
    group = ThreadGroup("waiter")
    group.spawn(call, name="wait")
    return group


@case("IN-165")
def test_of_none_there_is_nothing_to_wait_for() -> None:
    wait_for_informers([], clock=VirtualClock(), timeout_s=0.0)


def test_informers_of_one_name_are_each_waited_for(informers: Cast) -> None:
    """Those of two factories, of two clusters perhaps."""
    informers.add("v1/pods").wait_for_sync(TIMEOUT_S)
    never = informers.add("v1/pods", failures=1)
    assert informers.clock.wait_for_waiters()
    with pytest.raises(CacheSyncTimeout) as caught:
        wait_for_informers(reversed(informers.informers), clock=informers.clock, timeout_s=0.0)
    assert caught.value.waiting == (("v1/pods", str(DENIED)),)
    informers.clock.advance(2.0)
    never.wait_for_sync(TIMEOUT_S)
    wait_for_informers(informers.informers, clock=informers.clock, timeout_s=TIMEOUT_S)


@case("IN-165", "IN-167")
def test_all_are_waited_for_and_logged_in_the_order_in_which_they_end(
    informers: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    """Three that sync at once, after one delay and after two, asked for in the opposite order."""
    for name, failures in (("slow", 2), ("middling", 1), ("quick", 0)):
        informers.add(name, failures=failures)

    def logged() -> list[object]:
        records = [record for record in caplog.records if record.name == "kubeprims.informer.sync"]
        return [record.args[0] for record in records if isinstance(record.args, tuple)]

    with caplog.at_level(logging.INFO, "kubeprims.informer.sync"):
        group = waiting(lambda: wait_for_informers(informers.informers, clock=informers.clock))
        for waiters, names in ((2, ["quick"]), (1, ["quick", "middling"])):
            assert informers.clock.wait_for_waiters(waiters)
            eventually(lambda names=names: logged() == names, TIMEOUT_S, f"{names} have synced")
            informers.clock.advance(10.0)
        assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert logged() == ["quick", "middling", "slow"]


@case("IN-166", "IN-167")
def test_those_that_do_not_sync_in_time_are_named_in_order_with_their_errors(informers: Cast) -> None:
    informers.add("done").wait_for_sync(TIMEOUT_S)
    informers.add("z", failures=1)
    informers.add("b", failures=1)
    assert informers.clock.wait_for_waiters(2)
    with pytest.raises(CacheSyncTimeout) as caught:
        wait_for_informers(informers.informers, clock=informers.clock, timeout_s=0.0)
    assert caught.value.waiting == (("b", str(DENIED)), ("z", str(DENIED)))
    assert caught.value.__cause__ is DENIED


@case("IN-166")
def test_a_minute_is_waited_for_and_no_longer(informers: Cast) -> None:
    informers.add("never", failures=1_000)
    assert informers.clock.wait_for_waiters()
    found: list[BaseException] = []

    def wait() -> None:
        with pytest.raises(CacheSyncTimeout, match="not synced after 60 s: never: 403") as caught:
            wait_for_informers(informers.informers, clock=informers.clock, timeout_s=60.0)
        found.append(caught.value)

    group = waiting(wait)
    assert informers.clock.wait_for_waiters(2)
    informers.clock.advance(60.0)
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert len(found) == 1


@case("IN-166")
def test_a_wait_that_is_cancelled_says_for_whom_and_why_they_had_not_come(informers: Cast) -> None:
    informers.add("never", failures=1_000)
    assert informers.clock.wait_for_waiters()
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled, match="before these had synced: never: 403 Forbidden: it is forbidden") as caught:
        wait_for_informers(informers.informers, clock=informers.clock, cancel=cancel)
    assert caught.value.__cause__ is DENIED


def test_one_that_is_stopped_ends_the_wait(informers: Cast) -> None:
    stopped = informers.add("stopped", failures=1_000)
    assert informers.clock.wait_for_waiters()
    stopped.stop()
    with pytest.raises(LifecycleError, match="stopped was stopped before it had synced"):
        wait_for_informers(informers.informers, clock=informers.clock)
