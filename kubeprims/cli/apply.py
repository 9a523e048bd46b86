"""``kubeprims apply``: server-side apply of objects from files."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from kubeprims.cli.failures import Failures
from kubeprims.cli.manifests import Manifest, read_manifests
from kubeprims.cli.options import (
    INTERRUPTED,
    Subparsers,
    add_cluster_options,
    add_dry_run_option,
    add_file_options,
    add_namespace_options,
    open_client,
)
from kubeprims.cli.printing import printable, qualified
from kubeprims.client.client import Client
from kubeprims.client.options import FieldValidation
from kubeprims.threads import Cancel


def add_command(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("apply", help="have the server make objects as files say (server-side apply)")
    add_file_options(parser, required=True)
    add_namespace_options(parser, all_namespaces=False)
    parser.add_argument("--field-manager", default="", metavar="NAME", help="who the fields belong to")
    parser.add_argument("--force-conflicts", action="store_true", help="take fields over from other managers")
    add_dry_run_option(parser)
    add_cluster_options(parser)
    parser.set_defaults(run=run, interrupted=INTERRUPTED)


def run(options: argparse.Namespace, _cancel: Cancel) -> int:
    """Apply the objects one after the other; the exit code says whether all went well."""
    manifests = read_manifests(options.files, recursive=options.recursive)
    failures = Failures()
    with open_client(options) as client:
        for manifest in manifests:
            line = failures.attempt(partial(_apply, client, manifest, options))
            if line is not None:
                sys.stdout.write(printable(line) + "\n")
                sys.stdout.flush()
    return failures.exit_code


def _apply(client: Client, manifest: Manifest, options: argparse.Namespace) -> str:
    resource = client.resource_of(manifest.obj)
    if options.namespace is not None and resource.namespaced:
        resource = resource.within(options.namespace)
    applied = resource.apply(
        manifest.obj,
        force=options.force_conflicts,
        dry_run=options.dry_run is not None,
        field_manager=options.field_manager,
        field_validation=FieldValidation.STRICT,
    )
    done = "serverside-applied" + (" (server dry run)" if options.dry_run else "")
    return f"{qualified(str(manifest.obj['kind']), resource.gvr, applied.name)} {done}"
