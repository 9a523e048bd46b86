"""Who there is to run: by name, by group, by election, as ``--controllers`` selects them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from kubeprims.controller.lifecycle import Member
from kubeprims.controller.selection import select_controllers
from kubeprims.errors import InvalidArgument, LifecycleError
from kubeprims.threads import Cancel


class Group(Enum):
    """What is started together; the groups in this order, and stopped in the reverse of it."""

    SERVERS = auto()
    """Probes and metrics: the first to come and the last to go, so that both can be watched."""
    ALWAYS = auto()
    """What every replica runs, once the caches are in sync."""
    LEADER = auto()
    """What only the leader runs."""


class Place(NamedTuple):
    """Who are started together.

    Attributes:
        group: The group.
        election: Of what only a leader runs, by which election.
    """

    group: Group
    election: str = ""

    @property
    def start_name(self) -> str:
        """What its slow start is called, for logs and errors."""
        return f"start of {self.group.name.lower()} {self.election}".strip()


class Part:
    """One thing that a manager runs: once, or anew in each term.

    Attributes:
        name: For logs and errors.
        place: With whom it is started.
        warmup: What it does before the election begins; None: nothing.
        starts_again: Whether it can be made anew.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        make: Callable[[], Member | None],
        *,
        warmup: Callable[[Cancel], object] | None = None,
        starts_again: bool = False,
        is_controller: bool = False,
    ) -> None:
        self.name = name
        self.place = place
        self.warmup = warmup
        self.starts_again = starts_again
        self.is_controller = is_controller
        self.member: Member | None = None
        self._make = make

    def make(self) -> Member | None:
        """Make what runs; None if it declines."""
        self.member = self._make()
        return self.member


class Roster:
    """The parts of a manager, and which places have begun.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(self, controllers: str, off_by_default: frozenset[str]) -> None:
        self._controllers = controllers
        self._off_by_default = off_by_default
        self._lock = threading.Lock()
        self._parts: dict[str, Part] = {}
        self._begun: set[Place] = set()
        self._is_closed = False

    def add(self, part: Part) -> bool:
        """Add a part; return whether it starts at once.

        Raises:
            InvalidArgument: Its name is another's.
            LifecycleError: The roster is closed.
        """
        with self._lock:
            if self._is_closed:
                raise LifecycleError(f"the manager stops; it takes on no {part.name} any more")
            if part.name in self._parts:
                raise InvalidArgument(f"the manager has a {part.name} already: names are unique")
            self._parts[part.name] = part
            return part.place in self._begun and part in self._selected()

    def check_selection(self) -> None:
        """Check that what is selected is there.

        Raises:
            ConfigError: Something is not.
        """
        with self._lock:
            self._selected()

    def has_begun(self, place: Place) -> bool:
        """Return whether a place has begun and not ended: what is made for it may start."""
        with self._lock:
            return place in self._begun and not self._is_closed

    def begin(self, place: Place) -> list[Part]:
        """Note that a place begins; return who is to be started. Who comes later starts at once."""
        with self._lock:
            self._begun.add(place)
            return [part for part in self._selected() if part.place == place]

    def end(self, place: Place) -> list[Part]:
        """Note that a place has ended, for now; return who is to be stopped."""
        with self._lock:
            self._begun.discard(place)
            return [part for part in self._parts.values() if part.place == place]

    @property
    def is_closed(self) -> bool:
        """Whether it takes on nobody any more."""
        return self._is_closed

    def close(self) -> None:
        """Take on nobody any more."""
        with self._lock:
            self._is_closed = True

    def of(self, group: Group) -> list[Part]:
        """Return the selected parts of a group, whatever their election."""
        with self._lock:
            return [part for part in self._selected() if part.place.group is group]

    @property
    def members(self) -> list[tuple[Group, Member]]:
        """All that was made to run."""
        with self._lock:
            return [(part.place.group, part.member) for part in self._parts.values() if part.member is not None]

    def _selected(self) -> list[Part]:
        known = {part.name for part in self._parts.values() if part.is_controller}
        names = select_controllers(self._controllers, known, off_by_default=self._off_by_default & known)
        return [part for part in self._parts.values() if not part.is_controller or part.name in names]
