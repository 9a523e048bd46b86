"""The kinds of the core group."""

from __future__ import annotations

from kubeprims.testing.apiserver.kind import (
    ALL_VERBS,
    Kind,
    NameRule,
    ScalePaths,
    SelectableField,
    Subresource,
)

ALL = ("all",)
SCALE = Subresource("scale", "Scale", group="autoscaling", version="v1")


def status_of(kind: str) -> Subresource:
    """The subresource through which the status is written."""
    return Subresource("status", kind)


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
EVENT_FIELDS = (
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
NEW_EVENT_FIELDS = (
    *(SelectableField(item.name.replace("involvedObject", "regarding"), item.path) for item in EVENT_FIELDS[:7]),
    SelectableField.at("reason"),
    SelectableField("reportingController", ("reportingComponent",)),
    SelectableField.at("type"),
)

CORE_KINDS: tuple[Kind, ...] = (
    Kind(resource="configmaps", kind="ConfigMap", short_names=("cm",)),
    Kind(
        resource="endpoints",
        kind="Endpoints",
        list_kind="EndpointsList",
        singular="endpoints",
        short_names=("ep",),
        create_on_update=True,
        deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ),
    Kind(resource="events", kind="Event", short_names=("ev",), fields=EVENT_FIELDS, create_on_update=True),
    Kind(resource="limitranges", kind="LimitRange", short_names=("limits",), create_on_update=True),
    Kind(
        resource="namespaces",
        kind="Namespace",
        namespaced=False,
        short_names=("ns",),
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
        subresources=(Subresource("finalize", "Namespace", ("update",)), status_of("Namespace")),
        name_rule=NameRule.DNS_LABEL,
        fields=(SelectableField.at("status.phase"),),
        returns_deleted=True,
    ),
    Kind(
        resource="nodes",
        kind="Node",
        namespaced=False,
        short_names=("no",),
        subresources=(status_of("Node"),),
        fields=(SelectableField.at("spec.unschedulable", "false"),),
    ),
    Kind(
        resource="persistentvolumeclaims",
        kind="PersistentVolumeClaim",
        short_names=("pvc",),
        subresources=(status_of("PersistentVolumeClaim"),),
        returns_deleted=True,
    ),
    Kind(
        resource="persistentvolumes",
        kind="PersistentVolume",
        namespaced=False,
        short_names=("pv",),
        subresources=(status_of("PersistentVolume"),),
        returns_deleted=True,
    ),
    Kind(
        resource="pods",
        kind="Pod",
        short_names=("po",),
        categories=ALL,
        subresources=(
            Subresource("binding", "Binding", ("create",)),
            Subresource("eviction", "Eviction", ("create",), group="policy", version="v1"),
            status_of("Pod"),
        ),
        fields=_POD_FIELDS,
        has_generation=True,
        returns_deleted=True,
    ),
    Kind(resource="podtemplates", kind="PodTemplate", has_generation=True, returns_deleted=True),
    Kind(
        resource="replicationcontrollers",
        kind="ReplicationController",
        short_names=("rc",),
        categories=ALL,
        subresources=(SCALE, status_of("ReplicationController")),
        scale=ScalePaths(),
        fields=(SelectableField.at("status.replicas", "0"),),
        has_generation=True,
    ),
    Kind(
        resource="resourcequotas",
        kind="ResourceQuota",
        short_names=("quota",),
        subresources=(status_of("ResourceQuota"),),
        returns_deleted=True,
    ),
    Kind(resource="secrets", kind="Secret", fields=(SelectableField.at("type"),)),
    Kind(resource="serviceaccounts", kind="ServiceAccount", short_names=("sa",), returns_deleted=True),
    Kind(
        resource="services",
        kind="Service",
        short_names=("svc",),
        categories=ALL,
        subresources=(status_of("Service"),),
        name_rule=NameRule.DNS_LABEL,
        fields=(SelectableField.at("spec.clusterIP"), SelectableField.at("spec.type")),
        create_on_update=True,
        returns_deleted=True,
    ),
)
