"""What a leader's work gets: how long it may go on, and the token that tells its writes from those of others."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from kubeprims.clock import Clock
from kubeprims.errors import LeadershipLost
from kubeprims.threads import Cancel


class Term:
    """The time during which this process leads.

    It has a bound, which each renewal puts off. Past the bound it is over, even if nothing in this process has had the
    time to notice: all answers are computed from the clock at the call. In a forked child it is over from the start.

    This is no fencing. Between a look at the clock and a write that follows it the process may be held up for any time;
    what must never overlap carries the :attr:`token`, and whoever takes it refuses an older one.

    Attributes:
        token: The resourceVersion of the write that opened the term (of a multi-lock, its primary's): it grows with
            each term, whoever leads, as long as the cluster's storage is not restored from a backup and the kind of the
            lock stays the same.
        stopped: Set when the work is to end, for whatever reason. The lock may still be renewed then, while the work
            ends in good order: :meth:`is_leading` says so.
        lost: Set when the term is over.

    Concurrency:
        Every member may be used from any thread. The elector writes to it.
    """

    def __init__(self, token: str, leads_until_s: float, *, clock: Clock) -> None:
        self.token = token
        self.stopped = Cancel()
        self.lost = Cancel()
        self._until_s = leads_until_s
        self._clock = clock
        self._pid = os.getpid()

    def is_leading(self) -> bool:
        """Return whether this process leads, as the clock says now."""
        return self.remaining_s() > 0

    def remaining_s(self) -> float:
        """Return for how many seconds it leads at least, if nobody interferes; 0 once it is over."""
        if self.lost.is_set or os.getpid() != self._pid:
            return 0.0
        return max(0.0, self._until_s - self._clock.monotonic())

    def check(self, needs_s: float = 0.0) -> None:
        """Refuse to go on if the term is over, or will be too soon.

        Args:
            needs_s: How long what follows may take, in seconds.

        Raises:
            LeadershipLost: It is.
        """
        remaining_s = self.remaining_s()
        if remaining_s <= needs_s:
            what = f"ends in {remaining_s:g} s, and {needs_s:g} s are needed" if remaining_s else "is over"
            raise LeadershipLost(f"the term {self.token} {what}")

    @contextmanager
    def guard(self, needs_s: float = 0.0) -> Generator[None]:
        """Check before and after what is done inside, so that nothing done past the term counts as done.

        Raises:
            LeadershipLost: The term is over, or will be too soon, before it; or it is after it.
        """
        self.check(needs_s)
        yield
        self.check()

    # -- the elector's ------------------------------------------------------------------------------------------------

    def extend(self, leads_until_s: float) -> None:
        """Put the bound off."""
        self._until_s = leads_until_s

    def end(self) -> None:
        """Have it be over."""
        self.lost.set()
        self.stopped.set()

    def __repr__(self) -> str:
        return f"<Term {self.token} {'leading' if self.is_leading() else 'over'}>"
