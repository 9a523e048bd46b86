"""The figures of an election: upstream's two, and what else tells how much air a leader has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubeprims.leaderelection.effects import EndReason
from kubeprims.metrics import MetricFamily, MetricKind, Metrics, Sample

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

STATUS = MetricFamily(
    name="leader_election_master_status",
    kind=MetricKind.GAUGE,
    description="1 while this process leads, else 0.",
    labels=("name",),
)
SLOWPATH = MetricFamily(
    name="leader_election_slowpath_total",
    kind=MetricKind.COUNTER,
    description="Renewals that needed a read before the write.",
    labels=("name",),
)
RENEW_LATENCY = MetricFamily(
    name="kubeprims_leader_election_renew_seconds",
    kind=MetricKind.HISTOGRAM,
    description="How long a renewal took that was accepted.",
    labels=("name",),
    buckets=_BOUNDS_S,
)
BOUND = MetricFamily(
    name="kubeprims_leader_election_bound_seconds",
    kind=MetricKind.GAUGE,
    description="Time until this process stops leading unless it renews; 0 while it does not lead.",
    labels=("name",),
)
TRANSITIONS = MetricFamily(
    name="kubeprims_leader_election_transitions",
    kind=MetricKind.GAUGE,
    description="How often the lock has changed hands, as it says itself.",
    labels=("name",),
)
LOSSES = MetricFamily(
    name="kubeprims_leader_election_terms_ended_total",
    kind=MetricKind.COUNTER,
    description="Terms that ended, by reason.",
    labels=("name", "reason"),
)

FAMILIES = (STATUS, SLOWPATH, RENEW_LATENCY, BOUND, TRANSITIONS, LOSSES)
"""All of them."""


class ElectionMetrics:
    """The figures of one election: there from when it is made, and never left at 1 when it has ended.

    Concurrency:
        The election's thread writes; any thread may read.
    """

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._metrics = metrics
        self._name = name
        self._status = metrics.gauge(STATUS, (name,))
        self._slowpath = metrics.counter(SLOWPATH, (name,))
        self._latency = metrics.histogram(RENEW_LATENCY, (name,))
        self._slow_renewals = 0
        self._status.set(0)

    def source(self, remaining_s: Callable[[], float], transitions: Callable[[], int]) -> Callable[[], None]:
        """Have the figures of the moment read until what is returned is called."""

        def collect() -> Iterator[Sample]:
            yield Sample(BOUND, (self._name,), remaining_s())
            yield Sample(TRANSITIONS, (self._name,), transitions())

        return self._metrics.add_source(f"leader election {self._name}", collect)

    def leads(self, *, is_leading: bool) -> None:
        """Note whether this process leads."""
        self._status.set(int(is_leading))

    def renewed(self, latency_s: float) -> None:
        """Note a renewal."""
        self._latency.observe(latency_s)

    def slow_renewals(self, count: int) -> None:
        """Note how many renewals needed a read so far."""
        if count > self._slow_renewals:
            self._slowpath.inc(count - self._slow_renewals)
            self._slow_renewals = count

    def ended(self, reason: EndReason) -> None:
        """Note why a term ended."""
        self._metrics.counter(LOSSES, (self._name, reason.value)).inc()
