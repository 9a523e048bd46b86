"""What was simulated, in the summary of the run."""

from __future__ import annotations

import pytest

from kubeprims.testing.simulator import Report

_REPORTS = pytest.StashKey[list[Report]]()


@pytest.fixture
def reports(pytestconfig: pytest.Config) -> list[Report]:
    """Where a test puts what it has played."""
    return pytestconfig.stash.setdefault(_REPORTS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    played = terminalreporter.config.stash.get(_REPORTS, [])
    for scenario in sorted({report.scenario for report in played}):
        total = sum((report for report in played if report.scenario == scenario), Report())
        terminalreporter.write_line(f"simulation of {scenario}: {total}")
