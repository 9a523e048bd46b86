"""The recordings: all of them are of tests that there are, and they are many."""

from __future__ import annotations

import importlib
import json

from kubeprims.meta import JSONObject
from tests.contract.known import KNOWN
from tests.contract.recording import FOLDER, load_steps, pretty

COMPARISONS_MIN = 250
NAMES = sorted(f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("*/*.json"))


def test_there_are_enough_comparisons() -> None:
    assert sum(len(load_steps(name)) for name in NAMES) >= COMPARISONS_MIN


def test_every_recording_is_of_a_test() -> None:
    for name in NAMES:
        chapter, _, test = name.partition("/")
        module = importlib.import_module(f"tests.contract.test_{chapter}")
        assert hasattr(module, f"test_{test}"), f"recorded, and not tested: {name}"


def test_every_known_difference_is_of_a_recorded_step() -> None:
    for name, number in KNOWN:
        assert number < len(load_steps(name)), (name, number)


def test_recordings_are_written_to_be_read() -> None:
    value: JSONObject = {"short": [1, 2], "long": ["x" * 60, {"y": "z" * 60, "empty": {}}]}
    assert json.loads(pretty(value)) == value
    assert pretty(value).splitlines()[1] == '  "short": [1, 2],'
