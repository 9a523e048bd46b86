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

from kubeprims.client.options import ListOptions
from kubeprims.clock import Clock, Rng
from kubeprims.errors import InvalidArgument, KubeprimsError, LifecycleError
from kubeprims.informer.refetch_schedule import RefetchSchedule
from kubeprims.informer.reflector import ListerWatcher
from kubeprims.informer.status import ErrorCallback, ReflectorStatus
from kubeprims.informer.versions import newest
from kubeprims.meta import ObjectKey
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.record import KEY, ObjectRecord
from kubeprims.threads import Cancel

logger = logging.getLogger(__name__)


class RefetchSink(Protocol):
    """Knows which objects could not be understood; the source of a pipeline."""

    def dirty(self) -> Mapping[str, str]:
        """Return their versions by key."""
        ...

    @property
    def marks(self) -> int:
        """How often an object came in a version in which it could not be understood."""
        ...

    def refetched(
        self, key: str, record: ObjectRecord | MalformedObject | None, resource_version: str, /
    ) -> str | None:
        """Take the state of one of them: malformed if it still cannot be understood, None if it is gone.

        Returns:
            The version in which it is known now that it cannot be understood; None if there is no such version.
        """
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
        self._schedule = RefetchSchedule(rng=rng)
        self._spawn = spawn
        self._on_error = on_error
        self._lock = threading.Lock()
        self._runs = False
        self._nap = Cancel()
        self._planned_for = 0

    @property
    def has_news(self) -> bool:
        """Whether something came that the last plan knows nothing of."""
        return self._sink.marks != self._planned_for

    def notice(self, cancel: Cancel) -> None:
        """Start to ask, or look at what is new; never blocks, and does nothing once ``cancel`` is set."""
        with self._lock:
            if self._runs and self.has_news:
                self._nap.set()
            if self._runs or cancel.is_set:
                return
            self._runs = True
        with suppress(LifecycleError):  # the informer stops at this moment
            self._spawn(lambda: self.run(cancel), "re-fetch")

    def run(self, cancel: Cancel) -> None:
        """Ask until nothing is left to ask for, or ``cancel`` is set: the body of a thread."""
        while (delay_s := self._next_delay_s_or_end(cancel)) is not None:
            self._nap.wait(delay_s, clock=self._clock)
            self._nap.close()
            self.ask(cancel)

    def _next_delay_s_or_end(self, cancel: Cancel) -> float | None:
        with self._lock:  # who notices something now waits, and starts another thread if this one ends
            delay_s = None if cancel.is_set else self.next_delay_s()
            self._runs = delay_s is not None
            self._nap = Cancel(cancel) if self._runs else self._nap
        return delay_s

    def next_delay_s(self) -> float | None:
        """Return in how many seconds to ask; None if there is nothing to ask for."""
        self._planned_for = self._sink.marks
        return self._schedule.plan(self._sink.dirty(), now_s=self._clock.monotonic())

    def ask(self, cancel: Cancel) -> None:
        """Ask for the objects whose time has come."""
        for key in self._schedule.due(now_s=self._clock.monotonic()):
            if cancel.is_set:
                return
            self._schedule.asked(key)
            try:
                self._refetch(key, cancel)
            except InvalidArgument as error:
                self._failed(key, error)  # no selector can name it: it waits for an event, or a list
                self._schedule.answered(key, self._sink.dirty().get(key, ""))
            except KubeprimsError as error:
                if not cancel.is_set:
                    self._failed(key, error)
                return  # the server is not well: another time will do

    def _refetch(self, key: str, cancel: Cancel) -> None:
        self._status.refetches += 1
        found: ObjectRecord | MalformedObject | None = None
        with self._lister_watcher.list(ListOptions(field_selector=_selector(key)), cancel=cancel) as listed:
            for item in listed:
                name = item.key if isinstance(item, MalformedObject) else item[KEY]
                if name is None or name == key:
                    found = item
            resource_version = listed.resource_version
        version = self._sink.refetched(key, found, resource_version)
        if version is not None:
            self._schedule.answered(key, version)
        self._status.refetched_version = newest([self._status.refetched_version, resource_version])

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
