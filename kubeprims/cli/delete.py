"""``kubeprims delete``: objects by name, by file or by selector, gone when it returns."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from kubeprims.cli.duration import parse_duration_s
from kubeprims.cli.failures import Failures
from kubeprims.cli.manifests import read_manifests
from kubeprims.cli.options import (
    INTERRUPTED,
    Subparsers,
    add_cluster_options,
    add_dry_run_option,
    add_file_options,
    add_namespace_options,
    add_selector_options,
    namespace_of,
    open_client,
)
from kubeprims.cli.printing import printable, type_name
from kubeprims.cli.references import parse_references
from kubeprims.client.bodies import identity
from kubeprims.client.client import Client
from kubeprims.client.conditions import deleted
from kubeprims.client.options import ALL_NAMESPACES, Preconditions, PropagationPolicy
from kubeprims.client.resource import Resource
from kubeprims.errors import InvalidArgument, NotFound
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel

WAIT_TIMEOUT_S = 60.0


def add_command(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("delete", help="delete objects, and wait until they are gone")
    parser.add_argument(
        "words", nargs="*", metavar="TYPE", help="pods web-0 web-1, or pod/web-0 deploy/web, or pods with -l or --all"
    )
    add_file_options(parser, required=False)
    add_namespace_options(parser)
    add_selector_options(parser)
    parser.add_argument("--all", action="store_true", help="every object of the type")
    parser.add_argument(
        "--wait", action=argparse.BooleanOptionalAction, default=True, help="wait until they are gone (default: yes)"
    )
    parser.add_argument(
        "--timeout",
        dest="timeout_s",
        type=parse_duration_s,
        default=WAIT_TIMEOUT_S,
        metavar="TIME",
        help="how long to wait for each (default: 60s)",
    )
    parser.add_argument(
        "--grace-period", dest="grace_period_s", type=_whole_seconds, metavar="SECONDS", help="time to end; 0: at once"
    )
    parser.add_argument(
        "--cascade",
        choices=[policy.value.lower() for policy in PropagationPolicy],
        default=PropagationPolicy.BACKGROUND.value.lower(),
        help="what becomes of the objects that they own (default: background)",
    )
    parser.add_argument("--ignore-not-found", action="store_true", help="what is not there is no failure")
    add_dry_run_option(parser)
    add_cluster_options(parser)
    parser.set_defaults(run=run, interrupted=INTERRUPTED)


def _whole_seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004 - thirty years
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds")
    return int(text)


@dataclass(frozen=True, slots=True)
class _Victim:
    """An object to delete."""

    resource: Resource
    kind: str
    name: str
    uid: str = ""


def run(options: argparse.Namespace, _cancel: Cancel) -> int:
    """Delete the objects, wait for them, and say whether all are gone."""
    failures = Failures()
    with open_client(options) as client:
        going: list[_Victim] = []
        victims = list(_victims(client, options))
        if not victims:
            sys.stderr.write("No resources found\n")
        for victim in victims:
            left = failures.attempt(partial(_delete, victim, options))
            if left is not None:
                going.append(left)
        if options.wait and not options.dry_run:
            for victim in going:
                failures.attempt(
                    partial(
                        victim.resource.wait_for,
                        victim.name,
                        deleted(victim.uid),
                        timeout_s=options.timeout_s,
                    )
                )
    return failures.exit_code


def _delete(victim: _Victim, options: argparse.Namespace) -> _Victim | None:
    """Delete an object, say so, and return what to wait for; None if it was not there."""
    try:
        answer = victim.resource.delete(
            victim.name,
            preconditions=Preconditions(uid=victim.uid) if victim.uid else None,
            grace_period_s=options.grace_period_s,
            propagation_policy=PropagationPolicy(options.cascade.capitalize()),
            dry_run=options.dry_run is not None,
        )
    except NotFound:
        if options.ignore_not_found or victim.uid:  # one that was listed has gone by itself
            return None
        raise
    done = "deleted" + (" (server dry run)" if options.dry_run else "")
    sys.stdout.write(printable(f'{type_name(victim.kind, victim.resource.gvr)} "{victim.name}" {done}') + "\n")
    sys.stdout.flush()
    return _Victim(victim.resource, victim.kind, victim.name, victim.uid or _uid_of(answer))


def _uid_of(answer: Unstructured) -> str:
    """Return the uid of the object that a deletion was answered with, or of the one that its ``Status`` tells of."""
    if answer.uid:
        return answer.uid
    details = answer.get("details")
    uid = details.get("uid") if isinstance(details, dict) else None
    return uid if isinstance(uid, str) else ""


def _victims(client: Client, options: argparse.Namespace) -> Iterator[_Victim]:
    if bool(options.words) == bool(options.files):
        raise InvalidArgument("say what to delete: a type with names, a selector or --all; or -f and a file")
    selects = bool(options.selector or options.field_selector or options.all)
    if options.files:
        if selects or options.all_namespaces:
            raise InvalidArgument("-f goes with no selector, --all or -A")
        return _from_files(client, options)
    return _from_words(client, options, selects=selects)


def _from_files(client: Client, options: argparse.Namespace) -> Iterator[_Victim]:
    for manifest in read_manifests(options.files, recursive=options.recursive):
        name, namespace = identity(manifest.obj)
        resource = client.resource_of(manifest.obj)
        if resource.namespaced:
            given: str | None = options.namespace
            if given and namespace and given != namespace:
                raise InvalidArgument(f"{manifest.source}: {name} is in the namespace {namespace!r}, not in {given!r}")
            resource = resource.within(given or namespace or None)
        yield _Victim(resource, str(manifest.obj["kind"]), name)


def _from_words(client: Client, options: argparse.Namespace, *, selects: bool) -> Iterator[_Victim]:
    references = parse_references(options.words)
    has_names = any(reference.name for reference in references)
    if has_names and (selects or options.all_namespaces):
        raise InvalidArgument("give names, or selectors and -A, not both")
    if not has_names and not selects:
        raise InvalidArgument("say which ones to delete: names, a selector, or --all")
    for name, group in groupby(references, key=lambda reference: reference.resource):
        resource = client.resource(name)
        namespace = namespace_of(options)
        if namespace is not None and resource.namespaced:
            resource = resource.within(namespace)
        kind = client.discovery.get(resource.gvr).kind
        if has_names:
            yield from (_Victim(resource, kind, reference.name) for reference in group)
        else:
            yield from _selected(resource, kind, options)


def _selected(resource: Resource, kind: str, options: argparse.Namespace) -> Iterator[_Victim]:
    # Listed to the end before the first one is deleted: pages of a list that is being emptied would expire.
    found = resource.list(label_selector=options.selector, field_selector=options.field_selector)
    for obj in found:
        own = resource.within(obj.namespace) if resource.namespace is ALL_NAMESPACES and obj.namespace else resource
        yield _Victim(own, kind, obj.name, obj.uid)
