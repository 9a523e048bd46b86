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
        resource_version: The version that the write made; empty if the object is gone by it.
        uid: The object's uid, if the server said it.
        labels: The object's labels; none if the server did not show the object.
    """

    resource: GroupVersionResource
    key: ObjectKey
    resource_version: str
    uid: str
    labels: Mapping[str, str]


OnWrite = Callable[[Written], None]
"""Called with each write, on the thread that wrote, before the verb returns; must neither block nor raise."""


def written(resource: GroupVersionResource, answer: Unstructured) -> Written | None:
    """Return what an answer to a create, an update or a patch says; None if it is about no object."""
    if answer.kind == "Status" or not answer.resource_version:
        return None
    return Written(resource, answer.key, answer.resource_version, answer.uid, answer.labels)


def deleted(resource: GroupVersionResource, path: str, answer: Unstructured) -> Written:
    """Return what an answer to a deletion says: the object is gone, or goes on for a while."""
    if answer.kind != "Status" and answer.deletion_timestamp:
        return Written(resource, answer.key, answer.resource_version, answer.uid, answer.labels)
    if answer.kind != "Status":
        return Written(resource, answer.key, "", answer.uid, answer.labels)
    details = answer.get("details")
    uid = details.get("uid") if isinstance(details, dict) else None
    return Written(resource, key_of_path(resource, path), "", uid if isinstance(uid, str) else "", {})


def key_of_path(resource: GroupVersionResource, path: str) -> ObjectKey:
    """Return the key of the object at a path of the API."""
    parts = [unquote(part) for part in path.removeprefix(f"{resource.base_path}/").split("/")]
    match parts:
        case ["namespaces", namespace, _, name, *_]:
            return ObjectKey.make(namespace, name)
        case _:
            return ObjectKey.make("", parts[1])
