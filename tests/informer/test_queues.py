"""The queue between a watch and the cache: which one, and what becomes of it where upstream's waits or fails."""

from __future__ import annotations

import pytest

from kubeprims.cache.indexer import Indexer
from kubeprims.errors import ConfigError
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Notification, Reason, from_event
from kubeprims.informer.options import QUEUES, InformerOptions
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.source import Source
from kubeprims.objects.event import WatchEvent
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Deadline, ThreadGroup
from tests.informer.test_pipeline import ADDED, DELETED, MODIFIED, event, malformed, record
from tests.informer.test_shared import running, synced
from tests.parity import case

WAIT_S = 30.0
EITHER_QUEUE = pytest.mark.parametrize("queue", list(QUEUES))


class Told:
    """A pipeline with one source, and a handler driven by hand."""

    def __init__(self, queue: str) -> None:
        self.pipeline = Pipeline(Indexer(), make_queue=QUEUES[queue])
        self.source: Source = self.pipeline.source()
        self.seen: list[str] = []
        self.batches = 0
        self._handler = HandlerRegistration(
            from_event(self._see),
            name="handler",
            clock=VirtualClock(),
            resync_period_s=0.0,
            replay=self.pipeline.resync,
        )
        self.pipeline.add(self._handler)

    def _see(self, notification: Notification) -> None:
        what = "deleted" if notification.new is None else "updated" if notification.old is not None else "added"
        cached = self.pipeline.indexer.get(notification.key)
        assert notification.reason is not Reason.INITIAL or cached is not None, "handlers are told of what is stored"
        self.seen.append(f"{what} {notification.key}")

    def news(self) -> list[str]:
        self.batches = 0
        while self._handler.deliver_next():
            self.batches += 1
        seen, self.seen = self.seen, []
        return seen


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("in_order", ["updated a", "added b", "deleted a"]),
        ("delta_fifo", ["updated a", "deleted a", "added b"]),
    ],
)
def test_handlers_are_told_in_the_order_of_the_chosen_queue(queue: str, expected: list[str]) -> None:
    told = Told(queue)
    told.source.replace([record("a", 1)], "1")
    assert told.news() == ["added a"]
    told.source.apply([event(MODIFIED, "a", 2), event(ADDED, "b", 3), event(DELETED, "a", 4)])
    assert told.news() == expected
    assert told.batches == 1


def test_the_default_is_the_order_of_the_server_and_another_name_is_refused() -> None:
    assert InformerOptions().queue == "in_order"
    with pytest.raises(ConfigError, match="in_order, delta_fifo, not 'lifo'"):
        InformerOptions(queue="lifo")  # type: ignore[arg-type]


@EITHER_QUEUE
def test_an_informer_takes_the_queue_of_its_options(queue: str) -> None:
    with running(options=InformerOptions(queue=queue)) as rig:  # type: ignore[arg-type]
        recorder = rig.record()
        rig.source.put("a")
        synced(rig)
        rig.source.put("b")
        assert recorder.wait(2)[-1] == "live default/b ->2"
        assert rig.informer.indexer.resource_version == "2"


@case("IN-112")
@EITHER_QUEUE
def test_a_list_brings_one_add_and_the_store_has_it_when_the_handler_looks(queue: str) -> None:
    told = Told(queue)
    told.source.replace([record("pod-1", 1)], "1")
    assert told.news() == ["added pod-1"]
    told.source.replace([record("pod-1", 1)], "2")
    assert told.news() == []


@case("IN-76", otherwise="decision 1: the queue is a machine and never waits; what waits, and is closed, is a handler")
def test_closing_ends_a_waiting_handler_each_time() -> None:
    threads = ThreadGroup("test")
    for _ in range(10):
        clock = VirtualClock()
        handler = HandlerRegistration(
            lambda *_: None, name="h", clock=clock, resync_period_s=10.0, replay=lambda registration: None
        )
        threads.spawn(handler.run, name="handler")
        assert clock.wait_for_waiters()  # on its next resync, with nothing to deliver
        handler.close()
        assert handler.wait_until_ended(WAIT_S)
        assert not handler.deliver_next()
    assert threads.join(Deadline.after(WAIT_S)) == ()


@EITHER_QUEUE
@case(
    "IN-97",
    otherwise="decision 3: the cache holds records, made where a key is checked: without one, nothing is queued",
)
@pytest.mark.parametrize("broken", [{0}, {2}, {0, 1}, {0, 2}])
def test_an_object_without_a_key_closes_no_batch(queue: str, broken: set[int]) -> None:
    told = Told(queue)
    told.source.replace([], "1")
    told.news()
    events = [
        WatchEvent(ADDED, None, "2", malformed=malformed(None, 2)) if n in broken else event(ADDED, f"o{n}", n + 2)
        for n in range(4)
    ]
    told.source.apply(events)
    assert told.news() == [f"added o{n}" for n in range(4) if n not in broken]
    assert told.batches == 1


@case(
    "IN-111",
    otherwise="decision 3: an object fails where its record is made, alone and named to on_error, never a batch",
)
@EITHER_QUEUE
@pytest.mark.parametrize(("count", "broken"), [(1, None), (1, 1), (2, 2), (3, 2)])
def test_a_failing_object_costs_itself_alone_and_is_named(queue: str, count: int, broken: int | None) -> None:
    with running(options=InformerOptions(queue=queue)) as rig:  # type: ignore[arg-type]
        recorder = rig.record()
        synced(rig)
        expected = [n for n in range(1, count + 1) if n != broken]
        for n in range(1, count + 1):
            bad = WatchEvent(ADDED, None, str(n), malformed=malformed(f"default/cm{n}", n))
            rig.source.send(bad if n == broken else event(ADDED, f"default/cm{n}", n))
        rig.source.send(event(ADDED, "default/last", 9))
        assert recorder.wait(len(expected) + 1)[:-1] == [f"live default/cm{n} ->{n}" for n in expected]
    named = [str(error) for error, _ in rig.errors]
    assert len(named) == count - len(expected)
    assert all(f"default/cm{broken} is skipped" in text for text in named)
