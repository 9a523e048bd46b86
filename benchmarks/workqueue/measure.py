"""What work queues cost: ``python -m benchmarks.workqueue.measure [KEYS]``, 100,000 keys unless told otherwise.

Each figure is processor time for one operation on a queue that holds so many keys, the best of several rounds, because
everything else on the machine only ever makes it slower.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kubeprims.meta import ObjectKey
from kubeprims.workqueue.order import ArrivalOrder, Order, PriorityOrder
from kubeprims.workqueue.queue import RateLimitingQueue
from kubeprims.workqueue.rate_limiters import ItemExponentialFailureRateLimiter

KEYS = 100_000
ROUNDS = 5
BUDGET_US = 5.0

ORDERS: dict[str, Callable[[], Order[ObjectKey]]] = {"arrival": ArrivalOrder, "priority": PriorityOrder}


class Figure(NamedTuple):
    """What one operation costs.

    Attributes:
        order: The order of the queue.
        operation: What was done.
        cost_us: Processor time of one, in microseconds.
    """

    order: str
    operation: str
    cost_us: float


def measure(count: int = KEYS, rounds: int = ROUNDS) -> list[Figure]:
    """Measure every operation on queues of so many keys."""
    keys = [ObjectKey.make(f"ns-{number % 100}", f"web-{number}") for number in range(count)]
    best: dict[tuple[str, str], float] = {}
    for _ in range(rounds):
        for name, order in ORDERS.items():
            for operation, cost_s in _one_round(keys, order()):
                known = best.get((name, operation), cost_s)
                best[name, operation] = min(known, cost_s)
    return [Figure(name, operation, cost_s / count * 1e6) for (name, operation), cost_s in best.items()]


def _one_round(keys: Sequence[ObjectKey], order: Order[ObjectKey]) -> list[tuple[str, float]]:
    # The bucket is left out: it would have a thousand keys wait for minutes, which costs nothing.
    queue = RateLimitingQueue[ObjectKey](
        order=order, rate_limiter=ItemExponentialFailureRateLimiter(delay_max_s=1000.0)
    )
    found: list[tuple[str, float]] = []

    def timed(operation: str, action: Callable[[ObjectKey], object], *, calls: int = 1) -> None:
        started_s = time.thread_time()
        for key in keys:
            action(key)
        found.append((operation, (time.thread_time() - started_s) / calls))

    timed("add", queue.add)
    timed("add again", queue.add)
    timed("get", lambda _: queue.get())
    timed("add while processed", queue.add)
    timed("done", queue.done)
    timed("get and done, each", lambda _: queue.done(queue.get() or keys[0]), calls=2)
    timed("add_after an hour", lambda key: queue.add_after(key, 3600.0))
    timed("add_after, sooner", lambda key: queue.add_after(key, 1800.0))
    timed("forget", queue.forget)
    timed("add_rate_limited", queue.add_rate_limited)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if an operation costs more than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workqueue.measure", description=__doc__)
    parser.add_argument("keys", nargs="?", type=int, default=KEYS, help="how many keys the queue holds")
    options = parser.parse_args(argv)
    figures = measure(options.keys)
    print(f"{options.keys:,} keys; microseconds of processor time an operation, at most {BUDGET_US:g}")
    for figure in figures:
        print(f"{figure.order:<10}{figure.operation:<22}{figure.cost_us:6.2f}")
    return int(any(figure.cost_us > BUDGET_US for figure in figures))


if __name__ == "__main__":
    raise SystemExit(main())
