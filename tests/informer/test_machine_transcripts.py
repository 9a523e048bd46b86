"""The reflector machine as transcripts: whole failures, read from top to bottom.

Commands: ``start``, ``page VERSION [TOKEN]``, ``list-fails ERROR``, ``replaced``, ``events VERSION``,
``ends [ERROR] [after SECONDS]``, ``slept``; several on a line with ``;`` between. Errors: ``410``, ``429``,
``429/30`` (Retry-After), ``500``, ``403``, ``refused``, ``reset``, ``garbage``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeprims.errors import (
    ConnectError,
    ConnectionLost,
    DecodeError,
    KubeprimsError,
    StatusError,
    status_error_class,
)
from kubeprims.informer.machine import Effect, ListPage, ReflectorMachine, ReflectorOptions, Replace, Sleep, Watch
from tests.transcripts.runner import check_transcript, transcripts


class NoJitter:
    def random(self) -> float:
        return 0.0


class Session:
    """One machine, and the time that passes while it sleeps."""

    def __init__(self) -> None:
        self.machine = ReflectorMachine(ReflectorOptions(), rng=NoJitter())
        self.now_s = 0.0

    def execute(self, line: str) -> Iterator[str]:
        for command in line.split(";"):
            name, *arguments = command.split()
            effect = self._play(name, arguments)
            if effect is not None:
                if isinstance(effect, Sleep):
                    self.now_s += effect.delay_s
                yield describe(effect)
            else:
                yield f"version {self.machine.last_resource_version}"

    def _play(self, name: str, arguments: list[str]) -> Effect | None:
        machine = self.machine
        match name, arguments:
            case "start", []:
                return machine.start()
            case "page", [version, *token]:
                return machine.on_page(resource_version=version, continue_token="".join(token), now_s=self.now_s)
            case "list-fails", [error]:
                return machine.on_list_failed(make_error(error), now_s=self.now_s)
            case "replaced", []:
                return machine.on_replaced()
            case "events", [version]:
                machine.on_events(count=1, resource_version=version)
                return None
            case "ends", ["after", seconds]:
                return machine.on_watch_ended(None, lasted_s=float(seconds), now_s=self.now_s)
            case "ends", [error, *after]:
                lasted_s = float(after[1]) if after else 0.0
                return machine.on_watch_ended(make_error(error), lasted_s=lasted_s, now_s=self.now_s)
            case "slept", []:
                return machine.on_slept()
        raise ValueError(f"no such command: {name} {arguments}")


def make_error(text: str) -> KubeprimsError:
    match text:
        case "refused":
            return ConnectError("refused")
        case "reset":
            return ConnectionLost("reset")
        case "garbage":
            return DecodeError("garbage")
    code, _, retry_after_s = text.partition("/")
    kind: type[StatusError] = status_error_class(int(code), "")
    return kind("no", code=int(code), retry_after_s=float(retry_after_s) if retry_after_s else None)


def describe(effect: Effect) -> str:
    match effect:
        case ListPage(resource_version=version, limit=limit, continue_token=token):
            at = "any version" if version is None else f"at {version}"
            return f"list {at}, {limit or 'unlimited'}" + (f", page {token}" if token else "")
        case Replace(resource_version=version):
            return f"replace by version {version}"
        case Watch(resource_version=version, timeout_s=timeout_s):
            return f"watch from {version} for {timeout_s:g} s"
        case Sleep(delay_s=delay_s, error=error):
            return f"sleep {delay_s:g} s: {error}"


@pytest.mark.parametrize("path", transcripts("reflector"), ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    check_transcript(path, Session().execute)
