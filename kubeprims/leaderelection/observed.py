"""What a candidate knows of the lock: what it saw last, when that changed, and what it wrote itself. Pure."""

from __future__ import annotations

import datetime
from collections import deque

from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.effects import Observation
from kubeprims.leaderelection.record import LeaderElectionRecord

_OWN_WRITES_MAX = 64

_Stamp = tuple[datetime.datetime | None, datetime.datetime | None]


class ObservedLock:
    """The lock as one candidate sees it.

    Times inside a record are never compared with a clock. What counts is when the candidate first saw a record that it
    had not seen before: from then on, the holder has the record's duration.

    Attributes:
        observation: What was seen last; None before anything was, and when there is no object.
        changed_at_s: When that was first seen, by the candidate's clock.
        has_namesake: Whether somebody else was seen to write in the candidate's name.
    """

    __slots__ = ("_config", "_has_looked", "_identity", "_own_writes", "changed_at_s", "has_namesake", "observation")

    def __init__(self, identity: str, config: ElectionConfig) -> None:
        self._identity = identity
        self._config = config
        # As a Lease has them and, cut to whole seconds, as a ConfigMap has them. Only the last few can still turn up.
        self._own_writes: deque[_Stamp] = deque(maxlen=_OWN_WRITES_MAX)
        self._has_looked = False
        self.observation: Observation | None = None
        self.changed_at_s = 0.0
        self.has_namesake = False

    def is_news(self, observation: Observation | None) -> bool:
        """Return whether this differs from what was seen last."""
        known = self.observation
        if observation is None or known is None:
            return observation is not known
        return observation.version != known.version

    def see(self, observation: Observation, now_s: float) -> bool:
        """Take note of what was seen; return whether it is news."""
        if not self.is_news(observation):
            return False
        self.observation = observation
        self.changed_at_s = now_s
        # What was there at first may be left from an earlier process. What comes later is somebody's who lives.
        if self._has_looked and self.is_mine and not self.is_my_write:
            self.has_namesake = True
        self._has_looked = True
        return True

    def see_nothing(self) -> None:
        """Take note that there is no object."""
        self.observation = None
        self._has_looked = True

    def wrote(self, record: LeaderElectionRecord) -> None:
        """Take note of a write before it is sent: whatever becomes of it, it is ours."""
        self._own_writes.append((record.acquire_time, record.renew_time))
        self._own_writes.append((_cut(record.acquire_time), _cut(record.renew_time)))

    def has_written(self, record: LeaderElectionRecord | None) -> bool:
        """Return whether this candidate, and nobody else of its identity, wrote a record."""
        if record is None or record.holder_identity != self._identity:
            return False
        return (record.acquire_time, record.renew_time) in self._own_writes

    @property
    def record(self) -> LeaderElectionRecord:
        """What the lock says; nothing, if there is none or it cannot be read."""
        observation = self.observation
        return LeaderElectionRecord() if observation is None or observation.record is None else observation.record

    @property
    def holder(self) -> str:
        """Who holds the lock; empty if nobody does, or nobody knows."""
        return self.record.holder_identity

    @property
    def is_unreadable(self) -> bool:
        """Whether the object says what cannot be read."""
        return self.observation is not None and self.observation.record is None

    @property
    def is_mine(self) -> bool:
        """Whether the holder has this candidate's identity."""
        return bool(self.holder) and self.holder == self._identity

    @property
    def is_my_write(self) -> bool:
        """Whether this candidate, and nobody else of its identity, wrote the record."""
        return self.has_written(self.record)

    @property
    def is_free(self) -> bool:
        """Whether nobody holds the lock, so that it can be had at once."""
        return not self.is_unreadable and not self.holder

    @property
    def expires_at_s(self) -> float:
        """When the holder's time is over, unless it renews, by the candidate's clock."""
        return self.changed_at_s + self.duration_s

    @property
    def duration_s(self) -> float:
        """For how long a record holds: what it says itself, within reason."""
        duration_s = self.record.lease_duration_s
        if duration_s <= 0:
            return float(self._config.written_duration_s)
        return min(float(duration_s), self._config.foreign_duration_max_s)


def _cut(time: datetime.datetime | None) -> datetime.datetime | None:
    return None if time is None else time.replace(microsecond=0)
