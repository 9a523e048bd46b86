"""Runs a program for what it prints: bounded in time and in output, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import termios
import threading
from collections.abc import Generator, Mapping, Sequence
from typing import Self

from kubeprims.errors import KubeprimsError
from kubeprims.threads import Cancel, Deadline

OUTPUT_BYTES_MAX = 1 << 20
"""What a program may print, in bytes; it is ended if it prints more."""

_EXIT_S_MAX = 5.0
_CHUNK_BYTES = 64 << 10
_POLL_S_MAX = 86_400.0  # the system counts milliseconds, and not for ever


class ProgramError(KubeprimsError):
    """A program did not do its work; the text says why, and never holds what it printed."""


def run_program(
    argv: Sequence[str], *, env: Mapping[str, str], stdin: int | None, timeout_s: float, cancel: Cancel
) -> bytes:
    """Run a program to its end, and return what it wrote to its standard output.

    What it writes to its standard error goes where ours goes.

    Args:
        argv: The program's path and its arguments.
        env: Its whole environment.
        stdin: The terminal that it may ask, a file descriptor. None: it has no terminal at all, neither as standard
            input nor by opening one, and runs in a session of its own.
        timeout_s: How long it may take, in seconds.
        cancel: Ends it early.

    Raises:
        ProgramError: It cannot be started, ran too long, printed too much, was cancelled, or failed. If it had to be
            ended, so was all that it had started; with a terminal it alone.

    Concurrency:
        Blocks the calling thread.
    """
    deadline = Deadline.after(timeout_s)
    terminal = None if stdin is None else _Terminal(stdin)
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own configuration names it, and no shell is in between
            argv,
            env=env,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            start_new_session=stdin is None,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a NUL in an argument or the environment"
        message = f"cannot be started: {reason}"
        raise ProgramError(message) from None
    assert process.stdout is not None
    with process.stdout:
        try:
            output = _listen_to(process, process.stdout.fileno(), deadline=deadline, cancel=cancel)
            _await_exit(process)
        except BaseException:
            _kill(process, has_session=stdin is None)
            if terminal is not None:
                terminal.restore()
            raise
    if process.returncode < 0:
        message = f"was ended by {_signal_name(-process.returncode)}"
        raise ProgramError(message)
    if process.returncode:
        message = f"failed with exit code {process.returncode}"
        raise ProgramError(message)
    return output


def _listen_to(process: subprocess.Popen[bytes], stdout: int, *, deadline: Deadline, cancel: Cancel) -> bytes:
    try:
        return _read(process, stdout, deadline=deadline, cancel=cancel)
    except OSError as error:  # no descriptor is left, as a rule
        raise ProgramError(f"cannot be listened to: {error.strerror}") from None


def _read(process: subprocess.Popen[bytes], stdout: int, *, deadline: Deadline, cancel: Cancel) -> bytes:
    """Return what is printed until the program ends, even where something that it started keeps the pipe open."""
    output = bytearray()
    with _exit_of(process) as exited, _Bell(cancel) as bell:
        poll = _poll_of(stdout, exited, bell.fileno())
        while True:
            remaining_s = min(max(0.0, deadline.remaining_s()), _POLL_S_MAX)
            ready = {file for file, _ in poll.poll(remaining_s * 1000)}
            if bell.fileno() in ready:
                message = "was ended, since nobody waits for it any more"
                raise ProgramError(message)
            if not ready and deadline.has_passed:
                message = "did not end in time, and was ended"
                raise ProgramError(message)
            if stdout in ready:
                chunk = os.read(stdout, _CHUNK_BYTES)
                output += chunk
                if len(output) > OUTPUT_BYTES_MAX:
                    message = f"printed more than {OUTPUT_BYTES_MAX} bytes, and was ended"
                    raise ProgramError(message)
                if chunk:
                    continue
                poll.unregister(stdout)
            if exited < 0 or exited in ready:
                return bytes(output)


@contextlib.contextmanager
def _exit_of(process: subprocess.Popen[bytes]) -> Generator[int]:
    """Give a descriptor that has something to read once the program has ended; -1 where there is none.

    The end of the output is all there is then: on other systems, on kernels before 5.3, and where a sandbox forbids it.
    """
    descriptor = -1
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _poll_of(*descriptors: int) -> select.poll:
    poll = select.poll()
    for descriptor in descriptors:
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    return poll


class _Bell:
    """Wakes a ``poll`` when a latch is set: one end of a pair of sockets, which has something to read then.

    Concurrency:
        The latch may be set on any thread, also while this is closed: a descriptor that the system has given to
        somebody else meanwhile is never written to.
    """

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self._reader, self._writer = socket.socketpair()
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._reader.fileno()

    def _ring(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # closed: nobody listens any more
            self._writer.send(b"!")

    def __enter__(self) -> Self:
        self._forget = self._cancel.add_callback(self._ring)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._forget()
        with self._lock:
            self._writer.close()
        self._reader.close()


class _Terminal:
    """How a terminal was set before a program got it: one that had to be ended may have been reading a password."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._settings = None
        with contextlib.suppress(termios.error):  # no terminal
            self._settings = termios.tcgetattr(descriptor)

    def restore(self) -> None:
        """Set it as it was, unless others have it by now: the system would stop us for that."""
        try:
            is_ours = os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # not the one that we were started from
            is_ours = True
        if is_ours and self._settings is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._settings)


def _await_exit(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_EXIT_S_MAX)
    except subprocess.TimeoutExpired:  # pragma: no cover - other systems: elsewhere it has ended by now
        message = "closed its output and did not end, and was ended"
        raise ProgramError(message) from None


def _kill(process: subprocess.Popen[bytes], *, has_session: bool) -> None:
    # Nobody else reaps it, so its number, and that of the group that it leads, are still its own.
    if has_session:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
