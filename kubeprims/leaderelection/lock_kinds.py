"""The kinds of objects that serve as a lock: how a record is read from one, and written into it. Pure."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from kubeprims.errors import DecodeError
from kubeprims.leaderelection.effects import Observation
from kubeprims.leaderelection.record import (
    LEADER_ANNOTATION,
    LeaderElectionRecord,
    annotation_text,
    lease_spec,
    record_from_annotation,
    record_from_lease_spec,
)
from kubeprims.meta import JSONObject, JSONValue

_LEASE_FIELDS = (
    "holderIdentity",
    "leaseDurationSeconds",
    "acquireTime",
    "renewTime",
    "leaseTransitions",
    "strategy",
    "preferredHolder",
)


class LockKind(ABC):
    """One kind of lock object.

    Attributes:
        api_version: Its ``apiVersion``.
        kind: Its kind.
        resource: Its resource, as :meth:`~kubeprims.client.client.Client.resource` takes it.

    Concurrency:
        Immutable.
    """

    api_version: ClassVar[str]
    kind: ClassVar[str]
    resource: ClassVar[str]

    @abstractmethod
    def observe(self, content: Mapping[str, JSONValue]) -> Observation:
        """Return what an object says of the election."""

    @abstractmethod
    def _put(self, content: JSONObject, record: LeaderElectionRecord) -> None:
        """Have the object say this, and leave everything else in it alone."""

    def created(self, namespace: str, name: str, record: LeaderElectionRecord, labels: Mapping[str, str]) -> JSONObject:
        """Return an object that is not there yet."""
        metadata: JSONObject = {"name": name, "namespace": namespace}
        content: JSONObject = {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}
        return self.changed(content, record, labels)

    def changed(self, content: JSONObject, record: LeaderElectionRecord, labels: Mapping[str, str]) -> JSONObject:
        """Return the object with this record and these labels, and with all else that it has; changes ``content``."""
        self._put(content, record)
        if labels:
            _inner(_inner(content, "metadata"), "labels").update(labels)
        return content


class LeaseKind(LockKind):
    """A ``Lease``, whose spec is the record.

    Source:
        client-go tools/leaderelection/resourcelock/leaselock.go.
        Differs: fields of the spec that are not the record's are kept, and two renewals in one second differ.
    """

    api_version = "coordination.k8s.io/v1"
    kind = "Lease"
    resource = "coordination.k8s.io/v1/leases"

    def observe(self, content: Mapping[str, JSONValue]) -> Observation:
        """Return what the spec says; what is missing, or not of its type, counts as not given."""
        found = content.get("spec")
        spec = found if isinstance(found, dict) else {}
        # The fields as they stand: a renewal counts as one even if its time cannot be read.
        version = _compact({name: spec[name] for name in _LEASE_FIELDS if name in spec})
        return Observation(record_from_lease_spec(spec), version)

    def _put(self, content: JSONObject, record: LeaderElectionRecord) -> None:
        content["spec"] = lease_spec(record, _inner(content, "spec"))


class AnnotatedKind(LockKind):
    """An object whose annotation is the record: one that has other uses as well.

    Source:
        client-go v0.23.0 tools/leaderelection/resourcelock/configmaplock.go and endpointslock.go.
        Differs: an annotation that cannot be read is no error, which nobody could ever get past.
    """

    api_version = "v1"

    def observe(self, content: Mapping[str, JSONValue]) -> Observation:
        """Return what the annotation says: nobody leads if there is none, and who knows if it cannot be read."""
        metadata = content.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if not isinstance(annotations, dict) or LEADER_ANNOTATION not in annotations:
            return Observation(LeaderElectionRecord(), "")
        text = annotations[LEADER_ANNOTATION]
        try:
            if isinstance(text, str):
                return Observation(record_from_annotation(text), text)
        except DecodeError:
            pass
        digest = hashlib.sha256(_compact(text).encode("utf-8", "surrogatepass")).hexdigest()
        return Observation(None, f"unreadable:{digest}")  # it may be huge

    def _put(self, content: JSONObject, record: LeaderElectionRecord) -> None:
        _inner(_inner(content, "metadata"), "annotations")[LEADER_ANNOTATION] = annotation_text(record)


class ConfigMapKind(AnnotatedKind):
    """A ``ConfigMap``."""

    kind = "ConfigMap"
    resource = "v1/configmaps"


class EndpointsKind(AnnotatedKind):
    """``Endpoints``: of a Service, as often as not."""

    kind = "Endpoints"
    resource = "v1/endpoints"


def _inner(content: JSONObject, name: str) -> JSONObject:
    """Return an object inside another; one that is not there is made."""
    found = content.get(name)
    if not isinstance(found, dict):
        found = content[name] = {}
    return found


def _compact(value: JSONValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
