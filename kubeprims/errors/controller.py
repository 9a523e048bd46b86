"""What reconciles raise, and what is said of them."""

from __future__ import annotations

from kubeprims.errors.base import KubeprimsError


class TerminalError(KubeprimsError):
    """A reconcile failed in a way that another try would not mend: nothing is tried before something changes.

    For reconcile functions to raise, themselves or as the base of errors of their own.
    """


class ReconcileTimeout(KubeprimsError, TimeoutError):
    """A reconcile has not ended in time. It goes on: nothing can end it but itself.

    Attributes:
        controller: The controller's name.
        key: What is reconciled.
        timeout_s: How long it may take, in seconds.
        stack: Where it was when the time was over.
    """

    def __init__(self, controller: str, key: str, *, timeout_s: float, stack: str) -> None:
        super().__init__(controller, key, timeout_s)
        self.controller = controller
        self.key = key
        self.timeout_s = timeout_s
        self.stack = stack

    def __str__(self) -> str:
        late = f"has not ended within {self.timeout_s:g} s"
        return f"{self.controller}: the reconcile of {self.key} {late}; it is in\n{self.stack}"


class OwnWriteUnseen(KubeprimsError, TimeoutError):
    """A controller's cache has not shown what its reconcile has written: the key is tried again later.

    Attributes:
        controller: The controller's name.
        write: What was written.
        timeout_s: How long it was waited for, in seconds.
    """

    def __init__(self, controller: str, write: str, *, timeout_s: float) -> None:
        super().__init__(controller, write, timeout_s)
        self.controller = controller
        self.write = write
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"{self.controller}: its cache has not shown {self.write} within {self.timeout_s:g} s"


class AlreadyOwned(KubeprimsError):
    """An object is controlled by another owner.

    Attributes:
        name: The object's name.
        owner: The kind and the name of the owner that it has.
    """

    def __init__(self, name: str, *, owner: str) -> None:
        super().__init__(name, owner)
        self.name = name
        self.owner = owner

    def __str__(self) -> str:
        return f"{self.name} is controlled by {self.owner} already"


class MemberDied(KubeprimsError):
    """A part of a manager has ended, and the manager with it. What it died of is the cause.

    Attributes:
        name: The part.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        cause = self.__cause__
        return f"{self.name} {'ended by itself' if cause is None else f'died: {type(cause).__name__}: {cause}'}"


class LeadershipLost(KubeprimsError):
    """Another process may lead now; what only the leader may do has been told to end."""
