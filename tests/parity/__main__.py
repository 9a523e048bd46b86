"""Run the suite, count the conformance cases, and write docs/explanation/parity.md."""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from tests.parity.table import Outcome, Status, Verdict, judge, load_cases, load_outcomes, render_page, render_text

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "explanation" / "parity.md"

_RAN = (0, 1)  # pytest's exit codes for "all passed" and "some failed"; the others mean that it did not get through


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument(
        "--from", dest="sources", nargs="+", type=pathlib.Path, metavar="FILE", default=[],
        help="take these files, written by pytest --parity-out, instead of running the suite",
    )  # fmt: skip
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the committed page differs")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE, help=argparse.SUPPRESS)
    parser.add_argument("pytest_args", nargs="*", help="passed on to pytest, after --")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code: 0 when no case failed and, with ``--check``, the committed page is right."""
    options = _parser().parse_args(argv)
    if options.sources:
        outcomes = load_outcomes(options.sources)
    else:
        code, outcomes = _run_suite(options.pytest_args)
        if code not in _RAN:
            sys.stderr.write(f"parity: pytest did not get through (exit code {code}); nothing was counted\n")
            return code
    cases = load_cases()
    unknown = sorted({outcome.case for outcome in outcomes} - cases.keys())
    if unknown:
        sys.stderr.write(f"parity: no such case in cases.tsv: {', '.join(unknown)}; is the file of an older run?\n")
        return 2
    verdicts = judge(cases, outcomes)
    sys.stdout.write(render_text(verdicts))
    if any(verdict.status is Status.FAILED for verdict in verdicts):
        return 1
    return _settle(options.page, verdicts, outcomes, only_check=options.check)


def _run_suite(pytest_args: Sequence[str]) -> tuple[int, list[Outcome]]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "outcomes.json"
        command = [sys.executable, "-m", "pytest", f"--parity-out={path}", *pytest_args]
        code = subprocess.run(command, check=False).returncode
        return code, load_outcomes([path]) if code in _RAN else []


def _settle(page: pathlib.Path, verdicts: Sequence[Verdict], outcomes: Sequence[Outcome], *, only_check: bool) -> int:
    text = render_page(verdicts)
    missing = sorted({outcome.missing for outcome in outcomes if outcome.missing})
    if missing:
        # A run without the real API server would call its cases "not run": true here, but not what readers look for.
        sys.stdout.write(f"parity: {page.name} left alone, this run lacked something: {'; '.join(missing)}\n")
        return 0
    if not only_check:
        page.write_text(text, encoding="utf-8")
        sys.stdout.write(f"parity: {page} written\n")
        return 0
    if not page.is_file() or page.read_text(encoding="utf-8") != text:
        sys.stdout.write(f"parity: {page} differs from this run; write it anew with: python -m tests.parity\n")
        return 1
    sys.stdout.write(f"parity: {page.name} is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
