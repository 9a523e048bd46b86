"""``kubeprims get`` against the embedded API server."""

from __future__ import annotations

import json

import pytest

from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Answer, Match
from kubeprims.yaml_text import load_documents
from tests.cli.conftest import Run

TABLE: JSONObject = {
    "kind": "Table",
    "apiVersion": "meta.k8s.io/v1",
    "metadata": {"resourceVersion": "1"},
    "columnDefinitions": [
        {"name": "Name", "type": "string", "format": "name", "priority": 0},
        {"name": "Status", "type": "string", "priority": 0},
        {"name": "Node", "type": "string", "priority": 1},
    ],
    "rows": [{"cells": ["web-0", "Running", "n1"], "object": {"metadata": {"name": "web-0", "namespace": "default"}}}],
}


def a_map(name: str, **labels: str) -> JSONObject:
    return {"metadata": {"name": name, "labels": dict(labels)}, "data": {"a": "ü"}}


@pytest.fixture(autouse=True)
def objects(server: APIServer) -> None:
    server.create("v1/configmaps", a_map("one", app="web"), namespace="default")
    server.create("v1/configmaps", a_map("two"), namespace="default")
    server.create("v1/configmaps", a_map("three"), namespace="kube-system")
    server.create("v1/secrets", {"metadata": {"name": "s"}}, namespace="default")


def first_words(out: str) -> list[str]:
    return [line.split()[0] if line else "" for line in out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["cm"], ["NAME", "one", "two"]),
        (["configmaps", "-l", "app=web"], ["NAME", "one"]),
        (["v1/configmaps", "--field-selector", "metadata.name=two"], ["NAME", "two"]),
        (["cm", "-n", "kube-system"], ["NAME", "three"]),
        (["cm", "-A"], ["NAMESPACE", "default", "default", "kube-system"]),
        (["cm", "two", "one"], ["NAME", "two", "one"]),
        (["cm/one", "secret/s"], ["NAME", "configmap/one", "", "NAME", "secret/s"]),
        (["cm,secrets"], ["NAME", "configmap/one", "configmap/two", "", "NAME", "secret/s"]),
        (["ns", "default", "-n", "default"], ["NAME", "default"]),
        (["cm", "-o", "name"], ["configmap/one", "configmap/two"]),
        (["crd", "-o", "name"], []),
    ],
)
def test_objects_are_shown_as_asked_for(run: Run, arguments: list[str], shown: list[str]) -> None:
    code, out, err = run("get", *arguments)
    assert (code, err) == (0, "")
    assert first_words(out) == shown


def test_a_table_is_shown_as_the_server_made_it(server: APIServer, run: Run) -> None:
    for options, lines in (
        ((), ["NAME    STATUS", "web-0   Running"]),
        (("-o", "wide"), ["NAME    STATUS    NODE", "web-0   Running   n1"]),
        (("-A",), ["NAMESPACE   NAME    STATUS", "default     web-0   Running"]),
    ):
        server.faults.add(Answer(body=json.dumps(TABLE).encode()), Match(verb="list", resource="v1/pods"))
        assert run("get", "pods", *options) == (0, "\n".join(lines) + "\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pods"], "No resources found in default namespace.\n"),
        (["pods", "-n", "kube-system"], "No resources found in kube-system namespace.\n"),
        (["pods", "-A"], "No resources found\n"),
        (["nodes"], "No resources found\n"),
    ],
)
def test_nothing_to_show_is_said(run: Run, arguments: list[str], said: str) -> None:
    assert run("get", *arguments) == (0, "", said)


def test_objects_are_shown_whole_as_json_and_yaml(run: Run) -> None:
    code, out, _ = run("get", "cm", "one", "-o", "json")
    assert code == 0
    one = json.loads(out)
    assert (one["kind"], one["metadata"]["name"], one["data"]) == ("ConfigMap", "one", {"a": "ü"})
    assert out == json.dumps(one, indent=4, sort_keys=True) + "\n"
    assert load_documents(run("get", "cm", "one", "-o", "yaml")[1].encode()) == [one]
    listed = json.loads(run("get", "cm", "-o", "json")[1])
    assert (listed["kind"], listed["items"][0], len(listed["items"])) == ("List", one, 2)
    assert load_documents(run("get", "cm", "-o", "yaml")[1].encode()) == [listed]
    assert json.loads(run("get", "pods", "-o", "json")[1])["items"] == []


def test_what_is_not_there_fails_and_hides_nothing_else(run: Run) -> None:
    for form in ([], ["-o", "name"]):
        code, out, err = run("get", "cm", "one", "none", "two", *form)
        assert code == 1
        assert len([word for word in first_words(out) if word.endswith(("one", "two"))]) == 2
        assert err.startswith("error: GET http://")
        assert err.endswith('404 NotFound: configmaps "none" not found\n')
    assert run("get", "cm", "none", "-o", "json")[:2] == (1, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gizmos"], 'has no resource "gizmos"'),
        (["cm", "one", "-l", "a=b"], "give names or selectors, not both"),
        (["cm/one", "--field-selector", "a=b"], "give names or selectors, not both"),
        (["cm", "one", "-A"], "give names or -A, not both"),
        (["cm", "-l", "a in ("], "a in ("),
        (["cm/one", "two"], "TYPE/NAME"),
        (["cm", ".."], "a name may not be empty"),
        (["cm", "-n", "../x"], "a namespace may not be empty"),
        (["cm", "--context", "nowhere"], "nowhere"),
        (["a b"], "a resource is named as"),
        (["cm", "\udcff"], "an argument is not UTF-8"),
        (["cm", "--field-selector", "a=\udcff"], "an argument is not UTF-8"),
    ],
)
def test_a_wrong_call_is_one_line(run: Run, arguments: list[str], said: str) -> None:
    code, out, err = run("get", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("arguments", [[], ["cm", "-o", "csv"], ["cm", "-n", "a", "-A"], ["cm", "--nonsense"]])
def test_a_call_that_cannot_be_parsed_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    code, out, err = run("get", *arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_a_server_that_is_down_is_one_line(server: APIServer, run: Run) -> None:
    server.stop()
    code, out, err = run("get", "cm", "one", "two")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "connection refused" in err
