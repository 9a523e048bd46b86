"""A server, an informer and its handlers in one world, and what must hold of them in the end.

Everything of the informer is the real thing; the server, the way to it, the time and the moments at which a handler's
thread gets on are the simulation's.
"""

from __future__ import annotations

import functools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from kubeprims.errors import HandlerOverflow
from kubeprims.informer.buffer import BufferPolicy
from kubeprims.informer.dispatch import HandlerRegistration
from kubeprims.informer.filtering import filtered
from kubeprims.informer.handlers import Notification, Reason, ResourceEventHandler, from_event
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.status import ReflectorState
from kubeprims.objects.record import KEY, LABELS, RESOURCE_VERSION, UID, ObjectRecord
from kubeprims.objects.unstructured import Unstructured
from kubeprims.testing.simulator.assembly import Assembly
from kubeprims.testing.simulator.campaign import Outcome
from kubeprims.testing.simulator.faults import Fault, FaultKind
from kubeprims.testing.simulator.mirror import Mirror
from kubeprims.testing.simulator.network import Network
from kubeprims.testing.simulator.refetching import RefetchTurns
from kubeprims.testing.simulator.schedule import (
    Action,
    AddHandler,
    BackUp,
    Compact,
    Delete,
    Manner,
    Pace,
    Put,
    Recreate,
    RemoveHandler,
    Restart,
    Restore,
    Resync,
    Setting,
    Spoil,
    Step,
    generate,
)
from kubeprims.testing.simulator.server import ModelServer
from kubeprims.testing.simulator.world import START_S, Halt, World
from kubeprims.threads import Cancel

QUIET_S_MAX: Final = 1_500.0
"""How long after the last fault all must be well: the longest watch and the longest delay, twice."""

STRIKES_S_MAX: Final = 600.0
"""How long after the last step the faults may take that have not struck yet."""

DAMAGED_LAST_EVERY: Final = 3
"""In every so manieth schedule the last change arrives damaged, and nothing comes after it to put that right."""

REQUESTS_PERIOD_S: Final = 10.0
REQUESTS_MAX: Final = 20
"""How many requests may be made in that time, whatever goes wrong; pages that go on with a list do not count."""

LOOK_PERIOD_S: Final = 5.0
_CATCH_UP_S: Final = 0.2
_ALL: Final = 1_000
_TURNS: Final = {Pace.QUICK: 100, Pace.RAISING: 100, Pace.SLOW: 12, Pace.STUCK: 3}
"""How often a handler's thread gets on while the schedule lasts."""


class Subject(ResourceEventHandler, Protocol):
    """A handler of somebody's own, to be simulated. It must not raise."""

    def verdict(self, objects: Sequence[Unstructured], /) -> str:
        """Say what is wrong now that all is quiet and ``objects`` are there; nothing if nothing is."""
        ...


class InformerScenario:
    """Plays the schedules of :mod:`~kubeprims.testing.simulator.schedule` against an informer."""

    name = "informer"

    def __init__(
        self,
        *,
        subject: Callable[[], Subject] | None = None,
        assemble: Callable[..., Assembly] = Assembly,
        allowed: frozenset[FaultKind] = frozenset(FaultKind),
    ) -> None:
        """Choose what to play with.

        Args:
            subject: Makes a handler that is told of everything in each schedule, and asked in the end.
            assemble: Puts an informer together; what is called as :class:`Assembly` is.
            allowed: What may go wrong.
        """
        self._subject = subject
        self._assemble = assemble
        self._allowed = allowed

    def steps(self, seed: int) -> Sequence[Step]:
        """Return the schedule of a seed."""
        return generate(seed, allowed=self._allowed)

    def play(self, seed: int, steps: Sequence[Step]) -> Outcome:
        """Play a schedule, or a part of it."""
        play = _Play(seed, steps, self._assemble, self._subject and self._subject())
        failure = play.run()
        return Outcome(
            failure=failure,
            events=play.world.events,
            changes=play.server.changes,
            faults=Counter(play.network.wire.struck),
        )


@dataclass(slots=True)
class _Handled:
    registration: HandlerRegistration
    mirror: Mirror
    manner: Manner
    rng: random.Random


class _Play:
    def __init__(
        self, seed: int, steps: Sequence[Step], assemble: Callable[..., Assembly], subject: Subject | None
    ) -> None:
        self._seed = seed
        self._setting = Setting.of(seed)
        self._ends_s = steps[-1].at_s if steps else 0.0
        self.world = World()
        self.server = ModelServer(has_cache=self._setting.has_cache)
        self.network = Network(self.world, self.server, self._setting.traits)
        self._cancel = Cancel()
        self._handled: list[_Handled] = []
        self._wrong: list[str] = []
        self._objects_max = 0
        self._restarts = 0
        self._calm = False
        for number in range(self._setting.objects):
            self._put(f"ns-{number % 3}/pod-{number}", "red")
        self._informer = assemble(
            self.network,
            options=ReflectorOptions(page_size=self._setting.page_size),
            clock=self.world,
            rng=random.Random(f"backoff {seed}"),  # noqa: S311 - jitter, not secrets
            queue=self._setting.queue,
        )
        self._informer.source.on_dirty = RefetchTurns(
            self.world,
            self.server,
            self._informer.make_refetcher,
            cancel=self._cancel,
            rng=random.Random(f"refetch {seed}"),  # noqa: S311 - a schedule, not a secret
        ).notice
        for manner in self._setting.manners:
            self._add_handler(manner)
        self._subject = subject
        if subject is not None:
            self._add_handler(Manner(pace=Pace.QUICK), subject)
        for step in steps:
            self.world.after(step.at_s, functools.partial(self._do, step.action))
        self.world.after(self._ends_s + 1.0, self._calm_down)
        self._given_up_s = self.world.monotonic() + self._ends_s + STRIKES_S_MAX
        self._calm_s = math.inf

    def run(self) -> str:
        """Play; return which rule was broken, or nothing."""
        try:
            self._informer.run(self._cancel)
        except Halt as halt:
            return str(halt)
        return "; ".join([*self._wrong, *self.network.wire.wrong, *self._spinning(), *self._verdict()])

    # -- what happens -----------------------------------------------------------------------------------------------

    def _do(self, action: Action) -> None:
        match action:
            case Put(key=key, group=group):
                self._put(key, group)
            case Delete(key=key):
                self.server.delete(key)
            case Recreate(key=key, group=group):
                self.server.delete(key)
                self._put(key, group)
            case Spoil(key=key):
                self._put(key, "red", is_readable=False)
            case Fault():
                self.network.strike(action)
            case AddHandler(manner=manner):
                self._add_handler(manner)
            case RemoveHandler(number=number):
                self._remove_handler(number)
            case Resync():
                for handled in self._handled:
                    self._informer.pipeline.resync(handled.registration)
            case _:
                self._do_to_server(action)
        self.network.changed()
        self._wrong += self._oversized()

    def _do_to_server(self, action: Compact | Restart | BackUp | Restore) -> None:
        self._restarts += 1
        match action:
            case Compact():
                self.server.compact()
            case Restart(down_s=down_s, unready_s=unready_s, forgets=forgets):
                if forgets:
                    self.server.compact()
                self.network.go_down(down_s, unready_s)
            case BackUp():
                self.server.back_up()
            case Restore(down_s=down_s):
                self.network.go_down(down_s, 0.0)
                self.server.restore()
            case _:
                assert_never(action)

    def _put(self, key: str, group: str, *, is_readable: bool = True) -> None:
        self.server.put(key, group=group, is_readable=is_readable)
        self._objects_max = max(self._objects_max, len(self.server.objects))

    def _add_handler(self, manner: Manner, subject: Subject | None = None) -> None:
        self.network.wire.may_be_held_up |= manner.policy is BufferPolicy.BLOCK
        mirror = Mirror(
            _any_may_be_gone if manner.group else self._may_be_gone,
            raises=manner.pace is Pace.RAISING,
            then=None if subject is None else functools.partial(_tell, subject),
        )
        tell = from_event(mirror.on_event)
        if manner.group:
            tell = filtered(tell, lambda obj: obj.labels["group"] == manner.group)
        registration = self._informer.add_handler(tell, manner)
        rng = random.Random(f"handler {self._seed} {len(self._handled)}")  # noqa: S311 - a schedule, not a secret
        handled = _Handled(registration, mirror, manner, rng)
        self._handled.append(handled)
        self._plan_turn(handled)

    def _remove_handler(self, number: int) -> None:
        if self._handled and self._subject is None:
            self._informer.remove_handler(self._handled.pop(number % len(self._handled)).registration)

    def _may_be_gone(self, key: str, uid: str) -> bool:
        return self.server.has_ended(key, uid) or self.network.wire.has_repeated

    def _plan_turn(self, handled: _Handled) -> None:
        mean_s = max(self._ends_s, 1.0) / _TURNS[handled.manner.pace]
        self.world.after(handled.rng.expovariate(1.0 / mean_s), functools.partial(self._take_turn, handled))

    def _take_turn(self, handled: _Handled) -> None:
        if self.world.monotonic() > START_S + self._ends_s:
            return  # from here on all of them get on alike
        left = _ALL if handled.manner.pace is Pace.STUCK else handled.rng.choice((1, 2, _ALL))
        while left and handled.registration.deliver_next():
            left -= 1
        self._plan_turn(handled)

    def _let_all_catch_up(self) -> float:
        """Let every handler do what is before it; return after how many seconds to look again."""
        blocked = bool(self._informer.pipeline.blocked_by)
        for handled in self._handled:
            while handled.registration.deliver_next():
                pass
        return _CATCH_UP_S if blocked else LOOK_PERIOD_S

    # -- how it ends ------------------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        """End the faults, and change something once more: a connection that is dead will have to be noticed."""
        if self.network.pending and self.world.monotonic() < self._given_up_s:
            # They befall the next requests, so there have to be some: faults that do not strike prove nothing.
            self.network.cut_all()
            self.world.after(self._let_all_catch_up(), self._calm_down)
            return
        self._calm = True
        self._calm_s = self.world.monotonic()
        self.network.heal()
        if not self._seed % DAMAGED_LAST_EVERY:
            self.network.strike(Fault(kind=FaultKind.MANGLED, breaks_watch=False))
        self._do(Put("ns-0/pod-0", "green"))
        self._do(Recreate("ns-0/pod-last", "green"))
        self.world.after(LOOK_PERIOD_S, self._look)

    def _look(self) -> None:
        period_s = self._let_all_catch_up()
        if self.world.monotonic() - self._calm_s > QUIET_S_MAX or not any(self._verdict()):
            self._cancel.set()
        else:
            self.world.after(period_s, self._look)

    def _oversized(self) -> Iterator[str]:
        """Say what holds more than it has to."""
        gathered = self._informer.gathered
        waits = self._informer.reflector.status.state is ReflectorState.WAITING
        if gathered > (0 if waits else self._objects_max):
            yield f"{gathered} objects gathered{' while it waits' * waits}, of {self._objects_max} at most"
        # The first list and a resync do not count, nor does what came in one piece: from a watch, or by a relist, which
        # may end every object and begin another one in its place.
        extra = 2 * self._objects_max + max(self.network.wire.batch_max, 2 * self.server.keys)
        for number, handled in enumerate(self._handled):
            manner, depth = handled.manner, handled.registration.depth
            merges = manner.policy is BufferPolicy.COALESCE
            limit = max(manner.buffer_limit, 4 * self.server.keys) if merges else manner.buffer_limit
            if depth > limit + extra:
                yield f"handler {number} ({manner}) has {depth} changes before it"

    def _spinning(self) -> Iterator[str]:
        """Say where the server was asked too often."""
        times_s = [at_s for at_s, _ in self.network.requests]
        for index, at_s in enumerate(times_s[REQUESTS_MAX:]):
            if at_s - times_s[index] < REQUESTS_PERIOD_S:
                yield f"{REQUESTS_MAX + 1} requests within {at_s - times_s[index]:.3f} s"
                return

    def _verdict(self) -> Iterator[str]:
        """Say what is not as it must be in the end."""
        server, cached = self.server, {record[KEY]: record for record in self._informer.records()}
        if not self._informer.pipeline.has_synced:
            yield "the informer has not synced"
        for key in sorted({*server.objects, *cached} - server.unreadable):
            expected, found = server.objects.get(key), cached.get(key)
            if found != expected:
                yield (
                    f"the cache has {key} {found and found[RESOURCE_VERSION]}, "
                    f"the server {expected and expected[RESOURCE_VERSION]}"
                )
        yield from (f"{key} was never so" for key, record in cached.items() if not server.was(record))
        for number, handled in enumerate(self._handled):
            yield from (f"handler {number} ({handled.manner}) {text}" for text in _wrong_with(handled, cached))
        if self._subject is not None:
            yield from filter(None, [self._subject.verdict([Unstructured(record) for record in cached.values()])])


def _wrong_with(handled: _Handled, cached: Mapping[str, ObjectRecord]) -> Iterator[str]:
    """Say what a handler has got wrong, given the cache."""
    registration, mirror, group = handled.registration, handled.mirror, handled.manner.group
    yield from mirror.wrong
    if not registration.is_active and isinstance(registration.last_error, HandlerOverflow):
        return  # it was removed, as it had asked for: what it was told is true of a moment in the past
    told = {
        key: (record[UID], record[RESOURCE_VERSION])
        for key, record in cached.items()
        if group in {"", record[LABELS][1]}
    }
    if mirror.state != told:
        differing = sorted({key for key, _ in told.items() ^ mirror.state.items()})
        yield f"was told otherwise than the cache says of {', '.join(differing)}"
    if not registration.has_synced:
        yield "has not synced"
    expected = -(-mirror.calls // 2) if mirror.raises else 0
    if registration.errors != expected:
        yield f"has {registration.errors} errors, not {expected}: {registration.last_error!r}"


def _any_may_be_gone(key: str, uid: str) -> bool:  # noqa: ARG001 - for handlers whose objects may become another's
    return True


def _tell(subject: Subject, notification: Notification) -> None:
    _, old, new, reason = notification
    if new is None:
        assert old is not None
        subject.on_delete(old)
    elif old is None:
        subject.on_add(new, is_in_initial_list=reason is Reason.INITIAL)
    else:
        subject.on_update(old, new)
