"""A process that contends, and writes into a file at what times it has led: ``python -m ... URL FILE IDENTITY``."""

from __future__ import annotations

import os
import pathlib
import sys

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.elector import LeaderElector
from kubeprims.leaderelection.locks import LeaseLock
from kubeprims.leaderelection.term import Term

NAMESPACE = "default"
NAME = "contended"
CONFIG = ElectionConfig(lease_duration_s=2.0, renew_deadline_s=1.4, retry_period_s=0.3, rejoin=True)
PERIOD_S = 0.01


def main(kubeconfig: str, log: str, identity: str) -> None:
    """Contend until killed."""
    clock = SystemClock()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def work(term: Term) -> None:
        while not term.stopped.is_set:
            # Read before it is asked whether this process leads: so it has led at that time, wherever it is held up.
            now_s = clock.monotonic()
            if term.is_leading():
                os.write(file, f"{now_s:.6f} {term.token} {identity}\n".encode())
            term.stopped.wait(PERIOD_S)

    with Client.from_config(pathlib.Path(kubeconfig)) as client:
        lock = LeaseLock(client, namespace=NAMESPACE, name=NAME, identity=identity)
        LeaderElector(lock, config=CONFIG, on_started_leading=work).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
