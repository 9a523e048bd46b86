"""What classes do to the objects that name them, and to those that name none; and nodes to their pods. Pure.

Source:
    kubernetes plugin/pkg/admission: priority, runtimeclass, storage/storageclass/setdefault,
    storage/persistentvolume/resize and network/defaultingressclass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.defaults_pods import with_admitted_values
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.quantities import parse_quantity

_BETA_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_STORAGE_CLASS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_DEFAULT_INGRESS_CLASS = ("ingressclass.kubernetes.io/is-default-class",)
_INGRESS_CLASS = "kubernetes.io/ingress.class"
_TOPOLOGY_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


class NotAdmittedError(ValueError):
    """What is asked for is against what another object says; the text says why, in upstream's words."""


def with_priority(pod: JSONObject, named: JSONObject | None, default: JSONObject | None) -> JSONObject:
    """Return a new pod with its priority.

    Args:
        pod: The pod.
        named: The class that it names; None if that is not there, or if it names none.
        default: The class for pods that name none, if there is one.

    Raises:
        NotAdmittedError: There is no such class, or the pod has another priority than its class.
    """
    spec = dict(mapping(pod, "spec"))
    name = text(spec, "priorityClassName")
    if name and named is None:
        message = f"no PriorityClass with name {name} was found"
        raise NotAdmittedError(message)
    found = named or default or {}
    if not name and default is not None:
        spec["priorityClassName"] = text_of(metadata_of(default), "name")
    value, policy = found.get("value", 0), found.get("preemptionPolicy", "PreemptLowerPriority")
    computed = "must not be provided in pod spec; priority admission controller computed"
    if spec.setdefault("priority", value) != value:
        given = f"the integer value of priority ({spec['priority']})"
        message = f"{given} {computed} {value} from the given PriorityClass name"
        raise NotAdmittedError(message)
    if spec.setdefault("preemptionPolicy", policy) != policy:
        given = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']})"
        message = f"{given} {computed} {policy} from the given PriorityClass name"
        raise NotAdmittedError(message)
    return {**pod, "spec": spec}


def with_runtime(pod: JSONObject, runtime_class: JSONObject | None) -> JSONObject:
    """Return a new pod with what the class that it names says of its overhead and of the nodes it may run on.

    Raises:
        NotAdmittedError: There is no such class, or the pod says something else.
    """
    spec = dict(mapping(pod, "spec"))
    name = spec.get("runtimeClassName")
    if name is not None and runtime_class is None:
        message = f'pod rejected: RuntimeClass "{name}" not found'
        raise NotAdmittedError(message)
    found = runtime_class or {}
    overhead = mapping(mapping(found, "overhead"), "podFixed")
    if mapping(spec, "overhead"):
        if not overhead:
            message = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise NotAdmittedError(message)
        if _values(mapping(spec, "overhead")) != _values(overhead):
            message = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            raise NotAdmittedError(message)
    if overhead:
        spec["overhead"] = overhead
    scheduling = mapping(found, "scheduling")
    nodes, wanted = mapping(scheduling, "nodeSelector"), mapping(spec, "nodeSelector")
    for key, value in sorted(nodes.items()):
        if wanted.get(key, value) != value:
            own = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}"
            message = f"conflict: {own}; pod.spec.nodeSelector[{key}] = {wanted[key]}"
            raise NotAdmittedError(message)
    if nodes:
        spec["nodeSelector"] = dict(sorted((wanted | nodes).items()))
    pod = {**pod, "spec": spec}
    if not items(scheduling, "tolerations"):
        return pod
    # What every pod tolerates is there before: that is admission's order.
    pod = with_admitted_values(pod)
    merged = _merged([*items(mapping(pod, "spec"), "tolerations"), *items(scheduling, "tolerations")])
    return {**pod, "spec": {**mapping(pod, "spec"), "tolerations": merged}}


def _values(amounts: JSONObject) -> JSONObject:
    return {name: str(parse_quantity(str(amount)).value.normalize()) for name, amount in amounts.items()}


def _merged(tolerations: list[JSONObject]) -> list[JSONValue]:
    """Return tolerations without those that others cover.

    Source:
        kubernetes pkg/util/tolerations/tolerations.go.
    """
    merged: list[JSONObject] = []
    for number, toleration in enumerate(tolerations, 1):
        rest = [other for other in tolerations[number:] if other != toleration]
        if not any(_covers(other, toleration) for other in (*merged, *rest)):
            merged.append(toleration)
    return [*merged]


def _covers(wide: JSONObject, narrow: JSONObject) -> bool:
    if wide == narrow:
        return True
    exists = wide.get("operator") == "Exists"
    if text(wide, "key") != text(narrow, "key") and (text(wide, "key") or not exists):
        return False
    if text(wide, "effect") not in {text(narrow, "effect"), ""}:
        return False
    longest_s, asked_s = wide.get("tolerationSeconds"), narrow.get("tolerationSeconds")
    is_bounded = wide.get("effect") == "NoExecute" and isinstance(longest_s, int)
    if is_bounded and not (isinstance(asked_s, int) and asked_s <= cast("int", longest_s)):
        return False
    return exists or (narrow.get("operator") == "Equal" and text(narrow, "value") == text(wide, "value"))


def default_priority_class(classes: Iterable[JSONObject]) -> JSONObject | None:
    """Return the class for pods that name none: of several, the lowest."""
    defaults = [found for found in classes if found.get("globalDefault")]
    return min(defaults, key=_priority, default=None)


def _priority(priority_class: JSONObject) -> int:
    value = priority_class.get("value")
    return value if isinstance(value, int) else 0


def topology_labels(node: JSONObject | None) -> JSONObject:
    """Return the labels that pods take over from their node; none if it is not there.

    Source:
        kubernetes plugin/pkg/admission/podtopologylabels.
    """
    labels = mapping(metadata_of(node), "labels") if node is not None else {}
    return {key: labels[key] for key in _TOPOLOGY_LABELS if key in labels}


def with_labels(obj: JSONObject, labels: JSONObject) -> JSONObject:
    """Return an object with more labels, which are put above its own."""
    metadata = metadata_of(obj)
    merged: JSONObject = {**metadata, "labels": dict(sorted({**mapping(metadata, "labels"), **labels}.items()))}
    return {**obj, "metadata": merged} if labels else obj


def with_storage_class(claim: JSONObject, classes: Iterable[JSONObject]) -> JSONObject:
    """Return a new claim with the default class, if it does not say of which class it is to be."""
    annotations, spec = mapping(metadata_of(claim), "annotations"), mapping(claim, "spec")
    if "storageClassName" in spec or _BETA_STORAGE_CLASS in annotations:
        return claim
    default = _default_class(classes, _DEFAULT_STORAGE_CLASS)
    return {**claim, "spec": {**spec, "storageClassName": default}} if default else claim


def with_ingress_class(ingress: JSONObject, classes: Iterable[JSONObject]) -> JSONObject:
    """Return a new ingress with the default class, if it does not say of which class it is to be."""
    annotations, spec = mapping(metadata_of(ingress), "annotations"), mapping(ingress, "spec")
    if "ingressClassName" in spec or _INGRESS_CLASS in annotations:
        return ingress
    default = _default_class(classes, _DEFAULT_INGRESS_CLASS)
    return {**ingress, "spec": {**spec, "ingressClassName": default}} if default else ingress


def _default_class(classes: Iterable[JSONObject], keys: tuple[str, ...]) -> str:
    """Return the name of the newest class that is marked as the default; empty if none is."""
    marked: list[JSONObject] = []
    for found in classes:
        annotations = mapping(metadata_of(found), "annotations")
        if any(annotations.get(key) == "true" for key in keys):
            marked.append(metadata_of(found))
    marked.sort(key=lambda metadata: text_of(metadata, "name"))
    newest = max(marked, key=lambda metadata: text_of(metadata, "creationTimestamp"), default=JSONObject())
    return text_of(newest, "name")


def storage_class_of(claim: JSONObject) -> str:
    """Return the name of the class that a claim is of; empty for none."""
    annotations = mapping(metadata_of(claim), "annotations")
    return text(annotations, _BETA_STORAGE_CLASS) or text(mapping(claim, "spec"), "storageClassName")


def check_growth(claim: JSONObject, existing: JSONObject, storage_class: JSONObject | None) -> None:
    """Check that a claim that is to become larger may.

    Raises:
        NotAdmittedError: It may not.
    """
    if parse_quantity(_size(claim)).value <= parse_quantity(_size(existing)).value:
        return
    if text(mapping(existing, "status"), "phase") != "Bound":
        message = "Only bound persistent volume claims can be expanded"
        raise NotAdmittedError(message)
    of_one_class = storage_class_of(claim) == storage_class_of(existing)
    if storage_class is None or not of_one_class or not storage_class.get("allowVolumeExpansion"):
        message = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
            "support resize"
        )
        raise NotAdmittedError(message)


def _size(claim: JSONObject) -> str:
    return str(mapping(mapping(mapping(claim, "spec"), "resources"), "requests").get("storage", "0"))
