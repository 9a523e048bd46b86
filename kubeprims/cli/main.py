"""The command line: ``python -m kubeprims COMMAND``.

Every failure ends as one line on standard error, never as a traceback: exit code 1 for a failure, 2 for a wrong call,
0 when it ended by itself or by ``--for``. Ctrl-C is the usual end of commands that go on for ever, so that is 0 too; of
one that it kept from its end the exit code is 130.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO, cast

from kubeprims.cli import apiserver, apply, delete, demo, elect, get, watch
from kubeprims.cli.failures import report
from kubeprims.cli.options import Subparsers
from kubeprims.cli.printing import one_line
from kubeprims.errors import InvalidArgument, KubeprimsError
from kubeprims.threads import Cancel
from kubeprims.version import __version__

Command = Callable[[argparse.Namespace, Cancel], int | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = build_parser().parse_args(arguments)
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    logging.basicConfig(level=logging.ERROR, handlers=[handler])  # the screen shows what goes wrong
    out: TextIO = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        # A name that the terminal cannot show is no failure.
        cast("io.TextIOWrapper", out).reconfigure(errors="backslashreplace")
    cancel = Cancel()
    command: Command = options.run
    interrupted: int = options.interrupted
    try:
        with ended_by_signals(None if interrupted else cancel):
            return command(options, cancel) or 0
    except KeyboardInterrupt:
        return interrupted
    except BrokenPipeError:
        # The reader has gone (``| head``). Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 0
    except UnicodeEncodeError:
        report(InvalidArgument("an argument is not UTF-8"))
        return 1
    except (KubeprimsError, OSError) as error:
        if cancel.is_set:
            return interrupted
        report(error)
        return 1


class _OneLine(logging.Formatter):
    """Writes a message as one line, which cannot steer a terminal, whatever a server has put into it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's
        return one_line(record.message)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="kubeprims", description="client-go's primitives for Python")
    parser.set_defaults(interrupted=0)
    parser.add_argument("--version", action="version", version=f"kubeprims {__version__}")
    commands: Subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (get, watch, apply, delete, demo, elect, apiserver):
        command.add_command(commands)
    return parser


@contextmanager
def ended_by_signals(cancel: Cancel | None) -> Generator[None]:
    """Set ``cancel`` on SIGINT and SIGTERM, and interrupt on a second one; without a ``cancel`` on the first."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if cancel is None or cancel.is_set:
            raise KeyboardInterrupt
        cancel.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
