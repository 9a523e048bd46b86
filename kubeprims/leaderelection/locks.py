"""Locks that are one object of the API each: a Lease, a ConfigMap or Endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.errors import DecodeError
from kubeprims.leaderelection.effects import Observation
from kubeprims.leaderelection.lock import Claim, Held, Recorder, Watched, Written, check_identity, make_identity
from kubeprims.leaderelection.lock_kinds import ConfigMapKind, EndpointsKind, LeaseKind, LockKind
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.meta import ObjectKey, check_path_segment
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel

EVENT_REASON = "LeaderElection"


class LockObject:
    """One object that holds a record, and how it is read and written: every write says what it was made from.

    Attributes:
        kind: What it is.
        key: Where it is.
        labels: What it is given with every write.

    Concurrency:
        Immutable: any number of threads at once.
    """

    __slots__ = ("_resource", "key", "kind", "labels")

    def __init__(self, kind: LockKind, client: Client, key: ObjectKey, labels: Mapping[str, str]) -> None:
        self.kind = kind
        self.key = key
        self.labels = dict(labels)
        self._resource = client.resource(kind.resource, key.namespace)

    def read(self, timeout_s: float | None, cancel: Cancel | None) -> Unstructured:
        """Return the object."""
        return self._checked(self._resource.get(self.key.name, timeout_s=timeout_s, cancel=cancel))

    def create(self, record: LeaderElectionRecord, timeout_s: float | None, cancel: Cancel | None) -> Unstructured:
        """Make the object, and return it."""
        made = self.kind.created(self.key.namespace, self.key.name, record, self.labels)
        return self._checked(self._resource.create(made, timeout_s=timeout_s, cancel=cancel), record)

    def update(
        self, known: Unstructured, record: LeaderElectionRecord, timeout_s: float | None, cancel: Cancel | None
    ) -> Unstructured:
        """Change the object that is known, unless it has changed since, and return it."""
        changed = self.kind.changed(known.to_dict(), record, self.labels)
        return self._checked(self._resource.update(changed, timeout_s=timeout_s, cancel=cancel), record)

    def _checked(self, answer: Unstructured, written: LeaderElectionRecord | None = None) -> Unstructured:
        """Return an answer that is the object, and says what was written.

        Nobody leads by the word of whatever stands between here and the server, and says 200 to everything.

        Raises:
            DecodeError: It is something else.
        """
        is_said = answer.key == self.key and bool(answer.resource_version)
        if is_said and written is not None:
            record = self.kind.observe(answer).record
            is_said = record is not None and record.holder_identity == written.holder_identity
        if not is_said:
            raise DecodeError(f"the answer is not the {self.kind.kind} {self.key} as it was asked for, or written")
        return answer

    def list_watch(self) -> ListWatch:
        """Return what lists and watches this object alone."""
        return ListWatch(self._resource, field_selector=f"metadata.name={self.key.name}")


class ObjectLock:
    """A lock that is one object of the API.

    Whatever else the object has stays as it is: data, labels, annotations, owners, fields that a later API version may
    bring.

    Attributes:
        client: The server that it is on.
        identity: What this candidate writes as the holder.
        claim: What keeps two elections from going on in that name.
        recorder: Takes the events of the lock; None: they go nowhere.

    Concurrency:
        As :class:`~kubeprims.leaderelection.lock.ResourceLock`.
    """

    _kind: ClassVar[LockKind]

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str | None = None,
        labels: Mapping[str, str] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Name a lock; nothing is sent.

        Args:
            client: The server. An elector derives one of its own from it.
            namespace: Where the object is.
            name: What it is called.
            identity: What this candidate writes as the holder; no two candidates may have the same. None has one made
                up, of the machine's name and a random part.
            labels: Labels that the object is given with every write; its others are kept. None leaves all alone.
            recorder: Takes the events of the lock.

        Raises:
            ConfigError: The identity is empty, or stands for nobody.
            InvalidArgument: The namespace or the name cannot be one.
        """
        key = ObjectKey.make(
            check_path_segment(namespace, what="the namespace of a lock"),
            check_path_segment(name, what="the name of a lock"),
        )
        self.client = client
        self.claim = Claim(is_made_up=identity is None)
        self.identity = make_identity() if identity is None else check_identity(identity)
        self._object = LockObject(self._kind, client, key, labels or {})
        self.recorder = recorder
        self._held: Held[Unstructured] = Held()

    @property
    def has_generated_identity(self) -> bool:
        """Whether the identity was made up for this lock, in this process."""
        return self.claim.is_made_up

    @property
    def lock_object(self) -> LockObject:
        """The object, as something to be read and written; for a multi-lock, which keeps its own state."""
        return self._object

    def describe(self) -> str:
        """Return ``namespace/name``."""
        return str(self._object.key)

    def with_client(self, client: Client) -> Self:
        """Return the same lock by way of another client; it has read and written nothing yet."""
        known = self._object
        other = type(self)(
            client,
            namespace=known.key.namespace,
            name=known.key.name,
            identity=self.identity,
            labels=known.labels,
            recorder=self.recorder,
        )
        other.claim = self.claim
        return other

    def get(self, *, timeout_s: float | None = None, cancel: Cancel | None = None) -> Observation:
        """Read the object.

        Raises:
            NotFound: There is none.
            KubeprimsError: As for every request.
        """
        turn = self._held.begin()
        found = self._object.read(timeout_s, cancel)
        self._held.keep(turn, found)
        return self._object.kind.observe(found)

    def create(
        self, record: LeaderElectionRecord, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> Written:
        """Make the object.

        Raises:
            AlreadyExists: Somebody else has.
            KubeprimsError: As for every request.
        """
        turn = self._held.begin()
        return self._written(turn, self._object.create(record, timeout_s, cancel))

    def update(
        self, record: LeaderElectionRecord, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> Written:
        """Write into the object as it was last read or written.

        Raises:
            Conflict: It has changed since.
            LifecycleError: It was neither read nor written before; nothing is sent.
            KubeprimsError: As for every request.
        """
        known = self._held.get(self.describe())
        turn = self._held.begin()
        return self._written(turn, self._object.update(known, record, timeout_s, cancel))

    def _written(self, turn: int, made: Unstructured) -> Written:
        self._held.keep(turn, made)
        return Written(self._object.kind.observe(made).version, made.resource_version)

    def record_event(self, text: str) -> None:
        """Say what became of the candidate, as an event of the object; nothing without a recorder or an object."""
        emit(self.recorder, self.identity, text, self._held.value)

    def watched(self) -> Watched:
        """Return how to see the lock change, which takes the verbs ``list`` and ``watch``."""
        return Watched(self._object.list_watch(), self._object.kind.observe)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.describe()} of {self.identity}>"


class LeaseLock(ObjectLock):
    """A lock that is a ``Lease``: the kind to choose, unless older candidates contend for another.

    Source:
        client-go tools/leaderelection/resourcelock/leaselock.go, ``LeaseLock``.
        Differs: fields of the spec that it does not know are kept.
    """

    _kind = LeaseKind()


class ConfigMapLock(ObjectLock):
    """A lock that is an annotation of a ``ConfigMap``.

    Source:
        client-go v0.23.0 tools/leaderelection/resourcelock/configmaplock.go, ``ConfigMapLock``.
        Differs: an annotation that cannot be read is no error; labels.
    """

    _kind = ConfigMapKind()


class EndpointsLock(ObjectLock):
    """A lock that is an annotation of ``Endpoints``.

    Source:
        client-go v0.23.0 tools/leaderelection/resourcelock/endpointslock.go, ``EndpointsLock``.
        Differs: an annotation that cannot be read is no error; labels.
    """

    _kind = EndpointsKind()


def emit(recorder: Recorder | None, identity: str, text: str, *objects: Unstructured | None) -> None:
    """Say something of the objects that there are, if somebody listens."""
    if recorder is None:
        return
    for obj in objects:
        if obj is not None:
            recorder.event(obj, reason=EVENT_REASON, note=f"{identity} {text}")
