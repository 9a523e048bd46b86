"""Which rules an object of a built-in kind breaks, besides those of its metadata.

The rules are those that users meet; what else a real server knows to refuse is taken. Each problem has the field, the
reason and the words of a real server, and they come in its order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver import (
    kind_validation_network as network,
)
from kubeprims.testing.apiserver import (
    kind_validation_policies as policies,
)
from kubeprims.testing.apiserver import (
    kind_validation_quotas as quotas,
)
from kubeprims.testing.apiserver import (
    kind_validation_storage as storage,
)
from kubeprims.testing.apiserver import (
    kind_validation_workloads as workloads,
)
from kubeprims.testing.apiserver.defaulting import mapping
from kubeprims.testing.apiserver.kind_rules import Problems
from kubeprims.testing.apiserver.kind_validation_autoscalers import autoscaler_problems
from kubeprims.testing.apiserver.kind_validation_endpoints import endpoint_slice_problems, endpoints_problems
from kubeprims.testing.apiserver.kind_validation_ingresses import ingress_class_problems, ingress_problems
from kubeprims.testing.apiserver.kind_validation_nodes import node_problems
from kubeprims.testing.apiserver.kind_validation_pods import pod_problems, template_problems
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.status import FieldProblem


def _pod_template_problems(obj: JSONObject, _old: JSONObject | None) -> Problems:
    yield from template_problems(mapping(obj, "template"), "template")


_Rule = Callable[[JSONObject, JSONObject | None], Problems]
_RULES: Mapping[str, _Rule] = {
    "pods": pod_problems,
    "podtemplates": _pod_template_problems,
    "replicationcontrollers": workloads.replication_controller_problems,
    "deployments.apps": workloads.deployment_problems,
    "replicasets.apps": workloads.replica_set_problems,
    "statefulsets.apps": workloads.stateful_set_problems,
    "daemonsets.apps": workloads.daemon_set_problems,
    "controllerrevisions.apps": policies.revision_problems,
    "jobs.batch": workloads.job_problems,
    "cronjobs.batch": workloads.cron_job_problems,
    "services": network.service_problems,
    "endpoints": endpoints_problems,
    "endpointslices.discovery.k8s.io": endpoint_slice_problems,
    "ingresses.networking.k8s.io": ingress_problems,
    "ingressclasses.networking.k8s.io": ingress_class_problems,
    "networkpolicies.networking.k8s.io": network.network_policy_problems,
    "configmaps": storage.config_map_problems,
    "secrets": storage.secret_problems,
    "persistentvolumeclaims": storage.claim_problems,
    "persistentvolumes": storage.volume_problems,
    "storageclasses.storage.k8s.io": storage.storage_class_problems,
    "leases.coordination.k8s.io": storage.lease_problems,
    "roles.rbac.authorization.k8s.io": functools.partial(policies.role_problems, namespaced=True),
    "clusterroles.rbac.authorization.k8s.io": functools.partial(policies.role_problems, namespaced=False),
    "rolebindings.rbac.authorization.k8s.io": functools.partial(policies.role_binding_problems, namespaced=True),
    "clusterrolebindings.rbac.authorization.k8s.io": functools.partial(
        policies.role_binding_problems, namespaced=False
    ),
    "horizontalpodautoscalers.autoscaling": autoscaler_problems,
    "poddisruptionbudgets.policy": policies.budget_problems,
    "priorityclasses.scheduling.k8s.io": policies.priority_class_problems,
    "runtimeclasses.node.k8s.io": policies.runtime_class_problems,
    "resourcequotas": quotas.quota_problems,
    "limitranges": quotas.limit_range_problems,
    "nodes": node_problems,
}


def kind_problems(obj: JSONObject, old: JSONObject | None, kind: Kind) -> list[FieldProblem]:
    """Return which rules an object breaks.

    Args:
        obj: The object, in the form in which it is kept, with its defaults.
        old: What it replaces, in the same form; None for a new one.
        kind: Its kind; an object of a custom one breaks none.
    """
    problems = _problems(obj, old, kind)
    if not problems or old is None:
        return problems
    # What was created in bulk was not judged: it may stay as it is, as in upstream what an older release took may.
    before = _problems(old, None, kind)
    return [problem for problem in problems if problem not in before]


def _problems(obj: JSONObject, old: JSONObject | None, kind: Kind) -> list[FieldProblem]:
    if kind.custom:
        return []
    if kind.kind == "Event":
        return [*policies.event_problems(obj, old, kind)]
    rule = _RULES.get(kind.group_resource)
    return [] if rule is None else [*rule(obj, old)]
