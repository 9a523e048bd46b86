"""The figures of controllers, under controller-runtime's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubeprims.controller.result import ReconcileResult
from kubeprims.metrics import Histogram, MetricFamily, MetricKind, Metrics, Sample

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def _family(name: str, kind: MetricKind, description: str, *labels: str) -> MetricFamily:
    return MetricFamily(
        name=f"controller_runtime_{name}",
        kind=kind,
        description=description,
        labels=("controller", *labels),
        buckets=_BOUNDS_S if kind is MetricKind.HISTOGRAM else (),
    )


RECONCILES = _family("reconcile_total", MetricKind.COUNTER, "Reconciles that have ended, by result.", "result")
ERRORS = _family("reconcile_errors_total", MetricKind.COUNTER, "Reconciles that failed.")
TERMINAL_ERRORS = _family("terminal_reconcile_errors_total", MetricKind.COUNTER, "Those that another try cannot mend.")
TIMEOUTS = _family("reconcile_timeouts_total", MetricKind.COUNTER, "Reconciles that took too long.")
UNSETTLED = _family(
    "reconcile_unsettled_total", MetricKind.COUNTER, "Keys put off as a cache did not show the controller's own write."
)
DURATION = _family("reconcile_time_seconds", MetricKind.HISTOGRAM, "For how long a reconcile ran.")
WORKERS = _family("max_concurrent_reconciles", MetricKind.GAUGE, "How many reconciles may run at once.")
ACTIVE = _family("active_workers", MetricKind.GAUGE, "How many run at the moment.")

FAMILIES = (RECONCILES, ERRORS, TERMINAL_ERRORS, TIMEOUTS, UNSETTLED, DURATION, WORKERS, ACTIVE)
"""All of them."""


class ReconcileCounts:
    """How a controller's reconciles have ended: written by its workers, read by anybody.

    Attributes:
        by_result: How many ended in each way.
        errors: How many failed.
        terminal_errors: How many of those in a way that is not tried again.
        timeouts: How many took too long.
        unsettled: How often one was put off because a cache did not show the controller's own write in time.
    """

    __slots__ = ("by_result", "errors", "terminal_errors", "timeouts", "unsettled")

    def __init__(self) -> None:
        self.by_result: dict[str, int] = {result.value: 0 for result in ReconcileResult}
        self.errors = 0
        self.terminal_errors = 0
        self.timeouts = 0
        self.unsettled = 0


class ControllerMetrics:
    """The figures of one controller; every series is there from the start.

    Concurrency:
        :meth:`collect` may be called from any thread.

    Source:
        controller-runtime pkg/internal/controller/metrics/metrics.go.
        Differs: nothing panics here, so there is no count of that.
    """

    def __init__(
        self, metrics: Metrics, name: str, counts: ReconcileCounts, *, workers: int, active: Callable[[], int]
    ) -> None:
        """Begin to give figures.

        Raises:
            ConfigError: A controller of that name gives figures already.
        """
        self._name = name
        self._counts = counts
        self._workers = workers
        self._active = active
        self._metrics = metrics
        self._stop = metrics.add_source(f"controller {name}", self.collect)
        self.duration: Histogram = metrics.histogram(DURATION, (name,))

    def collect(self) -> Iterator[Sample]:
        """Yield the figures of the moment."""
        counts = self._counts
        for result in ReconcileResult:
            yield Sample(RECONCILES, (self._name, result.value), counts.by_result[result])
        for family, value in (
            (ERRORS, counts.errors),
            (TERMINAL_ERRORS, counts.terminal_errors),
            (TIMEOUTS, counts.timeouts),
            (UNSETTLED, counts.unsettled),
            (WORKERS, self._workers),
            (ACTIVE, self._active()),
        ):
            yield Sample(family, (self._name,), value)

    def close(self) -> None:
        """Let go of the figures."""
        self._stop()
        self._metrics.remove(DURATION, (self._name,))
