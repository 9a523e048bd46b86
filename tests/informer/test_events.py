"""Iterating over what an informer is told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from kubeprims.client.watch import ObjectEvent
from kubeprims.errors import LifecycleError, ResourceExpired
from kubeprims.informer.events import InformerEvents
from kubeprims.objects.unstructured import DeletedFinalStateUnknown
from kubeprims.threads import Deadline, Latch, ThreadGroup
from tests.informer.test_shared import Rig, running, synced
from tests.parity import case

WAIT_S = 30.0
EXPIRED = ResourceExpired("too old", code=410, reason="Expired")


def text(event: ObjectEvent) -> str:
    return f"{event.type} {event.object.key} {event.object.resource_version}"


def texts(events: InformerEvents, count: int) -> list[str]:
    return [text(event) for event in islice(iter(events), count)]


@pytest.fixture
def rig() -> Iterator[Rig]:
    with running() as rig:
        yield synced(rig)


def test_the_objects_that_are_there_come_first_then_what_happens(rig: Rig) -> None:
    rig.source.put("a")
    with rig.informer.events() as events:
        assert texts(events, 1) == ["ADDED default/a 1"]
        rig.source.put("b")
        rig.source.put("a")
        rig.source.delete("b")
        assert texts(events, 3) == ["ADDED default/b 2", "MODIFIED default/a 3", "DELETED default/b 4"]
        assert events.registration.has_synced
        assert repr(events) == "<InformerEvents handler 1 of v1/pods>"


def test_iterating_goes_on_with_the_next_change_after_a_break(rig: Rig) -> None:
    with rig.informer.events() as events:
        for name in "abc":
            rig.source.put(name)
        assert [texts(events, 1), texts(events, 2)] == [
            ["ADDED default/a 1"],
            ["ADDED default/b 2", "ADDED default/c 3"],
        ]


@case("IN-175")
def test_what_was_deleted_while_the_watch_was_down_is_told_with_its_last_known_state(rig: Rig) -> None:
    rig.source.put("a")
    with rig.informer.events() as events:
        assert texts(events, 1) == ["ADDED default/a 1"]
        rig.source.delete("a", silently=True)
        rig.source.compact()
        rig.source.end_watches(EXPIRED)
        rig.next_try()
        (gone,) = islice(iter(events), 1)
        assert text(gone) == "DELETED default/a 1"
        assert isinstance(gone.object, DeletedFinalStateUnknown)


@case("IN-176")
@pytest.mark.parametrize("how", ["close", "stop"])
def test_closing_or_stopping_ends_a_loop_that_waits_for_the_next_change(rig: Rig, how: str) -> None:
    events = rig.informer.events()
    rig.source.put("a")
    seen: list[str] = []
    has_begun = Latch()

    def loop() -> None:
        for event in events:
            seen.append(text(event))
            has_begun.set()

    threads = ThreadGroup("test")
    threads.spawn(loop, name="loop")
    assert has_begun.wait(WAIT_S)
    if how == "close":
        events.close()
    else:
        rig.informer.stop()
    assert threads.join(Deadline.after(WAIT_S)) == ()
    assert seen == ["ADDED default/a 1"]


@case("IN-176")
def test_stopping_does_not_wait_for_a_loop_that_does_not_iterate_and_what_came_before_is_in_order(rig: Rig) -> None:
    events = rig.informer.events()
    for version in range(1, 101):
        rig.source.put(f"o{version % 7}")
    seen = texts(events, 50)
    assert [int(line.rpartition(" ")[2]) for line in seen] == list(range(1, 51))
    rig.informer.stop(WAIT_S)
    assert texts(events, 1) == []
    events.close()
    events.close()


def test_a_stopped_informer_has_no_more_to_tell(rig: Rig) -> None:
    rig.informer.stop()
    with pytest.raises(LifecycleError, match="takes no handler"):
        rig.informer.events()


def test_one_that_was_asked_for_before_the_start_begins_with_the_first_list() -> None:
    rig = Rig()
    rig.source.put("a")
    with rig.informer.events() as events, rig.informer:
        assert texts(events, 1) == ["ADDED default/a 1"]
