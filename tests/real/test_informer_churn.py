"""An informer on a real kube-apiserver under as many changes as the server takes."""

from __future__ import annotations

import http.client
import json
import pathlib
import random
from collections.abc import Callable

from kubeprims.client.client import Client
from kubeprims.clock import SystemClock
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.meta import JSONObject
from kubeprims.threads import Deadline, ThreadGroup
from tests.informer.mirror import Mirror, assert_converges
from tests.real.cluster import RealCluster
from tests.real.test_informer import PATH, TIMEOUT_S, truth

WRITERS = 6
CHANGES_OF_EACH = 700
WRITING_TIMEOUT_S = 150.0


class Writer:
    """Creates, changes and deletes config maps of its own over one connection, one after the other."""

    def __init__(self, cluster: RealCluster, number: int) -> None:
        self._rng = random.Random(number)
        self._prefix = f"churn-{number}"
        self._cluster = cluster
        self._names: list[str] = []
        self._made = 0

    def run(self) -> None:
        connection = self._cluster.connect()
        try:
            for _ in range(CHANGES_OF_EACH):
                self._step(connection)
        finally:
            connection.close()

    def _step(self, connection: http.client.HTTPConnection) -> None:
        match self._rng.randrange(4):
            case 0 if len(self._names) > 3:
                name = self._names.pop(self._rng.randrange(len(self._names)))
                self._send(connection, "DELETE", f"{PATH}/{name}")
            case 1 | 2 if self._names:
                name = self._rng.choice(self._names)
                self._send(connection, "PUT", f"{PATH}/{name}", name)
            case _:
                self._made += 1
                self._names.append(f"{self._prefix}-{self._made}")
                self._send(connection, "POST", PATH, self._names[-1])

    def _send(self, connection: http.client.HTTPConnection, method: str, path: str, name: str = "") -> None:
        body: JSONObject = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"step": str(self._rng.random())},
        }
        connection.request(method, path, json.dumps(body) if name else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        assert response.status in {200, 201}, answer


def all_at_once(*run: Callable[[], None]) -> float:
    """Run all of it, each on a thread, and return how many seconds that took."""
    begun_s = SystemClock().monotonic()
    group = ThreadGroup("churn")
    for number, function in enumerate(run):
        group.spawn(function, name=str(number))
    assert group.join(Deadline.after(WRITING_TIMEOUT_S)) == ()
    return SystemClock().monotonic() - begun_s


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
        took_s = all_at_once(*(Writer(real_cluster, number).run for number in range(WRITERS)))
        record_property("changes_per_s", round(WRITERS * CHANGES_OF_EACH / took_s))
        assert_converges(informer, mirror, lambda: truth(real_cluster), timeout_s=TIMEOUT_S)
        status = informer.status
        assert (status.watch_lists, status.failures, mirror.deletes > 0) == (1, 0, True)
