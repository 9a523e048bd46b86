"""Small changes of objects that every controller makes, on dictionaries. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import cast

from kubeprims.errors import AlreadyOwned, InvalidArgument
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.objects.unstructured import Unstructured


def merge_patch(before: Mapping[str, JSONValue], after: Mapping[str, JSONValue]) -> JSONObject:
    """Return the JSON merge patch (RFC 7396) that makes ``after`` of ``before``; empty if they are equal.

    Raises:
        InvalidArgument: ``after`` holds a null that is not in ``before``: a merge patch cannot say that.
    """
    patch: JSONObject = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name in before and before[name] == value:
            continue
        if value is None:
            raise InvalidArgument(f"a merge patch cannot set {name} to null; leave it out to remove it")
        old = before.get(name)
        # What is new is gone through as well, for the nulls in it.
        patch[name] = merge_patch(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return patch


def set_controller_reference(obj: JSONObject, owner: Unstructured, *, block_owner_deletion: bool = True) -> None:
    """Mark ``owner`` as the controller of an object that is about to be written: it is deleted with its owner.

    A reference to the owner that is there already is brought up to date.

    Args:
        obj: The object, which is changed.
        owner: The owner, as the server keeps it.
        block_owner_deletion: Whether a foreground deletion of the owner waits for the object.

    Raises:
        InvalidArgument: The owner lacks apiVersion, kind or uid, or is in another namespace than the object.
        AlreadyOwned: Another owner is the controller.

    Source:
        controller-runtime pkg/controller/controllerutil, ``SetControllerReference``.
        Differs: an owner that was deleted and made again under its name is another one, whose objects the garbage
        collector is about to remove; upstream has the new owner take them over.
    """
    if not (owner.api_version and owner.kind and owner.uid):
        raise InvalidArgument(f"the owner {owner.key} must say its apiVersion, kind and uid")
    metadata = _object(obj, "metadata")
    namespace = metadata.get("namespace") or ""
    if owner.namespace and namespace != owner.namespace:
        where = f"in namespace {namespace}" if namespace else "in no namespace"
        raise InvalidArgument(f"{owner.key} cannot own an object {where}: owners are in the same namespace, or in none")
    reference: JSONObject = {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": block_owner_deletion,
    }
    references = _list(metadata, "ownerReferences")
    others = [other for other in references if not (isinstance(other, dict) and other.get("uid") == owner.uid)]
    for other in others:
        if isinstance(other, dict) and other.get("controller") is True:
            raise AlreadyOwned(f"{metadata.get('name')}", owner=f"{other.get('kind')} {other.get('name')}")
    metadata["ownerReferences"] = [*others, reference]


def has_finalizer(obj: Unstructured, finalizer: str) -> bool:
    """Return whether an object waits for a finalizer before it goes."""
    return finalizer in finalizers_of(obj)


def finalizers_of(obj: Unstructured) -> list[str]:
    """Return the finalizers of an object; decodes it."""
    metadata = obj["metadata"]
    found = metadata.get("finalizers") if isinstance(metadata, dict) else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def set_condition(  # noqa: PLR0913 - the fields of a condition, all by keyword
    conditions: list[JSONValue],
    *,
    type: str,  # noqa: A002 - the field's own name
    status: str,
    reason: str,
    message: str = "",
    observed_generation: int | None = None,
    now: datetime.datetime,
) -> bool:
    """Bring a condition up to date in a list of conditions; return whether that changed anything.

    Its ``lastTransitionTime`` changes with its status alone.

    Args:
        conditions: The list, which is changed.
        type: Which condition.
        status: ``True``, ``False`` or ``Unknown``.
        reason: Why, as one word in CamelCase; not empty.
        message: Why, for people.
        observed_generation: The generation that this was decided on; None: it is not said.
        now: The calendar time.

    Raises:
        InvalidArgument: The status is none, or there is no reason.

    Source:
        apimachinery pkg/api/meta/conditions.go, ``SetStatusCondition``.
    """
    if status not in {"True", "False", "Unknown"}:
        raise InvalidArgument(f"a condition is True, False or Unknown, not {status!r}")
    if not (type and reason):
        raise InvalidArgument("a condition needs a type and a reason")
    wanted: JSONObject = {"type": type, "status": status, "reason": reason, "message": message}
    if observed_generation is not None:
        wanted["observedGeneration"] = observed_generation
    index = next((i for i, old in enumerate(conditions) if isinstance(old, dict) and old.get("type") == type), None)
    old = {} if index is None else cast("JSONObject", conditions[index])
    same_status = old.get("status") == status and isinstance(old.get("lastTransitionTime"), str)
    since = old["lastTransitionTime"] if same_status else f"{now.astimezone(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    changed: JSONObject = {**old, **wanted, "lastTransitionTime": since}
    if changed == old:
        return False
    if index is None:
        conditions.append(changed)
    else:
        conditions[index] = changed
    return True


def _object(obj: JSONObject, field: str) -> JSONObject:
    value = obj.setdefault(field, {})
    if not isinstance(value, dict):
        raise InvalidArgument(f"{field} is an object, not {value!r}")
    return value


def _list(obj: JSONObject, field: str) -> list[JSONValue]:
    value = obj.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidArgument(f"{field} is a list, not {value!r}")
    return value
