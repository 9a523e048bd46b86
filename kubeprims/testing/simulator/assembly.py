"""An informer that a simulation can drive: the real parts, put together without threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubeprims.cache.indexer import Indexer
from kubeprims.clock import Clock, Rng
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.handlers import Tell
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.options import QUEUES
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.refetch import Refetcher
from kubeprims.informer.reflector import ListerWatcher, Reflector
from kubeprims.informer.source import Source
from kubeprims.objects.record import ObjectRecord
from kubeprims.testing.simulator.schedule import Manner
from kubeprims.threads import Cancel


class Assembly:
    """One informer, without threads. A subclass may put another part in the place of one of ours.

    Attributes:
        indexer: The cache.
        pipeline: From what is read to what handlers are told.
        source: Where the reflector puts what it reads.
        reflector: Lists and watches.
    """

    def __init__(
        self,
        lister_watcher: ListerWatcher,
        *,
        options: ReflectorOptions,
        clock: Clock,
        rng: Rng,
        queue: str = "in_order",
    ) -> None:
        """Put it together.

        Args:
            lister_watcher: The server, simulated.
            options: How to list and watch.
            clock: The world: waiting on it lets the world go on.
            rng: The chance in delays.
            queue: Which queue is between the reflector and the cache: ``in_order`` or ``delta_fifo``.
        """
        self._clock = clock
        self._rng = rng
        self._queue = queue
        self.indexer = self.make_indexer()
        self.pipeline = self.make_pipeline()
        self.source = self.make_source()
        self.reflector = self.make_reflector(lister_watcher, options=options, clock=clock, rng=rng)

    # -- the parts --------------------------------------------------------------------------------------------------

    def make_indexer(self) -> Indexer:
        """Return the cache."""
        return Indexer()

    def make_pipeline(self) -> Pipeline:
        """Return what leads to the cache and the handlers."""
        return Pipeline(self.indexer, make_queue=QUEUES[self._queue], clock=self._clock)

    def make_source(self) -> Source:
        """Return where the reflector puts what it reads."""
        return self.pipeline.source()

    def make_reflector(
        self, lister_watcher: ListerWatcher, *, options: ReflectorOptions, clock: Clock, rng: Rng
    ) -> Reflector:
        """Return what lists and watches."""
        return Reflector(lister_watcher, self.source, name="pods", options=options, clock=clock, rng=rng)

    def make_refetcher(self, lister_watcher: ListerWatcher) -> Refetcher:
        """Return what asks again for objects that arrived damaged; the simulation takes its steps."""
        return Refetcher(
            lister_watcher,
            self.source,
            name="pods",
            status=self.reflector.status,
            clock=self._clock,
            rng=self._rng,
            spawn=_spawn_nothing,
        )

    def make_registration(self, tell: Tell, manner: Manner) -> HandlerRegistration:
        """Return what tells a handler."""
        return HandlerRegistration(
            tell,
            name="handler",
            clock=self._clock,
            resync_period_s=manner.resync_period_s,
            replay=self.pipeline.resync,
            policy=manner.policy,
            buffer_limit=manner.buffer_limit,
            on_room=self.pipeline.make_room,
        )

    # -- what the simulation does with it ---------------------------------------------------------------------------

    def run(self, cancel: Cancel) -> None:
        """Be the reflector's thread until ``cancel`` is set."""
        self.reflector.run(cancel)

    def add_handler(self, tell: Tell, manner: Manner) -> HandlerRegistration:
        """Add a handler."""
        registration = self.make_registration(tell, manner)
        self.pipeline.add(registration)
        return registration

    def remove_handler(self, registration: HandlerRegistration) -> None:
        """Remove a handler."""
        self.pipeline.remove(registration)
        registration.close()

    def records(self) -> Sequence[ObjectRecord]:
        """Return what is in the cache."""
        return self.indexer.records()

    @property
    def gathered(self) -> int:
        """How many objects of a list are held that are not in the cache yet."""
        return self.reflector.gathered


def _spawn_nothing(target: Callable[[], None], name: str) -> None:  # noqa: ARG001 - what is called to start a thread
    raise AssertionError(name)  # there is one thread
