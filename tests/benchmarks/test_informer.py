"""``python -m benchmarks.informer`` with tiny numbers: what it counts, never how fast anything is."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import kubeprims as kp
from kubeprims.objects.event import WatchEventType

ROOT = pathlib.Path(__file__).resolve().parents[2]
OBJECTS = 50
EVENTS = 100
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not in this tree")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Run the command once; it leaves ``out.json`` and the rendered objects."""
    made = tmp_path_factory.mktemp("benchmark")
    page = made / "page.md"
    page.write_text("before\n<!-- measured -->\nold\n<!-- end of what was measured -->\nafter\n")
    numbers = {
        "--objects": OBJECTS,
        "--events": EVENTS,
        "--gc-objects": OBJECTS,
        "--rounds": 1,
        "--failure-s": 0.5,
        "--soak-bursts": 1,
        "--idle-s": 0.2,
        "--peers": "here",
        "--json": made / "out.json",
        "--page": page,
        "--cache": made,
    }
    options = [str(word) for pair in numbers.items() for word in pair]
    words = [sys.executable, "-m", "benchmarks.informer", *options]
    done = subprocess.run(words, cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stderr
    assert "| kubeprims, as installed here |" in done.stdout
    return made


@pytest.fixture(scope="module")
def runs(folder: pathlib.Path) -> dict[str, list[dict[str, object]]]:
    everything = json.loads((folder / "out.json").read_text())
    found = everything["results"]["here"]
    assert isinstance(found, dict)
    return found


def test_every_object_is_added_and_every_event_is_an_update(runs: dict[str, list[dict[str, object]]]) -> None:
    (run,) = runs["main"]
    assert run["cached"] == run["adds"] == OBJECTS
    assert run["key_updates"] == run["object_updates"] == EVENTS


def test_an_informer_asks_for_its_objects_once(runs: dict[str, list[dict[str, object]]]) -> None:
    (run,) = runs["main"]
    requests = run["requests"]
    assert isinstance(requests, dict)
    assert requests.get("list", 0) + requests.get("watch_list", 0) == 1
    assert set(requests) <= {"list", "watch", "watch_list"}


def test_a_server_that_answers_500_is_left_alone_between_tries(runs: dict[str, list[dict[str, object]]]) -> None:
    (run,) = runs["failures"]
    assert run["at_start"] in {1, 2, 3}
    assert run["later"] in {1, 2, 3}


def test_the_tables_go_between_the_marks_of_a_page(folder: pathlib.Path) -> None:
    text = (folder / "page.md").read_text()
    assert text.startswith("before\n<!-- measured -->\n")
    assert text.endswith("<!-- end of what was measured -->\nafter\n")
    assert "old" not in text
    assert "| kubeprims, as installed here |" in text


def test_each_kind_of_run_leaves_its_numbers(runs: dict[str, list[dict[str, object]]]) -> None:
    assert set(runs) == {"main", "gc", "failures", "soak", "idle"}
    assert runs["soak"][0]["events"] == EVENTS


@contextmanager
def serving(folder: pathlib.Path) -> Iterator[tuple[kp.Client, subprocess.Popen[str]]]:
    (pods,) = folder.glob(f"pods-{OBJECTS}-*.jsonl")
    words = [sys.executable, "-m", "benchmarks.informer.server", str(pods)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, env=_ENVIRONMENT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with kp.Transport(kp.TransportConfig(server=f"http://127.0.0.1:{port}")) as transport:
            yield kp.Client(transport), process
        process.kill()


def test_the_server_gives_the_same_list_whole_in_pages_and_as_a_watch(folder: pathlib.Path) -> None:
    with serving(folder) as (client, _):
        pods = client.resource("v1/pods", namespace=kp.ALL_NAMESPACES)
        whole = [pod.to_dict() for pod in pods.list(limit=2 * OBJECTS)]
        paged = [pod.to_dict() for page in pods.list_pages(page_size=7) for pod in page]
        assert len(whole) == OBJECTS
        assert paged == whole
        with pods.watch(resource_version="0", send_initial_events=True) as watched:
            watch_list = []
            for event in (event for batch in watched.batches() for event in batch):
                if event.initial_events_end:
                    break
                assert event.type is WatchEventType.ADDED
                assert event.record is not None
                watch_list.append(kp.Unstructured(event.record).to_dict())
        assert watch_list == whole


def test_each_event_of_a_burst_is_a_version_of_its_own(folder: pathlib.Path) -> None:
    with serving(folder) as (client, process):
        pods = client.resource("v1/pods", namespace=kp.ALL_NAMESPACES)
        with pods.watch(resource_version="200000000") as watched:
            answers: list[dict[str, int]] = []
            while not answers or not answers[-1]["watches"]:  # until the server has taken the watch in
                answers.append(_order(process, do="bookmark"))
            _order(process, do="burst", events=EVENTS)
            versions = []
            for event in watched:
                if event.type is WatchEventType.ADDED:
                    break
                versions.append(int(event.object.resource_version))
    assert len(versions) == EVENTS
    assert versions == list(range(versions[0], versions[0] + EVENTS))


def _order(process: subprocess.Popen[str], **command: object) -> dict[str, int]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(command) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert isinstance(answer, dict)
    return answer
