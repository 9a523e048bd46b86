"""Makes a failing schedule short: what is left over is what matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

TRIES_MAX = 2_000

_Step = TypeVar("_Step")


def shrink(
    steps: Sequence[_Step], fails: Callable[[Sequence[_Step]], bool], *, tries_max: int = TRIES_MAX
) -> list[_Step]:
    """Return a part of ``steps``, in their order, that still fails and from which no single step can be left out.

    Args:
        steps: What fails.
        fails: Whether a part fails; it must say the same each time.
        tries_max: How often to ask. What is left when the tries are used up still fails, but may not be minimal.

    Source:
        Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), ``ddmin`` by complements.
    """
    kept = list(steps)
    size = len(kept) // 2
    tries = 0
    while size:
        start, shrunk = 0, False
        while start < len(kept) and tries < tries_max:
            candidate = kept[:start] + kept[start + size :]
            tries += 1
            if fails(candidate):
                kept, shrunk = candidate, True
            else:
                start += size
        # Once more at the same size if that helped: what is gone may have been what held another step in.
        if size > 1 or not shrunk or tries >= tries_max:
            size //= 2
    return kept
