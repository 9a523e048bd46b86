"""Faults on demand: a list of rules that says which request goes wrong, how, and how often.

A rule is added while the server runs and matched against each request by verb, resource, path and user agent; the
first one that matches is used up by one. What a rule does is a value (:class:`Drop`, :class:`Stall`, ...); the server
carries it out.
"""

from __future__ import annotations

import contextlib
import fnmatch
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import ConfigError, InvalidArgument
from kubeprims.threads import Cancel, Deadline


class FaultPoint(StrEnum):
    """Where in a response a fault happens."""

    BEFORE_HANDLING = "before handling"
    """The request was read, and nothing was done yet. A stall that is released has it carried out, late."""
    BEFORE_HEAD = "before head"
    """The request was carried out, and nothing of the answer was sent."""
    IN_HEAD = "in head"
    """After ``after_bytes`` bytes of the response's head."""
    IN_BODY = "in body"
    """After ``after_bytes`` bytes of the body as it stands on the wire, chunk lines included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A fault that begins at a byte of the response; a response that ends before it goes through whole."""

    point: FaultPoint = FaultPoint.BEFORE_HANDLING
    after_bytes: int = 0

    def __post_init__(self) -> None:
        if self.after_bytes < 0:
            raise ConfigError(f"must not be negative, not {self.after_bytes!r}", field="after_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(_Cut):
    """Cut the connection there, with a reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(_Cut):
    """Close the connection there in good order: the answer is too short, and nothing else tells."""

    point: FaultPoint = FaultPoint.IN_BODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(_Cut):
    """Send nothing from there on, and keep the connection, until :meth:`Fault.release`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Answer ``delay_s`` seconds later, by the server's clock."""

    delay_s: float

    def __post_init__(self) -> None:
        if self.delay_s < 0:
            raise ConfigError(f"must not be negative, not {self.delay_s!r}", field="delay_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer this instead of carrying the request out.

    Attributes:
        code: The HTTP status, from 200 to 599.
        reason: Of the ``Status`` object; made from the code if empty.
        message: Of the ``Status`` object.
        retry_after_s: Sent as Retry-After and in the ``Status``, in whole seconds.
        body: Sent instead of a ``Status`` object if not None.
        content_type: Of the body.
    """

    code: int = 200
    reason: str = ""
    message: str = "a fault was asked for"
    retry_after_s: int | None = None
    body: bytes | None = None
    content_type: str = "application/json"

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:  # noqa: PLR2004 - the classes of final responses
            raise ConfigError(f"must be from 200 to 599, not {self.code!r}", field="code")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchError:
    """Send an ERROR event after ``after_events`` events of a watch, and end it. Other requests pass.

    ``retry_after_s`` is sent in the ``Status``, in whole seconds.
    """

    code: int = 410
    reason: str = "Expired"
    message: str = "too old resource version"
    after_events: int = 0
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWatch:
    """End a watch in good order, and without a word, after ``after_events`` events. Other requests pass."""

    after_events: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StallWatch:
    """Send nothing more in a watch after ``after_events`` events until :meth:`Fault.release`. Other requests pass."""

    after_events: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DropWatch:
    """Cut the connection of a watch, with a reset, after ``after_events`` events. Other requests pass."""

    after_events: int = 0


WatchAction = WatchError | EndWatch | StallWatch | DropWatch
Action = Drop | Truncate | Stall | Delay | Answer | WatchAction


class RequestFacts(NamedTuple):
    """What rules are matched against.

    Attributes:
        verb: As in RBAC: ``get``, ``list``, ``watch``, ...; for other paths, the method in lower case.
        resource: ``v1/pods``, ``apps/v1/deployments``, with ``/status`` or the like behind it for a subresource;
            empty for other paths.
        path: Without the query.
        user_agent: As sent.
    """

    verb: str
    resource: str
    path: str
    user_agent: str = ""


class Fault:
    """One rule, and what became of it.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(
        self, action: Action, matches: Callable[[RequestFacts], bool], *, count: int | None, skip: int
    ) -> None:
        self.action = action
        self._matches = matches
        self._left = count
        self._skip = skip
        self._hits = 0
        self._condition = threading.Condition()
        self._released = Cancel()

    @property
    def hits(self) -> int:
        """How many requests it was used on."""
        return self._hits

    def take(self, facts: RequestFacts) -> bool:
        """Use the rule on a request, and return whether it is to be."""
        if not self._matches(facts):
            return False
        with self._condition:
            if self._left == 0:
                return False
            if self._skip:
                self._skip -= 1
                return False
            if self._left is not None:
                self._left -= 1
            self._hits += 1
            self._condition.notify_all()
        return True

    def exhaust(self) -> None:
        """Use the rule no more; what it has stalled stays so."""
        with self._condition:
            self._left = 0

    def wait_for_hits(self, count: int = 1, *, timeout_s: float = 10.0, clock: Clock | None = None) -> bool:
        """Wait until the rule was used on ``count`` requests; return whether it was, within ``timeout_s``."""
        clock = clock or SystemClock()
        deadline = Deadline.after(timeout_s, clock=clock)
        with self._condition:
            while self._hits < count:
                if deadline.has_passed:
                    return False
                clock.wait(self._condition, deadline.remaining_s())
        return True

    def release(self) -> None:
        """Use the rule no more, and let what it has stalled go on."""
        self.exhaust()
        self._released.set()

    def wait_for_release(self, cancel: Cancel) -> None:
        """Wait until the rule is released, or the connection is cut."""
        either = Cancel(cancel)
        take_back = self._released.add_callback(either.set)
        try:
            either.wait()
        finally:
            take_back()
            either.close()

    def __repr__(self) -> str:
        return f"<Fault {self.action!r} hits={self._hits}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests a rule is for: all that is given must match; what is empty matches all.

    Attributes:
        verb: ``list``, ``watch``, ``create``, ... as in RBAC.
        resource: ``pods``, ``v1/pods``, ``pods/status``.
        path: A shell pattern, such as ``/api/v1/namespaces/*/pods``.
        user_agent: A shell pattern.
    """

    verb: str = ""
    resource: str = ""
    path: str = ""
    user_agent: str = ""

    def __call__(self, facts: RequestFacts) -> bool:
        """Return whether a request is meant."""
        return (
            self.verb in {"", facts.verb}
            and (not self.resource or facts.resource == self.resource or facts.resource.endswith("/" + self.resource))
            and (not self.path or fnmatch.fnmatchcase(facts.path, self.path))
            and (not self.user_agent or fnmatch.fnmatchcase(facts.user_agent, self.user_agent))
        )


class OpenWatch(Protocol):
    """A watch that is being answered."""

    @property
    def facts(self) -> RequestFacts:
        """What the request was."""
        ...

    def interrupt(self, fault: Fault) -> None:
        """Carry out a :data:`WatchAction` now, on the watch's own thread."""
        ...


@dataclass(slots=True)
class _State:
    rules: tuple[Fault, ...] = ()
    watches: set[OpenWatch] = field(default_factory=set["OpenWatch"])


_ANY = Match()


class FrozenWatches:
    """Watches that stay open and say nothing until they are thawed; a context manager, which thaws them.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(self, *faults: Fault) -> None:
        self._faults = faults

    def thaw(self) -> None:
        """Have them go on, with all that has happened meanwhile; may be repeated."""
        for fault in self._faults:
            fault.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()


class Faults:
    """The fault switches of a server.

    Concurrency:
        Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = _State()

    def add(self, action: Action, match: Match = _ANY, *, count: int | None = 1, skip: int = 0) -> Fault:
        """Add a rule behind the others.

        Args:
            action: What goes wrong.
            match: For which requests; by default for all.
            count: On how many of them; None is no limit.
            skip: How many of them pass before the first.
        """
        fault = Fault(action, match, count=count, skip=skip)
        with self._lock:
            self._state.rules = (*self._state.rules, fault)
        return fault

    def interrupt_watches(self, action: Action, match: Match = _ANY) -> Fault:
        """Have a fault happen now in every open watch that matches; watches opened later pass.

        Raises:
            InvalidArgument: The action is not one for watches.
        """
        if not isinstance(action, WatchAction):
            message = f"open watches cannot be interrupted by {action!r}"
            raise InvalidArgument(message)
        fault = Fault(action, match, count=None, skip=0)
        with self._lock:
            self._state.rules = (*self._state.rules, fault)  # so that clear() finds it
            watches = [watch for watch in self._state.watches if fault.take(watch.facts)]
            fault.exhaust()
        for watch in watches:
            watch.interrupt(fault)
        return fault

    def freeze_watches(self, match: Match = _ANY) -> FrozenWatches:
        """Have every watch that matches, open already or opened later, say nothing until it is thawed."""
        later = self.add(StallWatch(), match, count=None)
        return FrozenWatches(later, self.interrupt_watches(StallWatch(), match))

    def clear(self) -> None:
        """Remove every rule, and let everything stalled by them go on."""
        with self._lock:
            rules, self._state.rules = self._state.rules, ()
        for fault in rules:
            fault.release()

    def take(self, facts: RequestFacts) -> Fault | None:
        """Return the first rule for a request, used up by one; None if nothing is to go wrong with it."""
        for fault in self._state.rules:
            if isinstance(fault.action, WatchAction) and facts.verb != "watch":
                continue
            if fault.take(facts):
                return fault
        return None

    @contextlib.contextmanager
    def noted(self, watch: OpenWatch) -> Generator[None, None, None]:
        """Count a watch among the open ones, so that it can be interrupted."""
        with self._lock:
            self._state.watches.add(watch)
        try:
            yield
        finally:
            with self._lock:
                self._state.watches.discard(watch)

    @property
    def open_watches(self) -> int:
        """How many watches are open."""
        return len(self._state.watches)


def expired(message: str = "too old resource version") -> Answer:
    """410 with reason Expired."""
    return Answer(code=410, reason="Expired", message=message)


def too_many_requests(retry_after_s: int | None = 1) -> Answer:
    """429, with Retry-After unless it is None."""
    return Answer(code=429, message="too many requests, please try again later", retry_after_s=retry_after_s)


def server_error(code: int = 500) -> Answer:
    """A 5xx."""
    return Answer(code=code)


def garbage(body: bytes = b'{"kind": "PodList", \x00\xff not json') -> Answer:
    """200 with a body that is not the JSON that it says."""
    return Answer(body=body)


def html(code: int = 200) -> Answer:
    """A page for people, as a login portal or a broken load balancer gives."""
    body = b"<!DOCTYPE html>\n<html><body><h1>Please log in</h1></body></html>\n"
    return Answer(code=code, body=body, content_type="text/html; charset=utf-8")


REASONS: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""The reason that goes with a code, where there is one."""
