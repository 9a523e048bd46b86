"""A lock object as the API server keeps it: one object, compare-and-swap, and one counter of versions.

Besides what a server knows, it knows what no candidate can: which process wrote a state, and since when that process
has held the lock without a break. The rules of an election are judged by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kubeprims.leaderelection.record import LeaderElectionRecord

NOBODY: Final = 0
"""Who writes what no candidate has written."""


@dataclass(frozen=True, slots=True)
class LockState:
    """The object, between two changes.

    Attributes:
        record: What it says; None if that is no record.
        version: The version of the object.
        writer: The number of the process that wrote the record.
        since: The version at which that process began to hold the lock, without a break up to here.
    """

    record: LeaderElectionRecord | None
    version: int
    writer: int
    since: int

    def is_held_by(self, process: int) -> bool:
        """Return whether a process holds the lock, and not only somebody of its name."""
        return self.writer == process and self.record is not None and bool(self.record.holder_identity)


class ModelLock:
    """The lock object.

    Attributes:
        state: The object; None if there is none.
        history: What there was, for replicas that are behind: the last few states, the newest last.
        version: The storage's counter.
        changes: How often the object has changed.
    """

    HISTORY_MAX: Final = 4

    def __init__(self) -> None:
        self.state: LockState | None = None
        self.history: list[LockState | None] = [None]
        self.version = 100
        self.changes = 0

    def create(self, record: LeaderElectionRecord, writer: int) -> LockState | None:
        """Create the object; None if there is one."""
        return self._write(record, writer) if self.state is None else None

    def update(self, record: LeaderElectionRecord, version: int, writer: int) -> LockState | None:
        """Write into the object if it still has this version; None if it has not."""
        return self._write(record, writer) if self.state is not None and self.state.version == version else None

    def relabel(self) -> None:
        """Change what is not the record."""
        if self.state is not None:
            self._keep(LockState(self.state.record, self._next(), self.state.writer, self.state.since))

    def overwrite(self, record: LeaderElectionRecord | None) -> None:
        """Write what no candidate has written, whatever was there."""
        version = self._next()
        self._keep(LockState(record, version, NOBODY, version))

    def delete(self) -> None:
        """Delete the object."""
        if self.state is not None:
            self._next()
            self._keep(None)

    def _write(self, record: LeaderElectionRecord, writer: int) -> LockState:
        before, version = self.state, self._next()
        goes_on = before is not None and before.is_held_by(writer) and bool(record.holder_identity)
        state = LockState(record, version, writer, before.since if before is not None and goes_on else version)
        self._keep(state)
        return state

    def _next(self) -> int:
        self.version += 1
        return self.version

    def _keep(self, state: LockState | None) -> None:
        self.state = state
        self.changes += 1
        self.history = [*self.history[1 - self.HISTORY_MAX :], state]
