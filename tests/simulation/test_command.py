"""``python -m kubeprims.testing.simulator``."""

from __future__ import annotations

import pathlib

import pytest

from kubeprims.errors import InvalidArgument
from kubeprims.testing.simulator import Report
from kubeprims.testing.simulator.__main__ import SCENARIOS, main, seeds_of
from kubeprims.testing.simulator.informers import InformerScenario
from tests.simulation.mutants import MUTANTS


def test_shards_have_no_seed_in_common_and_leave_none_out() -> None:
    shards = [seeds_of(f"{number}/7", 100, 5) for number in range(1, 8)]
    assert [seed for shard in shards for seed in shard] == list(range(5, 105))
    for shard in ("0/3", "4/3", "3", "a/b", "1/0", ""):
        with pytest.raises(InvalidArgument, match="3/8"):
            seeds_of(shard, 100)


def test_reports_of_shards_add_up(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "one.json", tmp_path / "other.json"]
    for number, file in enumerate(files, start=1):
        assert main(["--schedules", "6", "--shard", f"{number}/2", "--report", str(file)]) == 0
    assert main(["--add", *map(str, files), "--report", str(tmp_path / "both.json")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip()
    assert Report.from_json((tmp_path / "both.json").read_text()).schedules == 6
    assert main(["--add", str(files[0]), str(files[0])]) == 2
    assert main(["--shard", "9/2"]) == 2
    assert main(["--add", str(tmp_path / "missing.json")]) == 2


def test_one_schedule_is_played_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3"]) == 0
    assert main(["--seed", "3", "--steps", "1,2,3"]) == 0
    assert main(["--seed", "3", "--steps", "none"]) == 0
    assert capsys.readouterr().out.count("seed 3: every rule held") == 3
    assert main(["--seed", "3", "--steps", "99999"]) == 2


def test_the_command_that_a_failure_names_brings_it_about_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = MUTANTS["drops tombstones"]
    monkeypatch.setitem(SCENARIOS, "informer", lambda: InformerScenario(assemble=broken))  # type: ignore[arg-type]
    assert main(["--schedules", "20"]) == 1
    said = capsys.readouterr().out
    again = said.splitlines()[-1].partition("simulator ")[2].split()
    assert main(again) == 1
    assert "the cache has" in capsys.readouterr().out
