"""What others are told of an election: who leads, and what people should hear of. Pure."""

from __future__ import annotations

from kubeprims.leaderelection.effects import NewLeader, Notice, Report
from kubeprims.leaderelection.observed import ObservedLock


class Telling:
    """Remembers what was told, so that nothing is told twice."""

    __slots__ = ("_leader", "_notices")

    def __init__(self) -> None:
        self._leader = ""
        self._notices: set[Notice] = set()

    def leader(self, lock: ObservedLock) -> tuple[NewLeader, ...]:
        """Tell who leads, if that has changed."""
        if lock.is_unreadable or lock.holder == self._leader:
            return ()
        self._leader = lock.holder
        return (NewLeader(lock.holder),)

    def once(self, notice: Notice) -> tuple[Report, ...]:
        """Make something known, once a term."""
        if notice in self._notices:
            return ()
        self._notices.add(notice)
        return (Report(notice),)

    def start_over(self) -> None:
        """Let notices be given again: another term begins."""
        self._notices.clear()
