"""The documents that tell clients what is served: groups, versions, resources and the version.

Pure: a list of resources in, JSON objects out. Each document is made when it is asked for, because a
CustomResourceDefinition may change it at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.kinds import Kind, Subresource

GIT_VERSION = "v1.37.0+kubeprims"

_DISCOVERY_GROUP = "apidiscovery.k8s.io"
_AGGREGATED_VERSIONS = ("v2", "v2beta1")
_PATHS = ("/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version")


@dataclass(frozen=True, slots=True, kw_only=True)
class APIResource:
    """One resource, or subresource, as discovery shows it.

    Attributes:
        group: Empty for the core group.
        version: Such as ``v1``.
        name: ``pods``, or ``pods/status`` for a subresource.
        singular: ``pod``; empty for a subresource.
        kind: ``Pod``.
        namespaced: Whether objects live in a namespace.
        verbs: What can be done with it, as in RBAC.
        response_group: The group of ``kind``, where a subresource is of another one.
        response_version: The version of ``kind``; empty if it is that of the resource.
        short_names: ``po``.
        categories: ``all``.
        custom: It comes from a CustomResourceDefinition.
    """

    group: str
    version: str
    name: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    response_group: str = ""
    response_version: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    custom: bool = False

    @property
    def response_kind(self) -> JSONObject:
        """What ``kind`` is of, as the aggregated form has it: upstream leaves out what goes without saying."""
        if self.custom and not self.response_version:
            return self.group_version_kind
        return {"group": self.response_group, "version": self.response_version, "kind": self.kind}

    @property
    def group_version_kind(self) -> JSONObject:
        """What ``kind`` is of."""
        if self.response_version:
            return {"group": self.response_group, "version": self.response_version, "kind": self.kind}
        return {"group": self.group, "version": self.version, "kind": self.kind}

    @property
    def group_version(self) -> str:
        """``group/version``, or ``version`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


def api_resources(kinds: Iterable[Kind]) -> tuple[APIResource, ...]:
    """Return the entries for what is served: each resource, followed by its subresources."""
    entries: list[APIResource] = []
    for kind in kinds:
        main = APIResource(
            group=kind.group,
            version=kind.version,
            name=kind.resource,
            singular=kind.singular,
            kind=kind.kind,
            namespaced=kind.namespaced,
            verbs=tuple(kind.verbs),
            short_names=tuple(kind.short_names),
            categories=tuple(kind.categories),
            custom=kind.custom,
        )
        entries.append(main)
        entries.extend(_subresource(main, sub) for sub in kind.subresources)
    return tuple(entries)


def _subresource(main: APIResource, sub: Subresource) -> APIResource:
    return dataclasses.replace(
        main,
        name=f"{main.name}/{sub.name}",
        singular="",
        kind=sub.kind,
        verbs=tuple(sub.verbs),
        response_group=sub.group,
        response_version=sub.version,
        short_names=(),
        categories=(),
    )


class Document(NamedTuple):
    """An answer to a discovery request."""

    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def answer(path: str, accept: str, resources: Sequence[APIResource], *, address: str) -> Document | None:
    """Return the document at a path, or None if there is none.

    Args:
        path: Decoded, as it came.
        accept: The Accept header; decides between the old and the aggregated form.
        resources: All that is served; the order of versions in a group is their order of preference.
        address: ``host:port`` of this server.
    """
    path = path.removesuffix("/") or "/"
    segments = path.split("/")[1:]
    if segments[0] in {"api", "apis"}:
        return _discovery(segments, accept, resources, address)
    if path == "/version":
        return _json(version_info())
    return _json({"paths": [*_all_paths(resources)]}) if path == "/" else None


def _discovery(segments: Sequence[str], accept: str, resources: Sequence[APIResource], address: str) -> Document | None:
    if len(segments) == 1 and (version := aggregated_version(accept)):
        return _aggregated(resources, version, core=segments[0] == "api")
    match segments:
        case ["api"]:
            return _json(_api_versions(resources, address))
        case ["apis"]:
            return _json({"kind": "APIGroupList", "apiVersion": "v1", "groups": [*_groups(resources).values()]})
        case ["apis", group]:
            found = _groups(resources).get(group)
            return None if found is None else _json({"kind": "APIGroup", "apiVersion": "v1", **found})
        case ["api", version]:
            return _resource_list("", version, resources)
        case ["apis", group, version]:
            return _resource_list(group, version, resources)
        case _:
            return None


def _json(value: JSONObject) -> Document:
    return Document(json.dumps(value, separators=(",", ":")).encode())


def _all_paths(resources: Sequence[APIResource]) -> list[str]:
    paths: set[str] = set(_PATHS)
    for resource in resources:
        paths.add(_base_path(resource.group, resource.version))
        if resource.group:
            paths.add(f"/apis/{resource.group}")
    return sorted(paths)


def _base_path(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def version_info() -> JSONObject:
    """Return what ``/version`` says: the Kubernetes release whose behaviour is followed, marked as not the real one."""
    return {
        "major": "1",
        "minor": "37",
        "emulationMajor": "1",
        "emulationMinor": "37",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "36",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }


# The old form: one document a group and version.


def _api_versions(resources: Iterable[APIResource], address: str) -> JSONObject:
    versions: list[JSONValue] = [*dict.fromkeys(resource.version for resource in resources if not resource.group)]
    return {
        "kind": "APIVersions",
        "versions": versions,
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _groups(resources: Iterable[APIResource]) -> dict[str, JSONObject]:
    versions: dict[str, dict[str, JSONValue]] = {}
    for resource in resources:
        if resource.group:
            entry: JSONValue = {"groupVersion": resource.group_version, "version": resource.version}
            versions.setdefault(resource.group, {}).setdefault(resource.version, entry)
    return {
        group: {"name": group, "versions": [*entries.values()], "preferredVersion": next(iter(entries.values()))}
        for group, entries in versions.items()
    }


def _resource_list(group: str, version: str, resources: Iterable[APIResource]) -> Document | None:
    entries: list[JSONValue] = [
        _resource_entry(resource) for resource in resources if (resource.group, resource.version) == (group, version)
    ]
    if not entries:
        return None
    group_version = f"{group}/{version}" if group else version
    head: JSONObject = {"kind": "APIResourceList"}
    if group:  # upstream leaves it out for the core group
        head["apiVersion"] = "v1"
    return _json({**head, "groupVersion": group_version, "resources": entries})


def _resource_entry(resource: APIResource) -> JSONObject:
    entry: JSONObject = {
        "name": resource.name,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": [*resource.verbs],
    }
    if resource.response_version:
        entry |= {"group": resource.response_group, "version": resource.response_version}
    return entry | _names(resource)


def _names(resource: APIResource) -> JSONObject:
    names: JSONObject = {}
    if resource.short_names:
        names["shortNames"] = [*resource.short_names]
    if resource.categories:
        names["categories"] = [*resource.categories]
    return names


# The aggregated form: everything in two documents.


def aggregated_version(accept: str) -> str:
    """Return the version of the aggregated form that a client takes, empty if it takes only the old one."""
    for member in accept.split(","):
        media_type, *parameters = (part.strip() for part in member.split(";"))
        values = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        is_discovery = values.get("as") == "APIGroupDiscoveryList" and values.get("g") == _DISCOVERY_GROUP
        if media_type == "application/json" and is_discovery and values.get("v") in _AGGREGATED_VERSIONS:
            return values["v"]
    return ""


def _aggregated(resources: Iterable[APIResource], version: str, *, core: bool) -> Document:
    groups: dict[str, dict[str, dict[str, JSONObject]]] = {}
    for resource in resources:
        if core == (not resource.group):
            by_name = groups.setdefault(resource.group, {}).setdefault(resource.version, {})
            _add_aggregated(by_name, resource)
    items: list[JSONValue] = []
    for group, versions in groups.items():
        metadata: JSONObject = {"name": group} if group else {}
        entries: list[JSONValue] = [
            {"version": name, "resources": [*by_name.values()], "freshness": "Current"}
            for name, by_name in versions.items()
        ]
        items.append({"metadata": metadata, "versions": entries})
    body = _json(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"{_DISCOVERY_GROUP}/{version}",
            "metadata": {},
            "items": items,
        }
    ).body
    return Document(
        body,
        f"application/json;g={_DISCOVERY_GROUP};v={version};as=APIGroupDiscoveryList",
        (("cache-control", "public"), ("etag", _etag(body)), ("vary", "Accept")),
    )


def _add_aggregated(by_name: dict[str, JSONObject], resource: APIResource) -> None:
    kind = resource.response_kind
    name, _, subresource = resource.name.partition("/")
    if not subresource:
        entry: JSONObject = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "singularResource": resource.singular,
            "verbs": [*resource.verbs],
        }
        by_name[name] = entry | _names(resource)
        return
    subresources = by_name[name].setdefault("subresources", [])
    assert isinstance(subresources, list), name  # made by the line above
    subresources.append({"subresource": subresource, "responseKind": kind, "verbs": [*resource.verbs]})


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest().upper()}"'
