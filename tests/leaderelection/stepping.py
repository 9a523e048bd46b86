"""One election machine, driven step by step against a lock in memory."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import replace

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
    Phase,
    Report,
    Request,
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from kubeprims.leaderelection.machine import ElectionMachine
from kubeprims.leaderelection.record import LeaderElectionRecord

EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


class Constant:
    """Chance that always says the same."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


class MemoryLock:
    """A lock object, as a server keeps it.

    Attributes:
        record: What it says; None: what cannot be read.
        exists: Whether there is an object.
        revision: Grows with each write, of this object and any before it.
    """

    def __init__(self) -> None:
        self.record: LeaderElectionRecord | None = None
        self.exists = False
        self.revision = 0

    def write(self, record: LeaderElectionRecord | None) -> None:
        """Write without asking anybody; what changes nothing makes no new revision."""
        if not self.exists or self.record != record:
            self.revision += 1
        self.exists = True
        self.record = record

    def delete(self) -> None:
        self.revision += 1
        self.exists = False

    @property
    def version(self) -> str:
        return repr(self.record)

    @property
    def observation(self) -> Observation | None:
        return Observation(self.record, self.version) if self.exists else None


class Candidate:
    """A machine, its clock and what it knows of the lock.

    Attributes:
        told: All effects so far but requests, waits and extensions.
        request: The request that waits for its answer.
    """

    def __init__(
        self, lock: MemoryLock, identity: str = "me", *, chance: float = 0.0, **settings: object
    ) -> None:  # fmt: skip
        self.config = ElectionConfig(**settings)  # type: ignore[arg-type]
        self.machine = ElectionMachine(identity, self.config, rng=Constant(chance))
        self.lock = lock
        self.now_s = 0.0
        self.request: Request | None = None
        self.wait: Wait | None = None
        self.requests: list[str] = []
        self.told: list[Effect] = []
        self.leads_until_s = 0.0
        self.ended: Ended | None = None
        self._known_revision = -1

    @property
    def now(self) -> Instant:
        return Instant(self.now_s, EPOCH + datetime.timedelta(seconds=self.now_s))

    @property
    def leads(self) -> bool:
        return self.now_s < self.leads_until_s

    def take(self, effects: Iterable[Effect]) -> list[Effect]:
        """Carry out effects as a driver does, all but the requests; return them."""
        found = list(effects)
        for number, effect in enumerate(found):
            match effect:
                case Get() | Create() | Update():
                    assert self.request is None, "two requests at once"
                    assert number == len(found) - 1
                    assert effect.give_up_at_s >= self.now_s
                    self.request, self.wait = effect, None
                    self.requests.append(type(effect).__name__.lower())
                    continue
                case Wait():
                    assert self.request is None
                    assert number == len(found) - 1
                    self.wait = effect
                    continue
                case StartTerm(leads_until_s=until_s) | ExtendTerm(leads_until_s=until_s):
                    self.leads_until_s = until_s
                case EndTerm(reason=reason) if not reason.is_voluntary:
                    self.leads_until_s = min(self.leads_until_s, self.now_s)
                case Ended():
                    self.request, self.ended = None, effect
                case EndTerm() | NewLeader() | Report():
                    pass
            if not isinstance(effect, ExtendTerm):
                self.told.append(effect)
        if self.machine.phase not in {Phase.LEADING, Phase.DRAINING}:
            self.leads_until_s = min(self.leads_until_s, self.now_s)
        return found

    # -- the driver's and the world's moves ---------------------------------------------------------------------------

    def start(self) -> list[Effect]:
        return self.take(self.machine.start(self.now))

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds

    def waited(self) -> list[Effect]:
        """Have the time come that is waited for."""
        assert self.wait is not None
        self.now_s = max(self.now_s, self.wait.until_s)
        return self.take(self.machine.on_waited(self.now))

    def answer(self, *, takes_s: float = 0.0) -> list[Effect]:
        """Have the server carry out the request, and the answer arrive after ``takes_s`` seconds."""
        request, self.request = self.request, None
        outcome = self._carry_out(request)
        self.now_s += takes_s
        machine, lock = self.machine, self.lock
        if outcome is not None:
            return self.take(machine.on_write_failed(outcome, self.now))
        if not isinstance(request, Get):
            return self.take(machine.on_written(lock.version, str(lock.revision), self.now))
        if lock.observation is None:
            return self.take(machine.on_not_found(self.now))
        return self.take(machine.on_got(lock.observation, self.now))

    def _carry_out(self, request: Request | None) -> WriteFailure | None:
        lock = self.lock
        match request:
            case Create(record=record):
                if lock.exists:
                    return WriteFailure.CONFLICT
                lock.write(record)
            case Update(record=record):
                if not lock.exists or self._known_revision != lock.revision:
                    return WriteFailure.CONFLICT
                lock.write(record)
            case Get():
                pass
            case None:
                raise AssertionError("no request is under way")
        self._known_revision = lock.revision
        return None

    def fail(self, failure: WriteFailure = WriteFailure.REFUSED) -> list[Effect]:
        """Have the request fail, without being carried out."""
        request, self.request = self.request, None
        if isinstance(request, Get):
            return self.take(self.machine.on_get_failed(self.now))
        assert request is not None
        return self.take(self.machine.on_write_failed(failure, self.now))

    def lose_answer(self) -> list[Effect]:
        """Have the request be carried out, and fail for who asked, at the last moment."""
        request, self.request = self.request, None
        assert request is not None
        known = self._known_revision
        self._carry_out(request)
        self._known_revision = known
        self.now_s = max(self.now_s, request.give_up_at_s)
        if isinstance(request, Get):
            return self.take(self.machine.on_get_failed(self.now))
        return self.take(self.machine.on_write_failed(WriteFailure.UNKNOWN, self.now))

    def stop(self) -> list[Effect]:
        return self.take(self.machine.on_stop(self.now))

    def step_down(self) -> list[Effect]:
        return self.take(self.machine.on_step_down(self.now))

    def returned(self, *, has_failed: bool = False) -> list[Effect]:
        return self.take(self.machine.on_work_returned(self.now, has_failed=has_failed))

    def see(self) -> list[Effect]:
        """Have a watch show the lock as it is."""
        return self.take(self.machine.on_seen(self.lock.observation, self.now))

    # -- whole stretches ----------------------------------------------------------------------------------------------

    def win(self) -> None:
        """Become the leader of a lock that nobody holds."""
        self.start()
        while not self.leads:
            self.answer()

    def renew(self, times: int = 1) -> None:
        for _ in range(times):
            self.waited()
            self.answer()


def held_by(identity: str, lock: MemoryLock | None = None, duration_s: int = 15, transitions: int = 0) -> MemoryLock:
    """Return a lock that somebody holds; each call renews it."""
    lock = lock or MemoryLock()
    at = EPOCH - datetime.timedelta(days=400) + datetime.timedelta(seconds=lock.revision)
    lock.write(
        LeaderElectionRecord(
            holder_identity=identity,
            lease_duration_s=duration_s,
            acquire_time=at,
            renew_time=at,
            leader_transitions=transitions,
        )
    )
    return lock


def blanked(lock: MemoryLock) -> None:
    """Have whoever holds a lock release it."""
    assert lock.record is not None
    lock.write(replace(lock.record, holder_identity="", lease_duration_s=1))
