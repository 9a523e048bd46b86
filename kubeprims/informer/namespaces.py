"""Several namespaces as one view: a reflector for each, all of which fill one cache."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kubeprims.errors import ConfigError, InvalidArgument, KubeprimsError, LifecycleError
from kubeprims.informer.failures import RestartCause
from kubeprims.informer.feed import FeedParts, ReflectorFeed
from kubeprims.informer.progress import Progress
from kubeprims.informer.reflector import ListerWatcher
from kubeprims.informer.status import ReflectorState, ReflectorStatus
from kubeprims.informer.versions import oldest
from kubeprims.threads import Cancel

logger = logging.getLogger(__name__)

NAMESPACES_MAX = 200
"""How many namespaces one informer follows at most: each has a thread and a connection of its own."""

_COUNTERS = ("failures", "lists", "malformed", "probes", "refetches", "watch_lists", "watches")


class Namespaces(Protocol):
    """Which namespaces an informer is about, and when that changes."""

    @property
    def status(self) -> ReflectorStatus | None:
        """How their own watch fares; None if there is none."""
        ...

    def follow(self, changed: Callable[[], None], /) -> None:
        """Begin to watch them; ``changed`` is called, on any thread, whenever :meth:`names` may have changed."""
        ...

    def names(self) -> Iterable[str] | None:
        """Return them; None while they are not known yet."""
        ...

    def close(self) -> None:
        """End their watch."""
        ...


class NamedNamespaces:
    """Namespaces that are named, once and for all; they need not be there yet.

    Raises:
        InvalidArgument: None is named, one is empty, or there are more than :data:`NAMESPACES_MAX`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        if not self._names or "" in self._names:
            raise InvalidArgument("name one namespace or more, and none by an empty name")
        if len(self._names) > NAMESPACES_MAX:
            raise InvalidArgument(_too_many(len(self._names)))

    @property
    def status(self) -> ReflectorStatus | None:
        """Nothing: nobody watches them."""
        return None

    def follow(self, changed: Callable[[], None], /) -> None:
        """Tell of the names, which never change."""
        changed()

    def names(self) -> frozenset[str]:
        """Return them."""
        return self._names

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class ByNamespace:
    """A resource that is listed and watched namespace by namespace.

    Attributes:
        lister_watcher: Returns what lists and watches the objects of one namespace.
        namespaces: Which namespaces.
    """

    lister_watcher: Callable[[str], ListerWatcher]
    namespaces: Namespaces


@dataclass(frozen=True, slots=True)
class _Followed:
    feed: ReflectorFeed
    cancel: Cancel


class NamespacesFeed:
    """Keeps one reflector running for each namespace.

    The namespaces that are known at first make up the first list together. One that comes later brings its objects as
    adds; the objects of one that goes are deleted.

    Threads: this one, and one for each namespace.

    Concurrency:
        :meth:`run` is the body of one thread, and it alone starts and ends reflectors.
    """

    def __init__(self, resource: ByNamespace, parts: FeedParts) -> None:
        self._lister_watcher = resource.lister_watcher
        self._namespaces = resource.namespaces
        self._parts = parts
        self._progress = Progress(parts.clock)
        self._has_changed = False
        self._lock = threading.Lock()  # who has left counts once, whenever somebody looks
        self._followed: dict[str, _Followed] = {}
        self._left = ReflectorStatus()
        self._excess: KubeprimsError | None = None
        self._state = ReflectorState.NEW

    @property
    def status(self) -> ReflectorStatus:
        """What the reflectors, and the watch of the namespaces, come to at the moment."""
        own = self._namespaces.status
        with self._lock:
            followed, left = tuple(self._followed.values()), self._left
        total = combined([one.feed.status for one in followed], left=left, idle=self._state)
        if own is not None and not followed:
            total.last_contact_s = own.last_contact_s
        if own is not None and own.last_error is not None:
            total.last_error, total.next_try_s = own.last_error, own.next_try_s
            total.state = own.state
        if self._state is ReflectorState.STOPPED:
            total.state = self._state
        total.last_error = self._excess or total.last_error
        return total

    def run(self, cancel: Cancel) -> None:
        """Follow the namespaces until cancelled."""
        take_back = cancel.add_callback(self._progress.note)
        self._state = ReflectorState.LISTING
        try:
            self._namespaces.follow(self._note_change)
            while self._progress.wait_until(lambda: cancel.is_set or self._has_changed) and not cancel.is_set:
                self._has_changed = False
                names = self._namespaces.names()
                if names is not None:
                    self._follow(frozenset(names), cancel)
        finally:
            self._state = ReflectorState.STOPPED
            take_back()
            self._namespaces.close()

    def _note_change(self) -> None:
        self._has_changed = True
        self._progress.note()

    def _follow(self, names: frozenset[str], cancel: Cancel) -> None:
        told, self._excess = self._excess, None
        if len(names) > NAMESPACES_MAX:
            # Some of them would be a view that looks whole and is not: it stays as it is.
            self._excess = ConfigError(_too_many(len(names)), source=self._parts.name, field="namespaces")
            if told is None:
                self._failed(self._excess)
            return
        for name in sorted(self._followed.keys() - names):
            self._leave(name)
        fresh: list[_Followed] = []
        for name in sorted(names - self._followed.keys()):
            feed = ReflectorFeed(self._lister_watcher(name), self._parts, namespace=name)
            followed = _Followed(feed, Cancel(cancel))
            with self._lock:
                self._followed[name] = followed
            fresh.append(followed)
        self._state = ReflectorState.WATCHING
        self._parts.pipeline.has_listed()  # there may be none to wait for
        # Only now that every source is made, so that no reflector's list passes for the whole first list.
        for followed in fresh:
            self._start(followed)

    def _failed(self, error: KubeprimsError) -> None:
        self._left.failures += 1
        logger.error("%s", error)
        if self._parts.on_error is None:
            return
        try:
            self._parts.on_error(error, 0.0)
        except Exception:  # user code: reporting a failure must not add one
            logger.exception("%s: on_error failed", self._parts.name)

    def _start(self, followed: _Followed) -> None:
        name = f"reflector of {followed.feed.source.namespace}"
        try:
            self._parts.spawn(lambda: followed.feed.run(followed.cancel), name)
        except LifecycleError:
            if not followed.cancel.is_set:
                raise  # else the informer has stopped meanwhile

    def _leave(self, name: str) -> None:
        with self._lock:
            followed = self._followed.pop(name)
            self._left = combined([followed.feed.status], left=self._left)
        followed.cancel.set()
        followed.cancel.close()
        self._parts.pipeline.remove_source(followed.feed.source)


def combined(
    statuses: Sequence[ReflectorStatus],
    *,
    left: ReflectorStatus | None = None,
    idle: ReflectorState = ReflectorState.NEW,
) -> ReflectorStatus:
    """Return what the states of several reflectors come to.

    Counters are summed; versions and times are those of the one that is furthest behind; a failure of one is the
    failure of all.

    Args:
        statuses: Of the reflectors.
        left: What others, which are no more, have counted: no counter ever goes back.
        idle: The state of none.
    """
    counted = [*statuses, *([] if left is None else [left])]
    restarts: Counter[RestartCause] = Counter()
    for status in counted:
        restarts.update(dict(status.restarts))  # copied at once: its thread may be counting
    total = ReflectorStatus(restarts)
    total.state = _combined_state({status.state for status in statuses}, idle)
    for name in _COUNTERS:
        setattr(total, name, sum(getattr(status, name) for status in counted))
    total.listed = sum(status.listed for status in statuses)
    errors = [status.last_error for status in statuses if status.last_error is not None]
    total.last_error = errors[-1] if errors else None
    total.resource_version = oldest([status.resource_version for status in statuses])
    contacts = [status.last_contact_s for status in statuses]
    known = [contact_s for contact_s in contacts if contact_s is not None]
    total.last_contact_s = min(known) if len(known) == len(contacts) and known else None
    total.next_try_s = min((s.next_try_s for s in statuses if s.next_try_s is not None), default=None)
    return total


def _combined_state(states: set[ReflectorState], idle: ReflectorState) -> ReflectorState:
    worst_first = (ReflectorState.WAITING, ReflectorState.LISTING, ReflectorState.NEW, ReflectorState.WATCHING)
    return next((state for state in worst_first if state in states), idle)


def _too_many(count: int) -> str:
    return (
        f"{count} namespaces are more than the {NAMESPACES_MAX} that one informer follows: "
        "watch all namespaces, and narrow that by labels or shards"
    )
