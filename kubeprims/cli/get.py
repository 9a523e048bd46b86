"""``kubeprims get``: objects as the server prints them for people, or as JSON, YAML or names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from kubeprims.cli.failures import Failures
from kubeprims.cli.options import (
    INTERRUPTED,
    Subparsers,
    add_cluster_options,
    add_namespace_options,
    add_selector_options,
    namespace_of,
    open_client,
)
from kubeprims.cli.printing import (
    JSONListPrinter,
    ListPrinter,
    TablePrinter,
    YAMLListPrinter,
    one_line,
    printable,
    qualified,
    to_json,
    type_name,
)
from kubeprims.cli.references import parse_references
from kubeprims.client.client import Client
from kubeprims.client.options import ALL_NAMESPACES
from kubeprims.client.resource import Resource
from kubeprims.client.tables import Table
from kubeprims.errors import InvalidArgument
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel
from kubeprims.yaml_text import dump_document


def add_command(commands: Subparsers) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("get", help="show objects, in columns or whole")
    parser.add_argument(
        "words", nargs="+", metavar="TYPE", help="pods, or pods web-0 web-1, or pod/web-0 deploy/web, or pods,deploy"
    )
    add_namespace_options(parser)
    add_selector_options(parser)
    parser.add_argument("-o", "--output", choices=["wide", "name", "json", "yaml"], help="in another form")
    add_cluster_options(parser)
    parser.set_defaults(run=run, interrupted=INTERRUPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A resource and which of its objects are asked for: by name, or by selectors."""

    resource: Resource
    kind: str
    namespace: str
    names: tuple[str, ...]
    label_selector: str
    field_selector: str

    def tables(self, failures: Failures) -> Iterator[Table]:
        """Yield what there is, as tables."""
        if not self.names:
            yield from self.resource.table_pages(label_selector=self.label_selector, field_selector=self.field_selector)
        for name in self.names:
            table = failures.attempt(partial(self.resource.table, name))
            if table is not None:
                yield table

    def objects(self, failures: Failures) -> Iterator[Unstructured]:
        """Yield what there is, as objects."""
        if not self.names:
            yield from self.resource.iterate(label_selector=self.label_selector, field_selector=self.field_selector)
        for name in self.names:
            obj = failures.attempt(partial(self.resource.get, name))
            if obj is not None:
                yield obj


def run(options: argparse.Namespace, _cancel: Cancel) -> int:
    """Show what was asked for; the exit code says whether all of it was there."""
    failures = Failures()
    with open_client(options) as client:
        groups = _groups(client, options)
        match options.output:
            case "json" | "yaml":
                _show_whole(groups, failures, is_json=options.output == "json")
            case "name":
                _show_names(groups, failures)
            case _:
                _show_tables(groups, failures, is_wide=options.output == "wide")
    sys.stdout.flush()
    return failures.exit_code


def _groups(client: Client, options: argparse.Namespace) -> list[_Group]:
    references = parse_references(options.words)
    if any(reference.name for reference in references):
        if options.selector or options.field_selector:
            raise InvalidArgument("give names or selectors, not both")
        if options.all_namespaces:
            raise InvalidArgument("an object is in one namespace: give names or -A, not both")
    return [
        _group(client, options, name, tuple(reference.name for reference in group if reference.name))
        for name, group in groupby(references, key=lambda reference: reference.resource)
    ]


def _group(client: Client, options: argparse.Namespace, resource_name: str, names: tuple[str, ...]) -> _Group:
    resource = client.resource(resource_name)
    namespace = namespace_of(options)
    if namespace is not None and resource.namespaced:
        resource = resource.within(namespace)
    return _Group(
        resource=resource,
        kind=client.discovery.get(resource.gvr).kind,
        namespace="" if namespace is ALL_NAMESPACES or not resource.namespaced else namespace or client.namespace,
        names=names,
        label_selector=options.selector,
        field_selector=options.field_selector,
    )


def _show_tables(groups: list[_Group], failures: Failures, *, is_wide: bool) -> None:
    has_shown = False
    for group in groups:
        prefix = f"{type_name(group.kind, group.resource.gvr)}/" if len(groups) > 1 else ""
        printer = TablePrinter(
            sys.stdout,
            is_wide=is_wide,
            shows_namespace=group.resource.namespace is ALL_NAMESPACES,
            name_prefix=prefix,
        )
        is_first = True
        for table in group.tables(failures):
            if len(table) and is_first and has_shown:
                sys.stdout.write("\n")
            printer.write(table)
            is_first = is_first and not len(table)
            has_shown = has_shown or bool(len(table))
    if not has_shown and not failures.exit_code:
        namespaces = {group.namespace for group in groups if group.namespace}
        where = f" in {one_line(namespaces.pop())} namespace." if namespaces else ""
        sys.stderr.write(f"No resources found{where}\n")


def _show_names(groups: list[_Group], failures: Failures) -> None:
    for group in groups:
        for obj in group.objects(failures):
            sys.stdout.write(printable(qualified(group.kind, group.resource.gvr, obj.name)) + "\n")


def _show_whole(groups: list[_Group], failures: Failures, *, is_json: bool) -> None:
    """Write one object as it is, and anything else as a list, as it comes in."""
    is_one = len(groups) == 1 and len(groups[0].names) == 1
    objects = (obj.to_dict() for group in groups for obj in group.objects(failures))
    if is_one:
        for obj in objects:
            sys.stdout.write(to_json(obj) + "\n" if is_json else dump_document(obj))
        return
    printer: ListPrinter = JSONListPrinter(sys.stdout) if is_json else YAMLListPrinter(sys.stdout)
    printer.begin()
    for obj in objects:
        printer.write(obj)
    printer.end()
