"""What a served resource is, and the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from kubeprims.meta import GroupVersionKind, GroupVersionResource
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
        printer_columns: What its definition adds to tables; empty for a built-in kind.
        schema: What its definition says of its objects; None for a built-in kind.
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
    printer_columns: tuple[PrinterColumn, ...] = field(default=(), repr=False)
    schema: Schema | None = field(default=None, repr=False, compare=False)

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


def _status(kind: str) -> Subresource:
    return Subresource("status", kind)


_ALL = ("all",)
_POD_FIELDS = (
    SelectableField.at("spec.nodeName"),
    SelectableField.at("spec.restartPolicy"),
    SelectableField.at("spec.schedulerName"),
    SelectableField.at("spec.serviceAccountName"),
    SelectableField.at("spec.hostNetwork", "false"),
    SelectableField.at("status.phase"),
    SelectableField.at("status.podIP"),
    SelectableField.at("status.nominatedNodeName"),
)
_EVENT_FIELDS = (
    *(
        SelectableField.at(f"involvedObject.{name}")
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    ),
    SelectableField.at("reason"),
    SelectableField.at("reportingComponent"),
    SelectableField("source", ("source", "component")),
    SelectableField.at("type"),
)
# events.k8s.io shows the objects of core/v1 under other field names.
_NEW_EVENT_FIELDS = (
    *(SelectableField(item.name.replace("involvedObject", "regarding"), item.path) for item in _EVENT_FIELDS[:7]),
    SelectableField.at("reason"),
    SelectableField("reportingController", ("reportingComponent",)),
    SelectableField.at("type"),
)

_CORE: tuple[Kind, ...] = (
    Kind(resource="configmaps", kind="ConfigMap", short_names=("cm",)),
    Kind(
        resource="endpoints",
        kind="Endpoints",
        list_kind="EndpointsList",
        singular="endpoints",
        short_names=("ep",),
        create_on_update=True,
    ),
    Kind(resource="events", kind="Event", short_names=("ev",), fields=_EVENT_FIELDS, create_on_update=True),
    Kind(resource="limitranges", kind="LimitRange", short_names=("limits",), create_on_update=True),
    Kind(
        resource="namespaces",
        kind="Namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
        subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
        name_rule=NameRule.DNS_LABEL,
        fields=(SelectableField.at("status.phase"),),
        returns_deleted=True,
    ),
    Kind(
        resource="nodes",
        kind="Node",
        namespaced=False,
        short_names=("no",),
        subresources=(_status("Node"),),
        fields=(SelectableField.at("spec.unschedulable", "false"),),
    ),
    Kind(
        resource="persistentvolumeclaims",
        kind="PersistentVolumeClaim",
        short_names=("pvc",),
        subresources=(_status("PersistentVolumeClaim"),),
        returns_deleted=True,
    ),
    Kind(
        resource="persistentvolumes",
        kind="PersistentVolume",
        namespaced=False,
        short_names=("pv",),
        subresources=(_status("PersistentVolume"),),
        returns_deleted=True,
    ),
    Kind(
        resource="pods",
        kind="Pod",
        short_names=("po",),
        categories=_ALL,
        subresources=(Subresource("binding", "Binding", ("create",)), _status("Pod")),
        fields=_POD_FIELDS,
        has_generation=True,
        returns_deleted=True,
    ),
    Kind(resource="podtemplates", kind="PodTemplate", has_generation=True, returns_deleted=True),
    Kind(
        resource="replicationcontrollers",
        kind="ReplicationController",
        short_names=("rc",),
        categories=_ALL,
        subresources=(_status("ReplicationController"),),
        fields=(SelectableField.at("status.replicas", "0"),),
        has_generation=True,
    ),
    Kind(
        resource="resourcequotas",
        kind="ResourceQuota",
        short_names=("quota",),
        subresources=(_status("ResourceQuota"),),
        returns_deleted=True,
    ),
    Kind(resource="secrets", kind="Secret", fields=(SelectableField.at("type"),)),
    Kind(resource="serviceaccounts", kind="ServiceAccount", short_names=("sa",), returns_deleted=True),
    Kind(
        resource="services",
        kind="Service",
        short_names=("svc",),
        categories=_ALL,
        subresources=(_status("Service"),),
        name_rule=NameRule.DNS_1035_LABEL,
        fields=(SelectableField.at("spec.clusterIP"), SelectableField.at("spec.type")),
        create_on_update=True,
        returns_deleted=True,
    ),
)


def _workload(resource: str, kind: str, short_name: str) -> Kind:
    return Kind(
        group="apps",
        resource=resource,
        kind=kind,
        short_names=(short_name,),
        categories=_ALL,
        subresources=(_status(kind),),
        has_generation=True,
    )


_APPS: tuple[Kind, ...] = (
    Kind(group="apps", resource="controllerrevisions", kind="ControllerRevision"),
    _workload("daemonsets", "DaemonSet", "ds"),
    _workload("deployments", "Deployment", "deploy"),
    _workload("replicasets", "ReplicaSet", "rs"),
    _workload("statefulsets", "StatefulSet", "sts"),
)


def _rbac(resource: str, kind: str, *, namespaced: bool) -> Kind:
    return Kind(
        group="rbac.authorization.k8s.io",
        resource=resource,
        kind=kind,
        namespaced=namespaced,
        name_rule=NameRule.PATH_SEGMENT,
        create_on_update=True,
    )


CUSTOM_RESOURCE_DEFINITIONS = Kind(
    group="apiextensions.k8s.io",
    resource="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    subresources=(_status("CustomResourceDefinition"),),
    has_generation=True,
    unconditional_update=False,
    returns_deleted=True,
)

BUILT_IN_KINDS: tuple[Kind, ...] = (
    *_CORE,
    *_APPS,
    Kind(
        group="coordination.k8s.io",
        resource="leases",
        kind="Lease",
        create_on_update=True,
        unconditional_update=False,
    ),
    Kind(
        group="events.k8s.io",
        resource="events",
        kind="Event",
        short_names=("ev",),
        storage_resource="events",
        fields=_NEW_EVENT_FIELDS,
        stored_fields=_EVENT_FIELDS,
        create_on_update=True,
    ),
    _rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _rbac("clusterroles", "ClusterRole", namespaced=False),
    _rbac("rolebindings", "RoleBinding", namespaced=True),
    _rbac("roles", "Role", namespaced=True),
    CUSTOM_RESOURCE_DEFINITIONS,
)

NAMESPACES = next(kind for kind in _CORE if kind.resource == "namespaces")
PODS = next(kind for kind in _CORE if kind.resource == "pods")

BUILT_IN_BY_NAME: Mapping[tuple[str, str, str], Kind] = {
    (kind.group, kind.version, kind.resource): kind for kind in BUILT_IN_KINDS
}
