"""Delete: one object, a collection, a namespace with all that is in it, a definition with all its objects."""

from __future__ import annotations

from collections.abc import Sequence

from kubeprims.clock import Clock
from kubeprims.testing.apiserver.defaults_pods import SYSTEM_PRIORITIES
from kubeprims.testing.apiserver.deletion import check_preconditions, deletion_warnings, plan_deletion
from kubeprims.testing.apiserver.encoding import decode_tail
from kubeprims.testing.apiserver.history import StoredObject
from kubeprims.testing.apiserver.kinds import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, PRIORITY_CLASSES, Kind
from kubeprims.testing.apiserver.objects import Answer, Objects
from kubeprims.testing.apiserver.queries import DeleteOptions
from kubeprims.testing.apiserver.registry import Registry
from kubeprims.testing.apiserver.status import forbidden, render_success
from kubeprims.testing.apiserver.views import split_key

_LASTING_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


class Remover:
    """Carries out deletions.

    Concurrency:
        Safe in any thread: each deletion is one step under the storage's lock.
    """

    def __init__(self, objects: Objects, registry: Registry, *, clock: Clock, empty_namespaces_at_once: bool) -> None:
        self._objects = objects
        self._registry = registry
        self._clock = clock
        self._empty_namespaces_at_once = empty_namespaces_at_once

    def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions) -> Answer:
        """Delete one object, or begin to."""
        if kind is NAMESPACES and name in _LASTING_NAMESPACES:
            raise forbidden(kind, name, "this namespace may not be deleted")
        if kind is PRIORITY_CLASSES and name in SYSTEM_PRIORITIES:
            raise forbidden(kind, name, "this is a system priority class and cannot be deleted")
        with self._objects.storage.condition:
            stored = self._objects.get(kind, namespace, name)
            last, removed = self._carry_out(kind, namespace, stored, options)
        warnings = deletion_warnings(kind, options)
        if removed and not kind.returns_deleted:
            details = {"name": name, "group": kind.group, "kind": kind.resource, "uid": stored.uid}
            return Answer(200, render_success(details), warnings)
        return Answer(200, self._objects.view(kind).render(last), warnings)

    def delete_all(self, kind: Kind, selected: Sequence[StoredObject], options: DeleteOptions) -> None:
        """Delete many objects; the lock is held by the caller."""
        for stored in selected:
            self._carry_out(kind, split_key(stored.key)[0], stored, options)

    def _carry_out(
        self, kind: Kind, namespace: str, stored: StoredObject, options: DeleteOptions
    ) -> tuple[StoredObject, bool]:
        """Return the last state of the object, and whether it is gone."""
        obj = decode_tail(stored.tail)
        check_preconditions(obj, kind, options)
        plan = plan_deletion(obj, kind, options, self._clock.wall())
        if plan.update is not None:
            stored = self._objects.put(kind, namespace, plan.update)
        if plan.remove:
            return self.remove(kind, namespace, stored), True
        if kind is NAMESPACES and self._empty_namespaces_at_once:
            self._empty_namespace(stored.key)
            return self.remove(kind, namespace, stored), True
        return stored, False

    def remove(self, kind: Kind, namespace: str, stored: StoredObject) -> StoredObject:
        """Remove an object at once, with all that goes with it, and return its last state."""
        last = self._objects.remove(kind, namespace, stored)
        if kind is CUSTOM_RESOURCE_DEFINITIONS and not self._objects.storage.is_rehearsing:
            self._stop_serving(stored.key)
        return last

    def _stop_serving(self, definition: str) -> None:
        """Remove all objects of a definition, end the watches that were told of it, and serve them no more."""
        kinds = [kind for kind in self._registry.kinds if kind.custom and kind.storage_resource == definition]
        self._registry.uninstall(definition)
        for kind in kinds[:1]:
            self._empty(kind, "")
        table = self._objects.storage.table(definition)
        for reader in tuple(table.readers):
            reader.finish()

    def _empty_namespace(self, namespace: str) -> None:
        for kind in {kind.storage_resource: kind for kind in self._registry.kinds if kind.namespaced}.values():
            self._empty(kind, f"{namespace}/")

    def _empty(self, kind: Kind, prefix: str) -> None:
        table = self._objects.table(kind)
        for key in table.keys(prefix):
            self._objects.remove(kind, split_key(key)[0], table.objects[key])
