"""Handlers that do not return, over real sockets, while the server goes on, breaks and comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.handlers import Notification
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import WatchError
from kubeprims.threads import Latch
from tests.informer.mirror import Mirror, assert_converges
from tests.informer.test_end_to_end import TIMEOUT_S, Churn, client, informers, server, truth
from tests.waiting import eventually

__all__ = ["client", "informers", "server"]

HOLD_S = 50.0
"""How long a handler is held at most, in seconds: longer than all that a test does meanwhile, on any machine."""


def nothing(server: APIServer) -> None:
    """Only the handler is at fault."""


def crash(server: APIServer) -> None:
    server.crash()
    server.restart()


def expire(server: APIServer) -> None:
    server.faults.interrupt_watches(WatchError())


@pytest.mark.parametrize("happens", [nothing, crash, expire])
def test_an_informer_that_was_blocked_goes_on_where_the_server_is_by_then(
    server: APIServer, informers: SharedInformerFactory, happens: Callable[[APIServer], None]
) -> None:
    informer, other, slow = informers.informer("v1/pods"), Mirror(), Mirror()
    release = Latch()

    def hold(notification: Notification) -> None:
        assert release.wait(HOLD_S)
        slow.on_event(notification)

    informer.add_event_handler(on_event=other.on_event)
    registration = informer.add_event_handler(on_event=hold, policy="block", buffer_limit=5, name="slow")
    churn = Churn(server)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    try:
        churn.steps(50)
        eventually(lambda: informer.blocked_by == ("slow",), TIMEOUT_S, "the informer is blocked")
        happens(server)
        churn.steps(50)
    finally:
        release.set()
    assert_converges(informer, other, lambda: truth(server))
    assert_converges(informer, slow, lambda: truth(server))
    assert (registration.errors, registration.coalesced, informer.blocked_by) == (0, 0, ())


@pytest.mark.parametrize("policy", ["coalesce", "raise"])
@pytest.mark.parametrize("happens", [nothing, crash, expire])
def test_a_handler_that_does_not_return_disturbs_no_other(
    server: APIServer, informers: SharedInformerFactory, policy: str, happens: Callable[[APIServer], None]
) -> None:
    informer, other, slow = informers.informer("v1/pods"), Mirror(), Mirror()
    release = Latch()

    def hold(notification: Notification) -> None:
        assert release.wait(HOLD_S)
        slow.on_event(notification)

    informer.add_event_handler(on_event=other.on_event)
    registration = informer.add_event_handler(on_event=hold, policy=policy, buffer_limit=5)
    churn = Churn(server)
    informers.start()
    informers.wait_for_cache_sync(TIMEOUT_S)
    try:
        churn.steps(50)
        happens(server)
        churn.steps(50)
        assert_converges(informer, other, lambda: truth(server))
    finally:
        release.set()
    if registration.is_active:
        assert_converges(informer, slow, lambda: truth(server))
        assert (policy, registration.errors) == ("coalesce", 0)
    else:
        assert "waiting for it" in str(registration.last_error)
        assert registration.wait_until_ended(TIMEOUT_S)
