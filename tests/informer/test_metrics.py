"""The figures of informers, as prometheus-client shows them."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from kubeprims.client.client import Client
from kubeprims.errors import ConfigError, ConnectionLost, Forbidden
from kubeprims.informer.buffer import Batch, NotificationBuffer
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.handlers import Reason
from kubeprims.informer.metrics import FAMILIES
from kubeprims.informer.options import InformerOptions
from kubeprims.metrics import PrometheusMetrics
from kubeprims.testing import APIServer
from kubeprims.testing.clock import VirtualClock
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.test_pipeline import ADDED, event, malformed
from tests.informer.test_queues import Told
from tests.informer.test_shared import Rig, synced
from tests.parity import case
from tests.waiting import eventually

WAIT_S = 30.0
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


class Scraped:
    """A registry, and what it gives out."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = PrometheusMetrics(self.registry)
        self.options = InformerOptions(metrics=self.metrics)

    def value(self, name: str, **labels: str) -> float | None:
        labels = {"name": "v1/pods", **labels}
        return self.registry.get_sample_value(f"kubeprims_informer_{name}", labels)

    def text(self) -> str:
        return generate_latest(self.registry).decode()


@pytest.fixture
def scraped() -> Iterator[Scraped]:
    scraped = Scraped()
    yield scraped
    assert "kubeprims_informer" not in scraped.text(), "the series go with their informers"
    scraped.metrics.close()


def test_an_informer_shows_what_it_does(scraped: Scraped) -> None:
    rig = Rig(options=scraped.options)
    recorder = rig.record(name="mine")
    rig.source.put("a")
    rig.source.fail_watches(Forbidden("no", code=403, reason="Forbidden"))
    assert scraped.value("lists_total") is None
    with rig.informer:
        assert rig.clock.wait_for_waiters()
        assert scraped.value("synced") == 0
        assert scraped.value("staleness_seconds") == math.inf
        assert scraped.value("failures_total") == 1
        assert scraped.value("resource_version") is None
        rig.next_try()
        synced(rig)
        rig.source.put("b")
        rig.source.put("b")
        rig.source.delete("a")
        recorder.wait(4)
        rig.source.bookmark()
        rig.source.end_watches(ConnectionLost("cut"))
        rig.watching(3)
        rig.clock.advance(7)
        assert [scraped.value(f"{what}_total") for what in ("watch_lists", "watches", "lists")] == [2, 1, 0]
        assert scraped.value("restarts_total", cause="connection_lost") == 1
        assert scraped.value("synced") == 1
        assert scraped.value("objects") == 1
        assert scraped.value("resource_version") == 4
        assert scraped.value("queue_depth") == 0
        assert scraped.value("dirty_objects") == 0
        assert scraped.value("staleness_seconds") == pytest.approx(7)
        counts = {
            kind: scraped.value("events_total", type=kind) for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")
        }
        assert counts == {"ADDED": 1, "MODIFIED": 1, "DELETED": 1, "BOOKMARK": 1}
        assert scraped.value("handler_pending", handler="mine") == 0
        assert scraped.value("handler_errors_total", handler="mine") == 0
        assert eventually(lambda: scraped.value("handler_events_total", handler="mine") == 3, WAIT_S, "all are counted")
        assert set(_names(scraped.text())) == {family.name for family in FAMILIES}


def _names(text: str) -> list[str]:
    return re.findall(r"^(kubeprims_informer_\w+)\{", text, re.MULTILINE)


def test_the_lag_of_a_handler_is_what_its_changes_have_waited() -> None:
    clock = VirtualClock()
    told: list[str] = []

    def tell(change: object, reason: Reason) -> None:
        told.append("one")
        clock.advance(1)

    handler = HandlerRegistration(tell, name="h", clock=clock, resync_period_s=0.0, replay=lambda registration: None)
    handler.push(Batch([], Reason.INITIAL, ends_initial_list=True))
    assert handler.lag_s == 0
    told_of = Told("in_order")
    told_of.source.apply([event(ADDED, "a", 1), event(ADDED, "b", 2)])
    changes = [change for batch in _batches(told_of) for change in batch.changes]
    handler.push(Batch(changes, Reason.LIVE, arrived_s=clock.monotonic()))
    clock.advance(3)
    assert handler.lag_s == 3
    handler.deliver_next()
    assert (handler.lag_s, handler.events) == (3, 0)
    handler.deliver_next()
    assert len(told) == 2
    assert (handler.lag_s, handler.events) == (0, 2)
    assert handler.total_lag_s == pytest.approx(2 * (3 + 5) / 2)
    handler.close()


def _batches(told: Told) -> list[Batch]:
    buffer = told._handler._buffer
    return list(iter(buffer.pop, None))


def test_a_change_that_is_being_told_still_counts_as_waiting() -> None:
    clock = VirtualClock()
    lags: list[float] = []
    handler = HandlerRegistration(
        lambda change, reason: lags.append(handler.lag_s),
        name="h",
        clock=clock,
        resync_period_s=0.0,
        replay=lambda registration: None,
    )
    told = Told("in_order")
    told.source.apply([event(ADDED, "a", 1)])
    (batch,) = _batches(told)
    handler.push(batch._replace(arrived_s=clock.monotonic()))
    clock.advance(2)
    handler.deliver_next()
    assert lags == [2]


def test_what_is_merged_has_waited_as_long_as_the_oldest_of_it() -> None:
    buffer = NotificationBuffer(limit=2)
    told = Told("in_order")
    for version in range(1, 4):
        told.source.apply([event(ADDED, f"o{version}", version)])
    for seconds, batch in enumerate(_batches(told), 10):
        buffer.push(batch._replace(arrived_s=float(seconds)))
    assert buffer.oldest_s == 10
    merged = buffer.pop()
    assert merged is not None
    assert (len(merged.changes), merged.arrived_s) == (3, 10)
    assert buffer.oldest_s is None


def test_handlers_of_one_name_share_their_series(scraped: Scraped) -> None:
    rig = Rig(options=scraped.options)

    def fail(obj: object) -> None:
        raise RuntimeError

    handlers = [rig.informer.add_event_handler(on_add=fail, name="twin") for _ in range(2)]
    rig.source.put("a")
    with rig.informer:
        assert all(handler.wait_for_sync(WAIT_S) for handler in handlers)
        assert scraped.value("handler_errors_total", handler="twin") == 2


def test_objects_that_cannot_be_understood_are_counted(scraped: Scraped) -> None:
    rig = Rig(options=scraped.options)
    with rig.informer:
        synced(rig)
        recorder = rig.record()
        bad = malformed("default/a", 1)
        rig.source.send(event(ADDED, "default/a", 1)._replace(record=None, malformed=bad))
        rig.source.send(event(ADDED, "default/b", 2))
        recorder.wait(1)
        assert scraped.value("dirty_objects") == 1
        assert eventually(lambda: scraped.value("malformed_objects_total") == 1, WAIT_S, "it is counted")


@case("IN-163")
def test_informers_of_one_name_do_not_mix_their_series(scraped: Scraped) -> None:
    first, second, nameless = (Rig(options=scraped.options) for _ in range(3))
    with first.informer:
        with pytest.raises(ConfigError, match="figures of 'v1/pods' already"):
            second.informer.start()
        nameless.informer.name = ""
        with pytest.raises(ConfigError, match="need a name"):
            nameless.informer.start()
    with second.informer:  # the name is free again
        assert scraped.value("synced") is not None


@case(
    "IN-164",
    otherwise="decision 1: nothing is reserved; informers that differ have names that differ, or fail to start",
)
def test_informers_of_one_factory_have_series_of_their_own(scraped: Scraped) -> None:
    with (
        APIServer() as server,
        Transport(TransportConfig(server=server.url)) as transport,
        Client(transport) as client,
        SharedInformerFactory(client, options=scraped.options) as informers,
    ):
        pods = informers.informer("v1/pods")
        assert informers.informer("v1/pods") is pods
        informers.informer("v1/pods", namespace="prod")
        informers.informer("v1/configmaps")
        informers.start()
        informers.wait_for_cache_sync(WAIT_S)
        text = scraped.text()
        for name in ("v1/pods", "v1/pods in prod", "v1/configmaps"):
            assert f'kubeprims_informer_synced{{name="{name}"}} 1.0' in text
        with SharedInformerFactory(client, options=scraped.options) as other:
            other.informer("v1/pods")
            with pytest.raises(ConfigError, match="v1/pods"):
                other.start()
        with SharedInformerFactory(client, options=scraped.options, name="east") as other:
            other.informer("v1/pods")
            other.start()
            other.wait_for_cache_sync(WAIT_S)
            assert 'kubeprims_informer_synced{name="east: v1/pods"} 1.0' in scraped.text()


def test_the_figures_of_an_informer_that_dies_go_with_it(scraped: Scraped) -> None:
    rig = Rig(options=scraped.options)

    def die(obj: object) -> None:
        raise SystemExit(1)

    rig.informer.add_event_handler(on_add=die)
    rig.source.put("a")
    rig.informer.start()
    assert eventually(lambda: rig.informer.is_stopped, WAIT_S, "the informer has died")
    with pytest.raises(SystemExit):
        rig.informer.stop()


def test_the_page_names_every_metric() -> None:
    named = dict(re.findall(r"^\| `(kubeprims_informer_\w+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE))
    assert named == {family.name: str(family.kind) for family in FAMILIES}


def test_nothing_is_counted_for_nobody() -> None:
    rig = Rig()
    assert rig.informer._pipeline.event_counts is None
