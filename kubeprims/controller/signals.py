"""Hears of signals at once, whatever the main thread is waiting in.

Python runs a signal handler between two steps of the main thread. A signal that comes just before that thread blocks on
a lock is therefore handled when the lock is free, which may be never. What happens at once is that the interpreter
writes the signal's number to a descriptor; a thread that reads there needs nobody else.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager

from kubeprims.threads import Deadline, ThreadGroup


@contextmanager
def heard(numbers: Collection[signal.Signals], tell: Callable[[int], None]) -> Generator[None]:
    """Have ``tell`` called, on a thread of its own, with the number of each of these signals while inside.

    Only for the main thread, and not inside another such context. Handlers that were there before are put back.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    listener = ThreadGroup("signals")
    wakeup_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _nothing) for number in numbers}
    try:
        listener.spawn(lambda: _listen(reading, numbers, tell), name="listen")
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)
        os.close(writing)  # the listener sees the end
        listener.join(Deadline.after(None))
        os.close(reading)


def _nothing(_number: int, _frame: object) -> None:
    """Handle a signal: the listener does."""


def _listen(reading: int, numbers: Collection[signal.Signals], tell: Callable[[int], None]) -> None:
    while heard_numbers := os.read(reading, 64):
        for number in heard_numbers:
            if number in numbers:
                tell(number)
