"""Waiting for the first lists of many informers at once."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable
from functools import partial
from operator import itemgetter

from kubeprims.clock import Clock
from kubeprims.errors import CacheSyncTimeout, Cancelled, LifecycleError
from kubeprims.informer.progress import Progress
from kubeprims.informer.shared import SharedInformer
from kubeprims.threads import Cancel, Deadline

logger = logging.getLogger(__name__)


def wait_for_informers(
    informers: Iterable[SharedInformer],
    *,
    clock: Clock,
    timeout_s: float | None = None,
    cancel: Cancel | None = None,
) -> None:
    """Wait until every informer has its first list in the cache; log each as it does.

    Args:
        informers: The informers; of none, there is nothing to wait for.
        clock: What the time is measured with.
        timeout_s: How long to wait, in seconds; None is for ever.
        cancel: Ends the wait at once when set.

    Raises:
        CacheSyncTimeout: Some do not in time: names each, sorted, with its last failure; the first of those is the
            cause.
        Cancelled: The wait was cancelled; names each as well.
        LifecycleError: One was stopped before it had synced.

    Source:
        client-go tools/cache/shared_informer.go, ``WaitForCacheSync``, and its ``SyncResult.AsError``.
    """
    deadline, began_s = Deadline.after(timeout_s, clock=clock), clock.monotonic()
    progress = Progress(clock)
    cancel = cancel or Cancel()
    waiting = list(informers)
    done: deque[SharedInformer] = deque()

    def note(informer: SharedInformer) -> None:
        done.append(informer)
        progress.note()

    take_backs = [informer.add_sync_callback(partial(note, informer)) for informer in waiting]
    take_backs.append(cancel.add_callback(progress.note))
    try:
        while waiting:
            remaining_s = deadline.remaining_s()
            timeout_s_left = None if math.isinf(remaining_s) else remaining_s
            is_over = not progress.wait_until(lambda: bool(done) or cancel.is_set, timeout_s_left)
            while done:
                informer = done.popleft()
                _check_synced(informer)
                logger.info("informer %s has synced after %.1f s", informer.name, clock.monotonic() - began_s)
                waiting.remove(informer)
            if waiting and (is_over or cancel.is_set):
                _give_up(waiting, timeout_s=None if cancel.is_set else timeout_s)
    finally:
        for take_back in take_backs:
            take_back()


def _check_synced(informer: SharedInformer) -> None:
    if not informer.has_synced:
        last_error = f": {informer.last_error}" if informer.last_error else ""
        raise LifecycleError(f"informer {informer.name} was stopped before it had synced{last_error}")


def _give_up(waiting: Iterable[SharedInformer], *, timeout_s: float | None) -> None:
    named = sorted(((informer.name, informer.last_error) for informer in waiting), key=itemgetter(0))
    rows = [(name, str(error or "")) for name, error in named]
    cause = next((error for _, error in named if error is not None), None)
    if timeout_s is not None:
        raise CacheSyncTimeout(rows, timeout_s=timeout_s) from cause
    texts = "; ".join(f"{name}: {error or 'no error so far'}" for name, error in rows)
    raise Cancelled(f"the wait was cancelled before these had synced: {texts}") from cause
