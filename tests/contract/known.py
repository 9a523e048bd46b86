"""What the embedded server answers otherwise than a real one, on purpose, and why.

Each entry names the step of a recording, and holds exactly what the embedded server answers in place of what is
recorded; that is compared like any other answer. docs/explanation/fidelity.md tells the users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeprims.meta import JSONObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One step that stays different.

    Attributes:
        reason: Why.
        answer: The members of the recorded step that are different, as the embedded server has them.
    """

    reason: str
    answer: JSONObject


KNOWN: Mapping[tuple[str, int], Known] = {}

GROUPS_SERVED: Mapping[str, tuple[str, ...]] = {
    "apiextensions.k8s.io": ("v1",),
    "apps": ("v1",),
    "autoscaling": ("v2", "v1"),
    "batch": ("v1",),
    "coordination.k8s.io": ("v1",),
    "discovery.k8s.io": ("v1",),
    "events.k8s.io": ("v1",),
    "networking.k8s.io": ("v1",),
    "node.k8s.io": ("v1",),
    "policy": ("v1",),
    "rbac.authorization.k8s.io": ("v1",),
    "scheduling.k8s.io": ("v1",),
    "storage.k8s.io": ("v1",),
}
"""The groups that the embedded server has, and their versions."""

NOT_SERVED: Mapping[str, frozenset[str]] = {
    "v1": frozenset(
        {
            "bindings",
            "componentstatuses",
            "nodes/proxy",
            "pods/attach",
            "pods/ephemeralcontainers",
            "pods/exec",
            "pods/log",
            "pods/portforward",
            "pods/proxy",
            "pods/resize",
            "serviceaccounts/token",
            "services/proxy",
        }
    ),
    "networking.k8s.io/v1": frozenset({"ipaddresses", "servicecidrs", "servicecidrs/status"}),
    "storage.k8s.io/v1": frozenset(
        {
            "csidrivers",
            "csinodes",
            "csinodes/status",
            "csistoragecapacities",
            "volumeattachments",
            "volumeattachments/status",
            "volumeattributesclasses",
        }
    ),
}
"""What the embedded server does not have in those groups; a request for it is answered with 404."""
