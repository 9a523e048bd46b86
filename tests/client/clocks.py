"""A clock for code that waits on its own thread."""

from __future__ import annotations

import threading

from kubeprims.testing.clock import VirtualClock


class SelfMovingClock(VirtualClock):
    """Waiting moves it: what is waited for has come at once."""

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> bool:
        assert timeout_s is not None
        self._now_s += timeout_s
        return False
