"""A lock of two objects, for a fleet that moves from one kind of lock to another."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Self

from kubeprims.client.client import Client
from kubeprims.errors import ConfigError, NotFound
from kubeprims.leaderelection.effects import Observation
from kubeprims.leaderelection.lock import UNKNOWN_LEADER, Claim, Held, Watched, Written
from kubeprims.leaderelection.locks import ObjectLock, emit
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel


class _Pair(NamedTuple):
    primary: Unstructured
    secondary: Unstructured | None
    """None: there was none, so it is created."""


class MultiLock:
    """A lock of two objects, which a candidate must hold both.

    Who knows the older kind of lock alone, and who knows the newer one alone, then never lead beside each other: a
    fleet moves from ``configmaps`` to ``configmapsleases``, and once every member has done so, to ``leases``. Leaving
    out the middle elects two leaders.

    The two are written one after the other. If the second write fails, the call fails, and the lock stays held in
    part: the objects name different holders, which counts as held by somebody unknown until that has expired, or the
    same one, who mends it with its next write.

    Attributes:
        identity: What this candidate writes as the holder: the primary's.
        claim: What keeps two elections from going on in that name.

    Concurrency:
        As :class:`~kubeprims.leaderelection.lock.ResourceLock`.

    Source:
        client-go v0.27.0 tools/leaderelection/resourcelock/multilock.go, ``MultiLock``.
        Differs: the secondary is written as it was read beside the primary, where upstream reads it again and so writes
        over whatever has come in between; two objects that do not agree are held for the longer of the two durations; a
        primary that somebody else has created is a failure; a holder whose secondary is missing updates the primary,
        where upstream creates it, finds it there, and takes it for its own.
    """

    def __init__(self, primary: ObjectLock, secondary: ObjectLock, *, has_generated_identity: bool = False) -> None:
        """Join two locks; neither is to be used by itself any more.

        Args:
            primary: The older kind. Its identity and its recorder count for both.
            secondary: The newer kind.
            has_generated_identity: Whether their identity was made up.

        Raises:
            ConfigError: They have different identities.
        """
        if primary.identity != secondary.identity:
            rule = f"must be the same for both objects, not {primary.identity!r} and {secondary.identity!r}"
            raise ConfigError(rule, field="identity")
        self.identity = primary.identity
        self.claim = Claim(is_made_up=has_generated_identity)
        self._primary = primary
        self._secondary = secondary
        self._held: Held[_Pair] = Held()

    @property
    def has_generated_identity(self) -> bool:
        """Whether the identity was made up, in this process."""
        return self.claim.is_made_up

    @property
    def client(self) -> Client:
        """The server that it is on."""
        return self._primary.client

    def describe(self) -> str:
        """Return ``namespace/name`` of the primary."""
        return self._primary.describe()

    def with_client(self, client: Client) -> Self:
        """Return the same lock by way of another client; it has read and written nothing yet."""
        other = type(self)(self._primary.with_client(client), self._secondary.with_client(client))
        other.claim = self.claim
        return other

    def get(self, *, timeout_s: float | None = None, cancel: Cancel | None = None) -> Observation:
        """Read both objects: who holds both holds the lock.

        Raises:
            NotFound: There is no primary.
            KubeprimsError: As for every request.
        """
        turn = self._held.begin()
        primary = self._primary.lock_object.read(timeout_s, cancel)
        try:
            secondary = self._secondary.lock_object.read(timeout_s, cancel)
        except NotFound:
            secondary = None  # an older candidate leads, or it was deleted
        self._held.keep(turn, _Pair(primary, secondary))
        return self._observe(primary, secondary)

    def create(
        self, record: LeaderElectionRecord, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> Written:
        """Make both objects, the primary first.

        Raises:
            AlreadyExists: Somebody else has made one of them.
            KubeprimsError: As for every request.
        """
        turn = self._held.begin()
        primary = self._primary.lock_object.create(record, timeout_s, cancel)
        return self._complete(turn, _Pair(primary, None), record, timeout_s, cancel)

    def update(
        self, record: LeaderElectionRecord, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> Written:
        """Write into both objects as they were last read or written, the primary first; a missing secondary is made.

        Raises:
            Conflict: One of them has changed since.
            LifecycleError: They were neither read nor written before; nothing is sent.
            KubeprimsError: As for every request.
        """
        known = self._held.get(self.describe())
        turn = self._held.begin()
        primary = self._primary.lock_object.update(known.primary, record, timeout_s, cancel)
        return self._complete(turn, _Pair(primary, known.secondary), record, timeout_s, cancel)

    def _complete(
        self,
        turn: int,
        pair: _Pair,
        record: LeaderElectionRecord,
        timeout_s: float | None,
        cancel: Cancel | None,
    ) -> Written:
        """Write the secondary, now that the primary is."""
        self._held.keep(turn, pair)  # also if the secondary cannot be written: the primary has changed
        target = self._secondary.lock_object
        if pair.secondary is None:
            secondary = target.create(record, timeout_s, cancel)
        else:
            secondary = target.update(pair.secondary, record, timeout_s, cancel)
        self._held.keep(turn, _Pair(pair.primary, secondary))
        return Written(self._observe(pair.primary, secondary).version, pair.primary.resource_version)

    def _observe(self, primary: Unstructured, secondary: Unstructured | None) -> Observation:
        first = self._primary.lock_object.kind.observe(primary)
        if secondary is None:
            return first
        second = self._secondary.lock_object.kind.observe(secondary)
        record = None
        if first.record is not None and second.record is not None:
            record = _joined(first.record, second.record)
        return Observation(record, f"{first.version},{second.version}")

    def record_event(self, text: str) -> None:
        """Say what became of the candidate, as an event of both objects; nothing without a recorder."""
        pair = self._held.value
        if pair is not None:
            emit(self._primary.recorder, self.identity, text, pair.primary, pair.secondary)

    def watched(self) -> Watched:
        """Return how to see a release, by the secondary, which is written last; whatever else happens is polled."""
        return Watched(self._secondary.lock_object.list_watch(), self._observe_release)

    def _observe_release(self, secondary: Unstructured) -> Observation:
        """Return what a released secondary says, which is news to anybody; else what is known, which is none."""
        seen, known = self._secondary.lock_object.kind.observe(secondary), self._held.value
        is_released = seen.record is not None and not seen.record.holder_identity
        return seen if is_released or known is None else self._observe(known.primary, known.secondary)

    def __repr__(self) -> str:
        return f"<MultiLock of {self._primary!r} and {self._secondary!r}>"


def _joined(primary: LeaderElectionRecord, secondary: LeaderElectionRecord) -> LeaderElectionRecord:
    """Return what two records say together: the primary, unless they differ in who holds the lock.

    Then it is held for as long as either of them says. Upstream goes by the primary, which may have been released, and
    so say one second, while the newer kind of candidate holds the secondary.
    """
    if primary.holder_identity == secondary.holder_identity:
        return primary
    longer_s = max(primary.lease_duration_s, secondary.lease_duration_s)
    return replace(primary, holder_identity=UNKNOWN_LEADER, lease_duration_s=longer_s)
