"""An election as a manager asks for it: wait for a term, work, give it back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Unpack

from kubeprims.clock import Clock, Rng
from kubeprims.errors import ConfigError, StopTimeout
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.effects import Ended
from kubeprims.leaderelection.elector import TOLERANCE_S, ElectionSettings, LeaderElector
from kubeprims.leaderelection.health import ElectionHealth
from kubeprims.leaderelection.lock import ResourceLock
from kubeprims.leaderelection.term import Term
from kubeprims.metrics import Metrics
from kubeprims.threads import Cancel, Deadline, ThreadGroup

_LAST_RUN_S = 10.0

logger = logging.getLogger(__name__)


class GateTerm:
    """A term that lasts until it is lost, or given back.

    The lock is renewed until :meth:`release` is called, so that what needs it ends under it.

    Attributes:
        lost: Set once it is over, whatever the reason.
        token: The fencing token; see :class:`~kubeprims.leaderelection.term.Term`.

    Concurrency:
        Every member may be used from any thread.
    """

    def __init__(self, term: Term, release: Callable[[float], bool]) -> None:
        self.lost = term.lost
        self.token = term.token
        self._term = term
        self._release = release

    def is_leading(self) -> bool:
        """Return whether it lasts, as the clock says now."""
        return self._term.is_leading()

    def remaining_s(self) -> float:
        """Return for how many seconds it lasts at least, if nobody interferes."""
        return self._term.remaining_s()

    def check(self, needs_s: float = 0.0) -> None:
        """Refuse to go on if the term is over, or will be too soon.

        Raises:
            LeadershipLost: It is.
        """
        self._term.check(needs_s)

    def release(self, timeout_s: float) -> bool:
        """End it, now that its work has ended; return whether others may begin at once.

        Raises:
            KubeprimsError: What its election has died of: a callback that failed.
        """
        return self._release(timeout_s)


class ElectionGate:
    """Decides by an election when this process may work; for ``ControllerManager(gate=...)``.

    A term that is not given back, because its work has not ended, goes on: the lock is renewed for as long as the
    process lives, and so nobody works beside it. The end of the program does not wait for it; then the lock runs out.

    Concurrency:
        One thread waits at a time; the rest may be called from any thread.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        lock: ResourceLock,
        *,
        on_new_leader: Callable[[str], object] | None = None,
        config: ElectionConfig | None = None,
        name: str = "",
        tolerance_s: float = TOLERANCE_S,
        metrics: Metrics | None = None,
        clock: Clock | None = None,
        rng: Rng | None = None,
        **settings: Unpack[ElectionSettings],
    ) -> None:
        """Contend for nothing yet.

        Args:
            lock: What to contend for.
            on_new_leader: Called with the identity of each new leader.
            config: The times; None: the defaults.
            name: For metrics, health and logs; the lock's namespace and name unless given.
            tolerance_s: For how long beyond the lease a leader may be without a renewal before it counts as ill, in
                seconds.
            metrics: Where figures go.
            clock: The clock to live by.
            rng: The chance to live by.
            settings: Single settings, over those of ``config``.

        Raises:
            ConfigError: A setting breaks a rule, or is the manager's to decide: ``rejoin``, ``keep_leading``.
        """
        for field in ("rejoin", "keep_leading"):
            if settings.get(field, getattr(config, field, False)):
                raise ConfigError("is the manager's to decide: a gate gives one term after the other", field=field)

        def make(work: Callable[[Term], None]) -> LeaderElector:
            return LeaderElector(
                lock,
                on_started_leading=work,
                on_new_leader=on_new_leader,
                config=config,
                name=name,
                metrics=metrics,
                clock=clock,
                rng=rng,
                **settings,
            )

        self._make = make
        self._run: _Run | None = None
        self._health = ElectionHealth(tolerance_s)
        make(_no_work)  # or a mistake would show up when the manager runs

    def check(self) -> str | None:
        """Return why this process is not well: its election is stuck; None if it is well."""
        return self._health.check()

    def wait(self, stop: Cancel) -> GateTerm | None:
        """Contend until there is a term; None once ``stop`` is set.

        The work of the term before has ended by now: it is given back if it was not.

        Raises:
            KubeprimsError: The election cannot go on.
        """
        if self._run is not None:
            self._run.release(_LAST_RUN_S)
        run = self._run = _Run(self._make)
        self._health.attach(run.elector)
        return run.wait(stop)


class _Run:
    """One elector, from its start to the end of its term."""

    def __init__(self, make: Callable[[Callable[[Term], None]], LeaderElector]) -> None:
        self.elector = make(self._hold)
        # The work is the manager's, which has waited for it. What has not ended then ends with the program, at once.
        self.elector.stops_at_exit = False
        self._decided = Cancel()
        self._released = Cancel()
        self._term: GateTerm | None = None
        self._result: Ended | None = None
        self._threads = ThreadGroup(f"election {self.elector.name}")

    def wait(self, stop: Cancel) -> GateTerm | None:
        take_back = stop.add_callback(self.elector.stop)
        try:
            self._threads.spawn(self._contend, name="contend")
            self._decided.wait()
        finally:
            take_back()
        if self._term is None:
            self._threads.join(Deadline.after(None))  # raises what it died of
        return self._term

    def _contend(self) -> None:
        try:
            self._result = self.elector.run()
        except StopTimeout as error:
            # The term was lost, and the manager waits for its work by a limit of its own; meanwhile the lock runs out.
            logger.warning(
                "the work of the leader of %s takes long to end", self.elector.name, exc_info=error.__cause__
            )
        finally:
            self._decided.set()

    def _hold(self, term: Term) -> None:
        """Keep the term until it is given back: the work is done elsewhere."""
        self._term = GateTerm(term, self.release)
        self._decided.set()
        self._released.wait()

    def release(self, timeout_s: float) -> bool:
        self._released.set()
        is_over = not self._threads.join(Deadline.after(timeout_s))
        return is_over and self._result is not None and self._result.is_released


def _no_work(_term: Term) -> None:
    """Do nothing: the work is a manager's."""
