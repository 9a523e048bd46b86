"""Garbage collection: what a garbage collector would do about owners that are gone, or going.

Pure: one pass looks at all objects that have owners or are being deleted, and returns what is to be done; whoever
carries it out looks again, until nothing is left to do.

Source:
    kubernetes pkg/controller/garbagecollector/garbagecollector.go, ``attemptToDeleteItem`` and ``attemptToOrphan``;
    pkg/controller/volume/{pvcprotection,pvprotection}, for the finalizers of claims and volumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.defaulting import items, mapping, text
from kubeprims.testing.apiserver.first_values import PROTECTION_FINALIZERS
from kubeprims.testing.apiserver.kinds import Kind
from kubeprims.testing.apiserver.metadata import finalizers_of, metadata_of, text_of
from kubeprims.testing.apiserver.stored_forms import storage_kind

_ORPHAN = "orphan"
_FOREGROUND = "foregroundDeletion"


class Item(NamedTuple):
    """One object.

    Attributes:
        kind: The kind in whose form it is kept.
        namespace: Its namespace; empty for a cluster-scoped kind.
        obj: What is kept.
    """

    kind: Kind
    namespace: str
    obj: JSONObject

    @property
    def name(self) -> str:
        """Its name."""
        return text_of(metadata_of(self.obj), "name")

    @property
    def uid(self) -> str:
        """Its uid."""
        return text_of(metadata_of(self.obj), "uid")


class Delete(NamedTuple):
    """Delete an object, with a policy about what it owns."""

    item: Item
    propagation_policy: str


class Change(NamedTuple):
    """Store an object anew: it loses references to owners, or finalizers."""

    item: Item
    obj: JSONObject


Action = Delete | Change


class _Standing(Enum):
    """How it stands with an owner."""

    SOLID = "it is there, or nobody can know"
    DANGLING = "it is gone"
    WAITING = "it waits for its dependents to go first"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a pass looks at.

    Attributes:
        items: The objects that have owners or are being deleted, and the pods, for the claims that they use.
        uids: The uid of every object, by the group and kind in whose form it is kept, its namespace and name.
        kinds: The kinds that are served, by group and kind.
    """

    items: Sequence[Item]
    uids: Mapping[tuple[str, str, str, str], str] = field(repr=False)
    kinds: Mapping[tuple[str, str], Kind] = field(repr=False)


def next_actions(world: World) -> list[Action]:
    """Return what is to be done now; empty when all is as it should be."""
    dependents: dict[str, list[Item]] = {}
    for item in world.items:
        for reference in _references(item):
            dependents.setdefault(text(reference, "uid"), []).append(item)
    going = {item.uid for item in world.items if _waits_for_dependents(item)}
    actions: list[Action] = []
    for item in world.items:
        if _is_being_deleted(item):
            actions.extend(_actions_of_deleted(item, dependents.get(item.uid, [])))
            actions.extend(_unprotected(item, world.items))
        elif _references(item):
            actions.extend(_actions_of_dependent(item, dependents.get(item.uid, []), going, world))
    return _first_of_each(actions)


def _first_of_each(actions: Sequence[Action]) -> list[Action]:
    """Return one action for each object: the others are found again when it has been carried out."""
    first: dict[str, Action] = {}
    for action in actions:
        first.setdefault(action.item.uid, action)
    return [*first.values()]


def _references(item: Item) -> list[JSONObject]:
    return items(metadata_of(item.obj), "ownerReferences")


def _is_being_deleted(item: Item) -> bool:
    return "deletionTimestamp" in metadata_of(item.obj)


def _waits_for_dependents(item: Item) -> bool:
    return _is_being_deleted(item) and _FOREGROUND in finalizers_of(metadata_of(item.obj))


def _actions_of_deleted(item: Item, dependents: Sequence[Item]) -> Iterator[Action]:
    finalizers = finalizers_of(metadata_of(item.obj))
    if _ORPHAN in finalizers:
        for dependent in dependents:
            yield Change(dependent, _without_owners(dependent, {item.uid}))
        if not dependents:
            yield Change(item, _without_finalizer(item, _ORPHAN))
    elif _FOREGROUND in finalizers and not any(_blocks(dependent, item.uid) for dependent in dependents):
        yield Change(item, _without_finalizer(item, _FOREGROUND))


def _blocks(dependent: Item, uid: str) -> bool:
    return any(
        reference.get("uid") == uid and reference.get("blockOwnerDeletion") is True
        for reference in _references(dependent)
    )


def _actions_of_dependent(item: Item, dependents: Sequence[Item], going: set[str], world: World) -> Iterator[Action]:
    standings = [(text(reference, "uid"), _standing(reference, item, going, world)) for reference in _references(item)]
    found = {standing for _, standing in standings}
    gone = {uid for uid, standing in standings if standing is not _Standing.SOLID}
    if _Standing.SOLID in found:
        if gone:
            yield Change(item, _without_owners(item, gone))
    elif _Standing.WAITING in found and dependents:
        if any(_waits_for_dependents(dependent) for dependent in dependents):
            # A circle of owners that wait for each other never ends unless somebody stops blocking.
            yield Change(item, _unblocking(item))
        yield Delete(item, "Foreground")
    else:
        yield Delete(item, _own_policy(item))


def _standing(reference: JSONObject, item: Item, going: set[str], world: World) -> _Standing:
    group = text(reference, "apiVersion").rpartition("/")[0]
    kind = world.kinds.get((group, text(reference, "kind")))
    if kind is None or (kind.namespaced and not item.kind.namespaced):
        return _Standing.SOLID  # nothing is deleted for an owner that cannot be looked up
    kept = storage_kind(kind)
    namespace = item.namespace if kept.namespaced else ""
    uid = world.uids.get((kept.group, kept.kind, namespace, text(reference, "name")))
    if uid != text(reference, "uid"):
        return _Standing.DANGLING
    return _Standing.WAITING if uid in going else _Standing.SOLID


def _own_policy(item: Item) -> str:
    finalizers = finalizers_of(metadata_of(item.obj))
    if _ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if _FOREGROUND in finalizers else "Background"


def _without_owners(item: Item, uids: set[str]) -> JSONObject:
    kept: list[JSONValue] = [reference for reference in _references(item) if text(reference, "uid") not in uids]
    return _with_metadata(item, "ownerReferences", kept)


def _unblocking(item: Item) -> JSONObject:
    changed: list[JSONValue] = [
        {**reference, "blockOwnerDeletion": False} if reference.get("blockOwnerDeletion") else reference
        for reference in _references(item)
    ]
    return _with_metadata(item, "ownerReferences", changed)


def _without_finalizer(item: Item, finalizer: str) -> JSONObject:
    kept: list[JSONValue] = [name for name in finalizers_of(metadata_of(item.obj)) if name != finalizer]
    return _with_metadata(item, "finalizers", kept)


def _with_metadata(item: Item, key: str, value: list[JSONValue]) -> JSONObject:
    metadata = {name: part for name, part in metadata_of(item.obj).items() if name != key}
    return {**item.obj, "metadata": {**metadata, key: value} if value else metadata}


def _unprotected(item: Item, everything: Sequence[Item]) -> Iterator[Action]:
    """Let a claim go that no pod uses, and a volume that is bound to none."""
    finalizer = PROTECTION_FINALIZERS.get(item.kind.group_resource)
    if finalizer is None or finalizer not in finalizers_of(metadata_of(item.obj)):
        return
    bound = text(mapping(item.obj, "status"), "phase") == "Bound"
    in_use = any(_mounts(pod, item) for pod in everything) if item.kind.namespaced else bound
    if not in_use:
        yield Change(item, _without_finalizer(item, finalizer))


def _mounts(pod: Item, claim: Item) -> bool:
    if pod.kind.group_resource != "pods" or pod.namespace != claim.namespace:
        return False
    volumes = items(mapping(pod.obj, "spec"), "volumes")
    return any(mapping(volume, "persistentVolumeClaim").get("claimName") == claim.name for volume in volumes)
