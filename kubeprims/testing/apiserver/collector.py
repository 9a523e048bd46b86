"""Carries out garbage collection, on request: no controller runs here."""

from __future__ import annotations

from typing import NamedTuple

from kubeprims.testing.apiserver.deletion import ends_with_update
from kubeprims.testing.apiserver.encoding import decode_tail
from kubeprims.testing.apiserver.garbage import Action, Change, Item, World, next_actions
from kubeprims.testing.apiserver.kinds import PODS, Kind
from kubeprims.testing.apiserver.objects import Objects
from kubeprims.testing.apiserver.queries import DeleteOptions
from kubeprims.testing.apiserver.registry import Registry
from kubeprims.testing.apiserver.remover import Remover
from kubeprims.testing.apiserver.stored_forms import storage_kind
from kubeprims.testing.apiserver.views import split_key

_SIGNS = (b'"ownerReferences"', b'"deletionTimestamp"')


class Collected(NamedTuple):
    """An object that garbage collection removed.

    Attributes:
        resource: ``group/version/resource``, or ``version/resource`` for the core group.
        namespace: Its namespace; empty for a cluster-scoped one.
        name: Its name.
    """

    resource: str
    namespace: str
    name: str


class Collector:
    """Collects garbage.

    Concurrency:
        Safe in any thread: each collection is one step under the storage's lock.
    """

    def __init__(self, objects: Objects, registry: Registry, remover: Remover) -> None:
        self._objects = objects
        self._registry = registry
        self._remover = remover

    def collect(self) -> tuple[Collected, ...]:
        """Do all that there is to do, and return the objects that are gone, in the order in which they went."""
        with self._objects.storage.condition:
            kinds = self._kinds()
            before = self._names(kinds)
            gone: dict[str, Collected] = {}
            while actions := next_actions(self._world(kinds)):
                for action in actions:
                    self._carry_out(action)
                left = self._names(kinds)
                gone.update((uid, found) for uid, found in before.items() if uid not in left)
            return tuple(gone.values())

    def _kinds(self) -> dict[str, Kind]:
        """Return a kind for each table: the one in whose form objects are kept."""
        return {kind.storage_resource: storage_kind(kind) for kind in self._registry.kinds}

    def _names(self, kinds: dict[str, Kind]) -> dict[str, Collected]:
        return {
            stored.uid: Collected(str(kind.gvr), *split_key(key))
            for kind in kinds.values()
            for key, stored in self._objects.table(kind).objects.items()
        }

    def _world(self, kinds: dict[str, Kind]) -> World:
        found: list[Item] = []
        uids: dict[tuple[str, str, str, str], str] = {}
        for kind in kinds.values():
            for key, stored in self._objects.table(kind).objects.items():
                namespace, name = split_key(key)
                uids[kind.group, kind.kind, namespace, name] = stored.uid
                if kind is PODS or any(sign in stored.tail for sign in _SIGNS):
                    found.append(Item(kind, namespace, decode_tail(stored.tail)))
        served = {(kind.group, kind.kind): kind for kind in self._registry.kinds}
        return World(items=found, uids=uids, kinds=served)

    def _carry_out(self, action: Action) -> None:
        item = action.item
        stored = self._objects.find(item.kind, item.namespace, item.name)
        if stored is None:
            return  # went with another one
        if isinstance(action, Change):
            if ends_with_update(action.obj, item.obj, item.kind):
                self._remover.remove(item.kind, item.namespace, stored)
            else:
                self._objects.put(item.kind, item.namespace, action.obj)
            return
        options = DeleteOptions(propagation_policy=action.propagation_policy)
        self._remover.delete(item.kind, item.namespace, item.name, options)
