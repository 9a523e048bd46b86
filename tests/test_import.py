"""What ``import kubeprims`` costs, and what it leaves alone."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

import kubeprims

IMPORT_LIMIT_S = 0.1
TRIES = 5
HEAVY = {"kubernetes", "urllib3", "yaml", "websocket", "msgspec", "ssl", "asyncio"}

SCRIPT = """
import json, sys, time
begun = time.perf_counter()
import kubeprims
print(json.dumps({"took_s": time.perf_counter() - begun, "modules": sorted(sys.modules)}))
"""


def measure() -> tuple[float, set[str]]:
    # A bare interpreter: without what measures or steers this run.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTHON"))
    } | {"PYTHONPATH": str(pathlib.Path(str(kubeprims.__file__)).parents[1])}
    answer = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    measured = json.loads(answer.stdout)
    return float(measured["took_s"]), set(measured["modules"])


@pytest.mark.subset
def test_importing_the_package_takes_less_than_100_ms() -> None:
    # The best of a few: others may keep the machine busy, and they only ever make it slower.
    assert min(measure()[0] for _ in range(TRIES)) < IMPORT_LIMIT_S


@pytest.mark.subset
def test_importing_the_package_loads_none_of_the_libraries_it_stands_on() -> None:
    assert measure()[1] & HEAVY == set()
