"""An informer on a real kube-apiserver under as many changes as the server takes."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.informer.factory import SharedInformerFactory
from tests.informer.mirror import Mirror, assert_converges
from tests.real.cluster import RealCluster
from tests.real.test_informer import TIMEOUT_S, truth

WRITERS = 4
OBJECTS, ROUNDS = 200, 5
WRITING_TIMEOUT_S = 150.0


def write(cluster: RealCluster) -> tuple[int, float]:
    """Have several programs write at once; return how many changes they made, and in how many seconds."""
    begun_s = SystemClock().monotonic()
    writers = [
        subprocess.Popen(
            [
                sys.executable, "-m", "tests.real.churn_writer",
                str(cluster.folder), str(cluster.port), f"churn-{number}", str(OBJECTS), str(ROUNDS),
            ],
            cwd=pathlib.Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]  # fmt: skip
    changes = 0
    for writer in writers:
        printed, _ = writer.communicate(timeout=WRITING_TIMEOUT_S)
        assert writer.returncode == 0
        changes += int(printed)
    return changes, SystemClock().monotonic() - begun_s


def test_the_cache_and_the_handler_end_equal_to_the_server(
    real_cluster: RealCluster, tmp_path: pathlib.Path, record_property: Callable[[str, object], None]
) -> None:
    path = tmp_path / "config"
    path.write_text(json.dumps(real_cluster.kubeconfig()))
    with Client.from_config(str(path)) as client, SharedInformerFactory(client) as informers:
        informer, mirror = informers.informer("v1/configmaps"), Mirror()
        informer.add_event_handler(on_event=mirror.on_event)
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)
        changes, took_s = write(real_cluster)
        record_property("changes_per_s", round(changes / took_s))
        assert_converges(informer, mirror, lambda: truth(real_cluster), timeout_s=TIMEOUT_S)
        status = informer.status
        assert (status.watch_lists, status.failures, mirror.deletes > 0) == (1, 0, True)
