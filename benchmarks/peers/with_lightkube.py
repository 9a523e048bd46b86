"""lightkube, which has no informer, and the least that makes one of it: a list, a watch and a dictionary.

    python -m benchmarks.peers.with_lightkube URL OBJECTS

There is no lock, no queue, no index and no second try: a failure ends it.
"""

from __future__ import annotations

import os
import sys
import threading

from lightkube import ALL_NS, Client, KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.resources.core_v1 import Pod

from benchmarks.peers.driver import Handlers, Measurement


class LightkubeInformer:
    def __init__(self, url: str) -> None:
        self._client = Client(config=KubeConfig.from_one(cluster=Cluster(server=url), user=User()), trust_env=False)
        self._pods: dict[str, Pod] = {}

    def start(self, measurement: Handlers[Pod]) -> None:
        threading.Thread(target=self._run, args=(measurement,), daemon=True).start()

    def _run(self, measurement: Handlers[Pod]) -> None:
        listed = self._client.list(Pod, namespace=ALL_NS)
        for pod in listed:
            self._pods[self.read_key(pod)] = pod
        for pod in tuple(self._pods.values()):
            measurement.added(pod)
        for event, pod in self._client.watch(Pod, namespace=ALL_NS, resource_version=listed.resourceVersion):
            if event == "BOOKMARK":
                continue
            self._pods[self.read_key(pod)] = pod
            (measurement.added if event == "ADDED" else measurement.updated)(pod)

    def cached(self) -> int:
        return len(self._pods)

    def read_key(self, obj: Pod) -> str:
        return f"{obj.metadata.namespace}/{obj.metadata.name}"

    def read_object(self, obj: Pod) -> object:
        return obj.status.phase


if __name__ == "__main__":
    Measurement(LightkubeInformer(sys.argv[1]), int(sys.argv[2])).serve()
    os._exit(0)  # stopping is not measured
