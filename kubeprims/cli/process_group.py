"""A command with all that it starts: told and ended as one, for a shell that dies leaves what it runs behind."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from kubeprims.threads import Cancel, Deadline, ThreadGroup

_LOOK_S = 0.05
_KEEPER_S = 5.0
_PROC = Path("/proc")
_SHELL = "/bin/sh"

# Told the group; then, unless it hears that all has ended, its reader has died, and the group is to go with it.
_KEEPER = """
trap '' HUP INT TERM
read -r group || exit 0
read -r ended && exit 0
kill -s TERM -- "-$group"
sleep "$0"
kill -s KILL -- "-$group"
"""


class ProcessGroup:
    """A running command, and whatever it has started that has not gone into a group of its own.

    If this process dies, even by SIGKILL, so do they: a small shell in a session of its own waits for that.

    Attributes:
        ended: Set once the command itself has ended.

    Concurrency:
        Any thread.
    """

    def __init__(self, command: tuple[str, ...], *, orphan_grace_s: float) -> None:
        """Run a command, in a session of its own: a Ctrl-C does not reach it.

        Args:
            command: What to run.
            orphan_grace_s: Between TERM and KILL if this process dies, in seconds.

        Raises:
            OSError: It cannot be run.
        """
        self.ended = Cancel()
        self._keeper: subprocess.Popen[bytes] | None = None
        with suppress(OSError):  # an image without a shell: its container ends with this process
            self._keeper = subprocess.Popen(  # noqa: S603 - our own text
                (_SHELL, "-c", _KEEPER, f"{orphan_grace_s:.3f}"),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            self._process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the user's own
        except OSError:
            self._dismiss_keeper(b"")
            raise
        self._tell_keeper(b"%d\n" % self._process.pid)
        self._reaper = ThreadGroup("command")
        self._reaper.spawn(self._reap, name="wait")

    def _reap(self) -> None:
        self._process.wait()
        self.ended.set()

    @property
    def exit_code(self) -> int:
        """How the command has ended, as a shell says it: 128 and the signal's number if one has ended it."""
        code = self._process.returncode
        return code if code >= 0 else 128 - code

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to all of them; those that are gone, or another user's, hear nothing."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    @property
    def is_running(self) -> bool:
        """Whether any of them runs; the dead do not, even if nobody has asked for their exit codes."""
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        if not (_PROC / "self").exists():
            return True
        return any(self._is_living_member(path) for path in _PROC.glob("[0-9]*/stat"))

    def _is_living_member(self, stat: Path) -> bool:
        try:
            state, _, group = stat.read_bytes().rpartition(b")")[2].split()[:3]  # see proc(5): the name may hold spaces
        except OSError:
            return False  # it has gone since
        return int(group) == self._process.pid and state not in {b"Z", b"X"}

    def wait_gone(self, timeout_s: float, until: Cancel) -> bool:
        """Wait until none of them runs (True), or ``timeout_s`` seconds have passed, or ``until`` is set (False)."""
        deadline = Deadline.after(timeout_s)
        while self.is_running:
            remaining_s = deadline.remaining_s()
            if remaining_s <= 0 or until.is_set:
                return False
            if self.ended.is_set:
                until.wait(min(remaining_s, _LOOK_S))  # nobody says when the rest has gone
            else:
                either(self.ended, until).wait(remaining_s)
        return True

    def close(self, timeout_s: float) -> None:
        """Wait until the thread that waits for the command has ended."""
        self._reaper.join(Deadline.after(timeout_s))
        self._dismiss_keeper(b"ended\n")

    def _tell_keeper(self, line: bytes) -> None:
        if self._keeper is not None and self._keeper.stdin is not None:
            with suppress(BrokenPipeError):  # somebody has killed it
                self._keeper.stdin.write(line)
                self._keeper.stdin.flush()

    def _dismiss_keeper(self, line: bytes) -> None:
        self._tell_keeper(line)
        if self._keeper is not None:
            with suppress(BrokenPipeError, subprocess.TimeoutExpired):  # somebody has stopped it
                self._keeper.communicate(timeout=_KEEPER_S)


def either(first: Cancel, second: Cancel) -> Cancel:
    """Return what is set with the first of two; both end soon."""
    found = Cancel(first)
    second.add_callback(found.set)
    return found
