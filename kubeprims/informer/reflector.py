"""Keeps a local copy equal to a list on the server: the driver of ``machine.ReflectorMachine``.

It does what the machine says, and nothing else: each branch below is one effect. What it reads goes to a
:class:`ReflectorSink`, and what happens to it to a :class:`ReflectorStatus`, which anybody may read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol, assert_never

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.client.status import error_from_status
from kubeprims.clock import Clock, Rng
from kubeprims.errors import Cancelled, DecodeError, KubeprimsError
from kubeprims.informer.machine import Effect, ListPage, ReflectorMachine, ReflectorOptions, Replace, Sleep, Watch
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import ObjectRecord
from kubeprims.threads import Cancel

logger = logging.getLogger(__name__)


class ListedObjects(Protocol):
    """One page: its items while they arrive, then what stood around them."""

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        """Yield the items."""
        ...

    @property
    def resource_version(self) -> str:
        """The version of the list."""
        ...

    @property
    def continue_token(self) -> str:
        """What to ask the next page with; empty after the last one."""
        ...


class WatchedEvents(Protocol):
    """An open watch."""

    def batches(self) -> Iterator[Sequence[WatchEvent]]:
        """Yield what each read of the socket brought; end when the server ends the watch."""
        ...

    def expire_in(self, timeout_s: float, /) -> None:
        """End by ``DeadlineExceeded`` what has not come in ``timeout_s`` seconds from now; each call counts anew.

        The thread that reads calls it, between two batches.
        """
        ...


class ListerWatcher(Protocol):
    """What a reflector needs of the API server. ``kubeprims.client.ListWatch`` is the real one."""

    def list(self, options: ListOptions, *, cancel: Cancel) -> AbstractContextManager[ListedObjects]:
        """Fetch one page."""
        ...

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> AbstractContextManager[WatchedEvents]:
        """Open a watch."""
        ...


class ReflectorSink(Protocol):
    """Where a reflector puts what it reads. Its methods are called by the reflector's thread alone."""

    def take(self, item: ObjectRecord | MalformedObject, /) -> ObjectRecord | MalformedObject | None:
        """Return what is to be kept of an object that a list, or a watch-list, brings.

        A list is read through this while it streams in, so that a relist never holds unchanged bytes twice: an
        unchanged object is answered by the record that is stored already. Anything else is answered by the record to
        store, by None if it is none of ours, or by a malformed object if it cannot be stored.
        """
        ...

    def replace(
        self, records: Sequence[ObjectRecord], resource_version: str, malformed: Sequence[MalformedObject], /
    ) -> None:
        """Make the local copy this list.

        Args:
            records: The objects, as :meth:`take` gave them.
            resource_version: The version of the list.
            malformed: Objects that are in the list, have a key, and could not be understood or stored.
        """
        ...

    def apply(self, events: Sequence[WatchEvent], /) -> None:
        """Change the local copy by these events, as they came; bookmarks and malformed objects are among them."""
        ...


class ReflectorState(StrEnum):
    """What a reflector is doing."""

    NEW = "new"
    LISTING = "listing"
    WATCHING = "watching"
    WAITING = "waiting"
    STOPPED = "stopped"


ErrorCallback = Callable[[KubeprimsError, float], None]
"""Called with each failure and the seconds until the next try (0: at once)."""


class ReflectorStatus:
    """How a reflector fares: written by its thread, read by anybody.

    Attributes:
        state: What it is doing.
        last_error: The last failure; None again once a list is in or a watch is open.
        failures: How many failures there were in all.
        lists: How many first pages were asked for.
        watches: How many watches were asked for.
        listed: How many objects the running, or the last, list has brought.
        malformed: How many objects could not be understood.
        resource_version: The version of the local copy.
        next_try_s: The clock when the next try is, while waiting; else None.
        last_contact_s: The clock when the server was last heard of; None if never.
    """

    __slots__ = (
        "failures",
        "last_contact_s",
        "last_error",
        "listed",
        "lists",
        "malformed",
        "next_try_s",
        "resource_version",
        "state",
        "watches",
    )

    def __init__(self) -> None:
        self.state = ReflectorState.NEW
        self.last_error: KubeprimsError | None = None
        self.failures = 0
        self.lists = 0
        self.listed = 0
        self.watches = 0
        self.malformed = 0
        self.resource_version = ""
        self.next_try_s: float | None = None
        self.last_contact_s: float | None = None

    def next_try_in_s(self, clock: Clock) -> float:
        """Return in how many seconds the next try is; 0 if one is under way."""
        next_try_s = self.next_try_s
        return 0.0 if next_try_s is None else max(0.0, next_try_s - clock.monotonic())


class Reflector:
    """Lists, watches, and starts again after every failure, until it is cancelled.

    Concurrency:
        :meth:`run` is the body of one thread.
    """

    def __init__(  # noqa: PLR0913 - one collaborator each, all by keyword
        self,
        lister_watcher: ListerWatcher,
        sink: ReflectorSink,
        *,
        name: str,
        options: ReflectorOptions,
        clock: Clock,
        rng: Rng,
        on_error: ErrorCallback | None = None,
    ) -> None:
        self.status = ReflectorStatus()
        self._lister_watcher = lister_watcher
        self._sink = sink
        self._name = name
        self._clock = clock
        self._machine = ReflectorMachine(options, rng=rng)
        self._on_error = on_error
        self._records: list[ObjectRecord] = []
        self._malformed: list[MalformedObject] = []

    def run(self, cancel: Cancel) -> None:
        """Do what the machine says until ``cancel`` is set."""
        effect: Effect = self._machine.start()
        try:
            while not cancel.is_set:
                effect = self._do(effect, cancel)
        except Cancelled:
            pass
        finally:
            self.status.state = ReflectorState.STOPPED

    def _do(self, effect: Effect, cancel: Cancel) -> Effect:
        match effect:
            case ListPage():
                return self._list_page(effect, cancel)
            case Replace(resource_version=resource_version):
                return self._replace(resource_version)
            case Watch():
                return self._watch(effect, cancel)
            case Sleep(delay_s=delay_s, error=error):
                return self._sleep(delay_s, error, cancel)
        assert_never(effect)

    def _list_page(self, page: ListPage, cancel: Cancel) -> Effect:
        self.status.state = ReflectorState.LISTING
        if page.first:
            self.status.lists += 1
            self.status.listed = 0
            self._records, self._malformed = [], []
        options = ListOptions(
            resource_version=page.resource_version, limit=page.limit, continue_token=page.continue_token
        )
        try:
            with self._lister_watcher.list(options, cancel=cancel) as listed:
                self._records.extend(self._taken(listed))
                resource_version, continue_token = listed.resource_version, listed.continue_token
        except KubeprimsError as error:
            if cancel.is_set:
                raise Cancelled("stopped", method="LIST", url=self._name) from error
            self._records, self._malformed = [], []  # not held while waiting: the next try starts over
            return self._machine.on_list_failed(error, now_s=self._clock.monotonic())
        self.status.last_contact_s = self._clock.monotonic()
        return self._machine.on_page(
            resource_version=resource_version, continue_token=continue_token, now_s=self.status.last_contact_s
        )

    def _taken(self, items: Iterable[ObjectRecord | MalformedObject]) -> Iterator[ObjectRecord]:
        take = self._sink.take
        for item in items:
            self.status.listed += 1
            taken = take(item)
            if isinstance(taken, MalformedObject):
                self._skip(taken)
                if taken.key is not None:
                    self._malformed.append(taken)
            elif taken is not None:
                yield taken

    def _replace(self, resource_version: str) -> Effect:
        records, self._records = self._records, []
        malformed, self._malformed = self._malformed, []
        self._sink.replace(records, resource_version, malformed)
        effect = self._machine.on_replaced()
        self.status.resource_version = self._machine.last_resource_version
        self.status.last_error = None
        return effect

    def _watch(self, watch: Watch, cancel: Cancel) -> Effect:
        self.status.state = ReflectorState.WATCHING
        self.status.watches += 1
        options = WatchOptions(resource_version=watch.resource_version, timeout_s=watch.timeout_s)
        opened_s: float | None = None
        error: KubeprimsError | None = None
        try:
            with self._lister_watcher.watch(options, cancel=cancel) as watched:
                opened_s = self.status.last_contact_s = self._clock.monotonic()
                self.status.last_error = None  # a quiet resource may bring nothing for minutes
                error = self._consume(watched)
        except KubeprimsError as failure:
            if cancel.is_set:
                raise Cancelled("stopped", method="WATCH", url=self._name) from failure
            error = failure
        now_s = self._clock.monotonic()
        lasted_s = 0.0 if opened_s is None else now_s - opened_s
        effect = self._machine.on_watch_ended(error, lasted_s=lasted_s, now_s=now_s)
        if error is not None and not isinstance(effect, Sleep):
            self._failed(error, 0.0)
        return effect

    def _consume(self, watched: WatchedEvents) -> KubeprimsError | None:
        """Store what the watch brings; return the error it ended with, or None if the server just ended it."""
        for batch in watched.batches():
            end = next((index for index, event in enumerate(batch) if event.type is WatchEventType.ERROR), None)
            if end is None:
                self._store(batch)
                continue
            if end:
                self._store(batch[:end])
            return error_from_status(batch[end].status or {})
        return None

    def _store(self, batch: Sequence[WatchEvent]) -> None:
        self._sink.apply(batch)
        # Only now: the version must never run ahead of the copy.
        self._machine.on_events(
            count=len(batch),
            resource_version=next((event.resource_version for event in reversed(batch) if event.resource_version), ""),
            only_added=all(event.type is WatchEventType.ADDED for event in batch),
        )
        status = self.status
        status.resource_version = self._machine.last_resource_version
        status.last_error = None
        status.last_contact_s = self._clock.monotonic()
        for event in batch:
            if event.malformed is not None:
                self._skip(event.malformed)

    def _sleep(self, delay_s: float, error: KubeprimsError, cancel: Cancel) -> Effect:
        self.status.next_try_s = self._clock.monotonic() + delay_s
        self.status.state = ReflectorState.WAITING
        self._failed(error, delay_s)
        cancel.wait(delay_s, clock=self._clock)
        self.status.next_try_s = None
        return self._machine.on_slept()

    def _skip(self, malformed: MalformedObject) -> None:
        self.status.malformed += 1
        which = malformed.key or "an object"
        self._failed(DecodeError(f"{self._name}: {which} is skipped: {malformed.detail}", raw=malformed.raw), 0.0)

    def _failed(self, error: KubeprimsError, delay_s: float) -> None:
        self.status.failures += 1
        self.status.last_error = error
        logger.warning("%s: %s; next try in %.1f s", self._name, error, delay_s)
        if self._on_error is None:
            return
        try:
            self._on_error(error, delay_s)
        except Exception:  # user code: reporting a failure must not add one
            logger.exception("%s: on_error failed", self._name)
