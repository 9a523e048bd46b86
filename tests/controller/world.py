"""What tests of controllers share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kubeprims.client.client import Client
from kubeprims.controller.controller import Controller, Reconcile
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import FrozenWatches, Match
from kubeprims.workqueue.rate_limiters import ItemExponentialFailureRateLimiter

TIMEOUT_S = 20.0


def config_map(name: str, **data: str) -> JSONObject:
    return {"metadata": {"name": name, "namespace": "default"}, "data": dict(data)}


class World:
    """A server, a client of it, and informers that are started when a controller is."""

    def __init__(self, server: APIServer, client: Client, informers: SharedInformerFactory) -> None:
        self.server = server
        self.client = client
        self.informers = informers
        self.frozen = FrozenWatches()
        self.thawing = threading.Event()

    @staticmethod
    def match(path: str) -> Match:
        return Match(path=path)

    @contextmanager
    def running(self, controller: Controller) -> Iterator[Controller]:
        self.informers.start()
        controller.start()
        try:
            yield controller
        finally:
            controller.stop(TIMEOUT_S)

    def controller(self, reconcile: Reconcile, *, workers: int = 1) -> Controller:
        limiter = ItemExponentialFailureRateLimiter(base_delay_s=0.001, delay_max_s=0.01)
        return Controller("test", reconcile, client=self.client, workers=workers, rate_limiter=limiter)
