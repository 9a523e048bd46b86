"""How long it takes until another candidate leads, when the leader is killed: measured, many times."""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import sys
import textwrap

import pytest

from kubeprims.clock import SystemClock
from kubeprims.leaderelection.config import ElectionConfig
from kubeprims.leaderelection.explain import failover_s
from tests.real.test_election import TIMEOUT_S, kubeconfig, read_until, token_of

__all__ = ["kubeconfig"]

CANDIDATE = textwrap.dedent(
    """
    import sys
    import kubeprims as kp

    def say(text):
        sys.stdout.write(text + "\\n")  # in one piece: two threads speak
        sys.stdout.flush()


    class Polled(kp.LeaseLock):
        def watched(self):
            return None

    kind = kp.LeaseLock if sys.argv[3] == "watched" else Polled
    lease_s, renew_s, retry_s = map(float, sys.argv[4:])
    with kp.Client.from_config(sys.argv[1]) as client:
        def work(term):
            say(f"leads {term.token}")
            term.stopped.wait()
        kp.LeaderElector(
            kind(client, namespace="default", name=sys.argv[2]),
            on_started_leading=work,
            on_new_leader=lambda identity: say(f"sees {identity}"),
            lease_duration_s=lease_s,
            renew_deadline_s=renew_s,
            retry_period_s=retry_s,
        ).run()
    """
)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("how", "times", "rounds"),
    [
        ("watched", (3, 2, 0.5), 50),
        ("polled", (3, 2, 0.5), 50),
        ("watched", (15, 10, 2), 5),
        ("polled", (15, 10, 2), 5),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_every_failover_keeps_to_its_bound(
    kubeconfig: pathlib.Path,
    how: str,
    times: tuple[float, float, float],
    rounds: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def start() -> subprocess.Popen[str]:
        name = f"failover-{how}-{times[0]}"
        command = [sys.executable, "-c", CANDIDATE, str(kubeconfig), name, how, *map(str, times)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)

    clock = SystemClock()
    took_s: list[float] = []
    leader = start()
    tokens = [token_of(leader)]
    for _ in range(rounds):
        standby = start()
        read_until(standby, "sees")
        killed_at_s = clock.monotonic()
        leader.kill()
        tokens.append(token_of(standby))
        took_s.append(clock.monotonic() - killed_at_s)
        leader.communicate(timeout=TIMEOUT_S)
        leader = standby
    leader.kill()
    leader.communicate(timeout=TIMEOUT_S)
    with capsys.disabled():
        median_s, most_s = statistics.median(took_s), max(took_s)
        sys.stdout.write(
            f"\nfailover, {how}, {times}: median {median_s:.2f} s, at most {most_s:.2f} s in {rounds} runs\n"
        )
    assert tokens == sorted(set(tokens))
    lease_s, renew_s, retry_s = times
    config = ElectionConfig(lease_duration_s=lease_s, renew_deadline_s=renew_s, retry_period_s=retry_s)
    assert max(took_s) <= failover_s(config, is_watched=how == "watched"), took_s
