"""Whether an election is stuck: for the liveness probe of a process that contends."""

from __future__ import annotations

from kubeprims.leaderelection.elector import TOLERANCE_S, LeaderElector

CHECK_NAME = "leaderElection"
"""What the check is called in upstream's components."""


class ElectionHealth:
    """The check of one election, of whichever elector runs it at the moment.

    Concurrency:
        Every method may be called from any thread.

    Source:
        client-go tools/leaderelection/healthzadaptor.go, ``HealthzAdaptor``.
        Same: well without an elector, and well unless it believes to lead.
    """

    def __init__(self, tolerance_s: float = TOLERANCE_S) -> None:
        """Check nothing yet.

        Args:
            tolerance_s: For how long beyond the lease a leader may be without a renewal, in seconds.
        """
        self._tolerance_s = tolerance_s
        self._elector: LeaderElector | None = None

    def attach(self, elector: LeaderElector | None) -> None:
        """Check this elector from now on; None: none."""
        self._elector = elector

    def check(self) -> str | None:
        """Return why this process is not well; None if it is."""
        elector = self._elector
        return None if elector is None else elector.check(self._tolerance_s)
