"""The programs as a user runs them: as processes, with signals, pipes and wrong input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kubeprims.testing import APIServer
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
QUICKSTART, INDEXERS, WORKQUEUE = EXAMPLES = [
    ROOT / "examples" / name for name in ("01_quickstart.py", "02_indexers.py", "03_workqueue.py")
]
TIMEOUT_S = 50.0
"""How long a process may take: on a busy machine its start alone takes many seconds."""


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **environment},
    )


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    with start(*arguments, **environment) as process:
        out, err = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, out, err


def kubeprims(*arguments: str, **environment: str) -> tuple[int, str, str]:
    return run("-m", "kubeprims", *arguments, **environment)


def watched(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Watch until there is nothing more to come of what was there, however long that takes."""
    with start("-m", "kubeprims", "watch", *arguments, **environment) as process:
        assert process.stdout is not None
        eventually(lambda: ", watching" in process.stdout.readline(), TIMEOUT_S, "the watch is open")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, out, err


def a_pod(name: str, **labels: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


def test_the_demo_ends_by_itself_with_one_line_of_summary() -> None:
    code, out, err = kubeprims("demo", "--for", "1500ms")
    assert (code, err) == (0, "")
    assert "events in" in out.splitlines()[-1]
    assert "syncing" in out or "synced" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_cleanly(number: signal.Signals) -> None:
    with start("-m", "kubeprims", "demo") as process:
        assert process.stdout is not None
        eventually(lambda: "synced" in process.stdout.readline(), TIMEOUT_S, "the demo has synced")
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (0, "")
    assert "events in" in out.splitlines()[-1]


@pytest.mark.parametrize("name", ["pods", "po", "pod", "v1/pods"])
def test_watch_finds_a_resource_by_any_of_its_names(server: APIServer, kubeconfig: str, name: str) -> None:
    server.create("v1/pods", a_pod("web-0", app="web"), namespace="default")
    server.create("v1/pods", a_pod("db-0", app="db"), namespace="default")
    code, out, err = watched(name, "-l", "app=web", "--kubeconfig", kubeconfig)
    assert (code, err) == (0, "")
    assert "v1/pods in default" in out.splitlines()[-1]
    assert "1 objects" in out.splitlines()[-1]


def test_watch_shows_each_event_as_a_line_when_there_is_no_terminal(server: APIServer, kubeconfig: str) -> None:
    with start("-m", "kubeprims", "watch", "pods", "-A", "--kubeconfig", kubeconfig) as process:
        assert process.stdout is not None
        eventually(lambda: "watching" in process.stdout.readline(), TIMEOUT_S, "the watch is open")
        server.create("v1/pods", a_pod("web-0"), namespace="default")
        eventually(lambda: "ADDED    default/web-0" in process.stdout.readline(), TIMEOUT_S, "the event is shown")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0


def test_watch_says_what_fails_and_when_it_tries_again(server: APIServer, kubeconfig: str) -> None:
    server.stop()
    code, out, err = kubeprims("watch", "v1/pods", "--kubeconfig", kubeconfig, "--for", "3s")
    assert code == 1
    url = f"{server.url}/api/v1/namespaces/default/pods"
    failures = [line for line in out.splitlines() if "refused" in line]
    assert failures[0].startswith(f"# waiting: GET {url}?")
    assert "connection refused; next try in " in failures[0]
    assert failures[-1].startswith("v1/pods in default at "), "the summary"
    assert len(failures) <= 4  # each is said once: the second comes after a second, the third after two more
    assert err.startswith("error: not synced after 3 s: v1/pods in default: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["watch", "gizmos"], 'has no resource "gizmos"'),
        (["watch", "pods", "-l", "a in ("], "a in ("),
        (["watch", "pods", "--context", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_call_is_one_line_and_no_traceback(kubeconfig: str, arguments: list[str], said: str) -> None:
    code, out, err = kubeprims(*arguments, "--kubeconfig", kubeconfig, "--for", "1s")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert said in err


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    code, _, err = kubeprims("watch", "pods", "--kubeconfig", missing)
    assert code == 1
    assert err.startswith(f"error: {missing}: ")


def test_a_reader_that_goes_away_is_no_error() -> None:
    with start("-m", "kubeprims", "demo", "--for", "10s") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(TIMEOUT_S)
        assert "Traceback" not in process.stderr.read()


def test_a_reader_that_wants_only_the_first_lines_is_no_error(server: APIServer, kubeconfig: str) -> None:
    server.create_many("v1/pods", [a_pod(f"web-{number:04}") for number in range(3000)])
    with start("-m", "kubeprims", "get", "pods", "-o", "json", "--kubeconfig", kubeconfig) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "{\n"
        process.stdout.close()
        process.wait(TIMEOUT_S)
        assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_keeps_a_deletion_from_its_end_says_so(
    server: APIServer, kubeconfig: str, number: signal.Signals
) -> None:
    held = a_pod("held")
    held["metadata"] = {"name": "held", "finalizers": ["example.com/hold"]}
    server.create("v1/pods", held, namespace="default")
    with start("-m", "kubeprims", "delete", "pod/held", "--kubeconfig", kubeconfig) as process:
        eventually(lambda: server.faults.open_watches == 1, TIMEOUT_S, "the command waits")
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (130, 'pod "held" deleted\n', "")


def test_a_name_that_the_terminal_cannot_show_is_no_failure(server: APIServer, kubeconfig: str) -> None:
    server.create("v1/pods", {**a_pod("a"), "status": {"phase": "Läuft"}}, namespace="default")
    code, out, err = watched("pod/a", "--kubeconfig", kubeconfig, PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert "1 objects" in out
    code, out, err = kubeprims("watch", "pod/a", "pod/b", "--kubeconfig", kubeconfig)
    assert code == 2
    code, out, err = kubeprims("watch", "pods,services", "--kubeconfig", kubeconfig)
    assert (code, err) == (1, "error: one resource is watched at a time, not 'pods,services'\n")


def test_the_apiserver_command_serves_and_writes_a_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    with start("-m", "kubeprims", "apiserver", "--kubeconfig", str(path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving http://127.0.0.1:")
        assert process.stdout.readline() == f"export KUBECONFIG={path}\n"
        code, out, _ = watched("namespaces", "--kubeconfig", str(path))
        assert (code, "4 objects" in out) == (0, True)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0


def test_the_quickstart_shows_pods_and_counts_them_by_node(server: APIServer, kubeconfig: str) -> None:
    pod = a_pod("web-0")
    pod["spec"] = {"nodeName": "node-7", "containers": [{"name": "c", "image": "i"}]}
    server.create("v1/pods", pod, namespace="default")
    code, out, err = run(str(QUICKSTART), "--kubeconfig", kubeconfig, "--for", "0.3")
    assert (code, err) == (0, "")
    assert "synced: 1 pods" in out
    assert out.splitlines()[-1] == "node-7: 1 pods"


def scheduled(name: str, node: str, image: str, **labels: str) -> dict[str, object]:
    pod = a_pod(name, **labels)
    containers = [{"name": "c", "image": image}]
    return {**pod, "spec": {"nodeName": node, "containers": containers}, "status": {"phase": "Running"}}


def test_the_example_of_indexers_answers_its_questions(server: APIServer, kubeconfig: str) -> None:
    server.create("v1/pods", scheduled("web-0", "node-7", "web:1", app="web"), namespace="default")
    server.create("v1/pods", scheduled("web-1", "node-8", "web:1", app="web"), namespace="default")
    server.create("v1/pods", scheduled("db-0", "node-8", "db:2", app="db"), namespace="default")
    code, out, err = run(str(INDEXERS), "--kubeconfig", kubeconfig, "--image", "web")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == ["3 pods on 2 nodes", "web:1: default/web-0, default/web-1", "Pending: 3"]
    assert "newest of db: default/db-0" in lines


def test_the_example_of_a_work_queue_works_on_pods_and_tries_again(server: APIServer, kubeconfig: str) -> None:
    server.create("v1/pods", scheduled("web-0", "node-7", "web:1"), namespace="default")
    server.create("v1/pods", a_pod("web-1"), namespace="default")
    alone = ("--workers", "1")  # two that print at the same time may share a line
    with start(str(WORKQUEUE), "--kubeconfig", kubeconfig, *alone) as process:
        assert process.stdout is not None
        seen: list[str] = []
        while "failure 3: default/web-1 is not scheduled yet\n" not in seen:
            seen.append(process.stdout.readline())
            assert seen[-1], "it has ended"
        server.delete("v1/pods", "web-1", namespace="default")
        while "default/web-1 is gone\n" not in seen:
            seen.append(process.stdout.readline())
            assert seen[-1], "it has ended"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, err) == (0, "")
    assert "default/web-0 runs on node-7\n" in seen
    assert "failure 1: default/web-1 is not scheduled yet\n" in seen


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short_and_say_how_they_are_called(example: Path) -> None:
    assert len(example.read_text().splitlines()) < 80
    code, out, err = run(str(example), "--help")
    assert (code, err) == (0, "")
    assert f"python examples/{example.name}" in out


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_say_in_one_line_what_is_wrong(example: Path, tmp_path: Path) -> None:
    code, out, err = run(str(example), "--kubeconfig", str(tmp_path / "none"))
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
