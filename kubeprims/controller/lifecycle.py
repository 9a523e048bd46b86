"""What a manager starts and stops, and how it waits for several at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar, runtime_checkable

from kubeprims.clock import Clock
from kubeprims.errors import InvalidArgument, LifecycleError
from kubeprims.threads import Cancel, Deadline, ThreadGroup

_LAST_SHARE, _LAST_MAX_S = 0.1, 1.0

logger = logging.getLogger(__name__)


@runtime_checkable
class Runnable(Protocol):
    """Anything that runs until it is told to stop."""

    def run(self, stop: Cancel, /) -> None:
        """Run until ``stop`` is set; what it raises ends the manager."""
        ...


_R = TypeVar("_R", bound=Runnable)


def checked(runnable: _R) -> _R:
    """Return what can be run.

    Raises:
        InvalidArgument: It cannot.
    """
    if isinstance(runnable, type) or not callable(getattr(runnable, "run", None)):
        raise InvalidArgument(f"a manager runs controllers and what has run(stop), not {runnable!r}")
    return runnable


class Member:
    """One thing that a manager runs, on a thread of its own.

    Attributes:
        name: For logs and errors.
        error: What it died of; None if it has not.
        has_ended: Whether it ran, and has ended.
        cut: Ends what it waits for.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[Cancel], None],
        *,
        clock: Clock,
        unfinished: Callable[[], Sequence[str]] = lambda: (),
        cut: Callable[[], None] = lambda: None,
    ) -> None:
        """Make one that does not run yet.

        Args:
            name: For logs and errors.
            body: What it does, until the cancel is set.
            clock: The clock to live by.
            unfinished: Says what it is still at, for who waits for its end in vain.
            cut: Ends what it waits for, as its time is nearly over; must not block.
        """
        self.name = name
        self.error: BaseException | None = None
        self.has_ended = False
        self._is_told = False
        self._body = body
        self._unfinished = unfinished
        self.cut = cut
        self._clock = clock
        self._stop = Cancel()
        self._lock = threading.Lock()
        self._threads: ThreadGroup | None = None

    def start(self, on_end: Callable[[Member], None]) -> None:
        """Start it, unless it was told to stop; ``on_end`` is told, on its thread, when it ends.

        Raises:
            LifecycleError: It was started before.
        """
        with self._lock:
            if self._threads is not None:
                raise LifecycleError(f"{self.name} was started before; it starts once")
            if self._stop.is_set:
                return
            self._threads = ThreadGroup(self.name)
            # Under the lock: who tells it to stop and waits must not miss a thread that comes later.
            self._threads.spawn(lambda: self._run(on_end), name="run")

    def _run(self, on_end: Callable[[Member], None]) -> None:
        try:
            self._body(self._stop)
        except BaseException as died:  # noqa: BLE001 - told to the manager, which ends with it
            self.error = died
        self.has_ended = True
        on_end(self)

    @property
    def unfinished(self) -> list[str]:
        """What it is still at: its name, if it does not say."""
        return [f"{self.name}: {what}" for what in self._unfinished()] or [self.name]

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._is_told

    def signal_stop(self) -> None:
        """Tell it to stop; never blocks."""
        self._is_told = True  # the cancel may also be set by the body itself, as it dies
        self._stop.set()

    def join(self, deadline: Deadline) -> bool:
        """Wait until it has ended, and return whether it has."""
        with self._lock:
            threads = self._threads
        return threads is None or not threads.join(deadline)


def before_the_end(deadline: Deadline, *, steps: int = 1) -> Deadline:
    """Return a deadline earlier by some steps, for whatever comes after it: each a tenth of the time, or a second."""
    step_s = min(_LAST_MAX_S, _LAST_SHARE * max(0.0, deadline.remaining_s()))
    return replace(deadline, at_s=deadline.at_s - steps * step_s)


def stop_all(members: list[Member], deadline: Deadline) -> list[str]:
    """Tell all of them to stop, wait for all, and return what those are still at that have not ended in time.

    What still runs is logged after each third of the time, and what that waits for is cut off just before the end.

    Source:
        kube-controller-manager app/controllermanager.go, ``RunControllers``.
    """
    for member in members:
        member.signal_stop()
    left = members
    for thirds in (3, 2, 1):
        remaining_s = deadline.remaining_s() / thirds
        until = deadline if thirds == 1 else Deadline.after(max(0.0, remaining_s), clock=deadline.clock)
        if thirds == 1:
            left = [member for member in left if not member.join(before_the_end(deadline))]
            for member in left:
                member.cut()
        left = [member for member in left if not member.join(until)]
        if not left:
            return []
        logger.warning("still running: %s", ", ".join(what for member in left for what in member.unfinished))
    return [what for member in left for what in member.unfinished]
