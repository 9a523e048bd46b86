"""The fixtures that pytest gets from kubeprims, as another project sees them."""

from __future__ import annotations

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "howto" / "test-an-operator.md"
LIMIT_S = 60.0

PROGRAM = """
import json
import os
import pathlib


def test_everything_is_there(kubeprims_apiserver, kubeprims_client, kubeprims_kubeconfig):
    assert kubeprims_apiserver.is_running
    assert os.environ["KUBECONFIG"] == str(kubeprims_kubeconfig)
    assert kubeprims_apiserver.url in pathlib.Path(kubeprims_kubeconfig).read_text()
    kubeprims_client.resource("v1/configmaps", "default").create({"metadata": {"name": "a"}})


def test_each_test_has_a_server_of_its_own(kubeprims_apiserver):
    assert kubeprims_apiserver.list("v1/configmaps") == []
    assert "KUBECONFIG" not in os.environ
"""


def run(arguments: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder of its own, away from this project's configuration."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def outcome_of(program: str, folder: pathlib.Path) -> str:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(program)
    done = run(["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"], folder)
    return done.stdout + done.stderr


def test_another_projects_tests_get_the_fixtures(tmp_path: pathlib.Path) -> None:
    assert "2 passed" in outcome_of(PROGRAM, tmp_path)


def test_the_guides_own_test_runs_as_it_stands(tmp_path: pathlib.Path) -> None:
    block = GUIDE.read_text().partition("```python\n# test_operator.py\n")[2].partition("```")[0]
    assert 0 < len(block.splitlines()) <= 10
    assert "1 passed" in outcome_of(block, tmp_path)


def test_a_run_that_asks_for_no_fixture_imports_none_of_it(tmp_path: pathlib.Path) -> None:
    shown = "print(sorted(name for name in sys.modules if name.startswith('kubeprims')))"
    done = run(["-c", f"import sys, kubeprims.testing.pytest_plugin; {shown}"], tmp_path)
    expected = ["kubeprims", "kubeprims.testing", "kubeprims.testing.pytest_plugin", "kubeprims.version"]
    assert done.stdout.strip() == str(expected)
