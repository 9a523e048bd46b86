"""Keeps a local copy equal to a list on the server: the driver of ``machine.ReflectorMachine``.

It does what the machine says, and nothing else: each branch below is one effect. What it reads goes to a
:class:`ReflectorSink`, and what happens to it to a :class:`ReflectorStatus`, which anybody may read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, assert_never

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.client.status import error_from_status
from kubeprims.clock import Clock, Rng
from kubeprims.errors import Cancelled, DecodeError, KubeprimsError, WatchIdle
from kubeprims.informer.effects import Effect, Follow, ListPage, Probe, Replace, Sleep, Watch, WatchList
from kubeprims.informer.expected_type import ExpectedType
from kubeprims.informer.failures import is_watch_list_refused
from kubeprims.informer.initial_events import InitialEvents
from kubeprims.informer.learnt import ResourceMemory
from kubeprims.informer.machine import ReflectorMachine, ReflectorOptions
from kubeprims.informer.status import ErrorCallback, ReflectorState, ReflectorStatus
from kubeprims.informer.versions import newest
from kubeprims.meta import GroupVersionKind
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
        """End by ``WatchIdle`` what has not come in ``timeout_s`` seconds from now; each call counts anew.

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

    def list_begins(self, *, trusts_versions: bool) -> str:
        """A list, or a watch-list, is about to be asked for.

        Args:
            trusts_versions: Whether what has the version of what is there already is the same; not if the server may
                have gone back, and given its versions anew.

        Returns:
            The newest version in which the local copy has an object, where that is newer than the copy; else empty.
        """
        ...


class Reflector:
    """Gets everything, watches, and starts again after every failure, until it is cancelled.

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
        memory: ResourceMemory | None = None,
        expected: GroupVersionKind | None = None,
    ) -> None:
        """Put it together; nothing happens before :meth:`run`.

        Args:
            lister_watcher: What is asked.
            sink: Where the objects go.
            name: For logs and errors.
            options: How to list and watch.
            clock: The clock of delays.
            rng: The chance in delays and time-outs.
            on_error: Told of every failure.
            memory: What is known of how the server serves the resource; shared by those who watch the same one.
            expected: What the objects are; None: what the first of them is.
        """
        self._machine = ReflectorMachine(options, rng=rng, memory=memory)
        self.status = ReflectorStatus(self._machine.restarts)
        self._lister_watcher = lister_watcher
        self._sink = sink
        self.name = name
        self._clock = clock
        self._on_error = on_error
        self._expected = ExpectedType(expected)
        self._records: list[ObjectRecord] = []
        self._malformed: list[MalformedObject] = []

    @property
    def gathered(self) -> int:
        """How many objects of the running list are held beside the copy."""
        return len(self._records)

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
            case WatchList():
                return self._watch_list(effect, cancel)
            case ListPage():
                return self._list_page(effect, cancel)
            case Replace(resource_version=resource_version):
                return self._replace(resource_version)
            case Watch():
                return self._watch(effect, cancel)
            case Probe():
                return self._probe(cancel)
            case Sleep(delay_s=delay_s, error=error):
                return self._sleep(delay_s, error, cancel)
            case Follow():
                raise AssertionError(effect)  # belongs to a watch-list, which carries it out itself
        assert_never(effect)

    # -- getting everything -----------------------------------------------------------------------------------------

    def _list_page(self, page: ListPage, cancel: Cancel) -> Effect:
        version = page.resource_version
        if page.first:
            self.status.lists += 1
            version = self._start_over(version)
        options = ListOptions(resource_version=version, limit=page.limit, continue_token=page.continue_token)
        was_answered = False
        try:
            with self._lister_watcher.list(options, cancel=cancel) as listed:
                was_answered = True
                self._records.extend(self._kept(listed))
                resource_version, continue_token = listed.resource_version, listed.continue_token
        except KubeprimsError as error:
            self._check_cancel(cancel, error)
            self._records, self._malformed = [], []  # not held while waiting: the next try starts over
            return self._machine.on_list_failed(error, was_answered=was_answered)
        self._heard()
        return self._machine.on_page(resource_version=resource_version, continue_token=continue_token)

    def _start_over(self, resource_version: str | None) -> str | None:
        """Forget what was gathered; return the version to be no older than: this one, or what the sink has already."""
        self.status.state = ReflectorState.LISTING
        self.status.listed = 0
        self.status.refetched_version = ""
        self._records, self._malformed = [], []
        self._expected.forget()
        seen = self._sink.list_begins(trusts_versions=not self._machine.may_be_rewound)
        return None if resource_version is None else newest([resource_version, seen])

    def _kept(self, items: Iterable[ObjectRecord | MalformedObject]) -> Iterator[ObjectRecord]:
        for item in items:
            kept = self._keep(item)
            if isinstance(kept, MalformedObject):
                if kept.key is not None:
                    self._malformed.append(kept)
            elif kept is not None:
                yield kept

    def _keep(self, item: ObjectRecord | MalformedObject) -> ObjectRecord | MalformedObject | None:
        """Return what is to be kept of an object that a list or a watch-list brings."""
        self.status.listed += 1
        if not isinstance(item, MalformedObject) and not self._expected.accepts(item):
            self._skip(self._expected.refused(item))
            return None
        kept = self._sink.take(item)
        if isinstance(kept, MalformedObject):
            self._skip(kept)
        return kept

    def _watch_list(self, effect: WatchList, cancel: Cancel) -> Effect:
        self.status.watch_lists += 1
        version = self._start_over(effect.resource_version)
        options = WatchOptions(resource_version=version, send_initial_events=True, timeout_s=effect.timeout_s)
        gathered = InitialEvents(self._keep)
        error, lasted_s = self._open_watch(
            options, cancel, lambda watched: self._read_watch_list(watched, gathered, effect)
        )
        now_s = self._clock.monotonic()
        if gathered.is_complete:
            return self._watch_ended(error, lasted_s, now_s)
        gathered.take_objects()  # not held while waiting: who keeps the error, whose traceback leads here, keeps them
        if is_watch_list_refused(error):
            logger.info("%s: no watch-list, listing instead: %s", self.name, error)
        return self._machine.on_watch_list_ended(
            error,
            lasted_s=lasted_s,
            events=gathered.count,
            last_event_s=None if gathered.last_s is None else now_s - gathered.last_s,
        )

    def _read_watch_list(
        self, watched: WatchedEvents, gathered: InitialEvents, effect: WatchList
    ) -> KubeprimsError | None:
        """Gather the objects, put them in place of the copy, and go on; return what the stream ended with."""
        until_s = self._clock.monotonic() + effect.deadline_s
        watched.expire_in(min(effect.deadline_s, effect.silence_s))
        batches = watched.batches()
        for batch in batches:
            events, error = _until_error(batch)
            behind = gathered.feed(events, now_s=self._heard())
            if behind is not None:
                self._follow(gathered, behind)
            if error is not None:
                return error
            if behind is not None:
                return self._consume(watched, batches)
            left_s = until_s - self._clock.monotonic()
            if left_s <= 0:
                return WatchIdle("the watch-list was not complete in time", method="WATCH", url=self.name)
            watched.expire_in(min(left_s, effect.silence_s))
        return None

    def _follow(self, gathered: InitialEvents, behind: Sequence[WatchEvent]) -> None:
        """Replace the copy by a complete watch-list, whose stream is a watch from here on."""
        self._records, self._malformed = gathered.take_objects()
        self._machine.on_initial_events_end(resource_version=gathered.resource_version)
        follow = self._replace(gathered.resource_version)
        assert isinstance(follow, Follow), follow
        self.status.state = ReflectorState.WATCHING
        self._store(behind)

    def _replace(self, resource_version: str) -> Effect:
        records, self._records = self._records, []
        malformed, self._malformed = self._malformed, []
        self.status.last_error = None  # before anybody hears of the list
        self._sink.replace(records, resource_version, malformed)
        effect = self._machine.on_replaced()
        self.status.resource_version = self._machine.last_resource_version
        return effect

    # -- watching ---------------------------------------------------------------------------------------------------

    def _watch(self, watch: Watch, cancel: Cancel) -> Effect:
        self.status.state = ReflectorState.WATCHING
        self.status.watches += 1
        options = WatchOptions(resource_version=watch.resource_version, timeout_s=watch.timeout_s)
        error, lasted_s = self._open_watch(options, cancel, self._read_watch)
        return self._watch_ended(error, lasted_s, self._clock.monotonic())

    def _open_watch(
        self, options: WatchOptions, cancel: Cancel, read: Callable[[WatchedEvents], KubeprimsError | None]
    ) -> tuple[KubeprimsError | None, float | None]:
        """Open a watch and read it; return what it ended with, and for how long it was open (None: never)."""
        opened_s: float | None = None
        error: KubeprimsError | None = None
        try:
            with self._lister_watcher.watch(options, cancel=cancel) as watched:
                opened_s = self._heard()
                error = read(watched)
        except KubeprimsError as failure:
            self._check_cancel(cancel, failure)
            error = failure
        return error, None if opened_s is None else self._clock.monotonic() - opened_s

    def _read_watch(self, watched: WatchedEvents) -> KubeprimsError | None:
        self.status.last_error = None  # a quiet resource may bring nothing for minutes
        return self._consume(watched, watched.batches())

    def _consume(self, watched: WatchedEvents, batches: Iterator[Sequence[WatchEvent]]) -> KubeprimsError | None:
        """Store what the watch brings; return the error it ended with, or None if the server just ended it."""
        watched.expire_in(self._machine.idle_s)
        for batch in batches:
            events, error = _until_error(batch)
            self._store(events)
            if error is not None:
                return error
            watched.expire_in(self._machine.idle_s)
        return None

    def _store(self, batch: Sequence[WatchEvent]) -> None:
        accepts = self._expected.accepts
        events = [event for event in batch if event.record is None or accepts(event.record)]
        if events:
            self._sink.apply(events)
            # Only now: the version must never run ahead of the copy.
            self._machine.on_events(
                count=len(events),
                resource_version=next(
                    (event.resource_version for event in reversed(events) if event.resource_version), ""
                ),
                only_added=all(event.type is WatchEventType.ADDED for event in events),
                bookmarks=sum(event.type is WatchEventType.BOOKMARK for event in events),
            )
            self.status.resource_version = self._machine.last_resource_version
            self.status.last_error = None
        self._heard()
        for event in batch:
            if event.malformed is not None:
                self._skip(event.malformed)
            elif event.record is not None and len(events) < len(batch) and not accepts(event.record):
                self._skip(self._expected.refused(event.record))

    def _watch_ended(self, error: KubeprimsError | None, lasted_s: float | None, now_s: float) -> Effect:
        seen = self.status.refetched_version
        effect = self._machine.on_watch_ended(error, lasted_s=lasted_s, now_s=now_s, seen=seen)
        if error is not None and not isinstance(effect, Sleep):
            self._failed(error, 0.0)
        return effect

    def _probe(self, cancel: Cancel) -> Effect:
        self.status.probes += 1
        try:
            with self._lister_watcher.list(ListOptions(limit=1), cancel=cancel) as listed:
                for _ in listed:
                    pass
                resource_version = listed.resource_version
        except KubeprimsError as error:
            self._check_cancel(cancel, error)
            effect = self._machine.on_probe_failed(error)
            if not isinstance(effect, Sleep):
                self._failed(error, 0.0)
            return effect
        self._heard()
        return self._machine.on_probed(resource_version=resource_version, seen=self.status.refetched_version)

    # -- waiting, and what everybody may know -----------------------------------------------------------------------

    def _sleep(self, delay_s: float, error: KubeprimsError, cancel: Cancel) -> Effect:
        self.status.next_try_s = self._clock.monotonic() + delay_s
        self.status.state = ReflectorState.WAITING
        self._failed(error, delay_s)
        cancel.wait(delay_s, clock=self._clock)
        self.status.next_try_s = None
        return self._machine.on_slept()

    def _check_cancel(self, cancel: Cancel, error: KubeprimsError) -> None:
        """Go on, unless we were told to stop: what fails then says nothing."""
        if cancel.is_set:
            raise Cancelled("stopped", url=self.name) from error

    def _heard(self) -> float:
        """Note that the server was heard of, and return the time."""
        self.status.last_contact_s = now_s = self._clock.monotonic()
        return now_s

    def _skip(self, malformed: MalformedObject) -> None:
        self.status.malformed += 1
        which = malformed.key or "an object"
        error = DecodeError(f"{self.name}: {which} is skipped: {malformed.detail}", raw=malformed.raw)
        logger.warning("%s", error)
        self._report(error, 0.0)

    def _failed(self, error: KubeprimsError, delay_s: float) -> None:
        logger.warning("%s: %s; next try in %.1f s", self.name, error, delay_s)
        self._report(error, delay_s)

    def _report(self, error: KubeprimsError, delay_s: float) -> None:
        self.status.failures += 1
        self.status.last_error = error
        if self._on_error is None:
            return
        try:
            self._on_error(error, delay_s)
        except Exception:  # user code: reporting a failure must not add one
            logger.exception("%s: on_error failed", self.name)


def _until_error(batch: Sequence[WatchEvent]) -> tuple[Sequence[WatchEvent], KubeprimsError | None]:
    """Return the events up to an ERROR, and its exception; all of them and None if there is none."""
    for position, event in enumerate(batch):
        if event.type is WatchEventType.ERROR:
            return batch[:position], error_from_status(event.status or {})
    return batch, None
