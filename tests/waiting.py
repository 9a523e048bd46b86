"""The one place where tests poll.

A test waits for a fact by an event, a condition or a join wherever the code offers one. What happens in another
process, or in the kernel, offers none: for that there is :func:`eventually`, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from kubeprims.threads import Deadline

_Fact = TypeVar("_Fact")

_FIRST_INTERVAL_S = 0.002
_INTERVAL_MAX_S = 0.1


def eventually(predicate: Callable[[], _Fact], timeout_s: float, what: str) -> _Fact:
    """Return the first true value of ``predicate``, asked again and again for at most ``timeout_s`` seconds.

    Raises:
        AssertionError: It was never true; the text says ``what`` was waited for and what was seen last.
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
