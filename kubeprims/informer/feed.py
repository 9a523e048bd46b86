"""What fills an informer's cache: one reflector, as a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kubeprims.clock import Clock, Rng
from kubeprims.errors import KubeprimsError
from kubeprims.informer.learnt import ResourceMemory
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.refetch import Refetcher
from kubeprims.informer.reflector import ListerWatcher, Reflector
from kubeprims.informer.source import Source
from kubeprims.informer.start_gate import StartGate
from kubeprims.informer.status import ErrorCallback, ReflectorStatus
from kubeprims.threads import Cancel, Latch


class Feed(Protocol):
    """Fills a pipeline until it is cancelled."""

    @property
    def status(self) -> ReflectorStatus:
        """How it fares."""
        ...

    def run(self, cancel: Cancel) -> None:
        """Fill the pipeline: the body of one thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedParts:
    """What an informer gives to what fills its cache.

    Attributes:
        pipeline: What is filled.
        name: For logs and errors.
        options: Of each reflector.
        clock: The clock to live by.
        rng: The chance to live by.
        on_error: Called with each failure.
        memory: What is known of how the server serves the resource.
        gate: Where a first list waits for its turn; None if it need not.
        spawn: Starts a thread that the informer owns.
    """

    pipeline: Pipeline
    name: str
    options: ReflectorOptions
    clock: Clock
    rng: Rng
    on_error: ErrorCallback | None
    memory: ResourceMemory
    gate: StartGate | None
    spawn: Callable[[Callable[[], None], str], None]


class ReflectorFeed:
    """One reflector and its source.

    Concurrency:
        :meth:`run` is the body of one thread.
    """

    def __init__(self, lister_watcher: ListerWatcher, parts: FeedParts, *, namespace: str | None = None) -> None:
        self.source: Source = parts.pipeline.source(namespace)
        self._gate = parts.gate
        self._on_error = parts.on_error
        self._settled = Latch()
        self.source.listed.add_callback(self._settled.set)
        self._reflector = Reflector(
            lister_watcher,
            self.source,
            name=parts.name if namespace is None else f"{parts.name}: {namespace}",
            options=parts.options,
            clock=parts.clock,
            rng=parts.rng,
            on_error=self._failed,
            memory=parts.memory,
        )
        self._refetcher = Refetcher(
            lister_watcher,
            self.source,
            name=self._reflector.name,
            status=self._reflector.status,
            clock=parts.clock,
            rng=parts.rng,
            spawn=parts.spawn,
            on_error=parts.on_error,
        )

    @property
    def status(self) -> ReflectorStatus:
        """How the reflector fares, live."""
        return self._reflector.status

    def run(self, cancel: Cancel) -> None:
        """Wait for a turn, then list and watch until cancelled."""
        self.source.on_dirty = lambda: self._refetcher.notice(cancel)
        if self._gate is not None:
            self._gate.enter(self._settled, cancel)
        self._reflector.run(cancel)

    def _failed(self, error: KubeprimsError, delay_s: float) -> None:
        if delay_s > 0:
            self._settled.set()  # it goes on trying, on its own time; an object that is skipped ends no list
        if self._on_error is not None:
            self._on_error(error, delay_s)
