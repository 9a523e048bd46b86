"""What an API server serves: discovery documents read into values, and names found among those. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionKind, GroupVersionResource, JSONObject, JSONValue

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9.])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class APIResource:
    """A resource that the server serves.

    Attributes:
        gvr: Group, version and resource.
        kind: The kind of its objects.
        singular: Its name for one object, in small letters; may be empty.
        namespaced: Whether its objects live in namespaces.
        verbs: What it can do: ``get``, ``list``, ``watch``, ...
        short_names: Such as ``po``.
        categories: Such as ``all``.
        subresources: Such as ``status`` and ``scale``.
    """

    gvr: GroupVersionResource
    kind: str
    singular: str = ""
    namespaced: bool
    verbs: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def gvk(self) -> GroupVersionKind:
        """Group, version and kind."""
        return GroupVersionKind(self.gvr.group, self.gvr.version, self.kind)

    def is_called(self, name: str) -> bool:
        """Return whether a name in small letters is the resource's, its singular or its kind's."""
        return name in {self.gvr.resource, self.singular, self.kind.lower()}


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that a server serves, in its order of preference.

    Attributes:
        resources: The resources; of those that a name fits, the first one is meant.
        unavailable: The groups with versions that the server could not tell about, or not for sure.
    """

    resources: tuple[APIResource, ...] = ()
    unavailable: tuple[str, ...] = ()

    def get(self, gvr: GroupVersionResource) -> APIResource | None:
        """Return a resource by group, version and name."""
        return next((resource for resource in self.resources if resource.gvr == gvr), None)

    def find_kind(self, gvk: GroupVersionKind) -> APIResource | None:
        """Return the resource whose objects are of a kind."""
        return next((resource for resource in self.resources if resource.gvk == gvk), None)

    def find(self, name: str) -> APIResource | None:
        """Return the resource that a name means, or None.

        ``pods``, ``pod``, ``Pod`` and ``po`` are names of one; ``deployments.apps`` says the group as well, and
        ``widgets.v1.example.com`` version and group. Capitals do not matter. A resource's own name counts before
        another one's short name.

        Raises:
            InvalidArgument: The text cannot be a name.

        Source:
            kubectl's rules: cli-runtime pkg/resource/builder.go, client-go restmapper/shortcut.go.
        """
        name, dot, rest = check_resource_name(name).lower().partition(".")
        if not dot:
            return _first_called(name, self.resources)
        version, _, group = rest.partition(".")
        exact = [found for found in self.resources if (found.gvr.version, found.gvr.group) == (version, group)]
        same_group = [found for found in self.resources if found.gvr.group == rest]
        return _first_called(name, exact) or _first_called(name, same_group)


def check_resource_name(name: str) -> str:
    """Return what can be the name of a resource.

    Raises:
        InvalidArgument: It cannot.
    """
    if not _NAME.fullmatch(name):
        rule = "a resource is named as pods, deployments.apps, widgets.v1.example.com or apps/v1/deployments"
        raise InvalidArgument(f"{rule}, not {name!r}")
    return name


def _first_called(name: str, resources: Iterable[APIResource]) -> APIResource | None:
    resources = tuple(resources)
    by_name = next((resource for resource in resources if resource.is_called(name)), None)
    return by_name or next((resource for resource in resources if name in resource.short_names), None)


# The aggregated form: everything in two documents. What is missing or of another type is skipped: one odd extension
# server must not hide the rest.


def parse_aggregated(document: JSONObject) -> Iterator[APIResource]:
    """Yield the resources of an ``APIGroupDiscoveryList``."""
    for group in _objects(document.get("items")):
        group_name = _text(_object(group.get("metadata")).get("name"))
        for version in _objects(group.get("versions")):
            version_name = _text(version.get("version"))
            for resource in _objects(version.get("resources")):
                gvr = GroupVersionResource(group_name, version_name, _text(resource.get("resource")))
                yield APIResource(
                    gvr=gvr,
                    kind=_text(_object(resource.get("responseKind")).get("kind")),
                    singular=_text(resource.get("singularResource")),
                    namespaced=resource.get("scope") == "Namespaced",
                    verbs=_texts(resource.get("verbs")),
                    short_names=_texts(resource.get("shortNames")),
                    categories=_texts(resource.get("categories")),
                    subresources=tuple(
                        _text(subresource.get("subresource")) for subresource in _objects(resource.get("subresources"))
                    ),
                )


def parse_stale(document: JSONObject) -> Iterator[str]:
    """Yield each ``group/version`` of an ``APIGroupDiscoveryList`` that the server could not ask about lately."""
    for group in _objects(document.get("items")):
        for version in _objects(group.get("versions")):
            if version.get("freshness") == "Stale":
                yield f"{_text(_object(group.get('metadata')).get('name'))}/{_text(version.get('version'))}"


# The old form: a document for the list of groups, and one a group and version.


def parse_core_versions(document: JSONObject) -> list[str]:
    """Return the versions of an ``APIVersions``: those of the core group."""
    return list(_texts(document.get("versions")))


def parse_groups(document: JSONObject) -> Iterator[str]:
    """Yield each ``group/version`` of an ``APIGroupList``, of each group the preferred one first."""
    for group in _objects(document.get("groups")):
        preferred = _text(_object(group.get("preferredVersion")).get("groupVersion"))
        versions = [_text(version.get("groupVersion")) for version in _objects(group.get("versions"))]
        yield from sorted(filter(None, versions), key=lambda version: version != preferred)


def parse_resource_list(document: JSONObject) -> Iterator[APIResource]:
    """Yield the resources of an ``APIResourceList``."""
    group, _, version = _text(document.get("groupVersion")).rpartition("/")
    entries = [(_text(entry.get("name")), entry) for entry in _objects(document.get("resources"))]
    subresources: dict[str, list[str]] = {}
    for name, _ in entries:
        resource, slash, subresource = name.partition("/")
        if slash:
            subresources.setdefault(resource, []).append(subresource)
    for name, entry in entries:
        if "/" in name:
            continue
        yield APIResource(
            gvr=GroupVersionResource(group, version, name),
            kind=_text(entry.get("kind")),
            singular=_text(entry.get("singularName")),
            namespaced=entry.get("namespaced") is True,
            verbs=_texts(entry.get("verbs")),
            short_names=_texts(entry.get("shortNames")),
            categories=_texts(entry.get("categories")),
            subresources=tuple(subresources.get(name, ())),
        )


def _object(value: JSONValue) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JSONValue) -> list[JSONObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: JSONValue) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
