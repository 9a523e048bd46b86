"""What is learnt of a server by asking it."""

from __future__ import annotations


class ResourceMemory:
    """What was learnt of how a server serves one resource; whoever watches the same resource may share it.

    Attributes:
        has_watch_list: False once a watch-list did not work and a list did.
        bookmarks: How many bookmarks came in watches since one of them last went silent.

    Concurrency:
        Any number of reflectors, each on its thread: what one of them writes too late costs another a request.
    """

    __slots__ = ("bookmarks", "has_watch_list")

    def __init__(self) -> None:
        self.has_watch_list = True
        self.bookmarks = 0
