"""``kubeprims apply``: what it asks of the server, and what it makes of the answers."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from kubeprims.meta import JSONObject
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.faults import Answer, Match
from tests.cli.conftest import Run

PATCH = Match(verb="patch")


def applied(name: str) -> Answer:
    """Return the answer to an apply."""
    obj: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}
    return Answer(body=json.dumps(obj).encode())


CONFLICT = Answer(
    code=409,
    body=json.dumps(
        {
            "kind": "Status",
            "status": "Failure",
            "code": 409,
            "reason": "Conflict",
            "message": 'Apply failed with 1 conflict:\nconflict with "other" using v1: .data.a',
            "details": {
                "causes": [
                    {"reason": "FieldManagerConflict", "message": 'conflict with "other" using v1', "field": ".data.a"}
                ]
            },
        }
    ).encode(),
)


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "all.yaml"
    path.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: c}\n"
    )
    return str(path)


def patches(server: APIServer) -> list[tuple[str, dict[str, str]]]:
    return [(request.path, dict(parse_qsl(request.query))) for request in server.requests if request.method == "PATCH"]


def test_each_object_is_applied_where_it_belongs(server: APIServer, run: Run, manifest: str) -> None:
    for name in "abc":
        server.faults.add(applied(name), PATCH)
    code, out, err = run("apply", "-f", manifest)
    assert (code, err) == (0, "")
    assert out == (
        "configmap/a serverside-applied\ndeployment.apps/b serverside-applied\nnamespace/c serverside-applied\n"
    )
    asked = {"fieldManager": "kubeprims", "fieldValidation": "Strict"}
    assert patches(server) == [
        ("/api/v1/namespaces/default/configmaps/a", asked),
        ("/apis/apps/v1/namespaces/default/deployments/b", asked),
        ("/api/v1/namespaces/c", asked),
    ]


def test_options_reach_the_server(server: APIServer, run: Run, manifest: str) -> None:
    server.faults.add(applied("x"), PATCH, count=None)
    options = ["--force-conflicts", "--field-manager", "me", "--dry-run", "server", "-n", "team"]
    code, out, _ = run("apply", "-f", manifest, *options)
    assert code == 0
    assert out.splitlines()[0] == "configmap/x serverside-applied (server dry run)"
    path, query = patches(server)[0]
    assert path == "/api/v1/namespaces/team/configmaps/a"
    assert query == {"dryRun": "All", "fieldManager": "me", "fieldValidation": "Strict", "force": "true"}
    assert patches(server)[2][0] == "/api/v1/namespaces/c"


def test_a_conflict_names_the_manager_and_stops_nothing_else(server: APIServer, run: Run, manifest: str) -> None:
    server.faults.add(CONFLICT, PATCH)
    server.faults.add(applied("b"), PATCH, count=None)
    code, out, err = run("apply", "-f", manifest)
    assert code == 1
    assert len(out.splitlines()) == 2
    assert err.count("\n") == 1
    assert err.endswith('the apply conflicts with other managers: "other" owns .data.a\n')


def test_what_is_wrong_with_one_object_is_one_line(server: APIServer, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "apiVersion: v1\nkind: Gizmo\nmetadata: {name: a}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: other}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ..}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: .nan\n"
    )
    code, out, err = run("apply", "-f", str(path), "-n", "default")
    assert (code, out, err.count("error: "), err.count("\n")) == (1, "", 4, 4)
    assert 'has no resource "v1 Gizmo"' in err
    assert "the object is in the namespace 'other', not in 'default'" in err
    assert patches(server) == []


@pytest.mark.parametrize("content", ["a: [", "", "[]", "kind: X"])
def test_a_bad_file_is_one_line_and_nothing_is_sent(server: APIServer, run: Run, tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content)
    code, out, err = run("apply", "-f", str(path))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: {path}") or "no objects in" in err
    assert len(server.requests) == 0


def test_a_file_is_asked_for(run: Run) -> None:
    assert run("apply")[0] == 2
    assert run("apply", "-f", "/nothing-here") == (1, "", "error: /nothing-here: No such file or directory\n")


def test_warnings_of_the_server_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    from kubeprims.cli.options import print_warning
    from kubeprims.transport.warnings import ServerWarning

    print_warning(ServerWarning(299, "-", 'unknown field\n "x"\x1b'))
    assert capsys.readouterr().err == 'Warning: unknown field "x"\N{REPLACEMENT CHARACTER}\n'
