"""What was simulated, in the summary of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import coverage
import pytest

from kubeprims.testing.simulator import Report

_PLAYED = "simulation"


@pytest.fixture
def record_simulation(record_property: Callable[[str, object], None]) -> Callable[[Report], None]:
    """Called by a test with what it has played."""
    return lambda report: record_property(_PLAYED, report.to_json())


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """Leave a campaign out of the coverage: it plays the same lines millions of times, in three times the time."""
    measuring = coverage.Coverage.current()
    if measuring is not None:
        measuring.stop()
    yield
    if measuring is not None:
        measuring.start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # Properties come from whichever process ran the test.
    played = [
        Report.from_json(str(value))
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, value in report.user_properties
        if name == _PLAYED
    ]
    for scenario in sorted({report.scenario for report in played}):
        total = sum((report for report in played if report.scenario == scenario), Report())
        terminalreporter.write_line(f"simulation of {scenario}: {total}")
