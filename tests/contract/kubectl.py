"""kubectl as a second judge: commands of a user, and what they print and end with, on either server."""

from __future__ import annotations

import difflib
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.backends import Backend
from tests.contract.exchange import ContractBroken
from tests.contract.recording import load_steps, recording_path, save_steps

TIMEOUT_S = 30.0
_KUBECTL = shutil.which("kubectl") or ""
NAME = "kubectl/kubectl_sees_no_difference"

_REPLACEMENTS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    (re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\b\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}"), "<time>"),
    (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4}"), "<time>"),
    (re.compile(r"\S+/(LIVE|MERGED)-\d+/"), r"<\1>/"),
    # In words of Go's types, which are those of the real server's own structures.
    (re.compile(r'(?<=Invalid value: ")(?:\{|map\[)(?:[^"\\]|\\.)*(?=")'), "<the object>"),
    (re.compile(r"\b127\.0\.0\.1:\d+\b"), "<address>"),
    (re.compile(r"\b10\.0\.0\.\d{1,3}\b"), "<cluster IP>"),
    (re.compile(r"(resourceVersion\"?: \")\d+\""), r'\1<rv>"'),
    (re.compile(r"(?<=\s)\d+(\.\d+)?(s|m|m\d+s)(?=\s|$)"), "<age>"),
    (re.compile(r"(nodePort: |:)3[0-2]\d{3}\b"), r"\1<node port>"),
)
_COLUMN_GAP = re.compile(r"(?<=\S) {2,}")


def normal(text: str) -> list[str]:
    """Return the lines of an output without what chance and time decide; gaps between columns are two blanks wide."""
    for pattern, symbol in _REPLACEMENTS:
        text = pattern.sub(symbol, text)
    return [_COLUMN_GAP.sub("  ", line).rstrip() for line in text.splitlines()]


@functools.cache
def kubectl_minor() -> str:
    """Return the version of the kubectl that is installed, as in ``1.32``; empty if there is none."""
    if not _KUBECTL:
        return ""
    answer = subprocess.run(
        [_KUBECTL, "version", "--client", "-o", "json"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    version = json.loads(answer.stdout)["clientVersion"]
    return f"{version['major']}.{version['minor']}"


def recorded_minor() -> str:
    """Return the version of the kubectl that the recording was made with; empty if there is no recording."""
    if not recording_path(NAME).exists():
        return ""
    return str(load_steps(NAME)[0]["kubectl"])


class Session:
    """One user's commands, in order, each of whose outputs is compared with that of a real server.

    Attributes:
        differences: What was different.
    """

    def __init__(
        self, backend: Backend, folder: pathlib.Path, *, expected: list[JSONObject], is_recording: bool = False
    ) -> None:
        """Prepare a session.

        Args:
            backend: The server.
            folder: Where kubectl keeps what it keeps; nothing of the user's own is touched.
            expected: The recorded steps.
            is_recording: Keep the outputs instead of comparing them.
        """
        self.differences: list[str] = []
        self._backend = backend
        self._folder = folder
        self._kubeconfig = backend.write_kubeconfig(folder / "kubeconfig")
        self._expected = expected
        self._is_recording = is_recording
        self._steps: list[JSONObject] = [{"kubectl": kubectl_minor()}]

    def __call__(self, command: str, stdin: str = "", *, editor: str = "") -> str:
        """Run ``kubectl`` with the words of a command, compare what it says, and return its output as it is.

        Args:
            command: The arguments; a word in single quotes may hold blanks.
            stdin: What it reads.
            editor: A shell command that changes the file it is given; for ``edit``.
        """
        words = [first or second for first, second in re.findall(r"'([^']*)'|(\S+)", command)]
        environment = {
            "HOME": str(self._folder),
            "KUBECONFIG": str(self._kubeconfig),
            "PATH": os.environ["PATH"],
            "KUBE_EDITOR": editor,
            "LANG": "C",
        }
        answer = subprocess.run(
            [_KUBECTL, *words],
            input=stdin,
            env=environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        step: JSONObject = {"command": command, "exit": answer.returncode}
        for name, text in (("stdout", answer.stdout), ("stderr", answer.stderr)):
            if text:
                step[name] = cast("JSONValue", normal(text.replace(str(self._folder), "<folder>")))
        self._compare(step)
        return answer.stdout

    def _compare(self, step: JSONObject) -> None:
        number = len(self._steps)
        self._steps.append(step)
        if self._is_recording:
            return
        expected = self._expected[number] if number < len(self._expected) else {}
        if step != expected:
            lines = difflib.unified_diff(_lines(expected), _lines(step), "a real server", "this one", lineterm="", n=2)
            self.differences.append(f"step {number}: kubectl {step['command']}\n" + "\n".join(lines))

    def finish(self) -> None:
        """Keep what was recorded, or say what was different.

        Raises:
            ContractBroken: Something was.
        """
        if self._is_recording:
            save_steps(NAME, self._steps)
            return
        if len(self._expected) > len(self._steps):
            self.differences.append(f"{len(self._expected) - len(self._steps)} more steps are recorded")
        if self.differences:
            message = f"kubectl on {self._backend.name}, {len(self.differences)} commands:\n"
            raise ContractBroken(message + "\n\n".join(self.differences))


def _lines(step: JSONObject) -> list[str]:
    lines = [f"exit: {step.get('exit')}"]
    for name in ("stdout", "stderr"):
        texts = step.get(name)
        lines += [f"{name}: {line}" for line in texts] if isinstance(texts, list) else []
    return lines
