"""The informer of the ``kubernetes`` package: ``python -m benchmarks.peers.with_kubernetes URL OBJECTS``."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from benchmarks.peers.driver import Handlers, Measurement

if TYPE_CHECKING:
    from kubernetes.client import V1Pod


class KubernetesInformer:
    def __init__(self, url: str) -> None:
        from kubernetes import client
        from kubernetes.informer import SharedInformer

        logging.disable()  # it logs each failure with its stack: that would be what is measured
        configuration = client.Configuration(host=url)
        api = client.CoreV1Api(client.ApiClient(configuration))
        self._informer = SharedInformer(list_func=api.list_pod_for_all_namespaces)

    def start(self, measurement: Handlers[V1Pod]) -> None:
        self._informer.add_event_handler("ADDED", measurement.added)
        self._informer.add_event_handler("MODIFIED", measurement.updated)
        self._informer.start()

    def cached(self) -> int:
        return len(self._informer.cache.list_keys())

    def read_key(self, obj: V1Pod) -> object:
        return f"{obj.metadata.namespace}/{obj.metadata.name}"

    def read_object(self, obj: V1Pod) -> object:
        return obj.status.phase


if __name__ == "__main__":
    Measurement(KubernetesInformer(sys.argv[1]), int(sys.argv[2])).serve()
    os._exit(0)  # stopping is not measured
