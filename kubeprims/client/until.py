"""Follows changes until they have been what was waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kubeprims.client.watch import ObjectEvent
from kubeprims.errors import InvalidArgument, WatchClosed

EventCondition = Callable[[ObjectEvent], bool]
"""Says of a change whether it is what was waited for; what it raises ends the wait."""


def until(events: Iterable[ObjectEvent], *conditions: EventCondition) -> ObjectEvent:
    """Follow changes until each condition has held, one after the other, and return the change that the last held of.

    The change of which one condition holds is the first that the next one is asked about.

    Args:
        events: The changes: a :class:`~kubeprims.client.watch.WatchStream`, whose deadline bounds the wait, or a
            :class:`~kubeprims.client.retry_watcher.RetryWatcher`, which is to be closed to end it.
        conditions: What to wait for, in this order.

    Raises:
        InvalidArgument: There is no condition.
        WatchClosed: The changes ended before.
        KubeprimsError: What the changes end with: see there.

    Source:
        client-go tools/watch/until.go, ``UntilWithoutRetry``.
    """
    if not conditions:
        message = "until needs a condition"
        raise InvalidArgument(message)
    left = list(reversed(conditions))
    for event in events:
        while left[-1](event):
            left.pop()
            if not left:
                return event
    raise WatchClosed(met=len(conditions) - len(left), conditions=len(conditions))
