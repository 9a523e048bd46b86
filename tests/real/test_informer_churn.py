"""An informer on a real kube-apiserver under as many changes as the server takes."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.informer.factory import SharedInformerFactory
from tests.informer.mirror import Mirror, assert_converges
from tests.real import churn_writer
from tests.real.cluster import RealCluster
from tests.real.test_informer import TIMEOUT_S, truth

WRITERS = 4
OBJECTS = 200
WRITING_TIMEOUT_S = 150.0


def write(cluster: RealCluster, name: str, rounds: int) -> tuple[int, float]:
    """Have several programs write at once; return how many changes they made, and in how many seconds."""
    begun_s = SystemClock().monotonic()
    with ExitStack() as programs:
        writers = [
            programs.enter_context(
                subprocess.Popen(
                    [
                        sys.executable, churn_writer.__file__,
                        str(cluster.folder), str(cluster.port), f"{name}-{number}", str(OBJECTS), str(rounds),
                    ],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(WRITERS)
        ]  # fmt: skip
        changes = 0
        for writer in writers:
            printed, _ = writer.communicate(timeout=WRITING_TIMEOUT_S)
            assert writer.returncode == 0
            changes += int(printed)
    return changes, SystemClock().monotonic() - begun_s


def changes_per_s(cluster: RealCluster, folder: pathlib.Path, name: str, rounds: int) -> float:
    """Follow the server through its changes, in the end find cache and handler equal to it, and say how many came."""
    path = folder / "config"
    path.write_text(json.dumps(cluster.kubeconfig()))
    with Client.from_config(str(path)) as client, SharedInformerFactory(client) as informers:
        informer, mirror = informers.informer("v1/configmaps"), Mirror()
        informer.add_event_handler(on_event=mirror.on_event)
        informers.start()
        informers.wait_for_cache_sync(TIMEOUT_S)
        changes, took_s = write(cluster, name, rounds)
        assert_converges(informer, mirror, lambda: truth(cluster), timeout_s=TIMEOUT_S)
        status = informer.status
        assert (status.watch_lists, status.failures, mirror.deletes > 0) == (1, 0, True)
    return changes / took_s


def test_the_cache_and_the_handler_end_equal_to_the_server(
    real_cluster: RealCluster, tmp_path: pathlib.Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("changes_per_s", round(changes_per_s(real_cluster, tmp_path, "some", rounds=5)))


@pytest.mark.nightly
def test_they_do_so_at_a_thousand_changes_a_second(
    real_cluster: RealCluster, tmp_path: pathlib.Path, record_property: Callable[[str, object], None]
) -> None:
    """A machine that does other things has no such server, so this is for one that does not."""
    found = changes_per_s(real_cluster, tmp_path, "many", rounds=15)
    record_property("changes_per_s", round(found))
    assert found >= 1000
