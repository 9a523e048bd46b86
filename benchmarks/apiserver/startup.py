"""How long the embedded API server takes until it answers: ``python -m benchmarks.apiserver.startup``.

The first start of a process also imports and reads what it needs; the later ones show what each test pays.
"""

from __future__ import annotations

import statistics
import time

from kubeprims.testing import APIServer

ROUNDS = 20
LIMITS_MS = {False: 50.0, True: 150.0}


def start_ms(*, tls: bool) -> float:
    """Return how long one start takes, in milliseconds."""
    begun = time.perf_counter()
    with APIServer(tls=tls):
        return (time.perf_counter() - begun) * 1e3


if __name__ == "__main__":
    for tls, limit_ms in LIMITS_MS.items():
        first_ms = start_ms(tls=tls)
        later_ms = [start_ms(tls=tls) for _ in range(ROUNDS)]
        name = "TLS" if tls else "plain HTTP"
        print(
            f"{name:<12} first {first_ms:7.1f} ms   median {statistics.median(later_ms):6.1f} ms   "
            f"worst {max(later_ms):6.1f} ms   limit {limit_ms:5.0f} ms"
        )
