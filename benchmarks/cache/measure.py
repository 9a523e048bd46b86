"""What the cache costs by itself, without network or decoding: ``python -m benchmarks.cache.measure``.

Each row is the best of several rounds, because everything else on the machine only ever makes it slower.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable

from kubeprims.cache import DeltaFIFO, Indexer, label_index
from kubeprims.meta import ObjectKey
from kubeprims.objects.record import ObjectRecord

RAW_BYTES = 6_000


def make_records(count: int, *, first_version: int = 1) -> list[ObjectRecord]:
    """Return the records of pods with labels, each with bytes of its own."""
    filler = b"x" * RAW_BYTES
    return [
        (
            ObjectKey(f"ns-{number % 20}/pod-{number}"),
            f"uid-{number}",
            str(first_version + number),
            ("app", f"app-{number % 100}", "tier", "front"),
            b"%d" % (first_version + number) + filler,
        )
        for number in range(count)
    ]


def best_s(action: Callable[[], object], *, rounds: int = 7, prepare: Callable[[], object] = lambda: None) -> float:
    """Return the shortest time that an action took, in seconds."""
    times = []
    for _ in range(rounds):
        prepare()
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def row(name: str, value: float, unit: str) -> None:
    print(f"{name:<66} {value:10.2f} {unit}")


def measure_replace() -> None:
    records = make_records(10_000)

    def replace() -> None:
        DeltaFIFO().replace(records, "1")

    row("replace of 10,000 into an empty queue", best_s(replace) * 1e3, "ms")

    def list_and_store() -> None:
        indexer = Indexer()
        fifo = DeltaFIFO(indexer)
        fifo.replace(records, "1")
        while (batch := fifo.pop_batch(500)) is not None:
            indexer.apply(batch)

    row("replace, pop and apply of 10,000 into an empty cache", best_s(list_and_store) * 1e3, "ms")
    indexer = Indexer()
    indexer.replace(records, "1")
    fifo = DeltaFIFO(indexer)

    def relist() -> None:
        fifo.replace(records, "1")
        while (batch := fifo.pop_batch(500)) is not None:
            indexer.apply(batch)

    row("the same again, nothing changed", best_s(relist) * 1e3, "ms")


def measure_events() -> None:
    count = 10_000
    indexer = Indexer()
    indexer.replace(make_records(count), "1")
    fifo = DeltaFIFO(indexer)
    turns = [make_records(count, first_version=100_000), make_records(count, first_version=200_000)]

    def queue_only() -> None:
        for record in turns[0]:
            fifo.update(record)
        fifo.pop_batch()

    row("event: queue and pop", best_s(queue_only) / count * 1e6, "us")

    def through_the_cache() -> None:
        turns.reverse()  # the other versions, or nothing would change
        changed = turns[0]
        for start in range(0, count, 100):
            for record in changed[start : start + 100]:
                fifo.update(record)
            batch = fifo.pop_batch()
            assert batch is not None
            indexer.apply(batch)

    row("event: queue, pop and apply, 100 at a time", best_s(through_the_cache) / count * 1e6, "us")
    indexer.add_indexers({"app": label_index("app")})
    row("event: the same with a label index", best_s(through_the_cache) / count * 1e6, "us")


def measure_reads() -> None:
    indexer = Indexer({"app": label_index("app")})
    indexer.replace(make_records(100_000), "1")
    key = "ns-5/pod-5"
    row("get", best_s(lambda: [indexer.get(key) for _ in range(1_000)]) * 1e3, "us")
    row("list of 100,000, all", best_s(indexer.list, rounds=3) * 1e3, "ms")
    row("list of 100,000, a selector hits 1,000", best_s(lambda: indexer.list(None, "app=app-7"), rounds=3) * 1e3, "ms")
    row("by_index, 1,000 of 100,000", best_s(lambda: indexer.by_index("app", "app-7")) * 1e3, "ms")


def measure_collections() -> None:
    gc.collect()
    empty_s = best_s(gc.collect)
    indexer = Indexer({"app": label_index("app")})
    before_kib = resident_kib()
    indexer.replace(make_records(50_000), "1")
    gc.collect()
    gc.collect()
    grown_kib = resident_kib() - before_kib
    row("memory of a cached object beyond its bytes", grown_kib * 1024 / 50_000 - RAW_BYTES, "bytes")
    row(
        "full collection with 50,000 objects and an index, beyond an empty one",
        (best_s(gc.collect) - empty_s) * 1e3,
        "ms",
    )
    new = iter(make_records(10, first_version=900_000))
    fresh_s = best_s(gc.collect, prepare=lambda: indexer.put(next(new)))
    row("the same right after a write", (fresh_s - empty_s) * 1e3, "ms")


def resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - not a file on disk
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


if __name__ == "__main__":
    measure_collections()
    measure_replace()
    measure_events()
    measure_reads()
