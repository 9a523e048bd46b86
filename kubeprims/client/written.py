"""What was written through a client, for those who must not act on what was before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from kubeprims.meta import GroupVersionResource, ObjectKey
from kubeprims.objects.unstructured import Unstructured


class Written(NamedTuple):
    """A write that the server has accepted, and kept.

    Attributes:
        resource: The resource that was written.
        key: The object.
        resource_version: The version that the write made, or, of an object that is gone by it, the last one that is
            known of it; may be empty then.
        uid: The object's uid, if the server said it.
        labels: The object's labels; none if the server did not show the object.
        is_gone: Whether the object is gone by the write.
        may_go_on: Whether it may also go on for a while, in a later version: the server did not say which.
    """

    resource: GroupVersionResource
    key: ObjectKey
    resource_version: str
    uid: str
    labels: Mapping[str, str]
    is_gone: bool = False
    may_go_on: bool = False


OnWrite = Callable[[Written], None]
"""Called with each write, on the thread that wrote, before the verb returns; must neither block nor raise."""


def told_both(first: OnWrite | None, second: OnWrite | None) -> OnWrite | None:
    """Return what tells both of each write."""
    if first is None or second is None:
        return first or second

    def tell(write: Written) -> None:
        first(write)
        second(write)

    return tell


def written(resource: GroupVersionResource, answer: Unstructured) -> Written | None:
    """Return what an answer to a create, an update or a patch says; None if it is about no object."""
    if answer.kind == "Status" or not answer.resource_version:
        return None
    return _shown(resource, answer, is_gone=_has_ended(answer))


def deleted(resource: GroupVersionResource, path: str, answer: Unstructured) -> Written:
    """Return what an answer to a deletion says: the object is gone, or goes on for a while."""
    if answer.kind != "Status":
        # Some servers show the last state as it was, others as the deletion has marked it.
        return _shown(resource, answer, is_gone=not answer.deletion_timestamp or _has_ended(answer))
    details = answer.get("details")
    uid = details.get("uid") if isinstance(details, dict) else None
    return Written(resource, key_of_path(resource, path), "", uid if isinstance(uid, str) else "", {}, is_gone=True)


def deleted_among_others(resource: GroupVersionResource, before: Unstructured) -> Written:
    """Return what the answer to the deletion of a collection says of one object, which it shows as it was before.

    Source:
        apiserver pkg/registry/generic/registry/store.go, ``DeleteCollection``: it returns the list that it worked on.
    """
    write = deleted(resource, "", before)
    return write._replace(may_go_on=write.is_gone)


def _shown(resource: GroupVersionResource, answer: Unstructured, *, is_gone: bool) -> Written:
    return Written(resource, answer.key, answer.resource_version, answer.uid, answer.labels, is_gone=is_gone)


def _has_ended(obj: Unstructured) -> bool:
    """Return whether nothing keeps an object that is being deleted: whoever took the last finalizer ended it.

    Source:
        apiserver pkg/registry/generic/registry/store.go, ``ShouldDeleteDuringUpdate``.
    """
    if not obj.deletion_timestamp:
        return False
    metadata = obj["metadata"]
    return isinstance(metadata, dict) and not (metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"))


def key_of_path(resource: GroupVersionResource, path: str) -> ObjectKey:
    """Return the key of the object at a path of the API."""
    parts = [unquote(part) for part in path.removeprefix(f"{resource.base_path}/").split("/")]
    match parts:
        case ["namespaces", namespace, _, name, *_]:
            return ObjectKey.make(namespace, name)
        case _:
            return ObjectKey.make("", parts[1])
