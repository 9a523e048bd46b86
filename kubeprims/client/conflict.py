"""Writes that are tried again when somebody else wrote first."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from kubeprims.backoff import Backoff, BackoffPolicy
from kubeprims.clock import Clock, Rng, SystemClock
from kubeprims.errors import AlreadyExists, ApplyConflict, Cancelled, Conflict, InvalidArgument
from kubeprims.threads import Cancel

TRIES_MAX = 5
"""How often a write is tried unless told otherwise."""

BACKOFF = BackoffPolicy(base_s=0.01, factor=1.0, cap_s=0.01, jitter=0.1)
"""How long is waited between two tries unless told otherwise."""

_Result = TypeVar("_Result")


def retry_on_conflict(
    change: Callable[[], _Result],
    *,
    tries_max: int = TRIES_MAX,
    backoff: BackoffPolicy = BACKOFF,
    cancel: Cancel | None = None,
    clock: Clock | None = None,
    rng: Rng | None = None,
) -> _Result:
    """Read, change and write an object, all of it again when somebody else wrote in between; return what that returns.

    Args:
        change: Reads the object anew, changes it and writes it.
        tries_max: How often to try.
        backoff: How long to wait between two tries.
        cancel: Ends the waiting when set.
        clock: The clock to wait by; the system's unless given.
        rng: Spreads the waits.

    Raises:
        Conflict: The last try conflicted too. An object that exists, and an apply whose fields belong to others, are
            raised at once: another try would meet the same.
        Cancelled: It was cancelled between two tries.
        InvalidArgument: There is no try to make.
        Exception: What ``change`` raises beside.

    Source:
        client-go util/retry/util.go, ``RetryOnConflict`` with ``DefaultRetry``.
        Differs: conflicts of an apply are not tried again.
    """
    if tries_max < 1:
        raise InvalidArgument(f"tries_max is 1 or more, not {tries_max!r}")
    clock = clock or SystemClock()
    delays = Backoff(backoff, rng=rng or random.Random())  # noqa: S311 - spreads retries
    for _ in range(tries_max - 1):
        try:
            return change()
        except (AlreadyExists, ApplyConflict):
            raise
        except Conflict as error:
            if (cancel or Cancel()).wait(delays.next_delay_s(now_s=clock.monotonic()), clock=clock):
                raise Cancelled("cancelled between two tries of a write that conflicts") from error
    return change()
