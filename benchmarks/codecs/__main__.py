"""What the codecs cost per object, beside decoding everything with ``json``.

Run ``python -m benchmarks.codecs [COUNT]`` from the root of the repository. Times are the best of several rounds, in
which the contestants take turns; on a shared machine only the ratios mean something.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.codecs.pods import compact, event_line, pod_list, pods
from kubeprims.objects.codec import Codec, StdlibCodec
from kubeprims.objects.msgspec_codec import MsgspecCodec
from kubeprims.objects.record import RAW

ROUNDS = 9
CHUNK_BYTES = 256 * 1024


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    items = list(pods(count))
    body, lines = pod_list(items), [event_line(item) for item in items]
    mean = statistics.mean(len(compact(item)) for item in items)
    managed = statistics.mean(len(compact(item["metadata"]["managedFields"])) for item in items)
    kept = len(StdlibCodec().split_event(lines[0]).record[RAW])
    del items
    print(f"{count} pods of {mean:.0f} bytes, {managed:.0f} of them managedFields; kept {kept} of the first")
    best = measure(contestants(body, lines), count)
    print(f"{'what':34} {'us/object':>9} {'x json':>7}")
    for name, seconds in best.items():
        reference = best["json.loads, each line"]
        print(f"{name:34} {seconds * 1e6:9.1f} {reference / seconds:7.1f}")


def contestants(body: bytes, lines: list[bytes]) -> dict[str, Callable[[], object]]:
    table: dict[str, Callable[[], object]] = {
        "json.loads, each line": lambda: [json.loads(line) and None for line in lines],
        "json.loads, the whole list": lambda: json.loads(body) and None,
    }
    codecs: dict[str, Codec] = {"stdlib": StdlibCodec(), "msgspec": MsgspecCodec()}
    for name, codec in codecs.items():
        raws = [codec.split_event(line).record[RAW] for line in lines]
        table[f"{name} split_event"] = lambda codec=codec: [codec.split_event(line) for line in lines]
        table[f"{name} split_list, 256 KiB chunks"] = lambda codec=codec: list(codec.split_list(chunked(body)))
        table[f"{name} split_list, one chunk"] = lambda codec=codec: list(codec.split_list([body]))
        table[f"{name} decode, without managedFields"] = lambda codec=codec, raws=raws: [
            codec.decode(raw) and None for raw in raws
        ]
    return table


def chunked(body: bytes) -> Iterator[bytes]:
    return (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))


def measure(table: dict[str, Callable[[], object]], count: int) -> dict[str, float]:
    best = dict.fromkeys(table, float("inf"))
    for _ in range(ROUNDS):
        for name, run in table.items():
            gc.collect()
            start = time.perf_counter()
            result = run()
            best[name] = min(best[name], (time.perf_counter() - start) / count)
            del result
    return best


if __name__ == "__main__":
    main()
