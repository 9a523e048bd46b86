"""Following an informer until something is so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeprims.cache.indexer import Indexer
from kubeprims.client.client import Client
from kubeprims.client.watch import ObjectEvent
from kubeprims.errors import (
    CacheSyncTimeout,
    Forbidden,
    InvalidArgument,
    LifecycleError,
    ResourceExpired,
    WaitTimeout,
    WatchClosed,
)
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.until import until_with_sync
from kubeprims.objects.event import WatchEventType
from kubeprims.objects.unstructured import DeletedFinalStateUnknown
from kubeprims.testing import APIServer
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Deadline, Latch, ThreadGroup
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.test_shared import Rig, running, synced
from tests.parity import case

WAIT_S = 30.0


def is_at(version: int) -> Callable[[ObjectEvent], bool]:
    return lambda event: event.object.resource_version == str(version)


def is_deleted(event: ObjectEvent) -> bool:
    return event.type is WatchEventType.DELETED


def never(cache: Indexer) -> bool:
    return False


class Waiting:
    """A wait on a thread of its own, and what came of it."""

    def __init__(self, wait: Callable[[], ObjectEvent | None]) -> None:
        self._wait = wait
        self._threads = ThreadGroup("test")
        self._result: ObjectEvent | None = None
        self._error: Exception | None = None
        self._threads.spawn(self._run, name="until")

    def _run(self) -> None:
        try:
            self._result = self._wait()
        except Exception as error:  # noqa: BLE001 - for result()
            self._error = error

    def result(self) -> ObjectEvent | None:
        assert self._threads.join(Deadline.after(WAIT_S)) == ()
        if self._error is not None:
            raise self._error
        return self._result


@case("IN-178")
def test_without_a_precondition_nothing_waits_for_the_sync() -> None:
    with running() as rig:
        rig.source.put("a")
        met = until_with_sync(rig.informer, is_at(1), timeout_s=WAIT_S)
        assert met is not None
        assert met.type is WatchEventType.ADDED


@case("IN-178")
def test_an_informer_that_cannot_sync_is_waited_for_until_it_is_stopped_or_time_is_over() -> None:
    def asked(cache: Indexer) -> bool:
        raise AssertionError

    rig = Rig()
    rig.source.fail_lists(*[Forbidden("no", code=403, reason="Forbidden")] * 3)
    with rig.informer:
        assert rig.clock.wait_for_waiters()  # for its next try
        waiting = Waiting(lambda: until_with_sync(rig.informer, is_at(1), precondition=asked, timeout_s=0.1))
        assert rig.clock.wait_for_waiters(2)
        rig.clock.advance(0.1)
        with pytest.raises(CacheSyncTimeout, match="403 Forbidden"):
            waiting.result()
        waiting = Waiting(lambda: until_with_sync(rig.informer, is_at(1), precondition=asked))
        rig.informer.stop()
        with pytest.raises(LifecycleError, match="stopped"):
            waiting.result()


@case("IN-178")
def test_a_precondition_that_holds_ends_the_wait_without_a_change() -> None:
    with running() as rig:
        rig.source.put("a")
        synced(rig)
        seen: list[list[str]] = []

        def has_objects(cache: Indexer) -> bool:
            seen.append([str(key) for key in cache.keys()])  # noqa: SIM118 - a cache is no dictionary
            return True

        assert until_with_sync(rig.informer, is_at(9), precondition=has_objects) is None
        assert seen == [["default/a"]]


@case("IN-178")
def test_a_precondition_that_does_not_hold_misses_nothing_that_happens_meanwhile() -> None:
    with running() as rig:
        synced(rig)

        def asked(cache: Indexer) -> bool:
            rig.source.put("a")
            return False

        met = until_with_sync(rig.informer, is_at(1), precondition=asked, timeout_s=WAIT_S)
        assert met is not None
        assert met.object.key == "default/a"


def test_conditions_are_met_in_order_over_an_expired_version() -> None:
    with running() as rig:
        rig.source.put("a")
        synced(rig)

        def lose_it(event: ObjectEvent) -> bool:
            rig.source.delete("a", silently=True)
            rig.source.compact()
            rig.source.end_watches(ResourceExpired("too old", code=410, reason="Expired"))
            return True

        waiting = Waiting(
            lambda: until_with_sync(rig.informer, is_at(1), lose_it, is_deleted, precondition=never, timeout_s=WAIT_S)
        )
        rig.next_try()
        met = waiting.result()
        assert met is not None
        assert (met.type, met.object.resource_version) == (WatchEventType.DELETED, "1")


@pytest.mark.parametrize("precondition", [None, never])
def test_what_takes_too_long_says_how_far_it_came(precondition: Callable[[Indexer], bool] | None) -> None:
    clock = VirtualClock()
    asked_twice = Latch()

    def is_ninth(event: ObjectEvent) -> bool:
        asked_twice.set()
        return is_at(9)(event)

    with running() as rig:
        rig.source.put("a")
        synced(rig)
        waiting = Waiting(
            lambda: until_with_sync(
                rig.informer, is_at(1), is_ninth, precondition=precondition, timeout_s=5, clock=clock
            )
        )
        assert asked_twice.wait(WAIT_S)
        assert clock.wait_for_waiters()
        clock.advance(5)
        with pytest.raises(WaitTimeout, match="1 of 2 conditions"):
            waiting.result()
        assert rig.informer._pipeline.registrations == ()


def test_the_time_of_the_precondition_counts() -> None:
    clock = VirtualClock()

    def slow(cache: Indexer) -> bool:
        clock.advance(4)
        return False

    with running() as rig:
        synced(rig)
        waiting = Waiting(lambda: until_with_sync(rig.informer, is_at(9), precondition=slow, timeout_s=5, clock=clock))
        assert clock.wait_for_waiters()
        assert clock.next_due_s() == pytest.approx(1)
        clock.advance(1)
        with pytest.raises(WaitTimeout):
            waiting.result()


def test_an_informer_that_stops_ends_the_wait() -> None:
    with running() as rig:
        synced(rig)
        rig.source.put("a")

        def stop(event: ObjectEvent) -> bool:
            rig.informer.stop()
            return False

        with pytest.raises(WatchClosed, match="0 of 1"):
            until_with_sync(rig.informer, stop)


def test_a_wait_for_nothing_is_refused() -> None:
    rig = Rig()
    with pytest.raises(InvalidArgument, match="needs a condition"):
        until_with_sync(rig.informer)
    with pytest.raises(InvalidArgument, match="positive"):
        until_with_sync(rig.informer, is_at(1), timeout_s=0)
    with pytest.raises(LifecycleError, match="not started"):
        until_with_sync(rig.informer, is_at(1), precondition=never)


# On the wire.


@case("IN-175")
def test_what_a_crashed_server_deleted_and_forgot_is_told_as_deleted() -> None:
    with (
        APIServer() as server,
        Transport(TransportConfig(server=server.url)) as transport,
        Client(transport) as client,
        SharedInformerFactory(client) as informers,
    ):
        server.create("v1/configmaps", {"metadata": {"name": "m"}}, namespace="default")
        maps = informers.informer("v1/configmaps", namespace="default")
        informers.start()

        def crash(event: ObjectEvent) -> bool:
            server.crash()
            server.delete("v1/configmaps", "m", namespace="default")
            server.compact()
            server.restart()
            return True

        met = until_with_sync(maps, crash, is_deleted, precondition=never, timeout_s=WAIT_S)
        assert met is not None
        assert isinstance(met.object, DeletedFinalStateUnknown)
        assert met.object.name == "m"
