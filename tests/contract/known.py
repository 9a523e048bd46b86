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


_CEL = 'rules in CEL are not supported by this server, which could not carry out "self.low <= self.high"'
_CEL_FIELD = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"
_CEL_NAME = "widgets.rules-of-the-schema.example.com"

_OUT_OF_RANGE = (
    'Invalid value: ["192.168.1.1"]: failed to allocate IP 192.168.1.1: the provided IP (192.168.1.1) is not in the '
    "valid range. The range of valid IPs is <clusterIP 1>/16"
)

KNOWN: Mapping[tuple[str, int], Known] = {
    ("bookmarks/a_bookmark_names_the_kind_and_nothing_else", 3): Known(
        reason="how many bookmarks come before the end is a matter of timing; here it is one",
        answer={
            "events": [
                {
                    "type": "BOOKMARK",
                    "object": {
                        "kind": "Pod",
                        "apiVersion": "v1",
                        "metadata": {"resourceVersion": "<rv, not before rv 2>"},
                        "spec": {"containers": None},
                        "status": {},
                    },
                }
            ]
        },
    ),
    ("claim_rules/addresses_out_of_range", 0): Known(
        reason="the range of cluster IPs is larger",
        answer={
            "body": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": f'Service "a" is invalid: spec.clusterIPs: {_OUT_OF_RANGE}',
                "reason": "Invalid",
                "details": {
                    "name": "a",
                    "kind": "Service",
                    "causes": [
                        {"reason": "FieldValueInvalid", "message": _OUT_OF_RANGE, "field": "spec.clusterIPs"},
                    ],
                },
                "code": 422,
            },
        },
    ),
    ("crds/rules_of_the_schema", 0): Known(
        reason="the rules of a definition are in CEL, for which there is no library here",
        answer={
            "status": 422,
            "body": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": (
                    f'CustomResourceDefinition.apiextensions.k8s.io "{_CEL_NAME}" is invalid: '
                    f"{_CEL_FIELD}: Forbidden: {_CEL}"
                ),
                "reason": "Invalid",
                "details": {
                    "name": _CEL_NAME,
                    "group": "apiextensions.k8s.io",
                    "kind": "CustomResourceDefinition",
                    "causes": [{"reason": "FieldValueForbidden", "message": f"Forbidden: {_CEL}", "field": _CEL_FIELD}],
                },
                "code": 422,
            },
        },
    ),
    ("patches/merge_patches_that_do_not_apply", 9): Known(
        reason="a patch that changes the kind is refused for that, and not for what the other kind cannot hold",
        answer={
            "status": 400,
            "body": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": 'Secret in version "v1" cannot be handled as a ConfigMap',
                "reason": "BadRequest",
                "code": 400,
            },
        },
    ),
}

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
