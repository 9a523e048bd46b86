"""The figures of work queues, under client-go's names.

Durations are measured as they happen; everything else is read when somebody looks, so nothing has to be refreshed while
nobody does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubeprims.metrics import Histogram, MetricFamily, MetricKind, Metrics, Sample

_BOUNDS_S = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


def _family(name: str, kind: MetricKind, description: str) -> MetricFamily:
    buckets = _BOUNDS_S if kind is MetricKind.HISTOGRAM else ()
    return MetricFamily(name=f"workqueue_{name}", kind=kind, description=description, labels=("name",), buckets=buckets)


DEPTH = _family("depth", MetricKind.GAUGE, "Keys that are to be worked on.")
ADDS = _family("adds_total", MetricKind.COUNTER, "Keys that came to be worked on.")
RETRIES = _family(
    "retries_total", MetricKind.COUNTER, "Keys that were to be worked on after a delay: again, as a rule."
)
QUEUE_DURATION = _family(
    "queue_duration_seconds", MetricKind.HISTOGRAM, "How long ago a key was added when a worker got it."
)
WORK_DURATION = _family("work_duration_seconds", MetricKind.HISTOGRAM, "For how long a key was worked on.")
UNFINISHED = _family(
    "unfinished_work_seconds", MetricKind.GAUGE, "For how long the keys have been worked on that are not done, in all."
)
LONGEST = _family(
    "longest_running_processor_seconds", MetricKind.GAUGE, "For how long the longest of them has been worked on."
)

FAMILIES = (DEPTH, ADDS, RETRIES, QUEUE_DURATION, WORK_DURATION, UNFINISHED, LONGEST)
"""All of them."""


class QueueMetrics:
    """The figures of one queue.

    Concurrency:
        The queue writes under its own lock; :meth:`collect` may be called from any thread.

    Source:
        client-go util/workqueue/metrics.go.
        Same: names, labels and bounds; a key that is added again while a worker has it counts from then;
        whatever is added after a delay is a retry.
        Differs: the two gauges of unfinished work are computed when they are read, where upstream refreshes them every
        half second.
    """

    __slots__ = ("_dirty", "_name", "_processing", "_stop", "adds", "queue_duration", "retries", "work_duration")

    def __init__(
        self,
        metrics: Metrics,
        name: str,
        *,
        dirty: Callable[[], int],
        processing: Callable[[], tuple[tuple[object, float], ...]],
    ) -> None:
        """Begin to give figures.

        Args:
            metrics: Where they go.
            name: The queue's name; nobody else's.
            dirty: Returns how many keys are to be worked on, those included that workers still have.
            processing: Returns the keys that are worked on, and for how long.

        Raises:
            ConfigError: The name is in use.
        """
        self._name = name
        self._dirty = dirty
        self._processing = processing
        self.adds = 0
        self.retries = 0
        self._stop = metrics.add_source(f"workqueue {name}", self.collect)
        self.queue_duration: Histogram = metrics.histogram(QUEUE_DURATION, (name,))
        self.work_duration: Histogram = metrics.histogram(WORK_DURATION, (name,))

    def collect(self) -> Iterator[Sample]:
        """Yield the figures of the moment."""
        durations = [seconds for _, seconds in self._processing()]
        for family, value in (
            (DEPTH, self._dirty()),
            (ADDS, self.adds),
            (RETRIES, self.retries),
            (UNFINISHED, sum(durations)),
            (LONGEST, max(durations, default=0.0)),
        ):
            yield Sample(family, (self._name,), value)

    def close(self, metrics: Metrics) -> None:
        """Let go of the figures."""
        self._stop()
        for family in (QUEUE_DURATION, WORK_DURATION):
            metrics.remove(family, (self._name,))
