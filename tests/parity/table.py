"""From the outcomes of tests to the status of every case, and to the page that says so."""

from __future__ import annotations

import csv
import enum
import json
import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

CASES_FILE = pathlib.Path(__file__).with_name("cases.tsv")
MANAGER_CASES_FILE = pathlib.Path(__file__).with_name("manager_cases.tsv")
"""The sentences of the specification about controller managers, which the table of cases does not number."""

AREAS = {
    "IN": "Informer, cache and work queue",
    "LE": "Leader election",
    "IM": "Transport, impersonation and gateway",
    "PX": "Proxy",
    "CM": "Controller manager",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One row of ``cases.tsv``."""

    id: str
    group: str
    text: str
    expected: str

    @property
    def area(self) -> str:
        return self.id.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one test said about one case in one run."""

    case: str
    test: str
    result: str  # "passed", "failed" or "skipped", as pytest says it
    otherwise: str | None = None
    missing: str | None = None  # why it was skipped, unless only because it takes long


class Status(enum.StrEnum):
    """What is known of a case; the values are the columns of the table."""

    PASSED = "passed"
    OTHERWISE = "answered otherwise"
    NOT_RUN = "not run"
    NO_TEST = "no test"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status of a case, and the reasons if it is answered otherwise."""

    case: Case
    status: Status
    reasons: tuple[str, ...] = ()


def load_cases(paths: Sequence[pathlib.Path] = (CASES_FILE, MANAGER_CASES_FILE)) -> dict[str, Case]:
    """Read the tables of cases, by id, in their own order."""
    cases: dict[str, Case] = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            next(rows)
            cases |= {row[0]: Case(*row) for row in rows}
    return cases


def save_outcomes(outcomes: Iterable[Outcome], path: pathlib.Path) -> None:
    path.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")


def load_outcomes(paths: Iterable[pathlib.Path]) -> list[Outcome]:
    """Read the outcomes of several runs; where a test ran in one and was skipped in another, the one counts."""
    outcomes = [Outcome(**row) for path in paths for row in json.loads(path.read_text(encoding="utf-8"))]
    has_run = {outcome.test for outcome in outcomes if outcome.result != "skipped"}
    return [outcome for outcome in outcomes if outcome.result != "skipped" or outcome.test not in has_run]


def judge(cases: Mapping[str, Case], outcomes: Iterable[Outcome]) -> list[Verdict]:
    """Give every case its status.

    One failed test fails the case; a case none of whose tests ran is not run; it is answered otherwise if one of the
    tests that ran says so.
    """
    by_case: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_case.setdefault(outcome.case, []).append(outcome)
    return [_verdict(case, by_case.get(case.id, ())) for case in cases.values()]


def _verdict(case: Case, outcomes: Sequence[Outcome]) -> Verdict:
    if not outcomes:
        return Verdict(case, Status.NO_TEST)
    if any(outcome.result == "failed" for outcome in outcomes):
        return Verdict(case, Status.FAILED)
    passed = [outcome for outcome in outcomes if outcome.result == "passed"]
    if not passed:
        return Verdict(case, Status.NOT_RUN)
    reasons = tuple(sorted({outcome.otherwise for outcome in passed if outcome.otherwise}))
    return Verdict(case, Status.OTHERWISE if reasons else Status.PASSED, reasons)


def summary(verdicts: Iterable[Verdict]) -> dict[str, dict[str, Counter[Status]]]:
    """Count the statuses by area and group, in the order of the cases."""
    counts: dict[str, dict[str, Counter[Status]]] = {area: {} for area in AREAS}
    for verdict in verdicts:
        counts[verdict.case.area].setdefault(verdict.case.group, Counter())[verdict.status] += 1
    return counts


def render_text(verdicts: Sequence[Verdict]) -> str:
    """Lay the counts out for a terminal, and list what failed."""
    lines = [f"{'':40}" + "".join(f"{column:>20}" for column in ["cases", *Status])]
    for area, groups in summary(verdicts).items():
        lines += [_text_row(f"{area} {group}", count) for group, count in groups.items()]
    lines.append(_text_row("all", Counter(verdict.status for verdict in verdicts)))
    lines += [f"failed: {verdict.case.id}" for verdict in verdicts if verdict.status is Status.FAILED]
    return "\n".join(lines) + "\n"


def _text_row(name: str, count: Counter[Status]) -> str:
    shown = name if len(name) <= 40 else name[:37] + "..."
    return f"{shown:40}" + "".join(f"{number:>20}" for number in [count.total(), *(count[s] for s in Status)])


_INTRODUCTION = """\
# Conformance

<!-- Written by `python -m tests.parity`; do not edit. -->

The behaviour of upstream, and of its well-known users, is written down as cases. A case is *passed* when its tests
pass, *answered otherwise* when our answer is another one on purpose (the tests show it, and the reason is listed
below), *not run* when its tests were skipped, and has *no test* as long as nothing here claims it.
"""


def render_page(verdicts: Sequence[Verdict]) -> str:
    """Write docs/explanation/parity.md."""
    parts = [_INTRODUCTION, _page_table("", {"all": Counter(v.status for v in verdicts)}, "cases")]
    for area, groups in summary(verdicts).items():
        parts.append(_page_table(f"\n## {AREAS[area]} ({area})\n", groups, "group"))
    parts.append("\n## Answered otherwise\n")
    parts.append("\n".join(_otherwise(v) for v in verdicts if v.status is Status.OTHERWISE) or "None.")
    for status in (Status.NOT_RUN, Status.NO_TEST):
        parts.append(f"\n## {status.value.capitalize()}\n")
        parts.append(_ids_by_group([v.case for v in verdicts if v.status is status]) or "None.")
    return "\n".join(parts) + "\n"


def _page_table(title: str, groups: Mapping[str, Counter[Status]], first: str) -> str:
    lines = [title, "| " + " | ".join([first, "cases", *Status]) + " |", "|---|" + "--:|" * (len(Status) + 1)]
    if len(groups) > 1:
        groups = {**groups, "**all**": sum(groups.values(), Counter[Status]())}
    for group, count in groups.items():
        numbers = [count.total(), *(count[status] for status in Status)]
        lines.append(f"| {_escape(group)} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def _otherwise(verdict: Verdict) -> str:
    case = verdict.case
    return f"- **{case.id}** {_escape(case.text)} - expected: {_escape(case.expected)}. Ours: " + "; ".join(
        map(_escape, verdict.reasons)
    )


def _ids_by_group(cases: Iterable[Case]) -> str:
    groups: dict[str, list[str]] = {}
    for case in cases:
        groups.setdefault(f"{case.area} {_escape(case.group)}", []).append(case.id)
    return "\n".join(f"- {group}: {', '.join(ids)}" for group, ids in groups.items())


def _escape(text: str) -> str:
    """Take away what Markdown would read as more than text."""
    for character in "\\`*_{}[]<>|#$":
        text = text.replace(character, "\\" + character)
    return text
