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

from kubeprims.errors import BadRequest
from kubeprims.meta import GroupVersionResource

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUERY_FIELDS_MAX = 128
# Subresources of a namespace; any other word behind a namespace's name is a resource in that namespace.
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


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
    # A last step of dots may be meant for a name: who answers says what is wrong with it.
    if not path.startswith("/") or "" in segments or any(segment in {".", ".."} for segment in segments[:-1]):
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


def parse_query(raw: str) -> tuple[tuple[str, str], ...]:
    """Return the decoded fields of a query, in order.

    Raises:
        BadRequest: There are too many of them.
    """
    if not raw:
        return ()
    try:
        return tuple(urllib.parse.parse_qsl(raw, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX))
    except ValueError as error:
        message = f"the query has more than {_QUERY_FIELDS_MAX} fields"
        raise BadRequest(message, code=400, reason="BadRequest") from error


def verb_for(method: str, path: ResourcePath, parameters: Sequence[tuple[str, str]]) -> Verb | None:
    """Return what a method asks of a path, or None if it may not be used there.

    Source:
        apimachinery pkg/runtime/converter: ``watch`` is false when ``false`` or ``0``, and true when anything else.
    """
    if path.is_watch:
        return Verb.WATCH if method == "GET" else None
    if path.name:
        by_method = {"GET": Verb.GET, "PUT": Verb.UPDATE, "PATCH": Verb.PATCH, "DELETE": Verb.DELETE}
        if path.subresource:
            by_method["POST"] = Verb.CREATE
        return by_method.get(method)
    if method == "GET":
        watch = next((value for name, value in parameters if name == "watch"), "false")
        return Verb.LIST if watch.lower() in {"false", "0"} else Verb.WATCH
    return {"POST": Verb.CREATE, "DELETE": Verb.DELETE_COLLECTION}.get(method)
