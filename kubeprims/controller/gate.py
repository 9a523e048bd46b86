"""Who may work: what a manager asks of a leader election, and the answer where there is none.

Leader election is one way to keep a gate; a manager only knows this.
"""

from __future__ import annotations

from typing import Protocol

from kubeprims.threads import Cancel


class LeaderTerm(Protocol):
    """The time during which this process may do what only one may.

    Concurrency:
        Every member may be used from any thread.
    """

    @property
    def lost(self) -> Cancel:
        """Set once it is over, whatever the reason."""
        ...

    @property
    def token(self) -> str:
        """What grows with each term, whoever leads: for what must refuse an earlier leader's writes. May be empty."""
        ...

    def is_leading(self) -> bool:
        """Return whether it lasts, as the clock says now."""
        ...

    def release(self, timeout_s: float) -> bool:
        """End it, now that its work has ended; return whether others may begin at once."""
        ...


class LeaderGate(Protocol):
    """Decides when this process may do what only one may."""

    def wait(self, stop: Cancel) -> LeaderTerm | None:
        """Wait for a term; None once ``stop`` is set."""
        ...


class AlwaysLeader:
    """The gate of a process that is alone: one term, which lasts until it is released."""

    def wait(self, stop: Cancel) -> LeaderTerm | None:
        """Return the term."""
        return None if stop.is_set else _OnlyTerm()


class _OnlyTerm:
    """A term that nobody else can end."""

    def __init__(self) -> None:
        self._lost = Cancel()

    @property
    def lost(self) -> Cancel:
        return self._lost

    @property
    def token(self) -> str:
        return ""

    def is_leading(self) -> bool:
        return not self._lost.is_set

    def release(self, timeout_s: float) -> bool:  # noqa: ARG002 - the protocol's signature
        self._lost.set()
        return True
