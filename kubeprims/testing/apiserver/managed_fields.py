"""Who owns which fields of an object: what ``metadata.managedFields`` records, and how writes change it. Pure.

Source:
    structured-merge-diff merge/update.go; apimachinery pkg/util/managedfields.
    Same: who applies owns what it gave, who writes in another way owns what it changed; a change takes a field away
    from its other owners, an apply only if it is forced to; what an applier gives no more, and nobody else owns, goes.
    Differs: an object is compared in the version of the request; owners in other versions are taken as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from kubeprims.errors import Conflict, StatusCause
from kubeprims.meta import JSONObject, JSONValue
from kubeprims.testing.apiserver.field_sets import (
    NO_FIELDS,
    FieldSet,
    NoFieldSet,
    Path,
    below,
    from_fields_v1,
    path_text,
    to_fields_v1,
    with_parents,
)
from kubeprims.testing.apiserver.schema import Schema
from kubeprims.testing.apiserver.typed_values import Comparison, compare, fields_of, merge, without

APPLY = "Apply"
UPDATE = "Update"
BEFORE_FIRST_APPLY = "before-first-apply"
"""Who owns what an object without recorded owners had when it is first applied to."""

_FIELDS_TYPE = "FieldsV1"
_ANCIENT = "ancient-changes"
_UPDATERS_MAX = 10
_UNOWNED: FieldSet = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        ),
    }
)


class Owner(NamedTuple):
    """Who owns fields: two writes of one owner are recorded as one.

    Attributes:
        manager: The name that it gave.
        operation: ``Apply`` or ``Update``.
        api_version: The version in which it wrote.
        subresource: Through which subresource; empty for the object itself.
    """

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def is_same(self, other: Owner) -> bool:
        """Return whether both are one: an applier is the same in every version."""
        if self.operation == APPLY:
            return self._replace(api_version=other.api_version) == other
        return self == other


@dataclass(frozen=True, slots=True)
class Ownership:
    """What an owner owns, and since when it does."""

    owner: Owner
    fields: FieldSet
    time: str = ""


Ownerships = tuple[Ownership, ...]


class MalformedManagedFields(ValueError):
    """What stands for ``managedFields`` cannot be read."""


def read_managed_fields(value: JSONValue) -> Ownerships:
    """Return what ``metadata.managedFields`` records.

    Raises:
        MalformedManagedFields: An entry is none.
    """
    found: list[Ownership] = []
    for entry in value if isinstance(value, list) else []:
        if not isinstance(entry, dict) or entry.get("operation") not in {APPLY, UPDATE}:
            message = "an entry of managedFields has no operation"
            raise MalformedManagedFields(message)
        try:
            fields = from_fields_v1(entry.get("fieldsV1") or {})
        except NoFieldSet as error:
            raise MalformedManagedFields(str(error)) from error
        texts = (entry.get(name) or "" for name in ("manager", "operation", "apiVersion", "subresource", "time"))
        manager, operation, api_version, subresource, time = (text if isinstance(text, str) else "" for text in texts)
        found.append(Ownership(Owner(manager, operation, api_version, subresource), fields, time))
    return tuple(found)


def write_managed_fields(ownerships: Iterable[Ownership]) -> list[JSONValue]:
    """Return the form of ``metadata.managedFields``, in the order that it has there."""
    ordered = sorted(
        ownerships,
        key=lambda item: (
            item.owner.operation,
            item.time,
            item.owner.manager,
            item.owner.api_version,
            item.owner.subresource,
        ),
    )
    return [_entry(ownership) for ownership in ordered]


def _entry(ownership: Ownership) -> JSONObject:
    owner = ownership.owner
    entry: JSONObject = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": owner.api_version,
        **({"time": ownership.time} if ownership.time else {}),
        "fieldsType": _FIELDS_TYPE,
        "fieldsV1": to_fields_v1(ownership.fields),
    }
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write, as far as ownership goes.

    Attributes:
        owner: Who writes.
        time: When, as timestamps are written.
        schema: What the object looks like.
        ignored: The fields that this write cannot change, with all below them.
    """

    owner: Owner
    time: str
    schema: Schema
    ignored: tuple[Path, ...] = ()


def updated(write: Write, old: JSONObject, new: JSONObject, ownerships: Ownerships) -> Ownerships:
    """Return who owns what once an object has been written by another way than an apply.

    Args:
        write: The write.
        old: The object before it, without its ``managedFields``.
        new: The object after it, likewise.
        ownerships: Who owned what before.
    """
    change = _seen(compare(old, new, write.schema), write.ignored)
    gained = frozenset((change.added | change.modified) - _UNOWNED)
    left = _taken_away(ownerships, gained | change.removed)
    former = next((item for item in ownerships if item.owner == write.owner), None)
    kept = next((item.fields for item in left if item.owner == write.owner), NO_FIELDS)
    fields = kept | gained
    others = tuple(item for item in left if item.owner != write.owner)
    if not fields:
        return others
    is_changed = former is None or former.fields != fields
    own = Ownership(write.owner, fields, write.time if is_changed or former is None else former.time)
    return _capped((*others, own))


def applied(
    write: Write, live: JSONObject, config: JSONObject, ownerships: Ownerships, *, force: bool
) -> tuple[JSONObject, Ownerships]:
    """Return an object that was applied to, and who owns what then.

    Args:
        write: The write.
        live: The object before it, without its ``managedFields``.
        config: What is applied.
        ownerships: Who owned what before.
        force: Take fields over from other owners.

    Raises:
        Conflict: Other owners own fields that are to change.
        NotOfType: An item of a list lacks a key.
    """
    schema = write.schema
    own_fields = _owned(fields_of(config, schema), write.ignored)
    former = next((item for item in ownerships if item.owner.is_same(write.owner)), None)
    others = tuple(item for item in ownerships if item is not former)
    merged = merge(live, config, schema)
    if former is not None:
        merged = _pruned(merged, schema, former.fields, (own_fields, *(item.fields for item in others)))
    assert isinstance(merged, dict)  # of two objects
    change = _seen(compare(live, merged, schema), write.ignored)
    changed = change.added | change.modified
    if not force:
        _refuse_conflicts(others, changed)
    others = _taken_away(others, frozenset(changed) | change.removed)
    if not own_fields:
        return merged, others
    # Who applies what is there already is recorded without a time, as upstream has it.
    time = former.time if former is not None else ""
    time = time if change.is_same else write.time
    return merged, (*others, Ownership(write.owner, own_fields, time))


def _pruned(merged: JSONValue, schema: Schema, former: FieldSet, owned: Sequence[FieldSet]) -> JSONValue:
    """Return an object without what its applier gave before and nobody gives now."""
    held = with_parents(path for fields in owned for path in fields)
    dropped = (with_parents(fields_of(merged, schema)) & with_parents(former)) - held
    return without(merged, dropped, schema)


def _seen(change: Comparison, ignored: Sequence[Path]) -> Comparison:
    if not ignored:
        return change
    return Comparison(
        *(set(fields - below(fields, ignored)) for fields in (change.added, change.modified, change.removed))
    )


def _owned(fields: FieldSet, ignored: Sequence[Path]) -> FieldSet:
    return fields - _UNOWNED - below(fields, ignored)


def _taken_away(ownerships: Iterable[Ownership], fields: FieldSet | set[Path]) -> Ownerships:
    """Return what owners are left with when these fields belong to somebody else; who is left with nothing goes."""
    left = (replace(item, fields=item.fields - fields) for item in ownerships)
    return tuple(item for item in left if item.fields)


def _capped(ownerships: Ownerships) -> Ownerships:
    """Return the ownerships with the oldest updaters made one, if there are too many of them."""
    updaters = sorted((item for item in ownerships if item.owner.operation == UPDATE), key=lambda item: item.time)
    surplus = len(updaters) - _UPDATERS_MAX
    if surplus <= 0:
        return ownerships
    oldest = updaters[: surplus + 1]
    kept = tuple(item for item in ownerships if all(item is not old for old in oldest))
    merged: dict[str, Ownership] = {}
    for item in oldest:
        owner = Owner(_ANCIENT, UPDATE, item.owner.api_version)
        before = merged.get(owner.api_version, Ownership(owner, NO_FIELDS))
        merged[owner.api_version] = Ownership(owner, before.fields | item.fields, item.time)
    return (*kept, *merged.values())


# Conflicts.


def _refuse_conflicts(others: Iterable[Ownership], changed: set[Path]) -> None:
    """Refuse to change what others own.

    Raises:
        Conflict: They own some of it.
    """
    found = [
        (item.owner, path)
        for item in sorted(others, key=lambda item: _identifier(item.owner))
        for path in sorted(item.fields & changed)
    ]
    if found:
        raise apply_conflict(found)


def _identifier(owner: Owner) -> str:
    return json.dumps([owner.manager, owner.operation, owner.api_version, owner.subresource])


def apply_conflict(found: Sequence[tuple[Owner, Path]]) -> Conflict:
    """Return the error of an apply that would change what others own."""
    causes = [
        StatusCause(path_text(path), "FieldManagerConflict", f"conflict with {_owner_text(owner)}")
        for owner, path in found
    ]
    if len(found) == 1:
        owner, path = found[0]
        message = f"Apply failed with 1 conflict: conflict with {_owner_text(owner)}: {path_text(path)}"
    else:
        paths: dict[str, list[str]] = {}
        for owner, path in found:
            paths.setdefault(_owner_text(owner), []).append(path_text(path))
        lines = [
            line
            for owner_text in sorted(paths)
            for line in (f"conflicts with {owner_text}:", *(f"- {path}" for path in paths[owner_text]))
        ]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return Conflict(message, code=409, reason="Conflict", causes=causes)


def _owner_text(owner: Owner) -> str:
    text = json.dumps(owner.manager, ensure_ascii=False)
    if owner.subresource:
        text += f" with subresource {json.dumps(owner.subresource)}"
    return f"{text} using {owner.api_version}" if owner.operation == UPDATE else text


def is_reset(value: JSONValue) -> bool:
    """Return whether a ``managedFields`` asks to forget all owners: no entry, or one that says nothing."""
    return isinstance(value, list) and (not value or (len(value) == 1 and _is_blank(value[0])))


def _is_blank(entry: JSONValue) -> bool:
    return isinstance(entry, Mapping) and not any(entry.values())
