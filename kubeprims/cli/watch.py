"""``kubeprims watch``: an informer on any resource of any cluster, shown live."""

from __future__ import annotations

import argparse
import sys

from kubeprims.cli.activity import Activity
from kubeprims.cli.duration import parse_duration_s
from kubeprims.cli.options import Subparsers, add_cluster_options, add_namespace_options, add_selector_options
from kubeprims.cli.references import parse_references
from kubeprims.cli.screen import Screen
from kubeprims.client.api import check_name
from kubeprims.client.client import Client
from kubeprims.client.options import joined_selectors
from kubeprims.clock import SystemClock
from kubeprims.errors import CacheSyncTimeout, InvalidArgument
from kubeprims.informer.factory import SharedInformerFactory
from kubeprims.informer.shared import SharedInformer
from kubeprims.threads import Cancel


def add_command(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("watch", help="keep a copy of a resource and show what happens to it")
    parser.add_argument("resource", help="pods, po, deploy, widgets.example.com, apps/v1/deployments, or pod/web-0")
    add_namespace_options(parser)
    add_selector_options(parser)
    add_cluster_options(parser)
    parser.add_argument("--for", dest="for_s", type=parse_duration_s, metavar="TIME", help="end after 10s, 5m, ...")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, cancel: Cancel) -> None:
    """Watch until cancelled, or for the time that was asked for."""
    references = parse_references([options.resource])
    if len(references) > 1:
        raise InvalidArgument(f"one resource is watched at a time, not {options.resource!r}")
    reference = references[0]
    by_name = f"metadata.name={check_name(reference.name)}" if reference.name else ""
    with Client.from_config(options.kubeconfig, context=options.context) as client:
        detach = cancel.add_callback(client.close)  # a look-up under way ends at once
        try:
            resource = client.resource(reference.resource)
            namespace = options.namespace
            if resource.namespaced and namespace is None and not options.all_namespaces:
                namespace = client.namespace
        finally:
            detach()
        with SharedInformerFactory(client) as informers:
            informer = informers.informer(
                str(resource.gvr),
                namespace=namespace,
                label_selector=options.selector,
                field_selector=joined_selectors(options.field_selector, by_name),
            )
            where = f" in {namespace}" if namespace else ""
            show(informer, cancel, title=f"{resource.gvr}{where} at {client.server}", for_s=options.for_s)


def show(
    informer: SharedInformer, cancel: Cancel, *, title: str, for_s: float | None, plain_events: bool = True
) -> None:
    """Start an informer and show it until cancelled; then stop it.

    Raises:
        CacheSyncTimeout: It had not synced when the time was over.
    """
    clock = SystemClock()
    activity = Activity(clock=clock)
    informer.add_event_handler(on_event=activity.on_event, name="screen")
    screen = Screen(informer, activity, title=title, out=sys.stdout, clock=clock, plain_events=plain_events)
    with informer:
        screen.run(cancel, for_s=for_s)
        if for_s is not None and not informer.has_synced and not cancel.is_set:
            raise CacheSyncTimeout([(informer.name, str(informer.last_error or ""))], timeout_s=for_s)
