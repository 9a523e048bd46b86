"""A candidate's machine on a lock of a server: one request at a time, in time of its own."""

from __future__ import annotations

from kubeprims.client.client import Client
from kubeprims.errors import Conflict, KubeprimsError, NotFound, StatusError
from kubeprims.leaderelection.effects import Create, Effect, Get, NewLeader, StartTerm, Update, WriteFailure
from kubeprims.leaderelection.lock import ResourceLock
from tests.leaderelection.locking import ME, a_lock
from tests.leaderelection.stepping import Candidate, MemoryLock

TIMEOUT_S = 20.0


class Contender(Candidate):
    """A candidate whose requests go over the wire."""

    def __init__(self, lock: ResourceLock, **settings: object) -> None:
        super().__init__(MemoryLock(), lock.identity, **settings)  # type: ignore[arg-type]
        self.served = lock

    def answer(self, *, takes_s: float = 0.0) -> list[Effect]:
        """Have the server carry out the request, and the answer arrive after ``takes_s`` seconds."""
        request, self.request = self.request, None
        try:
            match request:
                case Get():
                    found = self.served.get(timeout_s=TIMEOUT_S)
                    self.now_s += takes_s
                    return self.take(self.machine.on_got(found, self.now))
                case Create(record=record):
                    written = self.served.create(record, timeout_s=TIMEOUT_S)
                case Update(record=record):
                    written = self.served.update(record, timeout_s=TIMEOUT_S)
                case None:
                    raise AssertionError("no request is under way")
        except KubeprimsError as error:
            self.now_s += takes_s
            return self._failed(request, error)
        self.now_s += takes_s
        return self.take(self.machine.on_written(*written, self.now))

    def _failed(self, request: Get | Create | Update, error: KubeprimsError) -> list[Effect]:
        if isinstance(request, Get):
            missing = isinstance(error, NotFound)
            machine = self.machine
            return self.take(machine.on_not_found(self.now) if missing else machine.on_get_failed(self.now))
        if isinstance(error, Conflict):
            failure = WriteFailure.CONFLICT
        else:
            failure = WriteFailure.REFUSED if isinstance(error, StatusError) else WriteFailure.UNKNOWN
        return self.take(self.machine.on_write_failed(failure, self.now))

    def attempt(self) -> None:
        """Have every request of an attempt answered, until there is something to wait for."""
        while self.request is not None:
            self.answer()

    def begin(self) -> None:
        """Start, and make the first attempt."""
        self.start()
        self.attempt()

    def again(self) -> None:
        """Make the next attempt."""
        self.waited()
        self.attempt()

    def again_at(self, at_s: float) -> None:
        """Make attempts until a moment has come."""
        while self.wait is not None and self.wait.until_s <= at_s:
            self.again()
        self.now_s = max(self.now_s, at_s)

    @property
    def leaders(self) -> list[str]:
        """Whom the candidate has reported as the leader."""
        return [effect.identity for effect in self.told if isinstance(effect, NewLeader)]

    @property
    def tokens(self) -> list[str]:
        """The tokens of its terms."""
        return [effect.token for effect in self.told if isinstance(effect, StartTerm)]


def contender(kind: str, client: Client, identity: str = ME, **settings: object) -> Contender:
    """Return a candidate for a lock of a kind, by the names of the flags."""
    return Contender(a_lock(kind, client, identity), **settings)
