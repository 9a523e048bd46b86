"""Figures about what runs, behind one small interface: nothing by default, prometheus-client where it is asked for.

Who has figures says what they are (:class:`MetricFamily`) and gives them in one of two ways. What is counted anyway is
read when somebody looks, by a source (:meth:`Metrics.add_source`): whatever is measured then pays nothing. What must be
measured at the moment, such as how long something took, is pushed into a series (:meth:`Metrics.histogram`).

Any other system of metrics, such as OpenTelemetry, takes a class with the methods of :class:`Metrics`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, cast

from kubeprims.errors import ConfigError
from kubeprims.version import __version__

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric
    from prometheus_client.metrics import MetricWrapperBase
    from prometheus_client.registry import Collector


class MetricKind(StrEnum):
    """What the figures of a family are."""

    COUNTER = "counter"
    """How often, or how much in all: it only grows."""
    GAUGE = "gauge"
    """How much at the moment."""
    HISTOGRAM = "histogram"
    """How many of the measured values were up to each of several bounds."""


_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFamily:
    """One metric: a name, and what tells its series from each other.

    Attributes:
        name: The name; a counter's ends with ``_total``, and the unit comes before that.
        kind: What the figures are.
        description: One sentence for who reads them.
        labels: The names of the labels; each series has a value for each.
        buckets: The bounds of a histogram, ascending; empty for any other kind.

    Raises:
        ConfigError: The name or a label is none, or the buckets do not fit.
    """

    name: str
    kind: MetricKind
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or (self.kind is MetricKind.COUNTER) != self.name.endswith("_total"):
            rule = f"must be letters, digits and underscores, and end with _total for a counter alone: {self.name!r}"
            raise ConfigError(rule, field="name")
        if any(not _LABEL.fullmatch(label) for label in self.labels):
            raise ConfigError(f"must be letters, digits and underscores: {self.labels!r}", field="labels")
        ascends = all(low < high for low, high in pairwise(self.buckets))
        if (self.kind is MetricKind.HISTOGRAM) != bool(self.buckets) or not ascends:
            raise ConfigError("a histogram has ascending bounds, and nothing else has any", field="buckets")


class Sample(NamedTuple):
    """The figure of one series at the moment.

    Attributes:
        family: The metric: a counter or a gauge.
        labels: A value for each of the family's labels.
        value: The figure.
    """

    family: MetricFamily
    labels: tuple[str, ...]
    value: float


Collect = Callable[[], Iterable[Sample]]
"""Returns the figures of the moment; called from any thread, must neither block nor raise."""


class Counter(Protocol):
    """One series of a counter."""

    def inc(self, amount: float = 1, /) -> None:
        """Add to it."""
        ...


class Gauge(Protocol):
    """One series of a gauge."""

    def set(self, value: float, /) -> None:
        """Make it so much."""
        ...


class Histogram(Protocol):
    """One series of a histogram."""

    def observe(self, value: float, /) -> None:
        """Add a measured value."""
        ...


class Metrics(Protocol):
    """Where figures go.

    Concurrency:
        Every method, and those of every series, may be called from any thread.
    """

    def counter(self, family: MetricFamily, labels: Sequence[str] = ()) -> Counter:
        """Return the series of a counter with these label values, which stays until :meth:`remove`."""
        ...

    def gauge(self, family: MetricFamily, labels: Sequence[str] = ()) -> Gauge:
        """Return the series of a gauge with these label values, which stays until :meth:`remove`."""
        ...

    def histogram(self, family: MetricFamily, labels: Sequence[str] = ()) -> Histogram:
        """Return the series of a histogram with these label values, which stays until :meth:`remove`."""
        ...

    def remove(self, family: MetricFamily, labels: Sequence[str] = ()) -> None:
        """Let go of a series; nothing happens if there is none."""
        ...

    def add_source(self, name: str, collect: Collect) -> Callable[[], None]:
        """Have figures read from ``collect`` whenever somebody looks, and return what ends that.

        Args:
            name: Whose figures they are: not empty, and nobody else's until they end, or series would be mixed up.
            collect: Returns the figures.

        Raises:
            ConfigError: The name is empty or in use.
        """
        ...


class NullMetrics:
    """Keeps no figures: the default."""

    def counter(self, family: MetricFamily, labels: Sequence[str] = ()) -> Counter:  # noqa: ARG002 - the protocol's signature
        """Return a series that nobody reads."""
        return _NOTHING

    def gauge(self, family: MetricFamily, labels: Sequence[str] = ()) -> Gauge:  # noqa: ARG002 - the protocol's signature
        """Return a series that nobody reads."""
        return _NOTHING

    def histogram(self, family: MetricFamily, labels: Sequence[str] = ()) -> Histogram:  # noqa: ARG002 - the protocol's signature
        """Return a series that nobody reads."""
        return _NOTHING

    def remove(self, family: MetricFamily, labels: Sequence[str] = ()) -> None:
        """Do nothing."""

    def add_source(self, name: str, collect: Collect) -> Callable[[], None]:  # noqa: ARG002 - the protocol's signature
        """Never read from it."""
        return _nothing

    def __repr__(self) -> str:
        return "NullMetrics()"


class _Nothing:
    """A series of any kind that keeps nothing."""

    __slots__ = ()

    def inc(self, amount: float = 1, /) -> None:
        pass

    def set(self, value: float, /) -> None:
        pass

    def observe(self, value: float, /) -> None:
        pass


_NOTHING = _Nothing()


def _nothing() -> None:
    """End a source that is never read."""


_Wrapper = TypeVar("_Wrapper", bound="MetricWrapperBase")


class PrometheusMetrics:
    """Figures for Prometheus, by prometheus-client (the extra ``metrics``).

    One is enough for a process, and a registry takes only one. Its figures are in what the registry gives out, such as
    by ``prometheus_client.start_http_server``.

    Attributes:
        registry: Where the figures are.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register with a registry.

        Args:
            registry: The registry; None is prometheus-client's own, which holds figures of the process as well.

        Raises:
            ConfigError: prometheus-client is not installed, or the registry has one already.
        """
        try:
            import prometheus_client
        except ImportError:
            rule = 'prometheus-client is not installed: install the extra "metrics" (pip install "kubeprims[metrics]")'
            raise ConfigError(rule, field="metrics") from None
        self.registry = prometheus_client.REGISTRY if registry is None else registry
        self._lock = threading.Lock()
        self._families: dict[str, MetricFamily] = {}
        self._pushed: dict[str, MetricWrapperBase] = {}
        self._sources: dict[str, Collect] = {}
        try:
            self.registry.register(self)
        except ValueError as error:
            raise ConfigError("the registry has kubeprims' figures already: share them", field="metrics") from error

    def counter(self, family: MetricFamily, labels: Sequence[str] = ()) -> Counter:
        """Return the series of a counter; see :meth:`Metrics.counter`.

        Raises:
            ConfigError: The name is another metric's, or the labels do not fit.
        """
        from prometheus_client import Counter

        return self._series(
            MetricKind.COUNTER, family, labels, partial(Counter, *_spec(family), registry=self.registry)
        )

    def gauge(self, family: MetricFamily, labels: Sequence[str] = ()) -> Gauge:
        """Return the series of a gauge; see :meth:`Metrics.gauge`.

        Raises:
            ConfigError: The name is another metric's, or the labels do not fit.
        """
        from prometheus_client import Gauge

        return self._series(MetricKind.GAUGE, family, labels, partial(Gauge, *_spec(family), registry=self.registry))

    def histogram(self, family: MetricFamily, labels: Sequence[str] = ()) -> Histogram:
        """Return the series of a histogram; see :meth:`Metrics.histogram`.

        Raises:
            ConfigError: The name is another metric's, or the labels do not fit.
        """
        from prometheus_client import Histogram

        make = partial(Histogram, *_spec(family), registry=self.registry, buckets=family.buckets)
        return self._series(MetricKind.HISTOGRAM, family, labels, make)

    def remove(self, family: MetricFamily, labels: Sequence[str] = ()) -> None:
        """Let go of a series; nothing happens if there is none."""
        with self._lock:
            pushed = self._pushed.get(family.name)
            if pushed is None:
                return
            if family.labels:
                pushed.remove(*labels)
            else:
                del self._pushed[family.name]
                self.registry.unregister(pushed)

    def add_source(self, name: str, collect: Collect) -> Callable[[], None]:
        """Have figures read from ``collect`` at each scrape; see :meth:`Metrics.add_source`.

        Raises:
            ConfigError: The name is empty or in use.
        """
        with self._lock:
            if not name or name in self._sources:
                rule = f"there are figures of {name!r} already" if name else "figures need a name to be told apart by"
                raise ConfigError(f"{rule}: give each a name of its own", field="name")
            self._sources[name] = collect
        return lambda: self._remove_source(name, collect)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return all that the registry has, in the format that a scrape accepts, and the name of that format.

        Args:
            accept: The Accept header of the scrape.
        """
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def close(self) -> None:
        """Take all figures out of the registry; may be called again."""
        with self._lock:
            collectors: list[Collector] = [*self._pushed.values(), self]
            self._pushed.clear()
            self._families.clear()
            self._sources.clear()
        for collector in collectors:
            with suppress(KeyError):  # closed before
                self.registry.unregister(collector)

    # -- what the registry calls ----------------------------------------------------------------------------------

    def describe(self) -> Iterable[Metric]:
        """Return what no two may register: by that a registry knows that it has one of these."""
        return [_info()]

    def collect(self) -> Iterator[Metric]:
        """Yield all that the sources have at the moment."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        with self._lock:
            sources = [*self._sources.values()]
        found: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for family, labels, value in (sample for collect in sources for sample in collect()):
            metric = found.get(family.name)
            if metric is None:
                assert family.kind is not MetricKind.HISTOGRAM, family  # is pushed, never read
                make = CounterMetricFamily if family.kind is MetricKind.COUNTER else GaugeMetricFamily
                metric = found[family.name] = make(family.name, family.description, labels=family.labels)
            metric.add_metric(labels, value)
        yield _info()
        yield from found.values()

    def _series(
        self, kind: MetricKind, family: MetricFamily, labels: Sequence[str], make: Callable[[], _Wrapper]
    ) -> _Wrapper:
        """Return the series of these labels, declaring the family first if nobody has."""
        if family.kind is not kind or len(labels) != len(family.labels):
            raise ConfigError(f"{family.name} is a {family.kind} with labels {family.labels!r}", field="metrics")
        with self._lock:
            if self._families.setdefault(family.name, family) != family:
                raise ConfigError(f"{family.name} was declared otherwise before", field="metrics")
            pushed = self._pushed.get(family.name)
            if pushed is None:
                try:
                    pushed = self._pushed[family.name] = make()
                except ValueError as error:
                    raise ConfigError(f"the registry has a metric {family.name} already", field="metrics") from error
            # The family is the key and has one kind, so this is what make() once made.
            series = cast("_Wrapper", pushed)
            return series.labels(*labels) if labels else series

    def _remove_source(self, name: str, collect: Collect) -> None:
        with self._lock:
            if self._sources.get(name) is collect:  # else ended before, and the name may be another's
                del self._sources[name]

    def __repr__(self) -> str:
        return f"<PrometheusMetrics of {len(self._sources)} sources>"


def _spec(family: MetricFamily) -> tuple[str, str, tuple[str, ...]]:
    return family.name, family.description, family.labels


def _info() -> Metric:
    from prometheus_client.core import InfoMetricFamily

    return InfoMetricFamily("kubeprims", "The version of kubeprims.", value={"version": __version__})
