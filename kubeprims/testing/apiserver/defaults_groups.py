"""The defaults of the kinds outside the core group."""

from __future__ import annotations

from collections.abc import Mapping

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import Defaults, items, mapping, text
from kubeprims.testing.apiserver.defaults_pods import CLAIM, TEMPLATE
from kubeprims.testing.apiserver.template_count import read_template_count

_BACKOFF_LIMIT = 6
_BACKOFF_LIMIT_PER_INDEX = 2**31 - 1
_RBAC_GROUP = "rbac.authorization.k8s.io"
_TCP = Defaults(values={"protocol": "TCP"})


def _rolling(values: Mapping[str, JSONValue]) -> Defaults:
    """Return the defaults of a strategy that rolls out in steps unless it says otherwise."""

    def rule(strategy: JSONObject) -> None:
        if strategy["type"] == "RollingUpdate":
            strategy["rollingUpdate"] = {**values, **mapping(strategy, "rollingUpdate")}

    return Defaults(values={"type": "RollingUpdate"}, rule=rule)


def _stateful_strategy(strategy: JSONObject) -> None:
    if "type" not in strategy:
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        strategy["rollingUpdate"] = {"partition": 0, "maxUnavailable": 1, **mapping(strategy, "rollingUpdate")}


def _claim(claim: JSONObject) -> None:
    claim.update({"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
    claim["status"] = {"phase": "Pending", **mapping(claim, "status")}


def _job_spec(spec: JSONObject) -> None:
    if "parallelism" not in spec:
        spec["parallelism"] = 1
        spec.setdefault("completions", 1)
    per_index = "backoffLimitPerIndex" in spec
    spec.setdefault("backoffLimit", _BACKOFF_LIMIT_PER_INDEX if per_index else _BACKOFF_LIMIT)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")


def _job(job: JSONObject) -> None:
    metadata = mapping(job, "metadata")
    labels = mapping(mapping(mapping(mapping(job, "spec"), "template"), "metadata"), "labels")
    if labels and not metadata.get("labels"):
        job["metadata"] = {**metadata, "labels": labels}


def _network_policy(spec: JSONObject) -> None:
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _autoscaler(spec: JSONObject) -> None:
    if not spec.get("metrics"):
        target: JSONObject = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if "behavior" in spec:
        behavior = mapping(spec, "behavior")
        rules: JSONObject = {key: {**_SCALING[key], **mapping(behavior, key)} for key in _SCALING}
        spec["behavior"] = rules


_PERCENT: JSONObject = {"type": "Percent", "value": 100, "periodSeconds": 15}
_PODS: JSONObject = {"type": "Pods", "value": 4, "periodSeconds": 15}
_SCALING: Mapping[str, JSONObject] = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [_PODS, _PERCENT]},
    "scaleDown": {"selectPolicy": "Max", "policies": [_PERCENT]},
}


def _binding(binding: JSONObject) -> None:
    reference = mapping(binding, "roleRef")
    binding["roleRef"] = {**reference, "apiGroup": text(reference, "apiGroup") or _RBAC_GROUP}
    if "subjects" in binding:
        binding["subjects"] = [_subject(subject) for subject in items(binding, "subjects")]


def _subject(subject: JSONObject) -> JSONObject:
    if text(subject, "kind") in {"User", "Group"} and not text(subject, "apiGroup"):
        return {**subject, "apiGroup": _RBAC_GROUP}
    return subject


def _pod_condition(pattern: JSONObject) -> None:
    pattern["status"] = text(pattern, "status") or "True"


_JOB_TEMPLATE_MEMBERS = {
    "template": TEMPLATE,
    "podFailurePolicy": Defaults(
        members={"rules": Defaults(members={"onPodConditions": Defaults(rule=_pod_condition)})}
    ),
}
_JOB_SPEC = Defaults(
    values={"completionMode": "NonIndexed", "suspend": False, "manualSelector": False},
    rule=_job_spec,
    members=_JOB_TEMPLATE_MEMBERS,
)
# The jobs that a schedule makes are completed when they are made.
_JOB_TEMPLATE_SPEC = Defaults(members=_JOB_TEMPLATE_MEMBERS)
_WORKLOAD = {"revisionHistoryLimit": 10}

GROUP_DEFAULTS: Mapping[str, Defaults] = {
    "deployments.apps": Defaults(
        members={
            "spec": Defaults(
                values={"replicas": 1, "progressDeadlineSeconds": 600, **_WORKLOAD},
                members={"strategy": _rolling({"maxUnavailable": "25%", "maxSurge": "25%"}), "template": TEMPLATE},
            )
        }
    ),
    "replicasets.apps": Defaults(members={"spec": Defaults(values={"replicas": 1}, members={"template": TEMPLATE})}),
    "daemonsets.apps": Defaults(
        rule=read_template_count,
        members={
            "spec": Defaults(
                values=_WORKLOAD,
                members={"updateStrategy": _rolling({"maxUnavailable": 1, "maxSurge": 0}), "template": TEMPLATE},
            )
        },
    ),
    "statefulsets.apps": Defaults(
        members={
            "spec": Defaults(
                values={
                    "replicas": 1,
                    "podManagementPolicy": "OrderedReady",
                    "persistentVolumeClaimRetentionPolicy": {},
                    **_WORKLOAD,
                },
                members={
                    "updateStrategy": Defaults(rule=_stateful_strategy),
                    "persistentVolumeClaimRetentionPolicy": Defaults(
                        values={"whenDeleted": "Retain", "whenScaled": "Retain"}
                    ),
                    "template": TEMPLATE,
                    "volumeClaimTemplates": Defaults(rule=_claim, members=CLAIM.members),
                },
            )
        }
    ),
    "jobs.batch": Defaults(rule=_job, members={"spec": _JOB_SPEC}),
    "cronjobs.batch": Defaults(
        members={
            "spec": Defaults(
                values={
                    "concurrencyPolicy": "Allow",
                    "suspend": False,
                    "successfulJobsHistoryLimit": 3,
                    "failedJobsHistoryLimit": 1,
                },
                members={"jobTemplate": Defaults(members={"spec": _JOB_TEMPLATE_SPEC})},
            )
        }
    ),
    "ingressclasses.networking.k8s.io": Defaults(
        members={"spec": Defaults(members={"parameters": Defaults(values={"scope": "Cluster"})})}
    ),
    "networkpolicies.networking.k8s.io": Defaults(
        members={
            "spec": Defaults(
                rule=_network_policy,
                members={"ingress": Defaults(members={"ports": _TCP}), "egress": Defaults(members={"ports": _TCP})},
            )
        }
    ),
    "horizontalpodautoscalers.autoscaling": Defaults(
        members={"spec": Defaults(values={"minReplicas": 1}, rule=_autoscaler)}
    ),
    "rolebindings.rbac.authorization.k8s.io": Defaults(rule=_binding),
    "clusterrolebindings.rbac.authorization.k8s.io": Defaults(rule=_binding),
    "storageclasses.storage.k8s.io": Defaults(values={"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
    "priorityclasses.scheduling.k8s.io": Defaults(values={"preemptionPolicy": "PreemptLowerPriority"}),
    "endpointslices.discovery.k8s.io": Defaults(members={"ports": Defaults(values={"name": "", "protocol": "TCP"})}),
}
