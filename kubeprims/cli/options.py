"""What the commands share: their options, and the client that those describe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from kubeprims.cli.printing import one_line
from kubeprims.client.client import Client
from kubeprims.client.options import ALL_NAMESPACES, NamespaceOption
from kubeprims.transport.config import TransportConfig
from kubeprims.transport.transport import Transport
from kubeprims.transport.warnings import ServerWarning

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C kept from its end: 128 and the number of SIGINT."""


class Subparsers(Protocol):
    """Takes in commands: what argparse's ``add_subparsers`` returns, whose own type is private."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002 - argparse's name
        """Return the parser of a new command."""
        ...


def add_namespace_options(parser: argparse.ArgumentParser, *, all_namespaces: bool = True) -> None:
    """Add -n and, unless told otherwise, -A."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", help="only this namespace (default: the context's)")
    if all_namespaces:
        where.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")


def add_selector_options(parser: argparse.ArgumentParser) -> None:
    """Add -l and --field-selector."""
    parser.add_argument("-l", "--selector", default="", metavar="LABELS", help="only objects with such labels: app=web")
    parser.add_argument("--field-selector", default="", metavar="FIELDS", help="spec.nodeName=node-7")


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add --kubeconfig and --context."""
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, ~/.kube/config, or in-cluster")
    parser.add_argument("--context", help="a context of the kubeconfig (default: its current one)")


def add_file_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add -f and -R."""
    parser.add_argument(
        "-f",
        "--filename",
        dest="files",
        action="append",
        default=[],
        required=required,
        metavar="FILE",
        help="a YAML or JSON file, a folder of such, or - for standard input; may be given again",
    )
    parser.add_argument("-R", "--recursive", action="store_true", help="folders within folders as well")


def add_dry_run_option(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run."""
    parser.add_argument("--dry-run", choices=["server"], help="have the server do everything but keep the result")


@contextmanager
def open_client(options: argparse.Namespace) -> Generator[Client]:
    """Give a client as the options describe it; warnings go to standard error.

    Raises:
        ConfigError: The configuration is missing or malformed.
    """
    config = replace(
        TransportConfig.from_config(options.kubeconfig, context=options.context), warning_handler=print_warning
    )
    with Transport(config) as transport, Client(transport) as client:
        yield client


def print_warning(warning: ServerWarning) -> None:
    """Write what the server warns of to standard error."""
    sys.stderr.write(f"Warning: {one_line(warning.text)}\n")


def namespace_of(options: argparse.Namespace) -> NamespaceOption:
    """Return what -n and -A say."""
    if getattr(options, "all_namespaces", False):
        return ALL_NAMESPACES
    namespace: str | None = options.namespace
    return namespace
