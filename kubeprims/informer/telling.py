"""What handlers are told of what was stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubeprims.cache.delta_fifo import DeltaType
from kubeprims.cache.store import Change
from kubeprims.objects.record import UID


def worth_telling(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield what handlers are told.

    Left out is what a list brought though the cache has it already, in the same version. An object in place of another
    one of the same name is told as what it is: a deletion that nobody saw, and something new.
    """
    for change in changes:
        kind, key, old, new, _ = change
        if old is None or new is None:
            yield change
        elif old is new:
            if kind is not DeltaType.REPLACED:
                yield change
        elif old[UID] == new[UID] or not old[UID] or not new[UID]:
            yield change
        else:
            yield Change(DeltaType.DELETED, key, old, None, is_tombstone=True)
            yield Change(DeltaType.ADDED, key, None, new)


def is_alive(change: Change) -> bool:
    """Return whether the object is there after the change."""
    return change.new is not None
