"""How a manager runs what it has."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from kubeprims.clock import Rng
from kubeprims.controller.checks import Readiness
from kubeprims.errors import ConfigError

SHUTDOWN_TIMEOUT_S = 30.0
SYNC_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerOptions:
    """Time-outs and the like of a manager.

    Attributes:
        name: For metrics.
        shutdown_timeout_s: How long stopping may take in all, in seconds; ``math.inf``: for ever. The leader's work has
            all of it but three tenths, or three seconds if that is less: those are for what stops after it.
        sync_timeout_s: How long the caches may take until they are in sync, in seconds.
        start_interval_s: How long to wait between the starts of two controllers of a group, in seconds, so that they do
            not all begin at once; each wait is up to twice as long, by chance.
        readiness: When the process is ready.
        rejoin: Whether a term that is lost leads to another election, rather than to the end: what only the leader
            runs is ended and made anew (``add_factory``), and the caches stay.
        elections_in_turn: Whether further elections are contended for only once the first one is won and its work has
            begun, as in a leader migration; else all of them at once.
        rng: The chance to live by.

    Raises:
        ConfigError: A time is out of range.

    Source:
        kube-controller-manager --controller-start-interval, with ``ControllerStartJitter`` 1.0.
    """

    name: str = "kubeprims"
    shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S
    sync_timeout_s: float = SYNC_TIMEOUT_S
    start_interval_s: float = 0.0
    readiness: Readiness = Readiness.ALWAYS
    rejoin: bool = False
    elections_in_turn: bool = False
    rng: Rng = field(default_factory=random.Random, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("shutdown_timeout_s", "sync_timeout_s"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"must be a positive number of seconds, not {value!r}", field=name)
        if not 0 <= self.start_interval_s < math.inf:
            rule = f"must be a number of seconds that is not negative, not {self.start_interval_s!r}"
            raise ConfigError(rule, field="start_interval_s")
        object.__setattr__(self, "readiness", _readiness(self.readiness))

    def next_interval_s(self) -> float:
        """Return how long to wait before the next start, in seconds."""
        return self.start_interval_s * (1.0 + self.rng.random())


def _readiness(value: Readiness | str) -> Readiness:
    try:
        return Readiness(value)
    except ValueError:
        raise ConfigError(f"must be one of {', '.join(Readiness)}, not {value!r}", field="readiness") from None
