"""Keeps a controller from acting on its own past: the driver of ``own_writes.OwnWrites``."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

from kubeprims.client.client import Client
from kubeprims.client.written import Written
from kubeprims.clock import Clock
from kubeprims.controller.own_writes import WAIT_MAX_S, Expectation, OwnWrites
from kubeprims.controller.sources import Informer
from kubeprims.errors import OwnWriteUnseen
from kubeprims.meta import GroupVersionResource, ObjectKey
from kubeprims.objects.record import RESOURCE_VERSION, UID
from kubeprims.threads import Cancel, Deadline


class Settling:
    """What a controller's reconciles have written, and the waiting until its informers show it.

    Concurrency:
        Every method may be called from any thread; :meth:`add_informer` before the others.
    """

    def __init__(self, name: str, client: Client, *, clock: Clock, cut: Cancel) -> None:
        self._name = name
        self._client = client.with_options(own_pool=False, cancel=cut)
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
        for number, informer in enumerate(self.informers):
            covered = informer.coverage.resource
            # An object is the same in every version of its group, and so is its resourceVersion.
            if covered is None or covered != replace(write.resource, version=covered.version):
                continue
            shown = informer.indexer.record(write.key)
            # What is in the cache leaves it if the write has taken it out of the selection.
            has_it = shown is not None and write.uid in {"", shown[UID]}
            if not (has_it or informer.coverage.covers(write.key.namespace, write.labels, write.uid)):
                continue
            expectation = Expectation(
                cache=number,
                resource=covered,
                key=write.key,
                version=write.resource_version,
                uid=write.uid,
                is_gone=write.is_gone,
                may_go_on=write.may_go_on,
                replaced_version="" if shown is None else shown[RESOURCE_VERSION],
                made_at_s=self._clock.monotonic(),
            )
            with self._lock:
                self._writes.expect(cause, expectation)

    def wait(self, cause: ObjectKey, stop: Cancel) -> None:
        """Wait until the caches show what the key's reconciles have written.

        Raises:
            OwnWriteUnseen: They do not in time.
        """
        left = self._wait_for(cause, self._pending(cause), stop)
        if left:
            raise OwnWriteUnseen(self._name, str(left[0]), timeout_s=WAIT_MAX_S)

    def wait_for_writes(
        self, cause: ObjectKey, resource: GroupVersionResource, key: ObjectKey | None, stop: Cancel
    ) -> None:
        """Wait until the caches show what the key's reconciles have written of one object, or of a resource.

        Raises:
            OwnWriteUnseen: They do not in time.
        """
        meant = [
            one for one in self._pending(cause) if one.resource == resource and (key is None or one.key == key)
        ]  # fmt: skip
        left = [one for one in self._wait_for(cause, meant, stop) if one in meant]
        if left:
            raise OwnWriteUnseen(self._name, str(left[0]), timeout_s=WAIT_MAX_S)

    def _pending(self, cause: ObjectKey) -> tuple[Expectation, ...]:
        with self._lock:
            return self._writes.pending(cause)

    def _wait_for(
        self, cause: ObjectKey, expectations: tuple[Expectation, ...] | list[Expectation], stop: Cancel
    ) -> tuple[Expectation, ...]:
        """Wait for some writes, and return what is left of all that the key waits for."""
        if not expectations:
            return ()
        deadline = Deadline.after(WAIT_MAX_S, clock=self._clock)
        for expectation in expectations:
            informer = self.informers[expectation.cache]
            informer.wait_until(
                partial(self._is_met, expectation), max(0.0, deadline.remaining_s()), cancel=stop
            )  # fmt: skip
        with self._lock:
            return self._writes.settle(cause, self._is_met, now_s=self._clock.monotonic())

    def _is_met(self, expectation: Expectation) -> bool:
        informer, key = self.informers[expectation.cache], expectation.key
        if not informer.coverage.follows(key.namespace):
            return True  # it is not about that namespace any more
        is_reached = bool(expectation.version) and informer.coverage.has_reached(
            expectation.version, namespace=key.namespace
        )  # fmt: skip
        return expectation.is_met(informer.indexer.record(key), is_reached=is_reached)
