"""Options, profiles and guards for the whole suite."""

from __future__ import annotations

import pathlib

import hypothesis
import pytest

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


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kubeprims")
    group.addoption("--nightly", action="store_true", help="also run what takes long: more examples, longer sweeps")
    add_options(group)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("nightly" if config.getoption("--nightly") else "normal")
    install_network_guard()
    parity_out = config.getoption("--parity-out")
    config.pluginmanager.register(ParityRecorder(pathlib.Path(parity_out) if parity_out else None))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--nightly"):
        return
    skip = pytest.mark.skip(reason="takes long: runs with --nightly")
    for item in items:
        if item.get_closest_marker("nightly") is not None:
            item.add_marker(skip)
