"""The handlers of one informer: each checked where it is added, fed by the pipeline, and run on a thread of its own."""

from __future__ import annotations

from kubeprims.clock import Clock
from kubeprims.errors import LifecycleError
from kubeprims.informer.buffer import BUFFER_LIMIT, BufferPolicy, checked_limit, checked_policy
from kubeprims.informer.dispatch import HandlerErrorCallback, HandlerRegistration
from kubeprims.informer.handlers import Tell
from kubeprims.informer.options import checked_resync_period
from kubeprims.informer.pipeline import Pipeline
from kubeprims.threads import Cancel, ThreadGroup


class HandlerRegistry:
    """Adds handlers to a pipeline and removes them, before, during and after the life of their informer.

    Concurrency:
        Every method may be called from any thread, handlers included.
    """

    def __init__(  # noqa: PLR0913 - one collaborator or setting each
        self,
        pipeline: Pipeline,
        threads: ThreadGroup,
        cancel: Cancel,
        *,
        informer: str,
        clock: Clock,
        resync_period_s: float,
        on_error: HandlerErrorCallback | None,
    ) -> None:
        """Make an empty registry.

        Args:
            pipeline: Feeds the handlers.
            threads: Owns their threads.
            cancel: Set once the informer is told to stop.
            informer: Its name, for logs and errors.
            clock: Tells when a resync is due.
            resync_period_s: How often the cache is replayed to handlers that name no period, in seconds; 0 is never.
            on_error: Called with each error of each handler.
        """
        self._pipeline = pipeline
        self._threads = threads
        self._cancel = cancel
        self._informer = informer
        self._clock = clock
        self._resync_period_s = resync_period_s
        self._on_error = on_error
        self._made = 0
        self._has_started = False

    def add(
        self,
        tell: Tell,
        *,
        name: str = "",
        resync_period_s: float | None = None,
        policy: BufferPolicy | str = BufferPolicy.COALESCE,
        buffer_limit: int = BUFFER_LIMIT,
        has_thread: bool = True,
    ) -> HandlerRegistration:
        """Have a handler told of all that is in the cache, then of every change; see ``add_event_handler``.

        Raises:
            InvalidArgument: The policy is unknown, or the limit or period is out of range.
            LifecycleError: The informer is stopped.
        """
        with self._pipeline.lock:
            self._made += 1
            registration = HandlerRegistration(
                tell,
                name=name or f"handler {self._made} of {self._informer}",
                clock=self._clock,
                resync_period_s=checked_resync_period(
                    self._resync_period_s if resync_period_s is None else resync_period_s
                ),
                replay=self._pipeline.resync,
                policy=checked_policy(policy),
                buffer_limit=checked_limit(buffer_limit),
                has_thread=has_thread,
                on_room=self._pipeline.make_room,
                on_error=self._on_error,
            )
            self._pipeline.add(registration)
            try:
                self._run(registration)
            except BaseException:
                self.remove(registration)
                raise
        return registration

    def remove(self, registration: HandlerRegistration) -> None:
        """Have a handler told no more; nothing happens if it is not one of these. Never blocks."""
        if registration in self._pipeline.registrations:
            registration.close()
            self._pipeline.remove(registration)

    def start(self) -> None:
        """Start the thread of every handler, now or when it is added; called under the pipeline's lock."""
        self._has_started = True
        for registration in self._pipeline.registrations:
            self._run(registration)

    def close(self) -> None:
        """End every handler; takes no lock that user code could hold, so that it never blocks."""
        for registration in self._pipeline.registrations:
            registration.close()

    def _run(self, registration: HandlerRegistration) -> None:
        # Who stops the informer sets this first and closes the handlers then, so one of both sees the other.
        if self._cancel.is_set:
            raise LifecycleError(f"informer {self._informer} has stopped; it takes no handler any more")
        if self._has_started and registration.has_thread:
            self._threads.spawn(registration.run, name=registration.name)
