"""The objects that there are from the start.

Source:
    kubernetes pkg/registry/scheduling/rest/storage_scheduling.go; pkg/apis/scheduling/v1/helpers.go.
"""

from __future__ import annotations

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.defaults_pods import SYSTEM_PRIORITIES

OWN_MANAGER = "kube-apiserver"
"""Who manages what the server writes by itself."""

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_FOR = {
    "system-node-critical": "that must not be moved from their current node.",
    "system-cluster-critical": "that must run in the cluster, but can be moved to another node if necessary.",
}


def first_namespaces() -> list[JSONObject]:
    """Return the namespaces."""
    return [{"metadata": {"name": name}} for name in _NAMESPACES]


def first_priority_classes(now: str) -> list[JSONObject]:
    """Return the priority classes of the system.

    Args:
        now: When they are made.
    """
    owned: JSONObject = {"f:description": {}, "f:preemptionPolicy": {}, "f:value": {}}
    manager: JSONObject = {
        "manager": OWN_MANAGER,
        "operation": "Update",
        "apiVersion": "scheduling.k8s.io/v1",
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    }
    return [
        {
            "metadata": {"name": name, "managedFields": [manager]},
            "value": SYSTEM_PRIORITIES[name],
            "description": f"Used for system critical pods {purpose}",
        }
        for name, purpose in _FOR.items()
    ]
