"""What objects that are there do to writes of others: they complete them, refuse them, and keep count of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.admission_classes import (
    NotAdmittedError,
    check_growth,
    default_priority_class,
    storage_class_of,
    topology_labels,
    with_ingress_class,
    with_labels,
    with_priority,
    with_runtime,
    with_storage_class,
)
from kubeprims.testing.apiserver.admission_limits import (
    claim_limits_broken,
    pod_limits_broken,
    with_limit_defaults,
)
from kubeprims.testing.apiserver.admission_quotas import charged_quotas
from kubeprims.testing.apiserver.admission_security import (
    Demands,
    changes_images,
    demands_of,
    has_template,
    label_problems,
    template_of,
    warnings_of_pods,
)
from kubeprims.testing.apiserver.admission_usage import evaluator_of
from kubeprims.testing.apiserver.defaulting import mapping, text
from kubeprims.testing.apiserver.encoding import decode_tail
from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.kinds import (
    BUILT_IN_BY_NAME,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
)
from kubeprims.testing.apiserver.metadata import metadata_of, text_of
from kubeprims.testing.apiserver.objects import Objects
from kubeprims.testing.apiserver.status import forbidden, invalid
from kubeprims.testing.apiserver.storage import Table
from kubeprims.testing.apiserver.target import Target

_INGRESSES = BUILT_IN_BY_NAME["networking.k8s.io", "v1", "ingresses"]
_INGRESS_CLASSES = BUILT_IN_BY_NAME["networking.k8s.io", "v1", "ingressclasses"]
_LIMIT_RANGES = BUILT_IN_BY_NAME["", "v1", "limitranges"]
_RUNTIME_CLASSES = BUILT_IN_BY_NAME["node.k8s.io", "v1", "runtimeclasses"]
_STORAGE_CLASSES = BUILT_IN_BY_NAME["storage.k8s.io", "v1", "storageclasses"]


class Admission:
    """Lets writes in.

    Where none of the objects are there that have a say, a write costs a look at an empty table.

    Concurrency:
        None of its own: the lock of the storage is held by the caller.
    """

    def __init__(self, objects: Objects) -> None:
        self._limit_ranges = objects.table(_LIMIT_RANGES)
        self._quotas = objects.table(RESOURCE_QUOTAS)
        self._namespaces = objects.table(NAMESPACES)
        self._nodes = objects.table(NODES)
        self._pods = objects.table(PODS)
        self._priority_classes = objects.table(PRIORITY_CLASSES)
        self._runtime_classes = objects.table(_RUNTIME_CLASSES)
        self._storage_classes = objects.table(_STORAGE_CLASSES)
        self._ingress_classes = objects.table(_INGRESS_CLASSES)
        self._complete: Mapping[str, Callable[[str, JSONObject], JSONObject]] = {
            PODS.group_resource: self._completed_pod,
            PERSISTENT_VOLUME_CLAIMS.group_resource: lambda _, claim: with_storage_class(
                claim, _all(self._storage_classes)
            ),
            _INGRESSES.group_resource: lambda _, ingress: with_ingress_class(ingress, _all(self._ingress_classes)),
        }

    def completed(self, target: Target, obj: JSONObject, known_as: str) -> JSONObject:
        """Return a new object with what others give to it; its metadata may be changed in place.

        Args:
            target: What the write is about.
            obj: The object.
            known_as: The name of the object in the request, or what it is to be made of.

        Raises:
            Forbidden: It asks for something that it cannot have.
        """
        complete = self._complete.get(target.kind.group_resource)
        if complete is None:
            return obj
        try:
            return complete(target.namespace, obj)
        except NotAdmittedError as error:
            raise forbidden(target.kind, known_as, str(error)) from None

    def charged(self, target: Target, obj: JSONObject, existing: JSONObject | None = None) -> Sequence[JSONObject]:
        """Check that an object may be as it is to be, and return the quotas that count it, as they are after the write.

        Args:
            target: What the write is about.
            obj: The object.
            existing: The object before; None if it is new.

        Raises:
            Forbidden: It may not.
            Invalid: A namespace has labels for pod security that cannot be understood.
        """
        try:
            if not target.subresource:
                self._check_limits(target, obj, existing)
                self._check_security(target, obj, existing)
                self._check_classes(target, obj, existing)
            return self._charged(target, obj, existing)
        except NotAdmittedError as error:
            raise forbidden(target.kind, text_of(metadata_of(obj), "name"), str(error)) from None

    def warnings(self, target: Target, written: StoredObject, old: StoredObject | None = None) -> list[str]:
        """Return what the client is to be warned of: pods that a namespace does not want, or is not to have any more.

        Args:
            target: What the write was about.
            written: The object.
            old: The object before; None if it is new.
        """
        kind = target.kind
        if target.subresource:
            return []
        if kind is NAMESPACES:
            return [] if old is None else self._warnings_of_namespace(written, old)
        if kind is not PODS and not has_template(kind.group_resource):
            return []
        warn = self._demands(target.namespace).warn
        if warn.is_none:
            return []
        obj = decode_tail(written.tail)
        if kind is not PODS:
            obj = template_of(kind.group_resource, obj)
        elif old is not None and not changes_images(obj, decode_tail(old.tail)):
            return []
        warning = warn.refusal(obj, "would violate")
        return [warning] if warning else []

    def _warnings_of_namespace(self, written: StoredObject, old: StoredObject) -> list[str]:
        enforce = demands_of(written.labels).enforce
        if not enforce.tightens(demands_of(old.labels).enforce):
            return []
        return warnings_of_pods(written.key, enforce, _within(self._pods, written.key))

    def _demands(self, namespace: str) -> Demands:
        stored = self._namespaces.objects.get(namespace)
        return demands_of(() if stored is None else stored.labels)

    def _completed_pod(self, namespace: str, pod: JSONObject) -> JSONObject:
        for limit_range in _within(self._limit_ranges, namespace):
            pod = with_limit_defaults(pod, limit_range)
        spec = mapping(pod, "spec")
        named = _find(self._priority_classes, text(spec, "priorityClassName"))
        default = None if named else default_priority_class(_all(self._priority_classes, b'"globalDefault"'))
        pod = with_priority(pod, named, default)
        if "runtimeClassName" in spec or "overhead" in spec:
            pod = with_runtime(pod, _find(self._runtime_classes, text(spec, "runtimeClassName")))
        node = text(spec, "nodeName")
        return with_labels(pod, topology_labels(_find(self._nodes, node))) if node else pod

    def _check_limits(self, target: Target, obj: JSONObject, existing: JSONObject | None) -> None:
        if not self._limit_ranges.objects:
            return
        judge: Callable[[JSONObject, JSONObject], Iterator[str]]
        if target.kind is PODS and existing is None:
            judge = pod_limits_broken
        elif target.kind is PERSISTENT_VOLUME_CLAIMS and "deletionTimestamp" not in metadata_of(existing or obj):
            judge = claim_limits_broken
        else:
            return
        for limit_range in _within(self._limit_ranges, target.namespace):
            broken = [*dict.fromkeys(judge(obj, limit_range))]
            if broken:
                raise NotAdmittedError(broken[0] if len(broken) == 1 else f"[{', '.join(broken)}]")

    def _check_security(self, target: Target, obj: JSONObject, existing: JSONObject | None) -> None:
        if target.kind is NAMESPACES:
            old = None if existing is None else mapping(metadata_of(existing), "labels")
            problems = label_problems(mapping(metadata_of(obj), "labels"), old)
            if problems:
                raise invalid(target.kind.kind, text_of(metadata_of(obj), "name"), problems, group=target.kind.group)
        elif target.kind is PODS and (existing is None or changes_images(obj, existing)):
            refusal = self._demands(target.namespace).enforce.refusal(obj)
            if refusal:
                raise NotAdmittedError(refusal)

    def _check_classes(self, target: Target, obj: JSONObject, existing: JSONObject | None) -> None:
        if target.kind is PERSISTENT_VOLUME_CLAIMS and existing is not None:
            check_growth(obj, existing, _find(self._storage_classes, storage_class_of(obj)))
        elif target.kind is PRIORITY_CLASSES and obj.get("globalDefault"):
            default = default_priority_class(_all(self._priority_classes, b'"globalDefault"'))
            name = "" if default is None else text_of(metadata_of(default), "name")
            if name and (existing is None or name != target.name):
                message = f"PriorityClass {name} is already marked as default. Only one default can exist"
                raise NotAdmittedError(message)

    def _charged(self, target: Target, obj: JSONObject, existing: JSONObject | None) -> Sequence[JSONObject]:
        if not self._quotas.objects or not target.namespace:
            return ()
        quotas = [*_within(self._quotas, target.namespace)]
        evaluator = evaluator_of(target.kind) if quotas else None
        if evaluator is None or not evaluator.weighs(target.subresource, obj, existing):
            return ()
        # What a status says has happened already: it counts, and is not refused.
        return charged_quotas(quotas, evaluator, obj, existing, is_bounded=not target.subresource)


def _within(table: Table, namespace: str) -> Iterator[JSONObject]:
    if table.objects:
        for key in table.keys(f"{namespace}/"):
            yield decode_tail(table.objects[key].tail)


def _all(table: Table, mark: bytes = b"") -> Iterable[JSONObject]:
    return (decode_tail(stored.tail) for stored in table.objects.values() if mark in stored.tail)


def _find(table: Table, name: str) -> JSONObject | None:
    stored = table.objects.get(name)
    return None if stored is None else decode_tail(stored.tail)
