"""Which keys a change of an object concerns. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kubeprims.errors import InvalidArgument
from kubeprims.meta import GroupVersionKind, JSONObject, ObjectKey
from kubeprims.objects.unstructured import Unstructured

MapFunction = Callable[[Unstructured], Iterable[str]]
"""Returns the keys that a change of an object concerns."""


def own_key(obj: Unstructured) -> Iterable[ObjectKey]:
    """Return the key of the object itself."""
    return (obj.key,)


def owner_keys(
    owner: GroupVersionKind, *, controllers_only: bool = True, owner_is_namespaced: bool = True
) -> MapFunction:
    """Return what maps an object to its owners of a kind.

    Args:
        owner: The kind of the owners; any version of its group counts, as an object may have been created by another.
        controllers_only: Only the owner that is marked as the controller, of which there is one at most.
        owner_is_namespaced: An owner is in the namespace of what it owns, or in none; the object does not say which.

    Raises:
        InvalidArgument: ``owner`` is no ``GroupVersionKind``.

    Source:
        controller-runtime pkg/handler/enqueue_owner.go.
    """
    _check_kind(owner)

    def keys(obj: Unstructured) -> Iterable[ObjectKey]:
        return [
            ObjectKey.make(obj.namespace if owner_is_namespaced else "", name)
            for reference in owner_references(obj)
            if isinstance(name := reference.get("name"), str)
            and reference.get("kind") == owner.kind
            and _group(reference) == owner.group
            and (reference.get("controller") is True or not controllers_only)
        ]

    return keys


def owner_references(obj: Unstructured) -> list[JSONObject]:
    """Return the owner references of an object; decodes it."""
    metadata = obj["metadata"]
    found = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    return [reference for reference in found if isinstance(reference, dict)] if isinstance(found, list) else []


def checked_keys(found: Iterable[str], *, of: str) -> list[ObjectKey]:
    """Return the keys that a map function returned, each once.

    Args:
        found: What it returned.
        of: Whose map function it is, for the error.

    Raises:
        InvalidArgument: It holds something else than keys.
    """
    if isinstance(found, str):
        raise InvalidArgument(f"{of}: a map function returns keys, in a list for instance, not one key: {found!r}")
    keys: dict[ObjectKey, None] = {}
    for key in found:
        keys[checked_key(key, of=of)] = None
    return [*keys]


def checked_key(key: object, *, of: str) -> ObjectKey:
    """Return a key as one.

    Raises:
        InvalidArgument: It is no ``ObjectKey``, and no text that spells one.
    """
    if isinstance(key, ObjectKey):
        return key
    if not isinstance(key, str):
        raise InvalidArgument(f'{of}: a key is an ObjectKey, or "namespace/name", not {type(key).__name__}')
    return ObjectKey.parse(key)


def _check_kind(owner: object) -> None:
    if not isinstance(owner, GroupVersionKind):
        raise InvalidArgument(f"an owner is a GroupVersionKind, not {owner!r}")


def _group(reference: JSONObject) -> str:
    api_version = reference.get("apiVersion")
    return api_version.rpartition("/")[0] if isinstance(api_version, str) else ""
