"""Asks again, one by one, for objects that could not be understood, until they can be or are gone.

An object that no codec can keep, or whose transform failed, costs itself alone: the cache has its last good state, and
the next list or event of it puts all right. Neither may come for days, so it is asked for as well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from kubeprims.backoff import Backoff, BackoffPolicy
from kubeprims.client.options import ListOptions
from kubeprims.clock import Clock, Rng
from kubeprims.errors import InvalidArgument, KubeprimsError, LifecycleError
from kubeprims.informer.reflector import ListerWatcher
from kubeprims.informer.status import ErrorCallback, ReflectorStatus
from kubeprims.meta import ObjectKey
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.record import KEY, ObjectRecord
from kubeprims.threads import Cancel

logger = logging.getLogger(__name__)

REFETCH_BACKOFF = BackoffPolicy(base_s=1.0, factor=2.0, cap_s=300.0, jitter=1.0)
"""The waits before each round; they start over with every object that was not known to be wrong before, but while there
are more than a round has: then it is no accident, and to ask for each new one at once would be a steady load."""

ROUND_KEYS_MAX = 20
"""How many objects are asked for in one round."""


class RefetchSink(Protocol):
    """Knows which objects could not be understood; the source of a pipeline."""

    def dirty(self) -> Mapping[str, str]:
        """Return their versions by key."""
        ...

    def refetched(self, key: str, record: ObjectRecord | MalformedObject | None, resource_version: str, /) -> None:
        """Take the state of one of them: malformed if it still cannot be understood, None if it is gone."""
        ...


class Refetcher:
    """Asks for what its sink could not understand; has a thread only while there is such an object.

    :meth:`next_delay_s` and :meth:`ask` are its steps, for those who live by another clock and without threads.

    Concurrency:
        :meth:`notice` may be called from any thread; all else by one at a time.
    """

    def __init__(  # noqa: PLR0913 - one collaborator each, all by keyword
        self,
        lister_watcher: ListerWatcher,
        sink: RefetchSink,
        *,
        name: str,
        status: ReflectorStatus,
        clock: Clock,
        rng: Rng,
        spawn: Callable[[Callable[[], None], str], None],
        on_error: ErrorCallback | None = None,
    ) -> None:
        """Put it together.

        Args:
            lister_watcher: What is asked.
            sink: Says what to ask for, and takes the answers.
            name: For logs and errors.
            status: Where the requests are counted.
            clock: The clock of delays.
            rng: The chance in delays.
            spawn: Starts a thread, by a function and a name.
            on_error: Told of every failure.
        """
        self._lister_watcher = lister_watcher
        self._sink = sink
        self._name = name
        self._status = status
        self._clock = clock
        self._backoff = Backoff(REFETCH_BACKOFF, rng=rng)
        self._spawn = spawn
        self._on_error = on_error
        self._lock = threading.Lock()
        self._runs = False
        self._waiting: list[str] = []

    def notice(self, cancel: Cancel) -> None:
        """Start to ask, unless that is under way; never blocks, and does nothing once ``cancel`` is set."""
        with self._lock:
            if self._runs or cancel.is_set:
                return
            self._runs = True
        with suppress(LifecycleError):  # the informer stops at this moment
            self._spawn(lambda: self.run(cancel), "re-fetch")

    def run(self, cancel: Cancel) -> None:
        """Ask until nothing is left to ask for, or ``cancel`` is set: the body of a thread."""
        while (delay_s := self._next_delay_s_or_end(cancel)) is not None:
            if not cancel.wait(delay_s, clock=self._clock):
                self.ask(cancel)

    def _next_delay_s_or_end(self, cancel: Cancel) -> float | None:
        with self._lock:  # who notices something now waits, and starts another thread if this one ends
            delay_s = None if cancel.is_set else self.next_delay_s()
            self._runs = delay_s is not None
        return delay_s

    def next_delay_s(self) -> float | None:
        """Return in how many seconds to ask; None if there is nothing to ask for."""
        dirty = self._sink.dirty()
        known = [key for key in self._waiting if key in dirty]
        fresh = dirty.keys() - set(known)
        if not dirty or (fresh and len(dirty) <= ROUND_KEYS_MAX):
            self._backoff.reset()
        self._waiting = [*known, *sorted(fresh)]
        return self._backoff.next_delay_s(now_s=self._clock.monotonic()) if dirty else None

    def ask(self, cancel: Cancel) -> None:
        """Ask for some of the objects, those first that were not asked for of late."""
        for key in self._waiting[:ROUND_KEYS_MAX]:
            if cancel.is_set:
                return
            self._waiting.append(self._waiting.pop(0))
            try:
                self._refetch(key, cancel)
            except InvalidArgument as error:
                self._failed(key, error)  # no selector can name it: it waits for an event, or a list
            except KubeprimsError as error:
                if not cancel.is_set:
                    self._failed(key, error)
                return  # the server is not well: the next round will do

    def _refetch(self, key: str, cancel: Cancel) -> None:
        self._status.refetches += 1
        found: ObjectRecord | MalformedObject | None = None
        with self._lister_watcher.list(ListOptions(field_selector=_selector(key)), cancel=cancel) as listed:
            for item in listed:
                name = item.key if isinstance(item, MalformedObject) else item[KEY]
                if name is None or name == key:
                    found = item
            resource_version = listed.resource_version
        self._sink.refetched(key, found, resource_version)
        self._status.refetched_version = resource_version

    def _failed(self, key: str, error: KubeprimsError) -> None:
        logger.warning("%s: %s could not be fetched again: %s", self._name, key, error)
        if self._on_error is None:
            return
        try:
            self._on_error(error, 0.0)
        except Exception:  # user code: reporting a failure must not add one
            logger.exception("%s: on_error failed", self._name)


def _selector(key: str) -> str:
    parsed = ObjectKey.parse(key)
    selectors = [f"metadata.name={parsed.name}"]
    if parsed.namespace:
        selectors.append(f"metadata.namespace={parsed.namespace}")
    return ",".join(selectors)
