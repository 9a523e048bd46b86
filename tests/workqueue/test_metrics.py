"""The figures of queues: client-go's names, exact in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import prometheus_client
import pytest

from kubeprims.errors import ConfigError
from kubeprims.metrics import PrometheusMetrics
from kubeprims.testing.clock import VirtualClock
from kubeprims.workqueue.metrics import FAMILIES
from kubeprims.workqueue.queue import RateLimitingQueue, WorkQueue
from tests.parity import case


@pytest.fixture
def metrics() -> Iterator[PrometheusMetrics]:
    metrics = PrometheusMetrics(prometheus_client.CollectorRegistry())
    yield metrics
    metrics.close()


def figure(metrics: PrometheusMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"workqueue_{name}", {"name": "web", **labels})


@case("CM-58")
@case("IN-200")
def test_every_figure_is_exact(metrics: PrometheusMetrics) -> None:
    clock = VirtualClock()
    queue = RateLimitingQueue[str]("web", metrics=metrics, clock=clock)
    queue.add("a")
    queue.add("a")  # waits already
    queue.add("b")
    assert (figure(metrics, "adds_total"), figure(metrics, "depth")) == (2, 2)
    clock.advance(0.05)
    assert queue.get() == "a"
    assert figure(metrics, "queue_duration_seconds_sum") == pytest.approx(0.05)
    assert figure(metrics, "queue_duration_seconds_bucket", le="0.1") == 1
    assert figure(metrics, "queue_duration_seconds_bucket", le="0.01") == 0
    clock.advance(2.0)
    assert queue.get() == "b"
    clock.advance(1.0)
    queue.add("a")  # after processing
    assert figure(metrics, "adds_total") == 3
    assert figure(metrics, "unfinished_work_seconds") == pytest.approx(4.0)
    assert figure(metrics, "longest_running_processor_seconds") == pytest.approx(3.0)
    queue.done("a")
    assert figure(metrics, "work_duration_seconds_sum") == pytest.approx(3.0)
    assert figure(metrics, "work_duration_seconds_count") == 1
    assert figure(metrics, "unfinished_work_seconds") == pytest.approx(1.0)
    assert figure(metrics, "depth") == 1
    queue.add_rate_limited("b")
    queue.done("b")
    assert figure(metrics, "retries_total") == 1
    assert figure(metrics, "unfinished_work_seconds") == 0
    assert figure(metrics, "longest_running_processor_seconds") == 0
    clock.advance(1.0)
    assert figure(metrics, "depth") == 2, "what is due counts, though no worker looked"
    assert figure(metrics, "adds_total") == 4


@case("IN-200")
def test_a_key_that_is_added_again_and_again_while_it_is_worked_on_is_counted_once(metrics: PrometheusMetrics) -> None:
    queue = WorkQueue[str]("web", metrics=metrics)
    queue.add("a")
    queue.get()
    for _ in range(3):
        queue.add("a")
    assert figure(metrics, "adds_total") == 2
    queue.done("a")
    assert figure(metrics, "depth") == 1
    queue.close()


@case("IN-200")
def test_a_key_that_is_added_while_it_is_worked_on_waits_from_then_as_upstream_counts_it(
    metrics: PrometheusMetrics,
) -> None:
    clock = VirtualClock()
    queue = WorkQueue[str]("web", metrics=metrics, clock=clock)
    queue.add("a")
    clock.advance(50.0)
    assert queue.get() == "a"
    assert (figure(metrics, "depth"), figure(metrics, "queue_duration_seconds_sum")) == (0, pytest.approx(50.0))
    queue.add("a")
    assert (figure(metrics, "depth"), len(queue)) == (1, 0), "a stuck worker must not hide what comes behind it"
    clock.advance(25.0)
    queue.done("a")
    assert (figure(metrics, "depth"), len(queue)) == (1, 1)
    clock.advance(10.0)
    assert queue.get() == "a"
    assert (figure(metrics, "depth"), figure(metrics, "queue_duration_seconds_sum")) == (0, pytest.approx(85.0))
    queue.close()


@case("IN-200")
def test_whatever_is_added_after_a_delay_is_a_retry_as_upstream_counts_it(metrics: PrometheusMetrics) -> None:
    queue = RateLimitingQueue[str]("web", metrics=metrics, clock=VirtualClock())
    queue.add("a")
    assert figure(metrics, "retries_total") == 0
    queue.add_after("b", 5.0)
    queue.add_after("c", 0.0)
    queue.add_rate_limited("d")
    assert figure(metrics, "retries_total") == 3
    queue.shut_down()
    queue.add_after("e", 5.0)
    queue.add_rate_limited("f")
    assert figure(metrics, "retries_total") == 3
    queue.close()


@case("IN-200")
def test_figures_end_with_the_queue_and_none_is_left(metrics: PrometheusMetrics) -> None:
    queue = WorkQueue[str]("web", metrics=metrics)
    queue.add("a")
    queue.get()
    queue.close()
    queue.close()
    queue.done("a")
    assert figure(metrics, "depth") is None
    assert figure(metrics, "queue_duration_seconds_count") is None
    WorkQueue[str]("web", metrics=metrics).close()


def test_two_queues_do_not_share_a_name(metrics: PrometheusMetrics) -> None:
    queue = WorkQueue[str]("web", metrics=metrics)
    with pytest.raises(ConfigError, match="there are figures of 'workqueue web' already"):
        WorkQueue[str]("web", metrics=metrics)
    queue.close()


def test_a_queue_without_a_name_has_no_figures(metrics: PrometheusMetrics) -> None:
    queue = WorkQueue[str](metrics=metrics)
    queue.add("a")
    assert figure(metrics, "depth") is None


@case("CM-58")
def test_the_names_are_those_of_upstream() -> None:
    assert {family.name for family in FAMILIES} == {
        "workqueue_depth",
        "workqueue_adds_total",
        "workqueue_retries_total",
        "workqueue_queue_duration_seconds",
        "workqueue_work_duration_seconds",
        "workqueue_unfinished_work_seconds",
        "workqueue_longest_running_processor_seconds",
    }
