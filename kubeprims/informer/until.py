"""Follows what an informer knows until it has been what was waited for."""

from __future__ import annotations

from collections.abc import Callable

from kubeprims.cache.indexer import Indexer
from kubeprims.client.options import check_timeout_s
from kubeprims.client.until import EventCondition, until
from kubeprims.client.watch import ObjectEvent
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import InvalidArgument
from kubeprims.informer.shared import SharedInformer
from kubeprims.threads import Deadline

Precondition = Callable[[Indexer], bool]
"""Says of a cache that has synced whether there is nothing left to wait for."""

_SHORT_S = 0.001


def until_with_sync(
    informer: SharedInformer,
    *conditions: EventCondition,
    precondition: Precondition | None = None,
    timeout_s: float | None = None,
    clock: Clock | None = None,
) -> ObjectEvent | None:
    """Follow an informer until each condition has held, one after the other; return the change the last held of.

    Unlike :func:`~kubeprims.client.until.until` with a watch, this gets over whatever the informer does, an expired
    version among it: the conditions are asked about every object that is there, as ADDED, then about every change; a
    deletion that nobody saw is DELETED with the object as it was last known.

    Args:
        informer: A running informer; it goes on afterwards.
        conditions: What to wait for, in this order.
        precondition: Asked of the cache, once, when it has synced; if it holds, nothing is waited for. Whatever
            changes meanwhile is not missed. Without one, nothing waits for the sync.
        timeout_s: How long to wait in all, in seconds; None is for as long as the informer runs.
        clock: The clock to live by.

    Returns:
        The change; None if the precondition held.

    Raises:
        InvalidArgument: There is no condition, or the time-out is not positive.
        CacheSyncTimeout: The informer did not sync in time, and there is a precondition.
        WaitTimeout: The conditions were not all met in time.
        WatchClosed: The informer was stopped before.
        LifecycleError: It is not started, or was stopped before it had synced, and there is a precondition; or it
            was stopped before this was called.

    Concurrency:
        Blocks the calling thread, on which the conditions are asked; not for handlers and index functions.

    Source:
        client-go tools/watch/until.go, ``UntilWithSync``.
        Differs: the informer is the caller's, who may have it already.
    """
    if not conditions:
        message = "until_with_sync needs a condition"
        raise InvalidArgument(message)
    check_timeout_s(timeout_s)
    clock = clock or SystemClock()
    deadline = Deadline.after(timeout_s, clock=clock)
    with informer.events(name=f"until of {informer.name}") as events:
        if precondition is not None:
            informer.wait_for_sync(timeout_s)
            if precondition(informer.indexer):
                return None
        left_s = None if timeout_s is None else max(_SHORT_S, deadline.remaining_s())
        return until(events, *conditions, timeout_s=left_s, clock=clock)
