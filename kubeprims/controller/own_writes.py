"""What a controller has written itself, until its caches show it. Pure.

A controller that decides on a cache older than its own last write acts on the past: it creates twice, or counts wrong.
So each write of a reconcile leaves an expectation with the key that was reconciled, and the key's next reconcile waits
until the caches meet all of them. The machine keeps them, and says whether a cache meets one; waiting is the driver's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubeprims.meta import GroupVersionResource, ObjectKey, compare_resource_versions
from kubeprims.objects.record import RESOURCE_VERSION, UID, ObjectRecord

WAIT_MAX_S = 5.0
"""How long a reconcile waits for its own writes, in seconds, counted from the write."""

EXPECTATIONS_MAX = 1000
"""How many writes of one key are waited for: the oldest are let go, as a later one of the same resource covers them."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One write, and what shows that a cache has it.

    Attributes:
        resource: The resource that was written.
        key: The object that was written.
        version: The version that the write made; empty for a deletion.
        uid: Of a deletion, the object that is to be gone.
        replaced_version: The version that the cache had when the write was made; empty if it had none.
        until_s: When waiting for it ends, by the controller's clock.
    """

    resource: GroupVersionResource
    key: ObjectKey
    version: str
    uid: str
    replaced_version: str
    until_s: float

    def is_met(self, record: ObjectRecord | None, reached_version: str) -> bool:
        """Return whether a cache shows the write.

        Args:
            record: What the cache has of the object.
            reached_version: The version of the cache as a whole.
        """
        if not self.version:
            return record is None or bool(self.uid and record[UID] != self.uid)
        order = compare_resource_versions(reached_version, self.version)
        if order is not None and order >= 0:
            return True  # everything up to the write is in the cache, whatever has become of the object since
        if record is None:
            # Gone again, if it was there; else it has not come yet.
            return order is None and bool(self.replaced_version)
        order = compare_resource_versions(record[RESOURCE_VERSION], self.version)
        if order is not None:
            return order >= 0
        # Versions that cannot be ordered: the next change of the object is the best sign that there is.
        return record[RESOURCE_VERSION] != self.replaced_version

    def __str__(self) -> str:
        what = f"at version {self.version}" if self.version else "to be gone"
        return f"{self.resource.resource} {self.key} {what}"


class OwnWrites:
    """The writes of a controller's reconciles that its caches have not been seen to have.

    Concurrency:
        Not safe by itself; its owner holds a lock.
    """

    __slots__ = ("_by_cause",)

    def __init__(self) -> None:
        self._by_cause: dict[ObjectKey, dict[tuple[GroupVersionResource, ObjectKey], Expectation]] = {}

    def expect(self, cause: ObjectKey, expectation: Expectation) -> None:
        """Remember a write.

        Args:
            cause: The key whose reconcile wrote.
            expectation: The write; it takes the place of an earlier one of the same object.
        """
        expected = self._by_cause.setdefault(cause, {})
        target = (expectation.resource, expectation.key)
        expected.pop(target, None)
        expected[target] = expectation
        if len(expected) > EXPECTATIONS_MAX:
            del expected[next(iter(expected))]

    def pending(self, cause: ObjectKey) -> tuple[Expectation, ...]:
        """Return what a key's reconcile has to wait for."""
        return tuple(self._by_cause.get(cause, {}).values())

    def settle(
        self, cause: ObjectKey, is_met: Callable[[Expectation], bool], *, now_s: float
    ) -> tuple[Expectation, ...]:
        """Forget what is met, and what was waited for long enough; return the latter."""
        expected = self._by_cause.get(cause)
        if expected is None:
            return ()
        overdue: list[Expectation] = []
        for target, expectation in [*expected.items()]:
            if is_met(expectation):
                del expected[target]
            elif now_s >= expectation.until_s:
                del expected[target]
                overdue.append(expectation)
        if not expected:
            del self._by_cause[cause]
        return tuple(overdue)

    def forget(self, cause: ObjectKey) -> None:
        """Forget a key's writes."""
        self._by_cause.pop(cause, None)

    def __len__(self) -> int:
        """Return how many writes are remembered."""
        return sum(map(len, self._by_cause.values()))
