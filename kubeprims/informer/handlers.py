"""Event handlers: what users write, and the notifications that they get.

Whatever its form, a handler comes down to one function of a change and its reason. Each form makes of the change what
it hands on, and nothing else: a view costs little, but there are many of them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from kubeprims.cache.store import Change
from kubeprims.errors import InvalidArgument
from kubeprims.meta import ObjectKey
from kubeprims.objects.unstructured import DeletedFinalStateUnknown, Unstructured


class Reason(StrEnum):
    """Why a handler is told."""

    INITIAL = "initial"
    """The object was in the first list, or in the cache when the handler was added."""
    LIVE = "live"
    """The watch brought it."""
    RELIST = "relist"
    """A later list differs from the cache: the change happened while nobody watched, or the list has other bounds."""
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
        """Whether the server's object changed: False for a resync.

        What a later list brings always did, though a server that went back may have given it the version that it had.
        """
        if self.old is None or self.new is None or self.reason is Reason.RELIST:
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


Deliver = Callable[[Notification], object]
"""The form of a handler that gets everything there is to tell."""

OnAdd = Callable[[Unstructured], object]
OnUpdate = Callable[[Unstructured, Unstructured], object]
OnDelete = Callable[[Unstructured], object]

Tell = Callable[[Change, Reason], object]
"""What a handler of any form comes down to."""


def final_state(change: Change) -> Unstructured:
    """Return what ``on_delete`` is handed: a tombstone if the end was not seen."""
    if change.is_tombstone or change.old is None:
        return DeletedFinalStateUnknown(ObjectKey(change.key), change.old)
    return Unstructured(change.old)


def from_handler(handler: ResourceEventHandler) -> Tell:
    """Return what tells the methods of ``handler``.

    Raises:
        InvalidArgument: It lacks one of the three methods.
    """
    for name in ("on_add", "on_update", "on_delete"):
        if not callable(getattr(handler, name, None)):
            raise InvalidArgument(f"an event handler needs the method {name}: {handler!r}")
    on_add, on_update, on_delete = handler.on_add, handler.on_update, handler.on_delete

    def tell(change: Change, reason: Reason) -> None:
        _, _, old, new, _ = change
        if new is None:
            on_delete(final_state(change))
        elif old is None:
            on_add(Unstructured(new), is_in_initial_list=reason is Reason.INITIAL)
        else:
            on_update(Unstructured(old), Unstructured(new))

    return tell


def from_functions(on_add: OnAdd | None, on_update: OnUpdate | None, on_delete: OnDelete | None) -> Tell:
    """Return what tells up to three plain functions.

    Raises:
        InvalidArgument: None is given, or one is not callable.
    """
    functions = {"on_add": on_add, "on_update": on_update, "on_delete": on_delete}
    if all(function is None for function in functions.values()):
        raise InvalidArgument("an event handler needs at least one of on_add, on_update, on_delete, on_event")
    check_callbacks(**functions)

    def tell(change: Change, reason: Reason) -> None:  # noqa: ARG001 - what every form is called with
        _, _, old, new, _ = change
        if new is None:
            if on_delete is not None:
                on_delete(final_state(change))
        elif old is None:
            if on_add is not None:
                on_add(Unstructured(new))
        elif on_update is not None:
            on_update(Unstructured(old), Unstructured(new))

    return tell


def from_event(on_event: Deliver) -> Tell:
    """Return what tells a function of notifications.

    Raises:
        InvalidArgument: It is not callable.
    """
    check_callable("on_event", on_event)

    def tell(change: Change, reason: Reason) -> None:
        key, old_record, new_record = change.key, change.old, change.new
        if new_record is None:
            on_event(Notification(ObjectKey(key), final_state(change), None, reason))
        else:
            old = None if old_record is None else Unstructured(old_record)
            on_event(Notification(ObjectKey(key), old, Unstructured(new_record), reason))

    return tell


def from_any(
    handler: ResourceEventHandler | None,
    functions: tuple[OnAdd | None, OnUpdate | None, OnDelete | None],
    on_event: Deliver | None,
) -> Tell:
    """Return what tells the one form of handler that is given.

    Raises:
        InvalidArgument: None or several are given, or the one is not what it should be.
    """
    given = (handler is not None) + any(function is not None for function in functions) + (on_event is not None)
    if given != 1:
        raise InvalidArgument(
            "give a handler object, or on_add, on_update and on_delete, or on_event: one of the three"
        )
    if handler is not None:
        return from_handler(handler)
    if on_event is not None:
        return from_event(on_event)
    return from_functions(*functions)


def check_callbacks(**callbacks: object) -> None:
    """Refuse callbacks, by their names, that cannot be called; None is none.

    Raises:
        InvalidArgument: One cannot.
    """
    for name, callback in callbacks.items():
        if callback is not None:
            check_callable(name, callback)


def check_callable(name: str, value: object) -> None:
    """Refuse what cannot be called.

    Raises:
        InvalidArgument: It cannot.
    """
    if not callable(value):
        raise InvalidArgument(f"{name} must be callable, not {value!r}")
