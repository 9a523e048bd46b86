"""What an election needs of a lock, whatever it is made of."""

from __future__ import annotations

import os
import platform
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from kubeprims.client.client import Client
from kubeprims.client.list_watch import ListWatch
from kubeprims.errors import ConfigError, LifecycleError
from kubeprims.leaderelection.effects import Observation
from kubeprims.leaderelection.record import LeaderElectionRecord
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel

UNKNOWN_LEADER = "leaderelection.k8s.io/unknown"
"""Who holds a lock of two objects that do not agree: nobody has this identity."""

Value = TypeVar("Value")


class Written(NamedTuple):
    """A write that was accepted.

    Attributes:
        version: What was written, as :class:`~kubeprims.leaderelection.effects.Observation` has it.
        token: The fencing token that it makes: the resourceVersion of the object, or of a multi-lock's primary.
    """

    version: str
    token: str


class Watched(NamedTuple):
    """How to see a lock change.

    Attributes:
        list_watch: Lists and watches one object alone: the lock, or the one of two that is written last.
        observe: What it says of the election.
    """

    list_watch: ListWatch
    observe: Callable[[Unstructured], Observation]


class Recorder(Protocol):
    """Takes events; :class:`~kubeprims.client.events.EventRecorder` is the real one."""

    def event(self, regarding: Unstructured, *, reason: str, note: str) -> None:
        """Say what happened to an object; neither blocks nor raises."""
        ...


class ResourceLock(Protocol):
    """What candidates contend for: an object of the API, or two.

    A write is carried out only if the object has not changed since this lock last read or wrote it; a write that failed
    changes nothing about that. Requests need the verbs ``get``, ``create`` and ``update``, and no other.

    Every request raises ``StatusError``, ``TransportError`` or ``DecodeError``, as
    :class:`~kubeprims.client.resource.Resource` says. ``timeout_s`` is how long each request to the server may take, in
    seconds; ``cancel`` ends it at once.

    Concurrency:
        One request counts at a time: the answer to one that was given up is not kept once the next has begun. So what
        is written on is what the newest request has shown. The rest may be called from any thread.

    Source:
        client-go tools/leaderelection/resourcelock/interface.go, ``Interface``.
    """

    @property
    def client(self) -> Client:
        """The server that it is on."""
        ...

    @property
    def identity(self) -> str:
        """The candidate's: what it writes as the holder."""
        ...

    @property
    def claim(self) -> Claim:
        """What keeps two elections from going on in the same name."""
        ...

    @property
    def has_generated_identity(self) -> bool:
        """Whether the identity was made up for this lock, in this process, so that nobody else can have it."""
        ...

    def describe(self) -> str:
        """Return ``namespace/name``."""
        ...

    def with_client(self, client: Client) -> Self:
        """Return the same lock by way of another client; it has read and written nothing yet."""
        ...

    def get(self, *, timeout_s: float | None = None, cancel: Cancel | None = None) -> Observation:
        """Read the lock.

        Raises:
            NotFound: There is none.
        """
        ...

    def create(
        self, record: LeaderElectionRecord, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> Written:
        """Make the lock.

        Raises:
            AlreadyExists: Somebody else has.
        """
        ...

    def update(
        self, record: LeaderElectionRecord, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> Written:
        """Write into the lock as it was last read or written.

        Raises:
            Conflict: It has changed since.
            LifecycleError: It was neither read nor written before; nothing is sent.
        """
        ...

    def record_event(self, text: str) -> None:
        """Say what became of the candidate, as an event of the lock; nothing if there is no recorder."""
        ...

    def watched(self) -> Watched | None:
        """Return how to see the lock change, which takes the verbs ``list`` and ``watch``; None: it is polled alone."""
        ...


class Claim:
    """Keeps two elections from going on with one lock, and so in one name.

    A name that was made up belongs to the process that did so: after a fork, all of its children have it.

    Concurrency:
        Any thread.
    """

    __slots__ = ("_made_up_in", "_taken")

    def __init__(self, *, is_made_up: bool) -> None:
        self._made_up_in = os.getpid() if is_made_up else None
        self._taken = threading.Lock()

    @property
    def is_made_up(self) -> bool:
        """Whether the name was made up, in this process."""
        return self._made_up_in == os.getpid()

    @contextmanager
    def held(self, what: str) -> Generator[None]:
        """Be the only election meanwhile.

        Raises:
            LifecycleError: There is one already.
        """
        if not self._taken.acquire(blocking=False):
            raise LifecycleError(f"the lock {what} has an elector that runs; each candidate needs a lock of its own")
        try:
            yield
        finally:
            self._taken.release()


def make_identity() -> str:
    """Return an identity that nobody else has: this machine's name, and what was made up now.

    Source:
        kube-controller-manager and controller-runtime, which write the host's name, an underscore and a UUID.
    """
    return f"{platform.node() or 'localhost'}_{uuid.uuid4()}"


def check_identity(identity: object) -> str:
    """Return what can stand for a candidate.

    Raises:
        ConfigError: It is empty, or stands for nobody, or is no text.
    """
    if not isinstance(identity, str) or not identity or identity == UNKNOWN_LEADER:
        raise ConfigError(f"must name one candidate and no other, not {identity!r}", field="identity")
    return identity


class Held(Generic[Value]):
    """What a lock has read or written last.

    Concurrency:
        Any thread.
    """

    __slots__ = ("_lock", "_turn", "_value")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = 0
        self._value: Value | None = None

    def begin(self) -> int:
        """Begin a request, and return what tells it from others."""
        with self._lock:
            self._turn += 1
            return self._turn

    def keep(self, turn: int, value: Value) -> None:
        """Keep what a request has shown, unless another was begun since.

        An election goes on when a request takes too long. Were its late answer kept, the next write would be compared
        with a state that the election has not seen.
        """
        with self._lock:
            if turn == self._turn:
                self._value = value

    @property
    def value(self) -> Value | None:
        """What was kept; None before anything was."""
        with self._lock:
            return self._value

    def get(self, what: str) -> Value:
        """Return what was kept.

        Raises:
            LifecycleError: Nothing was.
        """
        value = self.value
        if value is None:
            raise LifecycleError(f"the lock {what} is read or created before it is updated")
        return value
