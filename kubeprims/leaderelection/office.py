"""The leader's term as others see it: the work on its thread, the callbacks, the events, the figures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from kubeprims.clock import Clock
from kubeprims.leaderelection.announcer import Announcer
from kubeprims.leaderelection.effects import EndReason, Notice
from kubeprims.leaderelection.metrics import ElectionMetrics
from kubeprims.leaderelection.term import Term
from kubeprims.threads import Deadline, ThreadGroup

logger = logging.getLogger(__name__)


class Callbacks(NamedTuple):
    """Who is told what.

    Attributes:
        started: The work of a leader; returns once it is done, or was told to end.
        stopped: Told that a term is over.
        new_leader: Told who leads.
    """

    started: Callable[[Term], object]
    stopped: Callable[[], object] | None
    new_leader: Callable[[str], object] | None


class Office:
    """Holds at most one term at a time.

    Attributes:
        name: The election's.
        term: The term; None if there is none.
        work_error: What the work died of; None if it did not.

    Concurrency:
        The election's thread calls every method; the attributes may be read from any.
    """

    def __init__(
        self,
        name: str,
        callbacks: Callbacks,
        *,
        record_event: Callable[[str], None],
        on_work_ended: Callable[[BaseException | None], None],
        figures: ElectionMetrics,
        clock: Clock,
    ) -> None:
        """Hold no term yet.

        Args:
            name: The election's, for logs.
            callbacks: Who is told what.
            record_event: Says something in public.
            on_work_ended: Told, on the work's thread, that it has ended, and what it raised.
            figures: Where figures go.
            clock: The clock to live by.
        """
        self.name = name
        self.term: Term | None = None
        self.work_error: BaseException | None = None
        self._callbacks = callbacks
        self._record_event = record_event
        self._on_work_ended = on_work_ended
        self._figures = figures
        self._clock = clock
        self._announcer = Announcer()
        self._work = ThreadGroup(f"leader of {name}")

    def begin(self, token: str, until_s: float) -> None:
        """Begin a term, and its work."""
        term = self.term = Term(token, until_s, clock=self._clock)
        self._figures.leads(is_leading=True)
        logger.info("leading %s", self.name, extra={"token": token})
        self._say("became leader")
        self._work.spawn(lambda: self._do_work(term), name=f"term {token}")

    def _do_work(self, term: Term) -> None:
        error: BaseException | None = None
        try:
            self._callbacks.started(term)
        except BaseException as died:  # noqa: BLE001 - user code; the election ends, and raises it again
            error = died
        self._on_work_ended(error)

    def note_failure(self, error: BaseException) -> None:
        """Keep what the work died of."""
        logger.error("the work of the leader of %s failed", self.name, exc_info=error)
        self.work_error = self.work_error or error

    def extend(self, until_s: float) -> None:
        """Put the term's bound off."""
        if self.term is not None:
            self.term.extend(until_s)

    def tell_to_end(self, reason: EndReason) -> None:
        """Tell the work to end; if that is involuntary, the term is over."""
        if self.term is None:
            return
        level = logging.INFO if reason.is_voluntary else logging.WARNING
        logger.log(level, "the term in %s ends: %s", self.name, reason)
        self._figures.ended(reason)
        if not reason.is_voluntary:
            self.term.lost.set()
            self._figures.leads(is_leading=False)
        self.term.stopped.set()

    def end(self) -> None:
        """Have the term be over, now that its work has ended or was waited for in vain."""
        term, self.term = self.term, None
        if term is None:
            return
        term.end()
        self._figures.leads(is_leading=False)
        self._say("stopped leading")
        if self._callbacks.stopped is not None:
            self._announcer.add("on_stopped_leading", self._callbacks.stopped)

    def announce_leader(self, identity: str) -> None:
        """Tell who leads; empty: nobody."""
        new_leader = self._callbacks.new_leader
        if new_leader is not None:
            self._announcer.add("on_new_leader", lambda: new_leader(identity))

    def announce(self, notice: Notice) -> None:
        """Make something known."""
        logger.warning("the election %s: %s", self.name, notice)
        self._say(f"reports: {notice}")

    def _say(self, text: str) -> None:
        self._announcer.add("an event", lambda: self._record_event(text))

    # -- life ---------------------------------------------------------------------------------------------------------

    def make_announcements(self) -> None:
        """Call the callbacks until closed: what the thread of the callbacks does."""
        self._announcer.run()

    def close(self) -> None:
        """Take in nothing more; what waits to be told is told."""
        self._announcer.close()

    @property
    def failure(self) -> tuple[str, BaseException] | None:
        """Which callback failed first, and what it raised; None if none did."""
        if self.work_error is not None:
            return "on_started_leading", self.work_error
        return self._announcer.failure

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The threads on which work still runs. No other can be started afterwards."""
        return self._work.join(Deadline.after(0.0))

    def remaining_s(self) -> float:
        """Return for how many seconds the term lasts at least; 0 if there is none."""
        term = self.term
        return 0.0 if term is None else term.remaining_s()
