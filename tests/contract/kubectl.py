"""kubectl as a second judge: commands of a user, and what they print and end with, on either server."""

from __future__ import annotations

import difflib
import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from tests.contract.backends import Backend
from tests.contract.exchange import ContractBroken
from tests.contract.known import Known
from tests.contract.recording import load_steps, recording_path, save_steps

TIMEOUT_S = 30.0
_KUBECTL = shutil.which("kubectl") or ""
NAME = "kubectl/kubectl_sees_no_difference"

# By their commands: the steps that stay different on the embedded server.
KNOWN: Mapping[str, Known] = {
    "auth can-i list pods -n shop": Known(
        reason="reviews of access are not there: who may enter may do everything",
        answer={
            "exit": 1,
            "stdout": None,
            "stderr": [
                (
                    "Error from server (NotFound): the server could not find the requested resource "
                    "(post selfsubjectaccessreviews.authorization.k8s.io)"
                )
            ],
        },
    ),
    "create -n shop -f -": Known(
        reason="for a kind that is not in OpenAPI v3 kubectl asks for v2, which is not there",
        answer={
            "stderr": [
                (
                    'error: error validating "STDIN": error validating data: failed to download openapi: the server '
                    "could not find the requested resource; if you choose to ignore these errors, turn validation "
                    "off with --validate=false"
                )
            ]
        },
    ),
}

_REPLACEMENTS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    (re.compile(r"\b20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\b\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}"), "<time>"),
    (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4}"), "<time>"),
    (re.compile(r"\S+/(LIVE|MERGED)-\d+/"), r"<\1>/"),
    # What Go's diff of two structures says comes after the rule that is broken.
    (re.compile(r"(?<=pod updates may not change fields other than )([^\n]*)\n@@ .*", re.DOTALL), r"\1"),
    # In words of Go's types, which are those of the real server's own structures.
    (re.compile(r'(?<=Invalid value: ")(?:\{|map\[)(?:[^"\\]|\\.)*(?=")'), "<the object>"),
    (re.compile(r"\b127\.0\.0\.1:\d+\b"), "<address>"),
    (re.compile(r"\b10\.0\.0\.\d{1,3}\b"), "<cluster IP>"),
    (re.compile(r"(resourceVersion\"?: \")\d+(?=\")"), r"\1<rv>"),
    (re.compile(r"(Resource Version: +)\d+$", re.MULTILINE), r"\1<rv>"),
    (re.compile(r"(nodePort\"?: |NodePort: +\S+ +|\d:)3[0-2]\d{3}\b"), r"\1<node port>"),
)
# What kubectl's own libraries log: of a watch that its deadline ends, or not, by chance.
_LOG_LINE = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ ")
_AGES = frozenset({"AGE", "LAST SEEN"})
_AGE = re.compile(r"(?:(?:\d+[smhdy])+|<invalid>)(?: (\(x\d+ over )(?:\d+[smhdy])+\))?")
_HEADER = re.compile(r"[A-Z][A-Z()/-]*(?: [A-Z()/-]+)*(?: {2,}[A-Z][A-Z()/-]*(?: [A-Z()/-]+)*)+ *")
_CELL = re.compile(r"\S+(?: \S+)*")


def normal(text: str) -> list[str]:
    """Return the lines of an output without what chance and time decide.

    In tables of objects, whose columns are as wide as what chance put there, cells are two blanks apart instead.
    """
    columns: list[tuple[int, str]] = []
    lines: list[str] = []
    for line in text.splitlines():
        if _LOG_LINE.match(line):
            continue
        if not line:
            columns = []
        elif _HEADER.fullmatch(line):
            columns = [(cell.start(), cell[0]) for cell in _CELL.finditer(line)]
        lines.append(_row(line, columns) if columns else line)
    whole = "\n".join(lines)
    for pattern, symbol in _REPLACEMENTS:
        whole = pattern.sub(symbol, whole)
    return whole.splitlines()


def _row(line: str, columns: list[tuple[int, str]]) -> str:
    """Return a line of a table, laid out anew, without its ages."""
    ends = [start for start, _ in columns[1:]] + [len(line)]
    cells: list[str] = []
    for (start, title), end in zip(columns, ends, strict=True):
        cell = line[start:end].strip()
        age = _AGE.fullmatch(cell) if title in _AGES else None
        cells.append(cell if age is None else f"<age> {age[1]}<age>)" if age[1] else "<age>")
    return "  ".join(cells).rstrip()


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
    return f"{version['major']}.{version['minor'].rstrip('+')}"


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

    def __call__(self, command: str, stdin: str = "", *, editor: str = "", keep: str = "") -> str:
        """Run ``kubectl`` with the words of a command, compare what it says, and return its output as it is.

        Args:
            command: The arguments, quoted as in a shell.
            stdin: What it reads.
            editor: A shell command that changes the file it is given; for ``edit``.
            keep: A pattern of the lines of output that are compared; all are, if it is empty.
        """
        environment = {
            "HOME": str(self._folder),
            "PATH": os.environ["PATH"],
            "KUBE_EDITOR": editor,
            "LANG": "C",
        }
        answer = subprocess.run(
            [_KUBECTL, "--kubeconfig", str(self._kubeconfig), *shlex.split(command)],
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
        if keep:
            step["stdout"] = [line for line in normal(answer.stdout) if re.fullmatch(keep, line)]
        self._compare(step)
        return answer.stdout

    def _compare(self, step: JSONObject) -> None:
        number = len(self._steps)
        self._steps.append(step)
        if self._is_recording:
            return
        expected = self._expected[number] if number < len(self._expected) else {}
        known = KNOWN.get(str(step["command"])) if self._backend.name == "embedded" else None
        if known is not None:
            assert any(expected.get(key) != value for key, value in known.answer.items()), f"no difference: {known}"
            expected = {key: value for key, value in {**expected, **known.answer}.items() if value is not None}
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
