"""One script for an informer and a real server over real sockets, into which one fault is put, anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from kubeprims.backoff import BackoffPolicy
from kubeprims.client.client import Client
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.options import InformerOptions
from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Action, DropWatch, EndWatch, Match, Stall, StallWatch, WatchError
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from tests.informer.mirror import Mirror, State, cached
from tests.waiting import eventually

TIMEOUT_S = 20.0
ANSWER_S = 0.25
"""How long an answer may take: a server that stalls is given up soon."""

PAGE_SIZE = 4
OBJECTS = 11
RESOURCE = "v1/configmaps"


class Changes:
    """Changes to objects, the same each time: one is made, two are changed, one is deleted, and so on."""

    def __init__(self, server: APIServer) -> None:
        self._server = server
        self._names = [f"map-{number}" for number in range(OBJECTS)]
        self._made = OBJECTS
        server.create_many(RESOURCE, [_object(name) for name in self._names])

    def happen(self) -> None:
        """Change each kind of thing once."""
        self._made += 1
        name = f"map-{self._made}"
        self._server.create(RESOURCE, _object(name), namespace="default")
        for changed in (self._names[0], self._names[-1]):
            self._server.patch(RESOURCE, changed, {"data": {"change": str(self._made)}}, namespace="default")
        self._server.delete(RESOURCE, self._names.pop(1), namespace="default")
        self._names.append(name)

    def truth(self) -> State:
        """Return what the server has."""
        metadata = (cast("JSONObject", obj["metadata"]) for obj in self._server.list(RESOURCE))
        return {f"{its['namespace']}/{its['name']}": str(its["resourceVersion"]) for its in metadata}


def _object(name: str) -> JSONObject:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"of": name}}


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
        changes = Changes(server)
        fault = server.faults.add(action, Match(resource=RESOURCE), skip=skip, count=count)
        informer, mirror = informers.informer(RESOURCE), Mirror()
        informer.add_event_handler(on_event=mirror.on_event)
        informers.start()

        def is_settled() -> bool:
            return cached(informer) == changes.truth() == mirror.state()

        for interruption in (None, EndWatch(), DropWatch(), WatchError()):
            if interruption is not None:
                server.faults.interrupt_watches(interruption)
            changes.happen()
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
