"""What a manager costs while nothing happens."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import threading

import pytest

from kubeprims.testing import APIServer
from tests.controller.world import TIMEOUT_S
from tests.waiting import eventually

PROGRAM = """
import sys
import kubeprims as kp

RESOURCES = ("v1/pods", "v1/configmaps", "v1/secrets", "v1/services", "v1/nodes", "apps/v1/deployments",
             "apps/v1/replicasets", "apps/v1/daemonsets", "apps/v1/statefulsets", "batch/v1/jobs")

with kp.Client.from_config(sys.argv[1]) as client:
    informers = kp.SharedInformerFactory(client)
    manager = kp.ControllerManager(informers=informers, probes=kp.Probes("127.0.0.1", 0))
    for number, resource in enumerate(RESOURCES):
        name = f"c{number}"
        controller = kp.Controller(name, lambda key, ctx: None, client=client, workers=4, reconcile_timeout_s=60)
        manager.add(controller.watches(informers.informer(resource)))
    manager.add(kp.EventRecorder(client, "example.com/idle"), name="events")
    def tell(stop):
        informers.wait_for_cache_sync(60)
        print("in sync", flush=True)
        stop.wait()
    class Tell:
        run = staticmethod(tell)
    manager.add(Tell(), name="tell")
    sys.exit(manager.main())
"""

WATCHED_S = 3.0
WAKES_PER_S = 5.0


def wakes(pid: int) -> int:
    """Return how often the threads of a process have waited for something and gone on."""
    count = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                count += int(line.split()[1])
    return count


@pytest.mark.skipif(not pathlib.Path("/proc/self/task").is_dir(), reason="counts in /proc")
def test_a_manager_of_ten_informers_sleeps_while_nothing_happens(
    kubeprims_apiserver: APIServer, tmp_path: pathlib.Path
) -> None:
    kubeconfig = kubeprims_apiserver.write_kubeconfig(tmp_path / "kubeconfig")
    command = [sys.executable, "-c", PROGRAM, str(kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "in sync\n"
            eventually(lambda: kubeprims_apiserver.faults.open_watches == 10, TIMEOUT_S, "every watch is open")
            eventually(lambda: is_at_rest(process.pid), TIMEOUT_S, "what starting brings is over")
            before = wakes(process.pid)
            threading.Event().wait(WATCHED_S)  # a rate takes time
            rate = (wakes(process.pid) - before) / WATCHED_S
            assert rate < WAKES_PER_S, rate
        finally:
            process.terminate()
        assert process.wait(TIMEOUT_S) == 0


def is_at_rest(pid: int) -> bool:
    before = wakes(pid)
    threading.Event().wait(0.2)
    return wakes(pid) == before
