"""A handler that believes what it is told, and says so when that cannot follow from what it was told before."""

from __future__ import annotations

from collections.abc import Callable

from kubeprims.informer.handlers import Deliver, Notification, Reason


class Told(Exception):
    """What a raising handler raises."""


class Mirror:
    """Replays notifications into a dictionary.

    Attributes:
        raises: Whether every other call raises.
        state: uid and version by key, as the handler has been told.
        wrong: What could not follow.
        calls: How often it was called.

    Concurrency:
        One thread.
    """

    def __init__(
        self, may_be_gone: Callable[[str, str], bool], *, raises: bool = False, then: Deliver | None = None
    ) -> None:
        """Make a handler.

        Args:
            may_be_gone: Whether the object of a key and a uid was ever deleted.
            raises: Whether every other call raises.
            then: Another handler, called with each notification.
        """
        self.state: dict[str, tuple[str, str]] = {}
        self.wrong: list[str] = []
        self.calls = 0
        self._may_be_gone = may_be_gone
        self.raises = raises
        self._then = then

    def on_event(self, notification: Notification) -> None:
        """Take in one notification.

        Raises:
            Told: It is one of the handlers that raise.
        """
        self.calls += 1
        self._check(notification)
        key, _, new, _ = notification
        if new is None:
            self.state.pop(key, None)
        else:
            self.state[key] = (new.uid, new.resource_version)
        if self._then is not None:
            self._then(notification)
        if self.raises and self.calls % 2:
            raise Told("as it was asked to")

    def _check(self, notification: Notification) -> None:
        key, old, new, reason = notification
        known = self.state.get(key)
        if old is None and new is None:
            self.wrong.append(f"{reason} {key}: neither old nor new")
        if (known is None) != (old is None):
            self.wrong.append(f"{reason} {key}: old is {old and old.resource_version}, but it was told of {known}")
        elif old is not None and new is not None and (old.uid, old.resource_version) != known:
            self.wrong.append(f"{reason} {key}: an update from {old.uid} {old.resource_version}, not from {known}")
        if new is None and known is not None and not self._may_be_gone(key, known[0]):
            self.wrong.append(f"{reason} {key}: {known[0]} was never deleted")
        if reason is Reason.RELIST and new is not None and (new.uid, new.resource_version) == known:
            self.wrong.append(f"{reason} {key}: told without a change")
