"""A small world, walked through to its end: three candidates, a clock that ticks in seconds, and every order of events.

A request is carried out at any time after it was sent, and its answer arrives at any time after that, or neither does:
a candidate gives up in time, and what it gave up may be carried out all the same. Processes may stand still, or be told
to stop. How often any of this takes more than no time at all is limited, as is how long it all goes on. Whatever
differs only by the time of day, or by what nobody can find out any more, is visited once.
"""

from __future__ import annotations

import datetime
import functools
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Final

from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.effects import (
    Create,
    Effect,
    Ended,
    EndTerm,
    ExtendTerm,
    Get,
    Instant,
    NewLeader,
    Observation,
    Report,
    Request,
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.testing.simulator.election_candidate import Contender

CONFIG: Final = ElectionConfig(
    lease_duration_s=5.0, renew_deadline_s=4.5, retry_period_s=3.0, drain_timeout_s=2.0, rejoin=True
)
_EPOCH: Final = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
_OLD_S: Final = -6.0
"""What lies further back is all alike."""


class Never:
    """Chance that always says 0."""

    def random(self) -> float:
        return 0.0


@dataclass(slots=True)
class Sent:
    """A request that is under way.

    Attributes:
        request: What it asks for.
        base: The version that it is written on.
        is_done: Whether it was carried out.
        found: Then, what the lock says, or None if there is none; or why it was not written.
        version: Then, the version that was read or written.
    """

    request: Request
    base: int
    is_done: bool = False
    found: Observation | WriteFailure | None = None
    version: int = 0


@dataclass(slots=True)
class Process:
    """A candidate.

    Attributes:
        machine: What decides.
        sent: Its request.
        ghost: A request that it gave up, and that may still be carried out.
        wait_until_s: What it waits for.
        base: The version that its next write is written on.
        leads_until_s: Until when it leads.
        is_draining: Whether its work was told to end and has not.
        is_paused: Whether it stands still.
        is_stopped: Whether it was told to stop.
    """

    machine: Contender
    sent: Sent | None = None
    ghost: Sent | None = None
    wait_until_s: float | None = None
    base: int = 0
    leads_until_s: float = 0.0
    is_draining: bool = False
    is_paused: bool = False
    is_stopped: bool = False

    def copied(self) -> Process:
        """Return one that can change by itself."""
        sent = self.sent and replace(self.sent)
        return replace(self, machine=_copied(self.machine), sent=sent, ghost=self.ghost and replace(self.ghost))


@dataclass(slots=True)
class State:
    """Everything, at one moment.

    Attributes:
        now_s: The time, for everybody.
        record: What the lock says; None if there is none.
        version: The version of the lock.
        processes: The candidates.
        delays: How many seconds requests may still be under way, all together.
        pauses: How often one may still be paused.
        stops: How often one may still be stopped.
        token: The last term's.
        terms: How many there were.
        has_moved: Whether a request was carried out in this second.
        way: What has happened.
    """

    now_s: int
    record: LeaderElectionRecord | None
    version: int
    processes: list[Process]
    delays: int
    pauses: int
    stops: int
    token: int = 0
    terms: int = 0
    has_moved: bool = False
    way: tuple[str, ...] = ()

    def after(self, number: int, what: str) -> State:
        """Return a state in which something happens to a process: a copy, to be changed."""
        processes = [each.copied() if index == number else each for index, each in enumerate(self.processes)]
        return replace(self, processes=processes, way=(*self.way, f"{self.now_s} {what} {number}"))

    @property
    def observation(self) -> Observation | None:
        return None if self.record is None else Observation(self.record, str(self.record))

    @property
    def now(self) -> Instant:
        return Instant(float(self.now_s), _EPOCH + datetime.timedelta(seconds=self.now_s))


class RuleBrokenError(Exception):
    """What must not be, and the way there."""


def walk(
    make: Callable[[str], Contender], *, until_s: int, delays: int, candidates: int = 3, pauses: int = 0, stops: int = 0
) -> tuple[int, int]:
    """Visit every state up to a time, breadth first; return how many there are, and the most terms on one way.

    Raises:
        RuleBrokenError: Two terms were open, or a token did not increase.
    """
    state = State(0, None, 1, [Process(make(f"c{number}")) for number in range(candidates)], delays, pauses, stops)
    for number, process in enumerate(state.processes):
        _act(state, number, process.machine.start(state.now))
    seen: set[object] = {_key(state)}
    pending, terms = deque([state]), 0
    while pending:
        for following in _followers(pending.popleft(), until_s):
            _settle(following)
            key = _key(following)
            if key not in seen:
                seen.add(key)
                pending.append(following)
                terms = max(terms, following.terms)
    return len(seen), terms


# -- what may happen --------------------------------------------------------------------------------------------------


def _followers(state: State, until_s: int) -> Iterator[State]:
    """Return what may come next: one thing happens, or a second passes."""
    for number, process in enumerate(state.processes):
        yield from _requested(state, number)
        if process.is_paused:
            yield _gone_on(state, number)
            continue
        if process.is_draining:
            yield _drained(state, number)
        if state.pauses:
            yield _paused(state, number)
        if state.stops and not process.is_stopped:
            yield _stopped(state, number)
    under_way = sum(each.sent is not None and not each.is_paused for each in state.processes)
    if state.now_s < until_s and under_way <= state.delays:
        yield _later(state, under_way)


def _requested(state: State, number: int) -> Iterator[State]:
    """Return what may come of a process's requests."""
    process = state.processes[number]
    if process.sent is not None and not process.sent.is_done:
        carried_out = _carried_out(state, number)
        if not process.is_paused:
            yield _answered(carried_out, number)
        if state.delays or process.is_paused:
            yield carried_out
    if process.ghost is not None:
        yield _haunted(state, number)
    # What one process is told matters to nobody else: so it is told at once, or first of all in a later second.
    if process.sent is not None and process.sent.is_done and not process.is_paused and not state.has_moved:
        yield _answered(state, number)


def _later(state: State, under_way: int) -> State:
    return replace(
        state,
        now_s=state.now_s + 1,
        processes=[each.copied() for each in state.processes],
        delays=state.delays - under_way,
        has_moved=False,
        way=(*state.way, f"{state.now_s} passes"),
    )


def _settle(state: State) -> None:
    """Let everybody notice what time it is: whose wait is over, and whose request has taken too long."""
    for number, process in enumerate(state.processes):
        while not process.is_paused:
            sent = process.sent
            if sent is not None and state.now_s >= sent.request.give_up_at_s:
                _fail(state, number, WriteFailure.UNKNOWN)
            elif process.wait_until_s is not None and state.now_s >= process.wait_until_s:
                process.wait_until_s = None
                _act(state, number, process.machine.on_waited(state.now))
            else:
                break


def _fail(state: State, number: int, failure: WriteFailure) -> None:
    process = state.processes[number]
    sent, process.sent = process.sent, None
    assert sent is not None
    if isinstance(sent.request, Get):
        _act(state, number, process.machine.on_get_failed(state.now))
        return
    if not sent.is_done:
        process.ghost = sent
    _act(state, number, process.machine.on_write_failed(failure, state.now))


def _carried_out(state: State, number: int) -> State:
    after = replace(state.after(number, "is carried out"), has_moved=True)
    sent = after.processes[number].sent
    assert sent is not None
    _carry_out(after, sent)
    return after


def _haunted(state: State, number: int) -> State:
    after = replace(state.after(number, "is carried out late"), has_moved=True)
    process = after.processes[number]
    assert process.ghost is not None
    _carry_out(after, process.ghost)
    process.ghost = None
    return after


def _carry_out(state: State, sent: Sent) -> None:
    sent.is_done = True
    request = sent.request
    if isinstance(request, Get):
        sent.found, sent.version = state.observation, state.version
    elif state.record is not None if isinstance(request, Create) else state.version != sent.base:
        sent.found = WriteFailure.CONFLICT
    else:
        state.record, state.version = request.record, state.version + 1
        sent.found, sent.version = state.observation, state.version


def _answered(state: State, number: int) -> State:
    after = state.after(number, "is answered")
    process = after.processes[number]
    sent = process.sent
    assert sent is not None
    if isinstance(sent.found, WriteFailure):
        _fail(after, number, sent.found)
        return after
    process.sent = None
    process.base = sent.version
    machine, now = process.machine, after.now
    if sent.found is None:
        _act(after, number, machine.on_not_found(now))
    elif isinstance(sent.request, Get):
        _act(after, number, machine.on_got(sent.found, now))
    else:
        _act(after, number, machine.on_written(sent.found.version, str(sent.version), now))
    return after


def _drained(state: State, number: int) -> State:
    after = state.after(number, "has drained")
    process = after.processes[number]
    process.is_draining = False
    process.leads_until_s = 0.0
    _act(after, number, process.machine.on_work_returned(after.now))
    return after


def _paused(state: State, number: int) -> State:
    after = replace(state.after(number, "is paused"), pauses=state.pauses - 1)
    after.processes[number].is_paused = True
    return after


def _gone_on(state: State, number: int) -> State:
    after = state.after(number, "goes on")
    after.processes[number].is_paused = False
    return after


def _stopped(state: State, number: int) -> State:
    after = replace(state.after(number, "is stopped"), stops=state.stops - 1)
    process = after.processes[number]
    process.is_stopped = True
    _act(after, number, process.machine.on_stop(after.now))
    return after


# -- what candidates do -----------------------------------------------------------------------------------------------


def _act(state: State, number: int, effects: tuple[Effect, ...]) -> None:  # noqa: C901 - one case for each effect
    process = state.processes[number]
    for effect in effects:
        match effect:
            case Get() | Create() | Update():
                assert process.sent is None, effect
                process.sent, process.wait_until_s = Sent(effect, process.base), None
            case Wait(until_s=until_s):
                process.wait_until_s = until_s
            case StartTerm(token=token, leads_until_s=until_s):
                if int(token) <= state.token:
                    raise RuleBrokenError(f"token {token} after {state.token}", state.way)
                state.token, state.terms = int(token), state.terms + 1
                _lead(state, process, until_s)
            case ExtendTerm(leads_until_s=until_s):
                _lead(state, process, until_s)
            case EndTerm(reason=reason):
                process.is_draining = process.is_draining or process.leads_until_s > 0.0
                if not reason.is_voluntary:
                    process.leads_until_s = 0.0
            case Ended():
                process.sent, process.wait_until_s, process.is_draining = None, None, False
                process.leads_until_s = 0.0
            case NewLeader() | Report():
                pass


def _lead(state: State, process: Process, until_s: float) -> None:
    process.leads_until_s = until_s
    if sum(each.leads_until_s > state.now_s for each in state.processes) > 1:
        raise RuleBrokenError("two open terms", state.way)


# -- what is the same -------------------------------------------------------------------------------------------------


def _copied(machine: Contender) -> Contender:
    """Return a machine in the same state that goes on by itself."""
    twin = copy(machine)
    for name, value in vars(machine).items():
        if type(value).__module__.startswith("kubeprims.leaderelection") and hasattr(value, "__slots__"):
            if not is_dataclass(value) and not isinstance(value, tuple):
                part = copy(value)
                for slot in value.__slots__:
                    inner = getattr(value, slot)
                    if isinstance(inner, deque | set):
                        setattr(part, slot, inner.copy())
                setattr(twin, name, part)
        elif isinstance(value, deque | set | list):
            setattr(twin, name, value.copy())
    return twin


def _key(state: State) -> object:
    """Return what a state is, but for the time of day."""
    version, now_s = state.version, state.now_s
    for process in state.processes:
        ghost = process.ghost
        if ghost is not None and (
            state.record is not None if isinstance(ghost.request, Create) else ghost.base != version
        ):
            process.ghost = None  # it can only conflict
    live = _live(state)
    limits = (state.delays, state.pauses, state.stops)
    found: list[object] = [_frozen(state.record, now_s, live), limits, state.token == version, state.has_moved]
    for process in state.processes:
        found += [
            _machine_key(process.machine, now_s, live),
            _sent_key(process.sent, state, live),
            _sent_key(process.ghost, state, live),
            _frozen(process.wait_until_s, now_s, live),
            process.base == version,
            max(0.0, process.leads_until_s - now_s),
            process.is_draining,
            process.is_paused,
            process.is_stopped,
        ]
    return tuple(found)


_UNIMPORTANT: Final = frozenset({"slow_renewals", "_config", "_rng", "_telling", "_identity"})
"""What no later decision depends on, or what never changes."""

_Live = frozenset[tuple[datetime.datetime | None, datetime.datetime | None]]


def _live(state: State) -> _Live:
    """Return the times of all records that can still turn up."""
    records = [state.record]
    for process in state.processes:
        observation = vars(process.machine)["_lock"].observation
        records.append(observation and observation.record)
        for sent in (process.sent, process.ghost):
            if sent is not None:
                records.append(sent.found.record if isinstance(sent.found, Observation) else None)
                records.append(None if isinstance(sent.request, Get) else sent.request.record)
    return frozenset((record.acquire_time, record.renew_time) for record in records if record is not None)


def _machine_key(machine: Contender, now_s: int, live: _Live) -> object:
    return tuple(_frozen(value, now_s, live) for name, value in vars(machine).items() if name not in _UNIMPORTANT)


def _sent_key(sent: Sent | None, state: State, live: _Live) -> object:
    if sent is None:
        return None
    now_s = state.now_s
    return (
        _frozen(sent.request, now_s, live), sent.base == state.version, sent.is_done, _frozen(sent.found, now_s, live),
        sent.version == state.version, sent.version > state.token,
    )  # fmt: skip


def _frozen(value: object, now_s: int, live: _Live) -> object:
    """Return a value with its times counted from now."""
    match value:
        case None | bool() | int() | str() | Enum():
            return value
        case float():
            return max(_OLD_S, value - now_s)
        case datetime.datetime():
            return max(_OLD_S, (value - _EPOCH).total_seconds() - now_s)
        case Observation():
            return _frozen(value.record, now_s, live)  # its version is the same in other words
        case deque():
            return frozenset(_frozen(each, now_s, live) for each in value if each in live)
        case tuple():
            return tuple(_frozen(each, now_s, live) for each in value)
    if is_dataclass(value):
        return (type(value).__name__, *(_frozen(getattr(value, each), now_s, live) for each in _names(type(value))))
    slots: tuple[str, ...] = getattr(type(value), "__slots__", ())
    return tuple(_frozen(getattr(value, slot), now_s, live) for slot in slots if slot not in _UNIMPORTANT)


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))
