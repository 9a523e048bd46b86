"""The two kinds of answers, while they arrive: a page of a list, and a watch."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from kubeprims.client.options import WatchOptions
from kubeprims.errors import (
    Cancelled,
    ConnectionLost,
    DeadlineExceeded,
    DecodeError,
    KubeprimsError,
    ResourceExpired,
    WatchIdle,
)
from kubeprims.meta import JSONObject
from kubeprims.objects.event import MalformedObject, WatchEvent, WatchEventType
from kubeprims.objects.record import RESOURCE_VERSION, ObjectRecord
from kubeprims.testing.simulator.faults import Fault, FaultKind
from kubeprims.testing.simulator.server import Happening, Page
from kubeprims.testing.simulator.wire import Wire, malformed
from kubeprims.threads import Cancel

BOOKMARK_PERIOD_S: Final = 60.0
BOOKMARKS_KNOWN: Final = 3
"""Who has read so many knows that the server sends them."""
SILENCE_S_MAX: Final = 1.5 * BOOKMARK_PERIOD_S


class SimulatedList:
    """One page, while it arrives."""

    def __init__(self, wire: Wire, page: Page, cancel: Cancel, deadline_s: float, breaks_after: int | None) -> None:
        self._wire = wire
        self._page = page
        self._cancel = cancel
        self._deadline_s = deadline_s
        self._breaks_after = breaks_after
        self.resource_version = str(page.resource_version)
        self.continue_token = page.continue_token
        self.is_whole = True

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        middle = len(self._page.records) // 2
        was = self._wire.server.was
        for index, record in enumerate(self._page.records):
            if index == middle:
                self._wire.travel(self._wire.traits.latency_s, self._cancel, self._deadline_s)
            if index == self._breaks_after:
                raise ConnectionLost("the connection ended in the list", request_sent=True)
            yield record if was(record) else malformed(record)
        if self._breaks_after is not None:
            raise ConnectionLost("the connection ended in the list", request_sent=True)
        if not self.continue_token and self.is_whole:
            self._wire.read_version = self.resource_version

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class SimulatedWatch:
    """An open watch: what the server sends, what arrives, and what the reflector reads of it."""

    def __init__(
        self,
        wire: Wire,
        options: WatchOptions,
        cancel: Cancel,
        deadline_s: float,
        on_end: Callable[[SimulatedWatch], None],
    ) -> None:
        self._wire = wire
        self._on_end = on_end
        self._options = options
        self._cancel = cancel
        self._deadline_s = deadline_s
        self._idle_at_s = math.inf
        self._arrived: deque[list[WatchEvent]] = deque()
        self._has_ended = False
        self._error: KubeprimsError | None = None
        self._initial: list[WatchEvent] = []
        self._refusal: ResourceExpired | None = None
        self._position = self._began_at = 0
        self._floor = 0
        self._behind = 0
        self._is_sending = False
        self._is_silent = False
        self._stalled_until_s = 0.0
        self._fault: Fault | None = None
        self._fault_after = 0

    # -- the server's side ------------------------------------------------------------------------------------------

    def start_at(self, position: int, version: int, behind: int) -> None:
        """Begin with what happened after a version."""
        self._position = self._began_at = position
        self._floor, self._behind = version, behind

    def start_with_state(self, *, is_list: bool, ends_marked: bool = False) -> None:
        """Begin with an ADDED event for each object, in no order that means anything.

        Args:
            is_list: A watch-list was asked for.
            ends_marked: The server marks its end.
        """
        server = self._wire.server
        self._initial = [
            _event(Happening(WatchEventType.ADDED, 0, record, server.was(record))) for record in server.objects.values()
        ]
        if is_list:
            # Not the end: that one is marked, and some servers send others before it.
            self._initial.insert(len(self._initial) // 2, _bookmark(server.version))
        if is_list and ends_marked:
            self._initial.append(_bookmark(server.version, ends_initial_events=True))
        self._position = self._began_at = len(server.history)
        self._floor = server.version

    def start_with_error(self, refusal: ResourceExpired) -> None:
        """Begin, and end, with an ERROR event."""
        self._refusal = refusal

    def begin(self) -> None:
        """Send what it begins with, and go on by itself."""
        world, traits = self._wire.world, self._wire.traits
        world.after(self._options.timeout_s, self._time_out)
        if self._refusal is not None:
            status: JSONObject = {"kind": "Status", "code": 410, "reason": "Expired", "message": str(self._refusal)}
            self._arrive([WatchEvent(WatchEventType.ERROR, None, "", status=status)])
            self.end(None)
            return
        if self._initial:
            middle = len(self._initial) // 2
            for part in (self._initial[:middle], self._initial[middle:]):
                if part:
                    self._arrive(part)
        if self._behind:
            world.after(traits.latency_s + 5.0, self._catch_up)
        if traits.sends_bookmarks and self._options.allow_bookmarks:
            world.after(BOOKMARK_PERIOD_S, self._send_bookmark)
        self.send_soon()

    def send_soon(self) -> None:
        """Send what has happened meanwhile."""
        if not self._is_sending:
            self._is_sending = True
            self._wire.world.after(self._wire.traits.latency_s, self._send)

    def suffer(self, fault: Fault) -> None:
        """Have a fault happen after some more events."""
        self._fault, self._fault_after = fault, fault.after
        if fault.kind in {FaultKind.REWOUND, FaultKind.STALLED, FaultKind.SILENT} or (
            not fault.after and fault.kind is not FaultKind.MANGLED
        ):
            self._strike()

    @property
    def has_fault(self) -> bool:
        """Whether a fault is still to strike."""
        return self._fault is not None

    def take_fault(self) -> Fault | None:
        """Return the fault that did not strike, if there is one, and let it strike no more."""
        fault, self._fault = self._fault, None
        return fault

    def end(self, error: KubeprimsError | None) -> None:
        """End it: nothing arrives any more."""
        if not self._has_ended:
            self._has_ended = True
            self._error = error
            self._on_end(self)

    @property
    def _is_over(self) -> bool:
        """Whether nothing arrives any more."""
        return self._has_ended or self._is_silent

    def _send(self) -> None:
        self._is_sending = False
        world, server = self._wire.world, self._wire.server
        if self._is_over:
            return
        if world.monotonic() < self._stalled_until_s:
            self._is_sending = True
            world.after(self._stalled_until_s - world.monotonic(), self._send)
            return
        end = len(server.history) - self._behind
        happenings = [h for h in server.history[self._position : end] if h.version > self._floor]
        self._position = max(self._position, end)
        if happenings:
            self._arrive([_event(happening) for happening in happenings])

    def _arrive(self, events: list[WatchEvent]) -> None:
        if self._is_over:
            return
        while self._fault is not None and len(events) >= self._fault_after + (self._fault.kind is FaultKind.MANGLED):
            before, events = events[: self._fault_after], events[self._fault_after :]
            if before:
                self._arrived.append(before)
            events = self._strike(events)
        self._fault_after -= len(events)
        if events:
            self._arrived.append(events)

    def _strike(self, events: Sequence[WatchEvent] = ()) -> list[WatchEvent]:
        """Carry the fault out; return what is left of the events that would have come next."""
        fault, self._fault = self._fault, None
        assert fault is not None
        if fault.befalls_watches:
            self._wire.struck[fault.kind.value] += 1
        match fault.kind:
            case FaultKind.CUT | FaultKind.TRUNCATED:
                self.end(ConnectionLost("connection reset by peer", request_sent=True))
            case FaultKind.ENDED:
                self.end(None)
            case FaultKind.SILENT:
                self._is_silent = True
            case FaultKind.STALLED:
                self._stalled_until_s = self._wire.world.monotonic() + fault.delay_s
            case FaultKind.REWOUND:
                self._rewind(fault.after)
            case FaultKind.UNDECODABLE:
                self.end(DecodeError("a line that is no event"))
            case FaultKind.MANGLED:
                return [*map(_mangled, events[:1]), *events[1:]]
            case _:
                self._arrived.append([WatchEvent(WatchEventType.ERROR, None, "", status=fault.status())])
                self.end(None)
        return [] if self._is_over else list(events)

    def _rewind(self, count: int) -> None:
        """Send the last events of this very connection again."""
        self._position = max(self._began_at, self._position - count)
        self._wire.has_repeated = True
        self.send_soon()

    def _catch_up(self) -> None:
        self._behind = 0
        self.send_soon()

    def _send_bookmark(self) -> None:
        if self._is_over:
            return
        world, server = self._wire.world, self._wire.server
        world.after(BOOKMARK_PERIOD_S, self._send_bookmark)
        if world.monotonic() >= self._stalled_until_s and not self._behind and server.version >= self._floor:
            self._send()  # a bookmark says that all before it was sent
            self._arrive([_bookmark(server.version)])

    def _time_out(self) -> None:
        if not self._is_silent:
            self.end(None)

    # -- the reflector's side ---------------------------------------------------------------------------------------

    def batches(self) -> Iterator[Sequence[WatchEvent]]:
        """Yield what arrives."""
        world = self._wire.world
        while True:
            reads_since_s = world.monotonic()
            while not self._arrived and not self._has_ended:
                happened = world.step(min(self._deadline_s, self._idle_at_s))
                if self._cancel.is_set:
                    raise Cancelled("cancelled")
                if not happened:
                    self._check_patience(world.monotonic() - reads_since_s)
                if not happened and self._idle_at_s < self._deadline_s:
                    raise WatchIdle("nothing came in time", request_sent=True)
                if not happened:
                    raise DeadlineExceeded("the watch lasts longer than asked for", request_sent=True)
            if self._arrived:
                batch = self._arrived.popleft()
                self._has_read(batch)
                yield batch
            elif self._error is not None:
                raise self._error
            else:
                return

    def _has_read(self, batch: Sequence[WatchEvent]) -> None:
        wire = self._wire
        wire.batch_max = max(wire.batch_max, len(batch))
        if self._is_initial(batch):
            return
        wire.bookmarks += sum(event.type is WatchEventType.BOOKMARK and not event.initial_events_end for event in batch)
        versions = (event.resource_version for event in reversed(batch) if event.resource_version)
        wire.read_version = next(versions, wire.read_version)

    def _check_patience(self, silent_s: float) -> None:
        """Find fault with a reflector that goes on with a silent watch though it knows that bookmarks should come."""
        wire = self._wire
        expected = self._is_silent and not wire.may_be_held_up and wire.bookmarks >= BOOKMARKS_KNOWN
        if expected and silent_s > SILENCE_S_MAX:
            self._wire.wrong.append(f"a watch was silent for {silent_s:g} s, and bookmarks should have come")
        self._wire.bookmarks = 0

    def _is_initial(self, batch: Sequence[WatchEvent]) -> bool:
        """Return whether a batch leaves a list of what there is incomplete: its versions say nothing."""
        is_list = self._options.send_initial_events
        if self._initial and any(
            event.initial_events_end or (not is_list and event.type is not WatchEventType.ADDED) for event in batch
        ):
            self._initial = []
        return bool(self._initial)

    def expire_in(self, timeout_s: float, /) -> None:
        """End by ``WatchIdle`` what has not come in ``timeout_s`` seconds from now."""
        self._idle_at_s = self._wire.world.monotonic() + timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(None)


def _mangled(event: WatchEvent) -> WatchEvent:
    return event if event.record is None else event._replace(record=None, malformed=malformed(event.record))


def _event(happening: Happening) -> WatchEvent:
    kind, _, record, is_readable = happening
    event = WatchEvent(kind, record, record[RESOURCE_VERSION], False, None, None)
    return event if is_readable else _mangled(event)


def _bookmark(version: int, *, ends_initial_events: bool = False) -> WatchEvent:
    return WatchEvent(WatchEventType.BOOKMARK, None, str(version), ends_initial_events, None, None)
