"""What a deletion does to an object: decided here, carried out by the writer."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from kubeprims.meta import JSONObject
from kubeprims.testing.apiserver.kinds import NAMESPACES, PODS, Kind
from kubeprims.testing.apiserver.metadata import finalizers_of, metadata_of, text_of, timestamp
from kubeprims.testing.apiserver.queries import DeleteOptions
from kubeprims.testing.apiserver.status import precondition_failed

_ORPHAN = "orphan"
_FOREGROUND = "foregroundDeletion"
_POD_GRACE_DEFAULT_S = 30
_ORPHANING = frozenset({"jobs.batch", "replicationcontrollers"})
"""Kinds that leave what they own behind unless a deletion says otherwise, as they did before owners were collected."""

_WITHOUT_DEPENDENTS = frozenset({"events", "events.events.k8s.io"})
_JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
_FINISHED_PHASES = frozenset({"Succeeded", "Failed"})


class DeletionPlan(NamedTuple):
    """What to do.

    Attributes:
        update: Store this first; None if the object stays as it is.
        remove: The object goes, after the update.
    """

    update: JSONObject | None
    remove: bool


def check_preconditions(obj: JSONObject, kind: Kind, options: DeleteOptions) -> None:
    """Check that the object is the one that the deletion means.

    Raises:
        Conflict: It is another one, or another version of it.
    """
    metadata = metadata_of(obj)
    name, uid, version = (text_of(metadata, key) for key in ("name", "uid", "resourceVersion"))
    if options.uid and options.uid != uid:
        rule = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
        raise precondition_failed(kind, name, rule)
    if options.resource_version and options.resource_version != version:
        rule = (
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the ResourceVersion "
            f"in record ({version}). The object might have been modified"
        )
        raise precondition_failed(kind, name, rule)


def plan_deletion(obj: JSONObject, kind: Kind, options: DeleteOptions, now: datetime.datetime) -> DeletionPlan:
    """Return what a deletion does to an object; ``obj`` is left alone.

    Pods that run on a node get their grace period; finalizers keep any object; namespaces wait for ``finalize``.
    ``Orphan`` and ``Foreground`` add the finalizer that a garbage collector would take away; jobs and replication
    controllers leave what they own behind unless something else is asked for.

    Source:
        apiserver pkg/registry/rest/delete.go, ``BeforeDelete``, and pkg/registry/generic/registry/store.go,
        ``deletionFinalizersForGarbageCollection``; kubernetes pkg/registry/batch/job/strategy.go,
        ``DefaultGarbageCollectionPolicy``.
    """
    metadata = dict(metadata_of(obj))
    changed: JSONObject = {**obj, "metadata": metadata}
    if kind is NAMESPACES:
        return _plan_namespace(changed, metadata, options, now)
    if kind is PODS:
        return _plan_pod(changed, metadata, options, now)
    if _set_finalizers(metadata, _policy(metadata, kind, options)):
        first = "deletionTimestamp" not in metadata
        if first:
            _mark(metadata, now, grace_s=0)
        return DeletionPlan(changed if first or metadata != obj["metadata"] else None, remove=False)
    return DeletionPlan(None, remove=True)


def deletion_warnings(kind: Kind, options: DeleteOptions) -> tuple[str, ...]:
    """Return what a deletion that is carried out is to be warned of.

    Source:
        kubernetes pkg/registry/batch/job/storage/storage.go, ``(*REST).Delete``.
    """
    return (_JOB_WARNING,) if kind.group_resource == "jobs.batch" and not options.propagation_policy else ()


def _policy(metadata: JSONObject, kind: Kind, options: DeleteOptions) -> str:
    """Return what is to become of dependents; empty for what the object's finalizers say already, or nothing."""
    if kind.group_resource in _WITHOUT_DEPENDENTS:
        return ""
    if options.propagation_policy or not {_ORPHAN, _FOREGROUND}.isdisjoint(finalizers_of(metadata)):
        return options.propagation_policy
    return "Orphan" if kind.group_resource in _ORPHANING else ""


def _plan_namespace(
    changed: JSONObject, metadata: JSONObject, options: DeleteOptions, now: datetime.datetime
) -> DeletionPlan:
    if "deletionTimestamp" not in metadata:
        _set_finalizers(metadata, options.propagation_policy)
        metadata["deletionTimestamp"] = timestamp(now)
        changed["status"] = {**_mapping(changed, "status"), "phase": "Terminating"}
        return DeletionPlan(changed, remove=False)
    return DeletionPlan(None, remove=is_finalized_namespace(changed))


def is_finalized_namespace(namespace: JSONObject) -> bool:
    """Return whether nothing stands between a namespace that is being deleted and its end."""
    return not _mapping(namespace, "spec").get("finalizers") and not finalizers_of(metadata_of(namespace))


def _plan_pod(
    changed: JSONObject, metadata: JSONObject, options: DeleteOptions, now: datetime.datetime
) -> DeletionPlan:
    if "deletionTimestamp" not in metadata:
        grace_s = _pod_grace_s(changed, options)
        _mark(metadata, now, grace_s=grace_s)
    else:
        before_s = _grace_of(metadata)
        if options.grace_period_s is None or options.grace_period_s >= before_s:
            # The deletion goes on as it was ordered first.
            return DeletionPlan(None, remove=False)
        grace_s = max(options.grace_period_s, 0)
        ordered = datetime.datetime.strptime(text_of(metadata, "deletionTimestamp"), "%Y-%m-%dT%H:%M:%S%z")
        metadata["deletionTimestamp"] = timestamp(ordered + datetime.timedelta(seconds=grace_s - before_s))
        metadata["deletionGracePeriodSeconds"] = grace_s
    kept = _set_finalizers(metadata, options.propagation_policy)
    return DeletionPlan(changed, remove=grace_s == 0 and not kept)


def _pod_grace_s(pod: JSONObject, options: DeleteOptions) -> int:
    spec, status = _mapping(pod, "spec"), _mapping(pod, "status")
    if not spec.get("nodeName") or status.get("phase") in _FINISHED_PHASES:
        return 0
    grace_s = options.grace_period_s
    if grace_s is None:
        own = spec.get("terminationGracePeriodSeconds", _POD_GRACE_DEFAULT_S)
        grace_s = own if isinstance(own, int) else _POD_GRACE_DEFAULT_S
    return grace_s if grace_s >= 0 else 1


def _mark(metadata: JSONObject, now: datetime.datetime, *, grace_s: int) -> None:
    metadata["deletionTimestamp"] = timestamp(now + datetime.timedelta(seconds=grace_s))
    metadata["deletionGracePeriodSeconds"] = grace_s
    generation = metadata.get("generation")
    if isinstance(generation, int) and generation > 0:
        metadata["generation"] = generation + 1


def _set_finalizers(metadata: JSONObject, policy: str) -> bool:
    """Add or take away the garbage collector's finalizers as the policy says, and return whether any are left."""
    finalizers = finalizers_of(metadata)
    if policy:
        finalizers = [name for name in finalizers if name not in {_ORPHAN, _FOREGROUND}]
    if policy == "Orphan":
        finalizers.append(_ORPHAN)
    elif policy == "Foreground":
        finalizers.append(_FOREGROUND)
    metadata.pop("finalizers", None)
    if finalizers:
        metadata["finalizers"] = [*finalizers]
    return bool(finalizers)


def ends_with_update(obj: JSONObject, existing: JSONObject, kind: Kind) -> bool:
    """Return whether an update is the last one: it takes away what kept a deleted object.

    Source:
        apiserver pkg/registry/generic/registry/store.go, ``ShouldDeleteDuringUpdate``.
    """
    metadata, old = metadata_of(obj), metadata_of(existing)
    if finalizers_of(metadata):
        return False
    if kind is NAMESPACES:
        return "deletionTimestamp" in old and is_finalized_namespace(obj)
    return "deletionTimestamp" in old and _grace_of(old) == 0


def _grace_of(metadata: JSONObject) -> int:
    grace_s = metadata.get("deletionGracePeriodSeconds")
    return grace_s if isinstance(grace_s, int) else 0


def _mapping(obj: JSONObject, key: str) -> JSONObject:
    value = obj.get(key)
    return value if isinstance(value, dict) else {}
