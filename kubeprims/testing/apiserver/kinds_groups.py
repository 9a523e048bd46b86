"""The built-in kinds outside the core group, in the order in which discovery lists their groups."""

from __future__ import annotations

from kubeprims.testing.apiserver.kind import Kind, NameRule, ScalePaths, SelectableField
from kubeprims.testing.apiserver.kinds_core import ALL, EVENT_FIELDS, NEW_EVENT_FIELDS, SCALE, status_of


def _workload(resource: str, kind: str, short_name: str, *, scaled: bool = True) -> Kind:
    return Kind(
        group="apps",
        resource=resource,
        kind=kind,
        short_names=(short_name,),
        categories=ALL,
        subresources=(SCALE, status_of(kind)) if scaled else (status_of(kind),),
        scale=ScalePaths() if scaled else None,
        has_generation=True,
    )


_APPS: tuple[Kind, ...] = (
    Kind(group="apps", resource="controllerrevisions", kind="ControllerRevision"),
    _workload("daemonsets", "DaemonSet", "ds", scaled=False),
    _workload("deployments", "Deployment", "deploy"),
    _workload("replicasets", "ReplicaSet", "rs"),
    _workload("statefulsets", "StatefulSet", "sts"),
)


def _autoscaler(version: str) -> Kind:
    return Kind(
        group="autoscaling",
        version=version,
        resource="horizontalpodautoscalers",
        kind="HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=ALL,
        subresources=(status_of("HorizontalPodAutoscaler"),),
        has_generation=True,
    )


_BATCH: tuple[Kind, ...] = (
    Kind(
        group="batch",
        resource="cronjobs",
        kind="CronJob",
        short_names=("cj",),
        categories=ALL,
        subresources=(status_of("CronJob"),),
        has_generation=True,
    ),
    Kind(
        group="batch",
        resource="jobs",
        kind="Job",
        categories=ALL,
        subresources=(status_of("Job"),),
        fields=(SelectableField("status.successful", ("status", "succeeded"), "0"),),
        has_generation=True,
    ),
)

_NETWORKING: tuple[Kind, ...] = (
    Kind(
        group="networking.k8s.io",
        resource="ingressclasses",
        kind="IngressClass",
        namespaced=False,
        has_generation=True,
    ),
    Kind(
        group="networking.k8s.io",
        resource="ingresses",
        kind="Ingress",
        short_names=("ing",),
        subresources=(status_of("Ingress"),),
        has_generation=True,
    ),
    Kind(
        group="networking.k8s.io",
        resource="networkpolicies",
        kind="NetworkPolicy",
        short_names=("netpol",),
        has_generation=True,
    ),
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
    subresources=(status_of("CustomResourceDefinition"),),
    has_generation=True,
    unconditional_update=False,
    returns_deleted=True,
)

GROUP_KINDS: tuple[Kind, ...] = (
    *_APPS,
    Kind(
        group="events.k8s.io",
        resource="events",
        kind="Event",
        short_names=("ev",),
        storage_resource="events",
        fields=NEW_EVENT_FIELDS,
        stored_fields=EVENT_FIELDS,
        create_on_update=True,
    ),
    _autoscaler("v2"),
    _autoscaler("v1"),
    *_BATCH,
    *_NETWORKING,
    Kind(
        group="policy",
        resource="poddisruptionbudgets",
        kind="PodDisruptionBudget",
        short_names=("pdb",),
        subresources=(status_of("PodDisruptionBudget"),),
        has_generation=True,
        unconditional_update=False,
    ),
    _rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _rbac("clusterroles", "ClusterRole", namespaced=False),
    _rbac("rolebindings", "RoleBinding", namespaced=True),
    _rbac("roles", "Role", namespaced=True),
    Kind(
        group="storage.k8s.io",
        resource="storageclasses",
        kind="StorageClass",
        namespaced=False,
        short_names=("sc",),
        returns_deleted=True,
    ),
    CUSTOM_RESOURCE_DEFINITIONS,
    Kind(
        group="scheduling.k8s.io",
        resource="priorityclasses",
        kind="PriorityClass",
        namespaced=False,
        short_names=("pc",),
        has_generation=True,
    ),
    Kind(
        group="coordination.k8s.io",
        resource="leases",
        kind="Lease",
        create_on_update=True,
        unconditional_update=False,
    ),
    Kind(
        group="node.k8s.io",
        resource="runtimeclasses",
        kind="RuntimeClass",
        namespaced=False,
        create_on_update=True,
        unconditional_update=False,
    ),
    Kind(
        group="discovery.k8s.io",
        resource="endpointslices",
        kind="EndpointSlice",
        has_generation=True,
    ),
)
