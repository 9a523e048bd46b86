"""The settings of an election, checked together. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kubeprims.errors import ConfigError
from kubeprims.leaderelection.record import COUNT_MAX

JITTER_FACTOR = 1.2
"""A candidate waits ``retry_period_s`` and up to this many times more."""

LEASE_DURATION_S = 15.0
RENEW_DEADLINE_S = 10.0
RETRY_PERIOD_S = 2.0
FOREIGN_DURATION_MAX_S = 3600.0
DRAIN_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionConfig:
    """The times of an election.

    Attributes:
        lease_duration_s: For how long others must not take over after the leader's last sign of life, in seconds. The
            lock object holds whole seconds, so the fraction is cut off.
        renew_deadline_s: For how long a leader goes on after it *sent* the last write that was accepted, in seconds.
        retry_period_s: Between two attempts, in seconds.
        release_on_cancel: Whether a leader that stops in an orderly way gives the lock back, so that the next one need
            not wait.
        drain_timeout_s: How long the work is waited for once it was told to stop, in seconds.
        foreign_duration_max_s: A longer duration in somebody else's record counts as this, in seconds.
        rejoin: Whether to contend anew after a term that was lost.
        keep_leading: Whether to go on leading when the work has returned by itself.
        identity_is_unique: Whether nobody else can have this identity, not even an earlier process: a lock that it
            holds is then taken on at once.
        coordinated: Whether the server picks the leader (KEP-4355).

    Raises:
        ConfigError: A time is out of range, or they leave no margin.

    Source:
        client-go tools/leaderelection/leaderelection.go, ``LeaderElectionConfig`` and ``NewLeaderElector``.
        Differs: the margin is checked on what is written, which is whole seconds.
    """

    lease_duration_s: float = LEASE_DURATION_S
    renew_deadline_s: float = RENEW_DEADLINE_S
    retry_period_s: float = RETRY_PERIOD_S
    release_on_cancel: bool = True
    drain_timeout_s: float = DRAIN_TIMEOUT_S
    foreign_duration_max_s: float = FOREIGN_DURATION_MAX_S
    rejoin: bool = False
    keep_leading: bool = False
    identity_is_unique: bool = False
    coordinated: bool = False

    def __post_init__(self) -> None:
        for name in ("lease_duration_s", "renew_deadline_s", "retry_period_s", "foreign_duration_max_s"):
            value = getattr(self, name)
            if not (_is_number(value) and value > 0 and math.isfinite(value)):
                raise ConfigError(f"must be a positive number of seconds, not {value!r}", field=name)
        if not (_is_number(self.drain_timeout_s) and 0 <= self.drain_timeout_s < math.inf):
            rule = f"must be a number of seconds that is not negative, not {self.drain_timeout_s!r}"
            raise ConfigError(rule, field="drain_timeout_s")
        if self.written_duration_s > COUNT_MAX:
            rule = f"must be at most {COUNT_MAX} s, which is the most that the API takes, not {self.lease_duration_s!r}"
            raise ConfigError(rule, field="lease_duration_s")
        if self.foreign_duration_max_s < self.lease_duration_s:
            rule = f"must be at least lease_duration_s, not {self.foreign_duration_max_s!r}"
            raise ConfigError(rule, field="foreign_duration_max_s")
        self._check_margins()

    def _check_margins(self) -> None:
        written_s = self.written_duration_s
        if written_s <= self.renew_deadline_s:
            rule = (
                f"{self.lease_duration_s:g} s, which is written as {written_s} whole seconds, must be more than "
                f"renew_deadline_s, {self.renew_deadline_s:g} s: or the next leader starts while this one still leads"
            )
            raise ConfigError(rule, field="lease_duration_s")
        if self.renew_deadline_s <= JITTER_FACTOR * self.retry_period_s:
            rule = (
                f"{self.renew_deadline_s:g} s must be more than {JITTER_FACTOR:g} times retry_period_s, "
                f"{self.retry_period_s:g} s: or one failed attempt ends a term"
            )
            raise ConfigError(rule, field="renew_deadline_s")

    @property
    def written_duration_s(self) -> int:
        """The duration that the lock object holds."""
        return int(self.lease_duration_s)

    @property
    def request_timeout_s(self) -> float:
        """How long one request may take."""
        return max(1.0, self.renew_deadline_s / 2)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
