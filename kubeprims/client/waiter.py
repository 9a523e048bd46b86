"""Waits for the state of one object: a list, then a watch, again and again until the time is over."""

# ruff: noqa: PLR0913 - the facts of one wait, by keyword

from __future__ import annotations

import random
from contextlib import AbstractContextManager, closing
from typing import Protocol

from kubeprims.backoff import Backoff, BackoffPolicy
from kubeprims.client.api import check_name
from kubeprims.client.conditions import Condition, describe, describe_state
from kubeprims.client.options import WATCH_TIMEOUT_S, ListOptions, WatchOptions, check_timeout_s
from kubeprims.client.pager import Page, list_page
from kubeprims.client.watch import WatchStream
from kubeprims.clock import Clock, Rng
from kubeprims.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    KubeprimsError,
    ResourceExpired,
    ServerError,
    TooManyRequests,
    WaitTimeout,
)
from kubeprims.meta import GroupVersionResource
from kubeprims.objects.event import WatchEventType
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel, Deadline

_BACKOFF = BackoffPolicy(base_s=0.1, factor=2.0, cap_s=5.0, jitter=0.5)

_SHORT_S = 1.0

# What may pass: a version that is too old, a server that restarts or is overloaded, a connection that broke. Anything
# else is an answer.
_PASSING = (ConnectError, ConnectionLost, ResourceExpired, ServerError, TooManyRequests)


class Watchable(Protocol):
    """What a waiter needs of a resource."""

    @property
    def gvr(self) -> GroupVersionResource:
        """Group, version and resource."""
        ...

    def open_list(self, options: ListOptions, *, cancel: Cancel | None = None) -> AbstractContextManager[Page]:
        """Ask for one page."""
        ...

    def open_watch(
        self, options: WatchOptions, *, timeout_s: float | None = None, cancel: Cancel | None = None
    ) -> WatchStream:
        """Open a watch."""
        ...


class Waiter:
    """One wait for one object.

    Concurrency:
        One thread, once. ``cancel`` may be set from any.
    """

    def __init__(
        self,
        resource: Watchable,
        clock: Clock,
        name: str,
        condition: Condition,
        *,
        timeout_s: float,
        cancel: Cancel | None,
        rng: Rng | None = None,
    ) -> None:
        """Prepare to wait; nothing is sent.

        Raises:
            InvalidArgument: The name cannot be one, or the time-out is not positive.
        """
        check_timeout_s(timeout_s)
        self._resource = resource
        self._clock = clock
        self._name = check_name(name)
        self._condition = condition
        self._timeout_s = timeout_s
        self._cancel = cancel
        self._deadline = Deadline.after(timeout_s, clock=clock)
        self._selector = f"metadata.name={name}"
        self._backoff = Backoff(_BACKOFF, rng=rng or random.Random())  # noqa: S311 - spreads retries
        self._version = ""
        self._must_look = True
        self._has_looked = False
        self._last: Unstructured | None = None
        self._last_error: KubeprimsError | None = None

    def run(self) -> Unstructured | None:
        """Wait, and return the object that fulfilled the condition; see ``ResourceReader.wait_for``."""
        while not self._deadline.has_passed:
            try:
                if self._look() if self._must_look else self._watch():
                    return self._last
            except DeadlineExceeded as error:
                if not self._has_looked:
                    self._last_error = error
                if self._must_look or self._deadline.has_passed:
                    break
                self._must_look = True  # a watch that was not answered in time; there is time left for another
            except _PASSING as error:
                if not self._has_looked:
                    raise
                self._last_error = error
                self._must_look = True  # what happened meanwhile may not be in a watch any more
                self._pause()
        seen = describe_state(self._last) if self._has_looked else "nothing"
        raise WaitTimeout(
            f"{self._resource.gvr} {self._last.key if self._last else self._name}",
            condition=describe(self._condition),
            timeout_s=self._timeout_s,
            last=self._last,
            seen=f"{seen}; then: {self._last_error}" if self._last_error else seen,
        ) from self._last_error

    def _remaining_s(self) -> float:
        """Return the seconds left; a little where none are, so that the request itself is what runs out of time."""
        return max(0.001, self._deadline.remaining_s())

    def _pause(self) -> None:
        delay_s = self._backoff.next_delay_s(now_s=self._clock.monotonic())
        cancel = self._cancel or Cancel()
        if cancel.wait(max(0.0, min(delay_s, self._deadline.remaining_s())), clock=self._clock):
            raise Cancelled(f"cancelled while waiting for {self._resource.gvr} {self._name}")

    def _look(self) -> bool:
        options = ListOptions(field_selector=self._selector, timeout_s=self._remaining_s())
        found = list_page(lambda asked: self._resource.open_list(asked, cancel=self._cancel), options)
        self._has_looked = True
        self._must_look = False
        self._version = found.resource_version
        return self._judge(found[0] if found else None)

    def _watch(self) -> bool:
        begun_s = self._clock.monotonic()
        remaining_s = self._remaining_s()
        options = WatchOptions(
            resource_version=self._version or None,
            field_selector=self._selector,
            timeout_s=min(remaining_s, WATCH_TIMEOUT_S),
        )
        watch = self._resource.open_watch(options, timeout_s=remaining_s, cancel=self._cancel)
        with closing(watch):
            for event in watch:
                if self._judge(None if event.type is WatchEventType.DELETED else event.object):
                    return True
        self._version = watch.resource_version or self._version
        if self._clock.monotonic() - begun_s < _SHORT_S:  # a proxy that cuts watches must not make this a busy loop
            self._pause()
        return False

    def _judge(self, obj: Unstructured | None) -> bool:
        self._last = obj
        self._last_error = None
        return self._condition(obj)
