"""One script for an informer and a real server over real sockets, into which one fault is put, anywhere."""

from __future__ import annotations

from collections.abc import Callable

from kubeprims.backoff import BackoffPolicy
from kubeprims.client.client import Client
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.options import InformerOptions
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Action, DropWatch, EndWatch, Match, Stall, StallWatch, WatchError
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.mirror import Mirror, cached
from tests.informer.test_end_to_end import Churn, truth
from tests.waiting import eventually

TIMEOUT_S = 20.0
ANSWER_S = 0.25
"""How long an answer may take: a server that stalls is given up soon."""

PAGE_SIZE = 4
OBJECTS = 11
PODS = Match(resource="v1/pods")


def play(action: Action, *, watch_list: bool, skip: int = 0, count: int = 1) -> int:
    """Play the script with a fault in it; return how many requests it befell.

    There are objects; an informer starts; objects change; its watch ends, breaks, and is told that its version
    has expired. After each, cache and handler must be as the server is.

    Args:
        action: What goes wrong.
        watch_list: Whether the informer starts by a watch-list, or by pages.
        skip: How many requests go well before.
        count: With how many in a row it goes wrong.
    """
    options = ReflectorOptions(
        page_size=PAGE_SIZE, watch_list=watch_list, backoff=BackoffPolicy(base_s=0.002, cap_s=0.02)
    )
    with (
        APIServer() as server,
        Transport(TransportConfig(server=server.url)) as transport,
        Client(transport, timeout_s=ANSWER_S) as client,
        SharedInformerFactory(client, options=InformerOptions(reflector=options)) as informers,
    ):
        churn = Churn(server)
        while len(truth(server)) < OBJECTS:
            churn.step()
        fault = server.faults.add(action, PODS, skip=skip, count=count)
        informer, mirror = informers.informer("v1/pods"), Mirror()
        informer.add_event_handler(on_event=mirror.on_event)
        informers.start()

        def is_settled() -> bool:
            return cached(informer) == truth(server) == mirror.state()

        for interruption in (None, EndWatch(), DropWatch(), WatchError()):
            if interruption is not None:
                server.faults.interrupt_watches(interruption)
            churn.steps(4)
            if isinstance(action, Stall | StallWatch) and not _comes_true(is_settled):
                fault.release()  # a watch may be silent for a minute before anybody has to do something about it
            eventually(is_settled, TIMEOUT_S, f"cache and handler are as the server is; {informer.last_error}")
            eventually(lambda: server.faults.open_watches, TIMEOUT_S, "a watch is open")
        return fault.hits


def _comes_true(predicate: Callable[[], bool]) -> bool:
    try:
        return eventually(predicate, 3 * ANSWER_S, "it comes true by itself")
    except AssertionError:
        return False
