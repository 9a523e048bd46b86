"""What every end-to-end test of an informer asks: is the cache the server's state, and was each handler told so?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from kubeprims.informer.handlers import Notification, Reason
from kubeprims.informer.shared import SharedInformer
from tests.waiting import eventually

State = Mapping[str, str]
"""Versions by key."""


class Mirror:
    """A handler that rebuilds the state from what it is told, and refuses what cannot follow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: dict[str, str] = {}
        self._wrong: list[str] = []
        self.deletes = 0

    def on_event(self, notification: Notification) -> None:
        """Take in one notification."""
        key, old, new, reason = notification
        with self._lock:
            known = self._state.get(key)
            if (known is not None) != (old is not None):
                self._wrong.append(f"{reason} {key}: old is {old}, but {known} was told before")
            if old is not None and new is not None and old.resource_version != known:
                self._wrong.append(f"{reason} {key}: an update from {old.resource_version}, not from {known}")
            if reason is Reason.RELIST and new is not None and new.resource_version == known:
                self._wrong.append(f"{key}: told without a change")
            if new is None:
                self.deletes += 1
                self._state.pop(key, None)
            else:
                self._state[key] = new.resource_version

    def state(self) -> State:
        """Return what the handler knows."""
        with self._lock:
            assert not self._wrong, self._wrong
            return dict(self._state)


def cached(informer: SharedInformer) -> State:
    """Return what the cache says."""
    return {str(obj.key): obj.resource_version for obj in informer.indexer.list()}


def assert_converges(
    informer: SharedInformer, mirror: Mirror, truth: Callable[[], State], *, timeout_s: float = 20.0
) -> None:
    """Wait until the cache, the handler and the server say the same."""
    expected = truth()
    assert expected
    eventually(
        lambda: cached(informer) == expected, timeout_s, f"the cache has the server's state; {informer.last_error}"
    )
    eventually(lambda: mirror.state() == expected, timeout_s, "the handler was told of all of it")
