"""The command line: ``python -m kubeprims COMMAND``.

Every failure ends as one line on standard error, never as a traceback: exit code 1 for a failure, 2 for a wrong call,
0 when it ended by itself, by ``--for``, or by Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType

from kubeprims.cli import apiserver, demo, watch
from kubeprims.cli.screen import printable
from kubeprims.errors import KubeprimsError
from kubeprims.threads import Cancel
from kubeprims.version import __version__

Command = Callable[[argparse.Namespace, Cancel], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(message)s")  # the screen shows what goes wrong
    cancel = Cancel()
    try:
        with cancelled_by_signals(cancel):
            command: Command = options.run
            command(options, cancel)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # The reader has gone (``| head``). Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KubeprimsError as error:
        if cancel.is_set:
            return 0
        sys.stderr.write(f"error: {printable(str(error))}\n")
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="kubeprims", description="client-go's primitives for Python")
    parser.add_argument("--version", action="version", version=f"kubeprims {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    demo.add_command(commands)
    watch.add_command(commands)
    apiserver.add_command(commands)
    return parser


@contextmanager
def cancelled_by_signals(cancel: Cancel) -> Generator[None]:
    """Set ``cancel`` on SIGINT and SIGTERM; a second one interrupts as usual."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if cancel.is_set:
            raise KeyboardInterrupt
        cancel.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
