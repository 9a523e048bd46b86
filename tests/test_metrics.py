"""The interface of metrics: nothing by default, prometheus-client where it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Gauge as ForeignGauge

from kubeprims.errors import ConfigError
from kubeprims.metrics import MetricFamily, MetricKind, Metrics, NullMetrics, PrometheusMetrics, Sample
from kubeprims.version import __version__
from tests.parity import case

ADDS = MetricFamily(name="adds_total", kind=MetricKind.COUNTER, description="Adds.", labels=("name",))
DEPTH = MetricFamily(name="depth", kind=MetricKind.GAUGE, description="Depth.", labels=("name",))
ALL = MetricFamily(name="all_total", kind=MetricKind.COUNTER, description="All.")
LATENCY = MetricFamily(
    name="latency_seconds", kind=MetricKind.HISTOGRAM, description="Wait.", labels=("name",), buckets=(0.1, 1.0)
)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Iterator[PrometheusMetrics]:
    metrics = PrometheusMetrics(registry)
    yield metrics
    metrics.close()
    assert generate_latest(registry) == b""


def shown(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if line and "_created" not in line and line[0] != "#" and "_info" not in line)


def test_figures_are_pushed_into_series(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.counter(ADDS, ["a"]).inc()
    metrics.counter(ADDS, ["a"]).inc(2)
    metrics.counter(ADDS, ["b"]).inc()
    metrics.counter(ALL).inc(9)
    metrics.gauge(DEPTH, ["a"]).set(4)
    metrics.histogram(LATENCY, ["a"]).observe(0.5)
    assert shown(registry) == [
        'adds_total{name="a"} 3.0',
        'adds_total{name="b"} 1.0',
        "all_total 9.0",
        'depth{name="a"} 4.0',
        'latency_seconds_bucket{le="+Inf",name="a"} 1.0',
        'latency_seconds_bucket{le="0.1",name="a"} 0.0',
        'latency_seconds_bucket{le="1.0",name="a"} 1.0',
        'latency_seconds_count{name="a"} 1.0',
        'latency_seconds_sum{name="a"} 0.5',
    ]


def test_series_come_and_go(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.counter(ADDS, ["a"]).inc()
    metrics.counter(ADDS, ["b"]).inc()
    metrics.counter(ALL).inc()
    metrics.remove(ADDS, ["a"])
    metrics.remove(ADDS, ["a"])
    metrics.remove(ALL)
    metrics.remove(ALL)
    assert shown(registry) == ['adds_total{name="b"} 1.0']
    metrics.counter(ALL).inc(5)
    assert "all_total 5.0" in shown(registry)


def test_a_source_is_read_at_each_scrape_until_it_ends(registry: CollectorRegistry, metrics: Metrics) -> None:
    depth = 1

    def collect() -> Iterable[Sample]:
        yield Sample(ADDS, ("a",), 7)
        yield Sample(DEPTH, ("a",), depth)

    end = metrics.add_source("a", collect)
    end_other = metrics.add_source("b", lambda: [Sample(DEPTH, ("b",), 0)])
    assert shown(registry) == ['adds_total{name="a"} 7.0', 'depth{name="a"} 1.0', 'depth{name="b"} 0.0']
    assert generate_latest(registry).count(b"# TYPE depth gauge") == 1
    depth = 2
    end_other()
    assert shown(registry) == ['adds_total{name="a"} 7.0', 'depth{name="a"} 2.0']
    end()
    assert shown(registry) == []


@case("IN-163")
def test_figures_have_one_name_each_which_another_may_take_once_they_end(metrics: PrometheusMetrics) -> None:
    end = metrics.add_source("a", list)
    with pytest.raises(ConfigError, match="'a' already: give each a name of its own"):
        metrics.add_source("a", list)
    with pytest.raises(ConfigError, match="need a name"):
        metrics.add_source("", list)
    metrics.add_source("b", list)
    end()
    metrics.add_source("a", tuple)
    end()  # again: the name is another's now
    with pytest.raises(ConfigError):
        metrics.add_source("a", list)
    assert repr(metrics) == "<PrometheusMetrics of 2 sources>"


def test_a_registry_takes_one_and_says_which_version_it_is(registry: CollectorRegistry) -> None:
    metrics = PrometheusMetrics(registry)
    with pytest.raises(ConfigError, match="share them"):
        PrometheusMetrics(registry)
    assert registry.get_sample_value("kubeprims_info", {"version": __version__}) == 1
    metrics.close()
    metrics.close()
    PrometheusMetrics(registry).close()


def test_what_does_not_fit_a_family_is_refused(registry: CollectorRegistry, metrics: Metrics) -> None:
    metrics.counter(ADDS, ["a"])
    with pytest.raises(ConfigError, match="adds_total is a counter"):
        metrics.gauge(ADDS, ["a"])
    with pytest.raises(ConfigError, match="labels"):
        metrics.counter(ADDS)
    other = MetricFamily(name="adds_total", kind=MetricKind.COUNTER, description="Other.", labels=("name",))
    with pytest.raises(ConfigError, match="declared otherwise"):
        metrics.counter(other, ["a"])
    ForeignGauge("depth", "Somebody else's.", registry=registry)
    with pytest.raises(ConfigError, match="has a metric depth already"):
        metrics.gauge(DEPTH, ["a"])
    registry.unregister(next(c for c in [*registry._collector_to_names] if isinstance(c, ForeignGauge)))


@pytest.mark.parametrize(
    ("family", "field"),
    [
        ({"name": "adds", "kind": MetricKind.COUNTER}, "name"),
        ({"name": "depth_total", "kind": MetricKind.GAUGE}, "name"),
        ({"name": "a-b", "kind": MetricKind.GAUGE}, "name"),
        ({"name": "a", "kind": MetricKind.GAUGE, "labels": ("__a",)}, "labels"),
        ({"name": "a", "kind": MetricKind.GAUGE, "labels": ("a b",)}, "labels"),
        ({"name": "a", "kind": MetricKind.GAUGE, "buckets": (1.0,)}, "buckets"),
        ({"name": "a", "kind": MetricKind.HISTOGRAM}, "buckets"),
        ({"name": "a", "kind": MetricKind.HISTOGRAM, "buckets": (1.0, 1.0)}, "buckets"),
    ],
)
def test_a_family_that_no_system_could_show_is_refused(family: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MetricFamily(description="", **family)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_nothing_is_kept_by_default() -> None:
    metrics: Metrics = NullMetrics()
    metrics.counter(ADDS, ["a"]).inc()
    metrics.gauge(DEPTH, ["a"]).set(1)
    metrics.histogram(LATENCY, ["a"]).observe(1)
    metrics.remove(ADDS, ["a"])

    def collect() -> Iterable[Sample]:
        raise AssertionError

    metrics.add_source("a", collect)
    metrics.add_source("a", collect)()
    assert repr(metrics) == "NullMetrics()"


def test_the_extra_is_named_where_prometheus_client_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r'the extra "metrics" \(pip install "kubeprims\[metrics\]"\)'):
        PrometheusMetrics()
