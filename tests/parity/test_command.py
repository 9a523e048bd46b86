"""The command and the plugin, each in a process of its own: this one has a recorder already."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.parity.__main__ import main
from tests.parity.table import Outcome, judge, load_cases, render_page, save_outcomes

ROOT = pathlib.Path(__file__).parents[2]

# What steers the outer run is not for the inner one.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "KUBEPRIMS_", "PYTEST_"))
} | {"PYTHONPATH": str(ROOT)}


def run_pytest(folder: pathlib.Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a small suite with the recorder in it."""
    (folder / "test_small.py").write_text("import pytest\nfrom tests.parity import case\n" + source)
    (folder / "conftest.py").write_text(
        "import pathlib\n"
        "from tests.parity.plugin import ParityRecorder, add_options\n"
        "def pytest_addoption(parser):\n"
        "    add_options(parser.getgroup('kubeprims'))\n"
        "def pytest_configure(config):\n"
        "    for marker in ('case', 'nightly'):\n"
        "        config.addinivalue_line('markers', marker)\n"
        "    path = config.getoption('--parity-out')\n"
        "    config.pluginmanager.register(ParityRecorder(pathlib.Path(path) if path else None))\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder)]
    return subprocess.run(
        [*command, *arguments, str(folder)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


SUITE = """
@case("IN-1", "IN-2")
@case("IN-3", otherwise="D3: so")
def test_passes(): pass

@case("IN-4")
def test_fails(): assert False

@case("IN-5")
def test_lacks_something(): pytest.skip("no kubectl")

@case("IN-6")
@pytest.mark.nightly
def test_takes_long(): pytest.skip("takes long")

@case("IN-7")
@pytest.mark.xfail(reason="not yet")
def test_known_to_fail(): assert False

@pytest.fixture
def broken():
    yield
    raise RuntimeError

@case("IN-8")
def test_fails_at_the_end(broken): pass

def test_of_nothing(): pass
"""


def test_the_outcome_of_every_marked_test_is_written(tmp_path: pathlib.Path) -> None:
    written = tmp_path / "outcomes.json"
    answer = run_pytest(tmp_path, SUITE, f"--parity-out={written}")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    rows = {row["case"]: row for row in json.loads(written.read_text())}
    assert {case_id: row["result"] for case_id, row in rows.items()} == {
        "IN-1": "passed",
        "IN-2": "passed",
        "IN-3": "passed",
        "IN-4": "failed",
        "IN-5": "skipped",
        "IN-6": "skipped",
        "IN-7": "skipped",
        "IN-8": "failed",
    }
    assert rows["IN-3"]["otherwise"] == "D3: so"
    assert rows["IN-1"]["otherwise"] is None
    assert [rows[case_id]["missing"] for case_id in ("IN-5", "IN-6", "IN-7")] == ["no kubectl", None, "not yet"]


def test_an_unknown_id_stops_the_run_at_collection(tmp_path: pathlib.Path) -> None:
    answer = run_pytest(tmp_path, '@case("IN-1", "IN-9999")\ndef test_x(): pass\n')
    assert answer.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_small.py::test_x: no such case in cases.tsv: IN-9999" in answer.stdout + answer.stderr


def test_a_run_that_does_not_get_through_writes_nothing(tmp_path: pathlib.Path) -> None:
    written = tmp_path / "outcomes.json"
    answer = run_pytest(tmp_path, "import no_such_module\n", f"--parity-out={written}")
    assert answer.returncode == pytest.ExitCode.INTERRUPTED
    assert not written.exists()


@pytest.fixture
def outcomes(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "outcomes.json"
    save_outcomes([Outcome("IN-1", "a", "passed")], path)
    return path


def test_the_page_is_written_and_then_checked(outcomes: pathlib.Path, tmp_path: pathlib.Path) -> None:
    page = tmp_path / "parity.md"
    arguments = ["--from", str(outcomes), "--page", str(page)]
    assert main([*arguments, "--check"]) == 1
    assert not page.exists()
    assert main(arguments) == 0
    assert page.read_text() == render_page(judge(load_cases(), [Outcome("IN-1", "a", "passed")]))
    assert main([*arguments, "--check"]) == 0
    page.write_text("by hand")
    assert main([*arguments, "--check"]) == 1


def test_a_failed_case_is_an_error_and_leaves_the_page_alone(
    outcomes: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_outcomes([Outcome("PX-A1", "a", "failed")], outcomes)
    assert main(["--from", str(outcomes), "--page", str(tmp_path / "parity.md")]) == 1
    assert "failed: PX-A1" in capsys.readouterr().out
    assert not (tmp_path / "parity.md").exists()


def test_outcomes_of_cases_that_are_gone_are_an_error(
    outcomes: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_outcomes([Outcome("IN-9999", "a", "passed")], outcomes)
    assert main(["--from", str(outcomes), "--check"]) == 2
    assert "no such case in cases.tsv: IN-9999" in capsys.readouterr().err


def test_a_run_that_lacked_something_says_so_and_does_not_judge_the_page(
    outcomes: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_outcomes([Outcome("IN-1", "a", "skipped", missing="no kube-apiserver")], outcomes)
    assert main(["--from", str(outcomes), "--page", str(tmp_path / "parity.md"), "--check"]) == 0
    assert "left alone, this run lacked something: no kube-apiserver" in capsys.readouterr().out


def test_the_command_runs_the_suite_itself(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "tests.parity", "--page", str(tmp_path / "parity.md"), "--"]
    answer = subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider", "tests/parity/test_table.py"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "parity.md written" in answer.stdout
    assert (
        f"| all | {len(load_cases())} | 0 | 0 | 0 | {len(load_cases())} | 0 |" in (tmp_path / "parity.md").read_text()
    )


def test_a_suite_that_cannot_start_is_an_error(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "tests.parity", "--page", str(tmp_path / "parity.md"), "--", "--no-such-option"]
    answer = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=50, check=False)
    assert answer.returncode == pytest.ExitCode.USAGE_ERROR
    assert "nothing was counted" in answer.stderr
