"""How one informer works: the settings that its parts are made with, as one value.

Being one value, it can be handed on, compared and varied (``dataclasses.replace``) wherever one informer becomes
several, or several callers share one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kubeprims.errors import ConfigError
from kubeprims.informer.machine import ReflectorOptions

RESYNC_PERIOD_MIN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InformerOptions:
    """How an informer keeps its copy, and tells of it.

    Attributes:
        resync_period_s: How often the cache is replayed to handlers that name no period, in seconds; 0 is never.
        reflector: Page size, watch time-outs, delays.
    """

    resync_period_s: float = 0.0
    reflector: ReflectorOptions = field(default_factory=ReflectorOptions)

    def __post_init__(self) -> None:
        if not is_resync_period(self.resync_period_s):
            rule = f"must be 0 (never) or at least {RESYNC_PERIOD_MIN_S:g} s"
            raise ConfigError(f"{rule}, not {self.resync_period_s!r}", field="resync_period_s")


def is_resync_period(period_s: float) -> bool:
    """Return whether the cache can be replayed this often; 0 is never."""
    return period_s == 0 or RESYNC_PERIOD_MIN_S <= period_s < float("inf")
