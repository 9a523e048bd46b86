"""Processes that answer each line with a line of JSON: the server and the peers."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
from types import TracebackType
from typing import Self

from benchmarks.peers.catalogue import ROOT


class Died(Exception):
    """A process ended, or was too slow, before it answered; the text says what it wrote last."""


class Process:
    """One process, spoken to line by line."""

    def __init__(self, words: list[str], *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # reading says what happened
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def read(self) -> dict[str, object]:
        """Return the next answer.

        Raises:
            Died: There is none.
        """
        assert self._process.stdout is not None
        timer = threading.Timer(self._timeout_s, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:  # else a benchmark that is told to end waits for its timer
            timer.cancel()
        if not line:
            raise Died(self._last_words())
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def ask(self, line: str) -> dict[str, object]:
        self.tell(line)
        return self.read()

    def order(self, do: str, **facts: object) -> dict[str, object]:
        return self.ask(json.dumps({"do": do, **facts}))

    def memory_kb(self, field: str) -> int:
        """Return ``VmRSS`` (now) or ``VmHWM`` (the most so far), in KiB."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:"))

    def _last_words(self) -> str:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return f"no answer in {self._timeout_s:g} s"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"ended with {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
