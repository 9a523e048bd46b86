"""The election machine as transcripts: whole elections, read from top to bottom.

The lock is one in memory. Commands: ``start``, ``next`` (the server answers, or the time has come), ``answer after
SECONDS``, ``lose`` (carried out, but no answer comes), ``fail FAILURE``, ``pass SECONDS``, ``stop``, ``step-down``,
``returned``, ``failed``, ``see`` (a watch shows the lock), and what others do: ``held-by WHO [SECONDS]``, ``blanked``,
``deleted``, ``garbage``, ``labelled``; several on a line with ``;`` between. ``settings NAME=VALUE ...`` come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeprims.leaderelection.effects import (
    Create,
    Effect,
    Ended,
    EndTerm,
    ExtendTerm,
    Get,
    NewLeader,
    Report,
    StartTerm,
    Update,
    Wait,
    WriteFailure,
)
from tests.leaderelection.stepping import Candidate, MemoryLock, blanked, held_by
from tests.transcripts.runner import check_transcript, transcripts


class Session:
    """One candidate, and the lock that it contends for."""

    def __init__(self) -> None:
        self.lock = MemoryLock()
        self.candidate = Candidate(self.lock)

    def execute(self, line: str) -> Iterator[str]:
        for command in line.split(";"):
            name, *arguments = command.split()
            for effect in self._play(name, arguments):
                yield f"{self.candidate.now_s:g}: {describe(effect)}"

    def _play(self, name: str, arguments: list[str]) -> list[Effect]:
        candidate = self.candidate
        match name, arguments:
            case "settings", _:
                self.candidate = Candidate(self.lock, **dict(setting(argument) for argument in arguments))  # type: ignore[arg-type]
                return []
            case "next", []:
                return candidate.answer() if candidate.request is not None else candidate.waited()
            case "answer", ["after", seconds]:
                return candidate.answer(takes_s=float(seconds))
            case "fail", [failure]:
                return candidate.fail(WriteFailure(failure))
            case "pass", [seconds]:
                candidate.pass_s(float(seconds))
                return []
        told = {
            "start": candidate.start,
            "lose": candidate.lose_answer,
            "stop": candidate.stop,
            "step-down": candidate.step_down,
            "returned": candidate.returned,
            "failed": lambda: candidate.returned(has_failed=True),
            "see": candidate.see,
        }
        if name in told:
            return told[name]()
        self._others(name, arguments)
        return []

    def _others(self, name: str, arguments: list[str]) -> None:
        lock = self.lock
        match name, arguments:
            case "held-by", [who, *seconds]:
                held_by(who, lock, duration_s=int(seconds[0]) if seconds else 15)
            case "blanked", []:
                blanked(lock)
            case "deleted", []:
                lock.delete()
            case "garbage", []:
                lock.write(None)
            case "labelled", []:
                lock.revision += 1
            case _:
                raise ValueError(f"no such command: {name} {arguments}")


def setting(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    return name, value == "yes" if value in {"yes", "no"} else float(value)


def describe(effect: Effect) -> str:  # noqa: C901 - one case each
    match effect:
        case Get(give_up_at_s=until_s):
            return f"get, until {until_s:g}"
        case Create(give_up_at_s=until_s):
            return f"create, until {until_s:g}"
        case Update(record=record, give_up_at_s=until_s):
            what = f"held by {record.holder_identity}" if record.holder_identity else "released"
            return f"update: {what}, transitions {record.leader_transitions}, until {until_s:g}"
        case Wait(until_s=until_s):
            return f"wait until {until_s:g}"
        case Ended(has_led=has_led, is_drained=is_drained, is_released=is_released):
            facts = [
                "has led" if has_led else "never led",
                "drained" if is_drained else "NOT drained",
                "released" if is_released else "not released",
            ]
            return f"ended: {', '.join(facts)}"
        case StartTerm(token=token, leads_until_s=until_s):
            return f"TERM {token} until {until_s:g}"
        case ExtendTerm(leads_until_s=until_s):
            return f"until {until_s:g}"
        case EndTerm(reason=reason):
            return f"END OF TERM: {reason}"
        case NewLeader(identity=identity):
            return f"leader: {identity or 'nobody'}"
        case Report(notice=notice):
            return f"note: {notice}"


@pytest.mark.parametrize("path", transcripts("election"), ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    check_transcript(path, Session().execute)
