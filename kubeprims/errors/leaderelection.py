"""What goes wrong in an election."""

from __future__ import annotations

from kubeprims.errors.base import KubeprimsError


class LeaderCallbackError(KubeprimsError):
    """A callback of an election has failed, and the election with it. What it raised is the cause.

    Attributes:
        lock: The lock's namespace and name.
        callback: Which one: ``on_started_leading``, ...
    """

    def __init__(self, lock: str, callback: str) -> None:
        super().__init__(lock, callback)
        self.lock = lock
        self.callback = callback

    def __str__(self) -> str:
        cause = self.__cause__
        return f"{self.callback} of the election {self.lock} failed: {type(cause).__name__}: {cause}"
