"""Indices: which keys have which values, and what makes values of an object.

Pure bookkeeping without a lock; :class:`~kubeprims.cache.store.Store` owns it. Index functions are user code, so they
run in :meth:`Indices.evaluate` alone, which changes nothing and is called outside the store's write section.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubeprims.errors import InvalidArgument, UnknownIndex
from kubeprims.meta import JSONValue, ObjectKey
from kubeprims.objects.record import ObjectRecord
from kubeprims.objects.unstructured import Unstructured

IndexFunc = Callable[[Unstructured], Iterable[str]]
"""Returns the values under which an object is found; it gets a view of its own and must not call the store's writes."""

NAMESPACE_INDEX = "namespace"
"""The index that is always there; it costs no decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexErrors:
    """How an index function has failed.

    Attributes:
        count: How often it raised, or returned something that is not an iterable of texts, in all.
        keys: The keys of the stored objects that are missing from the index because of it.
        last_error: The last failure, as text.
    """

    count: int
    keys: tuple[ObjectKey, ...]
    last_error: str


class IndexEntry(NamedTuple):
    """What an index function says of one object: its distinct values, or why there are none (``error``)."""

    values: tuple[str, ...]
    error: str = ""


class Index:
    """The values of one index function, and the keys of each.

    Keys are plain texts in dicts without values, not in sets: that keeps their order, and the cycle collector does not
    track a dict of plain texts.
    """

    __slots__ = ("_error_by_key", "_error_count", "_function", "_keys_by_value", "_last_error", "_values_by_key")

    def __init__(self, function: IndexFunc) -> None:
        self._function = function
        self._keys_by_value: dict[str, dict[str, None]] = {}
        self._values_by_key: dict[str, tuple[str, ...]] = {}
        self._error_by_key: dict[str, str] = {}
        self._error_count = 0
        self._last_error = ""

    def evaluate(self, obj: Unstructured) -> IndexEntry:
        """Return the entry of an object; calls user code and changes nothing."""
        try:
            return IndexEntry(tuple(dict.fromkeys(map(_checked_value, _checked_values(self._function(obj))))))
        except Exception as error:  # noqa: BLE001 - user code: a bad index function costs its index, not the informer
            return IndexEntry((), f"{type(error).__name__}: {error}")

    def place(self, key: str, entry: IndexEntry) -> None:
        """Put a key under the values of its entry, and under no others."""
        if entry.error:
            self.drop(key)
            self._error_by_key[key] = entry.error
            self._error_count += 1
            self._last_error = entry.error
        elif self._error_by_key or self._values_by_key.get(key, ()) != entry.values:
            self.drop(key)
            if entry.values:
                self._values_by_key[key] = entry.values
            for value in entry.values:
                self._keys_by_value.setdefault(value, {})[key] = None

    def drop(self, key: str) -> None:
        """Forget a key, and each value that it was the last one of."""
        for value in self._values_by_key.pop(key, ()):
            keys = self._keys_by_value[value]
            del keys[key]
            if not keys:  # client-go k/k#84959: empty sets of short-lived values pile up
                del self._keys_by_value[value]
        self._error_by_key.pop(key, None)

    def keys(self, value: str) -> Iterable[str]:
        """Return the keys under a value."""
        return self._keys_by_value.get(value, ())

    def values(self) -> Iterable[str]:
        """Return the values that have a key."""
        return self._keys_by_value

    @property
    def errors(self) -> IndexErrors:
        """How the index function has failed."""
        return IndexErrors(
            count=self._error_count, keys=tuple(map(ObjectKey, self._error_by_key)), last_error=self._last_error
        )


class NamespaceIndex:
    """The keys of each namespace, known from the keys themselves."""

    __slots__ = ("_keys_by_namespace",)

    def __init__(self) -> None:
        self._keys_by_namespace: dict[str, dict[str, None]] = {}

    def add(self, key: str) -> None:
        """Put a key under its namespace."""
        namespace = key.rpartition("/")[0]
        self._keys_by_namespace.setdefault(namespace, {})[key] = None

    def drop(self, key: str) -> None:
        """Forget a key, and its namespace if it was the last one of it."""
        namespace = key.rpartition("/")[0]
        keys = self._keys_by_namespace[namespace]
        del keys[key]
        if not keys:
            del self._keys_by_namespace[namespace]

    def keys(self, value: str) -> Iterable[str]:
        """Return the keys in a namespace."""
        return self._keys_by_namespace.get(value, ())

    def values(self) -> Iterable[str]:
        """Return the namespaces that have a key; the empty one for cluster-scoped objects."""
        return self._keys_by_namespace


class Indices:
    """All indices of one store.

    An index that is being filled is kept up to date like any other, but is not found by name before it is published.

    Concurrency:
        The store's lock guards every method but :meth:`evaluate`, which works on what it finds when it is called: the
        mapping of indices is replaced, never changed.
    """

    __slots__ = ("_indices", "_unpublished", "by_namespace")

    def __init__(self) -> None:
        self.by_namespace = NamespaceIndex()
        self._indices: Mapping[str, Index] = {}
        self._unpublished: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self._indices)

    def evaluate(self, record: ObjectRecord) -> tuple[IndexEntry, ...]:
        """Return what each index function says of an object; calls user code and changes nothing."""
        obj = Unstructured(record)
        return tuple(index.evaluate(obj) for index in self._indices.values())

    def place(self, key: str, entries: Iterable[IndexEntry]) -> None:
        """Put a key into every index, by what :meth:`evaluate` returned for the same indices."""
        for index, entry in zip(self._indices.values(), entries, strict=True):
            index.place(key, entry)

    def drop(self, key: str) -> None:
        """Forget a key in every index; its namespace stays."""
        for index in self._indices.values():
            index.drop(key)

    def register(self, functions: Mapping[str, IndexFunc]) -> Mapping[str, Index]:
        """Add empty, unpublished indices; all or none.

        Raises:
            InvalidArgument: A name is taken, or a function is not callable.
        """
        for name, function in functions.items():
            if name in self._indices or name == NAMESPACE_INDEX:
                raise InvalidArgument(f"there is an index named {name!r} already")
            if not callable(function):
                raise InvalidArgument(f"the index function of {name!r} must be callable, not {function!r}")
        added = {name: Index(function) for name, function in functions.items()}
        self._indices = {**self._indices, **added}
        self._unpublished |= added.keys()
        return added

    def publish(self, names: Iterable[str]) -> None:
        """Let indices be found by name."""
        self._unpublished = self._unpublished.difference(names)

    def unregister(self, names: Iterable[str]) -> None:
        """Forget indices that were not published."""
        names = frozenset(names)
        self._unpublished -= names
        self._indices = {name: index for name, index in self._indices.items() if name not in names}

    def find(self, name: str) -> Index | NamespaceIndex | None:
        """Return a published index; None if there is none of that name."""
        if name == NAMESPACE_INDEX:
            return self.by_namespace
        return None if name in self._unpublished else self._indices.get(name)

    def get(self, name: str) -> Index | NamespaceIndex:
        """Return a published index.

        Raises:
            UnknownIndex: There is none of that name.
        """
        index = self.find(name)
        if index is None:
            raise UnknownIndex(f"there is no index named {name!r}; there are {', '.join(sorted(self.names()))}")
        return index

    def names(self) -> list[str]:
        """Return the names of the published indices."""
        return [NAMESPACE_INDEX, *(name for name in self._indices if name not in self._unpublished)]

    def errors(self) -> dict[str, IndexErrors]:
        """Return how index functions have failed, for each that ever has."""
        errors = {name: index.errors for name, index in self._indices.items() if name not in self._unpublished}
        return {name: of_index for name, of_index in errors.items() if of_index.count}


def label_index(label: str) -> IndexFunc:
    """Return an index function for the value of a label; objects without it are not in the index. Decodes nothing."""

    def values(obj: Unstructured) -> Iterable[str]:
        value = obj.labels.get(label)
        return () if value is None else (value,)

    return values


def field_index(path: str) -> IndexFunc:
    """Return an index function for the field at a path such as ``spec.nodeName``; decodes each object that changes.

    A list on the way, or at the end, stands for each of its items: ``spec.containers.image`` gives every image. Numbers
    and booleans become their JSON text. A field that is missing or null, or is an object, has no value.

    Args:
        path: Field names joined by dots.

    Raises:
        InvalidArgument: The path is empty or has an empty part.
    """
    parts = path.split(".")
    if not all(parts):
        raise InvalidArgument(f"a field path is names joined by dots, such as spec.nodeName, not {path!r}")

    def values(obj: Unstructured) -> Iterator[str]:
        return _texts_at(obj.get(parts[0]), parts[1:])

    return values


def _texts_at(value: JSONValue, parts: list[str]) -> Iterator[str]:
    """Yield the scalars that a path leads to, as texts."""
    if isinstance(value, list):
        for item in value:
            yield from _texts_at(item, parts)
    elif parts:
        if isinstance(value, dict):
            yield from _texts_at(value.get(parts[0]), parts[1:])
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, str | int | float):
        yield str(value)


def _checked_values(values: Iterable[str]) -> Iterable[str]:
    if isinstance(values, str):  # iterable too, letter by letter: surely not what was meant
        raise TypeError(f"an index function returns an iterable of texts, not the text {values[:64]!r}")
    return values


def _checked_value(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"an index function returns an iterable of texts; one item is {value!r:.64}")
    return sys.intern(str(value))  # few distinct values, many objects: one text for all of them
