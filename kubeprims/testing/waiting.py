"""Waiting for a fact that nobody tells of: what happens in another process, or on another thread's own account."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from kubeprims.threads import Deadline

_Fact = TypeVar("_Fact")

EVENTUALLY_S = 10.0
_FIRST_INTERVAL_S = 0.002
_INTERVAL_MAX_S = 0.1


def eventually(predicate: Callable[[], _Fact], timeout_s: float = EVENTUALLY_S, what: str = "a fact") -> _Fact:
    """Return the first true value of ``predicate``, asked again and again for at most ``timeout_s`` seconds.

    Real time, whatever clock a test has. Where something can be waited for, wait for that instead.

    Args:
        predicate: Returns the fact; what it raises ends the wait.
        timeout_s: How long to ask, in seconds.
        what: What is waited for, for the error.

    Raises:
        AssertionError: It was never true; says what was waited for, and what was seen last.
    """
    deadline = Deadline.after(timeout_s)
    interval_s = _FIRST_INTERVAL_S
    pause = threading.Event()
    while True:
        fact = predicate()
        if fact:
            return fact
        if deadline.has_passed:
            message = f"not within {timeout_s:g} s: {what} (last seen: {fact!r})"
            raise AssertionError(message)
        pause.wait(interval_s)
        interval_s = min(2 * interval_s, _INTERVAL_MAX_S)
