"""What went wrong with one object of several: told at once, and remembered for the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from kubeprims.cli.printing import one_line
from kubeprims.errors import InvalidArgument, KubeprimsError, StatusError, UnknownResource, WaitTimeout

_Result = TypeVar("_Result")

# What concerns one object. A connection that fails would fail for each of them: that ends the command.
_OWN = (InvalidArgument, StatusError, UnknownResource, WaitTimeout)


def report(error: KubeprimsError | OSError) -> None:
    """Write an error to standard error, as one line."""
    sys.stderr.write(f"error: {one_line(str(error))}\n")


class Failures:
    """Counts what went wrong.

    Concurrency:
        One thread.
    """

    def __init__(self) -> None:
        self._count = 0

    def attempt(self, action: Callable[[], _Result]) -> _Result | None:
        """Return what an action returns; None, once that is told, if it fails for a reason of its own."""
        try:
            return action()
        except _OWN as error:
            self._count += 1
            report(error)
            return None

    @property
    def exit_code(self) -> int:
        """0 if nothing went wrong, else 1."""
        return 1 if self._count else 0
