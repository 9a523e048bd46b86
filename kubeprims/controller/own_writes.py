"""What a controller has written itself, until its caches show it. Pure.

A controller that decides on a cache older than its own last write acts on the past: it creates twice, or counts wrong.
So each write of a reconcile leaves an expectation with the key that was reconciled, and the key's next reconcile waits
until the caches meet all of them. The machine keeps them, and says whether a cache meets one; waiting is the driver's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kubeprims.meta import GroupVersionResource, ObjectKey, compare_resource_versions
from kubeprims.objects.record import RESOURCE_VERSION, UID, ObjectRecord

WAIT_MAX_S = 5.0
"""How long a reconcile waits for its own writes, in seconds, before it is put off."""

GIVEN_UP_AFTER_S = 600.0
"""How long after a write it is waited for at all, in seconds: a server restored from a backup never shows it."""

EXPECTATIONS_MAX = 1000
"""How many writes of one key are waited for: the oldest are let go, as a later one of the same resource covers them."""

CAUSES_MAX = 10_000
"""How many keys' writes are remembered: a key that is never reconciled again must not stay for ever."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One write, and what shows that a cache has it.

    Attributes:
        cache: Which of the controller's caches is to show it.
        resource: The resource that was written.
        key: The object that was written.
        version: The version that the write made; of a deletion, one that the cache must have reached for the object's
            absence to mean anything; may be empty then.
        uid: Of a deletion, the object that is to be gone.
        is_gone: Whether it is a deletion.
        may_go_on: Whether the object may go on for a while, in a later version than :attr:`version`.
        replaced_version: The version that the cache had when the write was made; empty if it had none.
        made_at_s: When it was made, by the controller's clock.
    """

    cache: int
    resource: GroupVersionResource
    key: ObjectKey
    version: str
    uid: str
    is_gone: bool
    may_go_on: bool
    replaced_version: str
    made_at_s: float

    def is_met(self, record: ObjectRecord | None, *, is_reached: bool) -> bool:
        """Return whether a cache shows the write.

        Args:
            record: What the cache has of the object.
            is_reached: Whether the cache as a whole had reached :attr:`version` before that was looked up.
        """
        if self.is_gone:
            return self._is_seen_gone(record, is_reached=is_reached)
        if is_reached:
            return True  # everything up to the write is in the cache, whatever has become of the object since
        if record is None:
            # Gone again, if it was there; else it has not come yet.
            return self._is_opaque and bool(self.replaced_version)
        order = compare_resource_versions(record[RESOURCE_VERSION], self.version)
        if order is not None:
            return order >= 0
        # Versions that cannot be ordered: the next change of the object is the best sign that there is.
        return record[RESOURCE_VERSION] == self.version or record[RESOURCE_VERSION] != self.replaced_version

    def _is_seen_gone(self, record: ObjectRecord | None, *, is_reached: bool) -> bool:
        if record is not None and not (self.uid and record[UID] != self.uid):
            return self.may_go_on and self._is_newer(record)
        # What was created and deleted at once has not come yet: that it is absent says nothing.
        return is_reached or not self.version or self._is_opaque

    def _is_newer(self, record: ObjectRecord) -> bool:
        order = compare_resource_versions(record[RESOURCE_VERSION], self.version)
        return record[RESOURCE_VERSION] != self.version if order is None else order > 0

    @property
    def _is_opaque(self) -> bool:
        return compare_resource_versions(self.version, self.version) is None

    def __str__(self) -> str:
        what = "to be gone" if self.is_gone else f"at version {self.version}"
        return f"{self.resource.resource} {self.key} {what}"


class OwnWrites:
    """The writes of a controller's reconciles that its caches have not been seen to have.

    Concurrency:
        Not safe by itself; its owner holds a lock.
    """

    __slots__ = ("_by_cause",)

    def __init__(self) -> None:
        self._by_cause: dict[ObjectKey, dict[tuple[int, GroupVersionResource, ObjectKey], Expectation]] = {}

    def expect(self, cause: ObjectKey, expectation: Expectation) -> None:
        """Remember a write.

        Args:
            cause: The key whose reconcile wrote.
            expectation: The write; it takes the place of an earlier one of the same object.
        """
        expected = self._by_cause.pop(cause, {})
        self._by_cause[cause] = expected  # those that wrote last are the last to be let go
        if len(self._by_cause) > CAUSES_MAX:
            del self._by_cause[next(iter(self._by_cause))]
        target = (expectation.cache, expectation.resource, expectation.key)
        earlier = expected.pop(target, None)
        if earlier is not None and expectation.is_gone and not expectation.version:
            expectation = replace(expectation, version=earlier.version)
        expected[target] = expectation
        if len(expected) > EXPECTATIONS_MAX:
            del expected[next(iter(expected))]

    def pending(self, cause: ObjectKey) -> tuple[Expectation, ...]:
        """Return what a key's reconcile has to wait for."""
        return tuple(self._by_cause.get(cause, {}).values())

    def settle(
        self, cause: ObjectKey, is_met: Callable[[Expectation], bool], *, now_s: float
    ) -> tuple[Expectation, ...]:
        """Forget what is met, or was made too long ago to be waited for; return what is left."""
        expected = self._by_cause.get(cause)
        if expected is None:
            return ()
        for target, expectation in [*expected.items()]:
            if now_s - expectation.made_at_s >= GIVEN_UP_AFTER_S or is_met(expectation):
                del expected[target]
        if not expected:
            del self._by_cause[cause]
        return tuple(expected.values())

    def __len__(self) -> int:
        """Return how many writes are remembered."""
        return sum(map(len, self._by_cause.values()))
