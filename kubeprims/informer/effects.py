"""What a reflector's machine can ask of its driver; ``machine`` says when, and what to report."""

from __future__ import annotations

from dataclasses import dataclass

from kubeprims.errors import KubeprimsError

WATCH_LIST_SILENCE_S = 20.0
"""How long a watch-list may be silent: its end marker trails the last object by up to 6 s (Kubernetes 1.32)."""


@dataclass(frozen=True, slots=True)
class WatchList:
    """Open a watch-list: a watch that begins with everything that there is, and marks the end of that.

    Attributes:
        resource_version: A version to be no older than; None leaves it out: the newest.
        timeout_s: After how long the server is asked to end it.
        deadline_s: How long it may take until the end marker.
        silence_s: How long it may be silent before that.
    """

    resource_version: str | None
    timeout_s: float
    deadline_s: float
    silence_s: float = WATCH_LIST_SILENCE_S


@dataclass(frozen=True, slots=True)
class ListPage:
    """Fetch one page of the list.

    Attributes:
        resource_version: What to send; None leaves the parameter out.
        limit: The page size; None asks for everything in one page.
        continue_token: The token of the page before; empty for a first page.
    """

    resource_version: str | None
    limit: int | None
    continue_token: str = ""

    @property
    def first(self) -> bool:
        """Whether this is the first page: items kept from an earlier try are let go."""
        return not self.continue_token


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace the local copy by the items of all pages; ``resource_version`` is the version of the list."""

    resource_version: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Watch from ``resource_version``; the server is asked to end the watch after ``timeout_s`` seconds."""

    resource_version: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Follow:
    """Go on with the watch-list that is open, as with a watch."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the server for its version, by a list of at most one object."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Make ``error`` known and wait ``delay_s`` seconds."""

    delay_s: float
    error: KubeprimsError


Effect = WatchList | ListPage | Replace | Watch | Follow | Probe | Sleep
"""What a driver is asked for: one at a time."""
