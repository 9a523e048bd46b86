"""Follows changes until they have been what was waited for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from kubeprims.client.conditions import describe_state
from kubeprims.client.options import check_timeout_s
from kubeprims.client.watch import ObjectEvent
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import InvalidArgument, WaitTimeout, WatchClosed
from kubeprims.threads import Deadline, Latch, ThreadGroup

EventCondition = Callable[[ObjectEvent], bool]
"""Says of a change whether it is what was waited for; what it raises ends the wait."""


@runtime_checkable
class Closable(Protocol):
    """Changes that can be ended from another thread."""

    def close(self) -> None:
        """End the iteration at once."""
        ...


def until(
    events: Iterable[ObjectEvent],
    *conditions: EventCondition,
    timeout_s: float | None = None,
    clock: Clock | None = None,
) -> ObjectEvent:
    """Follow changes until each condition has held, one after the other, and return the change that the last held of.

    The change of which one condition holds is the first that the next one is asked about.

    Args:
        events: The changes: a :class:`~kubeprims.client.watch.WatchStream`, a
            :class:`~kubeprims.client.retry_watcher.RetryWatcher`, or those of an informer
            (:func:`~kubeprims.informer.until.until_with_sync` is more for these).
        conditions: What to wait for, in this order.
        timeout_s: How long to wait, in seconds; the changes are closed then. None is for as long as there are any.
        clock: The clock to live by.

    Raises:
        InvalidArgument: There is no condition, or the time-out is not positive, or one that nothing could end.
        WaitTimeout: It took longer.
        WatchClosed: The changes ended before.
        KubeprimsError: What the changes end with: see there.

    Concurrency:
        Blocks the calling thread. A condition that does not return is waited for.

    Source:
        client-go tools/watch/until.go, ``UntilWithoutRetry`` and ``Until``.
    """
    if not conditions:
        message = "until needs a condition"
        raise InvalidArgument(message)
    progress = _Progress(conditions)
    if timeout_s is None:
        met = progress.follow(events)
        if met is None:
            raise WatchClosed(met=progress.met, conditions=len(conditions))
        return met
    check_timeout_s(timeout_s)
    if not isinstance(events, Closable):
        raise InvalidArgument(f"{events!r} cannot be closed, so no time-out could end it")
    with _closed_after(events, timeout_s, clock or SystemClock()) as is_over:
        met = progress.follow(events)
    if met is not None:
        return met
    if not is_over.is_set:
        raise WatchClosed(met=progress.met, conditions=len(conditions))
    last = None if progress.last is None else progress.last.object
    raise WaitTimeout(
        repr(events),
        condition=f"all that was waited for ({progress.met} of {len(conditions)} conditions were met)",
        timeout_s=timeout_s,
        last=last,
        seen="no change" if last is None else describe_state(last),
    )


class _Progress:
    """How far one wait has come.

    Attributes:
        met: How many conditions have held.
        last: The last change; None before the first.
    """

    def __init__(self, conditions: tuple[EventCondition, ...]) -> None:
        self.met = 0
        self.last: ObjectEvent | None = None
        self._conditions = conditions

    def follow(self, events: Iterable[ObjectEvent]) -> ObjectEvent | None:
        """Return the change that the last condition held of; None if the changes end before."""
        for event in events:
            self.last = event
            while self._conditions[self.met](event):
                self.met += 1
                if self.met == len(self._conditions):
                    return event
        return None


@contextmanager
def _closed_after(events: Closable, timeout_s: float, clock: Clock) -> Generator[Latch]:
    """Have changes closed after a time, by a thread that lives as long as the block; yield what is set then."""
    is_done, is_over = Latch(), Latch()
    threads = ThreadGroup("until")

    def watch_the_time() -> None:
        if not is_done.wait(timeout_s, clock=clock):
            is_over.set()
            events.close()

    threads.spawn(watch_the_time, name="time-out")
    try:
        yield is_over
    finally:
        is_done.set()
        threads.join(Deadline.after(None))
