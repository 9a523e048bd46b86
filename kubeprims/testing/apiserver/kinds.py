"""The built-in kinds, by what they are looked up by."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.testing.apiserver.kind import (
    ALL_VERBS,
    Kind,
    NameRule,
    PrinterColumn,
    ScalePaths,
    SelectableField,
    Subresource,
)
from kubeprims.testing.apiserver.kinds_core import CORE_KINDS
from kubeprims.testing.apiserver.kinds_groups import CUSTOM_RESOURCE_DEFINITIONS, GROUP_KINDS

__all__ = [
    "ALL_VERBS",
    "BUILT_IN_BY_NAME",
    "BUILT_IN_KINDS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "NAMESPACES",
    "NODES",
    "PERSISTENT_VOLUME_CLAIMS",
    "PODS",
    "POD_DISRUPTION_BUDGETS",
    "PRIORITY_CLASSES",
    "RESOURCE_QUOTAS",
    "SERVICES",
    "Kind",
    "NameRule",
    "PrinterColumn",
    "ScalePaths",
    "SelectableField",
    "Subresource",
]

BUILT_IN_KINDS: tuple[Kind, ...] = (*CORE_KINDS, *GROUP_KINDS)
BUILT_IN_BY_NAME: Mapping[tuple[str, str, str], Kind] = {
    (kind.group, kind.version, kind.resource): kind for kind in BUILT_IN_KINDS
}

NAMESPACES = BUILT_IN_BY_NAME["", "v1", "namespaces"]
PERSISTENT_VOLUME_CLAIMS = BUILT_IN_BY_NAME["", "v1", "persistentvolumeclaims"]
NODES = BUILT_IN_BY_NAME["", "v1", "nodes"]
PODS = BUILT_IN_BY_NAME["", "v1", "pods"]
SERVICES = BUILT_IN_BY_NAME["", "v1", "services"]
POD_DISRUPTION_BUDGETS = BUILT_IN_BY_NAME["policy", "v1", "poddisruptionbudgets"]
PRIORITY_CLASSES = BUILT_IN_BY_NAME["scheduling.k8s.io", "v1", "priorityclasses"]
RESOURCE_QUOTAS = BUILT_IN_BY_NAME["", "v1", "resourcequotas"]
