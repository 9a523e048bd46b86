"""What the writer does about ``managedFields``: who writes what, in which version, through which subresource."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.built_in_schemas import built_in_schema
from kubeprims.testing.apiserver.canonical import canonical
from kubeprims.testing.apiserver.field_sets import Path
from kubeprims.testing.apiserver.kinds import CUSTOM_RESOURCE_DEFINITIONS, Kind
from kubeprims.testing.apiserver.managed_fields import (
    APPLY,
    BEFORE_FIRST_APPLY,
    UPDATE,
    MalformedManagedFields,
    Owner,
    Ownership,
    Ownerships,
    Write,
    applied,
    is_reset,
    read_managed_fields,
    updated,
    write_managed_fields,
)
from kubeprims.testing.apiserver.metadata import metadata_of
from kubeprims.testing.apiserver.scale import SCALES
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.stored_forms import as_shown
from kubeprims.testing.apiserver.typed_values import NotOfType

MANAGED_FIELDS = "managedFields"

_STATUS: Path = ("f:status",)
_SPEC: Path = ("f:spec",)
_REPLICAS: Path = ("f:spec", "f:replicas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One write, as its request says.

    Attributes:
        kind: What is written.
        schema: What that looks like.
        subresource: Through which subresource; empty for the object itself.
        manager: Who writes.
        time: When, as timestamps are written.
    """

    kind: Kind
    schema: Schema
    subresource: str
    manager: str
    time: str

    def _write(self, operation: str) -> Write:
        owner = Owner(self.manager, operation, self.kind.api_version, self.subresource)
        ignored: tuple[Path, ...] = ()
        if self.subresource == "status":
            ignored = (_SPEC,)
        elif not self.subresource and self.kind.has_status:
            ignored = (_STATUS,)
        # What is written through the scale is recorded without a time, as upstream has it.
        time = "" if self.subresource == "scale" else self.time
        return Write(owner=owner, time=time, schema=self.schema, ignored=ignored)

    def _shown(self, obj: JSONObject) -> JSONObject:
        """Return what there is to own of an object, in the version of the request."""
        return _bare(as_shown(obj, self.kind))

    def create(self, obj: JSONObject) -> None:
        """Record in a new object who owns it."""
        self._record(obj, self._updated(_empty(self.kind), self._shown(obj), ()))

    def _updated(self, old: JSONObject, new: JSONObject, owners: Ownerships) -> Ownerships:
        """Return who owns what after an update; of an object that is not of its type, who owned what before."""
        try:
            return updated(self._write(UPDATE), old, new, owners)
        except NotOfType:
            return owners  # what is wrong with it is for validation to say

    def update(self, obj: JSONObject, existing: JSONObject, given: JSONValue) -> None:
        """Record in a changed object who owns what.

        Args:
            obj: The object as it is to be.
            existing: The object as it was.
            given: The ``managedFields`` that the request brought, which a client may correct or clear.
        """
        known = _owners_of(metadata_of(existing).get(MANAGED_FIELDS))
        if given is not None and not self.subresource:
            known = () if is_reset(given) else _owners_of(given) or known
            if is_reset(given):
                self._record(obj, ())
                return
        if not known and not metadata_of(existing).get(MANAGED_FIELDS):
            self._record(obj, ())  # what was never tracked is not tracked before the first apply
            return
        new = self._shown(obj)
        if self.subresource == "scale" and self.kind.scale is not None:
            replicas = tuple(f"f:{key}" for key in self.kind.scale.replicas)
            if not any(replicas in ownership.fields for ownership in known):
                # A scale that nobody owns is one that was never tracked.
                put_owners(obj, metadata_of(existing)[MANAGED_FIELDS])
                return
            if not self.kind.custom:
                new = _without_zero(new, self.kind.scale.replicas)
        self._record(obj, self._updated(self._shown(existing), new, known))

    def apply(self, config: JSONObject, existing: JSONObject | None, *, force: bool) -> JSONObject:
        """Return an object, in the version of the request, with ``config`` applied to it and its owners recorded.

        Args:
            config: What is applied.
            existing: The object as it is kept; None if it is to be created.
            force: Take fields over from other owners.

        Raises:
            Conflict: Other owners own fields that are to change.
            NotOfType: An item of a list lacks a key.
        """
        live = _empty(self.kind) if existing is None else self._shown(existing)
        known = () if existing is None else _owners_of(metadata_of(existing).get(MANAGED_FIELDS))
        if existing is not None and not known:
            before = Owner(BEFORE_FIRST_APPLY, UPDATE, self.kind.api_version)
            write = Write(owner=before, time=self.time, schema=self.schema)
            known = updated(write, _empty(self.kind), live, ())
        result, owners = applied(self._write(APPLY), live, _bare(config), known, force=force)
        metadata: JSONValue = dict(metadata_of(result))
        result = {**result, "metadata": metadata}
        self._record(result, owners)
        return result

    def apply_scale(
        self, config: JSONObject, scale: JSONObject, existing: JSONObject, *, force: bool
    ) -> tuple[JSONObject, JSONValue]:
        """Return a scale with ``config`` applied to it, and what the ``managedFields`` of its object are then.

        Args:
            config: What is applied to the scale.
            scale: The scale of the object as it is kept.
            existing: That object.
            force: Take the number of replicas over from other owners.

        Raises:
            Conflict: Somebody else owns the number of replicas, which is to change.

        Source:
            apimachinery pkg/util/managedfields/scalehandler.go.
        """
        assert self.kind.scale is not None, "a kind with the subresource says where its numbers are"
        schema = built_in_schema(SCALES.gvk)
        assert schema is not None, "the schema of scales is in the file"
        replicas = tuple(f"f:{key}" for key in self.kind.scale.replicas)
        known = _owners_of(metadata_of(existing).get(MANAGED_FIELDS))
        seen = tuple(_of_scale(ownership) for ownership in known if replicas in ownership.fields)
        live = _bare(scale)
        if not seen:
            before = Owner(BEFORE_FIRST_APPLY, UPDATE, SCALES.api_version)
            seen = updated(Write(owner=before, time=self.time, schema=schema), {"metadata": {}}, live, ())
        owner = Owner(self.manager, APPLY, SCALES.api_version, self.subresource)
        write = Write(owner=owner, time="", schema=schema)
        result, owners = applied(write, live, _bare(config), seen, force=force)
        after = {ownership.owner: ownership.fields for ownership in owners}
        kept = tuple(
            ownership
            if _of_scale(ownership).owner in after
            else replace(ownership, fields=ownership.fields - {replicas})
            for ownership in known
        )
        if _REPLICAS in after.get(owner, ()) and all(_of_scale(ownership).owner != owner for ownership in known):
            own = owner._replace(api_version=self.kind.api_version)
            kept = (*kept, Ownership(own, frozenset({replicas})))
        return result, write_managed_fields(ownership for ownership in kept if ownership.fields) or None

    @staticmethod
    def _record(obj: JSONObject, owners: Ownerships) -> None:
        put_owners(obj, write_managed_fields(owners) or None)


def put_owners(obj: JSONObject, owners: JSONValue) -> None:
    """Put what ``managedFields`` is to be into an object, or nothing."""
    metadata = metadata_of(obj)
    metadata.pop(MANAGED_FIELDS, None)
    if owners is not None:
        metadata[MANAGED_FIELDS] = owners


def _owners_of(value: JSONValue) -> Ownerships:
    try:
        return read_managed_fields(value)
    except MalformedManagedFields:
        return ()


def _of_scale(ownership: Ownership) -> Ownership:
    """Return what an owner of the number of replicas owns of the scale."""
    owner = ownership.owner._replace(api_version=SCALES.api_version)
    return replace(ownership, owner=owner, fields=frozenset({_REPLICAS}))


def _bare(obj: JSONObject) -> JSONObject:
    """Return an object without its names and its ``managedFields``, which nobody owns."""
    metadata = {key: value for key, value in metadata_of(obj).items() if key != MANAGED_FIELDS}
    rest = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata"}}
    return {"metadata": metadata, **rest}


def _without_zero(obj: JSONObject, path: tuple[str, ...]) -> JSONObject:
    """Return an object without a number that is zero: a scale leaves it out, so that nobody has given it."""
    key, *below = path
    value = obj.get(key)
    if below and isinstance(value, dict):
        return {**obj, key: _without_zero(value, tuple(below))}
    return {name: member for name, member in obj.items() if name != key or value != 0}


def _empty(kind: Kind) -> JSONObject:
    """Return what an object of a kind is before anything was written to it."""
    if kind is CUSTOM_RESOURCE_DEFINITIONS:
        return {"metadata": {}, "spec": {"names": {}}}
    return {"metadata": {}} if kind.custom else canonical({"metadata": {}}, kind)


def without_times(obj: JSONObject) -> JSONObject:
    """Return an object without the times at which its owners wrote: those alone make no change."""
    metadata = metadata_of(obj)
    entries = metadata.get(MANAGED_FIELDS)
    if not isinstance(entries, list):
        return obj
    untimed: list[JSONValue] = [
        {key: value for key, value in entry.items() if key != "time"} if isinstance(entry, dict) else entry
        for entry in entries
    ]
    return {**obj, "metadata": {**metadata, MANAGED_FIELDS: untimed}}
