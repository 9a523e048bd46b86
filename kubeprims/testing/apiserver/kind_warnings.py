"""What a client is warned of that has written an object of a built-in kind: what is valid, and odd.

Source:
    kubernetes pkg/registry/*/*/strategy.go, ``WarningsOnCreate`` and ``WarningsOnUpdate``, and what they call. Differs:
    whether a certificate and its key belong together is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.address_warnings import Warnings, address_warnings, network_warnings
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.kind_rules import indexed, number, texts
from kubeprims.testing.apiserver.kind_validation_annotations import old_profile_warnings
from kubeprims.testing.apiserver.kinds import Kind, NameRule
from kubeprims.testing.apiserver.metadata import metadata_of, name_rules_broken, text_of
from kubeprims.testing.apiserver.pod_warnings import (
    OLD_VOLUMES,
    claim_warnings,
    node_term_warnings,
    old_label_warnings,
    pod_warnings,
)

_Rule = Callable[[JSONObject, JSONObject | None], Warnings]

_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_SLICE_MANAGERS = frozenset({"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"})
_ENDPOINTS_MANAGER = ("endpoints.kubernetes.io/managed-by", "endpoint-controller")
_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_OLD_CLASS_WARNING = (
    f'metadata.annotations[{_OLD_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead'
)
_OLD_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_OLD_INGRESS_CLASS = "kubernetes.io/ingress.class"
_HINTS, _TOPOLOGY_MODE = (f"service.kubernetes.io/topology-{name}" for name in ("aware-hints", "mode"))
_MANY_COMPLETIONS, _MUCH_PARALLELISM = 100_000, 10_000
_MANY_INDEXES = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes "
    "might not be able to track completedIndexes when a big number of indexes fail"
)
_UNCLEAR_VOLUMES = frozenset({"gitRepo", "flocker", "quobyte"})  # those of pods alone are warned of


def kind_warnings(kind: Kind, obj: JSONObject, old: JSONObject | None) -> list[str]:
    """Return what is odd about an object that has been written, each once.

    Args:
        kind: Its kind.
        obj: The object, as it is stored.
        old: The same before; None for a new one. Nothing is said when no more than the status has changed.
    """
    if not is_warned_of(kind, is_new=old is None) or (old is not None and _asked(obj) == _asked(old)):
        return []
    return list(dict.fromkeys(_RULES[kind.group_resource](obj, old)))


def is_warned_of(kind: Kind, *, is_new: bool) -> bool:
    """Return whether there is anything that a client could be warned of."""
    return not kind.custom and kind.group_resource in _RULES and (is_new or kind.group_resource not in _NEW_ALONE)


def _asked(obj: JSONObject) -> JSONObject:
    """Return what a client asks for."""
    metadata = metadata_of(obj)
    kept: JSONObject = {key: metadata.get(key) for key in ("generation", "labels", "annotations", "finalizers")}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": kept}


def _annotations(obj: JSONObject) -> JSONObject:
    return mapping(metadata_of(obj), "annotations")


def _name_warnings(obj: JSONObject, use: str) -> Warnings:
    broken = [*name_rules_broken(text_of(metadata_of(obj), "name"), NameRule.DNS_LABEL)]
    if broken:
        yield (
            f"metadata.name: this is used in {use}, which can result in surprising behavior; a DNS label is "
            f"recommended: [{' '.join(broken)}]"
        )


def _pod(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    yield from old_profile_warnings(obj)
    yield from _name_warnings(obj, "the Pod's hostname")
    yield from pod_warnings(obj)


def _workload(obj: JSONObject, old: JSONObject | None, *, named: bool = True) -> Warnings:
    if old is None and named:
        yield from _name_warnings(obj, "Pod names and hostnames")
    if _is_other(obj, old):
        yield from pod_warnings(mapping(mapping(obj, "spec"), "template"), "spec.template")


def _is_other(obj: JSONObject, old: JSONObject | None) -> bool:
    """Return whether what is asked for is new."""
    return old is None or metadata_of(obj).get("generation") != metadata_of(old).get("generation")


def _pod_template(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    return pod_warnings(mapping(obj, "template"), "template")


def _daemon_set(obj: JSONObject, old: JSONObject | None) -> Warnings:
    template = mapping(mapping(obj, "spec"), "template")
    if old is None or template != mapping(mapping(old, "spec"), "template"):
        yield from pod_warnings(template, "spec.template")


def _stateful_set(obj: JSONObject, old: JSONObject | None) -> Warnings:
    yield from _workload(obj, old, named=False)
    spec, below = mapping(obj, "spec"), "" if old is None else ".Spec"  # as upstream has it
    for field, claim in indexed(spec, "volumeClaimTemplates", "spec"):
        yield from claim_warnings(mapping(claim, "spec"), f"{field}{below}")
    if (number(spec, "revisionHistoryLimit") or 0) < 0:
        yield (
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        )


def _job_spec(spec: JSONObject, path: str) -> Warnings:
    completions, parallelism = number(spec, "completions") or 0, number(spec, "parallelism") or 0
    is_indexed = spec.get("completionMode") == "Indexed"
    if is_indexed and completions > _MANY_COMPLETIONS and parallelism > _MUCH_PARALLELISM:
        yield f"{path}: {_MANY_INDEXES}"
    yield from pod_warnings(mapping(spec, "template"), f"{path}.template")


def _job(obj: JSONObject, old: JSONObject | None) -> Warnings:
    if old is None:
        yield from _name_warnings(obj, "Pod names and hostnames")
    if _is_other(obj, old):
        yield from _job_spec(mapping(obj, "spec"), "spec")


def _cron_job(obj: JSONObject, old: JSONObject | None) -> Warnings:
    if old is None:
        yield from _name_warnings(obj, "Pod names and hostnames")
    spec = mapping(obj, "spec")
    if _is_other(obj, old):
        yield from _job_spec(mapping(mapping(spec, "jobTemplate"), "spec"), "spec.jobTemplate.spec")
    if old is not None and "TZ" in text(spec, "schedule"):
        yield (
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )


def _service(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    spec, external = mapping(obj, "spec"), text(mapping(obj, "spec"), "type") == "ExternalName"
    addresses = texts(spec, "externalIPs")
    if _HINTS in _annotations(obj):
        yield f"annotation {_HINTS} is deprecated, please use {_TOPOLOGY_MODE} instead"
    headless = spec.get("type") == "ClusterIP" and spec.get("clusterIP") == "None"
    if headless:
        yield from _headless_warnings(spec)
    else:
        yield from _each(address_warnings, texts(spec, "clusterIPs"), "spec.clusterIPs")
    yield from _each(address_warnings, addresses, "spec.externalIPs")
    if addresses and not headless and not external:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("loadBalancerIP"):
        yield from address_warnings(text(spec, "loadBalancerIP"), "spec.loadBalancerIP")
    yield from _each(network_warnings, texts(spec, "loadBalancerSourceRanges"), "spec.loadBalancerSourceRanges")
    if external and addresses:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if not external and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'


def _headless_warnings(spec: JSONObject) -> Warnings:
    if spec.get("loadBalancerIP"):
        yield "spec.loadBalancerIP is ignored for headless services"
    if spec.get("externalIPs"):
        yield "spec.externalIPs is ignored for headless services"
    if spec.get("sessionAffinity") != "None":
        yield "spec.SessionAffinity is ignored for headless services"


def _each(rule: Callable[[str, str], Warnings], values: Iterable[str], path: str) -> Warnings:
    for position, value in enumerate(values):
        yield from rule(value, f"{path}[{position}]")


def _volume(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    spec, annotations = mapping(obj, "spec"), _annotations(obj)
    if _OLD_CLASS in annotations:
        yield _OLD_CLASS_WARNING
    if _OLD_OPTIONS in annotations:
        yield f'metadata.annotations[{_OLD_OPTIONS}]: deprecated since v1.31; use "mountOptions" attribute instead'
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    required = mapping(mapping(spec, "nodeAffinity"), "required")
    for field, term in indexed(required, "nodeSelectorTerms", "spec.nodeAffinity.required"):
        yield from node_term_warnings(term, field)
    for key, words in OLD_VOLUMES.items():
        if key in spec and key not in _UNCLEAR_VOLUMES:
            yield f"spec.{words}"


def _claim(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    if _OLD_CLASS in _annotations(obj):
        yield _OLD_CLASS_WARNING
    yield from claim_warnings(mapping(obj, "spec"), "spec")


def _storage_class(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    for where, topology in indexed(obj, "allowedTopologies", ""):
        for field, item in indexed(topology, "matchLabelExpressions", where.removeprefix(".")):
            yield from old_label_warnings(text(item, "key"), f"{field}.key")


def _runtime_class(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    for key in sorted(mapping(mapping(obj, "scheduling"), "nodeSelector")):
        yield from old_label_warnings(key, "scheduling.nodeSelector")


def _network_policy(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    for part, side in (("ingress", "from"), ("egress", "to")):
        for where, rule in indexed(mapping(obj, "spec"), part, "spec"):
            for peer, found in indexed(rule, side, where):
                block, field = mapping(found, "ipBlock"), f"{peer}.ipBlock"
                yield from network_warnings(text(block, "cidr"), f"{field}.cidr")
                yield from _each(network_warnings, texts(block, "except"), f"{field}.except")


def _ingress(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    if _OLD_INGRESS_CLASS in _annotations(obj) and "ingressClassName" not in mapping(obj, "spec"):
        yield f"annotation \"{_OLD_INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"


def _endpoint_slice(obj: JSONObject, old: JSONObject | None) -> Warnings:
    if old is None and obj.get("addressType") == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
    if mapping(metadata_of(obj), "labels").get(_MANAGED_BY) not in _SLICE_MANAGERS:
        for where, endpoint in indexed(obj, "endpoints", ""):
            yield from _each(address_warnings, texts(endpoint, "addresses"), f"{where.removeprefix('.')}.addresses")


def _endpoints(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    label, manager = _ENDPOINTS_MANAGER
    if mapping(metadata_of(obj), "labels").get(label) == manager:
        return
    for where, subset in indexed(obj, "subsets", ""):
        for part in ("addresses", "notReadyAddresses"):
            for field, item in indexed(subset, part, where.removeprefix(".")):
                yield from address_warnings(text(item, "ip"), f"{field}.ip")


def _node(obj: JSONObject, _old: JSONObject | None) -> Warnings:
    if mapping(obj, "spec").get("externalID"):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    yield from _each(network_warnings, texts(mapping(obj, "spec"), "podCIDRs"), "spec.podCIDRs")


def _service_account(obj: JSONObject, old: JSONObject | None) -> Warnings:
    if _MOUNTABLE in _annotations(obj) and (old is None or _MOUNTABLE not in _annotations(old)):
        yield (
            f"metadata.annotations[{_MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access "
            "to mounted secrets"
        )


_NEW_ALONE = frozenset({"pods", "podtemplates", "ingresses.networking.k8s.io"})
"""Those that are odd once: nobody is warned who changes them."""

_RULES: Mapping[str, _Rule] = {
    "pods": _pod,
    "podtemplates": _pod_template,
    "replicationcontrollers": _workload,
    "deployments.apps": _workload,
    "replicasets.apps": _workload,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "cronjobs.batch": _cron_job,
    "services": _service,
    "persistentvolumes": _volume,
    "persistentvolumeclaims": _claim,
    "storageclasses.storage.k8s.io": _storage_class,
    "runtimeclasses.node.k8s.io": _runtime_class,
    "networkpolicies.networking.k8s.io": _network_policy,
    "ingresses.networking.k8s.io": _ingress,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "endpoints": _endpoints,
    "nodes": _node,
    "serviceaccounts": _service_account,
}
