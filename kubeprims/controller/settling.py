"""Keeps a controller from acting on its own past: the driver of ``own_writes.OwnWrites``."""

from __future__ import annotations

import threading
from functools import partial

from kubeprims.client.client import Client
from kubeprims.client.written import Written
from kubeprims.clock import Clock
from kubeprims.controller.own_writes import WAIT_MAX_S, Expectation, OwnWrites
from kubeprims.controller.sources import Informer
from kubeprims.meta import GroupVersionResource, ObjectKey
from kubeprims.objects.record import RESOURCE_VERSION
from kubeprims.threads import Cancel


class Settling:
    """What a controller's reconciles have written, and the waiting until its informers show it.

    Concurrency:
        Every method may be called from any thread; :meth:`add_informer` before the others.
    """

    def __init__(self, name: str, client: Client, *, clock: Clock) -> None:
        self._name = name
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._writes = OwnWrites()
        self.informers: tuple[Informer, ...] = ()

    def add_informer(self, informer: Informer) -> None:
        """Take an informer's cache for what must show writes."""
        if informer not in self.informers:
            self.informers = (*self.informers, informer)

    def client_for(self, cause: ObjectKey) -> Client:
        """Return a client whose writes the key's next reconcile waits for; it costs no connection."""
        return self._client.with_options(own_pool=False, on_write=partial(self._wrote, cause))

    def _wrote(self, cause: ObjectKey, write: Written) -> None:
        for informer in self.informers:
            if informer.resource == write.resource and informer.covers(write.key.namespace, write.labels, write.uid):
                shown = informer.indexer.record(write.key)
                expectation = Expectation(
                    resource=write.resource,
                    key=write.key,
                    version=write.resource_version,
                    uid=write.uid,
                    replaced_version="" if shown is None else shown[RESOURCE_VERSION],
                    until_s=self._clock.monotonic() + WAIT_MAX_S,
                )
                with self._lock:
                    self._writes.expect(cause, expectation)
                return

    def wait(self, cause: ObjectKey, stop: Cancel) -> str | None:
        """Wait until the caches show what the key's reconciles have written; return why not, if they do not in time."""
        with self._lock:
            pending = self._writes.pending(cause)
        for expectation in pending:
            self._wait_for(expectation, stop)
        with self._lock:
            overdue = self._writes.settle(cause, self._is_met, now_s=self._clock.monotonic())
        if not overdue:
            return None
        return f"its cache has not shown {overdue[0]} within {WAIT_MAX_S:g} s"

    def wait_for_object(self, cause: ObjectKey, resource: GroupVersionResource, key: ObjectKey, stop: Cancel) -> None:
        """Wait until the caches show what the key's reconciles have written of one object, or it takes too long."""
        with self._lock:
            pending = self._writes.pending(cause)
        for expectation in pending:
            if (expectation.resource, expectation.key) == (resource, key):
                self._wait_for(expectation, stop)

    def _wait_for(self, expectation: Expectation, stop: Cancel) -> None:
        informer = self._informer_of(expectation)
        if informer is not None:
            remaining_s = max(0.0, expectation.until_s - self._clock.monotonic())
            informer.wait_until(lambda: self._is_met(expectation), remaining_s, cancel=stop)

    def _is_met(self, expectation: Expectation) -> bool:
        informer = self._informer_of(expectation)
        if informer is None:
            return True
        return expectation.is_met(informer.indexer.record(expectation.key), informer.indexer.resource_version)

    def _informer_of(self, expectation: Expectation) -> Informer | None:
        return next((one for one in self.informers if one.resource == expectation.resource), None)
