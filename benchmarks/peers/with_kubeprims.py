"""kubeprims: ``python -m benchmarks.peers.with_kubeprims URL OBJECTS [STORAGE [lists]]``."""

from __future__ import annotations

import os
import sys

import kubeprims as kp
from benchmarks.peers.driver import Handlers, Measurement


class KubeprimsInformer:
    def __init__(self, url: str, storage: str = "plain", first: str = "watch-list") -> None:
        client = kp.Client(kp.Transport(kp.TransportConfig(server=url)))
        source = kp.ListWatch(client.resource("v1/pods", namespace=kp.ALL_NAMESPACES))
        reflector = kp.ReflectorOptions(watch_list=first != "lists")
        options = kp.InformerOptions(storage=storage, reflector=reflector)
        self._informer = kp.SharedInformer(source, name="v1/pods", options=options)

    def start(self, measurement: Handlers[kp.Unstructured]) -> None:
        self._informer.add_event_handler(
            on_add=measurement.added,
            on_update=lambda _, new: measurement.updated(new),
            policy="block",  # every event is handed over, as the others do
        )
        self._informer.start()

    def cached(self) -> int:
        return len(self._informer.indexer)

    def read_key(self, obj: kp.Unstructured) -> object:
        return obj.key

    def read_object(self, obj: kp.Unstructured) -> object:
        status = obj["status"]
        assert isinstance(status, dict)
        return status["phase"]


if __name__ == "__main__":
    Measurement(KubeprimsInformer(sys.argv[1], *sys.argv[3:]), int(sys.argv[2])).serve()
    os._exit(0)  # stopping is not measured
