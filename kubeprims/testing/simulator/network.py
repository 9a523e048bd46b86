"""The way between a reflector and the model of a server: latency, connections, and what goes wrong with them.

Bytes of one connection keep their order, as TCP has it; everything else may happen: an answer that was made long ago
arrives now, a connection is dead and nobody says so, a batch breaks off in its middle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kubeprims.client.options import REQUEST_TIMEOUT_S, ListOptions, WatchOptions
from kubeprims.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    Invalid,
    ResourceExpired,
    ServerTimeout,
    TooManyRequests,
)
from kubeprims.testing.simulator.faults import Fault, FaultKind
from kubeprims.testing.simulator.server import ModelServer, selected, too_large
from kubeprims.testing.simulator.stream import SimulatedList, SimulatedWatch
from kubeprims.testing.simulator.wire import Traits, WatchListSupport, Wire
from kubeprims.testing.simulator.world import Halt, World
from kubeprims.threads import Cancel

REQUESTS_MAX: Final = 1_000
"""How many requests a reflector may make in one world: far more than any schedule needs."""

TOO_LARGE_WAIT_S: Final = 3.0
"""How long a server waits for a version that it has not reached before it refuses."""


class Network:
    """A ``ListerWatcher`` over a :class:`ModelServer`, with faults.

    Attributes:
        wire: The way itself.
        requests: When which request was made: the virtual time and ``list``, ``watch`` or ``watch-list``; but for pages
            that go on with a list.

    Concurrency:
        One thread; waiting for an answer lets the world go on.
    """

    def __init__(self, world: World, server: ModelServer, traits: Traits) -> None:
        self.wire = Wire(world, server, traits)
        self.requests: list[tuple[float, str]] = []
        self._pending: list[tuple[Fault, int]] = []
        self._open: dict[SimulatedWatch, None] = {}
        self._up_at_s = 0.0
        self._ready_at_s = 0.0

    # -- what happens to it -----------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Have the open watches told that the server's state has changed."""
        for watch in self._open:
            watch.send_soon()

    def strike(self, fault: Fault) -> None:
        """Have something go wrong: with the open watch, or with the next request."""
        free = [watch for watch in self._open if not watch.has_fault]
        if fault.befalls_watches and free:
            free[0].suffer(fault)
            return
        self._pending.append((fault, fault.requests))
        if fault.breaks_watch and not fault.befalls_watches:
            self.cut_all()

    def cut_all(self) -> None:
        """Reset every connection."""
        for watch in tuple(self._open):
            watch.end(ConnectionLost("connection reset by peer", request_sent=True))

    def go_down(self, down_s: float, unready_s: float) -> None:
        """Reset every connection and refuse new ones for ``down_s`` seconds; for ``unready_s`` more, answer 429."""
        self.cut_all()
        self._up_at_s = self.wire.world.monotonic() + down_s
        self._ready_at_s = self._up_at_s + unready_s

    @property
    def pending(self) -> int:
        """How many faults have not struck yet."""
        return len(self._pending) + sum(watch.has_fault for watch in self._open)

    def heal(self) -> None:
        """Let nothing go wrong any more; what is broken stays so."""
        self._pending.clear()

    # -- what a reflector calls -------------------------------------------------------------------------------------

    def list(self, options: ListOptions, *, cancel: Cancel) -> SimulatedList:
        """Ask for one page."""
        if not options.continue_token:
            self.requests.append((self.wire.world.monotonic(), "list"))
        timeout_s = options.timeout_s or REQUEST_TIMEOUT_S
        deadline_s = self.wire.world.monotonic() + timeout_s
        fault = self._request(cancel, deadline_s, for_watch=False)
        behind = fault.after if fault is not None and fault.kind is FaultKind.BEHIND else 0
        try:
            page = self.wire.server.page(options.resource_version, options.limit, options.continue_token, behind=behind)
        except ServerTimeout:
            self.wire.travel(TOO_LARGE_WAIT_S, cancel, deadline_s)
            raise
        self._answer(fault, cancel, deadline_s)
        if options.field_selector:
            page = page._replace(records=selected(page.records, options.field_selector))
        breaks_after = fault.after if fault is not None and fault.kind is FaultKind.TRUNCATED else None
        listed = SimulatedList(self.wire, page, cancel, deadline_s, breaks_after)
        listed.is_whole = not options.field_selector and options.limit != 1
        return listed

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> SimulatedWatch:
        """Open a watch."""
        self.requests.append((self.wire.world.monotonic(), "watch-list" if options.send_initial_events else "watch"))
        self._check_version(options)
        deadline_s = self.wire.world.monotonic() + options.deadline_s
        fault = self._request(cancel, self.wire.world.monotonic() + REQUEST_TIMEOUT_S, for_watch=True)
        behind = fault.after if fault is not None and fault.kind is FaultKind.BEHIND else 0
        watch = SimulatedWatch(self.wire, options, cancel, deadline_s, self._closed)
        self._open_watch(watch, options, behind, cancel)
        self._open[watch] = None
        if fault is not None and (fault.befalls_watches or fault.kind is FaultKind.TRUNCATED):
            watch.suffer(fault)
        watch.begin()
        try:
            self._answer(fault, cancel, deadline_s)
        except BaseException:
            watch.end(None)
            raise
        return watch

    def _open_watch(self, watch: SimulatedWatch, options: WatchOptions, behind: int, cancel: Cancel) -> None:
        server, support = self.wire.server, self.wire.traits.watch_list
        version = int(options.resource_version or 0)
        if options.send_initial_events:
            if support is WatchListSupport.REFUSED:
                raise Invalid("sendInitialEvents is forbidden for watch", code=422, reason="Invalid")
            if version > server.version:
                self.wire.travel(TOO_LARGE_WAIT_S, cancel, self.wire.world.monotonic() + REQUEST_TIMEOUT_S)
                raise too_large(version, server.version)
            watch.start_with_state(is_list=True, ends_marked=support is WatchListSupport.SERVED)
        elif not version:
            watch.start_with_state(is_list=False)
        else:
            try:
                position = server.position(version)
            except ResourceExpired as refusal:
                if not self.wire.traits.says_expired_in_stream:
                    raise
                watch.start_with_error(refusal)
            else:
                watch.start_at(position, version, behind)

    def _check_version(self, options: WatchOptions) -> None:
        """Find fault with a watch that does not go on from what was read: older repeats events, newer loses some."""
        version = options.resource_version or ""
        if not options.send_initial_events and version != self.wire.read_version:
            self.wire.wrong.append(f"a watch from {version!r}, and what was read last is {self.wire.read_version!r}")

    def _request(self, cancel: Cancel, deadline_s: float, *, for_watch: bool) -> Fault | None:
        """Bring a request to the server; return what is to go wrong with its answer."""
        if cancel.is_set:
            raise Cancelled("cancelled")
        if len(self.requests) > REQUESTS_MAX:
            raise Halt(f"more than {REQUESTS_MAX} requests: something spins")
        self.wire.travel(self.wire.traits.latency_s, cancel, deadline_s)
        if self.wire.world.monotonic() < self._up_at_s:
            raise ConnectError("connection refused", method="GET")
        if self.wire.world.monotonic() < self._ready_at_s:
            raise TooManyRequests("storage is (re)initializing", code=429, reason="TooManyRequests", retry_after_s=1.0)
        fault = self._take(for_watch=for_watch)
        if fault is None or fault.befalls_watches:
            return fault
        self.wire.struck[fault.kind.value] += 1
        error = fault.error()
        if error is not None:
            self.wire.travel(
                REQUEST_TIMEOUT_S if fault.kind is FaultKind.TIMED_OUT else fault.delay_s, cancel, deadline_s
            )
            raise error
        if fault.kind is FaultKind.REPEATED:  # whoever sends it again needs a moment to find out
            self.wire.travel(fault.delay_s, cancel, deadline_s)
        return fault

    def _answer(self, fault: Fault | None, cancel: Cancel, deadline_s: float) -> None:
        slow_s = fault.delay_s if fault is not None and fault.kind is FaultKind.SLOW else 0.0
        self.wire.travel(self.wire.traits.latency_s + slow_s, cancel, deadline_s)

    def _take(self, *, for_watch: bool) -> Fault | None:
        for index, (fault, left) in enumerate(self._pending):
            if fault.befalls_watches and not for_watch:
                continue
            if left > 1:
                self._pending[index] = (fault, left - 1)
            else:
                del self._pending[index]
            return fault
        return None

    def _closed(self, watch: SimulatedWatch) -> None:
        self._open.pop(watch, None)
        unspent = watch.take_fault()
        if unspent is not None:  # so few events came that it did not strike: let the next watch have it, at once
            self._pending.append((replace(unspent, after=0), 1))
