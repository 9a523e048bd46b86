"""A watch that goes on where the last one ended: :class:`RetryWatcher`, and the pure half that decides for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

from kubeprims.client.options import WATCH_TIMEOUT_S, WatchOptions
from kubeprims.client.status import error_from_status
from kubeprims.client.watch import ObjectEvent
from kubeprims.clock import Clock, SystemClock
from kubeprims.errors import (
    DecodeError,
    InvalidArgument,
    KubeprimsError,
    LifecycleError,
    ResourceExpired,
    ServerError,
    StatusError,
    TooManyRequests,
    TransportError,
    UnexpectedContent,
)
from kubeprims.objects.event import WatchEvent, WatchEventType
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel

RESTART_PERIOD_S = 1.0
"""Two watches are opened no closer together than this, in seconds."""

RETRY_AFTER_S_MAX = 300.0
"""The longest wait that a server may ask for, in seconds."""


class RetryWatchMachine:
    """Decides what an event, or the end of a watch, means for who follows a resource across watches.

    Attributes:
        resource_version: The version that was come to: where the next watch goes on.

    Raises:
        InvalidArgument: A version from which no watch can go on.
    """

    __slots__ = ("resource_version",)

    def __init__(self, resource_version: str) -> None:
        if resource_version in {"", "0"}:
            rule = "a watch is gone on with from a version, such as that of a list"
            raise InvalidArgument(f"{rule}, not from {resource_version!r}")
        self.resource_version = resource_version

    def on_event(self, event: WatchEvent) -> ObjectEvent | None:
        """Return what the caller is to be told of an event, if anything.

        Raises:
            StatusError: It is an ERROR.
            DecodeError: It brings no object, or no version: nothing after it could be told apart.
        """
        if event.status is not None:
            raise error_from_status(event.status)
        if event.malformed is not None or not event.resource_version:
            detail = event.malformed.detail if event.malformed is not None else "an event brings no version"
            raise DecodeError(f"the watch cannot be followed: {detail}")
        self.resource_version = event.resource_version
        if event.type is WatchEventType.BOOKMARK:
            return None
        assert event.record is not None  # neither an error, nor malformed, nor a bookmark
        return ObjectEvent(event.type, Unstructured(event.record))

    def on_end(self, error: KubeprimsError | None, *, was_open: bool, lasted_s: float) -> float | None:
        """Return how many seconds later the next watch is to be opened; None if there can be none.

        Args:
            error: What the watch ended with; None if the server just ended it.
            was_open: Whether that came inside the watch. What ends one need not keep the next from being opened, so
                but for an expired version it is gone on with; a refusal to open one is final, unless it is of the
                moment.
            lasted_s: How long ago it was asked for, in seconds.
        """
        if error is not None and not is_passing(error):
            ended_by_event = was_open and isinstance(error, StatusError) and not isinstance(error, ResourceExpired)
            if not ended_by_event:
                return None
        delay_s = max(0.0, RESTART_PERIOD_S - lasted_s)
        if isinstance(error, StatusError) and error.retry_after_s is not None:
            delay_s = max(delay_s, min(error.retry_after_s, RETRY_AFTER_S_MAX))
        return delay_s


def is_passing(error: KubeprimsError) -> bool:
    """Return whether a watch that failed so may be opened again at the same version."""
    if isinstance(error, TransportError):
        return not isinstance(error, UnexpectedContent)
    return isinstance(error, TooManyRequests | ServerError)


class OpenWatch(Protocol):
    """An open watch."""

    def batches(self) -> Iterator[Sequence[WatchEvent]]:
        """Yield the events; end when the server ends the watch."""
        ...


class Watcher(Protocol):
    """What opens watches; ``kubeprims.client.ListWatch`` is one."""

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> AbstractContextManager[OpenWatch]:
        """Open a watch."""
        ...


class RetryWatcher:
    """Yields every change of a resource after a version, once and in order, over as many watches as it takes.

    To be iterated over once. It ends when it is closed, and never by itself: what it cannot get over, it raises.

    Concurrency:
        One thread iterates. :meth:`close` may be called from any, and ends the iteration at once.

    Source:
        client-go tools/watch/retrywatcher.go.
        Same: bookmarks move the version and are not handed on; broken connections, 429, 5xx and any ERROR event but
        that of an expired version are got over, a second apart at least; 401 and 403 for the opening are not.
        Differs: errors are raised, not events; a version that has expired is final when a watch is opened as it is
        inside one, where upstream asks again for ever; so are 400, 404 and their like; the server is told how long a
        watch may last.
    """

    def __init__(
        self,
        watcher: Watcher,
        resource_version: str,
        *,
        timeout_s: float = WATCH_TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        """Prepare to watch; nothing is sent before the iteration begins.

        Args:
            watcher: Opens the watches.
            resource_version: The version after which changes are wanted: that of a list.
            timeout_s: How long the server is asked to keep each watch open, in seconds.
            clock: What the pauses are measured with.

        Raises:
            InvalidArgument: The version is empty or ``0``, or the time-out not positive.
        """
        self._machine = RetryWatchMachine(resource_version)
        WatchOptions(timeout_s=timeout_s)  # raises now rather than on another thread
        self._watcher = watcher
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._cancel = Cancel()
        self._has_begun = False
        self._is_open = False

    @property
    def resource_version(self) -> str:
        """The version that was come to: a new watcher that begins here misses nothing."""
        return self._machine.resource_version

    def __iter__(self) -> Iterator[ObjectEvent]:
        """Yield the changes.

        Raises:
            StatusError: The server refuses for good, as by ``ResourceExpired``, ``Forbidden`` or ``Unauthorized``.
            UnexpectedContent: What answers is no API server.
            DecodeError: An event that cannot be understood.
            LifecycleError: It was iterated over before.
        """
        if self._has_begun:
            message = "a retry watcher is iterated over once; make another one at its resource_version"
            raise LifecycleError(message)
        self._has_begun = True
        return self._follow()

    def _follow(self) -> Iterator[ObjectEvent]:
        while not self._is_closed():
            begun_s = self._clock.monotonic()
            failure: KubeprimsError | None = None
            self._is_open = False
            try:
                yield from self._watch()
            except KubeprimsError as error:
                failure = error
            if self._is_closed():
                return
            lasted_s = self._clock.monotonic() - begun_s
            delay_s = self._machine.on_end(failure, was_open=self._is_open, lasted_s=lasted_s)
            if delay_s is None:
                assert failure is not None  # a watch that just ended is gone on with
                raise failure
            self._cancel.wait(delay_s, clock=self._clock)

    def _watch(self) -> Iterator[ObjectEvent]:
        options = WatchOptions(resource_version=self._machine.resource_version, timeout_s=self._timeout_s)
        with self._watcher.watch(options, cancel=self._cancel) as watch:
            self._is_open = True
            for batch in watch.batches():
                for event in batch:
                    change = self._machine.on_event(event)
                    if change is not None:
                        yield change
                    if self._is_closed():
                        return

    def _is_closed(self) -> bool:
        return self._cancel.is_set

    def close(self) -> None:
        """End the iteration; may be called again, and from any thread."""
        self._cancel.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<RetryWatcher of {self._watcher!r} at {self.resource_version}>"
