"""What a served resource is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from kubeprims.meta import GroupVersionKind, GroupVersionResource, JSONObject
from kubeprims.testing.apiserver.schema import Schema

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SUBRESOURCE_VERBS = ("get", "patch", "update")


class NameRule(Enum):
    """Which names the objects of a kind may have."""

    DNS_SUBDOMAIN = "subdomain"
    DNS_LABEL = "label"
    DNS_1035_LABEL = "label that starts with a letter"
    PATH_SEGMENT = "anything that may stand in a path"


@dataclass(frozen=True, slots=True)
class SelectableField:
    """A field that a field selector may name.

    Attributes:
        name: Its name in selectors.
        path: Where the value is in the object.
        default: The value of an absent field.
    """

    name: str
    path: tuple[str, ...]
    default: str = ""

    @classmethod
    def at(cls, path: str, default: str = "") -> SelectableField:
        """A field whose name is its dotted path."""
        return cls(path, tuple(path.split(".")), default)


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource, for discovery and for what it accepts.

    Attributes:
        name: Such as ``status``.
        kind: The kind of object that it takes and gives.
        verbs: What can be done with it.
        group: The group of that kind, if it is another one than the resource's.
        version: Likewise.
    """

    name: str
    kind: str
    verbs: tuple[str, ...] = _SUBRESOURCE_VERBS
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where the objects of a kind keep what their ``scale`` shows.

    Attributes:
        replicas: The path of the number that is asked for.
        observed: The path of the number that there is.
        selector: The path of the selector of what is counted; empty if there is none.
    """

    replicas: tuple[str, ...] = ("spec", "replicas")
    observed: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ("spec", "selector")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrinterColumn:
    """A column that a definition adds to the tables of its objects.

    Attributes:
        name: Its title.
        type: ``integer``, ``number``, ``string``, ``boolean`` or ``date``.
        json_path: Where the value is in the object, such as ``.spec.replicas``.
        format: How clients show it.
        description: What it says.
        priority: Above 0, it is shown in wide tables only.
    """

    name: str
    type: str
    json_path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One version of one resource, as it is served.

    Attributes:
        group: The API group; empty for core.
        version: The version in the group.
        resource: The plural name in URLs.
        kind: The kind of its objects.
        singular: The singular name; the kind in lower case unless given.
        list_kind: The kind of its lists.
        namespaced: Whether its objects live in namespaces.
        short_names: What else kubectl calls it.
        categories: Groups of resources that kubectl knows, such as ``all``.
        verbs: What can be done with it.
        subresources: Its subresources.
        storage_resource: The name under which its objects are kept; resources that share it show the same objects.
        name_rule: Which names its objects may have.
        fields: What field selectors may name besides name and namespace.
        stored_fields: The fields whose values are kept with each object; those of ``fields`` unless given.
        custom: It comes from a CustomResourceDefinition.
        has_generation: Its objects count the changes of what is asked of them in ``metadata.generation``.
        unconditional_update: An update without resourceVersion is accepted.
        create_on_update: An update of an object that is not there creates it.
        returns_deleted: A deletion answers with the object rather than with a ``Status``.
        scale: Where its objects keep what their ``scale`` shows; None if they have none.
        deprecation: What its users are warned of; empty unless its version is deprecated.
        printer_columns: What its definition adds to tables; empty for a built-in kind.
        schema: What its definition says of its objects; None for a built-in kind.
        definition: The same, as it was written.
        storage_schema: What its definition says of objects as they are stored, if that is in another version.
    """

    group: str = ""
    version: str = "v1"
    resource: str
    kind: str
    singular: str = ""
    list_kind: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    storage_resource: str = ""
    name_rule: NameRule = NameRule.DNS_SUBDOMAIN
    fields: tuple[SelectableField, ...] = field(default=(), repr=False)
    stored_fields: tuple[SelectableField, ...] = field(default=(), repr=False)
    custom: bool = False
    has_generation: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    returns_deleted: bool = False
    scale: ScalePaths | None = field(default=None, repr=False)
    printer_columns: tuple[PrinterColumn, ...] = field(default=(), repr=False)
    deprecation: str = field(default="", repr=False)
    schema: Schema | None = field(default=None, repr=False, compare=False)
    definition: JSONObject | None = field(default=None, repr=False, compare=False)
    storage_schema: Schema | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A frozen dataclass has no other way to derive a default from another field.
        for name, derived in (
            ("singular", self.kind.lower()),
            ("list_kind", f"{self.kind}List"),
            ("storage_resource", self.group_resource),
            ("stored_fields", self.fields),
        ):
            if not getattr(self, name):
                object.__setattr__(self, name, derived)

    @cached_property
    def group_resource(self) -> str:
        """The name in messages: ``pods``, ``deployments.apps``."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @cached_property
    def group_kind(self) -> str:
        """The kind's name in messages: ``Pod``, ``Deployment.apps``."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @cached_property
    def api_version(self) -> str:
        """``group/version``, or ``version`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def gvr(self) -> GroupVersionResource:
        """The group, version and resource."""
        return GroupVersionResource(self.group, self.version, self.resource)

    @property
    def gvk(self) -> GroupVersionKind:
        """The group, version and kind."""
        return GroupVersionKind(self.group, self.version, self.kind)

    @cached_property
    def has_status(self) -> bool:
        """Whether the status is written through a subresource of its own."""
        return any(subresource.name == "status" for subresource in self.subresources)

    def subresource(self, name: str) -> Subresource | None:
        """Return the subresource of that name, if there is one."""
        return next((subresource for subresource in self.subresources if subresource.name == name), None)

    def __hash__(self) -> int:
        return hash((self.group, self.version, self.resource))
