"""One run of one peer each: a fresh process, told what to do, and looked at from outside."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.informer.process import Died, Process
from benchmarks.informer.server import END_NAME, PATH

Row = dict[str, object]

TIMEOUT_S = 900.0
BOOKMARK_PERIOD_S = 5.0
_LOOK_AGAIN_S = 0.1
_BUFFER_BYTES = 4 << 20
_TAIL_BYTES = 10_000  # more than the last event has


@dataclass(frozen=True)
class Rig:
    """The server, and how much it sends."""

    server: Process
    port: int
    objects: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, words: list[str], arguments: tuple[str, ...]) -> Process:
        """Start a peer; its clocks start later, when it is ready and told to."""
        self.server.order("reset")
        return Process([*words, self.url, str(self.objects), *arguments], timeout_s=TIMEOUT_S)


def sync_and_events(rig: Rig, words: list[str], arguments: tuple[str, ...], events: int) -> Row:
    """Measure the first list, what it takes in memory, and two bursts of events."""
    with rig.start(words, arguments) as peer:
        peer.read()
        before_kb = peer.memory_kb("VmRSS")
        synced = peer.ask("sync")
        after_kb, peak_kb = peer.memory_kb("VmRSS"), peer.memory_kb("VmHWM")
        requests = rig.server.order("counts")
        peer.ask("collect")
        row: Row = {
            "sync_s": synced["seconds"],
            "sync_cpu_s": synced["cpu_s"],
            "cached": synced["cached"],
            "adds": synced["adds"],
            "requests": requests,
            "resident_kb": (after_kb - before_kb) / rig.objects,
            "collected_kb": (peer.memory_kb("VmRSS") - before_kb) / rig.objects,
            "peak_kb": (peak_kb - before_kb) / rig.objects,
            "peak_mb": peak_kb / 1024,
        }
        for what in ("key", "object"):
            burst = _burst(rig, peer, what, events)
            row[f"{what}_updates"] = burst["updates"]
            row[f"{what}_events_per_s"] = events / _number(burst["seconds"])
            row[f"{what}_cpu_us"] = _number(burst["cpu_s"]) * 1e6 / events
        return row


def _burst(rig: Rig, peer: Process, what: str, events: int) -> Row:
    peer.ask(f"burst {what}")
    told = rig.server.order("burst", events=events)
    if told["watches"] != 1:
        message = f"{told['watches']} watches are open"
        raise Died(message)
    return peer.read()


def collections(rig: Rig, words: list[str], arguments: tuple[str, ...]) -> Row:
    """Measure full garbage collections, with the cache empty and full."""
    with rig.start(words, arguments) as peer:
        peer.read()
        empty = peer.ask("collect")
        peer.ask("sync")
        full = peer.ask("collect")
    row: Row = {"all_empty": empty, "all_full": full}
    for name, collected in (("empty", empty), ("full", full)):
        for unit in ("ms", "cpu_ms"):
            millis = collected[f"collect_{unit}"]
            assert isinstance(millis, list)
            row[f"{name}_{unit}"] = min(millis)
    return row


def failures(rig: Rig, words: list[str], arguments: tuple[str, ...], window_s: float) -> Row:
    """Count what is asked for while a server answers 500: from the start, and once a watch was open."""
    with rig.start(words, arguments) as peer:
        peer.read()
        rig.server.order("fail", status=500)
        peer.tell("sync")
        at_start = _failed_requests(rig, window_s)
    with rig.start(words, arguments) as peer:
        peer.read()
        peer.ask("sync")
        _until_watched(rig)
        rig.server.order("fail", status=500)
        later = _failed_requests(rig, window_s)
    return {"at_start": at_start, "later": later, "window_s": window_s}


def _failed_requests(rig: Rig, window_s: float) -> object:
    """Count the requests from the first one that failed on."""
    _until(lambda: rig.server.order("counts").get("failed"), "no request failed")
    time.sleep(window_s)
    return rig.server.order("counts")["failed"]


def _until_told(rig: Rig, sock: socket.socket, buffer: bytearray) -> None:
    """Wait until this watch itself is told things: a count of watches may still hold that of the peer before."""
    sock.settimeout(_LOOK_AGAIN_S)
    got = 0
    while b"BOOKMARK" not in buffer[:got]:
        rig.server.order("bookmark")
        try:
            got = sock.recv_into(buffer)
        except TimeoutError:
            continue
    sock.settimeout(TIMEOUT_S)


def _until_watched(rig: Rig) -> None:
    """Wait until a watch is open; telling the watches something counts them."""
    _until(lambda: rig.server.order("bookmark")["watches"], "no watch was opened")


def _until(holds: Callable[[], object], complaint: str) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not holds():
        if time.monotonic() > deadline_s:
            raise Died(complaint)
        time.sleep(0.01)


def soak(rig: Rig, words: list[str], arguments: tuple[str, ...], events: int, bursts: int) -> Row:
    """See whether memory stays flat over many events; the first burst warms up."""
    with rig.start(words, arguments) as peer:
        peer.read()
        peer.ask("sync")
        _until_watched(rig)
        resident = []
        for number in range(bursts + 1):
            _burst(rig, peer, "object" if number % 2 else "key", events)
            resident.append(peer.memory_kb("VmRSS"))
        change = resident[-1] / resident[0] - 1
        return {"events": events * bursts, "resident_kb": resident, "change_percent": change * 100}


def idle(rig: Rig, words: list[str], arguments: tuple[str, ...], window_s: float) -> Row:
    """Measure the processor time of an informer to which nothing happens but bookmarks."""
    with rig.start(words, arguments) as peer:
        peer.read()
        peer.ask("sync")
        _until_watched(rig)
        begun_s, before_s = time.monotonic(), _number(peer.ask("cpu")["cpu_s"])
        bookmarks = 0
        while (left_s := begun_s + window_s - time.monotonic()) > 0:
            time.sleep(min(left_s, BOOKMARK_PERIOD_S))
            rig.server.order("bookmark")
            bookmarks += 1
        used_s = _number(peer.ask("cpu")["cpu_s"]) - before_s
        return {"cpu_percent": used_s * 100 / window_s, "window_s": window_s, "bookmarks": bookmarks}


def top_speed(rig: Rig, events: int, accept: str) -> Row:
    """Measure the server itself: how fast it can be read by somebody who throws everything away."""
    buffer = bytearray(_BUFFER_BYTES)
    _drain(rig, "", accept, buffer, until=b"0\r\n\r\n")  # what is sent is rendered at the first request
    size, list_s = _drain(rig, "", accept, buffer, until=b"0\r\n\r\n")
    with _request(rig, "?watch=true", accept) as sock:
        _until_told(rig, sock, buffer)
        rig.server.order("burst", events=events)
        begun_s, tail, burst_size = time.perf_counter(), b"", 0
        while END_NAME.encode() not in tail:
            got = sock.recv_into(buffer)
            if not got:
                message = "the server ended the watch within a burst"
                raise Died(message)
            burst_size += got
            tail = (tail + buffer[max(0, got - _TAIL_BYTES) : got])[-_TAIL_BYTES:]
        burst_s = time.perf_counter() - begun_s
    return {
        "list_gb_per_s": size / list_s / 1e9,
        "list_mb": size / 1e6,
        "events_per_s": events / burst_s,
        "events_gb_per_s": burst_size / burst_s / 1e9,
    }


def _request(rig: Rig, query: str, accept: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", rig.port))
    sock.sendall(f"GET {PATH}{query} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode())
    return sock


def _drain(rig: Rig, query: str, accept: str, buffer: bytearray, *, until: bytes) -> tuple[int, float]:
    begun_s, size, tail = time.perf_counter(), 0, b""
    with _request(rig, query, accept) as sock:
        while not tail.endswith(until):
            got = sock.recv_into(buffer)
            size += got
            tail = (tail + bytes(buffer[max(0, got - len(until)) : got]))[-len(until) :]
    return size, time.perf_counter() - begun_s


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
