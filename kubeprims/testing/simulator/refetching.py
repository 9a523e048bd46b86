"""The informer's second road to the server: asking again for objects that arrived damaged, in turns, not on a thread.

What is answered is the server's state at the moment it was asked; it arrives later, when the watch may have brought
something newer, or something older.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import ConnectionLost
from kubeprims.informer.refetch import Refetcher
from kubeprims.informer.reflector import WatchedEvents
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.record import ObjectRecord
from kubeprims.testing.simulator.server import ModelServer, selected
from kubeprims.testing.simulator.wire import malformed
from kubeprims.testing.simulator.world import World
from kubeprims.threads import Cancel

DELAYS_S: Final = (0.0, 0.05, 2.0, 20.0)
"""How long an answer may be on its way."""


class PastLists:
    """Answers a list with what there was when :meth:`capture` was called last."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self._records: list[ObjectRecord] = []
        self._version = self._restores = 0
        self.fails = False

    def capture(self) -> None:
        """Ask the server."""
        self._records, self._version = list(self._server.objects.values()), self._server.version
        self._restores = self._server.restores

    def list(
        self,
        options: ListOptions,
        *,
        cancel: Cancel,  # noqa: ARG002 - the protocol's signature
    ) -> AbstractContextManager[PastList]:
        """Return the answer, or lose it."""
        if self.fails or self._restores != self._server.restores:
            raise ConnectionLost("connection reset by peer", request_sent=True)
        records = selected(self._records, options.field_selector)
        return nullcontext(PastList([r if self._server.was(r) else malformed(r) for r in records], self._version))

    def watch(self, options: WatchOptions, *, cancel: Cancel) -> AbstractContextManager[WatchedEvents]:
        """Do what nobody asks for."""
        raise NotImplementedError


class PastList:
    """A whole list."""

    continue_token = ""

    def __init__(self, items: list[ObjectRecord | MalformedObject], version: int) -> None:
        self._items = items
        self.resource_version = str(version)

    def __iter__(self) -> Iterator[ObjectRecord | MalformedObject]:
        return iter(self._items)


class RefetchTurns:
    """Takes the steps of a :class:`Refetcher` when they are due."""

    def __init__(
        self,
        world: World,
        server: ModelServer,
        make: Callable[[PastLists], Refetcher],
        *,
        cancel: Cancel,
        rng: random.Random,
    ) -> None:
        self._world = world
        self._lists = PastLists(server)
        self._refetcher = make(self._lists)
        self._cancel = cancel
        self._rng = rng
        self._runs = False
        self._naps: object | None = None

    def notice(self) -> None:
        """Begin, or look at what is new: what is called when an object has arrived damaged."""
        if not self._runs:
            self._runs = True
            self._world.after(0.0, self._plan)
        elif self._naps is not None and self._refetcher.has_news:
            self._naps = None
            self._world.after(0.0, self._plan)

    def _plan(self) -> None:
        delay_s = self._refetcher.next_delay_s()
        self._runs = delay_s is not None
        if delay_s is not None:
            nap = self._naps = object()
            self._world.after(delay_s, lambda: self._ask(nap))

    def _ask(self, nap: object) -> None:
        if nap is not self._naps:
            return  # something was noticed since, and planned for
        self._naps = None
        self._lists.capture()
        self._lists.fails = not self._rng.randrange(4)
        self._world.after(self._rng.choice(DELAYS_S), self._answer)

    def _answer(self) -> None:
        self._refetcher.ask(self._cancel)
        self._plan()
