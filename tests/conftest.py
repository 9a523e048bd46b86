"""Options, profiles and guards for the whole suite."""

from __future__ import annotations

import os
import pathlib

import hypothesis
import pytest

import kubeprims
from tests.guards import install_network_guard, leak_check
from tests.parity.plugin import ParityRecorder, add_options

__all__ = ["leak_check"]

# Examples are the same in every run: a failure found by chance would belong to somebody else's change. The nightly
# run is the one that looks for new ones. No deadline: the machines of CI are slow and shared.
hypothesis.settings.register_profile(
    "normal",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "nightly",
    hypothesis.settings.get_profile("normal"),
    derandomize=False,
    max_examples=3000,
    print_blob=True,
)


_REAL = "real"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kubeprims")
    group.addoption("--nightly", action="store_true", help="also run what takes long: more examples, longer sweeps")
    add_options(group)


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("KUBEPRIMS_TEST_INSTALLED") and "site-packages" not in _home().parts:
        raise pytest.UsageError(f"the installed package was to be tested, and {_home()} is what is imported")
    hypothesis.settings.load_profile("nightly" if config.getoption("--nightly") else "normal")
    install_network_guard()
    parity_out = None if hasattr(config, "workerinput") else config.getoption("--parity-out")
    config.pluginmanager.register(ParityRecorder(pathlib.Path(parity_out) if parity_out else None))


@pytest.hookimpl(trylast=True)  # after the folders' own hooks, which mark their tests
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("real") is not None:
            item.user_properties.append((_REAL, True))
    if config.getoption("--nightly"):
        return
    skip = pytest.mark.skip(reason="takes long: runs with --nightly")
    for item in items:
        if item.get_closest_marker("nightly") is not None:
            item.add_marker(skip)


def _home() -> pathlib.Path:
    return pathlib.Path(str(kubeprims.__file__)).parent


def pytest_report_header() -> str:
    return f"kubeprims: {kubeprims.__version__} from {_home()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    def reports(outcome: str) -> list[pytest.TestReport]:
        # Properties come with the report from the process that ran the test; this one has collected nothing.
        return [report for report in terminalreporter.stats.get(outcome, ()) if (_REAL, True) in report.user_properties]

    ran, skipped = reports("passed") + reports("failed"), reports("skipped")
    if ran:
        real = f"yes ({len(ran)} tests)"
    else:
        reason = skipped[0].longrepr if skipped else None
        real = f"no ({str(reason[2]).removeprefix('Skipped: ') if isinstance(reason, tuple) else 'none was selected'})"
    terminalreporter.write_line(f"backends: embedded: yes; real: {real}")
