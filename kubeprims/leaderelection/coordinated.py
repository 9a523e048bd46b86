"""Says that one is there to be picked, in an election that the server decides (KEP-4355).

Whoever takes part runs a :class:`LeaseCandidate` beside its elector, which has ``coordinated=True`` and the candidate's
name as its identity.
"""

from __future__ import annotations

import datetime
import logging

from kubeprims.client.client import Client
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import ConfigError, KubeprimsError, NotFound
from kubeprims.leaderelection.record import micro_time, parsed_time
from kubeprims.meta import JSONObject, JSONValue, check_path_segment
from kubeprims.objects.event import WatchEventType
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel

RESOURCE = "coordination.k8s.io/v1beta1/leasecandidates"
OLDEST_EMULATION_VERSION = "OldestEmulationVersion"
"""The one strategy that Kubernetes has: the lowest emulation version leads."""

RENEW_PERIOD_S = 300.0
"""How often a candidate says that it is still there, in seconds; one that has not for half an hour is removed."""

RETRY_S = 1.0

logger = logging.getLogger(__name__)


class LeaseCandidate:
    """One candidate for a Lease that the server gives away.

    Concurrency:
        :meth:`run` blocks its thread; so it is for a thread of yours, or a part of a manager.

    Source:
        client-go tools/leaderelection/leasecandidate.go, ``LeaseCandidate``.
        Same: it is made if it is missing, renewed every five minutes, and whenever the server pings it.
        Differs: a watch rather than an informer: there is one object; one that is there gets this one's versions.
    """

    def __init__(  # noqa: PLR0913 - options, all by keyword
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        lease_name: str,
        binary_version: str,
        emulation_version: str,
        strategy: str = OLDEST_EMULATION_VERSION,
        resource: str = RESOURCE,
        clock: Clock | None = None,
    ) -> None:
        """Describe a candidate; nothing is sent.

        Args:
            client: The server.
            namespace: Where the Lease is.
            name: The candidate's: the identity of its elector.
            lease_name: What it is a candidate for.
            binary_version: The version of the program, such as ``1.37.0``.
            emulation_version: The version that it behaves as; no higher.
            strategy: How the server picks.
            resource: Where the server keeps candidates: before 1.33 that is ``coordination.k8s.io/v1alpha2``.
            clock: The clock to live by.

        Raises:
            ConfigError: A version is empty.
            InvalidArgument: A name cannot be one.
        """
        for field, value in (("binary_version", binary_version), ("emulation_version", emulation_version)):
            if not value:
                raise ConfigError("must be a version, such as 1.37.0", field=field)
        self.name = check_path_segment(name, what="the name of a candidate")
        self._spec: JSONObject = {
            "leaseName": check_path_segment(lease_name, what="the name of a Lease"),
            "binaryVersion": binary_version,
            "emulationVersion": emulation_version,
            "strategy": strategy,
        }
        self._resource = client.resource(resource, check_path_segment(namespace, what="a namespace"))
        self._clock = clock or SystemClock()

    def run(self, stop: Cancel) -> None:
        """Be a candidate until ``stop`` is set; what goes wrong is logged, and tried again."""
        while not stop.is_set:
            try:
                self._answer_pings(self._renew(stop), stop)
            except KubeprimsError as error:
                if not stop.is_set:
                    logger.warning("the candidate %s is not heard: %s", self.name, error)
            stop.wait(RETRY_S, clock=self._clock)  # also after a watch that has ended: some end at once, each time

    def _renew(self, stop: Cancel) -> Unstructured:
        """Make the candidate, or say that it is still there."""
        try:
            body = self._resource.get(self.name, cancel=stop).to_dict()
        except NotFound:
            spec: JSONObject = {**self._spec, "renewTime": micro_time(self._clock.wall())}
            api_version = self._resource.gvr.api_version
            made: JSONObject = {"apiVersion": api_version, "kind": "LeaseCandidate", "metadata": {"name": self.name}}
            return self._resource.create({**made, "spec": spec}, cancel=stop)
        found = body.get("spec")
        # An earlier process may have left it, of another version: the server would pick by that.
        body["spec"] = {**(found if isinstance(found, dict) else {}), **self._spec}
        return self._write_renewal(body, stop)

    def _write_renewal(self, body: JSONObject, stop: Cancel) -> Unstructured:
        found = body.get("spec")
        spec = found if isinstance(found, dict) else {}
        now = self._clock.wall()
        pinged = _time(spec, "pingTime")
        # Past the ping, however this clock stands to the server's: or it would ping in vain, and drop the candidate.
        renewed = now if pinged is None else max(now, pinged + datetime.timedelta(microseconds=1))
        body["spec"] = {**spec, "renewTime": micro_time(renewed)}
        return self._resource.update(body, cancel=stop)

    def _answer_pings(self, known: Unstructured, stop: Cancel) -> None:
        """Follow the candidate until it is time to renew it, or it has gone."""
        selector = f"metadata.name={self.name}"
        version = known.resource_version
        with self._resource.watch(
            resource_version=version, field_selector=selector, timeout_s=RENEW_PERIOD_S, cancel=stop
        ) as events:
            for event in events:
                if event.type is WatchEventType.DELETED:
                    return
                if is_pinged(event.object.to_dict()):
                    self._write_renewal(event.object.to_dict(), stop)

    def __repr__(self) -> str:
        return f"<LeaseCandidate {self.name} for {self._spec['leaseName']}>"


def is_pinged(candidate: JSONObject) -> bool:
    """Return whether the server asks a candidate to say that it is still there."""
    found = candidate.get("spec")
    spec = found if isinstance(found, dict) else {}
    pinged, renewed = _time(spec, "pingTime"), _time(spec, "renewTime")
    return pinged is not None and (renewed is None or pinged > renewed)


def _time(spec: dict[str, JSONValue], field: str) -> datetime.datetime | None:
    text = spec.get(field)
    return parsed_time(text) if isinstance(text, str) else None
