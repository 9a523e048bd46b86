"""Versions that are waited for, and how far behind a cache may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from kubeprims.errors import InvalidArgument, LifecycleError, TooManyRequests, WaitTimeout
from kubeprims.threads import Deadline, ThreadGroup
from tests.informer.test_shared import TIMEOUT_S, Rig
from tests.parity import case
from tests.waiting import eventually


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.informer.stop()


def started(rig: Rig) -> None:
    rig.informer.start()
    rig.watching()
    rig.informer.wait_for_sync(TIMEOUT_S)


@case(
    "IN-174",
    otherwise="QUIRK of upstream's MutationCache, which lays own writes over the cache and lets them expire after a "
    "time: here the cache itself is waited for, so a read after a write or a delete of one's own is never stale",
)
def test_a_read_after_a_write_or_delete_of_ones_own_is_not_stale(rig: Rig) -> None:
    rig.source.put("a")
    started(rig)
    for _ in range(20):
        written = rig.source.put("a")
        rig.informer.wait_for_resource_version(written, TIMEOUT_S)
        found = rig.informer.indexer.get("default/a")
        assert found is not None
        assert found.resource_version == written
    rig.informer.wait_for_resource_version(rig.source.delete("a"), TIMEOUT_S)
    assert rig.informer.indexer.get("default/a") is None


def waiting(call: Callable[[], None]) -> ThreadGroup:
    group = ThreadGroup("waiter")
    group.spawn(call, name="wait")
    return group


def test_the_version_may_come_by_a_bookmark(rig: Rig) -> None:
    started(rig)
    written = rig.source.put("other", silently=True)
    group = waiting(lambda: rig.informer.wait_for_resource_version(written, 60.0))
    assert rig.clock.wait_for_waiters()
    rig.source.bookmark()
    assert group.join(Deadline.after(TIMEOUT_S)) == ()


def test_a_later_version_will_do_and_an_earlier_one_will_not(rig: Rig) -> None:
    for _ in range(10):
        rig.source.put("a")
    started(rig)
    for version in ("9", "10"):
        rig.informer.wait_for_resource_version(version, 0.0)
    with pytest.raises(WaitTimeout, match="informer v1/pods: not at version 11 after 0 s; last seen: version 10"):
        rig.informer.wait_for_resource_version("11", 0.0)


def test_before_the_first_list_no_version_is_there(rig: Rig) -> None:
    error = TooManyRequests("busy", code=429, reason="TooManyRequests")
    rig.source.fail_lists(error)
    rig.informer.start()
    assert rig.clock.wait_for_waiters()
    with pytest.raises(WaitTimeout, match=r"version \(none\)") as caught:
        rig.informer.wait_for_resource_version("1", 0.0)
    assert caught.value.__cause__ is error
    assert rig.informer.staleness_s == math.inf


def test_stopping_the_informer_ends_the_wait(rig: Rig) -> None:
    started(rig)
    errors: list[LifecycleError] = []

    def wait() -> None:
        with pytest.raises(LifecycleError, match="was stopped before it had version 7") as caught:
            rig.informer.wait_for_resource_version("7", 60.0)
        errors.append(caught.value)

    group = waiting(wait)
    assert rig.clock.wait_for_waiters()
    rig.informer.stop()
    assert group.join(Deadline.after(TIMEOUT_S)) == ()
    assert len(errors) == 1


@pytest.mark.parametrize("version", ["", "0", "abc", "01"])
def test_what_is_no_version_is_refused(rig: Rig, version: str) -> None:
    started(rig)
    with pytest.raises(InvalidArgument):
        rig.informer.wait_for_resource_version(version, 0.0)


def test_an_informer_that_does_not_run_is_not_waited_for(rig: Rig) -> None:
    with pytest.raises(LifecycleError, match="not started"):
        rig.informer.wait_for_resource_version("1", 0.0)


def test_the_copy_is_as_old_as_the_last_word_of_the_server(rig: Rig) -> None:
    assert rig.informer.staleness_s == math.inf
    started(rig)
    assert rig.informer.staleness_s == 0.0
    rig.clock.advance(30.0)
    assert rig.informer.staleness_s == 30.0
    rig.source.bookmark()
    eventually(lambda: rig.informer.staleness_s == 0.0, TIMEOUT_S, "the bookmark counts")
