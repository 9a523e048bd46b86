"""The pytest side: unknown ids are an error at collection, and ``--parity-out`` records what became of the cases."""

from __future__ import annotations

import pathlib

import pytest

from tests.parity.table import Outcome, load_cases, save_outcomes


def add_options(group: pytest.OptionGroup) -> None:
    group.addoption("--parity-out", metavar="FILE", help="write the outcome of every conformance case to FILE")


_CASES = "cases"
_TAKES_LONG = "takes long"


class ParityRecorder:
    """Keeps the outcome of every marked test of one run.

    What the marks say goes with each test's report, for tests may run in other processes than the one that writes.
    """

    def __init__(self, path: pathlib.Path | None) -> None:
        self._path = path
        self._cases = load_cases()
        self._marks: dict[str, list[tuple[str, str | None]]] = {}
        self._results: dict[str, str] = {}
        self._missing: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marks = [
                (str(case_id), mark.kwargs.get("otherwise"))
                for mark in item.iter_markers("case")
                for case_id in mark.args
            ]
            unknown = sorted({case_id for case_id, _ in marks} - self._cases.keys())
            if unknown:
                raise pytest.UsageError(f"{item.nodeid}: no such case in cases.tsv: {', '.join(unknown)}")
            if marks:
                item.user_properties.append((_CASES, marks))
            if item.get_closest_marker("nightly") is not None:
                item.user_properties.append((_TAKES_LONG, True))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test, properties = report.nodeid, dict(report.user_properties)
        marks = properties.get(_CASES)
        if not isinstance(marks, list):
            return
        self._marks[test] = marks
        if report.failed:
            self._results[test] = "failed"
        elif report.skipped:
            self._results.setdefault(test, "skipped")
            if _TAKES_LONG not in properties:
                self._missing[test] = _reason(report)
        elif report.when == "call":
            self._results.setdefault(test, "passed")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        # A run that was cut short, or could not collect, says nothing about the cases that it did not reach.
        if self._path is not None and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            save_outcomes(self._outcomes(), self._path)

    def _outcomes(self) -> list[Outcome]:
        return [
            Outcome(case_id, test, result, otherwise, self._missing.get(test))
            for test, result in sorted(self._results.items())
            for case_id, otherwise in self._marks[test]
        ]


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return getattr(report, "wasxfail", "") or "expected to fail"
