"""``kubeprims delete`` against the embedded API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.threads import Deadline, ThreadGroup
from tests.cli.conftest import Run
from tests.waiting import eventually

WAIT_S = 10.0


def a_map(name: str, *finalizers: str, **labels: str) -> JSONObject:
    return {"metadata": {"name": name, "labels": dict(labels), "finalizers": list(finalizers)}}


@pytest.fixture(autouse=True)
def objects(server: APIServer) -> None:
    server.create("v1/configmaps", a_map("one", app="web"), namespace="default")
    server.create("v1/configmaps", a_map("two", app="web"), namespace="default")
    server.create("v1/configmaps", a_map("three", app="web"), namespace="kube-system")


def left(server: APIServer) -> list[str]:
    names = [
        str(found["metadata"]["name"])  # type: ignore[index,call-overload]
        for namespace in ("default", "kube-system")
        for found in server.list("v1/configmaps", namespace=namespace)
    ]
    return [name for name in names if name in {"one", "two", "three", "held"}]


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        (["cm", "one"], ["one"]),
        (["cm", "one", "two"], ["one", "two"]),
        (["cm/one", "configmap/two"], ["one", "two"]),
        (["cm", "-l", "app=web"], ["one", "two"]),
        (["cm", "-l", "app=web", "-A"], ["one", "two", "three"]),
        (["cm", "--field-selector", "metadata.name=two"], ["two"]),
        (["cm", "three", "-n", "kube-system"], ["three"]),
        (["cm", "--all", "-n", "kube-system"], ["three"]),
        (["cm", "one", "--grace-period", "0", "--cascade", "background", "--no-wait"], ["one"]),
    ],
)
def test_objects_are_deleted_by_name_and_by_selector(
    server: APIServer, run: Run, arguments: list[str], gone: list[str]
) -> None:
    code, out, err = run("delete", *arguments)
    assert (code, err) == (0, "")
    assert out == "".join(f'configmap "{name}" deleted\n' for name in gone)
    assert left(server) == [name for name in ("one", "two", "three") if name not in gone]


def test_objects_are_deleted_by_file(server: APIServer, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three, namespace: kube-system}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: nowhere}\n"
    )
    code, out, err = run("delete", "-f", str(path))
    assert (code, out) == (1, 'configmap "one" deleted\nconfigmap "three" deleted\n')
    assert 'namespaces "nowhere" not found' in err
    code, out, err = run("delete", "-f", str(path), "--ignore-not-found")
    assert (code, out, err) == (0, "", "")
    code, out, err = run("delete", "-f", str(path), "-n", "default", "--ignore-not-found")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "three is in the namespace 'kube-system', not in 'default'" in err


def test_nothing_to_delete_is_said(run: Run) -> None:
    assert run("delete", "cm", "-l", "app=none") == (0, "", "No resources found\n")


def test_an_object_that_stays_is_waited_for_until_it_is_gone(server: APIServer, run: Run) -> None:
    server.create("v1/configmaps", a_map("held", "example.com/hold"), namespace="default")

    def let_go() -> None:
        eventually(lambda: server.faults.open_watches == 1, WAIT_S, "the command waits")
        held = server.get("v1/configmaps", "held", namespace="default")
        held["metadata"]["finalizers"] = []  # type: ignore[index,call-overload]
        server.update("v1/configmaps", held, namespace="default")

    threads = ThreadGroup("test")
    threads.spawn(let_go, name="let go")
    assert run("delete", "cm", "held") == (0, 'configmap "held" deleted\n', "")
    assert threads.join(Deadline.after(WAIT_S)) == ()
    assert "held" not in left(server)


def test_an_object_that_stays_for_too_long_is_a_failure_that_says_so(server: APIServer, run: Run) -> None:
    server.create("v1/configmaps", a_map("held", "example.com/hold"), namespace="default")
    code, out, err = run("delete", "cm", "held", "--timeout", "200ms")
    assert (code, out) == (1, 'configmap "held" deleted\n')
    assert err == "error: v1/configmaps default/held: not deleted after 0.2 s; last seen: being deleted\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to delete"),
        (["cm"], "say which ones to delete"),
        (["cm", "-A"], "say which ones to delete"),
        (["cm", "one", "-l", "a=b"], "give names, or selectors and -A, not both"),
        (["cm", "one", "--all"], "give names, or selectors and -A, not both"),
        (["cm", "one", "-A"], "give names, or selectors and -A, not both"),
        (["cm", "-f", "x"], "say what to delete"),
        (["-f", "x", "-l", "a=b"], "-f goes with no selector"),
        (["-f", "x", "-A"], "-f goes with no selector"),
        (["gizmos", "a"], 'has no resource "gizmos"'),
        (["cm", "none"], 'configmaps "none" not found'),
    ],
)
def test_a_wrong_call_is_one_line_and_deletes_nothing(
    server: APIServer, run: Run, arguments: list[str], said: str
) -> None:
    code, out, err = run("delete", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert said in err
    assert left(server) == ["one", "two", "three"]


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "1" * 12])
def test_a_grace_period_is_a_whole_number(run: Run, value: str) -> None:
    code, _, err = run("delete", "cm", "one", f"--grace-period={value}")
    assert code == 2
    assert "is no whole number of seconds" in err
