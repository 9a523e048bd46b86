"""How a reflector fares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from kubeprims.clock import Clock
from kubeprims.errors import KubeprimsError
from kubeprims.informer.failures import RestartCause


class ReflectorState(StrEnum):
    """What a reflector is doing."""

    NEW = "new"
    LISTING = "listing"
    WATCHING = "watching"
    WAITING = "waiting"
    STOPPED = "stopped"


ErrorCallback = Callable[[KubeprimsError, float], None]
"""Called with each failure and the seconds until the next try (0: at once)."""


class ReflectorStatus:
    """How a reflector fares: written by its thread, read by anybody.

    Attributes:
        state: What it is doing.
        last_error: The last failure; None again once a list is in or a watch is open.
        failures: How many failures there were in all.
        lists: How many first pages were asked for.
        watches: How many watches were asked for.
        watch_lists: How many watch-lists were asked for; each goes on as a watch.
        probes: How often the server was asked for nothing but its version.
        restarts: How often a list or a watch was begun anew, by cause.
        listed: How many objects the running, or the last, list has brought.
        malformed: How many objects could not be understood.
        refetches: How many objects were asked for one by one, because they could not be understood before.
        refetched_version: The newest version of an answer to that since the last list began; empty if there was none.
            The server has been there, though list and watch may not have come so far.
        resource_version: The version of the local copy.
        next_try_s: The clock when the next try is, while waiting; else None.
        last_contact_s: The clock when the server was last heard of; None if never.
    """

    __slots__ = (
        "failures",
        "last_contact_s",
        "last_error",
        "listed",
        "lists",
        "malformed",
        "next_try_s",
        "probes",
        "refetched_version",
        "refetches",
        "resource_version",
        "restarts",
        "state",
        "watch_lists",
        "watches",
    )

    def __init__(self, restarts: Mapping[RestartCause, int] | None = None) -> None:
        self.state = ReflectorState.NEW
        self.last_error: KubeprimsError | None = None
        self.failures = 0
        self.lists = 0
        self.listed = 0
        self.watches = 0
        self.watch_lists = 0
        self.probes = 0
        self.restarts: Mapping[RestartCause, int] = {} if restarts is None else restarts
        self.malformed = 0
        self.refetches = 0
        self.refetched_version = ""
        self.resource_version = ""
        self.next_try_s: float | None = None
        self.last_contact_s: float | None = None

    def next_try_in_s(self, clock: Clock) -> float:
        """Return in how many seconds the next try is; 0 if one is under way."""
        next_try_s = self.next_try_s
        return 0.0 if next_try_s is None else max(0.0, next_try_s - clock.monotonic())
