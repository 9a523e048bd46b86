"""What happens to a manager while it runs."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from kubeprims.controller.gate import LeaderTerm
from kubeprims.errors import MemberDied

CACHES = "caches"
"""The name of the caches, among parts."""


class What(Enum):
    """What has happened."""

    STOP = auto()
    ENDED = auto()
    SYNCED = auto()
    WARM = auto()
    ELECTED = auto()
    PREPARED = auto()
    LOST = auto()


class Event(NamedTuple):
    """One thing that has happened.

    Attributes:
        what: What.
        name: To which part, or in which election.
        error: What a part died of.
        term: The term of the election.
    """

    what: What
    name: str = ""
    error: BaseException | None = None
    term: LeaderTerm | None = None


def ended(event: Event) -> BaseException:
    """Return the failure that the end of a part is."""
    if event.name == CACHES and event.error is not None:
        return event.error
    died = MemberDied(event.name)
    died.__cause__ = event.error
    return died
