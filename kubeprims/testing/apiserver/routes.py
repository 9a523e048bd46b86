"""What a request asks for: the path and the query, parsed once into values.

Pure. A path either names a resource of a group and version, or it does not (discovery, health, version).

Source:
    apiserver pkg/endpoints/request/requestinfo.go, ``RequestInfoFactory.NewRequestInfo``.
    Differs: a path with an empty, ``.`` or ``..`` segment names nothing, where upstream cleans some of them.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubeprims.errors import BadRequest, StatusCause
from kubeprims.meta import GroupVersionResource

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_QUERY_FIELDS_MAX = 128
# Subresources of a namespace; any other word behind a namespace's name is a resource in that namespace.
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_FIELD_VALIDATIONS = frozenset({"", "Ignore", "Warn", "Strict"})
_PROPAGATION_POLICIES = frozenset({"", "Orphan", "Background", "Foreground"})


class Verb(StrEnum):
    """What is to be done with a resource, in the API's own words."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    DELETE_COLLECTION = "deletecollection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePath:
    """A path that names a resource, a namespace's part of one, or one object of it.

    Attributes:
        gvr: Group, version and resource.
        namespace: Empty outside a namespace.
        name: Empty for the collection.
        subresource: What follows the name, such as ``status``; empty for the object itself.
        is_watch: The path is of the old form ``/api/v1/watch/...``.
    """

    gvr: GroupVersionResource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    is_watch: bool = False


def decode_path(raw: str) -> str | None:
    """Return a percent-encoded path as text, or None if it is not one: a bad escape, or not UTF-8."""
    if _ESCAPE.search(raw):
        return None
    try:
        return urllib.parse.unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return None


def parse_path(path: str) -> ResourcePath | None:
    """Return the resource that a decoded path names, or None if it names none.

    What is returned need not exist: the registry knows that.
    """
    segments = path.removeprefix("/").removesuffix("/").split("/")
    if not path.startswith("/") or any(segment in {"", ".", ".."} for segment in segments):
        return None
    match segments:
        case ["api", version, *rest] if rest:
            return _parse_resource("", version, rest)
        case ["apis", group, version, *rest] if rest:
            return _parse_resource(group, version, rest)
        case _:
            return None


def _parse_resource(group: str, version: str, rest: Sequence[str]) -> ResourcePath | None:
    is_watch = rest[0] == "watch" and len(rest) > 1
    if is_watch:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:  # noqa: PLR2004 - third
        namespace, rest = rest[1], rest[2:]
    resource, *below = rest
    name = below[0] if below else ""
    return ResourcePath(
        gvr=GroupVersionResource(group, version, resource),
        namespace=namespace,
        name=name,
        subresource="/".join(below[1:]),
        is_watch=is_watch,
    )


def verb_for(method: str, path: ResourcePath, query: Query) -> Verb | None:
    """Return what a method asks of a path, or None if it may not be used there."""
    if path.is_watch or (method == "GET" and not path.subresource and query.boolean("watch")):
        return Verb.WATCH if method == "GET" else None
    if path.name:
        by_method = {"GET": Verb.GET, "PUT": Verb.UPDATE, "PATCH": Verb.PATCH, "DELETE": Verb.DELETE}
        if path.subresource:
            by_method["POST"] = Verb.CREATE
        return by_method.get(method)
    return {"GET": Verb.LIST, "POST": Verb.CREATE, "DELETE": Verb.DELETE_COLLECTION}.get(method)


class Query:
    """The query of a request: the first value of each name counts, and a name that nobody asks for is ignored."""

    __slots__ = ("_values", "raw")

    def __init__(self, raw: str) -> None:
        """Parse a query as it stood in the target.

        Raises:
            BadRequest: It has too many fields.
        """
        self.raw = raw
        self._values: dict[str, str] = {}
        if not raw:
            return
        try:
            pairs = urllib.parse.parse_qsl(raw, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX)
        except ValueError as error:
            raise bad_request(f"the query has more than {_QUERY_FIELDS_MAX} fields") from error
        for name, value in pairs:
            self._values.setdefault(name, value)

    def text(self, name: str) -> str:
        """Return a value, empty if there is none."""
        return self._values.get(name, "")

    def optional(self, name: str) -> str | None:
        """Return a value, or None if the name is not there at all."""
        return self._values.get(name)

    def boolean(self, name: str) -> bool | None:
        """Return a value as upstream reads it, None if the name is not there.

        Source:
            apimachinery pkg/runtime/converter: ``false`` and ``0`` in any case are false, all else is true.
        """
        value = self._values.get(name)
        return None if value is None else value.lower() not in {"false", "0"}

    def integer(self, name: str) -> int | None:
        """Return a whole number, or None if the name is not there or empty.

        Raises:
            BadRequest: It is no whole number.
        """
        value = self._values.get(name, "")
        if not value:
            return None
        if _INTEGER.fullmatch(value) is None:
            raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
        return int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListParameters:
    """What a list or a watch may say in its query.

    Attributes:
        label_selector: As text, not parsed.
        field_selector: As text, not parsed.
        resource_version: None if it was left out or empty.
        resource_version_match: Empty, ``Exact`` or ``NotOlderThan``, or what else was sent.
        limit: Items a page; 0 is all.
        continue_token: From the page before.
        timeout_s: When the server is to end the watch, in seconds; None is the server's choice.
        allow_bookmarks: Send bookmarks in a watch.
        send_initial_events: Begin the watch with the state as it is; None if it was left out.
    """

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str | None = None
    resource_version_match: str = ""
    limit: int = 0
    continue_token: str = ""
    timeout_s: int | None = None
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None


def list_parameters(query: Query) -> ListParameters:
    """Read the query of a list, a watch or a delete-collection.

    Raises:
        BadRequest: A number is no number.
    """
    return ListParameters(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        resource_version=query.text("resourceVersion") or None,
        resource_version_match=query.text("resourceVersionMatch"),
        limit=query.integer("limit") or 0,
        continue_token=query.text("continue"),
        timeout_s=query.integer("timeoutSeconds"),
        allow_bookmarks=bool(query.boolean("allowWatchBookmarks")),
        send_initial_events=query.boolean("sendInitialEvents"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteParameters:
    """What a create, update or patch may say in its query.

    Attributes:
        dry_run: Do all but store the result.
        field_manager: Who writes; may be empty.
        field_validation: Empty, ``Ignore``, ``Warn`` or ``Strict``.
        force: Take fields from other managers (apply only); None if it was left out.
    """

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = ""
    force: bool | None = None


def write_parameters(query: Query) -> WriteParameters:
    """Read the query of a create, update or patch.

    Raises:
        BadRequest: dryRun or fieldValidation have a value that the API does not know.
    """
    validation = query.text("fieldValidation")
    if validation not in _FIELD_VALIDATIONS:
        raise bad_request(
            f'fieldValidation: Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"',
            field="fieldValidation",
        )
    return WriteParameters(
        dry_run=parse_dry_run([query.text("dryRun")] if query.text("dryRun") else []),
        field_manager=query.text("fieldManager"),
        field_validation=validation,
        force=query.boolean("force"),
    )


def parse_dry_run(values: Sequence[object]) -> bool:
    """Return whether the values of dryRun ask for a dry run.

    Raises:
        BadRequest: A value other than ``All``.
    """
    for value in values:
        if value != "All":
            raise bad_request(
                f'dryRun: Unsupported value: "{value}": supported values: "All"',
                field="dryRun",
            )
    return bool(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteParameters:
    """What a delete may say, in its query or in the ``DeleteOptions`` of its body.

    Attributes:
        grace_period_s: How long the object may take to go, in seconds; None is the default of its kind.
        propagation_policy: Empty, ``Orphan``, ``Background`` or ``Foreground``.
        uid: The object must have this uid; None if it may have any.
        resource_version: The object must have this version; None if it may have any.
        dry_run: Do all but delete.
    """

    grace_period_s: int | None = None
    propagation_policy: str = ""
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


def delete_parameters(query: Query, options: object) -> DeleteParameters:
    """Read a delete's options: of its body if there is one, or else of its query.

    Args:
        query: The request's query.
        options: The decoded body, or None if the body was empty.

    Raises:
        BadRequest: A field is not what it should be, or ``orphanDependents`` is used.
    """
    if options is None:
        options = _delete_options_of_query(query)
    if not isinstance(options, dict):
        raise bad_request("DeleteOptions must be an object")
    if options.get("kind") not in {None, "", "DeleteOptions"}:
        raise bad_request(f"expected a DeleteOptions, not a {options.get('kind')!r}", field="kind")
    if options.get("orphanDependents") is not None:
        raise bad_request("orphanDependents is not supported: use propagationPolicy", field="orphanDependents")
    preconditions = options.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise bad_request("preconditions must be an object", field="preconditions")
    dry_run = options.get("dryRun") or []
    if not isinstance(dry_run, list):
        raise bad_request("dryRun must be a list", field="dryRun")
    policy = _text(options, "propagationPolicy") or ""
    if policy not in _PROPAGATION_POLICIES:
        raise bad_request(
            f'propagationPolicy: Unsupported value: "{policy}": supported values: "Background", "Foreground", "Orphan"',
            field="propagationPolicy",
        )
    return DeleteParameters(
        grace_period_s=_whole_number(options, "gracePeriodSeconds"),
        propagation_policy=policy,
        uid=_text(preconditions, "uid"),
        resource_version=_text(preconditions, "resourceVersion"),
        dry_run=parse_dry_run(dry_run),
    )


def _delete_options_of_query(query: Query) -> dict[str, object]:
    return {
        "gracePeriodSeconds": query.integer("gracePeriodSeconds"),
        "propagationPolicy": query.optional("propagationPolicy"),
        "orphanDependents": query.optional("orphanDependents"),
        "dryRun": [query.text("dryRun")] if query.text("dryRun") else [],
    }


def _text(options: dict[str, object], field: str) -> str | None:
    value = options.get(field)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{field} must be a string", field=field)
    return value


def _whole_number(options: dict[str, object], field: str) -> int | None:
    value = options.get(field)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise bad_request(f"{field} must be a whole number", field=field)


def bad_request(message: str, *, field: str = "") -> BadRequest:
    """Return the 400 for a request that breaks a rule; ``field`` names the culprit, if there is one."""
    causes = (StatusCause(field, "FieldValueInvalid", message),) if field else ()
    return BadRequest(message, code=400, reason="BadRequest", causes=causes)
