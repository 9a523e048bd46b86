"""The figures of informers: what they are called, and where they are read from.

All of them are read when somebody looks, from what an informer counts anyway; docs/reference/metrics.md is for readers.
Series come with the start of an informer and go when it stops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.status import ReflectorStatus
from kubeprims.metrics import MetricFamily, MetricKind, Sample


def _counter(name: str, description: str, *labels: str) -> MetricFamily:
    full_name = f"kubeprims_informer_{name}_total"
    return MetricFamily(name=full_name, kind=MetricKind.COUNTER, description=description, labels=("name", *labels))


def _gauge(name: str, description: str, *labels: str) -> MetricFamily:
    full_name = f"kubeprims_informer_{name}"
    return MetricFamily(name=full_name, kind=MetricKind.GAUGE, description=description, labels=("name", *labels))


LISTS = _counter("lists", "Lists that were begun.")
WATCH_LISTS = _counter("watch_lists", "Watches that were to begin with all objects.")
WATCHES = _counter("watches", "Watches that were opened, but for those.")
RESTARTS = _counter("restarts", "Lists and watches that had to be begun anew, by cause.", "cause")
FAILURES = _counter("failures", "Failures of any kind: of requests, of watches and of single objects.")
MALFORMED = _counter("malformed_objects", "Objects that could not be understood.")
REFETCHES = _counter("refetches", "Objects that were asked for again because they could not be understood.")
EVENTS = _counter("events", "Events that watches brought, by type.", "type")

SYNCED = _gauge("synced", "1 once the first list is in the cache, else 0.")
OBJECTS = _gauge("objects", "Objects in the cache.")
DIRTY = _gauge("dirty_objects", "Objects whose last state could not be understood: the cache has an earlier one.")
RESOURCE_VERSION = _gauge("resource_version", "Version of the cache, where it is a number.")
STALENESS = _gauge("staleness_seconds", "Time since the server was last heard of; infinite before the first list.")
QUEUE_DEPTH = _gauge("queue_depth", "Changes between watch and cache.")

HANDLER_PENDING = _gauge("handler_pending", "Changes that a handler has not had yet.", "handler")
HANDLER_LAG = _gauge("handler_lag_seconds", "For how long the oldest of them has waited.", "handler")
HANDLER_EVENTS = _counter("handler_events", "Changes on the server that a handler was told of.", "handler")
HANDLER_LAG_SUM = _counter("handler_lag_seconds", "For how long these had waited, in all.", "handler")
HANDLER_COALESCED = _counter("handler_coalesced", "Changes that were merged, for a handler was too slow.", "handler")
HANDLER_ERRORS = _counter("handler_errors", "Changes on which a handler raised.", "handler")

FAMILIES = (
    LISTS,
    WATCH_LISTS,
    WATCHES,
    RESTARTS,
    FAILURES,
    MALFORMED,
    REFETCHES,
    EVENTS,
    SYNCED,
    OBJECTS,
    DIRTY,
    RESOURCE_VERSION,
    STALENESS,
    QUEUE_DEPTH,
    HANDLER_PENDING,
    HANDLER_LAG,
    HANDLER_EVENTS,
    HANDLER_LAG_SUM,
    HANDLER_COALESCED,
    HANDLER_ERRORS,
)
"""All of them."""


class Informer(Protocol):
    """What is read of an informer."""

    @property
    def name(self) -> str:
        """The value of the label ``name``."""
        ...

    @property
    def status(self) -> ReflectorStatus:
        """What its reflectors count."""
        ...

    @property
    def staleness_s(self) -> float:
        """How long ago the server was heard of, in seconds."""
        ...


class InformerMetrics:
    """Reads the figures of one informer.

    Concurrency:
        Any thread may call :meth:`collect`.
    """

    def __init__(self, informer: Informer, pipeline: Pipeline) -> None:
        """Prepare to read from an informer and its pipeline."""
        self._informer = informer
        self._pipeline = pipeline

    def collect(self) -> Iterator[Sample]:
        """Yield the figures of the moment."""
        for family, labels, value in self._figures():
            yield Sample(family, (self._informer.name, *labels), value)

    def _figures(self) -> Iterator[tuple[MetricFamily, tuple[str, ...], float]]:
        status, pipeline = self._informer.status, self._pipeline
        yield LISTS, (), status.lists
        yield WATCH_LISTS, (), status.watch_lists
        yield WATCHES, (), status.watches
        yield FAILURES, (), status.failures
        yield MALFORMED, (), status.malformed
        yield REFETCHES, (), status.refetches
        # Copied at once: their thread may be counting.
        for cause, count in dict(status.restarts).items():
            yield RESTARTS, (cause,), count
        if pipeline.event_counts is not None:
            for kind, count in pipeline.event_counts.by_type.items():
                yield EVENTS, (kind,), count
        yield SYNCED, (), pipeline.has_synced
        yield OBJECTS, (), len(pipeline.indexer)
        yield DIRTY, (), pipeline.dirty_count
        yield STALENESS, (), self._informer.staleness_s
        yield QUEUE_DEPTH, (), pipeline.queue_depth
        version = status.resource_version
        if version.isascii() and version.isdigit():
            yield RESOURCE_VERSION, (), int(version)
        for handler, registrations in _by_name(pipeline.registrations).items():
            yield from _of_handler(handler, registrations)


def _of_handler(
    name: str, registrations: Iterable[HandlerRegistration]
) -> Iterator[tuple[MetricFamily, tuple[str, ...], float]]:
    yield HANDLER_PENDING, (name,), sum(registration.depth for registration in registrations)
    yield HANDLER_LAG, (name,), max(registration.lag_s for registration in registrations)
    yield HANDLER_EVENTS, (name,), sum(registration.events for registration in registrations)
    yield HANDLER_LAG_SUM, (name,), sum(registration.total_lag_s for registration in registrations)
    yield HANDLER_COALESCED, (name,), sum(registration.coalesced for registration in registrations)
    yield HANDLER_ERRORS, (name,), sum(registration.errors for registration in registrations)


def _by_name(registrations: Iterable[HandlerRegistration]) -> dict[str, list[HandlerRegistration]]:
    """Return registrations by name: several of one name share their series."""
    found: dict[str, list[HandlerRegistration]] = {}
    for registration in registrations:
        found.setdefault(registration.name, []).append(registration)
    return found
