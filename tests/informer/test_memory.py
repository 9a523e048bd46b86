"""How much a reflector holds while it reads everything, compared with what the cache holds in the end."""

from __future__ import annotations

import functools
import gc
import json
import logging
import random
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from kubeprims.cache.indexer import Indexer
from kubeprims.client.options import ListOptions, WatchOptions
from kubeprims.errors import Cancelled, ConnectionLost, ResourceExpired
from kubeprims.informer.machine import ReflectorOptions
from kubeprims.informer.pipeline import Pipeline
from kubeprims.informer.reflector import Reflector
from kubeprims.objects.codec import ListStream, StdlibCodec
from kubeprims.objects.event import WatchEvent
from kubeprims.testing.clock import VirtualClock
from kubeprims.threads import Cancel

PODS = 400
PAGE = 100
ROOM = 1.5
"""The budget: the most that is held at any moment, in times of what is held in the end."""


@functools.cache  # under tracemalloc, making them takes longer than all that is measured
def item(number: int) -> bytes:
    spec = {"containers": [{"name": f"c{part}", "image": f"i{number}-{part}" * 20} for part in range(20)]}
    metadata = {
        "name": f"pod-{number}",
        "namespace": "default",
        "uid": str(number),
        "resourceVersion": str(number + 1),
    }
    return json.dumps({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}).encode()


class Everything:
    """Serves the same pods each time, in bytes of their own, and measures; may break off shortly before their end."""

    def __init__(self, passes: int, *, cuts: int = 0) -> None:
        self._passes = passes
        self._cuts = cuts
        self._codec = StdlibCodec()
        self.cancel = Cancel()
        self.steady_bytes = 0
        self.peak_bytes: list[int] = []

    @contextmanager
    def list(self, options: ListOptions, *, cancel: Cancel) -> Iterator[ListStream]:
        begin = int(options.continue_token or "0")
        end = begin + PAGE if options.limit else PODS
        yield self._codec.split_list(self._page(begin, end))

    def _page(self, begin: int, end: int) -> Iterator[bytes]:
        token = str(end) if end < PODS else ""
        yield b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"%b"},"items":[' % (
            token.encode()
        )
        for number in range(begin, end):
            self._cut(number)
            yield (b"," if number > begin else b"") + item(number)
        yield b"]}"

    @contextmanager
    def watch(self, options: WatchOptions, *, cancel: Cancel) -> Iterator[Everything]:
        if not options.send_initial_events:
            self._measure()
            raise ResourceExpired("too old", code=410, reason="Expired")
        yield self

    def expire_in(self, timeout_s: float, /) -> None:
        """Do nothing: there is no time here."""

    def batches(self) -> Iterator[Sequence[WatchEvent]]:
        for begin in range(0, PODS, 40):
            self._cut(begin)
            lines = (b'{"type":"ADDED","object":%b}' % item(number) for number in range(begin, begin + 40))
            yield [self._codec.split_event(line) for line in lines]
        mark = '{"k8s.io/initial-events-end":"true"}'
        metadata = f'{{"resourceVersion":"9","annotations":{mark}}}'
        yield [self._codec.split_event(f'{{"type":"BOOKMARK","object":{{"metadata":{metadata}}}}}'.encode())]
        self._measure()
        raise ResourceExpired("too old", code=410, reason="Expired")

    def _cut(self, number: int) -> None:
        if self._cuts and number >= PODS * 9 // 10:
            self._cuts -= 1
            raise ConnectionLost("cut")

    def _measure(self) -> None:
        """Note the peak since the last time, and start over from what is held for good."""
        _, peak_bytes = tracemalloc.get_traced_memory()
        self.peak_bytes.append(peak_bytes)
        gc.collect()
        self.steady_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        if len(self.peak_bytes) == self._passes:
            self.cancel.set()
            raise Cancelled("enough")


class AtOnce(VirtualClock):
    """A clock on which time passes by waiting for it."""

    def wait(self, condition: object, timeout_s: float | None) -> bool:
        assert timeout_s is not None
        self.advance(timeout_s)
        return False


@pytest.mark.parametrize("cuts", [0, 2])
@pytest.mark.parametrize("watch_list", [False, True])
def test_reading_everything_again_holds_at_most_half_as_much_again(
    caplog: pytest.LogCaptureFixture, *, watch_list: bool, cuts: int
) -> None:
    """Whatever broke off before."""
    caplog.set_level(logging.ERROR)  # what is captured here keeps each failure, and the buffers that it was met in
    for number in range(PODS):
        item(number)
    server, indexer = Everything(passes=3, cuts=cuts), Indexer()
    reflector = Reflector(
        server,
        Pipeline(indexer).source(),
        name="v1/pods",
        options=ReflectorOptions(watch_list=watch_list, page_size=PAGE),
        clock=AtOnce(),
        rng=random.Random(1),
    )
    tracemalloc.start()
    try:
        reflector.run(server.cancel)
    finally:
        tracemalloc.stop()
    assert len(indexer) == PODS
    assert server.steady_bytes > PODS * len(item(0)) * 0.8
    times = [round(peak_bytes / server.steady_bytes, 2) for peak_bytes in server.peak_bytes]
    assert max(times) <= ROOM, times
