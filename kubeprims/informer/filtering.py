"""Handlers that are told of a part of the objects only."""

from __future__ import annotations

from collections.abc import Callable

from kubeprims.cache.delta_fifo import DeltaType
from kubeprims.cache.store import Change
from kubeprims.informer.handlers import Reason, Tell, check_callable
from kubeprims.objects.unstructured import Unstructured

Predicate = Callable[[Unstructured], object]
"""Says by its truth whether a handler is to know of an object."""


def filtered(tell: Tell, accepts: Predicate) -> Tell:
    """Return what tells a handler of those objects alone that a predicate accepts.

    An object that comes to be accepted is added, one that no longer is is deleted, in the state that was accepted last.
    The predicate is asked once for each new state, and of a resync, too; what it said of the state before is
    remembered, so a deletion is told to who knows of the object, whatever is left of its content.

    A predicate that raises is a handler that raises: the handler is not told, and knows what it knew.

    Raises:
        InvalidArgument: The predicate is not callable.

    Source:
        client-go tools/cache/controller.go, ``FilteringResourceEventHandler``.
        Differs: upstream asks about both states each time, and about what is in a tombstone; a predicate that changes
        its mind, or reads something else than the object, can then leave a handler with an object for ever.
    """
    check_callable("filter", accepts)
    known: set[str] = set()

    def tell_filtered(change: Change, reason: Reason) -> None:
        _, key, old, new, _ = change
        knows = key in known
        if new is not None and accepts(Unstructured(new)):
            if knows or old is None:
                known.add(key)
                tell(change, reason)
            else:
                known.add(key)
                tell(Change(DeltaType.ADDED, key, None, new), reason)
        elif knows:
            known.discard(key)
            tell(change if new is None else Change(DeltaType.DELETED, key, old, None), reason)

    return tell_filtered
