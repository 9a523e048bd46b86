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
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum, auto
from typing import NamedTuple

from kubeprims.clock import Clock, SystemClock
from kubeprims.controller.controller import Controller
from kubeprims.controller.gate import AlwaysLeader, LeaderGate, LeaderTerm
from kubeprims.controller.lifecycle import Member, Runnable, stop_all
from kubeprims.controller.selection import select_controllers
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
from kubeprims.threads import Cancel, Deadline

logger = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT_S = 30.0
SYNC_TIMEOUT_S = 120.0

_CACHES = "caches"
_ELECTION = "election"


class Group(Enum):
    """What is started together; the groups in this order, and stopped in the reverse of it."""

    SERVERS = auto()
    """Probes and metrics: the first to come and the last to go, so that both can be watched."""
    ALWAYS = auto()
    """What every replica runs, once the caches are in sync."""
    LEADER = auto()
    """What only the leader runs."""


class _What(Enum):
    STOP = auto()
    ENDED = auto()
    SYNCED = auto()
    ELECTED = auto()
    LOST = auto()


class _Event(NamedTuple):
    what: _What
    name: str = ""
    error: BaseException | None = None
    term: LeaderTerm | None = None


class ControllerManager:
    """Runs controllers, caches and whatever else an operator consists of, as one.

    In this order: probes and metrics; caches, until they are in sync; what every replica runs; then, once this process
    leads, what only the leader runs. It stops in the reverse order: the leader's work is waited for while the lock is
    still renewed, and only then is it released. A part that dies, or ends by itself, ends all of it.

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
        controllers: str = "*",
        off_by_default: frozenset[str] = frozenset(),
        shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S,
        sync_timeout_s: float = SYNC_TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        """Make a manager of nothing yet.

        Args:
            informers: The caches; started, waited for and stopped by the manager.
            gate: Says when this process leads; None: always.
            controllers: Which controllers run, as ``--controllers`` says it: ``*``, ``-name``, ``name``.
            off_by_default: The controllers that ``*`` leaves off.
            shutdown_timeout_s: How long stopping may take in all, in seconds.
            sync_timeout_s: How long the caches may take until they are in sync, in seconds.
            clock: The clock to live by.

        Raises:
            ConfigError: A time is not positive.
        """
        for field, value in (("shutdown_timeout_s", shutdown_timeout_s), ("sync_timeout_s", sync_timeout_s)):
            if not value > 0:
                raise ConfigError(f"must be a positive number of seconds, not {value!r}", field=field)
        self._informers = informers
        self._gate = gate or AlwaysLeader()
        self._controllers = controllers
        self._off_by_default = off_by_default
        self._shutdown_timeout_s = shutdown_timeout_s
        self._sync_timeout_s = sync_timeout_s
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._members: dict[str, tuple[Group, Member]] = {}
        self._controller_names: set[str] = set()
        self._reached: set[Group] = set()
        self._helpers: list[Member] = []
        self._term: LeaderTerm | None = None
        self._is_started = False
        self._is_stopping = False
        self._signals = 0

    # -- what it runs -------------------------------------------------------------------------------------------------

    def add(self, runnable: Controller | Runnable, *, name: str = "", group: Group | None = None) -> None:
        """Add a controller, or anything else with ``run(stop)``; if its group runs already, it starts at once.

        Args:
            runnable: What to run. What it raises, and its end before it is told to stop, end the manager.
            name: For logs and errors; a controller has its own.
            group: When to run it. Unless given, a controller says by ``needs_leader``, and anything else is for the
                leader alone.

        Raises:
            InvalidArgument: It has no ``run``, no name, or the name of another.
            LifecycleError: The manager stops, or has stopped.
        """
        if isinstance(runnable, Controller):
            self._add_controller(runnable)
            return
        if not callable(getattr(runnable, "run", None)):
            raise InvalidArgument(f"a manager runs controllers and what has run(stop), not {runnable!r}")
        self._add(Member(name or type(runnable).__name__, runnable.run, clock=self._clock), group or Group.LEADER)

    def _add_controller(self, controller: Controller) -> None:
        group = Group.LEADER if controller.needs_leader else Group.ALWAYS

        def body(stop: Cancel) -> None:
            term = self._term if group is Group.LEADER else None
            controller.run(stop, term, stop_timeout_s=self._shutdown_timeout_s)

        def unfinished() -> list[str]:
            return [f"the reconcile of {key}" for key, _ in controller.in_flight]

        member = Member(controller.name, body, clock=self._clock, unfinished=unfinished)
        self._add(member, group, is_controller=True)

    def _add(self, member: Member, group: Group, *, is_controller: bool = False) -> None:
        with self._lock:
            if self._is_stopping:
                raise LifecycleError(f"the manager stops; it takes on no {member.name} any more")
            if member.name in self._members or member.name in {_CACHES, _ELECTION}:
                raise InvalidArgument(f"the manager has a {member.name} already: names are unique")
            self._members[member.name] = (group, member)
            if is_controller:
                self._controller_names.add(member.name)
            starts = group in self._reached and self._is_selected(member.name)
        if starts:
            member.start(self._note_end)

    def _is_selected(self, name: str) -> bool:
        return name not in self._controller_names or name in select_controllers(
            self._controllers, self._controller_names, off_by_default=self._off_by_default & self._controller_names
        )

    # -- life ---------------------------------------------------------------------------------------------------------

    @property
    def is_leading(self) -> bool:
        """Whether this process leads."""
        term = self._term
        return term is not None and term.is_leading()

    def stop(self) -> None:
        """Tell it to stop; never blocks, and may be repeated."""
        self._events.put(_Event(_What.STOP))

    def run(self, stop: threading.Event | Cancel | None = None) -> None:
        """Run until told to stop.

        Args:
            stop: Ends it; so does :meth:`stop`.

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
            names = self._controller_names
            select_controllers(self._controllers, names, off_by_default=self._off_by_default & names)
        with self._listening_to(stop):
            failure: BaseException | None = None
            try:
                self._begin()
                failure = self._follow_events()
            except BaseException as error:  # noqa: BLE001 - raised again once everything has been stopped
                failure = error
            overran, late_failure = self._end()
        failure = failure or late_failure
        if overran:
            raise StopTimeout(overran, timeout_s=self._shutdown_timeout_s) from failure
        if failure is not None:
            raise failure

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
                logger.critical("the manager has ended: %s", error)
                return 1
        return 0

    @contextmanager
    def _listening_to(self, stop: threading.Event | Cancel | None) -> Generator[None]:
        if stop is None:
            yield
        elif isinstance(stop, Cancel):
            take_back = stop.add_callback(self.stop)
            try:
                yield
            finally:
                take_back()
        else:
            # An event calls nobody: somebody has to wait for it.
            watcher = Member("stop event", lambda _: _wait_for(stop), clock=self._clock)
            watcher.start(lambda _name, _error: self.stop())
            try:
                yield
            finally:
                stop.set()
                watcher.join(Deadline.after(None))

    def _on_signal(self, number: int) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        self.stop()

    # -- the order of things ------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._start_group(Group.SERVERS)
        informers = self._informers
        if informers is None:
            self._events.put(_Event(_What.SYNCED))
            return
        informers.start()
        self._help(_CACHES, lambda stop: informers.wait_for_cache_sync(self._sync_timeout_s, cancel=stop), _What.SYNCED)

    def _follow_events(self) -> BaseException | None:
        """Do what each event calls for, until one of them ends it; return why, None if it was told to."""
        while True:
            event = self._events.get()
            match event.what:
                case _What.STOP:
                    return None
                case _What.ENDED:
                    return _ended(event)
                case _What.LOST:
                    return LeadershipLost("leadership was lost")
                case _What.SYNCED:
                    self._start_group(Group.ALWAYS)
                    self._help(_ELECTION, self._contend, None)
                case _What.ELECTED:
                    self._start_leading(event.term)

    def _contend(self, stop: Cancel) -> None:
        term = self._gate.wait(stop)
        if term is not None:
            self._events.put(_Event(_What.ELECTED, term=term))

    def _start_leading(self, term: LeaderTerm | None) -> None:
        assert term is not None
        self._term = term
        term.lost.add_callback(lambda: self._events.put(_Event(_What.LOST)))
        logger.info("leading")
        self._start_group(Group.LEADER)

    def _start_group(self, group: Group) -> None:
        with self._lock:
            self._reached.add(group)
            members = [member for other, member in self._members.values() if other is group]
            selected = [member for member in members if self._is_selected(member.name)]
        for member in selected:
            member.start(self._note_end)

    def _help(self, name: str, body: Callable[[Cancel], None], done: _What | None) -> None:
        """Do on a thread of its own what this one must not wait for."""

        def on_end(name: str, error: BaseException | None) -> None:
            if error is not None:
                self._events.put(_Event(_What.ENDED, name, error))
            elif done is not None:
                self._events.put(_Event(done))

        helper = Member(name, body, clock=self._clock)
        self._helpers.append(helper)
        helper.start(on_end)

    def _note_end(self, name: str, error: BaseException | None) -> None:
        self._events.put(_Event(_What.ENDED, name, error))

    def _end(self) -> tuple[list[str], BaseException | None]:
        """Stop everything in the reverse order; return what has not ended in time, and what a cache died of."""
        deadline = Deadline.after(self._shutdown_timeout_s, clock=self._clock)
        with self._lock:
            self._is_stopping = True
        overran = stop_all(self._helpers, deadline)
        overran += self._stop_group(Group.LEADER, deadline)
        self._release(is_drained=not overran, deadline=deadline)
        overran += self._stop_group(Group.ALWAYS, deadline)
        failure: BaseException | None = None
        try:
            if self._informers is not None:
                self._informers.stop(max(0.0, deadline.remaining_s()))
        except StopTimeout as error:
            overran += error.running
        except BaseException as error:  # noqa: BLE001 - raised once everything has been stopped
            failure = error
        return overran + self._stop_group(Group.SERVERS, deadline), failure

    def _release(self, *, is_drained: bool, deadline: Deadline) -> None:
        term, self._term = self._term, None
        if term is None:
            return
        if is_drained:
            term.release(max(0.0, deadline.remaining_s()))
        else:
            logger.error("the lock is not released: the leader's work has not ended")

    def _stop_group(self, group: Group, deadline: Deadline) -> list[str]:
        with self._lock:
            members = [member for other, member in self._members.values() if other is group]
        return stop_all(members, deadline)


def _wait_for(stop: threading.Event) -> None:
    stop.wait()


def _ended(event: _Event) -> BaseException:
    """Return the failure that the end of a part is."""
    if event.name == _CACHES and event.error is not None:
        return event.error
    died = MemberDied(event.name)
    died.__cause__ = event.error
    return died
