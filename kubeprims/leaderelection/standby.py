"""Watches the lock for one who waits for it: a release is then seen at once. Candidates poll as well."""

from __future__ import annotations

import logging
from collections.abc import Callable

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.client.pager import list_page
from kubeprims.clock import Clock
from kubeprims.errors import Forbidden, KubeprimsError
from kubeprims.leaderelection.effects import Observation
from kubeprims.leaderelection.lock import Watched
from kubeprims.objects.event import WatchEventType
from kubeprims.threads import Cancel

RETRY_S = 1.0
"""How long to wait before another watch, in seconds, at least."""

logger = logging.getLogger(__name__)


def follow_lock(
    watched: Watched,
    tell: Callable[[Observation | None], None],
    *,
    name: str,
    retry_s: float,
    cancel: Cancel,
    clock: Clock,
) -> bool:
    """Tell what becomes of a lock until ``cancel`` is set; return whether it makes sense to do so again.

    Args:
        watched: How to see it.
        tell: Told each state of the lock; None: there is none.
        name: The lock's, for logs.
        retry_s: How long to wait before another watch, in seconds.
        cancel: Ends it at once.
        clock: The clock to wait by.
    """
    while not cancel.is_set:
        try:
            _follow(watched, tell, cancel)
        except Forbidden as error:
            logger.warning("the lock %s may not be listed or watched; it is polled: %s", name, error)
            return False
        except KubeprimsError as error:
            if not cancel.is_set:
                logger.debug("the watch of the lock %s has ended: %s", name, error)
        cancel.wait(max(RETRY_S, retry_s), clock=clock)
    return True


def _follow(watched: Watched, tell: Callable[[Observation | None], None], cancel: Cancel) -> None:
    # A list first: what a watch without a version begins with may be old.
    found = list_page(lambda options: watched.list_watch.list(options, cancel=cancel), ListOptions(limit=1))
    tell(watched.observe(found[0]) if found else None)
    version = found.resource_version
    with watched.list_watch.watch(WatchOptions(resource_version=version), cancel=cancel) as events:
        for event in events:
            tell(None if event.type is WatchEventType.DELETED else watched.observe(event.object))
