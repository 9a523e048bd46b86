"""What must hold in an election, judged from outside, by the world's time and by who really wrote what."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

from kubeprims.leaderelection.effects import Ended, EndReason, EndTerm, ExtendTerm, Get, Request, StartTerm
from kubeprims.testing.simulator.election_candidate import Candidate
from kubeprims.testing.simulator.election_lock import NOBODY, LockState, ModelLock
from kubeprims.testing.simulator.world import START_S, World

REQUESTS_MAX: Final = 20
"""How many requests a candidate may make within one retry period, whatever goes wrong."""

_SLACK_S: Final = 0.001
"""By how much a wait may end late."""


@dataclass(slots=True)
class HeldTerm:
    """A term, from its start on.

    Attributes:
        candidate: Whose it is.
        token: Its fencing token.
        until_s: Until when it lasts, by the candidate's clock.
        reason: Why its work was told to end; None if it was not.
        is_over: Whether it has ended otherwise than by its time.
        is_working: Whether its work has not ended.
    """

    candidate: Candidate
    token: int
    until_s: float
    reason: EndReason | None = None
    is_over: bool = False
    is_working: bool = True

    def is_open(self, now_s: float) -> bool:
        """Return whether its work may count on being alone."""
        return not self.is_over and now_s < self.candidate.clock.world_s(self.until_s)


class Judge:
    """Is told of everything, and finds fault with it.

    Attributes:
        wrong: Which rules were broken, and how.
        terms: How many terms there have been.
        unsettled_s: When last something happened after which the lock may be free later than usual: work has ended, or
            somebody who does not lead any more has written.

    Concurrency:
        One thread.
    """

    def __init__(self, world: World, lock: ModelLock) -> None:
        self.wrong: list[str] = []
        self.terms = 0
        self.unsettled_s = 0.0
        self._world = world
        self._lock = lock
        self._held: dict[int, HeldTerm] = {}
        self._token = 0
        self._spoilt: dict[int, int] = {}
        self._under: dict[tuple[int, int], EndReason | bool] = {}
        self._sent: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=REQUESTS_MAX))

    def leader(self) -> Candidate | None:
        """Return who leads, and was not told to end it."""
        now_s = self._world.monotonic()
        for term in self._held.values():
            if term.reason is None and term.is_open(now_s):
                return term.candidate
        return None

    # -- what is done to the lock and to candidates -----------------------------------------------------------------

    def interfered(self, before: LockState | None) -> None:
        """Somebody who is no candidate has written over ``before``, or deleted it: nobody can be held to what follows.

        That is, until he has read the lock.
        """
        if before is not None and before.writer != NOBODY:
            self._spoilt[before.writer] = self._lock.version

    def died(self, candidate: Candidate) -> None:
        """A process was killed, and its work with it."""
        self._held.pop(candidate.number, None)

    def resumed(self, candidate: Candidate) -> None:
        """A process goes on, and its work with it, before it has noticed anything."""
        term = self._held.get(candidate.number)
        if term is not None:
            self._be_alone(term, "goes on")

    # -- what candidates do -----------------------------------------------------------------------------------------

    def sends(self, candidate: Candidate, request: Request, number: int) -> None:
        """A request is sent."""
        now_s, sent = self._world.monotonic(), self._sent[candidate.number]
        period_s = candidate.habits.config.retry_period_s / candidate.habits.rate
        if len(sent) == REQUESTS_MAX and now_s - sent[0] < period_s and not candidate.is_catching_up:
            self._find(candidate, f"{REQUESTS_MAX + 1} requests within {now_s - sent[0]:.3f} s")
        sent.append(now_s)
        if isinstance(request, Get):
            return
        term = self._held.get(candidate.number)
        is_open = term is not None and term.is_open(now_s)
        self._under[candidate.number, number] = is_open and ((term and term.reason) or True)
        if not request.record.holder_identity and term is not None and term.is_working:
            self._find(candidate, "D3: gives the lock back while its work has not ended")

    def lands(self, candidate: Candidate, number: int, before: LockState | None, after: LockState) -> None:
        """A write is carried out."""
        is_release = after.record is not None and not after.record.holder_identity
        is_held = before is not None and before.is_held_by(candidate.number)
        under = self._under.pop((candidate.number, number))
        if is_release and not is_held:
            self._find(candidate, f"D4: gives back what is not its own: {before}")
        elif under and not is_held:
            self._find(candidate, f"D5: goes on with its term by a write over {before}")
        if is_release or isinstance(under, EndReason):
            self.unsettled_s = self._world.monotonic()

    def read(self, candidate: Candidate, state: LockState | None) -> None:
        """The candidate has been shown the newest state of the lock, and has decided what to do."""
        term = self._held.get(candidate.number)
        if term is None or not term.is_open(self._world.monotonic()):
            return
        if state is None or not state.is_held_by(candidate.number):
            self._find(candidate, f"{_rule(candidate, state)}: goes on leading though it was shown {state}")

    def told(self, candidate: Candidate, effect: StartTerm | ExtendTerm | EndTerm) -> None:
        """The work is told something."""
        match effect:
            case StartTerm(token=token, leads_until_s=until_s):
                self._start(candidate, int(token), until_s)
            case ExtendTerm(leads_until_s=until_s):
                self._extend(candidate, until_s)
            case EndTerm(reason=reason):
                self._end(candidate, reason)

    def drained(self, candidate: Candidate) -> None:
        """The work has ended."""
        self.unsettled_s = self._world.monotonic()
        term = self._held.get(candidate.number)
        if term is None:
            return
        if not term.is_over and term.reason is not None:
            self._check_late(term, "its work goes on")  # it may, while the lock is renewed
        term.is_working = False
        term.is_over = term.is_over or term.reason is not None

    def ended(self, candidate: Candidate, effect: Ended) -> None:
        """The process ends."""
        term = self._held.pop(candidate.number, None)
        if term is not None and term.reason is None:
            self._find(candidate, f"D5: ends without ending its term: {effect}")

    # -- terms ------------------------------------------------------------------------------------------------------

    def _start(self, candidate: Candidate, token: int, until_s: float) -> None:
        self.terms += 1
        before = self._held.get(candidate.number)
        if before is not None and (before.reason is None or before.is_working):
            self._find(candidate, "D5: starts a term, and the one before has not ended")
        term = self._held[candidate.number] = HeldTerm(candidate, token, until_s)
        if not self._is_spoilt(term):
            if token <= self._token:
                self._find(candidate, f"starts with token {token}, and there was {self._token}")
            self._token = max(self._token, token)
        self._be_alone(term, "starts")

    def _extend(self, candidate: Candidate, until_s: float) -> None:
        term = self._held.get(candidate.number)
        if term is None or not term.is_open(self._world.monotonic()):
            self._find(candidate, "D5: extends a term that is over")
            return
        term.until_s = until_s
        self._be_alone(term, "goes on")

    def _end(self, candidate: Candidate, reason: EndReason) -> None:
        term = self._held.get(candidate.number)
        if term is None:
            self._find(candidate, f"ends no term: {reason}")
            return
        if term.reason is None:
            self._check_late(term, "tells its work")
        term.reason = reason
        term.is_over = term.is_over or not reason.is_voluntary or not term.is_working

    def _check_late(self, term: HeldTerm, what: str) -> None:
        """Find fault with who is told of the end of a term when that has passed, or not at all."""
        late_s = self._world.monotonic() - term.candidate.clock.world_s(term.until_s)
        if late_s > _SLACK_S and not term.candidate.is_catching_up:
            self._find(term.candidate, f"{what} {late_s:.3f} s after the end of its term")

    def _be_alone(self, term: HeldTerm, verb: str) -> None:
        """Find fault with another term that is open."""
        now_s = self._world.monotonic()
        if not self._counts(term, now_s):
            return
        for number, other in tuple(self._held.items()):
            if other is term:
                continue
            if self._counts(other, now_s):
                self._find(
                    term.candidate,
                    f"two open terms: {verb} with token {term.token}, and {other.candidate.identity} leads with "
                    f"{other.token}",
                )
            elif not other.candidate.is_alive:
                del self._held[number]

    def _counts(self, term: HeldTerm, now_s: float) -> bool:
        return not term.candidate.is_paused and term.is_open(now_s) and not self._is_spoilt(term)

    def _is_spoilt(self, term: HeldTerm) -> bool:
        return term.token <= self._spoilt.get(term.candidate.number, 0)

    def _find(self, candidate: Candidate, text: str) -> None:
        self.wrong.append(f"{self._world.monotonic() - START_S:.3f} s: {candidate.identity} {text}")


def _rule(candidate: Candidate, state: LockState | None) -> str:
    """Return which rule somebody breaks who leads while the lock says this."""
    if state is None or state.record is None or not state.record.holder_identity:
        return "D5"
    return "D9" if state.record.holder_identity == candidate.identity else "D2"
