"""``kubeprims apiserver``: the embedded API server, for kubectl and for programs under test."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kubeprims.cli.duration import parse_duration_s
from kubeprims.cli.options import Subparsers
from kubeprims.testing import APIServer
from kubeprims.testing.apiserver.auth import User
from kubeprims.threads import Cancel


def add_command(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("apiserver", help="serve the embedded API server and write a kubeconfig for it")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: a free one)")
    parser.add_argument("--tls", action="store_true", help='serve https; needs the extra "testing"')
    parser.add_argument("--token", help="ask for this bearer token; needs --tls, as tokens do not travel in the clear")
    parser.add_argument("--kubeconfig", type=Path, default=Path("kubeprims.kubeconfig"), metavar="FILE")
    parser.add_argument("--for", dest="for_s", type=parse_duration_s, metavar="TIME", help="end after 10s, 5m, ...")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, cancel: Cancel) -> None:
    """Serve until cancelled, or for the time that was asked for."""
    tokens = {options.token: User("admin", ("system:masters",))} if options.token else None
    with APIServer(host=options.host, port=options.port, tls=options.tls, tokens=tokens) as server:
        server.write_kubeconfig(options.kubeconfig)
        sys.stdout.write(f"serving {server.url}\nexport KUBECONFIG={options.kubeconfig.resolve()}\n")
        sys.stdout.flush()
        cancel.wait(options.for_s)
        sys.stdout.write(f"served {len(server.requests)} requests\n")
