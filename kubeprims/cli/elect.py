"""``elect``: run a command while this process leads, or say how an election stands.

Exit codes: that of the command, if it ended by itself; 0 if the election was ended by a signal and the command
followed; 3 if the term was lost; 4 if the command did not end when it was told to, and was killed; 1 and 2 as for all
commands.

The command runs in a process group of its own. Signals go to all of it, and the lock is kept until nothing of it runs,
also if the command ends by itself and leaves something behind.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from typing import TextIO

from kubeprims.cli.duration import parse_duration_s
from kubeprims.cli.options import INTERRUPTED, Subparsers, add_cluster_options, add_namespace_options, open_client
from kubeprims.cli.printing import printable
from kubeprims.cli.process_group import ProcessGroup, either
from kubeprims.clock import SystemClock
from kubeprims.errors import InvalidArgument, NotFound
from kubeprims.leaderelection.config import LEASE_DURATION_S, RENEW_DEADLINE_S, RETRY_PERIOD_S, ElectionConfig
from kubeprims.leaderelection.effects import EndReason
from kubeprims.leaderelection.elector import LeaderElector
from kubeprims.leaderelection.explain import explain_config, explain_lock
from kubeprims.leaderelection.lock import ResourceLock
from kubeprims.leaderelection.observed import ObservedLock
from kubeprims.leaderelection.resource_lock import RESOURCE_LOCKS, resource_lock
from kubeprims.leaderelection.term import Term
from kubeprims.threads import Cancel

LOST = 3
"""The exit code when the term was lost."""

KILLED = 4
"""The exit code when the command had to be killed."""

GRACE_S = 30.0
"""How long a command may take to end when it is told to, in seconds, as long as nobody else may lead meanwhile."""

_REAP_S = 5.0


def add_command(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("elect", help="run a command while this process leads")
    parser.add_argument(
        "--lock", choices=RESOURCE_LOCKS, default="leases", help="the kind of the lock (default: leases)"
    )
    parser.add_argument("--name", required=True, help="the lock's name")
    parser.add_argument("--identity", help="who this is; unique (default: the host's name and a random number)")
    parser.add_argument("--explain", action="store_true", help="say who leads and what the times mean, and run nothing")
    times = (
        ("lease-duration", LEASE_DURATION_S),
        ("renew-deadline", RENEW_DEADLINE_S),
        ("retry-period", RETRY_PERIOD_S),
    )
    for name, default in times:
        parser.add_argument(
            f"--{name}", type=parse_duration_s, default=default, metavar="TIME", help=f"default: {default:g}s"
        )
    parser.add_argument(
        "--grace", type=parse_duration_s, default=GRACE_S, metavar="TIME", help=f"between TERM and KILL: {GRACE_S:g}s"
    )
    add_namespace_options(parser, all_namespaces=False)
    add_cluster_options(parser)
    parser.add_argument("command", nargs="*", metavar="CMD", help="the command, after --")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, cancel: Cancel) -> int:
    """Run the command, or explain."""
    config = ElectionConfig(
        lease_duration_s=options.lease_duration,
        renew_deadline_s=options.renew_deadline,
        retry_period_s=options.retry_period,
    )
    if not options.explain and not options.command:
        raise InvalidArgument("say what to run while leading, after --")
    if not options.explain and shutil.which(options.command[0]) is None:
        raise InvalidArgument(f"there is no program {options.command[0]} to run while leading")
    with open_client(options) as client:
        lock = resource_lock(
            options.lock,
            client,
            namespace=options.namespace or client.namespace,
            name=options.name,
            identity=options.identity,
        )
        if options.explain:
            _explain(lock, config, cancel)
            return 0
        return _elect(lock, config, options, cancel)


def _elect(lock: ResourceLock, config: ElectionConfig, options: argparse.Namespace, cancel: Cancel) -> int:
    # Once a term is lost, the command dies before anybody else may lead: within what is left of the lease then.
    lost_grace_s = min(options.grace, (config.written_duration_s - config.renew_deadline_s) / 2)
    child = _Child(tuple(options.command), options.grace, lost_grace_s)
    logging.getLogger("kubeprims").setLevel(logging.WARNING)  # or nobody learns why it does not lead
    elector = LeaderElector(
        lock,
        on_started_leading=child.work,
        on_new_leader=_say_leader,
        config=config,
        drain_timeout_s=options.grace + lost_grace_s + 2 * _REAP_S,
    )
    try:
        result = elector.run(cancel)
    except KeyboardInterrupt:  # a second signal: at once
        child.kill()
        return INTERRUPTED
    if child.failure is not None:
        raise child.failure
    if child.was_killed:
        return KILLED
    if result.reason is EndReason.WORK_RETURNED:
        return child.exit_code
    return LOST if result.has_led and result.reason is not EndReason.STOPPED else 0


def _say_leader(identity: str) -> None:
    """Write who leads to standard error; if nobody reads that any more, or its disk is full, the command goes on."""
    stream: TextIO | None = sys.stderr  # None if it was closed when this began
    try:
        if stream is not None:
            stream.write(f"leader: {printable(identity) or 'nobody'}\n")
            stream.flush()
    except OSError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


@dataclass
class _Child:
    """The command, while it runs.

    Attributes:
        command: What to run.
        grace_s: Between TERM and KILL while the lock is still renewed, in seconds.
        lost_grace_s: The same once the term is lost.
        exit_code: How it ended by itself.
        was_killed: Whether it did not end when it was told to.
        failure: Why it cannot be run; None if it can.
    """

    command: tuple[str, ...]
    grace_s: float
    lost_grace_s: float
    exit_code: int = 0
    was_killed: bool = False
    failure: OSError | None = None
    _group: ProcessGroup | None = None

    def kill(self) -> None:
        """End it by force."""
        if self._group is not None:
            self._group.tell(signal.SIGKILL)

    def work(self, term: Term) -> None:
        """Run it until it ends, or the term does; nothing that it has started is left behind."""
        try:
            group = self._group = ProcessGroup(self.command, orphan_grace_s=self.lost_grace_s)
        except OSError as error:
            self.failure = error
            return
        either(group.ended, term.stopped).wait()
        has_ended = group.ended.is_set
        if has_ended:
            self.exit_code = group.exit_code
        group.tell(signal.SIGTERM)
        is_gone = group.wait_gone(self.grace_s, term.lost)
        if not (is_gone or (term.lost.is_set and group.wait_gone(self.lost_grace_s, Cancel()))):
            self.was_killed = not has_ended
            group.tell(signal.SIGKILL)
            group.wait_gone(_REAP_S, Cancel())
        group.close(_REAP_S)


def _explain(lock: ResourceLock, config: ElectionConfig, cancel: Cancel) -> None:
    """Look at the lock twice, a retry period apart, and say what was seen."""
    clock = SystemClock()
    observed = ObservedLock("", config)
    for look in range(2):
        try:
            observed.see(lock.get(cancel=cancel), clock.monotonic())
        except NotFound:
            observed.see_nothing()
        if look == 0 and observed.holder:
            cancel.wait(config.retry_period_s)
    for line in (*explain_lock(observed, clock.monotonic()), *explain_config(config)):
        sys.stdout.write(f"{printable(line)}\n")
