"""Objects as tables, as ``kubectl get`` shows them, and as their metadata alone."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kubeprims.errors import BadRequest
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.json_paths import mapping_at, text_at
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.status import bad_request
from kubeprims.testing.apiserver.table_cells import NAME, Column, age, columns, name_of
from kubeprims.testing.apiserver.table_columns import custom_cell
from kubeprims.testing.apiserver.table_core import (
    claim_cells,
    config_map_cells,
    endpoints_cells,
    event_cells,
    lease_cells,
    named_cells,
    namespace_cells,
    node_cells,
    pod_template_cells,
    secret_cells,
    service_cells,
    volume_cells,
)
from kubeprims.testing.apiserver.table_groups import (
    autoscaler_cells,
    definition_cells,
    disruption_budget_cells,
    endpoint_slice_cells,
    group_event_cells,
    ingress_cells,
    ingress_class_cells,
    network_policy_cells,
    priority_class_cells,
    quota_cells,
    revision_cells,
    role_binding_cells,
    runtime_class_cells,
    storage_class_cells,
)
from kubeprims.testing.apiserver.table_pods import pod_cells, pod_conditions
from kubeprims.testing.apiserver.table_workloads import (
    cron_job_cells,
    daemon_set_cells,
    deployment_cells,
    job_cells,
    replica_set_cells,
    replication_controller_cells,
    stateful_set_cells,
)

INCLUDES = frozenset({"", "Metadata", "Object", "None"})


class _Printer(NamedTuple):
    columns: tuple[Column, ...]
    cells: Callable[[JSONObject, datetime.datetime], list[JSONValue]]


_PODS = "Containers*, Images*, Selector*"
_REPLICAS = f"Name, Desired:integer, Current:integer, Ready:integer, Age, {_PODS}"
_NODES = "OS-Image*, Kernel-Version*, Container-Runtime*"
_EVENTS = "First Seen*, Count*, Name*"
_BINDINGS = "Name, Role, Age, Users*, Groups*, ServiceAccounts*"
_CLASSES = "StorageClass, VolumeAttributesClass"
_DAEMONS = "Up-to-date:integer, Available:integer"
_PRINTERS: Mapping[str, _Printer] = {
    resource: _Printer(columns(text), cells)
    for resource, text, cells in (
        (
            "pods",
            "Name, Ready, Status, Restarts, Age, IP*, Node*, Nominated Node*, Readiness Gates*",
            pod_cells,
        ),
        ("replicationcontrollers", _REPLICAS, replication_controller_cells),
        ("replicasets.apps", _REPLICAS, replica_set_cells),
        ("deployments.apps", f"Name, Ready, Up-to-date, Available, Age, {_PODS}", deployment_cells),
        ("statefulsets.apps", "Name, Ready, Age, Containers*, Images*", stateful_set_cells),
        (
            "daemonsets.apps",
            f"Name, Desired:integer, Current:integer, Ready:integer, {_DAEMONS}, Node Selector, Age, {_PODS}",
            daemon_set_cells,
        ),
        ("jobs.batch", f"Name, Status, Completions, Duration, Age, {_PODS}", job_cells),
        (
            "cronjobs.batch",
            f"Name, Schedule, Timezone, Suspend:boolean, Active:integer, Last Schedule, Age, {_PODS}",
            cron_job_cells,
        ),
        (
            "services",
            "Name, Type, Cluster-IP, External-IP, Port(s), Age, Selector*",
            service_cells,
        ),
        ("endpoints", "Name, Endpoints, Age", endpoints_cells),
        (
            "nodes",
            f"Name, Status, Roles, Age, Version, Internal-IP*, External-IP*, {_NODES}",
            node_cells,
        ),
        (
            "events",
            f"Last Seen, Type, Reason, Object, Subobject*, Source*, Message, {_EVENTS}",
            event_cells,
        ),
        (
            "persistentvolumeclaims",
            f"Name, Status, Volume, Capacity, Access Modes, {_CLASSES}, Age, VolumeMode*",
            claim_cells,
        ),
        (
            "persistentvolumes",
            f"Name, Capacity, Access Modes, Reclaim Policy, Status, Claim, {_CLASSES}, Reason, Age, VolumeMode*",
            volume_cells,
        ),
        ("podtemplates", "Name, Containers, Images, Pod Labels", pod_template_cells),
        ("configmaps", "Name, Data, Age", config_map_cells),
        ("secrets", "Name, Type, Data, Age", secret_cells),
        ("namespaces", "Name, Status, Age", namespace_cells),
        ("serviceaccounts", "Name, Age", named_cells),
        ("leases.coordination.k8s.io", "Name, Holder, Age", lease_cells),
        ("resourcequotas", "Name, Request, Limit, Age", quota_cells),
        ("controllerrevisions.apps", "Name, Controller, Revision, Age", revision_cells),
        (
            "horizontalpodautoscalers.autoscaling",
            "Name, Reference, Targets, MinPods, MaxPods, Replicas, Age",
            autoscaler_cells,
        ),
        ("endpointslices.discovery.k8s.io", "Name, AddressType, Ports, Endpoints, Age", endpoint_slice_cells),
        (
            "events.events.k8s.io",
            f"Last Seen, Type, Reason, Object, Subobject*, Source*, Message, {_EVENTS}",
            group_event_cells,
        ),
        ("ingresses.networking.k8s.io", "Name, Class, Hosts, Address, Ports, Age", ingress_cells),
        ("ingressclasses.networking.k8s.io", "Name, Controller, Parameters, Age", ingress_class_cells),
        ("networkpolicies.networking.k8s.io", "Name, Pod-Selector, Age", network_policy_cells),
        (
            "poddisruptionbudgets.policy",
            "Name, Min Available, Max Unavailable, Allowed Disruptions:integer, Age",
            disruption_budget_cells,
        ),
        ("rolebindings.rbac.authorization.k8s.io", _BINDINGS, role_binding_cells),
        ("clusterrolebindings.rbac.authorization.k8s.io", _BINDINGS, role_binding_cells),
        (
            "storageclasses.storage.k8s.io",
            "Name, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age",
            storage_class_cells,
        ),
        (
            "priorityclasses.scheduling.k8s.io",
            "Name, Value:integer, Global-Default:boolean, Age, PreemptionPolicy",
            priority_class_cells,
        ),
        (
            "customresourcedefinitions.apiextensions.k8s.io",
            "Name, Scope, Versions, Created At:date, Group*, Kind*, ShortNames*, Established:boolean*",
            definition_cells,
        ),
        ("runtimeclasses.node.k8s.io", "Name, Handler, Age", runtime_class_cells),
    )
}
_DEFAULT = columns("Name, Created At:date")
_UNPRINTED = frozenset(
    {
        "limitranges",
        "roles.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
    }
)
_CUSTOM_DEFAULT = columns("Name, Age:date")


def has_table(kind: Kind) -> bool:
    """Return whether a kind is shown as tables; clients get the objects of any other."""
    return kind.custom or kind.group_resource in _PRINTERS or kind.group_resource in _UNPRINTED


def table_columns(kind: Kind) -> tuple[Column, ...]:
    """Return the columns of a kind's tables."""
    if kind.custom:
        if not kind.printer_columns:
            return _CUSTOM_DEFAULT
        return (
            NAME,
            *(
                Column(
                    name=column.name,
                    type=column.type,
                    format=column.format,
                    description=column.description,
                    priority=column.priority,
                )
                for column in kind.printer_columns
            ),
        )
    printer = _PRINTERS.get(kind.group_resource)
    return _DEFAULT if printer is None else printer.columns


def _cells(kind: Kind, obj: JSONObject, now: datetime.datetime) -> list[JSONValue]:
    if kind.custom:
        if not kind.printer_columns:
            return [name_of(obj), age(obj, now)]
        return [name_of(obj), *(custom_cell(column, obj, now) for column in kind.printer_columns)]
    printer = _PRINTERS.get(kind.group_resource)
    if printer is None:
        return [name_of(obj), text_at(obj, "metadata", "creationTimestamp")]
    return printer.cells(obj, now)


def parse_include_object(value: str) -> str:
    """Return what a table is to give of each object: ``Metadata``, ``Object`` or ``None``.

    Raises:
        BadRequest: It is none of them.
    """
    if value not in INCLUDES:
        raise _bad_include(value)
    return value or "Metadata"


def _bad_include(value: str) -> BadRequest:
    rule = "must be 'Metadata', 'Object', 'None', or empty"
    return bad_request(f'Unable to convert to Table as requested: includeObject: Invalid value: "{value}": {rule}')


def render_table(  # noqa: PLR0913 - the parts of one table, the options by keyword
    kind: Kind,
    objects: Iterable[JSONObject],
    metadata: JSONObject,
    *,
    api_version: str,
    include_object: str,
    now: datetime.datetime,
    with_columns: bool = True,
) -> JSONObject:
    """Return a table.

    Args:
        kind: Whose.
        objects: Complete, with ``kind`` and ``apiVersion``.
        metadata: Of the list, or the version of a single object.
        api_version: Of the table.
        include_object: As :func:`parse_include_object` returns it.
        now: What ages are counted from.
        with_columns: False for a watch that has said them.
    """
    shown: dict[str, Callable[[JSONObject], JSONValue]] = {
        "None": lambda _: None,
        "Object": lambda obj: obj,
        "Metadata": lambda obj: metadata_only(obj, api_version),
    }
    include = shown[include_object]
    definitions: list[JSONValue] = [column.to_dict() for column in table_columns(kind)] if with_columns else []
    rows: list[JSONValue] = [
        {"cells": _cells(kind, obj, now), **_conditions(kind, obj), "object": include(obj)} for obj in objects
    ]
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _conditions(kind: Kind, obj: JSONObject) -> JSONObject:
    """Return what a row says beside its cells: of pods that have ended, that they have."""
    conditions = pod_conditions(obj) if kind.group_resource == "pods" else []
    return {"conditions": conditions} if conditions else {}


def metadata_only(obj: JSONObject, api_version: str) -> JSONObject:
    """Return an object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": mapping_at(obj, "metadata")}
