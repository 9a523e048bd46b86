"""Every informer against the same server in one run: ``python -m benchmarks.informer``.

The peers take turns, each run is a process of its own, and the best of several rounds counts: on a shared machine only
the ratios mean something. The first run gets the peers (from PyPI, and with Go where there is one) and renders the
objects, into a folder outside of this one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks.codecs import pods
from benchmarks.informer import bodies
from benchmarks.informer.bodies import write_pods
from benchmarks.informer.measure import (
    TIMEOUT_S,
    Rig,
    Row,
    collections,
    failures,
    idle,
    soak,
    sync_and_events,
    top_speed,
)
from benchmarks.informer.process import Died, Process
from benchmarks.informer.report import Results, ratios, table
from benchmarks.peers.catalogue import PEERS, Absent, clientgo, command, default_cache

PROTOBUF = "application/vnd.kubernetes.protobuf"
KINDS = ("main", "gc", "failures", "soak", "idle")
PAGE_BEGIN = "<!-- measured -->"
PAGE_END = "<!-- end of what was measured -->"
_DEFAULT_PEERS = [name for name in PEERS if name != "here"]


def main(words: Sequence[str] | None = None) -> int:
    options = _options(words)
    options.cache.mkdir(parents=True, exist_ok=True)
    commands = _commands(options.peers, options.cache)
    bench = Bench(commands, options.runs)
    load_before = os.getloadavg()[0]
    with _serving(options.objects, commands, options.cache) as rig:
        server = _top_speeds(rig, options, commands)
        for _ in range(options.rounds):
            bench.run("main", lambda words, more: sync_and_events(rig, words, more, options.events))
        bench.run("failures", lambda words, more: failures(rig, words, more, options.failure_s))
        bench.run("soak", lambda words, more: soak(rig, words, more, options.events, options.soak_bursts))
        bench.run("idle", lambda words, more: idle(rig, words, more, options.idle_s))
    if "gc" in options.runs:
        with _serving(options.gc_objects, commands, options.cache) as rig:
            bench.run("gc", lambda words, more: collections(rig, words, more))
    _publish(options, load_before, server, bench.results)
    return 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.informer", description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000, help="how many pods there are")
    parser.add_argument("--events", type=int, default=20_000, help="how many events are sent at once")
    parser.add_argument("--rounds", type=int, default=3, help="how often each peer syncs and gets events")
    parser.add_argument("--peers", type=_names(list(PEERS)), default=_DEFAULT_PEERS, help="a,b,c: " + " ".join(PEERS))
    parser.add_argument("--runs", type=_names(KINDS), default=list(KINDS), help="a,b,c: " + " ".join(KINDS))
    parser.add_argument("--gc-objects", type=int, default=50_000, help="how many pods are cached when collecting")
    parser.add_argument("--failure-s", type=float, default=5.0, help="how long the server answers 500, in seconds")
    parser.add_argument("--soak-bursts", type=int, default=5, help="how many bursts a soak has behind the first")
    parser.add_argument("--idle-s", type=float, default=60.0, help="how long an informer idles, in seconds")
    parser.add_argument("--json", type=pathlib.Path, help="write all values into this file")
    parser.add_argument("--page", type=pathlib.Path, help="write the tables between the marks of this page")
    parser.add_argument("--cache", type=pathlib.Path, default=default_cache(), help="where to keep what is got")
    return parser.parse_args(words)


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            message = f"{', '.join(sorted(unknown))}: not among {' '.join(known)}"
            raise argparse.ArgumentTypeError(message)
        return names

    return parse


def _commands(names: list[str], cache: pathlib.Path) -> dict[str, list[str]]:
    """Return what starts each peer that is to be had; say which one is not."""
    commands = {}
    for name in names:
        try:
            commands[name] = command(PEERS[name], cache)
        except Absent as error:
            _say(f"{name} is left out: {error}")
    return commands


@contextmanager
def _serving(objects: int, commands: dict[str, list[str]], cache: pathlib.Path) -> Iterator[Rig]:
    """Run a server of so many pods, in protobuf as well if a peer wants that."""
    files = [_rendered(objects, cache)]
    if any(PEERS[name].wants_protobuf for name in commands):
        files.append(_rendered_as_protobuf(files[0], cache))
    words = [sys.executable, "-m", "benchmarks.informer.server", *map(str, files)]
    with Process(words, timeout_s=TIMEOUT_S) as server:
        port = server.read()["port"]
        assert isinstance(port, int)
        yield Rig(server, port, objects)


def _rendered(objects: int, cache: pathlib.Path) -> pathlib.Path:
    sources = b"".join(pathlib.Path(str(module.__file__)).read_bytes() for module in (pods, bodies))
    path = cache / f"pods-{objects}-{hashlib.sha256(sources).hexdigest()[:12]}.jsonl"
    if not path.exists():
        _say(f"rendering {objects:,} pods")
        with _replacing(path) as part:
            write_pods(part, objects)
    return path


def _rendered_as_protobuf(source: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    path = source.with_suffix(".protobuf")
    if not path.exists():
        with _replacing(path) as part, source.open("rb") as pods_file, part.open("wb") as out:
            subprocess.run([str(clientgo(cache)), "render"], stdin=pods_file, stdout=out, check=True)
    return path


@contextmanager
def _replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a file to write that becomes ``path`` once it is whole; another run may do the same meanwhile."""
    part = path.with_suffix(f".{os.getpid()}")
    yield part
    part.rename(path)


def _top_speeds(rig: Rig, options: argparse.Namespace, commands: dict[str, list[str]]) -> dict[str, Row]:
    speeds = {"JSON": top_speed(rig, options.events, "application/json")}
    if any(PEERS[name].wants_protobuf for name in commands):
        speeds["protobuf"] = top_speed(rig, options.events, PROTOBUF)
    return speeds


class Bench:
    """The peers, and what was measured of them.

    Attributes:
        results: What was measured.
    """

    def __init__(self, commands: dict[str, list[str]], kinds: list[str]) -> None:
        self.results: Results = {name: {} for name in commands}
        self._commands = commands
        self._kinds = kinds

    def run(self, kind: str, run: Callable[[list[str], tuple[str, ...]], Row]) -> None:
        """Run every peer once, one after the other; a peer that fails is said so, and the others go on."""
        for name, words in self._commands.items():
            if kind not in self._kinds or kind in PEERS[name].leaves_out:
                continue
            _say(f"{kind}: {name}")
            try:
                self.results[name].setdefault(kind, []).append(run(words, PEERS[name].arguments))
            except Died as error:
                _say(f"{kind}: {name} failed: {error}")


def _publish(options: argparse.Namespace, load_before: float, server: dict[str, Row], results: Results) -> None:
    """Print everything; write all values, and the page's part of it, where that was asked for."""
    machine = _machine()
    where = f"{machine['cores']} cores of {machine['CPU']}, Linux {machine['Linux']}"
    parts = [
        f"{where}, Python {machine['Python']}, Go {machine['Go']}.",
        f"{options.objects:,} pods, {options.events:,} events, best of {options.rounds}.",
        _load(load_before),
        *(_server_speed(name, speed) for name, speed in server.items()),
        table(results),
        ratios(results),
    ]
    text = "\n\n".join(part for part in parts if part)
    print(text)
    if options.json is not None:
        facts = {
            name: str(value) if isinstance(value, pathlib.Path) else value for name, value in vars(options).items()
        }
        everything = {"machine": machine, "options": facts, "server": server, "results": results}
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    if options.page is not None:
        before, _, rest = options.page.read_text().partition(PAGE_BEGIN)
        _, _, after = rest.partition(PAGE_END)
        options.page.write_text(f"{before}{PAGE_BEGIN}\n\n{text}\n\n{PAGE_END}{after}")


def _load(before: float) -> str:
    return (
        f"The machine had a load of {before:.1f} before and {os.getloadavg()[0]:.1f} after that, this included: above "
        "one a core, times by the clock say little, and only processor times can be compared."
    )


def _server_speed(name: str, speed: Row) -> str:
    return (
        f"The server alone, {name}: a list of {speed['list_mb']:.1f} MB at {speed['list_gb_per_s']:.2f} GB/s, "
        f"{speed['events_per_s']:,.0f} events/s."
    )


def _machine() -> dict[str, str]:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    try:
        go = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        go = "not there"
    return {
        "CPU": models[0] if models else platform.machine(),
        "cores": str(len(models)),
        "Linux": platform.release().partition("-")[0],
        "Python": platform.python_version(),
        "Go": go.removeprefix("go"),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes that were started end as well
    sys.exit(main())
