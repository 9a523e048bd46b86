"""Elections on an embedded server: one candidate step by step, or whole electors on threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from kubeprims.errors import Conflict, KubeprimsError, NotFound
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
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from kubeprims.leaderelection.elector import LeaderElector
from kubeprims.leaderelection.lock import ResourceLock
from kubeprims.leaderelection.machine import ElectionMachine
from kubeprims.leaderelection.term import Term
from kubeprims.testing import APIServer, VirtualClock
from kubeprims.threads import Deadline, ThreadGroup
from tests.leaderelection.stepping import Constant
from tests.waiting import eventually

TIMEOUT_S = 20.0
LOCK_RESOURCES = ("/leases", "/configmaps", "/endpoints")


def asked(server: APIServer) -> list[str]:
    """Return what was asked of locks so far, but for lists and watches: the verbs, in order."""
    return [
        entry.verb
        for entry in list(server.requests)
        if any(name in entry.path for name in LOCK_RESOURCES) and entry.verb in {"get", "create", "update"}
    ]


class Election:
    """A candidate's machine over a lock on a server, with virtual time and no thread."""

    def __init__(self, lock: ResourceLock, server: APIServer, **settings: object) -> None:
        self.machine = ElectionMachine(lock.identity, ElectionConfig(**settings), rng=Constant())  # type: ignore[arg-type]
        self.clock = VirtualClock()
        self.leaders: list[str] = []
        self.tokens: list[str] = []
        self.leads = False
        self.ended: Ended | None = None
        self._lock = lock
        self._server = server
        self._before = len(asked(server))
        self._next: Effect | None = None
        self._take(self.machine.start(self.now))

    @property
    def now(self) -> Instant:
        return Instant(self.clock.monotonic(), self.clock.wall())

    @property
    def requests(self) -> list[str]:
        return asked(self._server)[self._before :]

    def _take(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case StartTerm(token=token):
                    self.leads = True
                    self.tokens.append(token)
                case EndTerm():
                    self.leads = False
                case NewLeader(identity=identity):
                    self.leaders.append(identity)
                case Get() | Create() | Update() | Wait():
                    self._next = effect
                case Ended():
                    self._next, self.ended = None, effect
                case ExtendTerm() | _:
                    pass

    def step(self) -> Election:
        """Carry out one request."""
        request = self._next
        assert isinstance(request, Get | Create | Update), request
        self._next = None
        self._take(self._carry_out(request))
        return self

    def attempt(self) -> Election:
        """Carry out requests until there is something to be waited for."""
        while isinstance(self._next, Get | Create | Update):
            self.step()
        return self

    def wait_s(self, seconds: float) -> Election:
        """Let time pass, doing what is due meanwhile."""
        until_s = self.clock.monotonic() + seconds
        while isinstance(self._next, Wait) and self._next.until_s <= until_s:
            self.clock.advance(max(0.0, self._next.until_s - self.clock.monotonic()))
            self._take(self.machine.on_waited(self.now))
            self.attempt()
        self.clock.advance(max(0.0, until_s - self.clock.monotonic()))
        return self

    def due(self) -> Election:
        """Let time pass until something is due, and begin it."""
        assert isinstance(self._next, Wait)
        self.clock.advance(max(0.0, self._next.until_s - self.clock.monotonic()))
        self._take(self.machine.on_waited(self.now))
        return self

    def stop(self) -> Election:
        """Stop it, and have its work end at once."""
        self._take(self.machine.on_stop(self.now))
        self._take(self.machine.on_work_returned(self.now))
        return self

    def _carry_out(self, request: Get | Create | Update) -> tuple[Effect, ...]:
        machine, lock = self.machine, self._lock
        try:
            if isinstance(request, Get):
                return machine.on_got(lock.get(), self.now)
            write = lock.create if isinstance(request, Create) else lock.update
            return machine.on_written(*write(request.record), self.now)
        except NotFound:
            if isinstance(request, Get):
                return machine.on_not_found(self.now)
            return machine.on_write_failed(WriteFailure.CONFLICT, self.now)
        except KubeprimsError as error:
            if isinstance(request, Get):
                return machine.on_get_failed(self.now)
            failure = WriteFailure.CONFLICT if isinstance(error, Conflict) else WriteFailure.UNKNOWN
            return machine.on_write_failed(failure, self.now)


@dataclass
class Heard:
    """What callbacks were called with, in order."""

    log: list[str] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)

    def started(self, term: Term) -> None:
        """Work until told to end."""
        self.terms.append(term)
        self.log.append(f"started {term.token}")
        term.stopped.wait()
        self.log.append("ended")

    def stopped(self) -> None:
        self.log.append("stopped")

    def new_leader(self, identity: str) -> None:
        self.log.append(f"leader {identity}")

    def wait_for(self, entry: str, count: int = 1) -> None:
        eventually(
            lambda: sum(found.startswith(entry) for found in self.log) >= count, TIMEOUT_S, f"{entry}: {self.log}"
        )


@dataclass
class Outcome:
    """How an elector's run has ended."""

    result: Ended | None = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> Outcome:
        assert self.done.wait(TIMEOUT_S), "the elector has not ended"
        return self


@contextmanager
def running(*electors: LeaderElector) -> Iterator[Sequence[Outcome]]:
    """Run electors on threads of their own; they are stopped at the end."""
    group = ThreadGroup("test")
    outcomes = [Outcome() for _ in electors]

    def run(elector: LeaderElector, outcome: Outcome) -> None:
        try:
            outcome.result = elector.run()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            outcome.error = error
        outcome.done.set()

    for elector, outcome in zip(electors, outcomes, strict=True):
        group.spawn(lambda elector=elector, outcome=outcome: run(elector, outcome), name=elector.identity)  # type: ignore[misc]
    try:
        yield outcomes
    finally:
        for elector in electors:
            elector.stop()
        assert group.join(Deadline.after(TIMEOUT_S)) == ()
