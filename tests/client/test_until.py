"""Following changes until they have been what was waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.client.retry_watcher import RetryWatcher
from kubeprims.client.until import until
from kubeprims.client.watch import ObjectEvent
from kubeprims.errors import InvalidArgument, WaitTimeout, WatchClosed
from kubeprims.objects.event import WatchEventType
from kubeprims.testing import APIServer, VirtualClock
from kubeprims.threads import Deadline, Latch, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.client.test_retry_watcher import Played, Script, changed
from tests.parity import case
from tests.transport.test_retry import Impatient

WAIT_S = 30.0


def is_at(version: int) -> Callable[[ObjectEvent], bool]:
    return lambda event: event.object.resource_version == str(version)


@case("IN-177")
def test_until_returns_the_event_that_the_last_condition_held_of() -> None:
    watcher = RetryWatcher(Script([Played([changed(2)]), Played([changed(3), changed(4)])]), "1", clock=Impatient())
    assert until(watcher, is_at(3)).object.resource_version == "3"
    watcher = RetryWatcher(Script([Played([changed(2), changed(3), changed(4)])]), "1", clock=Impatient())
    met = until(watcher, is_at(2), lambda event: event.type is WatchEventType.MODIFIED, is_at(4))
    assert met.object.resource_version == "4"


def test_one_change_may_meet_several_conditions_that_stand_one_after_the_other() -> None:
    watcher = RetryWatcher(Script([Played([changed(2)])]), "1", clock=Impatient())
    assert until(watcher, is_at(2), lambda event: event.type is WatchEventType.MODIFIED, is_at(2)).object.name == "a"


@case("IN-177")
def test_until_says_how_far_it_came_when_the_changes_end() -> None:
    watcher = RetryWatcher(Script([Played([changed(2)])]), "1", clock=Impatient())
    with pytest.raises(WatchClosed, match="1 of 2 conditions"):
        until(watcher, is_at(2), is_at(9))


@case("IN-177")
def test_what_a_condition_raises_ends_the_wait() -> None:
    def fail(event: ObjectEvent) -> bool:
        raise RuntimeError(event.type)

    with pytest.raises(RuntimeError):
        until(RetryWatcher(Script([Played([changed(2)])]), "1"), fail)
    with pytest.raises(InvalidArgument):
        until([])


class Quiet:
    """Changes that begin with some and then stay away until they are closed."""

    def __init__(self, *versions: int) -> None:
        self._versions = versions
        self.closed = Latch()

    def __iter__(self) -> Iterator[ObjectEvent]:
        with RetryWatcher(Script([Played([changed(version) for version in self._versions])]), "1") as watcher:
            events = iter(watcher)
            for _ in self._versions:
                yield next(events)
        assert self.closed.wait(WAIT_S)

    def close(self) -> None:
        self.closed.set()

    def __repr__(self) -> str:
        return "the changes"


@case("IN-177")
def test_what_takes_too_long_is_closed_and_says_how_far_it_came() -> None:
    clock = VirtualClock()
    errors: list[WaitTimeout] = []

    def run() -> None:
        with pytest.raises(WaitTimeout) as caught:
            until(Quiet(2, 3), is_at(2), is_at(9), timeout_s=5, clock=clock)
        errors.append(caught.value)

    threads = ThreadGroup("test")
    threads.spawn(run, name="until")
    assert clock.wait_for_waiters()
    clock.advance(5)
    assert threads.join(Deadline.after(WAIT_S)) == ()
    assert "the changes: not all that was waited for (1 of 2 conditions were met) after 5 s" in str(errors[0])
    assert errors[0].last is not None


def test_before_any_change_a_time_out_has_seen_none() -> None:
    with pytest.raises(WaitTimeout, match="last seen: no change"):
        until(Quiet(), is_at(2), timeout_s=1, clock=Impatient())


def test_a_time_out_costs_nothing_where_the_conditions_are_met_or_the_changes_end() -> None:
    assert until(Quiet(2), is_at(2), timeout_s=60).object.resource_version == "2"
    with pytest.raises(WatchClosed, match="0 of 1"):
        until(RetryWatcher(Script([]), "1"), is_at(2), timeout_s=60)


def test_a_time_out_needs_something_that_can_be_closed() -> None:
    with pytest.raises(InvalidArgument, match="cannot be closed"):
        until([], is_at(2), timeout_s=1)
    with pytest.raises(InvalidArgument, match="positive"):
        until(Quiet(), is_at(2), timeout_s=0)


# On the wire.


@case("IN-177")
def test_a_time_out_ends_a_retry_watcher_that_nothing_comes_to() -> None:
    with APIServer() as server, Transport(TransportConfig(server=server.url)) as transport, Client(transport) as client:
        resource = client.resource("v1/configmaps", "default")
        watcher = RetryWatcher(ListWatch(resource), resource.list().resource_version)
        with pytest.raises(WaitTimeout, match="RetryWatcher"):
            until(watcher, is_at(9), timeout_s=0.05)


@case("IN-177")
def test_the_deadline_of_a_watch_bounds_the_wait() -> None:
    with APIServer() as server, Transport(TransportConfig(server=server.url)) as transport, Client(transport) as client:
        resource = client.resource("v1/configmaps", "default")
        version = resource.list().resource_version
        with pytest.raises(WatchClosed), resource.watch(resource_version=version, timeout_s=1) as watch:
            until(watch, is_at(9))
