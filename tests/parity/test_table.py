from __future__ import annotations

import pathlib

import pytest

from tests.parity import case
from tests.parity.table import (
    CASES_FILE,
    MANAGER_CASES_FILE,
    Case,
    Outcome,
    Status,
    judge,
    load_cases,
    load_outcomes,
    render_page,
    render_text,
    save_outcomes,
)

CASES = {case_id: Case(case_id, "reflector", "a | b", "*c*") for case_id in ("IN-1", "IN-2", "IN-3")}


def statuses(*outcomes: Outcome) -> list[Status]:
    return [verdict.status for verdict in judge(CASES, outcomes)]


def test_every_case_of_the_table_has_an_id_of_its_own_and_a_known_area() -> None:
    cases = load_cases()
    assert len(load_cases([CASES_FILE])) == 721
    assert len(cases) == 721 + len(load_cases([MANAGER_CASES_FILE]))
    render_text(judge(cases, []))  # an area without a name would be a KeyError


def test_a_case_passes_with_its_tests_and_has_no_test_without_one() -> None:
    assert statuses(Outcome("IN-1", "a", "passed"), Outcome("IN-1", "b", "passed")) == [
        Status.PASSED,
        Status.NO_TEST,
        Status.NO_TEST,
    ]


def test_one_failed_test_fails_the_case() -> None:
    assert statuses(Outcome("IN-1", "a", "passed"), Outcome("IN-1", "b", "failed"))[0] is Status.FAILED


def test_a_case_whose_tests_were_all_skipped_is_not_run() -> None:
    assert statuses(Outcome("IN-2", "a", "skipped"))[1] is Status.NOT_RUN


def test_a_skipped_test_claims_no_answer_of_our_own() -> None:
    outcomes = Outcome("IN-2", "a", "skipped", "D3: no"), Outcome("IN-2", "b", "passed")
    assert statuses(*outcomes)[1] is Status.PASSED


def test_an_answer_of_our_own_is_listed_with_its_reason() -> None:
    verdicts = judge(CASES, [Outcome("IN-3", "a", "passed", "D3: released later")])
    assert verdicts[2].status is Status.OTHERWISE
    assert r"- **IN-3** a \| b - expected: \*c\*. Ours: D3: released later" in render_page(verdicts)


def test_a_test_skipped_in_one_run_and_run_in_another_has_run(tmp_path: pathlib.Path) -> None:
    without, real = tmp_path / "without.json", tmp_path / "real.json"
    save_outcomes([Outcome("IN-1", "a", "skipped", missing="no API server")], without)
    save_outcomes([Outcome("IN-1", "a", "passed")], real)
    assert load_outcomes([without, real]) == [Outcome("IN-1", "a", "passed")]


def test_the_counts_add_up_per_group_and_in_all() -> None:
    lines = render_text(judge(CASES, [Outcome("IN-1", "a", "passed"), Outcome("IN-2", "b", "failed")])).splitlines()
    assert lines[0].split() == ["cases", "passed", "answered", "otherwise", "not", "run", "no", "test", "failed"]
    assert lines[1].split() == ["IN", "reflector", "3", "1", "0", "0", "1", "1"]
    assert lines[2].split() == ["all", "3", "1", "0", "0", "1", "1"]
    assert lines[3] == "failed: IN-2"


@pytest.mark.parametrize("reason", ["", "we like it better", "D-less", "scope"])
def test_an_answer_of_our_own_rests_on_something(reason: str) -> None:
    with pytest.raises(ValueError, match="names no decision, D-number or QUIRK note"):
        case("IN-1", otherwise=reason)


def test_a_mark_without_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match="has an id"):
        case()
