"""What a reconcile is given: the caches, a client that remembers, and the small changes that all of them make."""

from __future__ import annotations

import copy
import datetime
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubeprims.client.bodies import ObjectBody, identity
from kubeprims.client.client import Client
from kubeprims.client.resource import Resource
from kubeprims.clock import Clock
from kubeprims.controller.changes import (
    finalizers_of,
    has_finalizer,
    merge_patch,
    set_condition,
    set_controller_reference,
)
from kubeprims.controller.sources import Informer
from kubeprims.errors import InvalidArgument, NotFound
from kubeprims.meta import GroupVersionResource, JSONObject, JSONValue, ObjectKey
from kubeprims.objects.unstructured import Unstructured
from kubeprims.threads import Cancel


class Operation(StrEnum):
    """What :meth:`ReconcileContext.create_or_patch` did."""

    CREATED = "created"
    PATCHED = "patched"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileContext:
    """What one reconcile works with.

    Attributes:
        key: What is reconciled.
        attempt: How often it has failed in a row before this.
        client: Writes, and remembers what it wrote: the key's next reconcile waits until the caches show it. Reads of
            it go to the server. Once the term is lost, or the time to end is nearly over, its requests are cut off, and
            further ones refused: ``Cancelled``.
        token: What grows with each leader; empty if there is no election.
        stop: Set when the reconcile should end soon.
        logger: Logs with the controller and the key.

    Concurrency:
        For the thread of the reconcile, and threads that it waits for.
    """

    key: ObjectKey
    attempt: int
    client: Client
    token: str
    stop: Cancel
    logger: logging.LoggerAdapter[logging.Logger]
    informers: Sequence[Informer]
    clock: Clock
    settle: Callable[[GroupVersionResource, ObjectKey | None], None]
    is_leading: Callable[[], bool]

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, resource: str, key: str | None = None) -> Unstructured | None:
        """Return an object; None if there is none.

        It comes out of the cache of the controller's informer of that resource, once that shows what this reconcile has
        written; without such an informer, from the server. An informer that follows only some of the objects has what
        it has; whether there are others is asked of the server. One that has the metadata alone does not count.

        Args:
            resource: The resource, such as ``apps/v1/deployments``, or any name that discovery knows.
            key: The object; unless given, the key that is reconciled.

        Raises:
            InvalidArgument: The key is malformed.
            OwnWriteUnseen: The cache does not show in time what was written; let it pass, and the key is tried again.
            KubeprimsError: The server was asked, and refused or did not answer.
        """
        key = self.key if key is None else ObjectKey.parse(key)
        handle = self.client.resource(resource)
        caches = self._informers_of(handle.gvr, key.namespace)
        if caches:
            self.settle(handle.gvr, key)
        for informer in caches:
            knows_all = informer.coverage.knows_all_of(key.namespace)
            found = informer.indexer.get(key)
            if found is not None or knows_all:
                return found
        return self._live(handle, key)

    def _informers_of(self, gvr: GroupVersionResource, namespace: str) -> list[Informer]:
        """Return the informers of whole objects of a resource in a namespace, those that know all of them first."""
        found = [
            one
            for one in self.informers
            if one.coverage.resource == gvr and one.coverage.follows(namespace) and not one.coverage.is_metadata_only
        ]
        return sorted(found, key=lambda one: not one.coverage.knows_all_of(namespace))

    def by_index(self, resource: str, index: str, value: str) -> list[Unstructured]:
        """Return the objects that an index of the controller's informer of a resource has under a value.

        As with :meth:`get`, what this reconcile has written is in it.

        Raises:
            InvalidArgument: The controller has no informer of that resource.
            UnknownIndex: None of its informers of that resource has such an index.
            OwnWriteUnseen: The cache does not show in time what was written.
        """
        gvr = self.client.resource(resource).gvr
        informers = [one for one in self.informers if one.coverage.resource == gvr]
        if not informers:
            raise InvalidArgument(f"the controller has no informer of {gvr}: give it one with watches() or owns()")
        informer = next((one for one in informers if index in one.indexer.index_names), informers[0])
        self.settle(gvr, None)
        return informer.indexer.by_index(index, value)

    @staticmethod
    def _live(handle: Resource, key: ObjectKey) -> Unstructured | None:
        try:
            return (handle.within(key.namespace) if key.namespace else handle).get(key.name)
        except NotFound:
            return None

    # -- writing ------------------------------------------------------------------------------------------------------

    def create_or_patch(self, obj: ObjectBody, change: Callable[[JSONObject], None]) -> tuple[Unstructured, Operation]:
        """Create an object, or change the one that is there; return it as the server keeps it, and what was done.

        The object is read from the server. If it is there, only what ``change`` changes is written, as a merge patch
        that fails with a ``Conflict`` if somebody else has written meanwhile. If it is not, ``obj`` is created as
        ``change`` leaves it.

        Args:
            obj: What there should be at least: apiVersion, kind and metadata.name. Used only to create it.
            change: Changes the dictionary that it gets.

        Raises:
            KubeprimsError: The server refused, or did not answer.

        Source:
            controller-runtime pkg/controller/controllerutil, ``CreateOrPatch``.
        """
        name, namespace = identity(obj)
        handle = self.client.resource_of(obj)
        handle = handle.within(namespace) if namespace else handle
        try:
            found = handle.get(name)
        except NotFound:
            wanted = obj.to_dict() if isinstance(obj, Unstructured) else copy.deepcopy(dict(obj))
            change(wanted)
            return handle.create(wanted), Operation.CREATED
        changed = found.to_dict()
        change(changed)
        patch = merge_patch(found.to_dict(), changed)
        if not patch:
            return found, Operation.UNCHANGED
        return handle.patch(name, _at_version(patch, found)), Operation.PATCHED

    @staticmethod
    def set_controller_reference(obj: JSONObject, owner: Unstructured, *, block_owner_deletion: bool = True) -> None:
        """Mark ``owner`` as the controller of an object that is about to be written: it is deleted with its owner.

        Args:
            obj: The object, which is changed.
            owner: The owner, as the server keeps it.
            block_owner_deletion: Whether a foreground deletion of the owner waits for the object.

        Raises:
            InvalidArgument: The owner lacks apiVersion, kind or uid, or is in another namespace than the object.
            AlreadyOwned: Another owner is the controller.
        """
        set_controller_reference(obj, owner, block_owner_deletion=block_owner_deletion)

    def add_finalizer(self, obj: Unstructured, finalizer: str) -> Unstructured:
        """Have an object wait for a finalizer before it goes; return it as it is then.

        Raises:
            Conflict: Somebody else has written meanwhile.
            KubeprimsError: The server refused, or did not answer.
        """
        if has_finalizer(obj, finalizer):
            return obj
        return self._write_finalizers(obj, [*finalizers_of(obj), finalizer])

    def remove_finalizer(self, obj: Unstructured, finalizer: str) -> Unstructured:
        """Have an object wait for a finalizer no more; return it as it is then, or was last if that ended it.

        One that is gone already waits for nothing, so that is no error.

        Raises:
            Conflict: Somebody else has written meanwhile.
            KubeprimsError: The server refused, or did not answer.
        """
        if not has_finalizer(obj, finalizer):
            return obj
        try:
            return self._write_finalizers(obj, [name for name in finalizers_of(obj) if name != finalizer])
        except NotFound:
            return obj

    def _write_finalizers(self, obj: Unstructured, finalizers: Sequence[str]) -> Unstructured:
        handle = self.client.resource_of(obj)
        handle = handle.within(obj.namespace) if obj.namespace else handle
        names: list[JSONValue] = list(finalizers)
        return handle.patch(obj.name, _at_version({"metadata": {"finalizers": names}}, obj))

    def set_condition(
        self,
        status: JSONObject,
        *,
        type: str,  # noqa: A002 - the field's own name
        to: str,
        reason: str,
        message: str = "",
        observed_generation: int | None = None,
    ) -> bool:
        """Bring a condition up to date in a status that is about to be written; return whether that changed anything.

        Args:
            status: The object's status, which is changed.
            type: Which condition.
            to: ``True``, ``False`` or ``Unknown``.
            reason: Why, as one word in CamelCase.
            message: Why, for people.
            observed_generation: The generation that this was decided on.

        Raises:
            InvalidArgument: ``to`` is none of the three, or there is no reason.
        """
        conditions = status.setdefault("conditions", [])
        if not isinstance(conditions, list):
            raise InvalidArgument(f"status.conditions is a list, not {conditions!r}")
        now: datetime.datetime = self.clock.wall()
        return set_condition(
            conditions,
            type=type,
            status=to,
            reason=reason,
            message=message,
            observed_generation=observed_generation,
            now=now,
        )


def _at_version(patch: JSONObject, obj: Unstructured) -> JSONObject:
    """Return a patch that fails if the object is not in the version that it was made from."""
    metadata = patch.get("metadata")
    return {
        **patch,
        "metadata": {**(metadata if isinstance(metadata, dict) else {}), "resourceVersion": obj.resource_version},
    }
