"""What the cache costs by itself, without network: ``python -m benchmarks.cache.measure``.

Each time is the best of several rounds of processor time, because everything else on the machine only ever makes it
slower. Memory is
resident memory, measured in a process of its own for each row: ``python -m benchmarks.cache.measure memory compact``.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.codecs.kinds import KINDS, raws
from benchmarks.codecs.pods import event_line, pods
from kubeprims.cache import DeltaFIFO, Indexer, field_index, label_index
from kubeprims.informer.options import InformerOptions
from kubeprims.objects.codec import Codec, StdlibCodec, default_codec
from kubeprims.objects.event import MalformedObject
from kubeprims.objects.msgspec_codec import MsgspecCodec
from kubeprims.objects.record import RAW, ObjectRecord
from kubeprims.objects.storage import CompactStorage
from kubeprims.objects.unstructured import Unstructured

RAW_BYTES = 6_000
PODS = 20_000
OPTIONS = {
    "plain": InformerOptions(),
    "compact": InformerOptions(storage="compact"),
    "keep two fields": InformerOptions(keep=("spec.nodeName", "status.phase")),
    "keep two fields, compact": InformerOptions(keep=("spec.nodeName", "status.phase"), storage="compact"),
}


def make_records(count: int, *, first_version: int = 1) -> list[ObjectRecord]:
    """Return the records of pods with labels, each with bytes of its own."""
    filler = b"x" * RAW_BYTES
    return [
        (
            f"ns-{number % 20}/pod-{number}",
            f"uid-{number}",
            str(first_version + number),
            ("app", f"app-{number % 100}", "tier", "front"),
            b"%d" % (first_version + number) + filler,
        )
        for number in range(count)
    ]


def best_s(action: Callable[[], object], *, rounds: int = 7, prepare: Callable[[], object] = lambda: None) -> float:
    """Return the shortest processor time that an action took, in seconds."""
    times = []
    for _ in range(rounds):
        prepare()
        started = time.thread_time()
        action()
        times.append(time.thread_time() - started)
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


def pod_records(count: int, codec: Codec) -> Iterator[ObjectRecord]:
    """Yield the records of synthetic pods, as a watch would bring them."""
    for pod in pods(count):
        record = codec.split_event(event_line(pod)).record
        assert record is not None
        yield record


def measure_memory(name: str) -> None:
    """Measure one kind of cache, in a process that has done nothing else."""
    codec, options = default_codec(), OPTIONS[name]
    intake = options.make_intake()
    warm_up = [intake(record) for record in pod_records(200, codec)]
    del warm_up
    intake = options.make_intake()
    gc.collect()
    empty_s = best_s(gc.collect)
    before_kib = resident_kib()
    indexer = Indexer()
    for record in pod_records(PODS, codec):
        item = intake(record)
        assert item is not None
        assert not isinstance(item, MalformedObject)
        indexer.put(item)
    gc.collect()
    gc.collect()
    row(f"{name}: resident memory of a cached pod", (resident_kib() - before_kib) * 1024 / PODS, "bytes")
    bytes_only = sum(len(record[RAW]) for record in indexer.records()) / PODS
    row(f"{name}: its bytes alone", bytes_only, "bytes")
    pause_ms = (best_s(gc.collect) - empty_s) * 1e3
    row(f"{name}: full collection with {PODS:,} pods, beyond an empty cache", pause_ms, "ms")


def measure_collections(indexer: Indexer, name: str) -> None:
    count = 50_000
    gc.collect()
    empty_s = best_s(gc.collect)
    indexer.replace(make_records(count), "1")
    gc.collect()
    gc.collect()
    row(f"full collection with {count:,} {name}, beyond an empty cache", (best_s(gc.collect) - empty_s) * 1e3, "ms")
    new = iter(make_records(10, first_version=900_000))
    fresh_s = best_s(gc.collect, prepare=lambda: indexer.put(next(new)))
    row("the same right after a write", (fresh_s - empty_s) * 1e3, "ms")


def measure_storage(kind: str) -> None:
    codec, storage = default_codec(), CompactStorage()
    records = [codec.to_record(raw) for raw in raws(kind, 1_000)]
    packed = [storage.pack(record) for record in records]
    count = len(records)
    row(f"{kind}: plain bytes", sum(len(record[RAW]) for record in records) / count, "bytes")
    row(f"{kind}: packed", sum(len(record[RAW]) for record in packed) / count, "bytes")
    row(f"{kind}: to pack", best_s(lambda: [storage.pack(record) for record in records]) / count * 1e6, "us")
    plain_s = best_s(lambda: [Unstructured(record).to_dict() and None for record in records])
    packed_s = best_s(lambda: [Unstructured(record).to_dict() and None for record in packed])
    row(f"{kind}: to read, plain", plain_s / count * 1e6, "us")
    row(f"{kind}: to read, packed", packed_s / count * 1e6, "us")


INTAKES = {
    "transform that drops the status": InformerOptions(transform=lambda obj: {**obj, "status": None}),
    "strip an annotation": InformerOptions(strip=("metadata.annotations[rollout.example.com/spec]",)),
    "strip status.conditions": InformerOptions(strip=("status.conditions",)),
    "strip status": InformerOptions(strip=("status",)),
    "keep spec.nodeName and status.phase": InformerOptions(keep=("spec.nodeName", "status.phase")),
    "storage compact": InformerOptions(storage="compact"),
}


def measure_intake(name: str) -> None:
    """Measure what an option costs for one object, with the fastest codec that is installed."""
    intake = INTAKES[name].make_intake()
    records = list(pod_records(1_000, default_codec()))
    took_s = best_s(lambda: [intake(record) and None for record in records])
    row(f"intake: {name}", took_s / len(records) * 1e6, "us")


def measure_stages() -> None:
    """Measure the way of an event: from the line of a watch into the cache, per event."""
    count = 2_000
    lines = [event_line(pod) for pod in pods(count)]
    fast, slow = MsgspecCodec().split_event, StdlibCodec().split_event
    row("event: split, msgspec", best_s(lambda: [fast(line) for line in lines]) / count * 1e6, "us")
    row("event: split, stdlib", best_s(lambda: [slow(line) for line in lines]) / count * 1e6, "us")
    indexer = Indexer({"node": field_index("spec.nodeName")})
    records = [
        (*record[:2], str(turn), *record[3:]) for turn in (1, 2) for record in pod_records(count, MsgspecCodec())
    ]
    turns = [records[:count], records[count:]]

    def put_all() -> None:
        turns.reverse()
        for record in turns[0]:
            indexer.put(record)

    row("event: put with an index on spec.nodeName", best_s(put_all) / count * 1e6, "us")


def resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - not a file on disk
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def main() -> None:
    if sys.argv[1:2] == ["memory"]:
        measure_memory(" ".join(sys.argv[2:]))
        return
    for name in OPTIONS:
        subprocess.run([sys.executable, "-m", "benchmarks.cache.measure", "memory", name], check=True)
    measure_collections(Indexer(), "objects")
    measure_collections(Indexer({"app": label_index("app")}), "objects and an index")
    measure_replace()
    measure_events()
    measure_stages()
    for name in INTAKES:
        measure_intake(name)
    for kind in ("Pod", *KINDS):
        measure_storage(kind)
    measure_reads()


if __name__ == "__main__":
    main()
