"""Programs that are run for what they print: ended with all that they started, whatever they do."""

from __future__ import annotations

import errno
import math
import os
import pathlib
import pty
import select
import signal
import socket
import sys
import termios
import threading

import pytest

from kubeprims.threads import Cancel, Deadline, ThreadGroup
from kubeprims.transport.program import ProgramError, run_program
from tests.transport.peer import WAIT_S
from tests.waiting import eventually

HIDES_WHAT_IS_TYPED = """
import signal, termios
settings = termios.tcgetattr(0)
settings[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, settings)
signal.pause()
"""


def run(code: str, *, timeout_s: float = WAIT_S, cancel: Cancel | None = None, stdin: int | None = None) -> bytes:
    return run_program(
        (sys.executable, "-IS", "-c", code),
        env={"A": "b"},
        stdin=stdin,
        timeout_s=timeout_s,
        cancel=cancel or Cancel(),
    )


def ends(fifo: int) -> bool:
    """Whether nobody holds the other end any more, soon."""
    while select.select([fifo], [], [], WAIT_S)[0]:
        if not os.read(fifo, 100):
            return True
    return False


def test_what_is_printed_comes_back_whole() -> None:
    assert run("import os; print(os.environ['A'], os.environ.get('HOME'))") == b"b None\n"
    assert len(run("print('x' * 1000000, end='')")) == 1_000_000
    assert run("import os; os.close(1)") == b""


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("raise SystemExit(3)", "failed with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("import os; os.kill(os.getpid(), 40)", "was ended by signal 40"),
        ("while True: print('x' * 100000)", "printed more than"),
        ("open('/dev/tty')", "failed with exit code 1"),
        ("import sys; raise SystemExit(1 if sys.stdin.read() == '' else 2)", "exit code 1"),
    ],
)
def test_a_failure_is_named(code: str, what: str) -> None:
    with pytest.raises(ProgramError, match=what):
        run(code)


def test_what_cannot_be_started_is_named(tmp_path: pathlib.Path) -> None:
    for argv, what in (((str(tmp_path / "none"),), "No such file"), (("/bin/sh", "a\0b"), "a NUL")):
        with pytest.raises(ProgramError, match=f"cannot be started: {what}"):
            run_program(argv, env={}, stdin=None, timeout_s=1, cancel=Cancel())


def test_at_the_time_limit_all_that_it_started_is_ended(tmp_path: pathlib.Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        hanging = f"import os; f = open({str(fifo)!r}, 'w'); os.set_inheritable(f.fileno(), True); f.write('x')"
        code = f"{hanging}; f.flush(); os.system('while :; do read line < /dev/zero; done')"
        with pytest.raises(ProgramError, match="did not end in time"):
            run(code, timeout_s=1.0)
        assert ends(reader)
    finally:
        os.close(reader)


def test_what_it_leaves_behind_with_the_pipe_open_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"
    # The child would keep standard output open for ten minutes.
    code = f"""
import os
print('done', flush=True)
child = os.fork()
if child:
    open({str(pid)!r}, 'w').write(str(child))
else:
    import signal
    signal.alarm(600)
    signal.pause()
"""
    try:
        assert run(code) == b"done\n"
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_a_system_that_does_not_watch_processes_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert run("print('done')") == b"done\n"
    with pytest.raises(ProgramError, match="did not end in time"):
        run("import signal; signal.pause()", timeout_s=0.2)


def test_it_is_ended_where_no_descriptor_is_left_to_listen_by(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", refuse)
    with pytest.raises(ProgramError, match="cannot be listened to: Too many open files"):
        run("import signal; signal.pause()")


def test_a_time_limit_may_be_for_ever() -> None:
    for timeout_s in (math.inf, 1e12):
        assert run("print('done')", timeout_s=timeout_s) == b"done\n"


def test_it_is_ended_when_nobody_waits_any_more() -> None:
    cancel = Cancel()
    timer = threading.Timer(0.2, cancel.set)
    timer.start()
    with pytest.raises(ProgramError, match="nobody waits"):
        run("import signal; signal.pause()", cancel=cancel)
    timer.join()
    with pytest.raises(ProgramError, match="nobody waits"):
        run("import signal; signal.pause()", cancel=cancel)


def test_it_may_ask_at_a_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"jane\n")
        assert run("import sys; print(sys.stdin.isatty(), input())", stdin=theirs) == b"True jane\n"
        with pytest.raises(ProgramError, match="did not end in time"):
            run("input()", stdin=theirs, timeout_s=0.5)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_is_left_as_it_was_by_a_program_that_had_to_be_ended() -> None:
    ours, theirs = pty.openpty()
    cancel = Cancel()
    threads = ThreadGroup("test")

    def has_echo() -> bool:
        return bool(termios.tcgetattr(theirs)[3] & termios.ECHO)

    def end_it_while_it_reads_a_password() -> None:
        eventually(lambda: not has_echo(), WAIT_S, "a terminal without echo")
        cancel.set()

    try:
        threads.spawn(end_it_while_it_reads_a_password, name="end")
        with pytest.raises(ProgramError, match="nobody waits"):
            run(HIDES_WHAT_IS_TYPED, stdin=theirs, cancel=cancel)
        assert has_echo()
        assert threads.join(Deadline.after(WAIT_S)) == ()
    finally:
        os.close(ours)
        os.close(theirs)
