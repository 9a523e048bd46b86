"""A model of the API server's storage: one counter of versions, objects, and what happened to them. Pure.

It is small on purpose: what is true of a real server is written down here in a form that can be checked by reading, and
what a reflector makes of it is compared with it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from kubeprims.errors import BadRequest, ResourceExpired, ServerTimeout, StatusCause
from kubeprims.objects.event import WatchEventType
from kubeprims.objects.record import KEY, LABELS, UID, ObjectRecord

STRIDE: Final = 1_000
"""How far one change moves the version, for other resources change too: after a backup is restored, a server that
changes one by one stays behind the versions that it had given."""


class Happening(NamedTuple):
    """What happened to one object; a deleted one is shown in its final state, at the version of its deletion."""

    type: WatchEventType
    version: int
    record: ObjectRecord
    is_readable: bool


class Page(NamedTuple):
    """One page of a list, as the server sends it."""

    records: Sequence[ObjectRecord]
    resource_version: int
    continue_token: str


class _Backup(NamedTuple):
    version: int
    objects: dict[str, ObjectRecord]
    unreadable: frozenset[str]


class ModelServer:
    """One resource of a server.

    Attributes:
        version: The version of the last change.
        objects: The objects by key, each in its last state.
        unreadable: The keys of objects whose state no client can decode.
        history: All that happened since the last restore, oldest first; older than :attr:`compacted` is not shown.
        compacted: Watches and continue tokens from versions before this are expired.
        changes: How often the state changed, ever.
        restores: How often it went back to a backup: what was under way then never arrives.

    Concurrency:
        One thread.
    """

    def __init__(self, *, has_cache: bool = True) -> None:
        """Make an empty server; ``has_cache``: it answers a list at version 0 from memory, in one page."""
        self.version = STRIDE
        self.objects: dict[str, ObjectRecord] = {}
        self.unreadable: set[str] = set()
        self.history: list[Happening] = []
        self.compacted = 0
        self.changes = 0
        self.restores = 0
        self._has_cache = has_cache
        self._stride = STRIDE
        self._uids = 0
        self._backup = _Backup(self.version, {}, frozenset())
        self._before_history: dict[str, ObjectRecord] = {}
        self._snapshots: dict[int, list[ObjectRecord]] = {}
        self._states: dict[str, set[ObjectRecord]] = {}
        self._ended: set[tuple[str, str]] = set()
        self._undone: set[str] = set()

    # -- changes ----------------------------------------------------------------------------------------------------

    def put(self, key: str, *, group: str, is_readable: bool = True) -> None:
        """Create an object, or change it; ``group`` becomes its label."""
        old = self.objects.get(key)
        self.changes += 1
        self.version += self._stride
        if old is None:
            self._uids += 1
        uid = f"uid-{self._uids}" if old is None else old[UID]
        record = _record(key, uid, self.version, group, self.changes)
        self.objects[key] = record
        if is_readable:
            self.unreadable.discard(key)
            self._states.setdefault(key, set()).add(record)
        else:
            self.unreadable.add(key)
        kind = WatchEventType.ADDED if old is None else WatchEventType.MODIFIED
        self.history.append(Happening(kind, self.version, record, is_readable))

    def delete(self, key: str) -> None:
        """Delete an object; nothing happens if there is none."""
        old = self.objects.pop(key, None)
        if old is None:
            return
        self._ended.add((key, old[UID]))
        self.changes += 1
        self.version += self._stride
        final = _record(key, old[UID], self.version, old[LABELS][1], self.changes)
        is_readable = key not in self.unreadable
        self.unreadable.discard(key)
        self._states.setdefault(key, set()).add(final)
        self.history.append(Happening(WatchEventType.DELETED, self.version, final, is_readable))

    def compact(self) -> None:
        """Forget what happened: a watch or a continue token from before now is expired."""
        self.compacted = self.version
        self._snapshots.clear()

    def back_up(self) -> None:
        """Keep the state for :meth:`restore`."""
        self._backup = _Backup(self.version, dict(self.objects), frozenset(self.unreadable))

    def restore(self) -> None:
        """Go back to the backup, versions included: what was changed since has never happened."""
        kept = {(key, record[UID]) for key, record in self._backup.objects.items()}
        self._ended.update({(key, record[UID]) for key, record in self.objects.items()} - kept)
        self.version = self._backup.version
        self._undone.update(happening.record[KEY] for happening in self.history if happening.version > self.version)
        self.objects = dict(self._backup.objects)
        self.unreadable = set(self._backup.unreadable)
        self.changes += 1
        self.restores += 1
        self._stride = 1
        self._before_history = dict(self.objects)
        self.history.clear()
        self.compact()

    @property
    def keys(self) -> int:
        """How many keys there ever were."""
        return len(self._states)

    def was(self, record: ObjectRecord) -> bool:
        """Return whether an object ever was in this state, and the state one that can be decoded."""
        return record in self._states.get(record[KEY], ())

    def has_ended(self, key: str, uid: str) -> bool:
        """Return whether an object was ever deleted, or lost with what a backup does not hold, or may well seem so.

        What happened to its key, and was undone by a restore, may still be on its way, after an answer of the server
        that was restored: then each of the two follows from its version, and the object is another in each.
        """
        return (key, uid) in self._ended or key in self._undone

    # -- requests ---------------------------------------------------------------------------------------------------

    def page(self, resource_version: str | None, limit: int | None, continue_token: str, *, behind: int = 0) -> Page:
        """Answer one page of a list.

        Args:
            resource_version: None: as it is now; ``0``: as it was, if need be; else: not older than that.
            limit: The most objects in the page.
            continue_token: That of the page before.
            behind: How many changes whoever answers has not heard of yet; a list without a version always hears of all.

        Raises:
            ResourceExpired: The token is too old.
            ServerTimeout: The version is one that the server has not reached.
            BadRequest: The token is not one of this server.
        """
        if continue_token:
            return self._next_page(continue_token, limit)
        version, objects = self._state(0 if resource_version is None else behind)
        if resource_version not in {None, "", "0"} and int(resource_version or 0) > version:
            raise too_large(int(resource_version or 0), version)
        limit = None if resource_version == "0" and self._has_cache else limit
        return self._cut(sorted(objects.values()), 0, version, limit)

    def position(self, version: int) -> int:
        """Return where in the history a watch from a version begins: behind all that happened up to it.

        Raises:
            ResourceExpired: What happened since is not known any more.
        """
        if version < self.compacted:
            raise ResourceExpired(f"too old resource version: {version} ({self.compacted})", code=410, reason="Expired")
        return bisect.bisect_right(self.history, version, key=_version_of)

    def _state(self, behind: int) -> tuple[int, dict[str, ObjectRecord]]:
        """Return the state before the last ``behind`` changes, as far back as is known."""
        objects, version = dict(self.objects), self.version
        known = [happening for happening in self.history if happening.version > self.compacted]
        behind = min(behind, len(known))
        if not behind:
            return version, objects
        boundary = known[-behind].version
        for key in {happening.record[KEY] for happening in known[-behind:]}:
            before = next(
                (
                    happening
                    for happening in reversed(self.history)
                    if happening.record[KEY] == key and happening.version < boundary
                ),
                None,
            )
            objects.pop(key, None)
            if before is None and key in self._before_history:
                objects[key] = self._before_history[key]
            elif before is not None and before.type is not WatchEventType.DELETED:
                objects[key] = before.record
        version = known[-behind - 1].version if behind < len(known) else self.compacted
        return version, objects

    def _next_page(self, token: str, limit: int | None) -> Page:
        version, _, start = token.partition(":")
        if not start.isdecimal():
            raise BadRequest("continue key is not valid", code=400, reason="BadRequest")
        snapshot = self._snapshots.get(int(version))
        if snapshot is None:
            raise ResourceExpired(
                "The provided continue parameter is too old to display a consistent list result.",
                code=410, reason="Expired", continue_token=f"{self.version}:{start}",
            )  # fmt: skip
        return self._cut(snapshot, int(start), int(version), limit)

    def _cut(self, records: list[ObjectRecord], start: int, version: int, limit: int | None) -> Page:
        end = len(records) if limit is None else start + limit
        if end >= len(records):
            return Page(records[start:], version, "")
        self._snapshots[version] = records
        return Page(records[start:end], version, f"{version}:{end}")


def too_large(asked: int, current: int) -> ServerTimeout:
    """Return the refusal of a version that the server has not reached."""
    text = f"Too large resource version: {asked}, current: {current}"
    cause = StatusCause("", "ResourceVersionTooLarge", "Too large resource version")
    return ServerTimeout(text, code=504, reason="Timeout", causes=[cause], retry_after_s=1.0)


def selected(records: Iterable[ObjectRecord], field_selector: str) -> list[ObjectRecord]:
    """Return the records that a selector of names and namespaces selects; all, if it is empty."""
    wanted = dict(part.split("=", 1) for part in field_selector.split(",") if part)
    name, namespace = wanted.get("metadata.name"), wanted.get("metadata.namespace")
    keyed = ((record, record[KEY].split("/")) for record in records)
    return [record for record, key in keyed if name in {None, key[1]} and namespace in {None, key[0]}]


def _version_of(happening: Happening) -> int:
    return happening.version


def _record(key: str, uid: str, version: int, group: str, change: int) -> ObjectRecord:
    namespace, _, name = key.rpartition("/")
    raw = (
        f'{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"{namespace}","uid":"{uid}",'
        f'"resourceVersion":"{version}","labels":{{"group":"{group}"}}}},"spec":{{"change":{change}}}}}'
    )
    return key, uid, str(version), ("group", group), raw.encode()
