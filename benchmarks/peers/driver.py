"""What every Python peer is: a process that is told what to do line by line, and answers each line with JSON.

``sync``                start the informer, and answer once every object has been handed to the handler
``burst key|object``    say ``{"did": "arm"}``, then answer once the object behind the last event has come
``collect``             time full collections
``cpu``                 how much processor time was used so far

``clientgo/peer.go`` is the same for Go. The harness reads the memory from outside, between the lines.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

COLLECTIONS_MIN = 5
COLLECTIONS_MAX = 50
COLLECTING_S = 1.0


Object = TypeVar("Object")
Told_contra = TypeVar("Told_contra", contravariant=True)


class Handlers(Protocol[Told_contra]):
    """What an informer tells of its objects."""

    def added(self, obj: Told_contra) -> None:
        """Take an object that is new."""
        ...

    def updated(self, obj: Told_contra) -> None:
        """Take an object that has changed."""
        ...


class Informer(Protocol[Object]):
    """One library at work."""

    def start(self, measurement: Handlers[Object]) -> None:
        """Start to list and watch, and return at once."""
        ...

    def cached(self) -> int:
        """Return how many objects are in the cache."""
        ...

    def read_key(self, obj: Object) -> object:
        """Look at what most handlers need: the key."""
        ...

    def read_object(self, obj: Object) -> object:
        """Look at the status."""
        ...


class Measurement(Generic[Object]):
    """Counts what one thread of handlers brings, and when."""

    def __init__(self, informer: Informer[Object], objects: int) -> None:
        self._informer = informer
        self._objects = objects
        self._adds = 0
        self._updates = 0
        self._begun_s = 0.0
        self._ended_s = 0.0
        self._cpu_s = 0.0
        self._read: Callable[[Object], object] = informer.read_key
        self._done = threading.Semaphore(0)

    def added(self, obj: Object) -> None:
        """Take an object that is new."""
        del obj
        self._adds += 1
        if self._adds >= self._objects:  # the last one of the list, or the one behind a burst
            self._ended_s, self._cpu_s = time.perf_counter(), time.process_time()
            self._done.release()

    def updated(self, obj: Object) -> None:
        """Take an object that has changed."""
        if not self._updates:
            self._begun_s = time.perf_counter()
        self._updates += 1
        self._read(obj)

    def serve(self) -> None:
        """Obey until there is nothing more to do."""
        say({"did": "start"})
        for line in sys.stdin:
            verb, _, argument = line.strip().partition(" ")
            say({**self._do(verb, argument), "did": line.strip()})

    def _do(self, verb: str, argument: str) -> dict[str, object]:
        match verb:
            case "sync":
                return self._sync()
            case "burst":
                return self._burst(argument)
            case "collect":
                return collect()
            case "cpu":
                return {"cpu_s": time.process_time()}
        message = f"no such command: {verb}"
        raise ValueError(message)

    def _sync(self) -> dict[str, object]:
        begun_s, cpu_s = time.perf_counter(), time.process_time()
        self._informer.start(self)
        self._done.acquire()
        return {
            "seconds": self._ended_s - begun_s,
            "cpu_s": self._cpu_s - cpu_s,
            "cached": self._informer.cached(),
            "adds": self._adds,
        }

    def _burst(self, what: str) -> dict[str, object]:
        self._read = self._informer.read_object if what == "object" else self._informer.read_key
        self._updates = 0
        cpu_s = time.process_time()
        say({"did": "arm"})
        self._done.acquire()
        return {
            "seconds": self._ended_s - self._begun_s,
            "cpu_s": self._cpu_s - cpu_s,
            "updates": self._updates,
        }


def collect() -> dict[str, object]:
    """Time full collections, and give what was freed back to the system."""
    millis: list[float] = []
    cpu_millis: list[float] = []
    end_s = time.perf_counter() + COLLECTING_S
    while len(millis) < COLLECTIONS_MIN or (len(millis) < COLLECTIONS_MAX and time.perf_counter() < end_s):
        begun_s, cpu_s = time.perf_counter(), time.process_time()
        gc.collect()
        millis.append((time.perf_counter() - begun_s) * 1e3)
        cpu_millis.append((time.process_time() - cpu_s) * 1e3)
    ctypes.CDLL(None).malloc_trim(0)
    return {"collect_ms": millis, "collect_cpu_ms": cpu_millis}


def say(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)
