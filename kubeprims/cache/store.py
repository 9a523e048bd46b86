"""The objects of a cache, by key, behind the one lock.

An object is kept as a record, its bytes behind a few header values, which costs the cycle collector nothing. What a
reader gets is a view of its own over those bytes, so nothing that a reader does reaches the store.

A write is decided outside the lock, index functions included, and carried out inside it: objects, indices and version
change in one write section. If another write came in between, it is decided again.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kubeprims.cache.delta_fifo import Batch, Delta, DeltaType
from kubeprims.cache.index import IndexEntry, Indices
from kubeprims.errors import InvalidSelector
from kubeprims.meta import ObjectKey, Selector
from kubeprims.objects.record import KEY, LABELS, RAW, RESOURCE_VERSION, UID, ObjectRecord
from kubeprims.objects.unstructured import Unstructured
from kubeprims.selectors import FieldSelector, LabelSelector

_NAME_FIELD = "metadata.name"
_NAMESPACE_FIELD = "metadata.namespace"
_KEY_FIELDS = frozenset({_NAME_FIELD, _NAMESPACE_FIELD})


class Change(NamedTuple):
    """What one delta did to the store.

    Attributes:
        type: The delta's type.
        key: The object's key.
        old: The object before; None if it was not in the store. For a deletion, the last state that is known: the final
            one unless ``is_tombstone``, and None only if nothing but the key ever was.
        new: The object now; None if it is gone. The same record as ``old`` if the version did not change.
        is_tombstone: Whether this is a deletion that was inferred, so that ``old`` may be out of date.
    """

    type: DeltaType
    key: str
    old: ObjectRecord | None
    new: ObjectRecord | None
    is_tombstone: bool = False


class _Write(NamedTuple):
    """A decided write.

    Attributes:
        records: What to store under each key; None to remove it.
        resource_version: The version that the store then has; empty if that does not change.
    """

    records: dict[str, ObjectRecord | None]
    resource_version: str


class Store:
    """Objects by key.

    Concurrency:
        Every method may be called from any thread. Each call sees the store before or after a whole write, never in
        between; nothing is promised across calls.

    Source:
        client-go tools/cache/thread_safe_store.go, ``ThreadSafeStore``.
        Same: one write section for objects, indices and version; which writes move the version.
        Differs: readers get views of their own, and index functions run outside the lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, ObjectRecord] = {}
        self._indices = Indices()
        self._resource_version = ""
        self._writes = 0

    # -- reading --------------------------------------------------------------------------------------------------

    def get(self, key: str) -> Unstructured | None:
        """Return the object of a key (``namespace/name``, or ``name`` if cluster-scoped); None if there is none.

        Raises:
            InvalidArgument: The text is no key: it has two slashes, say.
        """
        record = self.record(key)
        if record is None:
            ObjectKey.parse(key)  # what is found needs no check
            return None
        return Unstructured(record)

    def list(
        self,
        namespace: str | None = None,
        label_selector: Selector | str | None = None,
        field_selector: FieldSelector | str | None = None,
    ) -> builtins.list[Unstructured]:
        """Return the objects of a namespace that both selectors select, in no particular order; decodes nothing.

        Args:
            namespace: The namespace; None or empty is all.
            label_selector: A selector or its text, such as ``app=web,tier in (front, back)``; None is all.
            field_selector: A selector or its text, of ``metadata.name`` and ``metadata.namespace``; None is all.

        Raises:
            InvalidSelector: A text does not parse, or the field selector names other fields: those need an index.
        """
        if isinstance(label_selector, str):
            label_selector = LabelSelector.parse(label_selector)
        if isinstance(field_selector, str):
            field_selector = FieldSelector.parse(field_selector)
        found = self._snapshot(namespace) if field_selector is None else self._by_fields(namespace, field_selector)
        if label_selector is not None:
            found = _selected(found, label_selector)
        return [Unstructured(record) for record in found]

    def keys(self) -> builtins.list[ObjectKey]:
        """Return the keys of all objects."""
        with self._lock:
            keys = [*self._records]
        return [ObjectKey(key) for key in keys]

    def record(self, key: str) -> ObjectRecord | None:
        """Return the record of a key; None if there is none."""
        with self._lock:
            return self._records.get(key)

    def records(self, namespace: str | None = None) -> builtins.list[ObjectRecord]:
        """Return the records of a namespace; of all if it is None or empty."""
        return self._snapshot(namespace)

    def stored(self, record: ObjectRecord) -> ObjectRecord:
        """Return a record with the stored bytes if they are of the same version of the same object, else ``record``.

        A list that is read through this never holds the bytes of unchanged objects twice.
        """
        stored = self.record(record[KEY])
        return record if stored is None or not _is_same_version(stored, record) else stored

    @property
    def resource_version(self) -> str:
        """The version of the last write that told one; empty before the first."""
        return self._resource_version

    def __len__(self) -> int:
        """Return how many objects there are."""
        return len(self._records)

    def __contains__(self, key: object) -> bool:
        """Return whether there is an object of that key."""
        with self._lock:
            return key in self._records

    def _snapshot(self, namespace: str | None) -> builtins.list[ObjectRecord]:
        with self._lock:
            if not namespace:
                return [*self._records.values()]
            return [self._records[key] for key in self._indices.by_namespace.keys(namespace)]

    def _by_fields(self, namespace: str | None, selector: FieldSelector) -> builtins.list[ObjectRecord]:
        """Return the records whose keys a field selector selects, looking at no more of them than it has to."""
        unknown = {requirement.field for requirement in selector.requirements} - _KEY_FIELDS
        if unknown:
            rule = (
                f"a cache selects by {' and '.join(sorted(_KEY_FIELDS))}; for {', '.join(sorted(unknown))} add an index"
            )
            raise InvalidSelector(str(selector), rule)
        exact = {
            requirement.field: requirement.value for requirement in selector.requirements if not requirement.negated
        }
        namespace = namespace or exact.get(_NAMESPACE_FIELD)
        name = exact.get(_NAME_FIELD)
        if namespace and name:
            record = self.record(f"{namespace}/{name}")
            found = [] if record is None else [record]
        else:
            found = self._snapshot(namespace)
        return [record for record in found if selector.matches(_key_fields(record[KEY]).get)]

    # -- writing --------------------------------------------------------------------------------------------------

    def apply(self, batch: Batch) -> builtins.list[Change]:
        """Carry out all deltas of a batch in one write section.

        Returns:
            What each delta did, in the order of the batch.
        """
        changes: builtins.list[Change] = []

        def decide() -> _Write:
            records: dict[str, ObjectRecord | None] = {}
            changes[:] = [self._change(delta, records) for deltas in batch.deltas for delta in deltas]
            return _Write(records, batch.resource_version)

        self._write(decide)
        return changes

    def put(self, record: ObjectRecord) -> None:
        """Add an object, or take it in place of the one of its key; the store then has the object's version."""
        write = _Write({record[KEY]: record}, record[RESOURCE_VERSION])
        self._write(lambda: write)

    def delete(self, key: str, final: ObjectRecord | None = None) -> None:
        """Remove an object; nothing happens if there is none.

        Args:
            key: The object's key.
            final: Its final state, if known: the store then has the version of that.
        """
        write = _Write({key: None}, "" if final is None else final[RESOURCE_VERSION])
        self._write(lambda: write)

    def replace(self, records: Iterable[ObjectRecord], resource_version: str) -> None:
        """Take a whole list in place of all that is stored; unchanged objects keep their bytes."""
        listed = {record[KEY]: record for record in records}

        def decide() -> _Write:
            with self._lock:
                stored = dict(self._records)
            decided: dict[str, ObjectRecord | None] = dict.fromkeys(stored)
            for key, record in listed.items():
                decided[key] = _unless_same_version(stored.get(key), record)
            return _Write(decided, resource_version)

        self._write(decide)

    def bookmark(self, resource_version: str) -> None:
        """Note that the store has all that happened up to a version."""
        with self._lock:
            self._resource_version = resource_version

    # -- the write section ----------------------------------------------------------------------------------------

    def _change(self, delta: Delta, records: dict[str, ObjectRecord | None]) -> Change:
        """Return what a delta does to the store as ``records`` will have changed it, and add to those."""
        kind, key, record, is_tombstone = delta
        old = records[key] if key in records else self._records.get(key)
        if kind is DeltaType.DELETED:
            records[key] = None
            return Change(kind, key, record or old, None, is_tombstone)
        assert record is not None, key
        if old is not None and (
            old[RAW] is record[RAW] or (kind is DeltaType.REPLACED and _is_same_version(old, record))
        ):
            records[key] = old
            return Change(kind, key, old, old)
        records[key] = record
        return Change(kind, key, old, record)

    def _write(self, decide: Callable[[], _Write]) -> None:
        """Carry out what ``decide`` returns, once it was decided on what is stored."""
        while True:
            writes = self._writes
            write = decide()
            entries = self._evaluate(write)
            with self._lock:
                if writes == self._writes:
                    self._writes += 1
                    self._store(write, entries)
                    return

    def _evaluate(self, write: _Write) -> dict[str, tuple[IndexEntry, ...]]:
        """Return the index entries of all objects that a write changes; calls user code."""
        if not self._indices:
            return {}
        stored = self._records
        return {
            key: self._indices.evaluate(record)
            for key, record in write.records.items()
            if record is not None and record is not stored.get(key)
        }

    def _store(self, write: _Write, entries: dict[str, tuple[IndexEntry, ...]]) -> None:
        records, indices = self._records, self._indices
        for key, record in write.records.items():
            if record is not None:
                if key not in records:
                    indices.by_namespace.add(key)
                records[key] = record
            elif records.pop(key, None) is not None:
                indices.by_namespace.drop(key)
                indices.drop(key)
        for key, placed in entries.items():
            indices.place(key, placed)
        if write.resource_version:
            self._resource_version = write.resource_version


def _key_fields(key: str) -> dict[str, str]:
    namespace, _, name = key.rpartition("/")
    return {_NAMESPACE_FIELD: namespace, _NAME_FIELD: name}


def _is_same_version(stored: ObjectRecord, record: ObjectRecord) -> bool:
    """Return whether both are the same version of the same object; what has no version never is."""
    return stored[RESOURCE_VERSION] == record[RESOURCE_VERSION] != "" and stored[UID] == record[UID]


def _unless_same_version(stored: ObjectRecord | None, record: ObjectRecord) -> ObjectRecord:
    return stored if stored is not None and _is_same_version(stored, record) else record


def _selected(records: Iterable[ObjectRecord], selector: Selector) -> list[ObjectRecord]:
    """Return the records whose labels a selector selects; asks it once for each distinct set of labels."""
    verdicts: dict[tuple[str, ...], bool] = {}
    selected: list[ObjectRecord] = []
    for record in records:
        labels = record[LABELS]
        verdict = verdicts.get(labels)
        if verdict is None:
            verdict = verdicts[labels] = selector.matches(dict(zip(labels[::2], labels[1::2], strict=True)))
        if verdict:
            selected.append(record)
    return selected
