"""The reflector machine as transcripts: whole failures, read from top to bottom.

Commands: ``start`` (``start lists`` without watch-lists), ``marker VERSION`` (the end of the initial events),
``breaks-off [ERROR] [after SECONDS]`` (a watch-list), ``page VERSION [TOKEN]``, ``list-fails ERROR``, ``replaced``,
``events VERSION``, ``bookmark VERSION``, ``ends [ERROR] [after SECONDS]``, ``probed VERSION``, ``probe-fails ERROR``,
``slept``; several on a line with ``;`` between. Errors: ``410``, ``429``, ``429/30`` (Retry-After), ``500``, ``403``,
``refused``, ``reset``, ``idle``, ``garbage``.
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
    WatchIdle,
    status_error_class,
)
from kubeprims.informer.effects import Effect, Follow, ListPage, Probe, Replace, Sleep, Watch, WatchList
from kubeprims.informer.machine import ReflectorMachine, ReflectorOptions
from tests.transcripts.runner import check_transcript, transcripts


class NoJitter:
    def random(self) -> float:
        return 0.0


class Session:
    """One machine, and the time that passes while it sleeps and watches."""

    def __init__(self) -> None:
        self.machine = ReflectorMachine(ReflectorOptions(), rng=NoJitter())
        self.now_s = 0.0

    def execute(self, line: str) -> Iterator[str]:
        for command in line.split(";"):
            name, *arguments = command.split()
            effect = self._play(name, arguments)
            if effect is None:
                yield f"version {self.machine.last_resource_version}, silent for {self.machine.idle_s:g} s at most"
                continue
            if isinstance(effect, Sleep):
                self.now_s += effect.delay_s
            yield describe(effect)

    def _play(self, name: str, arguments: list[str]) -> Effect | None:
        machine = self.machine
        match name, arguments:
            case "start", ["lists"]:
                self.machine = ReflectorMachine(ReflectorOptions(watch_list=False), rng=NoJitter())
                return self.machine.start()
            case "start", []:
                return machine.start()
            case "replaced", []:
                return machine.on_replaced()
            case "slept", []:
                return machine.on_slept()
            case "events" | "bookmark", [version]:
                machine.on_events(count=1, resource_version=version, bookmarks=int(name == "bookmark"))
                return None
            case "marker", [version]:
                return machine.on_initial_events_end(resource_version=version)
            case "page", [version, *token]:
                return machine.on_page(resource_version=version, continue_token="".join(token))
            case "probed", [version]:
                return machine.on_probed(resource_version=version)
        return self._fail(name, arguments)

    def _fail(self, name: str, arguments: list[str]) -> Effect:
        machine = self.machine
        lasted_s: float | None = None
        if "after" in arguments:
            *arguments, _, seconds = arguments
            lasted_s = float(seconds)
            self.now_s += lasted_s
        error = make_error(*arguments) if arguments else None
        match name, error:
            case "breaks-off", _:
                return machine.on_watch_list_ended(error, lasted_s=lasted_s)
            case "ends", _:
                return machine.on_watch_ended(error, lasted_s=lasted_s, now_s=self.now_s)
            case "list-fails", KubeprimsError():
                return machine.on_list_failed(error)
            case "probe-fails", KubeprimsError():
                return machine.on_probe_failed(error)
        raise ValueError(f"no such command: {name} {arguments}")


def make_error(text: str) -> KubeprimsError:
    match text:
        case "refused":
            return ConnectError("refused")
        case "reset":
            return ConnectionLost("reset")
        case "idle":
            return WatchIdle("silent")
        case "garbage":
            return DecodeError("garbage")
    code, _, retry_after_s = text.partition("/")
    kind: type[StatusError] = status_error_class(int(code), "")
    return kind("no", code=int(code), retry_after_s=float(retry_after_s) if retry_after_s else None)


def describe(effect: Effect) -> str:
    match effect:
        case WatchList(resource_version=version, timeout_s=timeout_s, deadline_s=deadline_s):
            at = "any version" if version is None else f"{version} or newer"
            return f"watch-list at {at} for {timeout_s:g} s, complete in {deadline_s:g} s"
        case ListPage(resource_version=version, limit=limit, continue_token=token):
            at = "any version" if version is None else f"at {version}"
            return f"list {at}, {limit or 'unlimited'}" + (f", page {token}" if token else "")
        case Replace(resource_version=version):
            return f"replace by version {version}"
        case Watch(resource_version=version, timeout_s=timeout_s):
            return f"watch from {version} for {timeout_s:g} s"
        case Follow():
            return "go on with the watch-list"
        case Probe():
            return "probe"
        case Sleep(delay_s=delay_s, error=error):
            return f"sleep {delay_s:g} s: {error}"


@pytest.mark.parametrize("path", transcripts("reflector"), ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    check_transcript(path, Session().execute)
