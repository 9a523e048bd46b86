"""What both ends of a connection share: the world, the server, and how they are apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from kubeprims.errors import Cancelled, DeadlineExceeded
from kubeprims.meta import ObjectKey
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.record import KEY, RAW, RESOURCE_VERSION, ObjectRecord
from kubeprims.testing.simulator.server import ModelServer
from kubeprims.testing.simulator.world import World
from kubeprims.threads import Cancel


class WatchListSupport(StrEnum):
    """What a server makes of a watch that asks for the objects that there are."""

    SERVED = "served"
    REFUSED = "refused"
    """422: an older server."""
    UNMARKED = "unmarked"
    """It sends the objects and never says that they are all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What kind of server it is, and how far away.

    Attributes:
        latency_s: How long anything takes one way, in seconds.
        sends_bookmarks: Whether a quiet watch hears of the version once a minute.
        watch_list: What it makes of a watch-list.
        says_expired_in_stream: Whether a version that is too old is refused by an ERROR event, not by an HTTP status.
    """

    latency_s: float = 0.01
    sends_bookmarks: bool = True
    watch_list: WatchListSupport = WatchListSupport.SERVED
    says_expired_in_stream: bool = False


class Wire:
    """The way between a reflector and the server.

    Attributes:
        world: Where it is.
        server: What is at the other end.
        traits: What kind of server that is.
        struck: Which faults struck, and how often.
        read_version: The version that the reflector has read up to.
        bookmarks: How many bookmarks the reflector has read since a watch last went silent.
        may_be_held_up: Whether a handler may block the reflector, which then reads late and notices silence late.
        batch_max: The largest number of events that came at once.
        wrong: What a reflector must not do.
        has_repeated: Whether events were ever sent again, so that for a while the past has come back.

    Concurrency:
        One thread.
    """

    def __init__(self, world: World, server: ModelServer, traits: Traits) -> None:
        self.world = world
        self.server = server
        self.traits = traits
        self.struck: Counter[str] = Counter()
        self.read_version = ""
        self.bookmarks = 0
        self.may_be_held_up = False
        self.batch_max = 0
        self.wrong: list[str] = []
        self.has_repeated = False

    def travel(self, delay_s: float, cancel: Cancel, deadline_s: float) -> None:
        """Let the world go on for ``delay_s`` seconds.

        Raises:
            Cancelled: ``cancel`` was set meanwhile.
            DeadlineExceeded: The deadline comes first.
        """
        until_s = self.world.monotonic() + delay_s
        while self.world.step(min(until_s, deadline_s)):
            if cancel.is_set:
                raise Cancelled("cancelled")
        if cancel.is_set:
            raise Cancelled("cancelled")
        if until_s >= deadline_s:
            raise DeadlineExceeded("no answer in time", method="GET", request_sent=True)


def malformed(record: ObjectRecord) -> MalformedObject:
    """Return what a codec makes of an object that it cannot keep."""
    return MalformedObject("damaged", record[RAW][:64], ObjectKey(record[KEY]), record[RESOURCE_VERSION])
