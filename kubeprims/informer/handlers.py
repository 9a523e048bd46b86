"""Event handlers: what users write, and the notifications that they get."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from kubeprims.errors import InvalidArgument
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import Unstructured


class Reason(StrEnum):
    """Why a handler is told."""

    INITIAL = "initial"
    """The object was in the first list, or in the cache when the handler was added."""
    LIVE = "live"
    """The watch brought it."""
    RELIST = "relist"
    """A later list differs from the cache: the change happened while nobody watched."""
    RESYNC = "resync"
    """Nothing happened on the server: the cache is replayed."""


class Notification(NamedTuple):
    """One change of one object.

    Attributes:
        key: The object's key.
        old: The object before; None if it was not in the cache.
        new: The object now; None if it is gone.
        reason: Why the handler is told.
    """

    key: ObjectKey
    old: Unstructured | None
    new: Unstructured | None
    reason: Reason

    @property
    def changed(self) -> bool:
        """Whether the server's object changed: False for a resync."""
        if self.old is None or self.new is None:
            return True
        return self.old.resource_version != self.new.resource_version


@runtime_checkable
class ResourceEventHandler(Protocol):
    """An object with the three methods that client-go calls."""

    def on_add(self, obj: Unstructured, *, is_in_initial_list: bool) -> None:
        """``obj`` is in the cache now, and was not before."""
        ...

    def on_update(self, old: Unstructured, new: Unstructured) -> None:
        """``new`` has taken the place of ``old``; in a resync both are the same version."""
        ...

    def on_delete(self, obj: Unstructured) -> None:
        """``obj`` is gone; a ``DeletedFinalStateUnknown`` if its end was not seen."""
        ...


Deliver = Callable[[Notification], None]
"""What a handler comes down to."""


def from_handler(handler: ResourceEventHandler) -> Deliver:
    """Return what delivers a notification to the methods of ``handler``.

    Raises:
        InvalidArgument: It lacks one of the three methods.
    """
    for name in ("on_add", "on_update", "on_delete"):
        if not callable(getattr(handler, name, None)):
            raise InvalidArgument(f"an event handler needs the method {name}: {handler!r}")

    def deliver(notification: Notification) -> None:
        _, old, new, reason = notification
        if new is None:
            assert old is not None
            handler.on_delete(old)
        elif old is None:
            handler.on_add(new, is_in_initial_list=reason is Reason.INITIAL)
        else:
            handler.on_update(old, new)

    return deliver


def from_functions(
    on_add: Callable[[Unstructured], object] | None,
    on_update: Callable[[Unstructured, Unstructured], object] | None,
    on_delete: Callable[[Unstructured], object] | None,
) -> Deliver:
    """Return what delivers a notification to up to three plain functions.

    Raises:
        InvalidArgument: None is given, or one is not callable.
    """
    functions = {"on_add": on_add, "on_update": on_update, "on_delete": on_delete}
    if all(function is None for function in functions.values()):
        raise InvalidArgument("an event handler needs at least one of on_add, on_update, on_delete, on_event")
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise InvalidArgument(f"{name} must be callable, not {function!r}")

    def deliver(notification: Notification) -> None:
        _, old, new, _ = notification
        if new is None:
            if on_delete is not None:
                assert old is not None
                on_delete(old)
        elif old is None:
            if on_add is not None:
                on_add(new)
        elif on_update is not None:
            on_update(old, new)

    return deliver
