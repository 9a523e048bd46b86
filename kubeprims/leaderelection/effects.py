"""What goes into an election's machine, and what comes out of it: values. Pure."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from kubeprims.leaderelection.record import LeaderElectionRecord


class Phase(Enum):
    """What a candidate is about."""

    NEW = auto()
    CONTENDING = auto()
    LEADING = auto()
    DRAINING = auto()
    """The work was told to end; if that was voluntary, the lock is still renewed."""
    RELEASING = auto()
    ENDED = auto()


class Instant(NamedTuple):
    """A moment.

    Attributes:
        clock_s: What the monotonic clock says, in seconds: what everything is measured by.
        wall: What the calendar says: written into records, for people.
    """

    clock_s: float
    wall: datetime.datetime


class Observation(NamedTuple):
    """The lock object as somebody saw it.

    Attributes:
        record: What it says; None if it says what cannot be read.
        version: The record as the lock writes it. The same after what has changed nothing in the record, such as a
            label that was added: only its holder's word prolongs a lease.
    """

    record: LeaderElectionRecord | None
    version: str


class WriteFailure(StrEnum):
    """What is known of a write that did not succeed."""

    CONFLICT = "conflict"
    """It was not carried out: the object is not in the state that was written on, or is there already."""
    REFUSED = "refused"
    """It was not carried out, for another reason."""
    UNKNOWN = "unknown"
    """It may have been carried out, or may still be."""


class EndReason(StrEnum):
    """Why a term ends."""

    STOPPED = "stopped"
    """The elector was stopped."""
    STEPPED_DOWN = "stepped down"
    """The leader gives up on its own account."""
    WORK_RETURNED = "work returned"
    """What is done while leading has been done."""
    WORK_FAILED = "work failed"
    """What is done while leading raised."""
    DEADLINE = "renew deadline"
    """No write was accepted in time."""
    OTHER_HOLDER = "other holder"
    """Somebody else holds the lock, or nobody."""
    LOCK_GONE = "lock gone"
    """The lock object is gone."""
    DUPLICATE_IDENTITY = "duplicate identity"
    """Somebody else writes in our name."""
    PREFERRED_HOLDER = "preferred holder"
    """The server would rather have another leader, in a coordinated election."""

    @property
    def is_voluntary(self) -> bool:
        """Whether the lock is still ours, so that it is renewed until the work has ended."""
        return self in _VOLUNTARY

    @property
    def is_lost(self) -> bool:
        """Whether the lock was seen not to be ours any more, so that there is nothing to release."""
        return self in _LOST


_VOLUNTARY = frozenset({EndReason.STOPPED, EndReason.STEPPED_DOWN, EndReason.WORK_RETURNED, EndReason.WORK_FAILED})
_LOST = frozenset({EndReason.OTHER_HOLDER, EndReason.LOCK_GONE, EndReason.DUPLICATE_IDENTITY})


# -- what the driver does next: always the last effect, and never more than one ----------------------------------------


@dataclass(frozen=True, slots=True)
class Get:
    """Read the lock object; report ``on_got``, ``on_not_found`` or ``on_get_failed``. Give up at ``give_up_at_s``."""

    give_up_at_s: float


@dataclass(frozen=True, slots=True)
class Create:
    """Create the lock object; report ``on_written`` or ``on_write_failed``. Give up at ``give_up_at_s``."""

    record: LeaderElectionRecord
    give_up_at_s: float


@dataclass(frozen=True, slots=True)
class Update:
    """Write into the lock object as it was last read or written; report and give up as for :class:`Create`."""

    record: LeaderElectionRecord
    give_up_at_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until ``until_s``, then report ``on_waited``."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more is to be done.

    Attributes:
        has_led: Whether there was a term.
        reason: Why the last term ended; None if there was none.
        is_drained: Whether its work had ended in time.
        is_released: Whether the lock was given back.
    """

    has_led: bool
    reason: EndReason | None
    is_drained: bool
    is_released: bool


# -- what the driver tells others, at once and without waiting --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartTerm:
    """Start the work.

    Attributes:
        token: The fencing token: the version of the write that opened the term.
        leads_until_s: Until when the term lasts unless it is extended.
    """

    token: str
    leads_until_s: float


@dataclass(frozen=True, slots=True)
class ExtendTerm:
    """The term lasts until ``leads_until_s``."""

    leads_until_s: float


@dataclass(frozen=True, slots=True)
class EndTerm:
    """Tell the work to end, and report ``on_work_returned`` once it has.

    May come twice: when the lock is lost while the work ends voluntarily.
    """

    reason: EndReason


@dataclass(frozen=True, slots=True)
class NewLeader:
    """Somebody else than before holds the lock; empty: nobody."""

    identity: str


class Notice(StrEnum):
    """What people should hear of."""

    DUPLICATE_IDENTITY = "somebody else writes the lock in our name; identities must be unique"
    UNREADABLE_LOCK = "the lock object holds what is no record; it counts as held for one lease duration"
    NOT_DRAINED = "the work has not ended in time; the lock is not released"
    SLOW_SERVER = "the answer came after the renew deadline; the lock was won and cannot be used"


@dataclass(frozen=True, slots=True)
class Report:
    """Make something known."""

    notice: Notice


Request = Get | Create | Update
Next = Request | Wait | Ended
Effect = Next | StartTerm | ExtendTerm | EndTerm | NewLeader | Report
