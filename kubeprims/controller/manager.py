"""Runs what an operator consists of: starts it in order, stops it in reverse, and ends as a whole if a part dies.

Everything that happens to a manager while it runs (a signal, a part that ends, a term that is won or lost) is put into
one queue, and the thread that runs it takes one after the other. So no two things are decided at once.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

from kubeprims.clock import Clock, SystemClock
from kubeprims.controller.checks import ManagerChecks, Readiness
from kubeprims.controller.controller import Controller
from kubeprims.controller.events import CACHES, Event, What, ended
from kubeprims.controller.gate import AlwaysLeader, LeaderGate, LeaderTerm
from kubeprims.controller.lifecycle import Member, Runnable, before_the_end, checked, stop_all
from kubeprims.controller.options import ManagerOptions
from kubeprims.controller.probes import Probes
from kubeprims.controller.roster import Group, Part, Place, Roster
from kubeprims.controller.signals import heard
from kubeprims.errors import (
    ConfigError,
    InvalidArgument,
    KubeprimsError,
    LeadershipLost,
    LifecycleError,
    MemberDied,
    StopTimeout,
)
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.metrics import Metrics
from kubeprims.threads import Cancel, Deadline, told

__all__ = ["ControllerManager", "Group", "ManagerOptions", "Readiness"]

logger = logging.getLogger(__name__)

_ELECTION = "election"
_PREPARATION = "on_started_leading"
_PROBES = "probes"

Make = Callable[[], Controller | Runnable | None]
"""Makes a part; None if there is no use for it here."""


class ControllerManager:
    """Runs controllers, caches and whatever else an operator consists of, as one.

    In this order: probes and metrics; caches, until they are in sync; what every replica runs; then, once this process
    leads, what only the leader runs. It stops in the reverse order: the leader's work is waited for while the lock is
    still renewed, and only then is it released. A part that dies, or ends by itself, ends all of it.

    Webhooks are out of scope: a server of them is a part like any other, in the group ``SERVERS``.

    Attributes:
        is_leading: Whether this process leads.

    Concurrency:
        :meth:`run` blocks its thread, once. Every other method may be called from any thread.

    Source:
        controller-runtime pkg/manager/internal.go; k8s.io/controller-manager.
        Same: the groups and their order; what is added later starts at once; nothing can be added while it stops.
        Differs: the lock is released before the caches stop, so that the next leader waits for nothing but the work.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        *,
        informers: SharedInformerFactory | None = None,
        gate: LeaderGate | None = None,
        gates: Mapping[str, LeaderGate] | None = None,
        controllers: str = "*",
        off_by_default: frozenset[str] = frozenset(),
        probes: Probes | None = None,
        metrics: Metrics | None = None,
        on_started_leading: Callable[[LeaderTerm], None] | None = None,
        options: ManagerOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Make a manager of nothing yet.

        Args:
            informers: The caches; started, waited for and stopped by the manager.
            gate: Says when this process leads; None: always.
            gates: Further elections by name, for controllers that name one (``election=``); each is contended for by
                itself, and the loss of any is the loss of all.
            controllers: Which controllers run, as ``--controllers`` says it: ``*``, ``-name``, ``name``.
            off_by_default: The controllers that ``*`` leaves off.
            probes: Run by the manager; says of each controller, of the caches and of the elections how they are.
            metrics: Where the manager's own figures go.
            on_started_leading: Called with each new term of the first election before anything of the leader starts;
                what it raises ends the manager. It should return soon once the term is lost.
            options: Time-outs and the like; None is the defaults.
            clock: The clock to live by.

        Raises:
            ConfigError: There are figures of another manager of that name, or an election has no name.
        """
        self._options = options or ManagerOptions()
        self._informers = informers
        self._gates: dict[str, LeaderGate] = {"": gate or AlwaysLeader(), **(gates or {})}
        if "" in (gates or {}):
            raise ConfigError("must not be empty: that is the first election, gate", field="gates")
        self._on_started_leading = on_started_leading
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._roster = Roster(controllers, off_by_default)
        self._helpers: list[Member] = []
        self._terms: dict[str, LeaderTerm] = {}
        self._contended: set[str] = set()
        self._has_synced = False
        self._is_started = False
        self._signals = 0
        self._checks = ManagerChecks(self._options.name, probes, metrics)
        self._add_checks()
        self._probes = probes
        if probes is not None:
            self.add(probes, name=_PROBES, group=Group.SERVERS)

    def _add_checks(self) -> None:
        checks, informers = self._checks, self._informers
        for name, gate in self._gates.items():
            checks.add_gate(f"{_ELECTION} {name}".strip(), gate)
        if informers is not None:
            checks.add_readiness(CACHES, lambda: self._has_synced and informers.has_synced, "they are not in sync")
        if self._options.readiness is Readiness.LEADER:
            checks.add_readiness("leader", lambda: self.is_leading, "another process leads, or none")

    # -- what it runs -------------------------------------------------------------------------------------------------

    def add(self, runnable: Controller | Runnable, *, name: str = "", group: Group | None = None) -> None:
        """Add a controller, or anything else with ``run(stop)``; if its group runs already, it starts at once.

        Args:
            runnable: What to run. What it raises, and its end before it is told to stop, end the manager. If it has a
                ``warmup(stop)`` and is for the leader, that is called, and waited for, before the election begins.
            name: For logs and errors; a controller has its own.
            group: When to run it. Unless given, a controller says by ``needs_leader``, and anything else is for the
                leader alone.

        Raises:
            InvalidArgument: It has no ``run``, no name, or the name of another, or there is no such group or election.
            LifecycleError: The manager stops, or has stopped.
        """
        if isinstance(runnable, Controller):
            own = Group.LEADER if runnable.needs_leader else Group.ALWAYS
            place = self._place(group or own, runnable.election)
            make = partial(self._member, runnable.name, runnable, place)
            self._add(Part(runnable.name, place, make, is_controller=True))
            return
        name = name or type(runnable).__name__
        place, warmup = self._place(group or Group.LEADER, ""), getattr(checked(runnable), "warmup", None)
        self._add(Part(name, place, lambda: self._member(name, runnable, place), warmup=warmup))

    def add_factory(
        self, name: str, make: Make, *, group: Group = Group.LEADER, election: str = "", is_controller: bool = True
    ) -> None:
        """Add what is made when its group starts, and made anew in each term if the manager rejoins elections.

        Args:
            name: For logs and errors, and for ``controllers``; that of the controller that is made.
            make: Makes it, and should not block; None if there is no use for it here, which is logged.
            group: When to run it.
            election: Which election decides about it.
            is_controller: Whether ``controllers`` selects it.

        Raises:
            InvalidArgument: The name is empty or another's, or there is no such group or election.
            LifecycleError: The manager stops, or has stopped.
            MemberDied: It would start at once, and cannot be made; what is made later ends the manager with this.
        """
        if not name or not callable(make):
            raise InvalidArgument(f"a factory has a name and can be called, unlike {name!r}, {make!r}")

        def made() -> Member | None:
            runnable = make()
            if runnable is None:
                logger.info("%s is not used here", name)
                return None
            return self._member(name, checked(runnable), place)

        place = self._place(group, election)
        self._add(Part(name, place, made, starts_again=True, is_controller=is_controller))

    def _place(self, group: Group, election: str) -> Place:
        if not isinstance(cast("object", group), Group):
            raise InvalidArgument(f"a group is one of Group.{', Group.'.join(Group.__members__)}, not {group!r}")
        if election not in self._gates:
            names = ", ".join(name for name in self._gates if name) or "none by name"
            raise InvalidArgument(f"the manager has no election {election}; there are: {names}")
        return Place(group, election if group is Group.LEADER else "")

    def _member(self, name: str, runnable: Controller | Runnable, place: Place) -> Member:
        if not isinstance(runnable, Controller):
            return Member(name, runnable.run, clock=self._clock)

        def body(stop: Cancel) -> None:
            term = self._terms[place.election] if place.group is Group.LEADER else None
            with self._checks.running(runnable):
                # The manager bounds how long it waits; a second bound here could pass as an end in time.
                runnable.run(stop, term, stop_timeout_s=None)

        def unfinished() -> list[str]:
            return [f"the reconcile of {key}" for key, _ in runnable.in_flight]

        return Member(name, body, clock=self._clock, unfinished=unfinished, cut=runnable.cut)

    def _add(self, part: Part) -> None:
        if part.name in {CACHES, _ELECTION}:
            raise InvalidArgument(f"the manager has a {part.name} already: names are unique")
        if self._roster.add(part) and not self._start(part) and self._roster.is_closed:
            raise LifecycleError(f"the manager stops; it takes on no {part.name} any more")

    def _start(self, part: Part) -> bool:
        """Make and start a part; False if its place has ended meanwhile."""
        try:
            member = part.make()
        except Exception as error:  # user code: named, as what dies later is
            raise MemberDied(part.name) from error
        # Who ends the place finds the member, or is found out here.
        has_begun = self._roster.has_begun(part.place)
        if member is not None and has_begun:
            member.start(self._note_end)
        return has_begun

    # -- life ---------------------------------------------------------------------------------------------------------

    @property
    def is_leading(self) -> bool:
        """Whether this process leads."""
        term = self._terms.get("")
        return term is not None and term.is_leading()

    def stop(self) -> None:
        """Tell it to stop; never blocks, and may be repeated."""
        self._events.put(Event(What.STOP))

    def run(self, stop: threading.Event | Cancel | None = None) -> None:
        """Run until told to stop.

        Args:
            stop: Ends it; so does :meth:`stop`. An event is set when this returns; a ``Cancel`` is left alone.

        Raises:
            ConfigError: ``controllers`` names one that there is not.
            LifecycleError: It was run before.
            MemberDied: A part died or ended by itself; what it died of is the cause.
            CacheSyncTimeout: The caches were not in sync in time.
            LeadershipLost: Another process may lead now.
            StopTimeout: Something has not ended in time; names all such.
        """
        with self._lock:
            if self._is_started:
                raise LifecycleError("a manager runs once")
            self._is_started = True
        try:
            self._roster.check_selection()
            self._check_rejoin()
        except ConfigError:
            self._checks.close()  # there is no end to come that does
            if self._probes is not None:
                self._probes.close()
            raise
        with told(stop, self.stop):
            failure: BaseException | None = None
            try:
                self._begin()
                failure = self._follow_events()
            except BaseException as error:  # noqa: BLE001 - raised again once everything has been stopped
                failure = error
            overran, late_failure = self._end(failure)
        failure = failure or late_failure
        if overran:
            raise StopTimeout(overran, timeout_s=self._options.shutdown_timeout_s) from failure
        if failure is not None:
            raise failure

    def _check_rejoin(self) -> None:
        single = [part.name for part in self._roster.of(Group.LEADER) if not part.starts_again]
        if self._options.rejoin and single:
            rule = f"needs add_factory() for what only the leader runs: {', '.join(single)} starts once"
            raise ConfigError(rule, field="rejoin")

    def main(self) -> int:
        """Run until SIGTERM or SIGINT, and return the exit code; a second signal ends the process at once.

        Returns:
            0 if it was told to stop and everything ended in time; 1 otherwise, and the reason is logged.

        Raises:
            ConfigError: As for :meth:`run`.
            LifecycleError: It was run before, or this is not the main thread, which alone gets signals.
        """
        if threading.current_thread() is not threading.main_thread():
            raise LifecycleError("signals come to the main thread alone: call run(stop) elsewhere")
        with heard((signal.SIGTERM, signal.SIGINT), self._on_signal):
            try:
                self.run()
            except (ConfigError, LifecycleError):
                raise
            except KubeprimsError as error:
                logger.critical("the manager has ended: %s", error, exc_info=error.__cause__)
                return 1
        return 0

    def _on_signal(self, number: int) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self.stop()

    # -- the order of things ------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._start_place(Place(Group.SERVERS))
        informers = self._informers
        if informers is None:
            self._events.put(Event(What.SYNCED))
            return
        informers.start()
        timeout_s = self._options.sync_timeout_s
        self._help(CACHES, lambda stop: informers.wait_for_cache_sync(timeout_s, cancel=stop), Event(What.SYNCED))

    def _follow_events(self) -> BaseException | None:
        """Do what each event calls for, until one of them ends it; return why, None if it was told to."""
        while True:
            event = self._events.get()
            match event.what:
                case What.STOP:
                    return None
                case What.ENDED:
                    return ended(event)
                case What.LOST:
                    if event.term is self._terms.get(event.name) and not self._rejoin(event.name):
                        return LeadershipLost("leadership was lost")
                case _:
                    self._go_on(event)

    def _go_on(self, event: Event) -> None:
        """Take the next step of starting."""
        match event.what:
            case What.SYNCED:
                self._has_synced = True
                self._start_place(Place(Group.ALWAYS))
                self._help("warm-up", self._warm_up, Event(What.WARM))
            case What.WARM:
                self._contend("")
                if not self._options.elections_in_turn:
                    self._contend_for_others()
            case What.ELECTED:
                self._start_leading(event.name, event.term)
            case _:
                if event.term is self._terms.get(event.name):  # else it is over already
                    self._start_place(Place(Group.LEADER, event.name))
                    if self._options.elections_in_turn and not event.name:
                        self._contend_for_others()

    def _warm_up(self, stop: Cancel) -> None:
        for part in self._roster.of(Group.LEADER):
            if callable(part.warmup) and not stop.is_set:
                part.warmup(stop)

    def _contend_for_others(self) -> None:
        """Contend in every election but the first; a first one that is won again is no news to them."""
        for election in [name for name in self._gates if name not in {"", *self._contended}]:
            self._contended.add(election)
            self._contend(election)

    def _contend(self, election: str) -> None:
        gate = self._gates[election]

        def contend(stop: Cancel) -> None:
            term = gate.wait(stop)
            if term is not None:
                self._events.put(Event(What.ELECTED, election, term=term))

        self._help(f"{_ELECTION} {election}".strip(), contend, None)

    def _start_leading(self, election: str, term: LeaderTerm | None) -> None:
        assert term is not None
        self._terms[election] = term
        term.lost.add_callback(lambda: self._events.put(Event(What.LOST, election, term=term)))
        logger.info("leading%s", f" {election}" if election else "")
        prepare, prepared = self._on_started_leading, Event(What.PREPARED, election, term=term)
        if prepare is None or election:
            self._events.put(prepared)
        else:
            self._help(_PREPARATION, lambda _: prepare(term), prepared)

    def _rejoin(self, election: str) -> bool:
        """End what a lost term began, and contend for another; False if that is not wanted, or something went wrong."""
        if not self._options.rejoin:
            return False
        logger.warning("leadership was lost; contending again once its work has ended")
        deadline = Deadline.after(self._options.shutdown_timeout_s, clock=self._clock)
        place = Place(Group.LEADER, election)
        parts = self._roster.end(place)
        members = [part.member for part in parts if part.member is not None]
        names = {place.start_name} if election else {place.start_name, _PREPARATION}
        members += [helper for helper in self._helpers if helper.name in names]
        if stop_all(members, deadline) or any(member.error is not None for member in members):
            return False
        self._terms.pop(election, None)
        self._contend(election)
        return True

    def _start_place(self, place: Place) -> None:
        parts = self._roster.begin(place)
        if self._options.start_interval_s and place.group is not Group.SERVERS:
            self._help(place.start_name, partial(self._start_slowly, parts), None)
        else:
            for part in parts:
                self._start(part)

    def _start_slowly(self, parts: list[Part], stop: Cancel) -> None:
        for part in parts:
            if stop.is_set or not self._start(part):
                return
            stop.wait(self._options.next_interval_s(), clock=self._clock)

    def _help(self, name: str, body: Callable[[Cancel], None], done: Event | None) -> None:
        """Do on a thread of its own what this one must not wait for."""

        def on_end(helper: Member) -> None:
            if helper.error is not None:
                self._events.put(Event(What.ENDED, name, helper.error))
            elif done is not None:
                self._events.put(done)

        helper = Member(name, body, clock=self._clock)
        self._helpers = [other for other in self._helpers if not other.has_ended]
        self._helpers.append(helper)
        helper.start(on_end)

    def _note_end(self, member: Member) -> None:
        if not member.is_stopping:
            self._events.put(Event(What.ENDED, member.name, member.error))

    def _end(self, failure: BaseException | None) -> tuple[list[str], BaseException | None]:
        """Stop everything in the reverse order; return what has not ended in time, and what else went wrong."""
        deadline = Deadline.after(self._options.shutdown_timeout_s, clock=self._clock)
        self._roster.close()
        for group, member in self._roster.members:
            if group is Group.LEADER:
                member.signal_stop()  # another may lead already, and does not wait for what helps this one
        # Whoever overruns must leave the others the time to end, or they would be named as well.
        leader, always, caches = (before_the_end(deadline, steps=steps) for steps in (3, 2, 1))
        overran = stop_all(self._helpers, leader)
        self._take_late_terms()
        overran += self._stop_group(Group.LEADER, leader)
        is_drained = not overran and not any(
            isinstance(member.error, StopTimeout) for group, member in self._roster.members if group is Group.LEADER
        )
        failures = self._release(is_drained=is_drained, deadline=always)
        overran += self._stop_group(Group.ALWAYS, always)
        try:
            if self._informers is not None:
                self._informers.stop(max(0.0, caches.remaining_s()))
        except StopTimeout as error:
            overran += error.running
        except BaseException as error:  # noqa: BLE001 - raised once everything has been stopped
            failures.append(error)
        overran += self._stop_group(Group.SERVERS, deadline)
        self._checks.close()
        failures += self._late_failures(failure)
        return overran, failures[0] if failures else None

    def _take_late_terms(self) -> None:
        """Take what was won while this stopped, so that it is released and not left to run out."""
        while not self._events.empty():
            event = self._events.get()
            if event.what is What.ELECTED and event.term is not None:
                self._terms[event.name] = event.term

    def _late_failures(self, known: BaseException | None) -> list[BaseException]:
        """Return what parts died of while they stopped, and log it: only one of them can be raised."""
        failures: list[BaseException] = []
        for _, member in self._roster.members:
            if member.error is not None and (known is None or member.error is not known.__cause__):
                logger.error("%s failed while it stopped", member.name, exc_info=member.error)
                failures.append(ended(Event(What.ENDED, member.name, member.error)))
        return failures

    def _release(self, *, is_drained: bool, deadline: Deadline) -> list[BaseException]:
        terms, self._terms = self._terms, {}
        failures: list[BaseException] = []
        for term in terms.values():
            if not is_drained:
                logger.error("the lock is not released: the leader's work has not ended")
                continue
            try:
                term.release(max(0.0, deadline.remaining_s()))
            except BaseException as error:  # noqa: BLE001 - raised once everything has been stopped
                failures.append(error)
        return failures

    def _stop_group(self, group: Group, deadline: Deadline) -> list[str]:
        return stop_all([member for other, member in self._roster.members if other is group], deadline)
