"""Tells others what happens in an election, on a thread of its own: whoever listens may be slow, or fail."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

ANNOUNCEMENTS_MAX = 1000
"""How many announcements wait; older ones are dropped."""

logger = logging.getLogger(__name__)


class Announcer:
    """Makes calls one after the other.

    Attributes:
        failure: What the first of them raised, and its name; None if none did.

    Concurrency:
        Every method may be called from any thread; :meth:`run` is the thread.
    """

    def __init__(self) -> None:
        self.failure: tuple[str, BaseException] | None = None
        self._changed = threading.Condition()
        self._calls: deque[tuple[str, Callable[[], object]]] = deque(maxlen=ANNOUNCEMENTS_MAX)
        self._is_closed = False

    def add(self, name: str, call: Callable[[], object]) -> None:
        """Have a call made."""
        with self._changed:
            self._calls.append((name, call))
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread once the calls that wait have been made."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def run(self) -> None:
        """Make calls until closed."""
        while True:
            with self._changed:
                while not self._calls and not self._is_closed:
                    self._changed.wait()
                if not self._calls:
                    return
                name, call = self._calls.popleft()
            try:
                call()
            except BaseException as error:  # user code; raised again when the election ends
                logger.exception("%s of an election failed", name)
                self.failure = self.failure or (name, error)
